"""One symbol's market: its book, its rules, its tape, and how its numbers are written; and the source of ids."""

from collections import deque
from dataclasses import dataclass

from arb.clock import NS_PER_US
from arb.sandbox.matching import MatchBook
from arb.sandbox.values import PublicTrade, SimInstrument

TRADE_TAPE_LENGTH = 500


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
    """One symbol's book with its rules, tape and number formats."""

    def __init__(self, instrument: SimInstrument, first_update_id: int) -> None:
        self.instrument = instrument
        self.book = MatchBook(first_update_id)
        self.tape: deque[PublicTrade] = deque(maxlen=TRADE_TAPE_LENGTH)
        self.changed_ns = 0
        self.reference_twice = 0
        """Twice the last middle price in ticks: the reference of the price band when a side is empty."""
        self.fill_count = 0
        self._price_texts: dict[int, str] = {}
        self._size_unit = int(instrument.lot.scaleb(instrument.size_places))
        self._price_unit = int(instrument.tick.scaleb(instrument.price_places))

    def price_text(self, ticks: int) -> str:
        """Write a price of `ticks`, with the instrument's decimal places."""
        text = self._price_texts.get(ticks)
        if text is None:
            if len(self._price_texts) > 20_000:
                self._price_texts.clear()
            text = self._price_texts[ticks] = _fixed(ticks * self._price_unit, self.instrument.price_places)
        return text

    def size_text(self, lots: int) -> str:
        """Write a size of `lots`, with the instrument's decimal places; nothing is "0"."""
        return _fixed(lots * self._size_unit, self.instrument.size_places) if lots else "0"

    def levels(self, is_bid: bool, count: int) -> list[list[str]]:
        """Return the best levels of a side as [price, size] texts."""
        return [[self.price_text(t), self.size_text(lots)] for t, lots in self.book.top(is_bid, count).items()]

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
