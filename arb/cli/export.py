"""`arb export`: the ledger as files that other programs read."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from arb.cli.exits import EXIT_OK
from arb.cli.shared import config_and_json, ledger_mode, mode_and_db, settings_from, the_app
from arb.cli.show import show
from arb.config import ReviewOptions


@click.command("export")
@click.option(
    "--parquet",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    required=True,
    help="Where to write; what an earlier export left there is replaced.",
)
@mode_and_db
@config_and_json
def export_command(folder: Path, mode: str | None, db: str | None, config: Path | None, as_json: bool) -> int:
    """Write a ledger as Parquet.

    Every table and the view of pairs, exact to the last digit, as DIR/table=NAME/day_utc=YYYY-MM-DD/part-0.parquet. Needs
    pyarrow: `make dev` installs it.
    """
    settings = settings_from(config)
    options = ReviewOptions(mode=ledger_mode(settings, mode, db), db=db, parquet=folder)
    with _progress(shown=not as_json and sys.stderr.isatty()) as on_progress:
        answer = the_app().export(settings, options, on_progress)
    show(answer, as_json=as_json)
    return EXIT_OK


@contextmanager
def _progress(*, shown: bool) -> Iterator[Callable[[str, int, int], None] | None]:
    """Give what draws a bar on stderr, or None when nobody looks at it."""
    if not shown:
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description:>15}"), BarColumn(), MofNCompleteColumn(), TextColumn("rows"))
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)

        def draw(name: str, rows: int, of: int) -> None:
            bar.update(task, description=name, completed=rows, total=of)

        yield draw
