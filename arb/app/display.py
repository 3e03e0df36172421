"""Exchanges that a run shows and never trades on: their books are kept outside the engine.

A book outside the engine has no route, values nothing and is in no journal. Errors of these exchanges do not reach the
run either.
"""

import asyncio
import logging
import random
from functools import partial
from typing import Any

from arb.clock import NS_PER_MS, Clock
from arb.config import Settings
from arb.core.messages.events import AnyEvent, FeedDown, FeedUp
from arb.market.arena import BookState
from arb.market.book import Number
from arb.market.numbers import exact, plain
from arb.venues.books.plain.base import TAPE_SCALE, WireFeed
from arb.venues.books.plain.slot import BookSlot
from arb.venues.generic.feed import ClientMaker, GenericFeed, ccxt_client
from arb.venues.generic.spec import venue_named
from arb.venues.kit.base import EventListener, FrameListener
from arb.venues.registry import tape_feed

log = logging.getLogger(__name__)

DISPLAY_ONLY = "display only"


def generic_feeds(
    settings: Settings,
    clock: Clock,
    rng: random.Random,
    on_frame: FrameListener,
    emit: EventListener,
    make_client: ClientMaker | None = None,
) -> list[GenericFeed]:
    """Return a feed of `[run] symbols` for each of `[generic] venues`; `make_client` None: ccxt's own."""
    made = make_client or partial(ccxt_client, way=settings.network.way_out())
    return [
        GenericFeed(
            exchange, settings.run.symbols, make_client=made, clock=clock, rng=rng, on_frame=on_frame, emit=emit
        )
        for exchange in settings.generic.venues
    ]


class DisplayOnly:
    def __init__(
        self, settings: Settings, clock: Clock, rng: random.Random, make_client: ClientMaker | None = None
    ) -> None:
        self._clock = clock
        self._symbols = settings.run.symbols
        self._readers: dict[str, WireFeed] = {}
        self._read_ns: dict[str, dict[str, int]] = {}  # by venue and symbol, when a book of it was read last
        self._troubles: dict[str, str] = {}
        for venue in map(venue_named, settings.generic.venues):
            reader = self._readers[venue] = tape_feed(venue)
            reader.on_levels = partial(self._on_levels, self._read_ns.setdefault(venue, {}))
        self._feeds = generic_feeds(settings, clock, rng, self._on_frame, self._on_event, make_client)

    async def run(self) -> None:
        """Keep all books live until cancelled; never raises."""
        await asyncio.gather(*(self._keep(feed) for feed in self._feeds))

    async def _keep(self, feed: GenericFeed) -> None:
        try:
            await feed.run()
        except Exception as error:  # the top of a task: a display must not end trading
            self._troubles[feed.venue] = repr(error)
            log.exception("%s: no more books of it are shown", feed.venue)

    def _on_levels(self, read_ns: dict[str, int], symbol: str, levels: object) -> None:
        read_ns[symbol] = self._clock.wall_ns()

    def _on_frame(self, connection: str, received_ns: int, raw: bytes, url: str = "", /) -> None:
        for resync in self._readers[connection].on_frame(received_ns, raw).resyncs:
            self._troubles[connection] = f"{resync.native_symbol}: {resync.cause}"

    def _on_event(self, event: AnyEvent) -> None:
        if isinstance(event, FeedDown):
            self._troubles[event.venue] = event.cause
            log.warning("%s: %s", event.venue, event.cause)
        elif isinstance(event, FeedUp):
            self._troubles.pop(event.venue, None)

    def rows(self) -> list[dict[str, Any]]:
        """Return a row for each exchange: live books of all asked for, and why others are missing."""
        return [self._row(venue) for venue in self._readers]

    def rows_with_quotes(self) -> list[dict[str, Any]]:
        """Return the same with the best quotes of the live books, and how long ago these were read."""
        return [self._row(venue) | {"best": self._quotes(venue)} for venue in self._readers]

    def _row(self, venue: str) -> dict[str, Any]:
        live, total = len(self._live(venue)), len(self._symbols)
        trouble = self._troubles.get(venue) if live < total else None
        return {"venue": venue, "use": DISPLAY_ONLY, "books": f"{live}/{total}", "trouble": trouble}

    def _quotes(self, venue: str) -> dict[str, dict[str, Any]]:
        now_ns, read_ns = self._clock.wall_ns(), self._read_ns[venue]
        return {
            slot.native_symbol: {
                "bid": _best(slot.book.best_bids(1)[0]),
                "ask": _best(slot.book.best_asks(1)[0]),
                "age_ms": max(0, now_ns - read_ns[slot.native_symbol]) // NS_PER_MS,
            }
            for slot in self._live(venue)
        }

    def _live(self, venue: str) -> list[BookSlot]:
        return [slot for slot in self._readers[venue].books() if slot.state is BookState.LIVE]


def _best(prices: list[Number]) -> str | None:
    return plain(exact(int(prices[0]), TAPE_SCALE.price_exp)) if prices else None
