"""What a row of seeds met: the table of fault x pair phase, and the sums around it."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

import msgspec

from arb.faultsim.aims import STRIKES, Phase, possible
from arb.faultsim.watch import Cell

CELLS_WANTED = 50


class Failure(msgspec.Struct, frozen=True):
    """A seed that a judge found wrong, and what was found first."""

    seed: int
    findings: tuple[str, ...]


class Tally(msgspec.Struct):
    """The sums over seeds; JSON, so that a long run can go on another day."""

    seeds: int = 0
    counted: int = 0
    pairs: int = 0
    lives: int = 0
    virtual_s: float = 0.0
    seconds: float = 0.0
    cells: dict[str, dict[str, int]] = {}
    failures: list[Failure] = []

    def add_cells(self, cells: Counter[Cell]) -> None:
        """Add what one seed met."""
        for (name, phase), count in cells.items():
            row = self.cells.setdefault(name, {})
            row[str(phase)] = row.get(str(phase), 0) + count

    def add(self, other: "Tally") -> None:
        """Add the sums of other seeds."""
        for name in ("seeds", "counted", "pairs", "lives", "virtual_s", "seconds"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for fault, row in other.cells.items():
            self.add_cells(Counter({(fault, Phase(phase)): count for phase, count in row.items()}))
        self.failures.extend(other.failures)

    def summary(self) -> dict[str, Any]:
        """Return the sums as one JSON document."""
        return {
            "seeds": self.seeds,
            "counted": self.counted,
            "pairs": self.pairs,
            "lives": self.lives,
            "virtual_s": round(self.virtual_s, 3),
            "seconds": round(self.seconds, 3),
            "cells": self.cells,
            "thin_cells": [f"{fault} x {phase}" for fault, phase in thin_cells(self.cells)],
            "failures": [{"seed": failure.seed, "findings": list(failure.findings)} for failure in self.failures],
        }


def thin_cells(cells: dict[str, dict[str, int]], wanted: int = CELLS_WANTED) -> Iterable[tuple[str, str]]:
    """Yield the possible cells met less often than `wanted`."""
    for fault in STRIKES:
        for phase in Phase:
            if possible(fault, phase) and cells.get(fault, {}).get(str(phase), 0) < wanted:
                yield fault, str(phase)


def table(cells: dict[str, dict[str, int]]) -> str:
    """Return the table of fault x phase; a dash where they cannot meet."""
    width = max(map(len, STRIKES))
    heads = [str(phase).split(" ") for phase in Phase]
    columns = [max(6, *(len(word) for word in head)) for head in heads]
    lines = []
    for part in range(max(map(len, heads))):
        words = [head[part] if part < len(head) else "" for head in heads]
        lines.append(" " * width + "".join(f"  {word:>{room}}" for word, room in zip(words, columns, strict=True)))
    for fault in STRIKES:
        row = cells.get(fault, {})
        counts = [row.get(str(phase), 0) if possible(fault, phase) else "-" for phase in Phase]
        told = "".join(f"  {count:>{room}}" for count, room in zip(counts, columns, strict=True))
        lines.append(f"{fault:<{width}}{told}")
    return "\n".join(lines)
