"""Opening pairs, and sending the orders that repair them."""

from collections.abc import Iterable
from functools import partial

from msgspec.structs import replace

from arb.core.fees.fees import fee_holds
from arb.core.messages.commands import PlaceOrder
from arb.core.messages.intents import IntendedOrder, Intent
from arb.core.messages.legs import Leg, Trade
from arb.core.messages.records import PairKind
from arb.core.pricing.plan import Plan
from arb.core.state.order import WorkingOrder
from arb.core.trades.intents import working_order
from arb.core.trades.table import TradeTable
from arb.core.trades.trade import PairTrade
from arb.market.ids import MAX_ATTEMPT, ClientOrderId, entry_names
from arb.market.order import Role
from arb.market.route import Route
from arb.market.symbol import Symbol


class TradeManager(TradeTable):
    """Opens and repairs pairs. Only the orders and their reservations are made before the send; the rows follow."""

    def open_pair(self, route: Route, plan: Plan, opportunity_id: int | None, now_ns: int) -> int:
        """Reserve for an arbitrage pair and send both its legs; return its id.

        `Outbox.write_rows` enters the pair in the table and its rows among the commands, once the orders have left. Before
        that only the orders and their intent are computed. `opportunity_id`: the row it is traded on, if any.
        """
        state, terms = self.state, plan.terms
        trade = Trade(plan.legs(route), state.flat_now)
        buy, sell = trade.legs
        base, quote = Symbol.of(buy.symbol).base_and_quote
        hold = plan.amount(plan.hold)
        number = state.next_number("pairs")
        pair_id = state.pair_id(number)
        state.control.opened(plan.amount(plan.paid), now_ns)
        holds = {(buy.venue, quote): hold, (sell.venue, base): sell.size}
        fees = fee_holds(state, route, plan)
        if fees:
            holds |= {(held.venue, held.asset): held.amount for held in fees}
        state.inventory.reserve(pair_id, holds)
        names = entry_names(state.nonce, number)
        intent = Intent(
            seq=state.out.cause,
            t_ns=now_ns,
            run_id=state.run_id,
            pair_id=pair_id,
            number=number,
            opportunity_id=opportunity_id,
            buy_fee=terms.buy.taker_fee,
            sell_fee=terms.sell.taker_fee,
            buy_fee_in=terms.buy.buy_fee_in,
            hold_quote=hold,
            hold_base=sell.size,
            day_notional=state.control.day_notional,
            orders=(self._intended(names[0], buy, now_ns), self._intended(names[1], sell, now_ns)),
            fee_holds=fees,
        )
        state.out.open(intent, partial(self._enter, intent, trade, route, plan))
        return pair_id

    def _enter(self, intent: Intent, trade: Trade, route: Route, plan: Plan) -> None:
        state, now_ns = self.state, intent.t_ns
        record = replace(
            plan.record(intent.pair_id, route),
            buy_frame_ns=state.books.received_ns(*route.buy),
            sell_frame_ns=state.books.received_ns(*route.sell),
            day_notional=intent.day_notional,
            leg_cost_bps=state.leg_cost_bps,
            limits=state.limits.applied(route.group, route.venues),
            fee_holds=intent.fee_holds,
            refill=state.trapped.lines(route),
        )
        if state.bands.skews:
            min_edge_bps = state.limits_on(route).min_edge_bps
            skew = state.bands.skew(route, min_edge_bps)
            record = replace(record, skew=skew.parts, skew_bps=skew.bps, min_edge_bps=min_edge_bps)
        pair = PairTrade(PairKind.ARB, record, intent.number, state.run_id, intent.opportunity_id, now_ns, trade)
        pair.identity = state.identities.mark(route)
        state.tally.opened += 1
        self.add(pair)
        state.out.persist(record, pair.record(Symbol.of(route.group).base))
        self._sent(pair, [working_order(order, pair.id, now_ns) for order in intent.orders], intent.places)

    def send(self, pair: PairTrade, leg: Leg, now_ns: int) -> None:
        """Send the next order of a pair: any but an entry."""
        state, attempt = self.state, pair.next_attempt(leg.role)
        name = self._name(pair.number, leg.role, attempt)
        if attempt > MAX_ATTEMPT and name in self.orders:
            pair.number = state.next_number("pairs")  # the names under the old one are used up
            name = self._name(pair.number, leg.role, attempt)
        place = self.place(name, leg, now_ns)
        at = state.venues[leg.venue]
        order = WorkingOrder(state.next_id("orders"), pair.id, at.account_id, place, attempt, now_ns, at.offset_ns)
        self._sent(pair, [order], [place])

    def _sent(self, pair: PairTrade, orders: Iterable[WorkingOrder], places: Iterable[PlaceOrder]) -> None:
        pair.orders.update((order.client_order_id, order) for order in orders)
        self.follow(orders, places)

    def _intended(self, name: str, leg: Leg, now_ns: int) -> IntendedOrder:
        state, at = self.state, self.state.venues[leg.venue]
        place = self.place(name, leg, now_ns)
        return IntendedOrder(id=state.next_id("orders"), account_id=at.account_id, offset_ns=at.offset_ns, place=place)

    def _name(self, number: int, role: Role, attempt: int) -> str:
        return ClientOrderId(self.state.nonce, number, str(role), attempt % (MAX_ATTEMPT + 1)).encode()
