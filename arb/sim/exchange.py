"""One pure simulated exchange (one venue): orders, fills, balances, books. No socket, no clock, no dialect.

Interface for dialects. All instants are nanoseconds since the epoch (`now_ns`); symbols are `BTC/USDT`; prices and
sizes are `Decimal`. A definite no is raised as `Refused(kind, message, detail)`; the dialect maps `kind`.

    exchange.profile                        VenueProfile: name, key, secret, passphrase, user_id, buy_fee_in
    exchange.instruments[symbol]            SimInstrument: tick lot min_size min_notional maker_fee taker_fee band
    exchange.fee_rates(symbol)              (maker, taker) of the account now (faults may change them)
    exchange.place(OrderRequest, now_ns)    -> SimOrder (already matched; `status` open|closed|cancelled)
    exchange.cancel(order, now_ns)          -> SimOrder; Refused ORDER_CLOSED / ORDER_CANCELLED when it has ended
    exchange.cancel_all(now_ns, symbol=, side=)            -> [SimOrder]
    exchange.order(id) / exchange.order_by_client_id(text) -> SimOrder | None (newest with that client id)
    exchange.open_orders(symbol=) / exchange.done_orders(now_ns, symbol=, ...) -> newest first
    exchange.fills_of(now_ns, symbol=, order_id=, since_ns=, until_ns=)        -> [SimFill] newest first
    exchange.public_trades(symbol, count)   -> [PublicTrade] newest first
    exchange.balances() -> {asset: Balance(free, locked)}; exchange.account.transfers -> [Transfer]
    exchange.snapshot(symbol, depth)        -> BookView(update_id, ns, bids, asks) with [price, size] texts
    exchange.subscribe(listener)            listener(Event) is called at once, in order, for OrderChanged, OrderFilled,
                                            BalanceChanged, PublicTrade. Sessions get them through `venue.py`.

Order ids and trade ids start at epoch microseconds and are unique over symbols and venues of one world (`IdSource`).
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal

from arb.clock import NS_PER_US
from arb.errors import require
from arb.sim.accounts import Account, Balance, buy_hold
from arb.sim.exact import ONE, ZERO, add, mul, sub, units_exact, units_floor
from arb.sim.matching import BUY, Match, MatchBook
from arb.sim.values import (
    BalanceChanged,
    Event,
    OrderChanged,
    OrderFilled,
    OrderRequest,
    PublicTrade,
    Refusal,
    Refused,
    SimFill,
    SimInstrument,
    SimOrder,
    Transfer,
    VenueProfile,
    with_fee_factor,
)

TRADE_TAPE_LENGTH = 500


class IdSource:
    """Number orders and trades of all venues of a world, starting at epoch microseconds."""

    def __init__(self, start_ns: int) -> None:
        self._last = start_ns // NS_PER_US

    def next(self, now_ns: int) -> int:
        """Return a number above every earlier one, near the present microsecond."""
        self._last = max(self._last + 1, now_ns // NS_PER_US)
        return self._last


@dataclass(frozen=True, slots=True)
class BookView:
    """The best levels of a book at one update id; levels are [price, size] in plain text, best first."""

    update_id: int
    ns: int
    bids: list[list[str]]
    asks: list[list[str]]


class Market:
    """One symbol's book with its rules, tape and number formats."""

    def __init__(self, instrument: SimInstrument, first_update_id: int) -> None:
        self.instrument = instrument
        self.book = MatchBook(first_update_id)
        self.tape: deque[PublicTrade] = deque(maxlen=TRADE_TAPE_LENGTH)
        self.changed_ns = 0
        self.reference_twice = 0
        """Twice the last middle price in ticks: the reference of the price band when a side is empty."""
        self.fill_count = 0
        self._price_texts: dict[int, str] = {}
        self._size_unit = int(instrument.lot.scaleb(instrument.size_places))
        self._price_unit = int(instrument.tick.scaleb(instrument.price_places))

    def price_text(self, ticks: int) -> str:
        """Write a price of `ticks`, with the instrument's decimal places."""
        text = self._price_texts.get(ticks)
        if text is None:
            if len(self._price_texts) > 20_000:
                self._price_texts.clear()
            text = self._price_texts[ticks] = _fixed(ticks * self._price_unit, self.instrument.price_places)
        return text

    def size_text(self, lots: int) -> str:
        """Write a size of `lots`, with the instrument's decimal places; nothing is "0"."""
        return _fixed(lots * self._size_unit, self.instrument.size_places) if lots else "0"

    def levels(self, is_bid: bool, count: int) -> list[list[str]]:
        """Return the best levels of a side as [price, size] texts."""
        return [[self.price_text(t), self.size_text(lots)] for t, lots in self.book.top(is_bid, count).items()]

    def reference(self) -> int:
        """Return twice the middle in ticks, remembered when a side is empty."""
        mid = self.book.mid_twice()
        if mid is not None:
            self.reference_twice = mid
        return self.reference_twice


