"""The executor with ten-line gateways: every order gets one answer, both legs leave together, nothing escapes."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from arb.clock import NS_PER_MS, NS_PER_S, SystemClock
from arb.core.messages.commands import (
    AnyCommand,
    CancelOrder,
    PlaceOrder,
    QueryOrder,
    RefreshBalances,
    SetTimer,
    SnapshotAccount,
)
from arb.core.messages.events import (
    AccountSnapshotTaken,
    AnyEvent,
    BalancesReported,
    CancelAnswered,
    ClockMeasured,
    OrderAccepted,
    OrderQueried,
    OrderRejected,
    OutcomeUnknown,
    TimerFired,
    TroubleReported,
)
from arb.errors import VenueUnreachable
from arb.live.delays import ROUND_TRIP, Delays
from arb.live.executor import Executor
from arb.market.ids import ClientOrderId
from arb.market.instrument import Instrument
from arb.market.order import Outcome, Role, Side, TimeInForce
from arb.venues.kit.base import Departure, EventListener, PlaceAnswer
from arb.venues.kit.rules.guard import SalePrice
from tests.builders import a_snapshot
from tests.virtual import START_NS, a_clock, run_virtual

Scenario = Callable[["Bench"], Any]


class FakeDeparture:
    """Leaves as its gateway says."""

    def __init__(self, gateway: "FakeGateway", command: PlaceOrder) -> None:
        self.gateway, self.command = gateway, command

    def leave(self) -> None:
        self.gateway.leave()

    def answer(self) -> Coroutine[Any, Any, PlaceAnswer]:
        return self.gateway.place(self.command)


class FakeGateway:
    """Answers after `delay_s`, or raises what it is told to."""

    def __init__(self, venue: str, log: list[str], delay_s: float = 0.1) -> None:
        self.venue = venue
        self.account_id = f"{venue}-1"
        self.former_ids: tuple[str, ...] = ()
        self.expiry_proved = True
        self.log = log
        self.delay_s = delay_s
        self.error: Exception | None = None
        self.refusal: str | None = None
        self.unmentioned: set[str] = set()

    async def _work(self, what: str) -> None:
        self.log.append(f"{what} {self.venue}")
        await asyncio.sleep(self.delay_s)
        if self.error is not None:
            raise self.error

    def leave(self) -> None: ...

    async def start(self) -> None:
        await self._work("start")

    async def close(self) -> None:
        await self._work("close")

    def allow(self, symbols: Iterable[str]) -> None: ...

    def value_sales(self, price: SalePrice) -> None:
        return

    def prefetch(self, symbol: str) -> None: ...

    def prepare(self, command: PlaceOrder) -> Departure | OrderRejected:
        if self.refusal is not None:
            return OrderRejected(
                venue=self.venue,
                client_order_id=command.client_order_id,
                code=self.refusal,
                message="",
                sent_ns=0,
                acked_ns=0,
            )
        return FakeDeparture(self, command)

    async def place(self, command: PlaceOrder) -> PlaceAnswer:
        await self._work("place")
        return OrderAccepted(
            venue=self.venue, client_order_id=command.client_order_id, report=None, sent_ns=1, acked_ns=2
        )

    async def cancel(self, command: CancelOrder) -> CancelAnswered:
        await self._work("cancel")
        return CancelAnswered(
            venue=self.venue, client_order_id=command.client_order_id, outcome=Outcome.ACCEPTED, code=None
        )

    async def cancel_many(self, commands: Sequence[CancelOrder]) -> tuple[CancelAnswered, ...]:
        await self._work(f"cancel {len(commands)}")
        reported = (
            CancelAnswered(
                venue=self.venue, client_order_id=command.client_order_id, outcome=Outcome.ACCEPTED, code=None
            )
            for command in commands
            if command.client_order_id not in self.unmentioned
        )
        return tuple(reported)

    async def query_order(self, command: QueryOrder) -> OrderQueried:
        await self._work("look")
        return OrderQueried(
            venue=self.venue,
            symbol=command.symbol,
            client_order_id=command.client_order_id,
            attempt=command.attempt,
            complete=True,
            report=None,
            fills=(),
            started_ns=1,
        )

    async def snapshot_account(self, command: SnapshotAccount) -> AccountSnapshotTaken:
        await self._work("survey")
        return a_snapshot(self.venue, started_ns=1)

    async def arm_dead_man(self, timeout_s: int) -> bool:
        return False

    async def balances(self) -> BalancesReported:
        await self._work("balances")
        return BalancesReported(venue=self.venue, balances={}, complete=True, asked_ns=1)

    listed: tuple[str, ...] = ()

    async def instruments(self, symbols: tuple[str, ...]) -> tuple[Instrument, ...]:
        return ()

    async def currencies(self, assets: tuple[str, ...]) -> None:
        return None

    async def measure_clock(self) -> ClockMeasured:
        return ClockMeasured(venue=self.venue, offset_ns=0, error_ns=0)

    async def clock_suspected(self) -> None:
        await self._work("clock_doubted")

    async def run_private(self, listener: EventListener) -> None:
        await self._work("private")


class Bench:
    def __init__(self, in_flight_max: int = 256) -> None:
        self.clock = a_clock()
        self.wall = SystemClock(self.clock.wall_ns, self.clock.monotonic_ns)
        self.delays = Delays(self.wall)
        self.log: list[str] = []
        self.events: list[tuple[int, AnyEvent]] = []
        self.incidents: list[tuple[str, str]] = []
        self.gateways = {name: FakeGateway(name, self.log) for name in ("gate", "okx")}
        self.executor = Executor(
            self.gateways,
            clock=self.wall,
            emit=lambda event: self.events.append((self.ms(), event)),
            on_incident=lambda kind, text: self.incidents.append((kind, text)),
            in_flight_max=in_flight_max,
            delays=self.delays,
        )

    def ms(self) -> int:
        return (self.clock.wall_ns() - START_NS) // NS_PER_MS

    def reported(self, kind: type) -> list[Any]:
        return [event for _, event in self.events if isinstance(event, kind)]

    def perform(self, *commands: AnyCommand, for_s: float = 5.0) -> "Bench":
        async def scenario() -> None:
            self.executor.perform(commands)
            await asyncio.sleep(for_s)

        run_virtual(scenario(), self.clock)
        return self


def place(venue: str = "gate", name: str = "arb1", role: Role = Role.ENTRY) -> PlaceOrder:
    return PlaceOrder(
        cause=1,
        venue=venue,
        symbol="BTC/USDT",
        client_order_id=name,
        role=role,
        side=Side.BUY,
        tif=TimeInForce.IOC,
        price=Decimal(1),
        size=Decimal(1),
        expires_ns=START_NS + NS_PER_S,
    )


def look(venue: str = "gate") -> QueryOrder:
    return QueryOrder(
        cause=1, venue=venue, symbol="BTC/USDT", client_order_id="arb1", venue_order_id=None, since_ns=0, attempt=3
    )


def cancel(venue: str = "gate", name: str = "arb1") -> CancelOrder:
    return CancelOrder(cause=1, venue=venue, symbol="BTC/USDT", client_order_id=name, venue_order_id=None)


def rejection(*, sent_ns: int, acked_ns: int) -> OrderRejected:
    return OrderRejected(venue="gate", client_order_id="arb1", code="x", message="", sent_ns=sent_ns, acked_ns=acked_ns)


def leg(venue: str, side: str) -> PlaceOrder:
    """Return one entry of the first pair of a process."""
    return place(venue, ClientOrderId(nonce=7, pair_number=1, leg=side, attempt=0).encode())


def test_when_one_leg_cannot_leave_the_other_is_kept_back_too() -> None:
    bench = Bench()
    bench.gateways["okx"].refusal = "rate_budget"
    bench.perform(leg("gate", "buy"), leg("okx", "sell"))
    assert "place gate" not in bench.log
    assert [(event.venue, event.code, event.sent_ns) for event in bench.reported(OrderRejected)] == [
        ("okx", "rate_budget", 0),
        ("gate", "other_leg", 0),
    ]


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (
            OrderAccepted(venue="gate", client_order_id="arb1", report=None, sent_ns=START_NS, acked_ns=START_NS + 70),
            "accepted",
        ),
        (rejection(sent_ns=START_NS, acked_ns=START_NS + 70), "rejected"),
        (rejection(sent_ns=0, acked_ns=0), None),
        (OutcomeUnknown(venue="gate", client_order_id="arb1", cause="time-out", sent_ns=START_NS), "unknown"),
    ],
)
def test_an_answered_order_that_left_has_a_round_trip(answer: PlaceAnswer, outcome: str | None) -> None:
    class Answering(FakeGateway):
        async def place(self, command: PlaceOrder) -> PlaceAnswer:
            await self._work("place")
            return answer

    bench = Bench()
    bench.gateways["gate"] = Answering("gate", bench.log)
    bench.perform(place())
    found = {name: bench.delays.of(ROUND_TRIP, "gate", name) for name in ("accepted", "rejected", "unknown")}
    assert {name: one.count for name, one in found.items() if one.count} == ({outcome: 1} if outcome else {})
    assert [one.total_ns for one in found.values() if one.count] == [
        NS_PER_S // 10 if outcome == "unknown" else 70
    ] * bool(outcome)


def test_legs_of_different_pairs_do_not_keep_each_other_back() -> None:
    bench = Bench()
    bench.gateways["okx"].refusal = "rate_budget"
    other = place("gate", ClientOrderId(nonce=7, pair_number=2, leg="buy", attempt=0).encode())
    bench.perform(leg("gate", "buy"), leg("okx", "sell"), other)
    assert bench.log == ["place gate"]
    assert [event.client_order_id for event in bench.reported(OrderAccepted)] == [other.client_order_id]


def test_an_exception_nobody_foresaw_is_an_unknown_outcome_and_an_incident() -> None:
    bench = Bench()
    bench.gateways["gate"].error = KeyError("surprise")
    bench.perform(place(), cancel(), look())

    [unknown] = bench.reported(OutcomeUnknown)
    assert (unknown.client_order_id, unknown.sent_ns) == ("arb1", START_NS)
    [answer] = bench.reported(CancelAnswered)
    assert answer.outcome is Outcome.UNKNOWN
    [looked] = bench.reported(OrderQueried)
    assert not looked.complete
    assert [kind for kind, _ in bench.incidents] == ["executor_error"] * 3


def test_an_answer_about_another_order_is_a_bug_and_leaves_the_outcome_unknown() -> None:
    class Confused(FakeGateway):
        async def place(self, command: PlaceOrder) -> PlaceAnswer:
            return OrderAccepted(venue=self.venue, client_order_id="other", report=None, sent_ns=1, acked_ns=2)

    bench = Bench()
    bench.gateways["gate"] = Confused("gate", bench.log)
    bench.perform(place())

    assert [event.client_order_id for event in bench.reported(OutcomeUnknown)] == ["arb1"]
    assert bench.incidents


def test_a_venue_without_a_gateway_answers_at_once_that_nothing_was_sent() -> None:
    bench = Bench().perform(place("nowhere"), cancel("nowhere"), look("nowhere"), RefreshBalances(cause=1, venue="x"))

    [rejected] = bench.reported(OrderRejected)
    assert (rejected.code, rejected.sent_ns) == ("no_gateway", 0)
    assert bench.reported(CancelAnswered)[0].code == "no_gateway"
    assert not bench.reported(OrderQueried)[0].complete


def test_too_many_requests_under_way_refuse_orders_but_still_cancel_and_look() -> None:
    bench = Bench(in_flight_max=2).perform(*(place(name=f"arb{n}") for n in range(4)), cancel(), look())

    assert [event.code for event in bench.reported(OrderRejected)] == ["in_flight_max"] * 2
    assert len(bench.reported(OrderAccepted)) == 2
    assert bench.reported(CancelAnswered)[0].outcome is Outcome.ACCEPTED
    assert bench.reported(OrderQueried)[0].complete


def test_cancels_of_one_decision_go_to_each_venue_together_after_orders_and_before_looks() -> None:
    bench = Bench()
    bench.perform(look(), cancel(name="a"), cancel("okx", "b"), cancel(name="c"), place())

    assert bench.log == ["place gate", "cancel 2 gate", "cancel okx", "look gate"]
    assert sorted(event.client_order_id for event in bench.reported(CancelAnswered)) == ["a", "b", "c"]


def test_a_cancel_that_an_answer_forgets_is_unknown_and_an_incident() -> None:
    bench = Bench()
    bench.gateways["gate"].unmentioned = {"b"}
    bench.perform(cancel(name="a"), cancel(name="b"))

    reported = {event.client_order_id: event.outcome for event in bench.reported(CancelAnswered)}
    assert reported == {"a": Outcome.ACCEPTED, "b": Outcome.UNKNOWN}
    assert [kind for kind, _ in bench.incidents] == ["executor_error"]


def test_both_legs_start_in_one_turn_of_the_loop_and_before_everything_else() -> None:
    bench = Bench()

    async def scenario() -> list[str]:
        bench.executor.perform([look(), cancel(), place("gate", "arb1"), place("okx", "arb2")])
        await asyncio.sleep(0)
        return list(bench.log)

    assert run_virtual(scenario(), bench.clock) == ["place gate", "place okx", "cancel gate", "look gate"]


def test_orders_that_are_not_waited_for_any_longer_are_unknown() -> None:
    bench = Bench()

    async def scenario() -> None:
        bench.executor.perform([place(), SetTimer(cause=1, timer="t", at_ns=START_NS + NS_PER_S)])
        await asyncio.sleep(0.06)
        assert bench.events == []
        await bench.executor.close()
        await asyncio.sleep(5)

    run_virtual(scenario(), bench.clock)
    assert [type(event) for _, event in bench.events] == [OutcomeUnknown]


def test_an_entry_has_left_when_perform_returns_and_stopping_it_then_leaves_it_unknown() -> None:
    bench = Bench()
    for venue in ("gate", "okx"):
        bench.gateways[venue].leave = partial(bench.log.append, f"left {venue}")  # type: ignore[method-assign]

    async def scenario() -> None:
        bench.executor.perform([place(), place("okx", "arb2")])
        assert bench.log == ["left gate", "left okx"]
        await bench.executor.close()

    run_virtual(scenario(), bench.clock)
    assert [event.client_order_id for event in bench.reported(OutcomeUnknown)] == ["arb1", "arb2"]
    assert bench.reported(OrderRejected) == []


def test_a_bug_in_leaving_makes_that_leg_unknown_and_the_other_one_leaves() -> None:
    bench = Bench()

    def broken() -> None:
        raise ZeroDivisionError

    bench.gateways["gate"].leave = broken  # type: ignore[method-assign]
    bench.perform(place(), place("okx", "arb2"))

    [unknown], [accepted] = bench.reported(OutcomeUnknown), bench.reported(OrderAccepted)
    assert (unknown.client_order_id, accepted.client_order_id) == ("arb1", "arb2")
    assert [kind for kind, _ in bench.incidents] == ["executor_error"]


def test_a_repair_stopped_before_its_first_step_was_not_sent() -> None:
    bench = Bench()

    async def scenario() -> None:
        bench.executor.perform([place(role=Role.HEDGE)])
        await bench.executor.close()

    run_virtual(scenario(), bench.clock)
    [rejected] = bench.reported(OrderRejected)
    assert (rejected.code, rejected.sent_ns, bench.log) == ("stopped", 0, [])


def test_a_timer_set_again_moves_and_one_long_due_fires_at_once() -> None:
    first = SetTimer(cause=1, timer="a", at_ns=START_NS + NS_PER_S)
    moved = SetTimer(cause=1, timer="a", at_ns=START_NS + 2 * NS_PER_S)
    bench = Bench().perform(first, moved, SetTimer(cause=1, timer="b", at_ns=0))

    assert [(at, event.timer) for at, event in bench.events if isinstance(event, TimerFired)] == [(0, "b"), (2000, "a")]


def test_when_our_clock_is_moved_every_timer_keeps_its_instant_by_it() -> None:
    bench = Bench()

    async def scenario() -> None:
        for name, after_s in (("due", 1), ("later", 3)):
            bench.executor.perform([SetTimer(cause=1, timer=name, at_ns=START_NS + after_s * NS_PER_S)])
        await asyncio.sleep(0.5)
        bench.wall.shift(2 * NS_PER_S)
        bench.executor.clock_moved()
        await asyncio.sleep(5)

    run_virtual(scenario(), bench.clock)
    assert [(at, event.timer) for at, event in bench.events if isinstance(event, TimerFired)] == [
        (500, "due"),
        (1000, "later"),
    ]


def test_balances_asked_for_while_being_read_are_read_once_more() -> None:
    bench = Bench().perform(*[RefreshBalances(cause=1, venue="gate")] * 5)

    assert bench.log == ["balances gate"] * 2
    assert [at for at, event in bench.events if isinstance(event, BalancesReported)] == [100, 200]


def test_balances_that_cannot_be_read_are_asked_for_again_later() -> None:
    bench = Bench()
    bench.gateways["gate"].error = VenueUnreachable("gate", "no answer")
    bench.perform(RefreshBalances(cause=1, venue="gate"), for_s=2.15)
    bench.gateways["gate"].error = None
    bench.perform(for_s=0.0)

    reported = [event for _, event in bench.events if isinstance(event, TroubleReported)]
    assert [(event.kind, event.venue) for event in reported] == [("balances_unread", "gate")]
    assert bench.log == ["balances gate"] * 2


def test_balances_that_a_bug_keeps_from_being_read_are_asked_for_again_too() -> None:
    bench = Bench()
    bench.gateways["gate"].error = KeyError("surprise")
    bench.perform(RefreshBalances(cause=1, venue="gate"), for_s=2.5)

    assert [kind for kind, _ in bench.incidents] == ["executor_error"] * 2
    assert bench.log == ["balances gate"] * 2


def test_a_look_through_an_account_is_answered_even_by_a_bug() -> None:
    command = SnapshotAccount(cause=1, venue="gate", symbols=("BTC/USDT",), since_ns=0)
    assert Bench().perform(command).reported(AccountSnapshotTaken)[0].complete

    bench = Bench()
    bench.gateways["gate"].error = RuntimeError("oops")
    bench.perform(command)
    [reported] = bench.reported(AccountSnapshotTaken)
    assert not reported.complete
    assert bench.incidents[0][0] == "executor_error"


def test_a_stop_tells_of_what_is_under_way_in_the_order_in_which_it_left() -> None:
    bench = Bench()
    names = [f"arb{number}" for number in range(40)]

    async def scenario() -> None:
        bench.executor.perform(tuple(place(name=name, role=Role.HEDGE) for name in names))
        await asyncio.sleep(0.01)
        await bench.executor.close()

    run_virtual(scenario(), bench.clock)
    assert [event.client_order_id for event in bench.reported(OutcomeUnknown)] == names
