"""The socket shell of the sandbox: aiohttp on one port around a `SimWorld`. All judgement is in the world.

The shell owns the clock and the timer: it feeds arrivals to the world, wakes at the world's next due instant, and
writes its outputs. A client that reads too slowly is disconnected, as venues do.
"""

import asyncio
import contextlib
import json
import socket
from collections.abc import Callable, Collection

from aiohttp import WSMsgType, web

from arb.clock import NS_PER_MS, NS_PER_S, Clock
from arb.door import open_door
from arb.errors import ConfigError
from arb.sandbox.admin import Admin, refusal
from arb.sandbox.profiles import SYMBOLS
from arb.sandbox.registry import SPECS, VENUE_NAMES
from arb.sandbox.wire import CLOSED, HttpAnswer, HttpRequest
from arb.sandbox.world import WS_PATHS, HttpReply, SimWorld, WsClosed, WsText, venue_of_path

HOST = "127.0.0.1"
NO_ANSWER_HOLD_S = 60.0
"""How long a request without an answer is kept open before its connection is cut."""
OUTBOX_FRAMES = 5_000
PONGS_MISSED = 3
"""After how many pings without a pong a connection is closed, at venues that send pings."""
BUSY_POLL_S = 0.005
_TRADE = '{"id":"1","tradeId":"1","px":"1","price":"1","sz":"1","size":"1","amount":"1","side":"buy","ts":"1"}'
_ROWS = ",".join([_TRADE] * 8_000)
BUSY_TEXTS = {spec.name: spec.busy_text % _ROWS for spec in SPECS.values()}
"""The frames that fill a busy connection: trades of a channel that our clients never subscribe to."""


