"""A generic feed: the books of one exchange from an unmodified `ccxt.pro` client without keys.

Where the exchange pushes books, they are watched; elsewhere they are fetched every `POLL_S`, at ccxt's own pace. A book
may fail: it is not listed, the network is down, the exchange limits us, ccxt fails on an answer. Then a frame reports
that, and the book is asked for again with back-off; the other books continue.
"""

import asyncio
import random
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import aiohttp
import ccxt.pro
import msgspec

from arb.clock import NS_PER_S, Clock
from arb.core.messages.events import FeedDown, FeedUp
from arb.market.arena import INT64_MAX
from arb.masking import clean
from arb.venues.books.plain.base import MILLIS_MAX
from arb.venues.generic.books import DEPTH, BookFrame, LostFrame
from arb.venues.generic.spec import venue_named
from arb.venues.kit.base import EventListener, FrameListener
from arb.venues.transport.network import Connector
from arb.venues.transport.retry import RECONNECTS, Trouble, next_delay_s
from arb.venues.transport.way import DIRECT, WayOut

POLL_S = 3.0
"""The time between two fetches of a book that is not pushed."""
EVERY_S = 0.25
"""The least time between two frames of a pushed book: they are only shown, and ccxt's books cost the loop more than ours."""
SILENCE_S = 30.0
"""A watched book without frames for so long counts as lost: a frame that ccxt cannot read ends its reading silently.
Where no book has frames, all connections are made again.
"""
RATE_LIMITED_S = 10.0
"""The least wait after the exchange limited our rate."""
_CAUSE_LENGTH = 200

Client = Any
"""A ccxt client: the library has no useful static types for the unified calls."""
ClientMaker = Callable[[str], Client]


def ccxt_client(exchange: str, way: WayOut = DIRECT) -> Client:
    """Return ccxt's client of an exchange, without keys, whose connections use `way`."""
    stock: Any = getattr(ccxt.pro, exchange)

    class Reached(stock):
        session: Any

        def open(self, lazy: bool = False) -> None:
            if self.session is None and not (lazy and self.closed_by_user):
                self.session = aiohttp.ClientSession(connector=Connector(way))
            super().open(lazy)

    return (stock if way == DIRECT else Reached)({"enableRateLimit": True})


class GenericFeed:
    """The books of `symbols` at one exchange, kept live until cancelled; `venue` is its name."""

    def __init__(
        self,
        exchange: str,
        symbols: Sequence[str],
        *,
        make_client: ClientMaker,
        clock: Clock,
        rng: random.Random,
        on_frame: FrameListener,
        emit: EventListener,
        silence_s: float = SILENCE_S,
    ) -> None:
        self.venue = venue_named(exchange)
        self._exchange = exchange
        self._symbols = tuple(symbols)
        self._make_client = make_client
        self._clock = clock
        self._rng = rng
        self._on_frame = on_frame
        self._emit = emit
        self._silence_s = silence_s
        self._heard_ns = clock.monotonic_ns()  # when the last book arrived, or the connections were closed

    async def run(self) -> None:
        """Read the markets, then keep every book live; returns only when cancelled."""
        client = self._make_client(self._exchange)
        try:
            await self._load_markets(client)
            self._emit(FeedUp(venue=self.venue))
            async with asyncio.TaskGroup() as group:
                for symbol in self._symbols:
                    group.create_task(self._keep(client, symbol))
        finally:
            await client.close()

    async def _load_markets(self, client: Client) -> None:
        attempt = 0
        cause: BaseException
        while True:
            attempt += 1
            try:
                await client.load_markets()
            except asyncio.CancelledError as error:
                cause = _unless_ours(error)
            except Exception as error:  # ccxt's parsers raise any error on an answer
                cause = error
            else:
                return
            self._emit(FeedDown(venue=self.venue, cause=_said(cause)))
            await self._wait(attempt, cause)

    async def _keep(self, client: Client, symbol: str) -> None:
        polled = not client.has.get("watchOrderBook")
        attempt = 0
        cause: BaseException
        while True:
            try:
                book = await (client.fetch_order_book(symbol) if polled else self._watched(client, symbol))
                frame = frame_of(symbol, book, polled=polled)
                self._heard_ns = self._clock.monotonic_ns()
            except asyncio.CancelledError as error:
                cause = _unless_ours(error)
            except Exception as error:  # ccxt's parsers raise any error on a frame
                cause = error
            else:
                attempt = 0
                self._deliver(frame)
                await asyncio.sleep(POLL_S if polled else EVERY_S)
                continue
            if isinstance(cause, ccxt.NotSupported) and not polled:
                polled = True
                continue
            attempt += 1
            self._deliver(LostFrame(symbol=symbol, lost=_said(cause)))
            await self._wait(attempt, cause)

    async def _watched(self, client: Client, symbol: str) -> Client:
        """Return the next pushed book; report it lost while none arrives."""
        asked = asyncio.ensure_future(client.watch_order_book(symbol))
        try:
            while not (await asyncio.wait({asked}, timeout=self._silence_s))[0]:
                self._deliver(LostFrame(symbol=symbol, lost=f"no frame for {self._silence_s:g} s"))
                if self._clock.monotonic_ns() - self._heard_ns >= self._silence_s * NS_PER_S:
                    self._heard_ns = self._clock.monotonic_ns()
                    await client.close()  # the waiting reader gets the error, asks again, and is reconnected
            return asked.result()
        finally:
            asked.cancel()

    def _deliver(self, frame: BookFrame | LostFrame) -> None:
        self._on_frame(self.venue, self._clock.wall_ns(), msgspec.json.encode(frame))

    async def _wait(self, attempt: int, cause: BaseException) -> None:
        least_s = RATE_LIMITED_S if isinstance(cause, ccxt.DDoSProtection) else None
        delay_s = next_delay_s(RECONNECTS, attempt, Trouble.UNREACHABLE, 0.0, self._rng, least_s)
        await asyncio.sleep(RECONNECTS.cap_s if delay_s is None else delay_s)


def frame_of(symbol: str, book: Client, *, polled: bool) -> BookFrame:
    """Return a book of ccxt as a frame. A value that is no number is passed on as text, for the reader to refuse."""
    bids, asks = ([(_text(level[0]), _text(level[1])) for level in book[side][:DEPTH]] for side in ("bids", "asks"))
    return BookFrame(
        symbol=symbol,
        timestamp=_whole(book.get("timestamp"), MILLIS_MAX),
        nonce=_whole(book.get("nonce"), INT64_MAX),
        bids=bids,
        asks=asks,
        polled=polled,
    )


def _text(number: Any) -> str:
    """Return a number as decimal text; of a float the shortest spelling, which is that of the exchange."""
    if isinstance(number, float | int | Decimal):
        return format(Decimal(str(number)), "f")
    return str(number)


def _whole(number: Any, most: int) -> int | None:
    return number if type(number) is int and 0 <= number <= most else None


def _said(error: BaseException) -> str:
    return clean(f"{type(error).__name__}: {error}", _CAUSE_LENGTH)


def _unless_ours(error: asyncio.CancelledError) -> asyncio.CancelledError:
    """Return the error that ended a wait inside ccxt, which cancels its own futures; raise it where we are cancelled."""
    task = asyncio.current_task()
    if task is None or task.cancelling():
        raise error
    return error
