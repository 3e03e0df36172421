"""The screen itself: a thread that draws what it was handed last, reads keys, and does what they confirm.

What the keys do, and what is read from the ledger, has threads of its own, so a database that does not answer keeps nothing
from being drawn.
"""

import logging
import threading
from collections.abc import Callable
from typing import NamedTuple

from arb.clock import NS_PER_S, Clock
from arb.errors import ArbError
from arb.view.lines import Line, Span, encoded, wrapped
from arb.view.screen.dialogs import Action, Confirmed, Dialogs
from arb.view.screen.picture import State, picture, waiting
from arb.view.screen.terminal import Terminal

log = logging.getLogger(__name__)

REFRESH_S = 0.25
READ_EVERY_S = 2.0
ASKED_AT_MOST_S = 30.0
"""A question ends after this time without an answer: a later `y` means something else."""
SAID_FOR_S = 15.0
OLD_S = 3.0
JOIN_S = 2.0


class Hands(NamedTuple):
    """What a screen can do and ask beside drawing; all may block, and raise `ArbError`.

    `act` does what was confirmed and returns what came of it, in a line; `read` returns more of what is to be drawn.
    """

    act: Callable[[Confirmed], str]
    read: Callable[[], State]


class Texts(NamedTuple):
    """What a screen says of stopping: in its header, in its help, and when `q` is pressed."""

    stop: str
    help: str
    question: str


class Screen:
    """Draws states until closed. `colours` False: none, even on a terminal with colours."""

    def __init__(self, terminal: Terminal, clock: Clock, hands: Hands, texts: Texts, *, colours: bool = True) -> None:
        self._terminal = terminal
        self._clock = clock
        self._hands = hands
        self._texts = texts
        self._colours = colours
        self._dialogs = Dialogs(texts.question, texts.help)
        self._asked_ns = 0
        self._state: State | None = None
        self._state_ns = 0
        self._read: State = {}
        self._said: tuple[str, int] = ("", 0)
        self._closing = threading.Event()
        self.ended = threading.Event()
        """Set once drawing has ended, for any reason."""
        self.failure: Exception | None = None
        self._drawing = threading.Thread(target=self._run, name="screen", daemon=True)

    def start(self) -> None:
        """Take the terminal and begin; raises `OSError` where it is gone."""
        self._terminal.enter()
        self._drawing.start()
        threading.Thread(target=self._keep_read, name="screen's ledger", daemon=True).start()

    def show(self, state: State) -> None:
        """Have a state drawn; returns at once."""
        self._state, self._state_ns = state, self._clock.monotonic_ns()

    def close(self) -> None:
        """Draw no more, and give the terminal back."""
        self._closing.set()
        self._terminal.wake()
        self._drawing.join(JOIN_S)
        self._terminal.leave()

    def _run(self) -> None:
        try:
            while not self._closing.is_set():
                self._draw()
                self._take(self._terminal.wait(REFRESH_S))
        except Exception as error:  # the top of a thread: trading goes on without a screen, and its owner says so
            self.failure = error
        finally:
            self._terminal.leave()
            self.ended.set()

    def _draw(self) -> None:
        now_ns, size = self._clock.monotonic_ns(), self._terminal.size()
        if self._dialogs.asked is not None and now_ns - self._asked_ns > ASKED_AT_MOST_S * NS_PER_S:
            self._dialogs.leave()
        lines = self._lines(now_ns, size)
        encoding = self._terminal.encoding
        self._terminal.draw([encoded(one, encoding, colours=self._colours) for one in lines])

    def _lines(self, now_ns: int, size: tuple[int, int]) -> list[Line]:
        if self._state is None:
            return waiting(size)
        read = self._read
        state = self._state | read
        trouble, old_s = list(state.get("trouble", ())), (now_ns - self._state_ns) / NS_PER_S
        if old_s > OLD_S:
            trouble.append(f"the engine has not answered for {old_s:.0f} s: what stands here is that old")
        if state.get("cut"):
            trouble.append("too many symbols for one message: of long lists the first rows are shown")
        footer = self._footer(now_ns, size[0], read.get("alerts", []))
        page = self._dialogs.page(size[0]) if self._dialogs.help else []
        return picture(state | {"trouble": trouble}, size, self._texts.stop, [*page, *footer])

    def _footer(self, now_ns: int, width: int, alerts: list[State]) -> list[Line]:
        said, until_ns = self._said
        spoken = wrapped(said, width, "warn") if now_ns < until_ns else []
        if not self._terminal.has_keys:
            return [*spoken, (Span("no keys: standard input is no terminal", "dim"),)]
        return [*spoken, *self._dialogs.footer(alerts, width)]

    def _take(self, keys: list[str]) -> None:
        if "redraw" in keys:
            self._terminal.redraw()
        before = self._dialogs.asked
        confirmed = self._dialogs.press(keys, self._read.get("alerts", []))
        if keys and self._dialogs.asked is not before:
            self._asked_ns = self._clock.monotonic_ns()
        if confirmed is not None:
            self._say(f"{confirmed.action}: asked for")
            threading.Thread(target=self._do, args=(confirmed,), name="screen's action", daemon=True).start()

    def _do(self, confirmed: Confirmed) -> None:
        try:
            self._say(self._hands.act(confirmed))
        except (ArbError, OSError) as error:
            self._say(f"{confirmed.action} FAILED: {error}")
        except Exception as error:  # the top of a thread: what was asked for was not done, and that must be seen
            log.exception("%s", confirmed.action)
            self._say(f"{confirmed.action} FAILED: {error!r}")
        if confirmed.action is Action.ACKNOWLEDGE:
            self._read_once()

    def _say(self, text: str) -> None:
        self._said = text, self._clock.monotonic_ns() + int(SAID_FOR_S * NS_PER_S)
        self._terminal.wake()

    def _keep_read(self) -> None:
        while not self._closing.is_set():
            self._read_once()
            self._closing.wait(READ_EVERY_S)

    def _read_once(self) -> None:
        try:
            self._read = self._hands.read()
        except (ArbError, OSError) as error:
            self._read = {"trouble": [f"the ledger is not read: {error}"]}
        except Exception as error:  # the top of a thread: the rest of the screen goes on
            log.exception("reading for the screen")
            self._read = {"trouble": [f"the ledger is not read: {error!r}"]}
