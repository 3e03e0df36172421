"""The state faults of a venue: how each changes it when it begins, while it lasts, and when it ends."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import Protocol

from arb.sandbox.accounts import Balance
from arb.sandbox.bills import INTEREST, TRANSFER
from arb.sandbox.currencies import BOTH, WAYS
from arb.sandbox.exact import ONE, mul, units_floor
from arb.sandbox.exchange import SimExchange
from arb.sandbox.faults import STATE, Fault, FaultBoard, Param
from arb.sandbox.registry import SPECS
from arb.sandbox.values import (
    BalanceChanged,
    Event,
    FeeAsset,
    OrderChanged,
    OrderFilled,
    OrderRequest,
    Refused,
    SimOrder,
)
from arb.sandbox.wire import Scheduler, Session

POINTS = {"gate": "POINT"}
"""Venues that can take their fees in points, and the asset; a fault must name any other asset (`SimSpec.fee_assets`)."""
_DISCONNECT = frozenset({"ws_disconnect"})
_LATE_FILL = frozenset({"late_fill"})
_CONTRADICTION = frozenset({"contradiction"})


class Disturbed(Protocol):
    """The parts of a venue that faults change; `SimVenue` implements them."""

    name: str
    exchange: SimExchange
    scheduler: Scheduler
    board: FaultBoard
    sessions: dict[int, Session]
    skew_ns: int
    key_revoked: bool
    down: bool

    @property
    def now_ns(self) -> int:
        """Return the venue's own time."""

    def sweep(self) -> None:
        """Undo ended faults."""

    def cut_session(self, session: Session) -> None:
        """Break a connection."""


