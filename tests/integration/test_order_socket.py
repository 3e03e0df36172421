"""The engine with its orders over the venues' websockets: both ledgers agree, through lost answers and lost connections."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.integration import truth
from tests.integration.support import (
    WELL_ENDED,
    EngineProcess,
    SandboxProcess,
    engine_process,
    sandbox_process,
    write_config,
)

SOCKETS = ("gate", "okx")
PAIRS_BEFORE, PAIRS_AFTER = 10, 5
DOWN = "SELECT text FROM incidents WHERE kind = 'order_socket'"


@pytest.mark.thorough
def test_orders_over_websockets_leave_equal_ledgers_through_lost_answers_and_lost_connections(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    config.write_text(config.read_text().replace('order_entry = "rest"', 'order_entry = "websocket"'))
    with sandbox_process(tmp_path) as sandbox, engine_process(tmp_path, sandbox) as engine:
        seen = f"seed {sandbox.seed}"
        engine.until_pairs(PAIRS_BEFORE)
        for fault, more in (("lost_ack", {}), ("ws_disconnect", {"on": "place"})):
            strike(sandbox, engine, fault, more, seen)
        settled = engine.until(
            lambda status: not status["unknown_orders"] and not status["pairs"]["halted"],
            f"{seen}: every order is known",
        )
        engine.trade_on(settled["pairs"]["completed"] + PAIRS_AFTER, seen)
        ended = engine.stop()
        seen += f": {ended.out}\n{ended.err[-3000:]}"
        ledger = sandbox.ledger()

    assert (ended.code, ended.summary["halted"]) in WELL_ENDED, seen
    assert truth.differences(engine.db, ledger) == [], seen
    assert truth.profit_differences(engine.db, ledger) == [], seen
    assert (ended.summary["unhedged_notional"], ended.summary["unknown_orders"]) == ("0", 0), seen
    assert {venue: over(ledger, venue) for venue in ledger if venue not in SOCKETS} == {"bitget": {"rest"}}, seen
    for venue in SOCKETS:
        carried = Counter(row["over"] for row in ledger[venue]["requests"] if row["kind"] == "place")
        assert carried["websocket"] > carried["rest"], f"{venue} {carried} {seen}"
        assert any(row["text"].startswith(venue) for row in truth.rows_of(engine.db, DOWN)), (
            f"{venue}: told of nothing {seen}"
        )


def strike(sandbox: SandboxProcess, engine: EngineProcess, fault: str, more: dict[str, str], seen: str) -> None:
    """Put a fault on the venues whose orders go over a websocket, and wait until each has felt it."""
    faults = [sandbox.fault(venue, fault, **more) for venue in SOCKETS]
    what = f"{seen}: {fault} strikes every venue"

    def has_struck(status: dict[str, Any]) -> bool:
        engine.lift(status, what)
        return all(sandbox.hits(one) for one in faults)

    engine.until(has_struck, what)


def over(ledger: truth.Truth, venue: str) -> set[str]:
    """Return what carried the orders that a venue got."""
    return {row["over"] for row in ledger[venue]["requests"] if row["kind"] == "place"}
