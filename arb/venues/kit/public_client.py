"""The makers of requests to a venue: on the venue's time, and without a key where only public data are read."""

from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import urlencode

from arb.clock import Clock
from arb.venues.kit.call import Call, RequestError
from arb.venues.kit.endpoints import Site
from arb.venues.transport.request import HttpRequest


class RequestMaker(Protocol):
    server_offset_ns: int

    def signed(self, call: Call) -> HttpRequest:
        """Return the request of a call, signed unless its API is public."""

    async def close(self) -> None: ...


class VenueTime:
    """The venue's clock as far as it was measured; a measurement sets `server_offset_ns`."""

    wall_clock: Clock
    _ahead_of_steady_ns = 0

    @property
    def server_offset_ns(self) -> int:
        """Return the difference of the venue's clock to ours, also after our clock was moved."""
        return self._ahead_of_steady_ns - (self.wall_clock.wall_ns() - self.wall_clock.monotonic_ns())

    @server_offset_ns.setter
    def server_offset_ns(self, offset_ns: int) -> None:
        self._ahead_of_steady_ns = offset_ns + (self.wall_clock.wall_ns() - self.wall_clock.monotonic_ns())

    def server_now_ns(self) -> int:
        """Return the venue's time: our clock corrected by the measured offset, in nanoseconds."""
        return self.wall_clock.wall_ns() + self.server_offset_ns


class PublicClient(VenueTime):
    """Writes questions to a venue that is read only: there is no key in it, and so nothing that it could sign.

    The path of a call is the whole one below the site's REST address.
    """

    def __init__(self, clock: Clock, site: Site) -> None:
        self.wall_clock = clock
        self.server_offset_ns = 0
        self._rest = site.endpoint.rest
        self._headers: Mapping[str, str] = site.headers

    def signed(self, call: Call) -> HttpRequest:
        """Return the request of a call; raises `RequestError` for one that needs a signature, or that is no question."""
        if call.api[0] != "public" or call.method != "GET":
            raise RequestError(f"{call.method} {call.path} needs a key, and only public data are read here")
        return HttpRequest("GET", f"{self._rest}/{call.path}{_query(call.params)}", dict(self._headers))

    async def close(self) -> None:
        """Do nothing: it has no sockets."""


def _query(params: Mapping[str, Any]) -> str:
    return f"?{urlencode(params)}" if params else ""
