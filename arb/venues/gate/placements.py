"""Which writes the Gate client signs, and what each placement may be worth: the guard's eyes.

A write that is not named here is never signed: withdrawals, transfers, loans, conversions, and orders whose value
cannot be bounded in quote (futures and options count contracts, trigger orders fire later).
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from arb.venues.rules.guard import OrderClaim, to_decimal, value_of

# Hints travel among the parameters and never leave: `expires_ns` is the instant, on our clock, after which the venue
# must refuse the request; the references bound the value of an order that does not say its price or size itself.
EXPIRES_NS = "expires_ns"
REFERENCE_PRICE = "reference_price"
REFERENCE_SIZE = "reference_size"
HINTS = frozenset({EXPIRES_NS, REFERENCE_PRICE, REFERENCE_SIZE})

_PLACING = frozenset(
    {
        "POST spot/orders",
        "POST spot/batch_orders",
        "POST spot/amend_batch_orders",
        "PATCH spot/orders/{order_id}",
        "spot.order_place",
        "spot.order_amend",
    }
)
_HARMLESS = re.compile(
    r"DELETE (spot|(futures|delivery)/\{settle\})/orders(/\{order_id\})?"
    r"|POST spot/(cancel_batch_orders|countdown_cancel_all)"
    r"|POST futures/\{settle\}/(batch_cancel_orders|countdown_cancel_all)"
    r"|POST (futures|delivery)/\{settle\}/(dual_comp/)?positions/\{contract\}/(leverage|set_leverage|risk_limit)"
    r"|POST futures/\{settle\}/(dual_mode|set_position_mode)"
    r"|POST margin/auto_repay"
    r"|(spot|futures)\.(login|order_cancel|order_cancel_ids|order_cancel_cp|order_status|order_list)"
)
_CANCELLING_CHANNELS = frozenset({"order_place", "order_amend", "order_cancel", "order_cancel_ids", "order_cancel_cp"})


def is_placement(call: str) -> bool:
    """Return whether a call (`POST spot/orders`, `spot.order_place`) can create or enlarge an order."""
    return call in _PLACING


@lru_cache(maxsize=1024)
def is_signed(call: str) -> bool:
    """Return whether this client signs the write at all."""
    return call in _PLACING or _HARMLESS.fullmatch(call) is not None


def channel_takes_expiry(channel: str) -> bool:
    """Return whether a websocket API channel places, amends or cancels, and so honours `x-gate-exptime`."""
    return channel.partition(".")[2] in _CANCELLING_CHANNELS


def claims_of(params: Any, hints: Mapping[str, Any], symbols: Mapping[str, str]) -> list[OrderClaim]:
    """Return what the orders of one placement may be worth; `symbols` maps native symbols to ours."""
    items = params if isinstance(params, list) else [params]
    return [_claim(item, hints, symbols) for item in items]


def _claim(order: Mapping[str, Any], hints: Mapping[str, Any], symbols: Mapping[str, str]) -> OrderClaim:
    native = str(order.get("currency_pair"))
    symbol = symbols.get(native, native)
    size = order.get("amount") or order.get(REFERENCE_SIZE) or hints.get(REFERENCE_SIZE)
    if order.get("type") == "market" and order.get("side") == "buy":
        return OrderClaim(symbol, to_decimal(size))  # a market buy's amount is quote
    price = order.get("price") or order.get(REFERENCE_PRICE) or hints.get(REFERENCE_PRICE)
    return OrderClaim(symbol, value_of(size, price))


def split_hints(params: Any) -> tuple[dict[str, Any], Any]:
    """Return (hints, parameters to send); of a batch, the earliest expiry counts for the whole request."""
    if isinstance(params, list):
        hints: dict[str, Any] = {}
        expiries = [item[EXPIRES_NS] for item in params if isinstance(item, dict) and EXPIRES_NS in item]
        if expiries:
            hints[EXPIRES_NS] = min(expiries)
        return hints, [_without_hints(item) if isinstance(item, dict) else item for item in params]
    if HINTS.isdisjoint(params):
        return {}, params
    return {key: params[key] for key in HINTS if key in params}, _without_hints(params)


def _without_hints(params: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in params.items() if key not in HINTS}
