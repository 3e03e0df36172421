"""Alerts: incidents that need a person, one for each kind, venue and symbol, until somebody has taken note of them."""

import hashlib
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from arb.clock import ManualClock
from arb.core.messages.commands import AnyRecord, Persist
from arb.core.messages.events import AlertAcknowledged, StoreStateChanged
from arb.core.messages.incidents import ALERT_RULES, ALERTS, IncidentKind
from arb.core.messages.records import AcknowledgementRecord, IncidentRecord
from arb.store.journal.upkeep import drop_story
from arb.store.ledger.alerts import acknowledge
from arb.store.ledger.database import open_engine
from arb.store.ledger.migrate import downgrade, upgrade
from tests.builders import Bench
from tests.unit.store.alert_stores import NOTED, Stores, drift, note
from tests.unit.store.conftest import query
from tests.unit.store.rows import T0, a_control, a_pair, a_run, an_incident

CLOCK = ManualClock(T0)


@pytest.fixture
def stores(db_url: str, tmp_path: Path) -> Iterator[Stores]:
    made = Stores(db_url, tmp_path)
    made.write(a_run(1))
    yield made
    made.stop()


# What opens one.


@pytest.mark.thorough
def test_an_incident_that_needs_nobody_opens_no_alert(stores: Stores) -> None:
    stores.write(an_incident(1, kind="late_fill"), an_incident(2, kind="unheard_of"), drift(3, severity="warning"))
    assert stores.open() == []


def test_an_incident_that_needs_a_person_opens_an_alert_that_says_what_to_do(stores: Stores) -> None:
    stores.write(drift(1))
    assert stores.open() == [
        {
            "id": 1,
            "run": 1,
            "kind": "balance_drift",
            "venue": "gate",
            "symbol": None,
            "since_ns": T0 + 1,
            "last_ns": T0 + 1,
            "seen_id": 1,
            "count": 1,
            "text": "BTC differs 1",
            "what_to_do": ALERTS[IncidentKind.BALANCE_DRIFT].what_to_do,
        }
    ]


def test_repetition_counts_and_shows_every_text_with_the_latest_first(stores: Stores) -> None:
    stores.write(drift(1, text="BTC differs"), drift(2, text="ETH differs"))
    stores.write(drift(3, text="BTC differs"))
    (alert,) = stores.open()
    assert (alert["id"], alert["count"], alert["since_ns"], alert["last_ns"]) == (1, 3, T0 + 1, T0 + 3)
    assert alert["text"] == "BTC differs | ETH differs"


def test_another_venue_kind_or_symbol_is_another_alert(stores: Stores) -> None:
    stores.write(a_pair(5))
    stores.write(drift(1), drift(2, venue="okx"), an_incident(3, kind="carried", pair_trade_id=5, venue=None))
    stores.write(an_incident(4, kind="carried", venue=None))
    found = {(alert["kind"], alert["venue"], alert["symbol"]): alert["count"] for alert in stores.open()}
    assert found == {
        ("balance_drift", "gate", None): 1,
        ("balance_drift", "okx", None): 1,
        ("carried", None, "BTC/USDT"): 1,
        ("carried", None, None): 1,
    }


def test_a_halt_that_lifts_itself_opens_none_and_every_other_does(stores: Stores) -> None:
    halt = {"kind": "halt", "severity": "critical", "venue": None}
    stores.write(an_incident(1, text="leg_deadline: two pairs are late", **halt))
    assert stores.open() == []
    stores.write(an_incident(2, text="contradiction: filled above its size", **halt))
    assert [alert["id"] for alert in stores.open()] == [2]


# What ends one.


def test_what_was_noted_is_open_no_more_and_says_by_whom_and_why(stores: Stores) -> None:
    stores.write(drift(1), note(1, 1))
    assert stores.open() == []
    kept = query(stores.db_url, "SELECT acknowledged_ns, acknowledged_by, reason FROM alerts")
    assert kept == [(T0 + 99, "ann", "a deposit of mine")]


def test_its_incidents_are_acknowledged_with_it_and_no_others(stores: Stores) -> None:
    stores.write(drift(1), drift(2, venue="okx"), drift(3), drift(4, severity="info"), note(1, 3), drift(5))
    noted = [(1, T0 + 99), (2, None), (3, T0 + 99), (4, None), (5, None)]
    assert query(stores.db_url, NOTED) == noted


