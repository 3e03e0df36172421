"""The seed of what a test draws, and the number of the commit, by which long tests take turns."""

import os
from pathlib import Path

from arb.clock import system_random
from arb.version import commit_of


def drawn_seed() -> int:
    """Return the seed that `ARB_TEST_SEED` names, as in `make test`; without it, or with "random", one nobody has chosen."""
    chosen = os.environ.get("ARB_TEST_SEED", "random")
    return system_random().randrange(1 << 31) if chosen == "random" else int(chosen)


def commit_number() -> int:
    """Return a number that differs from commit to commit, 0 outside a checkout."""
    return int(commit_of(Path(__file__).resolve().parents[2]) or "0", 16)
