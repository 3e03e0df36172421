"""Blocks of the journal: a few hundred consecutive older entries, compressed into one row of `blocks`.

A new entry is one row of `entries`: an order waits for this write, so it must be fast. Older entries are moved into blocks,
where they take about a ninth of the bytes. All entries in blocks precede all in `entries`, and the newest entry is never
moved. zlib keeps a checksum, so that a damaged block is detected.
"""

import sqlite3
import zlib
from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

import msgspec

from arb.errors import StoreError, require

BLOCKS = """
CREATE TABLE blocks (
    first INTEGER PRIMARY KEY,
    last INTEGER NOT NULL,
    first_ns INTEGER NOT NULL,
    last_ns INTEGER NOT NULL,
    whole INTEGER NOT NULL CHECK (whole IN (0, 1)),
    data BLOB NOT NULL
);
"""
"""`first`, `last`: ids of entries; `first_ns`, `last_ns`: the least and the greatest instant; `whole`: no entry was dropped."""
LEVEL = 6
"""zlib's own default: 3.4 kB a pair, against 4.3 kB at level 3 and 3.3 kB at level 9, which takes twice as long."""


class Line(NamedTuple):
    """One entry as it is written: its id in the file, its instant, its tag, and its JSON."""

    id: int
    t_ns: int
    type: str
    payload: str


class Block(NamedTuple):
    first: int
    last: int
    first_ns: int
    last_ns: int
    whole: bool
    data: bytes


class Change(NamedTuple):
    """The replacement of all entries from `first` to `last`: one block, or nothing.

    `entries`, `blocks`: the number of rows to replace in each table; `put` refuses any other number.
    `dropped`: the number of entries that are deleted for good.
    """

    first: int
    last: int
    entries: int
    blocks: int
    block: Block | None
    dropped: int


_Columns = tuple[list[int], list[int], list[str], list[str]]
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Columns).decode


def compress(lines: Sequence[Line], *, whole: bool) -> Block:
    """Return the block of these entries: at least one, in order."""
    require(bool(lines), "a block holds entries")
    ids, instants, tags, payloads = (list(column) for column in zip(*lines, strict=True))
    data = zlib.compress(_encode((_steps(ids), _steps(instants), tags, payloads)), LEVEL)
    return Block(lines[0].id, lines[-1].id, min(instants), max(instants), whole, data)


def lines_in(data: bytes) -> list[Line]:
    """Return the entries of a block, in order; raise `ValueError` when it is damaged."""
    try:
        ids, instants, tags, payloads = _decode(zlib.decompress(data))
        return [Line(*columns) for columns in zip(accumulate(ids), accumulate(instants), tags, payloads, strict=True)]
    except (zlib.error, msgspec.MsgspecError) as error:
        raise ValueError(str(error)) from None


def put(db: sqlite3.Connection, change: Change) -> None:
    """Make one change in one transaction; `db` is the only connection that writes.

    Raises `StoreError` when the number of rows is not the expected one, and `sqlite3.Error` when the disk fails. Then nothing
    is changed.
    """
    span = (change.first, change.last)
    db.execute("BEGIN IMMEDIATE")
    try:
        found = (
            db.execute("DELETE FROM entries WHERE id BETWEEN ? AND ?", span).rowcount,
            db.execute("DELETE FROM blocks WHERE first BETWEEN ? AND ?", span).rowcount,
        )
        if found != (change.entries, change.blocks):
            raise StoreError(
                f"journal: {found} rows from {change.first} to {change.last}, but the change expects other numbers"
            )
        if change.block is not None:
            db.execute(
                "INSERT INTO blocks (first, last, first_ns, last_ns, whole, data) VALUES (?, ?, ?, ?, ?, ?)",
                change.block,
            )
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def _steps(numbers: Iterable[int]) -> list[int]:
    """Return the first number, and the difference of each number from the one before: small numbers take few bytes."""
    numbers = list(numbers)
    return numbers[:1] + [later - earlier for earlier, later in pairwise(numbers)]
