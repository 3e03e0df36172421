"""The command `logs`."""

import threading

import click

from arb.cli.answers import to_json
from arb.cli.shared import Given, with_ledger
from arb.errors import EXIT_OK
from arb.logs import LEVELS

FOLLOW_S = 0.25


@click.command("logs")
@click.option("--follow", "-f", is_flag=True, help="Go on with new lines until Ctrl-C.")
@click.option("--level", type=click.Choice(LEVELS), help="Only lines from this level on.")
@click.option("--pair", metavar="ID", help="Only lines of this pair, by its id as `arb pairs` shows it.")
@click.option(
    "-n", "count", type=click.IntRange(0, 1_000_000), default=50, show_default=True, metavar="N", help="How many."
)
@with_ledger
def logs_command(given: Given, follow: bool, level: str | None, pair: str | None, count: int) -> int:
    """Show the log file of the engine.

    The engine has one where `[log] to = "file"`: NAME.log next to the journal, and NAME.log.1 and so on, which are older.
    The latest lines are shown, the oldest of them first. With --follow and --json each line is one document.
    """
    from arb.app import log_lines

    files = log_lines.log_files(given.settings, given.mode, given.db)
    wanted = log_lines.wanted_lines(given.settings, given.mode, given.db, level, pair)
    lines = files.latest(count, wanted)
    if given.as_json and not follow:
        return given.show(log_lines.as_document(files, lines))
    pause = threading.Event()
    try:
        while True:
            for line in lines:
                click.echo(to_json(line) if given.as_json else line.shown())
            if not follow:
                return EXIT_OK
            pause.wait(FOLLOW_S)
            lines = list(files.newer(wanted))
    except KeyboardInterrupt:
        return EXIT_OK
