"""Perform the engine's commands: orders first and together (`placing.py`), then cancels, order queries, balances and timers.

This module decides nothing. Every command that needs an answer gets one, in every case.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping

from arb.clock import NS_PER_S, Clock
from arb.core.messages.commands import (
    AnyCommand,
    CancelOrder,
    PlaceOrder,
    QueryOrder,
    RecallOrders,
    RefreshBalances,
    SetTimer,
    SnapshotAccount,
)
from arb.core.messages.events import (
    AccountSnapshotTaken,
    CancelAnswered,
    OrderQueried,
    OrdersRecalled,
    TimerFired,
    TroubleReported,
    parts_of,
)
from arb.core.messages.incidents import IncidentKind
from arb.errors import ArbError, VenueError, require
from arb.live.delays import Delays
from arb.live.placing import IN_FLIGHT_MAX, IncidentListener, Placing, Tasks
from arb.market.order import Outcome, Role
from arb.venues.kit.base import EventListener, OrderGateway

BALANCES_AGAIN_S = 2.0
RECALL_AGAIN_S = 5.0
TIMERS_MAX = 10_000

Recall = Callable[[RecallOrders], Awaitable[OrdersRecalled]]
"""Searches the journal for orders, while the loop runs on; raises `ArbError` when it cannot be read."""


class Executor:
    """Performs commands at the gateways. `perform` never blocks and never raises for a venue's behaviour."""

    def __init__(
        self,
        gateways: Mapping[str, OrderGateway],
        *,
        clock: Clock,
        emit: EventListener,
        on_incident: IncidentListener,
        recall: Recall | None = None,
        in_flight_max: int = 256,
        delays: Delays | None = None,
    ) -> None:
        """Perform venue commands at `gateways`; without `recall` there is no journal that could know an order."""
        self._gateways = gateways
        self._clock = clock
        self._emit = emit
        self._on_incident = on_incident
        self._recall_from = recall
        self._tasks = Tasks(in_flight_max)
        self._placing = Placing(
            gateways, self._tasks, clock=clock, emit=emit, on_incident=on_incident, delays=delays or Delays(clock)
        )
        self._timers: dict[str, asyncio.TimerHandle] = {}
        # The engine's own timers that have not fired, by their text.
        self._set: dict[str, SetTimer] = {}
        self._asking_balances: set[str] = set()
        self._balances_again: set[str] = set()

    def perform(self, commands: Iterable[AnyCommand]) -> None:
        """Start everything in `commands` that concerns venues and timers; the runner handles rows, alerts and the end.

        Orders first and in the order given, with nothing awaited between them: both legs of a pair have left when this
        returns, or neither. Then cancels, those of one venue together, then order queries, then all else.
        """
        entries: list[PlaceOrder] = []
        rest: list[AnyCommand] = []
        for command in commands:
            if isinstance(command, PlaceOrder) and command.role is Role.ENTRY:
                entries.append(command)
            else:
                rest.append(command)
        if entries:
            self._placing.enter(entries)
        if rest:
            self._perform_rest(rest)

    def _perform_rest(self, commands: list[AnyCommand]) -> None:
        cancels: dict[str, list[CancelOrder]] = {}
        others: list[AnyCommand] = []
        for command in commands:
            if isinstance(command, PlaceOrder):
                self._placing.repair(command)
            elif isinstance(command, CancelOrder):
                cancels.setdefault(command.venue, []).append(command)
            else:
                others.append(command)
        for of_one_venue in cancels.values():
            self._start_cancels(of_one_venue)
        others.sort(key=lambda command: not isinstance(command, QueryOrder))
        for command in others:
            self._start(command)

    def _start(self, command: AnyCommand) -> None:
        if isinstance(command, QueryOrder):
            self._start_query(command)
        elif isinstance(command, RefreshBalances):
            self._refresh(command.venue)
        elif isinstance(command, SnapshotAccount):
            self._start_snapshot(command)
        elif isinstance(command, RecallOrders):
            self._tasks.spawn(self._recall(command))
        elif isinstance(command, SetTimer):
            self._set_timer(command)

    async def close(self) -> None:
        """Stop all timers and requests; an order whose answer is no longer waited for becomes unknown."""
        for handle in self._timers.values():
            handle.cancel()
        self._timers.clear()
        self._set.clear()
        await self._tasks.stop()

    # Cancels, order queries, account snapshots.

    def _start_cancels(self, commands: list[CancelOrder]) -> None:
        gateway = self._gateways.get(commands[0].venue)
        if gateway is None or self._tasks.full:
            for command in commands:
                self._emit(_cancel_answer(command, "no_gateway" if gateway is None else IN_FLIGHT_MAX))
        else:
            self._tasks.spawn(self._cancel(gateway, commands))

    async def _cancel(self, gateway: OrderGateway, commands: list[CancelOrder]) -> None:
        left = {command.client_order_id: command for command in commands}
        try:
            several = len(commands) > 1
            answers = await gateway.cancel_many(commands) if several else (await gateway.cancel(commands[0]),)
            for answer in answers:
                if left.pop(answer.client_order_id, None) is not None:
                    self._emit(answer)
            require(not left, f"no answer about {', '.join(left)}")
        except Exception as error:  # the top of a task: a bug makes the outcomes unknown
            for command in left.values():
                self._emit(_cancel_answer(command, f"bug: {error!r}", Outcome.UNKNOWN))
            self._on_incident(
                IncidentKind.EXECUTOR_ERROR, f"cancelling {', '.join(left)} at {gateway.venue}: {error!r}"
            )

    def _start_query(self, command: QueryOrder) -> None:
        gateway = self._gateways.get(command.venue)
        if gateway is None:
            self._emit(self._not_queried(command, "no_gateway"))
        elif self._tasks.full:
            self._emit(self._not_queried(command, IN_FLIGHT_MAX))
        else:
            self._tasks.spawn(self._query(gateway, command))

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
            self._tasks.spawn(self._snapshot(gateway, command))

    async def _snapshot(self, gateway: OrderGateway, command: SnapshotAccount) -> None:
        try:
            for part in parts_of(await gateway.snapshot_account(command)):
                self._emit(part)
        except Exception as error:  # the top of a task: a bug is a snapshot that shows nothing
            self._emit(AccountSnapshotTaken.unread(command.venue, self._clock.wall_ns(), f"bug: {error!r}"))
            self._on_incident(IncidentKind.EXECUTOR_ERROR, f"taking the account snapshot at {command.venue}: {error!r}")

    async def _recall(self, command: RecallOrders) -> None:
        """Search the journal until it can be read: nothing opens meanwhile in the symbols of these orders."""
        answer: OrdersRecalled | None = None
        while answer is None:
            try:
                if self._recall_from is None:
                    answer = OrdersRecalled(venue=command.venue, orders=command.orders, pairs=())
                else:
                    answer = await self._recall_from(command)
            except ArbError as error:
                self._emit(TroubleReported(kind=IncidentKind.STORE, text=f"searching for orders: {error}"))
                await asyncio.sleep(RECALL_AGAIN_S)
            except Exception as error:  # the top of a task: a bug is a search that finds nothing
                self._on_incident(IncidentKind.EXECUTOR_ERROR, f"searching for orders in the journal: {error!r}")
                return
        self._emit(answer)

    # One balance request per venue at a time; one requested during it follows it, since its answer must be newer.

    def _refresh(self, venue: str) -> None:
        gateway = self._gateways.get(venue)
        if gateway is None:
            return
        if venue in self._asking_balances:
            self._balances_again.add(venue)
            return
        self._asking_balances.add(venue)
        self._tasks.spawn(self._ask_balances(gateway, venue))

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


def _cancel_answer(command: CancelOrder, code: str, outcome: Outcome = Outcome.REJECTED) -> CancelAnswered:
    return CancelAnswered(venue=command.venue, client_order_id=command.client_order_id, outcome=outcome, code=code)
