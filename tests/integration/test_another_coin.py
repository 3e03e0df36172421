"""A symbol that names another coin at one venue: its edge is no edge, however often it is traded."""

import itertools
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.integration import truth
from tests.integration.support import (
    VENUES,
    SandboxProcess,
    engine_process,
    sandbox_process,
    write_config,
)

SYMBOL = "SOL/USDT"
PRICE = Decimal(200)
SPREAD = Decimal("0.05")
LEVELS = 20


def show(sandbox: SandboxProcess, ratio: Decimal, step: int) -> None:
    """Quote the coin everywhere, and at OKX the other one; prices move a little, so that frames go on."""
    for venue in VENUES:
        middle = PRICE * (ratio if venue == "okx" else 1) + step % 2 * SPREAD
        bids, asks = ([[f"{middle + way * SPREAD * level:.2f}", "40"] for level in range(1, LEVELS)] for way in (-1, 1))
        sandbox.set_book(venue, SYMBOL, bids, asks)


def run_on(folder: Path, ratio: str, least: int, **limits: str) -> tuple[dict[str, Any], list[dict[str, Any]], str]:
    """Let the engine trade while the books move 60 times, and until it has opened `least` pairs.

    Returns summary, `edge_implausible` incidents, and all it wrote.
    """
    write_config(folder, **limits)
    with sandbox_process(folder, "--static") as sandbox:
        show(sandbox, Decimal(ratio), 0)
        with engine_process(folder, sandbox) as engine:
            steps = itertools.count()

            def moved(status: dict[str, Any]) -> bool:
                engine.lift(status, "the books move")
                show(sandbox, Decimal(ratio), step := next(steps))
                return step > 60 and bool(status["pairs"]["opened"] >= least)

            engine.until(moved, "the books have moved for a while")
            ended = engine.stop()
        incidents = truth.rows_of(engine.db, "SELECT text FROM incidents WHERE kind = 'edge_implausible'")
        return ended.summary, incidents, f"seed {sandbox.seed}: {ended.out}\n{ended.err[-3000:]}"


@pytest.mark.parametrize(("ratio", "most"), [("1.02", 2), ("0.98", 2), ("1.5", 0), ("5", 0)])
def test_a_coin_that_is_another_coin_opens_no_more_than_two_pairs(tmp_path: Path, ratio: str, most: int) -> None:
    summary, incidents, seen = run_on(tmp_path, ratio, most)
    assert summary["pairs"]["opened"] == most, seen
    assert summary["opportunities"] > 0, seen
    assert len(incidents) == most, seen  # one for each of the two routes that lead to or from the other coin


def test_without_a_ceiling_the_other_coin_is_traded_again_and_again(tmp_path: Path) -> None:
    """What the rule is for: the same market with a ceiling so high that an edge of 200 bps is below a tenth of it."""
    summary, incidents, seen = run_on(tmp_path, "1.02", 2 * 2 + 1, max_edge_bps="10000")
    assert summary["pairs"]["opened"] > 2 * 2, seen
    assert Decimal(summary["net"]["USDT"]) > 0, seen  # a profit that the two coins' true prices would take back
    assert incidents == [], seen
