"""Candles of one market, made only of its trades: nothing is drawn for them.

A candle without a trade is flat at the last price before it, with no volume. Before the first trade of a sandbox that
price is the middle of the first book: by its candles, the market did not move since its listing.
"""

from bisect import bisect_left
from dataclasses import dataclass
from decimal import Decimal

from arb.clock import NS_PER_S
from arb.sandbox.exact import ZERO, add, mul
from arb.sandbox.values import PublicTrade

MINUTE_NS = 60 * NS_PER_S
DAY_NS = 24 * 60 * MINUTE_NS
KEPT_MINUTES = 20_000
"""Minutes with trades that are kept; older ones count as unchanged."""


@dataclass(slots=True)
class Candle:
    """Prices and volumes of the trades from `ns` on."""

    ns: int
    opened: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    base: Decimal = ZERO
    quote: Decimal = ZERO

    def take_in(self, later: "Candle") -> None:
        if self.base == 0:
            self.opened = self.high = self.low = later.opened
        self.high, self.low = max(self.high, later.high), min(self.low, later.low)
        self.close = later.close
        self.base, self.quote = add(self.base, later.base), add(self.quote, later.quote)


HOUR_NS = 60 * MINUTE_NS
MONDAY_NS = 4 * DAY_NS
"""The first Monday after the epoch, which was a Thursday."""


@dataclass(frozen=True, slots=True)
class Span:
    """The length of a kind of candle, and the instant from which whole ones are counted."""

    ns: int
    anchor_ns: int = 0

    def start_of(self, ns: int) -> int:
        return ns - (ns - self.anchor_ns) % self.ns


class CandleBook:
    def __init__(self, listed_ns: int) -> None:
        self._listed_ns = listed_ns
        self._first_price = ZERO
        self._minutes: list[Candle] = []

    def open_at(self, price: Decimal) -> None:
        self._first_price = price

    def note(self, trade: PublicTrade) -> None:
        """Count a trade; one dated before the last (a venue's clock set back) counts with the last."""
        amount = mul(trade.price, trade.size)
        traded = Candle(
            trade.ns - trade.ns % MINUTE_NS, trade.price, trade.price, trade.price, trade.price, trade.size, amount
        )
        if self._minutes and traded.ns <= self._minutes[-1].ns:
            self._minutes[-1].take_in(traded)
            return
        self._minutes.append(traded)
        if len(self._minutes) > KEPT_MINUTES:
            self._first_price = self._minutes.pop(0).close

    def between(self, span: Span, first_ns: int, until_ns: int) -> list[Candle]:
        """Return the candles that begin in [`first_ns`, `until_ns`) and after the listing, oldest first."""
        start_ns = span.start_of(max(first_ns, self._listed_ns))
        if start_ns < first_ns:
            start_ns += span.ns
        place = bisect_left(self._minutes, start_ns, key=_begins)
        last = self._minutes[place - 1].close if place else self._first_price
        found: list[Candle] = []
        for ns in range(start_ns, until_ns, span.ns):
            candle = Candle(ns, last, last, last, last)
            while place < len(self._minutes) and self._minutes[place].ns < ns + span.ns:
                candle.take_in(self._minutes[place])
                place += 1
            last = candle.close
            found.append(candle)
        return found

    def last(self, span: Span, count: int, until_ns: int) -> list[Candle]:
        latest_ns = span.start_of(until_ns - 1)
        return self.between(span, latest_ns - (count - 1) * span.ns, until_ns)


def _begins(candle: Candle) -> int:
    return candle.ns
