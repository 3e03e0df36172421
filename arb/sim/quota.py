"""Rate limits as venues publish them: at most so many requests of a kind within a sliding window.

Pure: instants are passed in. A refused request does not count against the limit.
"""

from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `count` requests within any `window_ns` nanoseconds."""

    count: int
    window_ns: int


class Quota:
    """The spent requests of one client, by metered scope."""

    def __init__(self) -> None:
        self._spent: dict[Hashable, deque[int]] = {}

    def take(self, scope: Hashable, limit: Limit, now_ns: int, cost: int = 1) -> bool:
        """Spend `cost` requests of a scope; False, spending nothing, when the window has no room for them."""
        spent = self._spent.setdefault(scope, deque())
        while spent and spent[0] <= now_ns - limit.window_ns:
            spent.popleft()
        if len(spent) + cost > limit.count:
            return False
        spent.extend([now_ns] * cost)
        return True
