"""`arb replay DAYS...`: recorded tapes, and the earnings on them."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from arb.cli.progress import progress
from arb.cli.shared import DURATION, INPUT_FILE, RATE, SEED, Given, log_as_set, show, with_settings
from arb.config import ReplayOptions, database_url
from arb.market.numbers import plain

TAPES = click.Path(exists=True, readable=True, path_type=Path)
ROWS_SHOWN = 20
"""The most assumptions about single books that are shown."""
_DETAILS = "arb report --mode replay --html FILE"


@click.command("replay")
@click.argument("files", type=TAPES, nargs=-1, required=True, metavar="DAYS...")
@click.option(
    "--db", metavar="URL", help="The ledger to create; an old one is replaced [default: sqlite:///var/replay.sqlite]."
)
@click.option("--seed", type=SEED, metavar="N", help="The seed of the names of simulated orders [default: 1].")
@click.option(
    "--journal", type=INPUT_FILE, metavar="FILE", help="The journal to compare a run's tape with [default: found]."
)
@click.option(
    "--latency",
    type=DURATION,
    metavar="TIME",
    help="One-way latency of a simulated order; its answer takes as long [default: 50ms; of a run, that of its orders].",
)
@click.option(
    "--fee",
    "fee_bps",
    type=RATE,
    metavar="RATE",
    help="The taker fee at every venue [default: the recorded fee; 10bps where none was recorded].",
)
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="A setting of config.toml that replaces the recorded one, such as limits.min_edge_bps=4; may be given several times.",
)
@with_settings
def replay_command(given: Given, latency: float | None, **asked: Any) -> int:
    """Run the engine on recorded tapes.

    DAYS are tapes, or folders of them, such as `arb record` writes. Captures and recordings are traded on with
    simulated orders, in the time of the tapes; the answer begins with the result in one sentence. Tapes that are more
    than a minute apart are replayed one after the other, each from a fresh start. The tape of a run is run again as it
    was, and must lead to the same commands: the first difference is shown, with exit code 3. With --fee, --latency,
    --set or --seed it is an experiment instead: on its frames and rules, with simulated orders.
    """
    database_url(given.settings, "replay", asked["db"])
    from arb.app.replay import replay_tapes

    options = ReplayOptions(
        latency_ms=None if latency is None else max(1, round(latency * 1000)),
        config_given=click.get_current_context().get_parameter_source("config") is ParameterSource.COMMANDLINE,
        **asked,
    )
    with log_as_set(given.settings), progress() as shown:
        summary, exit_code = replay_tapes(
            given.settings,
            options,
            lambda done, of: shown("reading lines" if of is None else "replaying lines", done, of),
        )
    if given.as_json or "answer" not in summary:
        given.show(summary)
    else:
        _show_answer(summary)
    return exit_code


def _show_answer(summary: dict[str, Any]) -> None:
    """Print the answer for a person: the sentence, tables, and the assumptions."""
    from arb.replay.answer import tables_of

    replayed = summary["replay"]
    click.echo(summary["answer"]["sentence"] + "\n")
    tables = tables_of(summary["answer"])
    if replayed["kind"] == "what_if":
        tables |= {name: replayed[name] for name in ("changed", "first_difference", "compared", "limits")}
        tables["compared"] = [row | {"net": _amounts(row["net"])} for row in replayed["compared"]]
    tables["assumed"] = _assumed(replayed)
    show(tables | {"halted": summary["halted"], "db": summary["db"], "more": _DETAILS}, as_json=False)


def _amounts(net: dict[str, Any]) -> str:
    return ", ".join(f"{amount} {quote}" for quote, amount in net.items()) or "0"


def _assumed(replayed: dict[str, Any]) -> dict[str, Any]:
    """Return the assumptions as text shows them: rules that no tape holds, and at most `ROWS_SHOWN` rows of long lists."""
    names = ("latency_ms", "latency_ms_at", "start_balance_of_each_asset", "start_balances")
    found = {name: replayed[name] for name in names if replayed[name]}
    fees: dict[str, set[str]] = {}
    for row in replayed["instruments"]:
        if row["taker_fee"] is not None:
            fees.setdefault(row["venue"], set()).add(f"{plain(100 * Decimal(row['taker_fee']))}%")
    found["taker_fees"] = ", ".join(f"{venue} {' or '.join(sorted(rates))}" for venue, rates in sorted(fees.items()))
    seen = [row for row in replayed["instruments"] if row["rules"] == "seen"]
    for name, rows in (("instruments", seen), ("left_out", replayed["left_out"])):
        found |= {name: rows[:ROWS_SHOWN]} if rows else {}
        found |= {f"more_{name}": f"{len(rows) - ROWS_SHOWN:,}, see --json"} if len(rows) > ROWS_SHOWN else {}
    return found
