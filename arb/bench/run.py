"""All benches by name, in the order of the table."""

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from arb.bench import books, detection, journal, ledger, legs, signing, tape
from arb.bench.rounds import ROUNDS, Effort, Row
from arb.clock import Clock
from arb.errors import ConfigError

BENCHES: dict[str, Callable[[Clock, Effort], list[Row]]] = {
    "frame_1kb": books.full_frames,
    "frame_thin": books.thin_frames,
    "detect": detection.per_update,
    "sign": signing.one_order,
    "legs": legs.both_legs,
    "journal": journal.append,
    "ledger_sqlite": ledger.sqlite_rows,
    "ledger_postgresql": ledger.postgres_rows,
    "replay": tape.replay,
}


def run_benches(
    clock: Clock,
    only: Iterable[str] = (),
    rounds: int | None = None,
    *,
    share: float = 1.0,
    on_bench: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Run the benches named in `only`, or all, and return `{"rows": [...]}`; `share` shrinks their batches.

    Raises `ConfigError` for an unknown name.
    """
    effort = Effort(rounds=rounds or ROUNDS, share=share)
    chosen = tuple(only) or tuple(BENCHES)
    for name in chosen:
        if name not in BENCHES:
            raise ConfigError(f"--only {name}: no such bench; there are {', '.join(BENCHES)}")
    rows: list[Row] = []
    for name in chosen:
        if on_bench is not None:
            on_bench(name)
        rows += BENCHES[name](clock, effort)
    return {"rows": [msgspec.to_builtins(row) for row in rows]}
