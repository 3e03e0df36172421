"""Rows that the ledger cannot hold: each becomes an incident in it, and all other rows are written.

The incident follows only from the refused row and the row it conflicts with, its id too: another projection of the same
journal, in any batches, writes the same one. Its id is below zero, so it is never one of the journal's.
"""

import hashlib
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, ForeignKeyConstraint, Table, UniqueConstraint, delete, func, select

from arb.core.messages.commands import AnyRecord
from arb.core.messages.incidents import IncidentKind, Severity
from arb.core.messages.records import IncidentRecord, attributes_of, tag_of
from arb.market.ids import IDS_PER_RUN
from arb.store.ledger.tables import Incident, Run
from arb.store.ledger.writer import TABLES, RowRefused, Writer, storable

_INSTANTS = ("journalled_ns", "decided_ns", "opened_ns", "started_ns", "received_ns", "ns")
_MOST = (1 << 63) - 1


def write(connection: Connection, writer: Writer, records: Sequence[AnyRecord]) -> list[RowRefused]:
    """Write records, and an incident for each that is refused, in the caller's transaction; return those that had none yet.

    A row that was refused and is written now has none any more. Raises as `Writer.write_but_for` does.
    """
    refused = {_id(one.record): one for one in writer.write_but_for(connection, records)}
    held = set(connection.execute(select(Incident.id).where(Incident.id < 0)).scalars())
    if held:
        over = held & {_id(record) for record in records if type(record) in TABLES} - refused.keys()
        connection.execute(delete(Incident).where(Incident.id.in_(over)))
    if refused:
        rows = [_incident(connection, row_id, one) for row_id, one in refused.items()]
        writer.write_but_for(connection, [row for row in rows if row is not None])
    return [one for row_id, one in refused.items() if row_id not in held]


def _incident(connection: Connection, row_id: int, refused: RowRefused) -> IncidentRecord | None:
    record = refused.record
    started = select(func.max(Run.id)).where(Run.id <= min(_MOST, record.id // IDS_PER_RUN))
    first = select(func.min(Run.id))
    run_id = connection.execute(started).scalar() or connection.execute(first).scalar()
    if run_id is None:
        return None
    at_ns = next((ns for name in _INSTANTS if (ns := getattr(record, name, None)) is not None), 0)
    return IncidentRecord(
        id=row_id,
        run_id=run_id,
        ns=at_ns if 0 <= at_ns <= _MOST else 0,
        kind=IncidentKind.ROW_REFUSED,
        severity=Severity.CRITICAL,
        venue=getattr(record, "venue", None),
        pair_trade_id=None,
        cost_e8=None,
        text=f"{tag_of(record)} {record.id} is in the journal only: {_why(connection, record) or refused.cause}",
    )


def _why(connection: Connection, record: Any) -> str | None:
    """Return the ledger's row that a record conflicts with, or lacks; None where it does neither."""
    table: Table = TABLES[type(record)].__table__  # type: ignore[assignment]
    called = attributes_of(type(record))
    for constraint in sorted(table.constraints, key=lambda one: str(one.name)):
        if not isinstance(constraint, UniqueConstraint | ForeignKeyConstraint):
            continue
        values = {column.name: _stored(getattr(record, called[column.name])) for column in constraint.columns}
        if None in values.values():
            continue
        said = " and ".join(f"{name} {value}" for name, value in values.items())
        if isinstance(constraint, UniqueConstraint):
            same = select(table.c.id).where(table.c.id != record.id)
            same = same.where(*(table.c[name] == value for name, value in values.items()))
            other = connection.execute(same).scalar()
            if other is not None:
                return f"{said} are those of {tag_of(record)} {other}"
        else:
            [element], [value] = constraint.elements, values.values()
            if connection.execute(select(element.column).where(element.column == value)).first() is None:
                return f"{said} is not in the ledger"
    return None


def _stored(value: Any) -> Any:
    """Return a value as the ledger has it; None where it cannot have it."""
    if isinstance(value, int):
        return value if abs(value) <= _MOST else None
    return next(iter(storable([str(value)]))) if isinstance(value, str) else value


def _id(record: Any) -> int:
    digest = hashlib.sha256(f"{tag_of(record)} {record.id}".encode()).digest()
    return -1 - (int.from_bytes(digest[:8]) >> 2)
