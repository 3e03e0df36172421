"""The command that proves: `sim`."""

import importlib
from pathlib import Path
from typing import Any

import click

from arb.cli.exits import EXIT_CHECK, EXIT_OK
from arb.cli.shared import NEW_FILE, SEED, config_and_json, settings_from
from arb.cli.show import show
from arb.clock import SystemClock, system_random

SEEDS_BY_DEFAULT = 200
SEED_BITS = 31
PROGRESS_EVERY = 50


@click.command("sim")
@click.option(
    "--seeds", type=click.IntRange(min=1), metavar="N", help="How many seeds [default: 200, or 1 after --seed]."
)
@click.option("--seed", type=SEED, metavar="S", help="The first seed [default: drawn, and logged].")
@click.option("--resume", type=NEW_FILE, metavar="FILE", help="Keep the state here, and go on from it.")
@config_and_json
def sim_command(seeds: int | None, seed: int | None, resume: Path | None, config: Path | None, as_json: bool) -> int:
    """Simulate the whole house under faults, from seeds.

    Each seed draws a market, faults of venues, network and disk, and kills; judges compare what came of it with what the
    venues know. A seed always repeats.
    """
    settings_from(config)
    simulation: Any = importlib.import_module("arb.simulation.run")
    report: Any = importlib.import_module("arb.simulation.report")
    count = seeds or (SEEDS_BY_DEFAULT if seed is None else 1)
    first = seed
    if first is None:
        first = simulation.first_of(resume)
    if first is None:
        first = system_random().getrandbits(SEED_BITS)
    click.echo(f"seeds {first} to {first + count - 1}", err=True)

    def on_seed(number: int, verdict: Any) -> None:
        if verdict.findings:
            click.echo(f"seed {number}: {verdict.findings[0]}\n  repeat it: arb sim --seed {number}", err=True)
        if count == 1:
            click.echo("\n".join(verdict.outcome.fired), err=True)
        elif (number - first + 1) % PROGRESS_EVERY == 0:
            click.echo(f"{number - first + 1} seeds", err=True)

    tally = simulation.run_seeds(first, count, SystemClock(), on_seed, resume)
    summary = {"first": first} | tally.summary()
    if as_json:
        show(summary, as_json=True)
    else:
        show(_told(summary, report.table(tally.cells)), as_json=False)
    return EXIT_CHECK if tally.failures else EXIT_OK


def _told(summary: dict[str, Any], table: str) -> dict[str, Any]:
    """Return the summary for a person: the table first, and how to repeat what failed."""
    click.echo(table)
    told = {key: value for key, value in summary.items() if key not in ("cells", "thin_cells", "failures")}
    told["seconds_a_seed"] = round(summary["seconds"] / max(1, summary["seeds"]), 3)
    told["cells_below_50"] = len(summary["thin_cells"])
    failures = summary["failures"]
    told["failed"] = len(failures)
    for failure in failures:
        told[f"arb sim --seed {failure['seed']}"] = failure["findings"][0]
    return told
