"""The shape of a dialect, and the parts shared by all: sessions, rate meters, the schedule. Pure, no sockets.

A `Dialect` turns HTTP requests into `HttpAnswer`s and opens `Session`s for websockets. `SimVenue` (`venue.py`)
wraps it and adds, for every dialect alike: latency, faults, the record of requests, and delivery.

    dialect.classify(request, now_ns)        -> Call(kind, symbol, client_ids): its subject, for faults
                                                and records; reads without judging (never raises on garbage)
    dialect.handle(request, now_ns)          -> HttpAnswer, executed when the request reaches the matching engine
    dialect.fault_answer(name, call, now_ns) -> HttpAnswer of a venue fault: http_429 http_500 http_503_maintenance
                                                reject_balance key_revoked order_not_found, and
                                                timeout where `SimSpec.patience_ms` is set
    dialect.open(venue, path)                -> Session for a websocket path

A `Session` is one websocket. Its dialect implements `receive(text, now_ns)`, and as it likes `on_event(event)` (every
event of the exchange) and `on_book(update)` (book streams it asked for). It sends by

    session.answer(text, now_ns)                      acknowledgements, pongs: soon
    session.push(text, kind, symbol, now_ns)          market or private data: after the venue's feed delay, subject to
                                                      stream faults; kind is book, trade, ticker, order, fill, balance
    session.push(..., lane=channel)                   the same, in a separate order: reports of one fill in different
                                                      private channels arrive in any order
    session.close(now_ns)
    session.subscribe_book(symbol, depth, interval_ns, now_ns) -> BookUpdate (full, send it as the snapshot)
    session.unsubscribe_book(symbol, depth, interval_ns)
    session.perform(call, execute, reply, now_ns)     an order request over the websocket: `execute(now_ns)` runs after
                                                      the way in and returns an HttpAnswer, `reply(answer, now_ns)` is
                                                      called after the way out; faults apply as for HTTP

Texts to one session arrive in the order in which they were sent, lane by lane. `CommandSession` is the websocket that OKX and
Bitget have in common; `RateMeter` counts requests as venues do; `Scheduler` runs due actions.
"""

import heapq
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Protocol
from urllib.parse import parse_qsl, unquote_plus

import msgspec

from arb.sandbox.exchange import SimExchange
from arb.sandbox.market import BookUpdate
from arb.sandbox.values import Event

