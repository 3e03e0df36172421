"""The contents of a capture, found in a first pass: its products, and their decimals.

The venue's own dialect reads the frames, on a scale wide enough for anything; every level is measured, whether or not it ever
gets into a book. The instruments of the replay follow from that. Tick and lot are the finest decimals seen, a fee is assumed,
and there are no minimums, since they are unknown. The segments of a recording hold the rules as the venue listed them, which
replace all this.

Where no listing is in a capture, the common symbol is read from the venue's own name of a product. A name without a separator
is split before the longest known quote asset. Products whose sizes are counted in contracts, or whose price is not the present
one of the base asset, are no symbol. Their books cannot be compared with others.
"""

from collections.abc import Callable, Container, Iterable
from decimal import Decimal
from math import gcd

import msgspec

from arb.errors import StoreError
from arb.market.book import ExactLevels
from arb.market.feed import venue_of
from arb.market.instrument import FeeIn, Instrument
from arb.market.scale import Scale, common_scale
from arb.market.symbol import Symbol
from arb.replay.lines import origin_of, take_line
from arb.replay.measured import Measuring
from arb.replay.tapes import Captured
from arb.venues.books.plain.base import TAPE_SCALE, WireFeed
from arb.venues.registry import find_dialect, tape_feed

Connection = tuple[int, str]
"""(number of the file, name of the connection): every file has its own connections."""


class LeftOut(msgspec.Struct, frozen=True):
    venue: str
    native_symbol: str
    reason: str


class Book(msgspec.Struct, frozen=True):
    """One book of a capture: the source of its frames, and its instrument (None: it is not traded).

    `rules`: those that the venue listed, in their order, of which `instrument` is the first; none: they follow from the
    levels.
    """

    connection: Connection
    native_symbol: str
    scale: Scale
    instrument: Instrument | None
    rules: tuple[Instrument, ...] = ()


class Capture(msgspec.Struct, frozen=True):
    connections: tuple[Connection, ...]
    books: tuple[Book, ...]
    left_out: tuple[LeftOut, ...]
    scales: dict[str, Scale]

    @property
    def venues(self) -> tuple[str, ...]:
        return tuple(sorted({venue_of(name) for _, name in self.connections}))

    @property
    def instruments(self) -> tuple[Instrument, ...]:
        listed = [book.instrument for book in self.books if book.instrument is not None]
        return tuple(sorted(listed, key=lambda instrument: (instrument.venue, instrument.symbol)))


class Steps:
    """The greatest common step of all prices and of all sizes that one connection ever showed of each of its books."""

    def __init__(self) -> None:
        self._steps: dict[str, tuple[int, int]] = {}

    def take(self, native_symbol: str, levels: ExactLevels) -> None:
        """Measure levels, on `TAPE_SCALE`, which refuses finer ones; 0 changes nothing."""
        self.add(native_symbol, gcd(*(int(price) for price, _ in levels)), gcd(*(int(size) for _, size in levels)))

    def add(self, native_symbol: str, price_step: int, size_step: int) -> None:
        """Add steps measured elsewhere; 0 changes nothing."""
        price, size = self._steps.get(native_symbol, (0, 0))
        self._steps[native_symbol] = gcd(price, price_step), gcd(size, size_step)

    def of(self, native_symbol: str) -> tuple[int, int]:
        """Return the steps of prices and sizes; 0 where none was seen."""
        return self._steps.get(native_symbol, (0, 0))


Charge = Callable[[str], Decimal | None]
"""Returns a venue's taker fee in place of the recorded one, as a ratio; None: the recorded one."""


def as_recorded(venue: str) -> Decimal | None:
    """Return None: the recorded fee holds at every venue."""
    return None


class Contents:
    """Captures that were read once: their contents, for any fee and any set of traded symbols."""

    def __init__(self, lines: Iterable[Captured], measuring: Measuring | None = None) -> None:
        """Read all lines up to a malformed one; raises `ConfigError` for a dialect that cannot be read.

        `measuring`: compiled code that measures the frames which are not among the lines.
        """
        self._measuring = measuring
        self._rules: dict[tuple[str, str], list[Instrument]] = {}
        self._feeds: dict[Connection, WireFeed] = {}
        self._steps: dict[Connection, Steps] = {}
        try:
            for captured in lines:
                self._take(captured)
        except StoreError:
            if not self._feeds:
                raise
            # The replay reaches the same line and reports it, after everything before it.
        for connection, native_symbol, price_step, size_step in () if measuring is None else measuring.steps():
            self._steps[connection].add(native_symbol, price_step, size_step)

    def _take(self, captured: Captured) -> None:
        file, line, known = captured
        if known is not None:
            self._rules.setdefault((known.venue, known.native_symbol), []).append(known)
            return
        connection = file, origin_of(line)
        feed = self._feeds.get(connection)
        if feed is None:
            feed = self._feeds[connection] = tape_feed(line.venue)
            self._steps[connection] = Steps()
            feed.on_levels = self._steps[connection].take
            if self._measuring is not None:
                self._measuring.add(connection, feed)
        take_line(feed, line)

    def capture(
        self, taker_fee: Decimal, charge: Charge = as_recorded, symbols: Container[str] | None = None
    ) -> Capture:
        """Return the contents.

        `taker_fee` is the ratio charged for every fill where no rules are recorded and `charge` has none. `symbols`: those
        that may be traded; None: all.
        """
        books: list[Book] = []
        left_out: list[LeftOut] = []
        taken: dict[tuple[str, str], str] = {}
        for connection, feed in sorted(self._feeds.items()):
            venue = venue_of(connection[1])
            fee = taker_fee if (said := charge(venue)) is None else said
            for slot in feed.books():
                listed = [charged(rules, said) for rules in self._rules.get((venue, slot.native_symbol), [])]
                symbol, reason = (listed[0].symbol, "") if listed else symbol_of(venue, slot.native_symbol)
                price_step, size_step = self._steps[connection].of(slot.native_symbol)
                if symbol is not None and symbols is not None and symbol not in symbols:
                    symbol, reason = None, "not among the symbols asked for"
                elif not price_step or not size_step:
                    symbol, reason = None, "it shows no levels"
                elif symbol is not None and (venue, symbol) in taken:
                    symbol, reason = None, f"another book of {symbol} at this venue takes precedence"
                tick = _step(price_step, TAPE_SCALE.price_exp)
                lot = _step(size_step, TAPE_SCALE.size_exp)
                scale = common_scale([tick], [lot])
                if symbol is None:
                    left_out.append(LeftOut(venue, slot.native_symbol, reason))
                    books.append(Book(connection, slot.native_symbol, scale, None))
                    continue
                taken[venue, symbol] = slot.native_symbol
                guessed = _instrument(venue, symbol, slot.native_symbol, (tick, lot), fee)
                instrument = listed[0] if listed else guessed
                books.append(Book(connection, slot.native_symbol, scale, instrument, tuple(listed)))
        return _on_common_scales(tuple(sorted(self._feeds)), books, left_out)


