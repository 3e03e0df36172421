"""Through a proxy: HTTP CONNECT (RFC 9110, 9.3.6) or SOCKS5 (RFC 1928), over which TLS is then spoken with the venue itself.

The proxy sees names of hosts and encrypted bytes. It is the configured one or none: an environment variable that some other
program set must not decide where orders go.
"""

import asyncio
import re
import socket
from base64 import b64encode
from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from arb.masking import HIDDEN
from arb.venues.transport.http import AnswerReader, NeverSent, TransportError

_AUTHORITY = re.compile(r"[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\]")
_READ_BYTES = 4096
_FORBIDDEN, _LOGIN_WANTED = 403, 407
_VENUE_DOWN = frozenset({502, 503, 504})
EXAMPLE = "http://proxy.example:3128 or socks5://proxy.example:1080"

_SOCKS, _BY_PASSWORD, _NO_METHOD, _LENGTH_MAX = 5, 2, 255, 255
_SOCKS_REPLIES = {
    1: "it failed",
    2: "it does not lead there",
    3: "it does not reach the venue's network",
    4: "it does not reach the venue's host",
    5: "the venue refused its connection",
    6: "it does not reach the venue's host in time",
}
_VENUE_AWAY = frozenset({1, 3, 4, 5, 6})
"""Replies that do not blame the proxy; 1 is a frequent reply to a name that cannot be resolved."""
_SCHEMES = {"http": False, "socks5": True, "socks5h": True}
"""By scheme of a proxy's address: whether it is SOCKS. The proxy always resolves names, as `socks5h` means."""


class Proxy(NamedTuple):
    """A proxy, and the login it wants; `password` is "" where there is none."""

    host: str
    port: int
    user: str = ""
    password: str = ""
    socks: bool = False

    def __repr__(self) -> str:
        return f"Proxy({self.name})"

    @property
    def name(self) -> str:
        """Return host and port, which is all that is ever shown."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        return f"{'socks5' if self.socks else 'http'}://{self.name}"

    def headers(self) -> dict[str, str]:
        """Return the headers for the proxy itself: the login, where there is one (RFC 7617)."""
        return {"Proxy-Authorization": f"Basic {self._token()}"} if self.user else {}

    def secrets(self) -> tuple[str, ...]:
        """Return the texts that must be shown nowhere."""
        return (self.password, f"{self.user}:{self.password}", self._token()) if self.password else ()

    def refusal(self, status: int) -> str:
        reasons = {_LOGIN_WANTED: "it wants another login", _FORBIDDEN: "it does not lead there"}
        return f"the proxy {self.name} made no connection: {reasons.get(status, 'it refused')} (HTTP {status})"

    def _token(self) -> str:
        return b64encode(f"{self.user}:{self.password}".encode()).decode()


class ProxyFailed(NeverSent):
    """There is no way through the proxy; `certain`: none will be found before the user corrects something."""

    def __init__(self, text: str, *, certain: bool = True) -> None:
        super().__init__(text)
        self.certain = certain


def parse_proxy(url: str) -> Proxy:
    """Return the proxy of `http://[USER:PASSWORD@]HOST:PORT`, or of `socks5://...`; raises `ValueError` with the form
    to write.

    The message shows nothing of the address: it may hold a password.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError(f"no address: write {EXAMPLE}") from None
    if parts.scheme not in _SCHEMES:
        raise ValueError(f"only proxies with plain HTTP (CONNECT) or SOCKS5 are supported: write {EXAMPLE}")
    authority = parts.netloc.rpartition("@")[2]
    host = authority.rpartition(":")[0] if port else authority
    if not _AUTHORITY.fullmatch(host) or not port or parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError(f"give host and port, and nothing after them: write {EXAMPLE}")
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if not (user + password).isprintable() or ":" in user or (password and not user):
        raise ValueError("give a login as USER:PASSWORD, other characters than letters and digits escaped (%40 for @)")
    socks = _SCHEMES[parts.scheme]
    if socks and max(len(user.encode()), len(password.encode())) > _LENGTH_MAX:
        raise ValueError(f"SOCKS5 takes a user and a password of at most {_LENGTH_MAX} bytes each: write {EXAMPLE}")
    return Proxy(host.strip("[]"), port, user, password, socks)


def masked_proxy(url: str) -> str:
    """Return the address of a proxy as it may be shown, without its login."""
    before, at, host = url.rpartition("@")
    scheme, mark, _ = before.partition("://")
    return f"{scheme + mark if mark else ''}{HIDDEN}@{host}" if at else url


async def through(raw: socket.socket, proxy: Proxy, host: str, port: int) -> None:
    """Connect the proxy at the end of a socket to `host`; raises `ProxyFailed`: not a byte of a request was sent."""
    try:
        await (_socks if proxy.socks else _http_connect)(raw, proxy, host, port)
    except ProxyFailed:
        raise
    except (OSError, TransportError, ValueError) as error:
        raise ProxyFailed(f"the proxy {proxy.name} made no connection: {error}") from error


async def _http_connect(raw: socket.socket, proxy: Proxy, host: str, port: int) -> None:
    loop = asyncio.get_running_loop()
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
    if reader.body:  # a venue sends nothing before a request
        raise ProxyFailed(f"the proxy {proxy.name} sent more than its answer")


async def _socks(raw: socket.socket, proxy: Proxy, host: str, port: int) -> None:
    """Do the SOCKS5 handshake (RFC 1928), with user and password if any (RFC 1929); the proxy resolves the name."""
    loop = asyncio.get_running_loop()

    def refused(why: str, *, certain: bool = True) -> ProxyFailed:
        return ProxyFailed(f"the proxy {proxy.name} made no connection: {why}", certain=certain)

    async def take(count: int) -> bytes:
        """Read so many bytes and not one beyond: bytes after the answer are the venue's."""
        data = b""
        while len(data) < count:
            more = await loop.sock_recv(raw, count - len(data))
            if not more:
                raise ProxyFailed(f"the proxy {proxy.name} closed the connection unanswered")
            data += more
        return data

    await loop.sock_sendall(raw, b"\5\2\0\2" if proxy.user else b"\5\1\0")
    version, method = await take(2)
    if version != _SOCKS:
        raise refused("it does not speak SOCKS5")
    if method == _BY_PASSWORD and proxy.user:
        await loop.sock_sendall(raw, b"\1" + _counted(proxy.user.encode()) + _counted(proxy.password.encode()))
        if (await take(2))[1] != 0:
            raise refused("it wants another login")
    elif method != 0:
        raise refused("it wants another login" if method == _NO_METHOD else "it wants a login of another kind")
    try:
        address = ip_address(host)
        target = (b"\1" if address.version == 4 else b"\4") + address.packed
    except ValueError:
        target = b"\3" + _counted(host.encode("idna"))
    await loop.sock_sendall(raw, b"\5\1\0" + target + port.to_bytes(2, "big"))
    version, reply, _, kind = await take(4)
    if version != _SOCKS or (reply == 0 and kind not in (1, 3, 4)):
        raise refused("it does not speak SOCKS5")
    if reply != 0:
        why = _SOCKS_REPLIES.get(reply, "it refused")
        raise refused(f"{why} (SOCKS reply {reply})", certain=reply not in _VENUE_AWAY)
    length = (await take(1))[0] if kind == 3 else {1: 4, 4: 16}[kind]
    await take(length + 2)  # the address that it leads from, and its port


def _counted(text: bytes) -> bytes:
    return bytes((len(text),)) + text
