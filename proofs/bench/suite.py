"""All benches by name, in the order of the table, and the run of those that are asked for."""

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from arb.clock import Clock
from arb.errors import ConfigError
from proofs.bench import judging, legs, many_symbols, market_data, signing, sockets, start, stores, tape, tick_to_trade
from proofs.bench.rounds import ROUNDS, Effort, Row

Bench = Callable[[Clock, Effort], list[Row]]

BENCHES: dict[str, Bench] = {
    "tick_to_trade": tick_to_trade.from_outside,
    "frame_1kb": market_data.full_frames,
    "frame_thin": market_data.thin_frames,
    "symbols": many_symbols.many_symbols,
    "sockets_symbols": sockets.symbols_from_sockets,
    "sockets": sockets.from_sockets,
    "detect": market_data.per_update,
    "judge": judging.one_edge,
    "sign": signing.one_order,
    "legs": legs.both_legs,
    "journal": stores.journal_append,
    "ledger_sqlite": stores.sqlite_rows,
    "ledger_postgresql": stores.postgres_rows,
    "replay": tape.replay,
    "start": start.until_books,
}


COMPUTING = frozenset(
    {"frame_1kb", "frame_thin", "symbols", "sockets_symbols", "sockets", "detect", "judge", "sign", "replay"}
)
"""Benches of one thread that waits for nothing: measured in processor time, which neighbours do not take part in."""


def run_benches(
    clock: Clock,
    processor: Clock,
    only: Iterable[str] = (),
    rounds: int | None = None,
    *,
    share: float = 1.0,
    on_bench: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Run the benches named in `only`, or all, and return `{"rows": [...]}`; `share` shrinks their batches.

    `clock` measures what waits for others, `processor` (a `ProcessorClock`) what only computes.
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
        rows += BENCHES[name](processor if name in COMPUTING else clock, effort)
    return {"rows": [msgspec.to_builtins(row) for row in rows]}
