"""Ledgers of both kinds."""

import os
import random
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from arb.clock import ManualClock
from arb.store.journal.guards import FileReserve
from arb.store.journal.journal import Journal
from arb.store.ledger.database import open_engine
from tests.unit.store.rows import T0

MEMORY = Path("/dev/shm")
SIZE_MB = 32


@pytest.fixture(params=["sqlite", "postgres"])
def db_url(request: pytest.FixtureRequest) -> str:
    """Return the URL of a ledger without rows, or without tables (`no_tables`), on each database in turn."""
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def sqlite_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of a ledger without rows, or without a file (`no_tables`)."""
    path = tmp_path / "ledger.sqlite"
    if request.node.get_closest_marker("no_tables") is None:
        shutil.copy(request.getfixturevalue("ledger_file"), path)
    return f"sqlite:///{path}"


@pytest.fixture(scope="module")
def memory() -> Iterator[Path]:
    """Return a folder in memory, where the system offers that: a search over thousands of files waits for no disk."""
    with tempfile.TemporaryDirectory(prefix="arb-store-", dir=MEMORY if MEMORY.is_dir() else None) as folder:
        yield Path(folder)


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """Mount a file system of `SIZE_MB` that every user may write to; needs the right to mount, and skips without."""
    # Not under pytest's own directory, which the server's user may not enter.
    place = Path(tempfile.mkdtemp(prefix="arb-small-"))
    place.chmod(0o755)
    tool = shutil.which("mount")
    mounted = (
        tool is not None
        and not subprocess.run(
            [tool, "-t", "tmpfs", "-o", f"size={SIZE_MB}m,mode=0777", "tmpfs", str(place)],
            capture_output=True,
            check=False,
        ).returncode
    )
    if not mounted:
        place.rmdir()
        pytest.skip("no file system can be mounted here, so no disk can be filled")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)
        place.rmdir()


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """Return a new journal in a file, with a small reserve."""
    opened = a_journal(tmp_path / "ledger.journal.sqlite")
    yield opened
    opened.close()


def a_journal(path: Path) -> Journal:
    return Journal.open(path, ManualClock(T0), rng=random.Random(1), reserve=FileReserve(path.with_suffix(".r"), 4096))


def fill(disk: Path, *, but_for: int) -> Path:
    """Take all space of a file system but for so many bytes; return the file that holds it."""
    ballast = disk / "ballast"
    found = os.statvfs(disk)
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(1, found.f_bavail * found.f_frsize - but_for))
    return ballast


def query(db_url: str, sql: str) -> list[tuple[Any, ...]]:
    engine = open_engine(db_url)
    with engine.connect() as connection:
        rows = [tuple(row) for row in connection.execute(text(sql))]
    engine.dispose()
    return rows


class NoReserve:
    """A reserve that is held and gives nothing when released."""

    held = True

    def release(self) -> None:
        self.held = False

    def establish(self) -> bool:
        return self.held


def open_journal(path: Path) -> Journal:
    return Journal.open(path, ManualClock(T0), rng=random.Random(1), reserve=NoReserve())
