"""Venues misbehave while the engine trades: each fault strikes, pairs go on being made, and the ledgers still agree.

`make proof` puts every fault of the catalogue on a run of its own; here those that strike orders, several to a run, and one
drawn from all.
"""

import random
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.integration import truth
from tests.integration.faulted import TROUBLES, strike_and_trade_on
from tests.integration.support import (
    WELL_ENDED,
    EngineProcess,
    SandboxProcess,
    engine_process,
    sandbox_process,
)
from tests.support import second_judge
from tests.support.seeds import drawn_seed


class Strike(msgspec.Struct, frozen=True):
    """One fault, put on one venue after the other."""

    fault: str
    more: dict[str, Any] = {}


RUNS = {
    "answers that do not come": (Strike("lost_ack"), Strike("lost_request"), Strike("http_500")),
    "orders that come late or are refused": (
        Strike("delayed_request", {"param": 2500}),
        Strike("slow", {"param": 1500}),
        Strike("http_429"),
        Strike("reject_balance"),
    ),
    "fills that fall short and streams that break": (
        Strike("partial_fill", {"count": 2}),
        Strike("ws_disconnect", {"on": "stream"}),
        Strike("ws_gap", {"count": 3}),
    ),
}


@pytest.mark.parametrize("troubles", RUNS.values(), ids=RUNS.keys())
def test_after_every_fault_trading_goes_on_and_both_ledgers_agree(tmp_path: Path, troubles: tuple[Strike, ...]) -> None:
    with sandbox_process(tmp_path) as sandbox, engine_process(tmp_path, sandbox) as engine:
        seen = f"seed {sandbox.seed}"
        engine.until_pairs(2)
        for trouble in troubles:
            strike_everywhere(trouble, sandbox, engine, seen)
            settled = engine.until(
                lambda status: not status["unknown_orders"] and not status["pairs"]["halted"],
                f"{seen}: after {trouble.fault} every order is known",
            )
            engine.trade_on(settled["pairs"]["completed"] + 1, f"{seen}, after {trouble.fault}")
        ended = engine.stop()
        seen += f": {ended.out}\n{ended.err[-3000:]}"
        ledger = sandbox.ledger()
        assert (ended.code, ended.summary["halted"]) in WELL_ENDED, seen
        assert truth.differences(engine.db, ledger) == [], seen
        assert truth.profit_differences(engine.db, ledger) == [], seen
        assert second_judge.judge(ledger, engine.db) == [], seen
        assert ended.summary["unhedged_notional"] == "0", seen
        assert ended.summary["unknown_orders"] == 0, seen


def strike_everywhere(trouble: Strike, sandbox: SandboxProcess, engine: EngineProcess, seen: str) -> None:
    """Put a fault on all venues, and wait until each has felt it; a lost repair may halt trading before the last one has."""
    faults, what = sandbox.strike(trouble.fault, **trouble.more), f"{seen}: {trouble.fault} strikes every venue"

    def has_struck(status: dict[str, Any]) -> bool:
        engine.lift(status, what)
        return all(sandbox.hits(fault) for fault in faults.values())

    engine.until(has_struck, what)


@pytest.mark.thorough
def test_a_drawn_fault_strikes_between_ten_pairs_and_five(tmp_path: Path) -> None:
    seed = drawn_seed()
    fault = random.Random(f"{seed}/fault").choice(list(TROUBLES))
    print(f"seed {seed}: {fault}")  # noqa: T201  # shown when it fails
    strike_and_trade_on(fault, tmp_path, seed)
