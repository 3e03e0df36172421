"""The commands that keep the ledger: `db upgrade`, `current`, `check`, `rebuild`, `compact`."""

from pathlib import Path

import click

from arb.cli.shared import config_and_json, ledger_mode, mode_and_db, settings_from, show
from arb.clock import SystemClock
from arb.config import database_url
from arb.errors import EXIT_OK, CheckFailed


@click.group("db")
def db_group() -> None:
    """Check, upgrade, rebuild or compact the ledger.

    Only through its migrations, on SQLite and PostgreSQL alike.
    """


@db_group.command("upgrade")
@mode_and_db
@config_and_json
def upgrade_command(mode: str | None, db: str | None, config: Path | None, as_json: bool) -> int:
    """Bring the schema to the newest revision; creates the ledger where there is none."""
    from arb.store.ledger import rebuild

    show(rebuild.db_upgrade(_url(config, mode, db)), as_json=as_json)
    return EXIT_OK


@db_group.command("current")
@mode_and_db
@config_and_json
def current_command(mode: str | None, db: str | None, config: Path | None, as_json: bool) -> int:
    """Show the revision of the schema, and the newest one there is."""
    from arb.store.ledger import rebuild

    show(rebuild.db_current(_url(config, mode, db)), as_json=as_json)
    return EXIT_OK


@db_group.command("check")
@click.option("--whole", is_flag=True, help="Read every page of a large SQLite file, too: about half a minute a GB.")
@mode_and_db
@config_and_json
def check_command(whole: bool, mode: str | None, db: str | None, config: Path | None, as_json: bool) -> int:
    """Compare the schema with the one arb expects.

    Checks the integrity of the file too; exit code 3 when something is wrong.
    """
    from arb.store.ledger import rebuild

    answer = rebuild.db_check(_url(config, mode, db), whole=whole)
    show(answer, as_json=as_json)
    if not answer["ok"]:
        more = len(answer["faults"]) - 1
        raise CheckFailed(f"ledger {answer['db']}: {answer['faults'][0]}{f' (and {more} more)' if more else ''}")
    return EXIT_OK


@db_group.command("rebuild")
@click.option(
    "--force",
    is_flag=True,
    help="Rebuild though rows would be lost that the journal lacks or the database refuses, after a copy of the ledger.",
)
@mode_and_db
@config_and_json
def rebuild_command(force: bool, mode: str | None, db: str | None, config: Path | None, as_json: bool) -> int:
    """Rebuild the ledger from the journal, row for row.

    Orders of which only the intent was written are included. The rebuild is refused where it would lose rows: when the
    journal is another one, an older copy, or lacks rows that the ledger holds. A row that the database refuses stays in
    the journal only, and an incident takes its place.
    """
    from arb.app import found_journal
    from arb.store.ledger import rebuild

    url = _url(config, mode, db)
    settings = settings_from(config)
    journal = found_journal(settings, ledger_mode(settings, mode, db), db)
    answer = rebuild.db_rebuild(url, journal, force=force)
    show(answer, as_json=as_json)
    return EXIT_OK


@db_group.command("compact")
@mode_and_db
@config_and_json
def compact_command(mode: str | None, db: str | None, config: Path | None, as_json: bool) -> int:
    """Sum up and delete old untraded opportunities, drop the journal's old entries, and give unused space back.

    Old is beyond [store] keep_untraded_days and keep_story_days. A running engine does both by itself, and uses the space;
    only this gives it back to the disk.
    """
    from arb.app import found_journal
    from arb.store.ledger import rebuild
    from arb.store.ledger.retention import Retention

    url = _url(config, mode, db)
    settings = settings_from(config)
    untraded, history = (
        Retention(SystemClock(), days).due_before_ns()
        for days in (settings.store.keep_untraded_days, settings.store.keep_story_days)
    )
    journal = found_journal(settings, ledger_mode(settings, mode, db), db)
    show(rebuild.db_compact(url, journal, untraded, history), as_json=as_json)
    return EXIT_OK


def _url(config: Path | None, mode: str | None, db: str | None) -> str:
    settings = settings_from(config)
    return database_url(settings, ledger_mode(settings, mode, db), db)
