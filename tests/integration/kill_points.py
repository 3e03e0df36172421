"""The commit points at which a process can be killed, by name: what of the journal, of the wires or of the ledger they are.

A *door* is something a process does that outlives it: an entry of the journal, an order on a wire, a batch of the ledger. At a
door of the journal a process dies just before the commit or just after it, with nothing of it performed. A *story* is what
has to happen for the door to be gone through; `killed.py` tells them.
"""

from collections.abc import Callable
from enum import StrEnum

import msgspec

from arb.core.commands import AnyCommand, Persist, PlaceOrder
from arb.core.events import (
    AccountSnapshotTaken,
    AnyEvent,
    FlattenAsked,
    HaltAsked,
    OrderAccepted,
    OrderFilled,
    OrderQueried,
    OutcomeUnknown,
    ResumeAsked,
    RunEnded,
    RunStarted,
    ShutdownAsked,
)
from arb.core.incidents import HaltReason
from arb.core.records import ControlRecord, IncidentRecord, PairRecord
from arb.market.ids import decode
from arb.market.order import Role
from arb.store.journal_reader import FINISHED

REPAIRS = (Role.HEDGE, Role.UNWIND)
Commands = tuple[AnyCommand, ...]


class When(StrEnum):
    """On which side of a door."""

    BEFORE = "before"
    AFTER = "after"


class Story(StrEnum):
    """What leads to a door."""

    TRADING = "trading"
    SHORT = "fills fall short"
    LOST = "answers are lost"
    RESTART = "killed while starting after a kill"
    NO_MEMORY = "started without the dead one's files"
    HALT = "halted by the user"
    RESUME = "resumed by the user"
    FLATTEN = "flattened by the user"
    STOP = "stopped by the user"
    ANYWHERE = "killed from outside"


class KillPoint(msgspec.Struct, frozen=True):
    """One named point: a door, the side of it, and the story that leads there."""

    name: str
    door: str
    when: When
    story: Story = Story.TRADING


BEFORE, AFTER = When.BEFORE, When.AFTER
ONE_LEG_SENT, ENTRY_SENT, ONE_LEG_FILLED, REPAIR_SENT = "one leg sent", "entry sent", "one leg filled", "repair sent"
LEDGER_BATCH, LEDGER_COMMIT = "ledger batch", "ledger commit"
SENT = "entry: both legs sent, none answered"
ANYWHERE = "anywhere: at a drawn instant, from outside"

