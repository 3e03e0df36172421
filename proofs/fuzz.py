"""Frames that no venue should send, by the million: `make fuzz`. Whatever differs between compiled and plain books ends it."""

import argparse
import concurrent.futures
import json
import random
import sys
from collections import Counter
from functools import partial
from pathlib import Path

from tests.unit.venues.books.compiled.twins import DIALECTS, begin, disturbed, refresh, stream


def fuzz(count: int, seed: int) -> Counter[str]:
    """Give twins of every dialect `count` disturbed frames in all; raises where they differ. Return what became of them."""
    became: Counter[str] = Counter()
    for number in range(-(-count // 20)):
        dialect = DIALECTS[number % len(DIALECTS)]
        truth, twins = begin(dialect, seed + number)
        rng = random.Random(seed - number)
        for _ in range(20):
            stream(dialect, truth, twins, rng.randrange(3))
            became["while compiled code keeps the book"] += twins.compiled.lent
            state, quiet = twins.plain.arena.state.item(0), twins.compiled.quiet
            change = dialect.change(*truth.step())
            if dialect.quote is not None and rng.random() < 0.3:
                at = rng.choice(list(truth.states)[-3:])
                twins.give(disturbed(dialect.quote(at, *truth.states[at]).encode(), rng))
            twins.give(disturbed(change.encode(), rng))
            after = twins.plain.arena.state.item(0)
            became["applied by compiled code" if twins.compiled.quiet > quiet else "handed over"] += 1
            became["book lost"] += state == 1 and after != 1
            if after != 1 or rng.random() < 0.5:
                refresh(dialect, truth, twins)
    return became


PIECE = 10_000
"""Frames that one seed makes."""


def main(arguments: list[str]) -> int:
    """Give so many frames in pieces, those that are not done yet; return 0 where no piece differed."""
    parser = argparse.ArgumentParser(prog="fuzz", description="Disturbed frames for compiled and plain books.")
    parser.add_argument("--frames", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1, help="of the first piece; the others follow")
    parser.add_argument("--jobs", type=int, default=1, help="how many pieces at once")
    parser.add_argument("--resume", type=Path, default=None, metavar="FILE", help="remember finished pieces here")
    chosen = parser.parse_args(arguments)
    done = _done(chosen.resume)
    seeds = [chosen.seed + piece for piece in range(-(-chosen.frames // PIECE))]
    became: Counter[str] = sum((done[seed] for seed in seeds if seed in done), Counter())
    with concurrent.futures.ProcessPoolExecutor(chosen.jobs) as workers:
        waiting = {workers.submit(partial(fuzz, PIECE), seed * PIECE): seed for seed in seeds if seed not in done}
        for piece in concurrent.futures.as_completed(waiting):
            seed = waiting[piece]
            try:
                found = piece.result()
            except Exception as error:  # whatever a frame brings about is a finding
                workers.shutdown(wait=False, cancel_futures=True)
                _say(f"they differ: {error!r}\nagain: make fuzz ARGS='--frames {PIECE} --seed {seed}'")
                return 1
            became += found
            if chosen.resume is not None:
                with chosen.resume.open("a") as file:
                    file.write(json.dumps([seed, found]) + "\n")
            _say(f"seed {seed}: no difference")
    _say(f"{len(seeds) * PIECE:,} frames and none that makes a difference: {json.dumps(became)}")
    return 0


def _done(path: Path | None) -> dict[int, Counter[str]]:
    if path is None or not path.exists():
        return {}
    lines = path.read_text().splitlines(keepends=True)
    # A line without an end was being written when all was broken off.
    return {seed: Counter(found) for seed, found in (json.loads(line) for line in lines if line.endswith("\n"))}


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
