"""Log lines while a screen is up: none is drawn over it, none is lost."""

import io

from arb.view.tty import HELD_MAX, HeldLog


class OnATerminal(io.StringIO):
    """A log's stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_log_lines_wait_and_are_written_once_the_screen_is_gone() -> None:
    stream = OnATerminal()
    held = HeldLog(stream)
    held.hold()
    held.write("a warning\n")
    assert (stream.getvalue(), held.latest()) == ("", ["a warning"])
    held.release()
    held.write("afterwards\n")
    assert stream.getvalue() == "a warning\nafterwards\n"


def test_of_too_many_log_lines_the_latest_are_kept_and_the_others_counted() -> None:
    stream = OnATerminal()
    held = HeldLog(stream)
    held.hold()
    for number in range(HELD_MAX + 2):
        held.write(f"line {number}\n")
    held.release()
    first, second, *_ = stream.getvalue().splitlines()
    assert first == "2 earlier log lines were shown on the screen only" and second == "line 2"


def test_a_log_that_goes_to_a_file_goes_on_going_there() -> None:
    stream = io.StringIO()
    held = HeldLog(stream)
    held.hold()
    held.write("a warning\n")
    assert stream.getvalue() == "a warning\n"
