"""The screen as a whole, on a real terminal: it draws, asks, acts, and gives the terminal back whatever happens."""

import termios
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from arb.clock import NS_PER_S, ManualClock
from arb.errors import CheckFailed, ConfigError
from arb.view.screen.dialogs import Action, Confirmed
from arb.view.screen.screen import ASKED_AT_MOST_S, Hands, Screen, Texts
from arb.view.screen.terminal import Terminal
from tests.builders import START_NS
from tests.support.terminals import WAIT_S, TerminalPair
from tests.unit.view.test_view import a_state

TEXTS = Texts(stop="Ctrl-C: stop", help="stop the run", question="stop the run?")
ALERT = {
    "id": 7,
    "short_id": "1-7",
    "seen_id": 8,
    "kind": "halt",
    "text": "contradiction",
    "what_to_do": "look at both",
    "since_ns": 0,
    "count": 2,
}


class Stage:
    """A screen on a terminal, and what its keys did."""

    def __init__(self, pair: TerminalPair) -> None:
        self.pair = pair
        self.clock = ManualClock(START_NS)
        self.done: list[Confirmed] = []
        self.acted = threading.Event()
        self.answer: Callable[[Confirmed], str] = lambda _: "the engine obeys"
        self.read: Callable[[], dict[str, Any]] = lambda: {"alerts": [ALERT]}
        terminal = Terminal(pair.ours, pair.into)
        self.screen = Screen(terminal, self.clock, Hands(self._act, lambda: self.read()), TEXTS)

    def _act(self, confirmed: Confirmed) -> str:
        self.done.append(confirmed)
        self.acted.set()
        return self.answer(confirmed)

    def begin(self) -> None:
        """Draw a state until it and what was read stand there."""
        self.screen.show(a_state())
        self.screen.start()
        self.pair.until(b"acknowledge (1)")


@pytest.fixture
def stage() -> Iterator[Stage]:
    pair = TerminalPair()
    made = Stage(pair)
    yield made
    made.screen.close()
    pair.close()


def test_an_alert_says_what_to_do_and_is_acknowledged_by_its_id(stage: Stage) -> None:
    stage.screen.show(a_state())
    stage.screen.start()
    stage.pair.until(b"what to do: look at both")
    stage.pair.type(b"a")
    stage.pair.until(b"acknowledge alert 1-7")
    stage.pair.type(b"y")
    stage.pair.until(b"the engine obeys")
    assert stage.done == [Confirmed(Action.ACKNOWLEDGE, 7, 8)]


def test_a_halt_is_asked_first_and_done_once(stage: Stage) -> None:
    stage.begin()
    stage.pair.type(b"h")
    stage.pair.until(b"y: confirm")
    assert not stage.done
    stage.pair.type(b"y")
    stage.pair.until(b"the engine obeys")
    assert stage.done == [Confirmed(Action.HALT)]


@pytest.mark.parametrize("error", [ConfigError("no engine"), CheckFailed("no engine"), OSError("no engine")])
def test_what_could_not_be_done_is_said(stage: Stage, error: Exception) -> None:
    def fail(_: Confirmed) -> str:
        raise error

    stage.answer = fail
    stage.begin()
    stage.pair.type(b"f")
    stage.pair.until(b"flatten: cancel own orders")
    stage.pair.type(b"y")
    stage.pair.until(b"flatten FAILED: no engine")


def test_what_keys_do_may_take_as_long_as_it_likes(stage: Stage) -> None:
    until = threading.Event()
    stage.answer = lambda _: "at last" if until.wait(WAIT_S) else "never"
    stage.begin()
    stage.pair.type(b"h")
    stage.pair.until(b"y: confirm")
    stage.pair.type(b"y")
    assert stage.acted.wait(WAIT_S)
    stage.screen.show(a_state(orders=4711))
    stage.pair.until(b"orders 4711")
    until.set()
    stage.pair.until(b"at last")


def test_a_question_that_nobody_answers_is_taken_back(stage: Stage) -> None:
    stage.begin()
    stage.pair.type(b"f")
    stage.pair.until(b"y: confirm")
    stage.clock.advance(int((ASKED_AT_MOST_S + 1) * NS_PER_S))
    stage.pair.until(b"h halt")
    stage.pair.type(b"y")
    stage.pair.type(b"?")
    stage.pair.until(b"flatten: cancel own orders")
    assert not stage.done


def test_a_state_that_is_not_renewed_says_how_old_it_is(stage: Stage) -> None:
    stage.begin()
    stage.clock.advance(9 * NS_PER_S)
    stage.pair.until(b"the engine has not answered for 9 s")


def test_a_ledger_that_cannot_be_read_is_said_and_the_rest_goes_on(stage: Stage) -> None:
    def fail() -> dict[str, Any]:
        raise ConfigError("ledger: locked")

    stage.read = fail
    stage.screen.show(a_state())
    stage.screen.start()
    drawn = stage.pair.until(b"the ledger is not read: ledger: locked")
    assert b"gate" in drawn


def test_the_engines_latest_log_lines_stand_on_the_screen(stage: Stage) -> None:
    stage.begin()
    stage.screen.show(a_state(log=["a warning"]))
    stage.pair.until(b"a warning")


def test_a_screen_that_breaks_gives_the_terminal_back_and_says_that_it_has_ended(stage: Stage) -> None:
    before = stage.pair.modes()
    stage.begin()
    stage.screen.show({"nothing": "that can be drawn"})
    assert stage.screen.ended.wait(WAIT_S)
    assert isinstance(stage.screen.failure, KeyError)
    stage.pair.until(b"\x1b[?1049l")
    assert stage.pair.modes() == before


def test_a_terminal_that_hangs_up_ends_the_screen_alone(stage: Stage) -> None:
    stage.begin()
    stage.pair.hang_up()
    assert stage.screen.ended.wait(WAIT_S)
    assert isinstance(stage.screen.failure, OSError)


def test_closing_is_quick_though_nobody_reads_the_terminal(stage: Stage) -> None:
    stage.begin()
    for number in range(50):
        stage.screen.show(a_state(orders=number))
    closing = threading.Thread(target=stage.screen.close, daemon=True)
    closing.start()
    closing.join(WAIT_S)
    assert not closing.is_alive()
    assert stage.pair.modes()[3] & termios.ECHO
