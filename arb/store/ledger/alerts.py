"""Alerts: the incidents that need a person, joined by kind, venue and symbol until acknowledged.

An alert is a function of rows that the journal holds: incidents, in their order, and acknowledgements. It is made where
these are projected, in the same transaction, so that `arb db rebuild` makes the same rows. `core/messages/incidents.py`
lists the kinds that need a person, and those that end an alert without one. An acknowledgement holds for the incidents
that were shown: a later incident opens another alert.
"""

import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, Select, delete, insert, select, update

from arb.clock import Clock
from arb.core.messages.commands import AnyRecord, Persist
from arb.core.messages.events import AlertAcknowledged
from arb.core.messages.incidents import ALERT_RULES, ALERTS, AlertRule, IncidentKind, Severity
from arb.core.messages.records import AcknowledgementRecord, IncidentRecord
from arb.store.journal.journal import Journal
from arb.store.ledger.tables import Alert, Incident, PairTrade, Projection
from arb.store.ledger.writer import storable

TEXTS = 4
"""How many different texts of its incidents an alert shows."""
_BETWEEN = " | "
_READ_AT_ONCE = 500
_WORTH = {severity.value: rank for rank, severity in enumerate(Severity)}
_ENDS: dict[str, tuple[str, ...]] = {
    by.value: tuple(kind.value for kind, rule in ALERTS.items() if by in rule.ended_by)
    for by in IncidentKind
    if any(by in rule.ended_by for rule in ALERTS.values())
}
_CONCERNED = {kind.value for kind in ALERTS} | set(_ENDS)

Row = dict[str, Any]


def open_alerts(connection: Connection) -> list[Row]:
    """Return the unacknowledged alerts, the latest incident first.

    Each as `{id, run, kind, venue, symbol, since_ns, last_ns, seen_id, count, text, what_to_do}`; an acknowledgement of
    just this state names `seen_id`.
    """
    query = select(Alert.__table__).where(Alert.acknowledged_ns.is_(None))
    found = connection.execute(query.order_by(Alert.last_ns.desc(), Alert.id.desc())).mappings()
    return [as_shown(row) for row in found]


def as_shown(row: Any) -> Row:
    """Return an alert's row as it is shown, without the columns of its acknowledgement."""
    same = ("kind", "venue", "symbol", "last_ns", "count", "text", "what_to_do")
    names = {"id": "id", "run": "run_id", "since_ns": "first_ns", "seen_id": "last_incident_id"}
    shown = {name: row[column] for name, column in names.items()} | {name: row[name] for name in same}
    order = ("id", "run", "kind", "venue", "symbol", "since_ns", "last_ns", "seen_id", "count", "text", "what_to_do")
    return {name: shown[name] for name in order}


def ended_by(kind: IncidentKind) -> tuple[str, ...]:
    return _ENDS.get(kind.value, ())


def acknowledge(journal: Journal, clock: Clock, alert_id: int, seen_id: int, by: str, reason: str) -> None:
    """Write into the journal of an engine that does not run that somebody has taken note of an alert, up to `seen_id`.

    A running engine does it itself when its control socket is asked to. Raises `StoreError` when the disk refuses.
    """
    seq, now_ns = journal.last_seq + 1, max(clock.wall_ns(), journal.last_ns())
    event = AlertAcknowledged(seq=seq, t_ns=now_ns, alert_id=alert_id, seen_id=seen_id, by=by, reason=reason)
    journal.append(event, (Persist(cause=seq, record=event.record()),))
    journal.sync()


def project(connection: Connection, records: Iterable[AnyRecord]) -> None:
    """Bring the alerts up to records that have just been written, in the order of the journal.

    Incidents that the ledger does not hold (it refused them) count for nothing.
    """
    facts = [
        record
        for record in records
        if isinstance(record, AcknowledgementRecord)
        or (isinstance(record, IncidentRecord) and record.kind in _CONCERNED)
    ]
    if facts:
        ids = [fact.id for fact in facts if isinstance(fact, IncidentRecord)]
        held = {row["id"]: row for row in _read(connection, ids)}
        table = _OpenAlerts(connection)
        for fact in facts:
            if isinstance(fact, AcknowledgementRecord):
                table.acknowledge(fact)
            elif (incident := held.get(fact.id)) is not None:
                table.add(incident)
        table.write()


def refresh(connection: Connection) -> None:
    """Make the alerts again where they were made by other rules than the present ones, or never."""
    if connection.execute(select(Projection.alert_rules)).scalars().all() == [ALERT_RULES]:
        return
    known = connection.execute(select(Alert.__table__).where(Alert.acknowledged_ns.is_not(None))).mappings().all()
    connection.execute(delete(Alert))
    connection.execute(update(Incident).where(Incident.acknowledged_ns.is_not(None)).values(acknowledged_ns=None))
    notes = deque(
        AcknowledgementRecord(
            id=row["id"], seen_id=seen_id, ns=row["acknowledged_ns"], by=row["acknowledged_by"], reason=row["reason"]
        )
        for seen_id, row in sorted(((row["last_incident_id"], row) for row in known), key=itemgetter(0))
        if row["acknowledged_by"] not in _ENDS
    )
    table = _OpenAlerts(connection)
    for incident in _incidents(connection, Incident.kind.in_(_CONCERNED)):
        while notes and notes[0].seen_id < incident["id"]:
            table.acknowledge(notes.popleft())
        table.add(incident)
    for note in notes:
        table.acknowledge(note)
    table.write()
    connection.execute(update(Projection).values(alert_rules=ALERT_RULES))


