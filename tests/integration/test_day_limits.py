"""A limit on the day that a real engine reaches: all displays, alert, check and doctor name it, with the ledger's sums."""

import contextlib
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from arb.app.doctor.account_exam import of_journal
from arb.core.messages.settings import Limits
from arb.live.feed import states_of
from arb.store.journal.reader import JournalReader
from arb.view.lines import text_of
from arb.view.page.events import in_words
from arb.view.screen.picture import picture
from tests.integration import truth
from tests.integration.support import engine_process, run_arb, sandbox_process, where, write_config

PLANNED = """
WITH asks AS (
    SELECT l.pair_trade_id AS id, l.price + 0.0 AS price, l.size + 0.0 AS size,
        SUM(l.size + 0.0) OVER (PARTITION BY l.pair_trade_id ORDER BY l.level) - l.size AS before
    FROM v_decision_levels l JOIN pair_trades p ON p.id = l.pair_trade_id AND p.buy_venue = l.venue WHERE l.side = 'asks'),
planned AS (
    SELECT a.id, SUM(a.price * MAX(0, MIN(a.size, p.buy_size - a.before))) AS cost
    FROM asks a JOIN pair_trades p ON p.id = a.id GROUP BY a.id),
parts AS (
    SELECT p.id, MAX(SUM(CASE o.side WHEN 'buy' THEN o.filled + 0.0 ELSE 0 END) / p.buy_size,
        SUM(CASE o.side WHEN 'sell' THEN o.filled + 0.0 ELSE 0 END) / p.sell_size) AS part
    FROM pair_trades p JOIN orders o ON o.pair_trade_id = p.id AND o.role = 'entry' GROUP BY p.id)
SELECT SUM(cost * part) AS used FROM planned JOIN parts ON parts.id = planned.id
"""
"""The planned cost of each pair, walked down the asks it was decided on, times the larger traded part of its two legs."""
LOST = "SELECT -SUM(realised_net_e8) / 1e8 AS used FROM pair_trades WHERE closed_ns IS NOT NULL"
EXPOSED = "SELECT SUM(exposure_quote_s) AS used FROM pair_trades"


@pytest.mark.parametrize(
    ("key", "limit", "kind", "state", "used"),
    [
        ("daily_notional_quote", "6000", "daily_notional", "BLOCKED", PLANNED),
        ("daily_loss_quote", '"0.001"', "daily_loss", "HALTED", LOST),
        ("max_exposure_quote_s_per_day", "5", "daily_exposure", "HALTED", EXPOSED),
    ],
)
def test_a_reached_limit_is_told_everywhere_with_the_sum_of_the_ledger(
    key: str, limit: str, kind: str, state: str, used: str, tmp_path: Path
) -> None:
    write_config(tmp_path, **{key: limit, "min_edge_bps": "0"})
    with sandbox_process(tmp_path, seed=5) as sandbox, engine_process(tmp_path, sandbox) as engine:
        if kind == "daily_loss":  # what is bought is unwound
            sandbox.strike("partial_fill", param=0.1, seconds=60)

        def is_reached(status: dict[str, Any]) -> bool:
            return any(stop["cause"] == key for stop in status["stops"]) and not status["pairs"]["open"]

        engine.until(is_reached, f"{key} is reached", 90)
        engine.rest(2)
        shown: dict[str, Any] = next(found for found in states_of(engine.journal) if found is not None)
        [stop] = [found for found in shown["stops"] if found["cause"] == key]
        assert shown["state"] == state == engine.status()["state"]
        assert Decimal(stop["limit"]) == Decimal(limit.strip('"')) and stop["until_ns"]
        [row] = truth.rows_of(engine.db, used)
        assert float(stop["used"]) == pytest.approx(float(row["used"]), rel=1e-6)

        screen = "\n".join(text_of(line) for line in picture(shown, (160, 50), ""))
        assert screen.startswith(f" arb SANDBOX  {state} ") and f"nothing opens: {key}: " in screen
        page = in_words(shown)
        assert page["standing"].startswith(state) and any(key in text for text in page["notices"])
        alerts = json.loads(run_arb("alerts", "--json", *where(tmp_path), cwd=tmp_path).out)["alerts"]
        assert [alert["count"] for alert in alerts if alert["kind"] == kind] == [1]
        checked = run_arb("status", "--check", *where(tmp_path), cwd=tmp_path)
        assert checked.code == 4 and kind in checked.out and len(checked.out.splitlines()) == 1
        limits = msgspec.structs.replace(Limits(), **{key: Decimal(stop["limit"])})
        with contextlib.closing(JournalReader.open(engine.journal)) as journal:
            halt, _ = of_journal(journal.state((), {}), limits, shown["now_ns"])
        assert halt.result == "warn" and key in halt.found
