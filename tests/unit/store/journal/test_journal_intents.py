"""The journal and its intents: what may have left and is in no entry is in one before anything else happens."""

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from arb.clock import ManualClock
from arb.core.messages.commands import PlaceOrder
from arb.core.messages.events import QueueDrained, RunStarted
from arb.core.messages.records import PairKind, PairState
from arb.errors import InvariantError, StoreError
from arb.live.recovered_state import restored_from
from arb.market.order import Outcome
from arb.store.journal.guards import NoReserve
from arb.store.journal.intents import intents_of
from arb.store.journal.journal import Journal
from arb.store.ledger.rebuild import db_rebuild
from tests.builders import Bench
from tests.support.intents import T0, an_intent
from tests.unit.store.conftest import open_journal, query
from tests.unit.store.rows import a_run, an_event, keep


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "t.journal.sqlite"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    with closing(open_journal(path)) as opened:
        begin_run(opened)
        yield opened


def begin_run(journal: Journal, run_id: int = 1) -> None:
    """Journal the start of a run, whose pairs have its number in their ids."""
    started = RunStarted(
        seq=journal.last_seq + 1,
        t_ns=T0,
        run_id=run_id,
        nonce=run_id,
        mode="sandbox",
        sandbox_id=None,
        account_ids={"gate": "gate-1", "okx": "okx-1"},
        seed=None,
        version="t",
    )
    journal.append(started, keep(started.seq, a_run(run_id)))


def dies(journal: Journal) -> None:
    """Let the process die: nothing of it is written any more, and what the system holds of its files stays."""
    journal.close()


def test_an_opening_that_has_no_entry_is_an_open_pair_of_unanswered_orders_after_the_next_start(path: Path) -> None:
    journal = open_journal(path)
    begin_run(journal)
    journal.intend((an_intent(5),))
    dies(journal)
    with closing(open_journal(path)) as again:
        (pair,) = again.restore().pairs
        assert again.last_seq == 5
        assert (pair.pair.state, pair.pair.kind, pair.pair.run_id) == (PairState.OPENING, PairKind.ARB, 1)
        assert (pair.pair.opportunity_id, pair.pair.decided_ns) == (None, T0 + 5)
        assert [(o.client_order_id, o.side, o.outcome, o.sent_ns) for o in pair.orders] == [
            (place.client_order_id, place.side, None, None) for place in an_intent(5).places
        ]
        assert [order.expires_ns for order in pair.orders] == [T0 + 10**9] * 2
        assert (pair.plan.hold_quote, pair.plan.hold_base, pair.plan.day_notional) == (
            an_intent().hold_quote,
            an_intent().hold_base,
            an_intent().day_notional,
        )


def test_the_entry_made_of_an_intent_is_the_step_it_belongs_to_and_holds_its_orders(path: Path) -> None:
    journal = open_journal(path)
    begin_run(journal)
    journal.intend((an_intent(5, 1), an_intent(5, 2)))  # of one step
    dies(journal)
    with closing(open_journal(path)) as again:
        entries = [entry.message for entry in again.reader().entries() if entry.seq == 5]
    assert entries[0] == QueueDrained(seq=5, t_ns=T0 + 5)
    placed = [command for command in entries if isinstance(command, PlaceOrder)]
    assert placed == [*an_intent(5, 1).places, *an_intent(5, 2).places]


def test_a_second_start_finds_nothing_more_to_do(path: Path) -> None:
    journal = open_journal(path)
    begin_run(journal)
    journal.intend((an_intent(5),))
    dies(journal)
    open_journal(path).close()
    with closing(open_journal(path)) as again:
        assert (again.last_seq, len(again.restore().pairs)) == (5, 1)


def test_an_opening_whose_step_is_in_the_journal_is_not_made_anew(path: Path) -> None:
    journal = open_journal(path)
    begin_run(journal)
    journal.intend((an_intent(5),))
    journal.append(an_event(5), ())
    dies(journal)
    with closing(open_journal(path)) as again:
        assert (again.last_seq, again.restore().pairs) == (5, ())


def test_no_later_step_is_journalled_before_the_one_whose_orders_left(journal: Journal) -> None:
    journal.intend((an_intent(5),))
    journal.append(an_event(4), ())  # one that waited
    with pytest.raises(InvariantError, match="event 6 without 5, whose orders were sent"):
        journal.append(an_event(6), ())
    journal.append(an_event(5), ())
    journal.append(an_event(6), ())


def test_a_pair_of_an_intent_is_queried_at_once_and_known_as_unknown(path: Path) -> None:
    journal = open_journal(path)
    begin_run(journal)
    journal.intend((an_intent(5),))
    dies(journal)
    with closing(open_journal(path)) as again:
        restored = restored_from(again.restore())
    bench = Bench(restored=restored, start_ns=T0 + 10**9, accounts={"gate": "gate-1", "okx": "okx-1"})
    assert {order.outcome for order in bench.engine.manager.orders.values()} == {Outcome.UNKNOWN}
    assert not any(isinstance(command, PlaceOrder) for command in bench.said)
    assert bench.engine.state.control.day_notional == an_intent().day_notional


