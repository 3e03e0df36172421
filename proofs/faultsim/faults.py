"""What strikes the process from outside the venues: faults of its network, and its sudden death.

Bytes on a connection never vanish one by one (TCP): they come late, or the connection breaks. Requests that were under way
when something broke may have arrived or not, and the sender cannot know.

A killed process can do nothing more to the outside: no commit, no request, no frame. So a kill needs no help from the
process: from then on every access to the outside refuses, and the loop stops. Death strikes at a `Point`, just before or just
after something reaches the outside, so that every place where a process can die is reached by some seed.
"""

import asyncio
from collections.abc import Callable
from enum import StrEnum

import msgspec

from arb.clock import NS_PER_MS

LINE_FAULTS: dict[str, tuple[str, int]] = {
    "net_refused": ("for", 400),
    "net_request_lost": ("count", 1),
    "net_answer_lost": ("count", 1),
    "net_reset": ("once", 0),
    "net_slow": ("for", 1500),
    "net_partition": ("for", 900),
}
"""Name: how it is measured, and its default: milliseconds it lasts, or how many requests it hits.

`net_refused`: no connection can be made, which is known at once. `net_request_lost`: it never arrives. `net_answer_lost`:
it is executed, and the connection breaks before the answer. `net_reset`: every connection breaks, now. `net_slow`: all takes
`SLOW_MS` longer, each way. `net_partition`: nothing passes until it is over, and then all of it.
"""
SLOW_MS = 350
MIDST = ('"partially_filled"', '"spot.usertrades"')
"""DirtySymbols of a frame that reports a fill and is followed by more about the same order."""


class LineFault(msgspec.Struct):
    """One fault of a line; `until_ns` for those that last, `left` for those that are counted.

    With `midst_ns` it begins, for so long, once a report of a fill has passed that is not the last of its order.
    """

    name: str
    until_ns: int = 0
    left: int = 0
    midst_ns: int = 0
    on_hit: Callable[[], None] | None = None

    def hit(self) -> None:
        """Note that it struck."""
        if self.on_hit is not None:
            self.on_hit()


class Line:
    """The network between the engine and one venue, and its present faults."""

    def __init__(self) -> None:
        self._faults: list[LineFault] = []

    def add(self, fault: LineFault) -> None:
        """Begin a fault."""
        self._faults.append(fault)

    def clear(self) -> None:
        """End all faults."""
        self._faults.clear()

    def refused(self, now_ns: int) -> bool:
        """Return whether a connection made now fails."""
        fault = self._lasting("net_refused", now_ns)
        if fault is not None:
            fault.hit()
        return fault is not None

    def lost(self, name: str) -> bool:
        """Return whether this request falls to a counted fault called `name`, and count it."""
        for fault in self._faults:
            if fault.name == name and fault.left > 0:
                fault.left -= 1
                fault.hit()
                return True
        return False

    def delay_ns(self, now_ns: int) -> int:
        """Return how much longer something sent now is on its way."""
        if not self._faults:
            return 0
        cut = self._lasting("net_partition", now_ns)
        if cut is not None:
            cut.hit()
            return cut.until_ns - now_ns
        slow = self._lasting("net_slow", now_ns)
        if slow is not None:
            slow.hit()
            return SLOW_MS * NS_PER_MS
        return 0

    def passed(self, text: str | None, now_ns: int) -> None:
        """Take note of a frame that has passed to the process."""
        for fault in self._faults:
            if fault.midst_ns and text is not None and any(mark in text for mark in MIDST):
                fault.until_ns, fault.midst_ns = now_ns + fault.midst_ns, 0

    def _lasting(self, name: str, now_ns: int) -> LineFault | None:
        for fault in self._faults:
            if fault.name == name and now_ns < fault.until_ns:
                return fault
        return None


class Host:
    """The machine that the processes run on: by how many ns its clock is ahead of true time."""

    def __init__(self) -> None:
        self.ahead_ns = 0


class Point(StrEnum):
    """Where a life may end: just before or after a commit, a request, a frame from a venue, a write of the ledger, an
    intent."""

    BEFORE_COMMIT = "before_commit"
    AFTER_COMMIT = "after_commit"
    BEFORE_REQUEST = "before_request"
    AFTER_REQUEST = "after_request"
    BEFORE_ANSWER = "before_answer"
    BEFORE_PROJECTION = "before_projection"
    AFTER_PROJECTION = "after_projection"
    BEFORE_INTENT = "before_intent"
    AFTER_INTENT = "after_intent"


class Killed(BaseException):
    """The process is dead; not an `Exception`, for nobody may survive it."""


class Life:
    """From the start of a process to its end."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.alive = True
        self._loop = loop
        self._kill_point: Point | None = None
        self._left = 0
        self._on_end: Callable[[], None] | None = None

    def kill_at(self, point: Point, count: int, on_end: Callable[[], None]) -> bool:
        """Die when `point` is passed for the `count`-th time (from 1) from now; False where an earlier call stays in force."""
        if self._kill_point is not None:
            return False
        self._kill_point, self._left, self._on_end = point, count, on_end
        return True

    def cancel_kill(self) -> None:
        """Take the last `kill_at` back."""
        self._kill_point = None

    def passes(self, point: Point) -> None:
        """Pass a point of access to the outside; raise `Killed` when dead, or when the process is to die here."""
        if self.alive and point is self._kill_point:
            self._left -= 1
            if self._left <= 0:
                self.end()
        if not self.alive:
            raise Killed

    def end(self) -> None:
        """Die now."""
        if self.alive and self._on_end is not None:
            self._on_end()
        self.alive = False
        self._loop.stop()
