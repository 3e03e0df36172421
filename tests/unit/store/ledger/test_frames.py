"""Loaders of whole tables and views for notebooks; the notebooks themselves are run in tests/unit/report."""

from pathlib import Path
from typing import Any

import pytest

from arb.errors import ConfigError
from arb.store.journal.journal import Journal
from arb.store.ledger import frames
from arb.store.ledger.ledger import InlineLedger
from arb.store.ledger.migrate import upgrade
from tests.unit.store.rows import T0, a_balance, a_finished_pair, a_run, an_event, an_incident, an_opportunity, keep

pytest.importorskip("pandas", reason="the extra `notebooks` is not installed")


@pytest.fixture
def filled_url(db_url: str, journal: Journal) -> str:
    ledger = InlineLedger(db_url, journal)
    story = [a_run(1), *a_finished_pair(1), *a_finished_pair(2), a_balance(1), an_incident(1, pair_trade_id=1)]
    for seq, record in enumerate(story, 1):
        ledger.submit(journal.append(an_event(seq), keep(seq, record)))
    ledger.submit_untraded(an_opportunity(10_000_000_001))
    ledger.close()
    return db_url


def test_a_name_that_is_no_table_is_refused(filled_url: str) -> None:
    with pytest.raises(ConfigError, match="no table or view 'x; DROP TABLE runs'"):
        frames.load("x; DROP TABLE runs", filled_url, order_by="id")


def test_money_stays_exact_beside_its_readable_twin_and_instants_are_utc(filled_url: str) -> None:
    pairs = frames.pair_trades(filled_url)
    assert pairs["realised_net_e8"].sum() == 230_000_002
    assert pairs["realised_net"].dtype == "float64"
    assert pairs["buy_size"].tolist() == [0.1001, 0.1001]
    assert pairs["decided_at"][0].value == T0 + 1000
    assert str(pairs["decided_at"].dt.tz) == "UTC"


@pytest.mark.parametrize(
    "loader", [frames.pair_trades, frames.opportunities, frames.fills, frames.balances, frames.runs]
)
def test_every_instant_stands_beside_itself_in_utc_to_the_nanosecond(filled_url: str, loader: Any) -> None:
    frame = loader(filled_url)
    names = [name for name in frame.columns if name == "ns" or name.endswith("_ns")]
    assert names
    for name in names:
        twin = name.removesuffix("ns") + "at"
        assert list(frame.columns).index(twin) == list(frame.columns).index(name) + 1
        assert str(frame[twin].dtype) == "datetime64[ns, UTC]"
        known = frame[frame[name].notna()]
        assert [shown.value for shown in known[twin]] == known[name].tolist()
        assert frame[twin].isna().sum() == len(frame) - len(known)


def test_a_length_of_time_is_no_instant(filled_url: str) -> None:
    frame = frames.load("opportunities_daily", filled_url, order_by="day")
    assert "lived_ns" in frame.columns and not [name for name in frame.columns if name.endswith("_at")]


@pytest.mark.parametrize(
    "loader",
    [
        frames.runs,
        frames.alerts,
        frames.opportunities,
        frames.pair_trades,
        frames.orders,
        frames.fills,
        frames.balances,
        frames.incidents,
        frames.daily_pnl,
        frames.venue_quality,
        frames.reasons,
    ],
)
def test_every_loader_reads_an_empty_ledger(tmp_path: Path, loader: Any) -> None:
    url = f"sqlite:///{tmp_path}/empty.sqlite"
    upgrade(url)
    assert len(loader(url)) == 0


def test_every_loader_reads_a_filled_ledger(filled_url: str) -> None:
    lengths = [
        len(loader(filled_url))
        for loader in (frames.runs, frames.opportunities, frames.orders, frames.fills, frames.balances)
    ]
    assert lengths == [1, 3, 4, 4, 1]
    assert len(frames.reasons(filled_url)) == len(frames.daily_pnl(filled_url)) == 1
    assert (len(frames.venue_quality(filled_url)), len(frames.incidents(filled_url))) == (2, 1)
