"""The shell of a public feed: a kept-up connection that subscribes to books and delivers every frame unchanged.

Frames are understood by the engine's `BookFeed`; this shell asks the same object only for its messages, and receives
the notices of control frames (`on_notice`). While a resync, or a book that was retired and may return, waits for the
confirmation that its subscription ended, nothing is subscribed: a venue takes that for an error (Gate WebSocket v4,
"Order Book V2").

Where a venue's snapshots are fetched, these are delivered among the frames (`arb.venues.kit.snapshots`).

An unreadable frame loses all books of its connection at once. Where messages must be apart (Bitget: 0.15 s),
resubscribing 100 books takes 200 messages, 30 s, and more than 120 books an hour the venue would not even allow (240
requests); a new connection asks for 50 books with one message. So a new one is opened before the old one is closed,
when at least half of its books are lost and resubscribing them would take longer than `RECONNECT_S` and the greeting,
or more requests than remain for the hour. The other half is why fewer are resubscribed: a new connection interrupts the
books that are live. Books that were lost shortly before do not count: books that no new connection has helped are tried
again ever later, one by one.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from arb.clock import NS_PER_S, Clock
from arb.core.messages.events import FeedDown, FeedUp, TroubleReported
from arb.core.messages.incidents import IncidentKind
from arb.market.feed import BookFeed, Notice, NoticeKind, ResyncBy, connection_name, further_name
from arb.venues.kit.base import EventListener, FrameListener
from arb.venues.kit.resyncs import MESSAGES, ResyncPace
from arb.venues.kit.snapshots import SnapshotFetcher, SnapshotSource
from arb.venues.transport.address import Address, ConnectionTiming
from arb.venues.transport.connection import StreamConnection
from arb.venues.transport.frames import PerSecond
from arb.venues.transport.network import Network
from arb.venues.transport.websocket import nothing

_LOG = logging.getLogger(__name__)
# A venue that does not confirm within this time is asked to subscribe anyhow; a connection that stays silent is closed.
RESYNC_ANSWER_S = 2.0
RESYNC_GIVE_UP_S = 6.0
RECONNECT_S = 1.0
"""The time of a new connection before its first message can be sent: name, TCP, TLS and upgrade, some round trips."""
BOOKS_PER_MESSAGE = 50
"""How many one message of a greeting subscribes to where messages must be apart (`arb.venues.books.plain.pushed`)."""


NOTICES_PER_S = 1000
"""How many control frames a venue may send in a second: one for each of some hundred books that are subscribed at once."""
UNREADABLE_COUNTS = 200
"""As how many of them an unreadable frame counts: it loses all books of the connection."""
OTHERS_PER_S = 20_000
"""How many frames that change no book: best quotes of some hundred books, at their busiest."""


class _Resync(msgspec.Struct):
    """`again`: the book was lost soon after it had been asked for again."""

    asked_ns: int
    subscribed: bool = False
    again: bool = False


class SocketFeed:
    """See `arb.venues.kit.base.MarketFeed`. `connection`: its name, by default that of the venue's first.

    `subscriptions_per_hour`: how many requests to subscribe and unsubscribe the venue allows it; 0: any number. `snapshots`:
    where the snapshots of its books are fetched, if they are; `admit` waits until the venue allows another connection.
    """

    def __init__(
        self,
        address: Address,
        dialect: BookFeed,
        native_symbols: Sequence[str],
        *,
        clock: Clock,
        rng: random.Random,
        on_frame: FrameListener,
        emit: EventListener,
        timing: ConnectionTiming | None = None,
        network: Network | None = None,
        connection: str = "",
        subscriptions_per_hour: int = 0,
        snapshots: SnapshotSource | None = None,
        admit: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.venue = dialect.venue
        self.connection = connection or connection_name(self.venue)
        self._name_in_events = further_name(self.connection)
        self._dialect = dialect
        self._natives = list(native_symbols)
        self._up = False
        self._clock = clock
        self._emit = emit
        self._notices, self._others = PerSecond(NOTICES_PER_S), PerSecond(OTHERS_PER_S)
        self._others_seen = 0
        self._pace = ResyncPace(subscriptions_per_hour)
        self._resyncs: dict[str, _Resync] = {}
        # Books that were unsubscribed for good, and when; until the venue confirms it, or should have.
        self._leaving: dict[str, int] = {}
        timing = ConnectionTiming() if timing is None else timing
        self._message_s = timing.send_gap_s
        self._fetcher: SnapshotFetcher | None = None
        if snapshots is not None:
            self._fetcher = SnapshotFetcher(
                dialect,
                snapshots,
                clock=clock,
                deliver=lambda received_ns, body, path: on_frame(self.connection, received_ns, body, path),
                report=lambda text: self._report(f"{self.connection}: {text}"),
            )
        self._connection = StreamConnection(
            address,
            clock=clock,
            rng=rng,
            greetings=self._greetings,
            on_frame=lambda received_ns, raw: on_frame(self.connection, received_ns, raw),
            on_up=self._on_up,
            on_down=self._on_down,
            on_tick=self._on_tick,
            ping=lambda: dialect.ping_message(self._now_s()),
            timing=timing,
            network=network,
            admit=admit,
        )

    async def run(self, on_read: Callable[[], None] = nothing) -> None:
        if self._fetcher is None:
            await self._connection.run(on_read)
            return
        tasks = [asyncio.create_task(each) for each in (self._connection.run(on_read), self._fetcher.run())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def resync(self, native_symbol: str, by: ResyncBy = ResyncBy.RESUBSCRIBE) -> None:
        """Fetch the snapshot of one book, or unsubscribe it and subscribe it again once the venue has confirmed.

        Of a retired book nothing is asked. One that is lost again soon waits, ever longer (`arb.venues.kit.resyncs`).
        """
        if not self._up or native_symbol in self._resyncs or native_symbol not in self._natives:
            return
        if by is ResyncBy.FETCH and self._fetcher is not None:
            self._fetcher.ask(native_symbol)
            return
        now_ns = self._clock.monotonic_ns()
        if self._pace.ask(native_symbol, now_ns):
            self._begin_resyncs(now_ns)

    def add_book(self, native_symbol: str) -> None:
        if native_symbol in self._natives:
            return
        self._natives.append(native_symbol)
        if not self._up:
            return  # the greeting will name it
        left_ns = self._leaving.pop(native_symbol, None)
        if left_ns is None:
            self._send(self._dialect.subscribe_messages((native_symbol,), self._now_s()))
        else:
            self._pace.sent(MESSAGES - 1, self._clock.monotonic_ns())
            self._resyncs[native_symbol] = _Resync(left_ns)
        self._send(self._dialect.bbo_messages((native_symbol,), self._now_s()))

    def retire_book(self, native_symbol: str) -> None:
        if native_symbol not in self._natives:
            return
        self._natives.remove(native_symbol)
        self._pace.forget(native_symbol)
        if self._fetcher is not None:
            self._fetcher.forget(native_symbol)
        if not self._up:
            return
        self._send(self._dialect.bbo_messages((native_symbol,), self._now_s(), end=True))
        resync = self._resyncs.pop(native_symbol, None)
        if resync is not None and not resync.subscribed:
            self._leaving[native_symbol] = resync.asked_ns
            return
        self._leaving[native_symbol] = self._clock.monotonic_ns()
        self._send(self._dialect.unsubscribe_messages((native_symbol,), self._now_s()))

    def unread(self) -> bool:
        return self._connection.unread()

    def on_notice(self, notice: Notice) -> None:
        """Handle a control frame about our requests, or about the connection."""
        lost_all = notice.kind is NoticeKind.UNREADABLE and not notice.native_symbols
        self._connection.bound(self._notices, UNREADABLE_COUNTS if lost_all else 1)
        match notice.kind:
            case NoticeKind.SUBSCRIBED:
                for native in notice.native_symbols:
                    resync = self._resyncs.get(native)
                    if resync is not None and resync.subscribed:
                        del self._resyncs[native]
            case NoticeKind.UNSUBSCRIBED:
                for native in notice.native_symbols:
                    resync = self._resyncs.get(native)
                    if resync is not None and not resync.subscribed:
                        self._subscribe(native, resync)
                    self._leaving.pop(native, None)
            case NoticeKind.REFUSED:
                if len(notice.native_symbols) > 1:
                    self._ask_by_halves(notice.native_symbols)
                    return
                about = ", ".join(notice.native_symbols) or "a request"
                said = f"{notice.code} {notice.text}".strip() or "no reason"
                self._report(f"{self.connection} refused {about}: {said}")
                for native in notice.native_symbols:
                    self._resync_refused(native)
            case NoticeKind.UNCHECKED:
                self._emit(TroubleReported(kind=IncidentKind.UNCHECKED, text=f"{self.connection}: {notice.text}"))
            case NoticeKind.UPGRADE:
                self._connection.renew("the venue announced that it closes the connection")

    def _ask_by_halves(self, natives: Sequence[str]) -> None:
        """Subscribe again to books that were refused together: one name unknown to the venue spoils a request for many."""
        wanted = [native for native in natives if native in self._natives]
        middle = len(natives) // 2
        for half in (wanted[:middle], wanted[middle:]):
            if half:
                self._send(self._dialect.subscribe_messages(half, self._now_s()))

    def _resync_refused(self, native: str) -> None:
        """Continue a refused resync: after a refused end subscribe, after a refused subscription try again later."""
        resync = self._resyncs.get(native)
        if resync is None:
            return
        if not resync.subscribed:
            self._subscribe(native, resync)
            return
        del self._resyncs[native]
        self._pace.ask(native, self._clock.monotonic_ns())

    def _report(self, text: str) -> None:
        self._emit(TroubleReported(kind=IncidentKind.BOOK_MISSING, text=text))

    def _begin_resyncs(self, now_ns: int) -> None:
        """Begin as many resyncs as can be sent before an answer is missed; reconnect where that is quicker."""
        if self._reconnecting_is_quicker(now_ns):
            self._connection.renew(f"{self._lost_together()} of {len(self._natives)} books were lost together")
        most = None
        if self._message_s:
            most = max(0, int(RESYNC_ANSWER_S / (MESSAGES * self._message_s)) - len(self._resyncs))
        for native in self._pace.due(now_ns, most):
            self._resyncs[native] = _Resync(now_ns, again=self._pace.again(native))
            self._pace.sent(MESSAGES - 1, now_ns)  # the messages of `_subscribe`: they must still be allowed then
            self._send(self._dialect.unsubscribe_messages((native,), self._now_s()))

    def _lost_together(self) -> int:
        """Return how many books are lost that were not lost shortly before."""
        return self._pace.fresh() + sum(not resync.again for resync in self._resyncs.values())

    def _reconnecting_is_quicker(self, now_ns: int) -> bool:
        waiting, lost, total = self._pace.fresh(), self._lost_together(), len(self._natives)
        if not waiting or 2 * lost < total:
            return False
        room = self._pace.room(now_ns)
        if room is not None and room < waiting:
            return True
        greeting_s = self._message_s * -(-total // BOOKS_PER_MESSAGE)
        return MESSAGES * lost * self._message_s > RECONNECT_S + greeting_s

    def _subscribe(self, native: str, resync: _Resync) -> None:
        resync.subscribed = True
        self._leave(self._dialect.subscribe_messages((native,), self._now_s()))

    def _on_tick(self) -> None:
        now_ns = self._clock.monotonic_ns()
        before, self._others_seen = self._others_seen, self._dialect.counts.other
        self._connection.bound(self._others, self._others_seen - before)
        self._begin_resyncs(now_ns)
        for native, resync in list(self._resyncs.items()):
            waited_s = (now_ns - resync.asked_ns) / NS_PER_S
            if waited_s >= RESYNC_GIVE_UP_S:
                self._connection.drop(f"no answer to the resync of {native}")
                return
            if waited_s >= RESYNC_ANSWER_S and not resync.subscribed:
                self._subscribe(native, resync)
        for native, left_ns in list(self._leaving.items()):
            if (now_ns - left_ns) / NS_PER_S >= RESYNC_ANSWER_S:
                del self._leaving[native]

    def _on_up(self) -> None:
        self._up = True
        self._emit(FeedUp(venue=self.venue, connection=self._name_in_events))

    def _on_down(self, cause: str) -> None:
        if self._up:
            _LOG.warning("%s: a public stream ended: %s", self.venue, cause)
        self._up = False
        self._resyncs.clear()
        self._pace.lost_connection()
        if self._fetcher is not None:
            self._fetcher.lost_connection()
        self._leaving.clear()
        self._emit(FeedDown(venue=self.venue, cause=cause, connection=self._name_in_events))

    def _greetings(self) -> Sequence[str]:
        natives, now_s = tuple(self._natives), self._now_s()
        messages = (
            *self._dialect.subscribe_messages(natives, now_s),
            *self._dialect.bbo_messages(natives, now_s),
        )
        self._pace.sent(len(messages), self._clock.monotonic_ns())
        return messages

    def _send(self, messages: Sequence[str]) -> None:
        self._pace.sent(len(messages), self._clock.monotonic_ns())
        self._leave(messages)

    def _leave(self, messages: Sequence[str]) -> None:
        for text in messages:
            if not self._connection.send(text):
                self._connection.drop("too many messages wait to be sent")
                return

    def _now_s(self) -> int:
        return self._clock.wall_ns() // NS_PER_S
