"""Frames that no venue should send, by the hundred thousand: `python -m tests.unit.venues.compiled.fuzz COUNT SEED`."""

import random
import sys
from collections import Counter

from tests.unit.venues.compiled.test_same_books import DIALECTS, begin, refresh, stream
from tests.unit.venues.compiled.twins import disturbed


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


if __name__ == "__main__":
    print(dict(fuzz(int(sys.argv[1]), int(sys.argv[2]))))  # noqa: T201
