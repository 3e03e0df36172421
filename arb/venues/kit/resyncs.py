"""When a book may be subscribed or fetched again: first at once, then ever later, and within the venue's limits."""

from collections import deque

import msgspec

from arb.clock import NS_PER_S

FIRST_DELAY_S = 1
DELAY_MAX_S = 60
STEADY_S = 60
"""A book that was not lost for so long begins again without a delay."""
MESSAGES = 2
"""The messages of one resync: unsubscribing and subscribing."""
HOUR_NS = 3600 * NS_PER_S


class _Tried(msgspec.Struct):
    begun_ns: int
    delay_s: int


class ResyncPace:
    """The resyncs of one connection, in the order in which they fall due. Instants are monotonic, ns.

    `per_hour`: how many requests to subscribe and unsubscribe one connection may send in an hour; 0: any number.
    `delay_max_s`: the longest that a book waits that is lost again and again.
    """

    def __init__(self, per_hour: int, *, delay_max_s: int = DELAY_MAX_S) -> None:
        self._per_hour = per_hour
        self._delay_max_s = delay_max_s
        self._sent: deque[int] = deque()
        self._tried: dict[str, _Tried] = {}
        self._waiting: dict[str, int] = {}

    def ask(self, native: str, now_ns: int) -> bool:
        """Note that a book is lost; asking again while it waits changes nothing, and returns False."""
        if native in self._waiting:
            return False
        tried = self._tried.get(native)
        lost_again = tried is not None and now_ns < tried.begun_ns + (tried.delay_s + STEADY_S) * NS_PER_S
        if tried is None or not lost_again:
            self._tried[native] = _Tried(now_ns, 0)
            self._waiting[native] = now_ns
            return True
        tried.delay_s = min(max(FIRST_DELAY_S, 2 * tried.delay_s), self._delay_max_s)
        self._waiting[native] = max(now_ns, tried.begun_ns + tried.delay_s * NS_PER_S)
        return True

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def next_due_ns(self) -> int | None:
        """Return when the next book falls due; None where none waits."""
        return min(self._waiting.values(), default=None)

    def room(self, now_ns: int) -> int | None:
        """Return how many resyncs the venue allows now; None: any number."""
        if not self._per_hour:
            return None
        while self._sent and self._sent[0] <= now_ns - HOUR_NS:
            self._sent.popleft()
        return max(0, self._per_hour - len(self._sent)) // MESSAGES

    def again(self, native: str) -> bool:
        """Return whether a book was lost again soon after it had been asked for again."""
        return self._tried[native].delay_s > 0

    def fresh(self) -> int:
        """Return how many of the books that wait were not lost shortly before."""
        return sum(not self.again(native) for native in self._waiting)

    def due(self, now_ns: int, most: int | None = None) -> list[str]:
        """Return the books to be resynced now, at most so many (None: any number), which has begun with that."""
        due = sorted((due_ns, native) for native, due_ns in self._waiting.items() if due_ns <= now_ns)
        bounds = [bound for bound in (self.room(now_ns), most) if bound is not None]
        begun = [native for _, native in due[: min(bounds, default=len(due))]]
        for native in begun:
            del self._waiting[native]
            self._tried[native].begun_ns = now_ns
        return begun

    def sent(self, messages: int, now_ns: int) -> None:
        self._sent.extend([now_ns] * messages)

    def forget(self, native: str) -> None:
        self._waiting.pop(native, None)
        self._tried.pop(native, None)

    def lost_connection(self) -> None:
        """Begin a new connection: it subscribes to every book; how often each was lost is remembered."""
        self._waiting.clear()
        self._sent.clear()
