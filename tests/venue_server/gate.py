"""Gate's public side: API v4, spot, and the websocket channel `spot.obu` (order book V2).

From the documents: requests carry `time` (seconds, within 60 s) and an optional integer `id` that answers repeat; one stream
per symbol and connection, a second subscription is error 2 ("Alert sub ..."); the first frame is `full`, later ones go on at
`U` = last `u` + 1; pings are `spot.ping`. Only level 50 is served. Seen at the venue and done here too: names that nobody lists
are acknowledged and never served; sides without changes are left out; levels of a change come in no order; the first frame may
precede the acknowledgement.
"""

import json
from collections.abc import Callable
from typing import Any

from aiohttp import web

from tests.venue_server.listing import Row
from tests.venue_server.market import Change, Channel, Side, Update, trimmed
from tests.venue_server.session import Rate, Session
from tests.venue_server.venue import MAINTENANCE_PAGE, VenueServer, parsed

LEVELS = ("50",)
TIME_WITHIN_S = 60


class Gate(VenueServer):
    """See the module's text."""

    name = "gate"
    rest_base = "/api/v4"
    api = ""
    ws_path = "/ws/v4/"
    interval_s = 0.02
    depth = 50
    idle_s = 30.5
    connects = Rate(300, 300.0)
    fine = 4
    channel = "spot.obu"

    def native(self, row: Row) -> str:
        """See `VenueServer`."""
        return str(row["id"])

    def decimals(self, row: Row) -> tuple[int, int]:
        """See `VenueServer`."""
        return row["precision"], row["amount_precision"]

    def change_listing(self, row: Row, what: str) -> None:
        """See `VenueServer`."""
        if what == "tick":
            row["precision"] += 1
        elif what == "suspended":
            row["trade_status"] = "untradable"
        elif what == "unreadable":
            row["amount_precision"] = "some"
        else:
            row["delisting_time"] = self.clock.wall_ms() // 1000 + 3600

    # REST.

    def rest_routes(self) -> dict[str, Callable[[web.Request], Any]]:
        """See `VenueServer`."""
        return {
            "/spot/time": lambda _: {"server_time": self.clock.wall_ms()},
            "/spot/currencies": lambda _: self._currencies(),
            "/spot/currency_pairs": lambda _: self.rows,
            "/spot/currency_pairs/{pair}": self._pair,
            "/margin/currency_pairs": lambda _: [],
            "/spot/tickers": lambda _: [self._ticker(channel) for channel in self.channels.values()],
            "/spot/order_book": self.order_book,
        }

    def rest_limit(self, path: str) -> Rate:
        """See `VenueServer`: 200 in 10 s for every public endpoint."""
        return Rate(200, 10.0)

    def rest_headers(self, limit: Rate) -> dict[str, str]:
        """See `VenueServer`."""
        return {
            "X-Gate-RateLimit-Limit": str(limit.count),
            "X-Gate-RateLimit-Requests-Remain": str(limit.count - 1),
            "X-Gate-RateLimit-Reset-Timestamp": str(self.clock.wall_ms() // 1000),
        }

    def refusal(self, status: int) -> tuple[int, str, str]:
        """See `VenueServer`; of 451 only the status is known."""
        if status == 429:
            body = {"label": "TOO_MANY_REQUESTS", "message": "Request Rate Limit Exceeded (012)201/200"}
            return status, "application/json", json.dumps(body)
        return status, "text/html", MAINTENANCE_PAGE if status == 503 else ""

    def _error(self, status: int, label: str, message: str) -> web.Response:
        return web.json_response({"label": label, "message": message}, status=status)

    def _pair(self, request: web.Request) -> Any:
        native = request.match_info["pair"]
        try:
            return self.row_of(native)
        except KeyError:
            return self._error(400, "INVALID_CURRENCY_PAIR", f"Invalid currency pair {native}")

    def _currencies(self) -> list[Row]:
        bases = sorted({row["base"] for row in self.rows} | {"USDT"})
        flags = {"withdraw_disabled": False, "withdraw_delayed": False, "deposit_disabled": False}
        return [
            {"currency": base, "name": base, "delisted": False, **flags, "trade_disabled": False, "fixed_rate": "",
             "chain": base, "chains": [{"name": base, "addr": "", **flags}]}
            for base in bases
        ]  # fmt: skip

    def _ticker(self, channel: Channel) -> Row:
        bids, asks = self.side(channel, channel.bids), self.side(channel, channel.asks)
        return {
            "currency_pair": channel.native, "last": bids[0][0], "lowest_ask": asks[0][0], "lowest_size": asks[0][1],
            "highest_bid": bids[0][0], "highest_size": bids[0][1], "change_percentage": "-1.1", "base_volume": "656614.08",
            "quote_volume": self.day_volume(channel), "high_24h": asks[-1][0], "low_24h": bids[-1][0],
        }  # fmt: skip

    def order_book(self, request: web.Request) -> Any:
        """Answer with a book, with its id where that is asked for."""
        channel = self.channels.get(request.query.get("currency_pair", ""))
        if channel is None:
            return self._error(400, "INVALID_CURRENCY_PAIR", "Invalid currency pair")
        answer = self.book_of(channel, int(request.query.get("limit", "10")))
        if request.query.get("with_id", "").lower() != "true":
            del answer["id"]
        return answer

    def book_of(self, channel: Channel, limit: int = 1000) -> Row:
        """Return a book as it stands, with its id."""
        answer: Row = {"id": channel.last, "current": self.clock.wall_ms(), "update": channel.changed_ms}
        answer["asks"] = self.side(channel, channel.asks)[:limit]
        answer["bids"] = self.side(channel, channel.bids)[:limit]
        return answer

    # Websocket.

    def on_text(self, session: Session, text: str) -> None:
        """See `VenueServer`."""
        request = parsed(text)
        if not isinstance(request, dict) or not isinstance(request.get("channel"), str):
            self.refused["unreadable"] += 1
            self.answer(session, {}, error=(1, "invalid request body"))
            return
        channel, event, payload = request["channel"], request.get("event"), request.get("payload")
        now_s = self.clock.wall_ms() // 1000
        if channel == "spot.ping":
            session.send_json({"time": now_s, "time_ms": self.clock.wall_ms(), "conn_id": session.conn_id,
                               "channel": "spot.pong", "event": "", "error": None, "result": None})  # fmt: skip
        elif not isinstance(request.get("time"), int) or abs(request["time"] - now_s) > TIME_WITHIN_S:
            self._refuse_request(session, request, 2, "invalid argument: time")
        elif channel != self.channel or event not in ("subscribe", "unsubscribe"):
            self._refuse_request(session, request, 2, f"unknown channel or event: {channel} {event}")
        elif not isinstance(payload, list) or not (pairs := self.pairs_of(payload)):
            self._refuse_request(session, request, 2, "invalid argument: payload")
        elif event == "subscribe":
            self.on_subscribe(session, request, pairs)
        else:
            for pair in pairs:
                self.unsubscribe(session, pair)
            self.answer(session, request)

    def pairs_of(self, payload: list[Any]) -> list[str]:
        """Return the pairs that a payload of the channel names; none where any of it is invalid."""
        pairs = [_pair_of(stream) for stream in payload]
        return [pair for pair in pairs if pair is not None] if None not in pairs else []

    def on_subscribe(self, session: Session, request: Row, pairs: list[str]) -> None:
        """Serve the pairs of a request, or refuse all of it."""
        for pair, stream in zip(pairs, request["payload"], strict=True):
            if pair in session.subscribed:
                self._refuse_request(session, request, 2, f"Alert sub {stream}")
                return
        early = self.rng.random() < 0.2
        if not early:
            self.answer(session, request)
        for pair in pairs:
            self.subscribe(session, pair)
        if early:
            self.answer(session, request)

    def _refuse_request(self, session: Session, request: Row, code: int, message: str) -> None:
        self.refused[message.split(" ob.")[0]] += 1
        self.answer(session, request, error=(code, message))

    def answer(self, session: Session, request: Row, error: tuple[int, str] | None = None) -> None:
        """Confirm a request, or refuse it with a code and a message."""
        now_ms = self.clock.wall_ms()
        frame: Row = {"time": now_ms // 1000, "time_ms": now_ms}
        frame |= {"id": request["id"]} if "id" in request else {}
        frame |= {"conn_id": session.conn_id, "trace_id": f"{self.rng.getrandbits(128):032x}"}
        frame |= {key: request.get(key) for key in ("channel", "event", "payload")}
        if error is not None:
            frame["error"] = {"code": error[0], "message": error[1]}
        frame["result"] = {"status": "success" if error is None else "fail"}
        session.send_json(frame)

    def snapshot_frame(self, channel: Channel) -> str:
        """See `VenueServer`."""
        changed_ms, sent_ms = self.snapshot_ms(channel)
        result = {"t": changed_ms, "full": True, "s": f"ob.{channel.native}.{self.depth}", "u": channel.last}
        result |= {"b": self.side(channel, channel.bids), "a": self.side(channel, channel.asks)}
        return self.pushed(result, sent_ms)

    def update_frame(self, channel: Channel, update: Update) -> str:
        """See `VenueServer`."""
        result: Row = {
            "t": update.changed_ms,
            "s": f"ob.{channel.native}.{self.depth}",
            "U": update.first,
            "u": update.last,
        }
        for key, changes in (("b", update.bids), ("a", update.asks)):
            if changes:
                self.rng.shuffle(changes)
                result[key] = self.side(channel, changes)
        return self.pushed(result, self.clock.wall_ms())

    def upgrade_frame(self, session: Session) -> str:
        """See `VenueServer`: one of the three shapes it was seen in."""
        text = "The connection will soon be closed for a service upgrade. Please reconnect."
        now_ms = self.clock.wall_ms()
        system = {"time": now_ms // 1000, "time_ms": now_ms, "channel": "spot.system", "event": "update"}
        shapes: list[Row] = [
            {"type": "upgrade", "msg": text},
            {**system, "result": {"type": "upgrade", "msg": text}},
            {"channel": "", "event": "upgrade", "time": now_ms // 1000, "msg": text},
        ]
        return json.dumps(self.rng.choice(shapes))

    def pushed(self, result: Row, sent_ms: int) -> str:
        """Return a frame of the channel."""
        frame = {"channel": self.channel, "result": result, "time_ms": sent_ms, "event": "update"}
        return json.dumps(frame, separators=(",", ":"))

    def side(self, channel: Channel, side: Side | Change) -> list[list[str]]:
        """Return levels as text."""
        prices, sizes = channel.book.price_decimals, channel.book.size_decimals
        levels = side.items() if isinstance(side, dict) else side
        return [[trimmed(price, prices), trimmed(size, sizes)] for price, size in levels]


def _pair_of(stream: object) -> str | None:
    """Return the pair of a stream name `ob.PAIR.LEVEL`; None for anything else."""
    parts = stream.split(".") if isinstance(stream, str) else []
    return parts[1] if len(parts) == 3 and parts[0] == "ob" and parts[2] in LEVELS else None
