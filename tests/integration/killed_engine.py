"""An engine that kills itself with SIGKILL at a named point: `python killed_engine.py POINT ALONE CONFIG DB ADMIN_URL`.

It is the engine of `arb run`, with something around its gateways and its journal that knows `kill_points.POINTS`. ALONE says
how many orders are left alone before it counts. A flatten is waited for where the course of events has one.
"""

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Coroutine, Iterable
from pathlib import Path
from typing import Any, cast

from sqlalchemy import Connection, Engine, event

from arb.app.run import Run
from arb.config import Mode, RunOptions, load_settings
from arb.core.messages.commands import AnyCommand, PlaceOrder
from arb.core.messages.events import AnyEvent, FlattenAsked, OrderFilled, OrderRejected
from arb.core.messages.intents import Intent
from arb.market.ids import decode
from arb.market.order import Role
from arb.store.journal.journal import Journal
from arb.store.journal.reader import Row
from arb.venues.kit.base import Departure, EventListener, OrderGateway, PlaceAnswer
from tests.integration import kill_points as doors
from tests.integration.kill_points import JOURNAL_DOORS, Course, KillPoint, When

ON_ITS_WAY_S = 0.005
"""Long enough for a request to be in the socket, shorter than the sandbox's venues take to answer."""
LEDGER_THREAD = "ledger"


class Killer:
    """Knows the orders under way at all venues, and when to end it all."""

    def __init__(self, point: KillPoint, left_alone: int) -> None:
        self.point = point
        self.left_alone = left_alone
        self.placed = 0
        self.unanswered: dict[str, PlaceOrder] = {}
        self.flattening = False
        self.in_batch = False

    def passes(self, door: str, when: When) -> None:
        """Go through a door; this may be the end."""
        if self.armed and door == self.point.door and when is self.point.when:
            self.kill()

    @property
    def armed(self) -> bool:
        """Return whether enough has happened for the point to count."""
        return self.placed > self.left_alone and (self.point.course is not Course.FLATTEN or self.flattening)

    def kill(self) -> None:
        """Die at once: nothing of this process runs any more."""
        os.kill(os.getpid(), signal.SIGKILL)

    def before(self, command: PlaceOrder) -> None:
        """Note that an order is about to leave."""
        entries = [other for other in self.unanswered.values() if _same_pair(other, command)]
        if command.role is Role.ENTRY and entries:
            self.passes(doors.ONE_LEG_SENT, When.BEFORE)
        self.placed += 1
        self.unanswered[command.client_order_id] = command

    def sent(self, command: PlaceOrder) -> None:
        """Note that an order has been on its way for a while."""
        if command.client_order_id in self.unanswered:
            self.passes(doors.ENTRY_SENT if command.role is Role.ENTRY else doors.REPAIR_SENT, When.AFTER)

    def answered(self, command: PlaceOrder) -> None:
        """Note that the venue has answered."""
        self.unanswered.pop(command.client_order_id, None)

    def on_private(self, taken: AnyEvent) -> None:
        """Take note of what the private streams report."""
        own = decode(taken.fill.client_order_id or "") if isinstance(taken, OrderFilled) else None
        for name in self.unanswered if own is not None else ():
            other = decode(name)
            assert own is not None
            if other is not None and other.pair_number == own.pair_number and other.leg != own.leg:
                self.passes(doors.ONE_LEG_FILLED, When.BEFORE)


def _same_pair(one: PlaceOrder, other: PlaceOrder) -> bool:
    first, second = decode(one.client_order_id), decode(other.client_order_id)
    return first is not None and second is not None and first.pair_number == second.pair_number


