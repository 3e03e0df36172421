"""What another threshold would have earned: the pairs it would have kept, by the edge they were decided on.

The pairs that stay are counted with what they really earned. What a higher threshold would have freed (balances, books
that were not yet swept, rate budget) is not counted, nor what a lower one would have added: nobody knows what that
would have earned. `seen` and `best_net_e8` bound it from above: every opportunity at or above the threshold, taken at
its best instant, alone.
"""

from decimal import Decimal

import msgspec
import numpy as np

from arb.report.measure import whole_sum
from arb.store.columns import Columns

THRESHOLDS_BPS = tuple(Decimal(step) for step in (0, 2, 4, 6, 8, 10, 12, 15, 20, 25, 30, 40))


class WhatIf(msgspec.Struct, frozen=True, kw_only=True):
    """One threshold in bps, the pairs decided at or above it and their net, and all opportunities at or above it."""

    quote: str
    min_edge_bps: Decimal
    pairs: int
    net_e8: int
    seen: int
    best_net_e8: int


def what_if(trades: Columns, episodes: Columns, thresholds_bps: tuple[Decimal, ...] = THRESHOLDS_BPS) -> list[WhatIf]:
    """Return one row for each quote and threshold; pairs that sell dust are left out, they have no edge."""
    rows = []
    arb = (trades["kind"] == "arb") & ~np.isnan(trades["edge_bps"])
    for quote in sorted(set(trades["quote"][arb]) | set(episodes["quote"])):
        mine = arb & (trades["quote"] == quote)
        theirs = episodes["quote"] == quote
        for threshold in thresholds_bps:
            # Ranking only: the money of those that stay is added up exactly.
            kept = mine & (trades["edge_bps"] >= float(threshold))
            above = theirs & (episodes["best_edge_bps"] >= float(threshold))
            rows.append(
                WhatIf(
                    quote=quote,
                    min_edge_bps=threshold,
                    pairs=int(kept.sum()),
                    net_e8=whole_sum(trades["realised_net_e8"][kept]),
                    seen=int(above.sum()),
                    best_net_e8=whole_sum(episodes["best_net_e8"][above]),
                )
            )
    return rows
