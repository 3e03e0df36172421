"""The commands that show the past: `status`, `pairs`, `incidents`, `balances`, `report`, `explain`, `export`."""

import contextlib
import os
import sys
import threading
from pathlib import Path
from typing import Any

import click

from arb.cli.progress import progress
from arb.cli.shared import Given, alert_options, full_option, is_asked, row_options, show, table_options, with_ledger
from arb.config import ReviewOptions
from arb.errors import EXIT_OK, ConfigError
from arb.view.tty import screen_possible

STOPPED = ("absent_venues", "stopped_assets", "barred_symbols", "not_live")
"""Of a running engine: venues, assets and symbols that do not trade."""


@click.command("status")
@click.option("--watch", is_flag=True, help="Keep the screen up; without a terminal, print again and again.")
@click.option("--check", is_flag=True, help="Say in one line and by the exit code whether all is well.")
@click.option("--of-run", type=int, hidden=True, help="The process of `arb run` whose screen this is.")
@full_option
@row_options
@with_ledger
def status_command(given: Given, watch: bool, check: bool, of_run: int | None, **rows: Any) -> int:
    """Show the present or latest run.

    Exposure is first, then venues, pairs and earnings: on a terminal as the screen of `arb run`, elsewhere as text. With
    --watch the screen stays, and its keys (?) halt, flatten and acknowledge; closing it stops no engine. Rows that are selected
    (--since and the like) are summed up as text, even while an engine runs; with only --run, that run is shown.

    --check prints one line. Its first word is `ok` (exit code 0), `dead` or `alerts` (3), `naked`, `halted` or `blocked` (4).
    """
    options = ReviewOptions(mode=given.mode, db=given.db, rows=rows)
    if check:
        if watch or any(value is not None for value in rows.values()):
            raise ConfigError("--check judges the engine that runs now: leave --watch and the selection of rows out")
        from arb.app import health

        document, code = health.check(given.settings, options, threading.Event().wait)
        if given.as_json:
            given.show(document)
        else:
            click.echo(document["line"])
        return code
    from arb.app import review

    if not (given.as_json or review.narrowed(options)) and screen_possible(sys.stdout, os.environ):
        from arb.app import screen

        if watch:
            screen.watch(given.settings, options, of_run)
        else:
            click.echo(screen.draw_once(given.settings, options))
    elif watch:
        review.watch_status(given.settings, options, lambda document: show(document, as_json=given.as_json))
    else:
        document = review.status(given.settings, options)
        given.show(present(document) if given.for_people and document.get("engine") == "running" else document)
    return EXIT_OK


def present(state: dict[str, Any]) -> dict[str, Any]:
    """Return the state of a running engine, exposure first; of the causes that may hinder it, those that exist."""
    from arb.view.plain import exposed_today  # late: the page and the screen have their own words

    hindrances = ("halted", "stops", "blocks", "unknown_orders", "late_legs", "prices_apart", "wallets_closed")
    counted = ("net", "fees", "pairs", "orders", "fills", "opportunities", "not_taken", "dust", "incidents")
    return (
        {name: state[name] for name in ("note", "state", "unhedged_notional", "unhedged") if name in state}
        | {"exposure": exposed_today(state["exposure_today"])}
        | {name: state[name] for name in (*hindrances, *STOPPED) if state.get(name)}
        | {"venues": [{"venue": of, "books": state["books"][of], **state["venue_health"][of]} for of in state["books"]]}
        | {name: state[name] for name in (*counted, "seconds", "run_id", "db")}
    )


@click.command("pairs")
@click.option(
    "--limit",
    type=click.IntRange(1, 100_000),
    default=20,
    show_default=True,
    metavar="N",
    help="How many, latest first.",
)
@click.option("--before", metavar="ID", help="Continue behind this pair, with older ones.")
@table_options
@row_options
@with_ledger
def pairs_command(given: Given, limit: int, before: str | None, **rows: Any) -> int:
    """List pair trades, the latest first."""
    options = ReviewOptions(mode=given.mode, db=given.db, limit=limit, before=before, rows=rows)
    from arb.app import review

    if is_asked("--csv"):
        return given.show(None, review.pair_rows(given.settings, options))
    document = review.pairs(given.settings, options)
    return given.show(_pair_list(document) if given.for_people else document)


def _pair_list(document: dict[str, Any]) -> dict[str, Any]:
    """Return pairs in the columns that a person scans; the kind only where it is not the same for all."""
    names = ("kind", "symbol", "buy", "sell", "size", "net", "state", "identity", "decided_ns", "took_ms", "expected")
    rows = document["pairs"]
    shown = [name for name in names if name != "kind" or len({row["kind"] for row in rows}) > 1]
    older = {"older": f"add --before {document['older']}"} if document["older"] else {}
    found = {name: value for name, value in document.items() if name != "older"}
    return found | {"pairs": [{"pair": row["short_id"]} | {name: row[name] for name in shown} for row in rows]} | older


