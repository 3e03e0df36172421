"""Whether two venues' prices of a symbol stay together: a cross-check of the table of coins.

Two tickers of one coin move as one. The ratio of their mids leaves a narrow band around 1 only for seconds; that is the edge
we trade. A ratio that stays beyond the band, or crosses it again and again, shows one of three faults. There are two coins, or
two quotes (one no longer redeemed), or a coin that cannot be moved between the venues. Base bought at one is then not worth
its price at the other, despite any table. A ratio within the band proves nothing: a namesake may cost nearly as much, and
someone may move books slowly within it.

For each symbol and two venues the time beyond `max_price_ratio_bps` is added up, and time within it takes a tenth of itself
back. At `REFUSED_AFTER_NS` nothing opens between the two until all of it has been taken back (`FREED_AFTER_NS` at the latest,
if the ratio stays within). A dislocation of seconds is far from that, and one every few minutes adds up to nothing.

Symbols whose quotes cross are sampled when they are judged, once a second. Those that have left the band are sampled at each
judgement, after each of their frames, until their time is taken back. A book that may not be used gives no sample. Nor does
one whose own spread is wider than the band, since its mid means nothing. It does if the better quotes of the two are that far
apart by themselves. Time counts between two samples on one side of the band with no failed one between them. At most 15 s of
it count: by then a silent connection's books are stale. All of it is integers and fractions at the times of events, so a
replay computes the same. Only ratios that have left the band are kept.

The state ends with the process: venues and users correct listings, tables and settings, and prices before a pause tell nothing
about those after it. In the first seconds of a run only `max_edge_bps` and persistent edges protect, as for every first pair
(`persistent_edge.py`).
"""

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from fractions import Fraction
from functools import cache
from itertools import combinations

import msgspec

from arb.clock import NS_PER_S
from arb.core.books.books import Books
from arb.market.numbers import plain

SAMPLED_EVERY_NS = NS_PER_S
REFUSED_AFTER_NS = 30 * NS_PER_S
FREED_AFTER_NS = 300 * NS_PER_S
COUNTED_MAX_NS = 15 * NS_PER_S
"""The longest time between two samples that counts in full."""

Quotes = tuple[int, int]
"""Best bid and best ask of a book, on the symbol's scale."""


class _Ratio(msgspec.Struct):
    """A symbol at two venues since their ratio left the band: the time added up, the last sample, whether it is refused.

    `sampled_ns` is 0 where a sample has failed since.
    """

    beyond_ns: int = 0
    sampled_ns: int = 0
    beyond: bool = False
    refused: bool = False


