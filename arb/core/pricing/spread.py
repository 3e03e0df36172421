"""From two sides of books and the terms of two venues to the best plan, exactly, as `arb/core/pricing/__init__.py` defines it.

`evaluate` answers with the feasible sell size of the greatest net over *every* lot multiple (ties: the smaller), or with the
first reason why there is none. `sizes.py` holds the argument why no size is missed. The caller judges everything but
economics: whether the books are live, crossed or skewed, and whether the fees are known.

Before our own funds count, the edge of the smallest legal size must not exceed `max_edge_bps`. Above it, the quotes are not
one coin at two prices, and no size is right. It never shapes a size.

A constraint *fails* when no size is left that passes it and all constraints before it in the order of `Reason`.

Most edges need no separate search. The best size of all (`episode`) is the best of every set of sizes that contains it. So
where our funds cover it there is no other plan. And no size has a greater edge than the best quotes have: the n-th unit costs
no less and brings no more than the first.
"""

from collections.abc import Callable
from decimal import Decimal
from enum import Enum, auto
from fractions import Fraction
from typing import NamedTuple

from arb.core.messages.reasons import Reason
from arb.core.pricing.depth import Depth
from arb.core.pricing.plan import Plan, Refusal
from arb.core.pricing.sizes import Sizes
from arb.core.pricing.terms import UNLIMITED, Funds, PairTerms, above, below
from arb.market.instrument import FeeIn
from arb.market.numbers import ZERO, floor_scaled


def evaluate(
    terms: PairTerms,
    asks: Depth,
    bids: Depth,
    funds: Funds = UNLIMITED,
    required_bps: Decimal = ZERO,
    best: Plan | None = None,
) -> Plan | Refusal:
    """Return the best plan of buying from `asks` and selling into `bids`, or why there is none.

    `required_bps` >= 0: the least edge of a plan. `best`: the answer of `episode` for the same terms and sides, where it is
    known.
    """
    best = best or episode(terms, asks, bids)
    answer = None if best is None else answer_of(best, asks.prices[0], bids.prices[0], funds, required_bps)
    return _search(terms, asks, bids, funds, required_bps) if answer is None else answer


def answer_of(best: Plan, best_ask: int, best_bid: int, funds: Funds, required_bps: Decimal) -> Plan | Refusal | None:
    """Return the answer of `evaluate` where `best`, the answer of `episode`, and the best quotes show it; None: search."""
    terms = best.terms
    if _may_be_implausible(terms, best_ask, best_bid) or not _covered(best, funds, best_bid):
        return None
    if best.net < terms.min_net:
        return Refusal(Reason.NET_BELOW_MINIMUM, best.net, terms.amount_exp)
    least = required_bps.as_integer_ratio()
    if not below(least, best.net, best.paid):
        return best
    ask = best_ask * terms.ask_weight
    if below(least, best_bid * terms.bid_weight - ask, ask):
        return Refusal(Reason.EDGE_BELOW_THRESHOLD, best.net, terms.amount_exp)
    return None


def episode(terms: PairTerms, asks: Depth, bids: Depth) -> Plan | None:
    """Return the plan of the greatest net, ignoring thresholds and balances, if that net is above 0: an episode is open."""
    if not asks.total or not bids.total or not terms.crosses(asks.prices[0], bids.prices[0]):
        return None
    sizes = _legal(terms, asks, bids)
    sizes.limit_residual()
    sizes.limit_max_notional()
    found = sizes.best()
    plan = None if found is None else _plan(sizes, *found)
    return plan if plan is not None and plan.net > 0 else None


def least_edge(terms: PairTerms, asks: Depth, bids: Depth) -> Fraction | None:
    """Return `net / paid` of the smallest size that depth and the venues' rules allow, None when there is none."""
    if not asks.total or not bids.total:
        return None
    least = _legal(terms, asks, bids).least()
    return None if least is None else Fraction(*least)


def residual_mark(terms: PairTerms, bids: Depth, taken: int, residual: int) -> int:
    """Return `m` on `10**(price_exp + fee_exp)`, rounded down: the quote value of one base of residual at the sell venue.

    `residual` (on `size_exp + fee_exp`) is walked down the bids after `taken` (on `size_exp`) has been sold, less the taker
    fee. A residual of 0, or missing base, is marked at the next bid; 0 when no bid is left.
    """
    if residual <= 0:
        return (bids.price_after(taken) or 0) * terms.sell_keep
    one = terms.fee_one
    walked = bids.fine_amount(taken * one + residual, one) - one * bids.amount(min(taken, bids.total))
    return terms.sell_keep * walked // residual


