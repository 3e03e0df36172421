"""A sweep for a notebook: `found = sweep("tapes", {"limits.min_edge_bps": "3,6,9"}, hold_out="1")`, then figures of it.

`frame(found)` has a row for each set. Needs matplotlib and pandas (the extra `notebooks`).
"""

import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from arb.errors import CheckFailed
from arb.store.ledger.frames import DataFrame, pandas
from arb.view.report.plots import Drawing
from arb.view.report.text import amount, count, short


class Swept(msgspec.Struct, frozen=True):
    """A sweep that was made: what `arb sweep --json` answers."""

    document: dict[str, Any]

    def __str__(self) -> str:
        """Return it in plain sentences: the best set, how many were tried, how it did on the days held out."""
        return "\n".join(self.document["sentences"])


NOTHING = "No set traded: nothing to compare"
DAYS_SHOWN = 60


def sweep(tapes: str, sets: Mapping[str, str], *, hold_out: str | None = None, out: str = "var/sweep.jsonl") -> Swept:
    """Try every combination of the values of `sets` (settings of config.toml, `--fee`, `--latency`) on tapes, and return all.

    Done by the command `arb sweep`, in a process of its own, since its workers need a program to start from that is no
    notebook. What is in the file `out` already is not made again. Raises `CheckFailed` with the command's own line, or one that
    says how to come by tapes where there are none.
    """
    if not Path(tapes).expanduser().exists():
        raise CheckFailed(
            f"no tapes at {tapes}: name a tape, or a folder of them; `arb record --out tapes --for 8h` records the venues, "
            "`arb run --for 1m --tape tapes/run.jsonl.gz` a run of your own"
        )
    options = [
        word
        for key, values in sets.items()
        for word in ([key, values] if key.startswith("--") else ["--set", f"{key}={values}"])
    ]
    options += ["--hold-out", hold_out] if hold_out else []
    Path(out).expanduser().parent.mkdir(parents=True, exist_ok=True)
    paths = [str(Path(tapes).expanduser()), "--out", str(Path(out).expanduser())]
    done = subprocess.run(
        [sys.executable, "-m", "arb", "sweep", *paths, *options, "--json"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise CheckFailed(done.stderr.strip().splitlines()[-1].removeprefix("arb: "))
    return Swept(msgspec.json.decode(done.stdout))


def frame(found: Swept) -> DataFrame:
    """Return the sets, the best first: their keys, and what each made in all, by tape, and on the days held out."""
    rows = [
        each["set"]
        | {"net": float(each["net"]), "pairs": each["pairs"]}
        | {name: float(each[f"{name}_tape"]["net"]) for name in ("best", "median", "worst")}
        | {"held_out": None if each["held_out_net"] is None else float(each["held_out_net"])}
        for each in found.document["sets"]
    ]
    return pandas().DataFrame(rows)


def heat(found: Swept) -> Drawing:
    """Draw what each pair of values made of the first two settings that were swept, others as the best set has them."""
    document = found.document
    sets, quote, best = document["sets"], document["quote"], document["sets"][0]["set"]
    if not any(each["pairs"] for each in sets):
        return Drawing(NOTHING, empty=True)
    keys = [key for key in best if len({each["set"][key] for each in sets}) > 1][:2] or [*best][:1]
    across, down = keys[0], keys[-1]
    mine = [each for each in sets if all(each["set"][key] == best[key] for key in best if key not in keys)]
    columns, rows = _values(mine, across), _values(mine, down) if len(keys) > 1 else [best[down]]
    nets = np.full((len(rows), len(columns)), np.nan)
    chosen = " and ".join(f"{key} {best[key]}" for key in keys)
    tried, most = count(document["sets_tried"], "set"), amount(float(sets[0]["net"]), quote)
    drawing = Drawing(f"{chosen} made most, {most}: the best of {tried} tried", height_in=1.6 + 0.42 * len(rows))
    axes = drawing.subplots()
    for each in mine:
        row, column = rows.index(each["set"][down]) if len(keys) > 1 else 0, columns.index(each["set"][across])
        nets[row, column] = net = float(each["net"])
        weight = "bold" if each is sets[0] else "normal"
        axes.text(
            column, row, amount(net), ha="center", va="center", fontweight=weight, bbox={"color": "white", "alpha": 0.6}
        )
    axes.imshow(nets, aspect="auto")
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(rows)), [short(name) for name in rows])
    axes.set_xlabel(f"{across}; in the cells: net on the days chosen on, {quote}; bold: the best")
    axes.set_ylabel(down if len(keys) > 1 else "")
    return drawing


def by_day(found: Swept) -> Drawing:
    """Draw what the best set made on each tape, its best, median and worst among them; those held out are hatched."""
    document = found.document
    quote, tapes, best = document["quote"], document["best_by_tape"][-DAYS_SHOWN:], document["sets"][0]
    if not best["pairs"]:
        return Drawing(NOTHING, empty=True)
    held = sum(float(each["net"]) for each in tapes if each["held_out"])
    words = [f"{name} tape {amount(float(best[f'{name}_tape']['net']))}" for name in ("best", "median", "worst")]
    away = f"; on the days held out {amount(held, quote)}" if document["held_out"] else "; no day was held out"
    drawing = Drawing(f"The best set, in {quote}: {', '.join(words)}{away}", height_in=2.9)
    axes = drawing.subplots()
    hatches = ["////" if each["held_out"] else "" for each in tapes]
    axes.bar_label(axes.bar(range(len(tapes)), [float(each["net"]) for each in tapes], hatch=hatches))
    axes.axhline(float(best["median_tape"]["net"]), color="grey", linestyle="--")
    every = max(1, -(-len(tapes) // 10))
    axes.set_xticks(range(0, len(tapes), every), [each["day_utc"] for each in tapes[::every]])
    axes.set_ylabel(f"net, {quote}")
    held_out = "; hatched: held out" if document["held_out"] else ""
    axes.set_xlabel(f"tapes by the day (UTC) in which they begin; dashed: the median of those chosen on{held_out}")
    return drawing


def beside(found: Swept) -> Drawing:
    """Draw all sets by what they made on the days chosen on, and beside each what it made on those held out."""
    document = found.document
    quote, sets = document["quote"], document["sets"]
    if not any(each["pairs"] for each in sets):
        return Drawing(NOTHING, empty=True)
    nets = [float(each["net"]) for each in sets]
    place, tried = document["held_out_place_of_the_best"], count(document["sets_tried"], "set")
    there = f"; on the days held out it is number {place} of them" if place else ""
    middle = amount(float(np.median(nets)), quote)
    finding = f"The best of {tried} tried made {amount(nets[0], quote)}, the middle one {middle}{there}"
    drawing = Drawing(finding, height_in=3.0)
    axes, at = drawing.subplots(), np.arange(1, len(sets) + 1)
    axes.plot(at, nets, "o", label="days chosen on")
    if document["held_out"]:
        axes.plot(at, [float(each["held_out_net"]) for each in sets], "D", label="days held out")
        axes.set_title("a set that is good on days nobody chose it on is worth more than the best on those")
    axes.set_xlabel("set, the best on the days chosen on first")
    axes.set_ylabel(f"net, {quote}")
    axes.legend()
    return drawing


def _values(sets: list[dict[str, Any]], key: str) -> list[str]:
    """Return the values of a setting in the order of their size, where all are numbers, else as texts."""
    values = dict.fromkeys(each["set"][key] for each in sets)

    def size(text: str) -> tuple[bool, float, str]:
        number = re.match(r"[-+]?[\d.]+", text)
        return number is None, float(number[0]) if number else 0.0, text

    return sorted(values, key=size)
