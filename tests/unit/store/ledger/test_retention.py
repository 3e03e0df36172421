"""Untraded opportunities are kept for a while, then deleted; their sums stay, and nothing else is ever deleted."""

import queue
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import pytest
from msgspec.structs import replace

from arb.clock import NS_PER_DAY, ManualClock
from arb.core.messages.commands import AnyRecord
from arb.core.messages.records import OpportunityOutcome, OpportunityRecord
from arb.errors import ConfigError, InvariantError
from arb.store.journal.journal import Journal
from arb.store.ledger.database import open_engine
from arb.store.ledger.ledger import InlineLedger, Ledger
from arb.store.ledger.rebuild import db_compact, db_rebuild
from arb.store.ledger.retention import Retention, delete_untraded
from tests.support.history import FIRST_DAY_NS, a_history, fill_ledger
from tests.unit.store.conftest import a_journal, query
from tests.unit.store.rows import a_run, an_event, an_opportunity, keep
from tests.unit.store.states import WAIT_S
from tests.unit.store.story import contents, fill_journal

TABLES_OF_CLASS_1 = ("runs", "pair_trades", "orders", "fills", "balances", "incidents")
SUMS = """
    SELECT day, run_id, symbol, buy_venue, sell_venue, outcome, reason, edge_bps, opportunities, ticks, lived_ns, best_net_e8
    FROM opportunities_daily ORDER BY 1, 2, 3, 4, 5, 6, 7, 8
"""


def rolled_up(db_url: str, before_ns: int, rows_at_once: int = 100) -> int:
    engine = open_engine(db_url)
    with engine.connect() as connection:
        deleted = sum(delete_untraded(connection, before_ns, rows_at_once=rows_at_once))
    engine.dispose()
    return deleted


