"""`arb doctor`: what stands between this machine and a run on the real venues."""

from pathlib import Path
from typing import Any

import click

from arb.cli.shared import ADMIN_URL, DEFAULT_CONFIG, config_and_json, settings_from, show
from arb.config import DoctorOptions
from arb.logs import logging_to


@click.command("doctor")
@click.argument("venues", nargs=-1, metavar="[VENUE]...")
@click.option(
    "--sandbox",
    type=ADMIN_URL,
    metavar="ADMIN_URL",
    help="Examine this running `arb sandbox`; 'embedded': our own [default: the real venues].",
)
@config_and_json
def doctor_command(venues: tuple[str, ...], sandbox: str | None, config: Path | None, as_json: bool) -> int:
    """Check venues and this machine.

    Of every enabled venue (or of those named): names, certificates, whether it serves this address, clock, listing, books,
    steps and lag; of this machine: Python, disk, the journal's file system, the ledger's schema, its clock, and who may read
    what. No key is read and nothing is traded. What is no pass says how to correct it; the exit code is 3 where a check failed.
    """
    settings = settings_from(config)
    from arb.app.doctor import examine  # late: it loads the venues' libraries

    with logging_to(level="error"):
        document, exit_code = examine(
            settings, DoctorOptions(venues=venues, sandbox=sandbox, config=config or DEFAULT_CONFIG)
        )
    show(document if as_json else _for_people(document), as_json=as_json)
    return exit_code


def _for_people(document: dict[str, Any]) -> dict[str, Any]:
    """Return the findings as a table, and how to correct those that are no pass below it."""
    rows = [{name: row[name] for name in ("result", "about", "check", "found")} for row in document["checks"]]
    remedies = [f"{row['about']} {row['check']}: {row['remedy']}" for row in document["checks"] if row["remedy"]]
    return (
        {"checks": rows}
        | ({"to correct": remedies} if remedies else {})
        | {name: document[name] for name in ("passed", "warned", "failed")}
    )
