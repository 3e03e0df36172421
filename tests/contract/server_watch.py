"""A feed of ours on the server in the role of the venues, its books, and what is asked of the server meanwhile."""

import asyncio
import functools
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec

from arb.market.arena import BookArena, BookState
from arb.market.feed import BookSeat
from arb.market.scale import Scale
from arb.venues.books.plain.base import WireFeed
from arb.venues.registry import spec_of
from tests.contract.ccxt_books import ours
from tests.contract.feed_watch import FeedWatch
from tests.contract.venue_server import Venues, site_of

SCALE = Scale(12, 12)
OF_MANY = Scale(10, 6)
"""For many books, some of which have sizes of millions: 64 bits do not hold these with twelve decimals."""


class Watch(FeedWatch):
    """One feed of ours that is running, its books, and what it said.

    `channel`: another than the site's; `more`: books that the venue does not know.
    """

    def __init__(
        self, venue: str, venues: Venues, *, channel: str | None = None, more: Sequence[str] = (), scale: Scale = SCALE
    ) -> None:
        address = venues.info["venues"][venue]
        self.natives: list[str] = [*address["symbols"], *more]
        self._venues = venues
        seats = {native: BookSeat(row, scale) for row, native in enumerate(self.natives)}
        books = spec_of(venue).make_books(seats, BookArena(len(seats)))
        assert isinstance(books, WireFeed)
        self.books = books
        site = site_of(venue, venues.info)
        if channel is not None:
            site = msgspec.structs.replace(site, channel=channel)
        super().__init__(venue, site, self.natives, books)

    def state(self, native: str) -> BookState:
        """Return the state of a book."""
        [slot] = [slot for slot in self.books.books() if slot.native_symbol == native]
        return slot.state

    def live(self, *, but: str = "") -> bool:
        """Return whether all books are live, `but` one."""
        return all(self.state(native) is BookState.LIVE for native in self.natives if native != but)

    async def step(self, times: int = 1, **more: Any) -> None:
        """Let the venue's books change."""
        await asyncio.to_thread(self._venues.step, self.venue, times, **more)

    async def strike(self, what: str, **more: Any) -> None:
        """Let something go wrong at the venue."""
        await asyncio.to_thread(self._venues.strike, self.venue, what, **more)

    async def ends_equal(self, *, but: str = "") -> None:
        """Wait until each book is what the venue has published, the best 25 levels a side."""
        for native in self.natives:
            if native != but:
                final = await asyncio.to_thread(self._venues.book, self.venue, native)
                await self.until(functools.partial(self._shows, native, (final[0][:25], final[1][:25])))

    def _shows(self, native: str, levels: tuple[list[tuple[Decimal, Decimal]], list[tuple[Decimal, Decimal]]]) -> bool:
        [slot] = [slot for slot in self.books.books() if slot.native_symbol == native]
        shown = ours(slot, 25)
        if shown is None or slot.book.bid_horizon is None:
            return shown == levels
        # Of a cut snapshot fewer may be known: these are the best, and equal.
        return all(side == theirs[: len(side)] and len(side) > 0 for side, theirs in zip(shown, levels, strict=True))
