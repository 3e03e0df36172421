"""`arb restore`: a backup put into an empty place, and checked there.

The journal appears last. A start refuses a ledger without its journal, so it refuses an interrupted restore; another
restore of the same backup ends that one.
"""

import os
import shutil
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from shlex import quote
from typing import Any

import msgspec

from arb.app import stores
from arb.app.backup import JOURNAL, Manifest, digest, read_manifest
from arb.clock import utc_text
from arb.config import Settings
from arb.config.ledger_url import DEMO
from arb.errors import CheckFailed, ConfigError, StoreError
from arb.live.control import halt_file, write_halt_file
from arb.store.journal.account_file import account_path
from arb.store.journal.guards import SUFFIXES, InstanceLock, beside, synced
from arb.store.journal.intents import intents_of
from arb.store.journal.reader import JournalReader
from arb.store.ledger import migrate
from arb.store.ledger.copies import DUMP, FILE, mismatch, projected, restore_dump
from arb.store.ledger.database import mask_url, parse_url, sqlite_file
from arb.store.ledger.rebuild import db_check
from arb.watch.memory import memory_path

_HALT = "restored from a backup of {} UTC, so later halts and losses are not known"


def restore(settings: Settings, folder: Path, db: str | None) -> dict[str, Any]:
    """Put a backup into an empty place, check it there, and return the place and the next command.

    The place is `db`, else that of the backup's mode by the settings. A live journal begins halted. Raises `ConfigError`
    when the backup or the place cannot be used, `StoreError` when a file is damaged or the disk refuses, and `CheckFailed`
    when the check finds a fault.
    """
    manifest = read_manifest(folder)
    if manifest.mode == DEMO:
        settings = msgspec.structs.replace(settings, venues=settings.venues.on_demo())
    mode = "live" if manifest.is_live else manifest.mode
    url, journal = stores(settings, mode, db)
    places = _places(manifest, url, journal)
    _require_sound(folder, manifest)
    try:
        journal.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"restore: cannot make {journal.parent}: {error.strerror}; choose another --db") from None
    lock = InstanceLock(journal)
    try:
        _require_empty(folder, url, places)
        has_ledger = _put(folder, url, manifest, places)
    except OSError as error:
        where = error.filename2 or error.filename
        raise StoreError(f"restore: {error.strerror}: {where}; restore again to end it") from None
    finally:
        lock.release()
    is_old = has_ledger and manifest.revision != migrate.head()
    checked = has_ledger and not is_old
    if checked and (faults := _faults(url, journal)):
        raise CheckFailed(f"restored, but ledger {mask_url(url)}: {faults[0]}")
    command = "run" if checked else "db upgrade" if is_old else "db rebuild"
    options = f" --db {quote(mask_url(url))}" if db else ""
    options += " --environment demo" * (manifest.mode == DEMO) + " --live" * (manifest.is_live and checked)
    answer = {"restored": str(folder), "mode": manifest.mode, "db": mask_url(url), "journal": str(journal)}
    halted = {"halted": "opens nothing until `arb resume --reason TEXT`; open pairs are finished"}
    following = {"checked": checked, "next": f"arb {command} --mode {mode}{options}"}
    return answer | {"backup_ns": manifest.begun_ns} | (halted if manifest.is_live else {}) | following


def _places(manifest: Manifest, url: str, journal: Path) -> dict[str, Path]:
    """Return where each file goes, in the order of their appearance; a ledger of the other kind of database goes nowhere."""
    file = sqlite_file(parse_url(url))
    of_ledger = {FILE: file, DUMP: None} if file is not None else {FILE: None, DUMP: Path(DUMP)}
    others = (intents_of, account_path, halt_file, memory_path, Path)
    known = of_ledger | {of(Path(JOURNAL)).name: of(journal) for of in others}
    names = {copied.name for copied in manifest.files}
    if names - known.keys() or JOURNAL not in names:
        raise ConfigError(f"restore: the manifest names {sorted(names - known.keys()) or 'no journal'}: it is damaged")
    return {name: place for name, place in known.items() if name in names and place is not None}


def _require_sound(folder: Path, manifest: Manifest) -> None:
    for copied in manifest.files:
        path = folder / copied.name
        if not path.is_file():
            raise StoreError(f"restore: {path} is missing; use another backup")
        if (path.stat().st_size, digest(path)) != (copied.bytes, copied.sha256):
            raise StoreError(f"restore: {path} is damaged: its size or hash is not the manifest's; use another backup")


def _require_empty(folder: Path, url: str, places: Mapping[str, Path]) -> None:
    """Raise `ConfigError` where something would be replaced, but for the files of an interrupted restore."""
    for name, place in places.items():
        if name == DUMP:
            if migrate.current(url) is not None:
                raise ConfigError(f"restore: ledger {mask_url(url)} has tables: name an empty database with --db")
            continue
        for path in [place] if place.suffix != ".sqlite" else [beside(place, suffix) for suffix in SUFFIXES]:
            again = path == place and name != JOURNAL and path.is_file() and digest(path) == digest(folder / name)
            if os.path.lexists(path) and not again:
                raise ConfigError(f"restore: {path} exists, and is not replaced: move it away, or choose another --db")


def _put(folder: Path, url: str, manifest: Manifest, places: Mapping[str, Path]) -> bool:
    """Put every file into its place, whole and on the disk, the journal last; return whether the ledger is there."""
    aside = {name: place.with_name(f".{place.name}.restored") for name, place in places.items() if name != DUMP}
    try:
        for name, path in aside.items():
            shutil.copyfile(folder / name, path)
            path.chmod(0o600)
            synced(path)
        has_ledger = FILE in places or (DUMP in places and restore_dump(folder / DUMP, url))
        if manifest.is_live and halt_file(Path(JOURNAL)).name not in places:
            synced(write_halt_file(places[JOURNAL], _HALT.format(utc_text(manifest.begun_ns))))
        for name, path in aside.items():
            path.rename(places[name])
            synced(places[name].parent)
        return has_ledger
    finally:
        for path in aside.values():
            path.unlink(missing_ok=True)


def _faults(url: str, journal: Path) -> list[str]:
    with closing(JournalReader.open(journal)) as reader:
        why = mismatch(projected(url), reader, journal)
    return [*db_check(url)["faults"], *([] if why is None else [why])]
