"""The commands that keep the ledger: `db upgrade`, `current`, `check`, `rebuild`, `compact`."""

import importlib
from pathlib import Path
from typing import Any

import click

from arb.cli.exits import EXIT_OK
from arb.cli.shared import config_and_json, ledger_mode, mode_and_db, settings_from
from arb.cli.show import show
from arb.config import database_url
from arb.errors import CheckFailed


@click.group("db")
def db_group() -> None:
    """Keep the ledger's schema.

    Only through its migrations, on SQLite and PostgreSQL alike.
    """


@db_group.command("upgrade")
@mode_and_db
@config_and_json
def upgrade_command(mode: str | None, db: str | None, config: Path | None, as_json: bool) -> int:
    """Bring the schema to the newest revision; creates the ledger where there is none."""
    show(_store().db_upgrade(_url(config, mode, db)), as_json=as_json)
    return EXIT_OK


@db_group.command("current")
@mode_and_db
@config_and_json
def current_command(mode: str | None, db: str | None, config: Path | None, as_json: bool) -> int:
    """Show the revision of the schema, and the newest one there is."""
    show(_store().db_current(_url(config, mode, db)), as_json=as_json)
    return EXIT_OK


@db_group.command("check")
@mode_and_db
@config_and_json
def check_command(mode: str | None, db: str | None, config: Path | None, as_json: bool) -> int:
    """Compare the schema with what arb expects.

    Looks at the integrity of the file too; exit code 3 when something is wrong.
    """
    answer = _store().db_check(_url(config, mode, db))
    show(answer, as_json=as_json)
    if not answer["ok"]:
        more = len(answer["faults"]) - 1
        raise CheckFailed(f"ledger {answer['db']}: {answer['faults'][0]}{f' (and {more} more)' if more else ''}")
    return EXIT_OK


@db_group.command("rebuild")
@mode_and_db
@config_and_json
def rebuild_command(mode: str | None, db: str | None, config: Path | None, as_json: bool) -> int:
    """Write the ledger anew from the journal, row for row."""
    url = _url(config, mode, db)
    journal = importlib.import_module("arb.store.database").journal_path(
        url, Path(settings_from(config).store.journal_dir)
    )
    show(_store().db_rebuild(url, journal), as_json=as_json)
    return EXIT_OK


@db_group.command("compact")
@mode_and_db
@config_and_json
def compact_command(mode: str | None, db: str | None, config: Path | None, as_json: bool) -> int:
    """Add up and delete old untraded opportunities, drop the journal's old story, and give unused space back.

    Old is beyond [store] keep_untraded_days and keep_story_days. The engine does the first by itself, once a day, and drops old
    story when it starts.
    """
    url = _url(config, mode, db)
    settings = settings_from(config)
    clock = importlib.import_module("arb.clock").SystemClock()
    retention = importlib.import_module("arb.store.retention").Retention
    untraded, story = (
        retention(clock, days).due_before_ns()
        for days in (settings.store.keep_untraded_days, settings.store.keep_story_days)
    )
    journal = importlib.import_module("arb.store.database").journal_path(url, Path(settings.store.journal_dir))
    show(_store().db_compact(url, journal, untraded, story), as_json=as_json)
    return EXIT_OK


def _store() -> Any:
    """Import the store late: it brings the database toolkit."""
    return importlib.import_module("arb.store.rebuild")


def _url(config: Path | None, mode: str | None, db: str | None) -> str:
    settings = settings_from(config)
    return database_url(settings, ledger_mode(settings, mode, db), db)
