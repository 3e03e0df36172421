"""Perform the engine's commands: orders first and together, then cancels, order queries, balances and timers.

Nothing here decides anything. Every order that was handed in gets exactly one answer, whatever happens: an exception nobody
foresaw becomes `OutcomeUnknown`, because by then the order may have left, and an incident, because it is our own bug.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping
from functools import partial
from itertools import groupby
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
TIMERS_MAX = 10_000
_TURN: dict[Any, int] = {PlaceOrder: 0, CancelOrder: 1, QueryOrder: 2}

IncidentListener = Callable[[IncidentKind, str], None]
"""Called with (kind, text) when something happened that should not; `executor_error` is a bug and should stop trading."""


class Executor:
    """Performs commands at the gateways. `perform` never blocks and never raises for what a venue does."""

    def __init__(
        self,
        gateways: Mapping[str, OrderGateway],
        *,
        clock: Clock,
        emit: EventListener,
        on_incident: IncidentListener,
        in_flight_max: int = 256,
    ) -> None:
        self._gateways = gateways
        self._clock = clock
        self._emit = emit
        self._on_incident = on_incident
        self._in_flight_max = in_flight_max
        # In the order in which they began, as a set of tasks is not: the events of a stop must come in a repeatable order.
        self._tasks: dict[asyncio.Task[None], None] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        # The engine's own timers that have not fired, by their text.
        self._set: dict[str, SetTimer] = {}
        self._asking_balances: set[str] = set()
        self._balances_again: set[str] = set()

    def perform(self, commands: Iterable[AnyCommand]) -> None:
        """Start everything in `commands` that concerns venues and timers; rows, alerts and the end are the runner's.

        Orders start first and in the order given, with nothing awaited between them: both legs of a pair leave before this
        returns, where their connections stand ready, and else in the same turn of the loop.
        """
        in_turn = sorted(commands, key=lambda command: _TURN.get(type(command), 3))
        for kind, several in groupby(in_turn, key=_sent_together):
            if kind is PlaceOrder:
                for legs in _grouped(several, lambda leg: pair_part(leg.client_order_id) or leg.client_order_id):
                    self._start_entries(legs)
            elif kind is CancelOrder:
                for cancels in _grouped(several, lambda cancel: cancel.venue):
                    self._start_cancels(cancels)
            else:
                for command in several:
                    self._start(command)

    def _start(self, command: AnyCommand) -> None:
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

    async def close(self) -> None:
        """Stop all timers and requests; an order whose answer is no longer waited for becomes unknown."""
        for handle in self._timers.values():
            handle.cancel()
        self._timers.clear()
        self._set.clear()
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # Orders, cancels, order queries, account snapshots.

    def _start_entries(self, legs: list[PlaceOrder]) -> None:
        """Send the legs of one pair together, or none of them: all are made ready before the first one leaves."""
        prepared = [(leg, self._prepare(leg)) for leg in legs]
        refusals = [answer for _, answer in prepared if isinstance(answer, OrderRejected)]
        departures = [(leg, depart) for leg, depart in prepared if not isinstance(depart, OrderRejected)]
        if not refusals:
            self._leave_together(departures)
            return
        for refusal in refusals:
            self._emit(refusal)
        for leg, _ in departures:
            self._emit(_not_sent(leg, OTHER_LEG, f"the other leg could not leave: {refusals[0].code}"))

    def _leave_together(self, departures: list[tuple[PlaceOrder, Departure]]) -> None:
        """Send one leg right after the other; only then does anybody wait for an answer."""
        sent: list[tuple[PlaceOrder, Coroutine[Any, Any, PlaceAnswer]]] = []
        try:
            for leg, depart in departures:
                answer = self._leave(leg, depart)
                if answer is not None:
                    sent.append((leg, answer))
        except BaseException:  # the process ends between two legs: nobody will wait for the first one's answer
            for _, answer in sent:
                answer.close()
            raise
        for leg, answer in sent:
            self._await_answer(leg, answer)

    def _prepare(self, leg: PlaceOrder) -> Departure | OrderRejected:
        refusal = self._refusal(leg)
        if refusal is not None:
            return refusal
        try:
            return self._gateways[leg.venue].prepare(leg)
        except Exception as error:  # a bug of ours; nothing has left yet, so the rejection is certain
            self._on_incident(IncidentKind.EXECUTOR_ERROR, f"preparing {leg.client_order_id} at {leg.venue}: {error!r}")
            return _not_sent(leg, "bug", repr(error))

    def _leave(self, leg: PlaceOrder, depart: Departure) -> Coroutine[Any, Any, PlaceAnswer] | None:
        try:
            return depart()
        except Exception as error:  # a bug of ours, and by now the order may have left
            self._emit(_unknown(leg, f"bug: {error!r}", self._clock.wall_ns()))
            self._on_incident(IncidentKind.EXECUTOR_ERROR, f"sending {leg.client_order_id} to {leg.venue}: {error!r}")
            return None

    def _await_answer(self, command: PlaceOrder, answer: Coroutine[Any, Any, PlaceAnswer]) -> None:
        sent_ns = self._clock.wall_ns()

        def on_unstarted() -> None:  # the order had left already
            answer.close()
            self._emit(_unknown(command, "stopped before its answer came", sent_ns))

        self._spawn_place(command, lambda: answer, on_unstarted)

    def _start_place(self, command: PlaceOrder) -> None:
        refusal = self._refusal(command)
        if refusal is not None:
            self._emit(refusal)
            return

        def on_unstarted() -> None:
            self._emit(_not_sent(command, "stopped", "stopped before it was sent"))

        self._spawn_place(command, partial(self._gateways[command.venue].place, command), on_unstarted)

    def _refusal(self, command: PlaceOrder) -> OrderRejected | None:
        """Return why an order cannot be handed to a gateway now, None when it can."""
        if command.venue not in self._gateways:
            code = "no_gateway"
        elif len(self._tasks) >= self._in_flight_max:
            code = IN_FLIGHT_MAX
        else:
            return None
        return _not_sent(command, code, f"{len(self._tasks)} requests under way")

    def _spawn_place(self, command: PlaceOrder, depart: Departure, on_unstarted: Callable[[], None]) -> None:
        """Wait for an order's answer in a task; `on_unstarted` answers for one that is cancelled before its first step."""
        begun: list[bool] = []

        def on_done(_task: object) -> None:
            if not begun:
                on_unstarted()

        self._spawn(self._place(command, depart, begun)).add_done_callback(on_done)

    async def _place(self, command: PlaceOrder, depart: Departure, begun: list[bool]) -> None:
        begun.append(True)
        started_ns = self._clock.wall_ns()
        try:
            answer = await depart()
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
        except Exception as error:  # the top of a task: a bug leaves the outcomes unknown
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
            self._spawn(self._query(gateway, command))

    async def _query(self, gateway: OrderGateway, command: QueryOrder) -> None:
        try:
            self._emit(await gateway.query_order(command))
        except Exception as error:  # the top of a task: a bug is a query that found nothing out
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
        except Exception as error:  # the top of a task: a bug is a snapshot that shows nothing
            self._emit(AccountSnapshotTaken.unread(command.venue, self._clock.wall_ns(), f"bug: {error!r}"))
            self._on_incident(IncidentKind.EXECUTOR_ERROR, f"taking the account snapshot at {command.venue}: {error!r}")

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
        except Exception as error:  # the top of a task: a bug is a question that is asked again
            again_s = BALANCES_AGAIN_S
            self._on_incident(IncidentKind.EXECUTOR_ERROR, f"reading balances of {venue}: {error!r}")
        finally:
            self._asking_balances.discard(venue)
        if venue in self._balances_again:
            self._balances_again.discard(venue)
            again_s = again_s or 0.0
        if again_s is not None:
            self._later(f"balances {venue}", again_s, lambda: self._refresh(venue))

    # Timers.

    def clock_moved(self) -> None:
        """Let the engine's timers fire at their instants by our clock, which has just been moved."""
        for command in list(self._set.values()):
            self._set_timer(command)

    def _set_timer(self, command: SetTimer) -> None:
        def fire() -> None:
            del self._set[command.timer]
            self._emit(TimerFired(timer=command.timer))

        self._set[command.timer] = command
        delay_s = max(0.0, (command.at_ns - self._clock.wall_ns()) / NS_PER_S)
        self._later(f"timer {command.timer}", delay_s, fire)

    def _later(self, name: str, delay_s: float, act: Callable[[], None]) -> None:
        before = self._timers.pop(name, None)
        if before is not None:
            before.cancel()
        require(len(self._timers) < TIMERS_MAX, "too many timers")

        def fire() -> None:
            del self._timers[name]
            act()

        self._timers[name] = asyncio.get_running_loop().call_later(delay_s, fire)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks[task] = None
        task.add_done_callback(self._tasks.pop)
        return task


def _sent_together(command: AnyCommand) -> type[PlaceOrder] | type[CancelOrder] | None:
    """Return the kind of commands that this one may be sent together with; None: it goes alone."""
    if isinstance(command, PlaceOrder):
        return PlaceOrder if command.role is Role.ENTRY else None
    return CancelOrder if isinstance(command, CancelOrder) else None


def _grouped(commands: Iterable[Any], key: Callable[[Any], str]) -> Iterable[list[Any]]:
    """Return the commands in groups of one key, in order of first appearance."""
    groups: dict[str, list[Any]] = {}
    for command in commands:
        groups.setdefault(key(command), []).append(command)
    return groups.values()


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
