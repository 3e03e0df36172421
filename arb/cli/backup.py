"""The commands that copy an engine's stores and bring them back: `backup`, `restore`."""

from pathlib import Path

import click

from arb.cli.shared import Given, demo_option, with_ledger, with_settings
from arb.clock import SystemClock


@click.command("backup")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--keep", type=click.IntRange(min=1), metavar="N", help="Keep N backups of this journal; remove the oldest."
)
@with_ledger
def backup_command(given: Given, folder: Path, keep: int | None) -> int:
    """Copy journal and ledger, also while the engine runs.

    Each backup is a new folder in DIR, with all files that a restart needs and no secret. A ledger on
    PostgreSQL is copied by pg_dump.
    """
    from arb.app.backup import backup

    return given.show(backup(given.settings, given.mode, given.db, folder, keep, SystemClock()))


@click.command("restore")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--db", metavar="URL", help="The ledger to be, instead of the one of the backup's mode by [store] url.")
@demo_option
@with_settings
def restore_command(given: Given, folder: Path, db: str | None) -> int:
    """Put a backup into an empty place.

    DIR is one backup. Its hashes are checked first, and the ledger afterwards. Nothing is replaced. A live engine begins
    halted: it finds later orders and fills at the venues, and knows no later halts and losses.
    """
    from arb.app.restore import restore

    return given.show(restore(given.settings, folder, db))
