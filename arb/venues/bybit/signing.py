"""Bybit through ccxt.pro, behind the guard: signatures of API v5 ("Integration Guidance").

The signed text is timestamp, key, window and the query or body. The window of an order is the time left until its expiry:
the venue refuses one that arrives later. It does not check again before it matches, so that proves no absence.
"""

from binascii import hexlify
from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import quote

import ccxt.pro

from arb.clock import Clock
from arb.venues.kit.call import Call
from arb.venues.kit.header_client import CANCEL, PLACE, HeaderClient
from arb.venues.kit.rules.guard import OrderClaim, OrderFields, SigningGuard, limit_claim

USUAL_WINDOW = "5000"
"""The window (ms) of requests that do not expire, the venue's own default."""


class GuardedBybit(HeaderClient, ccxt.pro.bybit):
    """`ccxt.pro.bybit` on our clock and behind the guard; spot limit orders without leverage only."""

    root = "/"
    expiry_in_head = True
    expiry_is_window = True
    seal_text = staticmethod(hexlify)
    writes: ClassVar[Mapping[str, str]] = {
        "v5/order/create": PLACE,
        "v5/order/cancel": CANCEL,
        "v5/order/cancel-batch": CANCEL,
    }
    order_fields: ClassVar[OrderFields] = {
        "category": frozenset({"spot"}),
        "symbol": None,
        "side": frozenset({"Buy", "Sell"}),
        "orderType": frozenset({"Limit"}),
        "qty": None,
        "price": None,
        "timeInForce": None,
        "orderLinkId": None,
        "isLeverage": frozenset({0}),
    }

    def __init__(
        self, clock: Clock, guard: SigningGuard, config: dict[str, Any], site_headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(clock, guard, config, site_headers)
        self.options["brokerId"] = None  # ccxt's tag, which our orders do not carry

    def _timestamp(self, now_ms: int) -> str:
        return str(now_ms)

    def _headers(self, timestamp: str, signature: str, expiry: str | None) -> dict[str, str]:
        return {
            "X-BAPI-API-KEY": self.apiKey,
            "X-BAPI-TIMESTAMP": timestamp,
            "X-BAPI-RECV-WINDOW": expiry or USUAL_WINDOW,
            "X-BAPI-SIGN": signature,
        }

    def _signed_head(self, method: str, target: str) -> str:
        return str(self.apiKey)

    def _signed_query(self, query: str) -> str:
        return query

    def _expiry(self, call: Call, now_ms: int) -> str:
        if call.expires_ns is None:
            return USUAL_WINDOW
        return str(self._left_ms(int(self.venue_ms_text(call.expires_ns)), now_ms))

    def _window(self, expires_ms: int, now_ms: int) -> tuple[str, ...]:
        self._left_ms(expires_ms, now_ms)
        return ()

    def _query(self, params: dict[str, Any]) -> tuple[str, str]:
        """Return the query, signed as it is sent; a cursor is escaped already, and is returned as it came."""
        text = "&".join(f"{name}={quote(str(value), safe='%')}" for name, value in params.items())
        return text, text

    def _base_url(self, call: Call) -> str:
        return str(self.urls["api"][call.api[0]])

    def _claim(self, order: dict[str, Any]) -> OrderClaim:
        side = str(order.get("side")).lower()
        return limit_claim(self._symbol(order.get("symbol")), side, order.get("qty"), order.get("price"))
