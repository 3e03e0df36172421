"""Opening a pair: one batch of rows and two orders, journalled together before either leaves."""

from arb.core.opportunities.episodes import Route
from arb.core.orders.manager import OrderManager
from arb.core.orders.sending import Wanted
from arb.core.pairs.pair import PairTrade
from arb.core.pricing.plan import PlanView
from arb.core.pricing.terms import PairTerms
from arb.core.records import PairKind, PlanRecord
from arb.core.state import EngineState
from arb.market.order import Role, Side
from arb.market.symbol import Symbol


def open_pair(
    state: EngineState,
    manager: OrderManager,
    route: Route,
    plan: PlanView,
    terms: PairTerms,
    opportunity_id: int | None,
    now_ns: int,
) -> PairTrade:
    """Reserve, write down and send both legs of an arbitrage pair; `opportunity_id`: the row it is traded on, if any."""
    symbol, buy_venue, sell_venue = route
    base, quote = Symbol.of(symbol).base_and_quote
    number = state.next_number("pairs")
    state.control.opened(plan.paid, now_ns)
    record = PlanRecord(
        pair_id=state.pair_id(number),
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
        buy_fee=terms.buy.taker_fee,
        sell_fee=terms.sell.taker_fee,
        buy_fee_in=terms.buy.buy_fee_in,
        hold_quote=plan.hold,
        hold_base=plan.sell_size,
        buy_frame_ns=state.books.received_ns(buy_venue, symbol),
        sell_frame_ns=state.books.received_ns(sell_venue, symbol),
        day_notional=state.control.day_notional,
    )
    pair = PairTrade(PairKind.ARB, record, number, state.run_id, opportunity_id, now_ns)
    state.inventory.reserve(pair.id, {(buy_venue, quote): plan.hold, (sell_venue, base): plan.sell_size})
    state.tally.opened += 1
    manager.add(pair)
    state.out.persist(record, pair.record(base))
    legs = [
        Wanted(buy_venue, Role.ENTRY, Side.BUY, plan.buy_limit, plan.buy_size),
        Wanted(sell_venue, Role.ENTRY, Side.SELL, plan.sell_limit, plan.sell_size),
    ]
    manager.send(pair, legs, now_ns)
    return pair
