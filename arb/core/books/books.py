"""The market plane as the decision plane sees it: which books may be used now, and their prices.

Their connection's `BookFeed` applies frames directly to the arena; this module only reads the arena. A book may be used when
it is live and its connection is neither silent nor late. Nor may it show levels that our own orders have taken (*own impact*).
That may be so from the moment an order leaves until a frame that the venue sent after our last fill there. A book that stands
still against its own past while other venues' books of its symbol move is stale (`core/books/book_pace.py`). Lag is the travel
time of the last frame, on the venue's clock corrected by the measured offset. A quiet book on a live connection is as current
as its connection. So the skew of two books is the difference of their connections' lags. A venue may have several connections:
a fault of one does not affect the books of another. Books may be added and retired during a run. A missing or retired book is
like a waiting one. It shows no levels and may not be used, even while our pairs and orders in its symbol continue.
"""

from collections.abc import Callable, Collection, Iterable
from decimal import Decimal

import msgspec

from arb.clock import NS_PER_MS
from arb.core.books.book_pace import PACE_WORDS, BookPace, SymbolFrames
from arb.core.books.connection import HANDED_OVER, Connection
from arb.core.books.sale_price import NOTED_EVERY_NS, SeenBids
from arb.core.messages.reasons import Reason
from arb.core.messages.settings import Timing
from arb.core.pricing.depth import NO_DEPTH, Depth, Depths
from arb.core.pricing.plan import Plan
from arb.core.pricing.spread import Unsure, episode
from arb.core.pricing.terms import PairTerms
from arb.errors import require
from arb.market.arena import INT64_MAX, BookArena, BookState
from arb.market.feed import NOTHING, BookFeed, BookSeat, FrameResult
from arb.market.order import Side
from arb.market.route import Key, Route
from arb.market.scale import Scale
from arb.market.words import (
    LAG_KNOWN,
    LAG_NS,
    LAST_BYTE_NS,
    NOTED_BID,
    NOTED_NS,
    PACE,
    QUIET_FRAMES,
    ROW_WORDS,
    UPDATED,
)

_WAITING, _LIVE, _GAP, _CROSSED = map(int, BookState)
"""The states as the arena's words hold them."""
Quote = tuple[int | None, int | None]
"""The best bid and ask as integers on the symbol's scale; None for an empty side."""
FindPlan = Callable[[PairTerms, int, int], Plan | Unsure | None]
"""Answers like `episode` for buying at one row of the arena and selling at another, or is not sure."""


class Impact(msgspec.Struct):
    """Our own orders at one book: how many are under way, and the instants a frame must be newer than."""

    under_way: int = 0
    fill_event_ns: int = 0
    known_ns: int = 0
    sent_ns: int = 0


