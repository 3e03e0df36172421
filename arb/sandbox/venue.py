"""One simulated venue as its clients meet it: exchange and dialect, with latency, faults and a record around them.

Two time axes: the scheduler's (the world's) and the venue's own clock, which `clock_skew` may put ahead. Everything
inside the exchange and its dialect is given the venue's time; everything scheduled is in the world's.
"""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from arb.clock import NS_PER_MS
from arb.sandbox.disturb import Disturbance
from arb.sandbox.exact import ONE
from arb.sandbox.exchange import SimExchange
from arb.sandbox.faults import BOOK_FAULTS, FILL_FAULTS, FRAME_FAULTS, REQUEST_FAULTS, Fault, FaultBoard
from arb.sandbox.market import BookStream, BookUpdate
from arb.sandbox.registry import SPECS
from arb.sandbox.values import Event, OrderChanged, SimOrder
from arb.sandbox.wire import CANCEL, CLOSED, PLACE, PUBLIC, QUERY, Call, Dialect, HttpAnswer, Scheduler, Session

CONTROL_DELAY_NS = 1 * NS_PER_MS
NEVER_EXECUTED = frozenset({"http_429", "http_503_maintenance", "reject_balance", "symbol_refused"})
HTML_502 = (
    b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n"
    b"<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
)


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """One private request as the venue saw it; `http_status` None: no answer was sent."""

    ns: int
    kind: str
    client_id: str
    http_status: int | None
    applied: bool
    over: str = "rest"


class Delivery(Protocol):
    def text(self, session_id: int, text: str) -> None:
        """Deliver a text frame."""

    def closed(self, session_id: int) -> None:
        """Deliver the closing of a session."""


Deliver = Callable[[HttpAnswer | None, int], None]
StreamKey = tuple[int, int]
"""A book stream's depth, and its interval in nanoseconds."""


