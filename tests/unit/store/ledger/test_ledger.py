"""The ledger is a projection of the journal: whatever happens to it, nothing is lost or doubled."""

import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from arb.clock import ManualClock
from arb.core.messages.commands import AnyRecord
from arb.core.messages.records import PairState
from arb.errors import ConfigError, StoreError
from arb.market.order import OrderStatus, Side
from arb.store.journal.journal import Journal
from arb.store.ledger.database import open_engine
from arb.store.ledger.ledger import InlineLedger, prepare_ledger
from arb.store.ledger.projector import Projector
from arb.store.ledger.rebuild import db_rebuild
from arb.store.ledger.writer import COPY_ROWS
from tests.unit.store.conftest import a_journal, query
from tests.unit.store.rows import (
    T0,
    D,
    a_balance,
    a_control,
    a_fill,
    a_finished_pair,
    a_pair,
    a_run,
    an_event,
    an_opportunity,
    an_order,
    keep,
)
from tests.unit.store.story import TABLES, WHOLE, contents, counts, fill_journal, rows_of

# The projection, on both databases.


def test_the_latest_state_of_every_row_is_written_and_plans_stay_behind(db_url: str, journal: Journal) -> None:
    ledger = InlineLedger(db_url, journal)
    ledger.submit(fill_journal(journal))
    ledger.close()
    assert counts(db_url) == WHOLE
    (pair,) = query(db_url, "SELECT state, realised_net_e8, buy_size, residual_mark FROM pair_trades WHERE id = 2")
    assert (pair[0], pair[1], D(pair[2]), D(pair[3])) == ("completed", 115_000_001, D("0.1001"), D("50000.5"))
    (order,) = query(db_url, "SELECT status, outcome, filled, side FROM orders WHERE id = 2")
    assert (order[0], order[1], D(order[2]), order[3]) == ("filled", "accepted", D("0.1"), "sell")


def test_numbers_come_back_exactly_whatever_their_length(db_url: str, journal: Journal) -> None:
    numbers = ["0.000000000000000000000000000000000000000001", "123456789012345678901234567890.123456789", "1E+5"]
    ledger = InlineLedger(db_url, journal)
    rows = [a_balance(row_id, free=D(number)) for row_id, number in enumerate(numbers, 1)]
    ledger.submit(journal.append(an_event(1), keep(1, a_run(), *rows)))
    ledger.close()
    stored = [free for (free,) in query(db_url, "SELECT free FROM balances ORDER BY id")]
    assert [D(free) for free in stored] == [D(number) for number in numbers]
    assert db_url.startswith("postgresql") or stored == [*numbers[:2], "100000"]


def test_the_same_rows_told_twice_change_nothing(db_url: str, journal: Journal) -> None:
    rows = fill_journal(journal)
    projector = Projector(db_url, journal.reader(), journal.sync)
    projector.open()
    once = contents(db_url)
    projector.write(rows)
    projector.position = type(projector.position)(0, 0)
    projector.write(rows)
    projector.close()
    assert contents(db_url) == once


def test_rows_that_come_late_do_not_undo_what_came_after_them(db_url: str, journal: Journal) -> None:
    rows = fill_journal(journal)
    projector = Projector(db_url, journal.reader(), journal.sync)
    projector.open()
    once, position = contents(db_url), projector.position
    projector.write(rows[:8])
    assert (contents(db_url), projector.position) == (once, position)
    projector.close()


def test_a_process_killed_before_the_ledgers_batch_loses_nothing(db_url: str, tmp_path: Path) -> None:
    first = a_journal(tmp_path / "k.journal.sqlite")
    ledger = InlineLedger(db_url, first, batch_rows=10)
    ledger.submit(fill_journal(first)[:14])  # the rest of the rows never reach it, and it is never flushed
    first.close()
    second = a_journal(tmp_path / "k.journal.sqlite")
    InlineLedger(db_url, second).close()
    assert counts(db_url) == WHOLE
    second.close()


def test_a_rebuilt_ledger_equals_the_first_row_for_row_and_keeps_untraded_opportunities(
    db_url: str, tmp_path: Path
) -> None:
    path = tmp_path / "r.journal.sqlite"
    journal = a_journal(path)
    ledger = InlineLedger(db_url, journal)
    ledger.submit(fill_journal(journal))
    ledger.submit_untraded(an_opportunity(10_000_000_001))
    ledger.close()
    before = contents(db_url)
    with pytest.raises(ConfigError, match="already running"):
        db_rebuild(db_url, path)
    journal.close()
    vandalise(db_url)
    answer = db_rebuild(db_url, path)
    assert contents(db_url) == before
    assert (answer["records"], answer["kept_aside"], answer["copy"]) == (43, None, None)
    again = a_journal(path)
    InlineLedger(db_url, again).close()  # and the next run goes on from there
    assert contents(db_url) == before
    again.close()