class WatchedGateway:
    """A gateway that informs the killer which orders leave and what is reported; all else is the inner one's."""

    def __init__(self, inner: OrderGateway, killer: Killer) -> None:
        self._inner = inner
        self._killer = killer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def place(self, command: PlaceOrder) -> PlaceAnswer:
        """Place a repair, watched."""
        self._killer.before(command)
        return await self.followed(command, self._inner.place(command))

    def prepare(self, command: PlaceOrder) -> Departure | OrderRejected:
        """Make an entry ready to leave, watched."""
        departure = self._inner.prepare(command)
        return departure if isinstance(departure, OrderRejected) else WatchedDeparture(self, command, departure)

    def before(self, command: PlaceOrder) -> None:
        """Take note that an entry is about to leave."""
        self._killer.before(command)

    async def followed(self, command: PlaceOrder, answer: Coroutine[Any, Any, PlaceAnswer]) -> PlaceAnswer:
        watch = asyncio.get_running_loop().call_later(ON_ITS_WAY_S, self._killer.sent, command)
        try:
            return await answer
        finally:
            watch.cancel()
            self._killer.answered(command)

    async def run_private(self, listener: EventListener) -> None:
        """Hand over what the private stream reports, after the killer has seen it."""

        def watched(reported: AnyEvent) -> None:
            self._killer.on_private(reported)
            listener(reported)

        await self._inner.run_private(watched)


class WatchedDeparture:
    """An entry that is ready to leave, watched."""

    def __init__(self, gateway: WatchedGateway, command: PlaceOrder, inner: Departure) -> None:
        self._gateway, self._command, self._inner = gateway, command, inner

    def leave(self) -> None:
        """Hand it over."""
        self._gateway.before(self._command)
        self._inner.leave()

    def answer(self) -> Coroutine[Any, Any, PlaceAnswer]:
        """Wait for what became of it."""
        return self._gateway.followed(self._command, self._inner.answer())


class WatchedJournal:
    """A journal that informs the killer before and after each intent and commit; all else is the inner one's."""

    def __init__(self, inner: Journal, killer: Killer) -> None:
        self._inner = inner
        self._killer = killer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def intend(self, intents: Iterable[Intent]) -> None:
        """Write intents, watched."""
        self._killer.passes(doors.INTENT, When.BEFORE)
        self._inner.intend(intents)
        self._killer.passes(doors.INTENT, When.AFTER)

    def append(self, taken: AnyEvent, commands: tuple[AnyCommand, ...]) -> tuple[Row, ...]:
        """Commit, watched."""
        self._killer.flattening |= isinstance(taken, FlattenAsked)
        gone_through = [door for door, is_gone_through in JOURNAL_DOORS.items() if is_gone_through(taken, commands)]
        for door in gone_through:
            self._killer.passes(door, When.BEFORE)
        rows = self._inner.append(taken, commands)
        for door in gone_through:
            self._killer.passes(door, When.AFTER)
        return rows

    def sync(self) -> None:
        """Make the journal durable; the ledger asks for it before each of its batches."""
        if threading.current_thread().name == LEDGER_THREAD:
            self._killer.in_batch = True
            self._killer.passes(doors.LEDGER_BATCH, When.BEFORE)
        self._inner.sync()


def watch_ledger(killer: Killer) -> None:
    """Inform the killer of the ledger's commits, just before and just after each."""

    @event.listens_for(Engine, "commit")
    def about_to_commit(connection: Connection) -> None:
        if threading.current_thread().name != LEDGER_THREAD or not killer.in_batch:
            return
        killer.passes(doors.LEDGER_COMMIT, When.BEFORE)
        if killer.point.door == doors.LEDGER_COMMIT:
            connection.connection.commit()
            killer.passes(doors.LEDGER_COMMIT, When.AFTER)


def main(point: str, left_alone: str, config: str, db: str, admin: str) -> None:
    """Run the engine until the point is reached."""
    killer = Killer(doors.POINTS[point], int(left_alone))
    watch_ledger(killer)
    options = RunOptions(mode=Mode.SANDBOX, db=db, sandbox=admin)
    run = Run(
        load_settings(Path(config)),
        options,
        wrap=lambda inner: cast(OrderGateway, WatchedGateway(inner, killer)),
        wrap_journal=lambda inner: cast(Journal, WatchedJournal(inner, killer)),
    )
    asyncio.run(run.main())


if __name__ == "__main__":
    main(*sys.argv[1:])
