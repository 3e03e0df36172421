"""Look for one order, so thoroughly that finding nothing means something.

By the venue's number, or by our own id where that finds ended orders too, one question is enough. Otherwise the lists of
open orders, ended orders and fills are read in this order: an order that ends meanwhile shows in a later list, and rows that
come in meanwhile push others to later pages, so what is there is seen at least once. `complete` is claimed only when every
page was read and understood, and every fill in it could be ascribed to an order.
"""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from arb.core.commands import QueryOrder
from arb.errors import VenueError, VenueProtocolError, VenueRejected
from arb.market.fill import Fill, FillKey
from arb.market.order import OrderReport
from arb.venues.dialect import PAGES_MAX, Call, Pages, TradeDialect
from arb.venues.symbols import UnknownSymbol

Ask = Callable[[Call], Awaitable[tuple[Any, int]]]
"""Ask one question; returns (body, received_ns), raises `VenueError`."""

FOREIGN_MAX = 50


class OrderQuery:
    """One look. After `run`: what was found, and whether all was read."""

    def __init__(self, dialect: TradeDialect, command: QueryOrder, since_ms: int, ask: Ask) -> None:
        self._dialect = dialect
        self._command = command
        self._since_ms = since_ms
        self._ask = ask
        self._fills: dict[FillKey, Fill] = {}
        self._foreign: set[str] = set()
        self.report: OrderReport | None = None
        self.complete = False
        self.cause: str | None = None

    @property
    def fills(self) -> tuple[Fill, ...]:
        """Return the fills of the order, oldest first."""
        return tuple(sorted(self._fills.values(), key=lambda fill: (fill.event_ns, fill.trade_id)))

    async def run(self) -> None:
        """Look; never raises for what the venue does."""
        try:
            await self._by_id()
            if self.report is None:
                await self._through_lists()
            else:
                await self._read_fills(self.report.venue_order_id)
            self.complete = True
        except VenueError as error:
            self.cause = str(error)

    async def _by_id(self) -> None:
        command = self._command
        call = self._dialect.one_order(command.symbol, command.client_order_id, command.venue_order_id)
        if call is not None:
            self.report = self._checked(await self._one(call))

    async def _one(self, call: Call) -> OrderReport | None:
        try:
            body, _ = await self._ask(call)
        except VenueRejected as error:
            if error.code in self._dialect.not_found:
                return None
            raise
        return self._dialect.order_in(body)

    def _checked(self, report: OrderReport | None) -> OrderReport | None:
        if report is None or report.client_order_id in (None, self._command.client_order_id):
            return report
        text = f"asked for order {self._command.client_order_id}, told of {report.client_order_id}"
        raise VenueProtocolError(self._dialect.venue, text)

    async def _through_lists(self) -> None:
        symbol = self._command.symbol
        for pages in (self._dialect.open_orders(symbol), self._dialect.ended_orders(symbol, self._since_ms)):
            async for raw, _ in self._rows(pages):
                with contextlib.suppress(UnknownSymbol):  # not the one asked for
                    self._sort(self._dialect.report(raw))
        await self._read_fills(None)

    def _sort(self, report: OrderReport) -> None:
        if report.client_order_id == self._command.client_order_id:
            self.report = report
        else:
            self._foreign.add(report.venue_order_id)

    async def _read_fills(self, venue_order_id: str | None) -> None:
        doubtful: dict[str, list[Fill]] = {}
        pages = self._dialect.fills(self._command.symbol, self._since_ms, venue_order_id)
        async for raw, received_ns in self._rows(pages):
            with contextlib.suppress(UnknownSymbol):
                fill = self._dialect.fill(raw, received_ns)
                if self._is_ours(fill):
                    self._fills[fill.key] = fill
                elif fill.client_order_id is None and fill.venue_order_id not in self._foreign and self.report is None:
                    doubtful.setdefault(fill.venue_order_id, []).append(fill)
        if len(doubtful) > FOREIGN_MAX:
            raise VenueProtocolError(self._dialect.venue, f"fills of {len(doubtful)} orders that are in no list")
        for number, fills in doubtful.items():
            await self._ascribe(number, fills)

    async def _ascribe(self, venue_order_id: str, fills: list[Fill]) -> None:
        # Fills of an order that no list showed: made before the span, or a list that lags. It may be the one we seek.
        call = self._dialect.one_order(self._command.symbol, self._command.client_order_id, venue_order_id)
        report = None if call is None else await self._one(call)
        if report is None:
            raise VenueProtocolError(self._dialect.venue, f"fills of order {venue_order_id}, which cannot be found")
        if report.client_order_id == self._command.client_order_id:
            self.report = report
            self._fills.update({fill.key: fill for fill in fills})

    def _is_ours(self, fill: Fill) -> bool:
        if fill.client_order_id is not None:
            return fill.client_order_id == self._command.client_order_id
        return self.report is not None and fill.venue_order_id == self.report.venue_order_id

    async def _rows(self, pages: Pages) -> AsyncIterator[tuple[Any, int]]:
        call: Call | None = pages.first
        for _ in range(PAGES_MAX):
            if call is None:
                return
            body, received_ns = await self._ask(call)
            rows = pages.rows(body)
            for raw in rows:
                yield raw, received_ns
            call = pages.following(call, rows)
        raise VenueProtocolError(self._dialect.venue, f"more than {PAGES_MAX} pages of {pages.first.path}")