POINTS = {
    point.name: point
    for point in (
        KillPoint("entry: before its commit", "entry", BEFORE),
        KillPoint("entry: committed, nothing sent", "entry", AFTER),
        KillPoint("entry: one leg sent, the other not", ONE_LEG_SENT, BEFORE),
        KillPoint(SENT, ENTRY_SENT, AFTER),
        KillPoint("acknowledgement: before its commit", "acknowledgement", BEFORE),
        KillPoint("acknowledgement: committed", "acknowledgement", AFTER),
        KillPoint("fill: before its commit", "fill", BEFORE),
        KillPoint("fill: committed", "fill", AFTER),
        KillPoint("one leg filled, the other not answered", ONE_LEG_FILLED, BEFORE),
        KillPoint("pair's end: before its commit", "pair's end", BEFORE),
        KillPoint("pair's end: committed", "pair's end", AFTER),
        KillPoint("repair: before its commit", "repair", BEFORE, Story.SHORT),
        KillPoint("repair: committed, not sent", "repair", AFTER, Story.SHORT),
        KillPoint("repair: sent, not answered", REPAIR_SENT, AFTER, Story.SHORT),
        KillPoint("unknown: before its commit", "unknown", BEFORE, Story.LOST),
        KillPoint("unknown: committed", "unknown", AFTER, Story.LOST),
        KillPoint("look: before its commit", "look", BEFORE, Story.LOST),
        KillPoint("look: committed", "look", AFTER, Story.LOST),
        KillPoint("ledger: before a batch", LEDGER_BATCH, BEFORE),
        KillPoint("ledger: batch written, not committed", LEDGER_COMMIT, BEFORE),
        KillPoint("ledger: batch committed", LEDGER_COMMIT, AFTER),
        KillPoint("restart: begun", "start", AFTER, Story.RESTART),
        KillPoint("restart: account looked through, before its commit", "account", BEFORE, Story.RESTART),
        KillPoint("restart: account looked through, committed", "account", AFTER, Story.RESTART),
        KillPoint("restart: left-over order looked for, before its commit", "look", BEFORE, Story.RESTART),
        KillPoint("restart: left-over order looked for, committed", "look", AFTER, Story.RESTART),
        KillPoint("restart: ledger catching up, not committed", LEDGER_COMMIT, BEFORE, Story.RESTART),
        KillPoint("adoption: before its commit", "adoption", BEFORE, Story.NO_MEMORY),
        KillPoint("adoption: committed", "adoption", AFTER, Story.NO_MEMORY),
        KillPoint("halt: before its commit", "halt", BEFORE, Story.HALT),
        KillPoint("halt: committed", "halt", AFTER, Story.HALT),
        KillPoint("resume: before its commit", "resume", BEFORE, Story.RESUME),
        KillPoint("resume: committed", "resume", AFTER, Story.RESUME),
        KillPoint("flatten: committed", "flatten", AFTER, Story.FLATTEN),
        KillPoint("flatten: order committed, not sent", "flatten order", AFTER, Story.FLATTEN),
        KillPoint("flatten: order sent, not answered", REPAIR_SENT, AFTER, Story.FLATTEN),
        KillPoint("flat: before its commit", "flat", BEFORE, Story.FLATTEN),
        KillPoint("flat: committed", "flat", AFTER, Story.FLATTEN),
        KillPoint("stop: committed", "stop", AFTER, Story.STOP),
        KillPoint("end of the run: before its commit", "end", BEFORE, Story.STOP),
        KillPoint(ANYWHERE, "", BEFORE, Story.ANYWHERE),
    )
}


def _places(roles: tuple[Role, ...]) -> Callable[[AnyEvent, Commands], bool]:
    return lambda _, commands: any(isinstance(c, PlaceOrder) and c.role in roles for c in commands)


def _is(kind: type[AnyEvent]) -> Callable[[AnyEvent, Commands], bool]:
    return lambda event, _: isinstance(event, kind)


def _persists(wanted: Callable[[object], bool]) -> Callable[[AnyEvent, Commands], bool]:
    return lambda _, commands: any(isinstance(c, Persist) and wanted(c.record) for c in commands)


def _is_own_fill(event: AnyEvent, _: Commands) -> bool:
    return isinstance(event, OrderFilled) and decode(event.fill.client_order_id or "") is not None


JOURNAL_DOORS: dict[str, Callable[[AnyEvent, Commands], bool]] = {
    "entry": _places((Role.ENTRY,)),
    "repair": _places(REPAIRS),
    "acknowledgement": _is(OrderAccepted),
    "fill": _is_own_fill,
    "pair's end": _persists(lambda record: isinstance(record, PairRecord) and record.state in FINISHED),
    "unknown": _is(OutcomeUnknown),
    "look": _is(OrderQueried),
    "start": _is(RunStarted),
    "account": _is(AccountSnapshotTaken),
    "adoption": _persists(lambda record: isinstance(record, IncidentRecord) and record.kind == "adopted"),
    "halt": _is(HaltAsked),
    "resume": _is(ResumeAsked),
    "flatten": _is(FlattenAsked),
    "flatten order": _places(REPAIRS),
    "flat": _persists(lambda record: isinstance(record, ControlRecord) and record.halted == HaltReason.FLATTENED),
    "stop": _is(ShutdownAsked),
    "end": _is(RunEnded),
}
