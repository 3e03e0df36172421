"""Bitget through ccxt.pro, behind the guard: signatures of API v2 ("Signature")."""

from collections.abc import Mapping
from typing import Any, ClassVar

import ccxt.pro

from arb.venues.guarded import CANCEL, PLACE, GuardedExchange, market_value
from arb.venues.rules.guard import OrderClaim, value_of


class GuardedBitget(GuardedExchange, ccxt.pro.bitget):
    """`ccxt.pro.bitget` on our clock and behind the guard; spot orders only."""

    separator = ""
    writes: ClassVar[Mapping[str, str]] = {
        "v2/spot/trade/place-order": PLACE,
        "v2/spot/trade/batch-orders": PLACE,
        "v2/spot/trade/cancel-order": CANCEL,
        "v2/spot/trade/batch-cancel-order": CANCEL,
        "v2/spot/trade/cancel-symbol-order": CANCEL,
    }
    order_path = "v2/spot/trade/place-order"

    def _order_target(self) -> str:
        return "/api/v2/spot/trade/place-order"

    def _order_headers(self, params: dict[str, Any], body: str) -> dict[str, str] | None:
        options = self.options
        if options.get("sandboxMode") or options.get("sandbox"):
            return None  # which adds a header
        timestamp = str(self.milliseconds())
        return {
            "ACCESS-KEY": self.apiKey,
            "ACCESS-SIGN": self._seal(f"{timestamp}POST{self._order_target()}{body}"),
            "ACCESS-TIMESTAMP": timestamp,
            "ACCESS-PASSPHRASE": self.password,
            "X-CHANNEL-API-CODE": options.get("broker"),
            "Content-Type": "application/json",
        }

    def _base_url(self, api: Any) -> str:
        return str(self.urls["api"][api[1]])

    def _orders(self, item: dict[str, Any]) -> list[dict[str, Any]]:
        batch = item.get("orderList")
        if not isinstance(batch, list):
            return [item]
        return [{"symbol": item.get("symbol"), **order} for order in batch]

    def _claim(self, order: dict[str, Any]) -> OrderClaim:
        symbol = self._symbol(order.get("symbol"))
        if order.get("orderType") == "market":
            return OrderClaim(symbol, market_value(order, order.get("size"), order.get("side") == "buy"))
        return OrderClaim(symbol, value_of(order.get("size"), order.get("price")))
