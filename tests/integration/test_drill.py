"""`arb doctor --drill` as a process: on a sandbox, and live with the user's keys on a sandbox in the venues' place."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from arb.store.journal.reader import JournalReader
from arb.venues.kit.rules.outcome import judge_write
from arb.venues.registry import spec_of
from arb.venues.transport.http import HttpAnswer
from tests.integration import truth
from tests.integration.live_mode import keys_of, live_config
from tests.integration.support import BUSY_MACHINE, VENUES, Ended, arb, end_of, run_arb, sandbox_process
from tests.integration.test_doctor_accounts import expect, findings

STEPS = ("drill_rest", "drill_expired", "drill_trade")


@pytest.mark.thorough
def test_both_consents_are_needed_and_somebody_to_ask(tmp_path: Path) -> None:
    with sandbox_process(tmp_path) as sandbox:
        config = str(live_config(tmp_path, sandbox.announced))
        keys = keys_of(sandbox.announced)

        def drilled(*more: str) -> Ended:
            return end_of(arb("doctor", "--config", config, *more, cwd=tmp_path, variables=keys))

        one = drilled("--drill", "--yes")
        assert one.code == 2 and "--live on the command line" in one.err and "[live]" not in one.err, one
        text = Path(config).read_text()
        Path(config).write_text(text.replace("enabled = true # the first of two", "enabled = false # the first of two"))
        other = drilled("--drill", "--live", "--yes")
        assert other.code == 2 and "[live] enabled = true" in other.err, other
        Path(config).write_text(text)
        unasked = drilled("--drill", "--live")
        assert unasked.code == 2 and "add --yes" in unasked.err, unasked
        assert "gate: three orders in BTC/USDT" in unasked.err, "what it costs is said first"
        useless = drilled("--keep", "answers")
        assert useless.code == 2 and "add --drill" in useless.err, useless
        assert [order for books in sandbox.ledger().values() for order in books["orders"]] == []


@pytest.mark.thorough
def test_a_live_drill_sends_three_orders_at_each_venue_and_leaves_nothing(tmp_path: Path) -> None:
    with sandbox_process(tmp_path) as sandbox:
        config = str(live_config(tmp_path, sandbox.announced, changes={"max_feed_lag_ms": "60000"}))
        keys = keys_of(sandbox.announced)
        doctor = ("doctor", "--json", "--config", config)
        run = end_of(arb(*doctor, "--drill", "--live", "--yes", "--keep", "answers", cwd=tmp_path, variables=keys))
        found = findings(run)
        ledger = sandbox.ledger()
        for venue in VENUES:
            for step in STEPS:
                expect(found, venue, step, "pass")
            expect(found, venue, "expiry", "warn", "arb doctor --drill")
            assert {order["status"] for order in ledger[venue]["orders"]} <= {"closed", "cancelled"}
            assert ledger[venue]["fills"], "bought"
        # Sold again wherever that costs least, all but what is too little for an order: rivals take part of an ask.
        bought = sum(
            Decimal(fill["size"]) for books in ledger.values() for fill in books["fills"] if fill["side"] == "buy"
        )
        assert abs(truth.own_changes(ledger)["BTC"]) < bought / 2
        assert run.code == 0, run.err
        db = tmp_path / "var" / "live.sqlite"
        assert truth.differences(db, ledger) == []
        rows = truth.rows_of(db, "SELECT venue, role, tif, status, outcome FROM orders WHERE role = 'test' ORDER BY id")
        traded = {"filled": "traded", "partial_cancelled": "traded"}  # rivals may have been quicker with a part of it
        seen = {(row["venue"], row["tif"], traded.get(row["status"], row["status"])) for row in rows}
        missed = {(venue, "ioc", "cancelled") for venue in VENUES}  # rivals took the ask; it is tried again
        assert seen - missed == {
            (venue, *what)
            for venue in VENUES
            for what in (("post_only", "cancelled"), ("ioc", "rejected"), ("ioc", "traded"))
        }
        kinds = truth.rows_of(db, "SELECT DISTINCT kind, state FROM pair_trades")
        assert [(row["kind"], row["state"]) for row in kinds] == [("test", "completed")]
        reader = JournalReader.open(db.with_name("live.journal.sqlite"))
        control = reader.state().control
        reader.close()
        assert control is not None and len(control.expiry_proved) == len(VENUES)
        again = findings(end_of(arb(*doctor, cwd=tmp_path, variables=keys)))
        for venue in VENUES:
            expect(again, venue, "expiry", "pass", "has refused an expired order")
            expect(again, venue, "left_orders", "pass")
        kept = sorted((tmp_path / "answers").rglob("*.json"))
        assert kept and all(path.stat().st_mode & 0o077 == 0 for path in kept)
        secrets = [
            text for venue in VENUES for name, text in sandbox.announced["venues"][venue].items() if name in HIDDEN
        ]
        texts = [path.read_text() for path in kept]
        assert not [secret for secret in secrets for text in texts if secret in text]
        for venue in VENUES:
            documents = [json.loads(text) for text in texts if json.loads(text)["venue"] == venue]
            placed = [d for d in documents if d["kind"] == "rest" and d["method"] == "POST" and d["step"] == "expired"]
            (late,) = placed
            verdict = judge_write(
                spec_of(venue).outcomes, HttpAnswer(late["status"], late["headers"], late["raw"].encode(), 0, 0), 0
            )
            assert verdict.code in spec_of(venue).outcomes.expiry_codes, late
            assert {d["step"] for d in documents} >= {"rest", "expired", "trade"}
            cancels = [d for d in documents if d.get("method") == "DELETE" or "cancel" in d["path"]]
            assert "rest" in {d["step"] for d in cancels}, "an answer may name the order by the venue's number alone"
        assert {"unwind", "hedge"} & {json.loads(text)["step"] for text in texts}, "what was bought is sold again"


HIDDEN = ("key", "secret", "passphrase")


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("fault", "step"), [("reject_balance", "drill_rest"), ("http_500", "drill_rest")], ids=["refused", "unknown"]
)
def test_a_step_that_went_otherwise_is_said_and_nothing_is_left(tmp_path: Path, fault: str, step: str) -> None:
    (tmp_path / "config.toml").write_text(BUSY_MACHINE)
    with sandbox_process(tmp_path) as sandbox:
        sandbox.fault("gate", fault, count=1)
        run = run_arb("doctor", "gate", "--sandbox", sandbox.admin, "--drill", "--yes", "--json", cwd=tmp_path)
        found = findings(run)
        books = sandbox.ledger()["gate"]
    assert not [order for order in books["orders"] if order["status"] == "open"]
    (answers,) = (tmp_path / "var").glob("sandbox.drill-*")
    assert len(list(answers.rglob("*.json"))) > 3 and answers.stat().st_mode & 0o077 == 0
    expect(found, "local", "drill_answers", "pass", str(answers.name))
    if fault == "reject_balance":
        expect(found, "gate", step, "fail", "refused (BALANCE_NOT_ENOUGH)")
        assert run.code == 3
    else:
        assert found["gate", step]["result"] in ("pass", "fail"), found["gate", step]
    expect(found, "gate", "drill_trade", "pass", "net -")


@pytest.mark.thorough
def test_no_drill_is_tried_where_a_check_failed(tmp_path: Path) -> None:
    with sandbox_process(tmp_path) as sandbox:
        sandbox.fault("okx", "key_revoked", seconds=3600)
        run = run_arb("doctor", "--sandbox", sandbox.admin, "--drill", "--yes", "--json", cwd=tmp_path)
        orders = [order for books in sandbox.ledger().values() for order in books["orders"]]
    expect(findings(run), "local", "drill", "fail", "okx signature", "name the venues that are well")
    assert run.code == 3 and orders == []
