"""What is compiled at the first start of a version: by two processes where that can be, and by one where it cannot."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("numba")
pytestmark = pytest.mark.thorough
COMPILE = """
import sys
from numba.core import event
from arb.venues.compiled.loading import is_whole, load_all
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
