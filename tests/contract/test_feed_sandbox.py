"""One suite for every public feed, over real sockets against the sandbox: books come up, are lost, and come back."""

import asyncio
import functools
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from arb.core.messages.events import FeedDown, FeedUp
from arb.market.arena import BookArena
from arb.market.feed import BookSeat
from arb.market.scale import Scale
from arb.venues.books.plain.base import WireFeed
from arb.venues.books.plain.bbo_check import PROVEN
from arb.venues.kit.endpoints import sandbox_access
from arb.venues.registry import spec_of
from tests.contract.conftest import Sandbox
from tests.contract.feed_watch import FeedWatch
from tests.contract.stock_clients import SYMBOL

NATIVE = {"gate": "BTC_USDT", "okx": "BTC-USDT", "bitget": "BTCUSDT", "bybit": "BTCUSDT"}
"""Binance's books begin with a change after their snapshot, and these stand still: see `test_binance_books.py`."""
SCALE = Scale(8, 8)
STEPS = itertools.count(1)


class Watch(FeedWatch):
    """A feed that is running, its book, and what it told."""

    def __init__(self, venue: str, sandbox: Sandbox) -> None:
        site, _ = sandbox_access(venue, sandbox.info["venues"][venue])
        self.sandbox = sandbox
        self.arena = BookArena(1)
        books = spec_of(venue).make_books({NATIVE[venue]: BookSeat(0, SCALE)}, self.arena)
        assert isinstance(books, WireFeed)
        self.books = books
        super().__init__(venue, site, (NATIVE[venue],), books)

    async def move(self) -> str:
        """Change the book and return its new best bid."""
        best = f"{49000 + next(STEPS)}"
        body = {"venue": self.venue, "symbol": SYMBOL, "bids": [[best, "1"]], "asks": [["50000", "1"]]}
        await asyncio.to_thread(self.sandbox.admin, "POST", "/book", body)
        return best

    def shows(self, best: str) -> bool:
        """Return whether the book is live with that best bid."""
        return self.arena.usable(0) and self.arena.bids(0)[0][0] == SCALE.price_to_int(best)

    async def fault(self, name: str, **more: Any) -> None:
        """Start a fault on this venue's streams."""
        body = {"venue": self.venue, "fault": name, "on": "stream", **more}
        assert (await asyncio.to_thread(self.sandbox.admin, "POST", "/fault", body))["applied"]


@pytest.fixture(params=NATIVE)
def run(request: pytest.FixtureRequest, sandbox: Sandbox) -> Iterator[Callable[[Any], None]]:
    """Run a story around a running feed."""

    def run_story(story: Any) -> None:
        async def whole() -> None:
            watch = Watch(request.param, sandbox)
            await watch.during(story(watch))

        asyncio.run(whole())

    sandbox.admin("DELETE", "/faults")
    yield run_story
    sandbox.admin("DELETE", "/faults")


def test_a_lost_frame_makes_the_book_unusable_until_a_clean_snapshot(run: Callable[[Any], None]) -> None:
    async def story(watch: Watch) -> None:
        await watch.until(lambda: watch.arena.usable(0))
        await watch.fault("ws_gap", count=1)
        best = await watch.move()
        async with asyncio.timeout(60):
            while not watch.resyncs:  # one step is lost, and the next one that is pushed shows it
                best = await watch.move()
        await watch.until(lambda: watch.shows(best))
        assert watch.resyncs == [NATIVE[watch.venue]]
        assert [type(event) for event in watch.events] == [FeedUp]

    run(story)


def test_a_lost_connection_is_reported_and_the_book_comes_back_by_itself(run: Callable[[Any], None]) -> None:
    async def story(watch: Watch) -> None:
        best = await watch.move()
        await watch.until(lambda: watch.shows(best))
        await watch.fault("ws_disconnect", count=1)
        best = await watch.move()
        await watch.until(lambda: any(isinstance(event, FeedDown) for event in watch.events))
        assert not watch.arena.usable(0)
        await watch.until(lambda: watch.shows(best))
        assert [type(event) for event in watch.events] == [FeedUp, FeedDown, FeedUp]

    run(story)


def test_a_book_follows_the_venue(run: Callable[[Any], None]) -> None:
    async def story(watch: Watch) -> None:
        for _ in range(3):
            best = await watch.move()
            await watch.until(functools.partial(watch.shows, best))
        assert watch.resyncs == []
        assert not watch.feed.unread()

    run(story)


def test_the_best_quotes_of_okx_prove_themselves_on_its_books(sandbox: Sandbox) -> None:
    async def whole() -> None:
        watch = Watch("okx", sandbox)

        async def story() -> None:
            await watch.until(lambda: watch.arena.usable(0))
            while watch.books.counts.checks_held < PROVEN:
                best = await watch.move()
                await watch.until(functools.partial(watch.shows, best))
            assert watch.books.counts.checks_failed == 0
            assert watch.resyncs == []

        await watch.during(story())

    sandbox.admin("DELETE", "/faults")
    asyncio.run(whole())
