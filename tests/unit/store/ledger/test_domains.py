"""A code that nobody knows is refused when a row is made; the database lists none but those that can never grow in number.

And the levels of a book, which stand in one column, are read as exactly as they were written.
"""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb.core.messages.commands import AnyRecord
from arb.core.messages.records import AlternativeStage, AlternativeWay
from arb.errors import StoreError
from arb.store.journal.journal import Journal
from arb.store.ledger.database import journal_path, open_engine
from arb.store.ledger.domains import CODES, levels_of, levels_text
from arb.store.ledger.ledger import InlineLedger
from arb.store.ledger.migrate import upgrade
from arb.store.ledger.projector import Projector
from arb.store.ledger.rebuild import db_rebuild
from arb.store.ledger.tables import Base
from arb.store.ledger.writer import RowRefused, Writer
from tests.unit.store.conftest import a_journal, query
from tests.unit.store.rows import (
    D,
    a_balance,
    a_fill,
    a_filled_order,
    a_pair,
    a_run,
    a_traded_opportunity,
    an_alternative,
    an_event,
    an_incident,
    an_opportunity,
    an_order,
    keep,
)

UNKNOWN: dict[str, AnyRecord] = {
    "RunRecord 2 is refused: mode cannot be 'dream'": a_run(2, mode="dream"),
    "OpportunityRecord 3 is refused: reason cannot be 'bad luck'": an_opportunity(3, reason="bad luck"),
    "OpportunityRecord 3 is refused: reason cannot be ''": an_opportunity(3, reason=""),
    "OpportunityRecord 3 is refused: outcome cannot be 'missed'": a_traded_opportunity(3, outcome="missed"),
    "PairRecord 3 is refused: kind cannot be 'bet'": a_pair(3, kind="bet"),
    "PairRecord 3 is refused: state cannot be 'lost'": a_pair(3, state="lost"),  # type: ignore[arg-type]
    "OrderRecord 3 is refused: role cannot be 'bystander'": an_order(3, role="bystander"),
    "OrderRecord 3 is refused: tif cannot be 'tomorrow'": an_order(3, tif="tomorrow"),
    "OrderRecord 3 is refused: status cannot be None": an_order(3, status=None),
    "FillRecord 3 is refused: liquidity cannot be 'giver'": a_fill(3, liquidity="giver"),
    "FillRecord 3 is refused: source cannot be 'rumour'": a_fill(3, source="rumour"),
    "BalanceRecord 3 is refused: source cannot be 'guess'": a_balance(3, source="guess"),
    "IncidentRecord 3 is refused: severity cannot be 'so so'": an_incident(3, severity="so so"),
    "AlternativeRecord 3 is refused: reason cannot be 'bad luck'": an_alternative(3, reason="bad luck"),
    "AlternativeRecord 3 is refused: stage and way cannot be": an_alternative(3, way=AlternativeWay.UNWIND),
    "AlternativeRecord 4 is refused: stage and way cannot be": an_alternative(4, stage=AlternativeStage.REPAIR),
}


@pytest.mark.thorough
@pytest.mark.parametrize("says", UNKNOWN)
def test_a_row_with_a_code_nobody_knows_is_refused_by_name(tmp_path_factory: pytest.TempPathFactory, says: str) -> None:
    url = f"sqlite:///{tmp_path_factory.mktemp('ledger')}/l.sqlite"
    upgrade(url)
    engine = open_engine(url)
    with pytest.raises(RowRefused, match=re.escape(says)), engine.begin() as connection:
        Writer("sqlite").write(connection, [a_run(1), a_pair(1), an_order(1), UNKNOWN[says]])
    engine.dispose()
    assert query(url, "SELECT count(*) FROM runs") == [(0,)]


def test_one_row_with_an_unknown_code_among_many_becomes_an_incident_and_the_others_are_written(
    db_url: str, journal: Journal
) -> None:
    good: list[AnyRecord] = [a_run(1), a_pair(1), *(a_filled_order(number) for number in range(1, 600))]
    wrong = journal.append(an_event(1), keep(1, *good, an_order(600, role="bystander")))
    projector = Projector(db_url, journal.reader(), journal.sync)
    projector.open(catch_up=False)
    projector.write(wrong)
    assert query(db_url, "SELECT count(*) FROM orders") == [(599,)]
    [(text,)] = query(db_url, "SELECT text FROM incidents WHERE kind = 'row_refused'")
    assert text.startswith("OrderRecord 600 is in the journal only")
    projector.close()
    projector.reader.close()


def test_an_untraded_opportunity_with_an_unknown_reason_is_counted_and_the_others_are_written(
    db_url: str, journal: Journal
) -> None:
    ledger = InlineLedger(db_url, journal)
    ledger.submit(journal.append(an_event(1), keep(1, a_run(1))))
    for number in range(1, 1200):
        ledger.submit_untraded(an_opportunity(number, reason="bad luck" if number == 1100 else "max_notional"))
    ledger.close()
    assert ledger.dropped_untraded == 1
    assert query(db_url, "SELECT count(*) FROM opportunities") == [(1198,)]


def test_a_rebuild_deletes_nothing_when_the_journal_holds_a_code_this_arb_does_not_know(sqlite_url: str) -> None:
    path = journal_path(sqlite_url, Path())
    journal = a_journal(path)
    ledger = InlineLedger(sqlite_url, journal)
    ledger.submit(journal.append(an_event(1), keep(1, a_run(1), a_balance(1))))
    ledger.close()
    journal.append(an_event(2), keep(2, a_balance(2, source="guess")))
    journal.close()
    with pytest.raises(StoreError, match="BalanceRecord 2 is refused"):
        db_rebuild(sqlite_url, path)
    assert query(sqlite_url, "SELECT count(*) FROM balances") == [(1,)]


def test_no_constraint_lists_codes_but_sides_and_the_outcomes_of_a_request() -> None:
    listed = {
        f"{table.name}.{constraint.name}"
        for table in Base.metadata.sorted_tables
        for constraint in table.constraints
        if str(constraint.name).endswith("_known")
    }
    assert listed == {
        "orders.ck_orders_side_known",
        "orders.ck_orders_outcome_known",
        "fills.ck_fills_side_known",
        "trade_legs.ck_trade_legs_side_known",
        "decision_books.ck_decision_books_side_known",
    }


def test_every_column_with_codes_is_a_column() -> None:
    for table, columns in CODES.items():
        assert set(columns) <= set(Base.metadata.tables[table].columns.keys()), table


positive = st.decimals(min_value=D("1e-30"), max_value=D("1e30"), allow_nan=False, allow_infinity=False)


@pytest.mark.thorough
@given(st.lists(st.tuples(positive, positive), max_size=50))
def test_the_levels_of_a_book_are_read_exactly_as_they_were_and_every_json_reader_finds_plain_numbers(
    levels: list[tuple[D, D]],
) -> None:
    text = levels_text(levels)
    assert levels_of(text) == levels
    assert all(re.fullmatch(r"[0-9]+(\.[0-9]+)?", number) for level in json.loads(text) for number in level)


@pytest.mark.parametrize("text", ["", "[[1]]", '[["a","1"]]', '{"asks":[]}', '[["1"]]', '[["1","2"]', "null"])
def test_what_is_no_list_of_levels_is_named(text: str) -> None:
    with pytest.raises(StoreError, match="is no list of levels"):
        levels_of(text)
