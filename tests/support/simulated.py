"""One ledger that the sandbox fills, in virtual time: an engine trades for half a minute, and legs fall short now and then."""

import shutil
from decimal import Decimal
from pathlib import Path

import msgspec

from arb.clock import NS_PER_S
from arb.simulation.places import a_place
from arb.simulation.plan import make_plan
from arb.simulation.world import Outcome, Simulation

SECONDS = 24
SEEDS = 60
FAULTS = {"partial_fill", "reject_balance", "foreign_order", "http_500", "ws_gap"}


def simulated_ledger(path: Path, seed: int = 3) -> Outcome:
    """Fill a SQLite ledger at `path`, the same for the same seed; faults come now and then until the end."""
    strikes = tuple(
        msgspec.structs.replace(strike, after_ns=strike.after_ns + number * SECONDS * NS_PER_S // SEEDS)
        for number in range(SEEDS)
        for strike in make_plan(number).strikes
        if strike.name in FAULTS and (strike.count or 1) <= 2
    )
    drawn = make_plan(seed)
    plan = msgspec.structs.replace(
        drawn,
        symbols=("BTC/USDT", "SOL/USDT"),
        limits=msgspec.structs.replace(drawn.limits, max_notional_quote=Decimal(2000)),
        faults_end_ns=SECONDS * NS_PER_S,
        strikes=strikes,
    )
    with a_place() as places:
        outcome = Simulation(plan, places).run()
        shutil.copyfile(places.ledger, path)
    return outcome
