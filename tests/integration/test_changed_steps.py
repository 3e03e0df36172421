"""Levels finer than the listed steps, and steps that change, under a whole run: books stay live, and trading goes on."""

from pathlib import Path
from typing import Any

import pytest

from arb.clock import NS_PER_S, SystemClock
from arb.sandbox.profiles import SYMBOLS
from tests.integration import truth
from tests.integration.support import VENUES, WELL_ENDED, engine_process, sandbox_process, write_config

SHOWN_S = 5
"""How long all venues show fine levels at least."""
READ_S = 3
"""Within which time after a refusal a listing has been read anew, on a busy machine."""


@pytest.mark.thorough
def test_books_with_fine_levels_stay_live_and_are_traded_on(tmp_path: Path) -> None:
    write_config(tmp_path)
    with sandbox_process(tmp_path) as sandbox, engine_process(tmp_path, sandbox) as engine:
        engine.until_pairs(2)
        before, began = engine.status(), SystemClock().wall_ns()
        decided = f"SELECT * FROM pair_trades WHERE decided_ns > {began + NS_PER_S}"
        told = "SELECT id FROM incidents WHERE kind = 'fine_levels'"
        faults = sandbox.strike("fine_levels")

        def shown(status: dict[str, Any]) -> bool:
            return (
                status["seconds"] > before["seconds"] + SHOWN_S
                and all(sandbox.hits(number) > 100 for number in faults.values())
                and len(truth.rows_of(engine.db, decided)) >= 2
                and len(truth.rows_of(engine.db, told)) >= len(VENUES) * len(SYMBOLS)
            )

        engine.until(shown, "fine levels were shown, and traded on")
        frames = {venue: sandbox.hits(number) for venue, number in faults.items()}
        ended = engine.stop()
        ledger = sandbox.ledger()
    seen = f"seed {sandbox.seed}: {frames} {ended.out}\n{ended.err[-3000:]}"
    assert min(frames.values()) > 100, seen
    assert (ended.code, ended.summary["halted"]) in WELL_ENDED, seen
    assert truth.differences(engine.db, ledger) == [], seen
    assert len(truth.rows_of(engine.db, decided)) >= 2, seen
    incidents = truth.rows_of(engine.db, "SELECT kind, text FROM incidents")
    assert sum(row["kind"] == "fine_levels" for row in incidents) == len(VENUES) * len(SYMBOLS), seen
    assert not [row["text"] for row in incidents if row["kind"] == "venue_health" and "gaps" in row["text"]], seen


@pytest.mark.thorough
def test_steps_that_change_are_read_after_one_refusal_and_traded_on(tmp_path: Path) -> None:
    write_config(tmp_path)  # rules are read every 300 s otherwise
    with sandbox_process(tmp_path) as sandbox, engine_process(tmp_path, sandbox) as engine:
        engine.until_pairs(2)
        began_ns = SystemClock().wall_ns()
        faults = sandbox.strike("listing_change")

        def traded(status: dict[str, Any]) -> bool:
            engine.lift(status, "steps changed")
            rows = truth.rows_of(
                engine.db,
                "SELECT DISTINCT o.venue FROM orders o JOIN pair_trades p ON p.id = o.pair_trade_id WHERE o.role = 'entry'"
                f" AND p.state = 'completed' AND o.reject_code IS NULL AND p.decided_ns > {began_ns + READ_S * NS_PER_S}",
            )
            return {row["venue"] for row in rows} == faults.keys()

        engine.until(traded, "every venue is traded on by its new steps")
        ended = engine.stop()
        ledger = sandbox.ledger()
    seen = f"seed {sandbox.seed}: {ended.out}\n{ended.err[-3000:]}"
    assert (ended.code, ended.summary["halted"]) in WELL_ENDED, seen
    assert truth.differences(engine.db, ledger) == [], seen
    refused = truth.rows_of(
        engine.db,
        "SELECT venue, symbol, COUNT(*) AS n FROM orders WHERE role = 'entry' AND reject_code IN "
        "('INVALID_PRECISION', '51000', '51121', '40808') GROUP BY venue, symbol",
    )
    assert refused and max(row["n"] for row in refused) == 1, (refused, seen)
