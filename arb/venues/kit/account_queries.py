"""Ask a venue about one order, or about everything of an account, so thoroughly that finding nothing means something.

An order query by the venue's number, or by our own id where that finds ended orders too, is one request. Otherwise the
lists of open orders, ended orders and fills are read in this order: an order that ends meanwhile shows in a later list,
and rows that arrive meanwhile push others to later pages, so every row is seen at least once. `complete` is claimed
only when every page was read and understood, and every fill in it could be ascribed to an order.

An account snapshot reads the same lists of all symbols together; where a venue does not give them so, of one symbol
after the other. Fills of orders that are in no list have these queried by number: some venues write no client order id
on a fill, and a history of orders may lag behind that of fills. One that names a foreign order needs no query. Bills
are read apart: a key that may not see them spoils nothing else. A bill has the instant at which the balance changed, so
they are read from the same instant on.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from typing import Any, TypeVar

from arb.core.messages.commands import QueryOrder
from arb.core.messages.events import AccountSnapshotTaken, Transfer
from arb.errors import VenueError, VenueProtocolError, VenueRejected
from arb.market.fill import Fill, FillKey
from arb.market.ids import decode
from arb.market.order import OrderReport
from arb.venues.kit.call import PAGES_MAX, Call, Pages
from arb.venues.kit.dialect import DAY_MS, TradeDialect
from arb.venues.kit.fields import UnknownSymbol

Ask = Callable[[Call], Awaitable[tuple[Any, int]]]
"""Ask one question; returns (body, received_ns), raises `VenueError`."""

Found = TypeVar("Found")
NOT_SO = VenueRejected, VenueProtocolError
"""The venue answers, but not this request: it may be asked in another way."""

FOREIGN_MAX = 50
FEW = 8
"""How many questions about single symbols are under way at once."""


class OrderQuery:
    def __init__(self, dialect: TradeDialect, command: QueryOrder, since_ms: int, ask: Ask, *, now_ms: int = 0) -> None:
        """`since_ms` and `now_ms` are the venue's clock."""
        self._dialect = dialect
        self._command = command
        self._since_ms, self._now_ms = since_ms, now_ms
        self._ask = ask
        self._fills: dict[FillKey, Fill] = {}
        self._foreign: set[str] = set()
        self._listed: set[str] | None = None
        self.report: OrderReport | None = None
        self.complete = False
        # Whether the order's fills are older than any list that the venue gives.
        self.out_of_reach = False
        self.cause: str | None = None

    @property
    def fills(self) -> tuple[Fill, ...]:
        return tuple(sorted(self._fills.values(), key=lambda fill: (fill.event_ns, fill.trade_id)))

    @property
    def listed(self) -> tuple[str, ...] | None:
        """Return our client order ids in the lists; None where they were not read."""
        return None if self._listed is None else tuple(sorted(self._listed))

    async def run(self) -> None:
        """Ask; never raises for any answer."""
        try:
            await self._by_id()
            if self.report is None:
                await self._through_lists()
            else:
                await self._read_fills(self.report.venue_order_id)
            self.cause = self._beyond_reach()
            self.complete = self.cause is None
        except VenueError as error:
            self.cause = str(error)

    def _beyond_reach(self) -> str | None:
        """Return why the lists do not cover the order, None where they do."""
        reach, back_ms = self._dialect.reach, self._now_ms - self._since_ms
        if self.report is None:
            return _too_old("orders and fills", back_ms, min(reach.ended_orders, reach.fills))
        if sum(fill.size for fill in self._fills.values()) >= self.report.filled:
            return None
        cause = _too_old("fills", back_ms, reach.fills)
        self.out_of_reach = cause is not None
        return cause

    async def _by_id(self) -> None:
        command = self._command
        call = self._dialect.one_order(command.symbol, command.client_order_id, command.venue_order_id)
        if call is not None:
            self.report = self._checked(await _one(self._dialect, self._ask, call))

    def _checked(self, report: OrderReport | None) -> OrderReport | None:
        if report is None or report.client_order_id in (None, self._command.client_order_id):
            return report
        text = f"asked for order {self._command.client_order_id}, got {report.client_order_id}"
        raise VenueProtocolError(self._dialect.venue, text)

    async def _through_lists(self) -> None:
        symbol, self._listed = self._command.symbol, set()
        for pages in (self._dialect.open_orders(symbol), self._ended(symbol)):
            async for raw, _ in _rows(self._dialect.venue, self._ask, pages):
                with self._passing_over(raw):
                    self._sort(self._dialect.report(raw))
        await self._read_fills(None)

    def _ended(self, symbol: str) -> Pages:
        return self._dialect.ended_orders(symbol, self._since_ms, self._now_ms)

    def _sort(self, report: OrderReport) -> None:
        if self._listed is not None and report.client_order_id and decode(report.client_order_id) is not None:
            self._listed.add(report.client_order_id)
        if report.client_order_id == self._command.client_order_id:
            self.report = report
        else:
            self._foreign.add(report.venue_order_id)

    async def _read_fills(self, venue_order_id: str | None) -> None:
        unassigned: dict[str, list[Fill]] = {}
        pages = self._dialect.fills(self._command.symbol, self._since_ms, venue_order_id, self._now_ms)
        async for raw, received_ns in _rows(self._dialect.venue, self._ask, pages):
            with self._passing_over(raw):
                fill = self._dialect.fill(raw, received_ns)
                if self._is_ours(fill):
                    self._fills[fill.key] = fill
                elif fill.client_order_id is None and fill.venue_order_id not in self._foreign and self.report is None:
                    unassigned.setdefault(fill.venue_order_id, []).append(fill)
        if len(unassigned) > FOREIGN_MAX:
            raise VenueProtocolError(self._dialect.venue, f"fills of {len(unassigned)} orders that are in no list")
        for number, fills in unassigned.items():
            await self._ascribe(number, fills)

    async def _ascribe(self, venue_order_id: str, fills: list[Fill]) -> None:
        # Fills of an order that no list showed: made before the span, or a list that lags. It may be the one asked for.
        call = self._dialect.one_order(self._command.symbol, self._command.client_order_id, venue_order_id)
        report = None if call is None else await _one(self._dialect, self._ask, call)
        if report is None:
            raise VenueProtocolError(self._dialect.venue, f"fills of order {venue_order_id}, which cannot be found")
        if report.client_order_id == self._command.client_order_id:
            self.report = report
            self._fills.update({fill.key: fill for fill in fills})

    @contextlib.contextmanager
    def _passing_over(self, raw: Any) -> Iterator[None]:
        """Pass over a row in an unknown symbol: it is not the one asked for, unless it names our order."""
        try:
            yield
        except UnknownSymbol:
            if any(isinstance(value, str) and value.endswith(self._command.client_order_id) for value in raw.values()):
                raise

    def _is_ours(self, fill: Fill) -> bool:
        if fill.client_order_id is not None:
            return fill.client_order_id == self._command.client_order_id
        return self.report is not None and fill.venue_order_id == self.report.venue_order_id


