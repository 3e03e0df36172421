"""Reading the journal: the state for a restart, the rows for the ledger, and the story of one pair.

Knows the file's schema and the messages in it. Never writes. A reader may read while the engine writes (WAL).
"""

import sqlite3
from collections.abc import Generator, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from arb.clock import NS_PER_S
from arb.core.accounts.account_renames import present_names
from arb.core.messages.commands import AnyCommand, AnyRecord, Persist
from arb.core.messages.events import AnyEvent
from arb.core.messages.records import FillRecord, OrderRecord, PairRecord, PairState, RunRecord, tag_of
from arb.core.messages.recovery_records import (
    AgreedRecord,
    ControlRecord,
    FormerAccountsRecord,
    OpenPair,
    PlanRecord,
    ResidualsRecord,
)
from arb.errors import ConfigError, StoreError
from arb.store.journal.blocks import Line, lines_in

APPLICATION_ID = 0x61726230  # "arb0": marks our files
SCHEMA_VERSION = 2
SUB_BITS = 12
MAX_SUB = (1 << SUB_BITS) - 1
ROW = tag_of(Persist)
"""The tag of the entries that keep a row, and of no other."""
RECENT_NS = 120 * NS_PER_S
"""How far before its last entry, and before the accounts agreed last, a journal is read again at a start: further than any
venue's histories lag, and than account snapshots go back."""
RECENT_MAX_NS = 3 * 86_400 * NS_PER_S
# `halted` is not among them, for it still waits for a person.
FINISHED = frozenset({PairState.COMPLETED, PairState.UNWOUND, PairState.CARRIED, PairState.ABANDONED})


class Row(NamedTuple):
    """A record with its place in the journal: the event's number and the command's number under it (from 1)."""

    seq: int
    sub: int
    record: AnyRecord


class Position(NamedTuple):
    """A place in the journal; everything up to and including it has been read. Orders as tuples do."""

    seq: int
    sub: int


START = Position(0, 0)


class Entry(NamedTuple):
    """One line of the journal, decoded. `sub` 0 is the event, the others are the commands it led to."""

    seq: int
    sub: int
    t_ns: int
    message: AnyEvent | AnyCommand


class Recent(msgspec.Struct, frozen=True, kw_only=True):
    """The journal's recent entries: pairs that finished in them, and foreign rows."""

    pairs: tuple[OpenPair, ...]
    foreign_orders: tuple[OrderRecord, ...]
    foreign_fills: tuple[FillRecord, ...]


class JournalState(msgspec.Struct, frozen=True, kw_only=True):
    """The state with which a restart continues the last process. `last_seq` and `last_run_id` are 0 when new.

    Rows carry the names that accounts had when they were written. `former_accounts` gives the present one for each
    former one that is known now, `remembered_accounts` for those that are in the journal
    (`core/accounts/account_renames.py`).
    """

    last_seq: int
    last_run_id: int
    control: ControlRecord | None
    pairs: tuple[OpenPair, ...]
    residuals: ResidualsRecord | None = None
    agreed: AgreedRecord | None = None
    last_ns: int = 0
    recent: Recent = Recent(pairs=(), foreign_orders=(), foreign_fills=())
    former_accounts: dict[str, str] = {}
    remembered_accounts: dict[str, str] = {}


_IS_ROW = f" AND type = '{ROW}'"
_NEWEST = (1 << 63) - 1
"""No entry has a greater id."""
_EVENTS: msgspec.json.Decoder[AnyEvent] = msgspec.json.Decoder(AnyEvent)
_COMMANDS: msgspec.json.Decoder[AnyCommand] = msgspec.json.Decoder(AnyCommand)


class _Persisted(msgspec.Struct):
    record: AnyRecord


_PERSISTED = msgspec.json.Decoder(_Persisted)


def check_schema(db: sqlite3.Connection, path: Path | str) -> int:
    """Return the schema version, 0 for an empty file; raise `StoreError` when not ours, `ConfigError` when newer."""
    application = int(db.execute("PRAGMA application_id").fetchone()[0])
    version = int(db.execute("PRAGMA user_version").fetchone()[0])
    tables = db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if tables and application != APPLICATION_ID:
        raise StoreError(f"journal {path}: another program's SQLite file; choose another --db")
    if version > SCHEMA_VERSION:
        raise ConfigError(
            f"journal {path}: written by a newer arb (schema {version}, this one knows {SCHEMA_VERSION}); upgrade arb"
        )
    return version