def test_it_happens_again_after_it_was_noted_and_is_an_alert_again(stores: Stores) -> None:
    stores.write(drift(1), note(1, 1), drift(2))
    assert [(alert["id"], alert["count"]) for alert in stores.open()] == [(2, 1)]


def test_what_was_not_shown_to_whoever_took_note_stays_open(stores: Stores) -> None:
    stores.write(drift(1), drift(2), drift(3, venue="okx"))
    stores.write(drift(4, text="a million is missing"))
    stores.write(note(1, 2))
    gate = next(alert for alert in stores.open() if alert["venue"] == "gate")
    assert (gate["id"], gate["count"], gate["text"]) == (4, 1, "a million is missing")
    assert query(stores.db_url, "SELECT count, text FROM alerts WHERE id = 1") == [(2, "BTC differs 2 | BTC differs 1")]


@pytest.mark.parametrize("which", [note(7, 7), note(2, 1)], ids=["no alert", "nothing of it was seen"])
def test_a_note_on_what_is_not_there_changes_nothing(stores: Stores, which: AcknowledgementRecord) -> None:
    stores.write(drift(2), which)
    assert [alert["id"] for alert in stores.open()] == [2]


def test_a_resumption_is_the_note_on_the_halt_and_its_reason_is_kept(stores: Stores) -> None:
    halt = an_incident(1, kind="halt", severity="critical", venue=None, text="daily loss")
    stores.write(halt, drift(2), an_incident(3, kind="carried"))
    stores.write(an_incident(4, kind="resume", severity="info", venue=None, text="looked at it"))
    assert [alert["kind"] for alert in stores.open()] == ["carried"]
    kept = query(stores.db_url, "SELECT acknowledged_by, reason FROM alerts WHERE id < 3")
    assert kept == [("resume", "looked at it")] * 2


def test_a_trouble_that_is_over_ends_its_alert_at_its_own_venue_only(stores: Stores) -> None:
    stores.write(an_incident(1, kind="doctor"), an_incident(2, kind="doctor", venue="okx"))
    stores.write(an_incident(3, kind="doctor", severity="info", text="finds nothing any more"))
    assert [alert["venue"] for alert in stores.open()] == ["okx"]


def test_a_store_that_takes_rows_again_is_no_new_alert(stores: Stores) -> None:
    """The text is the engine's own: whoever words it anew meets this."""
    bench = Bench()
    for blocked in (True, False):
        bench.tell(StoreStateChanged(store="ledger", blocked=blocked, cause="disk full"))
    stopped, goes_on = (row for row in bench.rows(IncidentRecord) if isinstance(row, IncidentRecord))
    stores.write(an_incident(1, kind="store", severity=goes_on.severity, text=goes_on.text))
    assert stores.open() == []
    stores.write(an_incident(2, kind="store", severity=stopped.severity, text=stopped.text))
    assert [alert["id"] for alert in stores.open()] == [2]


def test_a_running_engine_journals_the_note_that_somebody_has_taken() -> None:
    bench = Bench()
    bench.tell(AlertAcknowledged(alert_id=4, seen_id=9, by="ann", reason="mine"))
    (row,) = bench.rows(AcknowledgementRecord)
    assert isinstance(row, AcknowledgementRecord)
    assert (row.id, row.seen_id, row.by, row.reason) == (4, 9, "ann", "mine")


# Kill, rebuild, upgrade.

KINDS = ("balance_drift", "doctor", "carried", "late_leg", "resume", "stop_lifted", "late_fill")


@st.composite
def stories(draw: st.DrawFn) -> list[AnyRecord]:
    """Return incidents of all sorts, and notes on any of them, in the order of a journal."""
    told: list[AnyRecord] = []
    for id in range(1, draw(st.integers(1, 14)) + 1):
        if told and draw(st.integers(0, 3)) == 0:
            told.append(note(draw(st.integers(1, id)), draw(st.integers(1, id))))
        severity = draw(st.sampled_from(("info", "warning", "critical")))
        venue = draw(st.sampled_from((None, "gate", "okx")))
        told.append(an_incident(id, kind=draw(st.sampled_from(KINDS)), severity=severity, venue=venue, text=f"{id}"))
    return told


