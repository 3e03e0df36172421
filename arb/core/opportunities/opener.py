"""Opening a pair: one batch of rows and two orders, journalled together before either leaves."""

from decimal import Decimal

from arb.core.opportunities.episodes import Route
from arb.core.orders.manager import Desk
from arb.core.pairs.pair import PairTrade
from arb.core.pricing.plan import PlanView
from arb.core.pricing.terms import PairTerms
from arb.core.records import PairKind, PlanRecord, Pooled
from arb.core.state import House
from arb.market.instrument import FeeIn
from arb.market.order import Role, Side
from arb.market.symbol import Symbol

ZERO = Decimal(0)


def open_pair(
    house: House, desk: Desk, route: Route, plan: PlanView, terms: PairTerms, opportunity_id: int, now_ns: int
) -> PairTrade:
    """Reserve, write down and send both legs of an arbitrage pair."""
    symbol, buy_venue, sell_venue = route
    base, quote = Symbol.of(symbol).base_and_quote
    number = house.next_number("pairs")
    house.control.opened(plan.paid, now_ns)
    record = PlanRecord(
        pair_id=house.pair_id(number),
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
        buy_frame_ns=house.books.received_ns(buy_venue, symbol),
        sell_frame_ns=house.books.received_ns(sell_venue, symbol),
        day_notional=house.control.day_notional,
    )
    pair = PairTrade(PairKind.ARB, record, number, house.run_id, opportunity_id, now_ns)
    house.inventory.reserve(pair.id, {(buy_venue, quote): plan.hold, (sell_venue, base): plan.sell_size})
    house.tally.opened += 1
    desk.add(pair)
    house.out.persist(record, pair.record(base))
    legs = [
        (buy_venue, Role.ENTRY, Side.BUY, plan.buy_limit, plan.buy_size),
        (sell_venue, Role.ENTRY, Side.SELL, plan.sell_limit, plan.sell_size),
    ]
    desk.send(pair, legs, now_ns)
    return pair


def open_remainder(
    house: House, desk: Desk, kind: PairKind, symbol: str, venue: str, left: Pooled, now_ns: int
) -> PairTrade:
    """Open a pair that only brings base left over earlier back to flat, taken over at the value it was booked at."""
    size, mark = left.size, (left.booked / left.size).quantize(Decimal("1e-18"))
    base, quote = Symbol.of(symbol).base_and_quote
    number = house.next_number("pairs")
    instrument = house.instruments[venue, symbol]
    record = PlanRecord(
        pair_id=house.pair_id(number),
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
    pair = PairTrade(kind, record, number, house.run_id, None, now_ns)
    house.inventory.reserve(pair.id, {(venue, quote): record.hold_quote, (venue, base): record.hold_base})
    house.tally.opened += 1
    desk.add(pair)
    house.out.persist(record, pair.record(base))
    return pair
