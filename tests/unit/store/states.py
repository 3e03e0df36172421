"""Hearing what a ledger's thread says of itself."""

import threading

WAIT_S = 60.0


class States:
    """Hears what a ledger's thread says of itself, and lets a test wait for it."""

    def __init__(self) -> None:
        self.heard: list[tuple[bool, str]] = []
        self._changed = threading.Condition()

    def __call__(self, blocked: bool, cause: str) -> None:
        with self._changed:
            self.heard.append((blocked, cause))
            self._changed.notify_all()

    def wait_for(self, blocked: bool, count: int = 1) -> str:
        with self._changed:
            assert self._changed.wait_for(lambda: [b for b, _ in self.heard].count(blocked) >= count, WAIT_S)
            return next(cause for state, cause in reversed(self.heard) if state is blocked)
