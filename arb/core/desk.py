"""The desk: opens pairs, follows their orders by what the venues say, and asks when they say nothing.

News of an order comes as answers, stream events and looks, in any order and more than once. All of it lands in the
`WorkingOrder`; whenever an order or its pair may have changed, `mend.Mender.progress` is asked what follows. News of orders
that are not ours is kept as foreign and never acted on.
"""

from collections import deque
from collections.abc import Callable, Iterable
from decimal import Decimal

from arb.clock import NS_PER_MS, NS_PER_S
from arb.core import absence
from arb.core.commands import PlaceOrder, QueryOrder
from arb.core.events import (
    CancelAnswered,
    OrderAccepted,
    OrderFilled,
    OrderLooked,
    OrderRejected,
    OrderUpdated,
    OutcomeUnknown,
)
from arb.core.house import House
from arb.core.orders import WorkingOrder
from arb.core.pair import PairTrade
from arb.core.records import FillRecord
from arb.errors import require
from arb.market.client_id import ClientOrderId, decode
from arb.market.fill import Fill
from arb.market.instrument import FeeIn
from arb.market.order import OrderReport, Outcome, Role, Side, TimeInForce

ZERO = Decimal(0)
LOOK_BACKOFF_MAX_MS = 5_000
# Closed pairs stay known this long for fills that come late; Gate's private history lags by seconds, not minutes.
CLOSED_KEPT = 20_000
ORPHANS_KEPT = 1_000
# After an outage of the private stream: cancelled orders of the last minute are looked at once more, at most so many.
LATE_FILL_S = 60
LATE_LOOKS_MAX = 10
REJECTS_BEFORE_PAUSE = 5
REJECT_PAUSE_S = 10.0


