"""`arb run --mode live` has the doctor look first: what it finds keeps a venue shut, or forbids the start."""

import signal
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from arb.store.journal.reader import JournalReader
from tests.integration import truth
from tests.integration.live_mode import keys_of, live_config, live_engine
from tests.integration.support import VENUES, WELL_ENDED, EngineProcess, SandboxProcess, end_of, sandbox_process

WRONG = "0123456789abcdef0123456789abcdef"


def incidents(engine: EngineProcess) -> list[dict[str, Any]]:
    """Return what the ledger says of the doctor's findings."""
    return truth.rows_of(engine.db, "SELECT ns, severity, venue, text FROM incidents WHERE kind = 'doctor' ORDER BY ns")


def entries_at(engine: EngineProcess, venue: str) -> list[int]:
    """Return when entries were decided at a venue; repairs may go there before any pair opens."""
    sql = f"SELECT journalled_ns AS ns FROM orders WHERE venue = '{venue}' AND role = 'entry' ORDER BY id"
    return [row["ns"] for row in truth.rows_of(engine.db, sql)]


def first_decided(engine: EngineProcess) -> int | None:
    """Return when the latest run decided its first pair, if it has."""
    sql = "SELECT min(decided_ns) AS ns FROM pair_trades WHERE kind = 'arb' AND run_id = (SELECT max(id) FROM runs)"
    first_ns: int | None = truth.rows_of(engine.db, sql)[0]["ns"]
    return first_ns


def stopped_with_an_open_pair(engine: EngineProcess, status: dict[str, Any]) -> bool:
    """Stop the process (SIGSTOP) where a pair waits for an unknown order; let it go on where its journal has none any more."""
    if not (status["unknown_orders"] and status["pairs"]["open"]):
        return False
    engine.process.send_signal(signal.SIGSTOP)
    with closing(JournalReader.open(engine.journal)) as journal:
        if journal.state().pairs:
            return True
    engine.process.send_signal(signal.SIGCONT)
    return False


def without(sandbox: SandboxProcess, *venues: str) -> dict[str, str]:
    """Return the keys with the secrets of some venues wrong."""
    return keys_of(sandbox.announced) | {f"{venue.upper()}_API_SECRET": WRONG for venue in venues}


@pytest.mark.thorough
def test_a_venue_whose_key_is_refused_stays_shut_and_the_others_trade(tmp_path: Path) -> None:
    with sandbox_process(tmp_path) as sandbox:
        live_config(tmp_path, sandbox.announced)
        with live_engine(tmp_path, sandbox, variables=without(sandbox, "okx")) as engine:
            engine.until_pairs(2)
            ended = engine.stop()
        traded = {venue for venue, books in sandbox.ledger().items() if books["orders"]}
    assert (ended.code, ended.summary["halted"]) in WELL_ENDED, ended
    assert traded == {"gate", "bitget"}
    (found, *_) = incidents(engine)
    assert (found["severity"], found["venue"]) == ("warning", "okx") and "secret" in found["text"], found
    assert WRONG not in ended.out + ended.err


@pytest.mark.thorough
def test_fewer_than_two_venues_that_pass_forbid_the_start(tmp_path: Path) -> None:
    with sandbox_process(tmp_path) as sandbox:
        live_config(tmp_path, sandbox.announced)
        with live_engine(tmp_path, sandbox, variables=without(sandbox, "okx", "gate")) as engine:
            ended = end_of(engine.process)
        orders = [order for books in sandbox.ledger().values() for order in books["orders"]]
    assert ended.code == 3 and "the doctor forbids the start: fewer than two venues pass" in ended.err, ended
    assert "okx signature: secret:" in ended.err and "gate signature: secret:" in ended.err
    assert orders == []


@pytest.mark.thorough
def test_pairs_that_are_open_wait_for_no_doctor_and_nothing_opens_before_it_has_looked(tmp_path: Path) -> None:
    with sandbox_process(tmp_path) as sandbox:
        live_config(tmp_path, sandbox.announced)
        with live_engine(tmp_path, sandbox) as engine:
            engine.until_pairs(1)
            # No expiry is proved yet, so an order without an answer is only presumed absent, and not at once.
            sandbox.strike("lost_request", count=1000)
            engine.until(lambda status: stopped_with_an_open_pair(engine, status), "a pair waits")
            engine.process.send_signal(signal.SIGKILL)
            engine.process.wait()
        sandbox.no_more_faults()
        with live_engine(tmp_path, sandbox) as engine:

            def opens(status: dict[str, Any]) -> bool:
                engine.lift(status, "after the doctor has looked")
                return first_decided(engine) is not None and not status["unknown_orders"]

            # Where many requests were lost, absence is presumed of one order at a time: that may take longer than a shutdown.
            engine.until(opens, "a pair of its own opens, and no order is unknown")
            ended = engine.stop()
        assert truth.differences(engine.db, sandbox.ledger()) == [], ended.err[-3000:]
    assert (ended.code, ended.summary["halted"]) in WELL_ENDED, ended
    found = incidents(engine)
    shut, opened = ([row for row in found if row["severity"] == severity] for severity in ("warning", "info"))
    assert {row["venue"] for row in shut} == {row["venue"] for row in opened} == set(VENUES), found
    assert all("the doctor has not looked yet" in row["text"] for row in shut), found
    first_ns = first_decided(engine)
    assert first_ns is not None and first_ns > min(row["ns"] for row in opened), "nothing opens before"


@pytest.mark.thorough
def test_a_venue_that_was_down_at_the_start_is_opened_once_the_doctor_has_seen_it_well(tmp_path: Path) -> None:
    with sandbox_process(tmp_path) as sandbox:
        live_config(tmp_path, sandbox.announced)
        sandbox.fault("okx", "venue_down")
        with live_engine(tmp_path, sandbox) as engine:
            engine.until_pairs(1)
            sandbox.no_more_faults()
            engine.until(lambda _: bool(entries_at(engine, "okx")), "pairs open at okx")
            ended = engine.stop()
    assert (ended.code, ended.summary["halted"]) in WELL_ENDED, ended
    shut, *_, opened = [row for row in incidents(engine) if row["venue"] == "okx"]
    assert (shut["severity"], opened["severity"]) == ("warning", "info") and "rest:" in shut["text"], (shut, opened)
    assert entries_at(engine, "okx")[0] > opened["ns"]
