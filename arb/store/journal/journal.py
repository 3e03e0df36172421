"""The journal: every event that changed the engine and every command it led to, written before it is performed or, for
the orders of an opening, right after.

One local SQLite file in WAL mode, written by one thread, one transaction per event. A commit is not fsynced: it
survives the death of the process (`kill -9`) at once, and the death of the machine from the next `sync()` on, which
another thread calls at least every 250 ms. Commits never checkpoint either; `sync()` moves the log into the file, so
that the loop meets no disk. (`synchronous=NORMAL`, not OFF: when SQLite restarts its log file, once per few thousand
commits, it has to sync the new header, else a power cut at that moment could mix old and new pages.)

`entries` is the story: one row per event (`sub` 0) and per command (`sub` 1, 2, ...), as JSON with decimals as strings;
`type` is the tag, which stays when a class is renamed. Older entries are moved into `blocks`, compressed
(`blocks.py`), while the engine runs: another thread prepares it (`upkeep.py`), and `replace` is one
short transaction. `live` points at the latest rows of every pair that is not finished, so that a restart reads little.
`counters` holds the greatest run and pair numbers. All three change in the same transaction.

Of an opening only the intent is written before its orders are sent (`intents.py`); its step follows. Steps of intents
that a journal lacks are appended when it is opened, before anything else reads it or is written.
"""

import logging
import random
import sqlite3
import threading
from collections.abc import Iterable, Mapping
from itertools import groupby
from operator import attrgetter
from pathlib import Path

import msgspec

from arb.clock import Clock, system_random
from arb.core.messages.commands import AnyCommand, Persist
from arb.core.messages.events import AnyEvent, QueueDrained
from arb.core.messages.intents import Intent
from arb.core.messages.records import tag_of
from arb.core.trades.intents import commands_of
from arb.errors import ConfigError, StoreError, require
from arb.store.journal.blocks import Change, put
from arb.store.journal.guards import (
    NO_SPACE,
    FileReserve,
    InstanceLock,
    NoReserve,
    Reserve,
    close_and_put_back,
    empty_log,
    files_of,
    rewrite_log,
    sync_log,
)
from arb.store.journal.intents import IntentLog, has_lacking, intents_of
from arb.store.journal.pointers import PointerChange, Pointers
from arb.store.journal.reader import MAX_SUB, SUB_BITS, JournalReader, JournalState, Row
from arb.store.journal.schema import connect, create

log = logging.getLogger(__name__)

CHECKPOINT_BYTES = 8 * 1024 * 1024
MAX_PAGES = 4_294_967_294
_INSERT = "INSERT INTO entries (id, t_ns, kind, type, payload) VALUES (?, ?, ?, ?, ?)"
_Line = tuple[int, int, str, str, str]


