"""What venues have in common whose books begin with a fetched snapshot, and how that can be spoilt (`SPOILT`)."""

import asyncio
from abc import abstractmethod
from collections.abc import Callable
from typing import Any

from aiohttp import web

from tests.venue_server.listing import Row
from tests.venue_server.market import Channel
from tests.venue_server.venue import VenueServer

LONG_BYTES = 3 * 1024 * 1024


class FetchedServer(VenueServer):
    """A venue whose snapshots are asked for over REST."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.spoilt: tuple[str, float] = ("", 0.0)
        # What an answer from a cache shows: every book as it stood when that was asked for.
        self._cached: dict[str, Row] = {}

    @abstractmethod
    def book_answer(self, request: web.Request) -> Any:
        """Answer with a book."""

    @abstractmethod
    def book_of(self, channel: Channel, limit: int = 1000) -> Row:
        """Return a book as it stands, with its id."""

    @abstractmethod
    def native_asked(self, request: web.Request) -> str:
        """Return which book a request is for."""

    @abstractmethod
    def fault(self) -> Row:
        """Return the venue's own answer where it fails."""

    def fetched(self, request: web.Request) -> Any:
        """Answer with a book, unless the answer is spoilt."""
        what, until_s = self.spoilt
        if what and self.clock.monotonic_s() < until_s:
            return SPOILT[what](self, request)
        self.snapshots += 1
        return self.book_answer(request)

    def spoil(self, what: str, for_s: float) -> None:
        """Let the snapshot's address answer otherwise for a while; raises `KeyError` for what it cannot."""
        if what not in SPOILT:
            raise KeyError(what)
        self.spoilt = what, self.clock.monotonic_s() + for_s
        self._cached = {native: self.book_of(channel) for native, channel in self.channels.items()}

    def cached(self, request: web.Request) -> Row:
        """Answer with a book as it stood when the answers were spoilt."""
        return self._cached[self.native_asked(request)]


async def _hang(venue: FetchedServer) -> web.Response:
    while venue.clock.monotonic_s() < venue.spoilt[1]:  # noqa: ASYNC110  # whoever spoils again may end it
        await asyncio.sleep(0.05)
    return web.Response(status=504)


def _limited(venue: FetchedServer) -> web.Response:
    status, content_type, body = venue.refusal(429)
    return web.Response(status=status, text=body, content_type=content_type, headers={"Retry-After": "1"})


SPOILT: dict[str, Callable[[FetchedServer, web.Request], Any]] = {
    "limited": lambda venue, request: _limited(venue),
    "fault": lambda venue, request: web.json_response(venue.fault(), status=500),
    "html": lambda venue, request: web.Response(text="<html>busy</html>", content_type="text/html"),
    "no_book": lambda venue, request: {"id": "soon", "lastUpdateId": "soon", "asks": None},
    "long": lambda venue, request: web.Response(body=b" " * LONG_BYTES, content_type="application/json"),
    "hang": lambda venue, request: _hang(venue),
    "cache": lambda venue, request: venue.cached(request),
}
"""How the snapshot's address may answer instead, by the name of it."""
