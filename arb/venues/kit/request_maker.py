"""What makes the requests to a venue, on the venue's time."""

from typing import Protocol

from arb.clock import Clock
from arb.venues.kit.call import Call
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
