"""OKX through ccxt.pro, behind the guard: signatures of API v5 ("REST authentication")."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, ClassVar

import ccxt.pro

from arb.clock import Clock
from arb.venues.kit.call import Call
from arb.venues.kit.header_client import CANCEL, PLACE, HeaderClient
from arb.venues.kit.rules.guard import OrderClaim, OrderFields, SigningGuard, limit_claim, to_decimal


class GuardedOkx(HeaderClient, ccxt.pro.okx):
    """`ccxt.pro.okx` on our clock and behind the guard; spot orders only."""

    separator = "-"
    root = "/api/v5/"
    expiry_in_head = True
    writes: ClassVar[Mapping[str, str]] = {
        "trade/order": PLACE,
        "trade/batch-orders": PLACE,
        "trade/cancel-order": CANCEL,
        "trade/cancel-batch-orders": CANCEL,
        "trade/cancel-all-after": CANCEL,
    }
    order_fields: ClassVar[OrderFields] = {
        "instId": None,
        "tdMode": frozenset({"cash"}),
        "clOrdId": None,
        "side": None,
        "ordType": frozenset({"limit", "market", "ioc", "fok", "post_only"}),
        "px": None,
        "sz": None,
        "tgtCcy": None,
    }

    def __init__(
        self, clock: Clock, guard: SigningGuard, config: dict[str, Any], site_headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(clock, guard, config, site_headers)
        self.options["brokerId"] = None  # ccxt's tag, which our orders do not carry

    def _allowed_fields(self) -> OrderFields:
        """Return the parameters of an order; where borrowing is allowed, it may be placed against the margin."""
        if not self.guard.borrowing_allowed:
            return self.order_fields
        return {**self.order_fields, "tdMode": frozenset({"cash", "cross"})}

    def _timestamp(self, now_ms: int) -> str:
        return f"{_second_text(now_ms // 1000)}.{now_ms % 1000:03d}Z"

    def _headers(self, timestamp: str, signature: str, expiry: str | None) -> dict[str, str]:
        headers = {
            "OK-ACCESS-KEY": self.apiKey,
            "OK-ACCESS-PASSPHRASE": self.password,
            "OK-ACCESS-TIMESTAMP": timestamp,
            "OK-ACCESS-SIGN": signature,
        }
        return headers if expiry is None else headers | {"expTime": expiry}  # not part of the signed text

    def _base_url(self, call: Call) -> str:
        return str(self.urls["api"]["rest"])

    def _claim(self, order: dict[str, Any]) -> OrderClaim:
        symbol = self._symbol(order.get("instId"))
        if order.get("ordType") != "market":
            return limit_claim(symbol, order.get("side"), order.get("sz"), order.get("px"))
        # Spot market buys count `sz` in quote unless `tgtCcy` is base; perpetuals count contracts and are not ours.
        in_quote = order.get("side") == "buy" and order.get("tgtCcy") != "base_ccy"
        return OrderClaim(symbol, to_decimal(order.get("sz")) if in_quote else None)


@lru_cache(maxsize=4)
def _second_text(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).isoformat()[:19]