def charged(rules: Instrument, taker_fee: Decimal | None) -> Instrument:
    """Return recorded rules with the fee that is charged, in base or quote; None: their own."""
    if taker_fee is None:
        return rules
    return msgspec.structs.replace(rules, taker_fee=taker_fee, maker_fee=taker_fee, fee_asset="", fee_asset_taker=None)


def _on_common_scales(connections: tuple[Connection, ...], books: list[Book], left_out: list[LeftOut]) -> Capture:
    # All rules that hold at any time count, so that the scale is fine enough for each.
    traded = [known for book in books if book.instrument for known in (book.rules or (book.instrument,))]
    scales = {
        symbol: common_scale(
            [i.tick for i in traded if i.symbol == symbol], [i.lot for i in traded if i.symbol == symbol]
        )
        for symbol in sorted({i.symbol for i in traded})
    }
    common = (
        book if book.instrument is None else msgspec.structs.replace(book, scale=scales[book.instrument.symbol])
        for book in books
    )
    return Capture(connections, tuple(common), tuple(dict.fromkeys(left_out)), scales)


def _step(greatest: int, exp: int) -> Decimal:
    """Return the power of ten that `greatest` (on `10**exp`; 0: nothing was seen) is a whole multiple of, at most 1."""
    decimals = exp
    while decimals and greatest % 10 == 0:
        greatest //= 10
        decimals -= 1
        if not greatest:
            return Decimal(1)
    return Decimal(1).scaleb(-decimals)


def _instrument(
    venue: str, symbol: str, native_symbol: str, steps: tuple[Decimal, Decimal], taker_fee: Decimal
) -> Instrument:
    tick, lot = steps
    return Instrument(
        venue=venue,
        symbol=symbol,
        native_symbol=native_symbol,
        tick=tick,
        lot=lot,
        min_size=lot,
        min_notional=Decimal(0),
        taker_fee=taker_fee,
        maker_fee=taker_fee,
        buy_fee_in=FeeIn.QUOTE,
    )


QUOTES = (
    "USDT", "USDC", "FDUSD", "TUSD", "BUSD", "USDD", "DAI", "USD", "EUR", "GBP", "TRY", "BRL", "RUB", "AUD", "UAH", "BIDR",
    "BTC", "ETH", "BNB", "TRX", "XRP", "DOGE", "OKB",
)  # fmt: skip
"""Assets that others are priced in; of several that fit, the longest counts."""

_CONTRACTS = "sizes are counted in contracts"
_DISPLAY_ONLY = "books of a generic feed are for display only"
_DATED = "a dated or derived product"
_ODD = "its base and quote cannot be read from its name"
_SUFFIXES = ("_SPBL", "_UMCBL")
"""The suffixes of Bitget's first interface for spot and USDT-margined products; sizes of both are in base."""


def symbol_of(venue: str, native_symbol: str) -> tuple[str | None, str]:
    """Return the common symbol, or None and the reason why there is none; `venue` is the name of the tape's dialect."""
    dialect = find_dialect(venue)
    if dialect is not None and dialect.display_only:
        return None, _DISPLAY_ONLY
    if dialect is not None and dialect.contracts:
        return None, _CONTRACTS
    name = native_symbol.upper()
    for suffix in _SUFFIXES:
        name = name.removesuffix(suffix)
    words = name.replace("_", "-").split("-")
    if len(words) > 2:
        return None, _CONTRACTS if words[2] == "SWAP" else _DATED
    if len(words) == 2:
        return _spelt(words[0], words[1])
    return _split_name(frozenset() if dialect is None else dialect.contracts_quotes, words[0])


def _split_name(contracts_quotes: frozenset[str], name: str) -> tuple[str | None, str]:
    for quote in sorted(QUOTES, key=len, reverse=True):
        base = name.removesuffix(quote)
        if base and base != name:
            if quote in contracts_quotes:
                return None, _CONTRACTS
            return _spelt(base, quote)
    return None, _ODD


def _spelt(base: str, quote: str) -> tuple[str | None, str]:
    try:
        return str(Symbol(base, quote)), ""
    except ValueError:
        return None, _ODD