DETAILS_MAX = 50


class AccountSnapshot:
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
        """Ask; never raises for any answer. `started_ns` is now, on our clock."""
        cause = await self._orders_and_fills()
        unread_cause = await self._all_transfers()
        return AccountSnapshotTaken(
            venue=self._dialect.venue,
            complete=cause is None,
            orders=tuple(order for _, order in sorted(self._orders.items())),
            fills=tuple(sorted(self._fills.values(), key=lambda fill: (fill.event_ns, fill.symbol, fill.trade_id))),
            transfers=tuple(sorted(self._transfers.values(), key=lambda t: (t.event_ns, t.transfer_id))),
            transfers_complete=unread_cause is None,
            started_ns=started_ns,
            cause=cause or unread_cause,
        )

    async def _orders_and_fills(self) -> str | None:
        reach = self._dialect.reach
        back_ms = self._now_ms - self._since_ms
        return await self._lists() or _too_old("orders and fills", back_ms, min(reach.ended_orders, reach.fills))

    async def _lists(self) -> str | None:
        if len(self._symbols) > 1:
            try:
                await self._read(None)
                return None
            except NOT_SO:
                pass  # one by one, then
            except VenueError as error:
                return str(error)
        ends = await by_few(self._read, self._symbols)
        return next((str(end) for end in ends.values() if end is not None), None)

    async def _all_transfers(self) -> str | None:
        try:
            for pages in self._dialect.transfers(self._since_ms, self._now_ms):
                await self._read_transfers(pages)
        except VenueError as error:
            return str(error)
        return _too_old("bills", self._now_ms - self._since_ms, self._dialect.reach.bills)

    async def _read(self, symbol: str | None) -> None:
        dialect = self._dialect
        for pages in (dialect.open_orders(symbol), dialect.ended_orders(symbol, self._since_ms, self._now_ms)):
            async for raw, _ in _rows(self._dialect.venue, self._ask, pages):
                with contextlib.suppress(UnknownSymbol):  # not the one asked for
                    report = dialect.report(raw)
                    self._orders[report.venue_order_id] = report
        unlisted: set[tuple[str, str]] = set()
        pages = dialect.fills(symbol, self._since_ms, None, self._now_ms)
        async for raw, received_ns in _rows(self._dialect.venue, self._ask, pages):
            with contextlib.suppress(UnknownSymbol):
                fill = dialect.fill(raw, received_ns)
                self._fills[fill.key] = fill
                named = fill.client_order_id
                if fill.venue_order_id not in self._orders and (named is None or decode(named) is not None):
                    unlisted.add((fill.symbol, fill.venue_order_id))
        if symbol is None:
            unlisted = {(of, number) for of, number in unlisted if of in self._symbols}
        most = max(Counter(of for of, _ in unlisted).values(), default=0)
        if most > DETAILS_MAX:
            raise VenueProtocolError(dialect.venue, f"fills of {most} orders that are in no list")
        for of, number in sorted(unlisted):
            await self._query_order(of, number)

    async def _query_order(self, symbol: str, venue_order_id: str) -> None:
        call = self._dialect.one_order(symbol, "", venue_order_id)
        report = None if call is None else await _one(self._dialect, self._ask, call)
        if report is not None:
            self._orders[report.venue_order_id] = report

    async def _read_transfers(self, pages: Pages) -> None:
        async for raw, _ in _rows(self._dialect.venue, self._ask, pages):
            transfer = self._dialect.transfer(raw)
            if transfer is not None:
                self._transfers[transfer.transfer_id] = transfer


