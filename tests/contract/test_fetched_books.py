"""Gate's EU entity and Binance in the role of `tests.venue_server`: ccxt.pro as their judge, and our feeds there in misfortune.

Books begin with a fetched snapshot, and a book that nobody changes has no book to show: so every story moves the market first.
"""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from arb.core.messages.events import FeedDown, FeedUp, TroubleReported
from arb.market.arena import BookState
from arb.market.feed import NoticeKind
from tests.contract.ccxt_books import Levels
from tests.contract.feed_watch import PATIENCE_S
from tests.contract.server_watch import Watch
from tests.contract.stock_clients import exact
from tests.contract.venue_server import Client, Venues, stock_client, venue_server

WATCHED = ("BTC/USDT", "DOGE/USDT", "XRP/USDT", "SOL/USDT")
NEAR = 20
FETCHED = ("gate", "binance")
Story = Callable[[Watch], Any]


@pytest.fixture(scope="module")
def server() -> Iterator[Venues]:
    """Start the server that all tests here share."""
    with venue_server("--symbols", "8", "--seed", "11", "--rate", "0", "--gate-eu") as running:
        yield running


@pytest.fixture
def venues(server: Venues) -> Venues:
    """Come to the shared server as somebody new, whose requests are counted from 0."""
    server.control("/newcomer")
    for venue in FETCHED:
        server.strike(venue, "snapshots", answer="hang", for_s=0)
    return server


@pytest.mark.parametrize(("venue", "interval"), [("gate", "100ms"), ("gate", "20ms"), ("binance", "100ms")])
def test_ccxt_pro_ends_with_the_servers_books(venues: Venues, venue: str, interval: str) -> None:
    async def watch(client: Client, symbol: str) -> None:
        def shown(book: Any) -> tuple[Levels, Levels]:
            bids, asks = (
                [(exact(level[0]), exact(level[1])) for level in book[side][:NEAR]] for side in ("bids", "asks")
            )
            return bids, asks

        native = client.market_id(symbol)
        while symbol not in client.orderbooks or shown(client.orderbooks[symbol]) != await best(native):
            asked = {"interval": interval} if venue == "gate" else {}
            watching = asyncio.create_task(client.watch_order_book(symbol, {"100ms": 100, "20ms": 20}[interval], asked))
            while not watching.done():
                await asyncio.to_thread(venues.step, venue, 12, symbol=native)  # it fetches after ten changes
                await asyncio.wait({watching}, timeout=0.2)
            watching.result()

    async def best(native: str) -> tuple[Levels, Levels]:
        bids, asks = await asyncio.to_thread(venues.book, venue, native)
        return bids[:NEAR], asks[:NEAR]

    async def play() -> None:
        client = stock_client(venue, venues.info)
        try:
            await client.load_markets()
            await asyncio.wait_for(asyncio.gather(*(watch(client, symbol) for symbol in WATCHED)), PATIENCE_S)
        finally:
            await client.close()

    asyncio.run(play())
    assert venues.look("/state")["venues"][venue]["refused"] == {}


def test_a_client_of_the_other_entity_is_refused(venues: Venues) -> None:
    async def play() -> None:
        watch = Watch("gate", venues, channel="")
        running = asyncio.create_task(watch.feed.run())
        await watch.until(lambda: len(watch.events) > len(watch.natives))
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert isinstance(watch.events[1], TroubleReported)
        assert "unknown channel or event: spot.obu subscribe" in watch.events[1].text

    asyncio.run(play())
    refused = venues.look("/state")["venues"]["gate"]["refused"]
    assert refused == {"unknown channel or event: spot.obu subscribe": 8}
    venues.control("/newcomer")


# Our feed


@pytest.fixture(params=FETCHED)
def run(request: pytest.FixtureRequest, venues: Venues) -> Callable[[Story], None]:
    """Run a story around a feed whose books are live."""

    def run_story(story: Story) -> None:
        async def whole() -> None:
            watch = Watch(request.param, venues)

            async def begun() -> None:
                await confirmed(watch)
                assert not any(watch.state(native) is BookState.LIVE for native in watch.natives)
                await watch.step()
                await watch.until(watch.live)
                await story(watch)

            await watch.during(begun())

        asyncio.run(whole())

    return run_story


async def confirmed(watch: Watch, times: int = 1) -> None:
    """Wait until the venue has confirmed every subscription, this many times by now."""
    await watch.until(lambda: subscribed(watch) >= times * len(watch.natives))


def subscribed(watch: Watch) -> int:
    return sum(len(notice.native_symbols) for notice in watch.notices if notice.kind is NoticeKind.SUBSCRIBED)


