"""A public feed in virtual time, on a network whose other end is the test."""

import asyncio
import random
from collections import deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

from arb.core.messages.events import AnyEvent
from arb.market.arena import BookArena
from arb.venues.books.plain.base import WireFeed
from arb.venues.gate.books import GateFeed
from arb.venues.kit.feed import SocketFeed
from arb.venues.transport.address import ConnectionTiming, fixed
from arb.venues.transport.http import WriteTransport
from arb.venues.transport.network import NO_HEADERS, SocketEnded
from tests.virtual import a_clock, run_virtual


class Words(GateFeed):
    """Requests that a person can read."""

    def __init__(self) -> None:
        super().__init__({}, BookArena(0))

    def subscribe_messages(self, native_symbols: Sequence[str], now_s: int) -> tuple[str, ...]:
        return tuple(f"+{native}" for native in native_symbols)

    def unsubscribe_messages(self, native_symbols: Sequence[str], now_s: int) -> tuple[str, ...]:
        return tuple(f"-{native}" for native in native_symbols)

    def ping_message(self, now_s: int) -> str:
        return ""


class Line:
    """A websocket whose other end is the test."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self._frames: deque[bytes] = deque()
        self.ended = False
        self._wake = asyncio.Event()

    def answer(self, event: str, native: str) -> None:
        self.say(f'{{"channel":"spot.obu","event":"{event}","payload":["ob.{native}.50"]}}'.encode())

    def say(self, raw: bytes) -> None:
        self._frames.append(raw)
        self._wake.set()

    def end(self) -> None:
        self.ended = True
        self._wake.set()

    async def read(self, on_frame: Callable[[bytes], None], on_read: Callable[[], None]) -> str:
        while self._frames or not self.ended:
            while self._frames:
                on_frame(self._frames.popleft())
            on_read()
            if not self.ended:
                self._wake.clear()
                await self._wake.wait()
        return "reset"

    def write(self, text: str) -> None:
        if text:
            self.sent.append(text)

    async def close(self) -> None:
        self.end()

    def unread(self) -> bool:
        return False


class Bench:
    """A feed of two books on such lines, or of those named. `connection`: its name; `dialect`: another than `Words`."""

    def __init__(
        self,
        connection: str = "",
        timing: ConnectionTiming | None = None,
        natives: Sequence[str] = ("BTC_USDT", "ETH_USDT"),
        per_hour: int = 0,
        dialect: WireFeed | None = None,
    ) -> None:
        self.natives = natives
        self.gap_s = 0.0 if timing is None else timing.send_gap_s
        self.clock = a_clock()
        self.refuse_dials = False
        self.hold_dials = asyncio.Event()
        self.hold_dials.set()
        self.lines: list[Line] = []
        self._dialled = asyncio.Event()
        self.events: list[AnyEvent] = []
        self.frames: list[str] = []
        self.words = Words() if dialect is None else dialect
        self.feed = SocketFeed(
            fixed("ws://venue/"),
            self.words,
            natives,
            clock=self.clock,
            rng=random.Random(1),
            on_frame=self._on_frame,
            emit=self.events.append,
            timing=timing,
            network=self,
            connection=connection,
            subscriptions_per_hour=per_hour,
        )

    def _on_frame(self, name: str, received_ns: int, raw: bytes, url: str = "", /) -> None:
        self.frames.append(name)
        notice = self.words.on_frame(received_ns, raw).notice
        if notice is not None:
            self.feed.on_notice(notice)

    def http(self) -> WriteTransport:
        raise AssertionError("no request goes here")

    async def dial(self, url: str, headers: Mapping[str, str] = NO_HEADERS) -> Line:
        await self.hold_dials.wait()
        if self.refuse_dials:
            raise SocketEnded("refused")
        self.lines.append(Line())
        self._dialled.set()
        return self.lines[-1]

    def run(self, story: Callable[[], Coroutine[Any, Any, None]]) -> None:
        async def whole() -> None:
            running = asyncio.create_task(self.feed.run())
            await self.turns()
            await asyncio.sleep(100 * self.gap_s)
            greeted = self.words.subscribe_messages(self.natives, 0) + self.words.bbo_messages(self.natives, 0)
            assert self.line.sent == [*greeted]
            self.line.sent.clear()
            await story()
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

        run_virtual(whole(), self.clock)

    @property
    def line(self) -> Line:
        return self.lines[-1]

    async def turns(self) -> list[str]:
        """Let the loop go round; return what was sent on the present line."""
        for _ in range(10):
            await asyncio.sleep(0)
        return self.line.sent

    async def reconnect(self) -> list[str]:
        """Lose the connection, and return what is sent on the next one."""
        self.line.end()
        return await self.next_line()

    async def next_line(self) -> list[str]:
        """Return what is sent on the next connection."""
        self._dialled.clear()
        await self._dialled.wait()
        await self.turns()
        return await self.turns()
