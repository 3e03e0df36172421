"""One websocket connection of a client: what it subscribed to, what waits to be sent, and how it ends."""

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import Callable
from typing import Any

from aiohttp import WSCloseCode, WSMsgType, web

OUTBOX_MAX = 20_000
"""A client that reads so slowly that more waits is cut off, as the venues warn."""


class Rate:
    """At most `count` in `window_s` seconds, sliding."""

    def __init__(self, count: int, window_s: float) -> None:
        self.count, self.window_s = count, window_s
        self._at: deque[float] = deque()

    def take(self, now_s: float) -> bool:
        """Count one more; return whether it was still allowed."""
        while self._at and self._at[0] <= now_s - self.window_s:
            self._at.popleft()
        self._at.append(now_s)
        return len(self._at) <= self.count


class Session:
    """A connection. `subscribed`: native symbols; `muted`: those acknowledged and never served; `quoted`: best quotes, too."""

    def __init__(self, number: int, request: web.Request, ws: web.WebSocketResponse, now_s: float) -> None:
        self.number = number
        self.conn_id = f"{number:08x}"
        self.subscribed: set[str] = set()
        self.muted: set[str] = set()
        self.quoted: set[str] = set()
        self._rates: dict[float, Rate] = {}
        self.heard_s = now_s
        self._transport = request.transport
        self._ws = ws
        self._outbox: deque[str] = deque()
        self._more = asyncio.Event()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._closing: tuple[int, bytes] | None = None

    def hourly(self, count: int) -> Rate:
        """Return the counter of this connection's requests to subscribe in an hour."""
        return self._rates.setdefault(3600.0, Rate(count, 3600.0))

    def per_second(self, count: int) -> Rate:
        """Return the counter of this connection's messages in a second."""
        return self._rates.setdefault(1.0, Rate(count, 1.0))

    def send(self, text: str) -> None:
        """Let a frame leave after those that wait."""
        self._outbox.append(text)
        self._more.set()
        if len(self._outbox) > OUTBOX_MAX:
            self.cut()

    def send_json(self, frame: dict[str, Any]) -> None:
        """Let a frame leave as compact JSON."""
        self.send(json.dumps(frame, separators=(",", ":")))

    def stall(self, seconds: float) -> None:
        """Send nothing for a while, not even answers to pings; the connection stays open."""
        self._flowing.clear()
        asyncio.get_running_loop().call_later(seconds, self._flowing.set)

    def end(self, code: int = WSCloseCode.OK, reason: bytes = b"") -> None:
        """Send what waits, then a close frame."""
        self._closing = (code, reason)
        self._more.set()

    def cut(self) -> None:
        """End the connection without a word."""
        if self._transport is not None:
            self._transport.abort()

    async def run(self, on_text: Callable[[str], None], now_s: Callable[[], float]) -> None:
        """Serve the connection until either side ends it."""
        writer = asyncio.create_task(self._write())
        try:
            async for message in self._ws:
                if message.type is WSMsgType.TEXT:
                    self.heard_s = now_s()
                    on_text(message.data)
        finally:
            writer.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await writer

    async def _write(self) -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                await self._more.wait()
                self._more.clear()
                while self._outbox:
                    await self._flowing.wait()
                    await self._ws.send_str(self._outbox.popleft())
                if self._closing is not None:
                    code, reason = self._closing
                    await self._ws.close(code=code, message=reason)
                    return
