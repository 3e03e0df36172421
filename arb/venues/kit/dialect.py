"""The REST language of a venue, as a gateway needs it, without sockets, clocks or retries.

A dialect turns commands into calls and bodies into values; it is pure, so that every rule of a venue can be tested with
its documented answers. `VenueGateway` does the rest. Pages are described, not fetched: `Pages.following` gives the next
call.
"""

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Container, Generator, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple, Protocol

import msgspec

from arb.core.messages.commands import CancelOrder, PlaceOrder
from arb.core.messages.events import AssetBalance, Transfer
from arb.errors import VenueProtocolError
from arb.market.fill import Fill
from arb.market.instrument import FeeIn, Instrument
from arb.market.numbers import ZERO
from arb.market.order import OrderReport
from arb.market.scale import decimals
from arb.market.symbol import Symbol
from arb.venues.kit.call import Call, CancelBatch, Pages
from arb.venues.kit.currencies import CurrencyForm, CurrencyRows
from arb.venues.kit.fields import Fields
from arb.venues.kit.rules.outcome import OutcomePolicy, VenueReply

_LOG = logging.getLogger(__name__)
# On a finer scale 64 bits do not even hold a price or a size of 9.3.
_DECIMALS_MAX = 18
_NOT_REPORTED = "not reported"
ODD_MAX = 5000
"""More pairs than any venue lists."""


Listing = Generator[None, None, dict[str, Instrument]]
"""Reads a listing row by row, and returns its instruments: thousands of rows at once would stop the loop for 0.1 s."""


class Fees(msgspec.Struct, frozen=True):
    """The account's own rates for one symbol, positive when paid, and the side a buy pays them in.

    `reported`: the venue reports what a buy pays in, so that no past fill need show it. `asset`: the asset the venue
    takes fees from while its balance lasts, with `asset_taker` as a taker's rate; "" for none, None where the answer
    does not report it.
    """

    taker: Decimal
    maker: Decimal
    buy_fee_in: FeeIn
    reported: bool = False
    asset: str | None = None
    asset_taker: Decimal | None = None


class FeeAssetQuery(NamedTuple):
    """Whether all fees of the account are taken from `asset`, by the answer to `call`; then `share` of the rates is charged."""

    call: Call
    is_on: Callable[[Any], bool]
    asset: str
    share: Decimal


class KeyFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The rights and the owner of a key, as far as its venue reports them; None where it does not.

    `unknown`: rights whose names mean nothing here. `moves`: rights to move funds from the account other than by
    withdrawal. `account`: the venue's own id of the account that the key belongs to, a sub-account's own where it is
    one, and then `main_account` that of the account above it. `mode`: the account's mode by the venue's name; "" where
    the venue knows none, None for one that is not known here. `borrows`: the parts of the account that borrow
    automatically. `more`: further facts, as (name, text).
    """

    can_trade: bool | None
    can_withdraw: bool | None
    ip_bound: bool | None
    unknown: tuple[str, ...] = ()
    moves: tuple[str, ...] = ()
    account: str | None = None
    main_account: str | None = None
    mode: str | None = ""
    borrows: tuple[str, ...] = ()
    more: tuple[tuple[str, str], ...] = ()

    def shown(self) -> tuple[tuple[str, str], ...]:
        whose = _NOT_REPORTED if self.account is None else self.account
        if self.main_account is not None:
            whose += f" (a sub-account of {self.main_account})"
        return (
            ("account", whose),
            *((("mode", self.mode),) if self.mode else ()),
            ("may trade", _answer(self.can_trade)),
            ("may withdraw", _answer(self.can_withdraw)),
            ("bound to addresses", _answer(self.ip_bound)),
            ("borrows", ", ".join(self.borrows) or "nothing"),
            *self.more,
        )

    def line(self) -> str:
        return ", ".join(f"{name}: {text}" for name, text in self.shown())


def _answer(known: bool | None) -> str:
    return _NOT_REPORTED if known is None else "yes" if known else "no"


DAY_MS = 86_400_000


class Reach(NamedTuple):
    """How far back (ms) a venue's lists of ended orders, fills and bills reach, by its documents."""

    ended_orders: int
    fills: int
    bills: int


class PublicDialect(Protocol):
    """The REST language of one venue's public spot data, for which no key is needed."""

    venue: str
    policy: OutcomePolicy

    def learn(self, natives: Mapping[str, str]) -> None:
        """Learn the base and quote of the listing's native symbols."""

    def native_symbol(self, symbol: str) -> str: ...

    def clock(self) -> Call: ...

    def clock_ms(self, body: Any) -> int: ...

    def listing(self) -> Call:
        """Return the call for the rules of all symbols, or with a key of those that its account may trade."""

    def listed(self, body: Any) -> Listing:
        """Read the rules of all spot symbols by symbol; fees are not known yet."""

    def currency_calls(self, assets: Sequence[str]) -> tuple[Call, ...]:
        """Return the calls for the venue's currency list, of these assets at least; none where it may not be asked."""

    def currencies_in(self, body: Any, assets: Container[str]) -> CurrencyRows:
        """Read `assets` in an answer to one of `currency_calls`."""