@pytest.fixture(scope="module")
def empty(memory: Path) -> Path:
    """Return an empty ledger: to make one takes longer than all that a test does with it."""
    path = memory / "empty.sqlite"
    upgrade(f"sqlite:///{path}")
    return path


@pytest.mark.thorough
@settings(max_examples=40)
@given(story=stories(), cuts=st.sets(st.integers(1, 14)))
def test_alerts_are_the_same_however_rows_are_batched_after_a_rebuild_and_made_anew(
    story: Sequence[AnyRecord], cuts: set[int], memory: Path, empty: Path
) -> None:
    folder = Path(tempfile.mkdtemp(dir=memory))
    shutil.copy(empty, folder / "ledger.sqlite")
    stores = Stores(f"sqlite:///{folder}/ledger.sqlite", folder)
    stores.write(a_run(1))
    begin = 0
    for cut in [*sorted(cut for cut in cuts if cut < len(story)), len(story)]:
        stores.write(*story[begin:cut])
        begin = cut
    found = stores.kept()
    engine = open_engine(stores.db_url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE projection SET alert_rules = NULL"))
    engine.dispose()
    stores.again()
    assert stores.kept() == found
    assert stores.rebuilt() == found


def test_a_kill_before_the_projection_loses_no_alert_and_no_note(stores: Stores) -> None:
    stores.write(drift(1))
    seq = stores.journal.last_seq + 1
    event = AlertAcknowledged(seq=seq, t_ns=T0 + 50, alert_id=1, seen_id=1, by="ann", reason="mine")
    stores.journal.append(event, (Persist(cause=seq, record=event.record()),))
    stores.again()
    assert stores.open() == []
    kept = stores.kept()
    assert stores.rebuilt() == kept and kept[0][-3:] == (T0 + 50, "ann", "mine")


@pytest.mark.thorough
def test_without_an_engine_a_note_goes_into_the_journal_and_outlives_a_rebuild(stores: Stores) -> None:
    stores.write(drift(1))
    acknowledge(stores.journal, CLOCK, 1, 1, "ann", "mine")
    stores.again()
    assert stores.open() == []
    assert stores.rebuilt()[0][-2:] == ("ann", "mine")


@pytest.mark.thorough
def test_a_journal_whose_story_was_dropped_still_has_every_alert_and_note(stores: Stores) -> None:
    stores.write(drift(1), drift(2), note(1, 2), drift(3), an_incident(4, kind="resume", severity="info", venue=None))
    stores.write(*(a_control() for _ in range(40)))
    kept = stores.kept()
    stores.stop()
    assert drop_story(stores.path, T0 + 10**15) > 0
    assert stores.rebuilt() == kept


def test_the_version_of_the_rules_rises_with_every_change() -> None:
    """Else ledgers would keep alerts that a rebuild makes otherwise: give the new rules a version and its digest."""
    digests = {
        1: "f3b95b19fe1b82d9",
        2: "cbb471519ee59921",
        3: "065f558fc06ed53b",
        4: "9652277403ef3ea7",
        5: "819d71a17373a071",
    }
    rules = repr([(kind.value, *rule[:3], [str(by) for by in rule.ended_by]) for kind, rule in ALERTS.items()])
    assert digests[ALERT_RULES] == hashlib.sha256(rules.encode()).hexdigest()[:16]


@pytest.mark.thorough
def test_a_ledger_of_before_gets_the_alerts_that_its_incidents_make(stores: Stores) -> None:
    stores.write(drift(1), an_incident(2, kind="late_fill"), drift(3))
    stores.stop()
    downgrade(stores.db_url, "0013")
    upgrade(stores.db_url)
    assert query(stores.db_url, "SELECT alert_rules FROM projection") == [(None,)]
    stores.again()
    assert [(alert["id"], alert["count"]) for alert in stores.open()] == [(1, 2)]
    assert query(stores.db_url, "SELECT alert_rules FROM projection") == [(ALERT_RULES,)]


def test_texts_that_a_database_cannot_hold_do_not_stop_the_ledger(stores: Stores) -> None:
    stores.write(drift(1, text="a\0b"), AcknowledgementRecord(id=1, seen_id=1, ns=T0, by="\0", reason="c\0"))
    assert query(stores.db_url, "SELECT text, acknowledged_by, reason FROM alerts") == [("a�b", "�", "c�")]
