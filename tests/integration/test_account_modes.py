"""The engine on accounts of other kinds than most: it trades, survives its death, and its ledger is the venues' truth."""

import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.integration import truth
from tests.integration.live_mode import live_config, live_engine
from tests.integration.support import DB, WELL_ENDED, end_of, sandbox_process

UNIFIED = {"gate": {"mode": "single_currency", "sub_account": True}, "okx": {"mode": "futures", "fee_in_quote": True}}
MARGIN = {"gate": {"mode": "portfolio"}, "okx": {"mode": "multi_currency", "borrows": True, "fee_groups": False}}
BORROWING = {"borrowing_allowed = false          ": "borrowing_allowed = true"}


@pytest.mark.parametrize(
    ("kinds", "changes"), [(UNIFIED, {}), (MARGIN, BORROWING)], ids=["unified, fees in quote", "margin"]
)
def test_a_live_engine_trades_on_accounts_of_these_kinds_over_a_kill(
    tmp_path: Path, kinds: Mapping[str, Mapping[str, Any]], changes: dict[str, str]
) -> None:
    with sandbox_process(tmp_path) as sandbox:
        for venue, chosen in kinds.items():
            sandbox.choose(venue, chosen)
        config = live_config(tmp_path, sandbox.announced)
        text = config.read_text()
        for before, after in changes.items():
            assert before in text
            text = text.replace(before, after)
        config.write_text(text)
        with live_engine(tmp_path, sandbox) as engine:
            engine.until_pairs(3)
            engine.process.send_signal(signal.SIGKILL)
            engine.process.wait()
        with live_engine(tmp_path, sandbox) as engine:
            engine.trade_on(3, "after the kill")
            ended = engine.stop()
        seen = f"seed {sandbox.seed}: {ended.out}\n{ended.err[-3000:]}"
        assert (ended.code, ended.summary["halted"]) in WELL_ENDED, seen
        assert ended.summary["pairs"]["open"] == ended.summary["unknown_orders"] == 0, seen
        assert not ended.summary["stopped_assets"], seen
        assert truth.differences(tmp_path / DB, sandbox.ledger()) == [], seen


@pytest.mark.parametrize(
    ("venue", "chosen", "says"),
    [
        ("okx", {"mode": "spot", "borrows": True}, "okx: the account borrows on its own (enableSpotBorrow)"),
        ("gate", {"rights": ["spot", "wallet:read"]}, "gate: the key may not ask whose it is (FORBIDDEN): give it"),
        ("bitget", {"addresses": []}, "bitget: the key works from any address: bind it to yours at the venue"),
    ],
)
def test_a_live_start_on_an_account_that_is_not_safe_ends_with_one_line(
    tmp_path: Path, venue: str, chosen: dict[str, Any], says: str
) -> None:
    with sandbox_process(tmp_path) as sandbox:
        sandbox.choose(venue, chosen)
        live_config(tmp_path, sandbox.announced)
        with live_engine(tmp_path, sandbox) as engine:
            ended = end_of(engine.process)
        said = [line for line in ended.err.splitlines() if says in line]
        assert (ended.code, len(said)) == (3, 1), ended
