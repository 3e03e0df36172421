"""Binance's public side: spot REST API v3 and combined streams `SYMBOL@depth@100ms` and `SYMBOL@bookTicker`.

From the documents: requests of `method`, `params` and `id`, answered by `{"result": null, "id": ...}`; frames wrapped as
`stream` and `data` on `/stream`, and bare on `/ws`; `U` and `u` are the first and the last id of a change, sizes are
absolute; the snapshot is fetched, and its weight goes by its length (5 for 100 levels, 250 for 5000) of 6000 a minute and
address, with the header of what is used; beyond that HTTP 429 with `Retry-After`, and 418 for who goes on. Five messages a
second, 1024 streams a connection, `serverShutdown` before the end of one. Streams of symbols that are not listed are
acknowledged and never served.

Not in the documents, but measured by others: of a message beyond 4096 bytes nothing is read, and nothing is said
(binance-connector-rust#27). What the snapshot's address answers can be spoilt: see `fetched`.
"""

import json
import re
from collections.abc import Callable
from typing import Any

from aiohttp import web

from tests.venue_server.fetched import FetchedServer
from tests.venue_server.keyed import binance_routes
from tests.venue_server.listing import Row
from tests.venue_server.market import Change, Channel, Side, Update, padded
from tests.venue_server.session import Rate, Session
from tests.venue_server.venue import MAINTENANCE_PAGE, parsed

WEIGHT = 6000
MINUTE_S = 60
BANNED_AFTER = 10
"""So many requests after the first 429 of a minute are answered by 418."""
BAN_S = 120
WEIGHTS = {"/time": 1, "/exchangeInfo": 20, "/ticker/24hr": 80, "/ticker/bookTicker": 4, "/account": 20}
MESSAGES_A_SECOND = 5
MESSAGE_BYTES_MAX = 4096
STREAMS_MAX = 1024
_STREAM = re.compile(r"(?P<symbol>[^@]+)@(?P<kind>depth|depth@100ms|bookTicker)")


