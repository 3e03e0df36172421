"""A journal and its ledger, with the rows that open and end alerts."""

from pathlib import Path
from typing import Any

from arb.core.messages.commands import AnyRecord, Persist
from arb.core.messages.events import TimerFired
from arb.core.messages.records import AcknowledgementRecord
from arb.store.ledger.alerts import open_alerts
from arb.store.ledger.database import open_engine
from arb.store.ledger.ledger import InlineLedger
from arb.store.ledger.rebuild import db_rebuild
from tests.unit.store.conftest import a_journal, query
from tests.unit.store.rows import T0, an_incident

ALL = "SELECT * FROM alerts ORDER BY id"
NOTED = "SELECT id, acknowledged_ns FROM incidents ORDER BY id"


def drift(id: int, **changes: Any) -> AnyRecord:
    values = {"kind": "balance_drift", "severity": "critical", "ns": T0 + id, "text": f"BTC differs {id}"}
    return an_incident(id, **values | changes)


def note(id: int, seen_id: int) -> AcknowledgementRecord:
    return AcknowledgementRecord(id=id, seen_id=seen_id, ns=T0 + 99, by="ann", reason="a deposit of mine")


class Stores:
    """One journal and its ledger."""

    def __init__(self, db_url: str, folder: Path) -> None:
        self.db_url, self.path = db_url, folder / "ledger.journal.sqlite"
        self.running = False
        self.start()

    def start(self) -> None:
        self.journal = a_journal(self.path)
        self.ledger = InlineLedger(self.db_url, self.journal)
        self.running = True

    def write(self, *records: AnyRecord) -> None:
        """Journal each record with an event of its own, and project all of them at once."""
        for record in records:
            seq = self.journal.last_seq + 1
            event = TimerFired(seq=seq, t_ns=T0 + seq, timer="t")
            self.ledger.submit(self.journal.append(event, (Persist(cause=seq, record=record),)))
        self.ledger.flush()

    def stop(self) -> None:
        if self.running:
            self.ledger.abandon()
            self.journal.close()
        self.running = False

    def again(self) -> None:
        """Start anew, as after `kill -9`: whatever had not been projected is read from the journal."""
        self.stop()
        self.start()

    def rebuilt(self) -> list[tuple[Any, ...]]:
        """Return the alerts, and which incidents were acknowledged with them, as a rebuild makes them."""
        self.stop()
        db_rebuild(self.db_url, self.path)
        return self.kept()

    def kept(self) -> list[tuple[Any, ...]]:
        return query(self.db_url, ALL) + query(self.db_url, NOTED)

    def open(self) -> list[dict[str, Any]]:
        return open_now(self.db_url)


def open_now(db_url: str) -> list[dict[str, Any]]:
    engine = open_engine(db_url)
    with engine.connect() as connection:
        found = open_alerts(connection)
    engine.dispose()
    return found
