"""The journal: what a process leaves behind, however it ends."""

import os
import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arb.clock import NS_PER_S, ManualClock
from arb.core.messages.commands import AnyRecord, PlaceOrder, SetTimer
from arb.core.messages.events import OrderFilled, RunStarted
from arb.core.messages.records import OrderRecord, PairRecord, PairState
from arb.core.messages.recovery_records import AgreedAccount, AgreedRecord, PlanRecord
from arb.errors import ConfigError, InvariantError, StoreError
from arb.market.fill import Fill, FillSource, Liquidity
from arb.market.order import Role, Side, TimeInForce
from arb.store.journal.journal import Journal
from arb.store.journal.reader import FINISHED, JournalReader, Position, Row
from tests.unit.store.conftest import open_journal
from tests.unit.store.rows import (
    T0,
    D,
    a_control,
    a_fill,
    a_filled_order,
    a_finished_pair,
    a_pair,
    a_plan,
    an_event,
    an_order,
    keep,
)

ROOT = Path(__file__).parents[4]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "t.journal.sqlite"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    opened = open_journal(path)
    yield opened
    opened.close()


def a_run_started(seq: int, run_id: int) -> RunStarted:
    return RunStarted(
        seq=seq, t_ns=T0, run_id=run_id, nonce=5, mode="sandbox", sandbox_id=None, account_ids={}, seed=1, version="0"
    )


# A second engine, a wrong place, a wrong file: one clear line each.


def test_a_second_engine_is_told_that_one_is_already_running(journal: Journal, path: Path) -> None:
    with pytest.raises(ConfigError, match=f"already running \\(process {os.getpid()}\\)"):
        open_journal(path)
    journal.append(an_event(1), ())  # and the first is not disturbed


def test_after_the_first_engine_closed_the_next_may_open(path: Path) -> None:
    open_journal(path).close()
    open_journal(path).close()


def test_a_place_that_cannot_be_a_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot make its directory"):
        open_journal(tmp_path / "file" / "t.journal.sqlite")


def test_a_directory_in_the_journals_place_is_refused(path: Path) -> None:
    path.mkdir()
    with pytest.raises(ConfigError, match="cannot be opened for writing"):
        open_journal(path)


def test_a_damaged_file_is_a_store_error(path: Path) -> None:
    path.write_bytes(b"not a database at all" * 200)
    with pytest.raises(StoreError, match="file is not a database"):
        open_journal(path)


def test_a_refused_file_leaves_the_lock_free(path: Path) -> None:
    path.write_bytes(b"not a database at all" * 200)
    with pytest.raises(StoreError):
        open_journal(path)
    path.unlink()
    open_journal(path).close()


def test_another_programs_database_is_left_alone(path: Path) -> None:
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE theirs (x)")
    other.close()
    with pytest.raises(StoreError, match="another program's"):
        open_journal(path)


def test_a_journal_of_a_newer_schema_is_refused(path: Path) -> None:
    open_journal(path).close()
    with sqlite3.connect(path) as newer:
        newer.execute("PRAGMA user_version = 99")
    newer.close()
    with pytest.raises(ConfigError, match="newer arb"):
        open_journal(path)


