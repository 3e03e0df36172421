"""The command `sweep`: a grid of settings over many tapes."""

import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from arb.cli.progress import progress
from arb.cli.replay import TAPES
from arb.cli.shared import DURATION, INPUT_FILE, NEW_FILE, RATE, Given, log_as_set, with_settings
from arb.config import SweepOptions

SHOWN = 20
"""The text output has this many sets; the file and `--json` have all of them."""


class Several(click.ParamType[tuple[tuple[str, Any], ...]]):
    """Values of another type, separated by commas: each as its text and the value read from it."""

    name = "several"

    def __init__(self, each: click.ParamType[Any]) -> None:
        self._each = each

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[tuple[str, Any], ...]:
        texts = [text.strip() for text in str(value).split(",")]
        return tuple((text, self._each.convert(text, param, ctx)) for text in texts)


@click.command("sweep")
@click.argument("tapes", type=TAPES, nargs=-1, required=True, metavar="TAPES...")
@click.option(
    "--set",
    "sets",
    multiple=True,
    metavar="KEY=VALUE,VALUE,...",
    help="Values to try for a key of config.toml, for example limits.min_edge_bps=2,4,6. Can be given several times.",
)
@click.option(
    "--fee", type=Several(RATE), metavar="RATE,...", help="Fees to try, for example 5bps,10bps; see `arb replay`."
)
@click.option(
    "--latency",
    type=Several(DURATION),
    metavar="TIME,...",
    help="Order latencies to try, for example 20ms,50ms; see `arb replay`.",
)
@click.option(
    "--out",
    type=NEW_FILE,
    default="var/sweep.jsonl",
    show_default=True,
    metavar="FILE",
    help="The file of results: one line of JSON for each set on each tape. Existing results are not computed again.",
)
@click.option(
    "--jobs", type=click.IntRange(1, 1024), metavar="N", help="The number of processes [default: one per core]."
)
@click.option(
    "--hold-out",
    metavar="N|DAY,...",
    help="Days that do not choose the best set and test it instead: the last N, or dates such as 2026-11-21.",
)
@click.option(
    "--max-sets",
    type=click.IntRange(1),
    default=100_000,
    show_default=True,
    metavar="N",
    help="Refuse a grid with more sets than this.",
)
@click.option("--dask", metavar="ADDRESS", help="Use a Dask cluster: the address of its scheduler, tcp://HOST:PORT.")
@click.option("--dask-ca", type=INPUT_FILE, metavar="FILE", help="TLS: the CA certificate of the cluster.")
@click.option("--dask-cert", type=INPUT_FILE, metavar="FILE", help="TLS: our own certificate.")
@click.option("--dask-key", type=INPUT_FILE, metavar="FILE", help="TLS: the key of our certificate.")
@with_settings
def sweep_command(
    given: Given,
    latency: tuple[tuple[str, float], ...] | None,
    fee: tuple[tuple[str, Decimal], ...] | None,
    jobs: int | None,
    dask: str | None,
    dask_ca: Path | None,
    dask_cert: Path | None,
    dask_key: Path | None,
    **asked: Any,
) -> int:
    """Try a grid of settings on recorded tapes.

    Every combination of the given values is one set, and every set is tried on every tape, as by `arb replay`. TAPES are
    files or folders; a recording is cut into its UTC days. The best set is shown first, with the number of sets tried.
    The best of many sets looks better than it is, so hold days out. A stopped sweep continues where it stopped. Only
    results whose tape, settings or version of arb changed are computed again.
    """
    files = (dask_ca, dask_cert, dask_key)
    if any(files) and not (dask and all(files)):
        raise click.UsageError("--dask-ca, --dask-cert and --dask-key: give all three, and --dask with them")
    from arb.app.sweep import sweep

    options = SweepOptions(
        fees_bps=fee or (),
        latencies_ms=tuple((text, max(1, round(seconds * 1000))) for text, seconds in latency or ()),
        jobs=jobs or _cores(),
        dask=dask,
        dask_tls=None if dask_ca is None or dask_cert is None or dask_key is None else (dask_ca, dask_cert, dask_key),
        config_given=click.get_current_context().get_parameter_source("config") is ParameterSource.COMMANDLINE,
        **asked,
    )
    with log_as_set(given.settings), progress() as on_progress:
        document = sweep(given.settings, options, on_progress)
    return given.show(document if given.as_json else _readable(document))


def _cores() -> int:
    """Return how many processors this process may use, where the system reports it, else how many there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _readable(document: dict[str, Any]) -> dict[str, Any]:
    """Return the document for a person: sentences, and the best sets in one table."""
    click.echo("\n".join(document["sentences"]) + "\n")
    rows = [
        each["set"]
        | {"net": each["net"], "pairs": each["pairs"]}
        | {name: each[f"{name}_tape"]["net"] for name in ("best", "median", "worst")}
        | ({"held_out": each["held_out_net"]} if document["held_out"] else {})
        for each in document["sets"][:SHOWN]
    ]
    more = len(document["sets"]) - SHOWN
    return (
        {f"sets, in {document['quote']}": rows}
        | ({"more": f"{more:,} more sets in the file"} if more > 0 else {})
        | {name: document[name] for name in ("days", "held_out") if document[name]}
        | {name: document[name] for name in ("runs", "runs_made_now", "file")}
    )
