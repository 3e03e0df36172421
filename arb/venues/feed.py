"""The shell of a public feed: a kept-up connection that subscribes to books and hands over every frame as it came.

Frames are understood by the engine's `BookFeed`; this shell asks the same object only for its messages. The one thing it
reads in frames itself is the confirmation that a subscription ended, and only while a resync waits for one.
"""

import random
from collections.abc import Sequence

import msgspec

from arb.clock import NS_PER_S, Clock
from arb.core.events import FeedDown, FeedUp
from arb.market.feed import BookFeed, connection_name, further_name
from arb.venues.base import EventListener, FrameListener
from arb.venues.transport.connection import ConnectionTiming, StreamConnection
from arb.venues.transport.wires import Wires

# A venue that does not confirm within this time is asked to subscribe anyhow; one that stays mute is left.
RESYNC_ANSWER_S = 2.0
RESYNC_GIVE_UP_S = 6.0
_ACK_BYTES_MAX = 2048


class _Resync(msgspec.Struct):
    asked_ns: int
    subscribed: bool = False


class SocketFeed:
    """See `arb.venues.base.MarketFeed`. `connection`: its name, by default that of the venue's first."""

    def __init__(
        self,
        url: str,
        dialect: BookFeed,
        native_symbols: Sequence[str],
        *,
        clock: Clock,
        rng: random.Random,
        on_frame: FrameListener,
        emit: EventListener,
        timing: ConnectionTiming | None = None,
        wires: Wires | None = None,
        connection: str = "",
    ) -> None:
        self.venue = dialect.venue
        self.connection = connection or connection_name(self.venue)
        self._told_as = further_name(self.connection)
        self._dialect = dialect
        self._natives = tuple(native_symbols)
        self._clock = clock
        self._listener = on_frame
        self._emit = emit
        self._resyncs: dict[str, _Resync] = {}
        self._connection = StreamConnection(
            url,
            clock=clock,
            rng=rng,
            greetings=lambda: dialect.subscribe_messages(self._natives, self._now_s()),
            on_frame=self._on_frame,
            on_up=lambda: emit(FeedUp(venue=self.venue, connection=self._told_as)),
            on_down=self._on_down,
            on_tick=self._on_tick,
            ping=lambda: dialect.ping_message(self._now_s()),
            timing=timing,
            wires=wires,
        )

    async def run(self) -> None:
        """Keep the feed up until cancelled."""
        await self._connection.run()

    def resync(self, native_symbol: str) -> None:
        """Unsubscribe one book and subscribe it again once the venue has confirmed."""
        if native_symbol in self._resyncs:
            return
        self._resyncs[native_symbol] = _Resync(self._clock.monotonic_ns())
        self._send(self._dialect.unsubscribe_messages((native_symbol,), self._now_s()))

    def unread(self) -> bool:
        """Return whether received bytes still wait to be handed over."""
        return self._connection.unread()

    def _on_frame(self, received_ns: int, raw: bytes) -> None:
        if self._resyncs and len(raw) <= _ACK_BYTES_MAX:
            self._look_for_answers(raw)
        self._listener(self.connection, received_ns, raw)

    def _look_for_answers(self, raw: bytes) -> None:
        text = raw.lower()
        if b"subscribe" not in text:
            return
        ended = b"unsubscribe" in text
        for native, resync in list(self._resyncs.items()):
            if native.lower().encode() not in text:
                continue
            if ended and not resync.subscribed:
                self._subscribe(native, resync)
            elif not ended and resync.subscribed:
                del self._resyncs[native]

    def _subscribe(self, native: str, resync: _Resync) -> None:
        resync.subscribed = True
        self._send(self._dialect.subscribe_messages((native,), self._now_s()))

    def _on_tick(self) -> None:
        now_ns = self._clock.monotonic_ns()
        for native, resync in list(self._resyncs.items()):
            waited_s = (now_ns - resync.asked_ns) / NS_PER_S
            if waited_s >= RESYNC_GIVE_UP_S:
                self._connection.drop(f"no answer to the resync of {native}")
                return
            if waited_s >= RESYNC_ANSWER_S and not resync.subscribed:
                self._subscribe(native, resync)

    def _on_down(self, cause: str) -> None:
        self._resyncs.clear()
        self._emit(FeedDown(venue=self.venue, cause=cause, connection=self._told_as))

    def _send(self, messages: Sequence[str]) -> None:
        for text in messages:
            if not self._connection.send(text):
                self._connection.drop("too many messages wait to be sent")
                return

    def _now_s(self) -> int:
        return self._clock.wall_ns() // NS_PER_S
