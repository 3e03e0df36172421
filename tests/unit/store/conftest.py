"""Ledgers of both kinds."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from arb.clock import ManualClock
from arb.store.engine import open_engine
from arb.store.journal import Journal
from arb.store.reserve import FileReserve
from tests.unit.store.rows import T0


@pytest.fixture(params=["sqlite", "postgresql"])
def db_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of an empty ledger, on each database in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/ledger.sqlite"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/ledger.sqlite"


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
