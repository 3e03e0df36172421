"""The journal: every event that changed the engine and every command it led to, written before it is performed.

One local SQLite file in WAL mode, written by one thread, one transaction per event. A commit is not fsynced: what was
committed survives the death of the process (`kill -9`) at once, and the death of the machine from the next `sync()`
on, which another thread calls at least every 250 ms. Commits never checkpoint either; `sync()` moves the log into the
file, so that the loop meets no disk. (`synchronous=NORMAL`, not OFF: when SQLite starts its log file anew, once per
few thousand commits, it has to sync the new header, else a power cut at that moment could mix old and new pages.)

`entries` is the story: one row per event (`sub` 0) and per command (`sub` 1, 2, ...), as JSON with decimals as strings; `type`
is the tag, which stays when a class is renamed. What is older is moved into `blocks`, compressed (`journal_blocks.py`),
while the engine runs: another thread prepares it (`journal_upkeep.py`), and `replace` is one short transaction.
`live` points at the latest rows of every pair that is not finished, so that a restart reads little. `counters` holds
the greatest run and pair numbers. All three change in the same transaction.
"""

import random
import sqlite3
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from arb.clock import Clock, system_random
from arb.core.commands import AnyCommand, Persist
from arb.core.events import AnyEvent, RunStarted
from arb.core.records import FillRecord, OrderRecord, PairRecord, tag_of
from arb.core.recovery_records import (
    AgreedRecord,
    ControlRecord,
    FormerAccountsRecord,
    LegCostRecord,
    PlanRecord,
    ResidualsRecord,
)
from arb.errors import ConfigError, StoreError, require
from arb.store.guards import (
    NO_SPACE,
    FileReserve,
    InstanceLock,
    Reserve,
    close_and_put_back,
    files_of,
    sync_log,
)
from arb.store.journal_blocks import Change, put
from arb.store.journal_reader import FINISHED, MAX_SUB, SUB_BITS, JournalReader, JournalState, Row
from arb.store.journal_schema import connect, create

CHECKPOINT_BYTES = 8 * 1024 * 1024
MAX_PAGES = 4_294_967_294
_INSERT = "INSERT INTO entries (id, t_ns, kind, type, payload) VALUES (?, ?, ?, ?, ?)"
_POINT = (
    "INSERT INTO live (kind, key, pair_id, entry) VALUES (?, ?, ?, ?)"
    " ON CONFLICT (kind, key) DO UPDATE SET pair_id = excluded.pair_id, entry = excluded.entry"
)
_COUNT = "INSERT INTO counters (kind, max_id) VALUES (?, ?) ON CONFLICT (kind) DO UPDATE SET max_id = excluded.max_id"
_FORGET = "DELETE FROM live WHERE pair_id = ?"

_Line = tuple[int, int, str, str, str]
_Pointer = tuple[str, int, int, int]