def _fixed(units: int, decimal_places: int) -> str:
    if decimal_places == 0:
        return str(units)
    digits = str(units).rjust(decimal_places + 1, "0")
    return f"{digits[:-decimal_places]}.{digits[-decimal_places:]}"


class SimExchange:
    """The venue's matching engine and accounts."""

    def __init__(self, profile: VenueProfile, ids: IdSource, start_ns: int) -> None:
        self.profile = profile
        self.ids = ids
        self.instruments = {item.symbol: item for item in profile.instruments}
        first_id = start_ns // (1000 * NS_PER_US)
        self.markets = {item.symbol: Market(item, first_id) for item in profile.instruments}
        self.account = Account(profile.balances)
        self.orders: dict[int, SimOrder] = {}
        self.fills: list[SimFill] = []
        self.taken = 0
        """Count of orders accepted and cancels applied: lets a caller see whether a request changed anything."""
        self.fee_factor = ONE
        self.points_asset = ""
        """When set, fees are paid in this asset at one quote unit each."""
        self.history_lag_ns = 0
        self.hide_ended_by_client_id = False
        self.shown_balances: dict[str, Balance] | None = None
        """When set, what queries show instead of the balances as they are (fault `balance_lag`)."""
        self.later: Callable[[int, Callable[[int], None]], None] = lambda _delay_ns, _action: None
        """Run an action after a delay in nanoseconds; given by the venue, idle without one."""
        self.rival: Callable[[SimOrder], int | None] | None = None
        """Asked before an order is matched: how many lots rivals leave for it, None when no rival is faster."""
        self._open: dict[int, SimOrder] = {}
        self._by_client_id: dict[str, SimOrder] = {}
        self._order_fills: dict[int, list[SimFill]] = {}
        self._listeners: list[Callable[[Event], None]] = []

    # -- reading ---------------------------------------------------------------------------------------------------

    def subscribe(self, listener: Callable[[Event], None]) -> None:
        """Call `listener` with every event from now on."""
        self._listeners.append(listener)

    def market(self, symbol: str) -> Market:
        """Return the market of a symbol; raises `Refused(UNKNOWN_SYMBOL)`."""
        found = self.markets.get(symbol)
        if found is None:
            raise Refused(Refusal.UNKNOWN_SYMBOL, f"unknown symbol {symbol}", symbol)
        return found

    def fee_rates(self, symbol: str) -> tuple[Decimal, Decimal]:
        """Return (maker, taker) of the account for a symbol."""
        rules = self.instruments[symbol]
        return with_fee_factor(rules.maker_fee, self.fee_factor), with_fee_factor(rules.taker_fee, self.fee_factor)

    def snapshot(self, symbol: str, depth: int) -> BookView:
        """Return the best `depth` levels with the update id they belong to."""
        market = self.market(symbol)
        return BookView(
            market.book.update_id, market.changed_ns, market.levels(True, depth), market.levels(False, depth)
        )

    def order(self, order_id: int) -> SimOrder | None:
        """Return an order that was taken, by the venue's id."""
        found = self.orders.get(order_id)
        return None if found is None or found.status == "rejected" else found

    def order_by_client_id(self, client_id: str) -> SimOrder | None:
        """Return the newest order that was taken with this client id."""
        found = self._by_client_id.get(client_id) if client_id else None
        return None if found is not None and self.hide_ended_by_client_id and not found.is_open else found

    def open_orders(self, symbol: str | None = None) -> list[SimOrder]:
        """Return resting orders, newest first."""
        return [o for o in reversed(self._open.values()) if symbol is None or o.symbol == symbol]

    def done_orders(
        self, now_ns: int, symbol: str | None = None, since_ns: int | None = None, until_ns: int | None = None
    ) -> list[SimOrder]:
        """Return ended orders by time of ending, newest first; under `history_lag` late ones are not shown yet."""
        done = [
            o
            for o in self.orders.values()
            if o.finished_ns is not None
            and o.status != "rejected"
            and (symbol is None or o.symbol == symbol)
            and o.finished_ns + self.history_lag_ns <= now_ns
            and (since_ns is None or o.finished_ns >= since_ns)
            and (until_ns is None or o.finished_ns <= until_ns)
        ]
        done.sort(key=lambda o: (o.finished_ns or 0, o.id), reverse=True)
        return done

    def fills_of(
        self,
        now_ns: int,
        symbol: str | None = None,
        order_id: int | None = None,
        since_ns: int | None = None,
        until_ns: int | None = None,
    ) -> list[SimFill]:
        """Return the account's fills, newest first; under `history_lag` late ones are not shown yet."""
        pool = self.fills if order_id is None else self._order_fills.get(order_id, [])
        return [
            f
            for f in reversed(pool)
            if (symbol is None or f.symbol == symbol)
            and f.ns + self.history_lag_ns <= now_ns
            and (since_ns is None or f.ns >= since_ns)
            and (until_ns is None or f.ns <= until_ns)
        ]

    def fills_of_order(self, order: SimOrder) -> list[SimFill]:
        """Return all fills of an order, oldest first, whatever queries would show."""
        return list(self._order_fills.get(order.id, ()))

    def public_trades(self, symbol: str, count: int) -> list[PublicTrade]:
        """Return the last public trades, newest first."""
        return list(self.market(symbol).tape)[::-1][:count]

    def balances(self) -> dict[str, Balance]:
        """Return all balances of the account, as queries show them."""
        return self.account.balances if self.shown_balances is None else self.shown_balances

    # -- placing ---------------------------------------------------------------------------------------------------

    def place(self, request: OrderRequest, now_ns: int) -> SimOrder:
        """Check, lock, match and maybe rest an order; raises `Refused`. A refused order is kept as `rejected`."""
        market = self.market(request.symbol)
        order = self._new_order(request, market, now_ns)
        try:
            self._check(order, market, now_ns)
            self._hold(order, market)
        except Refused as refused:
            self._reject(order, refused, now_ns)
            raise
        self.taken += 1
        self._open[order.id] = order
        if order.client_id:
            self._by_client_id[order.client_id] = order
        self._emit(OrderChanged(order, "put", now_ns))
        self._emit_balance(order.held_asset, ZERO, "order-create", now_ns)
        if _unfit(order, market) is not None:
            self._finish(order, "cancelled", request.tif, now_ns)
            return order
        if request.tif != "post_only":
            self._match(order, market, now_ns)
        self._settle_remainder(order, market, now_ns)
        return order

    def _new_order(self, request: OrderRequest, market: Market, now_ns: int) -> SimOrder:
        rules = market.instrument
        order = SimOrder(
            id=self.ids.next(now_ns),
            request=request,
            instrument=rules,
            created_ns=now_ns,
            updated_ns=now_ns,
            lots=0 if request.size is None else units_floor(request.size, rules.lot),
            ticks=None,
        )
        self.orders[order.id] = order
        return order

    def _check(self, order: SimOrder, market: Market, now_ns: int) -> None:
        request, rules = order.request, market.instrument
        if request.expires_ns is not None and now_ns > request.expires_ns:
            raise Refused(Refusal.EXPIRED, "the request arrived after its expiry")
        if not rules.tradable:
            raise Refused(Refusal.NOT_TRADABLE, f"{rules.symbol} is not tradable", rules.symbol)
        _check_shape(request)
        existing = self._by_client_id.get(request.client_id) if request.client_id else None
        if existing is not None and existing.is_open and request.echo.get("unique_client_id"):
            raise Refused(Refusal.DUPLICATE_CLIENT_ID, "duplicate client order id", request.client_id)
        if request.price is not None:
            ticks = units_exact(request.price, rules.tick)
            if ticks is None:
                raise Refused(Refusal.BAD_PRICE_PRECISION, "price is no multiple of the tick", str(rules.price_places))
            order.ticks = ticks
        if request.size is not None and units_exact(request.size, rules.lot) is None:
            raise Refused(Refusal.BAD_SIZE_PRECISION, "size is no multiple of the lot", str(rules.size_places))
        self._check_bounds(order, market)
        self._check_band(order, market)
        unfit = _unfit(order, market)
        if unfit is not None and not request.cancel_unfit:
            raise unfit

    def _check_bounds(self, order: SimOrder, market: Market) -> None:
        request, rules = order.request, market.instrument
        if request.size is not None and request.size < rules.min_size:
            raise Refused(Refusal.BELOW_MIN_SIZE, "size is below the minimum", str(rules.min_size))
        if request.size is not None and rules.max_size is not None and request.size > rules.max_size:
            raise Refused(Refusal.ABOVE_MAX_SIZE, "size is above the maximum", str(rules.max_size))
        notional = request.quote_size
        if notional is None and request.size is not None:
            price = order.price
            if price is None:
                price = mul(mul(Decimal(market.reference()), rules.tick), Decimal("0.5"))
            notional = mul(price, request.size)
        if notional is not None and notional < rules.min_notional:
            raise Refused(Refusal.BELOW_MIN_NOTIONAL, "notional is below the minimum", str(rules.min_notional))

    @staticmethod
    def _check_band(order: SimOrder, market: Market) -> None:
        """Bind only the aggressive side: a buy far above or a sell far below the middle is refused."""
        reference = market.reference()
        if order.ticks is None or reference == 0:
            return
        middle, band = Decimal(reference), market.instrument.band
        price = Decimal(2 * order.ticks)
        above, below = price > mul(middle, add(ONE, band)), price < mul(middle, sub(ONE, band))
        if above if order.side == BUY else below:
            raise Refused(Refusal.PRICE_BAND, "price is outside the band", str(band))

    def _hold(self, order: SimOrder, market: Market) -> None:
        rules, request = market.instrument, order.request
        if order.side != BUY:
            self._lock(order, rules.base, order.size)
            return
        _, taker = self.fee_rates(order.symbol)
        if request.quote_size is not None:
            amount = request.quote_size
        elif order.ticks is not None:
            amount = _amount(rules, order.ticks * order.lots)
        else:
            amount = _amount(rules, market.book.quote_for(BUY, None, order.lots))
        fee_in = "points" if self.points_asset else self.profile.buy_fee_in
        self._lock(order, rules.quote, buy_hold(amount, taker, fee_in))

    def _lock(self, order: SimOrder, asset: str, amount: Decimal) -> None:
        self.account.lock(asset, amount)
        order.held_asset, order.held = asset, amount

    def _reject(self, order: SimOrder, refused: Refused, now_ns: int) -> None:
        order.status, order.reason, order.reject = "rejected", "rejected", refused.kind.value
        order.finished_ns = now_ns

    def _match(self, order: SimOrder, market: Market, now_ns: int) -> None:
        leave = self.rival(order) if self.rival is not None and order.request.tif != "fok" else None
        if leave is not None and order.lots:
            surplus = market.book.fillable(order.side, order.ticks) - leave
            if surplus > 0:
                self.house_take(order.symbol, order.side, order.ticks, surplus, now_ns)
        rules = market.instrument
        if order.request.quote_size is not None:
            budget = units_floor(order.request.quote_size, mul(rules.tick, rules.lot))
            matches = market.book.take(order.side, order.ticks, None, budget)
        else:
            matches = market.book.take(order.side, order.ticks, order.lots)
        if matches:
            market.changed_ns = now_ns
        for match in matches:
            self._execute(order, match, now_ns)

    def _execute(self, taker: SimOrder, match: Match, now_ns: int) -> None:
        trade_id = self.ids.next(now_ns)
        self._fill(taker, match.ticks, match.lots, "taker", trade_id, now_ns)
        if match.owner is not None:
            self._fill_maker(match.owner, match, trade_id, now_ns)
        self._print(taker.symbol, taker.side, match.ticks, match.lots, trade_id, now_ns)

    def _fill_maker(self, order: SimOrder, match: Match, trade_id: int, now_ns: int) -> None:
        self._fill(order, match.ticks, match.lots, "maker", trade_id, now_ns)
        if order.remaining_lots == 0:
            self._finish(order, "closed", "filled", now_ns)

    def _settle_remainder(self, order: SimOrder, market: Market, now_ns: int) -> None:
        tif, by_quote = order.request.tif, order.request.quote_size is not None
        if not by_quote and order.remaining_lots == 0:
            self._finish(order, "closed", "filled", now_ns)
        elif by_quote:
            spent_all = order.cost == order.request.quote_size
            self._finish(order, "closed" if spent_all else "cancelled", "filled" if spent_all else "ioc", now_ns)
        elif tif in ("ioc", "fok") or order.ticks is None:
            self._finish(order, "cancelled", tif if tif == "fok" else "ioc", now_ns)
        else:
            market.book.rest(order, order.remaining_lots)
            market.changed_ns = now_ns

    # -- money of a fill -------------------------------------------------------------------------------------------

    def _fill(self, order: SimOrder, ticks: int, lots: int, role: str, trade_id: int, now_ns: int) -> None:
        rules, market = order.instrument, self.markets[order.symbol]
        price, size = mul(Decimal(ticks), rules.tick), mul(Decimal(lots), rules.lot)
        cost = mul(price, size)
        maker, taker = self.fee_rates(order.symbol)
        fee, fee_currency = self._charge(order, cost, size, maker if role == "maker" else taker)
        by_points = fee_currency == self.points_asset and fee_currency != ""
        market.fill_count += 1
        fill = SimFill(
            trade_id=trade_id,
            order_id=order.id,
            client_id=order.client_id,
            symbol=order.symbol,
            side=order.side,
            price=price,
            size=size,
            fee=fee,
            fee_currency=fee_currency,
            point_fee=fee if by_points else ZERO,
            role=role,
            ns=now_ns,
            sequence=market.fill_count,
        )
        self.fills.append(fill)
        self._order_fills.setdefault(order.id, []).append(fill)
        order.filled_lots += lots
        order.cost = add(order.cost, cost)
        order.fee = add(order.fee, fee)
        order.fee_currency = fee_currency
        order.point_fee = add(order.point_fee, fill.point_fee)
        order.updated_ns = now_ns
        order.version += 1
        self._release_filled_part(order, lots)
        self._emit(OrderFilled(order, fill, now_ns))
        if order.remaining_lots and order.is_open:
            self._emit(OrderChanged(order, "update", now_ns))
        self._emit_balance(rules.base, size if order.side == BUY else -size, "order-fill", now_ns)
        self._emit_balance(rules.quote, -cost if order.side == BUY else cost, "order-fill", now_ns)

    def _charge(self, order: SimOrder, cost: Decimal, size: Decimal, rate: Decimal) -> tuple[Decimal, str]:
        """Move the money of one execution and return (fee, fee currency)."""
        rules, account = order.instrument, self.account
        if order.side == BUY:
            in_base = self.profile.buy_fee_in == "base" and not self.points_asset
            quote_fee = mul(cost, rate)
            spent = cost if in_base or self.points_asset else add(cost, quote_fee)
            self._pay(order, rules.quote, spent)
            if in_base:
                base_fee = mul(size, rate)
                account.credit(rules.base, sub(size, base_fee))
                return base_fee, rules.base
            account.credit(rules.base, size)
        else:
            self._pay(order, rules.base, size)
            quote_fee = mul(cost, rate)
            account.credit(rules.quote, cost if self.points_asset else sub(cost, quote_fee))
        if self.points_asset:
            account.credit(self.points_asset, -quote_fee)
            return quote_fee, self.points_asset
        return quote_fee, rules.quote

    def _pay(self, order: SimOrder, asset: str, amount: Decimal) -> None:
        """Pay from the order's hold first, the rest from free (a fee tier raised after the hold was taken)."""
        from_hold = min(amount, order.held) if asset == order.held_asset else ZERO
        self.account.spend_locked(asset, from_hold)
        order.held = sub(order.held, from_hold)
        if amount > from_hold:
            self.account.credit(asset, sub(from_hold, amount))

    def _release_filled_part(self, order: SimOrder, lots: int) -> None:
        """Free what a resting limit no longer needs: its limit (and fee) for the unfilled lots stays locked."""
        if order.ticks is None or order.side != BUY:
            return
        _, taker = self.fee_rates(order.symbol)
        fee_in = "points" if self.points_asset else self.profile.buy_fee_in
        needed = buy_hold(_amount(order.instrument, order.ticks * order.remaining_lots), taker, fee_in)
        if order.held > needed:
            self.account.release(order.held_asset, sub(order.held, needed))
            order.held = needed

    def _finish(self, order: SimOrder, status: str, reason: str, now_ns: int) -> None:
        freed = order.held
        if freed:
            self.account.release(order.held_asset, freed)
            order.held = ZERO
        order.status, order.reason = status, reason
        order.updated_ns = order.finished_ns = now_ns
        order.version += 1
        self._open.pop(order.id, None)
        self._emit(OrderChanged(order, "finish", now_ns))
        if freed:
            self._emit_balance(order.held_asset, ZERO, "order-cancel", now_ns)

    # -- cancelling ------------------------------------------------------------------------------------------------

    def cancel(self, order: SimOrder, now_ns: int) -> SimOrder:
        """Take an order off the book and free its hold; raises `Refused` when it has already ended."""
        if order.status == "closed":
            raise Refused(Refusal.ORDER_CLOSED, "order is closed", str(order.id))
        if order.status != "open":
            raise Refused(Refusal.ORDER_CANCELLED, "order is cancelled", str(order.id))
        market = self.markets[order.symbol]
        market.book.withdraw(order)
        market.changed_ns = now_ns
        self.taken += 1
        self._finish(order, "cancelled", "cancelled", now_ns)
        return order

    def cancel_all(self, now_ns: int, symbol: str | None = None, side: str | None = None) -> list[SimOrder]:
        """Cancel every resting order (of a symbol, of a side) and return them."""
        wanted = [o for o in self.open_orders(symbol) if side is None or o.side == side]
        return [self.cancel(order, now_ns) for order in wanted]

    # -- the house and the admin -------------------------------------------------------------------------------------

    def house_quote(self, symbol: str, side: str, ticks: int, lots: int, now_ns: int) -> None:
        """Set the market makers' total at a price; it trades with account orders that stand in its way."""
        market = self.markets[symbol]
        matches = market.book.house_set(side, ticks, lots)
        market.changed_ns = now_ns
        self._house_matches(symbol, side, matches, now_ns)

    def house_take(self, symbol: str, side: str, limit_ticks: int | None, lots: int, now_ns: int) -> int:
        """Let a rival take up to `lots` within a limit; return what it got."""
        market = self.markets[symbol]
        matches = market.book.take(side, limit_ticks, lots)
        if matches:
            market.changed_ns = now_ns
        self._house_matches(symbol, side, matches, now_ns)
        return sum(match.lots for match in matches)

    def _house_matches(self, symbol: str, side: str, matches: list[Match], now_ns: int) -> None:
        for match in matches:
            trade_id = self.ids.next(now_ns)
            if match.owner is not None:
                self._fill_maker(match.owner, match, trade_id, now_ns)
            self._print(symbol, side, match.ticks, match.lots, trade_id, now_ns)

    def replace_book(self, symbol: str, bids: list[tuple[int, int]], asks: list[tuple[int, int]], now_ns: int) -> None:
        """Replace all house interest by the given (ticks, lots) levels; account orders in the way are filled."""
        book = self.market(symbol).book
        for side, wanted in (("buy", dict(bids)), ("sell", dict(asks))):
            for ticks in book.house_prices(side):
                if ticks not in wanted:
                    self.house_quote(symbol, side, ticks, 0, now_ns)
        for side, wanted in (("buy", dict(bids)), ("sell", dict(asks))):
            for ticks, lots in wanted.items():
                self._post_level(symbol, side, ticks, lots, now_ns)

    def _post_level(self, symbol: str, side: str, ticks: int, lots: int, now_ns: int) -> None:
        """Set one posted level; a book posted crossed stands crossed, for the house never trades with itself."""
        book = self.markets[symbol].book
        crossed = [
            price
            for price in book.house_prices("sell" if side == BUY else BUY)
            if (price <= ticks if side == BUY else price >= ticks)
        ]
        if not crossed:
            self.house_quote(symbol, side, ticks, lots, now_ns)
            return
        missing = lots - book.house_lots(side, ticks)
        if missing > 0:
            book.house_force(side, ticks, missing)
        else:
            self.house_quote(symbol, side, ticks, 0, now_ns)
            book.house_force(side, ticks, lots)

    def transfer(self, asset: str, free: Decimal, now_ns: int) -> Transfer:
        """Set a free balance by a deposit or withdrawal that the venue shows in its history."""
        booked = self.account.transfer(self.ids.next(now_ns), asset, free, now_ns)
        cause = "deposit" if booked.amount >= 0 else "withdraw"
        self._emit_balance(asset, booked.amount, cause, now_ns)
        return booked

    def late_fill(self, order: SimOrder, lots: int, now_ns: int) -> bool:
        """Fill an already cancelled order at its own limit (fault `late_fill`); False when it cannot be paid."""
        if order.ticks is None or lots <= 0 or order.is_open:
            return False
        rules = order.instrument
        need = _amount(rules, 2 * order.ticks * lots) if order.side == BUY else mul(Decimal(lots), rules.lot)
        if self.account.balance(rules.quote if order.side == BUY else rules.base).free < need:
            return False
        trade_id = self.ids.next(now_ns)
        self._fill(order, order.ticks, lots, "maker", trade_id, now_ns)
        self._print(order.symbol, "sell" if order.side == BUY else "buy", order.ticks, lots, trade_id, now_ns)
        status = "closed" if order.remaining_lots == 0 else "cancelled"
        self._finish(order, status, "filled" if status == "closed" else "cancelled", now_ns)
        return True

    def change_rules(self, symbol: str, *, min_size: Decimal) -> None:
        """Raise or lower a symbol's minimum size from now on (fault `min_size_change`)."""
        require(min_size > 0, "a minimum size is above zero")
        market = self.market(symbol)
        market.instrument = self.instruments[symbol] = replace(market.instrument, min_size=min_size)

    # -- events ----------------------------------------------------------------------------------------------------

    def _print(self, symbol: str, side: str, ticks: int, lots: int, trade_id: int, now_ns: int) -> None:
        market = self.markets[symbol]
        rules = market.instrument
        trade = PublicTrade(
            trade_id, symbol, side, mul(Decimal(ticks), rules.tick), mul(Decimal(lots), rules.lot), now_ns
        )
        market.tape.append(trade)
        self._emit(trade)

    def _emit(self, event: Event) -> None:
        for listener in self._listeners:
            listener(event)

    def _emit_balance(self, asset: str, change: Decimal, cause: str, now_ns: int) -> None:
        balance = self.account.balance(asset)
        self._emit(BalanceChanged(asset, balance.free, balance.locked, change, cause, now_ns))