class Disturbance:
    def __init__(self, venue: Disturbed) -> None:
        self.venue = venue
        self.balance_delay_ns = 0
        self._fee_asset: FeeAsset | None = None  # that the account pays in without any fault
        self._min_sizes: dict[int, dict[str, Decimal]] = {}
        self._starts: dict[str, Callable[[Fault], None]] = {
            "history_lag": self._start_history_lag,
            "order_not_found": self._start_order_not_found,
            "foreign_order": self._start_foreign_order,
            "crossed_book": self._start_crossed_book,
            "clock_skew": self._start_clock_skew,
            "balance_lag": self._start_balance_lag,
            "read_lag": self._start_read_lag,
            "fee_in_points": self._start_fee_in_points,
            "fee_tier_change": self._start_fee_tier_change,
            "min_size_change": self._start_min_size_change,
            "listing_change": lambda fault: self._set_steps(fault, max(1, int(fault.number()))),
            "key_revoked": self._start_key_revoked,
            "venue_down": self._start_venue_down,
            "wallet_closed": self._start_wallet_closed,
            "interest": self._start_billed,
            "internal_transfer": self._start_billed,
        }

    def possible(self, name: str, param: Param = None) -> bool:
        if name == "wallet_closed":
            return param in (None, *WAYS)
        return name != "fee_in_points" or self._asset_of(param) is not None

    def pay_fees_in(self, asset: str) -> None:
        """Take the account's fees from an asset of the venue's own, for good."""
        self._fee_asset = self.venue.exchange.fee_asset = self._asset_of(asset)

    def begin(self, fault: Fault) -> None:
        if fault.kind.scope == STATE:
            start = self._starts.get(fault.name)
            if start is not None:
                start(fault)
            if fault.until_ns is not None:
                self.venue.scheduler.at(fault.until_ns, lambda _: self.venue.sweep())
        elif fault.name == "ws_disconnect" and fault.on in ("stream", "any") and self.venue.sessions:
            self._disconnect_all(fault)
        self.venue.sweep()

    def end(self, fault: Fault) -> None:
        venue, exchange = self.venue, self.venue.exchange
        if fault.name == "history_lag":
            exchange.history_lag_ns = 0
        elif fault.name == "order_not_found":
            exchange.hide_ended_by_client_id = False
        elif fault.name == "clock_skew":
            venue.skew_ns = 0
        elif fault.name in ("balance_lag", "read_lag"):
            self.balance_delay_ns = 0
            exchange.shown_balances = None
            if fault.name == "read_lag":
                exchange.history_lag_ns = exchange.read_lag_ns = 0
                exchange.unseen.clear()
        elif fault.name == "fee_in_points":
            exchange.fee_asset = self._fee_asset
        elif fault.name == "fee_tier_change":
            exchange.fee_factor = ONE
        elif fault.name == "min_size_change":
            for symbol, size in self._min_sizes.pop(fault.id, {}).items():
                exchange.change_rules(symbol, min_size=size)
        elif fault.name == "listing_change":
            self._set_steps(fault, 1)
        elif fault.name == "key_revoked":
            venue.key_revoked = False
        elif fault.name == "venue_down":
            venue.down = False
        elif fault.name == "wallet_closed":
            exchange.wallets.reopen(fault.id)

    # -- while it lasts --------------------------------------------------------------------------------------------

    def on_call(self, where: str, symbol: str | None, now_ns: int) -> None:
        """Break every connection when a disconnect fault hits this kind of call."""
        if self.venue.board.active and where in ("place", "cancel", "query"):
            fault = self.venue.board.take(_DISCONNECT, where, symbol, now_ns)
            if fault is not None:
                self._cut_all()

    def on_order_ended(self, order: SimOrder) -> None:
        """Schedule a fill after the cancel was acknowledged, when that fault is active."""
        if order.status != "cancelled" or order.remaining_lots == 0 or order.ticks is None:
            return
        venue = self.venue
        fault = venue.board.take(_LATE_FILL, "cancel", order.symbol, venue.scheduler.now_ns)
        if fault is not None:
            lots = max(1, order.remaining_lots // 2)
            due = venue.scheduler.now_ns + fault.ms_as_ns()
            venue.scheduler.at(due, lambda _: self._late_fill(fault, order, lots))

    def _late_fill(self, fault: Fault, order: SimOrder, lots: int) -> None:
        self.venue.board.felt(fault)
        self.venue.exchange.late_fill(order, lots, self.venue.now_ns)

    def reported(self, event: Event) -> tuple[Event, ...]:
        if not isinstance(event, OrderFilled) or not event.order.client_id or not self.venue.board.active:
            return (event,)
        fault = self.venue.board.take(_CONTRADICTION, "stream", event.order.symbol, self.venue.scheduler.now_ns)
        if fault is None:
            return (event,)
        if fault.param == "filled":
            more = replace(event.order, filled_lots=event.order.filled_lots + event.order.lots)
            return OrderChanged(more, "update", event.ns), event
        again = replace(event.fill, trade_id=self.venue.exchange.ids.next(self.venue.now_ns))
        return event, OrderFilled(event.order, again, event.ns)

    def on_event(self, event: Event) -> None:
        """Let a balance become visible late."""
        shown = self.venue.exchange.shown_balances
        if shown is None or not isinstance(event, BalanceChanged):
            return
        asset, free, locked = event.asset, event.free, event.locked

        def show(_: int) -> None:
            current = self.venue.exchange.shown_balances
            if current is not None:
                current[asset] = Balance(free, locked)

        self.venue.scheduler.at(self.venue.scheduler.now_ns + self.balance_delay_ns, show)

    # -- beginnings ------------------------------------------------------------------------------------------------

    def _start_history_lag(self, fault: Fault) -> None:
        self.venue.exchange.history_lag_ns = fault.ms_as_ns()

    def _start_order_not_found(self, fault: Fault) -> None:
        self.venue.exchange.hide_ended_by_client_id = True

    def _start_clock_skew(self, fault: Fault) -> None:
        self.venue.skew_ns = fault.ms_as_ns()

    def _start_balance_lag(self, fault: Fault) -> None:
        exchange = self.venue.exchange
        self.balance_delay_ns = fault.ms_as_ns()
        exchange.shown_balances = {a: Balance(b.free, b.locked) for a, b in exchange.account.balances.items()}

    def _start_read_lag(self, fault: Fault) -> None:
        exchange = self.venue.exchange
        exchange.history_lag_ns = exchange.read_lag_ns = fault.ms_as_ns()
        self._start_balance_lag(fault)

    def _start_fee_in_points(self, fault: Fault) -> None:
        self.venue.exchange.fee_asset = self._asset_of(fault.param)

    def _asset_of(self, param: Param) -> FeeAsset | None:
        """Return the asset that a fault names, points without a name; None where the venue does not take it."""
        wanted = param or POINTS.get(self.venue.name)
        return next((of for of in SPECS[self.venue.name].fee_assets if of.asset == wanted), None)

    def _start_fee_tier_change(self, fault: Fault) -> None:
        self.venue.exchange.fee_factor = fault.number()

    def _start_key_revoked(self, fault: Fault) -> None:
        self.venue.key_revoked = True

    def _start_venue_down(self, fault: Fault) -> None:
        self.venue.down = True
        if self.venue.sessions:
            self.venue.board.hit(fault)
        self._cut_all()

    def _start_wallet_closed(self, fault: Fault) -> None:
        exchange = self.venue.exchange
        asset = None if fault.symbol is None else exchange.instruments[fault.symbol].base
        exchange.wallets.close(fault.id, asset, str(fault.param or BOTH))

    def _start_min_size_change(self, fault: Fault) -> None:
        exchange = self.venue.exchange
        before: dict[str, Decimal] = {}
        for symbol, rules in list(exchange.instruments.items()):
            if fault.symbol in (None, symbol):
                before[symbol] = rules.min_size
                exchange.change_rules(symbol, min_size=mul(rules.min_size, fault.number()))
        self._min_sizes[fault.id] = before

    def _set_steps(self, fault: Fault, coarser: int) -> None:
        exchange = self.venue.exchange
        for symbol in list(exchange.instruments):
            if fault.symbol in (None, symbol):
                exchange.change_rules(symbol, coarser=coarser)

    def _start_foreign_order(self, fault: Fault) -> None:
        """Place a manual buy on the account: a market-priced IOC without a client id."""
        exchange = self.venue.exchange
        symbol = fault.symbol or next(iter(exchange.instruments))
        market, rules = exchange.market(symbol), exchange.instruments[symbol]
        self.venue.board.hit(fault)
        fault.ended = True
        best = market.book.asks.best()
        if best is None:
            return
        ticks = (best + best // 100) // rules.coarser * rules.coarser
        lots = max(1, units_floor(fault.number(), mul(mul(Decimal(best), rules.tick), rules.order_lot)))
        size = max(mul(Decimal(lots), rules.order_lot), rules.order_min_size)
        request = OrderRequest(symbol, "buy", "limit", "ioc", price=mul(Decimal(ticks), rules.tick), size=size)
        try:
            exchange.place(request, self.venue.now_ns)
        except Refused:
            return

    def _start_billed(self, fault: Fault) -> None:
        """Change the balance of a quote asset by an amount only bills explain; at most the free amount is taken."""
        exchange = self.venue.exchange
        asset = exchange.instruments[fault.symbol or next(iter(exchange.instruments))].quote
        self.venue.board.hit(fault)
        fault.ended = True
        amount = max(fault.number(), exchange.account.balance(asset).free.copy_negate())
        if amount:
            kind = INTEREST if fault.name == "interest" else TRANSFER
            exchange.book(kind, asset, amount, self.venue.now_ns)

    def _start_crossed_book(self, fault: Fault) -> None:
        """Put a bid above the best ask for `param` ms: the book is crossed, and the bid can be traded with."""
        exchange = self.venue.exchange
        symbol = fault.symbol or next(iter(exchange.instruments))
        book = exchange.market(symbol).book
        best = book.asks.best()
        self.venue.board.hit(fault)
        fault.ended = True
        if best is None:
            return
        ticks = best + max(1, best // 10_000)
        lots = max(1, units_floor(exchange.instruments[symbol].min_size, exchange.instruments[symbol].lot))
        book.force_background("buy", ticks, lots)
        due = self.venue.scheduler.now_ns + fault.ms_as_ns()
        self.venue.scheduler.at(due, lambda _: exchange.quote_background(symbol, "buy", ticks, 0, self.venue.now_ns))

    # -- connections -----------------------------------------------------------------------------------------------

    def _disconnect_all(self, fault: Fault) -> None:
        """Close all connections: at once, or announced and after the fault's ms."""
        self.venue.board.hit(fault)
        closing, notice_ns = list(self.venue.sessions.values()), fault.ms_as_ns()
        if not notice_ns:
            self._cut_all()
            return
        for session in closing:
            session.announce_end(self.venue.now_ns)
            self.venue.scheduler.at(self.venue.scheduler.now_ns + notice_ns, partial(self._cut, session))

    def _cut(self, session: Session, _: int) -> None:
        self.venue.cut_session(session)

    def _cut_all(self) -> None:
        for session in list(self.venue.sessions.values()):
            self.venue.cut_session(session)