class JournalReader:
    """Read a journal. Not thread-safe; give every thread its own."""

    def __init__(self, db: sqlite3.Connection, path: Path | str) -> None:
        self._db = db
        self.path = path
        # A journal of an earlier version has none until an engine opens it.
        self._has_blocks = bool(self._one("SELECT count(*) FROM sqlite_master WHERE name = 'blocks'", ()))

    @classmethod
    def open(cls, path: Path) -> "JournalReader":
        """Open an existing journal; raise `ConfigError` when there is none and `StoreError` when it cannot be read."""
        if not path.exists():
            raise ConfigError(f"journal {path}: no such file")
        try:
            # Not mode=ro: a reader of a WAL file must be able to make its shared-memory file.
            db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None, timeout=5)
            db.execute("PRAGMA query_only=ON")
            check_schema(db, path)
        except sqlite3.Error as error:
            raise StoreError(f"journal {path}: {error}") from None
        return cls(db, path)

    def close(self) -> None:
        self._db.close()

    @property
    def journal_id(self) -> str:
        """Return the random name this journal was given when it was made; the ledger remembers it."""
        return str(self._one("SELECT value FROM meta WHERE name = 'journal_id'", ()))

    def last_position(self) -> Position:
        last = self._one("SELECT max(id) FROM entries", ())
        return START if last is None else Position(int(last) >> SUB_BITS, int(last) & MAX_SUB)

    def holds(self, position: Position) -> bool:
        """Return whether there is an entry at a position; lost entries make a gap, also where later ones follow."""
        if position == START:
            return True
        wanted = _entry_id(position)
        if self._one("SELECT 1 FROM entries WHERE id = ?", (wanted,)) is not None:
            return True
        blocks = "SELECT first, data FROM blocks WHERE first <= ? AND last >= ?"
        found = next(self._rows(blocks, (wanted, wanted)), None) if self._has_blocks else None
        return found is not None and any(line.id == wanted for line in self._block(*found))

    def records_from(self, after: Position = START) -> Iterator[Row]:
        """Yield every record behind `after`, in order; raise `StoreError` at an entry that cannot be read."""
        for line in self.lines(after, rows_only=True):
            yield self._row(line)

    def records_back_from(self, position: Position) -> Iterator[AnyRecord]:
        """Yield the records at `position` and before it, the newest first; raise as `records_from` does."""
        for line in self._rows_back(_entry_id(position)):
            yield self._row(line).record

    def entries(self, after: Position = START) -> Generator[Entry, None, None]:
        """Yield events and commands behind `after`, in order; raise `StoreError` at an entry that cannot be read.

        Who does not read to the end closes it before the reader.
        """
        for line in self.lines(after):
            yield self._entry(line)

    def mentioning(self, order_ids: tuple[str, ...], since_ns: int = 0) -> Iterator[Entry]:
        """Yield the entries since an instant whose text contains any of `order_ids` (client or venue order ids), in order."""
        for line in self.lines(since_ns=since_ns) if order_ids else ():
            if any(name in line.payload for name in order_ids):
                yield self._entry(line)

    def lines(self, after: Position = START, *, rows_only: bool = False, since_ns: int = 0) -> Iterator[Line]:
        """Yield the entries behind `after` as they are written, in order; with `rows_only` those that keep a row.

        Entries older than `since_ns` are passed over where that is cheap. Raises `StoreError` at a block that cannot be read.
        """
        # One statement reads one state of the file: entries an engine moves into a block meanwhile are not missed.
        sql = f"SELECT id, t_ns, type, payload, NULL FROM entries WHERE id > ?{_IS_ROW if rows_only else ''}"
        last = _entry_id(after)
        bounds: tuple[int, ...] = (last,)
        if self._has_blocks:
            sql += " UNION ALL SELECT first, last, '', '', data FROM blocks WHERE last > ? AND last_ns >= ?"
            bounds += (last, since_ns)
        for first, t_ns, tag, payload, data in self._rows(f"{sql} ORDER BY 1", bounds):
            if data is None:
                yield Line(first, t_ns, tag, payload)
            else:
                yield from (line for line in self._block(first, data, rows_only=rows_only) if line.id > last)

    def plan(self, pair_id: int, decided_ns: int) -> PlanRecord | None:
        """Return the plan of a pair; None where the journal does not, or no longer, hold it."""
        for entry in self.mentioning((f'"PlanRecord","pair_id":{pair_id},',), decided_ns):
            if isinstance(entry.message, Persist) and isinstance(entry.message.record, PlanRecord):
                return entry.message.record
        return None

    def first_run(self) -> RunRecord | None:
        """Return the first run of this journal, None for a new one; rows are never dropped, so it is first for good."""
        return next((row.record for row in self.records_from() if isinstance(row.record, RunRecord)), None)

    def last_ns(self) -> int:
        return int(self._one("SELECT t_ns FROM entries ORDER BY id DESC LIMIT 1", ()) or 0)

    def state(
        self,
        account_ids: Iterable[str] | None = None,
        former_accounts: Mapping[str, str] | None = None,
        now_ns: int | None = None,
    ) -> JournalState:
        """Return the state for a restart on these accounts (None: on all); raise `StoreError` at an entry that cannot
        be read.

        `former_accounts`: names that the venues report accounts to have had before, with their present names. `now_ns`:
        where the last entry is later than this, its true time is unknown, and all that may be recent counts as recent.
        """
        plans: dict[int, PlanRecord] = {}
        pairs: dict[int, PairRecord] = {}
        orders: dict[int, list[OrderRecord]] = {}
        fills: dict[int, list[FillRecord]] = {}
        control: ControlRecord | None = None
        residuals: ResidualsRecord | None = None
        agreed: AgreedRecord | None = None
        remembered: dict[str, str] = {}
        for _, pair_id, record in self.live():
            match record:
                case PlanRecord():
                    plans[pair_id] = record
                case PairRecord():
                    pairs[pair_id] = record
                case OrderRecord():
                    orders.setdefault(pair_id, []).append(record)
                case FillRecord():
                    fills.setdefault(pair_id, []).append(record)
                case ControlRecord():
                    control = record
                case ResidualsRecord():
                    residuals = record
                case AgreedRecord():
                    agreed = record
                case FormerAccountsRecord():
                    remembered = record.present
        last_ns = self.last_ns()
        # An account snapshot begins where its balances agreed last.
        accounts = () if agreed is None else agreed.accounts
        former = present_names(remembered, former_accounts or {})
        present = None if account_ids is None else {former.get(name, name) for name in account_ids}
        named = ((former.get(account.account_id, account.account_id), account.ns) for account in accounts)
        since_ns = min((last_ns, *(ns for name, ns in named if present is None or name in present)))
        since_ns = max(since_ns, last_ns - RECENT_MAX_NS) - RECENT_NS
        if now_ns is not None and now_ns < last_ns:
            since_ns = now_ns - RECENT_MAX_NS - RECENT_NS
        return JournalState(
            last_seq=self.last_position().seq,
            last_run_id=self.counters().get("run", 0),
            control=control,
            pairs=tuple(
                OpenPair(plan=plans[key], pair=pair, orders=tuple(orders.get(key, ())), fills=tuple(fills.get(key, ())))
                for key, pair in sorted(pairs.items())
                if key in plans
            ),
            residuals=residuals,
            agreed=agreed,
            last_ns=last_ns,
            recent=self.recent(since_ns),
            former_accounts=former,
            remembered_accounts=remembered,
        )

    def live(self) -> Iterator[tuple[int, int, AnyRecord]]:
        """Yield (key, pair id, latest record) of all rows a restart needs, by kind and key."""
        block = "(SELECT data FROM blocks WHERE first <= live.entry ORDER BY first DESC LIMIT 1)"
        sql = (
            "SELECT live.key, live.pair_id, live.entry, entries.payload,"
            f" CASE WHEN entries.payload IS NULL THEN {block if self._has_blocks else 'NULL'} END"
            " FROM live LEFT JOIN entries ON entries.id = live.entry ORDER BY live.kind, live.key"
        )
        for key, pair_id, entry_id, payload, data in self._rows(sql, ()):
            if data is not None:
                payload = {line.id: line.payload for line in self._block(entry_id, data)}.get(entry_id)
            yield key, pair_id, self._record(entry_id, payload)

    def recent(self, since_ns: int) -> Recent:
        """Return the entries written since an instant; raise `StoreError` when an entry cannot be read.

        Finished pairs are whole or omitted: one that began before `since_ns` may lack its plan here.
        """
        plans: dict[int, PlanRecord] = {}
        pairs: dict[int, PairRecord] = {}
        orders: dict[int, OrderRecord] = {}
        fills: dict[int, FillRecord] = {}
        for record in (row.record for row in self.rows_since(since_ns)):
            match record:
                case PlanRecord():
                    plans[record.pair_id] = record
                case PairRecord():
                    pairs[record.id] = record
                case OrderRecord():
                    orders[record.id] = record
                case FillRecord():
                    fills[record.id] = record
        of_pair: dict[int | None, list[OrderRecord]] = {}
        for order in orders.values():
            of_pair.setdefault(order.pair_trade_id, []).append(order)
        foreign = tuple(of_pair.get(None, ()))
        return Recent(
            pairs=tuple(
                OpenPair(
                    plan=plan, pair=pairs[key], orders=tuple(own := of_pair.get(key, [])), fills=_fills_of(own, fills)
                )
                for key, plan in sorted(plans.items())
                if key in pairs and pairs[key].state in FINISHED
            ),
            foreign_orders=foreign,
            foreign_fills=_fills_of(foreign, fills),
        )

    def rows_since(self, since_ns: int) -> list[Row]:
        """Return the records written since an instant, oldest first, reading from the end; raise as `records_from` does."""
        found: list[Row] = []
        for line in self._rows_back(_NEWEST):
            if line.t_ns < since_ns:
                break
            found.append(self._row(line))
        return found[::-1]

    def counters(self) -> dict[str, int]:
        return dict(self._rows("SELECT kind, max_id FROM counters", ()))

    def _rows_back(self, upto: int) -> Iterator[Line]:
        """Yield the entries up to an id that keep a row, the newest first."""
        sql = f"SELECT id, t_ns, type, payload, NULL FROM entries WHERE id <= ?{_IS_ROW}"
        if self._has_blocks:
            sql += " UNION ALL SELECT first, last, '', '', data FROM blocks WHERE first <= ?"
        for first, t_ns, tag, payload, data in self._rows(f"{sql} ORDER BY 1 DESC", (upto,) * (1 + self._has_blocks)):
            if data is None:
                yield Line(first, t_ns, tag, payload)
            else:
                lines = self._block(first, data, rows_only=True)
                yield from (line for line in reversed(lines) if line.id <= upto)

    def _block(self, entry_id: int, data: bytes, *, rows_only: bool = False) -> list[Line]:
        try:
            return [line for line in lines_in(data) if not rows_only or line.type == ROW]
        except ValueError as error:
            raise self._unreadable(entry_id, error) from None

    def _entry(self, line: Line) -> Entry:
        try:
            message = (_COMMANDS if line.id & MAX_SUB else _EVENTS).decode(line.payload)
        except (msgspec.MsgspecError, TypeError) as error:
            raise self._unreadable(line.id, error) from None
        return Entry(line.id >> SUB_BITS, line.id & MAX_SUB, line.t_ns, message)

    def record(self, line: Line) -> AnyRecord:
        """Return the record of an entry that keeps a row; raise `StoreError` when it cannot be read."""
        return self._record(line.id, line.payload)

    def _row(self, line: Line) -> Row:
        return Row(line.id >> SUB_BITS, line.id & MAX_SUB, self._record(line.id, line.payload))

    def _record(self, entry_id: int, payload: str | None) -> AnyRecord:
        try:
            return _PERSISTED.decode(payload or "").record
        except (msgspec.MsgspecError, TypeError) as error:
            raise self._unreadable(entry_id, error) from None

    def _unreadable(self, entry_id: int, error: Exception) -> StoreError:
        place = f"entry {entry_id >> SUB_BITS}.{entry_id & MAX_SUB}"
        return StoreError(f"journal {self.path}: {place} cannot be read: {error}")

    def _rows(self, sql: str, parameters: tuple[object, ...]) -> Iterator[tuple[Any, ...]]:
        try:
            yield from self._db.execute(sql, parameters)
        except sqlite3.Error as error:
            raise StoreError(f"journal {self.path}: {error}") from None

    def _one(self, sql: str, parameters: tuple[object, ...]) -> Any:
        row = next(iter(self._rows(sql, parameters)), None)
        return None if row is None else row[0]


def _entry_id(position: Position) -> int:
    return (position.seq << SUB_BITS) + position.sub


def _fills_of(orders: Iterable[OrderRecord], fills: Mapping[int, FillRecord]) -> tuple[FillRecord, ...]:
    wanted = {order.id for order in orders}
    return tuple(fill for fill in fills.values() if fill.order_id in wanted)
