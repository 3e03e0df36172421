"""Our own orders until they are settled: the order sent, the venue's reports, the certain fills.

Two facts are kept apart on purpose. The *report* is the venue's view of the order (its id, its cumulative fill, whether it has
ended). The *fills* are single executions, each counted once by its key. An order is settled only when the venue has ended it
and the fills we hold add up to its cumulative fill. A cancel acknowledgement settles nothing by itself. A fill after it, or
before the acknowledgement of the order, counts like any other.

An order whose outcome is unknown stays so until the venue reports it, or its absence is proved (`core/orders/reconciler.py`).

A venue may contradict itself: more filled than was ordered, one trade under two ids. Such reports are not counted. The order
is *frozen*, that is not settled, until a complete order query shows an ended order and exactly the fills that make it up.
"""

from collections.abc import Iterable
from dataclasses import InitVar, dataclass, field
from decimal import Decimal

import msgspec

from arb.core.messages.commands import PlaceOrder
from arb.core.messages.records import FillRecord, OrderRecord
from arb.errors import require
from arb.market.fill import Fill, FillKey, FillSource, Liquidity
from arb.market.numbers import ZERO, plain
from arb.market.order import OrderAbsence, OrderReport, OrderStatus, Outcome, Role, Side, TimeInForce

_NO_FILLS: frozenset[FillKey] = frozenset()