class Journal:
    """Write the journal. `append` and `close` belong to one thread; `sync` may be called from any other."""

    def __init__(self, path: Path | str, db: sqlite3.Connection, lock: InstanceLock | None, reserve: Reserve | None):
        """Use `Journal.open` or `Journal.in_memory`."""
        self.path = path
        self.reserve_touched = False
        self._db = db
        self._lock = lock
        self._reserve = reserve
        self._encode = msgspec.json.Encoder(decimal_format="string").encode
        self._reader = JournalReader(db, path)
        self._last_seq = self._reader.last_position().seq
        self._pointers = Pointers(self._reader)
        self._files = files_of(path) if isinstance(path, Path) else ()
        self._intents: IntentLog | None = None
        self._doubted = False  # an fsync failed, so commits may not be on the disk
        self._long_log = 8 * CHECKPOINT_BYTES  # bytes of the log of which the next warning is due
        self._synced = 0  # the last step that no power cut can take
        self._intended = 0  # the newest step of which an intent was written
        self._sync_lock = threading.Lock()
        self._sync_db: sqlite3.Connection | None = None

    @classmethod
    def open(
        cls, path: Path, clock: Clock, *, rng: random.Random | None = None, reserve: Reserve | None = None
    ) -> "Journal":
        """Open or create the journal at `path`, its lock (`PATH.lock`) and its log of intents; journal orders that may
        have been sent.

        Without a disk reserve (`NoReserve`) it has no intents either. Raises `ConfigError` when the place cannot be
        written, another engine holds it, or a newer arb wrote it, and `StoreError` when the file is damaged or not a
        journal.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                f"journal {path}: cannot make its directory: {error.strerror}; choose another --db"
            ) from None
        lock = InstanceLock(path)
        try:
            db = connect(path, lambda new: create(new, clock, rng or system_random()))
            held = FileReserve(path.with_name(path.name.removesuffix(".sqlite") + ".reserve"))
            journal = cls(path, db, lock, held if reserve is None else reserve)
            journal._move_old_log()
            if not isinstance(reserve, NoReserve):
                journal._recover_intents()
            return journal
        except BaseException:
            lock.release()
            raise

    @classmethod
    def settle_intents(cls, path: Path, clock: Clock) -> None:
        """Append the steps of intents that the journal at `path` lacks, for a reader without an engine; raise as
        `open`.

        Nothing is written where it lacks nothing, or where there are no intents.
        """
        reader = JournalReader.open(path)
        try:
            lacks = has_lacking(intents_of(path), reader.journal_id, reader.last_position().seq)
        finally:
            reader.close()
        if lacks:
            cls.open(path, clock).close()

    @classmethod
    def in_memory(cls, clock: Clock, rng: random.Random) -> "Journal":
        """Make a journal without a file, for tests and measurements; it takes no lock and `sync` has nothing to do."""
        db = sqlite3.connect(":memory:", isolation_level=None)
        create(db, clock, rng)
        return cls(":memory:", db, None, None)

    @property
    def journal_id(self) -> str:
        """Return the random name this journal was given when it was made."""
        return self._reader.journal_id

    @property
    def last_seq(self) -> int:
        return self._last_seq

    def last_ns(self) -> int:
        return self._reader.last_ns()

    def restore(
        self,
        account_ids: Iterable[str] | None = None,
        former_accounts: Mapping[str, str] | None = None,
        now_ns: int | None = None,
    ) -> JournalState:
        return self._reader.state(account_ids, former_accounts, now_ns)

    def reader(self) -> JournalReader:
        """Return a reader for another thread; in memory, one on this very connection that must stay in this thread."""
        return JournalReader.open(self.path) if isinstance(self.path, Path) else JournalReader(self._db, self.path)

    def intend(self, intents: Iterable[Intent]) -> None:
        """Write down orders about to be sent, before their step is appended; they survive `kill -9` from now on.

        Raises `StoreError` when that fails: then they must not be sent. A journal that protects no money keeps no
        intents.
        """
        if self._intents is not None:
            for intent in intents:
                self._intents.write(intent, self._last_seq, self._synced)
                self._intended = intent.seq

    def warm_up_intent(self) -> bool:
        """Keep the way that an intent takes in the processor's caches; return True, since this is all of it.

        Not during a sync: a write may have to wait until the disk is done, and nothing but an order is worth that.
        """
        if self._intents is not None and not self._sync_lock.locked():
            self._intents.warm_up()
        return True

    def append(self, event: AnyEvent, commands: tuple[AnyCommand, ...]) -> tuple[Row, ...]:
        """Write an event and its commands in one transaction, and return the rows among them, for the ledger.

        `event.seq` must be greater than the last one. When the disk is full the reserve is released and the write tried
        once more (`reserve_touched` is then true); raises `StoreError`, with nothing written, when that does not help.
        """
        require(event.seq > self._last_seq, f"journal: event {event.seq} after {self._last_seq}")
        intended = self._intended
        require(
            not self._last_seq < intended < event.seq,
            f"journal: event {event.seq} without {intended}, whose orders were sent",
        )
        require(len(commands) <= MAX_SUB, f"journal: {len(commands)} commands from one event")
        base = event.seq << SUB_BITS
        lines: list[_Line] = [(base, event.t_ns, "event", tag_of(event), self._encode(event).decode())]
        rows: list[Row] = []
        for sub, command in enumerate(commands, 1):
            text = self._encode(command).decode()
            lines.append((base + sub, event.t_ns, "command", tag_of(command), text))
            if type(command) is Persist:
                rows.append(Row(event.seq, sub, command.record))
        change = self._pointers.change(event, rows)
        try:
            self._write(lines, change)
        except sqlite3.Error as error:
            self._write_with_reserve(lines, change, error)
        self._last_seq = event.seq
        self._pointers.remember(change)
        return tuple(rows)

    def replace(self, change: Change) -> None:
        """Put a block in the place of older entries, or drop them; on the thread of `append`, which waits for no other.

        Raises `StoreError`, with nothing changed, when the disk refuses or the journal is not the one the change was
        made for.
        """
        try:
            put(self._db, change)
        except sqlite3.Error as error:
            raise StoreError(f"journal {self.path}: {error}") from None

    def hold_reserve(self) -> None:
        """Set the disk reserve aside, before orders are sent; where there is no space for it, it counts as touched."""
        if self._reserve is not None:
            self.reserve_touched = not self._reserve.establish()

    def sync(self) -> None:
        """Make everything committed so far survive a power cut; safe from another thread, which may wait for the disk.

        Also moves a long log into the file, and sets the disk reserve aside again once there is space. Raises
        `StoreError` when the disk refuses, and when the files are no longer the ones that are written; after an fsync that
        failed, until all was written again and read back.
        """
        if not isinstance(self.path, Path):
            return
        with self._sync_lock:
            try:
                if self._intents is not None:
                    self._intents.sync()
                if files_of(self.path) != self._files:
                    raise StoreError(f"journal {self.path}: its files were replaced while running")
                reached = self._last_seq
                if self._doubted:
                    rewrite_log(self._second(), self.path)
                    self._doubted = False
                log_bytes = sync_log(self.path)
                self._synced = reached
                if log_bytes >= CHECKPOINT_BYTES:
                    self._second().execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()  # waits for no other thread
                    self._name_long_log(log_bytes)
            except FileNotFoundError:
                raise StoreError(f"journal {self.path}: its files were removed while running") from None
            except (OSError, sqlite3.Error) as error:
                self._doubted = True
                raise StoreError(f"journal {self.path}: cannot sync: {error}") from None
            self.hold_reserve()

    def confine(self, pages: int | None) -> None:
        """Let the file grow by at most `pages` from here on, as a disk that fills up does; None: as far as there is space."""
        [size] = self._db.execute("PRAGMA page_count").fetchone()
        self._db.execute(f"PRAGMA max_page_count = {MAX_PAGES if pages is None else size + pages}").fetchall()

    def close(self) -> None:
        """Write everything into the file, again if it was removed, and let another engine in.

        The disk reserve is given back unless a pair is open, which a start on a full disk would have to finish. Raises
        `StoreError` when the disk refuses.
        """
        with self._sync_lock:
            if self._reserve is not None and not self._pointers.open_pairs:
                self._reserve.release()
            if self._sync_db is not None:
                self._sync_db.close()
            try:
                if self._intents is not None:
                    self._intents.close()
                if isinstance(self.path, Path):
                    close_and_put_back(self._db, self.path)  # the last connection checkpoints and removes the log
            except (OSError, sqlite3.Error) as error:
                raise StoreError(f"journal {self.path}: was removed and cannot be written again: {error}") from None
            finally:
                self._db.close()
                if self._lock is not None:
                    self._lock.release()

    def _move_old_log(self) -> None:
        """Move an earlier process's log into the file: its last fsync may have failed before it was killed."""
        try:
            self._doubted = not empty_log(self._db)
        except sqlite3.Error:  # for example on a full disk: open pairs are finished, and `sync` reports it
            self._doubted = True

    def _recover_intents(self) -> None:
        """Open the intents, and append the lacking steps: their orders may have been sent before the process died."""
        assert isinstance(self.path, Path)
        self._intents = IntentLog(intents_of(self.path), self.journal_id)
        for seq, found in groupby(self._intents.lacking(self._last_seq), key=attrgetter("seq")):
            intents = tuple(found)
            names = ", ".join(place.client_order_id for intent in intents for place in intent.places)
            if any(intent.run_id > self._pointers.counters.get("run", 0) for intent in intents):
                log.warning(
                    "intents of a run that journal %s does not know, looked for at the venues: %s", self.path, names
                )
                continue
            self.append(QueueDrained(seq=seq, t_ns=intents[0].t_ns), commands_of(intents))
            log.warning(
                "journal %s: orders that may have been sent are recovered from their intents: %s", self.path, names
            )

    def _write(self, lines: list[_Line], change: PointerChange) -> None:
        db = self._db
        try:
            db.execute("BEGIN IMMEDIATE")
            db.executemany(_INSERT, lines)
            change.put(db)
            db.execute("COMMIT")
        except sqlite3.Error:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise

    def _write_with_reserve(self, lines: list[_Line], change: PointerChange, error: sqlite3.Error) -> None:
        if error.sqlite_errorcode not in NO_SPACE or self._reserve is None or not self._reserve.held:
            raise StoreError(f"journal {self.path}: {error}") from None
        self._reserve.release()
        self.reserve_touched = True
        try:
            self._write(lines, change)
        except sqlite3.Error as second:
            raise StoreError(f"journal {self.path}: {second}, even with the reserve released") from None

    def _name_long_log(self, log_bytes: int) -> None:
        """Warn, at each doubling, that checkpoints do not shorten the log: a program that reads the journal holds it."""
        if log_bytes >= self._long_log:
            self._long_log = 2 * log_bytes
            log.warning(
                "journal %s: another program has read it for long, and its log cannot be emptied until that ends: %d MB",
                self.path,
                log_bytes >> 20,
            )

    def _second(self) -> sqlite3.Connection:
        if self._sync_db is None:
            self._sync_db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, timeout=0)
            self._sync_db.execute("PRAGMA synchronous=NORMAL")
        return self._sync_db
