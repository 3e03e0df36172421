"""How Gate writes orders, fills and balances, in REST answers and in private frames alike (Gate APIv4, models).

`cancelled` does not exclude fills; fees may be paid in the received asset, in GT or in points, whichever field is not
zero. `filled_total` is quote, `filled_amount` is base, `fill_price` is an old name of `filled_total`; `amount` and
`left` of a market buy are quote. An order's `text` holds our client order id behind `t-`; any other text (`apiv4`,
`web`, `app`...) names the source of a foreign order.
"""

import logging
from decimal import Context, Decimal
from typing import Any

from arb.clock import NS_PER_S
from arb.core.messages.events import AssetBalance
from arb.market.fill import Fill, FillSource, Liquidity
from arb.market.numbers import ZERO
from arb.market.order import OrderReport, Side
from arb.market.symbol import Symbol
from arb.masking import clean
from arb.venues.kit.fields import Fields, ThrottledWarning, parted

_TWO_FEES = ThrottledWarning(logging.getLogger(__name__))
_LIQUIDITY = {"taker": Liquidity.TAKER, "maker": Liquidity.MAKER}
# Enough for any product or quotient of two venue numbers; quotients are only informative.
_EXACT = Context(prec=60)
_QUOTIENT = Context(prec=24)

TEXT_PREFIX = "t-"
GT, POINTS = "GT", "POINT"
_STILL_OPEN = frozenset({"open", "-", "_new", "_update"})
_OPEN_EVENTS = frozenset({"put", "update"})


def from_text(text: str | None) -> str | None:
    """Return the client order id inside a `text`, or None when the order carries none."""
    if text is None or not text.startswith(TEXT_PREFIX):
        return None
    return text.removeprefix(TEXT_PREFIX)


def symbol_of(venue: str, native_symbol: str) -> str:
    return parted(venue, native_symbol, "_")


def order_report(venue: str, raw: Any) -> OrderReport:
    """Read an order of `/spot/orders` or `spot.orders`; raise `VenueProtocolError` naming the field that is wrong."""
    fields = Fields(venue, "order", raw)
    size = fields.not_negative("amount")
    in_quote = fields.raw("type") == "market" and fields.raw("side") == "buy"
    cost = fields.readable("filled_total")
    cost = fields.readable("fill_price") if cost is None else cost
    average = fields.readable("avg_deal_price")
    average = average if average is not None and average > 0 else None
    filled = _filled(fields, size, in_quote, cost, average)
    if not in_quote and not 0 <= filled <= size:
        raise fields.bad("left", f"{filled} filled of {size}")
    if not filled and _word(fields, "finish_as") == "filled":
        raise fields.bad("finish_as", "filled, and nothing was")
    if average is None and filled and cost is not None:
        average = _QUOTIENT.divide(cost, filled)
    is_open = _is_open(fields)
    return OrderReport(
        venue=venue,
        symbol=symbol_of(venue, fields.text("currency_pair")),
        client_order_id=from_text(fields.maybe_text("text")),
        venue_order_id=fields.text("id"),
        side=fields.side(),
        price=fields.maybe_decimal("price"),
        size=size,
        filled=filled,
        avg_price=average if filled else None,
        is_open=is_open,
        finish_reason=None if is_open else _word(fields, "finish_as"),
        updated_ns=fields.maybe_ms_ns("update_time_ms") or fields.maybe_s_ns("update_time"),
    )


def fill(venue: str, raw: Any, source: FillSource, received_ns: int) -> Fill:
    """Read a row of `/spot/my_trades` or `spot.usertrades`; raise `VenueProtocolError` naming the field that is wrong."""
    fields = Fields(venue, "fill", raw)
    symbol = symbol_of(venue, fields.text("currency_pair"))
    side = fields.side()
    fee, fee_currency = _fee(fields, symbol, side)
    event_ns = fields.maybe_ms_ns("create_time_ms") or fields.maybe_s_ns("create_time")
    if event_ns is None:
        raise fields.bad("create_time_ms", "missing")
    return Fill(
        venue=venue,
        symbol=symbol,
        trade_id=fields.text("id"),
        venue_order_id=fields.text("order_id"),
        client_order_id=from_text(fields.maybe_text("text")),
        side=side,
        price=fields.positive("price"),
        size=fields.positive("amount"),
        fee=fee,
        fee_currency=fee_currency,
        liquidity=_LIQUIDITY.get(fields.maybe_text("role") or "", Liquidity.UNKNOWN),
        source=source,
        event_ns=event_ns,
        received_ns=received_ns,
    )


def balance(venue: str, raw: Any, locked_field: str) -> tuple[str, AssetBalance]:
    """Read one asset; the locked part is called `locked` in REST answers and `freeze` in frames."""
    fields = Fields(venue, "balance", raw)
    locked = fields.not_negative(locked_field, ZERO)
    return fields.text("currency"), AssetBalance(fields.not_negative("available"), locked)


def unified_balances(venue: str, raw: Any) -> dict[str, AssetBalance]:
    """Read `/unified/accounts`; an asset with more debt than balance has nothing free."""
    balances = Fields(venue, "unified account", raw).object("balances")
    return {clean(asset): _unified_balance(balances.object(asset)) for asset in raw["balances"]}


def _unified_balance(fields: Fields) -> AssetBalance:
    return AssetBalance(max(fields.decimal("available"), ZERO), fields.not_negative("freeze", ZERO))


def now_s(now_ns: int) -> int:
    """Return whole Unix seconds, as Gate's frames and timestamps want them."""
    return now_ns // NS_PER_S


def _is_open(fields: Fields) -> bool:
    """Return whether an order may still fill; one that names an end, though it be one we do not know, has ended."""
    finish_as = _word(fields, "finish_as")
    if finish_as is not None and finish_as not in _STILL_OPEN:
        return False
    status, event = _word(fields, "status"), _word(fields, "event")
    if status is None and event is None:
        return finish_as != "-"
    return status == "open" or event in _OPEN_EVENTS


def _filled(fields: Fields, size: Decimal, in_quote: bool, cost: Decimal | None, average: Decimal | None) -> Decimal:
    """Return the filled base: as stated, else from the rest or, of a market buy, from the amount spent."""
    stated, left = fields.readable("filled_amount"), fields.readable("left")
    if stated is not None:
        return stated
    if not in_quote and left is not None:
        return _EXACT.subtract(size, left)
    if in_quote and cost is not None and not cost:
        return ZERO
    if in_quote and cost is not None and average is not None:
        return _QUOTIENT.divide(cost, average)
    raise fields.bad("left", "neither it nor filled_amount can be read")


def _word(fields: Fields, key: str) -> str | None:
    value = fields.raw(key)
    return clean(value) if isinstance(value, str) and value else None


def _fee(fields: Fields, symbol: str, side: Side) -> tuple[Decimal, str]:
    base, quote = Symbol.of(symbol).base_and_quote
    received = base if side is Side.BUY else quote
    charged = [
        (fields.decimal("fee"), fields.maybe_text("fee_currency") or received),
        (fields.maybe_decimal("gt_fee") or ZERO, GT),
        (fields.maybe_decimal("point_fee") or ZERO, POINTS),
    ]
    paid = [(fee, asset) for fee, asset in charged if fee]
    if len(paid) > 1:
        # Not documented to happen. The first changes the traded balances; the rest shows when balances are read.
        _TWO_FEES.warn(f"gate fill {fields.maybe_text('id')} was charged in {[asset for _, asset in paid]}")
    return paid[0] if paid else charged[0]