def test_reading_a_journal_that_is_not_there_says_so(path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        JournalReader.open(path)


def test_a_malformed_entry_is_named(journal: Journal, path: Path) -> None:
    journal.append(an_event(1), keep(1, a_pair(1)))
    with sqlite3.connect(path) as vandal:
        vandal.execute(
            """UPDATE entries SET payload = '{"type":"Persist","record":{"type":"PairRecord"}}' WHERE sub = 1"""
        )
    vandal.close()
    for read in (journal.restore, lambda: list(journal.reader().records_from())):
        with pytest.raises(StoreError, match=r"entry 1\.1 cannot be read: .*missing required field"):
            read()


def test_an_entry_that_vanished_but_is_needed_is_named(journal: Journal, path: Path) -> None:
    journal.append(an_event(1), keep(1, a_pair(1)))
    with sqlite3.connect(path) as vandal:
        vandal.execute("DELETE FROM entries")
    vandal.close()
    with pytest.raises(StoreError, match=r"entry 1\.1 cannot be read"):
        journal.restore()


# Order and atomicity.


def test_an_event_may_not_go_back_in_the_sequence(journal: Journal) -> None:
    journal.append(an_event(5), ())
    for seq in (5, 4):
        with pytest.raises(InvariantError):
            journal.append(an_event(seq), ())


def test_an_event_without_a_number_is_refused(journal: Journal) -> None:
    with pytest.raises(InvariantError):
        journal.append(an_event(0), ())


def test_event_and_commands_come_back_as_they_were(journal: Journal) -> None:
    fill = Fill(
        venue="gate",
        symbol="BTC/USDT",
        trade_id="7",
        venue_order_id="8",
        client_order_id="arb1",
        side=Side.BUY,
        price=D("50000.10"),
        size=D("0.000000000000000000123456789012345678901234567890"),
        fee=D("-0.00001"),
        fee_currency="USDT",
        liquidity=Liquidity.TAKER,
        source=FillSource.STREAM,
        event_ns=1,
        received_ns=2,
    )
    event = OrderFilled(seq=3, t_ns=9, fill=fill)
    order = PlaceOrder(
        cause=3,
        venue="gate",
        symbol="BTC/USDT",
        client_order_id="arb2",
        role=Role.HEDGE,
        side=Side.SELL,
        tif=TimeInForce.IOC,
        price=D("1E+3"),
        size=D("0.1"),
        expires_ns=4,
    )
    commands = (order, SetTimer(cause=3, timer="x", at_ns=5), *keep(3, a_pair(1)))
    rows = journal.append(event, commands)
    entries = list(journal.reader().entries())
    assert [entry.message for entry in entries] == [event, *commands]
    assert [(entry.seq, entry.sub, entry.t_ns) for entry in entries] == [(3, 0, 9), (3, 1, 9), (3, 2, 9), (3, 3, 9)]
    assert rows == (Row(3, 3, a_pair(1)),)
    assert list(journal.reader().records_from()) == list(rows)


def test_records_are_read_on_from_a_position(journal: Journal) -> None:
    for seq in (1, 2, 3):
        journal.append(an_event(seq), keep(seq, a_pair(2 * seq), a_pair(2 * seq + 1)))
    behind = [(row.seq, row.sub) for row in journal.reader().records_from(Position(2, 1))]
    assert behind == [(2, 2), (3, 1), (3, 2)]


def test_entries_that_mention_an_order_are_found(journal: Journal) -> None:
    journal.append(an_event(1), keep(1, an_order(1), an_order(2)))
    journal.append(an_event(2), ())
    found = list(journal.reader().mentioning((an_order(2).client_order_id or "",)))
    assert [(entry.seq, entry.sub) for entry in found] == [(1, 2)]
    assert list(journal.reader().mentioning(())) == []


# What a restart finds.


def test_a_new_journal_starts_from_nothing(journal: Journal) -> None:
    state = journal.restore()
    assert (state.last_seq, state.last_run_id, state.control, state.pairs) == (0, 0, None, ())


def test_the_run_number_and_the_last_control_survive(path: Path) -> None:
    first = open_journal(path)
    first.append(a_run_started(1, 4), keep(1, a_control(halted="loss"), a_control(halted=None, text="resumed")))
    first.close()
    second = open_journal(path)
    state = second.restore()
    assert (state.last_seq, state.last_run_id) == (1, 4)
    assert state.control == a_control(halted=None, text="resumed")
    second.close()


def test_an_unfinished_pair_comes_back_with_its_latest_rows(path: Path) -> None:
    first = open_journal(path)
    first.append(an_event(1), keep(1, a_plan(1), an_order(1), an_order(2, side=Side.SELL), a_pair(1)))
    first.append(an_event(2), keep(2, a_filled_order(1), a_fill(1)))
    first.append(an_event(3), keep(3, a_pair(1, PairState.REPAIRING)))
    first.close()
    second = open_journal(path)
    state = second.restore()
    assert len(state.pairs) == 1
    pair = state.pairs[0]
    assert pair.plan == a_plan(1)
    assert pair.pair == a_pair(1, PairState.REPAIRING)
    assert pair.orders == (a_filled_order(1), an_order(2, side=Side.SELL))
    assert pair.fills == (a_fill(1),)
    second.append(an_event(4), keep(4, a_fill(2)))  # the second process knows whose order it was
    assert second.restore().pairs[0].fills == (a_fill(1), a_fill(2))
    second.close()


@pytest.mark.parametrize("state", sorted(FINISHED))
def test_a_finished_pair_is_not_restored(journal: Journal, state: PairState) -> None:
    journal.append(an_event(1), keep(1, a_plan(1), a_pair(1), an_order(1)))
    journal.append(an_event(2), keep(2, a_fill(1), a_pair(1, state)))
    assert journal.restore().pairs == ()
    assert list(journal.reader().live()) == []


def test_a_halted_pair_waits_for_a_person_and_is_restored(journal: Journal) -> None:
    journal.append(an_event(1), keep(1, a_plan(1), a_pair(1, PairState.HALTED)))
    assert [pair.pair.state for pair in journal.restore().pairs] == [PairState.HALTED]


def an_agreement(at_ns: int) -> AgreedRecord:
    """Return the record that gate's account and our books agreed at an instant."""
    return AgreedRecord(accounts=(AgreedAccount(account_id="gate:test", ns=at_ns, totals={}),))


@pytest.mark.parametrize(("agreed_s", "known"), [(0, True), (599, False), (-3 * 86_400, True)])
def test_what_was_closed_since_the_accounts_agreed_last_is_read_again_however_long_ago_that_is(
    journal: Journal, agreed_s: int, known: bool
) -> None:
    journal.append(an_event(1), keep(1, *a_finished_pair(1)))
    later = msgspec.structs.replace(an_event(2), t_ns=T0 + 600 * NS_PER_S)
    journal.append(later, keep(2, an_agreement(T0 + agreed_s * NS_PER_S)))
    recent = journal.restore().recent
    assert bool(recent.pairs) is known


def test_of_an_agreement_older_than_any_look_no_more_is_read_than_a_look_asks_for(journal: Journal) -> None:
    journal.append(an_event(1), keep(1, *a_finished_pair(1)))
    later = msgspec.structs.replace(an_event(2), t_ns=T0 + 4 * 86_400 * NS_PER_S)
    journal.append(later, keep(2, an_agreement(T0)))
    assert not journal.restore().recent.pairs


def test_accounts_that_are_not_of_this_run_are_not_read_back_to(journal: Journal) -> None:
    journal.append(an_event(1), keep(1, *a_finished_pair(1)))
    later = msgspec.structs.replace(an_event(2), t_ns=T0 + 600 * NS_PER_S)
    journal.append(later, keep(2, an_agreement(T0)))
    assert journal.restore({"gate:test"}).recent.pairs
    assert not journal.restore({"gate:other"}).recent.pairs


def test_a_pair_opened_again_is_not_kept_waiting_for_what_was_written_before_its_decision(
    journal: Journal, path: Path
) -> None:
    journal.append(an_event(1), keep(1, *a_finished_pair(1)))
    with sqlite3.connect(path) as db:
        db.execute("UPDATE entries SET payload = '{'")  # whoever reads it says so
    pair_2 = [
        msgspec.structs.replace(row, decided_ns=T0 + 2) if isinstance(row, PairRecord) else row
        for row in a_finished_pair(2)
    ]
    journal.append(an_event(2), keep(2, *pair_2))
    again = msgspec.structs.replace(a_pair(2, PairState.REPAIRING), decided_ns=T0 + 2)
    journal.append(an_event(3), keep(3, a_fill(9, 3, trade_id="late"), again))
    live = [record for _, _, record in journal.reader().live()]
    assert sorted(record.id for record in live if isinstance(record, OrderRecord)) == [3, 4]
    assert [record.pair_id for record in live if isinstance(record, PlanRecord)] == [2]


def test_a_finished_pair_opened_again_by_a_late_fill_comes_back_whole(journal: Journal) -> None:
    journal.append(an_event(1), keep(1, *a_finished_pair(1)))
    journal.append(an_event(2), keep(2, *a_finished_pair(2)))
    late = a_fill(9, 1, trade_id="late")
    journal.append(
        an_event(3), keep(3, late, msgspec.structs.replace(a_pair(1, PairState.REPAIRING), decided_ns=T0 + 1))
    )
    (pair,) = journal.restore().pairs
    assert pair.pair.state is PairState.REPAIRING
    assert pair.plan == a_plan(1)
    assert [order.id for order in pair.orders] == [1, 2]
    assert [fill.id for fill in pair.fills] == [1, 2, 9]


def replayed(appended: list[list[AnyRecord]]) -> dict[int, PairRecord]:
    """Work out by hand which pairs are unfinished: the oracle."""
    pairs = {record.id: record for batch in appended for record in batch if isinstance(record, PairRecord)}
    return {key: pair for key, pair in pairs.items() if pair.state not in FINISHED}


def with_plan(number: int, state: PairState) -> list[AnyRecord]:
    """Return the rows of a pair in a state, its plan with it, as no pair is written without one."""
    return [a_plan(number), a_pair(number, state)]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.lists(
            st.one_of(
                st.builds(with_plan, st.integers(1, 4), st.sampled_from(PairState)),
                st.builds(an_order, st.integers(1, 4), st.just(1)).map(lambda row: [row]),
                st.builds(a_fill, st.integers(1, 6), st.integers(1, 4)).map(lambda row: [row]),
                st.builds(a_control, day_net_e8=st.integers(-9, 9)).map(lambda row: [row]),
            ),
            max_size=5,
        ).map(lambda parts: [row for part in parts for row in part]),
        max_size=8,
    )
)
def test_whatever_was_appended_the_unfinished_pairs_are_restored(batches: list[list[AnyRecord]]) -> None:
    journal = Journal.in_memory(ManualClock(T0), random.Random(1))
    for seq, batch in enumerate(batches, 1):
        journal.append(an_event(seq), keep(seq, *batch))
    assert {pair.pair.id: pair.pair for pair in journal.restore().pairs} == replayed(batches)
    assert [row.record for row in journal.reader().records_from()] == [row for batch in batches for row in batch]
    journal.close()
