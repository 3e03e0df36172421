"""Killed with -9 at the worst moments and started again: nothing is lost, nothing is sent twice, nothing stays exposed."""

import signal
from pathlib import Path

import pytest

from arb.market.order import OrderStatus, Role
from arb.store.journal_reader import JournalReader
from tests.integration import truth
from tests.integration.support import (
    WELL_ENDED,
    SandboxProcess,
    end_of,
    engine_process,
    run_script,
    sandbox_process,
    write_config,
)

DB = "a.sqlite"


@pytest.mark.parametrize("windows", [("journalled", "one_leg"), ("sent", "repair")], ids=" then ".join)
def test_killed_restarted_killed_again_and_restarted_both_ledgers_agree(
    tmp_path: Path, windows: tuple[str, ...]
) -> None:
    db = tmp_path / DB
    with sandbox_process(tmp_path) as sandbox:
        seen = f"seed {sandbox.seed}"
        in_flight: list[str] = []
        for window in windows:
            if window == "repair":
                for venue in ("gate", "okx", "bitget"):
                    sandbox.fault(venue, "partial_fill", count=40)
            kill_inside(window, tmp_path, sandbox)
            in_flight += under_way_in(window, db, sandbox.ledger(), f"{seen}, killed inside {window!r}")
        sandbox.no_more_faults()

        with engine_process(tmp_path, sandbox) as engine:
            before = engine.until(lambda status: True, "the engine answers")["pairs"]["completed"]
            engine.until(
                lambda status: not status["unknown_orders"] and not status["pairs"]["halted"],
                f"{seen}: it takes up what was left",
            )
            engine.trade_on(before + 3, f"{seen}: it trades on")
            ended = engine.stop()

        seen += f": {ended.out}\n{ended.err[-3000:]}"
        ledger = sandbox.ledger()
        assert (ended.code, ended.summary["halted"]) in WELL_ENDED, seen
        assert truth.differences(db, ledger) == [], seen
        assert truth.profit_differences(db, ledger) == [], seen
        assert ended.summary["unhedged_notional"] == "0", seen
        assert set(truth.pairs_by_state(db)) <= {"completed", "unwound", "carried"}, seen
        for name in in_flight:
            rows = truth.rows_of(db, f"SELECT status FROM orders WHERE client_order_id = '{name}'")
            assert [OrderStatus(row["status"]).is_terminal for row in rows] == [True], f"{name} {rows} {seen}"


def kill_inside(window: str, folder: Path, sandbox: SandboxProcess) -> None:
    """Run an engine until it has killed itself inside `window`."""
    config, url = write_config(folder), f"sqlite:///{folder / DB}"
    ended = end_of(run_script("killed_engine.py", window, str(config), url, sandbox.admin, cwd=folder))
    assert ended.code == -signal.SIGKILL, f"seed {sandbox.seed}: {window!r} never opened:\n{ended.err[-3000:]}"


def under_way_in(window: str, db: Path, ledger: truth.Truth, seen: str) -> list[str]:
    """Return the orders the dead engine was waiting for, having checked that it died where it was meant to."""
    reader = JournalReader.open(db.with_name("a.journal.sqlite"))
    orders = [order for pair in reader.state().pairs for order in pair.orders]
    reader.close()
    waiting = {order.client_order_id: order for order in orders if not order.status.is_terminal}
    assert waiting, seen
    roles = {order.role for order in waiting.values()}
    if window == "repair":
        assert roles & {Role.HEDGE, Role.UNWIND}, f"{seen}: {waiting}"
    if window == "journalled":
        at_venue = {str(row["client_id"]).removeprefix("t-") for told in ledger.values() for row in told["requests"]}
        assert waiting.keys() - at_venue, f"{seen}: every order had left"
    return [str(name) for name in waiting]
