"""The engine on a sandbox of its own process: what the two ledgers say is the same, and the profit is in the balances."""

import json
import os
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.integration import truth
from tests.integration.support import SandboxProcess, end_of, engine_process, sandbox_process
from tests.support import second_judge

PAIRS = int(os.environ.get("ARB_SOAK_PAIRS", "15"))
"""How many pairs are to complete before the two ledgers are compared; some two a second on an idle machine."""
CALM_S = 6
ENDED = ("completed", "unwound", "carried", "halted", "open", "abandoned")


@pytest.mark.thorough
def test_both_ledgers_agree_and_the_profit_lies_in_the_sandboxes_own_balances(tmp_path: Path) -> None:
    with sandbox_process(tmp_path) as sandbox:
        with engine_process(tmp_path, sandbox) as engine:
            engine.until(
                lambda status: status["pairs"]["completed"] >= PAIRS, f"{PAIRS} pairs", within_s=60 + 5 * PAIRS
            )
            ended = engine.stop()
        ledger = sandbox.ledger()
        seen = f"seed {sandbox.seed}: {ended.out}\n{ended.err[-3000:]}"
        assert ended.code == 0, seen
        summary = ended.summary
        assert truth.differences(engine.db, ledger) == [], seen
        assert truth.profit_differences(engine.db, ledger) == [], seen
        assert second_judge.judge(ledger, engine.db) == [], seen
        assert summary["unhedged_notional"] == "0", seen
        assert summary["unknown_orders"] == 0, seen
        assert summary["pairs"]["opened"] == sum(summary["pairs"][state] for state in ENDED), seen
        assert summary["pairs"]["completed"] >= PAIRS, seen
        assert Decimal(summary["net"]["USDT"]) == truth.booked_net(engine.db), seen
        assert truth.profit(engine.db, ledger)[0] > 0, seen
        counted = truth.pairs_by_state(engine.db)
        assert {state: summary["pairs"][state] for state in counted} == counted, seen
        for what, tampered in tampered_ledgers(ledger):
            assert truth.differences(engine.db, tampered), f"the judge did not see {what}"


@pytest.mark.thorough
def test_with_tenfold_fees_no_pair_is_opened(tmp_path: Path) -> None:
    faults = tmp_path / "faults.json"
    faults.write_text(
        "\n".join(
            f'{{"venue": "{venue}", "fault": "fee_tier_change", "param": "10"}}' for venue in ("gate", "okx", "bitget")
        )
    )
    with sandbox_process(tmp_path, "--faults", str(faults)) as sandbox:
        with engine_process(tmp_path, sandbox, "--for", f"{CALM_S}s") as engine:
            ended = end_of(engine.process)
        seen = f"seed {sandbox.seed}: {ended.out}\n{ended.err[-3000:]}"
        assert ended.code == 0, seen
        assert ended.summary["book_updates"] > 0, seen
        assert ended.summary["halted"] is None, seen
        assert ended.summary["pairs"]["opened"] == 0, seen
        assert orders_at(sandbox) == 0, seen


def tampered_ledgers(ledger: truth.Truth) -> Iterator[tuple[str, truth.Truth]]:
    """Yield copies of a ledger with one wrong thing each, which a judge worth its name must see."""
    venue = next(venue for venue, reported in ledger.items() if reported["fills"])
    wrongs: tuple[tuple[str, str, Callable[[Any], object]], ...] = (
        ("a fill that is missing", "fills", lambda rows: rows.pop()),
        ("a fill told twice", "fills", lambda rows: rows.append(rows[0])),
        ("a dearer fee", "fills", lambda rows: rows[0].update(fee=str(Decimal(rows[0]["fee"]) * 2))),
        ("another fee currency", "fills", lambda rows: rows[0].update(fee_currency="POINT")),
        ("an order that is missing", "orders", lambda rows: rows.pop()),
        ("an order that ended otherwise", "orders", lambda rows: rows[0].update(status="open")),
        ("an order of another size", "orders", lambda rows: rows[0].update(size="7")),
        ("a request sent twice", "requests", lambda rows: rows.extend(rows)),
        ("money from nowhere", "balances", lambda rows: rows["USDT"].update(free="1")),
    )
    for what, kind, change in wrongs:
        copy = json.loads(json.dumps(ledger))
        change(copy[venue][kind])
        yield what, copy


def orders_at(sandbox: SandboxProcess) -> int:
    """Return how many orders the sandbox ever got."""
    return sum(len(ledger["orders"]) for ledger in sandbox.ledger().values())
