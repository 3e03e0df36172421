"""The way out through a proxy: HTTP CONNECT (RFC 9110, 9.3.6), over which TLS is then spoken with the venue itself.

The proxy sees names of hosts and encrypted bytes. It is the configured one or none: an environment variable that some other
program set must not decide where orders go. What stays on this machine never passes it.
"""

import asyncio
import re
import socket
import ssl
from base64 import b64encode
from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeVar
from urllib.parse import unquote, urlsplit

from arb.errors import ConfigError
from arb.masking import HIDDEN
from arb.venues.call import Origin
from arb.venues.endpoints import LOOPBACK
from arb.venues.transport.http import AnswerReader, NeverSent, TransportError

_AUTHORITY = re.compile(r"[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\]")
_READ_BYTES = 4096
_FORBIDDEN, _LOGIN_WANTED = 403, 407
_VENUE_DOWN = frozenset({502, 503, 504})
EXAMPLE = "http://proxy.example:3128"

P = TypeVar("P", bound=asyncio.BaseProtocol)


class Proxy(NamedTuple):
    """A proxy, and the login it wants; `password` is "" where there is none."""

    host: str
    port: int
    user: str = ""
    password: str = ""

    def __repr__(self) -> str:
        return f"Proxy({self.name})"

    @property
    def name(self) -> str:
        """Return host and port, which is all that is ever shown."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """Return the address without the login."""
        return f"http://{self.name}"

    def headers(self) -> dict[str, str]:
        """Return what the proxy itself is sent: the login, where there is one (RFC 7617)."""
        return {"Proxy-Authorization": f"Basic {self._token()}"} if self.user else {}

    def secrets(self) -> tuple[str, ...]:
        """Return what must be shown nowhere."""
        return (self.password, f"{self.user}:{self.password}", self._token()) if self.password else ()

    def refusal(self, status: int) -> str:
        """Say that the proxy answered CONNECT with `status`."""
        reasons = {_LOGIN_WANTED: "it wants another login", _FORBIDDEN: "it does not lead there"}
        return f"the proxy {self.name} made no connection: {reasons.get(status, 'it refused')} (HTTP {status})"

    def _token(self) -> str:
        return b64encode(f"{self.user}:{self.password}".encode()).decode()


class ProxyFailed(NeverSent):
    """There is no way through the proxy; `certain`: none will be found before somebody corrects something."""

    def __init__(self, text: str, *, certain: bool = True) -> None:
        super().__init__(text)
        self.certain = certain


def parse_proxy(url: str) -> Proxy:
    """Return the proxy of an address `http://[USER:PASSWORD@]HOST:PORT`; raises `ValueError` saying how to write it.

    The message shows nothing of the address: it may hold a password.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError(f"no address: write {EXAMPLE}") from None
    if parts.scheme != "http":
        raise ValueError(f"only proxies that are spoken to in plain HTTP (CONNECT) are known: write {EXAMPLE}")
    authority = parts.netloc.rpartition("@")[2]
    host = authority.rpartition(":")[0] if port else authority
    if not _AUTHORITY.fullmatch(host) or not port or parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError(f"give host and port, and nothing after them: write {EXAMPLE}")
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if not (user + password).isprintable() or ":" in user or (password and not user):
        raise ValueError("give a login as USER:PASSWORD, other characters than letters and digits escaped (%40 for @)")
    return Proxy(host.strip("[]"), port, user, password)


def masked_proxy(url: str) -> str:
    """Return the address of a proxy as it may be shown, without its login."""
    before, at, host = url.rpartition("@")
    scheme, mark, _ = before.partition("://")
    return f"{scheme + mark if mark else ''}{HIDDEN}@{host}" if at else url


def proxy_for(proxy: Proxy | None, host: str) -> Proxy | None:
    """Return the proxy that leads to `host`; None where there is none, and for this machine."""
    return None if host in LOOPBACK else proxy


def by_way_of(proxy: Proxy | None) -> str:
    """Return what is added to the text of an error, lest the venue be blamed for the proxy."""
    return "" if proxy is None else f" (through the proxy {proxy.name})"


async def connect(make: Callable[[], P], origin: Origin, tls: ssl.SSLContext | None, proxy: Proxy | None) -> P:
    """Connect to an origin, through the proxy where one leads there; raises `ProxyFailed`, `OSError`, `UnicodeError`."""
    loop = asyncio.get_running_loop()
    if proxy is None:
        return (await loop.create_connection(make, origin.host, origin.port, ssl=tls))[1]
    raw = await _tunnel(proxy, origin.host, origin.port)
    # From here on the socket is asyncio's, which closes it if the handshake fails. Who proves its name in it is the venue.
    name = None if tls is None else origin.host
    return (await loop.create_connection(make, sock=raw, ssl=tls, server_hostname=name))[1]


async def require_proxy(proxy: Proxy, targets: Iterable[tuple[str, int]], timeout_s: float) -> None:
    """Raise `ConfigError` unless the proxy leads to every host and port, or says itself that it is the venue that is down."""
    for host, port in targets:
        try:
            async with asyncio.timeout(timeout_s):
                (await _tunnel(proxy, host, port)).close()
        except TimeoutError:
            why = f"the proxy {proxy.name} did not answer within {timeout_s:g} s"
        except ProxyFailed as failed:
            if not failed.certain:
                continue
            why = str(failed)
        else:
            continue
        raise ConfigError(f"[network] proxy: {why}: correct it, or start the proxy (asked for {host}:{port})")


async def _tunnel(proxy: Proxy, host: str, port: int) -> socket.socket:
    """Return a socket on which bytes pass to `host` and back; raises `ProxyFailed`: not a byte of a request has left."""
    loop = asyncio.get_running_loop()
    raw = await _reach(proxy)
    try:
        target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}", *(f"{n}: {v}" for n, v in proxy.headers().items())]
        await loop.sock_sendall(raw, "".join(f"{line}\r\n" for line in [*lines, ""]).encode())
        reader = AnswerReader()
        while reader.status < 200:
            data = await loop.sock_recv(raw, _READ_BYTES)
            if not data:
                raise ProxyFailed(f"the proxy {proxy.name} closed the connection unanswered")
            reader.feed(data)
        if not reader.status < 300:
            raise ProxyFailed(proxy.refusal(reader.status), certain=reader.status not in _VENUE_DOWN)
        if reader.body:  # a venue says nothing before it was spoken to
            raise ProxyFailed(f"the proxy {proxy.name} sent something of its own after its answer")
    except ProxyFailed:
        raw.close()
        raise
    except (OSError, TransportError) as error:
        raw.close()
        raise ProxyFailed(f"the proxy {proxy.name} made no connection: {error}") from error
    except BaseException:
        raw.close()
        raise
    return raw


async def _reach(proxy: Proxy) -> socket.socket:
    """Return a connection to the proxy itself, at the first of its addresses that takes one."""
    loop = asyncio.get_running_loop()
    last: OSError | UnicodeError = OSError("it has no address")
    try:
        found = await loop.getaddrinfo(proxy.host, proxy.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        found, last = [], error
    for family, kind, protocol, _, address in found:
        raw = socket.socket(family, kind, protocol)
        try:
            raw.setblocking(False)
            await loop.sock_connect(raw, address)
        except OSError as error:
            raw.close()
            last = error
        except BaseException:
            raw.close()
            raise
        else:
            return raw
    raise ProxyFailed(f"the proxy {proxy.name} cannot be reached: {last}") from last