class Outbox:
    """Frames waiting for one websocket; `None` ends it."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[str | None] = asyncio.Queue()

    def put(self, text: str | None) -> bool:
        """Queue a frame; False when the client is too slow."""
        if self.queue.qsize() >= OUTBOX_FRAMES:
            return False
        self.queue.put_nowait(text)
        return True


class Pulse:
    """The pings that a venue sends to one websocket: a pong must copy the payload, which is the instant in milliseconds."""

    def __init__(self, socket: web.WebSocketResponse, clock: Clock, interval_s: float) -> None:
        self._socket = socket
        self._clock = clock
        self._interval_s = interval_s
        self._payload = b""
        self._missed = 0

    def take(self, payload: bytes) -> None:
        if payload == self._payload:
            self._missed = 0

    async def beat(self) -> None:
        """Ping at every interval; once `PONGS_MISSED` in a row were not answered, close the connection instead."""
        while True:
            await asyncio.sleep(self._interval_s)
            if self._missed >= PONGS_MISSED:
                await self._socket.close()
                return
            self._payload, self._missed = str(self._clock.wall_ns() // NS_PER_MS).encode(), self._missed + 1
            try:
                await self._socket.ping(self._payload)
            except (ConnectionError, RuntimeError):
                return


class Shell:
    def __init__(self, world: SimWorld, clock: Clock) -> None:
        self.world = world
        self.clock = clock
        self.admin: Admin | None = None
        self._waiting: dict[int, asyncio.Future[HttpAnswer | None]] = {}
        self._outboxes: dict[int, Outbox] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._timer_ns = 0

    # -- the pump --------------------------------------------------------------------------------------------------

    def pump(self) -> None:
        """Run the world up to now, write its outputs, and set the alarm for the next due instant."""
        now_ns = self.clock.wall_ns()
        for output in self.world.advance(now_ns):
            if isinstance(output, WsText):
                self._write(output.session_id, output.text)
            elif isinstance(output, HttpReply):
                waiting = self._waiting.pop(output.token, None)
                if waiting is not None and not waiting.done():
                    waiting.set_result(output.answer)
            elif isinstance(output, WsClosed):
                self._write(output.session_id, None)
        self._arm(now_ns)

    def _arm(self, now_ns: int) -> None:
        due_ns = self.world.next_ns()
        if due_ns is None:
            return
        if self._timer is not None:
            if self._timer_ns <= due_ns and not self._timer.cancelled() and self._timer_ns > now_ns:
                return
            self._timer.cancel()
        self._timer_ns = max(due_ns, now_ns + 1)
        self._timer = asyncio.get_running_loop().call_later(max(0, due_ns - now_ns) / NS_PER_S, self.pump)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _write(self, session_id: int, text: str | None) -> None:
        outbox = self._outboxes.get(session_id)
        if outbox is not None and not outbox.put(text):
            self.world.close_session(session_id, self.clock.wall_ns())
            del self._outboxes[session_id]
            outbox.queue.put_nowait(None)

    # -- http ------------------------------------------------------------------------------------------------------

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer any request: a venue's REST or websocket path, or the admin."""
        path, _, query = request.raw_path.partition("?")
        if path.startswith("/admin"):
            return await self._admin_answer(request, path.removeprefix("/admin"))
        if venue_of_path(path, WS_PATHS) is not None and "upgrade" in request.headers:
            return await self._websocket(request, path, query)
        headers = {name.lower(): value for name, value in request.headers.items()}
        incoming = HttpRequest(request.method, path, query, headers, await request.read())
        token = self.world.submit(incoming, self.clock.wall_ns())
        if token is None:
            return web.json_response({"error": f"no venue answers at {path}"}, status=404)
        waiting: asyncio.Future[HttpAnswer | None] = asyncio.get_running_loop().create_future()
        self._waiting[token] = waiting
        self.pump()
        answer = await waiting
        if answer is None:
            return await self._never_answer(request)
        if answer is CLOSED:
            return _closed(request)
        return web.Response(
            status=answer.status, body=answer.body, headers=answer.headers, content_type=answer.content_type
        )

    @staticmethod
    async def _never_answer(request: web.Request) -> web.StreamResponse:
        """Keep the connection open and silent, then cut it."""
        await asyncio.sleep(NO_ANSWER_HOLD_S)
        return _closed(request)

    async def _admin_answer(self, request: web.Request, path: str) -> web.Response:
        if self.admin is None:
            return web.json_response({"error": "starting"}, status=503)
        refused = refusal(request.method, request.headers)  # case-insensitive
        if refused is not None:
            return web.json_response({"error": refused[1]}, status=refused[0])
        status, content = self.admin.handle(request.method, path, await request.read(), self.clock.wall_ns())
        self.pump()
        return web.json_response(content, status=status)

    # -- websockets ------------------------------------------------------------------------------------------------

    async def _websocket(self, request: web.Request, path: str, query: str) -> web.StreamResponse:
        session_id = self.world.open_session(path, self.clock.wall_ns(), query)
        if session_id is None:
            return _closed(request)
        outbox = self._outboxes[session_id] = Outbox()
        venue = venue_of_path(path, WS_PATHS) or "gate"
        interval_s = SPECS[venue].ping_s
        socket = web.WebSocketResponse(compress=False, timeout=1.0, autoping=not interval_s)
        pulse = Pulse(socket, self.clock, interval_s)
        helpers: list[asyncio.Task[None]] = []
        try:
            await socket.prepare(request)
            helpers.append(asyncio.create_task(_drain(outbox, socket)))
            helpers.append(asyncio.create_task(self._fill(session_id, socket, BUSY_TEXTS[venue])))
            if interval_s:
                helpers.append(asyncio.create_task(pulse.beat()))
            async for message in socket:
                if message.type == WSMsgType.TEXT:
                    self.world.receive(session_id, message.data, self.clock.wall_ns())
                    self.pump()
                elif message.type == WSMsgType.PING:
                    await socket.pong(message.data)
                elif message.type == WSMsgType.PONG:
                    pulse.take(bytes(message.data))
        finally:
            self._outboxes.pop(session_id, None)
            self.world.close_session(session_id, self.clock.wall_ns())
            for helper in helpers:
                helper.cancel()
        return socket

    async def _fill(self, session_id: int, socket: web.WebSocketResponse, text: str) -> None:
        """While a connection must be busy, send more than its client can read."""
        while True:
            if not self.world.is_busy(session_id):
                await asyncio.sleep(BUSY_POLL_S)
                continue
            try:
                await socket.send_str(text)
            except (ConnectionError, RuntimeError):
                return
            await asyncio.sleep(0)  # let other tasks run, also where the socket takes everything


