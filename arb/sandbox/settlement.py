"""The money of an exchange: the movements by a fill, its fee, the amount freed when an order ends."""

from decimal import Decimal

from arb.sandbox.accounts import buy_hold
from arb.sandbox.exact import ZERO, add, mul, sub
from arb.sandbox.matching import BUY
from arb.sandbox.state import ExchangeState
from arb.sandbox.values import OrderChanged, OrderFilled, SimFill, SimInstrument, SimOrder


class Settlement(ExchangeState):
    def _fill(self, order: SimOrder, ticks: int, lots: int, role: str, trade_id: int, now_ns: int) -> None:
        rules, market = order.instrument, self.markets[order.symbol]
        price, size = mul(Decimal(ticks), rules.tick), mul(Decimal(lots), rules.lot)
        cost = mul(price, size)
        maker, taker = self.fee_rates(order.symbol)
        fee, fee_currency = self._charge(order, cost, size, maker if role == "maker" else taker)
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
            role=role,
            ns=now_ns,
            sequence=market.fill_count,
            bill_id=self.bills.next_id,
        )
        self.fills.append(fill)
        self._order_fills.setdefault(order.id, []).append(fill)
        self.bills.note_trade(fill)
        order.filled_lots += lots
        order.cost = add(order.cost, cost)
        order.fees[fee_currency] = add(order.fees.pop(fee_currency, ZERO), fee)
        order.updated_ns = now_ns
        order.version += 1
        self._release_filled_part(order, lots)
        self._emit(OrderFilled(order, fill, now_ns))
        if order.remaining_lots and order.is_open:
            self._emit(OrderChanged(order, "update", now_ns))
        self._emit_balance(rules.base, size if order.side == BUY else -size, "order-fill", now_ns)
        self._emit_balance(rules.quote, -cost if order.side == BUY else cost, "order-fill", now_ns)
        if fee_currency not in (rules.base, rules.quote):
            self._emit_balance(fee_currency, -fee, "order-fill", now_ns)

    def _charge(self, order: SimOrder, cost: Decimal, size: Decimal, rate: Decimal) -> tuple[Decimal, str]:
        """Move the money of one execution and return (fee, fee currency)."""
        rules, account = order.instrument, self.account
        quote_fee, elsewhere = mul(cost, rate), self.fee_asset
        is_buy = order.side == BUY
        if elsewhere is not None:
            fee, currency = mul(mul(quote_fee, elsewhere.share), elsewhere.per_quote), elsewhere.asset
            if currency in (rules.base, rules.quote) or account.balance(currency).free < fee:
                elsewhere = None
        if elsewhere is not None:
            account.credit(currency, -fee)
        elif is_buy and self.buys_pay_in == "base":
            fee, currency = mul(size, rate), rules.base
        else:
            fee, currency = quote_fee, rules.quote
        if is_buy:
            self._pay(order, rules.quote, add(cost, fee) if currency == rules.quote else cost)
            account.credit(rules.base, sub(size, fee) if currency == rules.base else size)
        else:
            self._pay(order, rules.base, size)
            account.credit(rules.quote, sub(cost, fee) if currency == rules.quote else cost)
        return fee, currency

    def _pay(self, order: SimOrder, asset: str, amount: Decimal) -> None:
        """Pay from the order's hold first, the rest from free (a fee tier raised after the hold was taken)."""
        from_hold = min(amount, order.held) if asset == order.held_asset else ZERO
        self.account.spend_locked(asset, from_hold)
        order.held = sub(order.held, from_hold)
        if amount > from_hold:
            self.account.credit(asset, sub(from_hold, amount))

    def _release_filled_part(self, order: SimOrder, lots: int) -> None:
        """Free the amount a resting limit no longer needs: its limit (and fee) for the unfilled lots stays locked."""
        if order.ticks is None or order.side != BUY:
            return
        _, taker = self.fee_rates(order.symbol)
        fee_in = "other" if self.fee_asset else self.buys_pay_in
        needed = buy_hold(amount_of(order.instrument, order.ticks * order.remaining_lots), taker, fee_in)
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


def amount_of(rules: SimInstrument, tick_lots: int) -> Decimal:
    return mul(mul(Decimal(tick_lots), rules.tick), rules.lot)
