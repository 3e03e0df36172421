"""A network that records its traffic for some orders, and holds some requests back: for drills.

Every request, answer or received frame about one of those orders is passed on as an `Exchange`, masked, and without
headers that could hold a key. A request is written and signed at its usual time, and only then held
back. A drill tests whether a venue refuses an order that arrives too late, so the request must have been in time when it
was signed.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

import msgspec

from arb.clock import NS_PER_S, Clock
from arb.masking import SECRETS
from arb.venues.transport.address import Origin
from arb.venues.transport.http import Connection, HttpAnswer, Later, WriteTransport
from arb.venues.transport.network import NO_HEADERS, Network, Socket, SocketEnded
from arb.venues.transport.request import HttpRequest, Outgoing, request_of

KEPT_HEADERS = ("content-type", "retry-after", "x-gate-ratelimit", "ratelimit", "x-mbx")
"""The beginnings of the names of headers that describe the answer and not its recipient."""


class Exchange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An answer to a request, or a received frame; its form is that of recorded answers.

    `name`: the client order id of the order it is about. `recorded_at`: its arrival, ns UTC. `raw`: the whole text,
    masked.
    """

    name: str
    kind: str
    recorded_at: int
    raw: str
    method: str = ""
    path: str = ""
    query: str = ""
    sent: str = ""
    status: int = 0
    headers: dict[str, str] = {}


class Watch(msgspec.Struct, frozen=True):
    """The watched orders, and the actions on them.

    `name_in` returns the client order id of the watched order that a text is about, None for a text about none.
    `held_until_ns`: until when (our clock) a request that places such an order is held back, None: not at all. `seen`
    takes every exchange, on the loop's thread.
    """

    name_in: Callable[[str], str | None]
    held_until_ns: Callable[[str], int | None]
    seen: Callable[[Exchange], None]


class WatchedNetwork:
    """See the module; carries all else as `network` does."""

    def __init__(self, network: Network, clock: Clock, watch: Watch) -> None:
        self._network = network
        self._clock = clock
        self._watch = watch

    def http(self) -> "WatchedTransport":
        return WatchedTransport(self._network.http(), self._clock, self._watch)

    async def dial(self, url: str, headers: Mapping[str, str] = NO_HEADERS) -> "WatchedSocket":
        return WatchedSocket(await self._network.dial(url, headers), url, self._clock, self._watch)


class WatchedTransport:
    def __init__(self, inner: WriteTransport, clock: Clock, watch: Watch) -> None:
        self._inner = inner
        self._clock = clock
        self._watch = watch
        self.close = inner.close

    def standing(self, origin: Origin) -> Connection | None:
        """Return a connection for an entry; a drill has none."""
        return self._inner.standing(origin)

    def send(self, request: HttpRequest, timeout_s: float) -> Awaitable[HttpAnswer]:
        """Carry a read; an answer that names a watched order is recorded."""
        return Later(partial(self._shown, request, lambda: self._inner.send(request, timeout_s)))

    def write(self, request: Outgoing, timeout_s: float) -> Awaitable[HttpAnswer]:
        """Carry an order or a cancel; the time limit of one that is held back counts from its sending."""
        asked = request_of(request)
        name = self._watch.name_in(f"{asked.url} {asked.body or ''}")
        if name is None:
            return self._inner.write(request, timeout_s)
        held_ns = self._watch.held_until_ns(name)
        if held_ns is None:
            answer = self._inner.write(request, timeout_s)
            return Later(partial(self._shown, asked, lambda: answer))
        return Later(partial(self._held, asked, held_ns, lambda: self._inner.write(request, timeout_s)))

    async def _held(self, asked: HttpRequest, until_ns: int, carry: Callable[[], Awaitable[HttpAnswer]]) -> HttpAnswer:
        await asyncio.sleep(max(0, until_ns - self._clock.wall_ns()) / NS_PER_S)
        return await self._shown(asked, carry)

    async def _shown(self, asked: HttpRequest, carry: Callable[[], Awaitable[HttpAnswer]]) -> HttpAnswer:
        answer = await carry()
        raw = answer.body.decode("utf-8", "replace")
        name = self._watch.name_in(f"{asked.url} {asked.body or ''} {raw}")
        if name is not None:
            address, _, query = asked.url.partition("?")
            self._watch.seen(
                Exchange(
                    name=name,
                    kind="rest",
                    recorded_at=answer.received_ns,
                    raw=SECRETS.masked(raw),
                    method=asked.method,
                    path="/" + address.split("/", 3)[-1],
                    query=SECRETS.masked(query),
                    sent=SECRETS.masked(asked.body or ""),
                    status=answer.status,
                    headers={n: SECRETS.masked(v) for n, v in answer.headers.items() if n.startswith(KEPT_HEADERS)},
                )
            )
        return answer


class WatchedSocket:
    def __init__(self, inner: Socket, url: str, clock: Clock, watch: Watch) -> None:
        self._inner = inner
        self._path = "/" + url.split("/", 3)[-1]
        self._clock = clock
        self._watch = watch
        self.close, self.unread = inner.close, inner.unread

    async def read(self, on_frame: Callable[[bytes], None], on_read: Callable[[], None]) -> str:
        """Deliver every frame, and record those that name a watched order."""

        def watched(raw: bytes) -> None:
            text = raw.decode("utf-8", "replace")
            name = self._watch.name_in(text)
            if name is not None:
                self._watch.seen(
                    Exchange(
                        name=name,
                        kind="ws",
                        recorded_at=self._clock.wall_ns(),
                        raw=SECRETS.masked(text),
                        path=self._path,
                    )
                )
            on_frame(raw)

        return await self._inner.read(watched, on_read)

    def write(self, text: str) -> None:
        """Pass one frame to the network, later where it is to be held back; a failure to send it is not reported then."""
        name = self._watch.name_in(text)
        held_ns = None if name is None else self._watch.held_until_ns(name)
        if held_ns is None:
            self._inner.write(text)
            return
        delay_s = max(0, held_ns - self._clock.wall_ns()) / NS_PER_S
        asyncio.get_running_loop().call_later(delay_s, self._late, text)

    def _late(self, text: str) -> None:
        try:
            self._inner.write(text)
        except SocketEnded:
            return  # its answer does not arrive: the order is unknown, and queried
