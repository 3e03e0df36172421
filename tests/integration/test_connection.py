"""A websocket connection that is kept up, against a small server on loopback: greet, hear, lose, come back."""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from aiohttp import WSMsgType, web

from arb.clock import SystemClock
from arb.core.messages.events import FeedDown, FeedUp, PrivateDown, PrivateUp
from arb.market.feed import NOTHING, BookSeat, FeedCounts, FrameResult, Notice, NoticeKind, ResyncBy
from arb.market.scale import Scale
from arb.venues.build import GatewayLimits, build_gateway
from arb.venues.gate.private import GatePrivate
from arb.venues.kit.endpoints import Credentials, Environment, Site, VenueEndpoint
from arb.venues.kit.feed import SocketFeed
from arb.venues.kit.gateway import VenueGateway
from arb.venues.kit.private import PrivateStream
from arb.venues.registry import spec_of
from arb.venues.transport.address import ConnectionTiming, fixed
from arb.venues.transport.connection import StreamConnection
from arb.venues.transport.frames import FRAME_BYTES_MAX
from arb.venues.transport.retry import Backoff

QUICK = ConnectionTiming(connect_timeout_s=60.0, heartbeat_s=0.05, silence_s=0.3)
SOON = Backoff(first_s=0.01, cap_s=0.02, attempts_max=None, total_s=None)
Serve = Callable[[web.WebSocketResponse, int], Awaitable[None]]


class Unstopped:
    """A clock for which this process never stands still: from one look at it to the next a tick passes at most.

    So a connection is silent when nothing came for as many ticks as its silence has, and not when all of us slept.
    """

    TICK_NS = 60_000_000

    def __init__(self) -> None:
        self._system = SystemClock()
        self._passed_ns, self._looked_ns = 0, self._system.monotonic_ns()

    def wall_ns(self) -> int:
        return self._system.wall_ns()

    def monotonic_ns(self) -> int:
        now_ns = self._system.monotonic_ns()
        self._passed_ns += min(now_ns - self._looked_ns, self.TICK_NS)
        self._looked_ns = now_ns
        return self._passed_ns


