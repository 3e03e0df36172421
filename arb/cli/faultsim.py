"""The command `faultsim` (also `sim`, its name in earlier versions): fault simulation from seeds, or from a scenario file."""

import difflib
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from arb.cli.shared import INPUT_FILE, NEW_FILE, SEED, config_and_json, settings_from, show
from arb.clock import SystemClock, system_random
from arb.config.loader import load_file
from arb.errors import EXIT_CHECK, EXIT_OK, ConfigError

if TYPE_CHECKING:
    from arb.faultsim.scenario import Scenario
    from arb.faultsim.seeds import Result

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
    "--jobs",
    type=click.IntRange(1, 64),
    metavar="N",
    default=1,
    show_default=True,
    help="How many processes share the seeds.",
)
@click.option(
    "--scenario", type=INPUT_FILE, metavar="FILE", help="Simulate the scenario in a file, on its seed or --seed."
)
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
    """Simulate the whole engine under faults, from seeds or from a scenario file.

    Each seed draws a market, faults of venues, network and disk, and kills; checks compare the outcome with what the venues
    know. The same seed always gives the same simulation. A scenario file describes one course of events; docs/FAULTSIM.md
    says how to write one.
    """
    settings_from(config)
    if scenario is not None:
        if seeds is not None or resume is not None:
            raise click.UsageError("--scenario simulates one file: leave out --seeds and --resume")
        return _run_scenario(scenario, seed, as_json)
    from arb.faultsim.seeds import first_of, result_of, run_seeds, table

    count = seeds or (SEEDS_BY_DEFAULT if seed is None else 1)
    first = first_of(resume) if seed is None else seed
    if first is None:
        first = system_random().getrandbits(SEED_BITS)
    click.echo(f"seeds {first} to {first + count - 1}", err=True)
    simulate, on_result = partial(result_of, clock=SystemClock()), partial(_print_result, first, count)
    tally = run_seeds(first, count, simulate, on_result, resume=resume, jobs=jobs)
    summary = {"first": first} | tally.summary()
    if as_json:
        show(summary, as_json=True)
    else:
        if tally.seeds > 1:
            click.echo(table(tally.cells))
        show(_readable(summary), as_json=False)
    return EXIT_CHECK if tally.failures else EXIT_OK


def read_scenario(path: Path, seed: int | None = None) -> "Scenario":
    """Read a scenario file, on another seed if one is given; raises `ConfigError` naming file, line and remedy."""
    from arb.faultsim.aims import STRIKES
    from arb.faultsim.scenario import Scenario
    from arb.sandbox.profiles import SYMBOLS

    scenario = load_file(path, Scenario)
    if seed is not None:
        scenario = msgspec.structs.replace(scenario, seed=seed)
    for number, strike in enumerate(scenario.strikes, start=1):
        if strike.fault not in STRIKES:
            near = difflib.get_close_matches(strike.fault, STRIKES, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(STRIKES)}"
            raise ConfigError(f"{path}: [[strikes]] number {number}: unknown fault {strike.fault!r}: {hint}")
    unknown = [symbol for symbol in scenario.symbols if symbol not in SYMBOLS]
    if unknown:
        raise ConfigError(f"{path}: symbols: nobody lists {unknown[0]}: choose from {', '.join(SYMBOLS)}")
    return scenario


def _run_scenario(path: Path, seed: int | None, as_json: bool) -> int:
    """Simulate one file, show what happened, and return whether it holds as an exit code."""
    from arb.faultsim.scenario import run_scenario

    outcome = run_scenario(read_scenario(path, seed))
    show(outcome, as_json=as_json)
    return EXIT_CHECK if outcome["findings"] else EXIT_OK


def _print_result(first: int, count: int, result: "Result") -> None:
    """Print one seed on stderr: what struck when it is the only one, what was found wrong, how many seeds are done."""
    done = result.seed - first + 1
    if count == 1:
        click.echo("\n".join(result.fired), err=True)
    for finding in result.findings[: None if count == 1 else 1]:
        click.echo(f"seed {result.seed}: {finding}", err=True)
    if result.findings:
        click.echo(f"  repeat it: arb faultsim --seed {result.seed}", err=True)
    if done % PROGRESS_EVERY == 0:
        click.echo(f"{done} seeds", err=True)


def _readable(summary: dict[str, Any]) -> dict[str, Any]:
    """Return the summary for a person: counts in place of lists, and how to repeat what failed."""
    failures = summary["failures"]
    shown = {key: value for key, value in summary.items() if key not in ("cells", "thin_cells", "failures")}
    shown["seconds_a_seed"] = round(summary["seconds"] / max(1, summary["seeds"]), 3)
    shown["cells_below_50"] = len(summary["thin_cells"])
    shown["failed"] = len(failures)
    return shown | {f"arb faultsim --seed {failure['seed']}": failure["findings"][0] for failure in failures}
