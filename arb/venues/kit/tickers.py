"""Every spot symbol's best quotes and day's volume, in one answer of a venue: where it is asked, and how its rows are
read.

A ticker is some seconds old and shows one level of a book: it helps to choose symbols (`arb markets`), and no order
depends on it. The venues' answers differ only in names, so a venue states them as data (`TickerForm`).
"""

from collections.abc import Generator, Mapping
from decimal import Decimal
from functools import partial
from typing import Any

import msgspec

from arb.market.listing import Ticker
from arb.venues.kit.call import LONG_ANSWER_BYTES_MAX, Call
from arb.venues.kit.fields import Fields, read_rows, rows_at


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


def read_tickers(venue: str, form: TickerForm, body: Any) -> Generator[None, None, dict[str, Ticker]]:
    """Return the tickers of an answer by native symbol; one that cannot be read hides no other."""
    return dict(
        (yield from read_rows(venue, "tickers", rows_at(venue, "tickers", form.rows, body), partial(form.read, venue)))
    )
