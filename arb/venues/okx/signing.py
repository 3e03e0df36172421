"""OKX through ccxt.pro, behind the guard: signatures of API v5 ("REST authentication")."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, ClassVar

import ccxt.pro

from arb.venues.guarded import CANCEL, PLACE, GuardedExchange, market_value
from arb.venues.rules.guard import OrderClaim, value_of


class GuardedOkx(GuardedExchange, ccxt.pro.okx):
    """`ccxt.pro.okx` on our clock and behind the guard; spot orders only."""

    separator = "-"
    writes: ClassVar[Mapping[str, str]] = {
        "trade/order": PLACE,
        "trade/batch-orders": PLACE,
        "trade/cancel-order": CANCEL,
        "trade/cancel-batch-orders": CANCEL,
        "trade/cancel-all-after": CANCEL,
    }
    order_path = "trade/order"

    def _order_target(self) -> str:
        return "/api/v5/trade/order"

    def _order_headers(self, params: dict[str, Any], body: str) -> dict[str, str] | None:
        if "clOrdId" not in params:
            return None  # ccxt then makes one up
        now_ms = self.milliseconds()
        timestamp = f"{_second_text(now_ms // 1000)}.{now_ms % 1000:03d}Z"
        return {
            "OK-ACCESS-KEY": self.apiKey,
            "OK-ACCESS-PASSPHRASE": self.password,
            "OK-ACCESS-TIMESTAMP": timestamp,
            "Content-Type": "application/json",
            "OK-ACCESS-SIGN": self._seal(f"{timestamp}POST{self._order_target()}{body}"),
        }

    def check_socket(self, url: str) -> None:
        """Raise `SigningRefused` unless orders may be sent to a websocket's host."""
        self.guard.check_host(url)

    def admit_op(self, path: str, args: list[dict[str, Any]]) -> None:
        """Let the guard admit a write over the websocket, named by its REST path; raise `SigningRefused` otherwise."""
        kind = self.writes.get(path)
        if kind is None:
            raise self.guard.refuse_endpoint("WS", path)
        if kind == PLACE:
            self.guard.admit([self._claim(order) for order in args])

    def _base_url(self, api: Any) -> str:
        return str(self.urls["api"]["rest"])

    def _claim(self, order: dict[str, Any]) -> OrderClaim:
        symbol = self._symbol(order.get("instId"))
        # Spot market buys count `sz` in quote unless `tgtCcy` says base; perpetuals count contracts and are not ours.
        if order.get("ordType") == "market":
            in_quote = order.get("side") == "buy" and order.get("tgtCcy") != "base_ccy"
            return OrderClaim(symbol, market_value(order, order.get("sz"), in_quote))
        return OrderClaim(symbol, value_of(order.get("sz"), order.get("px")))


@lru_cache(maxsize=4)
def _second_text(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).isoformat()[:19]
