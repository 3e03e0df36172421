"""Unknown orders with our prefix that a venue reports: they wait while the journal is searched.

A process knows the pairs that it opened and recently closed, and the newest of those before it. The journal holds every other
order of ours. Reports on them are taken after the search (`core/accounts/recovery.py`).
"""

from collections.abc import Iterable
from typing import TypeVar

from arb.core.state.blocks import Block, Source
from arb.core.state.engine_state import EngineState
from arb.market.fill import Fill, FillKey
from arb.market.order import OrderReport

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")

WAITING_MAX = 5_000
"""The most orders and the most fills kept; beyond it the next account snapshot finds the oldest again."""


class UnfamiliarOrders:
    def __init__(self, state: EngineState) -> None:
        self._state = state
        self._reports: dict[tuple[str, str], OrderReport] = {}
        self._fills: dict[tuple[str, FillKey], Fill] = {}

    def report(self, report: OrderReport) -> None:
        """Keep the latest report on an order; nothing opens in its symbol there meanwhile."""
        key = (report.venue, report.venue_order_id)
        if key not in self._reports:
            self._search(report)
        _keep(self._reports, key, report)
        self._state.blocks.put(Block(Source.LOST, report.venue, report.symbol))

    def fill(self, fill: Fill) -> None:
        key = (fill.venue, fill.venue_order_id)
        if key not in self._reports and all(key != (held.venue, held.venue_order_id) for held in self._fills.values()):
            self._search(fill)
        _keep(self._fills, (fill.venue, fill.key), fill)
        self._state.blocks.put(Block(Source.LOST, fill.venue, fill.symbol))

    def has_unlisted(self, venue: str) -> bool:
        """Return whether a venue has waiting fills whose orders it has not reported."""
        return any(at == venue and (at, key.venue_order_id) not in self._reports for at, key in self._fills)

    def take(self, venue: str, venue_order_ids: Iterable[str]) -> tuple[list[OrderReport], list[Fill]]:
        """Return and forget the waiting reports and fills of these orders."""
        wanted = {(venue, venue_order_id) for venue_order_id in venue_order_ids}
        reports = [self._reports.pop(key) for key in sorted(wanted) if key in self._reports]
        fills = [fill for fill in self._fills.values() if (fill.venue, fill.venue_order_id) in wanted]
        for fill in fills:
            del self._fills[fill.venue, fill.key]
        return reports, sorted(fills, key=lambda fill: (fill.event_ns, fill.trade_id))

    def symbols(self) -> set[tuple[str, str]]:
        reports, fills = self._reports.values(), self._fills.values()
        return {(report.venue, report.symbol) for report in reports} | {(fill.venue, fill.symbol) for fill in fills}

    def _search(self, one: OrderReport | Fill) -> None:
        self._state.out.recall(one.venue, one.venue_order_id, one.client_order_id)


def _keep(kept: dict[_Key, _Value], key: _Key, value: _Value) -> None:
    if key not in kept and len(kept) >= WAITING_MAX:
        del kept[next(iter(kept))]
    kept[key] = value
