"""One ledger that the sandbox fills, in virtual time: an engine trades for half a minute, and legs fall short now and then."""

import random
import shutil
from decimal import Decimal
from pathlib import Path

import msgspec

from arb.clock import NS_PER_S
from arb.core.messages.settings import Limits
from proofs.faultsim.aims import Phase, Strike
from proofs.faultsim.disk import temporary_files
from proofs.faultsim.scenario import Scenario, plan_of
from proofs.faultsim.world import Outcome, Simulation

SEED = 1
SECONDS = 24
FAULTS = ("partial_fill", "partial_fill", "reject_balance", "foreign_order", "http_500", "ws_gap")
"""One after the other, one a second."""


def simulated_ledger(path: Path) -> Outcome:
    """Fill a SQLite ledger at `path`, the same every time; faults come now and then until the end."""
    rng = random.Random(SEED)
    strikes = tuple(
        Strike(
            name=FAULTS[second % len(FAULTS)],
            phase=Phase.OPENING,
            leg=rng.choice(("buy", "sell")),
            after_ns=second * NS_PER_S,
            count=1,
        )
        for second in range(1, SECONDS)
    )
    scenario = Scenario(
        strikes=(),
        seed=SEED,
        symbols=("BTC/USDT", "SOL/USDT"),
        faults_ms=SECONDS * 1000,
        limits=Limits(min_edge_bps=Decimal(3), max_notional_quote=Decimal(2000)),
    )
    with temporary_files() as files:
        outcome = Simulation(msgspec.structs.replace(plan_of(scenario), strikes=strikes), files).run()
        shutil.copyfile(files.ledger, path)
    return outcome
