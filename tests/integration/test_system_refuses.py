"""What the operating system refuses is one line and a documented exit code; no file of others is touched."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from arb.cli.root import COMMANDS as COMMANDS_OF_ARB
from arb.errors import EXIT_CHECK, EXIT_HALTED, EXIT_OK, EXIT_USAGE

pytestmark = pytest.mark.external
COMMANDS = (
    ["status"],
    ["pairs", "--json"],
    ["report"],
    ["halt", "--reason", "x"],
    ["flatten", "--reason", "x"],
    ["db", "check"],
)


def arb(folder: Path, *words: str, shell: str = "") -> tuple[int, str]:
    """Run a command of arb in a folder, with redirections of `shell`; return its exit code and what stands on stderr."""
    line = f'"{sys.executable}" -m arb "$@" {shell}'
    ended = subprocess.run(
        ["sh", "-c", line, "sh", *words],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        timeout=120,
    )
    return ended.returncode, ended.stderr


def is_one_line(said: str, *parts: str) -> bool:
    return said.count("\n") == 1 and said.startswith("arb: ") and all(part in said for part in parts)


@pytest.mark.thorough
@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_folder_in_place_of_a_ledger_is_refused(words: list[str], tmp_path: Path) -> None:
    code, said = arb(tmp_path, *words, "--db", f"sqlite:///{tmp_path}")
    assert code == 2 and is_one_line(said, "is no file", str(tmp_path)), said


@pytest.mark.thorough
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
@pytest.mark.parametrize("words", [["db", "upgrade"], ["run", "--for", "1s"]], ids=" ".join)
def test_what_is_no_file_is_left_as_it_is(words: list[str], tmp_path: Path) -> None:
    place = tmp_path / "null"
    os.mkfifo(place, 0o666)
    place.chmod(0o666)
    (tmp_path / "link").symlink_to(place)
    for name in ("null", "link"):
        code, said = arb(tmp_path, *words, "--db", f"sqlite:///{name}")
        assert code == 2 and is_one_line(said, "is no file"), said
    assert place.stat().st_mode & 0o777 == 0o666


@pytest.mark.thorough
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_an_answer_for_which_there_is_no_room_is_one_line(tmp_path: Path) -> None:
    assert arb(tmp_path, "db", "upgrade", "--db", "sqlite:///a.sqlite")[0] == 0
    code, said = arb(tmp_path, "pairs", "--json", "--db", "sqlite:///a.sqlite", shell=">/dev/full")
    assert code == 2 and is_one_line(said, "No space left on device"), said


@pytest.mark.thorough
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_streams_that_are_closed_cost_nothing(closed: str, tmp_path: Path) -> None:
    code, said = arb(tmp_path, "db", "upgrade", "--db", "sqlite:///a.sqlite", shell=closed)
    assert (code, said) == (0, "")
    assert (tmp_path / "a.sqlite").read_bytes().startswith(b"SQLite format 3"), "nothing was written over its beginning"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may look everywhere")
def test_a_folder_of_another_user_is_named(tmp_path: Path) -> None:
    (tmp_path / "var").mkdir(mode=0)
    code, said = arb(tmp_path, "halt", "--reason", "x", "--db", "sqlite:///var/a.sqlite")
    assert code == 2 and is_one_line(said, "you may not look into it", "sudo -u"), said


EVERY: dict[str, list[str]] = {
    "run": ["run", "--for", "1s"],
    "sandbox": ["sandbox", "--faults", "none.json"],
    "replay": ["replay", "none.jsonl.gz"],
    "record": ["record", "--out", "rec", "--for", "1s", "--sandbox", "http://127.0.0.1:1"],
    "sweep": ["sweep", "none.jsonl.gz"],
    "tape": ["tape", "convert", "none.jsonl.gz", "--parquet"],
    "status": ["status", "--json"],
    "alerts": ["alerts", "--json"],
    "pairs": ["pairs", "--json"],
    "report": ["report"],
    "explain": ["explain", "1"],
    "sql": ["sql", "SELECT 1"],
    "export": ["export", "--parquet", "out"],
    "ui": ["ui", "--db", "sqlite:///."],
    "rebalance": ["rebalance"],
    "halt": ["halt", "--reason", "x"],
    "resume": ["resume", "--reason", "x"],
    "flatten": ["flatten", "--reason", "x"],
    "init": ["init", "--symbols", "BTC/USDT", "--venues", "gate,okx", "--config", "new.toml"],
    "doctor": ["doctor", "--sandbox", "http://127.0.0.1:1"],
    "keys": ["keys", "list"],
    "markets": ["markets", "--sandbox", "http://127.0.0.1:1"],
    "scan": ["scan", "none.json"],
    "books": ["books", "none.jsonl.gz"],
    "sign": ["sign", "gate", "GET", "/api/v4/spot/accounts"],
    "backup": ["backup", "copies"],
    "restore": ["restore", "copies"],
    "incidents": ["incidents", "--json"],
    "balances": ["balances", "--json"],
    "logs": ["logs"],
    "reload": ["reload"],
    "service": ["service", "status"],
    "watch": ["watch"],
    "notify": ["notify", "test"],
    "db": ["db", "check"],
}
"""One call of each command, none of which needs a venue."""
REFUSALS = {
    "a full stdout": '"{python}" -m arb "$@" >/dev/full',
    "a full stderr": '"{python}" -m arb "$@" 2>/dev/full',
    "a closed stdout": '"{python}" -m arb "$@" >&-',
    "closed streams": '"{python}" -m arb "$@" <&- >&- 2>&-',
    "a reader that is gone": '"{python}" -m arb "$@" | true',
    "no home": 'env -u HOME -u XDG_CACHE_HOME -u XDG_STATE_HOME "{python}" -m arb "$@"',
    "few files": 'ulimit -n 16; "{python}" -m arb "$@"',
}


def test_a_call_of_every_command_is_tried() -> None:
    assert EVERY.keys() == COMMANDS_OF_ARB.keys()


@pytest.mark.thorough
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("refusal", REFUSALS)
@pytest.mark.parametrize("name", EVERY)
def test_no_command_ends_in_a_traceback_or_an_undocumented_code(name: str, refusal: str, tmp_path: Path) -> None:
    ended = subprocess.run(
        ["sh", "-c", REFUSALS[refusal].format(python=sys.executable), "sh", *EVERY[name]],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert "Traceback" not in ended.stderr and "Exception ignored" not in ended.stderr, ended.stderr
    assert ended.returncode in (EXIT_OK, EXIT_USAGE, EXIT_CHECK, EXIT_HALTED), ended.stderr
