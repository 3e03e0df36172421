"""A venue whose books stand still on a live connection, while the market moves away from them."""

import itertools
import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from arb.clock import SystemClock
from tests.integration import truth
from tests.integration.support import (
    VENUES,
    EngineProcess,
    SandboxProcess,
    engine_process,
    sandbox_process,
    write_config,
)

PRICES = {"BTC": "60000.0", "ETH": "3000.00", "SOL": "150.00", "DOGE": "0.15000", "NOVA": "0.8500"}
"""Written with as many decimals as the venues take."""
SYMBOLS = [f"{base}{number}/USDT" for number in ("", "2") for base in PRICES]
LEVELS = 10
LEVEL_QUOTE = 5_000
LEARNED_FRAMES = 900
"""How many frames the engine has had, of thirty books, before one venue's stand still."""
MISSED_FRAMES = 600
"""After how many more, of the other twenty, the market moves away."""
PRICES_OF_A_ROUND = 7
"""After so many steps the prices come again: a venue that sends every 100 ms must find others than those it has shown."""
JUMP = Decimal("1.005")


def show(sandbox: SandboxProcess, step: int, ratio: Decimal = Decimal(1)) -> None:
    """Quote all symbols at all venues around one price, which moves a little with every step."""
    for symbol in SYMBOLS:
        price = Decimal(PRICES[symbol.partition("/")[0].rstrip("2")])
        middle, gap = price * ratio * (1 + Decimal(step % PRICES_OF_A_ROUND) / 10_000), price / 2_000
        size = f"{LEVEL_QUOTE / price:.2f}" if price > 1 else f"{LEVEL_QUOTE / price:.0f}"
        bids, asks = (
            [[str((middle + way * gap * level).quantize(price)), size] for level in range(1, LEVELS)] for way in (-1, 1)
        )
        for venue in VENUES:
            sandbox.set_book(venue, symbol, bids, asks)


def move(sandbox: SandboxProcess, engine: EngineProcess, frames: int, ratio: Decimal = Decimal(1)) -> None:
    """Let all books move until the engine has had so many frames more, whatever the pace of this machine."""
    wanted = engine.status()["frames"] + frames
    for step in itertools.count():
        show(sandbox, step, ratio)
        if engine.status()["frames"] >= wanted:
            return


def traded(folder: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """Let OKX's books stand still, and all others jump a while later; return its pairs since, and the incidents."""
    config, clock = write_config(folder), SystemClock()
    config.write_text(
        re.sub(r"(?m)^symbols = \[.+?\]", f"symbols = {json.dumps(SYMBOLS)}", config.read_text(), count=1)
    )
    with sandbox_process(folder, "--static", "--symbols", str(len(SYMBOLS))) as sandbox:
        show(sandbox, 0)
        with engine_process(folder, sandbox) as engine:
            engine.until(lambda status: status["seconds"] > 1, "all books are live")
            move(sandbox, engine, LEARNED_FRAMES)
            sandbox.fault("okx", "book_frozen")
            began_ns = clock.wall_ns()
            move(sandbox, engine, MISSED_FRAMES)
            move(sandbox, engine, MISSED_FRAMES, JUMP)
            ended = engine.stop()
            ledger = sandbox.ledger()
    assert truth.differences(engine.db, ledger) == [], ended.err[-3000:]
    incidents = truth.rows_of(engine.db, "SELECT text FROM incidents WHERE kind = 'stale_book' AND venue = 'okx'")
    pairs = truth.rows_of(
        engine.db, f"SELECT * FROM pair_trades WHERE decided_ns >= {began_ns} AND 'okx' IN (buy_venue, sell_venue)"
    )
    return pairs, [row["text"] for row in incidents]


@pytest.mark.thorough
def test_a_venue_whose_books_stand_still_opens_nothing_when_the_market_moves_away(tmp_path: Path) -> None:
    pairs, incidents = traded(tmp_path)
    assert pairs == []
    assert len(incidents) == 1, incidents
