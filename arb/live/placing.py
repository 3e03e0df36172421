"""Send orders: the entries of a pair together or not at all, repairs one by one.

Every order gets exactly one answer, in every case. An unexpected exception becomes `OutcomeUnknown`, because by then the
order may have left, and an incident, because it is our own bug.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any

from arb.clock import Clock
from arb.core.messages.commands import PlaceOrder
from arb.core.messages.events import OrderRejected, OutcomeUnknown
from arb.core.messages.incidents import IncidentKind
from arb.errors import require
from arb.live.delays import ROUND_TRIP, Delays
from arb.market.ids import PAIR_PART
from arb.market.order import Outcome
from arb.venues.kit.base import Departure, EventListener, OrderGateway, PlaceAnswer

IN_FLIGHT_MAX = "in_flight_max"
OTHER_LEG = "other_leg"
"""The code of an entry that was withheld because the other leg of its pair could not leave."""

IncidentListener = Callable[[IncidentKind, str], None]
"""Called with (kind, text) after an unexpected event; `executor_error` is a bug and should stop trading."""

_Ask = Callable[[], Coroutine[Any, Any, PlaceAnswer]]


class Tasks:
    """The tasks under way on the loop: at most `limit` orders, and twice that in all."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        # In starting order, which a set of tasks does not keep: the events of a stop must arrive in a repeatable order.
        self.under_way: dict[asyncio.Task[None], None] = {}

    @property
    def full(self) -> bool:
        """Return whether there is no room for new risk: commands that reduce risk get room when orders do not."""
        return len(self.under_way) >= 2 * self.limit

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self.under_way[task] = None
        task.add_done_callback(self.under_way.pop)
        return task

    async def stop(self) -> None:
        tasks = tuple(self.under_way)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Placing:
    def __init__(
        self,
        gateways: Mapping[str, OrderGateway],
        tasks: Tasks,
        *,
        clock: Clock,
        emit: EventListener,
        on_incident: IncidentListener,
        delays: Delays,
    ) -> None:
        self._gateways = gateways
        self._tasks = tasks
        self._clock = clock
        self._emit = emit
        self._on_incident = on_incident
        # All from the start: Prometheus sees no rise to the first of a series.
        self._round_trips = {
            (venue, outcome): delays.of(ROUND_TRIP, venue, str(outcome)) for venue in gateways for outcome in Outcome
        }

    def enter(self, entries: Sequence[PlaceOrder]) -> None:
        """Send entries: all legs of a pair are prepared before the first one leaves, and if one cannot leave none does."""
        pairs: dict[str, list[PlaceOrder]] = {}
        for leg in entries:
            pairs.setdefault(leg.client_order_id[:PAIR_PART], []).append(leg)
        for legs in pairs.values():
            self._enter(legs)

    def repair(self, command: PlaceOrder) -> None:
        """Send a repair; it may wait for a slot of its venue's budget."""
        gateway = self._gateways.get(command.venue)
        if gateway is None or len(self._tasks.under_way) >= self._tasks.limit:
            self._emit(self._refused(command))
            return

        def on_unstarted() -> None:
            self._emit(_not_sent(command, "stopped", "stopped before it was sent"))

        self._await(command, partial(gateway.place, command), on_unstarted)

    def _enter(self, legs: list[PlaceOrder]) -> None:
        ready: list[Departure] = []
        refusals: list[OrderRejected] = []
        kept: list[PlaceOrder] = []
        for leg in legs:
            departure = self._prepare(leg)
            if isinstance(departure, OrderRejected):
                refusals.append(departure)
            else:
                ready.append(departure)
                kept.append(leg)
        if not refusals:
            self._leave(legs, ready)
            return
        for refusal in refusals:
            self._emit(refusal)
        for leg in kept:
            self._emit(_not_sent(leg, OTHER_LEG, f"the other leg could not leave: {refusals[0].code}"))

    def _leave(self, legs: list[PlaceOrder], ready: list[Departure]) -> None:
        """Send one leg right after the other; only then does anybody wait for an answer."""
        bugs: dict[str, Exception] = {}
        for number, departure in enumerate(ready):
            try:
                departure.leave()
            except Exception as error:  # a bug of ours, and by now the order may have left
                bugs[legs[number].client_order_id] = error
        for leg, departure in zip(legs, ready, strict=True):
            if leg.client_order_id not in bugs:
                self._await_answer(leg, departure)
        for leg in legs:
            bug = bugs.get(leg.client_order_id)
            if bug is not None:
                self._emit(_unknown(leg, f"bug: {bug!r}", self._clock.wall_ns()))
                self._on_bug(f"sending {leg.client_order_id} to {leg.venue}: {bug!r}")

    def _prepare(self, leg: PlaceOrder) -> Departure | OrderRejected:
        gateway = self._gateways.get(leg.venue)
        if gateway is None or len(self._tasks.under_way) >= self._tasks.limit:
            return self._refused(leg)
        try:
            return gateway.prepare(leg)
        except Exception as error:  # a bug of ours; nothing has left yet, so the rejection is certain
            self._on_bug(f"preparing {leg.client_order_id} at {leg.venue}: {error!r}")
            return _not_sent(leg, "bug", repr(error))

    def _refused(self, command: PlaceOrder) -> OrderRejected:
        code = IN_FLIGHT_MAX if command.venue in self._gateways else "no_gateway"
        return _not_sent(command, code, f"{len(self._tasks.under_way)} requests under way")

    def _await_answer(self, command: PlaceOrder, departure: Departure) -> None:
        sent_ns = self._clock.wall_ns()

        def on_unstarted() -> None:  # the order had left already
            self._emit(_unknown(command, "stopped before its answer came", sent_ns))

        self._await(command, departure.answer, on_unstarted)

    def _await(self, command: PlaceOrder, ask: _Ask, on_unstarted: Callable[[], None]) -> None:
        """Wait for an order's answer in a task; `on_unstarted` answers for one that is cancelled before its first step."""
        begun: list[bool] = []

        def on_done(_task: object) -> None:
            if not begun:
                on_unstarted()

        self._tasks.spawn(self._place(command, ask, begun)).add_done_callback(on_done)

    async def _place(self, command: PlaceOrder, ask: _Ask, begun: list[bool]) -> None:
        begun.append(True)
        started_ns = self._clock.wall_ns()
        try:
            answer = await ask()
            require(
                answer.client_order_id == command.client_order_id,
                f"asked about {command.client_order_id}, answered about {answer.client_order_id}",
            )
        except asyncio.CancelledError:
            self._emit(_unknown(command, "stopped before its answer came", started_ns))
            raise
        except Exception as error:  # the top of a task: a bug makes the outcome unknown
            self._emit(_unknown(command, f"bug: {error!r}", started_ns))
            self._on_bug(f"placing {command.client_order_id} at {command.venue}: {error!r}")
        else:
            self._emit(answer)
            self._measure(command.venue, answer)

    def _measure(self, venue: str, answer: PlaceAnswer) -> None:
        """Count the round trip of an order; one that was never sent has none."""
        if not answer.sent_ns:
            return
        if isinstance(answer, OutcomeUnknown):
            outcome, ended_ns = Outcome.UNKNOWN, self._clock.wall_ns()
        else:
            outcome = Outcome.REJECTED if isinstance(answer, OrderRejected) else Outcome.ACCEPTED
            ended_ns = answer.acked_ns
        self._round_trips[venue, outcome].add(ended_ns - answer.sent_ns)

    def _on_bug(self, text: str) -> None:
        self._on_incident(IncidentKind.EXECUTOR_ERROR, text)


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
