"""Rate budgets as the engine sees them: an edge is refused rather than sent into a venue's limit.

A sliding window per metered scope (a venue and symbol, or a whole venue), told the time. Entries take a token for each leg
and one for a hedge of each together, or none at all; hedges take theirs unconditionally, since a repair may wait but never be
refused.
"""

from collections import deque

import msgspec

from arb.clock import NS_PER_MS


class PlaceRate(msgspec.Struct, frozen=True):
    """How many placements a venue takes: `count` > 0 in `window_ms` > 0, of each symbol or of all together."""

    count: int
    window_ms: int
    per_symbol: bool = True


class RateBudget:
    """Sliding windows of placements, one per metered scope."""

    def __init__(self, rates: dict[str, PlaceRate]) -> None:
        self._rates = rates
        self._taken: dict[tuple[str, str], deque[int]] = {}

    def try_take(self, venues: tuple[str, ...], symbol: str, tokens: int, now_ns: int) -> bool:
        """Take `tokens` at every venue, or none and return False."""
        windows = [self._window(venue, symbol, now_ns) for venue in venues]
        if any(len(window) + tokens > self._rates[venue].count for venue, window in zip(venues, windows, strict=True)):
            return False
        for window in windows:
            window.extend([now_ns] * tokens)
        return True

    def take(self, venue: str, symbol: str, now_ns: int) -> None:
        """Count one placement that must not be refused."""
        self._window(venue, symbol, now_ns).append(now_ns)

    def _window(self, venue: str, symbol: str, now_ns: int) -> deque[int]:
        rate = self._rates[venue]
        window = self._taken.setdefault((venue, symbol if rate.per_symbol else ""), deque())
        horizon = now_ns - rate.window_ms * NS_PER_MS
        while window and window[0] <= horizon:
            window.popleft()
        return window
