"""The present state, from the engine's socket to every open page: the newest only, and a page that does not read is dropped."""

import asyncio
import contextlib
import socket
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web

from arb.documents import encoded
from arb.live.control import short_address
from arb.live.feed import ROUTES_MAX, Asked, feed_path
from arb.view.page.gate import ANSWERED_WITH, SESSION
from arb.view.page.sessions import Sessions
from arb.view.plain import exposed_today, held_by_asset, notices, standing

PACKET_MAX = 1 << 20
AGAIN_S = 1.0
BEAT_S = 10.0
WRITE_S = 3.0
PAGES_MAX = 64
NAME_MAX = 60
NOT_RUNNING = b'{"engine":"not running"}'


def in_words(state: dict[str, Any]) -> dict[str, Any]:
    """Return a state with what the screen makes of it: the day's exposure, what keeps pairs from opening, and holdings."""
    held = [one._asdict() for one in held_by_asset(state)]
    exposed = {"exposed_today": exposed_today(state["exposure"])} if "exposure" in state else {}
    return state | exposed | {"standing": standing(state), "notices": notices(state), "held": held}


class States:
    """Takes the states of a running engine, wherever one of `journals` lies, and keeps the newest."""

    def __init__(self, journals: Callable[[], Iterable[Path]]) -> None:
        self._journals = journals
        self.newest = NOT_RUNNING
        self.count = 0
        self._changed = asyncio.Condition()
        self._looks: Counter[Asked] = Counter()
        self._engine: socket.socket | None = None
        self._asked: list[Asked] = []

    @contextlib.contextmanager
    def looking(self, route: Asked | None) -> Iterator[None]:
        """Have states hold the two books of a route, if any is meant, within this context."""
        routes = () if route is None else (route,)
        self._looks.update(routes)
        self._ask()
        try:
            yield
        finally:
            self._looks.subtract(routes)
            self._looks += Counter()  # drops those that nobody looks at
            self._ask()

    def _ask(self) -> None:
        """Tell the engine which routes are looked at, where that has changed."""
        asked = list(self._looks)[:ROUTES_MAX]
        if self._engine is not None and asked != self._asked:
            with contextlib.suppress(OSError):  # it has gone, or hangs: the next state is an occasion
                self._engine.send(msgspec.json.encode(asked))
                self._asked = asked

    async def run(self) -> None:
        """Listen until cancelled; while no engine runs, look for one every second."""
        while True:
            for path in await asyncio.to_thread(lambda: list(self._journals())):
                if feed_path(path).exists():
                    with contextlib.suppress(OSError):
                        await self._listen(path)
            await self._keep(NOT_RUNNING)
            await asyncio.sleep(AGAIN_S)

    async def _listen(self, journal: Path) -> None:
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as engine:
            engine.setblocking(False)
            with short_address(feed_path(journal)) as address:
                await loop.sock_connect(engine, address)
            self._engine, self._asked = engine, []
            while packet := await loop.sock_recv(engine, PACKET_MAX):
                self._ask()
                with contextlib.suppress(BlockingIOError):  # older ones, of a time in which this process stood still
                    while later := engine.recv(PACKET_MAX):
                        packet = later
                await self._keep(encoded(in_words(msgspec.json.decode(packet))))

    async def _keep(self, state: bytes) -> None:
        if state is not self.newest:
            async with self._changed:
                self.newest, self.count = state, self.count + 1
                self._changed.notify_all()

    async def after(self, seen: int) -> None:
        """Wait for a state that is newer than the `seen`th."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.count > seen)


class Pages:
    """Sends states to browsers, as server-sent events."""

    def __init__(self, states: States, sessions: Sessions) -> None:
        self._states, self._sessions = states, sessions
        self.open = 0
        self.dropped = 0

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """Send the newest state whenever there is one; end with the session, or when the browser takes nothing for 3 s.

        A page that shows the books of a route names it: `symbol`, `buy` and `sell`.
        """
        if self.open >= PAGES_MAX:
            return web.Response(status=503, text="too many pages are open", headers=request[ANSWERED_WITH])
        response = web.StreamResponse(headers=request[ANSWERED_WITH] | {"Content-Type": "text/event-stream"})
        self.open += 1
        try:
            await response.prepare(request)
            # What waits for a browser lies here and not in the kernel: so a slow one is seen soon.
            if request.transport is not None:
                request.transport.set_write_buffer_limits(high=0)
            with self._states.looking(_route(request)):
                while self._sessions.keep(request[SESSION]):
                    seen = self._states.count
                    event = b"data: %s\n\n" % self._states.newest
                    await asyncio.wait_for(response.write(event), WRITE_S)
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._states.after(seen), BEAT_S)
        except TimeoutError:
            self.dropped += 1
            if request.transport is not None:
                request.transport.abort()
        except ConnectionError:
            pass  # it went away
        finally:
            self.open -= 1
        return response


def _route(request: web.Request) -> Asked | None:
    symbol, buy, sell = (request.query.get(name, "")[:NAME_MAX] for name in ("symbol", "buy", "sell"))
    return (symbol, buy, sell) if symbol and buy and sell else None
