"""Close a pair: value its residual, split its result into causes, keep the residual, release its reservations.

A late fill reopens the pair (`Closer.reopen`); its next end books the difference. The end of a pair may also make dust worth
trading away: that is proposed to the engine.
"""

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Protocol

from arb.core.messages.incidents import IncidentKind, Severity
from arb.core.messages.reasons import Reason
from arb.core.messages.records import PairKind, PairState, Waterfall
from arb.core.messages.recovery_records import Residual
from arb.core.state.engine_state import EngineState
from arb.core.state.order import WorkingOrder
from arb.core.trades.netting import holds_a_share
from arb.core.trades.repair_choice import held_by
from arb.core.trades.strategy import Answer, Proposal, ResidualExit
from arb.core.trades.table import TradeTable
from arb.core.trades.trade import PairTrade, Trigger
from arb.core.trades.waterfall import Traded, waterfall
from arb.market.numbers import ZERO, plain
from arb.market.order import Side
from arb.market.symbol import Symbol


class LateLegs(Protocol):
    def stop(self, pair: PairTrade, text: str, now_ns: int) -> None: ...

    def may_halt(self, pair: PairTrade) -> bool: ...

    def halt(self, pair: PairTrade, text: str, now_ns: int) -> None: ...

    def ended(self, pair: PairTrade) -> None: ...

    def reopened(self, pair: PairTrade, now_ns: int) -> None: ...


