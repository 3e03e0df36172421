"""Bitget through ccxt.pro, behind the guard: signatures ("Signature", the same for API v2 and v3), and the list of
signed writes.

Each kind of account has its own list of writes, and its own parameters of an order.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import ccxt.pro

from arb.venues.kit.call import Call, body_text
from arb.venues.kit.header_client import CANCEL, PLACE, HeaderClient
from arb.venues.kit.rules.guard import OrderClaim, OrderFields, limit_claim, to_decimal

WINDOW_MAX_MS = 60_000


class GuardedBitget(HeaderClient, ccxt.pro.bitget):
    """`ccxt.pro.bitget` on our clock and behind the guard; spot orders only."""

    root = "/api/"
    window_marks: ClassVar[Mapping[str, str]] = {"requestTime": "x7requested7x", "receiveWindow": "x7window7x"}
    writes: ClassVar[Mapping[str, str]] = {
        "v2/spot/trade/place-order": PLACE,
        "v2/spot/trade/batch-orders": PLACE,
        "v2/spot/trade/cancel-order": CANCEL,
        "v2/spot/trade/batch-cancel-order": CANCEL,
        "v2/spot/trade/cancel-symbol-order": CANCEL,
    }
    order_fields: ClassVar[OrderFields] = {
        "symbol": None,
        "side": None,
        "orderType": frozenset({"limit", "market"}),
        "force": None,
        "price": None,
        "size": None,
        "clientOid": None,
        "requestTime": None,
        "receiveWindow": None,
    }

    def _body(self, call: Call, now_ms: int) -> str:
        if call.expires_ns is None:
            return super()._body(call, now_ms)
        window = self._window(int(self.venue_ms_text(call.expires_ns)), now_ms)
        return body_text(call.params | dict(zip(self.window_marks, window, strict=True)))

    def _window(self, expires_ms: int, now_ms: int) -> tuple[str, ...]:
        """Return when the order is asked for, and for how long after that the venue takes it ("Place Order")."""
        return str(now_ms), str(min(self._left_ms(expires_ms, now_ms), WINDOW_MAX_MS))

    def _timestamp(self, now_ms: int) -> str:
        return str(now_ms)

    def _headers(self, timestamp: str, signature: str, expiry: str | None) -> dict[str, str]:
        return {
            "ACCESS-KEY": self.apiKey,
            "ACCESS-SIGN": signature,
            "ACCESS-TIMESTAMP": timestamp,
            "ACCESS-PASSPHRASE": self.password,
        }

    def _query(self, params: dict[str, Any]) -> tuple[str, str]:
        """Return the query in the order of its keys: escaped as it is sent, and decoded as Bitget signs it."""
        ordered = self.keysort(params)
        sent: str = self.urlencode(ordered, True)
        return sent.replace("%24", "$"), self.rawencode(ordered, True)

    def _base_url(self, call: Call) -> str:
        return str(self.urls["api"][call.api[1]])

    def _orders(self, item: dict[str, Any]) -> list[dict[str, Any]]:
        batch = item.get("orderList")
        if not isinstance(batch, list):
            return [item]
        return [{"symbol": item.get("symbol"), **order} for order in batch]

    def _claim(self, order: dict[str, Any]) -> OrderClaim:
        symbol = self._symbol(order.get("symbol"))
        if order.get("orderType") != "market":
            return limit_claim(symbol, order.get("side"), order.get("size"), order.get("price"))
        return OrderClaim(symbol, to_decimal(order.get("size")) if order.get("side") == "buy" else None)


class GuardedUnifiedBitget(GuardedBitget):
    """The same for a unified account (API v3): spot limit orders only, whose expiry has no place in the request."""

    window_marks: ClassVar[Mapping[str, str]] = {}
    writes: ClassVar[Mapping[str, str]] = {
        "v3/trade/place-order": PLACE,
        "v3/trade/cancel-order": CANCEL,
        "v3/trade/cancel-batch": CANCEL,
        "v3/trade/countdown-cancel-all": CANCEL,
    }
    order_fields: ClassVar[OrderFields] = {
        "category": frozenset({"SPOT"}),
        "symbol": None,
        "side": frozenset({"buy", "sell"}),
        "orderType": frozenset({"limit"}),
        "timeInForce": None,
        "price": None,
        "qty": None,
        "clientOid": None,
    }

    def _window(self, expires_ms: int, now_ms: int) -> tuple[str, ...]:
        self._left_ms(expires_ms, now_ms)
        return ()

    def _claim(self, order: dict[str, Any]) -> OrderClaim:
        return limit_claim(self._symbol(order.get("symbol")), order.get("side"), order.get("qty"), order.get("price"))
