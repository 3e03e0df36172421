"""A wallet that closes under a whole run: nothing opens that could not be refilled, it is shown, and it ends by itself."""

from pathlib import Path
from typing import Any

import pytest

from arb.clock import SystemClock
from arb.sandbox.profiles import SYMBOLS
from tests.integration import truth
from tests.integration.support import WELL_ENDED, engine_process, sandbox_process, write_config

ASSETS = {symbol.partition("/")[0] for symbol in SYMBOLS}
ROUTES = {("gate", "okx"), ("okx", "gate"), ("gate", "bitget"), ("bitget", "gate")}
SEEN = 5
"""How many opportunities a closed wallet has to keep from being taken before it opens again."""


@pytest.mark.thorough
def test_while_a_venue_lets_nothing_out_nothing_is_bought_there_and_then_it_is_again(tmp_path: Path) -> None:
    write_config(tmp_path, rules_refresh_s="1")
    with sandbox_process(tmp_path) as sandbox, engine_process(tmp_path, sandbox) as engine:
        engine.until_pairs(2)
        sandbox.fault("gate", "wallet_closed", param="withdrawal")
        shown = engine.until(all_shut, "closed wallets are shown")
        shut_ns = SystemClock().wall_ns()
        engine.until(lambda status: status["not_taken"].get("wallet_closed", 0) > SEEN, "there was something to take")
        open_ns = SystemClock().wall_ns()
        sandbox.no_more_faults()
        engine.until(lambda status: not status["wallets_closed"], "it is open again")

        def bought_again(status: dict[str, Any]) -> bool:
            engine.lift(status, "the wallet is open")
            return bool(pairs_at_gate(engine.db, open_ns, SystemClock().wall_ns()))

        engine.until(bought_again, "a pair with gate opens again")
        ended = engine.stop()
        ledger = sandbox.ledger()
    seen = f"seed {sandbox.seed}: {shown['wallets_closed'][:2]} {ended.out}\n{ended.err[-3000:]}"
    assert (ended.code, ended.summary["halted"]) in WELL_ENDED, seen
    assert truth.differences(engine.db, ledger) == [], seen
    # Gate lets neither base nor quote out: it can be refilled neither from nor to.
    assert pairs_at_gate(engine.db, shut_ns, open_ns) == [], seen
    assert {tuple(row["venues"]) for row in shown["wallets_closed"]} == ROUTES, seen
    assert ended.summary["not_taken"].get("wallet_closed", 0) > 0, seen
    texts = [row["text"] for row in truth.rows_of(engine.db, "SELECT text FROM incidents WHERE kind = 'wallet_closed'")]
    # Assets are read one after the other: those of which the venue says it later stand in an incident of their own.
    for said in ("gate: withdrawals closed: ", "gate: withdrawals open again: "):
        assets = [asset for text in texts if text.startswith(said) for asset in text.removeprefix(said).split(", ")]
        assert sorted(assets) == sorted({*ASSETS, "USDT"}), seen
    assert all(text.startswith("gate: withdrawals ") for text in texts), seen


def all_shut(status: dict[str, Any]) -> bool:
    """Return whether each symbol is shown as closed on each route with Gate."""
    rows = status["wallets_closed"]
    return {(row["symbol"], *row["venues"]) for row in rows} >= {
        (symbol, *route) for symbol in SYMBOLS for route in ROUTES
    }


def pairs_at_gate(db: Path, since_ns: int, until_ns: int) -> list[dict[str, Any]]:
    """Return the pairs with Gate that were decided then."""
    return truth.rows_of(
        db,
        "SELECT id, symbol, buy_venue, sell_venue FROM pair_trades WHERE kind = 'arb' AND 'gate' IN (buy_venue, sell_venue)"
        f" AND decided_ns BETWEEN {since_ns} AND {until_ns}",
    )
