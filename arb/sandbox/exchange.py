"""One pure simulated exchange (one venue): orders, fills, balances, books. No socket, no clock, no dialect.

Interface for dialects. All instants are nanoseconds since the epoch (`now_ns`); symbols are `BTC/USDT`; prices and
sizes are `Decimal`. A refusal is raised as `Refused(kind, message, detail)`; the dialect maps `kind`.

    exchange.profile                        VenueProfile: name, key, secret, passphrase, user_id, buy_fee_in
    exchange.instruments[symbol]            SimInstrument: tick lot min_size min_notional maker_fee taker_fee band
    exchange.fee_rates(symbol)              (maker, taker) of the account now (faults may change them)
    exchange.place(OrderRequest, now_ns)    -> SimOrder (already matched; `status` open|closed|cancelled)
    exchange.amend(order, now_ns, price=, size=)                               -> SimOrder; Refused as placing, or ended
    exchange.cancel(order, now_ns)          -> SimOrder; Refused ORDER_CLOSED / ORDER_CANCELLED when it has ended
    exchange.cancel_all(now_ns, symbol=, side=)            -> [SimOrder]
    exchange.order(id) / exchange.order_by_client_id(text) -> SimOrder | None (newest with that client id)
    exchange.open_orders(symbol=) / exchange.done_orders(now_ns, symbol=, ...) -> newest first
    exchange.fills_of(now_ns, symbol=, order_id=, since_ns=, until_ns=)        -> [SimFill] newest first
    exchange.public_trades(symbol, count)   -> [PublicTrade] newest first
    exchange.balances() -> {asset: Balance(free, locked)}; exchange.account.transfers -> [Transfer]
    exchange.bills_of(now_ns, asset=, since_ns=, until_ns=)                    -> [Bill] newest first
    exchange.snapshot(symbol, depth)        -> BookView(update_id, ns, bids, asks) with [price, size] texts
    exchange.subscribe(listener)            listener(Event) is called at once, in order, for OrderChanged, OrderFilled,
                                            BalanceChanged, PublicTrade. Sessions get them through `venue.py`.

Order ids and trade ids start at epoch microseconds and are unique over symbols and venues of one world (`IdSource`).
"""

from dataclasses import replace
from decimal import Decimal

from arb.errors import require
from arb.sandbox.accounts import buy_hold
from arb.sandbox.bills import DEPOSIT, WITHDRAW
from arb.sandbox.checks import check_order, unfit_for_book
from arb.sandbox.exact import ZERO, mul, sub, units_floor
from arb.sandbox.market import Market
from arb.sandbox.matching import BUY, Match
from arb.sandbox.settlement import Settlement, amount_of
from arb.sandbox.values import (
    OrderChanged,
    OrderRequest,
    PublicTrade,
    Refusal,
    Refused,
    SimOrder,
    Transfer,
)


