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
    ("kinds", "changes"),
    [(UNIFIED, {}), pytest.param(MARGIN, BORROWING, marks=pytest.mark.thorough)],
    ids=["unified, fees in quote", "margin"],
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


UNSAFE: dict[str, tuple[dict[str, Any], str]] = {
    "okx": ({"mode": "spot", "borrows": True}, "the account borrows on its own (enableSpotBorrow)"),
    "gate": ({"rights": ["spot", "wallet:read"]}, "the key may not ask whose it is (FORBIDDEN)"),
    "bitget": ({"addresses": []}, "the key may be used from any address"),
}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("okx", "gate"),
        *(pytest.param(*two, marks=pytest.mark.thorough) for two in (("gate", "bitget"), ("bitget", "okx"))),
    ],
)
def test_a_live_start_on_accounts_that_are_not_safe_ends_and_says_why(tmp_path: Path, one: str, other: str) -> None:
    with sandbox_process(tmp_path) as sandbox:
        for venue in (one, other):
            sandbox.choose(venue, UNSAFE[venue][0])
        live_config(tmp_path, sandbox.announced)
        with live_engine(tmp_path, sandbox) as engine:
            ended = end_of(engine.process)
        assert ended.code == 3, ended
        for venue in (one, other):
            assert any(venue in line and UNSAFE[venue][1] in line for line in ended.err.splitlines()), ended
