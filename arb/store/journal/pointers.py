"""The journal's pointers: which entries hold the latest rows of every pair that is not finished, and the greatest numbers.

They change in the transaction that appends the entries, so that a restart reads little.
"""

import sqlite3

import msgspec

from arb.core.messages.events import AnyEvent, RunStarted
from arb.core.messages.records import FillRecord, OrderRecord, PairRecord
from arb.core.messages.recovery_records import (
    AgreedRecord,
    ControlRecord,
    FormerAccountsRecord,
    PlanRecord,
    ResidualsRecord,
)
from arb.store.journal.reader import FINISHED, SUB_BITS, JournalReader, Row

_POINT = (
    "INSERT INTO live (kind, key, pair_id, entry) VALUES (?, ?, ?, ?)"
    " ON CONFLICT (kind, key) DO UPDATE SET pair_id = excluded.pair_id, entry = excluded.entry"
)
_COUNT = "INSERT INTO counters (kind, max_id) VALUES (?, ?) ON CONFLICT (kind) DO UPDATE SET max_id = excluded.max_id"
_SINGLE = {ControlRecord: "control", ResidualsRecord: "pool", AgreedRecord: "agreed", FormerAccountsRecord: "former"}
"""The kinds of which only the latest row counts."""
_FORGET = "DELETE FROM live WHERE pair_id = ?"


class PointerChange(msgspec.Struct):
    pointers: list[tuple[str, int, int, int]]
    opened: set[int]
    finished: set[int]
    orders: dict[int, int]
    counters: dict[str, int]

    def put(self, db: sqlite3.Connection) -> None:
        if self.pointers:
            db.executemany(_POINT, self.pointers)
        if self.finished:
            db.executemany(_FORGET, [(pair_id,) for pair_id in self.finished])
        if self.counters:
            db.executemany(_COUNT, list(self.counters.items()))


class Pointers:
    """The journal's present pointers; `change` computes the additions of an entry, `remember` takes them."""

    def __init__(self, reader: JournalReader) -> None:
        self.counters = reader.counters()
        self.open_pairs: set[int] = set()
        self._reader = reader
        self._pair_of_order: dict[int, int] = {}
        for key, pair_id, record in reader.live():
            if isinstance(record, PairRecord):
                self.open_pairs.add(pair_id)
            elif isinstance(record, OrderRecord):
                self._pair_of_order[key] = pair_id

    def change(self, event: AnyEvent, rows: list[Row]) -> PointerChange:
        """Return the effect of one transaction besides appending: pairs opened and finished, rows for a restart,
        numbers.
        """
        change = PointerChange([], set(), set(), {}, {})
        if isinstance(event, RunStarted):
            self._count(change, "run", event.run_id)
        known = self.counters.get("pair", 0)
        for row in rows:
            if isinstance(row.record, PairRecord):
                finished = row.record.state in FINISHED
                (change.finished if finished else change.opened).add(row.record.id)
                (change.opened if finished else change.finished).discard(row.record.id)
        opened = {row.record.id: row.record for row in rows if isinstance(row.record, PairRecord)}
        for pair_id in change.opened - self.open_pairs:
            if pair_id <= known:  # a finished pair opened again: by a late fill
                self._revive(opened[pair_id], change)
        for row in rows:
            if isinstance(row.record, PairRecord):
                self._count(change, "pair", row.record.id)
            self._point(row, known, change)
        return change

    def _point(self, row: Row, known: int, change: PointerChange) -> None:
        record, entry = row.record, (row.seq << SUB_BITS) + row.sub
        if (single := _SINGLE.get(type(record))) is not None:
            change.pointers.append((single, 0, 0, entry))
            return
        match record:
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
        # A pair number never seen belongs to a pair about to open, in any order of its rows.
        if pair_id in self.open_pairs or pair_id in change.opened or pair_id > known:
            change.pointers.append((kind, key, pair_id, entry))
            if kind == "order":
                change.orders[key] = pair_id

    def _revive(self, pair: PairRecord, change: PointerChange) -> None:
        """Point at a finished pair's rows again. Reads no further back than its decision: its repair waits for this."""
        for row in self._reader.rows_since(pair.decided_ns):
            record = row.record
            own_order = isinstance(record, OrderRecord) and record.pair_trade_id == pair.id
            own_fill = isinstance(record, FillRecord) and change.orders.get(record.order_id) == pair.id
            if own_order or own_fill or (isinstance(record, PlanRecord) and record.pair_id == pair.id):
                self._point(row, self.counters.get("pair", 0), change)

    def _count(self, change: PointerChange, kind: str, number: int) -> None:
        if number > max(self.counters.get(kind, 0), change.counters.get(kind, 0)):
            change.counters[kind] = number

    def remember(self, change: PointerChange) -> None:
        self.counters.update(change.counters)
        self.open_pairs |= change.opened
        self.open_pairs -= change.finished
        self._pair_of_order.update(change.orders)
        if change.finished:
            self._pair_of_order = {o: p for o, p in self._pair_of_order.items() if p not in change.finished}
