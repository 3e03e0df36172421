"""Net base between open pairs, so that none of it is traded twice.

A pair owns its residual base until a pair of kind `dust` or `flatten` takes it over, or residuals of other pairs offset it. A
late fill then reopens the pair with that fill only (`Residuals.take_back`), and for a while several pairs hold shares of the
same base. Shares on one side of zero are traded separately. Opposed shares are not traded, for that would lead past zero and
back. Neither pair sends an order while one of the other is unsettled; then the offsetting base is transferred between them.
Its value is the one at which the pair of kind `dust` or `flatten` took it over. Between two reopened pairs it is the price
that one was planned at. Residuals that oppose such a pair are netted at their booked value. Each quote stays booked exactly
once.
"""

from collections.abc import Iterable

from arb.core.messages.records import PairKind
from arb.core.trades.trade import PairTrade
from arb.market.symbol import Symbol


def holds_a_share(pair: PairTrade) -> bool:
    """Return whether a pair may net its base with others: every kind but arb, and a reopened arb pair.

    An arb pair that is open for the first time is uneven between its two fills, and owns all that it holds.
    """
    return pair.kind is not PairKind.ARB or pair.mark_ns is not None


def opposed_to(pair: PairTrade, open_pairs: Iterable[PairTrade]) -> list[PairTrade]:
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
    """Transfer the offsetting base between two opposed pairs; all orders of both must be settled."""
    base = Symbol.of(pair.plan.symbol).base
    long, short = (pair, other) if pair.imbalance(base) > 0 else (other, pair)
    size = min(long.imbalance(base), -short.imbalance(base))
    value = size * (other if pair.kind is PairKind.ARB else pair).planned_price
    long.hand_over(size, value)
    short.hand_over(-size, -value)
