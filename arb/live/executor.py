"""Perform the engine's commands: orders first and together, then cancels, looks, balances and timers.

Nothing here decides anything. Every order that was handed in gets exactly one answer, whatever happens: an exception nobody
foresaw becomes `OutcomeUnknown`, because by then the order may have left, and an incident, because it is our own bug.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping
from functools import partial
from typing import Any

from arb.clock import NS_PER_S, Clock
from arb.core.commands import (
    AnyCommand,
    CancelOrder,
    PlaceOrder,
    QueryOrder,
    RefreshBalances,
    SetTimer,
    SnapshotAccount,
)
from arb.core.events import (
    AccountSnapshotTaken,
    CancelAnswered,
    OrderQueried,
    OrderRejected,
    OutcomeUnknown,
    TimerFired,
    TroubleReported,
    parts_of,
)
from arb.core.incidents import IncidentKind
from arb.errors import VenueError, require
from arb.market.ids import pair_part
from arb.market.order import Outcome, Role
from arb.venues.base import Departure, EventListener, OrderGateway, PlaceAnswer

IN_FLIGHT_MAX = "in_flight_max"
OTHER_LEG = "other_leg"
"""The code of an entry that was kept back because the other leg of its pair could not leave."""
BALANCES_AGAIN_S = 2.0
_ORDER: dict[Any, int] = {PlaceOrder: 0, CancelOrder: 1, QueryOrder: 2}

IncidentListener = Callable[[IncidentKind, str], None]
"""Called with (kind, text) when something happened that should not; `executor_error` is a bug and should stop trading."""


class Executor:
    """See the module's text. `perform` never blocks and never raises for what a venue does."""

    def __init__(
        self,
        gateways: Mapping[str, OrderGateway],
        *,
        clock: Clock,
        emit: EventListener,
        on_incident: IncidentListener,
        in_flight_max: int = 256,
        timers_max: int = 10_000,
    ) -> None:
        self._gateways = gateways
        self._clock = clock
        self._emit = emit
        self._on_incident = on_incident
        self._in_flight_max = in_flight_max
        self._timers_max = timers_max
        # In the order in which they began, as a set of tasks is not: what a stop tells must repeat.
        self._tasks: dict[asyncio.Task[None], None] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._asking_balances: set[str] = set()
        self._balances_again: set[str] = set()

    @property
    def in_flight(self) -> int:
        """Return how many requests are under way."""
        return len(self._tasks)

    def perform(self, commands: Iterable[AnyCommand]) -> None:
        """Start everything in `commands` that concerns venues and timers; rows, alerts and the end are the runner's.

        Orders start first and in the order given, with nothing awaited between them: both legs of a pair leave before this
        returns, where their connections stand ready, and else in the same turn of the loop.
        """
        entries: dict[str, list[PlaceOrder]] = {}
        cancels: dict[str, list[CancelOrder]] = {}
        for command in sorted(commands, key=lambda command: _ORDER.get(type(command), 3)):
            if isinstance(command, PlaceOrder) and command.role is Role.ENTRY:
                entries.setdefault(_pair_of(command), []).append(command)
                continue
            for legs in entries.values():
                self._start_entries(legs)
            entries.clear()
            if isinstance(command, CancelOrder):
                cancels.setdefault(command.venue, []).append(command)
                continue
            for several in cancels.values():
                self._start_cancels(several)
            cancels.clear()
            if isinstance(command, PlaceOrder):
                self._start_place(command)
            elif isinstance(command, QueryOrder):
                self._start_query(command)
            elif isinstance(command, RefreshBalances):
                self._refresh(command.venue)
            elif isinstance(command, SnapshotAccount):
                self._start_snapshot(command)
            elif isinstance(command, SetTimer):
                self._set_timer(command)
        for legs in entries.values():
            self._start_entries(legs)
        for several in cancels.values():
            self._start_cancels(several)

    async def drain(self, deadline_ns: int) -> int:
        """Wait until nothing is under way or the deadline (our wall clock) has passed; return how much still is."""
        while self._tasks:
            left_s = (deadline_ns - self._clock.wall_ns()) / NS_PER_S
            if left_s <= 0:
                break
            await asyncio.wait(tuple(self._tasks), timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
        return len(self._tasks)

    async def close(self) -> None:
        """Stop all timers and requests; orders whose answer is not waited for any longer are told as unknown."""
        for handle in self._timers.values():
            handle.cancel()
        self._timers.clear()
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # Orders, cancels, looks.

    def _start_entries(self, legs: list[PlaceOrder]) -> None:
        """Send the legs of one pair together, or none of them: all are made ready before the first one leaves."""
        departures: list[Departure] = []
        refused: list[OrderRejected] = []
        for leg in legs:
            departure = self._prepare(leg)
            if isinstance(departure, OrderRejected):
                refused.append(departure)
            else:
                departures.append(departure)
        if not refused:
            # One right after the other; only then does anybody wait for an answer.
            left = [(leg, self._leave(leg, departure)) for leg, departure in zip(legs, departures, strict=True)]
            for leg, coming in left:
                if coming is not None:
                    self._await_answer(leg, coming)
            return
        named = {answer.client_order_id for answer in refused}
        for answer in refused:
            self._emit(answer)
        for leg in legs:
            if leg.client_order_id not in named:
                self._emit(_not_sent(leg, OTHER_LEG, f"the other leg could not leave: {refused[0].code}"))

    def _prepare(self, leg: PlaceOrder) -> Departure | OrderRejected:
        gateway = self._gateways.get(leg.venue)
        if gateway is None or len(self._tasks) >= self._in_flight_max:
            code = "no_gateway" if gateway is None else IN_FLIGHT_MAX
            return _not_sent(leg, code, f"{len(self._tasks)} requests under way")
        try:
            return gateway.prepare(leg)
        except Exception as error:  # nothing has left yet: this one is certain
            self._on_incident(IncidentKind.EXECUTOR_ERROR, f"preparing {leg.client_order_id} at {leg.venue}: {error!r}")
            return _not_sent(leg, "bug", repr(error))

    def _start_place(self, command: PlaceOrder) -> None:
        gateway = self._gateways.get(command.venue)
        if gateway is None or len(self._tasks) >= self._in_flight_max:
            code = "no_gateway" if gateway is None else IN_FLIGHT_MAX
            self._emit(_not_sent(command, code, f"{len(self._tasks)} requests under way"))
            return
        self._spawn_order(command, partial(gateway.place, command))

    def _leave(self, leg: PlaceOrder, departure: Departure) -> Coroutine[Any, Any, PlaceAnswer] | None:
        try:
            return departure()
        except Exception as error:  # a bug, and by now the order may have left
            self._emit(_unknown(leg, f"bug: {error!r}", self._clock.wall_ns()))
            self._on_incident(IncidentKind.EXECUTOR_ERROR, f"sending {leg.client_order_id} to {leg.venue}: {error!r}")
            return None

    def _await_answer(self, command: PlaceOrder, answer: Coroutine[Any, Any, PlaceAnswer]) -> None:
        begun: list[bool] = []
        sent_ns = self._clock.wall_ns()

        def on_done(_task: object) -> None:
            if not begun:  # cancelled before its first step, but the order had left
                answer.close()
                self._emit(_unknown(command, "stopped before its answer came", sent_ns))

        self._spawn(self._place(command, lambda: answer, begun)).add_done_callback(on_done)

    def _spawn_order(self, command: PlaceOrder, departure: Departure) -> None:
        begun: list[bool] = []

        def on_done(_task: object) -> None:
            if not begun:  # cancelled before its first step, which no code of its own could have answered
                self._emit(_not_sent(command, "stopped", "stopped before it was sent"))

        self._spawn(self._place(command, departure, begun)).add_done_callback(on_done)

    async def _place(self, command: PlaceOrder, departure: Departure, begun: list[bool]) -> None:
        begun.append(True)
        started_ns = self._clock.wall_ns()
        try:
            answer = await departure()
            require(
                answer.client_order_id == command.client_order_id,
                f"asked about {command.client_order_id}, answered about {answer.client_order_id}",
            )
        except asyncio.CancelledError:
            self._emit(_unknown(command, "stopped before its answer came", started_ns))
            raise
        except Exception as error:  # the top of a task: a bug leaves the outcome unknown
            self._emit(_unknown(command, f"bug: {error!r}", started_ns))
            self._on_incident(
                IncidentKind.EXECUTOR_ERROR, f"placing {command.client_order_id} at {command.venue}: {error!r}"
            )
        else:
            self._emit(answer)

    def _start_cancels(self, commands: list[CancelOrder]) -> None:
        """Ask one venue for one cancel, or for several together."""
        gateway = self._gateways.get(commands[0].venue)
        full = len(self._tasks) >= 2 * self._in_flight_max  # cancels take risk away: they get room when orders do not
        if gateway is None or full:
            for command in commands:
                self._emit(_cancel_answer(command, "no_gateway" if gateway is None else IN_FLIGHT_MAX))
        else:
            self._spawn(self._cancel(gateway, commands))

    async def _cancel(self, gateway: OrderGateway, commands: list[CancelOrder]) -> None:
        left = {command.client_order_id: command for command in commands}
        try:
            several = len(commands) > 1
            answers = await gateway.cancel_many(commands) if several else (await gateway.cancel(commands[0]),)
            for answer in answers:
                if left.pop(answer.client_order_id, None) is not None:
                    self._emit(answer)
            require(not left, f"no answer about {', '.join(left)}")
        except Exception as error:  # the top of a task: a bug leaves the outcome unknown
            for command in left.values():
                self._emit(_cancel_answer(command, f"bug: {error!r}", Outcome.UNKNOWN))
            self._on_incident(
                IncidentKind.EXECUTOR_ERROR, f"cancelling {', '.join(left)} at {gateway.venue}: {error!r}"
            )

    def _start_query(self, command: QueryOrder) -> None:
        gateway = self._gateways.get(command.venue)
        if gateway is None:
            self._emit(self._not_queried(command, "no_gateway"))
        elif len(self._tasks) >= 2 * self._in_flight_max:
            self._emit(self._not_queried(command, IN_FLIGHT_MAX))
        else:
            self._spawn(self._look(gateway, command))

    async def _look(self, gateway: OrderGateway, command: QueryOrder) -> None:
        try:
            self._emit(await gateway.query_order(command))
        except Exception as error:  # the top of a task: a bug is a look that saw nothing
            self._emit(self._not_queried(command, f"bug: {error!r}"))
            self._on_incident(
                IncidentKind.EXECUTOR_ERROR, f"querying {command.client_order_id} at {command.venue}: {error!r}"
            )

    def _not_queried(self, command: QueryOrder, cause: str) -> OrderQueried:
        return OrderQueried(
            venue=command.venue,
            symbol=command.symbol,
            client_order_id=command.client_order_id,
            attempt=command.attempt,
            complete=False,
            report=None,
            fills=(),
            started_ns=self._clock.wall_ns(),
            cause=cause,
        )

    def _start_snapshot(self, command: SnapshotAccount) -> None:
        gateway = self._gateways.get(command.venue)
        if gateway is not None:
            self._spawn(self._snapshot(gateway, command))

    async def _snapshot(self, gateway: OrderGateway, command: SnapshotAccount) -> None:
        try:
            for part in parts_of(await gateway.snapshot_account(command)):
                self._emit(part)
        except Exception as error:  # the top of a task: a bug is a look that saw nothing
            self._emit(AccountSnapshotTaken.unread(command.venue, self._clock.wall_ns(), f"bug: {error!r}"))
            self._on_incident(
                IncidentKind.EXECUTOR_ERROR, f"taking a snapshot of the account at {command.venue}: {error!r}"
            )

    # Balances: one question per venue at a time; one asked meanwhile is asked afterwards, since its answer must be newer.

    def _refresh(self, venue: str) -> None:
        gateway = self._gateways.get(venue)
        if gateway is None:
            return
        if venue in self._asking_balances:
            self._balances_again.add(venue)
            return
        self._asking_balances.add(venue)
        self._spawn(self._ask_balances(gateway, venue))

    async def _ask_balances(self, gateway: OrderGateway, venue: str) -> None:
        again_s: float | None = None
        try:
            self._emit(await gateway.balances())
        except VenueError as error:
            again_s = BALANCES_AGAIN_S
            self._emit(TroubleReported(kind=IncidentKind.BALANCES_UNREAD, text=str(error), venue=venue))
        except Exception as error:  # the top of a task: a bug is told, the timer asks again
            self._on_incident(IncidentKind.EXECUTOR_ERROR, f"reading balances of {venue}: {error!r}")
        finally:
            self._asking_balances.discard(venue)
        if venue in self._balances_again:
            self._balances_again.discard(venue)
            again_s = again_s or 0.0
        if again_s is not None:
            self._later(f"balances {venue}", again_s, lambda: self._refresh(venue))

    # Timers.

    def _set_timer(self, command: SetTimer) -> None:
        delay_s = max(0.0, (command.at_ns - self._clock.wall_ns()) / NS_PER_S)
        self._later(f"timer {command.timer}", delay_s, lambda: self._emit(TimerFired(timer=command.timer)))

    def _later(self, name: str, delay_s: float, act: Callable[[], None]) -> None:
        before = self._timers.pop(name, None)
        if before is not None:
            before.cancel()
        require(len(self._timers) < self._timers_max, "too many timers")

        def fire() -> None:
            del self._timers[name]
            act()

        self._timers[name] = asyncio.get_running_loop().call_later(delay_s, fire)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks[task] = None
        task.add_done_callback(self._tasks.pop)
        return task


def _pair_of(command: PlaceOrder) -> str:
    """Return what the legs of one pair have in common: an id of ours tells its pair, any other stands alone."""
    return pair_part(command.client_order_id) or command.client_order_id


def _not_sent(command: PlaceOrder, code: str, message: str) -> OrderRejected:
    return OrderRejected(
        venue=command.venue,
        client_order_id=command.client_order_id,
        code=code,
        message=message,
        sent_ns=0,
        acked_ns=0,
    )


def _unknown(command: PlaceOrder, cause: str, sent_ns: int) -> OutcomeUnknown:
    return OutcomeUnknown(venue=command.venue, client_order_id=command.client_order_id, cause=cause, sent_ns=sent_ns)


def _cancel_answer(command: CancelOrder, code: str, outcome: Outcome = Outcome.REJECTED) -> CancelAnswered:
    return CancelAnswered(venue=command.venue, client_order_id=command.client_order_id, outcome=outcome, code=code)
