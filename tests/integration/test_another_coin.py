"""A symbol that names another coin at one venue: its edge is no edge, however often it is traded."""

import itertools
from decimal import Decimal
from pathlib import Path

import pytest

from tests.integration import truth
from tests.integration.support import (
    VENUES,
    SandboxProcess,
    engine_process,
    sandbox_process,
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


@pytest.mark.parametrize(("ratio", "most"), [("1.02", 2), ("0.98", 2), ("1.5", 0), ("5", 0)])
def test_a_coin_that_is_another_coin_opens_no_more_than_two_pairs(tmp_path: Path, ratio: str, most: int) -> None:
    with sandbox_process(tmp_path, "--static") as sandbox:
        show(sandbox, Decimal(ratio), 0)
        with engine_process(tmp_path, sandbox) as engine:
            steps = itertools.count()

            def moved(status: dict[str, object]) -> bool:
                show(sandbox, Decimal(ratio), step := next(steps))
                return step > 60

            engine.until(moved, "the books have moved for a while")
            ended = engine.stop()
        seen = f"seed {sandbox.seed}: {ended.out}\n{ended.err[-3000:]}"
        assert ended.summary["pairs"]["opened"] == most, seen
        assert ended.summary["opportunities"] > 0, seen
        incidents = truth.rows_of(engine.db, "SELECT text FROM incidents WHERE kind = 'edge_implausible'")
        assert len(incidents) == most, seen  # one for each of the two routes that lead to or from the other coin
