"""Loaders: the same data frames from both databases, with units, and with the sums of the ledger."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

pytest.importorskip("pandas", reason="the extra `notebooks` is not installed")

from arb.errors import ConfigError
from arb.store.ledger.database import open_engine
from arb.store.ledger.migrate import upgrade
from arb.view.report import load, plots
from tests.support.history import a_history, fill_ledger

LOADERS: tuple[Callable[..., Any], ...] = (
    load.trades,
    load.legs,
    load.episodes,
    load.executions,
    load.holdings,
    load.incidents,
    load.thresholds,
)


def sum_of(db_url: str, sql: str) -> int:
    engine = open_engine(db_url)
    with engine.connect() as connection:
        value = int(connection.execute(text(sql)).scalar_one())
    engine.dispose()
    return value


def test_every_column_of_every_loader_has_a_unit(history_url: str) -> None:
    for loader in LOADERS:
        frame = loader(history_url)
        assert len(frame)
        assert list(frame.columns) == sorted(frame.columns, key=list(frame.attrs["units"]).index)
        assert set(frame.attrs["units"]) == set(frame.columns)
        assert frame.select_dtypes("float").columns.intersection([c for c in frame if c.endswith("_e8")]).empty


def test_sums_are_those_of_the_ledger(history_url: str) -> None:
    trades, episodes, fills = load.trades(history_url), load.episodes(history_url), load.executions(history_url)
    for term in load.TERMS:
        assert trades[term].sum() == sum_of(history_url, f"SELECT SUM({term}) FROM pair_trades")
    assert trades[list(load.TERMS[:-1])].sum(axis=1).tolist() == trades["realised_net_e8"].tolist()
    assert episodes["best_net_e8"].sum() == sum_of(history_url, "SELECT SUM(best_net_e8) FROM opportunities")
    assert fills["fee_quote_value_e8"].sum() == sum_of(history_url, "SELECT SUM(fee_quote_value_e8) FROM fills")


def test_instants_have_a_twin_in_utc_that_keeps_every_nanosecond(history_url: str) -> None:
    trades = load.trades(history_url)
    assert str(trades["closed_at"].dt.tz) == "UTC"
    assert [moment.value for moment in trades["closed_at"]] == trades["closed_ns"].tolist()


def test_what_is_older_is_left_out(history_url: str) -> None:
    everything = load.trades(history_url)
    since = int(everything["decided_ns"].sort_values().iloc[len(everything) // 2])
    assert load.trades(history_url, since=str(since))["decided_ns"].min() == since


def test_both_databases_give_the_same_frames(tmp_path: Path, postgres_url: str) -> None:
    sqlite = f"sqlite:///{tmp_path / 'a.sqlite'}"
    for url in (sqlite, postgres_url):
        fill_ledger(url, a_history(pairs=30, days=2))
    for loader in LOADERS:
        one, other = loader(sqlite), loader(postgres_url)
        assert one.attrs == other.attrs
        assert one.dtypes.tolist() == other.dtypes.tolist()
        for column in one:  # floats may differ in their last bit: the two databases divide in their own ways
            alike = one[column].round(9).equals(other[column].round(9)) if one[column].dtype.kind == "f" else None
            assert one[column].equals(other[column]) if alike is None else alike, (loader.__name__, column)


def test_an_empty_ledger_gives_empty_frames_with_all_columns(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'a.sqlite'}"
    upgrade(url)
    for loader in LOADERS:
        frame = loader(url)
        assert len(frame) == 0
        assert set(frame.columns) == set(frame.attrs["units"])


def test_a_figure_takes_a_frame_as_it_takes_columns(history_url: str) -> None:
    assert plots.waterfall(load.trades(history_url)).finding.startswith("Of ")


def test_a_notebook_started_beside_itself_finds_the_ledger_one_folder_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ARB_DB_URL", raising=False)
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "var").mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")
    assert load.ledger() == "sqlite:///../var/sandbox.sqlite"
    monkeypatch.chdir(tmp_path)
    assert load.ledger() == "sqlite:///var/sandbox.sqlite"
    monkeypatch.setenv("ARB_DB_URL", "sqlite:///elsewhere.sqlite")
    with pytest.raises(ConfigError, match=r"elsewhere\.sqlite: no such file"):
        load.trades()


def test_a_ledger_is_named_by_its_file_or_its_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.sqlite"
    path.touch()
    monkeypatch.setenv("HOME", str(tmp_path))
    assert load.ledger(str(path)) == load.ledger("~/a.sqlite") == f"sqlite:///{path}"
    assert load.ledger("postgresql://me@localhost/arb") == "postgresql://me@localhost/arb"
    with pytest.raises(ConfigError, match=r"no ledger at .*nowhere\.sqlite"):
        load.ledger(str(tmp_path / "nowhere.sqlite"))
