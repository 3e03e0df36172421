"""Stores written anew each time: a replay takes the place of the one before, and never that of a run."""

import random
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from arb.clock import ManualClock
from arb.core.commands import Persist
from arb.core.events import TroubleReported
from arb.core.records import RunRecord
from arb.errors import ConfigError, StoreError
from arb.store.journal import Journal
from arb.store.ledger import InlineLedger
from arb.store.rebuild import fresh_journal

RUN = RunRecord(id=7, mode="replay", sandbox_id=None, seed=1, version="t", started_ns=1)


def write(db_url: str, journal: Journal) -> None:
    """Write one run into both stores."""
    ledger = InlineLedger(db_url, journal)
    event = TroubleReported(seq=1, t_ns=1, kind="x", text="y")
    ledger.submit(journal.append(event, (Persist(cause=1, record=RUN),)))
    ledger.close()
    journal.close()


def runs(db_url: str) -> int:
    """Return how many runs a ledger holds."""
    engine = create_engine(db_url)
    with engine.connect() as connection:
        found = connection.execute(text("SELECT count(*) FROM runs")).scalar_one()
    engine.dispose()
    return int(found)


def test_the_stores_of_a_run_are_refused_untouched(tmp_path: Path) -> None:
    db_url, path = f"sqlite:///{tmp_path / 'a.sqlite'}", tmp_path / "a.journal.sqlite"
    write(db_url, Journal.open(path, ManualClock(0), rng=random.Random(2)))
    with pytest.raises(ConfigError, match="real run"):
        fresh_journal(db_url, path, ManualClock(0))
    assert runs(db_url) == 1
    path.rename(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match="real run"):
        fresh_journal(db_url, path, ManualClock(0))
    assert runs(db_url) == 1


def test_stores_in_use_are_refused(tmp_path: Path) -> None:
    db_url, path = f"sqlite:///{tmp_path / 'a.sqlite'}", tmp_path / "a.journal.sqlite"
    journal = fresh_journal(db_url, path, ManualClock(0))
    with pytest.raises(ConfigError, match="already running"):
        fresh_journal(db_url, path, ManualClock(0))
    journal.close()


def test_another_programs_file_is_refused_untouched(tmp_path: Path) -> None:
    path = tmp_path / "a.journal.sqlite"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE mine (x)")
    with pytest.raises(StoreError, match="another program"):
        fresh_journal(f"sqlite:///{tmp_path / 'a.sqlite'}", path, ManualClock(0))
    with sqlite3.connect(path) as other:
        assert other.execute("SELECT count(*) FROM mine").fetchone() == (0,)


@pytest.mark.parametrize("backend", ["sqlite", "postgres"])
def test_the_second_replay_takes_the_place_of_the_first(
    tmp_path: Path, request: pytest.FixtureRequest, backend: str
) -> None:
    sqlite = f"sqlite:///{tmp_path / 'a.sqlite'}"
    db_url = sqlite if backend == "sqlite" else str(request.getfixturevalue("postgres_url"))
    path = tmp_path / "a.journal.sqlite"
    for _ in range(2):
        journal = fresh_journal(db_url, path, ManualClock(0))
        assert journal.last_seq == 0
        assert runs(db_url) == 0
        write(db_url, journal)
        assert runs(db_url) == 1
    assert not list(tmp_path.glob("*.reserve")), "a replay sets no disk space aside"