class Desk:
    """All pairs and orders of one engine."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.pairs: dict[int, PairTrade] = {}
        self.orders: dict[str, WorkingOrder] = {}
        self.open: dict[int, PairTrade] = {}
        self.busy: dict[tuple[str, str], int] = {}
        self.progress: Callable[[PairTrade, int], None]
        self.fee_check: Callable[[Fill], None]
        self._by_venue_id: dict[tuple[str, str], str] = {}
        self._orphans: dict[tuple[str, str], list[Fill]] = {}
        self._closed: deque[int] = deque()
        self._proving: dict[str, int] = {}

    # Opening and sending.

    def add(self, pair: PairTrade) -> None:
        """Take a pair onto the desk and occupy its books."""
        self.pairs[pair.id] = self.open[pair.id] = pair
        for venue in set(pair.venues):
            self.busy[venue, pair.plan.symbol] = pair.id
        for order in pair.orders.values():
            self.know(order)

    def know(self, order: WorkingOrder) -> None:
        """Make an order findable by both its names."""
        self.orders[order.client_order_id] = order
        if order.venue_order_id:
            self._by_venue_id[order.venue, order.venue_order_id] = order.client_order_id

    def send(self, pair: PairTrade, wanted: Iterable[tuple[str, Role, Side, Decimal, Decimal]], now_ns: int) -> None:
        """Write down and send orders of a pair: (venue, role, side, price, size) each, all leaving together."""
        house, places = self.house, []
        for venue, role, side, price, size in wanted:
            attempt = 0 if role is Role.ENTRY else sum(order.role is role for order in pair.orders.values())
            name = ClientOrderId(
                nonce=house.nonce,
                pair_number=pair.number,
                leg=str(side) if role is Role.ENTRY else str(role),
                attempt=attempt,
            ).encode()
            require(name not in self.orders, f"client order id {name} was used before")
            self._check_steps(venue, pair.plan.symbol, price, size)
            place = PlaceOrder(
                cause=0,
                venue=venue,
                symbol=pair.plan.symbol,
                client_order_id=name,
                role=role,
                side=side,
                tif=TimeInForce.IOC,
                price=price,
                size=size,
                expires_ns=now_ns + house.timing.order_expiry_ms * NS_PER_MS,
            )
            account_id = house.venues[venue].account_id
            order = WorkingOrder(house.next_id("orders"), pair.id, account_id, place, attempt, now_ns)
            pair.orders[name] = order
            self.know(order)
            house.books.sending(venue, pair.plan.symbol, now_ns)
            house.tally.orders += 1
            house.out.persist(order.record())
            places.append(place)
        house.out.place(places)
        for place in places:
            self._ask_later(self.orders[place.client_order_id], now_ns)

    def _check_steps(self, venue: str, symbol: str, price: Decimal, size: Decimal) -> None:
        # The second of two checks (the first is in the sizing): nothing off the venue's grid may ever leave.
        instrument = self.house.instruments[venue, symbol]
        require(price > 0 and price % instrument.tick == 0, f"{venue} {symbol}: price {price} off tick")
        require(size > 0 and size % instrument.lot == 0, f"{venue} {symbol}: size {size} off lot")

    # What the venues say.

    def on_accepted(self, event: OrderAccepted) -> None:
        """Take the venue's yes, with whatever it already says of the order."""
        order = self._own(event.client_order_id)
        order.sent_ns, order.acked_ns = event.sent_ns, event.acked_ns
        order.outcome = Outcome.ACCEPTED
        self.house.venues[event.venue].rejects_in_a_row = 0
        if event.report is not None:
            self._take_report(order, event.report, event.t_ns)
        self._after(order, event.t_ns)

    def on_rejected(self, event: OrderRejected) -> None:
        """Take the venue's no, unless the venue has already shown that the order lives."""
        order = self._own(event.client_order_id)
        order.sent_ns = event.sent_ns or None
        order.acked_ns = event.acked_ns or None
        if event.retry_after_s is not None:
            self.house.pause(event.venue, event.retry_after_s, event.t_ns)
        if order.outcome is Outcome.ACCEPTED:
            text = f"{event.venue} rejected {event.client_order_id} ({event.code}) after it was seen alive"
            self.house.incident("contradiction", text, event.t_ns, venue=event.venue, pair_id=order.pair_id)
            self._ask_later(order, event.t_ns)
            return
        order.outcome, order.reject_code = Outcome.REJECTED, event.code
        order.end(event.t_ns)
        self._count_reject(event)
        self._after(order, event.t_ns)

    def on_unknown(self, event: OutcomeUnknown) -> None:
        """Note that the order may exist; it is asked for until it is found or proved absent."""
        order = self._own(event.client_order_id)
        order.sent_ns = event.sent_ns
        if order.outcome is None:
            order.outcome = Outcome.UNKNOWN
            text = f"{event.venue} {event.client_order_id}: {event.cause}"
            self.house.incident(
                "unknown_outcome", text, event.t_ns, severity="info", venue=event.venue, pair_id=order.pair_id
            )
        self._ask_later(order, event.t_ns)
        self._after(order, event.t_ns)

    def on_updated(self, event: OrderUpdated) -> None:
        """Take the private stream's word on an order of ours; others' orders are left alone."""
        order = self._find(event.report.venue, event.report.client_order_id, event.report.venue_order_id)
        if order is not None:
            self._take_report(order, event.report, event.t_ns)
            self._after(order, event.t_ns)

    def on_filled(self, event: OrderFilled) -> None:
        """Count a fill once; keep it aside while its order's venue id is not known yet."""
        fill = event.fill
        order = self._find(fill.venue, fill.client_order_id, fill.venue_order_id)
        if order is None:
            if fill.client_order_id is None or decode(fill.client_order_id) is not None:
                self._keep_orphan(fill)
            return
        self._take_fill(order, fill, event.t_ns)
        self._after(order, event.t_ns)

    def on_looked(self, event: OrderLooked) -> None:
        """Take what a look found; a complete look that found nothing counts towards absence."""
        order = self._own(event.client_order_id)
        order.look_in_flight = False
        if event.report is not None:
            self._take_report(order, event.report, event.t_ns)
        for fill in event.fills:
            self._take_fill(order, fill, event.t_ns)
        if event.report is None and not event.fills and event.complete and order.is_unknown:
            self._count_clean_look(order, event)
        if not order.settled:
            self._ask_later(order, event.t_ns)
        self._alarm_if_long_unknown(order, event.t_ns)
        self._after(order, event.t_ns)

    def on_cancel_answered(self, event: CancelAnswered) -> None:
        """Whatever the answer to a cancel, ask for the order's cumulative fill."""
        order = self._own(event.client_order_id)
        if not order.settled:
            self._ask(order, event.t_ns)

    def on_timer(self, client_order_id: str, now_ns: int) -> None:
        """Look for an order that has been silent for too long."""
        order = self.orders.get(client_order_id)
        if order is not None and not order.settled and not order.look_in_flight:
            self._ask(order, now_ns)

    def on_balances_agree(self, venue: str, now_ns: int, asked_ns: int) -> None:
        """Complete the proof of absence for orders whose looks were clean before these balances were asked for."""
        for name, proved_ns in list(self._proving.items()):
            order = self.orders[name]
            if order.venue != venue or asked_ns < proved_ns:
                continue
            del self._proving[name]
            base = order.symbol.split("/")[0]
            told = self.house.inventory.told(venue, base)
            if not order.is_unknown or told is None:
                continue
            if told.free + told.locked == self.house.inventory.computed(venue, base):
                order.absent = True
                order.end(now_ns)
                self._after(order, now_ns)
            else:
                order.clean_looks.clear()

    def ask_all(self, venue: str, now_ns: int) -> None:
        """Ask for every order that may have changed while a venue's private stream was interrupted: now, if unsettled.

        A venue may also fill what it has just called cancelled; so those cancelled lately are looked at once more.
        """
        for pair in self.open.values():
            for order in pair.orders.values():
                if order.venue == venue and not order.settled and not order.look_in_flight:
                    self.house.out.timer(f"order:{order.client_order_id}", 0)
        for order in self._cancelled_lately(venue, now_ns):
            self._ask(order, now_ns)

    def _cancelled_lately(self, venue: str, now_ns: int) -> list[WorkingOrder]:
        horizon_ns, found = now_ns - LATE_FILL_S * NS_PER_S, list[WorkingOrder]()
        for order in reversed(self.orders.values()):
            if order.journalled_ns < horizon_ns or len(found) >= LATE_LOOKS_MAX:
                break
            short = order.settled and order.outcome is Outcome.ACCEPTED and order.filled < order.size
            if order.venue == venue and short and not order.look_in_flight:
                found.append(order)
        return found

    def open_notional(self, venue: str | None = None, *, symbol: str | None = None, base: str | None = None) -> Decimal:
        """Return the quote reserved by open pairs (of one venue, symbol or base): what could at worst become unhedged."""
        return sum(
            (
                pair.plan.buy_size * pair.plan.buy_limit
                for pair in self.open.values()
                if venue in (None, *pair.venues)
                and symbol in (None, pair.plan.symbol)
                and base in (None, pair.plan.symbol.split("/")[0])
            ),
            ZERO,
        )

    def resting(self, venue: str | None = None) -> list[WorkingOrder]:
        """Return our orders that rest in a venue's book, everywhere or at one venue."""
        orders = (order for pair in self.open.values() for order in pair.orders.values())
        return [order for order in orders if order.rests and venue in (None, order.venue)]

    def unknown_orders(self) -> list[WorkingOrder]:
        """Return the orders that may or may not exist."""
        return [order for pair in self.open.values() for order in pair.orders.values() if order.is_unknown]

    def close(self, pair: PairTrade) -> None:
        """Take a pair off the desk; it stays known for late fills."""
        self.open.pop(pair.id, None)
        for venue in set(pair.venues):
            if self.busy.get((venue, pair.plan.symbol)) == pair.id:
                del self.busy[venue, pair.plan.symbol]
        self._closed.append(pair.id)
        while len(self._closed) > CLOSED_KEPT:
            old = self.pairs.pop(self._closed.popleft(), None)
            for order in old.orders.values() if old is not None and old.closed else ():
                self.orders.pop(order.client_order_id, None)
                self._by_venue_id.pop((order.venue, order.venue_order_id or ""), None)

    # Inner workings.

    def _own(self, client_order_id: str) -> WorkingOrder:
        order = self.orders.get(client_order_id)
        require(order is not None, f"an answer for order {client_order_id}, which this engine never sent")
        assert order is not None
        return order

    def _find(self, venue: str, client_order_id: str | None, venue_order_id: str) -> WorkingOrder | None:
        if client_order_id is not None and client_order_id in self.orders:
            return self.orders[client_order_id]
        name = self._by_venue_id.get((venue, venue_order_id))
        return None if name is None else self.orders[name]

    def _take_report(self, order: WorkingOrder, report: OrderReport, now_ns: int) -> None:
        order.take_report(report, now_ns)
        key = (order.venue, report.venue_order_id)
        if key not in self._by_venue_id:
            self._by_venue_id[key] = order.client_order_id
            for fill in self._orphans.pop(key, ()):
                self._take_fill(order, fill, now_ns)

    def _take_fill(self, order: WorkingOrder, fill: Fill, now_ns: int) -> None:
        house = self.house
        base, quote = order.symbol.split("/")
        if not order.take_fill(fill):
            return
        offset_ns = house.venues[fill.venue].offset_ns or 0
        house.inventory.apply_fill(fill, quote, base, fill.event_ns - offset_ns)
        house.books.filled(order.venue, order.symbol, fill.event_ns)
        house.tally.fills += 1
        house.tally.add_fee(fill.fee_currency, fill.fee)
        house.out.persist(order.record(), self._fill_record(order, fill))
        self.fee_check(fill)

    def _fill_record(self, order: WorkingOrder, fill: Fill) -> FillRecord:
        return FillRecord(
            id=self.house.next_id("fills"),
            order_id=order.order_id,
            account_id=order.account_id,
            venue=fill.venue,
            symbol=fill.symbol,
            trade_id=fill.trade_id,
            side=fill.side,
            price=fill.price,
            size=fill.size,
            fee=fill.fee,
            fee_currency=fill.fee_currency,
            fee_quote_value=self.fee_quote(fill),
            liquidity=str(fill.liquidity),
            source=str(fill.source),
            event_ns=fill.event_ns,
            received_ns=fill.received_ns,
        )

    def fee_quote(self, fill: Fill) -> Decimal:
        """Return a fee's value in quote: at the fill's own price for base, at the present mid for another asset."""
        base, quote = fill.symbol.split("/")
        if fill.fee_currency == quote:
            return fill.fee
        if fill.fee_currency == base:
            return fill.fee * fill.price
        unit = self.house.quote_value(fill.fee_currency, quote)
        return ZERO if unit is None else fill.fee * unit

    def _after(self, order: WorkingOrder, now_ns: int) -> None:
        if order.settled and not order.released:
            order.released = True
            self.house.books.settled(order.venue, order.symbol)
        self.house.out.persist(order.record())
        self.progress(self.pairs[order.pair_id], now_ns)

    def _count_reject(self, event: OrderRejected) -> None:
        state = self.house.venues[event.venue]
        if not event.sent_ns:
            return
        state.rejects_in_a_row += 1
        self.house.out.refresh(event.venue)
        if state.rejects_in_a_row >= REJECTS_BEFORE_PAUSE:
            self.house.pause(event.venue, REJECT_PAUSE_S, event.t_ns)
            text = f"{state.rejects_in_a_row} rejections in a row, last {event.code}: {event.message}"
            self.house.incident("rejections", text, event.t_ns, venue=event.venue)

    def _keep_orphan(self, fill: Fill) -> None:
        if len(self._orphans) >= ORPHANS_KEPT:
            self._orphans.pop(next(iter(self._orphans)))
        self._orphans.setdefault((fill.venue, fill.venue_order_id), []).append(fill)

    def _alarm_if_long_unknown(self, order: WorkingOrder, now_ns: int) -> None:
        since_ns = order.sent_ns or order.journalled_ns
        if order.alarmed or not order.is_unknown or now_ns - since_ns < self.house.timing.unknown_max_s * NS_PER_S:
            return
        order.alarmed = True
        text = (
            f"{order.venue} {order.client_order_id}: neither found nor proved absent; {order.symbol} stays frozen there"
        )
        self.house.incident(
            "unknown_too_long", text, now_ns, severity="critical", venue=order.venue, pair_id=order.pair_id
        )

    def _provable_ns(self, order: WorkingOrder) -> int:
        state, timing = self.house.venues[order.venue], self.house.timing
        return absence.provable_from_ns(
            sent_ns=order.sent_ns or order.journalled_ns,
            expires_ns=order.expires_ns if state.profile.enforces_expiry else None,
            clock_error_ns=state.clock_error_ns,
            unknown_grace_ms=timing.unknown_grace_ms,
        )

    def _count_clean_look(self, order: WorkingOrder, event: OrderLooked) -> None:
        if not absence.counts(order.clean_looks, event.started_ns, self._provable_ns(order)):
            return
        order.clean_looks.append(event.started_ns)
        if len(order.clean_looks) >= absence.LOOKS_NEEDED:
            self._proving[order.client_order_id] = event.started_ns
            self.house.out.refresh(order.venue)

    def _ask_later(self, order: WorkingOrder, now_ns: int) -> None:
        first = self.house.timing.query_after_ms
        backoff_ns = min(first << min(order.looks_asked, 6), LOOK_BACKOFF_MAX_MS) * NS_PER_MS
        at_ns = now_ns + backoff_ns
        if order.is_unknown:
            at_ns = absence.next_look_ns(order.clean_looks, now_ns, self._provable_ns(order), backoff_ns)
        self.house.out.timer(f"order:{order.client_order_id}", at_ns)

    def _ask(self, order: WorkingOrder, now_ns: int) -> None:
        order.looks_asked += 1
        order.look_in_flight = True
        self.house.out.query(
            QueryOrder(
                cause=0,
                venue=order.venue,
                symbol=order.symbol,
                client_order_id=order.client_order_id,
                venue_order_id=order.venue_order_id,
                since_ns=(order.sent_ns or order.journalled_ns) - 60 * NS_PER_S,
                look=order.looks_asked,
            )
        )


def expected_fee_currency(fill: Fill, buy_fee_in: FeeIn) -> str:
    """Return the asset the model expects a fee in."""
    base, quote = fill.symbol.split("/")
    return base if fill.side is Side.BUY and buy_fee_in is FeeIn.BASE else quote
