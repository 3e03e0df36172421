"""Read the fields of a venue's JSON strictly, symbols included: a missing or unreadable field is named, never guessed.

Money arrives as decimal text or as JSON numbers decoded to `Decimal`; binary floats do not occur here.
"""

import logging
from collections.abc import Callable, Generator, Iterator, Mapping
from decimal import Decimal
from typing import Any, TypeVar

from arb.clock import NS_PER_MS, NS_PER_S
from arb.errors import VenueProtocolError
from arb.market.numbers import EXACT
from arb.market.order import Side
from arb.market.symbol import Symbol
from arb.masking import clean

_LOG = logging.getLogger(__name__)
Read = TypeVar("Read")
_DIGITS_MAX = 64
# No price, size or instant is above 10^30 or, unless 0, below 10^-30; others would choke exact arithmetic later.
_EXPONENT_MAX = 30


def number_or_text(text: str) -> Decimal | str:
    """Return a number of a JSON document, or its text when it is none to compute with: too long, or of absurd size.

    The text is then an unreadable field where the number is needed, and hides nothing else of the document.
    """
    if len(text) > _DIGITS_MAX:
        return text
    try:
        return Decimal(text)
    except ArithmeticError:
        return text


class Fields:
    """One JSON object of a venue, with its name in error messages."""

    __slots__ = ("_raw", "_venue", "_what")

    def __init__(self, venue: str, what: str, raw: Any) -> None:
        self._venue = venue
        self._what = what
        if not isinstance(raw, dict):
            raise VenueProtocolError(venue, f"{what}: not an object but {type(raw).__name__}")
        self._raw: dict[str, Any] = raw

    def bad(self, key: str, problem: str) -> VenueProtocolError:
        return VenueProtocolError(self._venue, f"{self._what}: field {key!r}: {problem}")

    def has(self, key: str) -> bool:
        """Return whether a field is there and neither null nor empty text."""
        return self._raw.get(key) not in (None, "")

    def text(self, key: str) -> str:
        """Return text that is not empty; whole numbers count as text."""
        value = self.maybe_text(key)
        if value is None:
            raise self.bad(key, "missing")
        return value

    def maybe_text(self, key: str) -> str | None:
        value = self._raw.get(key)
        if value is None or value == "":
            return None
        if isinstance(value, bool) or not isinstance(value, (str, int)):
            raise self.bad(key, f"not text but {type(value).__name__}")
        return clean(str(value))

    def decimal(self, key: str) -> Decimal:
        value = self.maybe_decimal(key)
        if value is None:
            raise self.bad(key, "missing")
        return value

    def maybe_decimal(self, key: str) -> Decimal | None:
        value = self._raw.get(key)
        if value is None or value == "":
            return None
        if isinstance(value, bool) or not isinstance(value, (str, int, Decimal)):
            raise self.bad(key, f"not a number but {type(value).__name__}")
        if isinstance(value, str) and len(value) > _DIGITS_MAX:
            raise self.bad(key, f"a number of {len(value)} characters")
        try:
            number = Decimal(value)
        except ArithmeticError:
            raise self.bad(key, f"not a number: {clean(str(value))!r}") from None
        if not number.is_finite():
            raise self.bad(key, f"not a finite number: {clean(str(value))!r}")
        if number and not -_EXPONENT_MAX <= number.adjusted() <= _EXPONENT_MAX:
            raise self.bad(key, f"out of all proportion: {number:.3e}")
        return number

    def readable(self, key: str) -> Decimal | None:
        """Return a finite number, or None when it is absent or unreadable: for a value that another field can replace."""
        try:
            return self.maybe_decimal(key)
        except VenueProtocolError:
            return None

    def negated(self, key: str) -> Decimal:
        """Return a number with its sign turned, exactly (the minus of Python rounds to the context)."""
        return self.decimal(key).copy_negate() or Decimal(0)

    def positive(self, key: str) -> Decimal:
        value = self.decimal(key)
        if value <= 0:
            raise self.bad(key, f"not above 0: {value}")
        return value

    def not_negative(self, key: str, default: Decimal | None = None) -> Decimal:
        """Return a number that is at least 0; `default` when it is absent and a default is given."""
        value = self.maybe_decimal(key)
        if value is None:
            if default is None:
                raise self.bad(key, "missing")
            return default
        if value < 0:
            raise self.bad(key, f"below 0: {value}")
        return value

    def filled(self, key: str, size: Decimal, *, some: str, sized: bool, default: Decimal | None = None) -> Decimal:
        """Return the filled part of an order, `default` when it is absent and a default is given.

        `some`: the state by which something must be filled, "" for any other. `sized` False: the order has no size in base,
        and more than `size` may be filled.
        """
        found = self.not_negative(key, default)
        if some and not found:
            raise self.bad(key, f"nothing filled of an order that is {some}")
        if sized and found > size:
            raise self.bad(key, f"{found} filled of {size}")
        return found

    def whole(self, key: str) -> int:
        value = self.decimal(key)
        if value != value.to_integral_value():
            raise self.bad(key, f"not a whole number: {value}")
        return int(value)

    def step(self, key: str) -> Decimal:
        """Return a tick or a lot that is stated as a number of decimal places."""
        places = self.whole(key)
        if not -_EXPONENT_MAX <= places <= _EXPONENT_MAX:
            raise self.bad(key, f"no number of decimal places: {places}")
        return Decimal(1).scaleb(-places)

    def ms_ns(self, key: str) -> int:
        """Return an instant given in Unix milliseconds, perhaps with a fraction, in nanoseconds."""
        return self._instant(key, self.decimal(key), NS_PER_MS)

    def maybe_ms_ns(self, key: str) -> int | None:
        """Return an instant given in Unix milliseconds in nanoseconds, or None when it is absent or 0."""
        value = self.maybe_decimal(key)
        return None if not value else self._instant(key, value, NS_PER_MS)

    def maybe_s_ns(self, key: str) -> int | None:
        """Return an instant given in Unix seconds in nanoseconds, or None when it is absent or 0."""
        value = self.maybe_decimal(key)
        return None if not value else self._instant(key, value, NS_PER_S)

    def maybe_date_ns(self, key: str, unit_ns: int) -> int | None:
        """Return the date of an announcement, given in units of `unit_ns`; None for none: absent, 0, or below (-1)."""
        value = self.maybe_decimal(key)
        return None if value is None or value <= 0 else self._instant(key, value, unit_ns)

    def side(self, key: str = "side") -> Side:
        value = self.text(key).lower()
        try:
            return Side(value)
        except ValueError:
            raise self.bad(key, f"no side: {value!r}") from None

    def object(self, key: str) -> "Fields":
        return Fields(self._venue, f"{self._what}: {key}", self._raw.get(key))

    def objects(self, key: str) -> Iterator["Fields"]:
        """Yield the objects of a list inside a field; a list that is absent or null has none."""
        for raw in self.rows(key):
            yield Fields(self._venue, f"{self._what}: {key}", raw)

    def rows(self, key: str) -> list[Any]:
        """Return the list inside a field; one that is absent, null or empty text is empty."""
        value = self._raw.get(key)
        if value is None or value == "":
            return []
        if not isinstance(value, list):
            raise self.bad(key, f"not a list but {type(value).__name__}")
        return value

    def listed(self, key: str) -> list[Any]:
        """Return the list inside a field that has to be there: an empty list proves that an order does not exist, so
        one that is cut off, null or empty text is no list.
        """
        if not isinstance(self._raw.get(key), list):
            raise self.bad(key, "no list")
        return self.rows(key)

    def names(self, key: str) -> set[str]:
        """Return the texts of a list inside a field, or its one text; other values by their JSON."""
        value = self._raw.get(key)
        return {clean(str(name)) for name in ([value] if isinstance(value, str) and value else self.rows(key))}

    def flag(self, key: str) -> bool:
        """Return whether a field is true, be it written as text; absent or null is false."""
        value = self._raw.get(key)
        if value in (None, "", False, "false"):
            return False
        if value in (True, "true"):
            return True
        raise self.bad(key, f"neither true nor false: {clean(str(value), 40)!r}")

    def raw(self, key: str) -> Any:
        return self._raw.get(key)

    def _instant(self, key: str, value: Decimal, unit_ns: int) -> int:
        instant_ns = int(EXACT.multiply(value, Decimal(unit_ns)))
        if not 0 <= instant_ns < 2**63:  # a value no database holds is no instant
            raise self.bad(key, f"no instant: {value}")
        return instant_ns


