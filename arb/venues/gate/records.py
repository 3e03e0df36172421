"""How Gate writes orders, fills and balances, in REST answers and in private frames alike (Gate APIv4, models).

`cancelled` says nothing about fills; fees may be paid in the received asset, in GT or in points, whichever field is not
zero; an order's `text` holds our id behind `t-`, and any other text is a foreign order.
"""

import logging
from decimal import Decimal
from typing import Any

from arb.clock import NS_PER_S
from arb.core.events import AssetBalance
from arb.market.fill import Fill, FillSource, Liquidity
from arb.market.numbers import ZERO
from arb.market.order import OrderReport, Side
from arb.market.symbol import Symbol
from arb.venues.fields import Fields
from arb.venues.gate.ids import from_text
from arb.venues.gate.orders import order_facts
from arb.venues.symbols import parted

_LOG = logging.getLogger(__name__)
_LIQUIDITY = {"taker": Liquidity.TAKER, "maker": Liquidity.MAKER}


def symbol_of(venue: str, native_symbol: str) -> str:
    """Return our spelling of `BTC_USDT`; raise `UnknownSymbol`."""
    return parted(venue, native_symbol, "_")


def order_report(venue: str, raw: Any) -> OrderReport:
    """Read an order of `/spot/orders` or `spot.orders`; raise `VenueProtocolError` naming the field that is wrong."""
    fields = Fields(venue, "order", raw)
    facts = order_facts(raw)
    size = fields.not_negative("amount")
    filled = facts.filled
    if filled is None:
        raise fields.bad("left", "neither it nor filled_amount can be read")
    if not 0 <= filled <= size and facts.requested_cost is None:
        raise fields.bad("left", f"{filled} filled of {size}")
    ended = facts.status in ("closed", "canceled")
    return OrderReport(
        venue=venue,
        symbol=symbol_of(venue, fields.text("currency_pair")),
        client_order_id=from_text(fields.maybe_text("text")),
        venue_order_id=fields.text("id"),
        side=fields.side(),
        price=fields.maybe_decimal("price"),
        size=size,
        filled=filled,
        avg_price=facts.average if filled else None,
        is_open=not ended,
        finish_reason=facts.finish_as if ended else None,
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


def now_s(now_ns: int) -> int:
    """Return whole Unix seconds, as Gate's frames and timestamps want them."""
    return now_ns // NS_PER_S


def _fee(fields: Fields, symbol: str, side: Side) -> tuple[Decimal, str]:
    base, quote = Symbol.of(symbol).base_and_quote
    received = base if side is Side.BUY else quote
    charged = [
        (fields.maybe_decimal("fee") or ZERO, fields.maybe_text("fee_currency") or received),
        (fields.maybe_decimal("gt_fee") or ZERO, "GT"),
        (fields.maybe_decimal("point_fee") or ZERO, "POINT"),
    ]
    paid = [(fee, asset) for fee, asset in charged if fee]
    if len(paid) > 1:
        # Not documented to happen. The first is what changes the traded balances; the rest shows when balances are read.
        _LOG.warning("gate fill %s was charged in %s", fields.maybe_text("id"), [asset for _, asset in paid])
    return paid[0] if paid else charged[0]