class Closer:
    def __init__(
        self,
        state: EngineState,
        orders: TradeTable,
        late_legs: LateLegs,
        count_end: Callable[[EngineState, PairTrade, int], None],
        take: Callable[[Proposal, int], Answer],
    ) -> None:
        """Call `count_end(state, pair, now_ns)` at each end of a pair, before the controls are journalled.

        `take` answers a proposal at an instant.
        """
        self.state = state
        self.orders = orders
        self.late_legs = late_legs
        self._count_end = count_end
        self._take = take

    def close(self, pair: PairTrade, trigger: Trigger, now_ns: int) -> None:
        """End a pair whose orders are all settled: book its result and keep its residual, as dust or carried."""
        state, (base, quote) = self.state, Symbol.of(pair.plan.symbol).base_and_quote
        residual = pair.imbalance(base)
        mark = self._mark(pair, residual)
        pair.move(trigger, now_ns)
        pair.residual_mark, pair.mark_ns, pair.booked_residual = mark, now_ns, residual
        pair.waterfall = self._waterfall(pair, mark)
        net_e8 = pair.waterfall.realised_net_e8
        self._release(pair)
        self.orders.close(pair)
        state.tally.closed[pair.state] += 1
        self._tally(pair, quote, net_e8, 1)
        state.tally.exposure_quote_s += pair.exposure_quote_s
        state.out.persist(pair.record(base))
        if trigger is Trigger.CARRY:
            state.residuals.carry(self._residual(pair, residual, mark, now_ns))
        elif residual:
            state.residuals.add_dust(self._residual(pair, residual, mark, now_ns))
        if residual:
            state.journal_residuals()
        self.late_legs.ended(pair)
        self._count_presumptions(pair, now_ns)
        self._book_result(pair, net_e8, now_ns)
        if pair.kind is PairKind.ARB and trigger is not Trigger.CARRY:
            self._trade_dust_if_worth(pair.plan.symbol, now_ns)
            self._trade_excess_dust(now_ns)

    def reopened_e8(self) -> int:
        """Return the loss of the day if all reopened pairs closed now at exit prices, in 1e-8 quote (<= 0)."""
        lost = 0
        for pair in self.orders.open.values():
            if pair.booked is not None:
                mark = self._mark(pair, pair.imbalance(Symbol.of(pair.plan.symbol).base))
                lost += min(0, self._waterfall(pair, mark).realised_net_e8 - pair.booked.realised_net_e8)
        return lost

    def _release(self, pair: PairTrade) -> None:
        """Release a pair's reservations, except for funds that its presumed-absent orders may lock."""
        state = self.state
        state.inventory.release(pair.id)
        for order in pair.orders.values():
            if order.watched:
                held = held_by(order.side, order.size, order.price, state.instruments[order.venue, order.symbol])
                state.inventory.reserve_at_least(pair.id, order.venue, *held)

    def _count_presumptions(self, pair: PairTrade, now_ns: int) -> None:
        """Add to the day's cost the presumptions of absence that proved wrong for this pair."""
        wrong = [order for order in pair.orders.values() if order.presumed_wrongly]
        if not wrong or pair.waterfall is None:
            return
        for order in wrong:
            order.presumed_wrongly = False
        cost_e8 = max(0, -pair.waterfall.hedge_cost_e8)
        in_all = plain(Decimal(self.state.control.presumed_cost_e8(now_ns, cost_e8)).scaleb(-8))
        text = f"pair {pair.id}: repairs cost {plain(Decimal(cost_e8).scaleb(-8))}, wrong presumptions {in_all} today"
        self.state.incident(
            IncidentKind.PRESUMED_WRONG, text, now_ns, severity=Severity.INFO, pair_id=pair.id, cost_e8=cost_e8
        )

    def _tally(self, pair: PairTrade, quote: str, net_e8: int, pairs: int) -> None:
        """Count a pair's net: of coins that are not proved to be the same at both venues it is in no sum."""
        net = Decimal(net_e8).scaleb(-8)
        if pair.identity is None:
            self.state.tally.add_net(quote, net)
        else:
            self.state.tally.add_unproved(quote, net, pairs)

    def reopen(self, pair: PairTrade, now_ns: int) -> None:
        """Before a late fill, take a closed pair out of the run's sums and take back what remains of its residual.

        The day keeps the result until the pair closes again: a loss must not drop out of the limits because its pair is open.
        Residual that another pair took over, by trading it or by offsetting its own, now belongs to that pair. Here it stays
        at its booked value.
        """
        state, quote = self.state, Symbol.of(pair.plan.symbol).quote
        self.late_legs.reopened(pair, now_ns)
        if pair.waterfall is None or pair.residual_mark is None:
            return
        net_e8 = pair.waterfall.realised_net_e8
        if pair.counted:
            state.tally.closed[pair.state] -= 1
            self._tally(pair, quote, -net_e8, -1)
            state.tally.exposure_quote_s -= pair.exposure_quote_s
        else:
            pair.counted = True
            state.tally.opened += 1
        state.control.give_back(-pair.unfilled, pair.decided_ns, now_ns)
        state.out.persist(state.control.record(now_ns, f"pair {pair.id} is open again"))
        if pair.booked_residual:
            left = self._residual(pair, pair.booked_residual, pair.residual_mark, pair.mark_ns or 0)
            back = state.residuals.take_back(left, carried=pair.state is PairState.CARRIED)
            pair.hand_over(left.size - back.size, left.booked - back.booked)
            state.journal_residuals()

    def offset_residuals(self, pair: PairTrade, now_ns: int) -> bool:
        """Offset the pair's imbalance with opposite residuals; return whether there were any."""
        base = Symbol.of(pair.plan.symbol).base
        if not holds_a_share(pair):
            return False
        taken = self.state.residuals.offset(pair.plan.symbol, pair.imbalance(base))
        if not taken.size:
            return False
        pair.hand_over(-taken.size, -taken.booked)
        self.state.out.persist(pair.record(base))
        self.state.journal_residuals()
        return True

    def _residual(self, pair: PairTrade, size: Decimal, mark: Decimal, now_ns: int) -> Residual:
        accounts = {self.state.venues[venue].account_id for venue in pair.venues}
        accounts.update(order.account_id for order in pair.orders.values())
        return Residual(pair.plan.symbol, size, size * mark, now_ns, tuple(sorted(accounts)))

    def _mark(self, pair: PairTrade, residual: Decimal) -> Decimal:
        """Return `m1`: the quote that one base of the residual fetches now in the sell venue's bids, less its taker fee.

        The bids are those after our own sale. Residual that exceeds them is worth nothing. A residual of zero or below is
        valued at the best bid. Without bids the planned value `m0` holds.
        """
        plan = pair.plan
        bids = self.state.books.levels(plan.sell_venue, plan.symbol, Side.SELL)
        if not bids:
            return plan.mark
        keep = 1 - plan.sell_fee
        if residual <= 0:
            return bids[0][0] * keep
        unsold, value = residual, ZERO
        for price, size in bids:
            taken = min(unsold, size)
            value += taken * price
            unsold -= taken
            if not unsold:
                break
        return (value * keep / residual).quantize(Decimal("1e-18"))

    def _waterfall(self, pair: PairTrade, mark: Decimal) -> Waterfall:
        return waterfall(
            pair.plan,
            self._traded(Side.BUY, pair.entries(Side.BUY)),
            self._traded(Side.SELL, pair.entries(Side.SELL)),
            [self._traded(order.side, [order]) for order in pair.repairs()],
            mark,
            inherited=pair.inherited,
            handed=pair.handed_size,
            handed_value=pair.handed_value,
        )

    def _traded(self, side: Side, orders: Iterable[WorkingOrder]) -> Traded:
        orders = tuple(orders)
        in_quote = in_base = in_other = ZERO
        for order in orders:
            base, quote = Symbol.of(order.symbol).base_and_quote
            for key, fill in order.fills.items():
                if fill.fee_currency == quote:
                    in_quote += fill.fee
                elif fill.fee_currency == base:
                    in_base += fill.fee
                else:
                    in_other += order.fee_values[key]
        return Traded(
            side=side,
            size=sum((order.filled for order in orders), ZERO),
            quote=sum((order.notional for order in orders), ZERO),
            fee_quote=in_quote,
            fee_base=in_base,
            fee_other=in_other,
        )

    def _book_result(self, pair: PairTrade, net_e8: int, now_ns: int) -> None:
        state, control = self.state, self.state.control
        reason = control.book_result(net_e8, now_ns, None if pair.booked is None else pair.booked.realised_net_e8)
        pair.unfilled = pair.unfilled_notional()
        control.give_back(pair.unfilled, pair.decided_ns, now_ns)
        self._count_end(state, pair, now_ns)
        state.out.persist(control.record(now_ns, f"pair {pair.id} closed"))
        if reason is not None:
            day_net = plain(Decimal(control.day_net_e8).scaleb(-8))
            text = f"{control.losses_in_a_row} losses in a row, {day_net} net today"
            state.halt(reason, text, now_ns, pair.id)

    def _trade_dust_if_worth(self, symbol: str, now_ns: int) -> None:
        """Trade the dust of a symbol away once it is worth `dust_max_quote`: each such order costs a fee and rate budget.

        The order leaves at the next `QueueDrained`, as a repair.
        """
        state, dust = self.state, self.state.residuals.dust(symbol)
        if abs(dust.booked) >= state.limits_at(symbol).dust_max_quote:
            self._trade_dust(symbol, now_ns)

    def _trade_excess_dust(self, now_ns: int) -> None:
        """Trade dust away, the most valuable first, until the sum is within `dust_total_max_quote`, or no order is legal.

        Orders under way count as traded; a pair that closes later tries the rest.
        """
        excess, symbols = self.state.residuals.excess_dust()
        for symbol in symbols:
            if excess <= 0 or len(self.orders.open) >= self.state.limits.max_open_pairs:
                return
            value = abs(self.state.residuals.dust(symbol).booked)
            if self._trade_dust(symbol, now_ns):
                excess -= value

    def _trade_dust(self, symbol: str, now_ns: int) -> bool:
        """Propose to trade the dust of a symbol away, unless nothing opens at all; return whether a pair was opened for it."""
        block = self.state.block(symbol, self.state.venues_of(symbol), now_ns)
        if block is not None and block.source.reason is Reason.HALTED:
            return False
        return self._take(ResidualExit(symbol, dust=True), now_ns).trade_id is not None