PLACE = "place"
CANCEL = "cancel"
QUERY = "query"
PUBLIC = "public"
NESTING_MAX = 64
"""Deeper JSON is garbage: no request to a venue nests a tenth as deep, and readers and writers of JSON run out of stack."""


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One HTTP request as received. `query` is the literal text after `?` (still encoded), '' when none.

    Header names are lower case. `path` begins with `/` and is as sent, without scheme and host.
    """

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes
    received_ns: int = 0
    """When it reached the venue's door, by the venue's clock; it reaches the engine later."""

    def params(self) -> dict[str, str]:
        return dict(parse_qsl(self.query, keep_blank_values=True))

    def decoded_query(self) -> str:
        """Return the query with its percent-encoding undone, in the order sent."""
        return unquote_plus(self.query)


@dataclass(slots=True)
class HttpAnswer:
    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json"


CLOSED = HttpAnswer(0, b"")
"""A connection that is closed without an answer."""


@dataclass(frozen=True, slots=True)
class Call:
    """The subject of a request. `kind`: place, cancel, query (private reads) or public."""

    kind: str
    symbol: str | None = None
    client_ids: tuple[str, ...] = ()
    detail: str = ""
    """The kind of query, where a fault depends on it: `order_by_client_id`; else any text."""
    over: str = "rest"
    """Its transport: `rest` or `websocket`."""


def is_shallow(json_text: str | bytes) -> bool:
    """Return whether JSON nests at most `NESTING_MAX` deep, brackets within strings counted too."""
    text = json_text if isinstance(json_text, str) else json_text.decode("latin-1")
    if text.count("[") + text.count("{") <= NESTING_MAX:
        return True
    depth = 0
    for letter in text:
        if letter in "[{":
            depth += 1
            if depth > NESTING_MAX:
                return False
        elif letter in "]}":
            depth -= 1
    return True


class Scheduler:
    """Run actions at their instants; `now_ns` is the instant of the action being run."""

    def __init__(self, now_ns: int) -> None:
        self.now_ns = now_ns
        self._heap: list[tuple[int, int, Callable[[int], None]]] = []
        self._count = 0

    def at(self, at_ns: int, action: Callable[[int], None]) -> None:
        """Schedule `action(at_ns)`; an instant already past runs as soon as possible, at the present instant."""
        self._count += 1
        heapq.heappush(self._heap, (max(at_ns, self.now_ns), self._count, action))

    def next_ns(self) -> int | None:
        return self._heap[0][0] if self._heap else None

    def run_until(self, now_ns: int) -> None:
        """Run everything due up to and including `now_ns`, in order of instant and of scheduling."""
        while self._heap and self._heap[0][0] <= now_ns:
            at_ns, _, action = heapq.heappop(self._heap)
            self.now_ns = at_ns
            action(at_ns)
        self.now_ns = max(self.now_ns, now_ns)

    def skip_to(self, now_ns: int) -> None:
        """Move to a later instant without running anything; all scheduled actions are delayed by the same time."""
        by_ns, self.now_ns = now_ns - self.now_ns, now_ns
        self._heap = [(at_ns + by_ns, number, action) for at_ns, number, action in self._heap]


class Dialect(Protocol):
    def classify(self, request: HttpRequest, now_ns: int) -> Call:
        """Describe a request, without judging it."""

    def handle(self, request: HttpRequest, now_ns: int) -> HttpAnswer:
        """Execute a request at the venue and answer it."""

    def fault_answer(self, name: str, call: Call, now_ns: int) -> HttpAnswer:
        """Return the venue's own answer for a fault."""

    def open(self, venue: "Venue", path: str) -> "Session":
        """Open a websocket session on a path."""


class Venue(Protocol):
    """The parts of a venue that a session needs; `SimVenue` implements them."""

    exchange: SimExchange
    scheduler: Scheduler
    key_revoked: bool

    @property
    def now_ns(self) -> int:
        """Return the venue's own time."""

    def send(self, session: "Session", text: str, kind: str, symbol: str | None, now_ns: int, lane: str = "") -> None:
        """Send a frame."""

    def close_session(self, session: "Session", now_ns: int) -> None:
        """Close a connection."""

    def subscribe_book(self, session: "Session", symbol: str, depth: int, interval_ns: int, now_ns: int) -> BookUpdate:
        """Start a book stream and return its present state."""

    def unsubscribe_book(self, session: "Session", symbol: str, depth: int, interval_ns: int) -> None:
        """Stop a book stream."""

    def perform(
        self,
        call: Call,
        execute: Callable[[int], HttpAnswer],
        deliver: Callable[[HttpAnswer | None, int], None],
        now_ns: int,
    ) -> None:
        """Take a call, with latency, faults and record."""


