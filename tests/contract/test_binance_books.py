"""Our feed of Binance's books on the server in its role: what is particular to that venue."""

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from arb.clock import NS_PER_S, SystemClock
from arb.market.arena import BookState
from arb.market.feed import NoticeKind
from tests.contract.server_watch import OF_MANY, Watch
from tests.contract.venue_server import Venues, venue_server

Story = Callable[[Watch], Any]
SYMBOLS = 40  # two requests of at most 30 books


@pytest.fixture
def venues() -> Iterator[Venues]:
    """Start a server."""
    with venue_server("--symbols", str(SYMBOLS), "--seed", "7", "--rate", "0") as running:
        yield running


def run(venues: Venues, story: Story, *more: str) -> None:
    """Run a story around a running feed of all books that are asked for, and of `more` that the venue does not know."""

    async def whole() -> None:
        watch = Watch("binance", venues, more=more, scale=OF_MANY)

        async def begun() -> None:
            await watch.until(lambda: confirmed(watch) >= len(watch.natives))
            await watch.step()
            await story(watch)

        await watch.during(begun())

    asyncio.run(whole())


def confirmed(watch: Watch) -> int:
    return sum(len(notice.native_symbols) for notice in watch.notices if notice.kind is NoticeKind.SUBSCRIBED)


def binance(venues: Venues) -> Any:
    """Return what the server says of it."""
    return venues.look("/state")["venues"]["binance"]


def asked_in_all(venues: Venues) -> int:
    """Return how many snapshots were asked for once none has been for a second: first those come that are under way."""
    asked = -1
    while asked < (now := int(binance(venues)["snapshots"])):
        asked = now
        time.sleep(1.0)
    return asked


def until_refused(venues: Venues) -> None:
    """Wait until the venue has refused something."""
    for _ in range(1200):
        if binance(venues)["refused"]:
            return
        time.sleep(0.05)
    raise AssertionError("it never refused anything")


def test_every_book_costs_the_weight_of_a_hundred_levels_and_its_quotes_confirm_it(venues: Venues) -> None:
    async def story(watch: Watch) -> None:
        await watch.until(watch.live)
        await watch.step(5)
        await watch.ends_equal()
        assert watch.books.counts.checks_held > SYMBOLS and watch.books.counts.checks_failed == 0

    run(venues, story)
    state = binance(venues)
    assert (state["used"], state["snapshots"], state["refused"]) == (5 * SYMBOLS, SYMBOLS, {})


def test_a_name_that_is_acknowledged_and_never_served_has_no_book_and_costs_nothing(venues: Venues) -> None:
    async def story(watch: Watch) -> None:
        await watch.until(lambda: watch.live(but="NOSUCHUSDT"))
        assert watch.state("NOSUCHUSDT") is BookState.WAITING

    run(venues, story, "NOSUCHUSDT")
    assert binance(venues)["used"] == 5 * SYMBOLS


@pytest.mark.thorough
def test_with_most_of_the_minutes_weight_used_by_others_nothing_is_asked_until_the_next(venues: Venues) -> None:
    """Whoever else asks from this address: the venue counts all, and says so with each answer."""

    async def story(watch: Watch) -> None:
        await watch.until(watch.live)
        left_s = 60 - SystemClock().wall_ns() / NS_PER_S % 60
        if left_s < 20:  # no new minute is to begin meanwhile, neither there nor here
            await asyncio.sleep(left_s)
        asked = binance(venues)["snapshots"]
        await watch.strike("weight", for_s=5300)
        await watch.strike("cut")
        await watch.until(lambda: confirmed(watch) >= 2 * len(watch.natives))
        await watch.step()
        await watch.until(lambda: watch.books.counts.snapshots > SYMBOLS)
        more = await asyncio.to_thread(asked_in_all, venues) - asked
        assert 0 < more < SYMBOLS, "the rest of the minute is waited for"

    run(venues, story)
    assert binance(venues)["refused"] == {}


@pytest.mark.thorough
def test_an_address_that_is_banned_asks_no_more(venues: Venues) -> None:
    async def story(watch: Watch) -> None:
        await watch.until(watch.live)
        await watch.strike("ban", for_s=120)
        await watch.strike("cut")
        await watch.until(lambda: confirmed(watch) >= 2 * len(watch.natives))
        await watch.step()
        await asyncio.to_thread(until_refused, venues)
        await asyncio.sleep(2.0)
        assert not any(watch.state(native) is BookState.LIVE for native in watch.natives)

    run(venues, story)
    refused = binance(venues)["refused"]
    assert refused.keys() == {"banned"} and refused["banned"] <= 8, "what was under way already, and then nothing"
