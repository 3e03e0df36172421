"""Venues misbehave while the engine trades: each fault strikes, pairs go on being made, and the ledgers still agree."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from arb.live.control import ask
from tests.integration import truth
from tests.integration.support import EngineProcess, SandboxProcess, engine_process, sandbox_process

VENUES = ("gate", "okx", "bitget")
MAY_HALT = "leg_deadline"
"""A fault that strikes a repair may leave a leg open for longer than allowed: the proof of absence takes its time."""


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
            trade_on(engine, settled["pairs"]["completed"] + 1, f"{seen}, after {trouble.fault}")
        ended = engine.stop()
        seen += f": {ended.out}\n{ended.err[-3000:]}"
        ledger = sandbox.ledger()
        assert (ended.code, ended.summary["halted"]) in ((0, None), (4, MAY_HALT)), seen
        assert truth.differences(engine.db, ledger) == [], seen
        assert truth.profit_differences(engine.db, ledger) == [], seen
        assert ended.summary["unhedged_notional"] == "0", seen
        assert ended.summary["unknown_orders"] == 0, seen


def trade_on(engine: EngineProcess, pairs: int, seen: str) -> None:
    """Wait for so many completed pairs; a halt that a fault gave good reason for is lifted, as a user would."""

    def goes_on(status: dict[str, Any]) -> bool:
        assert status["halted"] in (None, MAY_HALT), f"{seen}: {status}"
        if status["halted"] is not None:
            ask(engine.journal, {"do": "resume", "reason": "the fault is over"})
        return bool(status["pairs"]["completed"] >= pairs)

    engine.until(goes_on, f"{seen}: {pairs} pairs are completed")


def strike_everywhere(trouble: Trouble, sandbox: SandboxProcess, engine: EngineProcess, seen: str) -> None:
    """Put a fault on all venues, and wait until each has felt it."""
    faults = {venue: sandbox.fault(venue, trouble.fault, **trouble.more) for venue in VENUES}
    engine.until(
        lambda _: all(sandbox.hits(fault) for fault in faults.values()), f"{seen}: {trouble.fault} strikes every venue"
    )
