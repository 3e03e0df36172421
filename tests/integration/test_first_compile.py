"""The first start of a version: a run trades on plain readers meanwhile; other commands compile in two processes, or in one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.support import engine_of, run_arb, wait_while

pytest.importorskip("numba")
pytestmark = pytest.mark.thorough
HANDED_OVER = ": compiled code keeps the books\n"
COMPILE = """
import sys
from numba.core import event
from arb.venues.books.compiled.loading import is_whole, load_all
sys.executable = sys.argv[1]
with event.install_recorder("numba:compile") as recorder:
    load_all()
compiled = {found.data["dispatcher"].py_func.__name__ for _, found in recorder.buffer}
print(is_whole(), *({"take_one", "best_sizes"} & compiled))
"""


@pytest.mark.parametrize("second", ["/nowhere/python", "/bin/false"])
def test_what_the_second_process_cannot_do_the_first_does(second: str, tmp_path: Path, repo_root: Path) -> None:
    assert compiled_here(second, tmp_path, repo_root) == {"True", "take_one", "best_sizes"}


def test_the_second_process_compiles_the_search_which_the_first_only_loads(tmp_path: Path, repo_root: Path) -> None:
    assert compiled_here(sys.executable, tmp_path, repo_root) == {"True", "take_one"}


def test_a_run_trades_before_its_code_is_compiled_and_is_repeated_with_compiled_code_alone(
    tmp_path: Path, repo_root: Path
) -> None:
    caches = tmp_path / "caches"
    caches.mkdir(mode=0o700)
    log = tmp_path / "log"
    with log.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "arb", "run", "--json", "--seed", "5", "--tape", "run.jsonl.gz"],
            cwd=tmp_path,
            env=os.environ | {"XDG_CACHE_HOME": str(caches), "PYTHONPATH": str(repo_root)},
            text=True,
            stdout=subprocess.PIPE,
            stderr=file,
        )
    with engine_of(tmp_path, process) as engine:
        engine.db = tmp_path / "var" / "sandbox.sqlite"
        engine.journal = engine.db.with_name("sandbox.journal.sqlite")
        engine.until(lambda status: status["pairs"]["opened"] > 0, "a pair on plain readers")
        assert "plain code keeps the books while" in log.read_text() and HANDED_OVER not in log.read_text()
        wait_while(process, lambda: HANDED_OVER in log.read_text(), "compiled code has taken over", within_s=500)
        opened = int(engine.status()["pairs"]["opened"])
        engine.until(lambda status: status["pairs"]["opened"] > opened + 10, "pairs on compiled books")
        run = engine.stop()
    assert run.code == 0, log.read_text()
    again = run_arb("replay", "run.jsonl.gz", "--json", cwd=tmp_path)
    assert again.code == 0, again.err
    assert again.summary["replay"]["difference"] is None and again.summary["net"] == run.summary["net"]


def test_where_others_may_write_it_is_compiled_for_one_process_and_nothing_is_left(
    tmp_path: Path, repo_root: Path
) -> None:
    caches, temporary = tmp_path / "caches", tmp_path / "temporary"
    caches.mkdir()
    caches.chmod(0o777)
    temporary.mkdir(mode=0o700)
    done = subprocess.run(
        [sys.executable, "-c", COMPILE, sys.executable],
        cwd=repo_root,
        env=os.environ | {"XDG_CACHE_HOME": str(caches), "TMPDIR": str(temporary)},
        capture_output=True,
        text=True,
        check=True,
        timeout=500,
    )
    assert set(done.stdout.split()) == {"True", "take_one"}
    assert "cannot be kept for the next start" in done.stderr and "others can change" in done.stderr
    assert not list(caches.rglob("*.nbi")) and not list(temporary.iterdir())


def compiled_here(second: str, caches: Path, repo_root: Path) -> set[str]:
    """Return what a process with empty caches compiles itself, and whether all is on disk after it."""
    done = subprocess.run(
        [sys.executable, "-c", COMPILE, second],
        cwd=repo_root,
        env=os.environ | {"XDG_CACHE_HOME": str(caches)},
        capture_output=True,
        text=True,
        check=True,
        timeout=500,
    )
    return set(done.stdout.split())
