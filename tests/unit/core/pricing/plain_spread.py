"""The best plan of two sides of books, the thorough way: every constraint in its turn, and both sides walked whole.

It judges `arb/core/pricing/spread.py` and `partial.py` (see `plain_sizes.py`).
"""

from decimal import Decimal
from fractions import Fraction

from arb.core.messages.reasons import Reason
from arb.core.pricing.partial import worst_residual
from arb.core.pricing.plan import Plan, Refusal
from arb.core.pricing.terms import UNLIMITED, Funds, PairTerms
from arb.market.numbers import EXACT, ZERO, floor_scaled
from tests.unit.core.pricing.plain_sizes import PlainDepth, PlainSizes


def evaluate(
    terms: PairTerms, asks: PlainDepth, bids: PlainDepth, funds: Funds = UNLIMITED, required_bps: Decimal = ZERO
) -> Plan | Refusal:
    """Return the best plan of buying from `asks` and selling into `bids`, or why there is none.

    `required_bps` >= 0: the least edge of a plan.
    """
    if not asks.total or not bids.total:
        return _refuse(terms, Reason.NO_DEPTH, None)
    sizes = PlainSizes(terms, asks, bids, required_bps)
    for reason in _RULES:
        _limit(sizes, reason, funds)
    if sizes.exceeds_edge():
        found = sizes.best()
        return _refuse(terms, Reason.EDGE_IMPLAUSIBLE, None if found is None else sizes.net(found[0]))
    for reason in _MEANS:
        _limit(sizes, reason, funds)
    found = sizes.best()
    if found is None:
        return _first_failure(terms, asks, bids, funds)
    best_net = sizes.net(found[0])
    if not _earns(terms, best_net):
        return _refuse(terms, Reason.NET_BELOW_MINIMUM, best_net)
    if not sizes.reaches_edge(found[0]):
        sizes.limit_edge()
        found = sizes.best()
        if found is None or not _earns(terms, sizes.net(found[0])):
            return _refuse(terms, Reason.EDGE_BELOW_THRESHOLD, best_net)
    return _plan(sizes, *found)


def episode(terms: PairTerms, asks: PlainDepth, bids: PlainDepth) -> Plan | None:
    """Return the plan of the greatest net, ignoring thresholds and balances, if that net is above 0: an episode is open."""
    sizes, found = _episode(terms, asks, bids)
    return None if sizes is None or found is None else _plan(sizes, *found)


def least_edge(terms: PairTerms, asks: PlainDepth, bids: PlainDepth) -> Fraction | None:
    """Return `net / paid` of the smallest size that depth and the venues' rules allow, None when there is none."""
    if not asks.total or not bids.total:
        return None
    sizes = PlainSizes(terms, asks, bids)
    for reason in _RULES:
        _limit(sizes, reason, UNLIMITED)
    least = sizes.least()
    return None if least is None else Fraction(*least)


_RULES = (Reason.NO_DEPTH, Reason.BELOW_MIN_SIZE, Reason.BELOW_MIN_NOTIONAL, Reason.PRICE_BAND)
"""What the books and the venues' own rules allow: the legal sizes."""
_MEANS = (Reason.RESIDUAL_TOO_LARGE, Reason.INSUFFICIENT_BALANCE, Reason.MAX_NOTIONAL)
_CONSTRAINTS = (*_RULES, *_MEANS)


def _limit(sizes: PlainSizes, reason: Reason, funds: Funds) -> None:
    match reason:
        case Reason.BELOW_MIN_SIZE:
            sizes.limit_size()
        case Reason.BELOW_MIN_NOTIONAL:
            sizes.limit_min_notional()
        case Reason.PRICE_BAND:
            sizes.limit_band()
        case Reason.RESIDUAL_TOO_LARGE:
            sizes.limit_residual()
        case Reason.INSUFFICIENT_BALANCE:
            sizes.limit_funds(funds)
        case Reason.MAX_NOTIONAL:
            sizes.limit_max_notional()
        case _:  # depth, which counts from the start
            pass


def _first_failure(terms: PairTerms, asks: PlainDepth, bids: PlainDepth, funds: Funds) -> Refusal:
    """Add the constraints one by one until no size is left; called only when all of them together leave none."""
    sizes = PlainSizes(terms, asks, bids)
    best_net: int | None = None
    for reason in _CONSTRAINTS:
        _limit(sizes, reason, funds)
        found = sizes.best()
        if found is None:
            return _refuse(terms, reason, best_net)
        best_net = sizes.net(found[0])
    return _refuse(terms, Reason.NET_BELOW_MINIMUM, best_net)


def _episode(terms: PairTerms, asks: PlainDepth, bids: PlainDepth) -> tuple[PlainSizes | None, tuple[int, int] | None]:
    if not asks.total or not bids.total or not terms.crosses(asks.prices[0], bids.prices[0]):
        return None, None
    sizes = PlainSizes(terms, asks, bids)
    for reason in _CONSTRAINTS:
        _limit(sizes, reason, UNLIMITED)
    found = sizes.best()
    return sizes, (found if found is not None and sizes.net(found[0]) > 0 else None)


def _refuse(terms: PairTerms, reason: Reason, net: int | None) -> Refusal:
    return Refusal(reason, None if net is None else _lifted(terms, net), terms.amount_exp)


def _earns(terms: PairTerms, net: int) -> bool:
    return net > 0 and _lifted(terms, net) >= terms.min_net


def _lifted(terms: PairTerms, net: int) -> int:
    """Bring an amount of `PlainSizes.net` onto `amount_exp`, which does not depend on what the fee is taken from."""
    return net * (terms.fee_one // terms.parts)


def _plan(sizes: PlainSizes, i: int, s: int) -> Plan:
    terms, asks, bids = sizes.terms, sizes.asks, sizes.bids
    one, parts = terms.fee_one, terms.parts
    lift = one // parts
    q = i * terms.buy_lot
    worst_ask, worst_bid = asks.worst(q), bids.worst(s)
    cost, proceeds = asks.amount(q), bids.amount(s)
    residual_amount = bids.fine_amount(i * terms.window, parts) - parts * proceeds
    paid, got = cost * terms.buy_cost * one, proceeds * terms.sell_keep * one
    residual_value = residual_amount * terms.sell_keep * lift
    # The profit if everything filled at the worst touched levels: half of it may be given up on each leg.
    spare = max(0, (terms.sell_keep * s * worst_bid - terms.buy_cost * q * worst_ask) * one + residual_value)
    return Plan(
        terms=terms,
        buy_size=q,
        sell_size=s,
        buy_limit=_buy_limit(terms, q, worst_ask, spare, terms.buy_top(asks.twice_middle)),
        sell_limit=_sell_limit(terms, s, worst_bid, spare, terms.sell_bottom(bids.twice_middle)),
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
        next_bid=bids.price_after(s),
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


def worst_partial_ok(plan: Plan, asks: PlainDepth, bids: PlainDepth, leg_loss_max_bps: Decimal) -> bool:
    """Return whether what any partial fill leaves unhedged is dust, with the threshold worked out in fractions."""
    limit = plan.terms.limits.dust_max_quote
    if limit is None:
        return True
    cheapest = min(plan.worst_ask, plan.worst_bid, asks.prices[0], bids.prices[0])
    lowest = int(Fraction(cheapest) * (1 - Fraction(leg_loss_max_bps) / 10_000))
    dust = floor_scaled(EXACT.multiply(limit, plan.terms.parts), plan.terms.scale.notional_exp)
    return worst_residual(plan, lowest) * max(asks.prices[0], bids.prices[0]) <= dust
