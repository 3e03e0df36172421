"""Pairs whose coins are not proved to be the same at both venues: the ledger marks them, and no sum of profit holds them."""

from collections.abc import Callable
from decimal import Decimal

import msgspec
import pytest

from arb.core.messages.commands import AnyRecord
from arb.core.messages.records import PairRecord
from arb.store.ledger.columns import ColumnReader
from arb.store.ledger.migrate import upgrade
from arb.store.ledger.queries import LedgerReader, RowDict
from arb.store.ledger.selection import Selection
from arb.store.ledger.sums import counted, read_sums
from arb.view.report.summary import TERMS, Sources, summarise
from tests.support.history import a_history, fill_ledger
from tests.unit.store.conftest import query

E8 = Decimal("1e-8")
MARKED = ("gate", "okx")
"""Where the marked pairs of this history buy and sell."""


@pytest.fixture(scope="module")
def history() -> list[AnyRecord]:
    def marked(row: AnyRecord) -> AnyRecord:
        if isinstance(row, PairRecord) and (row.buy_venue, row.sell_venue) == MARKED:
            return msgspec.structs.replace(row, identity="unproved")
        return row

    return [marked(row) for row in a_history(pairs=60, days=3)]


@pytest.fixture
def ledger(db_url: str, history: list[AnyRecord]) -> str:
    upgrade(db_url)
    fill_ledger(db_url, history)
    return db_url


def net_e8(history: list[AnyRecord], which: Callable[[PairRecord], bool]) -> dict[str, int]:
    """Return what the finished pairs that are `which` earned, by quote."""
    found: dict[str, int] = {}
    for row in {row.id: row for row in history if isinstance(row, PairRecord)}.values():
        if row.waterfall is not None and which(row):
            found[row.quote] = found.get(row.quote, 0) + row.waterfall.realised_net_e8
    return found


def test_the_report_sums_all_others_and_lists_these_by_route(ledger: str, history: list[AnyRecord]) -> None:
    report = summarise(Sources(ledger))
    proved = {quote: amount * E8 for quote, amount in net_e8(history, lambda row: row.identity is None).items()}
    unproved = net_e8(history, lambda row: row.identity is not None)
    assert proved and unproved
    assert report["net"] == proved
    for quote, terms in report["waterfall"].items():
        assert sum(terms[term] for term in TERMS[:-1]) == terms["realised_net"] == proved[quote]
    for rows in (report["days"], report["venue_pairs"]):
        assert {q: sum(row["net"] for row in rows if row["quote"] == q) for q in proved} == proved
    assert {(row["buy_venue"], row["sell_venue"]) for row in report["unproved"]} == {MARKED}
    for quote, amount in unproved.items():
        assert sum(row["net"] for row in report["unproved"] if row["quote"] == quote) == amount * E8


def test_what_a_day_earned_leaves_them_out(ledger: str, history: list[AnyRecord]) -> None:
    days = dict(query(ledger, "SELECT quote, SUM(trading_net_e8) FROM v_daily_pnl GROUP BY quote"))
    assert days == net_e8(history, lambda row: row.identity is None)


def net_of(rows: list[RowDict]) -> dict[str, int]:
    return counted([row for row in rows if row["finished"]], "quote", "realised_net_e8")


def test_the_sums_of_a_run_have_them_apart(ledger: str, history: list[AnyRecord]) -> None:
    reader = LedgerReader(ledger)
    run_id = reader.last_run_id()
    assert run_id is not None
    sums = read_sums(ledger, Selection(run_id=run_id))
    assert net_of(sums.pairs) == net_e8(history, lambda row: row.run_id == run_id and row.identity is None)
    assert net_of(sums.unproved) == net_e8(history, lambda row: row.run_id == run_id and row.identity is not None)


def test_a_list_of_pairs_shows_the_mark_and_figures_are_drawn_of_the_others(ledger: str) -> None:
    rows = LedgerReader(ledger).pairs(limit=1000)
    assert {(row["buy_venue"], row["sell_venue"]) == MARKED: row["identity"] for row in rows} == {
        True: "unproved",
        False: None,
    }
    trades = ColumnReader(ledger).trades()
    assert MARKED not in set(zip(trades["buy_venue"], trades["sell_venue"], strict=True))
    assert len(trades["id"]) > 0
