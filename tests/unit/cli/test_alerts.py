"""`arb alerts` and `arb alerts ack`, at the command line, with the engine stopped; a running one stands in tests/unit/app."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from arb.cli import main
from arb.clock import SystemClock
from arb.core.messages.records import IncidentRecord
from arb.store.journal.journal import Journal
from tests.unit.store.alert_stores import Stores
from tests.unit.store.conftest import query
from tests.unit.store.rows import T0, a_pair, a_run, an_incident

Captured = pytest.CaptureFixture[str]
RUN = 1_000_000_000
FORM = "write RUN-NUMBER, for example 3-17, or 17 for the newest run"


def drift(number: int, **changes: Any) -> IncidentRecord:
    values = {"kind": "balance_drift", "severity": "critical", "ns": T0 + number, "text": f"BTC differs {number}"}
    return an_incident(RUN + number, **values | changes)


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return a ledger that has an alert at gate, one about a pair, and no engine."""
    monkeypatch.chdir(tmp_path)
    stores = Stores("sqlite:///ledger.sqlite", tmp_path)
    stores.write(a_run(1), a_pair(5), drift(1), drift(2))
    stores.write(an_incident(RUN + 3, kind="carried", pair_trade_id=5, ns=T0 + 3_600_000_000_000, venue=None))
    stores.stop()
    return "sqlite:///ledger.sqlite"


def listed(ledger: str, capsys: Captured, *options: str) -> list[dict[str, Any]]:
    assert main(["alerts", "--db", ledger, "--json", *options]) == 0
    found: list[dict[str, Any]] = msgspec.json.decode(capsys.readouterr().out)["alerts"]
    return [alert | {"id": int(alert["id"])} for alert in found]


def test_the_latest_comes_first_with_what_to_do(ledger: str, capsys: Captured) -> None:
    assert main(["alerts", "--db", ledger]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "alerts",
        "alert  kind                last at              count  text",
        "1-3    carried BTC/USDT    2023-11-14 23:13:20      1  one leg filled short. To",
        "                                                       do: run `arb flatten",
        "                                                       --reason TEXT`, or trade",
        "                                                       the base by hand",
        "1-1    balance_drift gate  2023-11-14 22:13:20      2  BTC differs 2 | BTC",
        "                                                       differs 1. To do: find",
        "                                                       the cause at the venue (a",
        "                                                       manual trade, a transfer,",
        "                                                       interest), then run `arb",
        "                                                       resume --reason TEXT`",
    ]


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ((), [RUN + 3, RUN + 1]),
        (("--venue", "gate"), [RUN + 1]),
        (("--symbol", "BTC/USDT"), [RUN + 3]),
        (("--since", "2023-11-14 22:14"), [RUN + 3]),
        (("--until", "2023-11-14 22:14"), [RUN + 1]),
        (("--run", "1"), [RUN + 3, RUN + 1]),
        (("--limit", "1"), [RUN + 3]),
    ],
)
def test_the_filters_of_rows_hold(ledger: str, capsys: Captured, options: tuple[str, ...], found: list[int]) -> None:
    assert [alert["id"] for alert in listed(ledger, capsys, *options)] == found


def test_a_filter_that_matches_nothing_says_so(ledger: str, capsys: Captured) -> None:
    assert main(["alerts", "--db", ledger, "--venue", "okx"]) == 0
    assert capsys.readouterr().out == "no open alert at okx\n"


@pytest.mark.parametrize("ident", [str(RUN + 1), "1-1", "1"], ids=["whole id", "short id", "number in its run"])
def test_an_alert_is_acknowledged_without_an_engine_and_stays_so_after_a_rebuild(
    ledger: str, capsys: Captured, ident: str
) -> None:
    assert main(["alerts", "ack", ident, "--reason", "a deposit", "--db", ledger, "--json"]) == 0
    answer = msgspec.json.decode(capsys.readouterr().out)
    assert (answer["acknowledged"], answer["engine"], answer["count"]) == (str(RUN + 1), "not running", 2)
    for _ in range(2):
        assert [alert["id"] for alert in listed(ledger, capsys)] == [RUN + 3]
        (_, kept) = listed(ledger, capsys, "--all")
        assert kept["reason"] == "a deposit" and kept["acknowledged_by"] and kept["acknowledged_at"]
        assert main(["db", "rebuild", "--db", ledger]) == 0
        capsys.readouterr()