class Books:
    """All books of a run. Instants are ns UTC.

    `feeds`: one for every connection, by its name; each declares which rows it writes.
    """

    def __init__(
        self,
        arena: BookArena,
        rows: dict[Key, int],
        scales: dict[str, Scale],
        feeds: dict[str, BookFeed],
        timing: Timing,
    ) -> None:
        self.arena = arena
        self._depths = Depths(arena)
        self.rows = dict(rows)
        self.scales = dict(scales)
        self.feeds = feeds
        self.keys = {row: key for key, row in rows.items()}
        self.connections = {name: Connection(name, feed) for name, feed in feeds.items()}
        self._listeners: list[Callable[[str], None]] = []
        self._timing = timing
        self._carriers: dict[int, Connection] = {}
        for connection in self.connections.values():
            for row in connection.rows:
                self._carry(row, connection)
        require(self._carriers.keys() == self.keys.keys(), "books without a connection, or seats without a book")
        self._impacts: dict[Key, Impact] = {}
        self._unread: Collection[str] = ()
        self._backlogged: Collection[str] = ()
        self._seen_bids = SeenBids()
        self._noted = arena.market.rows
        self._changes = [FrameResult(rows=(row,)) for row in range(arena.rows)]
        self._frames = 0
        self._updates = 0
        self.find_plan: FindPlan | None = None
        """The compiled search for the best plans; None: plain code, which also answers where the compiled one is not sure."""

    @property
    def frames(self) -> int:
        return self._frames + sum(found.words[QUIET_FRAMES] for found in self.connections.values())

    @property
    def updates(self) -> int:
        return self._updates + sum(found.words[UPDATED] for found in self.connections.values())

    def set_offset(self, venue: str, offset_ns: int) -> None:
        """Set a venue's time minus ours, from which the lag of its frames is computed."""
        for connection in self.connections_of(venue):
            connection.offset_ns = offset_ns

    def on_frame(self, name: str, received_ns: int, raw: bytes | str, url: str = "") -> FrameResult:
        """Apply one public frame of the connection `name` and record its state; with a `url`, the answer fetched from there."""
        connection = self.connections[name]
        changed = HANDED_OVER if url else connection.take(raw, received_ns)
        return self.finish_frame(connection, changed, received_ns, raw, url) if changed else NOTHING

    def finish_frame(
        self, connection: Connection, changed: int, received_ns: int, raw: bytes | str, url: str = ""
    ) -> FrameResult:
        """Finish a frame whose answer by `Connection.take` is `changed`.

        A fetched answer shows nothing about the connection: neither that it is alive, nor how late its frames are.
        """
        if changed > 0:
            return self._changes[changed - 1]
        self._frames += 1
        if url:
            result = connection.feed.on_http(received_ns, url, raw)
            self._updates += len(result.rows)
            for row in result.rows:
                connection.pace.books[row].skip(received_ns)  # frames during its wait could not be counted
                self._note_bid(row, received_ns)
            return result
        connection.last_byte_ns = received_ns
        result = connection.feed.on_frame(received_ns, raw)
        self._updates += len(result.rows)
        if result.rows:
            connection.pace.beat(result.rows, received_ns)
        for row in result.rows:
            lag = self.arena.lag_ns(row, connection.offset_ns)
            if lag is not None:
                connection.lag_ns = lag
            self._sample(connection, row, received_ns, lag)
        return result

    def _sample(self, connection: Connection, row: int, received_ns: int, lag: int | None) -> None:
        """Keep a sample of the connection's lag and one of the book's bid, where they are due; compiled code does the same."""
        if lag is not None and received_ns >= connection.next_lag_ns:
            connection.keep_lag(lag, received_ns)
        if (
            not 0 <= received_ns - self._noted[row * ROW_WORDS + NOTED_NS] < NOTED_EVERY_NS
        ):  # below 0: our clock was put back
            self._note_bid(row, received_ns)

    def _note_bid(self, row: int, now_ns: int) -> None:
        if (bid := self.arena.best(row)[0]) is not None:
            self._noted[row * ROW_WORDS + NOTED_NS] = now_ns
            self._noted[row * ROW_WORDS + NOTED_BID] = bid

    def _remember_bid(self, row: int) -> None:
        """Keep the last recorded bid of a book beyond the life of its row and scale."""
        head, (venue, symbol) = row * ROW_WORDS, self.keys[row]
        if at_ns := self._noted[head + NOTED_NS]:
            bid = self.scales[symbol].price_to_decimal(self._noted[head + NOTED_BID])
            self._seen_bids.note(venue, symbol, bid, at_ns)

    def seen_bids(self, symbol: str, now_ns: int) -> list[Decimal]:
        """Return the last bid noted at each venue that has shown one of a symbol within an hour, retired books' too."""
        for venue in dict.fromkeys(found.venue for found in self.connections.values()):
            if (row := self.rows.get((venue, symbol))) is not None:
                self._remember_bid(row)
        return self._seen_bids.of(symbol, now_ns)

    def on_connect(self, name: str, at_ns: int) -> None:
        connection = self.connections[name]
        connection.up_ns = at_ns
        connection.pace.skip(at_ns)

    def on_disconnect(self, name: str, at_ns: int) -> None:
        """Make every book of the connection `name` wait for a snapshot; those of the venue's others are not touched."""
        connection = self.connections[name]
        connection.feed.on_disconnect(at_ns)
        connection.up_ns = connection.last_byte_ns = 0
        connection.lag_ns = None
        connection.drops += 1

    def _carry(self, row: int, connection: Connection) -> None:
        key = self.keys.get(row)
        require(
            key is not None and key[0] == connection.venue, f"{connection.name} carries row {row}, which is {key}'s"
        )
        require(row not in self._carriers, f"two connections carry row {row}")
        assert key is not None
        self._carriers[row] = connection
        market = self.arena.market
        market.take_row(row, key[1])
        connection.pace.books[row] = BookPace(
            SymbolFrames(market.of_symbol(key[1])), market.of_row(row, PACE, PACE_WORDS)
        )

    def add(self, venue: str, symbol: str, scale: Scale, native_symbol: str, connection: str = "") -> int:
        """Add a book to a connection of its venue ("": the first); return its row. It waits for its first snapshot.

        Raises `InvariantError`, and nothing has changed: for a book that is there, a connection that is not the venue's,
        a scale that is not the symbol's at the other venues, and where the arena has no free row.
        """
        carrier = self.connections.get(connection or venue)
        require(carrier is not None and carrier.venue == venue, f"{venue} has no connection {connection or venue!r}")
        assert carrier is not None
        require((venue, symbol) not in self.rows, f"{symbol} at {venue} is there already")
        carried = {native for found in self.connections_of(venue) for native in found.rows.values()}
        require(native_symbol not in carried, f"{native_symbol} at {venue} is there already")
        known = self.scales.get(symbol, scale)
        require(known == scale, f"{symbol} at {venue} on {scale}, and on {known} elsewhere: no price could be compared")
        row = self.arena.add()
        carrier.feed.add_book(native_symbol, BookSeat(row, scale))
        self.scales[symbol] = scale
        self.rows[venue, symbol] = row
        self.keys[row] = (venue, symbol)
        carrier.rows[row] = native_symbol
        self._carry(row, carrier)
        self._changed(symbol)
        return row

    def retire(self, venue: str, symbol: str) -> None:
        """Drop a book: it is gone, and its row is free. Raises `InvariantError` for one that does not exist.

        Own impact on it is remembered: should it be added again, our orders may still be under way.
        """
        row = self.rows.get((venue, symbol))
        require(row is not None, f"{symbol} at {venue} is not there")
        assert row is not None
        carrier = self._carriers[row]
        self._remember_bid(row)
        carrier.feed.retire_book(carrier.rows[row])
        del self._carriers[row], carrier.rows[row], carrier.pace.books[row], self.keys[row], self.rows[venue, symbol]
        self.arena.retire(row)
        self.arena.market.leave_row(row)
        if not any(known == symbol for _, known in self.rows):
            del self.scales[symbol]
        self._changed(symbol)

    def rescale(self, symbol: str, scale: Scale, at_ns: int) -> None:
        """Put a symbol's books at all venues on a scale at least as fine as theirs; those of other symbols are not touched."""
        if scale == self.scales[symbol]:
            return
        before, self.scales[symbol] = self.scales[symbol], scale
        for (_, known), row in self.rows.items():
            if known == symbol:
                carrier = self._carriers[row]
                carrier.feed.rescale_book(carrier.rows[row], scale, at_ns)
                self._rescale_bid(row, 10 ** (scale.price_exp - before.price_exp))
        self._changed(symbol)

    def _rescale_bid(self, row: int, finer: int) -> None:
        bid = self._noted[row * ROW_WORDS + NOTED_BID] * finer
        if bid > INT64_MAX:  # such a book was lost, and its next bid is recorded at once
            bid = self._noted[row * ROW_WORDS + NOTED_NS] = 0
        self._noted[row * ROW_WORDS + NOTED_BID] = bid

    def on_change(self, listener: Callable[[str], None]) -> None:
        """Call `listener` with the symbol of every book that was added or retired, when that is done."""
        self._listeners.append(listener)

    def _changed(self, symbol: str) -> None:
        for listener in self._listeners:
            listener(symbol)

    def connection_of(self, venue: str, symbol: str) -> str:
        """Return the name of the connection that carries a book; raises `KeyError` where there is no such book."""
        return self._carriers[self.rows[venue, symbol]].name

    def connections_of(self, venue: str) -> list[Connection]:
        return [connection for connection in self.connections.values() if connection.venue == venue]

    def is_live(self, venue: str, symbol: str) -> bool:
        row = self.rows.get((venue, symbol))
        return row is not None and self.arena.usable(row)

    def live_venues(self) -> set[str]:
        return {venue for (venue, _), row in self.rows.items() if self.arena.usable(row)}

    def unusable(self, venue: str, symbol: str, now_ns: int) -> Reason | None:
        """Return the first reason, other than own impact, not to use a book now, or None."""
        row = self.rows.get((venue, symbol))
        if row is None:
            return Reason.GAPPED_BOOK
        state = self.arena.words[row * self.arena.stride]
        if state in (_GAP, _WAITING):
            return Reason.GAPPED_BOOK
        connection = self._carriers[row]
        if now_ns - connection.words[LAST_BYTE_NS] > self._timing.feed_silence_ms * NS_PER_MS:
            return Reason.STALE_BOOK
        if connection.pace.book_still(row, now_ns):
            return Reason.STALE_BOOK
        if connection.words[LAG_KNOWN] and connection.words[LAG_NS] > self._timing.max_feed_lag_ms * NS_PER_MS:
            return Reason.FEED_LAG
        return Reason.CROSSED_BOOK if state == _CROSSED else None

    def drained(self, unread: Collection[str], backlogged: Collection[str]) -> None:
        self._unread, self._backlogged = unread, backlogged

    def awaited(self, venue: str, symbol: str) -> bool:
        """Return whether bytes waited on a book's connection at the last drain, so that it is about to change."""
        return bool(self._unread) and self.carried_by(self._unread, venue, symbol)

    def carried_by(self, connections: Collection[str], venue: str, symbol: str) -> bool:
        row = self.rows.get((venue, symbol))
        return row is not None and self._carriers[row].name in connections

    def backlogged(self, venue: str, symbol: str) -> bool:
        """Return whether a book's connection always has unread bytes, and its last frame was later than usual."""
        if not self._backlogged:
            return False
        row = self.rows.get((venue, symbol))
        return row is not None and self._carriers[row].name in self._backlogged and self._carriers[row].late()

    def standing_still(self, now_ns: int) -> set[str]:
        still = set()
        for name, one in self.connections.items():
            if one.words[LAST_BYTE_NS] and one.pace.still(now_ns):
                still.add(name)
        return still

    def skewed(self, first: Key, second: Key) -> bool:
        """Return whether two books are further apart in time than `max_skew_ms`."""
        rows, carriers = self.rows, self._carriers
        one, other = carriers[rows[first]].words, carriers[rows[second]].words
        skew_ns = (one[LAG_NS] if one[LAG_KNOWN] else 0) - (other[LAG_NS] if other[LAG_KNOWN] else 0)
        return abs(skew_ns) > self._timing.max_skew_ms * NS_PER_MS

    def lag_ms(self, venue: str) -> float | None:
        """Return the last frame's time on its way, on the latest of the venue's connections, for display."""
        lags = [found.lag_ns for found in self.connections_of(venue) if found.lag_ns is not None]
        return max(lags) / NS_PER_MS if lags else None

    def sending(self, venue: str, symbol: str, now_ns: int) -> None:
        impact = self._impacts.setdefault((venue, symbol), Impact())
        impact.under_way += 1
        impact.sent_ns = max(impact.sent_ns, now_ns)

    def filled(self, venue: str, symbol: str, event_ns: int, known_ns: int) -> None:
        """Record a fill of ours at `event_ns`, the venue's clock, received at `known_ns`, ours."""
        impact = self._impacts.setdefault((venue, symbol), Impact())
        impact.fill_event_ns = max(impact.fill_event_ns, event_ns)
        impact.known_ns = max(impact.known_ns, known_ns)

    def settled(self, venue: str, symbol: str) -> None:
        impact = self._impacts.get((venue, symbol))
        if impact is not None:
            impact.under_way = max(0, impact.under_way - 1)

    def impacted_among(self, symbol: str, venues: Iterable[str]) -> list[str]:
        return [venue for venue in venues if self.impacted(venue, symbol)] if self._impacts else []

    def awaited_among(self, symbol: str, venues: Iterable[str]) -> list[str]:
        return [venue for venue in venues if self.awaited(venue, symbol)] if self._unread else []

    def impacted(self, venue: str, symbol: str) -> bool:
        impact = self._impacts.get((venue, symbol))
        if impact is None:
            return False
        row = self.rows.get((venue, symbol))
        if impact.under_way or row is None:
            return True
        # A frame received before we sent cannot include our order; one sent before the fill does not show it. One
        # without a sending time (a keep-alive, a snapshot) may have travelled for as long as a usable feed may lag.
        event_ns, received_ns = int(self.arena.event_ns[row]), int(self.arena.received_ns[row])
        known_ns = impact.known_ns + self._timing.max_feed_lag_ms * NS_PER_MS if impact.known_ns else 0
        newer = event_ns > impact.fill_event_ns if event_ns else received_ns > known_ns
        newer = newer and received_ns > impact.sent_ns
        if newer:
            del self._impacts[venue, symbol]
        return not newer

    def best(self, venue: str, symbol: str) -> Quote:
        """Return the best bid and ask as integers on the symbol's scale; None for an empty side."""
        row = self.rows.get((venue, symbol))
        return (None, None) if row is None else self.arena.best(row)

    def quotes(self, symbol: str, venues: Iterable[str]) -> dict[str, Quote]:
        """Return the best bid and ask of a symbol's live books among those of `venues`."""
        rows, arena, quotes = self.rows, self.arena, dict[str, Quote]()
        words, stride, best = arena.words, arena.stride, arena.best
        for venue in venues:
            row = rows.get((venue, symbol))
            if row is not None and words[row * stride] == _LIVE:
                quotes[venue] = best(row)
        return quotes

    def best_bids(self, symbol: str, venues: Iterable[str]) -> list[int]:
        """Return the best bids of a symbol's live books among those of `venues`, on its scale."""
        found = [self.best(venue, symbol)[0] for venue in venues]
        return [bid for bid in found if bid is not None]

    def received_ns(self, venue: str, symbol: str) -> int:
        row = self.rows.get((venue, symbol))
        return 0 if row is None else int(self.arena.received_ns[row])

    def attend(self, symbol: str, wanted: bool) -> None:
        """Set whether a strategy sees every change of a symbol's books, or only one that may leave an edge.

        The default is all changes. Books without compiled code always show all.
        """
        self.arena.market.attend(symbol, wanted)

    def set_terms(self, venue: str, symbol: str, kept: float, cost: float) -> None:
        """Set the proceeds of a unit sold at a book's best bid and the cost of one bought at its best ask, for ranking."""
        row = self.rows.get((venue, symbol))
        if row is not None:
            self.arena.market.set_terms(row, kept, cost)
            self.arena.market.show(row, *self.arena.best(row))

    def has(self, venue: str, symbol: str) -> bool:
        return (venue, symbol) in self.rows

    def mid(self, venue: str, symbol: str) -> Decimal | None:
        """Return the middle of the best quotes, or None when a side is empty."""
        bid, ask = self.best(venue, symbol)
        if bid is None or ask is None:
            return None
        return self.scales[symbol].price_to_decimal(bid + ask) / 2

    def asks(self, venue: str, symbol: str) -> Depth:
        row = self.rows.get((venue, symbol))
        return NO_DEPTH if row is None else self._depths.asks(row)

    def bids(self, venue: str, symbol: str) -> Depth:
        row = self.rows.get((venue, symbol))
        return NO_DEPTH if row is None else self._depths.bids(row)

    def sides(self, route: Route) -> tuple[Depth, Depth]:
        return self.asks(*route.buy), self.bids(*route.sell)

    def best_plan(self, route: Route, terms: PairTerms) -> Plan | None:
        """Return the plan of the greatest net on a route, as `episode` does."""
        if self.find_plan is not None:
            buy_row, sell_row = self.rows.get(route.buy), self.rows.get(route.sell)
            if buy_row is not None and sell_row is not None:
                plan = self.find_plan(terms, buy_row, sell_row)
                if plan is not Unsure.UNSURE:
                    return plan
        return episode(terms, *self.sides(route))

    def levels(self, venue: str, symbol: str, taker: Side) -> list[tuple[Decimal, Decimal]]:
        row = self.rows.get((venue, symbol))
        if row is None:
            return []
        scale = self.scales[symbol]
        levels = self.arena.asks(row) if taker is Side.BUY else self.arena.bids(row)
        return [(scale.price_to_decimal(price), scale.size_to_decimal(size)) for price, size in levels]
