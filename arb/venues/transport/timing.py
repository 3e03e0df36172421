"""How a connection is kept alive, and where it leads: values that a venue's spec states and a connection obeys."""

from collections.abc import Awaitable, Callable

import msgspec

Address = Callable[[], Awaitable[str]]
"""Returns the address of the next connection. Most are fixed; some venues hand out one per connection, with a token in it."""


class ConnectionTiming(msgspec.Struct, frozen=True, kw_only=True):
    """How a connection is kept alive, in seconds. `send_gap_s`: the least time between two messages of ours."""

    connect_timeout_s: float = 10.0
    heartbeat_s: float = 5.0
    silence_s: float = 20.0
    send_gap_s: float = 0.0


def fixed(url: str) -> Address:
    """Return the address of a connection that always leads to `url`."""

    async def address() -> str:
        return url

    return address