def test_our_books_end_as_the_servers_after_hundreds_of_changes(run: Callable[[Story], None]) -> None:
    async def story(watch: Watch) -> None:
        await watch.step(40)
        await watch.ends_equal()
        assert watch.resyncs == []
        assert watch.books.counts.snapshots == len(watch.natives)

    run(story)


def test_a_missing_frame_costs_one_fetch_of_one_book_and_no_connection(run: Callable[[Story], None]) -> None:
    async def story(watch: Watch) -> None:
        lost = watch.natives[3]
        await watch.strike("gap", symbol=lost)
        await watch.step(2)
        await watch.until(lambda: bool(watch.resyncs) and watch.live())
        await watch.step(3)
        await watch.ends_equal()
        assert watch.resyncs == [lost]
        assert subscribed(watch) == len(watch.natives)
        assert [type(event) for event in watch.events] == [FeedUp]

    run(story)


@pytest.mark.parametrize("what", ["cut", "daily", "upgrade"])
def test_a_connection_that_ends_is_made_anew_and_all_books_are_fetched(run: Callable[[Story], None], what: str) -> None:
    async def story(watch: Watch) -> None:
        await watch.strike(what, for_s=3600)
        await confirmed(watch, 2)
        await watch.step()
        await watch.until(watch.live)
        await watch.step(2)
        await watch.ends_equal()
        assert [type(event) for event in watch.events] == [FeedUp, FeedDown, FeedUp]

    run(story)


def test_a_frame_that_is_no_json_costs_all_books_a_fetch_and_no_connection(run: Callable[[Story], None]) -> None:
    async def story(watch: Watch) -> None:
        await watch.strike("garbage")
        await watch.until(lambda: len(watch.resyncs) == len(watch.natives))
        await watch.step(2)
        await watch.ends_equal()
        assert [type(event) for event in watch.events] == [FeedUp]

    run(story)


def unfetched(answer: str) -> Story:
    async def story(watch: Watch) -> None:
        fetched = watch.books.counts.snapshots
        await watch.strike("snapshots", answer=answer, for_s=3600)
        await watch.step(1)  # what a cache shows is older than this
        await watch.strike("cut")
        await confirmed(watch, 2)
        for _ in range(4):
            await watch.step()
            await asyncio.sleep(0.3)
            assert not any(watch.state(native) is BookState.LIVE for native in watch.natives)
        assert watch.books.counts.snapshots == fetched
        await watch.strike("snapshots", answer=answer, for_s=0)
        await watch.until(watch.live)
        await watch.step(2)
        await watch.ends_equal()
        assert [type(event) for event in watch.events if not isinstance(event, TroubleReported)] == [
            FeedUp,
            FeedDown,
            FeedUp,
        ]

    return story


@pytest.mark.thorough
@pytest.mark.parametrize("answer", ["fault", "html", "no_book", "long", "hang", "cache"])
def test_while_snapshots_cannot_be_had_no_book_is_live_and_afterwards_all_are(
    run: Callable[[Story], None], answer: str
) -> None:
    run(unfetched(answer))


# A limit is counted per minute at Binance, and per half a second at Gate.
@pytest.mark.parametrize("run", ["gate", pytest.param("binance", marks=pytest.mark.thorough)], indirect=True)
def test_while_snapshots_are_limited_no_book_is_live_and_afterwards_all_are(run: Callable[[Story], None]) -> None:
    run(unfetched("limited"))


def test_a_name_that_is_acknowledged_and_never_served_has_no_book_although_its_snapshot_could_be_fetched(
    run: Callable[[Story], None],
) -> None:
    async def story(watch: Watch) -> None:
        silent = watch.natives[5]
        await watch.strike("mute", symbol=silent)
        await watch.strike("cut")
        await confirmed(watch, 2)
        await watch.step()
        await watch.until(lambda: watch.live(but=silent))
        await watch.step(2)
        await watch.ends_equal(but=silent)
        assert watch.state(silent) is BookState.WAITING
        await watch.strike("unmute", symbol=silent)

    run(story)


def test_our_feed_breaks_no_documented_limit(venues: Venues) -> None:
    state = venues.look("/state")["venues"]
    assert state["gate"]["refused"].keys() <= {"unknown channel or event: spot.obu subscribe"}
    assert state["binance"]["refused"] == {}


def test_a_server_that_pushes_the_whole_book_first_is_asked_for_none() -> None:
    async def play(venues: Venues) -> None:
        watch = Watch("gate", venues)
        await watch.strike("full")
        await watch.during(story(watch))

    async def story(watch: Watch) -> None:
        await watch.until(watch.live)
        await watch.step(20)
        await watch.ends_equal()
        assert watch.resyncs == []

    with venue_server("--symbols", "3", "--rate", "0", "--gate-eu") as venues:
        venues.strike("gate", "snapshots", answer="fault", for_s=3600)
        asyncio.run(play(venues))
