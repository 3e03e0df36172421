"""The judges, judged: a seed that ended well, tampered with in one place, is found out."""

import copy
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from arb.core.messages.records import FillRecord, row_key
from arb.store.journal.reader import JournalReader
from proofs.faultsim.disk import Files, temporary_files
from proofs.faultsim.judges import judge
from proofs.faultsim.plan import make_plan
from proofs.faultsim.world import Outcome, Simulation
from tests.support.journals import lay_open

SEED = 18
BLOCKED = '{"store":"ledger","blocked":true}'


@pytest.fixture(name="ended", scope="module")
def an_ended_seed() -> Iterator[tuple[Files, Outcome]]:
    with temporary_files() as files:
        outcome = Simulation(make_plan(SEED), files).run()
        assert outcome.troubles == [] and outcome.pairs > 0
        assert _findings(files, outcome, outcome.truth) == []
        yield files, outcome


@pytest.fixture(name="copied")
def a_copy(ended: tuple[Files, Outcome], tmp_path: Path) -> tuple[Files, Outcome]:
    files, outcome = ended
    shutil.copytree(files.folder, tmp_path / "seed")
    lay_open((copied := Files(tmp_path / "seed")).journal)
    return copied, outcome


def _findings(files: Files, outcome: Outcome, truth: dict[str, Any], left_open: list[int] | None = None) -> list[str]:
    reported = msgspec.structs.replace(outcome, truth=truth, halted=None, left_open=left_open or [], calm_ns=0)
    return judge(files, reported)


@pytest.mark.thorough
def test_no_step_of_the_engine_writes_a_row_twice(ended: tuple[Files, Outcome]) -> None:
    reader = JournalReader.open(ended[0].journal)
    written = Counter((row.seq, row_key(row.record)) for row in reader.records_from())
    reader.close()
    assert any(key[0] is FillRecord for _, key in written)
    assert [place for place, times in written.items() if times > 1] == []


def _refuse_for_funds(truth: dict[str, Any]) -> None:
    _own(_a_venue_with(truth, "orders")["orders"])["reject"] = "insufficient_balance"


Tamper = Callable[[dict[str, Any]], None]


def _a_venue_with(truth: dict[str, Any], kind: str) -> dict[str, Any]:
    """Return the ledger of a venue that has rows of ours of this kind."""
    return next(
        ledger for ledger in truth.values() if any(str(row["client_id"]).find("arb") >= 0 for row in ledger[kind])
    )


def _own(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return next(row for row in rows if "arb" in str(row["client_id"]))


def _send_again(truth: dict[str, Any]) -> None:
    requests = _a_venue_with(truth, "requests")["requests"]
    requests.append(dict(next(row for row in requests if row["kind"] == "place" and "arb" in row["client_id"])))


def _take_again(truth: dict[str, Any]) -> None:
    orders = _a_venue_with(truth, "orders")["orders"]
    orders.append(dict(next(row for row in orders if "arb" in row["client_id"] and row["status"] != "rejected")))


def _fill_unheard_of(truth: dict[str, Any]) -> None:
    fills = _a_venue_with(truth, "fills")["fills"]
    fills.append(_own(fills) | {"trade_id": "999"})


def _fill_that_never_was(truth: dict[str, Any]) -> None:
    fills = _a_venue_with(truth, "fills")["fills"]
    fills.remove(_own(fills))


def _fill_at_another_price(truth: dict[str, Any]) -> None:
    _own(_a_venue_with(truth, "fills")["fills"])["price"] = "1"


def _end_otherwise(truth: dict[str, Any]) -> None:
    orders = [row for ledger in truth.values() for row in ledger["orders"]]
    _own([row for row in orders if row["status"] == "closed"])["status"] = "cancelled"


def _leave_open(truth: dict[str, Any]) -> None:
    orders = _a_venue_with(truth, "orders")["orders"]
    _own([row for row in orders if row["status"] != "rejected"])["status"] = "open"


def _lose_assets(truth: dict[str, Any]) -> None:
    truth["gate"]["balances"]["USDT"]["free"] = "1"


def _expose(truth: dict[str, Any]) -> None:
    fill = _own(_a_venue_with(truth, "fills")["fills"])
    fill["size"] = str(float(fill["size"]) * 1e6)


@pytest.mark.parametrize(
    ("tamper", "finding"),
    [
        (_send_again, "sent twice"),
        (_take_again, "sent twice"),
        (_fill_unheard_of, "fill not in the ledger"),
        (_fill_that_never_was, "fill not at the venue"),
        (_fill_at_another_price, "fill not in the ledger"),
        (_end_otherwise, "order"),
        (_leave_open, "not ended"),
        (_lose_assets, "conservation"),
        (_refuse_for_funds, "funds"),
        (_expose, "exposure"),
    ],
)
def test_a_venue_that_knows_otherwise_is_believed(copied: tuple[Files, Outcome], tamper: Tamper, finding: str) -> None:
    files, outcome = copied
    truth = copy.deepcopy(outcome.truth)
    tamper(truth)
    assert any(line.startswith(finding) for line in _findings(files, outcome, truth))


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("statement", "finding"),
    [
        ("DELETE FROM fills WHERE id = (SELECT max(id) FROM fills)", "fill not in the ledger"),
        ("UPDATE fills SET size = '9' WHERE id = (SELECT max(id) FROM fills)", "fill not at the venue"),
        ("UPDATE orders SET role = 'foreign' WHERE id = (SELECT max(id) FROM orders)", "foreign: order"),
        ("UPDATE orders SET role = 'foreign' WHERE id = (SELECT max(order_id) FROM fills)", "foreign: order"),
        ("UPDATE orders SET status = 'open' WHERE id = (SELECT max(id) FROM orders)", "order"),
        ("UPDATE orders SET status = 'absent' WHERE status = 'filled'", "order"),
        ("UPDATE pair_trades SET residual_size = '7' WHERE kind = 'arb'", "pair"),
        ("UPDATE pair_trades SET realised_net_e8 = realised_net_e8 + 1", "pair"),
        ("UPDATE pair_trades SET realised_net_e8 = -99999999999999", "loss"),
        ("UPDATE pair_trades SET realised_net_e8 = realised_net_e8 + 2, hedge_cost_e8 = hedge_cost_e8 + 2", "profit"),
        ("UPDATE pair_trades SET closed_ns = NULL", "not ended"),
        ("UPDATE incidents SET text = 'all well'", "projection"),
        ("DELETE FROM balances", "projection"),
        ("UPDATE runs SET exit_code = 4", "projection"),
    ],
)
def test_a_ledger_that_says_otherwise_is_not_believed(
    copied: tuple[Files, Outcome], statement: str, finding: str
) -> None:
    files, outcome = copied
    with closing(sqlite3.connect(files.ledger)) as db:
        db.execute("PRAGMA ignore_check_constraints=ON")
        changed = db.execute(statement).rowcount
        db.commit()
    if "incidents" in statement and not changed:
        pytest.skip("this seed had no incident")
    assert any(line.startswith(finding) for line in _findings(files, outcome, outcome.truth))


