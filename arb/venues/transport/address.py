"""Where a connection leads, and how it is kept alive."""

import re
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec

_AUTHORITY = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+)(?::([0-9]{1,5}))?")
_PORTS = {"http": 80, "https": 443}
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
"""This machine: no proxy leads there, and only here may a connection be without encryption."""


class Origin(NamedTuple):
    host: str
    port: int
    tls: bool
    authority: str


@lru_cache(maxsize=64)
def origin_of(scheme: str, authority: str) -> Origin:
    """Return the origin; raises `ValueError` for anything but http or https, a host and perhaps a port."""
    match = _AUTHORITY.fullmatch(authority)
    if scheme not in _PORTS or match is None:
        raise ValueError(f"{scheme}://{authority} is no address")
    port = _PORTS[scheme] if match.group(2) is None else int(match.group(2))
    if not 0 < port < 65536:
        raise ValueError(f"{authority}: no such port")
    return Origin(match.group(1).strip("[]"), port, scheme == "https", authority)


def host_of(url: str) -> str:
    """Return the host of an address, in small letters; "" where it names none."""
    return urlsplit(url).hostname or ""


Address = Callable[[], Awaitable[str]]
"""Returns the address of the next connection. Most are fixed; some venues give each its own, with a token in it."""


class ConnectionTiming(msgspec.Struct, frozen=True, kw_only=True):
    """How a connection is kept alive, in seconds. `send_gap_s`: the least time between two of our messages.

    `lifetime_s`: after how long the venue ends every connection; 0 where it documents no such limit.
    """

    connect_timeout_s: float = 10.0
    heartbeat_s: float = 5.0
    silence_s: float = 20.0
    send_gap_s: float = 0.0
    lifetime_s: float = 0.0


def fixed(url: str) -> Address:
    async def address() -> str:
        return url

    return address
