"""Backups: of one state whatever the engine does meanwhile, with nothing secret, and only as many as are kept."""

import json
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from arb.app.backup import MANIFEST
from arb.clock import NS_PER_S, ManualClock
from arb.errors import ConfigError, StoreError
from arb.live.control import read_halt_file, write_halt_file
from arb.store.journal.account_file import account_path
from arb.store.journal.journal import Journal
from arb.store.ledger.ledger import InlineLedger, prepare_ledger
from arb.watch.memory import memory_path
from tests.support.intents import an_intent
from tests.unit.app.backup.places import (
    CLOCK,
    WHOLE,
    Place,
    an_engine,
    at_every_access,
    files_in,
)
from tests.unit.store.conftest import open_journal
from tests.unit.store.rows import T0, a_run, an_event, keep
from tests.unit.store.story import contents


def test_a_restored_backup_holds_every_row_and_an_engine_continues_from_it(
    place: Place, elsewhere: Place, made: Path
) -> None:
    assert files_in(made) == [*WHOLE, MANIFEST]
    answer = elsewhere.restored(made)
    assert (answer["checked"], answer["next"]) == (True, f"arb run --mode sandbox --db {elsewhere.url}")
    journal = open_journal(elsewhere.journal)
    assert journal.last_seq == json.loads((made / MANIFEST).read_text())["position"][0]
    InlineLedger(elsewhere.url, journal).close()  # it takes the rows that the first one had not written yet
    journal.close()
    assert contents(elsewhere.url) == contents(place.url)


def test_reading_a_backup_where_it_lies_does_not_change_it(made: Path, elsewhere: Place) -> None:
    assert contents(f"sqlite:///{made / 'ledger.sqlite'}").keys()
    assert elsewhere.restored(made)["checked"]


def test_what_lies_beside_the_journal_is_in_it_and_no_secret(place: Place, elsewhere: Place, tmp_path: Path) -> None:
    with an_engine(place) as (journal, _):
        (place.folder / ".env").write_text("GATE_API_KEY=planted")
        write_halt_file(place.journal, "asked")
        memory_path(place.journal).write_text('{"begun_ns":1}')
        with closing(sqlite3.connect(account_path(place.journal))) as db:
            db.execute("CREATE TABLE entries (value)")
        made = place.back_up(tmp_path / "copies")
        assert journal.last_seq
    more = ["ledger.account.sqlite", "ledger.journal.halt", "ledger.journal.watch.json"]
    assert files_in(made) == sorted([*WHOLE, *more, MANIFEST])
    assert not any(b"planted" in path.read_bytes() for path in made.iterdir())
    elsewhere.restored(made)
    assert read_halt_file(elsewhere.journal) == "asked"
    assert memory_path(elsewhere.journal).read_text() == '{"begun_ns":1}'
    assert account_path(elsewhere.journal).exists()
    assert all(path.stat().st_mode & 0o077 == 0 for path in elsewhere.folder.glob("a.*"))


def test_a_restored_live_engine_begins_halted(place: Place, elsewhere: Place, tmp_path: Path) -> None:
    with an_engine(place, mode="live"):
        made = place.back_up(tmp_path / "copies")
    answer = elsewhere.restored(made)
    assert answer["next"] == f"arb run --mode live --db {elsewhere.url} --live" and "arb resume" in answer["halted"]
    assert "restored from a backup of 2023-11-14" in (read_halt_file(elsewhere.journal) or "")


def test_an_engine_may_do_anything_between_two_copies(place: Place, elsewhere: Place, tmp_path: Path) -> None:
    steps = 0
    with an_engine(place) as (journal, ledger):

        def go_on() -> None:
            nonlocal steps
            steps += 1
            seq = journal.last_seq + 1
            ledger.submit(journal.append(an_event(seq), keep(seq, a_run(seq))))
            ledger.flush()
            journal.sync()
            journal.intend([an_intent(seq + 1, steps)])

        with at_every_access(place.folder, go_on):
            made = place.back_up(tmp_path / "copies")
        assert steps >= 3
        journal.append(an_event(journal.last_seq + 1), ())
    elsewhere.restored(made)
    restored = open_journal(elsewhere.journal)
    prepare_ledger(elsewhere.url, restored)
    restored.close()


def test_an_order_of_which_only_the_intent_was_written_is_in_the_backup(
    place: Place, elsewhere: Place, tmp_path: Path
) -> None:
    with an_engine(place) as (journal, _):
        journal.sync()
        seq = journal.last_seq + 1
        journal.intend([an_intent(seq)])
        made = place.back_up(tmp_path / "copies")
        journal.append(an_event(seq), ())
    elsewhere.restored(made)
    restored = Journal.open(elsewhere.journal, CLOCK)
    assert restored.last_seq == seq
    restored.close()


def test_stores_of_two_times_are_not_backed_up(place: Place, tmp_path: Path) -> None:
    with an_engine(place) as (journal, ledger):
        with closing(sqlite3.connect(tmp_path / "older")) as older, closing(sqlite3.connect(place.journal)) as db:
            db.backup(older)
        ledger.submit(journal.append(an_event(journal.last_seq + 1), keep(1, a_run(9))))
        ledger.flush()
    shutil.copy(tmp_path / "older", place.journal)
    with pytest.raises(StoreError, match="ahead of its journal"):
        place.back_up(tmp_path / "copies")
    assert files_in(tmp_path / "copies") == []


def test_only_the_newest_are_kept_and_those_of_other_journals_stay(
    place: Place, elsewhere: Place, tmp_path: Path
) -> None:
    copies = tmp_path / "copies"
    with an_engine(place), an_engine(elsewhere):
        with closing(sqlite3.connect(elsewhere.journal)) as db:
            db.execute("UPDATE meta SET value = 'another' WHERE name = 'journal_id'")
            db.commit()
        with closing(sqlite3.connect(elsewhere.folder / "a.sqlite")) as db:
            db.execute("UPDATE projection SET journal_id = 'another'")
            db.commit()
        other = elsewhere.back_up(copies)
        made = [place.back_up(copies, 2, ManualClock(T0 + n * NS_PER_S)) for n in range(1, 5)]
    assert files_in(copies) == sorted([other.name, made[2].name, made[3].name])


def test_a_place_that_cannot_take_a_backup_is_refused(place: Place, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="no such file"):
        place.back_up(tmp_path / "copies")
    with an_engine(place):
        with pytest.raises(ConfigError, match="not a folder that can be used"):
            place.back_up(tmp_path / "file")
        place.back_up(tmp_path / "copies")
        with pytest.raises(StoreError, match="not empty"):
            place.back_up(tmp_path / "copies")  # in the same millisecond


def test_one_backup_at_a_time_in_a_folder(place: Place, tmp_path: Path) -> None:
    copies = tmp_path / "copies"
    said: list[str] = []

    def second() -> None:
        with pytest.raises(ConfigError) as refused:
            place.back_up(copies)
        said.append(str(refused.value))

    with an_engine(place), at_every_access(copies / ".arb-backup-new", second):
        assert place.back_up(copies).is_dir()
    assert said and all("another backup is writing there" in text for text in said)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_named(place: Place, tmp_path: Path) -> None:
    (copies := tmp_path / "copies").mkdir(mode=0o500)
    with an_engine(place), pytest.raises(StoreError, match="Permission denied"):
        place.back_up(copies)