def _closed(request: web.Request) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


async def _drain(outbox: Outbox, socket: web.WebSocketResponse) -> None:
    while True:
        text = await outbox.queue.get()
        try:
            if text is None:
                await socket.close()
                return
            await socket.send_str(text)
        except (ConnectionError, RuntimeError):
            return


class SandboxServer:
    """A listening sandbox. `start` binds the port and starts the world's time; `stop` closes everything."""

    def __init__(
        self,
        clock: Clock,
        *,
        port: int,
        seed: int,
        static: bool,
        faults: list[dict[str, object]],
        symbol_count: int = len(SYMBOLS),
        venues: Collection[str] = VENUE_NAMES,
    ) -> None:
        self._clock = clock
        self._port = port
        self._faults = faults
        self.world = SimWorld(seed, clock.wall_ns(), static=static, symbol_count=symbol_count, venues=venues)
        self.shell = Shell(self.world, clock)
        self._open = contextlib.AsyncExitStack()
        self.first_line: dict[str, object] = {}

    async def start(self) -> dict[str, object]:
        """Listen and return the first line; raises `ConfigError` when the port is taken or a fault is malformed."""
        app = web.Application(client_max_size=4 * 1024 * 1024)
        app.router.add_route("*", "/{tail:.*}", self.shell.handle)
        listening = socket.socket()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((HOST, self._port))
        except (OSError, OverflowError) as error:
            listening.close()
            raise ConfigError(
                f"port {self._port} on {HOST} cannot be used ({error}): choose another with --port"
            ) from error
        runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.5)
        await runner.setup()
        await self._open.enter_async_context(open_door(runner, listening))
        port = int(listening.getsockname()[1])
        self.first_line = first_line(self.world, port)
        self.shell.admin = Admin(self.world, self.first_line)
        self._plan_faults(self.shell.admin)
        self.shell.pump()
        return self.first_line

    def _plan_faults(self, admin: Admin) -> None:
        """Apply the faults of a file: at once, or `at_s` seconds after the start."""
        for number, body in enumerate(self._faults, 1):
            at_s = body.get("at_s", 0)
            if isinstance(at_s, bool) or not isinstance(at_s, int | float) or at_s < 0:
                raise ConfigError(f"fault {number}: at_s must be a number of seconds, not {at_s!r}")
            delay_ns = int(at_s * NS_PER_S)
            admin.check_fault(body, number)
            self.world.scheduler.at(self.world.scheduler.now_ns + delay_ns, _poster(admin, body))

    async def stop(self) -> None:
        self.shell.stop()
        await self._open.aclose()


def _poster(admin: Admin, body: dict[str, object]) -> Callable[[int], None]:
    def post(_: int) -> None:
        admin.post_fault(body)

    return post


def first_line(world: SimWorld, port: int) -> dict[str, object]:
    root, ws_root = f"http://{HOST}:{port}", f"ws://{HOST}:{port}"
    venues: dict[str, object] = {}
    for name, venue in world.venues.items():
        profile = venue.exchange.profile
        passphrase = {"passphrase": profile.passphrase} if SPECS[name].has_passphrase else {}
        keys = {"key": profile.key, "secret": profile.secret}
        venues[name] = SPECS[name].addresses(root, ws_root) | keys | passphrase
    return {"sandbox_id": world.sandbox_id, "venues": venues, "admin": f"{root}/admin"}


def as_line(content: dict[str, object]) -> str:
    return json.dumps(content, separators=(",", ":"))
