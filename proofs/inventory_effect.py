"""What bands of the inventory change where funds are scarce: the same seeds, markets and funds, with and without.

Each run trades two symbols at three venues for two virtual minutes, on accounts that begin with three of the largest pairs in
quote and as much in each base. Nothing fails but what the market does. `make inventory` prints the table of
docs/TRADE.md.
"""

import argparse
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from decimal import Decimal
from functools import partial
from math import sqrt
from statistics import mean, stdev
from typing import NamedTuple

import click
import msgspec

from arb.core.messages.reasons import Reason
from arb.core.messages.settings import OFF, Band, InventoryBands, LegCost, Limits
from arb.market.symbol import Symbol
from arb.sandbox.registry import VENUE_NAMES
from proofs.faultsim.disk import temporary_files
from proofs.faultsim.scenario import Scenario, plan_of
from proofs.faultsim.world import Simulation

SECONDS = 120
SYMBOLS = ("BTC/USDT", "SOL/USDT")
NOTIONAL = Decimal(2000)
FUNDS = 3 * NOTIONAL
BAND = Band(low_share=Decimal("0.05"), target_share=Decimal("0.333"), high_share=Decimal("0.8"))
THRESHOLDS: tuple[tuple[LegCost, int], ...] = ((OFF, 6), (LegCost("4bps"), 3))
SKEWS = (0, 4, 8)
"""In bps; 0: no bands."""


class Case(NamedTuple):
    """One run."""

    leg_cost: LegCost
    min_edge_bps: int
    skew_max_bps: int
    seed: int


class Result(NamedTuple):
    """What came of it; `short`: opportunities refused for `insufficient_balance`; `net` in quote; `halted`: it ended so."""

    short: int
    pairs: int
    net: float
    halted: bool


def run(case: Case, seconds: int = SECONDS) -> Result:
    """Simulate one run; raises `RuntimeError` where anything went wrong that must not."""
    limits = Limits(
        min_edge_bps=Decimal(case.min_edge_bps),
        leg_cost=case.leg_cost,
        max_notional_quote=NOTIONAL,
        daily_loss_quote=Decimal(1000),
        consecutive_losses=1000,
    )
    plan = plan_of(Scenario(strikes=(), seed=case.seed, symbols=SYMBOLS, faults_ms=seconds * 1000, limits=limits))
    plan = msgspec.structs.replace(plan, inventory=bands(case.skew_max_bps), funds_quote=FUNDS, resumes=True)
    with temporary_files() as files:
        outcome = Simulation(plan, files).run()
        if outcome.troubles:
            raise RuntimeError(f"{case}: {outcome.troubles}")
        with closing(sqlite3.connect(files.ledger)) as ledger:
            (short,) = ledger.execute(
                "SELECT COUNT(*) FROM opportunities WHERE reason = ?", (Reason.INSUFFICIENT_BALANCE.value,)
            ).fetchone()
            (net_e8,) = ledger.execute("SELECT COALESCE(SUM(realised_net_e8), 0) FROM pair_trades").fetchone()
        return Result(short, outcome.pairs, net_e8 / 1e8, outcome.halted is not None)


def bands(skew_max_bps: int) -> InventoryBands:
    """Return the same band for every asset at every venue."""
    if not skew_max_bps:
        return InventoryBands()
    assets = dict.fromkeys(asset for symbol in SYMBOLS for asset in Symbol.of(symbol).base_and_quote)
    return InventoryBands(
        skew_max_bps=Decimal(skew_max_bps), venue={venue: dict.fromkeys(assets, BAND) for venue in VENUE_NAMES}
    )


def table(seeds: int, jobs: int, seconds: int) -> Iterator[str]:
    """Yield the lines of the table: sums, and the mean difference to no bands (t) over the seeds where neither halted."""
    yield "| `leg_cost`, `min_edge_bps` | `skew_max_bps` | `insufficient_balance` | net | pairs | halted | net more a seed |"
    yield "|---|---|---|---|---|---|---|"
    cases = [
        Case(leg_cost, least, skew, seed)
        for leg_cost, least in THRESHOLDS
        for skew in SKEWS
        for seed in range(1, seeds + 1)
    ]
    with ProcessPoolExecutor(jobs) as executor:
        results = dict(zip(cases, executor.map(partial(run, seconds=seconds), cases), strict=True))
    for leg_cost, least in THRESHOLDS:
        for skew in SKEWS:
            here = [results[Case(leg_cost, least, skew, seed)] for seed in range(1, seeds + 1)]
            without = [results[Case(leg_cost, least, 0, seed)] for seed in range(1, seeds + 1)]
            fewer = sum(one.short < other.short for one, other in zip(here, without, strict=True))
            both = [pair for pair in zip(here, without, strict=True) if not any(one.halted for one in pair)]
            more = [one.net - other.net for one, other in both]
            short = f"{sum(one.short for one in here)}" + (f" (fewer in {fewer} of {seeds})" if skew else "")
            error = stdev(more) / sqrt(len(more)) if skew and len(more) > 1 else 0
            t = f"{mean(more):+.1f} ({mean(more) / error:+.1f}, of {len(more)})" if error else ""
            net, pairs, halted = (sum(getattr(one, name) for one in here) for name in ("net", "pairs", "halted"))
            yield f'| "{leg_cost}", {least} bps | {skew or "no bands"} | {short} | {net:.2f} | {pairs} | {halted} | {t} |'


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--jobs", type=int, default=4)
    parser.add_argument("--seconds", type=int, default=SECONDS)
    chosen = parser.parse_args()
    for line in table(chosen.seeds, chosen.jobs, chosen.seconds):
        click.echo(line)


if __name__ == "__main__":
    main()
