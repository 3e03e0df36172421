"""What the shell should do, in the imperative. Journalled with the event that caused them, before they are performed.

The rules of `events.py` for names on disk apply here, too.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple, TypeVar

import msgspec

from arb.core.messages.records import (
    AcknowledgementRecord,
    FillRecord,
    LedgerRecord,
    OpportunityRecord,
    OrderRecord,
    PairRecord,
    RunRecord,
    row_key,
)
from arb.core.messages.recovery_records import ControlRecord, PlanRecord, RecoveryRecord, ResidualsRecord
from arb.market.order import Role, Side, TimeInForce

AnyRecord = LedgerRecord | AcknowledgementRecord | RecoveryRecord


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """The base of all commands; `cause` is the sequence number of the event that led to it."""

    cause: int


class PlaceOrder(Command, frozen=True, kw_only=True, tag="PlaceOrder"):
    """Send one order. Entries of one pair are adjacent and leave together.

    `price` in quote per base, a multiple of the tick; `size` in base, a multiple of the lot. `expires_ns` is the instant on
    our clock after which the venue must refuse the request, where it can.
    """

    venue: str
    symbol: str
    client_order_id: str
    role: Role
    side: Side
    tif: TimeInForce
    price: Decimal
    size: Decimal
    expires_ns: int


class CancelOrder(Command, frozen=True, kw_only=True, tag="CancelOrder"):
    venue: str
    symbol: str
    client_order_id: str
    venue_order_id: str | None


class QueryOrder(Command, frozen=True, kw_only=True, tag="QueryOrder"):
    """Query one order among open orders, finished orders and fills since `since_ns` (our clock), all pages.

    With a `venue_order_id` the order may be asked for by it. Answered by `OrderQueried` with the same `attempt`.
    """

    venue: str
    symbol: str
    client_order_id: str
    venue_order_id: str | None
    since_ns: int
    attempt: int = msgspec.field(name="look")


class RefreshBalances(Command, frozen=True, kw_only=True, tag="RefreshBalances"):
    venue: str


class RequestBook(Command, frozen=True, kw_only=True, tag="RequestBook"):
    connection: str
    native_symbol: str


class SnapshotAccount(Command, frozen=True, kw_only=True, tag="SurveyAccount"):
    """Read everything of an account since `since_ns` (our clock): open orders, ended orders and fills of `symbols`, bills.

    Answered by `AccountSnapshotTaken`.
    """

    venue: str
    symbols: tuple[str, ...]
    since_ns: int


class RecallOrders(Command, frozen=True, kw_only=True, tag="RecallOrders"):
    """Search the whole journal for orders of a venue, each by its venue order id and its client order id (None: not reported).

    Answered by `OrdersRecalled`.
    """

    venue: str
    orders: tuple[tuple[str, str | None], ...]


class SetTimer(Command, frozen=True, kw_only=True, tag="SetTimer"):
    """Return `TimerFired(timer)` at `at_ns`; setting a timer again moves it."""

    timer: str
    at_ns: int


class Persist(Command, frozen=True, kw_only=True, tag="Persist"):
    record: AnyRecord


class Alert(Command, frozen=True, kw_only=True, tag="Alert"):
    text: str


class Finish(Command, frozen=True, kw_only=True, tag="Finish"):
    pass


AnyCommand = (
    PlaceOrder
    | CancelOrder
    | QueryOrder
    | RefreshBalances
    | RequestBook
    | SnapshotAccount
    | RecallOrders
    | SetTimer
    | Persist
    | Alert
    | Finish
)

BEFORE_WIRE = frozenset({PlaceOrder, CancelOrder})
"""The commands that leave for the venues first."""
ROWS_BEFORE_WIRE = frozenset(
    {
        RunRecord,
        OpportunityRecord,
        PlanRecord,
        PairRecord,
        OrderRecord,
        FillRecord,
        ControlRecord,
        ResidualsRecord,
    }
)
"""The rows from which a restart would finish a pair or account for an order, and the rows that these refer to."""


class Step(NamedTuple):
    """The commands of one event, divided at the moment when orders may leave; each part in the order of the engine.

    `before`: orders, cancels, and the rows that must be durable before an order leaves. `after`: commands that a process may
    lose without losing track of an order or of money: incidents, alerts, books, queries, balances, and timers. A restart asks
    at once for everything unfinished.
    """

    before: tuple[AnyCommand, ...]
    after: tuple[AnyCommand, ...]


def divide(commands: Iterable[AnyCommand]) -> Step:
    before: list[AnyCommand] = []
    after: list[AnyCommand] = []
    for command in commands:
        first = type(command.record) in ROWS_BEFORE_WIRE if type(command) is Persist else type(command) in BEFORE_WIRE
        (before if first else after).append(command)
    return Step(tuple(before), tuple(after))


_Message = TypeVar("_Message")


def last_states(commands: Iterable[_Message]) -> tuple[_Message, ...]:
    """Return the commands of one step with each row kept once: in its last state, at its first place.

    So a row still precedes the order that it announces, and the rows that refer to it.
    """
    kept: list[_Message] = []
    places: dict[tuple[type, int | None, int], int] = {}
    for command in commands:
        if isinstance(command, Persist):
            place = places.setdefault(row_key(command.record), len(kept))
            if place < len(kept):
                kept[place] = command
                continue
        kept.append(command)
    return tuple(kept)
