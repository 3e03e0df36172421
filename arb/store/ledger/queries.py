"""The queries of `arb pairs`, `arb alerts` and `arb explain`. Values have Python's types: `int`, `Decimal`, `str`.

A reader never locks the ledger. Sums are read by `arb.store.ledger.sums`.
"""

from collections import defaultdict
from decimal import Decimal
from typing import Any

import msgspec
from sqlalchemy import Connection, Executable, Select, func, or_, select, text, tuple_

from arb.clock import NS_PER_S
from arb.core.messages.recovery_records import PlanRecord
from arb.errors import ConfigError
from arb.market.ids import IDS_PER_RUN
from arb.store.journal.reader import Entry, JournalReader
from arb.store.ledger.alerts import as_shown
from arb.store.ledger.migrate import Reader
from arb.store.ledger.selection import ALERTS_BY, ALL, PAIRS_BY, Selection
from arb.store.ledger.short_ids import ShortIds
from arb.store.ledger.tables import (
    Alert,
    Alternative,
    Base,
    DecisionBook,
    Fill,
    Incident,
    Opportunity,
    Order,
    PairTrade,
    Run,
)

RowDict = dict[str, Any]
EPISODE_NS = 3600 * NS_PER_S
"""How long before an instant an episode that reached it is looked for: others are of another kind (persistent edges)."""

RUN_TIMES = """
SELECT known.id AS run_id, known.started_ns,
    CASE WHEN known.next_ns < known.last_ns THEN known.next_ns ELSE known.last_ns END AS until_ns
FROM (
    SELECT r.id, r.started_ns, LEAD(r.started_ns) OVER (ORDER BY r.started_ns, r.id) AS next_ns,
        COALESCE(r.ended_ns, (
            SELECT MAX(signs.ns) FROM (
                SELECT r.started_ns AS ns
                UNION ALL SELECT MAX(b.ns) FROM balances b WHERE b.run_id = r.id
                UNION ALL SELECT MAX(i.ns) FROM incidents i WHERE i.run_id = r.id
                UNION ALL SELECT MAX(p.decided_ns) FROM pair_trades p WHERE p.run_id = r.id
                UNION ALL SELECT (
                    SELECT o.closed_ns FROM opportunities o WHERE o.run_id = r.id ORDER BY o.opened_ns DESC LIMIT 1
                )
            ) signs
        )) AS last_ns
    FROM runs r
) known
"""
"""For how long each run lasted, in ns UTC: all time in which the engine traded, and no other.

A run that was killed, or still runs, lasts until the last row that it wrote itself (rows that a later run closed for it
do not count), and none beyond the start of the next: no time is counted twice.
"""


_NAMES = {
    "venue": """
SELECT buy_venue FROM pair_trades UNION SELECT sell_venue FROM pair_trades
UNION SELECT buy_venue FROM opportunities_daily UNION SELECT sell_venue FROM opportunities_daily
UNION SELECT venue FROM balances UNION SELECT venue FROM incidents WHERE venue IS NOT NULL
""",
    "symbol": "SELECT symbol FROM pair_trades UNION SELECT symbol FROM opportunities_daily",
}


