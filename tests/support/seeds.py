"""The seed of what a test draws."""

import os

from arb.clock import system_random


def drawn_seed() -> int:
    """Return the seed that `ARB_TEST_SEED` names, as in `make test`; without it, or with "random", one nobody has chosen."""
    chosen = os.environ.get("ARB_TEST_SEED", "random")
    return system_random().randrange(1 << 31) if chosen == "random" else int(chosen)
