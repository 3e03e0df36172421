"""One symbol's market: its book, its rules, its tape of trades, its figures of the day and its book streams.

Rule of a book stream. An update carries every price that was touched since the last one, even if it is unchanged again.
Prices beyond the stream's depth are sent as gone. It also carries every price that entered or left that depth. So a client
may hold the state of any update id inside the update's range (a REST snapshot taken in between): with the update applied,
it has the venue's book. A new subscriber gets the state as last published, and continues with the next update without a gap.
"""

from collections import deque
from dataclasses import dataclass, field
from decimal import Decimal

from arb.clock import NS_PER_S, NS_PER_US
from arb.sandbox.candles import CandleBook
from arb.sandbox.exact import ZERO, add, mul, plain, ratio, sub
from arb.sandbox.matching import MatchBook
from arb.sandbox.values import PublicTrade, SimInstrument

TRADE_TAPE_LENGTH = 500
DAY_NS = 86_400 * NS_PER_S
Texts = tuple[str, str]


class IdSource:
    """Number orders and trades of all venues of a world, starting at epoch microseconds."""

    def __init__(self, start_ns: int) -> None:
        self._last = start_ns // NS_PER_US

    def next(self, now_ns: int) -> int:
        """Return a number above every earlier one, near the present microsecond."""
        self._last = max(self._last + 1, now_ns // NS_PER_US)
        return self._last


@dataclass(frozen=True, slots=True)
class BookView:
    """The best levels of a book at one update id; levels are [price, size] in plain text, best first."""

    update_id: int
    ns: int
    bids: list[list[str]]
    asks: list[list[str]]


class Market:
    def __init__(self, instrument: SimInstrument, first_update_id: int) -> None:
        self.instrument = instrument
        self.book = MatchBook(first_update_id)
        self.tape: deque[PublicTrade] = deque(maxlen=TRADE_TAPE_LENGTH)
        self.changed_ns = 0
        self.reference_twice = 0
        """Twice the last middle price in ticks: the reference of the price band when a side is empty."""
        self.fill_count = 0
        self.candles = CandleBook(instrument.listed_ns)
        self.fine = 0
        """How many decimals beyond the listed steps the levels shown have (fault `fine_levels`)."""
        self._price_texts: dict[int, str] = {}
        self._size_places, self._price_places = instrument.size_places, instrument.price_places
        self._size_unit = int(instrument.lot.scaleb(self._size_places))
        self._price_unit = int(instrument.tick.scaleb(self._price_places))

    def open_candles(self) -> None:
        """Set the candles before the first trade to the middle of the present book, rounded down to a tick."""
        self.candles.open_at(mul(Decimal((self.book.mid_twice() or 0) // 2), self.instrument.tick))

    def price_text(self, ticks: int) -> str:
        """Write a price of `ticks`, with the instrument's decimal places."""
        text = self._price_texts.get(ticks)
        if text is None:
            if len(self._price_texts) > 20_000:
                self._price_texts.clear()
            text = self._price_texts[ticks] = _fixed(ticks * self._price_unit, self._price_places)
        return text

    def size_text(self, lots: int) -> str:
        """Write a size of `lots`, with the instrument's decimal places; nothing is "0"."""
        return _fixed(lots * self._size_unit, self._size_places) if lots else "0"

    def levels(self, is_bid: bool, count: int) -> list[list[str]]:
        return [self.level(is_bid, t, lots, self.fine) for t, lots in self.book.top(is_bid, count).items()]

    def level(self, is_bid: bool, ticks: int, lots: int, fine: int) -> list[str]:
        """Return one level as texts; `fine` further decimals make its size larger and its price worse for a taker, by 1.

        So an order on the tick that reaches the level as shown reaches the real one: a bid is shown lower, an ask higher.
        """
        if not fine:
            return [self.price_text(ticks), self.size_text(lots)]
        more = 10**fine
        price = ticks * self._price_unit * more + (-1 if is_bid else 1)
        size = _fixed(lots * self._size_unit * more + 1, self._size_places + fine) if lots else "0"
        return [_fixed(price, self._price_places + fine), size]

    def reference(self) -> int:
        """Return twice the middle in ticks, remembered when a side is empty."""
        mid = self.book.mid_twice()
        if mid is not None:
            self.reference_twice = mid
        return self.reference_twice


def _fixed(units: int, decimal_places: int) -> str:
    if decimal_places == 0:
        return str(units)
    digits = str(units).rjust(decimal_places + 1, "0")
    return f"{digits[:-decimal_places]}.{digits[-decimal_places:]}"


@dataclass(frozen=True, slots=True)
class DailyFigures:
    """Best levels as (price, size) texts, '' where a side is empty, and the trades of the last 24 hours in sum.

    Prices are texts; before the first trade they are that of the best bid. `change` is a ratio, rounded to 5 places.
    """

    bid: Texts
    ask: Texts
    last: str
    last_size: str
    opened: str
    high: str
    low: str
    change: str
    base: str
    quote: str


def daily_figures(market: Market, now_ns: int) -> DailyFigures:
    bid, ask = _best(market.levels(True, 1)), _best(market.levels(False, 1))
    trades = [trade for trade in reversed(market.tape) if trade.ns > now_ns - DAY_NS]
    if not trades:
        return DailyFigures(bid, ask, bid[0], "0", bid[0], bid[0], bid[0], "0", "0", "0")
    prices = [trade.price for trade in trades]
    base, quote = ZERO, ZERO
    for trade in trades:
        base, quote = add(base, trade.size), add(quote, mul(trade.price, trade.size))
    change = ratio(sub(prices[0], prices[-1]), prices[-1]).quantize(Decimal("0.00001"))
    return DailyFigures(
        bid=bid,
        ask=ask,
        last=plain(prices[0]),
        last_size=plain(trades[0].size),
        opened=plain(prices[-1]),
        high=plain(max(prices)),
        low=plain(min(prices)),
        change=plain(change),
        base=plain(base),
        quote=plain(quote),
    )


def _best(levels: list[list[str]]) -> Texts:
    return (levels[0][0], levels[0][1]) if levels else ("", "")


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
        self._fine = market.fine
        self._ns = now_ns

    def close(self) -> None:
        sinks = self.market.book.sinks
        sinks[:] = [sink for sink in sinks if sink is not self.touched]

    def full(self) -> BookUpdate:
        return self._update(
            self._last_id,
            self._last_id,
            True,
            self._texts(True, list(self._bids), self._bids),
            self._texts(False, list(self._asks), self._asks),
        )

    def publish(self, now_ns: int) -> BookUpdate | None:
        """Return the changes since the last update, None when there are none."""
        book = self.market.book
        if book.update_id == self._last_id:
            return None
        bids, asks = book.top(True, self.depth), book.top(False, self.depth)
        gone: tuple[list[list[str]], list[list[str]]] = ([], [])
        if self._fine != self.market.fine:
            gone = self._texts(True, list(self._bids), {}), self._texts(False, list(self._asks), {})
            self._bids, self._asks, self._fine = {}, {}, self.market.fine
        bid_prices = self._changed(True, self._bids, bids)
        ask_prices = self._changed(False, self._asks, asks)
        first, previous = self._last_id + 1, self._last_id
        self._bids, self._asks, self._last_id, self._ns = bids, asks, book.update_id, now_ns
        self.touched.clear()
        update = self._update(
            first,
            book.update_id,
            False,
            gone[0] + self._texts(True, bid_prices, bids),
            gone[1] + self._texts(False, ask_prices, asks),
        )
        update.previous_id = previous
        return update

    def _changed(self, is_bid: bool, before: dict[int, int], after: dict[int, int]) -> list[int]:
        # Every touched price, at any depth and with any present size: a snapshot taken meanwhile may show it.
        prices = {ticks for side, ticks in self.touched if side is is_bid}
        prices.update(before.keys() ^ after.keys())
        return sorted(prices, reverse=is_bid)

    def _texts(self, is_bid: bool, prices: list[int], levels: dict[int, int]) -> list[list[str]]:
        return [self.market.level(is_bid, ticks, levels.get(ticks, 0), self._fine) for ticks in prices]

    def _update(self, first: int, last: int, full: bool, bids: list[list[str]], asks: list[list[str]]) -> BookUpdate:
        symbol = self.market.instrument.symbol
        return BookUpdate(symbol, self.depth, self.interval_ns, first, last, first - 1, self._ns, full, bids, asks)