def _too_old(lists: str, back_ms: int, reach_ms: int) -> str | None:
    return f"{lists} reach back {reach_ms // DAY_MS} days only" if back_ms > reach_ms else None


async def by_few(ask: Callable[[str], Awaitable[Found]], symbols: Sequence[str]) -> dict[str, Found | VenueError]:
    """Ask about many symbols, a few at a time, and return the result of each.

    A venue that does not answer at all is not asked any further: then the rest ends as that did.
    """
    ends: dict[str, Found | VenueError] = {}
    for start in range(0, len(symbols), FEW):
        some = symbols[start : start + FEW]
        for symbol, end in zip(some, await asyncio.gather(*map(ask, some), return_exceptions=True), strict=True):
            if isinstance(end, BaseException) and not isinstance(end, VenueError):
                raise end
            ends[symbol] = end
        silent = next(
            (ends[s] for s in some if isinstance(ends[s], VenueError) and not isinstance(ends[s], NOT_SO)), None
        )
        if silent is not None:
            return ends | dict.fromkeys(symbols[start + FEW :], silent)
    return ends


async def _one(dialect: TradeDialect, ask: Ask, call: Call) -> OrderReport | None:
    """Return the order that is asked for; None where the venue reports that there is none."""
    try:
        body, _ = await ask(call)
    except VenueRejected as error:
        if error.code in dialect.not_found:
            return None
        raise
    return dialect.order_in(body)


async def _rows(venue: str, ask: Ask, pages: Pages) -> AsyncIterator[tuple[Any, int]]:
    """Yield (row, received_ns) of all pages; raise `VenueError` for a page that cannot be read, and for too many of them."""
    call: Call | None = pages.first
    for _ in range(PAGES_MAX):
        if call is None:
            return
        body, received_ns = await ask(call)
        for raw in pages.rows(body):
            yield raw, received_ns
        call = pages.following(call, body)
    raise VenueProtocolError(venue, f"more than {PAGES_MAX} pages of {pages.first.path}")
