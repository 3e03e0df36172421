"""`arb doctor`: check that this machine and its accounts are ready for the real venues."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from arb.cli.shared import DEFAULT_CONFIG, Given, demo_option, sandbox_option, table_options, with_settings
from arb.config import DoctorOptions, Mode, RunOptions, Settings, require_consents
from arb.config.keys import KeyPlaces
from arb.errors import EXIT_CHECK, ConfigError
from arb.logs import logging_to
from arb.venues.kit.endpoints import Credentials

if TYPE_CHECKING:
    from arb.app.doctor.account_exam import DrillCost
    from arb.app.doctor.checks import Finding


@click.command("doctor")
@click.argument("venues", nargs=-1, metavar="[VENUE]...")
@sandbox_option("Examine")
@click.option("--drill", is_flag=True, help="Send three small orders at each venue, too; prints the cost first.")
@click.option("--live", is_flag=True, help="The second consent that --drill needs; the first is [live] enabled.")
@click.option("--yes", is_flag=True, help="Send them without asking.")
@click.option(
    "--keep",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Keep the venues' answers to them here [default: a new directory next to the ledger], one file each, secrets removed.",
)
@table_options
@demo_option
@with_settings
def doctor_command(
    given: Given, venues: tuple[str, ...], sandbox: str | None, drill: bool, live: bool, yes: bool, keep: Path | None
) -> int:
    """Check venues, accounts and this machine.

    At every enabled venue, or those named, it checks host names, certificates, access from this address, clock,
    listing, books, tick and lot sizes, and lag. Where there is a key, it checks the key, its rights, and the account's
    fees, funds, limits and open orders. On this machine it checks Python, disk, the journal's file system, the ledger's
    schema, the clock, and file permissions. Each warning and failure names its remedy; the exit code is 3 if a check
    failed.

    Nothing is traded without --drill. With it, each venue gets three orders. The first rests far from the book and is
    cancelled. The second arrives after its expiry, and the venue must refuse it. The third has the smallest size, trades,
    and is traded back.
    """
    settings = given.settings
    if not drill and (live or yes or keep):
        raise ConfigError("--live, --yes and --keep need a drill: add --drill, or omit them")
    if drill and sandbox is None:
        require_consents(settings, live=live)
    if drill and sandbox is not None and live:
        raise ConfigError("--live: consents to real orders, and a sandbox takes none: omit it")
    options = DoctorOptions(venues=venues, sandbox=sandbox, config=given.config or DEFAULT_CONFIG)
    keys = {} if sandbox is not None else _keys(settings, given.key_places(), every=drill)
    from arb.app.doctor.doctor import document_of, examine  # late: it loads the venues' libraries

    with logging_to(level="error"):
        examined = examine(settings, options, keys)
        found, exit_code = list(examined.findings), examined.exit_code
        if drill:
            more, exit_code = _drilled(settings, options, keys, examined.costs, found, keep=keep, live=live, yes=yes)
            found += more
    document = document_of(found)
    given.show(document if given.as_json else _for_people(document, full=not given.for_people), document["checks"])
    return exit_code


def _keys(settings: Settings, places: KeyPlaces, *, every: bool) -> dict[str, Credentials]:
    """Return the existing keys of the enabled venues; with `every`, raises `ConfigError` for a venue that has none."""
    return {
        venue: places.credentials(venue, chosen)
        for venue, chosen in settings.venues.enabled().items()
        if every or places.has_any(chosen.key_names().values())
    }


def _drilled(
    settings: Settings,
    options: DoctorOptions,
    keys: dict[str, Credentials],
    costs: Sequence["DrillCost"],
    found: Sequence["Finding"],
    *,
    keep: Path | None,
    live: bool,
    yes: bool,
) -> tuple[list["Finding"], int]:
    """Print the cost of a drill, ask, and run it; return its findings and the exit code."""
    from arb.app.doctor.drill import drill, refused

    failed = refused(found, costs)
    if failed:
        return failed, EXIT_CHECK
    for cost in costs:
        click.echo(cost.line(), err=True)
    if not yes:
        if not sys.stdin.isatty():
            raise ConfigError("--drill: sends orders and cannot ask without a terminal: add --yes")
        click.confirm("Send these orders?", abort=True, err=True)
    mode = Mode.SANDBOX if options.sandbox is not None else Mode.LIVE
    run_options = RunOptions(mode=mode, sandbox=options.sandbox, live=live)
    symbols = {cost.venue: cost.symbol for cost in costs}
    of_run: dict[str, Any] = {"keys": keys} if keys else {}
    more, exit_code = drill(settings, run_options, symbols, keep, **of_run)
    return more, exit_code or (EXIT_CHECK if any(finding.result == "fail" for finding in [*found, *more]) else 0)


def _for_people(document: dict[str, Any], *, full: bool) -> dict[str, Any]:
    """Return failures, then warnings, each with its remedy; the passes as a number, or, if `full`, in rows."""
    rows = sorted(document["checks"], key=lambda row: ["fail", "warn", "pass"].index(row["result"]))
    counted = ", ".join(f"{document[name]} {name}" for name in ("failed", "warned", "passed"))
    if full:
        return {"checks": rows, "result": counted}
    names = ("result", "about", "check")
    shown = [
        {name: row[name] for name in names} | {"found": f"{row['found']}. To correct: {row['remedy']}"}
        for row in rows
        if row["result"] != "pass"
    ]
    return {"checks": shown, "result": f"{counted} (--full lists all)"}
