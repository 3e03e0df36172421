"""The market makers of one symbol at one venue: a ladder of quotes around a centre, moved, thinned and refilled.

The ladder lies on a grid of `step` ticks with a fixed jitter per rung, so that a moving centre changes only the rungs
at both ends. Floats place quotes (chance is allowed to be inexact); what reaches the book are whole ticks and lots.
"""

import math
import random

from arb.sandbox.exchange import SimExchange
from arb.sandbox.matching import BUY, SELL

RUNGS = 55
_HASH = 2_654_435_761


class Ladder:
    """House quotes of one (venue, symbol)."""

    def __init__(
        self,
        exchange: SimExchange,
        symbol: str,
        rng: random.Random,
        *,
        price: float,
        half_spread_bps: float,
        step_bps: float,
        rung_notional: float,
        rungs: int = RUNGS,
    ) -> None:
        self.exchange = exchange
        self.symbol = symbol
        self.market = exchange.market(symbol)
        self._rng = rng
        self._rungs = rungs
        rules = self.market.instrument
        self._tick = float(rules.tick)
        self._half = half_spread_bps / 10_000
        self._step = max(1, round(step_bps / 10_000 * price / self._tick))
        self._rung_lots = max(1.0, rung_notional / price / float(rules.lot))
        self._salt = rng.randrange(1 << 30)
        self._wanted: dict[str, dict[int, int]] = {BUY: {}, SELL: {}}
        self._anchor: tuple[int, int] | None = None

    def move(self, centre: float, now_ns: int) -> None:
        """Quote around a new centre price: withdraw rungs out of place, then add those missing."""
        ask = math.ceil(centre * (1 + self._half) / self._tick / self._step)
        bid = min(math.floor(centre * (1 - self._half) / self._tick / self._step) - 1, ask - 1)
        if self._anchor == (bid, ask):
            return
        self._anchor = (bid, ask)
        prices = {
            BUY: [self._price(bid - k) for k in range(self._rungs) if bid - k > 0],
            SELL: [self._price(ask + k) for k in range(self._rungs)],
        }
        for side in (BUY, SELL):
            keep = set(prices[side])
            for ticks in [t for t in self._wanted[side] if t not in keep]:
                del self._wanted[side][ticks]
                if self.market.book.house_lots(side, ticks):
                    self.exchange.house_quote(self.symbol, side, ticks, 0, now_ns)
        for side in (BUY, SELL):
            self._add_missing(side, prices[side], now_ns)

    def stir(self, refill: float, now_ns: int) -> None:
        """Resize one quote near the top; refill taken ones among the best with probability `refill`."""
        for side in (BUY, SELL):
            wanted = self._wanted[side]
            best_first = sorted(wanted, reverse=side == BUY)[:8]
            if not best_first:
                continue
            chosen = best_first[self._rng.randrange(len(best_first))]
            lots = self.market.book.house_lots(side, chosen)
            if lots >= wanted[chosen] and self._rng.random() < 0.4:
                wanted[chosen] = self._draw_lots()
                self.exchange.house_quote(self.symbol, side, chosen, wanted[chosen], now_ns)
            for ticks in best_first:
                lots = self.market.book.house_lots(side, ticks)
                if lots < wanted[ticks] and self._rng.random() < refill and self._is_free(side, ticks):
                    self.exchange.house_quote(self.symbol, side, ticks, wanted[ticks], now_ns)

    def _add_missing(self, side: str, prices: list[int], now_ns: int) -> None:
        wanted = self._wanted[side]
        for ticks in prices:
            if ticks not in wanted and self._is_free(side, ticks):
                wanted[ticks] = self._draw_lots()
                self.exchange.house_quote(self.symbol, side, ticks, wanted[ticks], now_ns)

    def _is_free(self, side: str, ticks: int) -> bool:
        """Tell whether a quote there would not meet other house interest (which never trades with itself)."""
        opposite = self.market.book.opposite(side)
        best = opposite.best()
        if best is None or (ticks < best if side == BUY else ticks > best):
            return True
        return not any(
            level.house
            for price, level in opposite.levels.items()
            if (price <= ticks if side == BUY else price >= ticks)
        )

    def _price(self, rung: int) -> int:
        return rung * self._step + (rung * _HASH + self._salt) % self._step

    def _draw_lots(self) -> int:
        return max(1, round(self._rung_lots * self._rng.uniform(0.35, 1.65)))
