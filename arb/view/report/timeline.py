"""Figures over time: only time in which something ran has a length; what lies between is a narrow shaded gap.

Two runs of a minute, five days apart, are two minutes of trading: drawn to scale they would be two upright strokes with nothing
between them. Needs matplotlib (the extra `notebooks`).
"""

import itertools
from datetime import UTC, datetime
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from arb.store.ledger.columns import Column
from arb.view.report.measure import instants, round_step_ns, thinned
from arb.view.report.style import GRID, Stretches, reads
from arb.view.report.svg import LINE

_DAY_NS = 86_400_000_000_000
_SECOND_NS = 1_000_000_000
GAP, GAPS = 0.04, 0.3
"""How wide a gap is drawn, and all together at most, as a share of the time traded."""
NEAR = 0.085
"""Share of the axis that a tick's label takes: nearer ones are left out."""


def line(
    axes: Axes,
    at_ns: Column,
    level: Column,
    colour: str,
    ran: Stretches,
    *,
    name: str,
    most: int = 300,
    fill: float = 0.0,
    **look: Any,
) -> None:
    """Draw a level over time in steps, and none where nothing ran; one of very many steps through its ends and extremes.

    `at_ns` (ns UTC) are in order, and the first and the last lie in a stretch of `ran`. What happened in a gap shows in the
    level at which the next stretch begins.
    """
    most = max(4, most // len(ran))
    parts: list[tuple[list[int], list[float]]] = []
    few = True
    for begin, end in ran:
        first, after = np.searchsorted(at_ns, begin, side="right"), np.searchsorted(at_ns, end, side="right")
        inside = level[first:after]
        kept = thinned(inside, most=most)
        few = few and len(kept) == len(inside)
        before = [float(level[first - 1])] if first else []
        if levels := [*before, *inside[kept].tolist()]:
            parts.append(([*([begin] if before else []), *at_ns[first:after][kept].tolist(), end], levels))
    drawn_ns, drawn = [], []
    for part_ns, levels in parts:
        x = np.repeat(part_ns, 2)[1:-1] if few else np.array(part_ns)
        y = np.repeat(levels, 2) if few else np.array([*levels, levels[-1]])
        drawn_ns += [*x.tolist(), int(x[-1])]
        drawn += [*y.tolist(), np.nan]
        if fill:
            under = instants(np.array([x[0], *x, x[-1]]))
            axes.fill(under, [0, *y, 0], color=colour, alpha=fill, linewidth=0)
    axes.plot(instants(np.array(drawn_ns)), np.array(drawn), color=colour, gid=f"{LINE}{name}", **look)


def time_axis(axes: Axes, ran: Stretches) -> None:
    """Give what was traded its length, what lies between a shaded gap, and write instants in UTC."""
    begin, end = ran[0][0], max(ran[-1][1], ran[0][0])
    if end - begin < _SECOND_NS // 1000:  # a lone instant gets a second on each side
        ran = [(begin - _SECOND_NS, end + _SECOND_NS)]
    places = _places(ran)
    knots = np.array([ns for stretch in ran for ns in stretch], dtype=np.float64) / _DAY_NS
    # Beyond its ends the axis goes on as long as it is.
    days = np.array([knots[0] - places[-1] / _DAY_NS, *knots, knots[-1] + places[-1] / _DAY_NS])
    at = np.array([-places[-1], *places, 2 * places[-1]], dtype=np.float64)
    if len(ran) > 1:
        axes.set_xscale(
            "function",
            functions=(lambda values: np.interp(values, days, at), lambda values: np.interp(values, at, days)),
        )
        for (_, ended), (begun, _) in itertools.pairwise(ran):
            axes.axvspan(*instants(np.array([ended, begun])), color=GRID, alpha=0.6, linewidth=0, zorder=0)
    margin = 0.01 * places[-1]
    axes.set_xlim(*np.interp([-margin, places[-1] + margin], at, days))
    ticks = _ticks(ran, places)
    axes.set_xticks([ns / _DAY_NS for ns, _ in ticks], [label for _, label in ticks])
    axes.set_xlabel("time, UTC" + ("; shaded, not to scale: nothing ran" if len(ran) > 1 else ""))
    reads(axes, "time", knots.tolist())


def _places(ran: Stretches) -> list[float]:
    """Return where each stretch begins and ends on the axis, in ns of trading, the gaps between at their own width."""
    lengths = np.array([end - begin for begin, end in ran], dtype=np.float64)
    lengths = np.maximum(lengths, lengths.sum() / 200)
    gap = float(lengths.sum()) * min(GAP, GAPS / max(1, len(ran) - 1))
    places, at = list[float](), 0.0
    for length in lengths.tolist():
        places += [at, at + length]
        at += length + gap
    return places


def _ticks(ran: Stretches, places: list[float]) -> list[tuple[int, str]]:
    """Return instants to write and their labels: round ones, else where a stretch begins; the day where it is another one."""
    step_ns = round_step_ns(int(places[-1]), most=8)
    ticks, last, day = list[tuple[int, str]](), -places[-1], ""
    for number, (begin, end) in enumerate(ran):
        start = places[2 * number]
        round_ones = range(-(-begin // step_ns) * step_ns, end + 1, step_ns)
        for ns in round_ones if len(round_ones) > 0 else [begin]:
            at = start + min(ns - begin, end - begin)
            if at - last < NEAR * places[-1]:
                continue
            moment = datetime.fromtimestamp(ns // _SECOND_NS, UTC)
            clock = (
                "" if step_ns >= _DAY_NS else f"{moment:%H:%M}" if ns % (60 * _SECOND_NS) == 0 else f"{moment:%H:%M:%S}"
            )
            date = f"{moment:%Y-%m-%d}"
            ticks.append((ns, "\n".join(filter(None, (clock, date if date != day else "")))))
            last, day = at, date
    return ticks
