"""Measure the speed beside other programs on the same work: `python -m proofs.bench`."""

import sys
from typing import Any

import click

from arb.cli.root import main
from arb.cli.shared import show
from arb.clock import ProcessorClock, SystemClock
from arb.errors import EXIT_OK
from proofs.bench.suite import run_benches


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--only", multiple=True, metavar="NAME", help="Only this bench; may be given several times.")
@click.option(
    "--rounds", type=click.IntRange(min=1), metavar="N", help="How many rounds [default: 151; fewer where one is long]."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def bench(only: tuple[str, ...], rounds: int | None, as_json: bool) -> int:
    """Measure the speed beside other programs on the same work.

    Every row is the median of rounds that alternate between this engine and a peer on the same work, so that the ratio
    means the same on any machine. A row that misses its target says so; a peer that is not installed is named.
    """
    report = run_benches(
        SystemClock(), ProcessorClock(), only, rounds, on_bench=lambda name: click.echo(f"measuring {name}", err=True)
    )
    show(report if as_json else [_verdict(row) for row in report["rows"]], as_json=as_json)
    return EXIT_OK


def _verdict(row: dict[str, Any]) -> dict[str, Any]:
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


if __name__ == "__main__":
    sys.exit(main(command=bench, name="python -m proofs.bench"))
