"""The command that measures: `bench`."""

import importlib
from pathlib import Path
from typing import Any

import click

from arb.cli.exits import EXIT_OK
from arb.cli.shared import config_and_json, settings_from
from arb.cli.show import show
from arb.clock import ProcessorClock, SystemClock


@click.command("bench")
@click.option("--only", multiple=True, metavar="NAME", help="Only this bench; may be given several times.")
@click.option("--rounds", type=click.IntRange(min=1), help="How many rounds [default: 151; fewer where one is long].")
@config_and_json
def bench_command(only: tuple[str, ...], rounds: int | None, config: Path | None, as_json: bool) -> int:
    """Measure the speed, as ratios to peers.

    Every row is the median of rounds that alternate between this engine and a peer on the same work, so that the ratio
    means the same on any machine. A row that misses its target says so; a peer that is not installed is named.
    """
    settings_from(config)
    bench: Any = importlib.import_module("arb.bench.run")
    report = bench.run_benches(
        SystemClock(), ProcessorClock(), only, rounds, on_bench=lambda name: click.echo(f"measuring {name}", err=True)
    )
    show(report if as_json else [_told(row) for row in report["rows"]], as_json=as_json)
    return EXIT_OK


def _told(row: dict[str, Any]) -> dict[str, Any]:
    """Return the row for a person: verdicts in words, and the reason in place of what is not there."""
    verdict = {True: "reached", False: "missed", None: ""}[row["met"]]
    return {
        "what": row["name"],
        "value": f"{row['value']:,g} {row['unit']}",
        "baseline": "-" if row["baseline"] is None else f"{row['baseline']:,g}",
        "ratio": "-" if row["ratio"] is None else f"{row['ratio']:g}x",
        "target": f"{row['target']} {verdict}".strip(),
        "against": row["against"],
        "note": row["note"],
    }
