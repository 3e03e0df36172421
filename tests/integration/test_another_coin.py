"""A symbol that names another coin at one venue: its edge is no edge, however often it is traded."""

import itertools
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

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
IMPLAUSIBLE = "SELECT text FROM incidents WHERE kind = 'edge_implausible'"
OPENED = (
    "SELECT buy_venue, sell_venue, COUNT(*) AS n FROM pair_trades WHERE kind = 'arb' GROUP BY buy_venue, sell_venue"
)


def show(sandbox: SandboxProcess, ratio: Decimal, step: int) -> None:
    """Quote the coin everywhere, and at OKX the other one; prices move a little, so that frames go on."""
    for venue in VENUES:
        middle = PRICE * (ratio if venue == "okx" else 1) + step % 2 * SPREAD
        bids, asks = ([[f"{middle + way * SPREAD * level:.2f}", "40"] for level in range(1, LEVELS)] for way in (-1, 1))
        sandbox.set_book(venue, SYMBOL, bids, asks)


class Run(NamedTuple):
    """What a run left: its summary, how many pairs it opened by route, `edge_implausible` incidents, and all it wrote."""

    summary: dict[str, Any]
    opened: dict[tuple[str, str], int]
    incidents: list[dict[str, Any]]
    seen: str


def run_on(folder: Path, ratio: str, enough: Callable[[Path], bool], **limits: str) -> Run:
    """Let the engine trade while the books move 60 times, and until its ledger has `enough`."""
    write_config(folder, **limits)
    with sandbox_process(folder, "--static") as sandbox:
        show(sandbox, Decimal(ratio), 0)
        with engine_process(folder, sandbox) as engine:
            steps = itertools.count()

            def moved(status: dict[str, Any]) -> bool:
                engine.lift(status, "the books move")
                show(sandbox, Decimal(ratio), step := next(steps))
                return step > 60 and enough(engine.db)

            engine.until(moved, "the books have moved for a while")
            ended = engine.stop()
        opened = {(row["buy_venue"], row["sell_venue"]): row["n"] for row in truth.rows_of(engine.db, OPENED)}
        seen = f"seed {sandbox.seed}: {ended.out}\n{ended.err[-3000:]}"
        return Run(ended.summary, opened, truth.rows_of(engine.db, IMPLAUSIBLE), seen)


@pytest.mark.thorough
@pytest.mark.parametrize(("ratio", "most"), [("1.02", 2), ("0.98", 2), ("1.5", 0), ("5", 0)])
def test_a_coin_that_is_another_coin_opens_no_more_than_two_pairs_a_route(
    tmp_path: Path, ratio: str, most: int
) -> None:
    # One incident for each of the two routes that lead to or from the other coin.
    run = run_on(tmp_path, ratio, lambda db: len(truth.rows_of(db, IMPLAUSIBLE)) >= most)
    assert max(run.opened.values(), default=0) <= most, run
    assert bool(run.opened) is (most > 0), run
    assert run.summary["opportunities"] > 0, run
    assert len(run.incidents) == most, run


@pytest.mark.thorough
def test_without_a_ceiling_the_other_coin_is_traded_again_and_again(tmp_path: Path) -> None:
    """What the rule is for: the same market with a ceiling so high that an edge of 200 bps is below a tenth of it."""
    run = run_on(
        tmp_path, "1.02", lambda db: any(row["n"] > 2 for row in truth.rows_of(db, OPENED)), max_edge_bps="10000"
    )
    assert max(run.opened.values()) > 2, run
    assert Decimal(run.summary["net"]["USDT"]) > 0, run  # a profit that the two coins' true prices would take back
    assert run.incidents == [], run
