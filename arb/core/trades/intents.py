"""The pair that a restart rebuilds from an intent whose rows are missing in the journal.

Its orders may have been sent, and have no answer: they are unknown, and are queried. The opportunity and the planned result
are unknown too. The plan assumes full fills at the limits, as for orders that only a venue still knows
(`core/accounts/recovery.py`).
"""

from collections.abc import Iterable, Iterator
from decimal import Decimal, localcontext

from arb.core.messages.commands import AnyCommand, AnyRecord, Persist
from arb.core.messages.intents import IntendedOrder, Intent
from arb.core.messages.legs import FlatNow, Leg, Trade
from arb.core.messages.records import PairKind
from arb.core.messages.recovery_records import FeeHold, PlanRecord
from arb.core.state.order import WorkingOrder
from arb.core.trades.trade import PairTrade
from arb.market.instrument import FeeIn
from arb.market.numbers import DECIMALS, ZERO
from arb.market.symbol import Symbol


def paid_at_limit(buy: Leg, fee: Decimal, fee_in: FeeIn) -> Decimal:
    """Return the quote paid for a full fill of a leg at its limit, with a fee of the rate `fee` charged in `fee_in`."""
    return buy.size * buy.limit * (1 if fee_in is FeeIn.BASE else 1 + fee)


def plan_at_limits(
    pair_id: int,
    buy: Leg,
    sell: Leg,
    *,
    buy_fee: Decimal,
    sell_fee: Decimal,
    buy_fee_in: FeeIn,
    hold_quote: Decimal = ZERO,
    hold_base: Decimal = ZERO,
    day_notional: Decimal = ZERO,
    fee_holds: tuple[FeeHold, ...] = (),
) -> PlanRecord:
    """Return the plan of a pair known only by its orders: full fills of its legs, at their limits."""
    received = buy.size * (1 - buy_fee) if buy_fee_in is FeeIn.BASE else buy.size
    residual, mark = received - sell.size, sell.limit * (1 - sell_fee)
    return PlanRecord(
        pair_id=pair_id,
        symbol=buy.symbol,
        buy_venue=buy.venue,
        sell_venue=sell.venue,
        buy_size=buy.size,
        sell_size=sell.size,
        buy_limit=buy.limit,
        sell_limit=sell.limit,
        buy_vwap=buy.limit,
        sell_vwap=sell.limit,
        # The plan's own residual is unknown; full fills of its orders leave this one.
        residual=residual,
        residual_value=residual * mark,
        net=(1 - sell_fee) * sell.size * sell.limit + residual * mark - paid_at_limit(buy, buy_fee, buy_fee_in),
        mark=mark,
        buy_fee=buy_fee,
        sell_fee=sell_fee,
        buy_fee_in=buy_fee_in,
        hold_quote=hold_quote,
        hold_base=hold_base,
        day_notional=day_notional,
        fee_holds=fee_holds,
    )


def commands_of(intents: Iterable[Intent]) -> tuple[AnyCommand, ...]:
    """Return the commands of a step that survives only as its intents: the rows of its pairs, and their orders."""
    with localcontext(DECIMALS):
        return tuple(command for intent in intents for command in _commands(intent))


def _commands(intent: Intent) -> Iterator[AnyCommand]:
    for record in _rows(intent):
        yield Persist(cause=intent.seq, record=record)
    yield from intent.places


def _rows(intent: Intent) -> Iterator[AnyRecord]:
    buy, sell = (Leg(order.venue, order.symbol, order.side, order.size, order.price) for order in intent.places)
    plan = plan_at_limits(
        intent.pair_id,
        buy,
        sell,
        buy_fee=intent.buy_fee,
        sell_fee=intent.sell_fee,
        buy_fee_in=intent.buy_fee_in,
        hold_quote=intent.hold_quote,
        hold_base=intent.hold_base,
        day_notional=intent.day_notional,
        fee_holds=intent.fee_holds,
    )
    yield plan
    trade = Trade((), FlatNow(0))  # for its rows only: the engine that restores the pair has its own deadline
    pair = PairTrade(PairKind.ARB, plan, intent.number, intent.run_id, None, intent.t_ns, trade)
    yield pair.record(Symbol.of(buy.symbol).base)
    for order in intent.orders:
        yield working_order(order, intent.pair_id, intent.t_ns).record()


def working_order(order: IntendedOrder, pair_id: int, now_ns: int) -> WorkingOrder:
    """Return an intent's order as it is before any report on it."""
    return WorkingOrder(order.id, pair_id, order.account_id, order.place, 0, now_ns, order.offset_ns)
