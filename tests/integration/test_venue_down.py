"""A start with one of three venues down: it trades at the others, repairs there what is certain, and the third joins them."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from arb.clock import NS_PER_S, SystemClock
from tests.integration import truth
from tests.integration.host_clock import HostClock
from tests.integration.support import (
    DB,
    WELL_ENDED,
    EngineProcess,
    SandboxProcess,
    end_of,
    engine_process,
    run_arb,
    run_arguments,
    run_script,
    sandbox_process,
    wait_while,
    write_config,
)

DOGE = "DOGE/USDT"
AT_ONCE = {"count": 1_000_000}
HALF_A_MINUTE_NS = 30 * NS_PER_S
AROUND = ([["0.0999", "900000"]], [["0.1001", "900000"]])
CHEAP = ([["0.0900", "900000"]], [["0.1000", "13200"]])
DEAR = ([["0.1010", "900000"]], [["0.1100", "900000"]])
NO_BIDS = ([["0.0900", "900000"]], [["0.1100", "900000"]])


def pairs_at(db: Path, venue: str) -> int:
    """Return how many pairs with a leg at a venue have completed."""
    query = (
        "SELECT count(*) AS n FROM pair_trades WHERE state = 'completed'"
        f" AND (buy_venue = '{venue}' OR sell_venue = '{venue}')"
    )
    return int(truth.rows_of(db, query)[0]["n"])


def absent_of(engine: EngineProcess) -> dict[str, str]:
    """Return the venues that the engine calls absent, and why."""
    absent: dict[str, str] = engine.status()["absent_venues"]
    return absent


@pytest.mark.thorough
def test_one_of_three_venues_is_down_at_the_start_and_joins_when_it_is_back(tmp_path: Path) -> None:
    with sandbox_process(tmp_path) as sandbox:
        sandbox.fault("bitget", "venue_down")
        with engine_process(tmp_path, sandbox, "--tape", str(tmp_path / "run.jsonl")) as engine:
            engine.until_pairs(2)
            assert list(absent_of(engine)) == ["bitget"]
            shown = run_arb("status", "--db", f"sqlite:///{engine.db}", cwd=tmp_path)
            assert "bitget" in shown.out, shown
            sandbox.no_more_faults()
            engine.until(lambda status: not status["absent_venues"], "bitget has come")
            engine.until(lambda _: pairs_at(engine.db, "bitget") >= 1, "it trades at bitget")
            ended = engine.stop()
        seen = f"seed {sandbox.seed}: {ended.out}\n{ended.err[-3000:]}"
        assert (ended.code, ended.summary["halted"], ended.summary["unhedged_notional"]) == (0, None, "0"), seen
        assert truth.differences(engine.db, sandbox.ledger()) == [], seen
        told = truth.rows_of(engine.db, "SELECT severity FROM incidents WHERE kind = 'venue_absent' ORDER BY ns")
        assert [row["severity"] for row in told] == ["warning", "info"], seen
        again = run_arb("replay", "run.jsonl", "--json", "--journal", str(engine.journal), cwd=tmp_path)
        assert again.code == 0, again
        assert again.summary["replay"]["difference"] is None
        assert again.summary["replay"]["compared"] > 0


def test_with_one_venue_only_a_start_ends_after_a_minute_with_one_clear_line(tmp_path: Path) -> None:
    with sandbox_process(tmp_path) as sandbox:
        sandbox.fault("bitget", "venue_down")
        down = sandbox.fault("okx", "http_503_maintenance", **AT_ONCE)
        host = HostClock(tmp_path)
        arguments = ("run", *run_arguments(tmp_path, sandbox), "--for", "1s")
        process = run_script("host_clock.py", str(host.path), *arguments, cwd=tmp_path)
        wait_while(process, lambda: sandbox.hits(down) >= 3, "it asks again")
        host.pass_by(HALF_A_MINUTE_NS)
        asked = sandbox.hits(down)
        wait_while(process, lambda: sandbox.hits(down) > asked, "it goes on asking")
        host.pass_by(2 * HALF_A_MINUTE_NS)
        ended = end_of(process)
        assert (ended.code, ended.out) == (3, ""), ended
        line = ended.err.strip().splitlines()[-1]
        assert all(word in line for word in ("okx", "bitget", "[venues]", "two venues")), line


def refused_at(db: Path, venue: str) -> bool:
    """Return whether a venue has refused an order of ours."""
    return bool(truth.rows_of(db, f"SELECT id FROM orders WHERE venue = '{venue}' AND status = 'rejected'"))


@contextlib.contextmanager
def killed_with_a_leg_naked_at_okx(folder: Path) -> Iterator[SandboxProcess]:
    """Yield a sandbox on which an engine was killed with a purchase at okx whose sale at bitget was refused for certain.

    It was to unwind at okx, which shows no bid within the cap, so that the leg was naked when it died.
    """
    write_config(folder, on_single_leg='"unwind"')
    with sandbox_process(folder, "--static") as sandbox:
        for venue in ("okx", "gate", "bitget"):
            sandbox.set_book(venue, DOGE, *NO_BIDS)
        with engine_process(folder, sandbox) as engine:
            engine.until(lambda status: status["seconds"] > 2, "it is ready to trade")
            sandbox.fault("bitget", "reject_balance", **AT_ONCE)
            sandbox.set_book("bitget", DOGE, *DEAR)
            sandbox.set_book("okx", DOGE, *CHEAP)
            engine.until(lambda _: refused_at(engine.db, "bitget"), "the sale is refused")
            engine.process.kill()
            end_of(engine.process)
        sandbox.no_more_faults()
        write_config(folder)
        yield sandbox


@pytest.mark.thorough
def test_a_leg_left_naked_is_repaired_at_a_healthy_venue_while_the_other_is_in_maintenance(tmp_path: Path) -> None:
    with killed_with_a_leg_naked_at_okx(tmp_path) as sandbox:
        sandbox.fault("bitget", "http_503_maintenance", **AT_ONCE)
        sandbox.set_book("gate", DOGE, *AROUND)
        clock = SystemClock()
        began_ns = clock.monotonic_ns()
        with engine_process(tmp_path, sandbox) as engine:
            status = engine.until(lambda status: ended_pairs(status) >= 1, "the leg is repaired", 120)
            took_s = (clock.monotonic_ns() - began_ns) / NS_PER_S
            assert list(absent_of(engine)) == ["bitget"]
            assert status["unhedged_notional"] == "0"
            ended = engine.stop()
        seen = f"seed {sandbox.seed}, {took_s:.1f} s: {ended.out}\n{ended.err[-3000:]}"
        print(seen)  # noqa: T201  # shown when it fails
        assert (ended.code, ended.summary["halted"]) in WELL_ENDED, seen
        assert ended.summary["unhedged_notional"] == "0", seen
        assert truth.differences(engine.db, sandbox.ledger()) == [], seen
        repairs = truth.rows_of(
            engine.db, "SELECT venue FROM orders WHERE role IN ('hedge', 'unwind') AND status = 'filled'"
        )
        assert {row["venue"] for row in repairs} <= {"gate", "okx"}, seen


def ended_pairs(status: dict[str, Any]) -> int:
    """Return how many pairs have ended flat."""
    return int(status["pairs"]["completed"] + status["pairs"]["unwound"])


@pytest.mark.thorough
def test_a_disabled_venue_does_not_make_its_leg_forgotten(tmp_path: Path) -> None:
    with killed_with_a_leg_naked_at_okx(tmp_path) as sandbox:
        config = tmp_path / "config.toml"
        text = config.read_text()
        head, section = text.split("[venues.bitget]")
        config.write_text(f"{head}[venues.bitget]{section.replace('enabled = true', 'enabled = false', 1)}")
        refused = run_arb("run", *run_arguments(tmp_path, sandbox), "--for", "1s", cwd=tmp_path)
        assert refused.code == 2, refused
        [left] = truth.rows_of(tmp_path / DB, "SELECT id, state FROM pair_trades")
        assert left["state"] not in ("abandoned", "completed", "unwound")
        line = refused.err.strip().splitlines()[-1]
        assert all(word in line for word in ("bitget", "enabled = true", str(left["id"]))), line
        config.write_text(text)
        sandbox.set_book("gate", DOGE, *AROUND)
        with engine_process(tmp_path, sandbox) as engine:
            engine.until(
                lambda status: ended_pairs(status) >= 1, "the leg is repaired once the venue is enabled again", 120
            )
            engine.stop()
