"""The journal's older entries: some hundred consecutive ones compressed together, in one row of `blocks`.

An entry is written as a row of `entries`, for an order waits for that. Older entries are moved into blocks, at about a
ninth of the bytes. All entries in blocks precede all in `entries`, and the newest entry is never moved. zlib keeps a
checksum, so that a damaged block is noticed.
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
"""The ids of the first and the last entry; the least and the greatest of their instants; whether none of them was dropped."""
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

    `entries`, `blocks`: how many rows of each table are there now; at any other number nothing may be changed.
    `dropped`: how many entries are no more afterwards.
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
    """Return the block of these entries, of which there is at least one, in order."""
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
    """Make one change in one transaction, by the only connection that writes.

    Raises `StoreError` where the rows are not those the change was made for, and `sqlite3.Error` when the disk refuses;
    nothing is then changed.
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
                f"journal: {found} rows from {change.first} to {change.last}, where a change expects others"
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
    """Return the first number and the difference of each to the one before it, which are short."""
    numbers = list(numbers)
    return numbers[:1] + [later - earlier for earlier, later in pairwise(numbers)]
