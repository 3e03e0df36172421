"""A PostgreSQL whose disk is really full: a tablespace on a file system of a few megabytes, and a file that fills it.

Needs the right to mount one, as root in most containers has; skips where it is missing.
"""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from arb.store.ledger.ledger import Ledger
from arb.store.ledger.migrate import check
from arb.store.ledger.rebuild import db_rebuild
from tests.unit.store.conftest import a_journal, fill, query
from tests.unit.store.rows import an_opportunity
from tests.unit.store.states import WAIT_S, States
from tests.unit.store.story import contents, counts, fill_journal

PAIRS = 250
SPOOL_ROWS = 10
NAME = "full_disk"


@pytest.fixture
def full_url(postgres_server: Any, small_disk: Path) -> Iterator[str]:
    """Make a database that lies on the small disk."""
    folder = small_disk / "tablespace"
    folder.mkdir(mode=0o700)
    shutil.chown(folder, Path(postgres_server.pgdata).stat().st_uid, Path(postgres_server.pgdata).stat().st_gid)
    with psycopg.connect(postgres_server.get_uri(), autocommit=True) as admin:
        place, name = sql.Literal(str(folder)), sql.Identifier(NAME)
        admin.execute(sql.SQL("CREATE TABLESPACE {} LOCATION {}").format(name, place))
        admin.execute(sql.SQL("CREATE DATABASE {} TABLESPACE {}").format(name, name))
        yield postgres_server.get_uri(NAME).replace("postgresql://", "postgresql+psycopg://", 1)
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))
        admin.execute(sql.SQL("DROP TABLESPACE {}").format(name))


@pytest.mark.own_session  # it cannot begin on a full disk
def test_a_server_whose_disk_is_full_loses_no_journalled_row_and_goes_on_when_there_is_space(
    full_url: str, small_disk: Path, tmp_path: Path
) -> None:
    states = States()
    journal = a_journal(tmp_path / "full.journal.sqlite")
    ledger = Ledger(full_url, journal, states, spool_rows=SPOOL_ROWS)
    # A session can hardly begin on a full disk: this one is there before.
    with ExitStack() as ends, psycopg.connect(full_url.replace("+psycopg", ""), autocommit=True) as other:
        ends.callback(ledger.close, WAIT_S)
        assert ledger.flush(WAIT_S)
        ballast = fill(small_disk, but_for=50_000)
        ends.callback(ballast.unlink, missing_ok=True)
        ledger.submit(fill_journal(journal, PAIRS))
        for number in range(SPOOL_ROWS + 5):
            ledger.submit_untraded(an_opportunity(100_000 + number))
        assert "No space left on device" in states.wait_for(blocked=True)
        with pytest.raises(psycopg.errors.DiskFull) as told:
            other.execute("CREATE TABLE more AS SELECT repeat('x', 100) FROM generate_series(1, 100000)")
        assert told.value.sqlstate == "53100"
        assert other.execute("SELECT count(*) FROM fills").fetchall() == [(0,)]  # the batch as a whole, or nothing
        ballast.unlink()
        states.wait_for(blocked=False)
        assert ledger.close(WAIT_S)
    found = counts(full_url)
    assert (found["pair_trades"], found["orders"], found["fills"]) == (PAIRS, 2 * PAIRS, 2 * PAIRS)
    assert found["opportunities"] == PAIRS + SPOOL_ROWS and ledger.dropped_untraded == 5
    assert check(full_url) == []
    before = contents(full_url)
    journal.close()
    assert isinstance(journal.path, Path)
    db_rebuild(full_url, journal.path)
    assert contents(full_url) == before
    assert query(full_url, "SELECT COUNT(*) FROM alternatives") == [(PAIRS,)]
