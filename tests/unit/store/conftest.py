"""Ledgers of both kinds."""

import random
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from arb.clock import ManualClock
from arb.store.database import open_engine
from arb.store.guards import FileReserve
from arb.store.journal import Journal
from tests.unit.store.rows import T0

MEMORY = Path("/dev/shm")


@pytest.fixture(params=["sqlite", "postgresql"])
def db_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of an empty ledger, on each database in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/ledger.sqlite"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/ledger.sqlite"


@pytest.fixture(scope="module")
def memory() -> Iterator[Path]:
    """Return a folder in memory, where the system offers that: a search over thousands of files waits for no disk."""
    with tempfile.TemporaryDirectory(prefix="arb-store-", dir=MEMORY if MEMORY.is_dir() else None) as folder:
        yield Path(folder)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """Return a new journal in a file, with a small reserve."""
    opened = a_journal(tmp_path / "ledger.journal.sqlite")
    yield opened
    opened.close()


def a_journal(path: Path) -> Journal:
    return Journal.open(path, ManualClock(T0), rng=random.Random(1), reserve=FileReserve(path.with_suffix(".r"), 4096))


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