def vandalise(db_url: str) -> None:
    engine = open_engine(db_url)
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM fills WHERE id > 2"))
        connection.execute(text("UPDATE pair_trades SET state = 'halted', exposure_quote_s = '7'"))
    engine.dispose()


def test_a_damaged_ledger_is_kept_aside_and_built_anew(sqlite_url: str, tmp_path: Path) -> None:
    path = tmp_path / "ledger.journal.sqlite"
    journal = a_journal(path)
    ledger = InlineLedger(sqlite_url, journal)
    ledger.submit(fill_journal(journal))
    ledger.close()
    journal.close()
    before = contents(sqlite_url)
    (tmp_path / "ledger.sqlite").write_bytes(b"broken" * 1000)
    answer = db_rebuild(sqlite_url, path)
    assert contents(sqlite_url) == before
    assert Path(answer["kept_aside"]).read_bytes().startswith(b"broken")


def test_a_journal_that_cannot_be_read_leaves_the_ledger_alone(sqlite_url: str, tmp_path: Path) -> None:
    path = tmp_path / "ledger.journal.sqlite"
    journal = a_journal(path)
    ledger = InlineLedger(sqlite_url, journal)
    ledger.submit(fill_journal(journal))
    ledger.close()
    journal.close()
    with sqlite3.connect(path) as vandal:
        vandal.execute("UPDATE entries SET payload = 'x' WHERE seq = 9 AND sub = 1")
    vandal.close()
    before = contents(sqlite_url)
    with pytest.raises(StoreError, match=r"entry 9\.1 cannot be read"):
        db_rebuild(sqlite_url, path)
    assert contents(sqlite_url) == before


@st.composite
def stories(draw: st.DrawFn) -> list[AnyRecord]:
    """Return rows as an engine may write them: any states, any number of times, references first."""
    rows: list[AnyRecord] = [a_run(1), a_pair(1), a_pair(2), an_order(1, 1), an_order(2, 2, Side.SELL)]
    later = st.one_of(
        st.builds(a_pair, st.integers(1, 2), st.sampled_from(PairState)),
        st.builds(an_order, st.integers(1, 2), st.just(1), status=st.sampled_from(OrderStatus)),
        st.builds(a_fill, st.integers(1, 4), st.integers(1, 2), size=st.decimals("0.001", "2", places=5)),
        st.builds(a_balance, st.integers(1, 3), free=st.decimals("0", "99999999", places=8)),
        st.builds(a_control, day_net_e8=st.integers()),
    )
    return rows + draw(st.lists(later, max_size=25))


class OpenLedger:
    """A ledger that is opened once and emptied after each example; its rows come by a projector of its own."""

    def __init__(self, url: str) -> None:
        self.projector = Projector(url, Journal.in_memory(ManualClock(T0), random.Random(1)).reader(), lambda: None)
        self.projector.open()
        self._connection = open_engine(url).connect()

    def contents(self) -> dict[str, list[tuple[Any, ...]]]:
        with self._connection.begin():
            return rows_of(self._connection)

    def empty(self) -> None:
        with self._connection.begin():
            for table in ("pair_closings", *reversed(TABLES)):
                self._connection.execute(text(f"DELETE FROM {table}"))

    def close(self) -> None:
        self._connection.close()
        self.projector.close()


@pytest.fixture(scope="module")
def whole(memory: Path) -> Iterator[OpenLedger]:
    ledger = OpenLedger(f"sqlite:///{memory}/whole.sqlite")
    yield ledger
    ledger.close()


@pytest.fixture(scope="module")
def split(memory: Path) -> Iterator[OpenLedger]:
    ledger = OpenLedger(f"sqlite:///{memory}/split.sqlite")
    yield ledger
    ledger.close()


@pytest.mark.thorough
@settings(max_examples=40, deadline=None)
@given(story=stories(), cuts=st.lists(st.integers(0, 30), max_size=5))
def test_whatever_the_batches_the_tables_are_equal(
    whole: OpenLedger, split: OpenLedger, story: list[AnyRecord], cuts: list[int]
) -> None:
    journal = Journal.in_memory(ManualClock(T0), random.Random(1))
    first = max(whole.projector.position, split.projector.position).seq + 1
    rows = [row for seq, r in enumerate(story, first) for row in journal.append(an_event(seq), keep(seq, r))]
    whole.projector.reader = journal.reader()
    try:
        assert whole.projector.catch_up() == len(rows)
        for start, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(rows)], strict=True):
            split.projector.write(rows[start:end])
        assert whole.projector.position == split.projector.position
        assert whole.contents() == split.contents()
    finally:
        whole.empty()
        split.empty()


# Whose ledger is it?


def test_a_ledger_of_another_journal_is_refused(db_url: str, journal: Journal, tmp_path: Path) -> None:
    prepare_ledger(db_url, journal)
    other = Journal.open(tmp_path / "o.journal.sqlite", ManualClock(T0), rng=random.Random(2))
    with pytest.raises(ConfigError, match="belongs to another journal"):
        prepare_ledger(db_url, other)
    other.close()


