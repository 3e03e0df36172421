"""Orders as all modules share them: side, time in force, role, status, and a venue's report.

Theory of an order's status. An order begins as an *intent* in the journal, before anything leaves. It is *sent* when the
request was written to the socket. The answer makes it *open* (or already terminal), *rejected*, or *unknown*. Only the venue's
own report ends it: *filled*, *partial_cancelled* (ended with some fill), *cancelled* (ended with none), *rejected*, or
*absent* (proved never to have existed). Fills count independently of it: a fill after a cancel, or before the acknowledgement,
is legal.
"""

from decimal import Decimal
from enum import StrEnum

import msgspec


class Side(StrEnum):
    BUY = "buy"
    SELL = "sell"

    @property
    def opposite(self) -> "Side":
        return Side.SELL if self is Side.BUY else Side.BUY


class TimeInForce(StrEnum):
    GTC = "gtc"
    IOC = "ioc"
    FOK = "fok"
    POST_ONLY = "post_only"


class Role(StrEnum):
    """The purpose of an order within its pair trade; `test`: a drill's; `foreign` orders are not ours and never touched."""

    ENTRY = "entry"
    HEDGE = "hedge"
    UNWIND = "unwind"
    DUST = "dust"
    TEST = "test"
    FOREIGN = "foreign"


class OrderStatus(StrEnum):
    INTENT = "intent"
    SENT = "sent"
    OPEN = "open"
    FILLED = "filled"
    PARTIAL_CANCELLED = "partial_cancelled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    UNKNOWN = "unknown"
    ABSENT = "absent"

    @property
    def is_terminal(self) -> bool:
        return self in _TERMINAL


_TERMINAL = frozenset(
    {
        OrderStatus.FILLED,
        OrderStatus.PARTIAL_CANCELLED,
        OrderStatus.CANCELLED,
        OrderStatus.REJECTED,
        OrderStatus.ABSENT,
    }
)


class OrderAbsence(StrEnum):
    """How an order that no venue shows was found absent: by proof, or by a presumption that time may refute."""

    PROVED = "proved"
    PRESUMED = "presumed"


class Outcome(StrEnum):
    """The three outcomes of every write to a venue."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    UNKNOWN = "unknown"


class OrderReport(msgspec.Struct, frozen=True, kw_only=True):
    """A venue's report on one order, from any answer or stream.

    `filled` is cumulative, in base. `is_open` is False once the venue has ended it. `avg_price` is None when nothing filled or
    the venue does not report it. `client_order_id` is as we chose it (venue prefixes such as Gate's `t-` removed).
    """

    venue: str
    symbol: str
    client_order_id: str | None
    venue_order_id: str
    side: Side
    price: Decimal | None
    size: Decimal
    filled: Decimal
    avg_price: Decimal | None
    is_open: bool
    finish_reason: str | None = None
    updated_ns: int | None = None
