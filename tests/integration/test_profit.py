"""The profit that is booked is the profit that is there: with rebates, fees in points, foreign orders and repairs."""

import json
from pathlib import Path

import pytest

from tests.integration import truth
from tests.integration.support import engine_process, sandbox_process

PAIRS = 6


@pytest.mark.thorough
def test_rebates_points_and_foreign_orders_are_in_the_profit_or_rightly_left_out(tmp_path: Path) -> None:
    rebate = tmp_path / "faults.json"
    rebate.write_text(json.dumps({"venue": "bitget", "fault": "fee_tier_change", "param": "-0.2"}) + "\n")
    with (
        sandbox_process(tmp_path, "--faults", str(rebate)) as sandbox,
        engine_process(tmp_path, sandbox) as engine,
    ):
        engine.until_pairs(PAIRS)
        foreign = sandbox.fault("gate", "foreign_order", symbol="BTC/USDT", param="500")
        sandbox.fault("gate", "fee_in_points")
        engine.until_pairs(4 * PAIRS)
        ended = engine.stop()
        ledger = sandbox.ledger()
        seen = f"seed {sandbox.seed}: {ended.out}\n{ended.err[-3000:]}"
        assert ended.code == 0, seen
        assert sandbox.hits(foreign) == 1, seen
        assert truth.differences(engine.db, ledger) == [], seen
        assert truth.profit_differences(engine.db, ledger) == [], seen
        fees = truth.rows_of(
            engine.db,
            "SELECT f.fee_currency, CAST(f.fee AS DOUBLE PRECISION) < 0 AS rebate, o.role FROM fills f"
            " JOIN orders o ON o.id = f.order_id",
        )
        assert any(row["rebate"] for row in fees), seen
        assert any(row["role"] == "foreign" for row in fees), seen
        assert any(row["fee_currency"] not in ("USDT", "BTC", "ETH", "SOL", "DOGE", "NOVA") for row in fees), seen