def _check_shape(request: OrderRequest) -> None:
    if request.side not in ("buy", "sell") or request.kind not in ("limit", "market"):
        raise Refused(Refusal.BAD_ARGUMENT, "bad side or type", "side")
    if request.tif not in ("gtc", "ioc", "fok", "post_only"):
        raise Refused(Refusal.BAD_ARGUMENT, "bad time in force", "time_in_force")
    if (request.size is None) == (request.quote_size is None):
        raise Refused(Refusal.BAD_ARGUMENT, "exactly one size is needed", "amount")
    amount = request.size if request.size is not None else request.quote_size
    if amount is None or amount <= 0:
        raise Refused(Refusal.BAD_ARGUMENT, "size must be above zero", "amount")
    if request.kind == "limit" and (request.price is None or request.price <= 0 or request.size is None):
        raise Refused(Refusal.BAD_ARGUMENT, "a limit order needs a price above zero and a base size", "price")
    if request.kind == "market" and (request.price is not None or request.tif not in ("ioc", "fok")):
        raise Refused(Refusal.BAD_ARGUMENT, "a market order has no price and is ioc or fok", "time_in_force")
    if request.quote_size is not None and request.side != "buy":
        raise Refused(Refusal.BAD_ARGUMENT, "only a market buy is counted in quote", "amount")


def _amount(rules: SimInstrument, tick_lots: int) -> Decimal:
    """Turn ticks times lots into quote."""
    return mul(mul(Decimal(tick_lots), rules.tick), rules.lot)


def _unfit(order: SimOrder, market: Market) -> Refused | None:
    """Return why a post-only or fok order cannot stand before this book, None when it can."""
    tif, book = order.request.tif, market.book
    if tif == "post_only" and book.fillable(order.side, order.ticks, 1):
        return Refused(Refusal.POST_ONLY_WOULD_TAKE, "the order would take")
    if tif == "fok" and order.lots and book.fillable(order.side, order.ticks, order.lots) < order.lots:
        return Refused(Refusal.FOK_NOT_FILLED, "the order cannot be filled completely")
    return None
