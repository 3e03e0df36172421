"""`arb backup`: the stores of an engine, copied while it runs into a folder that appears whole or not at all.

The order of the copies makes them one state:

1. the ledger, a projection of the journal: the journal's later copy holds all that the ledger's has;
2. the intents: the journal's later copy has reached as far as any of them says (`IntentLog.lacking`);
3. the journal;
4. the paper accounts: as a venue does, they know every fill that the journal has, and perhaps later ones.

An order that left after its copy is one that the venue knows and the journal does not. The next start finds it
(`core/accounts/recovery.py`); its id is used by no later process.
"""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated, Any

import msgspec

from arb.app import found_journal
from arb.clock import Clock, utc_text
from arb.config import Settings, database_url
from arb.config.ledger_url import DEMO
from arb.errors import ConfigError, StoreError
from arb.files import put_whole, whole
from arb.live.control import halt_file
from arb.store.journal.account_file import account_path
from arb.store.journal.copies import copy_sqlite
from arb.store.journal.guards import synced
from arb.store.journal.intents import intents_of
from arb.store.journal.reader import JournalReader, Position
from arb.store.ledger import migrate
from arb.store.ledger.copies import FILE, copy_ledger, mismatch, projected
from arb.store.ledger.database import mask_url
from arb.version import version
from arb.watch.memory import memory_path

FORMAT = 1
MANIFEST = "manifest.json"
JOURNAL = FILE.replace(".sqlite", ".journal.sqlite")
"""A journal's copy: the other files are found from its path as they are from the journal's."""
_HIDDEN = ".arb-backup-"
_NO_DUMP = (
    "pg_dump is not installed, so the ledger is not in it: after a restore `arb db rebuild` makes it from the journal, but "
    "for opportunities that were not traded"
)


class Copied(msgspec.Struct, frozen=True):
    """One file of a backup. `ns`: when its size and hash were taken."""

    name: str
    bytes: int
    sha256: str
    ns: int


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """`mode`: as `runs.mode` has it. `revision`: of the ledger's schema. `position`: the journal's last entry."""

    format: int
    version: str
    mode: Annotated[str, msgspec.Meta(pattern="^[a-z]+$")]
    ledger: str
    revision: str | None
    journal_id: str
    position: Position
    begun_ns: int
    files: tuple[Copied, ...]

    @property
    def is_live(self) -> bool:
        return self.mode in ("live", DEMO)


def backup(
    settings: Settings, mode: str, db: str | None, folder: Path, keep: int | None, clock: Clock
) -> dict[str, Any]:
    """Copy a ledger, its journal and the files next to that into a new folder in `folder`; return its path and contents.

    With `keep` only so many backups of this journal stay. Raises `ConfigError` when there is nothing to copy or `folder`
    cannot be used, and `StoreError` when a copy fails; no backup appears then, and earlier ones stay.
    """
    url, journal = database_url(settings, mode, db), found_journal(settings, mode, db)
    with _staging(folder) as staging:
        begun_ns = clock.wall_ns()
        copied = copy_ledger(url, staging)
        # Before the journal is copied: a ledger on PostgreSQL is read where the engine writes it.
        reached, revision = projected(copied or url), migrate.current(copied or url)
        copy = staging / JOURNAL
        _copy_small(intents_of(journal), intents_of(copy))
        copy_sqlite(journal, copy)
        with closing(JournalReader.open(copy)) as reader:
            if (why := mismatch(reached, reader, journal)) is not None:
                raise StoreError(f"ledger {mask_url(url)}: {why}; put the right journal back, or run `arb db rebuild`")
            first, position, journal_id = reader.first_run(), reader.last_position(), reader.journal_id
        if account_path(journal).exists():
            copy_sqlite(account_path(journal), account_path(copy))
        for place in (halt_file, memory_path):
            _copy_small(place(journal), place(copy))
        manifest = Manifest(
            format=FORMAT,
            version=version(),
            mode=mode if first is None else first.mode,
            ledger=mask_url(url),
            revision=revision,
            journal_id=journal_id,
            position=position,
            begun_ns=begun_ns,
            files=tuple(_described(path, clock) for path in sorted(staging.iterdir())),
        )
        put_whole(staging / MANIFEST, msgspec.json.format(msgspec.json.encode(manifest), indent=1))
        synced(staging)
        made = folder / f"{manifest.mode}-{utc_text(begun_ns).replace(' ', 'T').replace(':', '')}Z"
        staging.rename(made)
        synced(folder)
        removed = [] if keep is None else _remove_older(made, journal_id, keep)
    answer = {"backup": str(made), **msgspec.to_builtins(manifest), "removed": removed}
    return answer if copied else answer | {"note": _NO_DUMP}


@contextmanager
def _staging(folder: Path) -> Iterator[Path]:
    """Yield a hidden folder in `folder`, removed at the end unless it was renamed, as are those of killed backups."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise ConfigError(f"backup {folder}: not a folder that can be used: {error.strerror}") from None
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ConfigError(f"backup {folder}: another backup is writing there; wait for its end") from None
        staging = folder / f"{_HIDDEN}new"
        try:
            for left in folder.glob(f"{_HIDDEN}*"):
                shutil.rmtree(left)
            staging.mkdir(mode=0o700)
            yield staging
        except OSError as error:
            raise StoreError(f"backup {folder}: {error.strerror}: {error.filename or 'a file in it'}") from None
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    finally:
        os.close(lock)


def _copy_small(file: Path, copy: Path) -> None:
    """Copy a file, if it is there, that is replaced whole or whose parts have checksums."""
    try:
        content = whole(file)
    except FileNotFoundError:
        return
    put_whole(copy, content)


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _described(path: Path, clock: Clock) -> Copied:
    return Copied(path.name, path.stat().st_size, digest(path), clock.wall_ns())


def _remove_older(made: Path, journal_id: str, keep: int) -> list[str]:
    """Remove the oldest backups of a journal but for `keep`, `made` among them; return their names."""
    others = []
    for path in made.parent.glob(f"*/{MANIFEST}"):
        try:
            found = read_manifest(path.parent)
        except ConfigError:
            continue  # of a newer arb, or none of ours
        if found.journal_id == journal_id and path.parent != made:
            others.append((found.begun_ns, path.parent))
    old = [path for _, path in sorted(others)][: max(0, len(others) + 1 - keep)]
    for path in old:
        hidden = path.with_name(f"{_HIDDEN}{path.name}")  # half of a backup would look like one
        path.rename(hidden)
        shutil.rmtree(hidden)
    return [path.name for path in old]


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest of a backup. Raises `ConfigError` for a folder that is none, and for one of a newer arb."""
    try:
        found = msgspec.json.decode(whole(folder / MANIFEST), type=Manifest)
    except (OSError, msgspec.MsgspecError, ValueError) as error:
        inside = sorted(str(path.parent) for path in folder.glob(f"[!.]*/{MANIFEST}"))
        hint = f"name a backup in it, such as {inside[-1]}" if inside else "name a folder that `arb backup` made"
        why = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(f"restore {folder}: not a backup: {MANIFEST}: {why}; {hint}") from None
    if found.format > FORMAT or (found.revision is not None and found.revision not in migrate.known()):
        raise ConfigError(f"restore {folder}: made by a newer arb ({found.version}); upgrade arb")
    return found
