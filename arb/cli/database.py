"""The commands that keep the ledger's schema: `db upgrade`, `current`, `check`, `rebuild`."""

import importlib
from pathlib import Path
from typing import Any

import click

from arb.cli.exits import EXIT_OK
from arb.cli.shared import config_and_json, ledger_mode, mode_and_db, settings_from
from arb.cli.show import show
from arb.config import database_url, mask_url
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
    url, _ = _ledger(config, mode, db)
    before, after = _migrations().upgrade(url)
    show({"db": mask_url(url), "before": before, "revision": after}, as_json=as_json)
    return EXIT_OK


@db_group.command("current")
@mode_and_db
@config_and_json
def current_command(mode: str | None, db: str | None, config: Path | None, as_json: bool) -> int:
    """Show the revision of the schema, and the newest one there is."""
    url, _ = _ledger(config, mode, db)
    show(_revisions(url), as_json=as_json)
    return EXIT_OK


@db_group.command("check")
@mode_and_db
@config_and_json
def check_command(mode: str | None, db: str | None, config: Path | None, as_json: bool) -> int:
    """Compare the schema with what arb expects.

    Looks at the integrity of the file too; exit code 3 when something is wrong.
    """
    url, _ = _ledger(config, mode, db)
    faults = _migrations().check(url)
    show({**_revisions(url), "faults": faults}, as_json=as_json)
    if faults:
        raise CheckFailed(
            f"ledger {mask_url(url)}: {faults[0]}" + (f" (and {len(faults) - 1} more)" if faults[1:] else "")
        )
    return EXIT_OK


@db_group.command("rebuild")
@mode_and_db
@config_and_json
def rebuild_command(mode: str | None, db: str | None, config: Path | None, as_json: bool) -> int:
    """Write the ledger anew from the journal, row for row."""
    url, journal_dir = _ledger(config, mode, db)
    rows = importlib.import_module("arb.store.rebuild").rebuild(url, journal_dir)
    show({"db": mask_url(url), "rows": rows}, as_json=as_json)
    return EXIT_OK


def _migrations() -> Any:
    """Import the migrations late: they bring the database toolkit."""
    return importlib.import_module("arb.store.migrate")


def _ledger(config: Path | None, mode: str | None, db: str | None) -> tuple[str, str]:
    settings = settings_from(config)
    return database_url(settings, ledger_mode(settings, mode, db), db), settings.store.journal_dir


def _revisions(url: str) -> dict[str, Any]:
    migrations = _migrations()
    return {"db": mask_url(url), "revision": migrations.current(url), "newest": migrations.head()}
