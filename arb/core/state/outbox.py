"""The outbox: the commands of one step, in order; some are written only once its orders have left.

A step is one call of `Engine.handle`. The orders it opens leave before their rows are made: `open` and `later` reserve a place
among the commands, and `write_rows` fills it. So the commands and their order do not depend on when the rows were made.
"""

from collections.abc import Callable, Iterable

import msgspec

from arb.core.messages.commands import (
    Alert,
    AnyCommand,
    AnyRecord,
    CancelOrder,
    Command,
    Finish,
    Persist,
    PlaceOrder,
    QueryOrder,
    RecallOrders,
    RefreshBalances,
    RequestBook,
    SetTimer,
    SnapshotAccount,
    last_states,
)
from arb.core.messages.intents import Intent
from arb.core.messages.records import OpportunityRecord
from arb.core.messages.timers import AnyTimer


class Outbox:
    def __init__(self) -> None:
        self.cause = 0
        self.intents: list[Intent] = []
        """The pairs that this step opens, in order."""
        self.untraded: list[OpportunityRecord] = []
        """The ended opportunities that were not traded, until they are taken: the ledger gets them without the journal."""
        self._commands: list[AnyCommand | Callable[[], None]] = []
        self._waiting = False

    def begin(self, cause: int) -> None:
        self.cause = cause
        self.intents, self._commands, self._waiting = [], [], False

    def open(self, intent: Intent, enter: Callable[[], None]) -> None:
        """Open a pair: its orders leave first; then `enter` records it, and its commands take this place."""
        self.intents.append(intent)
        self.later(enter)

    def later(self, write: Callable[[], None]) -> None:
        """Reserve a place for the commands that `write` gives once this step's orders have left."""
        self._commands.append(write)
        self._waiting = True

    def write_rows(self) -> None:
        if not self._waiting:
            return
        held, self._commands, self._waiting = self._commands, [], False
        for one in held:
            if isinstance(one, Command):
                self._commands.append(one)
            else:
                one()

    def take(self) -> tuple[AnyCommand, ...]:
        """Return and forget the collected commands, each row once and in its last state."""
        self.write_rows()
        return last_states(command for command in self._commands if isinstance(command, Command))

    def take_untraded(self) -> list[OpportunityRecord]:
        taken, self.untraded = self.untraded, []
        return taken

    def persist(self, *records: AnyRecord) -> None:
        self._commands.extend(Persist(cause=self.cause, record=record) for record in records)

    def timer(self, timer: AnyTimer, at_ns: int) -> None:
        self._commands.append(SetTimer(cause=self.cause, timer=timer.text, at_ns=at_ns))

    def place(self, commands: Iterable[PlaceOrder]) -> None:
        self._commands.extend(commands)

    def query(self, command: QueryOrder) -> None:
        self._commands.append(msgspec.structs.replace(command, cause=self.cause))

    def cancel(self, command: CancelOrder) -> None:
        self._commands.append(msgspec.structs.replace(command, cause=self.cause))

    def refresh(self, venue: str) -> None:
        self._commands.append(RefreshBalances(cause=self.cause, venue=venue))

    def request_book(self, connection: str, native_symbol: str) -> None:
        self._commands.append(RequestBook(cause=self.cause, connection=connection, native_symbol=native_symbol))

    def snapshot_account(self, venue: str, symbols: tuple[str, ...], since_ns: int) -> None:
        self._commands.append(SnapshotAccount(cause=self.cause, venue=venue, symbols=symbols, since_ns=since_ns))

    def recall(self, venue: str, venue_order_id: str, client_order_id: str | None) -> None:
        """Search the journal for an order; those of one step at one venue are searched for together."""
        order = (venue_order_id, client_order_id)
        for at, command in enumerate(self._commands):
            if isinstance(command, RecallOrders) and command.venue == venue:
                self._commands[at] = msgspec.structs.replace(command, orders=(*command.orders, order))
                return
        self._commands.append(RecallOrders(cause=self.cause, venue=venue, orders=(order,)))

    def alert(self, text: str) -> None:
        self._commands.append(Alert(cause=self.cause, text=text))

    def finish(self) -> None:
        self._commands.append(Finish(cause=self.cause))