def test_a_journal_older_than_its_ledger_is_noticed(sqlite_url: str, tmp_path: Path) -> None:
    journal = a_journal(tmp_path / "a.journal.sqlite")
    ledger = InlineLedger(sqlite_url, journal)
    ledger.submit(fill_journal(journal))
    ledger.close()
    journal.close()
    with sqlite3.connect(tmp_path / "a.journal.sqlite") as vandal:
        vandal.execute("DELETE FROM entries WHERE seq > 5")
    vandal.close()
    older = a_journal(tmp_path / "a.journal.sqlite")
    with pytest.raises(StoreError, match="ahead of its journal"):
        prepare_ledger(sqlite_url, older)
    older.close()


def test_a_ledger_in_an_impossible_place_is_one_clear_line(journal: Journal, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot make its directory"):
        prepare_ledger(f"sqlite:///{tmp_path}/file/x.sqlite", journal)
    (tmp_path / "dir.sqlite").mkdir()
    with pytest.raises(ConfigError, match="is no file") as raised:
        prepare_ledger(f"sqlite:///{tmp_path}/dir.sqlite", journal)
    assert "\n" not in str(raised.value)


def test_an_unreachable_postgres_is_one_line_without_its_password(journal: Journal) -> None:
    with pytest.raises(StoreError) as raised:
        prepare_ledger("postgresql://me:hunter2@127.0.0.1:1/x", journal)
    assert "hunter2" not in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_row_the_ledger_refuses_is_named_and_takes_no_other_with_it(db_url: str, journal: Journal) -> None:
    ledger = InlineLedger(db_url, journal)
    ledger.submit(journal.append(an_event(1), keep(1, a_run(), an_order(1, None), an_order(7, 55))))
    ledger.flush()
    assert counts(db_url)["orders"] == 1
    [(text, ns)] = query(db_url, "SELECT text, ns FROM incidents WHERE kind = 'row_refused'")
    assert text.startswith("OrderRecord 7 ") and ns == an_order(7, 55).journalled_ns


def test_a_fee_that_makes_a_sum_too_large_is_refused_and_named(db_url: str, journal: Journal) -> None:
    ledger = InlineLedger(db_url, journal)
    pair = a_finished_pair(1)
    dear = [a_fill(number, trade_id=f"dear{number}", fee_quote_value=D("9e10")) for number in (8, 9)]
    ledger.submit(journal.append(an_event(1), keep(1, a_run(), *pair, dear[0])))
    ledger.submit(journal.append(an_event(2), keep(2, dear[1])))
    ledger.close()
    assert counts(db_url)["fills"] == 3
    [(text,)] = query(db_url, "SELECT text FROM incidents WHERE kind = 'row_refused'")
    assert text.startswith("FillRecord 9 ")


def test_an_untraded_opportunity_the_ledger_refuses_is_dropped_and_counted(db_url: str, journal: Journal) -> None:
    ledger = InlineLedger(db_url, journal)
    ledger.submit(journal.append(an_event(1), keep(1, a_run())))
    for number in (1, 2, 3):
        ledger.submit_untraded(an_opportunity(number, ticks=number - 2))
    ledger.close()
    assert (ledger.dropped_untraded, counts(db_url)["opportunities"]) == (2, 1)


def test_untraded_opportunities_told_again_after_a_lost_answer_stay_single(db_url: str, journal: Journal) -> None:
    ledger = InlineLedger(db_url, journal)
    ledger.submit(journal.append(an_event(1), keep(1, a_run())))
    for number in (1, 2, 2, 3):
        ledger.submit_untraded(an_opportunity(number, ticks=number))
        ledger.flush()
    ledger.close()
    assert query(db_url, "SELECT id, ticks FROM opportunities ORDER BY id") == [(1, 1), (2, 2), (3, 3)]
    assert ledger.dropped_untraded == 0


def test_a_large_batch_is_written_like_a_small_one(db_url: str, journal: Journal) -> None:
    """On PostgreSQL large batches take another way into the table."""
    ledger = InlineLedger(db_url, journal)
    many = [a_balance(number, free=D(number) / 8, locked=D("0.1")) for number in range(1, COPY_ROWS + 50)]
    ledger.submit(journal.append(an_event(1), keep(1, a_run(), a_pair(1), *many, an_order(1))))
    ledger.flush()
    ledger.submit(journal.append(an_event(2), keep(2, *(a_balance(row.id, cause="later") for row in many))))
    ledger.close()
    assert query(db_url, "SELECT count(*), min(cause), max(cause) FROM balances") == [(len(many), "later", "later")]
    ((free,),) = query(db_url, "SELECT free FROM balances WHERE id = 3")
    assert D(free) == 200_000
