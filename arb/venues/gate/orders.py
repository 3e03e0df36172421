"""What a Gate order says of itself: status, fills, cost and fees, read from the venue's own fields.

ccxt reads `finish_as` through a short list and lets every other word through as a status, takes the requested quote
amount of a market buy for its cost, and knows no fees in points. Rules (Gate APIv4, "Order"): `cancelled` says
nothing about fills; `filled_total` is quote, `filled_amount` is base, `fill_price` is an old name of `filled_total`;
`amount` and `left` of a market buy are quote.
"""

from collections.abc import Callable
from decimal import Context, Decimal
from typing import Any, NamedTuple

from arb.market.numbers import ZERO
from arb.venues.rules.guard import to_decimal

# Enough for any product or quotient of two venue numbers; quotients are only informative.
_EXACT = Context(prec=60)
_QUOTIENT = Context(prec=24)

_STILL_OPEN = frozenset({"open", "-", "_new", "_update"})
_SPOT_ENDS = ("filled", "cancelled", "ioc", "poc", "fok", "stp", "small", "depth_not_enough", "trader_not_enough")
_OTHER_ENDS = ("liquidate_cancelled", "price_protect_cancelled", "expired", "failed", "succeeded")
_CONTRACT_ENDS = ("liquidated", "auto_deleveraged", "reduce_only", "position_closed", "reduce_out")
_KNOWN_ENDS = frozenset((*_SPOT_ENDS, *_OTHER_ENDS, *_CONTRACT_ENDS))
_OPEN_EVENTS = frozenset({"put", "update"})
# Labels of a batch item whose order may nevertheless exist.
UNKNOWN_LABELS = frozenset(
    [
        "INTERNAL",
        "SERVER_ERROR",
        "INTERNAL_SERVER_ERROR",
        "TOO_BUSY",
        "SERVER_TIMEOUT",
        "DUPLICATE_REQUEST",
        "ORDER_EXISTS",
    ]
)


class OrderFacts(NamedTuple):
    """What one order of Gate's says, exactly. None: the venue did not say. Sizes are base, `cost` and
    `requested_cost` quote.

    `status` is ccxt's `open`, `closed` (filled whole) or `canceled` (ended with something unfilled, fills or none).
    `finish_as` is the venue's own word; `fill_check` marks an end we have no name for: terminal, but to be verified
    against the fills.
    """

    status: str | None
    finish_as: str | None
    fill_check: bool
    filled: Decimal | None
    remaining: Decimal | None
    amount: Decimal | None
    cost: Decimal | None
    average: Decimal | None
    requested_cost: Decimal | None


def order_facts(raw: dict[str, Any]) -> OrderFacts:
    """Read one spot order, of a REST answer or of the websocket channel `spot.orders`."""
    finish_as = _text(raw, "finish_as")
    quoted = is_market_buy(raw)
    requested, left = to_decimal(raw.get("amount")), to_decimal(raw.get("left"))
    cost = _first(raw, "filled_total", "fill_price")
    average = _positive(to_decimal(raw.get("avg_deal_price")))
    filled = _filled(raw, quoted, requested, left, cost, average)
    if average is None and filled and cost is not None:
        average = _QUOTIENT.divide(cost, filled)
    status = _status(raw, finish_as, left, filled)
    amount, remaining = requested, left
    if quoted:
        remaining = _QUOTIENT.divide(left, average) if left is not None and average is not None else None
        amount = _EXACT.add(filled, remaining) if filled is not None and remaining is not None else None
    check = status is not None and status != "open" and finish_as is not None and finish_as not in _KNOWN_ENDS
    return OrderFacts(status, finish_as, check, filled, remaining, amount, cost, average, requested if quoted else None)


def contract_status(raw: dict[str, Any]) -> str | None:
    """Return the status of a futures order: `finished` is closed only when nothing is left of it."""
    left = to_decimal(raw.get("left"))
    return _status(raw, _text(raw, "finish_as"), left, None)


def is_market_buy(raw: dict[str, Any]) -> bool:
    """Return whether `amount` and `left` are quote: only for a spot market buy."""
    return raw.get("type") == "market" and raw.get("side") == "buy" and "contract" not in raw


def fees_of(raw: dict[str, Any], currency_code: Callable[[str], str | None]) -> list[dict[str, Any]]:
    """Return every fee charged, positive when paid; a rebate is negative. A fee of 0 stays only when it is the only
    one.

    GT and points pay instead of the received asset: then `fee` is 0 and `gt_fee` or `point_fee` holds what was charged.
    """
    entries = [
        (_text(raw, "fee_currency"), to_decimal(raw.get("fee"))),
        ("GT", to_decimal(raw.get("gt_fee"))),
        ("POINT", to_decimal(raw.get("point_fee"))),
        (_text(raw, "rebated_fee_currency"), _negated(to_decimal(raw.get("rebated_fee")))),
    ]
    fees = [
        {"currency": currency_code(asset) if asset else None, "cost": f"{cost:f}"} for asset, cost in entries if cost
    ]
    if not fees and entries[0][1] is not None:
        asset = entries[0][0]
        fees = [{"currency": currency_code(asset) if asset else None, "cost": "0"}]
    return fees


def item_refused(raw: dict[str, Any]) -> bool:
    """Return whether a batch item was refused for certain; a server's own fault is no refusal."""
    return raw.get("succeeded") is False and raw.get("label") not in UNKNOWN_LABELS


def _status(raw: dict[str, Any], finish_as: str | None, left: Decimal | None, filled: Decimal | None) -> str | None:
    status, event = _text(raw, "status"), _text(raw, "event")
    if status is None and event is None and finish_as is None:
        return None  # an ACK answer: only ids
    if finish_as is None or finish_as in _STILL_OPEN:
        if status == "open" or event in _OPEN_EVENTS:
            return "open"
        if status is None and event is None and finish_as != "-":
            return "open"
    if is_market_buy(raw):
        whole = status == "closed" or finish_as == "filled" or left == 0
    elif left is not None:
        whole = left == 0
    else:
        whole = status == "closed" or finish_as == "filled"
    return "closed" if whole and filled != 0 else "canceled"


def _filled(
    raw: dict[str, Any],
    quoted: bool,
    requested: Decimal | None,
    left: Decimal | None,
    cost: Decimal | None,
    average: Decimal | None,
) -> Decimal | None:
    stated = to_decimal(raw.get("filled_amount"))
    if stated is not None:
        return stated
    if not quoted:
        return None if requested is None or left is None else _EXACT.subtract(requested, left)
    if cost is None:
        return None
    if cost == 0:
        return ZERO
    return None if average is None else _QUOTIENT.divide(cost, average)


def _first(raw: dict[str, Any], *keys: str) -> Decimal | None:
    for key in keys:
        value = to_decimal(raw.get(key))
        if value is not None:
            return value
    return None


def _positive(value: Decimal | None) -> Decimal | None:
    return value if value is not None and value > 0 else None


def _negated(value: Decimal | None) -> Decimal | None:
    return None if value is None else value.copy_negate()  # exact, whatever the context's precision


def _text(raw: dict[str, Any], key: str) -> str | None:
    value = raw.get(key)
    return value if isinstance(value, str) and value else None
