"""Control over real processes: flatten, explained balances, one engine per account, and orders nobody remembers."""

import contextlib
import json
import shutil
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from arb.market.numbers import plain
from tests.contract.stock_clients import SYMBOL, rest_client
from tests.integration import truth
from tests.integration.killed import carries
from tests.integration.support import (
    DB,
    VENUES,
    EngineProcess,
    SandboxProcess,
    end_of,
    engine_process,
    run_arb,
    sandbox_process,
    where,
    write_config,
)


def post(sandbox: SandboxProcess, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """Ask the sandbox's admin."""
    request = Request(
        sandbox.admin + path, json.dumps(body).encode(), {"Content-Type": "application/json"}, method="POST"
    )
    with urlopen(request, timeout=60) as answer:
        reported: dict[str, Any] = json.load(answer)
    return reported


def free(sandbox: SandboxProcess, venue: str, asset: str) -> Decimal:
    """Return what is free of an asset at a venue."""
    return Decimal(sandbox.ledger()[venue]["balances"][asset]["free"])


def incidents(engine: EngineProcess, kind: str) -> list[str]:
    """Return the texts of the ledger's incidents of a kind; none while the ledger is being made."""
    with contextlib.suppress(Exception):
        return [
            str(row["text"]) for row in truth.rows_of(engine.db, f"SELECT text FROM incidents WHERE kind = '{kind}'")
        ]
    return []


def until_reported(engine: EngineProcess, kind: str, text: str = "") -> str:
    """Wait until an incident of a kind, with this text in it, is in the ledger."""
    engine.until(lambda _: any(text in found for found in incidents(engine, kind)), f"an incident {kind} {text}")
    return next(found for found in incidents(engine, kind) if text in found)


def carry(engine: EngineProcess, sandbox: SandboxProcess) -> None:
    """Have closed pairs leave base unhedged, and halt, so that no other pair offsets it."""
    folder = engine.journal.parent
    while True:
        for venue in VENUES:
            sandbox.fault(venue, "partial_fill", count=20)
        engine.until(carries, "something is carried unhedged")
        sandbox.no_more_faults()
        assert run_arb("halt", *where(folder), cwd=folder).code == 0
        halted = engine.until(
            lambda status: status["halted"] is not None and not status["pairs"]["open"], "it has halted"
        )
        if carries(halted):
            return
        assert run_arb("resume", "--reason", "offset meanwhile", *where(folder), cwd=folder).code == 0


@pytest.mark.thorough
def test_flatten_brings_own_exposure_back_and_leaves_foreign_orders_alone(tmp_path: Path) -> None:
    write_config(tmp_path, on_single_leg='"hold"')
    with sandbox_process(tmp_path) as sandbox:
        other_client = rest_client("gate", sandbox.announced)
        by_hand = other_client.create_order(SYMBOL, "limit", "buy", 0.01, 20_000.0)["id"]
        with engine_process(tmp_path, sandbox) as engine:
            engine.until_pairs(3)
            carry(engine, sandbox)
            asked = run_arb("flatten", "--json", "--reason", "enough", *where(tmp_path), cwd=tmp_path)
            assert asked.code == 0, asked.err
            assert asked.summary["engine"] == "told"
            flat = engine.until(lambda status: status["halted"] == "flattened", "it is flat")
            assert flat["state"] == "HALTED"
            assert flat["unhedged_notional"] == "0", flat
            ended = engine.stop()

        seen = f"seed {sandbox.seed}: {ended.out}\n{ended.err[-3000:]}"
        ledger = sandbox.ledger()
        kinds = {row["kind"] for row in truth.rows_of(tmp_path / DB, "SELECT kind FROM pair_trades")}
        assert ended.code == 0, seen  # the user asked for it
        assert "flatten" in kinds, seen
        assert truth.differences(tmp_path / DB, ledger) == [], seen
        assert other_client.fetch_order(by_hand, SYMBOL)["status"] == "open", seen
        assert not [row for reported in ledger.values() for row in reported["requests"] if row["kind"] == "cancel"], (
            seen
        )
        other_client.close()


def test_flatten_without_an_engine_says_what_to_do(tmp_path: Path) -> None:
    asked = run_arb("flatten", *where(tmp_path), cwd=tmp_path)
    assert asked.code == 3
    assert "no engine answers" in asked.err


@pytest.mark.thorough
def test_a_halt_is_obeyed_from_any_directory_and_is_no_success_where_nobody_obeys(tmp_path: Path) -> None:
    here, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    for folder in (here, elsewhere):
        folder.mkdir()
    (here / "config.toml").write_text(f'[store]\nurl = "sqlite:///{DB}"\n', encoding="utf-8")
    with sandbox_process(tmp_path) as sandbox, engine_process(here, sandbox) as engine:
        engine.until_pairs(1)
        missed = run_arb("halt", "--json", "--db", f"sqlite:///{DB}", cwd=elsewhere)
        assert missed.code == 3, missed.err
        assert str(here / "a.journal.sqlite") in missed.err, "the engine that goes on is named"
        assert (elsewhere / missed.summary["file"]).exists()
        status = engine.status()
        assert status["halted"] is None
        assert {"events", "the halt file", "idle work"} <= {row["cause"] for row in status["loop"]}
        asked = run_arb("halt", "--config", str(here / "config.toml"), "--reason", "lunch", cwd=elsewhere)
        assert asked.code == 0, asked.err
        engine.until(lambda status: status["halted"] is not None, "it halts")
        assert engine.stop().code == 0


@pytest.mark.thorough
def test_deposits_and_manual_trades_are_explained_and_a_hidden_fee_stops_its_asset(tmp_path: Path) -> None:
    write_config(tmp_path, balance_refresh_s="1", drift_grace_ms="2000")
    with sandbox_process(tmp_path) as sandbox, engine_process(tmp_path, sandbox) as engine:
        engine.until_pairs(2)
        assert incidents(engine, "balance_drift") == []

        amount = free(sandbox, "okx", "USDT") + 1000
        booked = post(sandbox, "/balance", {"venue": "okx", "asset": "USDT", "free": str(amount)})
        reported = until_reported(engine, "transfer")
        assert f"of {booked['amount']} USDT at okx" in reported

        fault = sandbox.fault("gate", "foreign_order", symbol=SYMBOL, param="500")
        until_reported(engine, "foreign_order", "at gate")
        assert sandbox.hits(fault) == 1
        engine.until_pairs(engine.status()["pairs"]["completed"] + 2)
        assert incidents(engine, "balance_drift") == []

        amount = free(sandbox, "bitget", "ETH") - Decimal("0.125")
        hidden = post(sandbox, "/balance", {"venue": "bitget", "asset": "ETH", "free": str(amount), "hidden": True})
        reported = until_reported(engine, "balance_drift")
        assert f"ETH at bitget: {plain(Decimal(hidden['amount']))} is unexplained" in reported
        engine.until_pairs(engine.status()["pairs"]["completed"] + 2)  # everything else goes on
        assert run_arb("resume", "--reason", "known", *where(tmp_path), cwd=tmp_path).code == 0
        ended = engine.stop()

        seen = f"seed {sandbox.seed}: {ended.out}\n{ended.err[-3000:]}"
        assert ended.code == 0, seen
        assert len(truth.rows_of(tmp_path / DB, "SELECT id FROM incidents WHERE kind = 'balance_drift'")) == 1, seen
        foreign = truth.rows_of(tmp_path / DB, "SELECT * FROM orders WHERE role = 'foreign'")
        assert [(row["venue"], row["pair_trade_id"]) for row in foreign] == [("gate", None)], seen
        ledger = sandbox.ledger()
        assert truth.order_differences(tmp_path / DB, ledger) == [], seen
        assert truth.fill_differences(tmp_path / DB, ledger) == [], seen


@pytest.mark.thorough
def test_two_ledgers_cannot_trade_one_account(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
    with sandbox_process(tmp_path) as sandbox, engine_process(first, sandbox) as engine:
        engine.until_pairs(1)
        with engine_process(second, sandbox) as other:
            refused = end_of(other.process)
        assert refused.code == 2, refused.err
        assert "already traded on this machine" in refused.err
        assert str(first / "a.journal.sqlite") in refused.err
        assert engine.stop().code == 0


@pytest.mark.thorough
def test_an_engine_without_any_memory_leaves_the_orders_of_the_dead_one_alone(tmp_path: Path) -> None:
    dead, heir = tmp_path / "dead", tmp_path / "heir"
    for folder in (dead, heir):
        folder.mkdir()
    with sandbox_process(tmp_path) as sandbox:
        with engine_process(dead, sandbox) as engine:
            engine.until_pairs(3)
            engine.process.kill()
            end_of(engine.process)
        shutil.rmtree(dead)  # ledger and journal are gone

        with engine_process(heir, sandbox) as engine:
            assert "another engine trades on this account" in until_reported(engine, "not_adopted")
            engine.until_pairs(2)
            ended = engine.stop()
        assert ended.summary["unhedged_notional"] == "0", f"seed {sandbox.seed}: {ended.err[-3000:]}"
        assert truth.rows_of(heir / DB, "SELECT id FROM incidents WHERE kind = 'adopted'") == []


@pytest.mark.thorough
def test_what_changed_while_no_engine_ran_is_explained_at_the_next_start_or_stops_its_asset(tmp_path: Path) -> None:
    write_config(tmp_path, balance_refresh_s="1", drift_grace_ms="2000")
    with sandbox_process(tmp_path) as sandbox:
        with engine_process(tmp_path, sandbox) as engine:
            engine.until_pairs(2)
            engine.until(lambda status: status["seconds"] > 4, "balances were compared")
            # An order that is unknown might explain what is taken secretly: none is under way.
            assert run_arb("halt", *where(tmp_path), cwd=tmp_path).code == 0
            engine.until(lambda status: status["halted"] is not None and not status["pairs"]["open"], "none is open")
            engine.process.kill()
            end_of(engine.process)
        amount = free(sandbox, "okx", "USDT") + 1000
        post(sandbox, "/balance", {"venue": "okx", "asset": "USDT", "free": str(amount)})
        sandbox.fault("gate", "foreign_order", symbol=SYMBOL, param="500")
        amount = free(sandbox, "bitget", "SOL") - Decimal("0.5")
        post(sandbox, "/balance", {"venue": "bitget", "asset": "SOL", "free": str(amount), "hidden": True})

        with engine_process(tmp_path, sandbox) as engine:
            assert "SOL at bitget: -0.5 is unexplained" in until_reported(engine, "balance_drift")
            assert until_reported(engine, "transfer")
            assert until_reported(engine, "foreign_order", "at gate")
            status = engine.status()
            assert status["stopped_assets"] == {"bitget": ["SOL"]}
            assert {("halt", ""), ("drift", "SOL")} <= {(row["source"], row["name"]) for row in status["blocks"]}
            assert run_arb("resume", "--reason", "go on", *where(tmp_path), cwd=tmp_path).code == 0
            engine.until_pairs(2)
            ended = engine.stop()
        assert ended.code == 0, f"seed {sandbox.seed}: {ended.err[-3000:]}"
        assert len(truth.rows_of(tmp_path / DB, "SELECT id FROM incidents WHERE kind = 'balance_drift'")) == 1