class SimExchange(Settlement):
    # -- placing ---------------------------------------------------------------------------------------------------

    def place(self, request: OrderRequest, now_ns: int) -> SimOrder:
        """Check, lock, match and maybe rest an order; raises `Refused`. A refused order is kept as `rejected`."""
        market = self.market(request.symbol)
        order = self._new_order(request, market, now_ns)
        try:
            check_order(order, market, self._by_client_id.get(order.client_id), now_ns)
            self._hold(order, market)
        except Refused as refused:
            self._reject(order, refused, now_ns)
            raise
        self.taken += 1
        self._open[order.id] = order
        if order.client_id:
            self._by_client_id[order.client_id] = order
        if self.read_lag_ns:
            self.unseen.add(order.id)
            self.later(self.read_lag_ns, lambda _: self.unseen.discard(order.id))
        self._emit(OrderChanged(order, "put", now_ns))
        self._emit_balance(order.held_asset, ZERO, "order-create", now_ns)
        if unfit_for_book(order, market) is not None:
            self._finish(order, "cancelled", request.tif, now_ns)
            return order
        if request.tif != "post_only":
            self._match(order, market, now_ns)
        self._settle_unfilled(order, market, now_ns)
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

    def _hold(self, order: SimOrder, market: Market) -> None:
        rules, request = market.instrument, order.request
        if order.side != BUY:
            self._lock(order, rules.base, order.size)
            return
        _, taker = self.fee_rates(order.symbol)
        if request.quote_size is not None:
            amount = request.quote_size
        elif order.ticks is not None:
            amount = amount_of(rules, order.ticks * order.lots)
        else:
            amount = amount_of(rules, market.book.quote_for(BUY, None, order.lots))
        fee_in = "other" if self.fee_asset else self.buys_pay_in
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
                self.rival_take(order.symbol, order.side, order.ticks, surplus, now_ns)
        rules, prevented = market.instrument, False
        if order.request.quote_size is not None:
            budget = units_floor(order.request.quote_size, mul(rules.tick, rules.lot))
            matches = market.book.take(order.side, order.ticks, None, budget)
        else:
            wanted = self._without_own(order, market, now_ns)
            prevented = wanted < order.remaining_lots
            matches = market.book.take(order.side, order.ticks, wanted)
        if matches:
            market.changed_ns = now_ns
        for match in matches:
            self._execute(order, match, now_ns)
        if prevented:
            self._finish(order, "cancelled", "self_trade", now_ns)

    def _without_own(self, order: SimOrder, market: Market, now_ns: int) -> int:
        """Return the lots that an order may take; end orders of the account that it would meet, as its `self_trade` says."""
        mode, lots = order.request.self_trade, order.remaining_lots
        while mode and (met := market.book.own_ahead(order.side, order.ticks, lots)) is not None:
            own, before = met
            if mode != "taker":
                market.book.withdraw(own)
                self._finish(own, "cancelled", "self_trade", now_ns)
            if mode != "maker":
                return before
        return lots

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

    def _settle_unfilled(self, order: SimOrder, market: Market, now_ns: int) -> None:
        tif, by_quote = order.request.tif, order.request.quote_size is not None
        if not order.is_open:
            return
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
        wanted = [o for o in self.open_orders(symbol) if side is None or o.side == side]
        return [self.cancel(order, now_ns) for order in wanted]

    def arm_countdown(self, span_ns: int, now_ns: int, symbol: str | None = None) -> None:
        """Cancel all orders, or those of a symbol, after `span_ns` unless this is renewed before; 0 disarms."""
        due_ns = self._countdowns[symbol] = now_ns + span_ns if span_ns else None

        def fire(at_ns: int) -> None:
            if self._countdowns[symbol] == due_ns:
                self._countdowns[symbol] = None
                self.cancel_all(at_ns, symbol)

        if span_ns:
            self.later(span_ns, fire)

    # -- amending --------------------------------------------------------------------------------------------------

    def amend(
        self, order: SimOrder, now_ns: int, *, price: Decimal | None = None, size: Decimal | None = None
    ) -> SimOrder:
        """Give a resting order another limit, another size (its fills included), or both; raises `Refused`.

        If refused, the order rests as before. Only with a smaller size does it keep its place in the queue. After any other
        change it takes the levels within its new limit, and rests at the back.
        """
        if not order.is_open:
            kind = Refusal.ORDER_CLOSED if order.status == "closed" else Refusal.ORDER_CANCELLED
            raise Refused(kind, f"order is {order.status}", str(order.id))
        market, before = self.markets[order.symbol], replace(order)
        amended = replace(
            order.request,
            price=order.price if price is None else price,
            size=order.size if size is None else size,
            expires_ns=None,
        )
        wanted = replace(order, request=amended, lots=units_floor(amended.size or ZERO, market.instrument.lot))
        check_order(wanted, market, None, now_ns)
        if wanted.lots <= order.filled_lots:
            raise Refused(Refusal.BAD_ARGUMENT, "the size is filled already", "amount")
        self._hold_anew(order, wanted)
        keeps_place = wanted.ticks == before.ticks and wanted.lots <= before.lots
        if not keeps_place:
            market.book.withdraw(order)
        order.request, order.lots, order.ticks = amended, wanted.lots, wanted.ticks
        order.updated_ns, order.version = now_ns, order.version + 1
        self.taken += 1
        market.changed_ns = now_ns
        self._emit(OrderChanged(order, "amend", now_ns))
        self._emit_balance(order.held_asset, ZERO, "order-update", now_ns)
        if keeps_place:
            market.book.shrink(order, order.remaining_lots)
        elif unfit_for_book(order, market) is not None:
            self._finish(order, "cancelled", order.request.tif, now_ns)
        else:
            self._match(order, market, now_ns)
            self._settle_unfilled(order, market, now_ns)
        return order

    def _hold_anew(self, order: SimOrder, wanted: SimOrder) -> None:
        """Lock the further need of an amended order, or free its excess; raises `Refused` where free is short."""
        needed = mul(Decimal(wanted.remaining_lots), order.instrument.lot)
        if order.side == BUY and wanted.ticks is not None:
            _, taker = self.fee_rates(order.symbol)
            fee_in = "other" if self.fee_asset else self.buys_pay_in
            needed = buy_hold(amount_of(order.instrument, wanted.ticks * wanted.remaining_lots), taker, fee_in)
        if needed > order.held:
            self.account.lock(order.held_asset, sub(needed, order.held))
        else:
            self.account.release(order.held_asset, sub(order.held, needed))
        order.held = needed

    # -- background and admin ------------------------------------------------------------------------------------------

    def quote_background(self, symbol: str, side: str, ticks: int, lots: int, now_ns: int) -> None:
        """Set the market makers' total at a price; it trades with account orders in its way."""
        market = self.markets[symbol]
        matches = market.book.set_background(side, ticks, lots)
        market.changed_ns = now_ns
        self._settle_matches(symbol, side, matches, now_ns)

    def rival_take(self, symbol: str, side: str, limit_ticks: int | None, lots: int, now_ns: int) -> int:
        """Let a rival take up to `lots` within a limit; return the lots it got."""
        market = self.markets[symbol]
        matches = market.book.take(side, limit_ticks, lots)
        if matches:
            market.changed_ns = now_ns
        self._settle_matches(symbol, side, matches, now_ns)
        return sum(match.lots for match in matches)

    def _settle_matches(self, symbol: str, side: str, matches: list[Match], now_ns: int) -> None:
        for match in matches:
            trade_id = self.ids.next(now_ns)
            if match.owner is not None:
                self._fill_maker(match.owner, match, trade_id, now_ns)
            self._print(symbol, side, match.ticks, match.lots, trade_id, now_ns)

    def replace_book(self, symbol: str, bids: list[tuple[int, int]], asks: list[tuple[int, int]], now_ns: int) -> None:
        """Replace all background interest by the given (ticks, lots) levels; account orders in the way are filled."""
        book = self.market(symbol).book
        for side, wanted in (("buy", dict(bids)), ("sell", dict(asks))):
            for ticks in list(book.background_prices(side)):
                if ticks not in wanted:
                    self.quote_background(symbol, side, ticks, 0, now_ns)
        for side, wanted in (("buy", dict(bids)), ("sell", dict(asks))):
            for ticks, lots in wanted.items():
                self._post_level(symbol, side, ticks, lots, now_ns)

    def _post_level(self, symbol: str, side: str, ticks: int, lots: int, now_ns: int) -> None:
        """Set one posted level; a book posted crossed stays crossed, for background interest never trades with itself."""
        book = self.markets[symbol].book
        best = next(book.background_prices("sell" if side == BUY else BUY), None)
        if best is None or (best > ticks if side == BUY else best < ticks):
            self.quote_background(symbol, side, ticks, lots, now_ns)
            return
        missing = lots - book.background_lots(side, ticks)
        if missing > 0:
            book.force_background(side, ticks, missing)
        else:
            self.quote_background(symbol, side, ticks, 0, now_ns)
            book.force_background(side, ticks, lots)

    def transfer(self, asset: str, free: Decimal, now_ns: int) -> Transfer:
        """Set a free balance by a deposit or withdrawal that the venue shows in its history."""
        booked = self.account.transfer(self.ids.next(now_ns), asset, free, now_ns)
        kind = DEPOSIT if booked.amount >= 0 else WITHDRAW
        if booked.amount:
            self.bills.note(kind, asset, booked.amount, now_ns)
        self._emit_balance(asset, booked.amount, kind, now_ns)
        return booked

    def book(self, kind: str, asset: str, amount: Decimal, now_ns: int) -> None:
        """Change a free balance by a bill (`interest`, `transfer`); an amount below 0 is taken from the account."""
        self.account.credit(asset, amount)
        self.bills.note(kind, asset, amount, now_ns)
        self._emit_balance(asset, amount, kind, now_ns)

    def late_fill(self, order: SimOrder, lots: int, now_ns: int) -> bool:
        """Fill an already cancelled order at its own limit (fault `late_fill`); False when it cannot be paid."""
        if order.ticks is None or lots <= 0 or order.is_open:
            return False
        rules = order.instrument
        need = amount_of(rules, 2 * order.ticks * lots) if order.side == BUY else mul(Decimal(lots), rules.lot)
        if self.account.balance(rules.quote if order.side == BUY else rules.base).free < need:
            return False
        trade_id = self.ids.next(now_ns)
        self._fill(order, order.ticks, lots, "maker", trade_id, now_ns)
        self._print(order.symbol, "sell" if order.side == BUY else "buy", order.ticks, lots, trade_id, now_ns)
        status = "closed" if order.remaining_lots == 0 else "cancelled"
        self._finish(order, status, "filled" if status == "closed" else "cancelled", now_ns)
        return True

    def change_rules(self, symbol: str, *, min_size: Decimal | None = None, coarser: int | None = None) -> None:
        """Change a symbol's minimum size or the steps of new orders from now on (`min_size_change`, `listing_change`)."""
        rules = self.market(symbol).instrument
        min_size = rules.min_size if min_size is None else min_size
        coarser = rules.coarser if coarser is None else coarser
        require(min_size > 0 and coarser > 0, "minimum sizes and steps are above zero")
        changed = replace(rules, min_size=min_size, coarser=coarser)
        self.market(symbol).instrument = self.instruments[symbol] = changed

    # -- events ----------------------------------------------------------------------------------------------------

    def _print(self, symbol: str, side: str, ticks: int, lots: int, trade_id: int, now_ns: int) -> None:
        market = self.markets[symbol]
        rules = market.instrument
        trade = PublicTrade(
            trade_id, symbol, side, mul(Decimal(ticks), rules.tick), mul(Decimal(lots), rules.lot), now_ns
        )
        market.tape.append(trade)
        market.candles.note(trade)
        self._emit(trade)
