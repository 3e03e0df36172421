"""Section 4 of the design by exhaustive search, in fractions: every lot multiple of the sell size is tried.

Written from the contract's text alone. It imports nothing of the engine, so that no bug can agree with itself.
"""

from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor

Levels = list[tuple[Fraction, Fraction]]
ORDER = (
    "no_depth",
    "below_min_size",
    "below_min_notional",
    "residual_too_large",
    "insufficient_balance",
    "max_notional",
    "net_below_minimum",
    "edge_below_threshold",
)


@dataclass(frozen=True)
class Venue:
    """One venue's terms; ratios positive when paid."""

    fee: Fraction
    fee_in: str
    tick: Fraction
    lot: Fraction
    min_size: Fraction
    min_notional: Fraction


@dataclass(frozen=True)
class Case:
    """Everything a decision depends on; None means unlimited."""

    asks: Levels
    bids: Levels
    a: Venue
    b: Venue
    min_edge_bps: Fraction
    min_net: Fraction
    slippage_bps: Fraction
    max_notional: Fraction | None
    dust_max: Fraction | None
    quote: Fraction | None
    base: Fraction | None
    buy_fee_funds: Fraction | None = None
    sell_fee_funds: Fraction | None = None


@dataclass(frozen=True)
class Answer:
    """One sell size with all that follows from it, and the constraints it breaks."""

    s: Fraction
    q: Fraction
    paid: Fraction
    got: Fraction
    residual: Fraction
    residual_value: Fraction
    net: Fraction
    edge_bps: Fraction
    gross_edge_bps: Fraction
    buy_limit: Fraction
    sell_limit: Fraction
    mark: Fraction
    broken: frozenset[str]


def walk(levels: Levels, size: Fraction) -> tuple[Fraction, Fraction, bool]:
    """Return the amount, the worst price touched and whether the depth sufficed."""
    amount, worst, left = Fraction(0), Fraction(0), size
    for price, available in levels:
        if left <= 0:
            break
        taken = min(left, available)
        amount += taken * price
        worst = price
        left -= taken
    return amount, worst, left <= 0


def floor_to(value: Fraction, step: Fraction) -> Fraction:
    return floor(value / step) * step


def ceil_to(value: Fraction, step: Fraction) -> Fraction:
    return ceil(value / step) * step


def try_size(case: Case, s: Fraction) -> Answer | None:
    """Return what section 4 says of selling `s`, or None beyond the depth."""
    a, b = case.a, case.b
    brought = 1 - a.fee if a.fee_in == "base" else Fraction(1)
    k = Fraction(1) if a.fee_in == "base" else 1 + a.fee
    keep = 1 - b.fee
    slip = case.slippage_bps / 10000
    q = ceil(s / brought / a.lot) * a.lot
    cost, worst_ask, enough_a = walk(case.asks, q)
    proceeds, worst_bid, enough_b = walk(case.bids, s)
    if not enough_a or not enough_b:
        return None
    r = q * brought - s
    value = keep * (walk(case.bids, s + r)[0] - proceeds)
    paid, got = cost * k, keep * proceeds
    net = got + value - paid
    cap = ceil_to(worst_ask * (1 + slip), a.tick)
    hold = q * cap * (1 + a.fee if a.fee_in == "quote" else 1)
    broken = set()
    if q < a.min_size or s < b.min_size:
        broken.add("below_min_size")
    if cost < a.min_notional or s * floor_to(worst_bid * (1 - slip), b.tick) < b.min_notional:
        broken.add("below_min_notional")
    if case.dust_max is not None and value > case.dust_max:
        broken.add("residual_too_large")
    if (case.quote is not None and hold > case.quote) or (case.base is not None and s > case.base):
        broken.add("insufficient_balance")
    if (
        a.fee_in == "other"
        and case.buy_fee_funds is not None
        and 2 * max(Fraction(0), a.fee) * q * cap > case.buy_fee_funds
    ):
        broken.add("insufficient_balance")
    if b.fee_in == "other" and case.sell_fee_funds is not None:
        dearest = ceil_to(case.bids[0][0] * (1 + slip), b.tick)
        if 2 * max(Fraction(0), b.fee) * s * dearest > case.sell_fee_funds:
            broken.add("insufficient_balance")
    if case.max_notional is not None and hold > case.max_notional:
        broken.add("max_notional")
    if net <= 0 or net < case.min_net:
        broken.add("net_below_minimum")
    edge = 10000 * net / paid
    if edge < case.min_edge_bps:
        broken.add("edge_below_threshold")
    h = max(Fraction(0), keep * s * worst_bid + value - k * q * worst_ask)
    buy_limit = max(worst_ask, floor_to(min(worst_ask * (1 + slip), worst_ask + h / (2 * q * k)), a.tick))
    sell_limit = min(worst_bid, ceil_to(max(worst_bid * (1 - slip), worst_bid - h / (2 * s * keep)), b.tick))
    next_bid = next((p for p, end in _ends(case.bids) if end > s), Fraction(0))
    return Answer(
        s=s,
        q=q,
        paid=paid,
        got=got,
        residual=r,
        residual_value=value,
        net=net,
        edge_bps=edge,
        gross_edge_bps=10000 * (proceeds / s - cost / q) / (cost / q),
        buy_limit=buy_limit,
        sell_limit=sell_limit,
        mark=value / r if r else keep * next_bid,
        broken=frozenset(broken),
    )


def _ends(levels: Levels) -> Levels:
    ends, total = [], Fraction(0)
    for price, size in levels:
        total += size
        ends.append((price, total))
    return ends


def solve(case: Case) -> tuple[Answer | None, str | None, Fraction | None]:
    """Return (the best answer, None, None) or (None, the first reason, the best net before it)."""
    depth = sum((size for _, size in case.bids), Fraction(0))
    tried = [try_size(case, n * case.b.lot) for n in range(1, floor(depth / case.b.lot) + 1)]
    left = [answer for answer in tried if answer is not None]
    if not left:
        return None, "no_depth", None
    for reason in ORDER[1:]:
        kept = [answer for answer in left if reason not in answer.broken]
        if not kept:
            return None, reason, max(answer.net for answer in left)
        left = kept
    best = max(answer.net for answer in left)
    return min((answer for answer in left if answer.net == best), key=lambda answer: answer.s), None, None