def _legal(terms: PairTerms, asks: Depth, bids: Depth) -> Sizes:
    """Return the sizes that the books and the venues' own rules allow. Neither side may be empty."""
    sizes = Sizes(terms, asks, bids)
    sizes.limit_size()
    sizes.limit_min_notional()
    sizes.limit_band()
    return sizes


def _may_be_implausible(terms: PairTerms, best_ask: int, best_bid: int) -> bool:
    """Return whether the best quotes by themselves have more than `max_edge_bps`: else no size has."""
    ask = best_ask * terms.ask_weight
    return terms.max_edge is not None and above(terms.max_edge, best_bid * terms.bid_weight - ask, ask)


def _covered(plan: Plan, funds: Funds, best_bid: int) -> bool:
    terms = plan.terms
    if funds.base is not None and plan.sell_size > floor_scaled(funds.base, terms.scale.size_exp):
        return False
    if funds.quote is not None and plan.hold > floor_scaled(funds.quote, terms.amount_exp):
        return False
    if funds.buy_fee_funds is None and funds.sell_fee_funds is None:
        return True
    one, exp = terms.fee_one, terms.scale.notional_exp + terms.fee_exp
    if funds.buy_fee_funds is not None and terms.buy.buy_fee_in is FeeIn.OTHER and terms.buy_fee > 0:
        locked = plan.hold // (one * one)  # without a fee, which is in the other asset
        if 2 * terms.buy_fee * locked > floor_scaled(funds.buy_fee_funds, exp):
            return False
    if funds.sell_fee_funds is not None and terms.sell.buy_fee_in is FeeIn.OTHER and terms.sell_fee > 0:
        dearest = 2 * terms.sell_fee * terms.unwind_cap(best_bid)
        if dearest * plan.sell_size > floor_scaled(funds.sell_fee_funds, exp):
            return False
    return True


def _search(terms: PairTerms, asks: Depth, bids: Depth, funds: Funds, required_bps: Decimal) -> Plan | Refusal:
    if not asks.total or not bids.total:
        return _refuse(terms, Reason.NO_DEPTH, None)
    sizes = _legal(terms, asks, bids)
    if sizes.exceeds_edge():
        found = sizes.best()
        return _refuse(terms, Reason.EDGE_IMPLAUSIBLE, None if found is None else sizes.net(found[0]))
    sizes.limit_residual()
    sizes.limit_funds(funds)
    sizes.limit_max_notional()
    found = sizes.best()
    if found is None:
        return _first_failure(terms, asks, bids, funds)
    best_net = sizes.net(found[0])
    if not _earns(terms, best_net):
        return _refuse(terms, Reason.NET_BELOW_MINIMUM, best_net)
    least = required_bps.as_integer_ratio()
    if below(least, best_net, sizes.paid(found[0])):
        sizes.limit_edge(least)
        found = sizes.best()
        if found is None or not _earns(terms, sizes.net(found[0])):
            return _refuse(terms, Reason.EDGE_BELOW_THRESHOLD, best_net)
    return _plan(sizes, *found)


_CONSTRAINTS: tuple[tuple[Reason, Callable[[Sizes, Funds], None]], ...] = (
    (Reason.NO_DEPTH, lambda sizes, funds: None),  # which counts from the start
    (Reason.BELOW_MIN_SIZE, lambda sizes, funds: sizes.limit_size()),
    (Reason.BELOW_MIN_NOTIONAL, lambda sizes, funds: sizes.limit_min_notional()),
    (Reason.PRICE_BAND, lambda sizes, funds: sizes.limit_band()),
    (Reason.RESIDUAL_TOO_LARGE, lambda sizes, funds: sizes.limit_residual()),
    (Reason.INSUFFICIENT_BALANCE, lambda sizes, funds: sizes.limit_funds(funds)),
    (Reason.MAX_NOTIONAL, lambda sizes, funds: sizes.limit_max_notional()),
)


def _first_failure(terms: PairTerms, asks: Depth, bids: Depth, funds: Funds) -> Refusal:
    """Add the constraints one by one until no size is left; called only when all of them together leave none."""
    sizes = Sizes(terms, asks, bids)
    best_net: int | None = None
    for reason, limit in _CONSTRAINTS:
        limit(sizes, funds)
        found = sizes.best()
        if found is None:
            return _refuse(terms, reason, best_net)
        best_net = sizes.net(found[0])
    return _refuse(terms, Reason.NET_BELOW_MINIMUM, best_net)


def _refuse(terms: PairTerms, reason: Reason, net: int | None) -> Refusal:
    return Refusal(reason, None if net is None else _lifted(terms, net), terms.amount_exp)


def _earns(terms: PairTerms, net: int) -> bool:
    return net > 0 and _lifted(terms, net) >= terms.min_net


