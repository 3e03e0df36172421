"""The peers that are libraries of others: found when installed, and driven as their users drive them."""

import importlib
import importlib.util
from collections.abc import Iterable
from typing import Any

NATIVE_SYMBOL, SYMBOL = "BTC_USDT", "BTC/USDT"
CCXT_PRO_GATE = "ccxt.pro gate"


def find(name: str) -> Any | None:
    """Import a library; None when it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


class Nobody:
    """The part of a ccxt websocket client that a handler touches, with nobody waiting for the book."""

    def __init__(self) -> None:
        self.subscriptions: dict[str, Any] = {}

    def resolve(self, result: Any, message_hash: str) -> Any:
        """Wake nobody."""
        return result


class CcxtBooks:
    """`ccxt.pro.gate` as its own websocket client drives it: decode the frame, then `handle_message`."""

    def __init__(self, natives: Iterable[str] = (NATIVE_SYMBOL,)) -> None:
        pro = importlib.import_module("ccxt.pro")
        decoder = find("orjson") or importlib.import_module("json")  # ccxt takes orjson where it finds it
        self._decode = decoder.loads
        self._exchange: Any = with_markets(pro.gate(), natives)
        self._client = Nobody()

    def feed(self, frames: Iterable[bytes]) -> None:
        """Apply frames."""
        decode, handle, client = self._decode, self._exchange.handle_message, self._client
        for raw in frames:
            handle(client, decode(raw))

    def best(self) -> tuple[float, float]:
        """Return the best bid and ask of the book, to see that it was kept."""
        book = self._exchange.orderbooks[SYMBOL]
        return book["bids"][0][0], book["asks"][0][0]


def with_markets(exchange: Any, natives: Iterable[str] = (NATIVE_SYMBOL,)) -> Any:
    """Give a ccxt exchange the markets that are traded, as `load_markets` would."""
    exchange.set_markets([_market(exchange, *native.split("_")) for native in natives])
    return exchange


def _market(exchange: Any, base: str, quote: str) -> Any:
    return exchange.safe_market_structure(
        {
            "id": f"{base}_{quote}",
            "symbol": f"{base}/{quote}",
            "base": base,
            "quote": quote,
            "baseId": base,
            "quoteId": quote,
            "type": "spot",
            "spot": True,
            "active": True,
            "contract": False,
            "precision": {"amount": 0.0001, "price": 0.1},
            "limits": {},
        }
    )
