"""Bybit's public side: API v5, spot, and the websocket topic `orderbook.50.SYMBOL` (50 levels, every 20 ms).

From the documents: a snapshot comes with the subscription and replaces the book whenever another does; `u` rises by 1 with
each frame, and is 1 when the service has restarted; `ts` stands before `type`. A request of spot has ten args at most, and
its answer names its `req_id`, not its topics. One unknown topic refuses the whole request, as one that is subscribed
already does (seen by others; the document is silent). Pings are `op` ping, and so are their answers on public connections.
All requests of an address count together: 600 in 5 s, and then HTTP 403. The listing holds what trades, without pages.
"""

import json
from collections.abc import Callable
from typing import Any

from aiohttp import web

from tests.venue_server.keyed import bybit_routes
from tests.venue_server.listing import Row
from tests.venue_server.market import Change, Channel, Side, Update, trimmed
from tests.venue_server.session import Rate, Session
from tests.venue_server.venue import MAINTENANCE_PAGE, VenueServer, parsed

ARGS_MAX = 10
TOPICS_CHARACTERS_MAX = 21_000


class Bybit(VenueServer):
    """See the module's text."""

    name = "bybit"
    rest_base = ""
    api = "/v5"
    ws_path = "/v5/public/spot"
    interval_s = 0.02
    depth = 50
    idle_s = 600.0
    connects = Rate(500, 300.0)
    ids_most = 1

    def native(self, row: Row) -> str:
        """See `VenueServer`."""
        return str(row["symbol"])

    def decimals(self, row: Row) -> tuple[int, int]:
        """See `VenueServer`."""
        return _decimals(row["priceFilter"]["tickSize"]), _decimals(row["lotSizeFilter"]["basePrecision"])

    def change_listing(self, row: Row, what: str) -> None:
        """See `VenueServer`; no end of trade is announced anywhere."""
        if what == "tick":
            row["priceFilter"] = {"tickSize": "0." + "0" * _decimals(row["priceFilter"]["tickSize"]) + "1"}
        elif what == "suspended":
            row["status"] = "Closed"
        elif what == "unreadable":
            row["lotSizeFilter"] = row["lotSizeFilter"] | {"basePrecision": "some"}

    def restart(self) -> None:
        """Let the service restart: every book begins anew at 1, and whoever watches it gets it whole."""
        for native, channel in self.channels.items():
            channel.last = 1
            self.push_frame(native, self.snapshot_frame(channel))

    # REST.

    def rest_routes(self) -> dict[str, Callable[[web.Request], Any]]:
        """See `VenueServer`."""
        return {
            "/market/time": self._time,
            "/market/instruments-info": self._instruments,
            **bybit_routes(self.clock.wall_ms),
            "/market/tickers": self._tickers,
            "/market/orderbook": self._order_book,
        }

    def meet_newcomer(self) -> None:
        """See `VenueServer`."""
        super().meet_newcomer()
        self._address = Rate(600, 5.0)

    def rest_limit(self, path: str) -> Rate:
        """See `VenueServer`: one for all."""
        return self._address

    def refusal(self, status: int) -> tuple[int, str, str]:
        """See `VenueServer`; too many requests are answered by 403, with a text."""
        if status == 429:
            return 403, "text/plain", "403, access too frequent"
        return status, "text/html", MAINTENANCE_PAGE if status == 503 else ""

    def _time(self, _: web.Request) -> Row:
        now_ms = self.clock.wall_ms()
        return self._answer({"timeSecond": str(now_ms // 1000), "timeNano": str(now_ms * 10**6 + 213947)})

    def _instruments(self, request: web.Request) -> Row:
        query = request.query
        if query.get("category") != "spot":
            return self._failed(10001, "Illegal category")
        rows = [row for row in self.rows if row["status"] == "Trading" and query.get("symbol") in (None, row["symbol"])]
        return self._answer({"category": "spot", "list": rows})

    def _tickers(self, request: web.Request) -> Row:
        if request.query.get("category") != "spot":
            return self._failed(10001, "Illegal category")
        return self._answer({"category": "spot", "list": [self._ticker(channel) for channel in self.channels.values()]})

    def _ticker(self, channel: Channel) -> Row:
        (bid, bid_size), (ask, ask_size) = (_levels(channel, side)[0] for side in (channel.bids, channel.asks))
        return {
            "symbol": channel.native, "bid1Price": bid, "bid1Size": bid_size, "ask1Price": ask, "ask1Size": ask_size,
            "lastPrice": bid, "prevPrice24h": bid, "price24hPcnt": "0.0068", "highPrice24h": ask, "lowPrice24h": bid,
            "turnover24h": self.day_volume(channel), "volume24h": "11801.27771",
        }  # fmt: skip

    def _order_book(self, request: web.Request) -> Row:
        channel = self.channels.get(request.query.get("symbol", ""))
        if channel is None:
            return self._failed(10001, "Not supported symbols")
        limit = min(int(request.query.get("limit", "1")), self.depth)
        book = self._book(channel, channel.bids, channel.asks)
        now_ms = self.clock.wall_ms()
        return self._answer({**book, "b": book["b"][:limit], "a": book["a"][:limit], "ts": now_ms, "cts": now_ms})

    def _answer(self, result: Row) -> Row:
        return {"retCode": 0, "retMsg": "OK", "result": result, "retExtInfo": {}, "time": self.clock.wall_ms()}

    def _failed(self, code: int, text: str) -> Row:
        return {"retCode": code, "retMsg": text, "result": {}, "retExtInfo": {}, "time": self.clock.wall_ms()}

    # Websocket.

    def on_text(self, session: Session, text: str) -> None:
        """See `VenueServer`."""
        request = parsed(text)
        if not isinstance(request, dict):
            self._refuse_request(session, {}, "error:invalid request")
            return
        op = request.get("op")
        if op == "ping":
            named = {"req_id": request["req_id"]} if "req_id" in request else {}
            session.send_json({"success": True, "ret_msg": "pong", "conn_id": session.conn_id, **named, "op": "ping"})
        elif op == "subscribe":
            self._on_subscribe(session, request, _topics_of(request))
        elif op == "unsubscribe":
            topics = _topics_of(request)
            for topic in topics:
                self.unsubscribe(session, topic.removeprefix("orderbook.50."))
            self._confirm(session, request)
        else:
            self._refuse_request(session, request, f"error:unknown op,{op}")

    def _on_subscribe(self, session: Session, request: Row, topics: list[str]) -> None:
        """Serve all topics of a request, or refuse all of it."""
        listed = {row["symbol"] for row in self.rows}
        natives = [topic.removeprefix("orderbook.50.") for topic in topics]
        characters = len(json.dumps(topics)) + sum(len(native) + 17 for native in session.subscribed)
        if not topics or len(topics) > ARGS_MAX:
            self._refuse_request(session, request, "args size >10" if topics else "error:args is empty")
        elif characters > TOPICS_CHARACTERS_MAX:
            self._refuse_request(session, request, "error:args too long")
        elif unknown := [topic for topic in topics if not topic.startswith("orderbook.50.")]:
            self._refuse_request(session, request, f"error:handler not found,topic:{unknown[0]}")
        elif missing := [topic for topic, native in zip(topics, natives, strict=True) if native not in listed]:
            self._refuse_request(session, request, f"Invalid symbol :[{missing[0]}]")
        elif twice := [topic for topic, native in zip(topics, natives, strict=True) if native in session.subscribed]:
            self._refuse_request(session, request, f"error:already subscribed,topic:{twice[0]}")
        else:
            self._confirm(session, request)
            for native in natives:
                self.subscribe(session, native)

    def _confirm(self, session: Session, request: Row) -> None:
        frame = {"success": True, "ret_msg": "", "conn_id": session.conn_id, "op": request["op"]}
        session.send_json(frame | ({"req_id": request["req_id"]} if "req_id" in request else {}))

    def _refuse_request(self, session: Session, request: Row, text: str) -> None:
        self.refused[text.partition(":")[0].strip()] += 1
        frame = {"success": False, "ret_msg": text, "conn_id": session.conn_id, "req_id": request.get("req_id", "")}
        session.send_json({**frame, "op": str(request.get("op", ""))})

    def snapshot_frame(self, channel: Channel) -> str:
        """See `VenueServer`."""
        changed_ms, sent_ms = self.snapshot_ms(channel)
        return self._frame(channel, "snapshot", channel.bids, channel.asks, sent_ms, changed_ms)

    def update_frame(self, channel: Channel, update: Update) -> str:
        """See `VenueServer`; levels come in no order."""
        self.rng.shuffle(update.bids)
        self.rng.shuffle(update.asks)
        return self._frame(channel, "delta", update.bids, update.asks, self.clock.wall_ms(), update.changed_ms)

    def upgrade_frame(self, session: Session) -> str:
        """See `VenueServer`: nothing announces the end of a connection."""
        return ""

    def _frame(
        self, channel: Channel, kind: str, bids: Side | Change, asks: Side | Change, ts_ms: int, cts_ms: int
    ) -> str:
        book = self._book(channel, bids, asks)
        frame = {"topic": f"orderbook.50.{channel.native}", "ts": ts_ms, "type": kind, "data": book, "cts": cts_ms}
        return json.dumps(frame, separators=(",", ":"))

    def _book(self, channel: Channel, bids: Side | Change, asks: Side | Change) -> Row:
        sides = {"b": _levels(channel, bids), "a": _levels(channel, asks)}
        return {"s": channel.native, **sides, "u": channel.last, "seq": 7 * channel.last + channel.changed_ms}


def _levels(channel: Channel, side: Side | Change) -> list[list[str]]:
    prices, sizes = channel.book.price_decimals, channel.book.size_decimals
    levels = side.items() if isinstance(side, dict) else side
    return [[trimmed(price, prices), trimmed(size, sizes)] for price, size in levels]


def _topics_of(request: Row) -> list[str]:
    args = request.get("args")
    return [str(arg) for arg in args] if isinstance(args, list) else []


def _decimals(step: str) -> int:
    return len(step.partition(".")[2])
