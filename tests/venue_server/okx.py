"""OKX's public side: API v5, spot, and the websocket channels `books` (400 levels, every 100 ms) and `bbo-tbt`.

From the documents: the first frame is `action` snapshot with `prevSeqId` -1, then `prevSeqId` is the last `seqId`; `checksum`
is there and 0; what was not changed for a minute is confirmed by an empty frame with equal ids; what is subscribed to twice
brings a second snapshot; 480 requests to subscribe or unsubscribe an hour and connection, 3 connections a second; silence for
30 s ends a connection (4004); notice 64008 comes before an upgrade.
"""

import json
from collections.abc import Callable
from typing import Any

from aiohttp import web

from tests.venue_server.chained import ChainedServer
from tests.venue_server.keyed import okx_routes
from tests.venue_server.listing import Asset, Row
from tests.venue_server.market import Change, Channel, Side, Update, trimmed
from tests.venue_server.session import Rate, Session
from tests.venue_server.venue import Clock

LIMITS = {"/public/instruments": Rate(20, 2.0), "/market/books": Rate(40, 2.0), "/public/time": Rate(10, 2.0)}
OTHERS = Rate(20, 2.0)
QUIET_MS = 60_000
BEST = "bbo-tbt"


class Okx(ChainedServer):
    """See the module's text."""

    name = "okx"
    rest_base = ""
    api = "/api/v5"
    ws_path = "/ws/v5/public"
    interval_s = 0.1
    depth = 400
    idle_s = 30.0
    connects = Rate(3, 1.0)
    subscriptions_per_hour = 480

    def __init__(self, assets: list[Asset], seed: int, rate: float, clock: Clock) -> None:
        super().__init__(assets, seed, rate, clock)
        self._confirmed_ms: dict[str, int] = {}

    def native(self, row: Row) -> str:
        """See `VenueServer`."""
        return str(row["instId"])

    def decimals(self, row: Row) -> tuple[int, int]:
        """See `VenueServer`."""
        return _decimals(row["tickSz"]), _decimals(row["lotSz"])

    def change_listing(self, row: Row, what: str) -> None:
        """See `VenueServer`; a change of the tick is announced in `upcChg` and comes at once."""
        now_ms = self.clock.wall_ms()
        if what == "tick":
            finer = "0." + "0" * _decimals(row["tickSz"]) + "1"
            row["upcChg"] = [{"param": "tickSz", "newValue": finer, "effTime": str(now_ms)}]
            row["tickSz"] = finer
        elif what == "suspended":
            row["state"] = "suspend"
        elif what == "unreadable":
            row["lotSz"] = "some"
        else:
            row["expTime"] = str(now_ms + 3_600_000)

    # REST.

    def rest_routes(self) -> dict[str, Callable[[web.Request], Any]]:
        """See `VenueServer`."""
        return {
            **okx_routes(self.clock.wall_ms),
            "/public/time": lambda _: _answer([{"ts": str(self.clock.wall_ms())}]),
            "/public/instruments": self._instruments,
            "/market/tickers": lambda _: _answer([self._ticker(channel) for channel in self.channels.values()]),
            "/market/books": self._order_book,
        }

    def rest_limit(self, path: str) -> Rate:
        """See `VenueServer`."""
        limit = LIMITS.get(path, OTHERS)
        return Rate(limit.count, limit.window_s)

    def refusal(self, status: int) -> tuple[int, str, str]:
        """See `VenueServer`; of 451 only the status is known."""
        bodies = {
            429: {"msg": "Too Many Requests", "code": "50011"},
            503: {"code": "50001", "data": [], "msg": "服务暂时不可用，请稍后重试"},  # noqa: RUF001  # as recorded
        }
        return status, "application/json", json.dumps(bodies[status], ensure_ascii=False) if status in bodies else ""

    def _instruments(self, request: web.Request) -> Any:
        kind, native = request.query.get("instType"), request.query.get("instId")
        if kind != "SPOT":
            return _answer([])
        rows = [row for row in self.rows if native in (None, row["instId"])]
        return _answer(rows) if rows else {"code": "51001", "data": [], "msg": "Instrument ID doesn't exist."}

    def _ticker(self, channel: Channel) -> Row:
        bids, asks = self._side(channel, channel.bids), self._side(channel, channel.asks)
        return {
            "instType": "SPOT", "instId": channel.native, "last": bids[0][0], "lastSz": "0", "askPx": asks[0][0],
            "askSz": asks[0][1], "bidPx": bids[0][0], "bidSz": bids[0][1], "open24h": bids[0][0], "high24h": asks[-1][0],
            "low24h": bids[-1][0], "volCcy24h": self.day_volume(channel), "vol24h": "2222", "sodUtc0": "", "sodUtc8": "",
            "ts": str(channel.changed_ms),
        }  # fmt: skip

    def _order_book(self, request: web.Request) -> Any:
        channel = self.channels.get(request.query.get("instId", ""))
        if channel is None:
            return {"code": "51001", "data": [], "msg": "Instrument ID doesn't exist."}
        count = int(request.query.get("sz", "1"))
        asks, bids = self._side(channel, channel.asks)[:count], self._side(channel, channel.bids)[:count]
        return _answer([{"asks": asks, "bids": bids, "ts": str(channel.changed_ms), "seqId": channel.last}])

    # Websocket.

    def native_of(self, arg: Any) -> str | None:
        """See `ChainedServer`."""
        if not isinstance(arg, dict) or arg.get("channel") not in ("books", BEST):
            return None
        native = arg.get("instId")
        return native if any(row["instId"] == native for row in self.rows) else None

    def serve(self, session: Session, op: str, arg: Row, native: str) -> None:
        """See `ChainedServer`; best quotes come first as they are, and then whenever the book has changed."""
        if arg["channel"] != BEST:
            super().serve(session, op, arg, native)
        elif op == "subscribe":
            session.quoted.add(native)
            if native in self.channels and native not in self.muted:
                self._send(session, self._best_frame(self.channels[native]))
        else:
            session.quoted.discard(native)

    def step(self, native: str) -> None:
        """See `VenueServer`; the best quotes follow it."""
        before = self.channels[native].last
        super().step(native)
        channel = self.channels[native]
        if channel.last != before:
            for session in self.sessions.values():
                if native in session.quoted and native not in session.muted:
                    self._send(session, self._best_frame(channel))

    def answer(self, session: Session, event: str, arg: Row) -> None:
        """See `ChainedServer`."""
        session.send_json({"event": event, "arg": arg, "connId": session.conn_id})

    def unreadable(self, session: Session, text: str) -> None:
        """See `ChainedServer`."""
        self._error(session, "60012", f"Invalid request: {text}")

    def no_such(self, session: Session, arg: Any) -> None:
        """See `ChainedServer`."""
        named = ",".join(f"{key}:{value}" for key, value in arg.items()) if isinstance(arg, dict) else str(arg)
        hint = "Please use the correct URL, channel and parameters referring to API document."
        self._error(session, "60018", f"Wrong URL or {named} doesn't exist. {hint}")

    def too_many(self, session: Session) -> None:
        """See `ChainedServer`."""
        self._error(session, "60014", "Requests too frequent")

    def end_idle(self, session: Session) -> None:
        """See `VenueServer`."""
        session.end(4004, b"No data received in 30s.")

    def _error(self, session: Session, code: str, text: str) -> None:
        session.send_json({"event": "error", "code": code, "msg": text, "connId": session.conn_id})

    def snapshot_frame(self, channel: Channel) -> str:
        """See `VenueServer`; `ts` is when the book changed."""
        changed_ms, _ = self.snapshot_ms(channel)
        return self._frame(channel, "snapshot", channel.asks, channel.bids, changed_ms, channel.last, -1)

    def update_frame(self, channel: Channel, update: Update) -> str:
        """See `VenueServer`."""
        ids = update.last, update.previous
        return self._frame(channel, "update", sorted(update.asks), sorted(update.bids)[::-1], update.changed_ms, *ids)

    def upgrade_frame(self, session: Session) -> str:
        """See `VenueServer`."""
        text = "The connection will soon be closed for a service upgrade. Please reconnect."
        return json.dumps({"event": "notice", "code": "64008", "msg": text, "connId": session.conn_id})

    def keep_alive(self) -> None:
        """See `VenueServer`: equal ids and empty sides for what has not changed for a minute."""
        now_ms = self.clock.wall_ms()
        for session in self.sessions.values():
            for native in session.subscribed - session.muted:
                channel = self.channels[native]
                if now_ms - max(channel.changed_ms, self._confirmed_ms.get(native, 0)) >= QUIET_MS:
                    self._confirmed_ms[native] = now_ms
                    self.push_frame(native, self._frame(channel, "update", [], [], now_ms, channel.last, channel.last))

    def _frame(
        self,
        channel: Channel,
        action: str,
        asks: Side | Change,
        bids: Side | Change,
        ts_ms: int,
        last: int,
        previous: int,
    ) -> str:
        sides = {"asks": self._side(channel, asks), "bids": self._side(channel, bids)}
        book = {**sides, "ts": str(ts_ms), "checksum": 0, "seqId": last, "prevSeqId": previous}
        frame = {"arg": {"channel": "books", "instId": channel.native}, "action": action, "data": [book]}
        return json.dumps(frame, separators=(",", ":"))

    def _best_frame(self, channel: Channel) -> str:
        sides = {"asks": self._side(channel, channel.asks)[:1], "bids": self._side(channel, channel.bids)[:1]}
        best = {**sides, "ts": str(channel.changed_ms), "seqId": channel.last}
        return json.dumps({"arg": {"channel": BEST, "instId": channel.native}, "data": [best]}, separators=(",", ":"))

    def _side(self, channel: Channel, side: Side | Change) -> list[list[str]]:
        prices, sizes = channel.book.price_decimals, channel.book.size_decimals
        levels = side.items() if isinstance(side, dict) else side
        return [
            [trimmed(price, prices), trimmed(size, sizes), "0", str(1 + price % 3) if size else "0"]
            for price, size in levels
        ]


def _answer(data: list[Row]) -> Row:
    return {"code": "0", "msg": "", "data": data}


def _decimals(step: str) -> int:
    return len(step.partition(".")[2])