def test_an_intent_of_a_run_that_the_journal_has_lost_is_left_to_the_venues(path: Path) -> None:
    # Its rows would refer to a run that no row tells of; account snapshots look for orders with our prefix.
    journal = open_journal(path)
    begin_run(journal)
    journal.intend((an_intent(5, run_id=2),))
    dies(journal)
    with closing(open_journal(path)) as again:
        assert (again.last_seq, again.restore().pairs) == (1, ())
        again.append(an_event(2), ())
        again.append(an_event(9), ())


def test_what_an_older_copy_of_the_journal_lacks_is_recovered_from_the_newer_intents(
    path: Path, tmp_path: Path
) -> None:
    # So a power cut leaves them when the intents were synced last.
    journal = open_journal(path)
    begin_run(journal)
    journal.sync()
    journal.close()
    shutil.copy(path, tmp_path / "copy")
    journal = open_journal(path)
    for seq in (5, 7):
        journal.intend((an_intent(seq, seq),))
        journal.append(an_event(seq), ())
    dies(journal)
    shutil.copy(tmp_path / "copy", path)
    with closing(open_journal(path)) as again:
        assert [pair.plan.pair_id for pair in again.restore().pairs] == [10**9 + 5, 10**9 + 7]


def test_a_journal_made_anew_takes_no_intents_of_the_one_before(path: Path) -> None:
    journal = open_journal(path)
    begin_run(journal)
    journal.intend((an_intent(5),))
    dies(journal)
    path.unlink()
    with closing(Journal.open(path, ManualClock(T0))) as new:
        assert (new.last_seq, new.restore().pairs) == (0, ())
    assert list(path.parent.glob("t.intents.*")), "they are kept for it"


def test_a_damaged_log_of_intents_refuses_the_start_and_lets_go_of_the_journal(path: Path) -> None:
    open_journal(path).close()
    intents_of(path).write_bytes(b"")
    for _ in range(2):
        with pytest.raises(StoreError, match="not a log of intents"):
            open_journal(path)
    intents_of(path).unlink()
    open_journal(path).close()


def test_while_the_log_is_gone_the_journal_cannot_be_made_durable(path: Path, journal: Journal) -> None:
    journal.sync()
    intents_of(path).unlink()
    with pytest.raises(StoreError, match=r"intents .* removed while running"):
        journal.sync()


def test_a_journal_that_protects_no_money_keeps_no_intents(path: Path) -> None:
    with closing(Journal.open(path, ManualClock(T0), reserve=NoReserve())) as journal:
        assert journal.warm_up_intent(), "nothing is all of it"
        journal.intend((an_intent(5),))
        journal.append(an_event(6), ())
    assert not intents_of(path).exists()


def test_a_rebuilt_ledger_holds_the_orders_of_which_only_the_intent_is_left(path: Path, sqlite_url: str) -> None:
    journal = open_journal(path)
    begin_run(journal)
    journal.intend((an_intent(5),))
    dies(journal)
    db_rebuild(sqlite_url, path)
    names = [name for (name,) in query(sqlite_url, "SELECT client_order_id FROM orders ORDER BY id")]
    assert names == [place.client_order_id for place in an_intent(5).places]
    assert query(sqlite_url, "SELECT state, opportunity_id FROM pair_trades") == [("opening", None)]


def test_a_rebuild_writes_nothing_into_a_journal_that_lacks_nothing(path: Path, sqlite_url: str) -> None:
    journal = open_journal(path)
    begin_run(journal)
    journal.close()
    before = path.read_bytes()
    db_rebuild(sqlite_url, path)
    assert path.read_bytes() == before


class SlowDisk:
    """A reserve that a sync has to wait for, as it does for a disk."""

    held = True

    def __init__(self) -> None:
        self.asked, self.done = threading.Event(), threading.Event()

    def release(self) -> None:
        """Do nothing."""

    def establish(self) -> bool:
        """Wait until the disk is done."""
        self.asked.set()
        return self.done.wait(10)


def test_an_intent_is_warmed_but_not_while_a_sync_waits_for_the_disk(path: Path) -> None:
    disk = SlowDisk()

    def warmed(journal: Journal) -> bool:
        os.utime(intents_of(path), ns=(0, 0))
        assert journal.warm_up_intent(), "it is all of a round"
        return intents_of(path).stat().st_mtime_ns > 0

    with closing(Journal.open(path, ManualClock(T0), reserve=disk)) as journal:
        assert warmed(journal)
        sync = threading.Thread(target=journal.sync)
        sync.start()
        assert disk.asked.wait(10)
        try:
            assert not warmed(journal)
        finally:
            disk.done.set()
            sync.join()
        assert warmed(journal)