class KeyedDialect(PublicDialect, Protocol):
    """The REST language of one venue's public spot data, and of the first questions about a key."""

    def key_calls(self) -> tuple[Call, ...]:
        """Return the calls that report the rights and the owner of the key."""

    def key_facts(self, bodies: tuple[Any, ...]) -> KeyFacts:
        """Read the rights and the owner of the key from the answers to `key_calls`; orders follow them from now on.

        An answer whose code is one of `OutcomePolicy.not_for_key_codes` is passed as its `VenueReply`. Raises
        `VenueProtocolError`, and `VenueAuthError` for a key that may not be asked about.
        """


class TradeDialect(KeyedDialect, Protocol):
    not_found: frozenset[str]
    """Codes by which the answer to a query of one order reports that there is none."""
    reach: Reach
    """A list read from an earlier instant is not complete: it proves nothing absent."""
    fee_asset: FeeAssetQuery | None
    """The query of the asset that pays the fees; None where the answers about fees report it, or there is none."""

    def place(self, command: PlaceOrder) -> Call: ...

    def placed(self, command: PlaceOrder, body: Any) -> OrderReport:
        """Return the report in an accepting answer; raise `VenueProtocolError` when it does not name the order."""

    def cancel(self, command: CancelOrder) -> Call: ...

    def cancel_many(self, commands: Sequence[CancelOrder]) -> tuple[CancelBatch, ...]:
        """Return the requests that cancel these orders, as many in one as the venue takes."""

    def cancelled(self, body: Any) -> dict[str, VenueReply]:
        """Return the reply for each order of a batch, by every name in it: the venue's number, or ours.

        A success of the whole does not mean a success of each order. Raises `VenueProtocolError` when the body is no
        such answer.
        """

    def one_order(self, symbol: str, client_order_id: str, venue_order_id: str | None) -> Call | None:
        """Return the call that finds one order whether open or ended; None when the venue has none for these ids."""

    def order_in(self, body: Any) -> OrderReport | None:
        """Return the order in an answer to `one_order`; None when it holds none."""

    def open_orders(self, symbol: str | None) -> Pages: ...

    def ended_orders(self, symbol: str | None, since_ms: int, now_ms: int = 0) -> Pages:
        """Return the pages of orders that ended, or were made, since `since_ms` (venue's clock), of all symbols for None.

        `now_ms`: the venue's clock now, by which the list is chosen that reaches back far enough; 0: any does.
        """

    def fills(self, symbol: str | None, since_ms: int, venue_order_id: str | None, now_ms: int = 0) -> Pages:
        """Return the pages of fills since `since_ms` (venue's clock), newest first: of one order where it is named, of all
        symbols for None. `now_ms` as for `ended_orders`."""

    def report(self, raw: Any) -> OrderReport: ...

    def fill(self, raw: Any, received_ns: int) -> Fill: ...

    def transfers(self, since_ms: int, now_ms: int) -> tuple[Pages, ...]:
        """Return the pages of the bills since `since_ms` (venue's clock): every change of a balance."""

    def transfer(self, raw: Any) -> Transfer | None:
        """Read one row of `transfers`; None for a trade, whose fills are read as such."""

    def dead_man(self, timeout_s: int) -> Call | None:
        """Return the call that has everything cancelled after `timeout_s`, 0 to disarm; None where there is none."""

    def balances(self) -> Call: ...

    def balances_in(self, body: Any) -> dict[str, AssetBalance]:
        """Read all balances; assets not named are zero."""

    def fees(self, symbol: str) -> Call: ...

    def fees_in(self, body: Any) -> Fees: ...

    def fee_lists(self, symbols: Sequence[str]) -> tuple[Call, ...]:
        """Return the calls for the account's own fees on many symbols, as few as the venue allows."""

    def fees_listed(self, body: Any, symbols: Sequence[str]) -> dict[str, Fees]:
        """Read the fees of those of `symbols` that an answer to one of `fee_lists` contains."""