class SimVenue:
    """A venue: `perform` for calls, `open`/`receive` for websockets."""

    def __init__(
        self,
        exchange: SimExchange,
        dialect: Dialect,
        scheduler: Scheduler,
        delivery: Delivery,
        rng: random.Random,
    ) -> None:
        self.exchange = exchange
        self.name = exchange.profile.name
        self.dialect = dialect
        self.scheduler = scheduler
        self.board = FaultBoard()
        self.records: list[RequestRecord] = []
        self.sessions: dict[int, Session] = {}
        self.skew_ns = 0
        self.key_revoked = False
        self.down = False
        self.race: Callable[[SimOrder], int | None] | None = None
        self._delivery = delivery
        self._rng = rng
        self._streams: dict[str, dict[StreamKey, tuple[BookStream, list[Session]]]] = {s: {} for s in exchange.markets}
        """By symbol, so that a change of one book only visits the streams of that book."""
        patience_ms = SPECS[self.name].patience_ms
        self._patience_ns = None if patience_ms is None else int(patience_ms * NS_PER_MS)
        self._marked: set[str] = set()
        """Symbols all of whose streams are due already: a further change needs no scheduling."""
        self._last_send_ns: dict[int, dict[str, int]] = {}
        self._held_texts: dict[int, tuple[str, str]] = {}
        self.disturbance = Disturbance(self)
        exchange.subscribe(self._on_event)
        exchange.rival = self._rival
        exchange.later = lambda delay_ns, action: scheduler.at(
            scheduler.now_ns + delay_ns, lambda _: action(self.now_ns)
        )
        for symbol, market in exchange.markets.items():
            market.book.on_change = self._due_marker(symbol)

    # -- time ------------------------------------------------------------------------------------------------------

    @property
    def now_ns(self) -> int:
        return self.scheduler.now_ns + self.skew_ns

    def _draw_ns(self, median_ms: float) -> int:
        sigma = self.exchange.profile.delay_sigma
        return int(median_ms * math.exp(self._rng.gauss(0.0, sigma)) * NS_PER_MS)

    # -- calls -----------------------------------------------------------------------------------------------------

    def perform(self, call: Call, execute: Callable[[int], HttpAnswer], deliver: Deliver, now_ns: int) -> None:
        """Take a call from the wire: way in, faults, execution, record, way out.

        `deliver(None, ...)` means that no answer will ever arrive, `deliver(CLOSED, ...)` that the connection is closed
        instead. Half the drawn order delay is on each way.
        """
        if self._is_down(_where(call)):
            self._record(call, None, False)
            deliver(CLOSED, self.scheduler.now_ns)
            return
        if self._patience_ns is not None:
            deliver = self._within(self._patience_ns, call, deliver)
        delay = self._draw_ns(self.exchange.profile.order_delay_ms)
        where = _where(call)
        started = self.scheduler.now_ns
        if call.kind != PUBLIC:
            self.board.count_state(where, call.symbol, started)
        self.disturbance.on_call(where, call.symbol, started)
        fault = self.board.take(REQUEST_FAULTS, where, call.symbol, started)
        self._sweep()
        name = fault.name if fault else ""
        arrive = started + delay // 2 + (fault.ms_as_ns() if fault and name == "delayed_request" else 0)
        way_out = delay - delay // 2 + (fault.ms_as_ns() if fault and name == "slow" else 0)

        def run(at_ns: int) -> None:
            if self._is_down(where):
                self._record(call, None, False)
                deliver(CLOSED, at_ns)
                return
            answer = self._execute(call, execute, fault)
            if answer is None or name == "lost_ack":
                deliver(None, at_ns)
            else:
                self.scheduler.at(at_ns + way_out, lambda out_ns: deliver(CLOSED if self.down else answer, out_ns))

        self.scheduler.at(arrive, run)

    def _within(self, patience_ns: int, call: Call, deliver: Deliver) -> Deliver:
        """Deliver one answer: the engine's, or after `patience_ns` that there was none; the engine may execute the call yet."""
        waiting = True

        def once(answer: HttpAnswer | None, at_ns: int) -> None:
            nonlocal waiting
            if waiting:
                waiting = False
                deliver(answer, at_ns)

        def give_up(at_ns: int) -> None:
            once(self.dialect.fault_answer("timeout", call, self.now_ns), at_ns)

        self.scheduler.at(self.scheduler.now_ns + patience_ns, give_up)
        return once

    def _execute(self, call: Call, execute: Callable[[int], HttpAnswer], fault: Fault | None) -> HttpAnswer | None:
        """Run a call at the matching engine, under at most one fault; None when it never arrives."""
        self._sweep()
        now_ns, before = self.now_ns, self.exchange.taken
        name = fault.name if fault else ""
        if name == "lost_request":
            self._record(call, None, False)
            return None
        if self.key_revoked and call.kind != PUBLIC:
            answer = self.dialect.fault_answer("key_revoked", call, now_ns)
        elif fault is not None and (name in NEVER_EXECUTED or self._dies_before(fault)):
            answer = self._fault_answer(name, call, now_ns)
        else:
            answer = execute(now_ns)
            if name in ("http_500", "http_502_html"):
                answer = self._fault_answer(name, call, now_ns)
            elif name == "malformed_json":
                answer.body = answer.body[: max(1, len(answer.body) * 2 // 3)]
        self._record(call, None if name == "lost_ack" else answer.status, self.exchange.taken != before)
        return answer

    def _is_down(self, where: str) -> bool:
        """Return whether the venue closes new connections, and count the hit."""
        self._sweep()
        if self.down:
            self.board.take(_DOWN, where, None, self.scheduler.now_ns)
            self._sweep()
        return self.down

    def _dies_before(self, fault: Fault) -> bool:
        if fault.name not in ("http_500", "http_502_html"):
            return False
        return fault.param == "before" or (fault.param != "after" and self._rng.random() < 0.5)

    def _fault_answer(self, name: str, call: Call, now_ns: int) -> HttpAnswer:
        if name == "http_502_html":
            return HttpAnswer(502, HTML_502, content_type="text/html")
        return self.dialect.fault_answer(name, call, now_ns)

    def _record(self, call: Call, status: int | None, applied: bool) -> None:
        if call.kind == PUBLIC:
            return
        for client_id in call.client_ids or ("",):
            self.records.append(RequestRecord(self.now_ns, call.kind, client_id, status, applied, call.over))

    # -- sessions --------------------------------------------------------------------------------------------------

    def refuses_session(self) -> bool:
        return self._is_down("stream")

    def open(self, session_id: int, path: str, query: str = "") -> Session:
        session = self.dialect.open(self, path)
        session.id = session_id
        self.sessions[session_id] = session
        self._last_send_ns[session_id] = {"": self.scheduler.now_ns}
        session.opened(query, self.now_ns)
        return session

    def receive(self, session_id: int, text: str) -> None:
        session = self.sessions.get(session_id)
        if session is not None and session.is_open:
            session.receive(text, self.now_ns)

    def forget_session(self, session_id: int) -> None:
        session = self.sessions.pop(session_id, None)
        if session is None:
            return
        session.is_open = False
        self._last_send_ns.pop(session_id, None)
        self._held_texts.pop(session_id, None)
        joined = [
            (symbol, key)
            for symbol, streams in self._streams.items()
            for key, (_, members) in streams.items()
            if session in members
        ]
        for symbol, key in joined:
            self.unsubscribe_book(session, symbol, *key)

    def close_session(self, session: Session, now_ns: int) -> None:
        """Close a connection from the venue's side, after the frames already sent."""
        if session.is_open:
            at_ns = max(self.scheduler.now_ns, *self._last_send_ns.get(session.id, {}).values())
            session.is_open = False
            self.scheduler.at(at_ns, lambda _: self.cut_session(session))

    def cut_session(self, session: Session) -> None:
        """Break a connection at once; frames in flight are lost."""
        if session.id in self.sessions:
            self.forget_session(session.id)
            self._delivery.closed(session.id)

    def send(self, session: Session, text: str, kind: str, symbol: str | None, now_ns: int, lane: str = "") -> None:
        """Send a frame: market and private data after the feed delay and through the stream faults."""
        if not session.is_open:
            return
        if kind == "control":
            self._send_at(session, text, CONTROL_DELAY_NS)
            return
        delay = self._draw_ns(self.exchange.profile.feed_delay_ms)
        if not self.board.active and not self._held_texts:
            self._send_at(session, text, delay, lane)
            return
        names = BOOK_FAULTS if kind == "book" else FILL_FAULTS if kind == "fill" else FRAME_FAULTS
        fault = self.board.take(names, "stream", symbol, self.scheduler.now_ns)
        delay += self.disturbance.balance_delay_ns if kind == "balance" else 0
        self._send_disturbed(session, text, delay, lane, fault)
        self._sweep()

    def _send_disturbed(self, session: Session, text: str, delay: int, lane: str, fault: Fault | None) -> None:
        name = fault.name if fault else ""
        if name in ("ws_gap", "fill_event_lost"):
            return
        if name == "ws_disconnect":
            self.cut_session(session)
            return
        if fault is not None and name in ("ws_stall", "ws_lag"):
            delay += fault.ms_as_ns()
        if name == "ws_stall":
            last_ns = self._last_send_ns[session.id]
            for held_up in last_ns:  # the whole connection, with subscriptions begun while it is frozen
                last_ns[held_up] = max(last_ns[held_up], self.scheduler.now_ns + delay)
        if fault is not None and name == "ws_garbage":
            self._send_at(session, str(fault.param), delay, lane)
        if name == "ws_reorder" and session.id not in self._held_texts:
            self._held_texts[session.id] = text, lane
            return
        self._send_at(session, text, delay, lane)
        if name in ("ws_duplicate", "duplicate_fill_event"):
            self._send_at(session, text, delay, lane)
        held = self._held_texts.pop(session.id, None)
        if held is not None:
            self._send_at(session, held[0], delay, held[1])

    def _send_at(self, session: Session, text: str, delay_ns: int, lane: str = "") -> None:
        last_ns = self._last_send_ns[session.id]
        # The first frame of a lane arrives after the acknowledgement of its channel.
        at_ns = last_ns[lane] = max(self.scheduler.now_ns + delay_ns, last_ns.get(lane, last_ns[""]))
        session_id = session.id

        def deliver(_: int) -> None:
            if session_id in self.sessions:
                self._delivery.text(session_id, text)

        self.scheduler.at(at_ns, deliver)

    # -- book streams ----------------------------------------------------------------------------------------------

    def subscribe_book(self, session: Session, symbol: str, depth: int, interval_ns: int, now_ns: int) -> BookUpdate:
        """Join a book stream (made when absent) and return its state as last published."""
        market, key = self.exchange.market(symbol), (depth, interval_ns)
        streams = self._streams[symbol]
        if key not in streams:
            streams[key] = (BookStream(market, depth, interval_ns, now_ns), [])
            self._marked.discard(symbol)
        stream, members = streams[key]
        if session not in members:
            members.append(session)
        return stream.full()

    def unsubscribe_book(self, session: Session, symbol: str, depth: int, interval_ns: int) -> None:
        """End a session's book stream; one without members ends."""
        key, streams = (depth, interval_ns), self._streams.get(symbol, {})
        entry = streams.get(key)
        if entry is None or session not in entry[1]:
            return
        entry[1].remove(session)
        if not entry[1]:
            entry[0].close()
            del streams[key]

    def _due_marker(self, symbol: str) -> Callable[[], None]:
        def mark() -> None:
            if symbol in self._marked:
                return
            self._marked.add(symbol)
            for key, (stream, _) in self._streams[symbol].items():
                if not stream.is_due:
                    stream.is_due = True
                    interval = stream.interval_ns
                    due = (self.scheduler.now_ns // interval + 1) * interval
                    self.scheduler.at(due, self._publisher(symbol, key))

        return mark

    def _publisher(self, symbol: str, key: StreamKey) -> Callable[[int], None]:
        def publish(_: int) -> None:
            entry = self._streams[symbol].get(key)
            if entry is None:
                return
            stream, members = entry
            if self.board.take(_FROZEN, "stream", symbol, self.scheduler.now_ns) is not None:
                # All of it is published once that is over: to a client the venue's books were merely frozen.
                self.scheduler.at(self.scheduler.now_ns + stream.interval_ns, publish)
                return
            stream.is_due = False
            self._marked.discard(symbol)
            fine = self.board.take(_FINE, "stream", symbol, self.scheduler.now_ns)
            stream.market.fine = 0 if fine is None else int(fine.number())
            update = stream.publish(self.now_ns)
            if update is not None:
                for session in list(members):
                    session.on_book(update)

        return publish

    def is_busy(self, session_id: int) -> bool:
        """Return whether a session carries books and its connection must be busy (`busy_feed`); each yes counts as a hit."""
        if not self.board.active or session_id not in self.sessions:
            return False
        session = self.sessions[session_id]
        carries = any(session in members for streams in self._streams.values() for _, members in streams.values())
        return carries and self.board.take(_BUSY, "stream", None, self.scheduler.now_ns) is not None

    # -- callbacks of the exchange -------------------------------------------------------------------------------------

    def _on_event(self, event: Event) -> None:
        for said in self.disturbance.reported(event):
            for session in list(self.sessions.values()):
                session.on_event(said)
        if self.board.active and isinstance(event, OrderChanged) and event.what == "finish":
            self.disturbance.on_order_ended(event.order)
        self.disturbance.on_event(event)

    def _rival(self, order: SimOrder) -> int | None:
        fault = self.board.take(_PARTIAL, "place", order.symbol, self.scheduler.now_ns)
        if fault is not None:
            return int(order.lots * min(fault.number(), ONE))
        return self.race(order) if self.race is not None else None

    def _sweep(self) -> None:
        for fault in self.board.sweep(self.scheduler.now_ns):
            self.disturbance.end(fault)

    def sweep(self) -> None:
        self._sweep()


_BUSY = frozenset({"busy_feed"})
_FINE = frozenset({"fine_levels"})
_FROZEN = frozenset({"book_frozen"})
_PARTIAL = frozenset({"partial_fill"})
_DOWN = frozenset({"venue_down"})


def _where(call: Call) -> str:
    return call.kind if call.kind in (PLACE, CANCEL, QUERY) else "public"
