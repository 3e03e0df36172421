"""Bitget's public side: API v2, spot on a classic account, and the websocket channel `books` (the whole depth).

From the documents: a snapshot, then changes whose `pseq` is the last `seq`; no checksum on today's feeds; prices and sizes come
with all their decimals, and a removed level with size `0`; 240 requests to subscribe or unsubscribe an hour and connection,
1000 channels a connection, 100 connections and 300 connects in 5 minutes an address; more than 10 messages a second end the
connection, as do two minutes without a ping and every 24 hours.
"""

import json
from collections.abc import Callable
from typing import Any

from aiohttp import web

from tests.venue_server.chained import ChainedServer
from tests.venue_server.listing import Row
from tests.venue_server.market import Change, Channel, Side, Update, padded
from tests.venue_server.session import Rate, Session
from tests.venue_server.venue import MAINTENANCE_PAGE

MESSAGES_PER_S = 10


class Bitget(ChainedServer):
    """See the module's text."""

    name = "bitget"
    rest_base = ""
    api = "/api/v2"
    ws_path = "/v2/ws/public"
    interval_s = 0.2
    depth = 0
    idle_s = 120.0
    connects = Rate(300, 300.0)
    subscriptions_per_hour = 240

    def native(self, row: Row) -> str:
        """See `VenueServer`."""
        return str(row["symbol"])

    def decimals(self, row: Row) -> tuple[int, int]:
        """See `VenueServer`."""
        return int(row["pricePrecision"]), int(row["quantityPrecision"])

    def change_listing(self, row: Row, what: str) -> None:
        """See `VenueServer`."""
        if what == "tick":
            row["pricePrecision"] = str(int(row["pricePrecision"]) + 1)
        elif what == "suspended":
            row["status"] = "halt"
        elif what == "unreadable":
            row["quantityPrecision"] = "some"
        else:
            row["offTime"] = str(self.clock.wall_ms() + 3_600_000)

    # REST.

    def rest_routes(self) -> dict[str, Callable[[web.Request], Any]]:
        """See `VenueServer`."""
        return {
            "/public/time": lambda _: self._data({"serverTime": str(self.clock.wall_ms())}),
            "/spot/public/coins": lambda _: self._data(self._coins()),
            "/spot/public/symbols": self._symbols,
            "/margin/currencies": lambda _: self._data([]),
            "/spot/market/tickers": lambda _: self._data([self._ticker(channel) for channel in self.channels.values()]),
            "/spot/market/orderbook": self._order_book,
        }

    def rest_limit(self, path: str) -> Rate:
        """See `VenueServer`."""
        return Rate(20, 1.0)

    def refusal(self, status: int) -> tuple[int, str, str]:
        """See `VenueServer`; of 451 only the status is known."""
        if status == 429:
            body = {"code": "429", "msg": "Too Many Requests", "requestTime": self.clock.wall_ms(), "data": None}
            return status, "application/json", json.dumps(body)
        return status, "text/html", MAINTENANCE_PAGE if status == 503 else ""

    def _data(self, data: Any) -> Row:
        return {"code": "00000", "msg": "success", "requestTime": self.clock.wall_ms(), "data": data}

    def _no_symbol(self, native: str) -> web.Response:
        body = {
            "code": "40034",
            "msg": f"Parameter {native} does not exist",
            "requestTime": self.clock.wall_ms(),
            "data": None,
        }
        return web.json_response(body, status=400)

    def _symbols(self, request: web.Request) -> Any:
        native = request.query.get("symbol")
        rows = [row for row in self.rows if native in (None, "", row["symbol"])]
        return self._data(rows) if rows else self._no_symbol(str(native))

    def _coins(self) -> list[Row]:
        coins = sorted({row["baseCoin"] for row in self.rows} | {"USDT"})
        chain = {
            "needTag": "false", "withdrawable": "true", "rechargeable": "true", "withdrawFee": "0.005",
            "extraWithdrawFee": "0", "depositConfirm": "1", "withdrawConfirm": "1", "minDepositAmount": "0.001",
            "minWithdrawAmount": "0.001", "browserUrl": "", "contractAddress": "", "withdrawStep": "0",
            "withdrawMinScale": "8", "congestion": "normal",
        }  # fmt: skip
        return [
            {"coinId": str(number), "coin": coin, "transfer": "true", "chains": [{"chain": coin, **chain}]}
            for number, coin in enumerate(coins, 1)
        ]

    def _ticker(self, channel: Channel) -> Row:
        bids, asks = self._side(channel, channel.bids), self._side(channel, channel.asks)
        return {
            "open": bids[0][0], "symbol": channel.native, "high24h": asks[-1][0], "low24h": bids[-1][0],
            "lastPr": bids[0][0], "quoteVolume": self.day_volume(channel), "baseVolume": "29439.351448",
            "usdtVolume": "1963568540.74192678", "ts": str(channel.changed_ms), "bidPr": bids[0][0], "askPr": asks[0][0],
            "bidSz": bids[0][1], "askSz": asks[0][1], "openUtc": bids[0][0], "changeUtc24h": "-0.02478",
            "change24h": "0.00153",
        }  # fmt: skip

    def _order_book(self, request: web.Request) -> Any:
        native = request.query.get("symbol", "")
        channel = self.channels.get(native)
        if channel is None:
            return self._no_symbol(native)
        count = int(request.query.get("limit", "150"))
        asks, bids = self._side(channel, channel.asks)[:count], self._side(channel, channel.bids)[:count]
        return self._data({"asks": asks, "bids": bids, "ts": str(channel.changed_ms)})

    # Websocket.

    def on_text(self, session: Session, text: str) -> None:
        """See `VenueServer`; pings count as messages too."""
        if not session.per_second(MESSAGES_PER_S).take(self.clock.monotonic_s()):
            self.refused["messages"] += 1
            self._error(session, 30007, "request over limit,connection close")
            session.end()
            return
        super().on_text(session, text)

    def native_of(self, arg: Any) -> str | None:
        """See `ChainedServer`."""
        if not isinstance(arg, dict) or arg.get("channel") != "books" or str(arg.get("instType")).upper() != "SPOT":
            return None
        native = arg.get("instId")
        return native if any(row["symbol"] == native for row in self.rows) else None

    def unreadable(self, session: Session, text: str) -> None:
        """See `ChainedServer`."""
        self._error(session, 30002, "illegal request")

    def no_such(self, session: Session, arg: Any) -> None:
        """See `ChainedServer`: JSON text inside the text, as recorded."""
        arg = arg if isinstance(arg, dict) else {}
        named = json.dumps({key: arg.get(key) for key in ("channel", "instType", "instId")}, separators=(",", ":"))
        self._error(session, 30001, f"{named} doesn't exist")

    def too_many(self, session: Session) -> None:
        """See `ChainedServer`."""
        self._error(session, 30006, "request too many")

    def _error(self, session: Session, code: int, text: str) -> None:
        session.send_json({"event": "error", "code": code, "msg": text})

    def snapshot_frame(self, channel: Channel) -> str:
        """See `VenueServer`."""
        changed_ms, sent_ms = self.snapshot_ms(channel)
        return self._frame(channel, "snapshot", channel.asks, channel.bids, channel.last, 0, changed_ms, sent_ms)

    def update_frame(self, channel: Channel, update: Update) -> str:
        """See `VenueServer`."""
        ids, times = (update.last, update.previous), (update.changed_ms, self.clock.wall_ms())
        return self._frame(channel, "update", sorted(update.asks), sorted(update.bids)[::-1], *ids, *times)

    def upgrade_frame(self, session: Session) -> str:
        """See `VenueServer`; no notice of Bitget's is known, its connections just end."""
        return ""

    def _frame(
        self,
        channel: Channel,
        action: str,
        asks: Side | Change,
        bids: Side | Change,
        last: int,
        previous: int,
        changed_ms: int,
        sent_ms: int,
    ) -> str:
        sides = {"asks": self._side(channel, asks), "bids": self._side(channel, bids)}
        book = {**sides, "seq": last, "pseq": previous, "ts": str(changed_ms)}
        arg = {"instType": "SPOT", "channel": "books", "instId": channel.native}
        return json.dumps({"action": action, "arg": arg, "data": [book], "ts": sent_ms}, separators=(",", ":"))

    def _side(self, channel: Channel, side: Side | Change) -> list[list[str]]:
        prices, sizes = channel.book.price_decimals, channel.book.size_decimals
        levels = side.items() if isinstance(side, dict) else side
        return [[padded(price, prices), padded(size, sizes) if size else "0"] for price, size in levels]