@click.command("incidents")
@click.option("--limit", type=click.IntRange(1, 100_000), default=20, show_default=True, metavar="N", help="How many.")
@table_options
@alert_options
@with_ledger
def incidents_command(given: Given, limit: int, **rows: Any) -> int:
    """List incidents, the latest first.

    docs/FAILURES.md explains each kind. `arb alerts` lists those that need a person.
    """
    options = ReviewOptions(mode=given.mode, db=given.db, rows=rows)
    from arb.app import review

    document = review.incidents(given.settings, options, limit)
    found = document["incidents"]
    if given.for_people:
        names = ("ns", "severity", "kind", "venue", "pair", "text", "cost")
        document = document | {"incidents": [{name: row[name] for name in names} for row in found]}
    return given.show(document, found)


@click.command("balances")
@click.option("--venue", metavar="VENUE", help="Only this venue.")
@table_options
@with_ledger
def balances_command(given: Given, venue: str | None) -> int:
    """Show balances as the venues report them, and as our books have them.

    They must agree: docs/TRADE.md explains a difference. An engine that runs has newer ones in `arb status`.
    """
    options = ReviewOptions(mode=given.mode, db=given.db, rows={"venue": venue})
    from arb.app.balances import balances

    document = balances(given.settings, options)
    return given.show(document, document["balances"])


@click.command("report")
@click.option("--html", type=click.Path(path_type=Path), metavar="FILE", help="Write a page with figures and tables.")
@full_option
@row_options
@with_ledger
def report_command(given: Given, html: Path | None, **rows: Any) -> int:
    """Sum up a ledger: earnings, and the reasons for them.

    Waterfall, routes, symbols, days, reasons not taken, other thresholds, execution quality, incidents. With --html the
    same as the page of `arb ui`, in one file that any browser shows without a network, with a summary to send on.
    """
    options = ReviewOptions(mode=given.mode, db=given.db, rows=rows)
    from arb.app import review

    if html is not None:
        return given.show(review.report_page(given.settings, options, html))
    document = review.report(given.settings, options)
    return given.show(_summary(document) if given.for_people and "empty" not in document else document)


def _summary(document: dict[str, Any]) -> dict[str, Any]:
    """Return a report in the tables that a person reads first."""
    quotes = document["net"]
    named = {"pairs": "finished", "net": "net", "expected": "expected", "kept_percent": "kept_percent"}
    named |= {"fees": "fees_in_quote", "unhedged_average": "unhedged_average"}
    earned = [
        {"quote": quote} | {name: document[source].get(quote) for name, source in named.items()} for quote in quotes
    ]
    facts = ("note", "db", "selected", "from_ns", "to_ns", "run_seconds")
    counts = ("repaired_pairs", "orders", "fills")
    tables = ("waterfall", "days", "venue_pairs", "venues", "symbols", "unproved", "refused", "what_if", "execution")
    return (
        {name: document[name] for name in facts if document.get(name)}
        | {"runs": len(document["runs"])}
        | {name: document[name] for name in counts}
        | {"earned": earned}
        | {TITLES.get(name, name): document[name] for name in tables if document[name]}
        | {"incidents_by_kind": document["incidents"], "more": "--full has every table and every digit"}
    )


TITLES = {
    "venues": "venues, a pair counts at both of its venues",
    "what_if": "at other least edges, without dust sales",
    "unproved": "of unproved coins, in no sum above",
}


@click.command("explain")
@click.argument("ident", metavar="ID")
@full_option
@with_ledger
def explain_command(given: Given, ident: str) -> int:
    """Explain one pair trade step by step.

    It shows every step from the decision's market data to the last fill, with its wait, and both order books at the
    decision, with the levels that the plan took. It also shows the alternatives and why they were not taken, and the
    source and use of each cent. ID as `arb pairs` shows it.
    """
    options = ReviewOptions(mode=given.mode, db=given.db, ident=ident)
    from arb.app import review

    document = review.explain(given.settings, options)
    if given.for_people:
        del document["timeline"]  # the journal's entries; `steps` has their times
    return given.show(document)


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
@with_ledger
def export_command(given: Given, folder: Path, **rows: Any) -> int:
    """Write a ledger as Parquet.

    Every table and the view of pairs, exact to the last digit, as DIR/table=NAME/day_utc=YYYY-MM-DD/part-0.parquet. Needs
    pyarrow: `make dev` installs it.
    """
    options = ReviewOptions(mode=given.mode, db=given.db, parquet=folder, rows=rows)
    from arb.app import review

    shown = not given.as_json and sys.stderr.isatty()
    with progress() if shown else contextlib.nullcontext() as on_progress:
        answer = review.export(given.settings, options, on_progress)
    return given.show(answer)
