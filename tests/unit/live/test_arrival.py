"""A start with venues that are down: it goes on with those that answer, and the others join it when they do."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from arb.clock import NS_PER_S
from arb.core.messages.events import (
    AnyEvent,
    BalancesReported,
    ClockMeasured,
    ExpiryProved,
    RunStarted,
    TroubleReported,
    VenueArrived,
)
from arb.core.messages.incidents import IncidentKind
from arb.errors import EXIT_OK, ConfigError, VenueAuthError, VenueBusy, VenueError, VenueUnreachable
from arb.venues.paper.gateway import PaperGateway
from tests.unit.live.test_node import Bench, Silence
from tests.unit.store.rows import a_pair, a_plan, an_event, an_order, keep

OWN = "gate-uid-53"


class Down(PaperGateway):
    """A gateway to a venue that does not answer before an instant (seconds from the start of the test)."""

    back_s = 0.0
    error: VenueError | None = None
    asked = 0

    async def start(self) -> None:
        self.asked += 1
        if self._clock.wall_ns() < self.began_ns + self.back_s * NS_PER_S:
            raise VenueUnreachable(self.venue, "HTTP 503")
        if self.error is not None:
            raise self.error

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.began_ns = self._clock.wall_ns()


def a_bench(*back_s: float, **changes: Any) -> tuple[Bench, list[Down]]:
    """Return a node on venues that answer after so many seconds each, and their gateways."""
    bench = Bench(make_gateway=Down, **changes)
    gateways = [gateway for gateway in bench.gateways.values() if isinstance(gateway, Down)]
    for gateway, seconds in zip(gateways, back_s, strict=True):
        gateway.back_s = seconds
    return bench, gateways


async def five_minutes() -> int:
    await asyncio.sleep(300)
    return EXIT_OK


def of_kind(bench: Bench, kind: type[AnyEvent]) -> list[Any]:
    """Return the journalled events of a kind."""
    return [event for event in bench.events() if isinstance(event, kind)]


def test_fewer_than_two_venues_end_a_start_after_a_minute_with_what_is_wrong_and_how_to_mend_it() -> None:
    bench, (_, okx) = a_bench(0, 300)
    began_ns = bench.clock.wall_ns()
    with pytest.raises(VenueUnreachable) as ended:
        bench.run(five_minutes)
    for word in ("okx", "HTTP 503", "[venues]", "no pair is open"):
        assert word in str(ended.value)
    assert bench.clock.wall_ns() - began_ns == 60 * NS_PER_S
    assert bench.events() == []
    assert 5 <= okx.asked <= 60


def test_a_second_venue_that_comes_within_the_minute_is_a_start_like_any_other() -> None:
    bench, _ = a_bench(0, 30)
    assert bench.run(five_minutes) == EXIT_OK
    [started] = of_kind(bench, RunStarted)
    assert started.absent == {}


@pytest.mark.parametrize("error", [VenueAuthError("okx", "key refused"), ConfigError("it may withdraw")])
def test_a_key_that_is_refused_ends_the_start(error: Exception) -> None:
    bench, (_, okx) = a_bench(0, 0)
    okx.error = error  # type: ignore[assignment]
    with pytest.raises(type(error)):
        bench.run(five_minutes)


def test_with_a_pair_open_one_venue_is_enough_and_the_other_joins_when_it_answers() -> None:
    bench, _ = a_bench(0, 120)
    bench.journal.append(an_event(1), keep(1, a_plan(1), an_order(1, account_id="gate:paper"), a_pair(1)))
    began_ns = bench.clock.wall_ns()
    bench.run(five_minutes)
    [started] = of_kind(bench, RunStarted)
    assert list(started.absent) == ["okx"]
    assert started.t_ns - began_ns <= 11 * NS_PER_S
    [came] = of_kind(bench, VenueArrived)
    assert (came.venue, came.account_id, came.connections) == ("okx", "okx:paper", {"okx": ("BTC_USDT",)})
    assert 120 * NS_PER_S <= came.t_ns - began_ns <= 131 * NS_PER_S
    assert [event.venue for event in of_kind(bench, ExpiryProved)] == ["gate", "okx"]
    assert {event.venue for event in of_kind(bench, ClockMeasured)} == {"gate", "okx"}
    assert {event.venue for event in of_kind(bench, BalancesReported)} == {"gate", "okx"}


def test_the_pairs_of_a_sandbox_that_is_gone_wait_for_nobody() -> None:
    bench, _ = a_bench(0, 300)
    bench.journal.append(an_event(1), keep(1, a_plan(1), an_order(1, account_id=f"{OWN}-sb-1-7"), a_pair(1)))
    with pytest.raises(VenueUnreachable):
        bench.run(five_minutes)


def test_a_run_that_waits_for_venues_goes_on_without_any() -> None:
    bench, _ = a_bench(90, 120, waits_for_venues=True)
    assert bench.run(five_minutes) == EXIT_OK
    assert [event.venue for event in of_kind(bench, VenueArrived)] == ["gate", "okx"]
    assert set(bench.node.engine.state.books.rows) == {("gate", "BTC/USDT"), ("okx", "BTC/USDT")}


@pytest.mark.parametrize("error", [VenueAuthError("okx", "key refused"), VenueBusy("okx", "too many requests")])
def test_a_venue_that_comes_later_with_a_key_that_is_refused_is_left_out_and_the_others_go_on(
    error: VenueError,
) -> None:
    bench, (_, okx) = a_bench(0, 100, waits_for_venues=True)
    okx.error = error
    assert bench.run(five_minutes) == EXIT_OK
    assert of_kind(bench, VenueArrived) == []
    left_out = [event for event in of_kind(bench, TroubleReported) if event.kind == IncidentKind.VENUE_ABSENT]
    assert len(left_out) == isinstance(error, VenueAuthError)


def test_a_venue_that_comes_later_with_an_account_that_another_engine_trades_is_left_out() -> None:
    claimed: list[tuple[str, ...]] = []

    async def claim(accounts: Iterable[str]) -> None:
        claimed.append(tuple(accounts))
        await asyncio.sleep(5)  # as long as a database may take
        if len(claimed) > 1:
            raise ConfigError("account okx:paper: already traded elsewhere")

    bench, _ = a_bench(0, 100, waits_for_venues=True, claim=claim)
    assert bench.run(five_minutes) == EXIT_OK
    assert claimed == [("gate:paper", "okx:paper"), ("okx:paper",)]
    assert of_kind(bench, VenueArrived) == []
    [left_out] = [event for event in of_kind(bench, TroubleReported) if event.kind == IncidentKind.VENUE_ABSENT]
    assert "already traded elsewhere" in left_out.text


def test_the_connections_of_a_venue_that_is_absent_stand_only_when_it_has_come() -> None:
    ran: list[tuple[str, int]] = []

    class Watched(Silence):
        natives: tuple[str, ...] = ()

        def add_book(self, native_symbol: str) -> None:
            self.natives = (*self.natives, native_symbol)

        async def run(self, on_read: Callable[[], None]) -> None:
            ran.append((self.venue, len(self.natives)))
            await super().run(on_read)

    feeds = {venue: Watched(venue) for venue in ("gate", "okx")}
    bench, _ = a_bench(0, 100, waits_for_venues=True, make_feeds=lambda *_: feeds)
    bench.run(five_minutes)
    assert ran == [("gate", 0), ("okx", 1)]
