"""The guard: while an engine gives no sign, what rests of it at the venues is cancelled.

An engine sends orders that end at once, but a venue may hold one, and later strategies rest orders on purpose. The cancels run
in a thread: a venue that is slow delays no message.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from arb.clock import NS_PER_S
from arb.watch.notices import Notice

AGAIN_NS, LATER_NS = 15 * NS_PER_S, 60 * NS_PER_S
"""When the venues are asked again: while orders may rest, and else later, since one may still arrive."""


class Cleared(NamedTuple):
    """One venue: how many orders were cancelled, how many rest still, and why that may be wrong ("": it is certain)."""

    venue: str
    cancelled: int
    left: int
    trouble: str

    @property
    def is_clear(self) -> bool:
        return not self.left and not self.trouble

    def text(self) -> str:
        rest = f"{self.left} still rest" if self.left else "nothing rests"
        return f"{self.venue}: {self.cancelled} cancelled, {self.trouble or rest}"


class Guard:
    """`cancel` cancels everywhere; it may take minutes."""

    def __init__(self, cancel: Callable[[], Sequence[Cleared]]) -> None:
        self._cancel = cancel
        self._thread: threading.Thread | None = None
        self._next_ns = self._since_ns = 0
        self._latest: tuple[Cleared, ...] = ()
        self._cancelled: dict[str, int] = {}

    def step(self, now_ns: int, *, silent: bool) -> None:
        """Begin to cancel where that is due."""
        if self._thread is not None:
            if self._thread.is_alive():
                return
            self._thread = None
            self._next_ns = now_ns + (LATER_NS if all(each.is_clear for each in self._latest) else AGAIN_NS)
        if not silent:
            self._next_ns, self._since_ns, self._latest, self._cancelled = 0, 0, (), {}
        elif now_ns >= self._next_ns:
            self._since_ns = self._since_ns or now_ns
            self._thread = threading.Thread(target=self._run, daemon=True)
            self._thread.start()

    def _run(self) -> None:
        try:
            found = tuple(self._cancel())
        except Exception as error:  # a bug must not be taken for an account without orders
            found = (Cleared("all venues", 0, 0, f"{type(error).__name__}: {error}"),)
        for each in found:
            self._cancelled[each.venue] = self._cancelled.get(each.venue, 0) + each.cancelled
        self._latest = found

    def notices(self, at_stake: str) -> Iterator[Notice]:
        """Yield one notice while orders rest, or may, and one when orders were cancelled; `at_stake`: the present money."""
        found = [each._replace(cancelled=self._cancelled[each.venue]) for each in self._latest]
        unclear = [each for each in found if not each.is_clear]
        if unclear:
            yield Notice(
                key="resting",
                title="orders of a silent engine may rest",
                event="; ".join(each.text() for each in unclear),
                money=at_stake,
                next_step=f"nothing; the companion cancels again after {AGAIN_NS // NS_PER_S} s",
                to_do="cancel them on the venue's page, and start the engine again: `arb run`",
                since_ns=self._since_ns,
                wakes=True,
            )
        if any(each.cancelled for each in found):
            yield Notice(
                key="cancelled",
                title="orders of a silent engine rested",
                event="; ".join(each.text() for each in found if each.cancelled),
                money=at_stake,
                next_step="nothing; the companion goes on to look for orders of it",
                to_do="start the engine again, which finishes open pairs: `arb run`",
                since_ns=self._since_ns,
            )
