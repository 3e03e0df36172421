"""The network between the house and one venue: what may go wrong on the way, and for how long.

Bytes on a connection never vanish one by one (TCP): they come late, or the connection breaks. Requests that were under way
when something broke may have arrived or not, and the sender cannot know.
"""

from collections.abc import Callable

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
"""What a frame says that tells of a fill and is followed by more about the same order."""


class LineFault(msgspec.Struct):
    """One fault of a line; `until_ns` for those that last, `left` for those that are counted.

    With `midst_ns` it begins, for so long, once the news of a fill has passed that is not the last of its order.
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
    """The faults of one venue's line."""

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
