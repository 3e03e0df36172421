"""The two lanes of tests: those that stay inside the process, and those that open a socket, another process or a database.

A module of tests leads outside when it, or a module of tests that it imports, imports a name from `OUTSIDE`. That is read from
the text of the modules, so a session for one lane imports nothing of the other.

As a program it runs both lanes at once: tests outside wait much of their time, and tests inside compute in the meantime, at a
lower priority. It passes its arguments to both, and its exit code is the greater of theirs.
"""

import ast
import functools
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from arb.venues.books.compiled.loading import is_available

REPO = Path(__file__).resolve().parent.parent.parent
OUTSIDE = (
    "aiohttp.web", "arb.app", "arb.cli", "arb.live.embedded", "arb.view.report", "arb.sandbox.__main__", "http.server",
    "arb.sandbox.server", "arb.store", "nbclient", "proofs.faultsim", "socket", "sqlalchemy", "sqlite3", "subprocess",
    "urllib.request",
)  # fmt: skip
"""Modules and packages that only a test imports which leaves the process."""
NONE_COLLECTED = 5
"""pytest's exit code where no test was chosen."""


@functools.cache
def leads_outside(path: Path) -> bool:
    """Return whether a module of tests belongs to the lane outside."""
    inside = path.is_relative_to(REPO / "tests" / "unit") or path.parent == REPO / "tests"
    return (path.name.startswith("test_") and not inside) or any(map(_is_outside, _imported(path)))


def _is_outside(name: str) -> bool:
    if any(name == outside or name.startswith(f"{outside}.") for outside in OUTSIDE):
        return True
    helper = REPO / (name.replace(".", "/") + ".py")
    return name.startswith("tests.") and helper.is_file() and leads_outside(helper)


def _imported(path: Path) -> Iterator[str]:
    """Yield the names that a module imports when it is loaded."""
    for statement in ast.parse(path.read_bytes()).body:
        for node in ast.walk(statement) if isinstance(statement, ast.If | ast.Try) else (statement,):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                yield node.module
                yield from (f"{node.module}.{alias.name}" for alias in node.names)


def main(workers: int, arguments: list[str]) -> int:
    """Run both lanes with so many workers that wait, and at most one that computes for each processor."""
    is_available()  # what a change needs compiled is compiled once, and not by each session
    pytest = [sys.executable, "-m", "pytest", "--dist", "worksteal", *arguments]
    if any(".py" in argument for argument in arguments):  # a named test is in one lane only
        return subprocess.call([*pytest, "-n", str(workers)])
    niced = ["nice", "-n", "10"] if shutil.which("nice") else []
    computing_workers = min(workers, os.cpu_count() or workers)
    with tempfile.TemporaryFile() as kept:
        inside = [*niced, *pytest, "--lane", "inside", "-n", str(computing_workers)]
        with subprocess.Popen(inside, stdout=kept, stderr=subprocess.STDOUT) as computing:
            try:
                waiting = subprocess.call([*pytest, "--lane", "outside", "-n", str(workers)])
                codes = {waiting, computing.wait()} - {NONE_COLLECTED}
            except BaseException:
                computing.terminate()
                raise
            finally:
                kept.seek(0)
                sys.stdout.flush()
                sys.stdout.buffer.write(kept.read())
    return max(codes, default=NONE_COLLECTED)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
