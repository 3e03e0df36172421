"""Book streams: from a book that changes at any moment to updates at a stream's pace that never lie.

Rule. An update carries every price that was touched since the last one, also those that are back to what they were and those
beyond the stream's depth (as gone), and every price that entered or left that depth. So a client that holds the state of any
update id inside the update's range (a REST snapshot taken in between) and applies it ends with the truth. A new subscriber
gets the state as last published, and continues with the next update without a gap.
"""

from dataclasses import dataclass, field

from arb.sandbox.market import Market


@dataclass(slots=True)
class BookUpdate:
    """One step of a book stream. Levels are [price, size] texts; size "0" removes. Bids and asks are best first.

    `first_id..last_id` is the range of update ids covered; `previous_id` is the `last_id` of the update before.
    A `full` update replaces the book (`first_id == last_id`).
    """

    symbol: str
    depth: int
    interval_ns: int
    first_id: int
    last_id: int
    previous_id: int
    ns: int
    full: bool
    bids: list[list[str]]
    asks: list[list[str]]
    texts: dict[str, str] = field(default_factory=dict)
    """A cache for dialects: the encoded frame, shared by all sessions of the stream."""


class BookStream:
    """One (symbol, depth, interval) stream with the state it last published."""

    def __init__(self, market: Market, depth: int, interval_ns: int, now_ns: int) -> None:
        self.market = market
        self.depth = depth
        self.interval_ns = interval_ns
        self.touched: set[tuple[bool, int]] = set()
        self.is_due = False
        market.book.sinks.append(self.touched)
        self._bids = market.book.top(True, depth)
        self._asks = market.book.top(False, depth)
        self._last_id = market.book.update_id
        self._ns = now_ns

    def close(self) -> None:
        """Stop listening to the book."""
        sinks = self.market.book.sinks
        sinks[:] = [sink for sink in sinks if sink is not self.touched]

    def full(self) -> BookUpdate:
        """Return the state as last published."""
        return self._update(
            self._last_id,
            self._last_id,
            True,
            self._texts(list(self._bids), self._bids),
            self._texts(list(self._asks), self._asks),
        )

    def publish(self, now_ns: int) -> BookUpdate | None:
        """Return what changed since the last update, None when nothing did."""
        book = self.market.book
        if book.update_id == self._last_id:
            return None
        bids, asks = book.top(True, self.depth), book.top(False, self.depth)
        bid_prices = self._changed(True, self._bids, bids)
        ask_prices = self._changed(False, self._asks, asks)
        first, previous = self._last_id + 1, self._last_id
        self._bids, self._asks, self._last_id, self._ns = bids, asks, book.update_id, now_ns
        self.touched.clear()
        update = self._update(
            first, book.update_id, False, self._texts(bid_prices, bids), self._texts(ask_prices, asks)
        )
        update.previous_id = previous
        return update

    def _changed(self, is_bid: bool, before: dict[int, int], after: dict[int, int]) -> list[int]:
        # Every touched price, however deep it lies now and whatever it is back to: a snapshot taken meanwhile may show it.
        prices = {ticks for side, ticks in self.touched if side is is_bid}
        prices.update(before.keys() ^ after.keys())
        return sorted(prices, reverse=is_bid)

    def _texts(self, prices: list[int], levels: dict[int, int]) -> list[list[str]]:
        market = self.market
        return [[market.price_text(ticks), market.size_text(levels.get(ticks, 0))] for ticks in prices]

    def _update(self, first: int, last: int, full: bool, bids: list[list[str]], asks: list[list[str]]) -> BookUpdate:
        symbol = self.market.instrument.symbol
        return BookUpdate(symbol, self.depth, self.interval_ns, first, last, first - 1, self._ns, full, bids, asks)
