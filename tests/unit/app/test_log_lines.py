"""`arb logs`: which lines are shown, and that none is lost or repeated while files are set aside."""

import json
import logging
from pathlib import Path

import pytest

from arb.app.log_lines import Line, LogFiles
from arb.cli import main
from arb.logs import LogFile, log_path, logging_to

LOG = logging.getLogger("arb.test")


def anything(line: Line) -> bool:
    return True


def messages(lines: list[Line]) -> list[str]:
    return [line.message for line in lines]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return log_path(tmp_path / "a.journal.sqlite")


@pytest.mark.parametrize("as_json", [True, False])
def test_a_line_is_read_as_it_was_logged(path: Path, as_json: bool) -> None:
    with logging_to(file=LogFile(path, 10**6, 2), as_json=as_json) as log:
        log.of_run(17)
        LOG.info("before")
        LOG.critical("late leg", extra={"pair_id": 17_000_000_003})
        try:
            raise ValueError("no\nsuch")
        except ValueError:
            LOG.exception("it failed")
    before, late, failed = LogFiles(path).latest(10, anything)
    assert (before.level, before.module, before.message, before.pair_id) == ("info", "arb.test", "before", None)
    assert (late.level, late.message, late.pair_id) == ("critical", "late leg", "17000000003")
    assert failed.message.startswith("it failed\n    Traceback") and "no" in failed.message
    assert [line.run_id for line in (before, late)] == (["17", "17"] if as_json else [None, None])


def test_the_latest_lines_come_from_older_files_too(path: Path) -> None:
    with logging_to(file=LogFile(path, 150, 5)):
        for number in range(20):
            LOG.info("line %d", number)
    assert len(list(path.parent.iterdir())) == 5
    assert messages(LogFiles(path).latest(6, anything)) == [f"line {number}" for number in range(14, 20)]
    even = LogFiles(path).latest(3, lambda line: int(line.message.split()[1]) % 2 == 0)
    assert messages(even) == ["line 14", "line 16", "line 18"]
    assert LogFiles(path).latest(0, anything) == []


@pytest.mark.parametrize("lines_at_once", [1, 7])
def test_each_line_is_followed_once_however_many_files_are_set_aside_meanwhile(path: Path, lines_at_once: int) -> None:
    files, seen = LogFiles(path), []
    assert files.latest(10, anything) == []
    for first in range(0, 42, lines_at_once):
        with logging_to(file=LogFile(path, 200, 12)):
            for number in range(first, first + lines_at_once):
                LOG.info("line %d", number)
        seen += messages(list(files.newer(anything)))
    assert seen == [f"line {number}" for number in range(42)]
    assert path.with_name(f"{path.name}.9").exists()


def test_a_line_that_is_half_written_is_waited_for(path: Path) -> None:
    files = LogFiles(path)
    path.write_text("2026-11-26T08:00:00.000Z INFO    arb.x: who", encoding="utf-8")
    assert files.latest(10, anything) == []
    with path.open("a", encoding="utf-8") as file:
        file.write("le\n")
    assert messages(list(files.newer(anything))) == ["whole"]


def _config(folder: Path, log: str) -> Path:
    path = folder / "config.toml"
    path.write_text(f"[log]\n{log}\n[store]\nurl = 'sqlite:///var/a.sqlite'\n")
    return path


def test_where_the_engine_logs_to_stderr_the_command_says_how_to_read_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["logs", "--config", str(_config(tmp_path, ""))]) == 2
    assert "journalctl" in (said := capsys.readouterr().err) and said.count("\n") == 1


def test_lines_are_chosen_by_level_and_pair(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = _config(tmp_path, "to = 'file'")
    (tmp_path / "var").mkdir()
    with logging_to(file=LogFile(log_path(tmp_path / "var" / "a.journal.sqlite"), 10**6, 2), as_json=True):
        LOG.info("quiet")
        LOG.critical("late leg", extra={"pair_id": 17_000_000_003})
    asked = ["logs", "--config", str(config), "--json"]
    assert main([*asked, "--level", "warning"]) == 0
    assert [line["message"] for line in json.loads(capsys.readouterr().out)["lines"]] == ["late leg"]
    assert main([*asked[:-1]]) == 0
    assert capsys.readouterr().out.splitlines()[0].endswith("INFO    arb.test: quiet")
