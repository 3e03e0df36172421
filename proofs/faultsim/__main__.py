"""Fault simulation from seeds, or from a scenario file: `python -m proofs.faultsim`."""

import sys
from functools import partial
from pathlib import Path
from typing import Any

import click

from arb.cli.root import main
from arb.cli.shared import INPUT_FILE, NEW_FILE, SEED, show
from arb.clock import SystemClock, system_random
from arb.errors import EXIT_CHECK, EXIT_OK
from arb.sandbox.registry import VENUE_NAMES, venues_in
from proofs.faultsim.scenario import read_scenario, run_scenario
from proofs.faultsim.seeds import Result, first_of, result_of, run_seeds, table

SEEDS_BY_DEFAULT = 200
SEED_BITS = 31
PROGRESS_EVERY = 50


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--seeds", type=click.IntRange(min=1), metavar="N", help="How many seeds [default: 200, or 1 after --seed]."
)
@click.option("--seed", type=SEED, metavar="S", help="The first seed [default: drawn, and logged].")
@click.option("--resume", type=NEW_FILE, metavar="FILE", help="Keep the state here, and go on from it.")
@click.option(
    "--jobs",
    type=click.IntRange(1, 64),
    metavar="N",
    default=1,
    show_default=True,
    help="How many processes share the seeds.",
)
@click.option(
    "--venues",
    default=",".join(VENUE_NAMES),
    show_default=True,
    metavar="LIST",
    help="Where the seeds trade: also bybit, binance.",
)
@click.option(
    "--scenario", type=INPUT_FILE, metavar="FILE", help="Simulate the scenario in a file, on its seed or --seed."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def faultsim(
    seeds: int | None,
    seed: int | None,
    resume: Path | None,
    jobs: int,
    venues: str,
    scenario: Path | None,
    as_json: bool,
) -> int:
    """Simulate the whole engine under faults, from seeds or from a scenario file.

    Each seed draws a market, faults of venues, network and disk, and kills; checks compare the outcome with what the venues
    know. The same seed always gives the same simulation. A scenario file describes one course of events; docs/PROOF.md
    says how to write one.
    """
    if scenario is not None:
        if seeds is not None or resume is not None:
            raise click.UsageError("--scenario simulates one file: leave out --seeds and --resume")
        return _run_scenario(scenario, seed, as_json)
    chosen = venues_in(venues)
    count = seeds or (SEEDS_BY_DEFAULT if seed is None else 1)
    first = first_of(resume) if seed is None else seed
    if first is None:
        first = system_random().getrandbits(SEED_BITS)
    click.echo(f"seeds {first} to {first + count - 1}", err=True)
    simulate, on_result = partial(result_of, clock=SystemClock(), venues=chosen), partial(_print_result, first, count)
    tally = run_seeds(first, count, simulate, on_result, resume=resume, jobs=jobs)
    summary = {"first": first} | tally.summary()
    if as_json:
        show(summary, as_json=True)
    else:
        if tally.seeds > 1:
            click.echo(table(tally.cells))
        show(_readable(summary), as_json=False)
    return EXIT_CHECK if tally.failures else EXIT_OK


def _run_scenario(path: Path, seed: int | None, as_json: bool) -> int:
    """Simulate one file, show what happened, and return whether it holds as an exit code."""
    outcome = run_scenario(read_scenario(path, seed))
    show(outcome, as_json=as_json)
    return EXIT_CHECK if outcome["findings"] else EXIT_OK


def _print_result(first: int, count: int, result: Result) -> None:
    """Print one seed on stderr: what struck when it is the only one, what was found wrong, how many seeds are done."""
    done = result.seed - first + 1
    if count == 1:
        click.echo("\n".join(result.fired), err=True)
    for finding in result.findings[: None if count == 1 else 1]:
        click.echo(f"seed {result.seed}: {finding}", err=True)
    if result.findings:
        click.echo(f"  repeat it: python -m proofs.faultsim --seed {result.seed}", err=True)
    if done % PROGRESS_EVERY == 0:
        click.echo(f"{done} seeds", err=True)


def _readable(summary: dict[str, Any]) -> dict[str, Any]:
    """Return the summary for a person: counts in place of lists, and how to repeat what failed."""
    failures = summary["failures"]
    shown = {key: value for key, value in summary.items() if key not in ("cells", "thin_cells", "failures")}
    shown["seconds_a_seed"] = round(summary["seconds"] / max(1, summary["seeds"]), 3)
    shown["cells_below_50"] = len(summary["thin_cells"])
    shown["failed"] = len(failures)
    return shown | {
        f"python -m proofs.faultsim --seed {failure['seed']}": failure["findings"][0] for failure in failures
    }


if __name__ == "__main__":
    sys.exit(main(command=faultsim, name="python -m proofs.faultsim"))
