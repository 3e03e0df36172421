"""What the venues have in common: listings, channels, connections, pushes at the venue's interval, misfortunes.

A dialect (`gate`, `okx`, `bitget`, `bybit`, `binance`) says what its answers and frames look like and what it refuses.
"""

import asyncio
import heapq
import inspect
import json
import random
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from aiohttp import web

from tests.venue_server.listing import Asset, Row, unusual_rows
from tests.venue_server.market import Channel, GrownBook, Update
from tests.venue_server.session import Rate, Session

DEPTHS = (12, 60, 60, 60, 120, 480)
"""How many levels a side the books have: some fewer than a venue publishes, some more."""
MAINTENANCE_PAGE = (
    "<html>\r\n<head><title>503 Service Temporarily Unavailable</title></head>\r\n<body>\r\n"
    "<center><h1>503 Service Temporarily Unavailable</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
)
OLD_MS = 40_000
"""How far the time of a quiet book's snapshot may lie back: seen at Gate."""


@dataclass(frozen=True)
class Clock:
    """Wall time in ms and monotonic time in s."""

    wall_ms: Callable[[], int]
    monotonic_s: Callable[[], float]


class VenueServer(ABC):
    """The public side of one venue. `rate`: changes a second and book; 0: books move only by `step`."""

    name: ClassVar[str]
    rest_base: ClassVar[str]
    """What clients are told as the address of the API."""
    api: ClassVar[str]
    """What they add to it themselves."""
    ws_path: ClassVar[str]
    interval_s: ClassVar[float]
    """How often the venue pushes at most."""
    depth: ClassVar[int]
    idle_s: ClassVar[float]
    """A connection whose client was silent for so long is closed."""
    connects: ClassVar[Rate]
    fine: ClassVar[int] = 0
    ids_most: ClassVar[int] = 40
    """By how much at most a book's number rises with one frame."""
    region: ClassVar[str] = ""
    """Which of the venue's legal entities this is, where it is not the usual one."""

    def __init__(self, assets: list[Asset], seed: int, rate: float, clock: Clock) -> None:
        self.rng = random.Random(f"{seed} {self.name}")
        # How many ms the venue's clock is ahead, and until when by the monotonic one.
        self.skew: tuple[int, float] = (0, 0.0)
        self.clock = Clock(lambda: clock.wall_ms() + self._skew_ms(clock.monotonic_s()), clock.monotonic_s)
        self.rate = rate
        self.still = False
        self.sessions: dict[int, Session] = {}
        # By the name of the limit or the error: a client that behaves leaves it empty.
        self.refused: Counter[str] = Counter()
        self.sent = self.snapshots = 0
        self.used = 0
        self.rows: list[Row] = [asset.rows[self.name] for asset in assets] + unusual_rows(self.name)
        self.channels = {channel.native: channel for channel in (self._channel(asset, seed) for asset in assets)}
        self.gone: dict[str, tuple[Row, Channel]] = {}
        self.opened = 0
        self.meet_newcomer()
        # misfortunes in force
        self.skips: Counter[str] = Counter()
        self.stalled_until_s: dict[str, float] = {}
        self.muted: set[str] = set()
        self.old_snapshots = 0
        self.outage: tuple[int, float] | None = None
        self.slow: tuple[float, float] = (0.0, 0.0)

    def meet_newcomer(self) -> None:
        """Forget what the clients' address connected and asked."""
        self._connects = Rate(self.connects.count, self.connects.window_s)
        self._limits: dict[str, Rate] = {}

    # What a dialect says.

    @abstractmethod
    def native(self, row: Row) -> str:
        """Return the venue's name of a listed row."""

    @abstractmethod
    def decimals(self, row: Row) -> tuple[int, int]:
        """Return the decimals of prices and of sizes of a listed row."""

    @abstractmethod
    def rest_routes(self) -> dict[str, Callable[[web.Request], Any]]:
        """Return what answers each public path; an answer is JSON data or a whole response."""

    @abstractmethod
    def refusal(self, status: int) -> tuple[int, str, str]:
        """Return status, content type and body of an answer that refuses: 429, 451 or 503."""

    @abstractmethod
    def rest_limit(self, path: str) -> Rate:
        """Return a new counter for a path, of one address."""

    @abstractmethod
    def on_text(self, session: Session, text: str) -> None:
        """Obey what a client sent."""

    @abstractmethod
    def snapshot_frame(self, channel: Channel) -> str:
        """Return the whole book as the venue pushes it after a subscription."""

    @abstractmethod
    def update_frame(self, channel: Channel, update: Update) -> str:
        """Return one change as the venue pushes it."""

    @abstractmethod
    def upgrade_frame(self, session: Session) -> str:
        """Return the notice that the connection will be closed for an upgrade."""

    @abstractmethod
    def change_listing(self, row: Row, what: str) -> None:
        """Change a listed row: `tick` (one decimal more), `suspended`, `delisting` (in an hour), `unreadable` (its lot)."""

    # Books.

    def subscribe(self, session: Session, native: str) -> None:
        """Serve a book to a connection, its snapshot first; a muted one only in appearance."""
        session.subscribed.add(native)
        if native in self.muted or native not in self.channels:
            session.muted.add(native)
            return
        self.snapshots += 1
        self._send(session, self.snapshot_frame(self.channels[native]))

    def unsubscribe(self, session: Session, native: str) -> None:
        """End what a connection gets of a book."""
        session.subscribed.discard(native)
        session.muted.discard(native)

    def delist(self, native: str) -> None:
        """Take a symbol out of the listing, and its book from whoever is served with it."""
        row = self.row_of(native)
        self.gone[native] = row, self.channels.pop(native)
        self.rows.remove(row)
        for session in self.sessions.values():
            self.unsubscribe(session, native)

    def list_anew(self, native: str) -> None:
        """List a symbol that was taken out of the listing; raises `KeyError` for any other."""
        row, self.channels[native] = self.gone.pop(native)
        self.rows.append(row)

    def step(self, native: str) -> None:
        """Let one book change once and push that to whoever subscribed."""
        channel = self.channels[native]
        if channel.halted or self.clock.monotonic_s() < self.stalled_until_s.get(native, 0.0):
            return
        update = channel.advance(self.clock.wall_ms(), self.rng.randint(1, self.ids_most))
        if self.skips[native]:
            self.skips[native] -= 1
            return
        if any(native in session.subscribed for session in self.sessions.values()):
            self.push_frame(native, self.update_frame(channel, update))

    def push_frame(self, native: str, frame: str) -> None:
        """Send a frame of a book to whoever is served with it."""
        for session in self.sessions.values():
            if native in session.subscribed and native not in session.muted:
                self._send(session, frame)

    async def push(self) -> None:
        """Let all books that somebody watches change, at the venue's interval, until cancelled."""
        if not self.rate:
            return
        began_s = self.clock.monotonic_s()
        due = [(began_s + self.rng.expovariate(self.rate), native) for native in self.channels]
        heapq.heapify(due)
        while True:
            await asyncio.sleep(self.interval_s)
            watched = set(self.watched())
            now_s = self.clock.monotonic_s()
            while due[0][0] <= now_s:
                native = due[0][1]
                heapq.heapreplace(due, (now_s + self.rng.expovariate(self.rate), native))
                if native in watched and not self.still:
                    self.step(native)

    def watched(self) -> list[str]:
        """Return the books that somebody is subscribed to."""
        names = set[str]().union(*(session.subscribed for session in self.sessions.values()))
        return sorted(names & self.channels.keys())

    def snapshot_ms(self, channel: Channel) -> tuple[int, int]:
        """Return when a snapshot's book changed and when it is sent; one that is asked to look old says 40 s ago for both."""
        if self.old_snapshots:
            self.old_snapshots -= 1
            return self.clock.wall_ms() - OLD_MS, self.clock.wall_ms() - OLD_MS
        return channel.changed_ms, self.clock.wall_ms()

    def _skew_ms(self, now_s: float) -> int:
        ahead_ms, until_s = self.skew
        return ahead_ms if now_s < until_s else 0

    def day_volume(self, channel: Channel) -> str:
        """Return what was traded in 24 hours, in quote: half of what was of the symbol before it in the listing."""
        return f"{2_000_000_000 / 2 ** list(self.channels).index(channel.native):.8f}"

    def row_of(self, native: str) -> Row:
        """Return the listed row of a native symbol; raises `KeyError`."""
        for row in self.rows:
            if self.native(row) == native:
                return row
        raise KeyError(native)

    def _channel(self, asset: Asset, seed: int) -> Channel:
        row = asset.rows[self.name]
        native = self.native(row)
        rng = random.Random(f"{seed} {self.name} {native}")
        price_decimals, size_decimals = self.decimals(row)
        book = GrownBook(rng, price_decimals, size_decimals + self.fine, rng.choice(DEPTHS), self.fine)
        channel = Channel(native, book, asset.fair, rng, self.depth, rng.randrange(10**9, 10**10), self.clock.wall_ms())
        channel.advance(self.clock.wall_ms(), 1)
        return channel

    # REST.

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of this venue on the common server."""
        rest = [
            web.get(self.rest_base + self.api + path, self._rest(path, ask)) for path, ask in self.rest_routes().items()
        ]
        return [*rest, web.get(self.ws_path, self._websocket)]

    def _rest(self, path: str, ask: Callable[[web.Request], Any]) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def answer(request: web.Request) -> web.Response:
            now_s = self.clock.monotonic_s()
            wait_s, until_s = self.slow
            if now_s < until_s:
                await asyncio.sleep(wait_s)
            if self.outage is not None and now_s < self.outage[1]:
                return self._refuse(self.outage[0])
            limit = self._limits.setdefault(path, self.rest_limit(path))
            if (refused := self.over_limit(path, request)) is not None:
                return refused
            answered = ask(request)
            if inspect.isawaitable(answered):
                answered = await answered
            if isinstance(answered, web.Response):
                return answered
            text = json.dumps(answered, separators=(",", ":"))
            return web.Response(text=text, content_type="application/json", headers=self.rest_headers(limit))

        return answer

    def over_limit(self, path: str, request: web.Request) -> web.Response | None:
        """Count a request, and return what refuses it where it is one too many."""
        if self._limits[path].take(self.clock.monotonic_s()):
            return None
        self.refused["rest"] += 1
        return self._refuse(429)

    def rest_headers(self, limit: Rate) -> dict[str, str]:
        """Return what the venue's answers carry beside the body."""
        return {}

    def _refuse(self, status: int) -> web.Response:
        status, content_type, body = self.refusal(status)
        return web.Response(status=status, text=body, content_type=content_type)

    # Websocket.

    async def _websocket(self, request: web.Request) -> web.StreamResponse:
        now_s = self.clock.monotonic_s()
        if self.outage is not None and now_s < self.outage[1]:
            return self._refuse(self.outage[0])
        if not self._connects.take(now_s):
            self.refused["connects"] += 1
            return self._refuse(429)
        # Compression is not negotiated; protocol pings are sent, and a client that does not answer them is dropped.
        ws = web.WebSocketResponse(compress=False, heartbeat=20.0, max_msg_size=1 << 20)
        await ws.prepare(request)
        self.opened += 1
        session = Session(self.opened, request, ws, now_s)
        self.sessions[session.number] = session
        self.on_open(session, request)
        try:
            await session.run(lambda text: self.on_text(session, text), self.clock.monotonic_s)
        finally:
            del self.sessions[session.number]
        return ws

    def on_open(self, session: Session, request: web.Request) -> None:  # noqa: B027  # an answer that most venues share
        """Note that a connection stands."""

    def keep_alive(self) -> None:  # noqa: B027  # an answer that most venues share
        """Send what the venue sends of books that do not change; most venues send nothing."""

    async def watch_idle(self) -> None:
        """Keep quiet books alive and close the connections of clients that said nothing for too long, until cancelled."""
        while True:
            await asyncio.sleep(0.5)
            self.keep_alive()
            for session in list(self.sessions.values()):
                if self.clock.monotonic_s() - session.heard_s > self.idle_s:
                    self.refused["idle"] += 1
                    self.end_idle(session)

    def end_idle(self, session: Session) -> None:
        """Close a connection whose client is silent."""
        session.cut()

    def _send(self, session: Session, frame: str) -> None:
        self.sent += 1
        session.send(frame)


def parsed(text: str) -> Any:
    """Return what a client's JSON says; None for what is none."""
    try:
        return json.loads(text)
    except ValueError:
        return None
