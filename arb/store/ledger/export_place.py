"""The directory of a Parquet export: staged out of sight, then put into place file by file.

```
DIR/_arb_export.json                                   its contents, and whether they are complete
DIR/duckdb.sql                                         the tables by their names, for `duckdb -init duckdb.sql` in DIR
DIR/table=fills/day_utc=2026-11-21/part-0.parquet      one file for every table and UTC day
DIR/.arb-export-NNNN/...                               files on their way; readers pass over names with a dot
```

A file appears under its name by one rename, written in full and synced, so a reader never meets half of one. Killed on
its way, an export keeps the earlier files as they were, and at most adds a hidden directory that the next one removes.
Days that the ledger no longer has (deleted for their age) go. Nothing is touched in a directory that holds anything
else.
"""

import fcntl
import json
import os
import re
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

from arb.errors import ConfigError, StoreError
from arb.store.journal.guards import synced

MANIFEST = "_arb_export.json"
DUCKDB_FILE = "duckdb.sql"
FILE_NAME = "part-0.parquet"
NO_DAY = "none"  # of a table without days, or without rows; where all are Hive's own null, pyarrow finds no type
_STAGING = ".arb-export-"
_TABLE = re.compile(r"table=[a-z_]+")
_DAY = re.compile(rf"day_utc=([0-9]{{4,}}-[0-9]{{2}}-[0-9]{{2}}|{NO_DAY})")


class ExportPlace:
    """One export into one directory. Use as a context: files not yet in place are removed at its end."""

    def __init__(self, folder: Path) -> None:
        """Take the directory, making it if need be.

        Raises `ConfigError` when it cannot be written, holds files that no export put there, or another export is at
        work.
        """
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise ConfigError(f"export {folder}: not a directory that can be used: {error.strerror}") from None
        try:
            self._take()
        except BaseException:
            os.close(self._lock)
            raise
        self._staged: list[tuple[Path, Path]] = []
        self.bytes = 0

    def __enter__(self) -> "ExportPlace":
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._staging, ignore_errors=True)
        os.close(self._lock)

    def stage(self, table: str, day_utc: str) -> Path:
        """Return where to write the file of one table and day (`YYYY-MM-DD` or `NO_DAY`), out of sight."""
        name = Path(f"table={table}") / f"day_utc={day_utc}" / FILE_NAME
        staged = self._staging / name
        staged.parent.mkdir(parents=True, exist_ok=True)
        self._staged.append((staged, self.folder / name))
        return staged

    def commit(self, manifest: dict[str, Any], duckdb: str = "") -> int:
        """Put every staged file into place, remove days that are gone, and return how many bytes there are.

        `duckdb` are the statements that name the tables for DuckDB.

        The manifest has `"complete": false` while this is under way.
        """
        try:
            total = 0
            for staged, _ in self._staged:
                total += staged.stat().st_size
                synced(staged)
            self._write_manifest(manifest | {"complete": False})
            for staged, goal in self._staged:
                goal.parent.mkdir(parents=True, exist_ok=True)
                staged.rename(goal)
            self._remove_others({goal for _, goal in self._staged})
            for folder in {goal.parent for _, goal in self._staged}:
                synced(folder)
            self._write(DUCKDB_FILE, duckdb)
            self._write_manifest(manifest | {"complete": True})
        except OSError as error:
            raise export_error(self.folder, error) from None
        return total

    def _take(self) -> None:
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ConfigError(f"export {self.folder}: another export is writing there; wait for its end") from None
        strange = self._first_foreign()
        if strange is not None:
            raise ConfigError(
                f"export {self.folder}: holds {strange}, which no export put there; choose an empty directory"
            )
        try:
            for left in self.folder.glob(f"{_STAGING}*"):
                shutil.rmtree(left)
            self._staging = self.folder / f"{_STAGING}{os.getpid()}"
            self._staging.mkdir()
        except OSError as error:
            raise ConfigError(f"export {self.folder}: cannot be written: {error.strerror}") from None

    def _first_foreign(self) -> str | None:
        for entry in sorted(self.folder.iterdir()):
            if entry.name in (MANIFEST, DUCKDB_FILE) or entry.name.startswith(_STAGING):
                continue
            if entry.is_symlink() or not (entry.is_dir() and _TABLE.fullmatch(entry.name)):
                return entry.name
            for day in entry.iterdir():
                if day.is_symlink() or not (day.is_dir() and _DAY.fullmatch(day.name)):
                    return str(day.relative_to(self.folder))
                for file in day.iterdir():
                    if file.name != FILE_NAME:
                        return str(file.relative_to(self.folder))
        return None

    def _remove_others(self, kept: set[Path]) -> None:
        for file in list(self.folder.glob(f"table=*/day_utc=*/{FILE_NAME}")):
            if file not in kept:
                file.unlink()
        for folder in [*self.folder.glob("table=*/day_utc=*"), *self.folder.glob("table=*")]:
            with suppress(OSError):  # not empty: it is in use
                folder.rmdir()

    def _write_manifest(self, manifest: dict[str, Any]) -> None:
        self._write(MANIFEST, json.dumps(manifest, indent=1) + "\n")

    def _write(self, name: str, text: str) -> None:
        staged = self._staging / name
        staged.write_text(text, encoding="utf-8")
        synced(staged)
        staged.rename(self.folder / name)
        synced(self.folder)


def export_error(folder: Path, error: OSError) -> StoreError:
    return StoreError(f"export {folder}: cannot be written: {error.strerror or error}")