def added_up(records: Iterable[object]) -> list[tuple[object, ...]]:
    sums: defaultdict[tuple[object, ...], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for record in records:
        if not isinstance(record, OpportunityRecord):
            continue
        day, edge = record.opened_ns // NS_PER_DAY, int(record.best_edge_bps)
        route = (record.symbol, record.buy_venue, record.sell_venue)
        why = (str(record.outcome), record.reason or "traded")
        row = (1, record.ticks, record.closed_ns - record.opened_ns, record.best_net_e8)
        key = (day, record.run_id, *route, *why, edge)
        sums[key] = [old + new for old, new in zip(sums[key], row, strict=True)]
    return sorted((*key, *values) for key, values in sums.items())


def test_half_a_day_is_never_deleted(db_url: str) -> None:
    fill_ledger(db_url, [a_run(1)])
    with pytest.raises(InvariantError):
        rolled_up(db_url, NS_PER_DAY + 1)


def test_an_opportunity_written_twice_counts_once_as_it_was_written_last(db_url: str) -> None:
    traded = an_opportunity(9, outcome=OpportunityOutcome.TRADED, reason=None)
    better = replace(
        traded, best_edge_bps=traded.best_edge_bps + 7, best_net_e8=traded.best_net_e8 + 5, ticks=traded.ticks + 1
    )
    records: list[AnyRecord] = [a_run(1), an_opportunity(1), an_opportunity(2), traded]
    fill_ledger(db_url, records)
    fill_ledger(db_url, [an_opportunity(2), an_opportunity(3), better])
    expected = added_up([*records[:-1], an_opportunity(3), better])
    assert query(db_url, SUMS.replace("ORDER", "WHERE opportunities > 0 ORDER")) == expected


def test_what_is_deleted_leaves_its_exact_sums_and_everything_else_stays(db_url: str) -> None:
    records = list(a_history(pairs=60, days=3))
    fill_ledger(db_url, records)
    assert query(db_url, SUMS) == added_up(records)
    before = contents(db_url)
    cut_ns = FIRST_DAY_NS + 2 * NS_PER_DAY
    old = [r for r in records if isinstance(r, OpportunityRecord) and r.reason is not None and r.opened_ns < cut_ns]
    assert rolled_up(db_url, cut_ns) == len(old) == 160
    assert query(db_url, SUMS) == added_up(records)
    after = contents(db_url)
    assert [after[table] for table in TABLES_OF_CLASS_1] == [before[table] for table in TABLES_OF_CLASS_1]
    gone = {record.id for record in old}
    assert after["opportunities"] == [row for row in before["opportunities"] if row[0] not in gone]
    days = [("2025-10-10",), ("2025-10-11",), ("2025-10-12",)]
    assert query(db_url, "SELECT DISTINCT day_utc FROM opportunities_daily ORDER BY 1") == days
    assert rolled_up(db_url, cut_ns) == 0
    assert query(db_url, SUMS) == added_up(records)


@pytest.mark.parametrize("rows_at_once", [1, 7, 10_000])
def test_in_pieces_of_any_size_the_sums_are_the_same(sqlite_url: str, rows_at_once: int) -> None:
    records = list(a_history(pairs=30, days=2))
    same_instant = [an_opportunity(n, run_id=records[0].id, opened_ns=5, best_ns=5, closed_ns=9) for n in range(1, 20)]  # type: ignore[union-attr]
    fill_ledger(sqlite_url, [*records, *same_instant])
    rolled_up(sqlite_url, FIRST_DAY_NS + 2 * NS_PER_DAY, rows_at_once)
    assert query(sqlite_url, SUMS) == added_up([*records, *same_instant])
    assert query(sqlite_url, "SELECT DISTINCT outcome FROM opportunities") == [("traded",)]


def test_an_opportunity_that_comes_late_is_added_to_its_day(db_url: str) -> None:
    fill_ledger(db_url, [a_run(1), an_opportunity(1), an_opportunity(2, outcome=OpportunityOutcome.VANISHED)])
    day_end_ns = (an_opportunity(1).opened_ns // NS_PER_DAY + 1) * NS_PER_DAY
    assert rolled_up(db_url, day_end_ns) == 2
    fill_ledger(db_url, [an_opportunity(3)])
    assert rolled_up(db_url, day_end_ns) == 1
    counts = query(db_url, "SELECT outcome, opportunities, best_net_e8 FROM opportunities_daily ORDER BY 1")
    assert counts == [("refused", 2, 2 * 123_456_789), ("vanished", 1, 123_456_789)]


class Told(Retention):
    """Tells when a day's work is done."""

    def __init__(self, clock: ManualClock, keep_days: int) -> None:
        super().__init__(clock, keep_days)
        self.days: queue.Queue[None] = queue.Queue()

    def done(self) -> None:
        super().done()
        self.days.put(None)


def test_the_ledgers_thread_rolls_up_once_a_day_behind_the_first_rows(sqlite_url: str, journal: Journal) -> None:
    clock = ManualClock(an_opportunity(1).opened_ns + 2 * NS_PER_DAY)
    retention = Told(clock, 1)
    ledger = Ledger(sqlite_url, journal, lambda *_: None, retention=retention)
    ledger.submit(journal.append(an_event(1), keep(1, a_run(1))))
    retention.days.get(timeout=WAIT_S)
    clock.advance(NS_PER_DAY)
    ledger.submit_untraded(an_opportunity(1))
    retention.days.get(timeout=WAIT_S)
    ledger.submit_untraded(an_opportunity(2))
    assert ledger.flush(WAIT_S)
    assert query(sqlite_url, "SELECT SUM(opportunities) FROM opportunities_daily") == [(2,)]
    assert query(sqlite_url, "SELECT id FROM opportunities") == [(2,)]
    clock.advance(NS_PER_DAY)
    ledger.submit_untraded(an_opportunity(3))
    retention.days.get(timeout=WAIT_S)
    assert ledger.close(WAIT_S)
    assert query(sqlite_url, "SELECT SUM(opportunities) FROM opportunities_daily") == [(3,)]
    assert query(sqlite_url, "SELECT COUNT(*) FROM runs") == [(1,)]


def test_kept_for_ever_nothing_is_ever_due() -> None:
    assert Retention(ManualClock(10**18), 0).due_before_ns() is None


def test_retention_is_due_once_in_a_utc_day() -> None:
    clock = ManualClock(100 * NS_PER_DAY + 5)
    retention = Retention(clock, 90)
    assert retention.due_before_ns() == 10 * NS_PER_DAY
    retention.done()
    clock.advance(NS_PER_DAY - 6)
    assert retention.due_before_ns() is None
    clock.advance(1)
    assert retention.due_before_ns() == 11 * NS_PER_DAY
    assert Retention(clock, 10**9).due_before_ns() == 0


def test_compacting_gives_space_back_and_waits_for_no_running_engine(sqlite_url: str, tmp_path: Path) -> None:
    fill_ledger(sqlite_url, a_history(pairs=300, days=1))
    path = tmp_path / "ledger.journal.sqlite"
    a_journal(path).close()
    answer = db_compact(sqlite_url, path, FIRST_DAY_NS + NS_PER_DAY)
    assert answer["rolled_up"] == 1200
    assert answer["bytes_after"] < answer["bytes_before"]
    engine = Journal.open(path, ManualClock(1))
    with pytest.raises(ConfigError, match="already running"):
        db_compact(sqlite_url, path, None)
    engine.close()


def test_a_rebuilt_ledger_keeps_the_sums(db_url: str, tmp_path: Path) -> None:
    journal = a_journal(tmp_path / "ledger.journal.sqlite")
    ledger = InlineLedger(db_url, journal)
    ledger.submit(fill_journal(journal))
    ledger.submit_untraded(an_opportunity(10_000_000_001))
    ledger.close()
    journal.close()
    assert rolled_up(db_url, (an_opportunity(1).opened_ns // NS_PER_DAY + 1) * NS_PER_DAY) == 1
    before, sums = contents(db_url), query(db_url, SUMS)
    db_rebuild(db_url, tmp_path / "ledger.journal.sqlite")
    assert (contents(db_url), query(db_url, SUMS)) == (before, sums)
