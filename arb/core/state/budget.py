"""The budget of placements: how many orders a venue takes.

An edge is refused rather than sent into a venue's rate limit. Sent placements are counted in a sliding window per metered
scope (a venue and symbol, or a whole venue). An entry needs room for its leg and a hedge at both venues; only the leg is
counted. An open pair holds the room for its hedge until it sends one there or closes, so an entry never takes it. Repairs are
counted and never refused. Where all symbols share a window, a part of it is only for edges that were not traded yet.
"""

from collections import deque
from collections.abc import Callable

import msgspec

from arb.clock import NS_PER_MS

ROOM_OF_AN_ENTRY = 2
"""Placements that a venue must have room for at an entry: its leg, and one hedge."""
Held = Callable[[str, str], int]
"""How many hedges open pairs hold room for at a venue: of one symbol, or of all for "" (`TradeTable.hedges_held`)."""


class PlaceRate(msgspec.Struct, frozen=True):
    """How many placements a venue takes: `count` > 0 in `window_ms` > 0, of each symbol or of all together.

    `for_others` (0 <= it <= `count` - 2): how many of them the second and later pairs on one edge may not take.
    """

    count: int
    window_ms: int
    per_symbol: bool = True
    for_others: int = 0


class RateBudget:
    """Sliding windows of sent placements: the venue's limit, one window per metered scope, and the guard's orders a minute."""

    def __init__(self, rates: dict[str, tuple[PlaceRate, ...]]) -> None:
        self._rates = rates
        self._taken: dict[tuple[str, PlaceRate, str], deque[int]] = {}

    def try_enter(self, venues: tuple[str, ...], symbol: str, held: Held, now_ns: int, *, again: bool = False) -> bool:
        """Count a leg at every venue where each has room for a hedge as well, or count none and return False.

        `again`: the edge was traded already.
        """
        if self.free_ns(venues, symbol, held, now_ns, again=again) > now_ns:
            return False
        for venue in venues:
            self.take(venue, symbol, now_ns)
        return True

    def free_ns(self, venues: tuple[str, ...], symbol: str, held: Held, now_ns: int, *, again: bool = False) -> int:
        """Return when every venue has room for an entry if nothing is sent meanwhile, `now_ns` where all have it.

        Where only held room blocks it, a pair that closes ends that: the answer is a window later at most.
        """
        free_ns = now_ns
        for venue in venues:
            for rate, window in self._windows(venue, symbol, now_ns):
                room = ROOM_OF_AN_ENTRY + (rate.for_others if again else 0)
                over = len(window) + held(venue, symbol if rate.per_symbol else "") + room - rate.count
                if over > 0:
                    first_ns = window[over - 1] if over <= len(window) else now_ns
                    free_ns = max(free_ns, first_ns + rate.window_ms * NS_PER_MS)
        return free_ns

    def left_by_rate(self, venue: str, now_ns: int) -> list[tuple[int, PlaceRate]]:
        """Return for each of a venue's rates, the fullest first, the placements (>= 0) that its fullest window still takes."""
        taken = dict.fromkeys(self._rates[venue], 0)
        for (held_at, rate, _), window in self._taken.items():
            if held_at == venue:
                count = len([at_ns for at_ns in window if at_ns > now_ns - rate.window_ms * NS_PER_MS])
                taken[rate] = max(taken[rate], count)
        found = [(max(0, rate.count - count), rate) for rate, count in taken.items()]
        return sorted(found, key=lambda one: one[0] * 1000 // one[1].count)

    def left(self, venue: str, now_ns: int) -> tuple[int, int, int]:
        """Return the placements left (>= 0) in a venue's fullest window, its limit, and its length in ms."""
        left, rate = self.left_by_rate(venue, now_ns)[0]
        return left, rate.count, rate.window_ms

    def take(self, venue: str, symbol: str, now_ns: int) -> None:
        for _, window in self._windows(venue, symbol, now_ns):
            window.append(now_ns)

    def _windows(self, venue: str, symbol: str, now_ns: int) -> list[tuple[PlaceRate, deque[int]]]:
        found = []
        for rate in self._rates[venue]:
            scope = (venue, rate, symbol if rate.per_symbol else "")
            window = self._taken.get(scope)
            if window is None:
                window = self._taken[scope] = deque()
            horizon_ns = now_ns - rate.window_ms * NS_PER_MS
            while window and window[0] <= horizon_ns:
                window.popleft()
            found.append((rate, window))
        return found