class PairStory(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the ledger and the journal know of one pair trade; rows are dictionaries from column to value."""

    pair: RowDict
    opportunity: RowDict | None
    orders: tuple[RowDict, ...]
    fills: tuple[RowDict, ...]
    incidents: tuple[RowDict, ...]
    alternatives: tuple[RowDict, ...]
    books: tuple[RowDict, ...]
    timeline: tuple[Entry, ...]
    plan: PlanRecord | None = None


class LedgerReader(Reader):
    def pairs(self, selection: Selection = ALL, *, limit: int = 50, before: str | None = None) -> list[RowDict]:
        """Return pairs, the latest first; `before`: those that come after the pair of this short or whole id.

        Raises `ConfigError` where there is no such pair.
        """
        query = select(PairTrade.__table__).order_by(PairTrade.decided_ns.desc(), PairTrade.id.desc()).limit(limit)
        query = query.where(text(PAIRS_BY.where(selection))).params(selection.values)
        with self.transaction() as connection:
            if before is not None:
                pair_id = _short_ids(connection).row_id(before, "pair")
                last = tuple_(_pair(connection, pair_id)["decided_ns"], pair_id)
                query = query.where(tuple_(PairTrade.decided_ns, PairTrade.id) < last)
            return _rows(connection, query)

    def alerts(self, selection: Selection = ALL, *, every: bool = False, limit: int = 50) -> list[RowDict]:
        """Return open alerts, the latest first, as `alerts.open_alerts` does; `every`: acknowledged ones, too."""
        query = select(Alert.__table__).where(text(ALERTS_BY.where(selection))).params(selection.values)
        query = query if every else query.where(Alert.acknowledged_ns.is_(None))
        with self.transaction() as connection:
            rows = _rows(connection, query.order_by(Alert.last_ns.desc(), Alert.id.desc()).limit(limit))
            short_ids = _short_ids(connection)
        shown = (_with_end(row) if every else as_shown(row) for row in rows)
        return [{"id": row["id"], "short_id": short_ids.of(row["id"])} | row for row in shown]

    def alerts_since(self, ended_ns: int) -> list[RowDict]:
        """Return the open alerts and those that ended at `ended_ns` (ns UTC) or later, as `alerts(every=True)` does."""
        query = select(Alert.__table__).where(or_(Alert.acknowledged_ns.is_(None), Alert.acknowledged_ns >= ended_ns))
        with self.transaction() as connection:
            return [_with_end(row) for row in _rows(connection, query)]

    def alert(self, ident: str) -> RowDict:
        """Return an alert, acknowledged or not, by its short or whole id; raises `ConfigError` when there is none.

        A number within its run will do where only one alert that is open has it.
        """
        with self.transaction() as connection:
            short_ids = _short_ids(connection)
            alert_id = short_ids.row_id(ident, "alert")
            found = _rows(connection, _of(Alert, Alert.id == alert_id))
            if not found and ident.isdecimal():
                same = (Alert.id % IDS_PER_RUN == int(ident), Alert.acknowledged_ns.is_(None))
                found = _rows(connection, select(Alert.__table__).where(*same))
        if len(found) != 1:
            several = ", ".join(short_ids.of(row["id"]) for row in found)
            raise ConfigError(
                f"{ident} is the number of several alerts: give one of {several}"
                if several
                else f"no alert {ident} in this ledger; `arb alerts` lists the open ones"
            )
        return found[0]

    def story(self, pair_id: int, journal: JournalReader | None = None) -> PairStory:
        """Return everything about one pair; raise `ConfigError` when there is none of that id.

        With a journal, the timeline holds the events and commands that name one of its orders, and `plan` the plan of
        its decision.
        """
        with self.transaction() as connection:
            pair = _pair(connection, pair_id)
            opportunity = _rows(connection, _of(Opportunity, Opportunity.id == pair["opportunity_id"]))
            orders = _rows(connection, _of(Order, Order.pair_trade_id == pair_id).order_by(Order.id))
            own = select(Order.id).where(Order.pair_trade_id == pair_id)
            fills = _rows(connection, _of(Fill, Fill.order_id.in_(own)).order_by(Fill.event_ns, Fill.id))
            incidents = _rows(connection, _of(Incident, Incident.pair_trade_id == pair_id).order_by(Incident.ns))
            beside = _of(Alternative, Alternative.pair_trade_id == pair_id)
            alternatives = _rows(connection, beside.order_by(Alternative.ns, Alternative.id))
            books = _rows(connection, _of(DecisionBook, DecisionBook.pair_trade_id == pair_id))
        names = tuple(order["client_order_id"] for order in orders if order["client_order_id"])
        return PairStory(
            pair=pair,
            opportunity=opportunity[0] if opportunity else None,
            orders=tuple(orders),
            fills=tuple(fills),
            incidents=tuple(incidents),
            alternatives=tuple(alternatives),
            books=tuple(books),
            timeline=() if journal is None else tuple(journal.mentioning(names, pair["decided_ns"])),
            plan=None if journal is None else journal.plan(pair_id, pair["decided_ns"]),
        )

    def last_run_id(self) -> int | None:
        with self.transaction() as connection:
            return connection.execute(select(func.max(Run.id))).scalar()

    def run(self, run_id: int) -> RowDict:
        with self.transaction() as connection:
            found = _rows(connection, _of(Run, Run.id == run_id))
        if not found:
            raise ConfigError(f"no run {run_id} in this ledger")
        return found[0]

    def short_ids(self) -> ShortIds:
        with self.transaction() as connection:
            return _short_ids(connection)

    def names(self, what: str) -> set[str]:
        """Return every venue, or every symbol, that the ledger has rows of; `what`: `venue` or `symbol`."""
        with self.transaction() as connection:
            return set(connection.execute(text(_NAMES[what])).scalars())

    def offered(self) -> dict[str, list[str]]:
        """Return the venues and the symbols that a filter can offer: those of `opportunities_daily`, a table of few rows."""
        seen = "SELECT DISTINCT symbol, buy_venue, sell_venue FROM opportunities_daily"
        with self.transaction() as connection:
            rows = connection.execute(text(seen)).all()
        venues = {venue for row in rows for venue in (row.buy_venue, row.sell_venue)}
        return {"venue": sorted(venues), "symbol": sorted({row.symbol for row in rows})}

    def modes(self) -> set[str]:
        with self.transaction() as connection:
            return set(connection.execute(select(Run.mode).distinct()).scalars())

    def incidents(self, *, run_id: int | None = None, limit: int = 50) -> list[RowDict]:
        query = select(Incident.__table__).order_by(Incident.ns.desc(), Incident.id.desc()).limit(limit)
        with self.transaction() as connection:
            return _rows(connection, query if run_id is None else query.where(Incident.run_id == run_id))

    def edge_shares(self, since_ns: int, until_ns: int) -> dict[str, Decimal]:
        """Return for which part (0 to 1) of the time between two instants in which an engine ran a symbol had an edge.

        Episodes that did not end before `since_ns` count from there on, if they began within the hour before it.
        Symbols without any are omitted: the ledger does not record whether they were watched.
        """
        times = text(f"SELECT run_id, started_ns, until_ns FROM ({RUN_TIMES}) times WHERE until_ns > :since_ns")
        with self.transaction() as connection:
            runs = connection.execute(times, {"since_ns": since_ns}).all()
            seen = (
                select(Opportunity.symbol, Opportunity.opened_ns, Opportunity.closed_ns)
                .where(
                    Opportunity.run_id.in_([run.run_id for run in runs]), Opportunity.opened_ns >= since_ns - EPISODE_NS
                )
                .where(Opportunity.opened_ns < until_ns, Opportunity.closed_ns > since_ns)
                .order_by(Opportunity.symbol, Opportunity.opened_ns)
            )
            ran_ns = sum(max(0, min(run.until_ns, until_ns) - max(run.started_ns, since_ns)) for run in runs)
            with_edge: dict[str, int] = defaultdict(int)
            reached: dict[str, int] = {}
            for symbol, opened_ns, closed_ns in connection.execute(seen):
                begins_ns = max(opened_ns, reached.get(symbol, since_ns))  # routes of a symbol overlap
                reached[symbol] = max(begins_ns, min(closed_ns, until_ns))
                with_edge[symbol] += reached[symbol] - begins_ns
        return {symbol: round(min(Decimal(1), Decimal(ns) / ran_ns), 6) for symbol, ns in with_edge.items() if ran_ns}


def _short_ids(connection: Connection) -> ShortIds:
    return ShortIds(connection.execute(select(Run.id).order_by(Run.id)).scalars().all())


def _pair(connection: Connection, pair_id: int) -> RowDict:
    found = _rows(connection, _of(PairTrade, PairTrade.id == pair_id))
    if not found:
        short_ids = _short_ids(connection)
        nearest = _nearest(connection, short_ids, pair_id)
        raise ConfigError(f"no pair trade {short_ids.of(pair_id)} in this ledger: {nearest}")
    return found[0]


def _nearest(connection: Connection, short_ids: ShortIds, pair_id: int) -> str:
    """Return the existing pair whose id is the nearest, in words."""
    around = (
        select(func.max(PairTrade.id)).where(PairTrade.id < pair_id),
        select(func.min(PairTrade.id)).where(PairTrade.id > pair_id),
    )
    found = [row_id for query in around if (row_id := connection.execute(query).scalar()) is not None]
    nearest = min(found, key=lambda row_id: abs(row_id - pair_id), default=None)
    return "it has none yet" if nearest is None else f"the nearest is {short_ids.of(nearest)}"


def _with_end(row: RowDict) -> RowDict:
    return as_shown(row) | {name: row[name] for name in ("acknowledged_ns", "acknowledged_by", "reason")}


def _of(table: type[Base], condition: Any) -> Select[Any]:
    return select(table.__table__).where(condition)


def _rows(connection: Connection, query: Executable) -> list[RowDict]:
    return [dict(row) for row in connection.execute(query).mappings()]