class _OpenAlerts:
    """The open alerts, as rows by kind, venue and symbol; `write` puts the changes into the database.

    The incidents of an alert are acknowledged with it.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        found = connection.execute(select(Alert.__table__).where(Alert.acknowledged_ns.is_(None))).mappings()
        self._open = {_about(row): dict(row) for row in found}
        self._changed: dict[int, Row] = {}
        self._closed: list[Row] = []

    def add(self, incident: Row) -> None:
        rule = ALERTS.get(IncidentKind(incident["kind"]))
        if rule is not None and _needs_person(rule, incident):
            self._open_or_repeat(rule, incident)
        else:
            self._end(incident)

    def acknowledge(self, note: AcknowledgementRecord) -> None:
        """Acknowledge an alert up to an incident; those after it open another one."""
        alert = next((alert for alert in self._open.values() if alert["id"] == note.id), None)
        if alert is None or note.seen_id < note.id:
            return  # somebody was quicker, or it ended by itself
        if note.seen_id < alert["last_incident_id"]:
            self._divide(alert, note)
        else:
            self._close(alert, note.ns, note.by, note.reason)

    def _divide(self, alert: Row, note: AcknowledgementRecord) -> None:
        """Acknowledge an alert that has grown since it was shown: make it again from its incidents."""
        of_it = self._incidents_of(alert)
        del self._open[_about(alert)]
        for incident in of_it:
            if incident["id"] <= note.seen_id:
                self.add(incident)
        self._close(self._open[_about(alert)], note.ns, note.by, note.reason)
        for incident in of_it:
            if incident["id"] > note.seen_id:
                self.add(incident)

    def write(self) -> None:
        if self._changed:
            self._connection.execute(delete(Alert).where(Alert.id.in_(self._changed)))
            self._connection.execute(insert(Alert), list(self._changed.values()))
        for alert in self._closed:
            ids = [incident["id"] for incident in self._incidents_of(alert)]
            for start in range(0, len(ids), _READ_AT_ONCE):
                of_it = Incident.id.in_(ids[start : start + _READ_AT_ONCE])
                noted = update(Incident).where(of_it).values(acknowledged_ns=alert["acknowledged_ns"])
                self._connection.execute(noted)

    def _incidents_of(self, alert: Row) -> list[Row]:
        rule, kind = ALERTS[IncidentKind(alert["kind"])], Incident.kind == alert["kind"]
        within = Incident.id.between(alert["id"], alert["last_incident_id"])
        return [
            incident
            for incident in _incidents(self._connection, kind, within)
            if _about(incident) == _about(alert) and _needs_person(rule, incident)
        ]

    def _open_or_repeat(self, rule: AlertRule, incident: Row) -> None:
        alert = self._open.get(_about(incident))
        if alert is None:
            alert = {
                "id": incident["id"],
                "run_id": incident["run_id"],
                "kind": incident["kind"],
                "venue": incident["venue"],
                "symbol": incident["symbol"],
                "first_ns": incident["ns"],
                "count": 0,
                "text": incident["text"],
                "acknowledged_ns": None,
                "acknowledged_by": None,
                "reason": None,
            }
            self._open[_about(incident)] = alert
        others = [text for text in alert["text"].split(_BETWEEN) if text != incident["text"]]
        alert |= {
            "last_ns": incident["ns"],
            "last_incident_id": incident["id"],
            "count": alert["count"] + 1,
            "text": _BETWEEN.join([incident["text"], *others][:TEXTS]),
            "what_to_do": rule.what_to_do,
        }
        self._changed[alert["id"]] = alert

    def _end(self, incident: Row) -> None:
        kinds, venue = _ENDS.get(incident["kind"], ()), incident["venue"]
        for alert in list(self._open.values()):
            if alert["kind"] in kinds and venue in (None, alert["venue"]):
                self._close(alert, incident["ns"], incident["kind"], incident["text"])

    def _close(self, alert: Row, ns: int, by: str | None, reason: str | None) -> None:
        del self._open[_about(alert)]
        words = dict(zip(("acknowledged_by", "reason"), storable([by, reason]), strict=True))
        closed = alert | {"acknowledged_ns": ns} | words
        self._changed[alert["id"]] = closed
        self._closed.append(closed)


def _needs_person(rule: AlertRule, incident: Row) -> bool:
    over = rule.but_for is not None and re.search(rule.but_for, incident["text"])
    return _WORTH[incident["severity"]] >= _WORTH[rule.least.value] and not over


def _about(row: Any) -> tuple[str, str | None, str | None]:
    return row["kind"], row["venue"], row["symbol"]


def _read(connection: Connection, ids: Sequence[int]) -> Iterator[Row]:
    for start in range(0, len(ids), _READ_AT_ONCE):
        yield from _incidents(connection, Incident.id.in_(ids[start : start + _READ_AT_ONCE]))


def _incidents(connection: Connection, *which: Any) -> list[Row]:
    query: Select[Any] = select(Incident.__table__, PairTrade.symbol).outerjoin(
        PairTrade, PairTrade.id == Incident.pair_trade_id
    )
    return [dict(row) for row in connection.execute(query.where(*which).order_by(Incident.id)).mappings()]
