"""Restores: from a sound backup into an empty place, and nothing else."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from arb.app.backup import MANIFEST
from arb.errors import ArbError, ConfigError, StoreError
from arb.store.journal.guards import InstanceLock
from arb.store.ledger import migrate
from arb.store.ledger.rebuild import db_check, db_upgrade
from tests.unit.app.backup.places import (
    WHOLE,
    Place,
    an_engine,
    files_in,
)


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
    answer = elsewhere.restored(place.back_up(tmp_path / "copies"))
    assert (answer["checked"], answer["next"]) == (False, f"arb db upgrade --mode sandbox --db {elsewhere.url}")
    assert migrate.current(elsewhere.url) == older
    db_upgrade(elsewhere.url)
    assert db_check(elsewhere.url)["ok"]