@pytest.mark.parametrize(("cause", "is_loss"), [("hedge_cost_e8", True), ("residual_change_e8", False)])
def test_of_sold_dust_only_the_sale_can_lose_not_what_one_book_pays_for_the_rest(
    copied: tuple[Files, Outcome], cause: str, is_loss: bool
) -> None:
    files, outcome = copied
    with closing(sqlite3.connect(files.ledger)) as db:
        lost = f"{cause} = {cause} - 99999999999, realised_net_e8 = realised_net_e8 - 99999999999"
        db.execute(f"UPDATE pair_trades SET kind = 'dust', {lost}")
        db.commit()
    findings = _findings(files, outcome, outcome.truth)
    assert any(line.startswith("loss") for line in findings) is is_loss


def test_a_pair_left_open_without_a_halt_is_a_finding(copied: tuple[Files, Outcome]) -> None:
    files, outcome = copied
    assert any(line.startswith("not ended") for line in _findings(files, outcome, outcome.truth, left_open=[7]))


def test_a_repair_that_left_before_the_leg_had_ended_is_found_in_the_journal(copied: tuple[Files, Outcome]) -> None:
    files, outcome = copied
    with closing(sqlite3.connect(files.journal)) as db:
        # Every word that an order of ours had ended comes back as unknown: whatever was sent after it left too early.
        for word in ("filled", "partial_cancelled", "cancelled", "rejected"):
            db.execute(
                "UPDATE entries SET payload = replace(payload, ?, ?)", (f'"status":"{word}"', '"status":"unknown"')
            )
        repairs = db.execute(
            "SELECT count(*) FROM entries WHERE type = 'PlaceOrder' AND payload NOT LIKE '%\"role\":\"entry\"%'"
        ).fetchone()[0]
        db.commit()
    assert repairs > 0, "this seed had no repair: take another"
    assert any(line.startswith("sent too early") for line in _findings(files, outcome, outcome.truth))


def test_an_order_once_called_absent_that_the_venue_took_is_found_in_the_journal(
    copied: tuple[Files, Outcome],
) -> None:
    files, outcome = copied
    with closing(sqlite3.connect(files.journal)) as db:
        db.execute("UPDATE entries SET payload = replace(payload, ?, ?)", ('"status":"filled"', '"status":"absent"'))
        db.commit()
    assert any(line.startswith("written off") for line in _findings(files, outcome, outcome.truth))


@pytest.mark.parametrize(
    ("statement", "finding"),
    [
        ("UPDATE entries SET type = 'HaltAsked' WHERE type = 'ClockMeasured'", "opened"),
        (
            f"UPDATE entries SET type = 'StoreStateChanged', payload = '{BLOCKED}' WHERE type = 'ClockMeasured'",
            "opened",
        ),
        ("UPDATE entries SET t_ns = t_ns + 60000000000 WHERE payload LIKE '%FillRecord%'", "recorded late"),
        ("UPDATE entries SET t_ns = t_ns - 60000000000 WHERE payload LIKE '%FillRecord%'", "recorded early"),
    ],
)
def test_a_course_of_events_that_must_not_be_is_found_in_the_journal(
    copied: tuple[Files, Outcome], statement: str, finding: str
) -> None:
    files, outcome = copied
    with closing(sqlite3.connect(files.journal)) as db:
        assert db.execute(statement).rowcount
        db.commit()
    assert any(line.startswith(finding) for line in _findings(files, outcome, outcome.truth))
