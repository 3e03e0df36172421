"""Base that changes hands between open pairs, so that none of it is traded twice.

What a pair leaves at its close is its own only until a pair of kind `dust` or `flatten` takes it over, or residuals of other
pairs offset it. A late fill then reopens the pair with that fill alone (`Residuals.take_back`), and for a while several pairs
hold shares of the same base. Shares on one side of zero are traded apart. Of shares that oppose each other nothing is traded,
for that would lead past zero and back: neither pair sends an order while one of the other is unsettled, and then what
offsets changes hands, at the value at which the pair of kind `dust` or `flatten` took it over (between two reopened pairs: at
the price that one was planned at). So do residuals that oppose such a pair, at their booked value. Each quote stays booked
exactly once, wherever it is.
"""

from collections.abc import Iterable

from arb.core.messages.records import PairKind
from arb.core.trades.trade import PairTrade
from arb.market.symbol import Symbol


def holds_a_share(pair: PairTrade) -> bool:
    """Return whether a pair trades residuals away or was reopened.

    Any other is open for the first time: it looks uneven between its two fills, and all that it holds is its own.
    """
    return pair.kind is not PairKind.ARB or pair.mark_ns is not None


def opposed_to(pair: PairTrade, open_pairs: Iterable[PairTrade]) -> list[PairTrade]:
    """Return the other open pairs that hold what offsets this one's imbalance, if these are shares."""
    base = Symbol.of(pair.plan.symbol).base
    imbalance = pair.imbalance(base)
    return [
        other
        for other in open_pairs
        if other.plan.symbol == pair.plan.symbol
        and other.imbalance(base) * imbalance < 0
        and holds_a_share(pair)
        and holds_a_share(other)
    ]


def offset(pair: PairTrade, other: PairTrade) -> None:
    """Let what offsets in the imbalances of two opposed pairs change hands; all orders of both must be settled."""
    base = Symbol.of(pair.plan.symbol).base
    long, short = (pair, other) if pair.imbalance(base) > 0 else (other, pair)
    size = min(long.imbalance(base), -short.imbalance(base))
    value = size * (other if pair.kind is PairKind.ARB else pair).planned_price
    long.hand_over(size, value)
    short.hand_over(-size, -value)