class Server:
    """Runs `serve(socket, connection_number)` for every websocket."""

    def __init__(self, serve: Serve) -> None:
        self._serve = serve
        self.connections = 0
        self.url = ""

    async def __aenter__(self) -> "Server":
        app = web.Application()
        app.router.add_get("/", self._handle)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port = self._runner.addresses[0][1]
        self.url = f"ws://127.0.0.1:{port}/"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _handle(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.connections += 1
        await self._serve(socket, self.connections)
        return socket


async def texts(socket: web.WebSocketResponse) -> list[str]:
    """Return everything the client sends until it goes."""
    return [message.data async for message in socket if message.type is WSMsgType.TEXT]


def texts_of(received: list[str]) -> Serve:
    """Return a server's way to keep everything that clients send."""

    async def serve(socket: web.WebSocketResponse, _number: int) -> None:
        received.extend(await texts(socket))

    return serve


class Redirecting(Server):
    """Answers every handshake with a redirect."""

    def __init__(self, to: str) -> None:
        super().__init__(texts_of([]))
        self._to = to

    async def _handle(self, request: web.Request) -> web.WebSocketResponse:
        raise web.HTTPFound(self._to)


def a_private_venue(ws_private: str) -> VenueGateway:
    """Return OKX's gateway with a private stream on this machine, whose hosts allow the venue's own alone."""
    return build_gateway(
        spec_of("okx"),
        Site(
            environment=Environment.PRODUCTION,
            endpoint=VenueEndpoint(rest="https://www.okx.com", ws_public=ws_private, ws_private=ws_private),
            hosts=("www.okx.com",),
        ),
        Credentials(key="key", secret="secret", passphrase="phrase"),
        clock=SystemClock(),
        rng=random.Random(1),
        limits=GatewayLimits(symbols=("BTC/USDT",)),
    )


class Log:
    """What a connection told, and when enough of it was told."""

    def __init__(self, enough: int) -> None:
        self.frames: list[bytes] = []
        self.causes: list[str] = []
        self.ups = 0
        self.full = asyncio.Event()
        self._enough = enough

    def frame(self, received_ns: int, raw: bytes) -> None:
        assert received_ns > 10**18
        self.frames.append(raw)
        self._check()

    def down(self, cause: str) -> None:
        self.causes.append(cause)
        self._check()

    def up(self) -> None:
        self.ups += 1

    def _check(self) -> None:
        if len(self.frames) + len(self.causes) >= self._enough:
            self.full.set()


def connection(url: str, log: Log, timing: ConnectionTiming = QUICK, **more: Any) -> StreamConnection:
    return StreamConnection(
        fixed(url),
        clock=Unstopped(),
        rng=random.Random(1),
        greetings=lambda: ("hello",),
        on_frame=log.frame,
        on_down=log.down,
        on_up=log.up,
        ping=lambda: "ping",
        timing=timing,
        backoff=SOON,
        **more,
    )


async def run_until(work: Callable[[], Awaitable[None]], done: asyncio.Event) -> None:
    task = asyncio.ensure_future(work())
    try:
        async with asyncio.timeout(60):
            await done.wait()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def test_a_lost_connection_is_told_and_made_again_and_greeted_anew() -> None:
    async def scenario() -> None:
        greeted: list[str] = []

        async def serve(socket: web.WebSocketResponse, number: int) -> None:
            greeted.append((await socket.receive()).data)
            await socket.send_str(f"frame {number}")
            if number < 3:
                await socket.close()
            else:
                await texts(socket)

        async with Server(serve) as server:
            log = Log(5)
            await run_until(connection(server.url, log).run, log.full)
        assert log.frames == [b"frame 1", b"frame 2", b"frame 3"]
        assert len(log.causes) == 2
        assert "closed by the venue" in log.causes[0]
        assert greeted == ["hello"] * 3
        assert log.ups == 3

    asyncio.run(scenario())


def test_a_frame_longer_than_the_limit_ends_the_connection_unread() -> None:
    async def scenario() -> None:
        async def serve(socket: web.WebSocketResponse, number: int) -> None:
            await socket.send_str("x" * (FRAME_BYTES_MAX + number))
            await texts(socket)

        log = Log(2)
        async with (
            Server(lambda socket, _: serve(socket, 0)) as longest,
            Server(lambda socket, _: serve(socket, 1)) as longer,
        ):
            calm = ConnectionTiming(connect_timeout_s=60.0)
            await run_until(connection(longest.url, within := Log(1), calm).run, within.full)
            await run_until(connection(longer.url, log, calm).run, log.full)
        assert [len(raw) for raw in within.frames] == [FRAME_BYTES_MAX]
        assert log.frames == []
        assert f"exceeds the limit of {FRAME_BYTES_MAX}" in log.causes[0]

    asyncio.run(scenario())


def test_a_silent_connection_is_left_although_it_stands() -> None:
    async def scenario() -> None:
        async def serve(socket: web.WebSocketResponse, number: int) -> None:
            await texts(socket)

        async with Server(serve) as server:
            log = Log(1)
            await run_until(connection(server.url, log).run, log.full)
        assert log.causes == ["silent for 0.3 s"]

    asyncio.run(scenario())


def test_answered_heartbeats_keep_a_quiet_connection() -> None:
    async def scenario() -> None:
        async def serve(socket: web.WebSocketResponse, number: int) -> None:
            async for message in socket:
                if message.data == "ping":
                    await socket.send_str("pong")

        async with Server(serve) as server:
            log = Log(12)  # 12 heartbeats of 50 ms: twice the silence that would end it
            await run_until(connection(server.url, log).run, log.full)
        assert log.causes == []
        assert set(log.frames) == {b"pong"}

    asyncio.run(scenario())


def test_no_redirect_carries_a_login_elsewhere() -> None:
    async def scenario() -> None:
        log = Log(enough=2)
        elsewhere: list[str] = []
        async with Server(texts_of(elsewhere)) as other, Redirecting(other.url) as server:
            await run_until(connection(server.url, log).run, log.full)
            assert other.connections == 0 and elsewhere == []
        assert set(log.causes) == {"redirected (HTTP 302), which is never followed"}

    asyncio.run(scenario())


def test_a_private_stream_whose_host_is_not_allowed_is_never_opened() -> None:
    async def scenario() -> None:
        elsewhere: list[str] = []
        heard: list[Any] = []
        down = asyncio.Event()

        def listen(event: Any) -> None:
            heard.append(event)
            down.set()

        async with Server(texts_of(elsewhere)) as other:
            venue = a_private_venue(other.url)
            await run_until(lambda: venue.run_private(listen), down)
            await venue.close()
            assert other.connections == 0 and elsewhere == []
        assert "not in the allow-list" in heard[0].cause

    asyncio.run(scenario())


def test_a_venue_that_is_not_there_is_tried_again() -> None:
    async def scenario() -> None:
        log = Log(3)
        await run_until(connection("ws://127.0.0.1:9/", log).run, log.full)
        assert all("ConnectionRefusedError" in cause for cause in log.causes)

    asyncio.run(scenario())


def test_it_is_said_once_that_all_frames_which_came_together_were_handed_over() -> None:
    async def scenario() -> None:
        async def serve(socket: web.WebSocketResponse, number: int) -> None:
            await socket.receive()
            for number in range(20):
                await socket.send_str(f"frame {number}")
            await texts(socket)

        read: list[tuple[int, bool]] = []
        async with Server(serve) as server:
            log = Log(20)
            subject = connection(server.url, log)

            async def run() -> None:
                await subject.run(lambda: read.append((len(log.frames), subject.unread())))

            await run_until(run, log.full)
        assert [count for count, _ in read] == sorted({count for count, _ in read})
        assert read[-1] == (20, False)
        assert not subject.unread()

    asyncio.run(scenario())


def test_nothing_is_queued_while_there_is_no_connection() -> None:
    async def scenario() -> None:
        log = Log(1)
        assert not connection("ws://127.0.0.1:9/", log).send("order")

    asyncio.run(scenario())


class Messages:
    """The message side of a book feed."""

    venue = "gate"
    counts = FeedCounts()
    resync_by = ResyncBy.RESUBSCRIBE

    def choose_channel(self, channel: str) -> None:
        pass

    def seats(self) -> dict[str, BookSeat]:
        return {}

    def add_book(self, native_symbol: str, seat: BookSeat) -> None:
        pass

    def retire_book(self, native_symbol: str) -> None:
        pass

    def rescale_book(self, native_symbol: str, scale: Scale, at_ns: int) -> None:
        pass

    def on_frame(self, received_ns: int, raw: bytes | str) -> FrameResult:
        return NOTHING

    def on_http(self, received_ns: int, url: str, raw: bytes | str) -> FrameResult:
        return NOTHING

    def on_disconnect(self, at_ns: int) -> FrameResult:
        return NOTHING

    def invalidate(self, native_symbol: str, at_ns: int, cause: str) -> FrameResult:
        return NOTHING

    def subscribe_messages(self, native_symbols: Sequence[str], now_s: int) -> tuple[str, ...]:
        return tuple(f"subscribe {name}" for name in native_symbols)

    def unsubscribe_messages(self, native_symbols: Sequence[str], now_s: int) -> tuple[str, ...]:
        return tuple(f"unsubscribe {name}" for name in native_symbols)

    def bbo_messages(self, native_symbols: Sequence[str], now_s: int, *, end: bool = False) -> tuple[str, ...]:
        return ()

    def ping_message(self, now_s: int) -> str | None:
        return "ping"

    def snapshot_path(self, native_symbol: str) -> str | None:
        return None

    def snapshot_share(self, native_symbol: str) -> int:
        return 1


def test_a_resync_subscribes_again_only_after_the_venue_has_confirmed_the_end() -> None:
    async def scenario() -> None:
        heard: list[str] = []

        async def serve(socket: web.WebSocketResponse, number: int) -> None:
            async for message in socket:
                if message.data == "ping":
                    continue
                heard.append(message.data)
                if message.data.startswith("unsubscribe"):
                    await asyncio.sleep(0.05)
                    assert heard[-1].startswith("unsubscribe")  # nothing came before the answer
                await socket.send_str(f'{{"event":"{message.data}"}}')

        events: list[Any] = []
        frames: list[bytes] = []
        done = asyncio.Event()

        def on_frame(venue: str, received_ns: int, raw: bytes, url: str = "", /) -> None:
            frames.append(raw)
            event, _, native = json.loads(raw)["event"].partition(" ")
            feed.on_notice(Notice(NoticeKind(f"{event}d"), (native,)))
            if len(frames) == 2:
                feed.resync("BTC_USDT")
                feed.resync("BTC_USDT")  # asked again while under way: changes nothing
            if len(frames) == 4:
                done.set()

        async with Server(serve) as server:
            feed = SocketFeed(
                fixed(server.url),
                Messages(),
                ("BTC_USDT", "ETH_USDT"),
                clock=SystemClock(),
                rng=random.Random(1),
                on_frame=on_frame,
                emit=events.append,
            )
            await run_until(feed.run, done)
        assert heard == ["subscribe BTC_USDT", "subscribe ETH_USDT", "unsubscribe BTC_USDT", "subscribe BTC_USDT"]
        assert events == [FeedUp(venue="gate")]

    asyncio.run(scenario())


def test_the_feed_tells_when_it_is_lost() -> None:
    async def scenario() -> None:
        async def serve(socket: web.WebSocketResponse, number: int) -> None:
            await socket.close()

        events: list[Any] = []
        done = asyncio.Event()

        def emit(event: Any) -> None:
            events.append(event)
            if len(events) == 2:
                done.set()

        async with Server(serve) as server:
            feed = SocketFeed(
                fixed(server.url),
                Messages(),
                (),
                clock=SystemClock(),
                rng=random.Random(1),
                on_frame=lambda venue, at, raw, url="": None,
                emit=emit,
            )
            await run_until(feed.run, done)
        assert isinstance(events[0], FeedUp)
        assert isinstance(events[1], FeedDown)

    asyncio.run(scenario())


def test_a_private_stream_is_up_after_the_last_confirmation_and_down_after_garbage() -> None:
    async def scenario() -> None:
        async def serve(socket: web.WebSocketResponse, number: int) -> None:
            for _ in range(3):
                channel = (await socket.receive()).json()["channel"]
                await socket.send_json({"channel": channel, "event": "subscribe", "error": None})
            await socket.send_str('{"channel":')
            await texts(socket)

        events: list[Any] = []
        done = asyncio.Event()

        def listen(event: Any) -> None:
            events.append(event)
            if isinstance(event, PrivateDown):
                done.set()

        async with Server(serve) as server:
            stream = PrivateStream(
                fixed(server.url),
                GatePrivate("key", "secret"),
                clock=SystemClock(),
                rng=random.Random(1),
                offset_ns=lambda: 0,
            )

            async def run() -> None:
                await stream.run(listen)

            await run_until(run, done)
        assert isinstance(events[0], PrivateUp)
        assert isinstance(events[1], PrivateDown)
        assert "unreadable" in events[1].cause

    asyncio.run(scenario())
