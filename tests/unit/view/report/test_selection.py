"""Rows selected by time, run, symbol, venue and kind: the same rows, whoever asks and on either database."""

from typing import Any

import pytest
from sqlalchemy import text

from arb.clock import NS_PER_S, utc_text
from arb.errors import ConfigError
from arb.store.ledger.database import open_engine
from arb.store.ledger.queries import LedgerReader
from arb.store.ledger.selection import Selection, instant_of, selection_of
from arb.view.report import load
from arb.view.report.summary import Sources, summarise
from tests.support.history import DAY_NS, FIRST_DAY_NS

NOW_NS = FIRST_DAY_NS + 2 * DAY_NS + 3600 * NS_PER_S
SELECTIONS = (
    Selection(),
    Selection(since_ns=FIRST_DAY_NS + DAY_NS),
    Selection(until_ns=FIRST_DAY_NS + DAY_NS),
    Selection(run_id=(FIRST_DAY_NS + DAY_NS) // NS_PER_S),
    Selection(symbol="BTC/USDT"),
    Selection(venue="gate"),
    Selection(kind="arb"),
    Selection(kind="dust"),
    Selection(since_ns=FIRST_DAY_NS + DAY_NS, symbol="ETH/USDT", venue="okx", kind="arb"),
)


@pytest.mark.parametrize(
    ("written", "name", "meant"),
    [
        ("2025-10-11", "since", FIRST_DAY_NS + DAY_NS),
        ("2025-10-11", "until", FIRST_DAY_NS + 2 * DAY_NS),
        ("2025-10-11 06:30", "since", FIRST_DAY_NS + DAY_NS + 6 * 3600 * NS_PER_S + 1800 * NS_PER_S),
        ("2025-10-11T06:30:00+02:00", "until", FIRST_DAY_NS + DAY_NS + 4 * 3600 * NS_PER_S + 1800 * NS_PER_S),
        ("today", "since", FIRST_DAY_NS + 2 * DAY_NS),
        ("yesterday", "until", FIRST_DAY_NS + 2 * DAY_NS),
        ("90m", "since", NOW_NS - 5400 * NS_PER_S),
        ("2d", "since", NOW_NS - 2 * DAY_NS),
        ("now", "until", NOW_NS),
        (str(NOW_NS + 1), "since", NOW_NS + 1),
    ],
)
def test_an_instant_is_written_as_a_day_a_time_or_so_long_ago(written: str, name: str, meant: int) -> None:
    assert instant_of(written, NOW_NS, name) == meant


@pytest.mark.parametrize(
    "written", ["", "5", "12:30", "2025-13-01", "2025-02-30", "tomorrow", "1e9", "3 d", "٣d", "-2h", "9" * 40]
)
def test_what_is_no_instant_is_refused_with_examples(written: str) -> None:
    with pytest.raises(ConfigError, match="is no instant: write for example 2026-11-23"):
        instant_of(written, NOW_NS, "since")


def test_what_can_match_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="is not before until"):
        selection_of(NOW_NS, since="today", until="2d")
    with pytest.raises(ConfigError, match="BTCUSDT"):
        selection_of(NOW_NS, symbol="BTCUSDT")
    with pytest.raises(ConfigError, match="give one of arb, dust"):
        selection_of(NOW_NS, kind="spot")


@pytest.mark.thorough
@pytest.mark.parametrize("selection", SELECTIONS, ids=str)
def test_everybody_selects_the_same_pairs(history_url: str, selection: Selection) -> None:
    everything = _rows(history_url, "SELECT * FROM pair_trades")
    meant = {row["id"] for row in everything if _matches(row, selection)}
    assert meant or selection.kind == "dust"
    assert {row["id"] for row in LedgerReader(history_url).pairs(selection, limit=10_000)} == meant
    sources = Sources(history_url, selection)
    assert sum(row["pairs"] for row in [*sources.sums.pairs, *sources.sums.unproved]) == len(meant)
    finished = {row["id"] for row in everything if row["realised_net_e8"] is not None and row["identity"] is None}
    assert set(sources.trades["id"].tolist()) == meant & finished
    assert set(sources.legs["pair_trade_id"].tolist()) <= meant
    own = {row["id"]: row["pair_trade_id"] for row in _rows(history_url, "SELECT id, pair_trade_id FROM orders")}
    fills = {row["id"]: row["order_id"] for row in _rows(history_url, "SELECT id, order_id FROM fills")}
    if selection.kind is not None or selection.run_id is not None:
        of_pairs = {
            row["id"] for row in everything if _matches(row, Selection(run_id=selection.run_id, kind=selection.kind))
        }
        assert {own[fills[fill]] for fill in sources.executions["id"].tolist()} <= of_pairs
    summarise(sources)


def test_loaders_take_the_same_words(history_url: str) -> None:
    chosen = load.trades(history_url, since="2025-10-11", until="2025-10-11", symbol="BTC/USDT")
    assert len(chosen) and set(chosen["symbol"]) == {"BTC/USDT"}
    assert chosen["decided_ns"].between(FIRST_DAY_NS + DAY_NS, FIRST_DAY_NS + 2 * DAY_NS - 1).all()
    held = load.holdings(history_url, venue="gate", symbol="BTC/USDT")
    assert set(held["venue"]) == {"gate"} and set(held["asset"]) <= {"BTC", "USDT"}
    assert set(load.runs(history_url, until="2025-10-10")["run_id"]) == {FIRST_DAY_NS // NS_PER_S}


def test_no_time_before_or_after_the_selection_counts_as_traded(history_url: str) -> None:
    selection = Selection(since_ns=FIRST_DAY_NS + DAY_NS // 2, until_ns=FIRST_DAY_NS + DAY_NS // 2 + 60 * NS_PER_S)
    assert summarise(Sources(history_url, selection))["run_seconds"] == 60


def test_instants_are_read_by_people_in_utc() -> None:
    assert utc_text(FIRST_DAY_NS + 999_999) == "2025-10-10 00:00:00.000"
    assert utc_text(FIRST_DAY_NS + 1_250_000_000) == "2025-10-10 00:00:01.250"


def _matches(row: dict[str, Any], selection: Selection) -> bool:
    return (
        selection.since_ns <= row["decided_ns"] < selection.until_ns
        and selection.run_id in (None, row["run_id"])
        and selection.symbol in (None, row["symbol"])
        and selection.venue in (None, row["buy_venue"], row["sell_venue"])
        and selection.kind in (None, row["kind"])
    )


def _rows(url: str, sql: str) -> list[dict[str, Any]]:
    engine = open_engine(url)
    with engine.connect() as connection:
        return [dict(row) for row in connection.execute(text(sql)).mappings()]
