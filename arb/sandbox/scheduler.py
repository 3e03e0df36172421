"""What is to happen when: a heap of (instant, order of scheduling), run in virtual or real time alike."""

import heapq
from collections.abc import Callable


class Scheduler:
    """Run actions at their instants; `now_ns` is the instant of the action being run."""

    def __init__(self, now_ns: int) -> None:
        self.now_ns = now_ns
        self._heap: list[tuple[int, int, Callable[[int], None]]] = []
        self._count = 0

    def at(self, at_ns: int, action: Callable[[int], None]) -> None:
        """Schedule `action(at_ns)`; an instant already past runs as soon as possible, at the present instant."""
        self._count += 1
        heapq.heappush(self._heap, (max(at_ns, self.now_ns), self._count, action))

    def next_ns(self) -> int | None:
        """Return the instant of the next action."""
        return self._heap[0][0] if self._heap else None

    def run_until(self, now_ns: int) -> None:
        """Run everything due up to and including `now_ns`, in order of instant and of scheduling."""
        while self._heap and self._heap[0][0] <= now_ns:
            at_ns, _, action = heapq.heappop(self._heap)
            self.now_ns = at_ns
            action(at_ns)
        self.now_ns = max(self.now_ns, now_ns)
