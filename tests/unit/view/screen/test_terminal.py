"""A terminal is taken as a whole, never waited for, and given back as it was."""

import os
import socket
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from arb.view.screen.terminal import Terminal, keys_in
from arb.view.tty import LEAVE, screen_possible
from tests.support.terminals import WAIT_S, TerminalPair


@pytest.fixture
def pair() -> Iterator[TerminalPair]:
    made = TerminalPair()
    yield made
    made.close()


def test_it_is_given_back_as_it_was_and_only_once(pair: TerminalPair) -> None:
    before = pair.modes()
    terminal = Terminal(pair.ours, pair.into)
    terminal.enter()
    terminal.draw([b"one"])
    during = pair.modes()
    assert not during[3] & (termios.ICANON | termios.ECHO) and during[3] & termios.ISIG
    assert during[6][termios.VSUSP] != before[6][termios.VSUSP], "Ctrl-Z must not stop an engine"
    terminal.leave()
    terminal.leave()
    assert pair.modes() == before
    drawn = pair.waiting()
    assert drawn.startswith(b"\x1b[?1049h") and drawn.count(LEAVE) == 1


def test_only_lines_that_changed_are_written_again(pair: TerminalPair) -> None:
    terminal = Terminal(pair.ours, pair.into)
    terminal.enter()
    terminal.draw([b"one", b"two"])
    pair.waiting()
    terminal.draw([b"one", b"three"])
    assert pair.waiting() == b"\x1b[2;1H\x1b[2Kthree"
    terminal.draw([b"one"])
    assert pair.waiting() == b"\x1b[2;1H\x1b[2K"
    terminal.leave()


def test_another_size_has_all_drawn_anew(pair: TerminalPair) -> None:
    terminal = Terminal(pair.ours, pair.into)
    terminal.enter()
    terminal.draw([b"one"])
    pair.waiting()
    pair.resize(60, 12)
    assert terminal.size() == (60, 12)
    terminal.draw([b"one"])
    assert pair.waiting() == b"\x1b[2J\x1b[1;1H\x1b[2Kone"
    terminal.leave()


def test_a_terminal_that_takes_nothing_is_not_waited_for_and_goes_on_later(pair: TerminalPair) -> None:
    terminal = Terminal(pair.ours, pair.into)
    terminal.enter()

    def draw() -> None:
        for number in range(200):
            terminal.draw([b"%d " % number * 1000] * 24)

    drawing = threading.Thread(target=draw, daemon=True)
    drawing.start()
    drawing.join(WAIT_S)
    assert not drawing.is_alive(), "it waits for a terminal that nobody reads"
    while pair.waiting():
        terminal.draw([b"last"])
    terminal.redraw()
    terminal.draw([b"the last"])
    pair.until(b"the last")
    terminal.leave()


def test_keys_come_one_by_one_and_sequences_by_name(pair: TerminalPair) -> None:
    terminal = Terminal(pair.ours, pair.into)
    terminal.enter()
    for typed, keys in ((b"h", ["h"]), (b"\r", ["enter"]), (b"\x1b", ["esc"]), (b"\x1b[B", ["down"])):
        pair.type(typed)
        assert terminal.wait(WAIT_S) == keys
    terminal.leave()


@pytest.mark.parametrize("raw", [b"\x1b[200~fy\x1b[201~", b"\x1b[15~", b"\x1by", "é".encode()])
def test_what_is_pasted_or_no_key_of_ours_is_no_key(raw: bytes) -> None:
    assert keys_in(raw) == []


def test_a_paste_in_pieces_is_no_key_until_it_ends(pair: TerminalPair) -> None:
    terminal = Terminal(pair.ours, pair.into)
    terminal.enter()
    for typed, keys in ((b"\x1b[200~f", []), (b"y", []), (b"\x1b[201~", []), (b"y", ["y"])):
        pair.type(typed)
        assert terminal.wait(WAIT_S) == keys
    terminal.leave()


def test_waiting_for_keys_ends_when_it_is_woken(pair: TerminalPair) -> None:
    terminal = Terminal(pair.ours, pair.into)
    terminal.enter()
    terminal.wake()
    assert terminal.wait(WAIT_S) == []
    terminal.leave()


def test_a_terminal_that_is_gone_is_left_without_a_word(pair: TerminalPair) -> None:
    terminal = Terminal(pair.ours, pair.into)
    terminal.enter()
    pair.hang_up()
    terminal.leave()


def test_without_a_keyboard_it_is_drawn_all_the_same(pair: TerminalPair) -> None:
    with Path(os.devnull).open() as nothing:
        terminal = Terminal(pair.ours, nothing)
    terminal.enter()
    terminal.draw([b"one"])
    pair.until(b"one")
    assert not terminal.has_keys and terminal.wait(0) == []
    terminal.leave()


def test_a_screen_needs_a_terminal_with_a_cursor_in_the_foreground(pair: TerminalPair) -> None:
    with Path(os.devnull).open("w") as nothing:
        assert not screen_possible(nothing, {"TERM": "xterm"})
    assert not screen_possible(pair.ours, {"TERM": "dumb"})
    assert not screen_possible(pair.ours, {})
    assert not screen_possible(pair.ours, {"TERM": "xterm"}), (
        "it is another session's: a change of its modes would stop us"
    )


def test_where_no_feed_can_be_there_is_no_screen(pair: TerminalPair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.tcgetpgrp", lambda _: os.getpgrp())
    assert screen_possible(pair.ours, {"TERM": "xterm"})
    monkeypatch.setattr(socket, "SOCK_SEQPACKET", 9)  # as on macOS: the system refuses it
    assert not screen_possible(pair.ours, {"TERM": "xterm"})


DIES = """
import sys
from arb.view.screen.terminal import own_terminal
terminal = own_terminal()
terminal.enter()
terminal.draw([b"one"])
sys.stdin.readline()
raise SystemError("a bug")
"""


def test_a_process_that_dies_of_a_bug_gives_its_terminal_back(pair: TerminalPair) -> None:
    before, ours = pair.modes(), pair.ours.fileno()
    process = subprocess.Popen([sys.executable, "-c", DIES], stdin=ours, stdout=ours, stderr=subprocess.DEVNULL)
    pair.until(b"one")
    pair.type(b"\n")
    assert LEAVE in pair.until(b"\x1b[?1049l")
    assert process.wait(WAIT_S) == 1
    assert pair.modes() == before
