"""Look through a whole account: open orders, ended orders, fills, deposits and withdrawals, all pages since some instant.

Per symbol the lists are read in the order in which an order passes through them, so that one that ends meanwhile shows at
least once. Fills of orders that are in no list have these looked up by number: some venues write no client order id on a fill,
and a history of orders may lag behind that of fills. One that names a stranger's order is his without that. Transfers are read
apart: a key that may not see them spoils nothing else.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

from arb.core.events import AccountSnapshotTaken, Transfer
from arb.errors import VenueError, VenueProtocolError, VenueRejected
from arb.market.client_id import decode
from arb.market.fill import Fill, FillKey
from arb.market.order import OrderReport
from arb.venues.dialect import PAGES_MAX, Pages, TradeDialect
from arb.venues.order_query import Ask
from arb.venues.symbols import UnknownSymbol

DETAILS_MAX = 50
TRANSFERS_BACK_MS = 86_400_000
"""Transfers are listed by when they were made, and an on-chain deposit is credited minutes or hours later."""


class AccountSnapshot:
    """One look through an account."""

    def __init__(self, dialect: TradeDialect, symbols: Sequence[str], span_ms: tuple[int, int], ask: Ask) -> None:
        self._dialect = dialect
        self._symbols = symbols
        # From when, and until when at least, on the venue's clock.
        self._since_ms, self._now_ms = span_ms
        self._ask = ask
        self._orders: dict[str, OrderReport] = {}
        self._fills: dict[FillKey, Fill] = {}
        self._transfers: dict[str, Transfer] = {}

    async def run(self, started_ns: int) -> AccountSnapshotTaken:
        """Look; never raises for what the venue does. `started_ns` is now, on our clock."""
        cause = await self._orders_and_fills()
        untold = await self._all_transfers()
        return AccountSnapshotTaken(
            venue=self._dialect.venue,
            complete=cause is None,
            orders=tuple(order for _, order in sorted(self._orders.items())),
            fills=tuple(sorted(self._fills.values(), key=lambda fill: (fill.event_ns, fill.symbol, fill.trade_id))),
            transfers=tuple(sorted(self._transfers.values(), key=lambda t: (t.event_ns, t.transfer_id))),
            transfers_complete=untold is None,
            started_ns=started_ns,
            cause=cause or untold,
        )

    async def _orders_and_fills(self) -> str | None:
        # Every symbol to its end, whatever becomes of the others: what is left running would ask on.
        ends = await asyncio.gather(*(self._of_symbol(symbol) for symbol in self._symbols), return_exceptions=True)
        for end in ends:
            if isinstance(end, BaseException) and not isinstance(end, VenueError):
                raise end
        return next((str(end) for end in ends if end is not None), None)

    async def _all_transfers(self) -> str | None:
        try:
            for pages in self._dialect.transfers(max(0, self._since_ms - TRANSFERS_BACK_MS), self._now_ms):
                await self._read_transfers(pages)
        except VenueError as error:
            return str(error)
        return None

    async def _of_symbol(self, symbol: str) -> None:
        dialect = self._dialect
        for pages in (dialect.open_orders(symbol), dialect.ended_orders(symbol, self._since_ms)):
            async for raw, _ in self._rows(pages):
                with contextlib.suppress(UnknownSymbol):  # not the one asked for
                    report = dialect.report(raw)
                    self._orders[report.venue_order_id] = report
        unlisted: set[str] = set()
        async for raw, received_ns in self._rows(dialect.fills(symbol, self._since_ms, None)):
            with contextlib.suppress(UnknownSymbol):
                fill = dialect.fill(raw, received_ns)
                self._fills[fill.key] = fill
                named = fill.client_order_id
                if fill.venue_order_id not in self._orders and (named is None or decode(named) is not None):
                    unlisted.add(fill.venue_order_id)
        if len(unlisted) > DETAILS_MAX:
            raise VenueProtocolError(dialect.venue, f"fills of {len(unlisted)} orders that are in no list")
        for number in sorted(unlisted):
            await self._look_up(symbol, number)

    async def _look_up(self, symbol: str, venue_order_id: str) -> None:
        call = self._dialect.one_order(symbol, "", venue_order_id)
        if call is None:
            return
        try:
            body, _ = await self._ask(call)
        except VenueRejected as error:
            if error.code in self._dialect.not_found:
                return
            raise
        report = self._dialect.order_in(body)
        if report is not None:
            self._orders[report.venue_order_id] = report

    async def _read_transfers(self, pages: Pages) -> None:
        async for raw, _ in self._rows(pages):
            transfer = self._dialect.transfer(raw)
            if transfer is not None:
                self._transfers[transfer.transfer_id] = transfer

    async def _rows(self, pages: Pages) -> AsyncIterator[tuple[Any, int]]:
        call = pages.first
        for _ in range(PAGES_MAX):
            body, received_ns = await self._ask(call)
            rows = pages.rows(body)
            for raw in rows:
                yield raw, received_ns
            following = pages.following(call, rows)
            if following is None:
                return
            call = following
        raise VenueProtocolError(self._dialect.venue, f"more than {PAGES_MAX} pages of {pages.first.path}")
