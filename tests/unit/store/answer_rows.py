"""The ledger's rows as the cookbook's answers ask for them, and exact sums over them."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from decimal import Decimal
from fractions import Fraction
from typing import Any, TypeVar

from arb.core.messages.commands import AnyRecord
from arb.core.messages.records import (
    BalanceRecord,
    DecisionBookRecord,
    FillRecord,
    IncidentRecord,
    OpportunityRecord,
    OrderRecord,
    PairRecord,
    RunRecord,
    Waterfall,
)

HOUR_NS, DAY_NS = 3_600_000_000_000, 86_400_000_000_000
Rows = list[dict[str, Any]]
T = TypeVar("T")
K = TypeVar("K", bound=Hashable)


class Tables:
    """The rows by kind; untraded opportunities that opened before `cut_ns` are deleted."""

    def __init__(self, records: Iterable[AnyRecord], cut_ns: int) -> None:
        rows = list(records)
        every = [row for row in rows if isinstance(row, OpportunityRecord)]
        self.not_taken_ever = [row for row in every if row.reason is not None]
        self.opportunities = [row for row in every if row.reason is None or row.opened_ns >= cut_ns]
        self.runs = [row for row in rows if isinstance(row, RunRecord)]
        self.pairs = {row.id: row for row in rows if isinstance(row, PairRecord)}
        self.finished = [row for row in self.pairs.values() if row.waterfall is not None]
        self.orders = {row.id: row for row in rows if isinstance(row, OrderRecord)}
        self.fills = [row for row in rows if isinstance(row, FillRecord)]
        self.balances = [row for row in rows if isinstance(row, BalanceRecord)]
        self.incidents = [row for row in rows if isinstance(row, IncidentRecord)]
        self.books = [row for row in rows if isinstance(row, DecisionBookRecord)]

        self.entries = {(o.pair_trade_id, str(o.side)): o for o in self.orders.values() if o.role == "entry"}


def grouped(rows: Iterable[T], key: Callable[[T], K]) -> dict[K, list[T]]:
    """Return the rows by key, keys in order."""
    groups: defaultdict[K, list[T]] = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    return {key: groups[key] for key in sorted(groups)}  # type: ignore[type-var]


def fall(pair: PairRecord) -> Waterfall:
    assert pair.waterfall is not None
    return pair.waterfall


def net(pairs: Iterable[PairRecord]) -> int:
    return sum(fall(pair).realised_net_e8 for pair in pairs)


def quote(e8: int) -> Decimal:
    return Decimal(e8).scaleb(-8)


def e8(value: Decimal) -> int:
    """Round half-even, as the ledger does."""
    return round(Fraction(value) * 10**8)


def at(sorted_values: list[int], numerator: int, denominator: int) -> int:
    """Return the smallest value that `numerator / denominator` of all do not exceed."""
    return sorted_values[-(-len(sorted_values) * numerator // denominator) - 1]
