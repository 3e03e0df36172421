"""The commands that show the past: `status`, `pairs`, `report`, `explain`, `export`."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from arb.cli.shared import config_and_json, ledger_mode, mode_and_db, row_options, settings_from, show
from arb.config import ReviewOptions
from arb.errors import EXIT_OK
from arb.view.tty import screen_possible


@click.command("status")
@click.option("--watch", is_flag=True, help="Keep the screen up; without a terminal, print again and again.")
@click.option("--of-run", type=int, hidden=True, help="The process of `arb run` whose screen this is.")
@row_options
@mode_and_db
@config_and_json
def status_command(
    watch: bool, of_run: int | None, mode: str | None, db: str | None, config: Path | None, as_json: bool, **rows: Any
) -> int:
    """Show the present or latest run.

    Exposure is first, then venues, pairs and earnings: on a terminal as the screen of `arb run`, elsewhere as text. With
    --watch the screen stays, and its keys (?) halt, flatten and acknowledge; closing it stops no engine. Rows that are selected
    (--since and the like) are summed up as text, even while an engine runs; with only --run, that run is shown.
    """
    settings = settings_from(config)
    options = ReviewOptions(mode=ledger_mode(settings, mode, db), db=db, rows=rows)
    from arb.app import review

    if not (as_json or review.narrowed(options)) and screen_possible(sys.stdout, os.environ):
        from arb.app import screen

        if watch:
            screen.watch(settings, options, of_run)
        else:
            click.echo(screen.draw_once(settings, options))
    elif watch:
        review.watch_status(settings, options, lambda document: show(document, as_json=as_json))
    else:
        show(review.status(settings, options), as_json=as_json)
    return EXIT_OK


@click.command("pairs")
@click.option(
    "--limit",
    type=click.IntRange(1, 100_000),
    default=20,
    show_default=True,
    metavar="N",
    help="How many, latest first.",
)
@row_options
@mode_and_db
@config_and_json
def pairs_command(limit: int, mode: str | None, db: str | None, config: Path | None, as_json: bool, **rows: Any) -> int:
    """List pair trades, the latest first."""
    settings = settings_from(config)
    options = ReviewOptions(mode=ledger_mode(settings, mode, db), db=db, limit=limit, rows=rows)
    from arb.app import review

    document = review.pairs(settings, options)
    show(document if as_json else _brief(document), as_json=as_json)
    return EXIT_OK


def _brief(document: dict[str, Any]) -> dict[str, Any]:
    """Return pairs without redundant columns: ids where all have numbers, `identity` where none has one."""
    rows = document["pairs"]
    numbered, proved = all(row["number"] is not None for row in rows), all(row["identity"] is None for row in rows)
    hidden = [name for name, left_out in (("id", numbered), ("identity", proved)) if left_out]
    return document | {"pairs": [{name: row[name] for name in row if name not in hidden} for row in rows]}


@click.command("report")
@click.option("--html", type=click.Path(path_type=Path), metavar="FILE", help="Write a page with figures and tables.")
@row_options
@mode_and_db
@config_and_json
def report_command(
    html: Path | None, mode: str | None, db: str | None, config: Path | None, as_json: bool, **rows: Any
) -> int:
    """Sum up a ledger: earnings, and the reasons for them.

    Waterfall, routes, symbols, days, reasons not taken, other thresholds, execution quality, incidents. With --html the
    same as the page of `arb ui`, in one file that any browser shows without a network, with a summary to send on.
    """
    settings = settings_from(config)
    options = ReviewOptions(mode=ledger_mode(settings, mode, db), db=db, rows=rows)
    from arb.app import review

    if html is None:
        document = review.report(settings, options)
    else:
        from arb.app.review import report_page  # late: it loads numpy

        document = report_page(settings, options, html)
    show(document, as_json=as_json)
    return EXIT_OK


@click.command("explain")
@click.argument("ident", metavar="ID")
@mode_and_db
@config_and_json
def explain_command(ident: str, mode: str | None, db: str | None, config: Path | None, as_json: bool) -> int:
    """Explain one pair trade step by step.

    Every step from the decision's market data to the last fill with its wait, both order books at that time with the
    levels the plan took, the alternatives and why they were not taken, and the source and use of each cent; ID as `arb
    pairs` shows it.
    """
    settings = settings_from(config)
    options = ReviewOptions(mode=ledger_mode(settings, mode, db), db=db, ident=ident)
    from arb.app import review

    show(review.explain(settings, options), as_json=as_json)
    return EXIT_OK


@click.command("export")
@click.option(
    "--parquet",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    required=True,
    help="Where to write; files of an earlier export there are replaced.",
)
@row_options
@mode_and_db
@config_and_json
def export_command(
    folder: Path, mode: str | None, db: str | None, config: Path | None, as_json: bool, **rows: Any
) -> int:
    """Write a ledger as Parquet.

    Every table and the view of pairs, exact to the last digit, as DIR/table=NAME/day_utc=YYYY-MM-DD/part-0.parquet. Needs
    pyarrow: `make dev` installs it.
    """
    settings = settings_from(config)
    options = ReviewOptions(mode=ledger_mode(settings, mode, db), db=db, parquet=folder, rows=rows)
    from arb.app import review

    with _progress(shown=not as_json and sys.stderr.isatty()) as on_progress:
        answer = review.export(settings, options, on_progress)
    show(answer, as_json=as_json)
    return EXIT_OK


@contextmanager
def _progress(*, shown: bool) -> Iterator[Callable[[str, int, int], None] | None]:
    """Yield the function that draws a bar on stderr, or None without a terminal."""
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