def test_options_before_ack_are_not_lost(ledger: str, capsys: Captured) -> None:
    assert main(["alerts", "--db", ledger, "--json", "ack", "3", "--reason", "sold it"]) == 0
    assert msgspec.json.decode(capsys.readouterr().out)["acknowledged"] == str(RUN + 3)


def test_a_second_acknowledgement_names_the_first(ledger: str, capsys: Captured) -> None:
    main(["alerts", "ack", "1", "--reason", "a deposit", "--db", ledger])
    capsys.readouterr()
    assert main(["alerts", "ack", str(RUN + 1), "--reason", "again", "--db", ledger]) == 2
    assert capsys.readouterr().err.startswith(f"arb: alert {RUN + 1}: acknowledged before, by ")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("ack", "8", "--reason", "x"), "no alert 8 in this ledger; `arb alerts` lists the open ones"),
        (("ack", "1-8", "--reason", "x"), "no alert 1-8 in this ledger; `arb alerts` lists the open ones"),
        (("ack", "2-1", "--reason", "x"), "no run 2 in this ledger: the newest is 1"),
        (("ack", "x8", "--reason", "x"), f"'x8' is no alert: {FORM}"),
        (("ack", "9" * 40, "--reason", "x"), f"'{'9' * 40}' is no alert: {FORM}"),
        (("ack", "1"), "Missing option '--reason': see `arb alerts ack --help`"),
        (("ack", "1", "--reason", " "), "--reason: give the reason, in 1 to 500 characters"),
    ],
)
def test_what_cannot_be_acknowledged_is_one_line(
    ledger: str, capsys: Captured, arguments: tuple[str, ...], line: str
) -> None:
    assert main(["alerts", *arguments, "--db", ledger]) == 2
    assert capsys.readouterr().err == f"arb: {line}\n"
    assert len(listed(ledger, capsys)) == 2


def test_without_engine_and_journal_nothing_is_acknowledged_and_it_is_no_success(ledger: str, capsys: Captured) -> None:
    Path("ledger.journal.sqlite").unlink()
    assert main(["alerts", "ack", "1", "--reason", "x", "--db", ledger]) == 3
    assert "nothing was acknowledged: journal ledger.journal.sqlite is not here" in capsys.readouterr().err
    assert query(ledger, "SELECT count(*) FROM alerts WHERE acknowledged_ns IS NOT NULL") == [(0,)]


def test_a_journal_that_an_engine_holds_without_answering_is_no_success(ledger: str, capsys: Captured) -> None:
    held = Journal.open(Path("ledger.journal.sqlite"), SystemClock())
    try:
        assert main(["alerts", "ack", "1", "--reason", "x", "--db", ledger]) == 3
    finally:
        held.close()
    assert "nothing was acknowledged" in capsys.readouterr().err
    assert len(listed(ledger, capsys)) == 2


def test_a_resumption_ends_what_it_would_end_in_a_running_engine(ledger: str, capsys: Captured) -> None:
    assert main(["resume", "--reason", "a deposit", "--db", ledger, "--json"]) == 0
    assert msgspec.json.decode(capsys.readouterr().out)["alerts"] == [str(RUN + 1)]
    assert [alert["id"] for alert in listed(ledger, capsys)] == [RUN + 3], "a carried leg is not resumed"
    (ended,) = query(ledger, f"SELECT reason, acknowledged_ns > last_ns FROM alerts WHERE id = {RUN + 1}")
    assert ended == ("a deposit", 1)


def test_a_resumption_holds_where_the_ledger_is_not_to_be_had(ledger: str, capsys: Captured) -> None:
    Path("ledger.sqlite").unlink()
    assert main(["resume", "--reason", "a deposit", "--db", ledger, "--json"]) == 0
    assert msgspec.json.decode(capsys.readouterr().out)["alerts"] == []
    assert not Path("ledger.sqlite").exists()
