"""The sign of life of an engine: the states that it sends to listeners, read in a thread.

Silence is the sum of our waits, each of them bounded: a suspended machine, or a companion that was stopped, accuses no engine.
"""

import threading
from collections.abc import Callable, Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from arb.clock import NS_PER_S, Clock
from arb.errors import ArbError
from arb.live.control import ask
from arb.live.feed import POLL_S, feed_path, states_of

LOOK_MAX_S = 3.0
"""The most by which one look at the engine adds to its silence."""


class Unhedged(msgspec.Struct, frozen=True):
    """A signed size that nothing offsets, in `asset`, and for how long."""

    asset: str
    size: str
    age_ms: int


class OpenPair(msgspec.Struct, frozen=True):
    """A pair under way: `size` bought at the venue `buy` and sold at `sell`."""

    id: int
    symbol: str
    buy: str
    sell: str
    state: str
    size: str


class About(msgspec.Struct, frozen=True):
    """The recorded mode of the run, "" where the state lacks it."""

    mode: str = ""


class State(msgspec.Struct, frozen=True, kw_only=True):
    """The part of an engine's state that messages need; amounts in the report currency."""

    unhedged_notional: Decimal
    unhedged: tuple[Unhedged, ...]
    now_ns: int | None = None
    open_pairs: tuple[OpenPair, ...] = ()
    about: About = About()


class EngineSigns:
    """`journals` yields the places where the engine's journal may be; asking the second one may take seconds."""

    def __init__(self, journals: Callable[[], Iterable[Path]], clock: Clock) -> None:
        self.state: State | None = None
        """The latest state, also after its engine has gone; None before any, and for one that cannot be read."""
        self.whole_state: dict[str, Any] = {}
        """The same with all that it has."""
        self.silent_s = 0.0
        self.has_answered = False
        self.trouble = ""
        self._journals = journals
        self._journal: Path | None = None
        self._clock = clock
        self._looked_ns = clock.monotonic_ns()

    @property
    def has_socket(self) -> bool:
        """Return whether the engine's socket is there: an orderly end removes it, a killed or hung engine does not."""
        return self._journal is not None and feed_path(self._journal).exists()

    def run(self, stop: threading.Event) -> None:
        """Listen until stopped; look for an engine while none answers."""
        while not stop.is_set():
            try:
                for journal in [self._journal] if self._journal is not None and self.has_socket else self._journals():
                    self._listen(journal, stop)
                self.trouble = ""
            except ArbError as error:
                self.trouble = str(error)
            except msgspec.MsgspecError as error:  # a sign of life all the same
                self.state, self.has_answered, self.silent_s = None, True, 0.0
                self.trouble = f"its state cannot be read, so no message names the money at stake: {error}: upgrade arb"
            stop.wait(POLL_S)
            self.take(None)

    def _listen(self, journal: Path, stop: threading.Event) -> None:
        if feed_path(journal).exists():
            self._journal = journal
            for state in states_of(journal):
                self.take(state)
                if stop.is_set():
                    return
        # The engine may have as many listeners as it takes, or run on a system without such sockets.
        self.take(ask(journal, {"do": "status"}, timeout_s=POLL_S))

    def take(self, state: Any) -> None:
        """Note a state, or None for none so far; raises `msgspec.MsgspecError` for a state of another form."""
        now_ns = self._clock.monotonic_ns()
        waited_s, self._looked_ns = (now_ns - self._looked_ns) / NS_PER_S, now_ns
        if state is None:
            self.silent_s += min(waited_s, LOOK_MAX_S)
        else:
            self.state, self.has_answered, self.silent_s = msgspec.convert(state, State), True, 0.0
            self.whole_state = state