class UnknownSymbol(VenueProtocolError):
    """A symbol whose base and quote are unknown. It is none of those we trade, so every report of it is foreign."""

    def __init__(self, venue: str, native: str) -> None:
        super().__init__(venue, f"symbol {clean(native, 40)!r}: its base and quote are not known")
        self.native = native


def parted(venue: str, native: str, mark: str) -> str:
    """Return `BASE/QUOTE` of a symbol that writes `mark` between the two; raise `UnknownSymbol`."""
    base, _, quote = native.partition(mark)
    if mark in quote:
        raise UnknownSymbol(venue, native)
    try:
        return str(Symbol(base, quote))
    except ValueError:
        raise UnknownSymbol(venue, native) from None


class Symbols:
    """The symbols of a venue that writes nothing between base and quote, as its listing shows them."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def learn(self, natives: Mapping[str, str]) -> None:
        self._known.update(natives)

    def of(self, venue: str, native_symbol: str) -> str:
        """Return our spelling of `BTCUSDT`; raise `UnknownSymbol` for one that is not listed (or was not, when last read)."""
        # Orders are documented with lower case, and taking our own symbol for a foreign one would lose its orders.
        symbol = self._known.get(native_symbol) or self._known.get(native_symbol.upper())
        if symbol is None:
            raise UnknownSymbol(venue, native_symbol)
        return symbol


class ThrottledWarning:
    """Writes a warning about data at its first, second, fourth, eighth ... occasion, with how often it was due so far.

    So no venue fills a disk or holds up the loop with warnings.
    """

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self.count = 0

    def warn(self, text: str) -> None:
        self.count += 1
        if not self.count & (self.count - 1):
            self._log.warning("%s%s", text, f" ({self.count} times so far)" if self.count > 1 else "")


def rows_at(venue: str, what: str, path: tuple[str, ...], body: Any) -> list[Any]:
    """Return the list to which members lead, the body itself without any; raise `VenueProtocolError` where it is none."""
    if path:
        fields = Fields(venue, what, body)
        for member in path[:-1]:
            fields = fields.object(member)
        return fields.listed(path[-1])
    if not isinstance(body, list):
        raise VenueProtocolError(venue, f"{what}: not a list but {type(body).__name__}")
    return body


def read_rows(venue: str, what: str, rows: list[Any], read: Callable[[Any], Read]) -> Generator[None, None, list[Read]]:
    """Return the rows that can be read, one after the other; one that cannot be read hides no other.

    Raises `VenueProtocolError` where not one can be read.
    """
    found: list[Read] = []
    odd: list[VenueProtocolError] = []
    for raw in rows:
        yield
        try:
            found.append(read(raw))
        except VenueProtocolError as error:
            odd.append(error)
    if odd and not found:
        raise odd[0]
    if odd:
        _LOG.warning("%s: %d %s cannot be read, the first one: %s", venue, len(odd), what, odd[0])
    return found
