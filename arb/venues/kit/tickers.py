"""Every spot symbol's best quotes and day's volume, in one answer of a venue: where it is asked, and how its rows are
read.

A ticker is some seconds old and shows one level of a book: it helps to choose symbols (`arb markets`), and no order
depends on it. The venues' answers differ only in names, so a venue states them as data (`TickerForm`).
"""

import asyncio
import logging
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from arb.errors import VenueProtocolError
from arb.market.listing import Ticker
from arb.venues.kit.call import LONG_ANSWER_BYTES_MAX, Call
from arb.venues.kit.fields import Fields

_LOG = logging.getLogger(__name__)
ROWS_A_TURN = 50
"""In one turn of the loop: about 0.3 ms."""


class TickerForm(msgspec.Struct, frozen=True, kw_only=True):
    """Where a venue's tickers are, as ccxt names the endpoint, and the names of the fields of a row.

    `rows`: the members that lead to the list, none where the answer is the list. `volume`: the last 24 hours', in
    quote.
    """

    api: tuple[str, ...]
    path: str
    params: Mapping[str, str] = {}
    rows: tuple[str, ...] = ()
    native: str
    bid: str
    bid_size: str
    ask: str
    ask_size: str
    volume: str

    def call(self) -> Call:
        return Call(
            scope=f"GET {self.path}",
            api=self.api,
            method="GET",
            path=self.path,
            params=dict(self.params),
            answer_bytes_max=LONG_ANSWER_BYTES_MAX,
        )

    def rows_in(self, venue: str, body: Any) -> list[Any]:
        """Return the rows of an answer; raises `VenueProtocolError` where it holds no list."""
        found = body
        for member in self.rows[:-1]:
            found = Fields(venue, "tickers", found).raw(member)
        if self.rows:
            return Fields(venue, "tickers", found).listed(self.rows[-1])
        if not isinstance(found, list):
            raise VenueProtocolError(venue, f"tickers: not a list but {type(found).__name__}")
        return found

    def read(self, venue: str, raw: Any) -> tuple[str, Ticker]:
        """Return a row's native symbol and its ticker; a side that is empty, absent or 0 has no price."""
        fields = Fields(venue, "ticker", raw)
        bid, bid_size = _side(fields, self.bid, self.bid_size)
        ask, ask_size = _side(fields, self.ask, self.ask_size)
        volume = fields.not_negative(self.volume, Decimal(0))
        ticker = Ticker(bid=bid, bid_size=bid_size, ask=ask, ask_size=ask_size, volume_quote=volume)
        return fields.text(self.native), ticker


def _side(fields: Fields, price: str, size: str) -> tuple[Decimal | None, Decimal]:
    """Return the best price of a side and its size; (None, 0) for an empty side."""
    found = fields.not_negative(price, Decimal(0))
    return (found, fields.not_negative(size, Decimal(0))) if found else (None, Decimal(0))


async def read_tickers(venue: str, form: TickerForm, body: Any) -> dict[str, Ticker]:
    """Return the tickers of an answer by native symbol, over as many turns of the loop as it takes.

    One that cannot be read hides no other. Raises `VenueProtocolError` where none can be read.
    """
    found: dict[str, Ticker] = {}
    odd: list[VenueProtocolError] = []
    for number, raw in enumerate(form.rows_in(venue, body)):
        if number % ROWS_A_TURN == 0:
            await asyncio.sleep(0)
        try:
            native, ticker = form.read(venue, raw)
        except VenueProtocolError as error:
            odd.append(error)
        else:
            found[native] = ticker
    if odd and not found:
        raise odd[0]
    if odd:
        _LOG.warning("%s: %d tickers cannot be read, the first one: %s", venue, len(odd), odd[0])
    return found
