"""The way out of this machine, for orders, reads and websockets alike: the proxy, and the local address.

A key at a venue may allow only one address: from any other address of this machine, that venue would refuse its orders.
Addresses on this machine are reached without a proxy, and from any address.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import NamedTuple, TypeVar

from aiohappyeyeballs import start_connection

from arb.errors import ConfigError
from arb.venues.transport.address import LOOPBACK, Origin
from arb.venues.transport.proxy import Proxy, ProxyFailed, through

IPV4 = "ipv4"
EYEBALLS_S = 0.25
"""The time that an address has before the next one is tried as well (RFC 8305)."""

P = TypeVar("P", bound=asyncio.BaseProtocol)


class WayOut(NamedTuple):
    """How other machines are reached: `bind` is "", "ipv4" (only by IPv4), or the local address to use."""

    proxy: Proxy | None = None
    bind: str = ""

    def proxy_for(self, host: str) -> Proxy | None:
        """Return the proxy that leads to `host`; None where there is none, and for this machine."""
        return None if host in LOOPBACK else self.proxy

    def by(self, host: str) -> str:
        """Return the addition to an error's text that names the proxy, so that the venue is not blamed for it."""
        proxy = self.proxy_for(host)
        return "" if proxy is None else f" (through the proxy {proxy.name})"

    def first_host(self, host: str) -> str:
        proxy = self.proxy_for(host)
        return host if proxy is None else proxy.host

    def leaves_from(self, host: str) -> tuple[socket.AddressFamily, str]:
        """Return the family of addresses by which a host is reached, and the local address to use, "" for any."""
        other = host != "localhost" and (":" in host) != (":" in self.bind)
        if host in LOOPBACK and (self.bind == IPV4 or other or not _is_loopback(self.bind)):
            return socket.AF_UNSPEC, ""
        if self.bind in ("", IPV4):
            return socket.AF_INET if self.bind else socket.AF_UNSPEC, ""
        return (socket.AF_INET6 if ":" in self.bind else socket.AF_INET), self.bind


DIRECT = WayOut()


def _is_loopback(address: str) -> bool:
    return bool(address) and ip_address(address).is_loopback


def parse_bind(text: str) -> str:
    """Return the address meant, or "ipv4"; raises `ValueError` with the form to write."""
    if text in ("", IPV4):
        return text
    how = 'write "ipv4", or one address of this machine, for example "192.0.2.7"'
    try:
        address: IPv4Address | IPv6Address = ip_address(text)
    except ValueError:
        raise ValueError(f"{text[:60]!r} is no address: {how}") from None
    mapped = isinstance(address, IPv6Address) and (address.ipv4_mapped or address.scope_id)
    if address.is_unspecified or address.is_multicast or mapped:
        raise ValueError(f"{text[:60]!r} is no local address of a connection: {how}")
    return str(address)


def require_bind(way: WayOut, hosts: Iterable[str]) -> None:
    """Raise `ConfigError` where a connection to one of these hosts cannot use the configured local address."""
    for host in dict.fromkeys(map(way.first_host, hosts)):
        family, address = way.leaves_from(host)
        if not address:
            continue
        why = "" if host in LOOPBACK or not _is_loopback(address) else f"from it {host} is not reached"
        try:
            with socket.socket(family, socket.SOCK_STREAM) as tried:
                tried.bind((address, 0))
        except OSError as error:
            why = f"it is no address of this machine ({error.strerror or error})"
        if why:
            raise ConfigError(f'[network] bind = {address!r}: {why}: give one that `ip address` shows, or "ipv4"')


async def connect(make: Callable[[], P], origin: Origin, tls: ssl.SSLContext | None, way: WayOut) -> P:
    """Connect to an origin, through the proxy where one leads there; raises `ProxyFailed`, `OSError`, `UnicodeError`."""
    proxy = way.proxy_for(origin.host)
    if proxy is None:
        raw = await _reach(origin.host, origin.port, way)
    else:
        raw = await tunnel(way, proxy, origin.host, origin.port)
    # From here on the socket is asyncio's, which closes it if the handshake fails. Who proves its name in it is the venue.
    name = None if tls is None else origin.host
    loop = asyncio.get_running_loop()
    return (await loop.create_connection(make, sock=raw, ssl=tls, server_hostname=name))[1]


async def tunnel(way: WayOut, proxy: Proxy, host: str, port: int) -> socket.socket:
    """Return a socket on which bytes pass to `host` and back; raises `ProxyFailed`: not a byte of a request was sent."""
    try:
        raw = await _reach(proxy.host, proxy.port, way)
    except (OSError, UnicodeError) as error:
        raise ProxyFailed(f"the proxy {proxy.name} cannot be reached: {error}") from error
    try:
        await through(raw, proxy, host, port)
    except BaseException:
        raw.close()
        raise
    return raw


async def require_proxy(way: WayOut, proxy: Proxy, targets: Iterable[tuple[str, int]], timeout_s: float) -> None:
    """Raise `ConfigError` unless the proxy reaches every host and port, or itself reports that the venue is down."""
    for host, port in targets:
        try:
            async with asyncio.timeout(timeout_s):
                (await tunnel(way, proxy, host, port)).close()
        except TimeoutError:
            why = f"the proxy {proxy.name} did not answer within {timeout_s:g} s"
        except ProxyFailed as failed:
            if not failed.certain:
                continue
            why = str(failed)
        else:
            continue
        raise ConfigError(f"[network] proxy: {why}: correct it, or start the proxy (asked for {host}:{port})")


async def _reach(host: str, port: int, way: WayOut) -> socket.socket:
    """Return a connection to a host, at the first of its addresses that takes one."""
    family, address = way.leaves_from(host)
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM)
    ours = await loop.getaddrinfo(address, 0, family=family, type=socket.SOCK_STREAM) if address else None
    return await start_connection(found, local_addr_infos=ours, happy_eyeballs_delay=EYEBALLS_S, interleave=1)
