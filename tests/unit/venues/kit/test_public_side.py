"""What the connections of a venue share: how many may be dialled at once, and one line that says what a start takes."""

import asyncio
import logging
import random
from collections.abc import Mapping

import pytest

from arb.clock import NS_PER_S, ManualClock
from arb.core.messages.settings import Timing
from arb.errors import InvariantError
from arb.live.universe import books_of, universe_of
from arb.market.arena import BookArena
from arb.market.feed import ResyncBy
from arb.venues.build import build_feeds
from arb.venues.kit.endpoints import Environment
from arb.venues.kit.public_side import PublicSide, dial_budget
from arb.venues.kit.rules.pacing import Budget
from arb.venues.kit.spec import ConnectionLimits, VenueSpec
from arb.venues.registry import SPECS, spec_of
from arb.venues.transport.http import WriteTransport
from arb.venues.transport.network import NO_HEADERS, Socket, SocketEnded
from tests.builders import an_instrument
from tests.virtual import a_clock, run_virtual


class Dialled:
    """A network in which every dial takes a while, is noted, and fails or stays open without a word."""

    def __init__(self, clock: ManualClock, *, fails: bool) -> None:
        self.at_s: dict[str, list[float]] = {}
        self._clock = clock
        self._fails = fails

    def http(self) -> WriteTransport:
        raise AssertionError("no request goes here")

    async def dial(self, url: str, headers: Mapping[str, str] = NO_HEADERS) -> Socket:
        self.at_s.setdefault(url, []).append(self._clock.monotonic_ns() / NS_PER_S)
        await asyncio.sleep(0.05)
        if self._fails:
            raise SocketEnded("refused")
        await asyncio.Event().wait()
        raise AssertionError("nobody ends this")


def within(limit: ConnectionLimits, at_s: list[float]) -> bool:
    """Return whether dials keep to what a venue allows, and leave a third of it to others."""
    mine = max(1, limit.connects * 2 // 3)
    return all(later - earlier >= limit.connects_window_s for earlier, later in zip(at_s, at_s[mine:], strict=False))


@pytest.mark.parametrize("fails", [False, True], ids=["at a start", "while the venue is away"])
@pytest.mark.parametrize("venue", ["okx", "bitget"])
def test_hundreds_of_symbols_are_dialled_for_within_what_the_venue_allows(venue: str, fails: bool) -> None:
    clock = a_clock()
    spec = spec_of(venue)
    network = Dialled(clock, fails=fails)
    side = PublicSide(spec, spec.production, clock=clock, rng=random.Random(1), network=network)
    feeds = [
        side.feed((), spec.make_books({}, BookArena(0)), on_frame=lambda *_: None, emit=lambda _: None)
        for _ in range(12)
    ]

    async def whole() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(30):
                await asyncio.gather(*(feed.run() for feed in feeds))

    run_virtual(whole(), clock)
    at_s = network.at_s[spec.production.endpoint.ws_public]
    assert len(at_s) >= 12
    assert within(spec.connections, at_s)


def test_a_wait_for_ones_turn_is_no_failure_to_connect() -> None:
    """With two a second the 40th dial waits for 19 s, and a connection that takes 10 s is given up."""
    clock = a_clock()
    spec = spec_of("okx")
    network = Dialled(clock, fails=False)
    side = PublicSide(spec, spec.production, clock=clock, rng=random.Random(1), network=network)
    downs: list[object] = []
    feeds = [
        side.feed((), spec.make_books({}, BookArena(0)), on_frame=lambda *_: None, emit=downs.append) for _ in range(40)
    ]

    async def whole() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(9.9):
                await asyncio.gather(*(feed.run() for feed in feeds))

    run_virtual(whole(), clock)
    assert downs == []


def test_the_bounds_are_those_of_the_venues_less_a_third() -> None:
    assert dial_budget(spec_of("okx").connections) == Budget(2, 1000)
    assert dial_budget(spec_of("bitget").connections) == Budget(200, 300_000)
    assert dial_budget(spec_of("gate").connections) is None
    assert dial_budget(ConnectionLimits(connects=1, connects_window_s=5)) == Budget(1, 5000)


def listed(venue: str, count: int) -> list[str]:
    """Return the lines said at the start of so many books at a venue and, beside it, at Bitget or OKX."""
    other = "okx" if venue == "gate" else "gate"
    symbols = [f"A{number}/USDT" for number in range(count)]
    universe = universe_of(
        an_instrument(venue=at, symbol=symbol, native_symbol=f"{symbol.replace('/', '_')}")
        for at in (venue, other)
        for symbol in symbols
    )
    books = books_of(universe, Timing())
    region = {"gate": "eu"}
    sites = {at: spec_of(at).site(Environment.PRODUCTION, region.get(at, "global")) for at in (venue, other)}
    clock = a_clock()
    build_feeds(
        {at: site for at, site in sites.items() if site is not None},
        books,
        lambda *_: None,
        lambda _: None,
        clock=clock,
        rng=random.Random(1),
        network=Dialled(clock, fails=False),
    )
    return symbols


def test_a_start_that_the_venues_limits_make_slow_is_announced_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        listed("gate", 1300)
    assert [record.getMessage() for record in caplog.records] == [
        "gate: 1300 books whose snapshots are fetched, 18.0 a second: the last one is there after 72 s",
        "okx: 7 connections, 2 of them within 1 s: the last one is opened after 3 s",
    ]


def test_an_ordinary_start_is_not_announced(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        listed("gate", 30)
    assert caplog.records == []


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_every_site_sends_books_by_a_channel_that_its_reader_knows_and_that_can_be_fetched(spec: VenueSpec) -> None:
    for site in spec.sites:
        feed = spec.make_books({}, BookArena(0))
        feed.choose_channel(site.channel)
        assert feed.resync_by is ResyncBy.RESUBSCRIBE or spec.snapshots is not None
    with pytest.raises(InvariantError):
        spec.make_books({}, BookArena(0)).choose_channel("nonsense")
