"""Order book frames made up from a seed, in the form in which Gate sends them: a whole book, then changes that continue it.

The book stands around a mid that wanders by a tick now and then; changes fall near the best quotes more often than deep in
the book, about a third of them removals. The book never crosses, and every frame follows the one before.
"""

import random
from collections.abc import Iterator

NATIVE_SYMBOL = "BTC_USDT"
LEVEL = 400
START_MS = 1_760_000_000_000
FRAME_GAP_MS = 100
_MID_TICKS = 600_000
_TICKS_PER_UNIT = 10
_REACH_TICKS = 500
_SPREAD_TICKS = 2


class GateFrames:
    """A stream of Gate's channel `spot.obu` for one book of at most 400 levels a side."""

    def __init__(self, seed: int, native_symbol: str = NATIVE_SYMBOL) -> None:
        self._rng = random.Random(seed)
        self._native_symbol = native_symbol
        self._mid = _MID_TICKS
        self._id = 1_000
        self._at_ms = START_MS
        self._bids: set[int] = set()
        self._asks: set[int] = set()

    def whole(self) -> bytes:
        """Return the first frame: every second tick of both sides is occupied."""
        self._bids = set(range(self._mid - _SPREAD_TICKS, self._mid - 2 * LEVEL, -2))
        self._asks = set(range(self._mid + _SPREAD_TICKS, self._mid + 2 * LEVEL, 2))
        self._id += 1
        bids = [self._level(price) for price in sorted(self._bids, reverse=True)]
        asks = [self._level(price) for price in sorted(self._asks)]
        return self._frame(f'"full":true,"u":{self._id}', bids, asks)

    def changes(self, count: int, levels: int) -> Iterator[bytes]:
        """Yield `count` frames with at least `levels` changed levels each, and seldom more."""
        for _ in range(count):
            bids, asks = self._wander() if levels > 2 else ({}, {})
            while len(bids) + len(asks) < levels:
                depth = min(_REACH_TICKS, int(self._rng.expovariate(1 / 60)))
                if self._rng.random() < 0.5:
                    self._change(self._bids, bids, self._mid - _SPREAD_TICKS - depth)
                else:
                    self._change(self._asks, asks, self._mid + _SPREAD_TICKS + depth)
            first, self._id = self._id + 1, self._id + levels
            self._at_ms += FRAME_GAP_MS
            yield self._frame(f'"U":{first},"u":{self._id}', list(bids.values()), list(asks.values()))

    @property
    def at_ms(self) -> int:
        """Return the send time of the last frame."""
        return self._at_ms

    def _wander(self) -> tuple[dict[int, str], dict[int, str]]:
        """Move the mid by a tick now and then, and take away what would then cross."""
        step = self._rng.choice((-1, 0, 0, 0, 1))
        self._mid += step
        gone_bids = [price for price in self._bids if step < 0 and price > self._mid - _SPREAD_TICKS]
        gone_asks = [price for price in self._asks if step > 0 and price < self._mid + _SPREAD_TICKS]
        self._bids.difference_update(gone_bids)
        self._asks.difference_update(gone_asks)
        return {price: _removal(price) for price in gone_bids}, {price: _removal(price) for price in gone_asks}

    def _change(self, side: set[int], changed: dict[int, str], price: int) -> None:
        if price in changed:
            return
        if price in side and self._rng.random() < 0.5 and len(side) > LEVEL // 2:
            side.discard(price)
            changed[price] = _removal(price)
        else:
            side.add(price)
            changed[price] = self._level(price)

    def _level(self, price: int) -> str:
        return f'["{_price(price)}","{self._rng.randrange(1, 90_000) / 10_000:.4f}"]'

    def _frame(self, ids: str, bids: list[str], asks: list[str]) -> bytes:
        text = (
            f'{{"channel":"spot.obu","result":{{"t":{self._at_ms},{ids},"s":"ob.{self._native_symbol}.{LEVEL}",'
            f'"b":[{",".join(bids)}],"a":[{",".join(asks)}]}},"time_ms":{self._at_ms},"event":"update"}}'
        )
        return text.encode()


def _price(ticks: int) -> str:
    return f"{ticks // _TICKS_PER_UNIT}.{ticks % _TICKS_PER_UNIT}"


def _removal(price: int) -> str:
    return f'["{_price(price)}","0"]'
