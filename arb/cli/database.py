"""The commands that keep the ledger: `db upgrade`, `current`, `check`, `rebuild`, `compact`."""

import click

from arb.cli.shared import Given, with_ledger
from arb.clock import SystemClock
from arb.errors import EXIT_OK, CheckFailed


@click.group("db")
def db_group() -> None:
    """Check, upgrade, rebuild or compact the ledger.

    The schema changes only by its migrations, on SQLite and PostgreSQL alike.
    """


@db_group.command("upgrade")
@with_ledger
def upgrade_command(given: Given) -> int:
    """Bring the schema to the newest revision; creates the ledger where there is none."""
    from arb.store.ledger import rebuild

    return given.show(rebuild.db_upgrade(given.url))


@db_group.command("current")
@with_ledger
def current_command(given: Given) -> int:
    """Show the revision of the schema, and the newest one there is."""
    from arb.store.ledger import rebuild

    return given.show(rebuild.db_current(given.url))


@db_group.command("check")
@click.option("--whole", is_flag=True, help="Read every page of a large SQLite file, too: about half a minute a GB.")
@with_ledger
def check_command(given: Given, whole: bool) -> int:
    """Compare the schema with the one arb expects.

    Checks the integrity of the file too; exit code 3 when something is wrong.
    """
    from arb.store.ledger import rebuild

    answer = rebuild.db_check(given.url, whole=whole)
    given.show(answer)
    if not answer["ok"]:
        more = len(answer["faults"]) - 1
        raise CheckFailed(f"ledger {answer['db']}: {answer['faults'][0]}{f' (and {more} more)' if more else ''}")
    return EXIT_OK


@db_group.command("rebuild")
@click.option(
    "--force",
    is_flag=True,
    help="Copy the ledger, then rebuild it even if rows are lost: the journal lacks them, or the database refuses them.",
)
@with_ledger
def rebuild_command(given: Given, force: bool) -> int:
    """Rebuild the ledger from the journal, row for row.

    Orders of which only the intent was written are included. The rebuild is refused where it would lose rows: when the
    journal is another one, an older copy, or lacks rows that the ledger holds. A row that the database refuses stays in
    the journal only, and an incident takes its place.
    """
    from arb.app import found_journal
    from arb.store.ledger import rebuild

    journal = found_journal(given.settings, given.mode, given.db)
    return given.show(rebuild.db_rebuild(given.url, journal, force=force))


@db_group.command("compact")
@with_ledger
def compact_command(given: Given) -> int:
    """Sum up and delete old untraded opportunities, drop the journal's old entries, and give unused space back.

    Old is beyond [store] keep_untraded_days and keep_story_days. A running engine does both by itself, and reuses the
    space; only this command returns it to the disk.
    """
    from arb.app import found_journal
    from arb.store.ledger import rebuild
    from arb.store.ledger.retention import Retention

    store = given.settings.store
    untraded, history = (
        Retention(SystemClock(), days).due_before_ns() for days in (store.keep_untraded_days, store.keep_story_days)
    )
    journal = found_journal(given.settings, given.mode, given.db)
    return given.show(rebuild.db_compact(given.url, journal, untraded, history))
