"""Judge of dust: what is worth more in sum than `dust_total_max_quote` is traded away, the most valuable first."""

import json
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path

from arb.clock import NS_PER_S
from arb.core.messages.settings import Limits
from arb.market.numbers import ZERO
from arb.sandbox.registry import VENUE_NAMES
from proofs.faultsim.conduct import OPEN, Row, entries_of
from proofs.faultsim.promises import CALM, Struck

EASY, LEGAL_QUOTE = VENUE_NAMES[-1], 2
"""A venue that takes an order of this worth in any symbol: twice its least notional."""
WITHIN_NS = NS_PER_S
"""A book that a fill of ours has just changed takes no order; another close comes after it."""
ENDS = frozenset({"ShutdownAsked", "HaltAsked", "FlattenAsked"})


def piled_up(journal: Path, limits: Limits, struck: Iterable[Struck]) -> Iterator[str]:
    """While arbitrage pairs close, too much dust is traded away within `WITHIN_NS` where an order for it is legal.

    Judged until something is struck that may keep an order from leaving, or opening is stopped.
    """
    calm_ns = min((one.ns for one in struck if one.name not in CALM), default=None)
    dust: dict[str, Decimal] = {}
    open_: dict[int, Row] = {}
    since_ns: int | None = None
    for _, t_ns, kind, payload in entries_of(journal):
        if kind in ENDS or (calm_ns is not None and t_ns >= calm_ns):
            return
        row: Row = json.loads(payload)["record"] if kind == "Persist" else {"type": ""}
        if row["type"] == "ControlRecord" and (row["halted"] is not None or row["late"]):
            return
        if row["type"] == "PoolRecord":
            dust = {held["symbol"]: abs(Decimal(held["booked"])) for held in row["dust"]}
        elif row["type"] == "PairRecord" and row["state"] in OPEN:
            open_[row["id"]] = row
            since_ns = None if row["kind"] == "dust" else since_ns
        elif row["type"] == "PairRecord":
            open_.pop(row["id"], None)
            if not _tradable(dust, open_.values(), limits):
                since_ns = None
            elif row["kind"] == "arb":
                since_ns = since_ns or t_ns
                if t_ns > since_ns + WITHIN_NS:
                    most = limits.dust_total_max_quote
                    yield f"dust: {sum(dust.values()):.2f} quote lie around, {most} may, and none is traded away"
                    return


def _tradable(dust: dict[str, Decimal], open_: Iterable[Row], limits: Limits) -> bool:
    """Return whether there is too much dust, and some of it can be traded."""
    pairs = list(open_)
    busy = {row["symbol"] for row in pairs if EASY in (row["buy_venue"], row["sell_venue"])}
    legal = any(value >= LEGAL_QUOTE for symbol, value in dust.items() if symbol not in busy)
    too_much = sum(dust.values(), ZERO) > limits.dust_total_max_quote
    return legal and too_much and len(pairs) < limits.max_open_pairs
