"""Backups and restores that are killed, or find the disk full, at any step: whole or not there."""

import resource
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from arb.clock import NS_PER_S, ManualClock
from arb.errors import ConfigError
from arb.store.ledger.projector import require_journal
from tests.unit.app.backup.places import WHOLE, Place, an_engine, files_in, in_child, killed_at_each
from tests.unit.store.rows import T0


def test_a_backup_killed_at_any_step_is_whole_or_not_there(place: Place, tmp_path: Path) -> None:
    copies, count = tmp_path / "copies", 0
    with an_engine(place):
        pass

    def judge(was_killed: bool) -> None:
        nonlocal count
        for made in (path for path in copies.glob("*") if not path.name.startswith(".")):
            count += 1
            there = Place(tmp_path / f"restored-{count}")
            assert there.restored(made)["checked"], made
            shutil.rmtree(made)
        if not was_killed:
            assert files_in(copies) == [], "what killed ones left is gone"

    assert killed_at_each(copies, lambda: place.back_up(copies), judge) > 8
    assert count >= 1


def test_a_restore_killed_at_any_step_is_refused_by_a_start_and_ended_by_another(made: Path, tmp_path: Path) -> None:
    there, refused = Place(tmp_path / "second"), 0

    def judge(_: bool) -> None:
        nonlocal refused
        journal = there.folder / "a.journal.sqlite"
        if not journal.exists():
            if (there.folder / "a.sqlite").exists():
                refused += 1
                with pytest.raises(ConfigError, match="its journal is not at"):
                    require_journal(there.url, journal)
            assert there.restored(made)["checked"]
        for name in WHOLE:
            assert (made / name).read_bytes() == (there.folder / name.replace("ledger", "a")).read_bytes()
        shutil.rmtree(there.folder)
        there.folder.mkdir()

    assert killed_at_each(there.folder, lambda: there.restored(made), judge) > 8
    assert refused >= 2


@pytest.mark.parametrize("most", [1_000, 100_000, 200_000])
def test_a_disk_that_is_full_in_the_middle_leaves_no_backup_and_the_earlier_ones(
    place: Place, elsewhere: Place, tmp_path: Path, most: int
) -> None:
    copies = tmp_path / "copies"
    with an_engine(place):
        earlier = place.back_up(copies)
        later = ManualClock(T0 + NS_PER_S)

        def limited(act: Callable[[], object]) -> tuple[int, str]:
            def run() -> None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
                act()

            return in_child(run)

        code, said = limited(lambda: place.back_up(copies, 1, later))
        assert (code, said.count("\n")) == (2, 0) and str(copies) in said, said
        assert files_in(copies) == [earlier.name]
        code, said = limited(lambda: elsewhere.restored(earlier))
        assert (code, said.count("\n")) == (2, 0) and str(elsewhere.folder) in said, said
    assert files_in(elsewhere.folder) == ["a.journal.sqlite.lock"]
    assert elsewhere.restored(earlier)["checked"]
