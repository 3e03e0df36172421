"""The codes that may stand in the ledger's columns, by table and column.

They are looked at here, when a row is made, and not by CHECK constraints: reasons, kinds, modes, sources, roles and statuses
grow with the engine, and a database that lists them would have to be migrated for every new one. What stays a CHECK is what
can never grow and what sums of money rest upon: `side` (the sign of a fill) and an order's `outcome` (there are three), beside
all arithmetic.

A code that is no longer made stays in its enumeration: older journals hold it, and `arb db rebuild` writes it again.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

from sqlalchemy import Table

from arb.core.incidents import Severity
from arb.core.opportunities.alternatives import RepairReason
from arb.core.reasons import Reason
from arb.core.records import AlternativeStage, AlternativeWay, OpportunityOutcome, PairKind, PairState
from arb.market.fill import FillSource, Liquidity
from arb.market.order import OrderStatus, Role, TimeInForce

MODES = ("sandbox", "paper", "live", "replay", "sim")
BALANCE_SOURCES = ("venue", "computed")

CODES: dict[str, dict[str, tuple[str, ...]]] = {
    "runs": {"mode": MODES},
    "opportunities": {"outcome": tuple(OpportunityOutcome), "reason": tuple(Reason)},
    "pair_trades": {"kind": tuple(PairKind), "state": tuple(PairState)},
    "orders": {"role": tuple(Role), "tif": tuple(TimeInForce), "status": tuple(OrderStatus)},
    "fills": {"liquidity": tuple(Liquidity), "source": tuple(FillSource)},
    "balances": {"source": BALANCE_SOURCES},
    "incidents": {"severity": tuple(Severity)},
    "alternatives": {
        "stage": tuple(AlternativeStage),
        "way": tuple(AlternativeWay),
        "reason": (*Reason, *RepairReason),
    },
    # Added up by the database itself, from opportunities that were looked at when they were written.
    "untraded_daily": {
        "outcome": (OpportunityOutcome.REFUSED, OpportunityOutcome.VANISHED),
        "reason": tuple(Reason),
    },
}
_ENTRY_WAYS = (AlternativeWay.ROUTE, AlternativeWay.SIZE)
_STAGE_AND_WAY = tuple(
    (AlternativeStage.ENTRY if way in _ENTRY_WAYS else AlternativeStage.REPAIR, way) for way in AlternativeWay
)


class Rule(NamedTuple):
    """What may stand in one column, or in several together: then `known` holds tuples."""

    columns: tuple[str, ...]
    known: frozenset[Any]


def rules_of(table: Table) -> tuple[Rule, ...]:
    """Return the rules for a table's codes; a column that may be null may be None."""
    rules = [
        Rule((column,), _known(codes, nullable=bool(table.columns[column].nullable)))
        for column, codes in CODES[table.name].items()
    ]
    if table.name == "alternatives":
        rules.append(Rule(("stage", "way"), frozenset(_STAGE_AND_WAY)))
    return tuple(rules)


def _known(codes: Iterable[str], *, nullable: bool) -> frozenset[str | None]:
    # A member of an enumeration of text equals its value and has its hash: either may stand in a record.
    return frozenset(codes) | (frozenset((None,)) if nullable else frozenset())
