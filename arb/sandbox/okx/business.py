"""OKX's `/ws/v5/business`: candles for everybody, and the account's algo orders, of which there are none, after a login.

Source: the venue's API v5, "WS / Candlesticks channel" and "WS / Algo orders channel".
"""

from arb.sandbox.candle_feed import CandleFeed
from arb.sandbox.candles import Candle, Span
from arb.sandbox.exchange import SimExchange
from arb.sandbox.okx import wire
from arb.sandbox.okx.candles import SPANS, row
from arb.sandbox.okx.wire import Json
from arb.sandbox.okx.ws import OkxSession, no_such_channel, text
from arb.sandbox.values import Event, PublicTrade
from arb.sandbox.wire import Venue

CHANNELS = {f"candle{name}": span for name, span in SPANS.items()}
SILENT = ("orders-algo", "algo-advance")
"""Channels of orders the sandbox does not take: acknowledged, and silent."""


class OkxBusinessSession(OkxSession):
    def __init__(self, venue: Venue, path: str, exchange: SimExchange) -> None:
        super().__init__(venue, path, exchange)
        self._candles = CandleFeed(self, self._push_candle)
        self._wanted: set[tuple[str, str]] = set()
        """Channels and symbols subscribed."""

    def subscribe(self, arg: Json, now_ns: int) -> None:
        channel, symbol = str(arg.get("channel", "")), wire.symbol_of(arg.get("instId", ""))
        if channel in SILENT:
            self.need_login()
            self.acknowledge("subscribe", arg, now_ns)
            return
        if channel not in CHANNELS or symbol not in self.exchange.instruments:
            raise no_such_channel(arg)
        self.acknowledge("subscribe", arg, now_ns)
        self._wanted.add((channel, symbol))
        self._candles.subscribe(symbol, CHANNELS[channel], now_ns)
        self._candles.push_present(symbol, CHANNELS[channel], now_ns)

    def unsubscribe(self, arg: Json) -> None:
        channel, symbol = str(arg.get("channel", "")), wire.symbol_of(arg.get("instId", ""))
        if (channel, symbol) in self._wanted:
            self._wanted.remove((channel, symbol))
            self._candles.unsubscribe(symbol, CHANNELS[channel])

    def on_event(self, event: Event) -> None:
        if isinstance(event, PublicTrade):
            self._candles.on_trade(event)

    def _push_candle(self, symbol: str, span: Span, candle: Candle, is_over: bool, now_ns: int) -> None:
        for channel, known in CHANNELS.items():
            if known == span and (channel, symbol) in self._wanted:
                arg = {"channel": channel, "instId": wire.inst_id(symbol)}
                self.push(text({"arg": arg, "data": [row(candle, is_over)]}), "trade", symbol, now_ns)
