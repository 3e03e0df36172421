"""Scenarios: faults and their moments written in a few lines, simulated and judged like a seed.

What a file leaves out is as the engine has it by default; the market and all chance come from its `seed`. Every strike must
meet a pair, and trading must end halted, or not, as the file says: else the scenario does not hold.
"""

import difflib
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec

from arb.clock import NS_PER_MS, NS_PER_S
from arb.config.loader import load_file
from arb.core.messages.settings import Limits, RepairPolicy, Timing
from arb.errors import ConfigError
from arb.sandbox.profiles import SYMBOLS
from proofs.faultsim.aims import STRIKES, Phase, Strike
from proofs.faultsim.disk import Files, temporary_files
from proofs.faultsim.judges import rows_of
from proofs.faultsim.plan import Plan
from proofs.faultsim.seeds import simulated
from proofs.faultsim.world import Outcome

DRAIN_NS = 45 * NS_PER_S
DOWNTIME_NS = 300 * NS_PER_MS


class Leg(StrEnum):
    """At which venue of the pair a fault strikes; `third`: one that the pair does not trade at."""

    BUY = "buy"
    SELL = "sell"
    THIRD = "third"


class ScenarioStrike(msgspec.Struct, frozen=True, kw_only=True):
    """`[[strikes]]`: a fault and its moment. Without `lasts_ms` or `count` it lasts, or counts, as by its own default."""

    fault: str
    phase: Phase = Phase.OPENING
    leg: Leg = Leg.BUY
    after_ms: int = 1
    lasts_ms: int = 0
    count: int = 0
    param: str = ""


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """A whole file. After `faults_ms` all is in order again and the engine is asked to end.

    `halted`: why trading must have halted in the end; empty: it must not have.
    """

    strikes: tuple[ScenarioStrike, ...]
    seed: int = 1
    symbols: tuple[str, ...] = ("BTC/USDT",)
    faults_ms: int = 5000
    halted: str = ""
    limits: Limits = Limits(min_edge_bps=Decimal(3))
    timing: Timing = Timing()
    repair: RepairPolicy = RepairPolicy()


def read_scenario(path: Path, seed: int | None = None) -> Scenario:
    """Read a scenario file, on another seed if one is given; raises `ConfigError` naming file, line and remedy."""
    scenario = load_file(path, Scenario)
    if seed is not None:
        scenario = msgspec.structs.replace(scenario, seed=seed)
    for number, strike in enumerate(scenario.strikes, start=1):
        if strike.fault not in STRIKES:
            near = difflib.get_close_matches(strike.fault, STRIKES, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(STRIKES)}"
            raise ConfigError(f"{path}: [[strikes]] number {number}: unknown fault {strike.fault!r}: {hint}")
    unknown = [symbol for symbol in scenario.symbols if symbol not in SYMBOLS]
    if unknown:
        raise ConfigError(f"{path}: symbols: nobody lists {unknown[0]}: choose from {', '.join(SYMBOLS)}")
    return scenario


def plan_of(scenario: Scenario) -> Plan:
    """Return what is simulated."""
    return Plan(
        seed=scenario.seed,
        symbols=scenario.symbols,
        limits=scenario.limits,
        timing=scenario.timing,
        repair=scenario.repair,
        faults_end_ns=scenario.faults_ms * NS_PER_MS,
        drain_ns=DRAIN_NS,
        downtime_ns=DOWNTIME_NS,
        strikes=tuple(map(_strike, scenario.strikes)),
    )


def run_scenario(scenario: Scenario) -> dict[str, Any]:
    """Simulate and judge a scenario; return what happened. `findings` is empty when it holds."""
    with temporary_files() as files:
        outcome, findings, times = simulated(plan_of(scenario), files)
        return {
            "struck": outcome.fired,
            "met": {
                fault: [str(phase) for name, phase in sorted(outcome.cells) if name == fault]
                for fault in dict.fromkeys(strike.fault for strike in scenario.strikes)
            },
            "lives": outcome.lives,
            "virtual_s": round(outcome.virtual_s, 3),
            "halted": outcome.halted,
            "longest_s": times.longest,
            "stops": dict(times.stops),
            **_seen(files),
            "findings": [*_unexpected(scenario, outcome), *findings],
        }


def _strike(strike: ScenarioStrike) -> Strike:
    return Strike(
        name=strike.fault,
        phase=strike.phase,
        leg=strike.leg,
        after_ns=strike.after_ms * NS_PER_MS,
        seconds=strike.lasts_ms / 1000 if strike.lasts_ms else None,
        count=strike.count or None,
        param=strike.param or None,
    )


def _unexpected(scenario: Scenario, outcome: Outcome) -> list[str]:
    """Return how the end differs from what the file says."""
    met = {name for name, _ in outcome.cells}
    differences = [
        f"strike {number}, {strike.fault}, met no pair: try another seed, phase or leg"
        for number, strike in enumerate(scenario.strikes, start=1)
        if strike.fault not in met
    ]
    if (outcome.halted or "") != scenario.halted:
        differences.append(f"trading ended halted: {outcome.halted or 'no'}, expected: {scenario.halted or 'no'}")
    return differences


def _seen(files: Files) -> dict[str, Any]:
    """Return what the ledger says of it, in sums."""
    pairs = rows_of(files.ledger, "SELECT * FROM pair_trades ORDER BY id")
    incidents = rows_of(files.ledger, "SELECT kind, text FROM incidents ORDER BY ns, id")
    states = [str(pair["state"]) for pair in pairs]
    return {
        "pairs": {state: states.count(state) for state in sorted(set(states))},
        "net": str(sum(pair["realised_net_e8"] or 0 for pair in pairs) / Decimal(10**8)),
        "hedge_cost": str(sum(pair["hedge_cost_e8"] or 0 for pair in pairs) / Decimal(10**8)),
        "exposure_quote_s": str(sum(Decimal(str(pair["exposure_quote_s"] or 0)) for pair in pairs)),
        "incidents": [f"{row['kind']}: {row['text']}" for row in incidents],
    }
