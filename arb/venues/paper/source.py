"""The public side of a venue, as paper trading needs it: its rules and its clock, asked for without a key.

Nothing here has a key that could sign: a request that needs a signature raises before it is sent. Where the user has a
key for the currency list, a separate client uses it (`arb.venues.kit.keyed_list`).
"""

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from arb.core.messages.events import ClockMeasured, CurrenciesListed
from arb.market.instrument import Instrument
from arb.market.listing import NOBODY, Listed
from arb.venues.kit.keyed_list import KeyedList
from arb.venues.kit.public_reader import PublicReader
from arb.venues.kit.request_maker import RequestMaker
from arb.venues.kit.tickers import TickerForm
from arb.venues.transport.http import HttpAnswer, HttpTransport


class PublicSource:
    """The `PaperSource` of a public API; `taker_fee`: the ratio that paper charges, as no account reports its own."""

    def __init__(
        self,
        reader: PublicReader,
        client: RequestMaker,
        transport: HttpTransport,
        taker_fee: Decimal,
        keyed: KeyedList | None = None,
    ) -> None:
        self._reader = reader
        self._client = client
        self._transport = transport
        self._taker_fee = taker_fee
        self._keyed = keyed

    @property
    def listed(self) -> frozenset[str]:
        return self._reader.listed

    def offset_ns(self) -> int:
        return self._client.server_offset_ns

    async def listing(self, symbols: Sequence[str]) -> tuple[Instrument, ...]:
        listed = await self._reader.listing()
        return tuple(self._with_fee(listed[symbol]) for symbol in symbols if symbol in listed)

    async def listed_markets(self, form: TickerForm) -> tuple[Listed, ...]:
        """Return the rules of all listed symbols, each with its ticker: two requests. Raises `VenueError`."""
        listed = await self._reader.listing()
        tickers = await self._reader.tickers(form)
        return tuple(
            Listed(self._with_fee(instrument), tickers.get(instrument.native_symbol, NOBODY))
            for instrument in listed.values()
        )

    async def currencies(self, assets: tuple[str, ...]) -> CurrenciesListed | None:
        """Return the rows of `assets` in the currency list; None where the venue shows it only to a key, and there is
        none.

        Raises `VenueError`.
        """
        return await (self._reader if self._keyed is None else self._keyed).currencies(assets)

    def list_warning(self) -> str | None:
        """Return the rights that the key for the currency list does not need; None for none, or before it was used."""
        return None if self._keyed is None else self._keyed.warning()

    async def measure_clock(self) -> ClockMeasured:
        return await self._reader.measure_clock()

    async def probe(self) -> HttpAnswer:
        """Ask once, and return any answer; raises `TransportError` where there is none."""
        return await self._reader.probe()

    def listing_age_s(self) -> float | None:
        """Return how old the latest listing is, as caches on its way report; None where none does."""
        age = self._reader.listing_headers.get("age", "")
        return float(age) if age.isascii() and age.isdigit() and len(age) < 10 else None

    def _with_fee(self, instrument: Instrument) -> Instrument:
        return msgspec.structs.replace(instrument, taker_fee=self._taker_fee, maker_fee=self._taker_fee)

    async def close(self) -> None:
        if self._keyed is not None:
            await self._keyed.close()
        await self._transport.close()
        await self._client.close()
