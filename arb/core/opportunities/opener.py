"""Opening a pair: one batch of rows and two orders, journalled together before either leaves."""

from decimal import Decimal

from arb.core.opportunities.episodes import Route
from arb.core.orders.manager import OrderManager
from arb.core.pairs.pair import PairTrade
from arb.core.pricing.plan import PlanView
from arb.core.pricing.terms import PairTerms
from arb.core.records import PairKind, PlanRecord, Residual
from arb.core.state import EngineState
from arb.market.instrument import FeeIn
from arb.market.numbers import ZERO
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
        (buy_venue, Role.ENTRY, Side.BUY, plan.buy_limit, plan.buy_size),
        (sell_venue, Role.ENTRY, Side.SELL, plan.sell_limit, plan.sell_size),
    ]
    manager.send(pair, legs, now_ns)
    return pair


def open_residual_pair(
    state: EngineState, manager: OrderManager, kind: PairKind, symbol: str, venue: str, left: Residual, now_ns: int
) -> PairTrade:
    """Open a pair that only brings base left over earlier back to flat, taken over at the value it was booked at."""
    size, mark = left.size, (left.booked / left.size).quantize(Decimal("1e-18"))
    base, quote = Symbol.of(symbol).base_and_quote
    number = state.next_number("pairs")
    instrument = state.instruments[venue, symbol]
    record = PlanRecord(
        pair_id=state.pair_id(number),
        symbol=symbol,
        buy_venue=venue,
        sell_venue=venue,
        buy_size=ZERO,
        sell_size=ZERO,
        buy_limit=ZERO,
        sell_limit=ZERO,
        buy_vwap=ZERO,
        sell_vwap=ZERO,
        residual=size,
        residual_value=left.booked,
        net=ZERO,
        mark=mark,
        buy_fee=instrument.taker_fee or ZERO,
        sell_fee=instrument.taker_fee or ZERO,
        buy_fee_in=FeeIn(instrument.buy_fee_in),
        hold_quote=max(ZERO, -size * mark),
        hold_base=max(ZERO, size),
    )
    pair = PairTrade(kind, record, number, state.run_id, None, now_ns)
    state.inventory.reserve(pair.id, {(venue, quote): record.hold_quote, (venue, base): record.hold_base})
    state.tally.opened += 1
    manager.add(pair)
    state.out.persist(record, pair.record(base))
    return pair
