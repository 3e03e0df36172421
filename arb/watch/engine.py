"""The sign of life of an engine: the states that it sends to listeners, read in a thread.

Silence is counted in waits and not by a clock: a suspended machine, or a companion that was stopped, accuses no engine.
"""

import threading
from collections.abc import Callable, Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from arb.errors import ArbError
from arb.live.control import ask
from arb.live.feed import POLL_S, feed_path, states_of


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

    def __init__(self, journals: Callable[[], Iterable[Path]]) -> None:
        self.state: State | None = None
        """The latest state, also after its engine has gone; None before any, and for one that cannot be read."""
        self.silent_s = 0.0
        self.trouble = ""
        self.has_answered = False
        self._journals = journals
        self._journal: Path | None = None

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
                trouble = ""
            except ArbError as error:
                trouble = str(error)
            except msgspec.MsgspecError as error:  # a sign of life all the same
                self.state, self.has_answered, self.silent_s = None, True, 0.0
                trouble = f"its state cannot be read, so no message names the money at stake: {error}: upgrade arb"
            self.trouble = trouble
            stop.wait(POLL_S)
            self.silent_s += POLL_S

    def _listen(self, journal: Path, stop: threading.Event) -> None:
        if feed_path(journal).exists():
            self._journal = journal
            for state in states_of(journal):
                self._take(state)
                if stop.is_set():
                    return
        else:  # the engine may run on a system without such sockets
            self._take(ask(journal, {"do": "status"}), waited_s=0.0)

    def _take(self, state: dict[str, Any] | None, waited_s: float = POLL_S) -> None:
        if state is None:
            self.silent_s += waited_s
        else:
            self.has_answered, self.silent_s = True, 0.0
            self.state = msgspec.convert(state, State)
