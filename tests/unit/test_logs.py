"""Log lines: on their own thread, without a secret, and never in the way."""

import io
import logging
import queue

import pytest

from arb.cli import main
from arb.logs import BoundedQueueHandler, logging_to
from arb.masking import SECRETS, SecretMask

SECRET = "hunter22-hunter22"


def test_a_secret_is_masked_in_message_arguments_and_traceback() -> None:
    mask, stream = SecretMask(), io.StringIO()
    mask.hide([SECRET])
    with logging_to(stream, mask=mask):
        log = logging.getLogger("arb.test")
        log.info("key %s", SECRET)
        try:
            raise ValueError(f"refused {SECRET}")
        except ValueError:
            log.exception("it failed")
    assert SECRET not in stream.getvalue()
    assert "key ***" in stream.getvalue()
    assert "ValueError: refused ***" in stream.getvalue()


def test_an_error_line_of_the_command_line_is_masked_too(capsys: pytest.CaptureFixture[str]) -> None:
    SECRETS.hide(["hunter33-hunter33"])
    assert main(["run", "--mode", "hunter33-hunter33"]) == 2
    assert "hunter33" not in capsys.readouterr().err


def test_of_two_secrets_the_longer_is_masked_whole() -> None:
    mask = SecretMask()
    mask.hide(["abcdef", "abcdefghij", "no"])
    assert mask.masked("abcdefghij no") == "*** no"


def test_a_full_queue_drops_and_counts_instead_of_waiting() -> None:
    handler = BoundedQueueHandler(queue.Queue(1), SecretMask())
    record = logging.LogRecord("arb", logging.INFO, __file__, 1, "line", (), None)
    for _ in range(3):
        handler.emit(record)
    assert handler.dropped == 2


def test_lines_are_in_order_utc_and_below_the_level_absent() -> None:
    stream = io.StringIO()
    with logging_to(stream, level="warning"):
        log = logging.getLogger("arb.test")
        for number in range(3):
            log.warning("line %d", number)
        log.info("not this")
        logging.getLogger("somebody.else").info("nor this")
    lines = stream.getvalue().splitlines()
    assert [line.rpartition(": ")[2] for line in lines] == ["line 0", "line 1", "line 2"]
    assert all(line[10] == "T" and line[23] == "Z" for line in lines)


def test_after_the_block_the_loggers_are_as_before() -> None:
    handlers = list(logging.getLogger().handlers)
    with logging_to(io.StringIO()):
        pass
    assert logging.getLogger().handlers == handlers


def test_nothing_that_others_wrote_passes_for_a_line_of_the_log() -> None:
    stream, forged = io.StringIO(), "refused\n2026-01-01T00:00:00.000Z ERROR   arb: forged\x1b[2J\u0085\u2028end"
    with logging_to(stream):
        log = logging.getLogger("arb.test")
        log.warning("gate: %s", forged)
        try:
            raise ValueError(forged)
        except ValueError:
            log.exception("it failed")
    lines = stream.getvalue().split("\n")
    assert [line for line in lines if line.startswith("2026-01-01")] == []
    assert all(line.isprintable() for line in lines)
    assert sum("forged" in line for line in lines) >= 2