@dataclass(slots=True, eq=False, repr=False)
class WorkingOrder:
    # Tens of thousands are kept after their end: a dictionary in each would double their memory.
    order_id: int
    pair_id: int
    account_id: str
    command: InitVar[PlaceOrder]
    attempt: int
    journalled_ns: int
    # The most (ns) by which the venue's clock was ahead while this may have been signed: its expiry was written in
    # that time.
    offset_ns: int | None = None
    # A cumulative fill that is off by less than this base is rounded, and lacks no fill.
    lot: Decimal = ZERO
    outcome: Outcome | None = None
    reject_code: str | None = None
    # Whether its venue refused it because the balance does not cover it.
    short_of_funds: bool = False
    venue_order_id: str | None = None
    reported_filled: Decimal = ZERO
    ended: bool = False
    # How its absence was found; a fill or a report takes that back.
    absence: OrderAbsence | None = None
    # Whether it is presumed absent and still queried: it may have been taken after all.
    watched: bool = False
    # Whether it was presumed absent and filled, and the cost of that is not counted yet.
    presumed_wrongly: bool = False
    # Whether its venue answered without an outcome, or may have: the request may still wait there.
    unwell: bool = False
    # Whether the last complete query did not show all of it, though its venue had acknowledged it before.
    unseen: bool = False
    sent_ns: int | None = None
    acked_ns: int | None = None
    first_fill_ns: int | None = None
    done_ns: int | None = None
    fills: dict[FillKey, Fill] = field(default_factory=dict)
    # The quote value of each fee when its fill arrived: the row records it, and the waterfall must agree with it.
    fee_values: dict[FillKey, Decimal] = field(default_factory=dict)
    queries_sent: int = 0
    cancels_asked: int = 0
    clean_queries: list[int] = field(default_factory=list)
    query_in_flight: bool = False
    # Whether its book counts it as no longer under way.
    released: bool = False
    # Whether it was recorded only after a venue's report: then it may have filled before that.
    recovered: bool = False
    # Whether an incident has reported that the outcome has been unknown for too long.
    alarmed: bool = False
    frozen: bool = False
    # How the venue contradicted itself, as the incident words it; "" while it has not.
    contradiction: str = ""
    # Fills that are not counted, because they contradict known facts.
    set_aside: frozenset[FillKey] = _NO_FILLS
    # Other ids of trades that were counted.
    disproved: frozenset[FillKey] = _NO_FILLS
    # Whether the venue has reported a final cumulative fill.
    reported_ended: bool = False
    # The row that was last written.
    _written: OrderRecord | None = None
    venue: str = field(init=False)
    symbol: str = field(init=False)
    client_order_id: str = field(init=False)
    role: Role = field(init=False)
    side: Side = field(init=False)
    tif: TimeInForce = field(init=False)
    price: Decimal = field(init=False)
    size: Decimal = field(init=False)
    expires_ns: int = field(init=False)

    def __post_init__(self, command: PlaceOrder) -> None:
        self.venue = command.venue
        self.symbol = command.symbol
        self.client_order_id = command.client_order_id
        self.role = command.role
        self.side = command.side
        self.tif = command.tif
        self.price = command.price
        self.size = command.size
        self.expires_ns = command.expires_ns

    @classmethod
    def restored(cls, record: OrderRecord, fills: Iterable[FillRecord], expires_ns: int) -> "WorkingOrder":
        """Rebuild an order from its journalled row and fills; `expires_ns` (our clock) replaces an expiry that the row lacks.

        A journalled order without an answer is unknown: it may have left before the process died.
        """
        require(record.pair_trade_id is not None and record.client_order_id is not None, "only own orders are restored")
        assert record.pair_trade_id is not None and record.client_order_id is not None
        command = PlaceOrder(
            cause=0,
            venue=record.venue,
            symbol=record.symbol,
            client_order_id=record.client_order_id,
            role=record.role,
            side=record.side,
            tif=record.tif,
            price=record.price,
            size=record.size,
            expires_ns=expires_ns,
        )
        if record.expires_ns is not None:
            command = msgspec.structs.replace(command, expires_ns=record.expires_ns)
        order = cls(record.id, record.pair_trade_id, record.account_id, command, record.attempt, record.journalled_ns)
        order.outcome = record.outcome
        order.reject_code = record.reject_code
        order.venue_order_id = record.venue_order_id
        order.offset_ns = record.offset_ns
        order.sent_ns, order.acked_ns = record.sent_ns, record.acked_ns
        order.recovered = record.outcome is Outcome.ACCEPTED and not record.sent_ns and not record.acked_ns
        order.first_fill_ns, order.done_ns = record.first_fill_ns, record.done_ns
        order.ended = record.status.is_terminal
        order.absence = record.absence or (OrderAbsence.PROVED if record.status is OrderStatus.ABSENT else None)
        order.watched = order.absence is OrderAbsence.PRESUMED
        order.unwell = True
        order.reported_filled = record.filled
        for row in fills:
            fill = fill_of(row, record)
            order.fills[fill.key] = fill
            order.fee_values[fill.key] = row.fee_quote_value
        if order.outcome is None:
            order.outcome = Outcome.UNKNOWN
        return order

    @property
    def filled(self) -> Decimal:
        """Return the base that certainly traded, before fees."""
        return sum((fill.size for fill in self.fills.values()), ZERO)

    @property
    def notional(self) -> Decimal:
        """Return the quote that certainly traded, before fees."""
        return sum((fill.size * fill.price for fill in self.fills.values()), ZERO)

    @property
    def is_unknown(self) -> bool:
        """Return whether the order may or may not exist."""
        return self.outcome is Outcome.UNKNOWN and not self.ended

    @property
    def unanswered(self) -> bool:
        """Return whether nothing shows yet that the venue has taken the order, or refused it."""
        return self.outcome in (None, Outcome.UNKNOWN) and not self.ended

    @property
    def rests(self) -> bool:
        """Return whether the venue has taken the order and keeps it until it is filled or cancelled."""
        resting = self.tif in (TimeInForce.GTC, TimeInForce.POST_ONLY)
        return resting and self.outcome is Outcome.ACCEPTED and not self.ended

    @property
    def settled(self) -> bool:
        return self.ended and not self.frozen and not self._exceeds(self.reported_filled, self.filled)

    @property
    def overfilled(self) -> bool:
        """Return whether the fills held exceed the final cumulative fill reported: a late fill, or a contradiction."""
        return self.reported_ended and self._exceeds(self.filled, self.reported_filled)

    def fits(self, reported: Decimal, filled: Decimal) -> bool:
        """Return whether a reported cumulative fill and a sum of fills are the same, but for rounding."""
        return not self._exceeds(reported, filled) and not self._exceeds(filled, reported)

    def can_report(self, filled: Decimal) -> bool:
        return filled >= 0 and not self._exceeds(filled, self.size)

    def _exceeds(self, one: Decimal, other: Decimal) -> bool:
        return one > other and one - other >= self.lot

    @property
    def _filled_of_row(self) -> Decimal:
        """Return the greater of the reported and the certain fill; of two that agree, the exact one."""
        return self.reported_filled if self._exceeds(self.reported_filled, self.filled) else self.filled

    @property
    def status(self) -> OrderStatus:
        """Return the status as the ledger names it; a frozen order is unknown."""
        if self.frozen:
            return OrderStatus.UNKNOWN
        if self.absence is not None:
            return OrderStatus.ABSENT
        if self.outcome is Outcome.REJECTED:
            return OrderStatus.REJECTED
        if self.ended:
            filled = self._filled_of_row
            if filled >= self.size:
                return OrderStatus.FILLED
            return OrderStatus.PARTIAL_CANCELLED if filled > 0 else OrderStatus.CANCELLED
        if self.outcome is Outcome.UNKNOWN:
            return OrderStatus.UNKNOWN
        if self.outcome is Outcome.ACCEPTED:
            return OrderStatus.OPEN
        return OrderStatus.SENT if self.sent_ns else OrderStatus.INTENT

    def take_report(self, report: OrderReport, now_ns: int) -> str:
        """Take a venue's report on this order; an older one never undoes a newer one.

        Return how it contradicts the order, "" when it does not; a contradicting report is not taken.
        """
        if not self.can_report(report.filled):
            return f"{plain(report.filled)} reported filled of {plain(self.size)}"
        if self.venue_order_id is None:
            self.venue_order_id = report.venue_order_id
        self.exists()
        self.reported_filled = max(self.reported_filled, min(report.filled, self.size))
        if not report.is_open:
            self.reported_ended = True
            self.end(now_ns)
        return ""

    def misfits(self, fill: Fill) -> bool:
        return fill.side is not self.side or fill.size <= 0 or fill.price <= 0

    def objection(self, fill: Fill) -> str:
        """Return how an uncounted fill contradicts the order or its fills, "" when it does not."""
        if self.misfits(fill):
            return f"a fill of {fill.side} {plain(fill.size)} at {plain(fill.price)} for a {self.side} order"
        if self.filled + fill.size > self.size:
            return f"fills of {plain(self.filled + fill.size)} for an order of {plain(self.size)}"
        return ""

    def has_twin(self, fill: Fill) -> bool:
        """Return whether a fill counted under another id has the same size, price and instant: most likely the same trade."""
        return any(
            (held.size, held.price, held.event_ns) == (fill.size, fill.price, fill.event_ns)
            for key, held in self.fills.items()
            if key != fill.key
        )

    def take_fill(self, fill: Fill) -> bool:
        """Count a fill unless it was counted before; return whether it is new.

        Raises `InvariantError` for one that exceeds the order's size: `objection` is to be asked before.
        """
        if fill.key in self.fills:
            return False
        require(
            self.filled + fill.size <= self.size,
            f"order {self.client_order_id}: fills exceed its size {self.size}",
        )
        self.fills[fill.key] = fill
        self.venue_order_id = self.venue_order_id or fill.venue_order_id
        self.first_fill_ns = min(self.first_fill_ns or fill.received_ns, fill.received_ns)
        self.exists()
        if self.filled == self.size:
            self.end(fill.received_ns)
        return True

    def exists(self) -> None:
        """Record that the venue has the order, despite its answer."""
        self.outcome = Outcome.ACCEPTED
        if self.absence is not None:
            self.absence, self.watched = None, False
            self.ended, self.done_ns = False, None

    def take_absence(self, absence: OrderAbsence, now_ns: int) -> None:
        """End an order that its venue has never shown; a presumed absence is watched on."""
        self.outcome, self.absence = Outcome.UNKNOWN, absence
        self.watched = absence is OrderAbsence.PRESUMED
        self.end(now_ns)

    def end(self, now_ns: int) -> None:
        self.ended = True
        self.done_ns = self.done_ns or now_ns

    def news(self) -> tuple[OrderRecord, ...]:
        """Return this order's row to be written, or nothing when it equals the last one returned."""
        record, before = self.record(), self._written
        self._written = record
        return () if record == before else (record,)

    def record(self) -> OrderRecord:
        traded = self.filled
        return OrderRecord(
            id=self.order_id,
            pair_trade_id=self.pair_id,
            account_id=self.account_id,
            venue=self.venue,
            symbol=self.symbol,
            role=self.role,
            attempt=self.attempt,
            side=self.side,
            tif=self.tif,
            price=self.price,
            size=self.size,
            filled=self._filled_of_row,
            avg_price=average(self.notional, traded),
            client_order_id=self.client_order_id,
            venue_order_id=self.venue_order_id,
            status=self.status,
            outcome=self.outcome,
            reject_code=self.reject_code,
            journalled_ns=self.journalled_ns,
            sent_ns=self.sent_ns,
            acked_ns=self.acked_ns,
            first_fill_ns=self.first_fill_ns,
            done_ns=self.done_ns,
            expires_ns=self.expires_ns,
            offset_ns=self.offset_ns,
            absence=self.absence,
        )


def average(notional: Decimal, size: Decimal) -> Decimal | None:
    """Return the average price to 18 decimals, or None when nothing traded."""
    return (notional / size).quantize(Decimal("1e-18")).normalize() if size else None


def fill_of(row: FillRecord, order: OrderRecord) -> Fill:
    return Fill(
        venue=row.venue,
        symbol=row.symbol,
        trade_id=row.trade_id,
        venue_order_id=order.venue_order_id or "",
        client_order_id=order.client_order_id,
        side=row.side,
        price=row.price,
        size=row.size,
        fee=row.fee,
        fee_currency=row.fee_currency,
        liquidity=Liquidity(row.liquidity),
        source=FillSource(row.source),
        event_ns=row.event_ns,
        received_ns=row.received_ns,
    )
