"""The disk under simulation: what is full is SQLite itself, and what is gone is a file."""

import random
from pathlib import Path

import pytest

from arb.clock import NS_PER_S, ManualClock
from arb.core.messages.events import TroubleReported
from arb.errors import StoreError
from arb.store.journal.journal import Journal
from proofs.faultsim.aims import JOURNAL_PARTS
from proofs.faultsim.disk import NOTICED_NS, Disk, FaultyReserve, Files

START_NS = 1_700_000_000 * NS_PER_S


def opened(folder: Path) -> tuple[Journal, Disk, FaultyReserve]:
    files = Files(folder)
    disk = Disk(files)
    reserve = FaultyReserve(disk, lambda: START_NS)
    journal = Journal.open(files.journal, ManualClock(START_NS), rng=random.Random(1), reserve=reserve)
    reserve.journal = journal
    return journal, disk, reserve


def write(journal: Journal, reserve: FaultyReserve, count: int = 1) -> None:
    """Let the journal take events of a few pages each."""
    for _ in range(count):
        reserve.mind()
        event = TroubleReported(kind="noise", text="x" * 5_000, seq=journal.last_seq + 1, t_ns=START_NS)
        journal.append(event, ())


def lives_on_reserve(journal: Journal, reserve: FaultyReserve) -> bool:
    assert journal.reserve_touched is not reserve.held
    return journal.reserve_touched


def test_a_full_disk_is_met_with_the_reserve_and_when_that_is_used_up_nothing_is_written(tmp_path: Path) -> None:
    journal, disk, reserve = opened(tmp_path)
    write(journal, reserve)
    disk.fill(START_NS + NS_PER_S, reserve_pages=6)
    write(journal, reserve)
    assert lives_on_reserve(journal, reserve)
    with pytest.raises(StoreError, match="full"):
        write(journal, reserve, 5)
    last = journal.last_seq
    disk.clear()
    write(journal, reserve, 5)
    assert journal.last_seq == last + 5
    journal.sync()
    assert not lives_on_reserve(journal, reserve)
    journal.close()


def test_with_space_enough_in_the_reserve_the_journal_goes_on(tmp_path: Path) -> None:
    journal, disk, reserve = opened(tmp_path)
    disk.fill(START_NS + NS_PER_S, reserve_pages=4096)
    write(journal, reserve, 20)
    journal.sync()
    assert journal.reserve_touched  # there is no space yet to set aside
    journal.close()


def test_a_journal_that_was_moved_away_is_missed_at_the_next_sync_and_whole_again_when_it_is_back(
    tmp_path: Path,
) -> None:
    journal, disk, reserve = opened(tmp_path)
    write(journal, reserve)
    assert disk.lose_journal(START_NS)
    assert not disk.lose_journal(START_NS), "it is gone already"
    assert [disk.journal_is_missed(START_NS + since_ns) for since_ns in (NOTICED_NS, NOTICED_NS + 1)] == [False, True]
    with pytest.raises(StoreError, match="removed while running"):
        journal.sync()
    write(journal, reserve)  # as a removed file is written on
    disk.put_journal_back()
    journal.sync()
    journal.close()
    assert not disk.journal_is_missed(START_NS + NS_PER_S)
    assert written(tmp_path) == 2


@pytest.mark.parametrize("part", JOURNAL_PARTS)
def test_each_part_of_a_journal_is_missed_and_put_back_alone(tmp_path: Path, part: str) -> None:
    journal, disk, reserve = opened(tmp_path)
    write(journal, reserve)
    present = {file.name for file in tmp_path.iterdir()}
    disk.lose_journal(START_NS, part)
    away = present - {file.name for file in tmp_path.iterdir()}
    assert away
    assert all(name.endswith(".intents") == (part == "intents") for name in away)
    with pytest.raises(StoreError, match=r"(intents|journal) .*removed while running"):
        journal.sync()
    disk.put_journal_back()
    journal.sync()
    journal.close()
    assert {file.name for file in tmp_path.glob("*.away")} == set()
    assert written(tmp_path) == 1


def test_a_journal_that_its_own_process_has_written_again_stays(tmp_path: Path) -> None:
    journal, disk, reserve = opened(tmp_path)
    disk.lose_journal(START_NS)
    write(journal, reserve, 3)
    journal.close()
    disk.after_death()
    assert written(tmp_path) == 3
    assert not list(tmp_path.glob("*.away"))


def written(folder: Path) -> int:
    """Return how many events the next process finds in the journal."""
    journal, _, _ = opened(folder)
    last = journal.last_seq
    journal.close()
    return last


def test_a_ledger_that_is_gone_is_gone_with_its_log(tmp_path: Path) -> None:
    files = Files(tmp_path)
    files.make_ledger()
    files.ledger.with_name(files.ledger.name + "-wal").write_bytes(b"")
    Disk(files).lose_ledger()
    assert list(tmp_path.iterdir()) == []


def after_a_power_cut(folder: Path, *, synced: bool) -> int:
    """Write an event, then another for which the power goes, and return the last that the next process finds."""
    journal, disk, reserve = opened(folder)
    write(journal, reserve)
    disk.keep_journal()
    write(journal, reserve)
    if synced:
        journal.sync()
        disk.synced()
    disk.cut()
    journal.close()
    disk.after_death()
    journal, _, _ = opened(folder)
    try:
        return journal.last_seq
    finally:
        journal.close()


def test_a_power_cut_takes_what_was_not_synced_out_of_the_journal(tmp_path: Path) -> None:
    assert after_a_power_cut(tmp_path, synced=False) == 1


def test_what_was_synced_survives_a_power_cut(tmp_path: Path) -> None:
    assert after_a_power_cut(tmp_path, synced=True) == 2


def test_a_death_without_a_power_cut_loses_nothing(tmp_path: Path) -> None:
    journal, disk, reserve = opened(tmp_path)
    disk.keep_journal()
    write(journal, reserve)
    journal.close()
    disk.after_death()
    journal, _, _ = opened(tmp_path)
    assert journal.last_seq == 1
    journal.close()
