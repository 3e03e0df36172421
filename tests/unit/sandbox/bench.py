"""A venue on the bench: one simulated venue in virtual time, asked in requests that ccxt's own signer builds."""

import functools
import hashlib
import hmac
import json
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import ccxt

from arb.clock import NS_PER_MS, NS_PER_S
from arb.sandbox.binance.spec import ROOT
from arb.sandbox.exact import units_exact
from arb.sandbox.faults import KINDS, Fault
from arb.sandbox.registry import VENUE_NAMES
from arb.sandbox.wire import HttpAnswer, HttpRequest
from arb.sandbox.world import HttpReply, SimWorld, WsClosed, WsText

START_NS = 1_800_000_000 * NS_PER_S
SYMBOL = "BTC/USDT"
Levels = list[tuple[str, str]]


@functools.cache
def stock_client(venue: str) -> Any:
    """Return ccxt's client of a venue, made once: it takes longer to make than most tests to run."""
    return getattr(ccxt, venue)()


stock_client("gate")  # the first client of a process opens a socket, to see what its system knows: not within a test


class Bench:
    """One venue of a sandbox, still unless asked otherwise, with a clock that only this object moves.

    `small` lists one symbol, with books of few prices: for tests that make thousands of venues and set books of their own.
    """

    def __init__(self, venue: str, *, static: bool = True, small: bool = False) -> None:
        venues = {*VENUE_NAMES, venue}
        if small:
            self.world = SimWorld(
                7, START_NS, static=static, symbols=(SYMBOL,), rungs=3, with_ceiling=False, venues=venues
            )
        else:
            self.world = SimWorld(7, START_NS, static=static, venues=venues)
        self.venue = self.world.venues[venue]
        self.exchange = self.venue.exchange
        self.now_ns = START_NS
        self._replies: dict[int, HttpReply] = {}
        self._streams: dict[int, Stream] = {}

    @property
    def signer(self) -> Any:
        """Return ccxt's client of the venue, with the sandbox's key, at the present instant."""
        signer, profile = stock_client(self.venue.name), self.exchange.profile
        signer.apiKey, signer.secret, signer.password = profile.key, profile.secret, profile.passphrase
        signer.milliseconds = lambda: self.now_ns // NS_PER_MS
        signer.seconds = lambda: self.now_ns // NS_PER_S
        return signer

    def set_book(self, bids: Levels, asks: Levels, symbol: str = SYMBOL) -> None:
        """Replace the background interest in a symbol."""
        self.exchange.replace_book(symbol, self._whole(bids, symbol), self._whole(asks, symbol), self.now_ns)

    def _whole(self, levels: Levels, symbol: str) -> list[tuple[int, int]]:
        rules = self.exchange.instruments[symbol]
        return [(units_exact(Decimal(p), rules.tick) or 0, units_exact(Decimal(s), rules.lot) or 0) for p, s in levels]

    def advance(self, ns: int) -> None:
        """Let time pass, delivering whatever is due."""
        until = self.now_ns + ns
        while (due := self.world.next_ns()) is not None and due <= until:
            self._collect(due)
        self._collect(until)

    def _collect(self, at_ns: int) -> None:
        self.now_ns = max(self.now_ns, at_ns)
        for output in self.world.advance(self.now_ns):
            if isinstance(output, HttpReply):
                self._replies[output.token] = output
            elif isinstance(output, WsText):
                self._streams[output.session_id].frames.append(output.text)
            elif isinstance(output, WsClosed):
                self._streams[output.session_id].closed = True

    def signed(self, api: Any, path: str, method: str = "GET", params: Any = None) -> HttpRequest:
        """Return the request that stock ccxt would send."""
        built = self.signer.sign(path, api, method, params or {})
        address = urlsplit(built["url"])
        headers = {name.lower(): str(value) for name, value in (built["headers"] or {}).items()}
        path = f"{ROOT}{address.path}" if self.venue.name == "binance" else address.path
        return HttpRequest(method, path, address.query, headers, (built["body"] or "").encode())

    def send(self, request: HttpRequest) -> tuple[int, Any]:
        """Send a request and return status and JSON of its answer."""
        token = self.world.submit(request, self.now_ns)
        assert token is not None
        while token not in self._replies:
            self.advance(5 * NS_PER_MS)
        answer = self._replies.pop(token).answer
        assert answer is not None
        return answer.status, json.loads(answer.body)

    def answer_of(self, token: int | None) -> HttpAnswer:
        """Return the answer that has arrived for a submitted request."""
        assert token is not None
        answer = self._replies.pop(token).answer
        assert answer is not None
        return answer

    def taken_replies(self, token: int | None) -> list[HttpReply]:
        """Take the reply to a submitted request, if it has arrived."""
        assert token is not None
        return [self._replies.pop(token)] if token in self._replies else []

    def subscribe_private(self, stream: "Stream", channel: str) -> list[Any]:
        """Subscribe one of Gate's private channels for all pairs, signed."""
        now_s, profile = self.now_ns // NS_PER_S, self.exchange.profile
        text = f"channel={channel}&event=subscribe&time={now_s}"
        sign = hmac.new(profile.secret.encode(), text.encode(), hashlib.sha512).hexdigest()
        auth = {"method": "api_key", "KEY": profile.key, "SIGN": sign}
        frame = {"time": now_s, "channel": channel, "event": "subscribe", "payload": ["!all"], "auth": auth}
        return stream.send(frame)

    def ask(self, api: Any, path: str, method: str = "GET", params: Any = None) -> tuple[int, Any]:
        """Sign, send, and return status and JSON."""
        return self.send(self.signed(api, path, method, params))

    def open(self, path: str) -> "Stream":
        """Open a websocket; the path may have a query."""
        path, _, query = path.partition("?")
        session_id = self.world.open_session(path, self.now_ns, query)
        assert session_id is not None
        stream = self._streams[session_id] = Stream(self, session_id)
        return stream

    def fault(self, name: str, on: str, count: int = 1) -> None:
        """Post a fault with its default parameter."""
        kind = KINDS[name]
        posted = Fault(1, name, kind, on, None, count, None, kind.param)
        self.venue.board.add(posted)
        self.venue.disturbance.begin(posted)


class Stream:
    """One websocket's client end."""

    def __init__(self, bench: Bench, session_id: int) -> None:
        self._bench = bench
        self.session_id = session_id
        self.frames: list[str] = []
        self.closed = False

    def send(self, message: Any) -> list[Any]:
        """Send text, or JSON of anything else, wait a second, and return what arrived meanwhile."""
        text = message if isinstance(message, str) else json.dumps(message)
        self._bench.world.receive(self.session_id, text, self._bench.now_ns)
        return self.wait()

    def wait(self, ns: int = NS_PER_S) -> list[Any]:
        """Let time pass and return what arrived, JSON decoded where it is JSON."""
        self._bench.advance(ns)
        arrived, self.frames = self.frames, []
        return [json.loads(frame) if frame.startswith("{") else frame for frame in arrived]
