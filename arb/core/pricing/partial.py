"""Whether a plan can always be brought back to flat: the base of the worst partial fill that no venue takes as an order.

The legs fill in lots, independently: `fq` of the buy, `fs` of the sell. The imbalance is `e = fq*nA - fs`, with `nA = 1-fA`
for a fee in base. A *repair order* sells or buys back a legal size at either of the two venues: a multiple of its lot, at
least its minimum size. It is worth its minimum notional even at the worst price a repair may have. It may overshoot when that
leaves less than falling short would. The *unhedged* base is the distance from `|e|` to the nearest legal size, or to no order
at all. A plan is hedgeable when, for every `e` that may occur, that is dust at the higher of the two best quotes.

The answer errs on the careful side. Imbalances are taken on the common grid of both lots, whether or not pairs of fills reach
them, and a fee in base is added whole.
"""

from decimal import Decimal
from math import gcd

from arb.core.pricing.plan import Plan
from arb.core.pricing.terms import PairTerms

LEG_LOSS_MAX_BPS = Decimal(50)


def worst_partial_ok(
    plan: Plan,
    best_ask: int,
    best_bid: int,
    *,
    leg_loss_max_bps: Decimal = LEG_LOSS_MAX_BPS,
    may_overshoot: bool = True,
) -> bool:
    """Return whether every partial fill of `plan` can be repaired by a legal order or is dust (reason `unhedgeable_partial`).

    `best_ask` and `best_bid` are those of the sides the plan was made from. With `may_overshoot` False, repair orders never
    exceed the imbalance. Unlimited dust is always enough.
    """
    terms = plan.terms
    if terms.dust_fine is None:
        return True
    cheapest, dearest = min(best_ask, plan.worst_bid), max(best_ask, best_bid)  # asks rise, bids fall
    loss, one = leg_loss_max_bps.as_integer_ratio()
    lowest = cheapest * (10_000 * one - loss) // (10_000 * one)
    return worst_residual(plan, lowest, may_overshoot=may_overshoot) * dearest <= terms.dust_fine


def worst_residual(plan: Plan, lowest_price: int, *, may_overshoot: bool = True) -> int:
    """Return an upper bound of the base that stays unhedged after any partial fill, in fine sizes (x `terms.parts`)."""
    terms, parts = plan.terms, plan.terms.parts
    most = max(plan.buy_size * terms.received, plan.sell_size * parts)
    legal = _least_legal(terms, lowest_price)
    if legal is None:
        return most
    least, lot = legal
    grid = gcd(terms.buy_lot, terms.sell_lot)
    # A fee in base moves every imbalance off the grid by up to this much.
    fee = plan.buy_size * abs(parts - terms.received)
    if not may_overshoot:
        unhedged = min(_below(least, grid), max(plan.buy_size, plan.sell_size)) * parts
        if fee:
            unhedged = least * parts - 1
        return min(most, max(unhedged, (lot - gcd(grid, lot)) * parts))
    nearest = max(_nearest(least, grid), _nearest(lot, gcd(grid, lot)))
    # No imbalance is further from 0 and the least legal order than half of that, nor than all there is.
    return min(most, nearest * parts + fee, -(-least * parts // 2))


def _below(size: int, grid: int) -> int:
    return (size - 1) // grid * grid


def _nearest(size: int, grid: int) -> int:
    """Return how far a multiple of `grid` between 0 and `size` can be from the nearer of the two."""
    low = size // 2 // grid * grid
    return max(low, size - low - grid)


def _least_legal(terms: PairTerms, price: int) -> tuple[int, int] | None:
    """Return the least order size that either venue takes at `price`, and that venue's lot; None when neither does."""
    if price <= 0:
        return None
    buy, sell = terms.buy_lot, terms.sell_lot
    least_buy = -(-max(buy, terms.buy_min_size, -(-terms.buy_min_cost // price)) // buy) * buy
    least_sell = -(-max(sell, terms.sell_min_size, -(-terms.sell_min_notional // price)) // sell) * sell
    return min((least_buy, buy), (least_sell, sell))
