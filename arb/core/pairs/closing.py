"""Closing a pair: value what is left, split the profit into its causes, pool the dust, give back what was reserved."""

from collections.abc import Iterable
from decimal import Decimal

from arb.core.opportunities.opener import open_residual_pair
from arb.core.orders.manager import OrderManager
from arb.core.orders.order import WorkingOrder
from arb.core.pairs.pair import PairTrade, Trigger
from arb.core.pairs.repair_choice import repair_size
from arb.core.pairs.waterfall import Planned, Traded, waterfall
from arb.core.records import PairKind, PairState, Residual, Waterfall
from arb.core.state import EngineState
from arb.market.numbers import ZERO
from arb.market.order import Side
from arb.market.symbol import Symbol


class Closer:
    """Ends pairs, and keeps the pool of what they leave over."""

    def __init__(self, state: EngineState, manager: OrderManager) -> None:
        self.state = state
        self.manager = manager

    def close(self, pair: PairTrade, trigger: Trigger, now_ns: int) -> None:
        """End a pair whose orders are all settled."""
        state, (base, quote) = self.state, Symbol.of(pair.plan.symbol).base_and_quote
        residual = pair.imbalance(base)
        mark = self._mark(pair, residual)
        pair.move(trigger, now_ns)
        pair.residual_mark, pair.mark_ns, pair.booked_residual = mark, now_ns, residual
        pair.waterfall = self._waterfall(pair, mark)
        net_e8 = pair.waterfall.realised_net_e8
        state.inventory.release(pair.id)
        self.manager.close(pair)
        state.tally.closed[pair.state] += 1
        state.tally.add_net(quote, Decimal(net_e8).scaleb(-8))
        state.tally.exposure_quote_s += pair.exposure_quote_s
        state.out.persist(pair.record(base))
        if trigger is Trigger.STUCK:
            self.state.residuals.carry(self._left_over(pair, residual, mark, now_ns))
        elif residual:
            self.state.residuals.add(self._left_over(pair, residual, mark, now_ns))
        if residual:
            self.keep_residuals()
        self._book_result(pair, net_e8, now_ns)
        if pair.kind is PairKind.ARB and trigger is not Trigger.STUCK:
            self._sell_dust(pair.plan.symbol, now_ns)

    def reopen(self, pair: PairTrade, now_ns: int) -> None:
        """Take a closed pair's result back, after a fill that came late, before the pair is moved."""
        state, quote = self.state, Symbol.of(pair.plan.symbol).quote
        if pair.waterfall is None or pair.residual_mark is None:
            return
        net_e8 = pair.waterfall.realised_net_e8
        if pair.counted:
            state.tally.closed[pair.state] -= 1
            state.tally.add_net(quote, -Decimal(net_e8).scaleb(-8))
            state.tally.exposure_quote_s -= pair.exposure_quote_s
        else:
            pair.counted = True
            state.tally.opened += 1
        state.control.take_back(net_e8, now_ns)
        residual = pair.booked_residual
        if residual:
            give = self.state.residuals.carry if pair.state is PairState.CARRIED else self.state.residuals.add
            give(self._left_over(pair, -residual, pair.residual_mark, now_ns))
            self.keep_residuals()

    def _left_over(self, pair: PairTrade, size: Decimal, mark: Decimal, now_ns: int) -> Residual:
        """Return what a pair leaves, with the accounts it was traded between."""
        accounts = {self.state.venues[venue].account_id for venue in pair.venues}
        accounts.update(order.account_id for order in pair.orders.values())
        return Residual(pair.plan.symbol, size, size * mark, now_ns, tuple(sorted(accounts)))

    def keep_residuals(self) -> None:
        """Write down what is left over, for a restart."""
        accounts = tuple(venue_state.account_id for venue_state in self.state.venues.values())
        self.state.out.persist(self.state.residuals.record(accounts))

    def _mark(self, pair: PairTrade, residual: Decimal) -> Decimal:
        """Return `m1`: what one base of the residual fetches now in the sell venue's bids, less its taker fee.

        The bids already lack what we sold. A residual of 0, or missing base, is marked at the best bid.
        """
        plan = pair.plan
        bids = self.state.books.levels(plan.sell_venue, plan.symbol, Side.SELL)
        if not bids:
            return plan.mark
        keep = 1 - plan.sell_fee
        if residual <= 0:
            return bids[0][0] * keep
        left, value = residual, ZERO
        for price, size in bids:
            taken = min(left, size)
            value += taken * price
            left -= taken
            if not left:
                break
        return (value * keep / residual).quantize(Decimal("1e-18"))

    def _waterfall(self, pair: PairTrade, mark: Decimal) -> Waterfall:
        return waterfall(
            Planned.of(pair.plan),
            self._traded(Side.BUY, pair.entries(Side.BUY)),
            self._traded(Side.SELL, pair.entries(Side.SELL)),
            [self._traded(order.side, [order]) for order in pair.repairs()],
            mark,
            inherited=pair.inherited,
        )

    def _traded(self, side: Side, orders: Iterable[WorkingOrder]) -> Traded:
        orders = tuple(orders)
        in_quote = in_base = elsewhere = ZERO
        for order in orders:
            base, quote = Symbol.of(order.symbol).base_and_quote
            for key, fill in order.fills.items():
                if fill.fee_currency == quote:
                    in_quote += fill.fee
                elif fill.fee_currency == base:
                    in_base += fill.fee
                else:
                    elsewhere += order.fee_values[key]
        return Traded(
            side=side,
            size=sum((order.filled for order in orders), ZERO),
            quote=sum((order.notional for order in orders), ZERO),
            fee_quote=in_quote,
            fee_base=in_base,
            fee_other=elsewhere,
        )

    def _book_result(self, pair: PairTrade, net_e8: int, now_ns: int) -> None:
        state = self.state
        reason = state.control.book_result(net_e8, now_ns)
        state.out.persist(state.control.record(now_ns, f"pair {pair.id} closed"))
        if reason is not None:
            lost = Decimal(state.control.day_net_e8).scaleb(-8)
            text = f"{state.control.losses_in_a_row} losses in a row, {lost} net today"
            state.halt(reason, text, now_ns, pair.id)

    def _sell_dust(self, symbol: str, now_ns: int) -> None:
        """Trade the pool of a symbol back to flat at the first venue where that is a legal order and nothing is open.

        Not before it is worth `dust_max_quote`: every such order costs a fee and rate budget that an edge could use.
        """
        state, held = self.state, self.state.residuals.pooled(symbol)
        if abs(held.booked) < state.limits.dust_max_quote or not state.control.opening_allowed:
            return
        self.sell_dust(symbol, now_ns)

    def sell_dust(self, symbol: str, now_ns: int) -> bool:
        """Trade the pool of a symbol back to flat where that is a legal order now; return whether a pair was opened."""
        venue = self.venue_for(symbol, self.state.residuals.pooled(symbol).size, now_ns)
        if venue is None:
            return False
        open_residual_pair(
            self.state, self.manager, PairKind.DUST, symbol, venue, self.state.residuals.take(symbol), now_ns
        )
        self.keep_residuals()
        return True

    def venue_for(self, symbol: str, size: Decimal, now_ns: int) -> str | None:
        """Return the first venue where trading `size` base away is a legal order, nothing is open and the book is usable."""
        for venue in self.state.venues_of(symbol):
            free = (venue, symbol) not in self.manager.busy and not self.state.books.unusable(venue, symbol, now_ns)
            if free and self.legal_at(venue, symbol, size):
                return venue
        return None

    def legal_at(self, venue: str, symbol: str, size: Decimal) -> bool:
        """Return whether a venue would take an order that brings `size` base (below zero: missing) nearer to flat."""
        instrument, mid = self.state.instruments[venue, symbol], self.state.books.mid(venue, symbol)
        if not size or mid is None or instrument.taker_fee is None:
            return False
        return bool(repair_size(Side.SELL if size > 0 else Side.BUY, abs(size), mid, instrument))
