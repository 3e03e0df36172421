"""Our feed of Bybit's books on the server in its role: what is particular to that venue."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from arb.core.messages.events import FeedUp, TroubleReported
from arb.market.feed import NoticeKind
from tests.contract.server_watch import OF_MANY, Watch
from tests.contract.venue_server import Venues, venue_server

Story = Callable[[Watch], Any]
SYMBOLS = 23  # three requests, as a request may name ten books


@pytest.fixture(scope="module")
def venues() -> Iterator[Venues]:
    """Start the server that all tests here share."""
    with venue_server("--symbols", str(SYMBOLS), "--seed", "7", "--rate", "0") as running:
        yield running


def run(venues: Venues, story: Story, *more: str) -> Watch:
    """Run a story around a running feed of all books, and of `more` that the venue does not know."""

    async def whole() -> Watch:
        watch = Watch("bybit", venues, more=more, scale=OF_MANY)
        await watch.during(story(watch))
        return watch

    return asyncio.run(whole())


@pytest.mark.thorough
def test_books_are_asked_for_ten_at_a_time_and_confirmed_by_the_requests_number(venues: Venues) -> None:
    async def story(watch: Watch) -> None:
        await watch.until(watch.live)
        confirmed = [n.native_symbols for n in watch.notices if n.kind is NoticeKind.SUBSCRIBED]
        assert [len(natives) for natives in confirmed] == [10, 10, 3]
        assert [native for natives in confirmed for native in natives] == watch.natives
        await watch.until(lambda: NoticeKind.PONG in {notice.kind for notice in watch.notices})

    run(venues, story)
    assert venues.look("/state")["venues"]["bybit"]["refused"] == {}


def test_a_service_that_restarts_begins_its_numbers_anew_and_no_book_is_lost(venues: Venues) -> None:
    async def story(watch: Watch) -> None:
        await watch.until(watch.live)
        await watch.step(3)
        await watch.strike("restart")
        await watch.step(3)
        await watch.ends_equal()
        assert watch.resyncs == [] and [type(event) for event in watch.events] == [FeedUp]

    run(venues, story)


def test_one_name_that_the_venue_does_not_know_keeps_no_other_book_away(venues: Venues) -> None:
    async def story(watch: Watch) -> None:
        await watch.until(lambda: watch.live(but="NOSUCHUSDT"))
        await watch.step(3)
        await watch.ends_equal(but="NOSUCHUSDT")
        await watch.until(lambda: len(watch.events) == 2)

    watch = run(venues, story, "NOSUCHUSDT")
    up, trouble = watch.events
    assert isinstance(up, FeedUp) and isinstance(trouble, TroubleReported)
    assert "bybit refused NOSUCHUSDT: subscribe Invalid symbol :[orderbook.50.NOSUCHUSDT]" in trouble.text
    refused = venues.look("/state")["venues"]["bybit"]["refused"]
    assert refused.keys() == {"Invalid symbol"} and refused["Invalid symbol"] <= 4, "it is found by halves"
