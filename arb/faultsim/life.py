"""One life of the process under simulation, and its sudden death.

A killed process can do nothing more to the outside: no commit, no request, no frame. So a kill needs no help from the
process: from the instant of death every door to the outside refuses, and the loop stops. Whatever the code in memory
still does after that is seen by nobody. Death strikes at a *point*, just before or just after something reaches the
outside, so that every place where a process can die is reached by some seed.
"""

import asyncio
from collections.abc import Callable
from enum import StrEnum


class Point(StrEnum):
    """Where a life may end: just before or after a commit, a request, a frame from a venue, a write of the ledger."""

    BEFORE_COMMIT = "before_commit"
    AFTER_COMMIT = "after_commit"
    BEFORE_REQUEST = "before_request"
    AFTER_REQUEST = "after_request"
    BEFORE_ANSWER = "before_answer"
    BEFORE_PROJECTION = "before_projection"
    AFTER_PROJECTION = "after_projection"


class Killed(BaseException):
    """The process is dead; not an `Exception`, for nobody may survive it."""


class Life:
    """From the start of a process to its end."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.alive = True
        self._loop = loop
        self._doom: Point | None = None
        self._left = 0
        self._on_end: Callable[[], None] | None = None

    def doom(self, point: Point, count: int, on_end: Callable[[], None]) -> bool:
        """Die when `point` is passed for the `count`-th time (from 1) from now; False where an earlier doom stays."""
        if self._doom is not None:
            return False
        self._doom, self._left, self._on_end = point, count, on_end
        return True

    def pardon(self) -> None:
        """Live on."""
        self._doom = None

    def passes(self, point: Point) -> None:
        """Go through a door to the outside; raise `Killed` when dead, or when this is where death waits."""
        if self.alive and point is self._doom:
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