class _Change(msgspec.Struct):
    """What one transaction does besides appending."""

    pointers: list[_Pointer]
    opened: set[int]
    finished: set[int]
    orders: dict[int, int]
    counters: dict[str, int]


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
        self._counters = self._reader.counters()
        self._open_pairs: set[int] = set()
        self._pair_of_order: dict[int, int] = {}
        for key, pair_id, record in self._reader.live():
            if isinstance(record, PairRecord):
                self._open_pairs.add(pair_id)
            elif isinstance(record, OrderRecord):
                self._pair_of_order[key] = pair_id
        self._files = files_of(path) if isinstance(path, Path) else ()
        self._sync_lock = threading.Lock()
        self._sync_db: sqlite3.Connection | None = None

    @classmethod
    def open(
        cls, path: Path, clock: Clock, *, rng: random.Random | None = None, reserve: Reserve | None = None
    ) -> "Journal":
        """Open or create the journal at `path` and its lock (`PATH.lock`).

        Raises `ConfigError` when the place cannot be written, another engine holds it, or a newer arb wrote it, and
        `StoreError` when the file is damaged or not a journal.
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
            return cls(path, db, lock, held if reserve is None else reserve)
        except BaseException:
            lock.release()
            raise

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
        """Return the sequence number of the last event appended, 0 when there is none."""
        return self._last_seq

    def last_ns(self) -> int:
        """Return when the last entry was written, 0 when there is none."""
        return self._reader.last_ns()

    def restore(
        self,
        account_ids: Iterable[str] | None = None,
        former_accounts: Mapping[str, str] | None = None,
        now_ns: int | None = None,
    ) -> JournalState:
        """Return what a restart needs, as `JournalReader.state` does."""
        return self._reader.state(account_ids, former_accounts, now_ns)

    def reader(self) -> JournalReader:
        """Return a reader for another thread; in memory, one on this very connection that must stay in this thread."""
        return JournalReader.open(self.path) if isinstance(self.path, Path) else JournalReader(self._db, self.path)

    def append(self, event: AnyEvent, commands: tuple[AnyCommand, ...]) -> tuple[Row, ...]:
        """Write an event and its commands in one transaction, and return the rows among them, for the ledger.

        `event.seq` must be greater than the last one. When the disk is full the reserve is released and the write tried
        once more (`reserve_touched` is then true); raises `StoreError`, with nothing written, when that does not help.
        """
        require(event.seq > self._last_seq, f"journal: event {event.seq} after {self._last_seq}")
        require(len(commands) <= MAX_SUB, f"journal: {len(commands)} commands from one event")
        base = event.seq << SUB_BITS
        lines: list[_Line] = [(base, event.t_ns, "event", tag_of(event), self._encode(event).decode())]
        rows: list[Row] = []
        for sub, command in enumerate(commands, 1):
            text = self._encode(command).decode()
            lines.append((base + sub, event.t_ns, "command", tag_of(command), text))
            if type(command) is Persist:
                rows.append(Row(event.seq, sub, command.record))
        change = self._change(event, rows)
        try:
            self._write(lines, change)
        except sqlite3.Error as error:
            self._write_with_reserve(lines, change, error)
        self._remember(event.seq, change)
        return tuple(rows)

    def replace(self, change: Change) -> None:
        """Put a block in the place of older entries, or drop them; on the thread of `append`, which waits for nobody else.

        Raises `StoreError`, with nothing changed, when the disk refuses or the journal is not what the change was made for.
        """
        try:
            put(self._db, change)
        except sqlite3.Error as error:
            raise StoreError(f"journal {self.path}: {error}") from None

    def hold_reserve(self) -> None:
        """Set the disk reserve aside, before orders leave; where there is no space for it, it counts as touched."""
        if self._reserve is not None:
            self.reserve_touched = not self._reserve.establish()

    def sync(self) -> None:
        """Make everything committed so far survive a power cut; safe from another thread, which may wait for the disk.

        Also moves a long log into the file, and sets the disk reserve aside again once there is space. Raises
        `StoreError` when the disk refuses, and when the files are no longer the ones that are written.
        """
        if not isinstance(self.path, Path):
            return
        with self._sync_lock:
            try:
                if files_of(self.path) != self._files:
                    raise StoreError(f"journal {self.path}: its files were replaced while running")
                if sync_log(self.path) >= CHECKPOINT_BYTES:
                    self._checkpoint()
            except FileNotFoundError:
                raise StoreError(f"journal {self.path}: its files were removed while running") from None
            except (OSError, sqlite3.Error) as error:
                raise StoreError(f"journal {self.path}: cannot sync: {error}") from None
            self.hold_reserve()

    def confine(self, pages: int | None) -> None:
        """Let the file grow by at most `pages` from here on, as a disk that fills up does; None: as far as there is space."""
        [size] = self._db.execute("PRAGMA page_count").fetchone()
        self._db.execute(f"PRAGMA max_page_count = {MAX_PAGES if pages is None else size + pages}").fetchall()

    def close(self) -> None:
        """Write everything into the file, anew if it was removed, and let another engine in.

        The disk reserve is given back unless a pair is open, which a start on a full disk would have to finish. Raises
        `StoreError` when the disk refuses.
        """
        with self._sync_lock:
            if self._reserve is not None and not self._open_pairs:
                self._reserve.release()
            if self._sync_db is not None:
                self._sync_db.close()
            try:
                if isinstance(self.path, Path):
                    close_and_put_back(self._db, self.path)  # the last connection checkpoints and removes the log
            except (OSError, sqlite3.Error) as error:
                raise StoreError(f"journal {self.path}: was removed and cannot be written again: {error}") from None
            finally:
                self._db.close()
                if self._lock is not None:
                    self._lock.release()

    def _write(self, lines: list[_Line], change: _Change) -> None:
        db = self._db
        try:
            db.execute("BEGIN IMMEDIATE")
            db.executemany(_INSERT, lines)
            if change.pointers:
                db.executemany(_POINT, change.pointers)
            if change.finished:
                db.executemany(_FORGET, [(pair_id,) for pair_id in change.finished])
            if change.counters:
                db.executemany(_COUNT, list(change.counters.items()))
            db.execute("COMMIT")
        except sqlite3.Error:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise

    def _write_with_reserve(self, lines: list[_Line], change: _Change, error: sqlite3.Error) -> None:
        if error.sqlite_errorcode not in NO_SPACE or self._reserve is None or not self._reserve.held:
            raise StoreError(f"journal {self.path}: {error}") from None
        self._reserve.release()
        self.reserve_touched = True
        try:
            self._write(lines, change)
        except sqlite3.Error as second:
            raise StoreError(f"journal {self.path}: {second}, even with the reserve released") from None

    def _change(self, event: AnyEvent, rows: list[Row]) -> _Change:
        """Work out which pairs open and finish, which rows a restart will need, and the greatest numbers."""
        change = _Change([], set(), set(), {}, {})
        if isinstance(event, RunStarted):
            self._count(change, "run", event.run_id)
        known = self._counters.get("pair", 0)
        for row in rows:
            if isinstance(row.record, PairRecord):
                finished = row.record.state in FINISHED
                (change.finished if finished else change.opened).add(row.record.id)
                (change.opened if finished else change.finished).discard(row.record.id)
        opened = {row.record.id: row.record for row in rows if isinstance(row.record, PairRecord)}
        for pair_id in change.opened - self._open_pairs:
            if pair_id <= known:  # a finished pair opened again: a fill came late
                self._revive(opened[pair_id], change)
        for row in rows:
            if isinstance(row.record, PairRecord):
                self._count(change, "pair", row.record.id)
            self._point(row, known, change)
        return change

    def _point(self, row: Row, known: int, change: _Change) -> None:
        record, entry = row.record, (row.seq << SUB_BITS) + row.sub
        match record:
            case ControlRecord():
                change.pointers.append(("control", 0, 0, entry))
                return
            case ResidualsRecord():
                change.pointers.append(("pool", 0, 0, entry))
                return
            case AgreedRecord():
                change.pointers.append(("agreed", 0, 0, entry))
                return
            case FormerAccountsRecord():
                change.pointers.append(("former", 0, 0, entry))
                return
            case LegCostRecord():
                change.pointers.append(("leg_cost", record.id, 0, entry))
                return
            case PlanRecord():
                kind, key, pair_id = "plan", record.pair_id, record.pair_id
            case PairRecord():
                kind, key, pair_id = "pair", record.id, record.id
            case OrderRecord() if record.pair_trade_id is not None:
                kind, key, pair_id = "order", record.id, record.pair_trade_id
            case FillRecord():
                found = change.orders.get(record.order_id) or self._pair_of_order.get(record.order_id)
                if found is None:
                    return
                kind, key, pair_id = "fill", record.id, found
            case _:
                return
        # A pair number never seen belongs to a pair about to open, whatever order its rows come in.
        if pair_id in self._open_pairs or pair_id in change.opened or pair_id > known:
            change.pointers.append((kind, key, pair_id, entry))
            if kind == "order":
                change.orders[key] = pair_id

    def _revive(self, pair: PairRecord, change: _Change) -> None:
        """Point at a finished pair's rows again. Reads no further back than its decision: its repair waits for this."""
        for row in self._reader.rows_since(pair.decided_ns):
            record = row.record
            own_order = isinstance(record, OrderRecord) and record.pair_trade_id == pair.id
            own_fill = isinstance(record, FillRecord) and change.orders.get(record.order_id) == pair.id
            if own_order or own_fill or (isinstance(record, PlanRecord) and record.pair_id == pair.id):
                self._point(row, self._counters.get("pair", 0), change)

    def _count(self, change: _Change, kind: str, number: int) -> None:
        if number > max(self._counters.get(kind, 0), change.counters.get(kind, 0)):
            change.counters[kind] = number

    def _remember(self, seq: int, change: _Change) -> None:
        self._last_seq = seq
        self._counters.update(change.counters)
        self._open_pairs |= change.opened
        self._open_pairs -= change.finished
        self._pair_of_order.update(change.orders)
        if change.finished:
            self._pair_of_order = {o: p for o, p in self._pair_of_order.items() if p not in change.finished}

    def _checkpoint(self) -> None:
        if self._sync_db is None:
            # Its own connection, so that the engine's thread never waits for this one; PASSIVE waits for nobody.
            self._sync_db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
            self._sync_db.execute("PRAGMA synchronous=NORMAL")
        self._sync_db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
