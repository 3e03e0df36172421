"""What the operating system refuses is one line and a documented exit code; no file of others is touched."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

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