class Session:
    """One websocket connection; dialects override `receive`, `on_event` and `on_book`."""

    def __init__(self, venue: "Venue", path: str) -> None:
        self.venue = venue
        self.path = path
        self.id = 0
        self.is_open = True

    def opened(self, query: str, now_ns: int) -> None:
        """Handle the query of the address that it was opened by; "" for none."""

    def receive(self, text: str, now_ns: int) -> None:
        """Handle one text frame from the client."""

    def announce_end(self, now_ns: int) -> None:
        """Announce that the connection is about to be closed, where the venue does so."""

    def on_event(self, event: Event) -> None:
        """Handle one event of the exchange (called for every event; filter by own subscriptions)."""

    def on_book(self, update: BookUpdate) -> None:
        """Handle one update of a subscribed book stream."""

    def answer(self, text: str, now_ns: int) -> None:
        self.venue.send(self, text, "control", None, now_ns)

    def push(self, text: str, kind: str, symbol: str | None, now_ns: int, lane: str = "") -> None:
        """Send a data frame after the feed delay; frames of one lane arrive in their order."""
        self.venue.send(self, text, kind, symbol, now_ns, lane)

    def close(self, now_ns: int) -> None:
        self.venue.close_session(self, now_ns)

    def subscribe_book(self, symbol: str, depth: int, interval_ns: int, now_ns: int) -> BookUpdate:
        """Start a book stream and return its present state as a full update."""
        return self.venue.subscribe_book(self, symbol, depth, interval_ns, now_ns)

    def unsubscribe_book(self, symbol: str, depth: int, interval_ns: int) -> None:
        self.venue.unsubscribe_book(self, symbol, depth, interval_ns)

    def perform(
        self,
        call: Call,
        execute: Callable[[int], HttpAnswer],
        reply: Callable[[HttpAnswer, int], None],
        now_ns: int,
    ) -> None:
        """Run an order request from the websocket, with latency, faults and record."""

        def deliver(answer: HttpAnswer | None, at_ns: int) -> None:
            if answer is not None and self.is_open:
                reply(answer, at_ns)

        self.venue.perform(replace(call, over="websocket"), execute, deliver, now_ns)


class CommandSession(Session, ABC):
    """Read JSON commands and answer the text `ping` with `pong`; close the connection after `idle_ns` without a frame.

    Dialects implement `command` for a JSON object and `garbled` for anything else.
    """

    idle_ns: ClassVar[int]
    pushes_keep_alive: ClassVar[bool] = False
    """Whether a frame sent by the venue breaks the silence too."""

    def __init__(self, venue: Venue, path: str) -> None:
        super().__init__(venue, path)
        self._alive_ns = venue.scheduler.now_ns
        self._watch_silence()

    @abstractmethod
    def command(self, message: dict[str, Any], now_ns: int) -> None:
        """Obey one JSON object from the client."""

    @abstractmethod
    def garbled(self, text: str, now_ns: int) -> None:
        """Answer a frame that is no JSON object."""

    def receive(self, text: str, now_ns: int) -> None:
        self._alive_ns = self.venue.scheduler.now_ns
        if text == "ping":
            self.answer("pong", now_ns)
            return
        try:
            message = msgspec.json.decode(text) if is_shallow(text) else None
        except msgspec.DecodeError:
            message = None
        if isinstance(message, dict):
            self.command(message, now_ns)
        else:
            self.garbled(text, now_ns)

    def push(self, text: str, kind: str, symbol: str | None, now_ns: int, lane: str = "") -> None:
        """Send a data frame after the feed delay."""
        if self.pushes_keep_alive:
            self._alive_ns = self.venue.scheduler.now_ns
        super().push(text, kind, symbol, now_ns, lane)

    def _watch_silence(self) -> None:
        self.venue.scheduler.at(self._alive_ns + self.idle_ns, self._end_silence)

    def _end_silence(self, at_ns: int) -> None:
        if not self.is_open:
            return
        if at_ns - self._alive_ns >= self.idle_ns:
            self.close(self.venue.now_ns)
        else:
            self._watch_silence()


@dataclass(frozen=True, slots=True)
class Allowance:
    """The verdict on one request: whether it is allowed, how many remain, and when the window restarts."""

    ok: bool
    limit: int
    remaining: int
    reset_ns: int


class RateMeter:
    """Count requests per key in windows that start with the first request after the last window."""

    def __init__(self) -> None:
        self._windows: dict[str, tuple[int, int]] = {}

    def take(self, key: str, limit: int, window_ns: int, now_ns: int, cost: int = 1) -> Allowance:
        """Count `cost` requests against `key` unless that would exceed `limit`; a refused request costs nothing."""
        start, used = self._windows.get(key, (now_ns, 0))
        if now_ns >= start + window_ns or now_ns < start:
            start, used = now_ns, 0
        ok = used + cost <= limit
        used += cost if ok else 0
        self._windows[key] = (start, used)
        return Allowance(ok, limit, limit - used, start + window_ns if not ok else now_ns)
