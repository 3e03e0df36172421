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
from matplotlib.patches import Patch, Rectangle

from arb.errors import CheckFailed
from arb.store.ledger.frames import DataFrame, pandas
from arb.view.report.style import GAIN, INK, LOSS, MUTED, NEUTRAL, Sheet, drawn, empty, headed, says, sheet
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


@drawn
def heat(found: Swept) -> Sheet:
    """Draw what each pair of values made of the first two settings that were swept, others as the best set has them."""
    document = found.document
    sets, quote = document["sets"], document["quote"]
    if not any(each["pairs"] for each in sets):
        return empty(NOTHING)
    keys = [key for key in sets[0]["set"] if len({each["set"][key] for each in sets}) > 1][:2] or [*sets[0]["set"]][:1]
    across, down = keys[0], keys[-1]
    best = sets[0]["set"]
    mine = [each for each in sets if all(each["set"][key] == best[key] for key in best if key not in keys)]
    columns, rows = _values(mine, across), _values(mine, down) if len(keys) > 1 else [""]
    nets = {(each["set"][down] if len(keys) > 1 else "", each["set"][across]): float(each["net"]) for each in mine}
    chosen = " and ".join(f"{key} {best[key]}" for key in keys)
    figure, (axes,) = sheet(
        f"{chosen} made most, {amount(float(sets[0]['net']), quote)}: the best of {count(document['sets_tried'], 'set')} tried",
        height_in=1.6 + 0.42 * len(rows),
    )
    reach = max(map(abs, nets.values())) or 1.0
    for row, name in enumerate(rows):
        for column, value in enumerate(columns):
            net = nets.get((name, value))
            if net is None:
                continue
            is_best = value == best[across] and name in ("", best[down])
            cell = Rectangle(
                (column - 0.48, row - 0.46),
                0.96,
                0.92,
                facecolor=GAIN if net >= 0 else LOSS,
                alpha=0.06 + 0.6 * abs(net) / reach,
                linewidth=0,
            )
            says(cell, f"{across} {value}{f', {down} {name}' * bool(name)}: {amount(net, quote)}")
            axes.add_patch(cell)
            if is_best:
                frame_of = Rectangle((column - 0.48, row - 0.46), 0.96, 0.92, fill=False, edgecolor=INK, linewidth=1.6)
                axes.add_patch(frame_of)
            axes.text(column, row, amount(net), ha="center", va="center", fontsize=9, color=INK)
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(rows)), [short(name) for name in rows])
    axes.set_xlim(-0.5, len(columns) - 0.5)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.grid(visible=False)
    axes.set_xlabel(f"{across}; in the cells: net on the days chosen on, {quote}; framed: the best")
    if len(keys) > 1:
        axes.set_ylabel(down)
    return figure


@drawn
def by_day(found: Swept) -> Sheet:
    """Draw what the best set made on each tape, its best, median and worst among them; those held out are hatched."""
    document = found.document
    quote, tapes, best = document["quote"], document["best_by_tape"][-DAYS_SHOWN:], document["sets"][0]
    if not best["pairs"]:
        return empty(NOTHING)
    held = sum(float(each["net"]) for each in tapes if each["held_out"])
    words = [f"{name} tape {amount(float(best[f'{name}_tape']['net']))}" for name in ("best", "median", "worst")]
    away = f"; on the days held out {amount(held, quote)}" if document["held_out"] else "; no day was held out"
    figure, (axes,) = sheet(f"The best set, in {quote}: {', '.join(words)}{away}", height_in=2.9)
    for place, each in enumerate(tapes):
        net = float(each["net"])
        (bar,) = axes.bar(
            [place], [net], width=0.8, color=GAIN if net >= 0 else LOSS, alpha=0.45 if each["held_out"] else 1
        )
        if each["held_out"]:
            bar.set_hatch("////")
        says(bar, f"{each['tape']}, {each['day_utc']}{' (held out)' * each['held_out']}: {amount(net, quote)}")
        axes.annotate(
            amount(net),
            (place, max(net, 0.0)),
            xytext=(0, 6),
            textcoords="offset points",
            ha="center",
            fontsize=8,
            color=INK,
        )
    axes.axhline(0, color=MUTED, linewidth=0.8)
    axes.axhline(float(best["median_tape"]["net"]), color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
    every = max(1, -(-len(tapes) // 10))
    axes.set_xticks(range(0, len(tapes), every), [each["day_utc"] for each in tapes[::every]])
    axes.set_ylabel(f"net, {quote}")
    axes.set_xlabel("tapes by the day (UTC) in which they begin; dashed: the median of those chosen on")
    axes.margins(y=0.18)
    axes.grid(visible=False, axis="x")
    if document["held_out"]:
        axes.legend(handles=[Patch(facecolor=NEUTRAL, hatch="////", alpha=0.45, label="held out")], labelcolor=INK)
    return figure


@drawn
def beside(found: Swept) -> Sheet:
    """Draw all sets by what they made on the days chosen on, and beside each what it made on those held out."""
    document = found.document
    quote, sets = document["quote"], document["sets"]
    if not any(each["pairs"] for each in sets):
        return empty(NOTHING)
    nets = np.array([float(each["net"]) for each in sets])
    place = document["held_out_place_of_the_best"]
    there = f"; on the days held out it is number {place} of them" if place else ""
    middle = amount(float(np.median(nets)), quote)
    figure, (axes,) = sheet(
        f"The best of {count(document['sets_tried'], 'set')} tried made {amount(float(nets[0]), quote)}, "
        f"the middle one {middle}{there}",
        height_in=3.0,
    )
    at = np.arange(1, len(sets) + 1)
    axes.plot(at, nets, linestyle="none", marker="o", markersize=5, color=GAIN, label="days chosen on")
    if document["held_out"]:
        held = np.array([float(each["held_out_net"]) for each in sets])
        axes.plot(at, held, linestyle="none", marker="D", markersize=4, color=NEUTRAL, label="days held out")
        headed(axes, "a set that is good on days nobody chose it on is worth more than the best on those")
    axes.axhline(0, color=MUTED, linewidth=0.8)
    axes.set_xlabel("set, the best on the days chosen on first")
    axes.set_ylabel(f"net, {quote}")
    axes.legend(loc="best", labelcolor=INK)
    return figure


def _values(sets: list[dict[str, Any]], key: str) -> list[str]:
    """Return the values of a setting in the order of their size, where all are numbers, else as texts."""
    values = dict.fromkeys(each["set"][key] for each in sets)

    def size(text: str) -> tuple[bool, float, str]:
        number = re.match(r"[-+]?[\d.]+", text)
        return number is None, float(number[0]) if number else 0.0, text

    return sorted(values, key=size)
