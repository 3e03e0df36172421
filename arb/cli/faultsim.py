"""The command that proves: `faultsim`, which also answers to `sim`."""

import importlib
from functools import partial
from pathlib import Path
from typing import Any

import click

from arb.cli.exits import EXIT_CHECK, EXIT_OK
from arb.cli.shared import INPUT_FILE, NEW_FILE, SEED, config_and_json, settings_from
from arb.cli.show import show
from arb.clock import SystemClock, system_random

SEEDS_BY_DEFAULT = 200
SEED_BITS = 31
PROGRESS_EVERY = 50


@click.command("faultsim")
@click.option(
    "--seeds", type=click.IntRange(min=1), metavar="N", help="How many seeds [default: 200, or 1 after --seed]."
)
@click.option("--seed", type=SEED, metavar="S", help="The first seed [default: drawn, and logged].")
@click.option("--resume", type=NEW_FILE, metavar="FILE", help="Keep the state here, and go on from it.")
@click.option(
    "--jobs", type=click.IntRange(1, 64), default=1, show_default=True, help="How many processes share the seeds."
)
@click.option("--scenario", type=INPUT_FILE, metavar="FILE", help="Simulate what a file tells, on its seed or --seed.")
@config_and_json
def faultsim_command(
    seeds: int | None,
    seed: int | None,
    resume: Path | None,
    jobs: int,
    scenario: Path | None,
    config: Path | None,
    as_json: bool,
) -> int:
    """Simulate the whole house under faults, from seeds or from a scenario file.

    Each seed draws a market, faults of venues, network and disk, and kills; judges compare what came of it with what the
    venues know. A seed always repeats. Scenario files tell one story each; docs/FAULTSIM.md says how to write one.
    """
    settings_from(config)
    if scenario is not None:
        if seeds is not None or resume is not None:
            raise click.UsageError("--scenario tells one story: leave out --seeds and --resume")
        return _tell_scenario(scenario, seed, as_json)
    faultsim: Any = importlib.import_module("arb.faultsim.run")
    report: Any = importlib.import_module("arb.faultsim.report")
    count = seeds or (SEEDS_BY_DEFAULT if seed is None else 1)
    first = seed
    if first is None:
        first = faultsim.first_of(resume)
    if first is None:
        first = system_random().getrandbits(SEED_BITS)
    click.echo(f"seeds {first} to {first + count - 1}", err=True)
    simulate = partial(faultsim.result_of, clock=SystemClock())
    tell = partial(_tell, first, count)
    tally = faultsim.run_seeds(first, count, simulate, tell, resume=resume, jobs=jobs)
    summary = {"first": first} | tally.summary()
    if as_json:
        show(summary, as_json=True)
    else:
        show(_told(summary, report.table(tally.cells)), as_json=False)
    return EXIT_CHECK if tally.failures else EXIT_OK


def _tell_scenario(path: Path, seed: int | None, as_json: bool) -> int:
    """Simulate one file, show what happened, and return whether it holds as an exit code."""
    stories: Any = importlib.import_module("arb.faultsim.scenario")
    told = stories.tell(importlib.import_module("arb.app.scenario").read_scenario(path, seed))
    show(told, as_json=as_json)
    return EXIT_CHECK if told["findings"] else EXIT_OK


def _tell(first: int, count: int, result: Any) -> None:
    """Tell of one seed on stderr: what struck when it is the only one, what was found wrong, how far the row is."""
    done = result.seed - first + 1
    if count == 1:
        click.echo("\n".join(result.fired), err=True)
    for finding in result.findings[: None if count == 1 else 1]:
        click.echo(f"seed {result.seed}: {finding}", err=True)
    if result.findings:
        click.echo(f"  repeat it: arb faultsim --seed {result.seed}", err=True)
    if done % PROGRESS_EVERY == 0:
        click.echo(f"{done} seeds", err=True)


def _told(summary: dict[str, Any], table: str) -> dict[str, Any]:
    """Return the summary for a person: the table first, and how to repeat what failed."""
    if summary["seeds"] > 1:
        click.echo(table)
    told = {key: value for key, value in summary.items() if key not in ("cells", "thin_cells", "failures")}
    told["seconds_a_seed"] = round(summary["seconds"] / max(1, summary["seeds"]), 3)
    told["cells_below_50"] = len(summary["thin_cells"])
    failures = summary["failures"]
    told["failed"] = len(failures)
    for failure in failures:
        told[f"arb faultsim --seed {failure['seed']}"] = failure["findings"][0]
    return told