class ReadDialect(ABC):
    """The part of a `PublicDialect` that differs by data between venues: names, and the lists of symbols and currencies.

    `separator`: between base and quote of a symbol. Where it is empty, a dialect that reads orders has to `learn`.
    """

    venue: str
    separator = ""
    currencies: CurrencyForm

    def learn(self, natives: Mapping[str, str]) -> None:  # noqa: B027 - enough for most venues
        """Take nothing: a separator shows base and quote, or no order or fill is read that names a symbol."""

    def native_symbol(self, symbol: str) -> str:
        return symbol.replace("/", self.separator)

    def listed(self, body: Any) -> Listing:
        return read_listing(self.venue, self._listed_rows(body), self._instrument, self.native_symbol)

    def currencies_in(self, body: Any, assets: Container[str]) -> CurrencyRows:
        return self.currencies.chains_in(body, assets)

    @abstractmethod
    def _listed_rows(self, body: Any) -> list[Any]:
        """Return the rows of a listing; raises `VenueProtocolError`."""

    @abstractmethod
    def _instrument(self, raw: Any) -> Instrument:
        """Read a row of a listing; raises `VenueProtocolError`, and `ValueError` for rules that no instrument has."""


def acknowledged(
    venue: str, command: PlaceOrder, venue_order_id: str, client_order_id: str | None = None
) -> OrderReport:
    """Return the order of an answer that only names it; without our id in it, it is ours."""
    return OrderReport(
        venue=venue,
        symbol=command.symbol,
        client_order_id=client_order_id or command.client_order_id,
        venue_order_id=venue_order_id,
        side=command.side,
        price=command.price,
        size=command.size,
        filled=ZERO,
        avg_price=None,
        is_open=True,
    )


def batched(commands: Sequence[CancelOrder], count: int) -> list[tuple[CancelOrder, ...]]:
    return [tuple(commands[start : start + count]) for start in range(0, len(commands), count)]


def pages_before(venue: str, first: Call, parameter: str, field: str, size: int) -> Pages:
    """Return the pages of a list in `data`, newest first: each begins before the last row of the one ahead of it.

    `parameter` names that row by its `field`; a page with fewer than `size` rows is the last.
    """

    def rows_of(body: Any) -> list[Any]:
        return Fields(venue, "answer", body).listed("data")

    def following(call: Call, body: Any) -> Call | None:
        rows = rows_of(body)
        if len(rows) < size:
            return None
        last = Fields(venue, "row", rows[-1]).text(field)
        return msgspec.structs.replace(call, params={**call.params, parameter: last})

    return Pages(first=first, rows=rows_of, following=following)


def narrower(*bands: Decimal) -> Decimal | None:
    """Return the narrowest of some bands about a price, as ratios, of which 0 means none."""
    return min((band for band in bands if band), default=None)


def read_listing(
    venue: str, rows: Iterable[Any], read: Callable[[Any], Instrument], native_of: Callable[[str], str]
) -> Listing:
    """Return the readable instruments by symbol; `native_of` spells a symbol as orders name it.

    A listing holds thousands of symbols that are none of our business; one that is odd must not hide the others. Odd is also
    a symbol whose book goes by another name than its orders would, and a name that is listed twice by different rules. Raises
    `VenueProtocolError` when not one can be read, or `ODD_MAX` cannot be: that is no listing, and is read no further.
    """
    by_name: dict[str, Instrument] = {}
    odd: list[VenueProtocolError] = []
    twice: set[str] = set()
    for raw in rows:
        yield
        try:
            instrument = read(raw)
            _check(instrument, native_of)
        except VenueProtocolError as error:
            odd.append(error)
        except ValueError as error:
            odd.append(VenueProtocolError(venue, f"symbol: {error}"))
        else:
            if by_name.setdefault(instrument.native_symbol, instrument) != instrument:
                twice.add(instrument.native_symbol)
        if len(odd) >= ODD_MAX:
            break
    for name in sorted(twice):
        del by_name[name]
        odd.append(VenueProtocolError(venue, f"symbol {name!r}: listed twice, by different rules"))
    listed = {instrument.symbol: instrument for instrument in by_name.values()}
    if odd:
        if not listed or len(odd) >= ODD_MAX:
            raise odd[0]
        _LOG.warning("%s: %d symbols of the listing cannot be read, the first one: %s", venue, len(odd), odd[0])
    return listed


def _check(instrument: Instrument, native_of: Callable[[str], str]) -> None:
    """Raise `ValueError` for an instrument whose names contradict each other, or on whose steps nothing can be computed."""
    Symbol.of(instrument.symbol)
    if instrument.native_symbol != native_of(instrument.symbol):
        raise ValueError(f"{instrument.native_symbol!r} is listed as {instrument.symbol!r}")
    if max(decimals(instrument.tick), decimals(instrument.lot)) > _DECIMALS_MAX:
        raise ValueError(f"{instrument.symbol!r}: a tick of {instrument.tick} or a lot of {instrument.lot} is too fine")
