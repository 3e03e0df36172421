"""Venues misbehave while the engine trades: each fault strikes, pairs go on being made, and the ledgers still agree."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.integration import truth
from tests.integration.support import WELL_ENDED, EngineProcess, SandboxProcess, engine_process, sandbox_process

VENUES = ("gate", "okx", "bitget")


class Trouble(msgspec.Struct, frozen=True):
    """One fault, put on one venue after the other."""

    fault: str
    more: dict[str, Any] = {}


RUNS = {
    "answers that do not come": (Trouble("lost_ack"), Trouble("lost_request"), Trouble("http_500")),
    "orders that come late or are refused": (
        Trouble("delayed_request", {"param": 2500}),
        Trouble("slow", {"param": 1500}),
        Trouble("http_429"),
        Trouble("reject_balance"),
    ),
    "fills that fall short and streams that break": (
        Trouble("partial_fill", {"count": 2}),
        Trouble("ws_disconnect", {"on": "stream"}),
        Trouble("ws_gap", {"count": 3}),
    ),
}


@pytest.mark.parametrize("troubles", RUNS.values(), ids=RUNS.keys())
def test_after_every_fault_trading_goes_on_and_both_ledgers_agree(
    tmp_path: Path, troubles: tuple[Trouble, ...]
) -> None:
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
        assert ended.summary["unhedged_notional"] == "0", seen
        assert ended.summary["unknown_orders"] == 0, seen


def strike_everywhere(trouble: Trouble, sandbox: SandboxProcess, engine: EngineProcess, seen: str) -> None:
    """Put a fault on all venues, and wait until each has felt it."""
    faults = {venue: sandbox.fault(venue, trouble.fault, **trouble.more) for venue in VENUES}
    engine.until(
        lambda _: all(sandbox.hits(fault) for fault in faults.values()), f"{seen}: {trouble.fault} strikes every venue"
    )
