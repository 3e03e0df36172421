"""A public feed that runs against whoever plays the venue, kept up as the runner does it, and what it reported."""

import asyncio
import random
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from arb.clock import SystemClock
from arb.core.messages.events import AnyEvent, FeedDown
from arb.market.feed import BookFeed, Notice
from arb.venues.kit.endpoints import Site
from arb.venues.kit.public_side import PublicSide
from arb.venues.registry import spec_of

PATIENCE_S = 60


class FeedWatch:
    """A venue's feed of some books, which `books` reads."""

    def __init__(self, venue: str, site: Site, natives: Sequence[str], books: BookFeed) -> None:
        self.venue = venue
        self.events: list[AnyEvent] = []
        self.notices: list[Notice] = []
        self.resyncs: list[str] = []
        self._books = books
        self._changed = asyncio.Event()
        side = PublicSide(spec_of(venue), site, clock=SystemClock(), rng=random.Random(3))
        self.feed = side.feed(tuple(natives), books, on_frame=self._on_frame, emit=self._on_event)

    def _on_frame(self, venue: str, received_ns: int, raw: bytes, url: str = "", /) -> None:
        assert venue == self.venue
        result = self._books.on_http(received_ns, url, raw) if url else self._books.on_frame(received_ns, raw)
        for resync in result.resyncs:
            if resync.lost:
                self.resyncs.append(resync.native_symbol)
            self.feed.resync(resync.native_symbol, resync.by)
        if result.notice is not None:
            self.notices.append(result.notice)
            self.feed.on_notice(result.notice)
        self._changed.set()

    def _on_event(self, event: AnyEvent) -> None:
        self.events.append(event)
        if isinstance(event, FeedDown):
            self._books.on_disconnect(1)
        self._changed.set()

    async def until(self, met: Callable[[], bool]) -> None:
        """Wait until something that arrives makes `met` true."""
        async with asyncio.timeout(PATIENCE_S):
            while not met():
                self._changed.clear()
                await self._changed.wait()

    async def during(self, story: Coroutine[Any, Any, None]) -> None:
        """Run the feed for as long as a story lasts."""
        running = asyncio.create_task(self.feed.run())
        try:
            await story
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
