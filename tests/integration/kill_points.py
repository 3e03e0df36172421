"""The commit points at which a process can be killed, by name: of the journal, of the network or of the ledger.

A *door* is something a process does that outlives it: an intent, an order sent, an entry of the journal, a batch of the ledger.
At a door of the journal a process dies just before the commit or just after it, with nothing of it performed but the orders of
an opening, which left between their intent and their entry. A *course* of events leads to the door; `killed.py` plays them.
"""

from collections.abc import Callable
from enum import StrEnum

import msgspec

from arb.core.messages.commands import AnyCommand, Persist, PlaceOrder
from arb.core.messages.events import (
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
from arb.core.messages.incidents import HaltReason
from arb.core.messages.records import IncidentRecord, PairRecord
from arb.core.messages.recovery_records import ControlRecord
from arb.market.ids import decode
from arb.market.order import Role
from arb.store.journal.reader import FINISHED

REPAIRS = (Role.HEDGE, Role.UNWIND)
Commands = tuple[AnyCommand, ...]


class When(StrEnum):
    """On which side of a door."""

    BEFORE = "before"
    AFTER = "after"


class Course(StrEnum):
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
    """One named point: a door, the side of it, and the course of events that leads there."""

    name: str
    door: str
    when: When
    course: Course = Course.TRADING


BEFORE, AFTER = When.BEFORE, When.AFTER
ONE_LEG_SENT, ENTRY_SENT, ONE_LEG_FILLED, REPAIR_SENT = "one leg sent", "entry sent", "one leg filled", "repair sent"
LEDGER_BATCH, LEDGER_COMMIT = "ledger batch", "ledger commit"
INTENT = "intent"
INTENDED, UNCOMMITTED = "entry: intent written, nothing sent", "entry: both legs sent, not committed"
SENT = "entry: both legs sent, none answered"
ANYWHERE = "anywhere: at a drawn instant, from outside"

POINTS = {
    point.name: point
    for point in (
        KillPoint("entry: before its intent", INTENT, BEFORE),
        KillPoint(INTENDED, INTENT, AFTER),
        KillPoint("entry: one leg sent, the other not", ONE_LEG_SENT, BEFORE),
        KillPoint(UNCOMMITTED, "entry", BEFORE),
        KillPoint("entry: both legs sent, committed", "entry", AFTER),
        KillPoint(SENT, ENTRY_SENT, AFTER),
        KillPoint("acknowledgement: before its commit", "acknowledgement", BEFORE),
        KillPoint("acknowledgement: committed", "acknowledgement", AFTER),
        KillPoint("fill: before its commit", "fill", BEFORE),
        KillPoint("fill: committed", "fill", AFTER),
        KillPoint("one leg filled, the other not answered", ONE_LEG_FILLED, BEFORE),
        KillPoint("pair's end: before its commit", "pair's end", BEFORE),
        KillPoint("pair's end: committed", "pair's end", AFTER),
        KillPoint("repair: before its commit", "repair", BEFORE, Course.SHORT),
        KillPoint("repair: committed, not sent", "repair", AFTER, Course.SHORT),
        KillPoint("repair: sent, not answered", REPAIR_SENT, AFTER, Course.SHORT),
        KillPoint("unknown: before its commit", "unknown", BEFORE, Course.LOST),
        KillPoint("unknown: committed", "unknown", AFTER, Course.LOST),
        KillPoint("order query: before its commit", "order query", BEFORE, Course.LOST),
        KillPoint("order query: committed", "order query", AFTER, Course.LOST),
        KillPoint("ledger: before a batch", LEDGER_BATCH, BEFORE),
        KillPoint("ledger: batch written, not committed", LEDGER_COMMIT, BEFORE),
        KillPoint("ledger: batch committed", LEDGER_COMMIT, AFTER),
        KillPoint("restart: begun", "start", AFTER, Course.RESTART),
        KillPoint("restart: account snapshot taken, before its commit", "account", BEFORE, Course.RESTART),
        KillPoint("restart: account snapshot taken, committed", "account", AFTER, Course.RESTART),
        KillPoint("restart: open order queried, before its commit", "order query", BEFORE, Course.RESTART),
        KillPoint("restart: open order queried, committed", "order query", AFTER, Course.RESTART),
        KillPoint("restart: ledger catching up, not committed", LEDGER_COMMIT, BEFORE, Course.RESTART),
        KillPoint("recovery: before its commit", "recovery", BEFORE, Course.NO_MEMORY),
        KillPoint("recovery: committed", "recovery", AFTER, Course.NO_MEMORY),
        KillPoint("halt: before its commit", "halt", BEFORE, Course.HALT),
        KillPoint("halt: committed", "halt", AFTER, Course.HALT),
        KillPoint("resume: before its commit", "resume", BEFORE, Course.RESUME),
        KillPoint("resume: committed", "resume", AFTER, Course.RESUME),
        KillPoint("flatten: committed", "flatten", AFTER, Course.FLATTEN),
        KillPoint("flatten: order committed, not sent", "flatten order", AFTER, Course.FLATTEN),
        KillPoint("flatten: order sent, not answered", REPAIR_SENT, AFTER, Course.FLATTEN),
        KillPoint("flat: before its commit", "flat", BEFORE, Course.FLATTEN),
        KillPoint("flat: committed", "flat", AFTER, Course.FLATTEN),
        KillPoint("stop: committed", "stop", AFTER, Course.STOP),
        KillPoint("end of the run: before its commit", "end", BEFORE, Course.STOP),
        KillPoint(ANYWHERE, "", BEFORE, Course.ANYWHERE),
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
    "order query": _is(OrderQueried),
    "start": _is(RunStarted),
    "account": _is(AccountSnapshotTaken),
    "recovery": _persists(lambda record: isinstance(record, IncidentRecord) and record.kind == "adopted"),
    "halt": _is(HaltAsked),
    "resume": _is(ResumeAsked),
    "flatten": _is(FlattenAsked),
    "flatten order": _places(REPAIRS),
    "flat": _persists(lambda record: isinstance(record, ControlRecord) and record.halted == HaltReason.FLATTENED),
    "stop": _is(ShutdownAsked),
    "end": _is(RunEnded),
}
