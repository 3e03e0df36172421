"""The commands that look at what happened: `status`, `pairs`, `report`, `explain`."""

from pathlib import Path

import click

from arb.cli.exits import EXIT_OK
from arb.cli.shared import config_and_json, ledger_mode, mode_and_db, settings_from, the_app
from arb.cli.show import show
from arb.config import ReviewOptions


@click.command("status")
@click.option("--watch", is_flag=True, help="Show it again and again, until interrupted.")
@mode_and_db
@config_and_json
def status_command(watch: bool, mode: str | None, db: str | None, config: Path | None, as_json: bool) -> int:
    """Show the present or latest run.

    Exposure comes first, then venues, pairs and what was earned.
    """
    settings = settings_from(config)
    options = ReviewOptions(mode=ledger_mode(settings, mode, db), db=db)
    if watch:
        the_app().watch_status(settings, options, lambda document: show(document, as_json=as_json))
    else:
        show(the_app().status(settings, options), as_json=as_json)
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
@mode_and_db
@config_and_json
def pairs_command(limit: int, mode: str | None, db: str | None, config: Path | None, as_json: bool) -> int:
    """List pair trades.

    The latest come first.
    """
    settings = settings_from(config)
    options = ReviewOptions(mode=ledger_mode(settings, mode, db), db=db, limit=limit)
    show(the_app().pairs(settings, options), as_json=as_json)
    return EXIT_OK


@click.command("report")
@click.option("--html", type=click.Path(path_type=Path), metavar="FILE", help="Write a page with figures and tables.")
@mode_and_db
@config_and_json
def report_command(html: Path | None, mode: str | None, db: str | None, config: Path | None, as_json: bool) -> int:
    """Sum up a ledger: what was earned, and why.

    Waterfall, routes, symbols, days, reasons not taken, other thresholds, execution quality, incidents. With --html the
    same as one page that any browser shows: no other file, no network, no script.
    """
    settings = settings_from(config)
    options = ReviewOptions(mode=ledger_mode(settings, mode, db), db=db)
    app = the_app()
    document = app.report(settings, options) if html is None else app.report_page(settings, options, html)
    show(document, as_json=as_json)
    return EXIT_OK


@click.command("explain")
@click.argument("ident", metavar="ID")
@mode_and_db
@config_and_json
def explain_command(ident: str, mode: str | None, db: str | None, config: Path | None, as_json: bool) -> int:
    """Tell the story of one pair trade.

    Every step from the frames decided on to the last fill with its wait, what else could have been done and why it was not,
    and where each cent came from and went; ID as `arb pairs` shows it.
    """
    settings = settings_from(config)
    options = ReviewOptions(mode=ledger_mode(settings, mode, db), db=db, ident=ident)
    show(the_app().explain(settings, options), as_json=as_json)
    return EXIT_OK