def _lifted(terms: PairTerms, net: int) -> int:
    """Convert an amount of `Sizes.net` to `amount_exp`, which does not depend on the fee's asset."""
    return net * (terms.fee_one // terms.parts)


class Walked(NamedTuple):
    """Two sides walked for a size: `lots` bought and `sale` sold, the cost and proceeds, and the worst levels touched.

    All the base received would fetch `whole`, the amount of its whole units, plus the value of `rest` of the next, in parts of
    `PairTerms.parts`, at `rest_price`. `next_bid`: the best bid left after the sale, 0 for none.
    """

    lots: int
    sale: int
    cost: int
    worst_ask: int
    proceeds: int
    worst_bid: int
    whole: int
    rest: int
    rest_price: int
    next_bid: int


class Unsure(Enum):
    UNSURE = auto()


def worth(terms: PairTerms, walked: Walked) -> int:
    arrived = terms.parts * walked.whole + walked.rest * walked.rest_price
    return terms.sell_keep * arrived - terms.ask_weight * walked.cost


def _plan(sizes: Sizes, i: int, s: int) -> Plan:
    terms, asks, bids = sizes.terms, sizes.asks, sizes.bids
    (cost, worst_ask), (proceeds, worst_bid) = asks.walk(i * terms.buy_lot), bids.walk(s)
    # All of it is in parts of the smallest unit: there is no rest.
    arrived = bids.fine_amount(i * terms.window, terms.parts)
    whole, rest = divmod(arrived, terms.parts)
    walked = Walked(i, s, cost, worst_ask, proceeds, worst_bid, whole, rest, 1, bids.price_after(s) or 0)
    return plan_of(terms, walked, terms.buy_top(asks.twice_middle), terms.sell_bottom(bids.twice_middle))


def plan_of(terms: PairTerms, walked: Walked, buy_top: int | None, sell_bottom: int | None) -> Plan:
    """Return the plan of a size; `buy_top`, `sell_bottom`: the prices that the venues' bands allow, None for any."""
    i, s, cost, worst_ask, proceeds, worst_bid, whole, rest, rest_price, next_bid = walked
    one, parts = terms.fee_one, terms.parts
    lift = one // parts
    q = i * terms.buy_lot
    residual_amount = parts * (whole - proceeds) + rest * rest_price
    paid, got = cost * terms.buy_cost * one, proceeds * terms.sell_keep * one
    residual_value = residual_amount * terms.sell_keep * lift
    # The profit if everything filled at the worst touched levels: half of it may be given up on each leg.
    spare = max(0, (terms.sell_keep * s * worst_bid - terms.buy_cost * q * worst_ask) * one + residual_value)
    return Plan(
        terms=terms,
        buy_size=q,
        sell_size=s,
        buy_limit=_buy_limit(terms, q, worst_ask, spare, buy_top),
        sell_limit=_sell_limit(terms, s, worst_bid, spare, sell_bottom),
        worst_ask=worst_ask,
        worst_bid=worst_bid,
        cost=cost,
        proceeds=proceeds,
        paid=paid,
        got=got,
        residual=(i * terms.window - s * parts) * lift,
        residual_value=residual_value,
        net=got + residual_value - paid,
        hold=q * terms.buy_cap(worst_ask) * terms.buy_hold * one,
        next_bid=next_bid or None,
    )


def _buy_limit(terms: PairTerms, q: int, worst_ask: int, spare: int, top: int | None) -> int:
    """Return `max(ceil_tick(worst_ask), floor_tick(min(worst_ask*(1+slip), worst_ask + h/(2*q*k))))`, at most `top`."""
    tick, share = terms.buy_tick, 2 * terms.fee_one * q * terms.buy_cost
    by_slip = worst_ask * (terms.slip_one + terms.slip_up) // (terms.slip_one * tick)
    by_profit = (worst_ask * share + spare) // (share * tick)
    limit = max(-(-worst_ask // tick), min(by_slip, by_profit)) * tick
    return limit if top is None else min(limit, top)


def _sell_limit(terms: PairTerms, s: int, worst_bid: int, spare: int, bottom: int | None) -> int:
    """Return `min(floor_tick(worst_bid), ceil_tick(max(worst_bid*(1-slip), worst_bid - h/(2*s*(1-fB)))))`, from `bottom` up."""
    tick, share = terms.sell_tick, 2 * terms.fee_one * s * terms.sell_keep
    by_slip = -(-worst_bid * (terms.slip_one - terms.slip_up) // (terms.slip_one * tick))
    by_profit = -(-(worst_bid * share - spare) // (share * tick))
    limit = min(worst_bid // tick, max(by_slip, by_profit, 1)) * tick
    return limit if bottom is None else max(limit, bottom)
