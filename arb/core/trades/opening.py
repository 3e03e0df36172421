"""Opening pairs, and sending the orders that repair them."""

from collections.abc import Iterable
from decimal import Decimal
from functools import partial

from msgspec.structs import replace

from arb.clock import NS_PER_MS
from arb.core.fees.fees import fee_holds
from arb.core.messages.commands import PlaceOrder
from arb.core.messages.intents import IntendedOrder, Intent
from arb.core.messages.records import PairKind
from arb.core.messages.recovery_records import PlanRecord
from arb.core.orders.sending import Wanted
from arb.core.pricing.plan import Plan
from arb.core.state.order import WorkingOrder
from arb.core.trades.intents import working_order
from arb.core.trades.table import TradeTable
from arb.core.trades.trade import PairTrade
from arb.market.ids import MAX_ATTEMPT, ClientOrderId, entry_names
from arb.market.numbers import exact
from arb.market.order import Role, Side, TimeInForce
from arb.market.route import Route
from arb.market.symbol import Symbol


class TradeManager(TradeTable):
    """Opens and repairs pairs. Only the orders and their reservations are made before the send; the rows follow."""

    def open_pair(self, route: Route, plan: Plan, opportunity_id: int | None, now_ns: int) -> int:
        """Reserve for an arbitrage pair and send both its legs; return its id.

        `Outbox.write_rows` enters the pair in the table and its rows among the commands, once the orders have left. Before
        that only the orders and their intent are computed. `opportunity_id`: the row
        it is traded on, if any.
        """
        state, symbol, (buy_venue, sell_venue), terms = self.state, route.group, route.venues, plan.terms
        base, quote = Symbol.of(symbol).base_and_quote
        price_exp, size_exp, amount_exp = terms.scale.price_exp, terms.scale.size_exp, terms.amount_exp
        buy_size, sell_size = exact(plan.buy_size, size_exp), exact(plan.sell_size, size_exp)
        hold = exact(plan.hold, amount_exp)
        number = state.next_number("pairs")
        pair_id = state.pair_id(number)
        state.control.opened(exact(plan.paid, amount_exp), now_ns)
        holds = {(buy_venue, quote): hold, (sell_venue, base): sell_size}
        fees = fee_holds(state, route, plan)
        if fees:
            holds |= {(held.venue, held.asset): held.amount for held in fees}
        state.inventory.reserve(pair_id, holds)
        names = entry_names(state.nonce, number)
        buy = self._entry(symbol, names[0], buy_venue, Side.BUY, exact(plan.buy_limit, price_exp), buy_size, now_ns)
        sell = self._entry(
            symbol, names[1], sell_venue, Side.SELL, exact(plan.sell_limit, price_exp), sell_size, now_ns
        )
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
            hold_base=sell_size,
            day_notional=state.control.day_notional,
            orders=(buy, sell),
            fee_holds=fees,
        )
        state.out.open(intent, partial(self._enter, intent, route, plan))
        return pair_id

    def _enter(self, intent: Intent, route: Route, decided: Plan) -> None:
        state, now_ns, symbol, (buy_venue, sell_venue) = self.state, intent.t_ns, route.group, route.venues
        plan = decided.view()
        record = PlanRecord(
            pair_id=intent.pair_id,
            symbol=symbol,
            buy_venue=buy_venue,
            sell_venue=sell_venue,
            buy_size=plan.buy_size,
            sell_size=plan.sell_size,
            buy_limit=plan.buy_limit,
            sell_limit=plan.sell_limit,
            buy_vwap=plan.buy_vwap,
            sell_vwap=plan.sell_vwap,
            residual=plan.residual,
            residual_value=plan.residual_value,
            net=plan.net,
            mark=plan.mark,
            buy_fee=intent.buy_fee,
            sell_fee=intent.sell_fee,
            buy_fee_in=intent.buy_fee_in,
            hold_quote=intent.hold_quote,
            hold_base=intent.hold_base,
            buy_frame_ns=state.books.received_ns(buy_venue, symbol),
            sell_frame_ns=state.books.received_ns(sell_venue, symbol),
            day_notional=intent.day_notional,
            leg_cost_bps=state.leg_cost_bps,
            limits=state.limits.applied(symbol, (buy_venue, sell_venue)),
            fee_holds=intent.fee_holds,
            refill=state.trapped.lines(route),
        )
        if state.bands.skews:
            min_edge_bps = state.limits_on(route).min_edge_bps
            skew = state.bands.skew(route, min_edge_bps)
            record = replace(record, skew=skew.parts, skew_bps=skew.bps, min_edge_bps=min_edge_bps)
        pair = PairTrade(PairKind.ARB, record, intent.number, state.run_id, intent.opportunity_id, now_ns)
        pair.identity = state.identities.mark(route)
        state.tally.opened += 1
        self.add(pair)
        state.out.persist(record, pair.record(Symbol.of(symbol).base))
        self._sent(pair, [working_order(order, pair.id, now_ns) for order in intent.orders], intent.places)

    def send(self, pair: PairTrade, wanted: Iterable[Wanted], now_ns: int) -> None:
        state, places, orders = self.state, list[PlaceOrder](), list[WorkingOrder]()
        for one in wanted:
            attempt = pair.next_attempt(one.role)
            name = self._name(pair.number, one, attempt)
            if attempt > MAX_ATTEMPT and name in self.orders:
                pair.number = state.next_number("pairs")  # the names under the old one are used up
                name = self._name(pair.number, one, attempt)
            lives_ms = state.timing.order_expiry_ms if one.lives_ms is None else one.lives_ms
            expires_ns = now_ns + lives_ms * NS_PER_MS
            place = self.place(
                pair.plan.symbol, name, one.venue, one.role, one.side, one.price, one.size, one.tif, expires_ns
            )
            at = state.venues[one.venue]
            row_id = state.next_id("orders")
            order = WorkingOrder(row_id, pair.id, at.account_id, place, attempt, now_ns, at.offset_ns)
            pair.orders[name] = order
            places.append(place)
            orders.append(order)
        self._sent(pair, orders, places)

    def _sent(self, pair: PairTrade, orders: Iterable[WorkingOrder], places: Iterable[PlaceOrder]) -> None:
        pair.orders.update((order.client_order_id, order) for order in orders)
        self.follow(orders, places)

    def _entry(
        self, symbol: str, name: str, venue: str, side: Side, price: Decimal, size: Decimal, now_ns: int
    ) -> IntendedOrder:
        state, at = self.state, self.state.venues[venue]
        expires_ns = now_ns + state.timing.order_expiry_ms * NS_PER_MS
        place = self.place(symbol, name, venue, Role.ENTRY, side, price, size, TimeInForce.IOC, expires_ns)
        return IntendedOrder(id=state.next_id("orders"), account_id=at.account_id, offset_ns=at.offset_ns, place=place)

    def _name(self, number: int, wanted: Wanted, attempt: int) -> str:
        leg = wanted.side if wanted.role is Role.ENTRY else wanted.role
        return ClientOrderId(self.state.nonce, number, str(leg), attempt % (MAX_ATTEMPT + 1)).encode()
