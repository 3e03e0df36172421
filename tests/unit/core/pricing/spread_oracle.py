"""The best plan by exhaustive search, in fractions: every lot multiple of the sell size is tried.

Written from the definitions in `arb/core/pricing/__init__.py` alone. It imports nothing of the engine, so that no bug can agree
with itself.
"""

from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor

Levels = list[tuple[Fraction, Fraction]]
ORDER = (
    "no_depth",
    "below_min_size",
    "below_min_notional",
    "price_band",
    "edge_implausible",
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
    max_size: Fraction | None = None
    band: Fraction | None = None


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
    a_bid: Fraction | None = None
    b_ask: Fraction | None = None
    max_edge_bps: Fraction | None = None

    @property
    def highest_buy(self) -> Fraction | None:
        """Return the highest limit price that A's band allows."""
        if self.a.band is None:
            return None
        ask = self.asks[0][0]
        return floor_to((ask + (self.a_bid or ask)) / 2 * (1 + self.a.band), self.a.tick)

    @property
    def lowest_sell(self) -> Fraction | None:
        """Return the lowest limit price that B's band allows."""
        if self.b.band is None:
            return None
        bid = self.bids[0][0]
        return ceil_to((bid + (self.b_ask or bid)) / 2 * (1 - self.b.band), self.b.tick)


@dataclass(frozen=True)
class Answer:
    """One sell size with all that follows from it, and the constraints it breaks."""

    case: Case
    s: Fraction
    q: Fraction
    cost: Fraction
    proceeds: Fraction
    worst_ask: Fraction
    worst_bid: Fraction
    paid: Fraction
    got: Fraction
    residual: Fraction
    residual_value: Fraction
    net: Fraction
    broken: frozenset[str]

    @property
    def edge_bps(self) -> Fraction:
        return 10000 * self.net / self.paid

    @property
    def gross_edge_bps(self) -> Fraction:
        return 10000 * (self.proceeds / self.s - self.cost / self.q) / (self.cost / self.q)

    @property
    def keep(self) -> Fraction:
        return 1 - self.case.b.fee

    @property
    def slip(self) -> Fraction:
        return self.case.slippage_bps / 10000

    @property
    def factor(self) -> Fraction:
        return self.paid / self.cost

    @property
    def spare(self) -> Fraction:
        worst = self.keep * self.s * self.worst_bid + self.residual_value - self.factor * self.q * self.worst_ask
        return max(Fraction(0), worst)

    @property
    def buy_limit(self) -> Fraction:
        shared = self.worst_ask + self.spare / (2 * self.q * self.factor)
        prices = [self.worst_ask * (1 + self.slip), shared, self.case.highest_buy or shared]
        return max(ceil_to(self.worst_ask, self.case.a.tick), floor_to(min(prices), self.case.a.tick))

    @property
    def sell_limit(self) -> Fraction:
        shared = self.worst_bid - self.spare / (2 * self.s * self.keep)
        prices = [self.worst_bid * (1 - self.slip), shared, self.case.lowest_sell or shared]
        return min(floor_to(self.worst_bid, self.case.b.tick), ceil_to(max(prices), self.case.b.tick))

    @property
    def mark(self) -> Fraction:
        if self.residual:
            return self.residual_value / self.residual
        end = Fraction(0)
        for price, size in self.case.bids:
            end += size
            if end > self.s:
                return self.keep * price
        return Fraction(0)


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
    """Return all that follows from selling `s`, or None beyond the depth."""
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
    if any(venue.max_size is not None and size > venue.max_size for venue, size in ((a, q), (b, s))):
        broken.add("below_min_size")
    if cost < a.min_notional or s * floor_to(worst_bid * (1 - slip), b.tick) < b.min_notional:
        broken.add("below_min_notional")
    highest, lowest = case.highest_buy, case.lowest_sell
    if (highest is not None and worst_ask > highest) or (lowest is not None and worst_bid < lowest):
        broken.add("price_band")
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
    if 10000 * net < case.min_edge_bps * paid:
        broken.add("edge_below_threshold")
    return Answer(
        case=case,
        s=s,
        q=q,
        cost=cost,
        proceeds=proceeds,
        worst_ask=worst_ask,
        worst_bid=worst_bid,
        paid=paid,
        got=got,
        residual=r,
        residual_value=value,
        net=net,
        broken=frozenset(broken),
    )


def solve(case: Case) -> tuple[Answer | None, str | None, Fraction | None]:
    """Return (the best answer, None, None) or (None, the first reason, the best net before it)."""
    depth = sum((size for _, size in case.bids), Fraction(0))
    tried = [try_size(case, n * case.b.lot) for n in range(1, floor(depth / case.b.lot) + 1)]
    left = [answer for answer in tried if answer is not None]
    if not left:
        return None, "no_depth", None
    for reason in ORDER[1:]:
        if reason == "edge_implausible":
            # Of the sizes left the smallest speaks for all: the smallest purchase, since what it fetches is the same.
            least = min(left, key=lambda answer: answer.q)
            if case.max_edge_bps is not None and least.edge_bps > case.max_edge_bps:
                return None, reason, max(answer.net for answer in left)
            continue
        kept = [answer for answer in left if reason not in answer.broken]
        if not kept:
            return None, reason, max(answer.net for answer in left)
        left = kept
    best = max(answer.net for answer in left)
    return min((answer for answer in left if answer.net == best), key=lambda answer: answer.s), None, None
