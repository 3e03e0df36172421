"""The pair that a restart rebuilds from an intent whose rows are missing in the journal.

Its orders may have been sent, and have no answer: they are unknown, and are queried. The opportunity and the planned result
are unknown too. The plan assumes full fills at the limits, as for orders that only a venue still knows
(`core/accounts/recovery.py`).
"""

from collections.abc import Iterable, Iterator
from decimal import Decimal, localcontext
from typing import NamedTuple

from arb.core.messages.commands import AnyCommand, AnyRecord, Persist
from arb.core.messages.intents import IntendedOrder, Intent
from arb.core.messages.records import PairKind
from arb.core.messages.recovery_records import FeeHold, PlanRecord
from arb.core.state.order import WorkingOrder
from arb.core.trades.trade import PairTrade
from arb.market.instrument import FeeIn
from arb.market.numbers import DECIMALS, ZERO
from arb.market.symbol import Symbol


class LimitLeg(NamedTuple):
    """A leg as its order states it: `size` in base, `price` in quote per base, `fee` the expected rate."""

    venue: str
    size: Decimal
    price: Decimal
    fee: Decimal

    def paid(self, fee_in: FeeIn) -> Decimal:
        """Return the quote paid for a full fill at the limit, with the fee charged in `fee_in`."""
        return self.size * self.price * (1 if fee_in is FeeIn.BASE else 1 + self.fee)


def plan_at_limits(
    pair_id: int,
    symbol: str,
    buy: LimitLeg,
    sell: LimitLeg,
    buy_fee_in: FeeIn,
    *,
    hold_quote: Decimal = ZERO,
    hold_base: Decimal = ZERO,
    day_notional: Decimal = ZERO,
    fee_holds: tuple[FeeHold, ...] = (),
) -> PlanRecord:
    """Return the plan of a pair known only by its orders: full fills of its legs, at their limits."""
    received = buy.size * (1 - buy.fee) if buy_fee_in is FeeIn.BASE else buy.size
    residual, mark = received - sell.size, sell.price * (1 - sell.fee)
    return PlanRecord(
        pair_id=pair_id,
        symbol=symbol,
        buy_venue=buy.venue,
        sell_venue=sell.venue,
        buy_size=buy.size,
        sell_size=sell.size,
        buy_limit=buy.price,
        sell_limit=sell.price,
        buy_vwap=buy.price,
        sell_vwap=sell.price,
        # The plan's own residual is unknown; full fills of its orders leave this one.
        residual=residual,
        residual_value=residual * mark,
        net=(1 - sell.fee) * sell.size * sell.price + residual * mark - buy.paid(buy_fee_in),
        mark=mark,
        buy_fee=buy.fee,
        sell_fee=sell.fee,
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
    buy, sell = intent.places
    plan = plan_at_limits(
        intent.pair_id,
        buy.symbol,
        LimitLeg(buy.venue, buy.size, buy.price, intent.buy_fee),
        LimitLeg(sell.venue, sell.size, sell.price, intent.sell_fee),
        intent.buy_fee_in,
        hold_quote=intent.hold_quote,
        hold_base=intent.hold_base,
        day_notional=intent.day_notional,
        fee_holds=intent.fee_holds,
    )
    yield plan
    pair = PairTrade(PairKind.ARB, plan, intent.number, intent.run_id, None, intent.t_ns)
    yield pair.record(Symbol.of(buy.symbol).base)
    for order in intent.orders:
        yield working_order(order, intent.pair_id, intent.t_ns).record()


def working_order(order: IntendedOrder, pair_id: int, now_ns: int) -> WorkingOrder:
    """Return an intent's order as it is before any report on it."""
    return WorkingOrder(order.id, pair_id, order.account_id, order.place, 0, now_ns, order.offset_ns)