class Binance(FetchedServer):
    """See the module's text."""

    name = "binance"
    rest_base = ""
    api = "/api/v3"
    ws_path = "/stream"
    interval_s = 0.1
    depth = 0
    idle_s = 86_400.0
    connects = Rate(300, 300.0)

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        # What each connection is served with, by stream; and which get it bare.
        self._streams: dict[int, set[str]] = {}
        self._bare: set[int] = set()

    def meet_newcomer(self) -> None:
        """See `VenueServer`."""
        super().meet_newcomer()
        self._minute, self._used, self._over = -1, 0, 0
        self._banned_until_s = 0.0

    def native(self, row: Row) -> str:
        """See `VenueServer`."""
        return str(row["symbol"])

    def decimals(self, row: Row) -> tuple[int, int]:
        """See `VenueServer`."""
        return _decimals(_rule(row, "PRICE_FILTER")["tickSize"]), _decimals(_rule(row, "LOT_SIZE")["stepSize"])

    def change_listing(self, row: Row, what: str) -> None:
        """See `VenueServer`; ends of trade are announced to keys alone."""
        row["filters"] = [dict(rule) for rule in row["filters"]]
        if what == "tick":
            finer = _decimals(_rule(row, "PRICE_FILTER")["tickSize"]) + 1
            _rule(row, "PRICE_FILTER")["tickSize"] = f"{10.0**-finer:.{max(8, finer)}f}"
        elif what == "suspended":
            row["status"] = "HALT"
        elif what == "unreadable":
            _rule(row, "LOT_SIZE")["stepSize"] = "some"

    # REST.

    def routes(self) -> list[web.RouteDef]:
        """See `VenueServer`: beside combined streams there are raw ones, and what is shown to a key."""
        signed = binance_routes(self.clock.wall_ms).items()
        return [
            *super().routes(),
            web.get("/ws", self._websocket),
            web.get("/ws/{name}", self._websocket),
            *(web.get(path, self._rest(path.removeprefix(self.api), ask)) for path, ask in signed),
        ]

    def rest_routes(self) -> dict[str, Callable[[web.Request], Any]]:
        """See `VenueServer`."""
        return {
            "/time": lambda _: {"serverTime": self.clock.wall_ms()},
            "/exchangeInfo": self._exchange_info,
            "/ticker/24hr": lambda _: [self._ticker(channel) for channel in self.channels.values()],
            "/depth": self.fetched,
        }

    def rest_limit(self, path: str) -> Rate:
        """See `VenueServer`; what counts is the weight."""
        return Rate(10**6, 1.0)

    def over_limit(self, path: str, request: web.Request) -> web.Response | None:
        """See `VenueServer`: weights of an address, in a minute of the clock; what is under `/sapi` is counted apart."""
        if path.startswith("/sapi"):
            return None
        now_s = self.clock.wall_ms() / 1000
        if now_s < self._banned_until_s:
            self.refused["banned"] += 1
            return self._refuse_weight(418, self._banned_until_s - now_s)
        if int(now_s // MINUTE_S) != self._minute:
            self._minute, self._used, self._over = int(now_s // MINUTE_S), 0, 0
        weight = _weight(path, request)
        self._used += weight
        self.used += weight
        if self._used <= WEIGHT:
            return None
        self.refused["weight"] += 1
        self._over += 1
        if self._over > BANNED_AFTER:
            self._banned_until_s = now_s + BAN_S
            return self._refuse_weight(418, BAN_S)
        return self._refuse_weight(429, MINUTE_S - now_s % MINUTE_S)

    def use(self, weight: int) -> None:
        """Let somebody else at the clients' address use some of the minute's weight."""
        self._minute = int(self.clock.wall_ms() / 1000 // MINUTE_S)
        self._used += weight

    def ban(self, for_s: float) -> None:
        """Ban the clients' address."""
        self._banned_until_s = self.clock.wall_ms() / 1000 + for_s

    def _refuse_weight(self, status: int, seconds: float) -> web.Response:
        status, content_type, body = self.refusal(status)
        headers = {"Retry-After": str(int(seconds) + 1), **self._weight_header()}
        return web.Response(status=status, text=body, content_type=content_type, headers=headers)

    def rest_headers(self, limit: Rate) -> dict[str, str]:
        """See `VenueServer`."""
        return self._weight_header()

    def _weight_header(self) -> dict[str, str]:
        return {"X-MBX-USED-WEIGHT": str(self._used), "X-MBX-USED-WEIGHT-1M": str(self._used)}

    def refusal(self, status: int) -> tuple[int, str, str]:
        """See `VenueServer`."""
        texts = {
            429: "Too much request weight used; current limit is 6000 request weight per 1 MINUTE. Please use WebSocket "
            "Streams for live updates to avoid polling the API.",
            418: "Way too much request weight used; IP banned until 1659146400000. Please use WebSocket Streams for live "
            "updates to avoid bans.",
        }
        if status in texts:
            return status, "application/json", json.dumps({"code": -1003, "msg": texts[status]})
        return status, "text/html", MAINTENANCE_PAGE if status == 503 else ""

    def _exchange_info(self, request: web.Request) -> Row:
        wanted = request.query.get("symbolStatus")
        rows = [row for row in self.rows if wanted in (None, row["status"])]
        limits = [{"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": WEIGHT}]
        listing = {"timezone": "UTC", "serverTime": self.clock.wall_ms(), "rateLimits": limits, "exchangeFilters": []}
        return listing | {"symbols": rows}

    def _ticker(self, channel: Channel) -> Row:
        (bid, bid_size), (ask, ask_size) = (_levels(channel, side)[0] for side in (channel.bids, channel.asks))
        return {
            "symbol": channel.native, "priceChange": "-0.00073400", "priceChangePercent": "-1.757", "lastPrice": bid,
            "bidPrice": bid, "bidQty": bid_size, "askPrice": ask, "askQty": ask_size, "openPrice": bid,
            "volume": "410969.51200000", "quoteVolume": self.day_volume(channel), "openTime": self.clock.wall_ms() - 86_400_000,
            "closeTime": self.clock.wall_ms(), "firstId": 221265272, "lastId": 221725714, "count": 460443,
        }  # fmt: skip

    def book_answer(self, request: web.Request) -> Any:
        """See `FetchedServer`."""
        channel = self.channels.get(request.query.get("symbol", ""))
        if channel is None:
            return web.json_response({"code": -1121, "msg": "Invalid symbol."}, status=400)
        return self.book_of(channel, _limit(request))

    def book_of(self, channel: Channel, limit: int = 1000) -> Row:
        """See `FetchedServer`."""
        sides = {"bids": _levels(channel, channel.bids)[:limit], "asks": _levels(channel, channel.asks)[:limit]}
        return {"lastUpdateId": channel.last, **sides}

    def native_asked(self, request: web.Request) -> str:
        """See `FetchedServer`."""
        return request.query["symbol"]

    def fault(self) -> Row:
        """See `FetchedServer`."""
        return {"code": -1000, "msg": "An unknown error occurred while processing the request."}

    # Websocket.

    def on_open(self, session: Session, request: web.Request) -> None:
        """See `VenueServer`."""
        self._streams[session.number] = set()
        if request.path != self.ws_path:
            self._bare.add(session.number)

    def on_text(self, session: Session, text: str) -> None:
        """See `VenueServer`."""
        if not session.per_second(MESSAGES_A_SECOND).take(self.clock.monotonic_s()):
            self.refused["messages"] += 1
            session.end(1008, b"Too many requests")
            return
        if len(text.encode()) > MESSAGE_BYTES_MAX:
            self.refused["too long"] += 1
            return
        request = parsed(text)
        if not isinstance(request, dict):
            self._error(session, None, 3, f"Invalid JSON: {text[:20]}")
            return
        number, method, params = request.get("id"), request.get("method"), request.get("params")
        streams = self._streams[session.number]
        if method == "GET_PROPERTY":
            session.send_json({"result": session.number not in self._bare, "id": number})
        elif method == "LIST_SUBSCRIPTIONS":
            session.send_json({"result": sorted(streams), "id": number})
        elif method not in ("SUBSCRIBE", "UNSUBSCRIBE"):
            self._error(session, number, 2, "Invalid request: unknown variant")
        elif not isinstance(params, list) or not all(isinstance(p, str) and _STREAM.fullmatch(p) for p in params):
            self._error(session, number, 2, "Invalid request: invalid stream")
        elif method == "SUBSCRIBE" and len(streams | set(params)) > STREAMS_MAX:
            self._error(session, number, 4, "Invalid request: too many streams")
        else:
            session.send_json({"result": None, "id": number})
            self._change(session, streams, set(params), begin=method == "SUBSCRIBE")

    def _change(self, session: Session, streams: set[str], named: set[str], *, begin: bool) -> None:
        streams |= named if begin else set()
        streams -= set() if begin else named
        watched = {symbol.upper() for stream in streams for symbol, _, kind in [stream.partition("@")] if kind}
        for native in session.subscribed - watched:
            self.unsubscribe(session, native)
        for native in watched - session.subscribed:
            session.subscribed.add(native)
            if native in self.muted or native not in self.channels:
                session.muted.add(native)

    def _error(self, session: Session, number: Any, code: int, text: str) -> None:
        self.refused[text] += 1
        session.send_json({"error": {"code": code, "msg": text}, "id": number})

    def push_frame(self, native: str, frame: str) -> None:
        """See `VenueServer`: the change, and the best bid and offer, each to those who asked for it."""
        channel = self.channels[native]
        best = {"u": channel.last, "s": native}
        for name, size, side in (("b", "B", channel.bids), ("a", "A", channel.asks)):
            level = _levels(channel, dict(list(side.items())[:1]))
            best[name], best[size] = level[0] if level else ("0.00000000", "0.00000000")
        ticker = json.dumps(best, separators=(",", ":"))
        frames = [("depth@100ms", frame), ("bookTicker", ticker)]
        self.rng.shuffle(frames)
        for session in self.sessions.values():
            if native in session.muted:
                continue
            for kind, data in frames:
                stream = f"{native.lower()}@{kind}"
                if stream in self._streams[session.number]:
                    bare = session.number in self._bare
                    self._send(session, data if bare else f'{{"stream":"{stream}","data":{data}}}')

    def snapshot_frame(self, channel: Channel) -> str:
        """See `VenueServer`: none is pushed."""
        raise NotImplementedError

    def update_frame(self, channel: Channel, update: Update) -> str:
        """See `VenueServer`."""
        now_ms = self.clock.wall_ms()
        sides = {"b": _levels(channel, update.bids), "a": _levels(channel, update.asks)}
        change = {"e": "depthUpdate", "E": now_ms, "s": channel.native, "U": update.first, "u": update.last, **sides}
        return json.dumps(change, separators=(",", ":"))

    def upgrade_frame(self, session: Session) -> str:
        """See `VenueServer`."""
        data = {"e": "serverShutdown", "E": self.clock.wall_ms()}
        return json.dumps(data if session.number in self._bare else {"stream": "!serverShutdown", "data": data})


def _weight(path: str, request: web.Request) -> int:
    if path != "/depth":
        return WEIGHTS.get(path, 1)
    limit = _limit(request)
    return next(weight for most, weight in ((100, 5), (500, 25), (1000, 50), (5000, 250)) if limit <= most)


def _limit(request: web.Request) -> int:
    text = request.query.get("limit", "100")
    return min(max(1, int(text)), 5000) if text.isdigit() else 100


def _rule(row: Row, name: str) -> Row:
    return next(rule for rule in row["filters"] if rule["filterType"] == name)


def _levels(channel: Channel, side: Side | Change) -> list[list[str]]:
    """Return levels as text with eight decimals, or more where there are more."""
    prices, sizes = channel.book.price_decimals, channel.book.size_decimals
    levels = side.items() if isinstance(side, dict) else side
    return [[_eight(padded(price, prices), prices), _eight(padded(size, sizes), sizes)] for price, size in levels]


def _eight(text: str, decimals: int) -> str:
    return text + ("" if decimals else ".") + "0" * (8 - decimals)


def _decimals(step: str) -> int:
    return len(step.rstrip("0").partition(".")[2])
