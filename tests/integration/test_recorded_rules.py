"""`arb record` beside a paper run: its segments hold the venues' rules, and lead to the decision that paper took."""

import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration import truth
from tests.integration.support import DB, arb, end_of, engine_of, run_arb, run_arguments, sandbox_process
from tests.integration.test_paper import PAIRS, make_edge, paper_config

PUBLIC = {"gate": '"0.2%"', "okx": '"0.1%"', "bitget": '"0.2%"'}
"""The venues' public schedules, by which segments are recorded."""
WITHIN_S = 180.0


@pytest.mark.thorough
def test_segments_lead_to_papers_first_decision_and_say_where_a_listing_changed(tmp_path: Path) -> None:
    paper_config(tmp_path, PUBLIC)
    config = tmp_path / "config.toml"
    config.write_text(config.read_text().replace("rules_refresh_s = 300", "rules_refresh_s = 1"))
    with sandbox_process(tmp_path, "--static", seed=7) as sandbox:
        make_edge(sandbox, "10")
        recorder = arb("record", "--out", "rec", "--sandbox", sandbox.admin, "--json", cwd=tmp_path)
        paper = arb("run", "--mode", "paper", *run_arguments(tmp_path, sandbox), cwd=tmp_path)
        with engine_of(tmp_path, paper) as engine:
            engine.until_pairs(1)
            engine.stop()
        sandbox.fault("okx", "min_size_change")
        _until(lambda: _changed(tmp_path), meanwhile=lambda: make_edge(sandbox, "11"))
        recorder.send_signal(signal.SIGINT)
        assert end_of(recorder).code == 0
    (segment,) = (tmp_path / "rec").iterdir()
    replayed = run_arb("replay", str(segment), "--config", "config.toml", "--json", cwd=tmp_path)
    assert replayed.code == 0, replayed.err
    reported = replayed.summary["replay"]
    assert {rules["rules"] for rules in reported["instruments"]} == {"listed"}
    fees = {rules["venue"]: rules["taker_fee"] for rules in reported["instruments"]}
    assert fees == {"gate": "0.002", "okx": "0.001", "bitget": "0.002"}
    assert {rules["venue"] for rules in reported["instruments"] if rules["changes"]} == {"okx"}
    paper_pairs, again = (truth.rows_of(path, PAIRS) for path in (tmp_path / DB, tmp_path / "var" / "replay.sqlite"))
    decided = ("symbol", "buy_venue", "sell_venue", "buy_size", "sell_size", "expected_net_e8")
    assert {name: again[0][name] for name in decided} == {name: paper_pairs[0][name] for name in decided}


def _changed(folder: Path) -> bool:
    (segment,) = (folder / "rec").iterdir()
    shown = run_arb("replay", str(segment), "--db", "sqlite:///probe.sqlite", "--json", cwd=folder)
    return shown.code == 0 and any(rules["changes"] for rules in shown.summary["replay"]["instruments"])


def _until(holds: Callable[[], bool], meanwhile: Callable[[], None]) -> None:
    end = time.monotonic() + WITHIN_S
    while not holds():
        assert time.monotonic() < end, "no changed listing was recorded"
        meanwhile()
