"""Ledgers written anew: from their journal, where that loses nothing, and each time for a replay, never for a run."""

import random
import shutil
import sqlite3
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import create_engine, text

from arb.clock import ManualClock
from arb.core.messages.commands import Persist
from arb.core.messages.events import TroubleReported
from arb.core.messages.records import RunRecord
from arb.errors import ConfigError, StoreError
from arb.store.journal.journal import Journal
from arb.store.ledger import alerts
from arb.store.ledger.ledger import InlineLedger
from arb.store.ledger.projector import require_journal
from arb.store.ledger.rebuild import db_rebuild, fresh_journal
from tests.unit.store.rows import an_order

RUN = RunRecord(id=7, mode="replay", sandbox_id=None, seed=1, version="t", started_ns=1)


def write(db_url: str, journal: Journal) -> None:
    """Write one run into both stores."""
    ledger = InlineLedger(db_url, journal)
    event = TroubleReported(seq=1, t_ns=1, kind="x", text="y")
    ledger.submit(journal.append(event, (Persist(cause=1, record=RUN),)))
    ledger.close()
    journal.close()


def runs(db_url: str, table: str = "runs") -> int:
    """Return how many runs a ledger, or a copy of it, holds."""
    engine = create_engine(db_url)
    with engine.connect() as connection:
        found = connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()
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


@pytest.fixture(params=["sqlite", "postgresql"])
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Path]:
    """Return a ledger and its journal, with one run in both, on each database in turn."""
    sqlite = f"sqlite:///{tmp_path / 'a.sqlite'}"
    db_url = sqlite if request.param == "sqlite" else str(request.getfixturevalue("postgres_url"))
    path = tmp_path / "a.journal.sqlite"
    write(db_url, Journal.open(path, ManualClock(0), rng=random.Random(2)))
    return db_url, path


def go_on(db_url: str, path: Path, seq: int, text_: str) -> None:
    """Write one more run into both stores."""
    journal = Journal.open(path, ManualClock(0), rng=random.Random(2))
    ledger = InlineLedger(db_url, journal)
    record = msgspec.structs.replace(RUN, id=100 + seq, version=text_)
    ledger.submit(
        journal.append(TroubleReported(seq=seq, t_ns=seq, kind="x", text=text_), (Persist(cause=seq, record=record),))
    )
    ledger.close()
    journal.close()


def test_an_older_copy_of_the_journal_does_not_cost_the_rows_it_lacks(stores: tuple[str, Path], tmp_path: Path) -> None:
    db_url, path = stores
    shutil.copy(path, tmp_path / "backup")
    go_on(db_url, path, 2, "later")
    shutil.copy(tmp_path / "backup", path)
    with pytest.raises(ConfigError, match="older copy"):
        db_rebuild(db_url, path)
    assert runs(db_url) == 2
    with pytest.raises(StoreError, match="older copy: put the newer one back"):
        InlineLedger(db_url, Journal.open(path, ManualClock(0)))


def test_the_journal_of_another_ledger_changes_nothing(stores: tuple[str, Path], tmp_path: Path) -> None:
    db_url, path = stores
    path.rename(tmp_path / "put-away")
    Journal.open(path, ManualClock(0), rng=random.Random(3)).close()
    with pytest.raises(ConfigError, match="another journal"):
        db_rebuild(db_url, path)
    assert runs(db_url) == 1


def test_rows_that_came_from_a_copy_of_the_journal_are_not_lost(stores: tuple[str, Path], tmp_path: Path) -> None:
    db_url, path = stores
    shutil.copy(path, tmp_path / "copy")
    go_on(db_url, path, 2, "on one copy")
    path.rename(tmp_path / "put-away")
    shutil.copy(tmp_path / "copy", path)
    journal = Journal.open(path, ManualClock(0), rng=random.Random(2))  # the copy went on too, elsewhere
    for seq in (2, 3):
        journal.append(TroubleReported(seq=seq, t_ns=seq, kind="x", text="y"), ())
    journal.close()
    with pytest.raises(ConfigError, match=r"lacks \(1 runs\)"):
        db_rebuild(db_url, path)
    assert runs(db_url) == 2


def test_force_rebuilds_after_a_copy_of_the_whole_ledger(stores: tuple[str, Path], tmp_path: Path) -> None:
    db_url, path = stores
    shutil.copy(path, tmp_path / "backup")
    go_on(db_url, path, 2, "later")
    shutil.copy(tmp_path / "backup", path)
    answer = db_rebuild(db_url, path, force=True)
    assert runs(db_url) == 1
    copied = db_url if answer["copy"].startswith("schema ") else f"sqlite:///{answer['copy']}"
    table = "arb_before_rebuild_1.runs" if copied == db_url else "runs"
    assert runs(copied, table) == 2


def test_a_rebuild_that_fails_half_way_leaves_the_ledger_as_it_was(
    stores: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise StoreError("the disk is full")

    db_url, path = stores
    monkeypatch.setattr(alerts, "project", fail)
    with pytest.raises(StoreError, match="the disk is full"):
        db_rebuild(db_url, path)
    assert runs(db_url) == 1


def test_a_row_that_the_database_refuses_makes_no_journal_unreadable(stores: tuple[str, Path]) -> None:
    db_url, path = stores
    journal = Journal.open(path, ManualClock(0), rng=random.Random(2))
    orphan = an_order(5, 77)  # of a pair that is in no row: the database refuses it
    journal.append(TroubleReported(seq=2, t_ns=2, kind="x", text="y"), (Persist(cause=2, record=orphan),))
    journal.close()
    for _ in range(2):
        [said] = db_rebuild(db_url, path)["set_aside"]
        assert said.startswith("OrderRecord 5 is refused")
        assert runs(db_url) == 1


def test_a_start_without_the_ledgers_journal_is_refused_and_makes_none(
    stores: tuple[str, Path], tmp_path: Path
) -> None:
    db_url, path = stores
    path.rename(tmp_path / "put-away")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(ConfigError, match="its journal is not at"):
        require_journal(db_url, path)
    assert sorted(tmp_path.iterdir()) == before
    (tmp_path / "put-away").rename(path)
    require_journal(db_url, path)


def test_a_new_ledger_needs_no_journal_yet(tmp_path: Path) -> None:
    require_journal(f"sqlite:///{tmp_path / 'new.sqlite'}", tmp_path / "new.journal.sqlite")
    assert not list(tmp_path.iterdir())
