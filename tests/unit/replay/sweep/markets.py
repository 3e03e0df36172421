"""Tapes of a market in which edges open and close, by a seed, on a day of our choosing."""

import random
from pathlib import Path

from tests.unit.replay.makings import Tape

DAY_S = 86_400


def busy_market(seed: int, edges: int = 12, from_s: float = 0) -> Tape:
    """Return a market where an edge of a seeded size opens and closes again and again, from so long after the start on."""
    rng, tape = random.Random(seed), Tape()
    tape.gate(from_s, [("99.9", "1")], [("100.0", "1")], full=True)
    tape.okx(from_s, [("99.9", "1")], [("100.0", "1")], full=True)
    tape.gate(from_s + 0.1, [("99.8", "1")], []).okx(from_s + 0.1, [("99.8", "1")], [])
    for n in range(edges):
        at_s, bid = from_s + 1.0 + n, f"{100 + rng.randrange(2, 15) / 10:.1f}"
        tape.okx(at_s, [(bid, str(rng.randrange(1, 5)))], [("100.0", "0"), ("102.0", "1")])
        tape.gate(at_s + 0.2, [("99.7", str(n + 1))], [("100.0", str(rng.randrange(1, 5)))])
        tape.okx(at_s + 0.5, [(bid, "0")], [("100.0", "1")])
        tape.gate(at_s + 0.6, [("99.7", str(n + 2))], [])
    return tape


def write_day(folder: Path, day: int, edges: int = 12) -> Path:
    """Write a busy market, seeded by the day, as a capture of so many days after the makings' first."""
    return busy_market(day, edges, day * DAY_S).write(folder / f"day{day}.jsonl")
