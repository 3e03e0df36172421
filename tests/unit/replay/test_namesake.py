"""A run on frames in which a ticker is another coin at one venue, for good: found out by its price, and left alone."""

import sqlite3
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from arb.app.replay import replay_tapes
from arb.clock import NS_PER_S
from arb.config import ReplayOptions, Settings
from arb.core.messages.settings import Limits
from tests.unit.replay.makings import START_S, Tape

SECONDS = 240
# Above the edge of 130 bps, and so high that persistent edges of a tenth of it are left alone.
CEILING = Decimal(2000)


def namesake(ratio: str) -> Tape:
    """Return four minutes of two deep books whose mids are 100 and `ratio` times that, each renewed twice a second."""
    tape = Tape()
    for step in range(2 * SECONDS):
        at_s, moved = step / 2, Decimal(step % 2) / 10
        for add, middle in ((tape.gate, Decimal(100)), (tape.okx, 100 * Decimal(ratio))):
            bid, ask = (f"{middle + moved + side:.1f}" for side in (Decimal("-0.1"), Decimal("0.1")))
            add(at_s, [(bid, "50.01")], [(ask, "50.01")], full=True)
    return tape


def run_on(folder: Path, ratio: str, **limits: Any) -> tuple[list[float], list[str], dict[str, Any]]:
    """Replay it; return the second at which each pair was decided, the incidents about the edge, and the summary."""
    settings = Settings(limits=Limits(max_edge_bps=CEILING, max_notional_quote=Decimal(50), **limits))
    db = folder / "out.sqlite"
    options = ReplayOptions(files=(namesake(ratio).write(folder / "t.jsonl"),), db=f"sqlite:///{db}")
    summary, code = replay_tapes(settings, options)
    assert code == 0
    with sqlite3.connect(db) as connection:
        pairs = connection.execute("SELECT decided_ns FROM pair_trades ORDER BY id").fetchall()
        texts = connection.execute("SELECT text FROM incidents WHERE kind = 'edge_implausible'").fetchall()
    return [ns / NS_PER_S - START_S for (ns,) in pairs], [text for (text,) in texts], summary


@pytest.mark.parametrize("ratio", ["1.015", "0.985"])
def test_a_namesake_opens_nothing_once_half_a_minute_is_over(tmp_path: Path, ratio: str) -> None:
    decided_s, texts, summary = run_on(tmp_path, ratio)
    assert decided_s and max(decided_s) < 31
    assert len(texts) == 1 and texts[0].startswith(
        "BTC/USDT: the prices at gate and okx have been more than 100 bps apart"
    )
    assert summary["prices_apart"] == [{"symbol": "BTC/USDT", "venues": ["gate", "okx"], "reason": "edge_implausible"}]


@pytest.mark.thorough
def test_without_the_bound_it_would_go_on_for_ever(tmp_path: Path) -> None:
    decided_s, texts, summary = run_on(tmp_path, "1.015", max_price_ratio_bps=Decimal(10_000))
    assert max(decided_s) > 120 and len(decided_s) > 80
    assert texts == [] and summary["prices_apart"] == []
