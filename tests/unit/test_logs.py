"""Log lines: on their own thread, without a secret, and never in the way."""

import io
import json
import logging
import queue
import re
import time
from pathlib import Path

import pytest

from arb.cli import main
from arb.logs import BoundedQueueHandler, LogFile, logging_to
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


def test_a_disk_that_takes_no_line_costs_lines_and_one_line_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    with logging_to(file=LogFile(Path("/dev/full"), 10**6, 2)):
        for number in range(1000):
            logging.getLogger("arb.test").info("line %d", number)
    said = capsys.readouterr().err.splitlines()
    assert said == ["arb: log file /dev/full: No space left on device: lines are lost until it can be written"]


def test_lines_lost_meanwhile_are_counted_in_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, log = tmp_path / "away" / "a.log", logging.getLogger("arb.test")
    file = LogFile(path, 10**6, 2)
    path.parent.rmdir()
    with logging_to(file=file):
        log.info("one")
        log.info("two")
        while file.lost < 2:
            time.sleep(0.001)
        path.parent.mkdir()
        log.info("three")
    last, lost = path.read_text().splitlines()
    assert last.endswith(": three") and "2 log lines are missing here" in lost
    assert capsys.readouterr().err.count("\n") == 1


def test_modules_have_levels_of_their_own_until_they_are_set_again() -> None:
    stream, log = io.StringIO(), logging.getLogger("arb.test.inner")
    with logging_to(stream, level="warning", modules={"arb.test": "debug"}) as logs:
        log.debug("shown")
        logging.getLogger("arb.other").info("not shown")
        logs.set_levels("error", {})
        log.warning("not shown")
    assert [line.rpartition(": ")[2] for line in stream.getvalue().splitlines()] == ["shown"]


def test_json_lines_are_objects_with_instant_level_module_message_and_ids() -> None:
    stream = io.StringIO()
    with logging_to(stream, as_json=True) as logs:
        logs.of_run(2**54)
        logging.getLogger("arb.test").warning("forged\n{}", extra={"pair_id": 7})
    (line,) = stream.getvalue().splitlines()
    found = json.loads(line)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", found.pop("at"))
    message = "forged\N{REPLACEMENT CHARACTER}{}"
    ids = {"run_id": str(2**54), "pair_id": "7"}
    assert found == {"level": "warning", "module": "arb.test", "message": message} | ids