class PriceRatios:
    def __init__(self, books: Books, bound_bps: Callable[[str], Decimal], report: Callable[[str, int], None]) -> None:
        """`bound_bps` returns the band of a symbol; `report` takes the text of each refusal that begins, and the instant."""
        self._books = books
        self._bound_bps = bound_bps
        self._report = report
        self._sampled_ns: dict[str, int] = {}
        self._left: dict[str, dict[tuple[str, str], _Ratio]] = {}

    def sample(self, symbol: str, venues: Iterable[str], now_ns: int) -> None:
        """Sample a symbol between each two of `venues`: at any time once it has left its band, else once a second."""
        since_ns = now_ns - self._sampled_ns.get(symbol, -SAMPLED_EVERY_NS)
        if 0 <= since_ns < SAMPLED_EVERY_NS and symbol not in self._left:  # below 0: our clock was put back
            return
        self._sampled_ns[symbol] = now_ns
        bound = _share(self._bound_bps(symbol))
        quotes = {venue: self._quotes(venue, symbol, now_ns) for venue in sorted(venues)}
        for first, second in combinations(quotes, 2):
            one, other = quotes[first], quotes[second]
            beyond = None
            if one is not None and other is not None and not self._books.skewed((first, symbol), (second, symbol)):
                beyond = is_beyond(one, other, bound)
            self._note(symbol, (first, second), beyond, now_ns)

    def follows(self, symbol: str) -> bool:
        return symbol in self._left

    def in_question(self, symbol: str) -> bool:
        """Return whether the next sample may begin or end a refusal, so that it must precede a decision."""
        left = self._left.get(symbol)
        return left is not None and any(
            found.refused or found.beyond_ns >= REFUSED_AFTER_NS - COUNTED_MAX_NS for found in left.values()
        )

    def refuses(self, symbol: str, first: str, second: str) -> bool:
        left = self._left.get(symbol)
        found = None if left is None else left.get((min(first, second), max(first, second)))
        return found is not None and found.refused

    def repairs(self, symbol: str, venue: str, pair_venues: Sequence[str]) -> bool:
        """Return whether ratios allow a repair at `venue` of a pair at `pair_venues`; at its own venues they do."""
        return venue in pair_venues or not any(self.refuses(symbol, venue, other) for other in pair_venues)

    def refused(self) -> list[tuple[str, str, str]]:
        """Return each symbol with the two venues between which nothing opens."""
        left = self._left.items()
        return sorted((symbol, *pair) for symbol, pairs in left for pair, found in pairs.items() if found.refused)

    def _quotes(self, venue: str, symbol: str, now_ns: int) -> Quotes | None:
        if self._books.unusable(venue, symbol, now_ns) is not None:
            return None
        bid, ask = self._books.best(venue, symbol)
        return None if bid is None or ask is None else (bid, ask)

    def _note(self, symbol: str, pair: tuple[str, str], beyond: bool | None, now_ns: int) -> None:
        """Count a sample; None: it could not be taken."""
        found = self._left.get(symbol, {}).get(pair)
        if found is None:
            if beyond:
                self._left.setdefault(symbol, {})[pair] = _Ratio(sampled_ns=now_ns, beyond=True)
            return
        if beyond is None:
            found.sampled_ns = 0
            return
        if found.sampled_ns and found.beyond is beyond:
            passed_ns = min(max(0, now_ns - found.sampled_ns), COUNTED_MAX_NS)
            found.beyond_ns += passed_ns if beyond else -passed_ns * REFUSED_AFTER_NS // FREED_AFTER_NS
        found.beyond_ns = min(found.beyond_ns, REFUSED_AFTER_NS)
        found.sampled_ns, found.beyond = now_ns, beyond
        if found.beyond_ns == REFUSED_AFTER_NS and not found.refused:
            found.refused = True
            self._report(self._text(symbol, pair), now_ns)
        elif found.beyond_ns <= 0 and not beyond:
            del self._left[symbol][pair]
            if not self._left[symbol]:
                del self._left[symbol]

    def _text(self, symbol: str, pair: tuple[str, str]) -> str:
        first, second = pair
        return (
            f"{symbol}: the prices at {first} and {second} have been more than {plain(self._bound_bps(symbol))} bps apart for"
            f" {REFUSED_AFTER_NS // NS_PER_S} s: nothing opens between them until they have been together again for"
            f" {FREED_AFTER_NS // NS_PER_S} s; check that both list the same coin (docs/COINS.md), and that it can be moved"
            " from one to the other"
        )


def is_beyond(one: Quotes, other: Quotes, bound: Fraction) -> bool | None:
    """Return whether the ratio of two mids is further from 1 than `bound` (0.01: 1 %); None where that is undefined.

    The higher over the lower counts, so their order does not matter.
    """
    above, whole = bound.numerator, bound.denominator  # in integers: an opening may wait for this
    lower, higher = (one, other) if one[0] + one[1] <= other[0] + other[1] else (other, one)
    (bid, ask), (high_bid, high_ask) = lower, higher
    if (ask - bid) * 2 * whole > above * (bid + ask) or (high_ask - high_bid) * 2 * whole > above * (
        high_bid + high_ask
    ):
        return True if high_bid * whole > ask * (whole + above) else None
    return (high_bid + high_ask) * whole > (bid + ask) * (whole + above)


@cache
def _share(bps: Decimal) -> Fraction:
    return Fraction(bps) / 10_000
