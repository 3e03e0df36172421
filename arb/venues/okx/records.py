"""How OKX writes orders, fills and balances, in REST answers and in private frames alike (API v5, "Trade", "Account").

All values are texts and instants Unix milliseconds. A fee is negative when paid, so its sign is turned here. `clOrdId`
is empty on orders that were placed without one.
"""

from functools import partial
from typing import Any

from arb.core.messages.events import AssetBalance
from arb.market.fill import Fill, FillSource, Liquidity
from arb.market.numbers import ZERO
from arb.market.order import OrderReport
from arb.venues.kit.fields import Fields, parted

_LIQUIDITY = {"T": Liquidity.TAKER, "M": Liquidity.MAKER}
_OPEN_STATES = frozenset({"live", "partially_filled"})
_ENDED_STATES = frozenset({"filled", "canceled", "mmp_canceled"})
_FILLED_STATES = frozenset({"filled", "partially_filled"})


def symbol_of(venue: str, native_symbol: str) -> str:
    """Return our spelling of `BTC-USDT`; raise `UnknownSymbol`."""
    return parted(venue, native_symbol, "-")


def order_report(venue: str, raw: Any) -> OrderReport:
    """Read an order of `/trade/order`, the order lists, or the channel `orders`."""
    fields = Fields(venue, "order", raw)
    state = fields.text("state")
    if state not in _OPEN_STATES and state not in _ENDED_STATES:
        raise fields.bad("state", f"unknown: {state!r}")
    size, ended = fields.not_negative("sz"), state in _ENDED_STATES
    some, sized = state if state in _FILLED_STATES else "", fields.maybe_text("tgtCcy") != "quote_ccy"
    filled = fields.filled("accFillSz", size, some=some, sized=sized, default=ZERO if state == "live" else None)
    return OrderReport(
        venue=venue,
        symbol=symbol_of(venue, fields.text("instId")),
        client_order_id=fields.maybe_text("clOrdId"),
        venue_order_id=fields.text("ordId"),
        side=fields.side(),
        price=fields.maybe_decimal("px"),
        size=size,
        filled=filled,
        avg_price=fields.maybe_decimal("avgPx") if filled else None,
        is_open=not ended,
        finish_reason=_reason(fields, state) if ended else None,
        updated_ns=fields.maybe_ms_ns("uTime"),
    )


def fill(venue: str, raw: Any, source: FillSource, received_ns: int) -> Fill:
    fields = Fields(venue, "fill", raw)
    event_ns = fields.maybe_ms_ns("fillTime") or fields.ms_ns("ts")
    return _fill(venue, fields, ("fee", "feeCcy"), event_ns, source, received_ns)


def pushed_fill(venue: str, raw: Any, received_ns: int) -> Fill | None:
    """Read the one fill that a push of the channel `orders` is about; None when it is about none."""
    fields = Fields(venue, "order push", raw)
    if not fields.has("tradeId") or not fields.maybe_decimal("fillSz"):
        return None
    event_ns = fields.maybe_ms_ns("fillTime") or fields.ms_ns("uTime")
    return _fill(venue, fields, ("fillFee", "fillFeeCcy"), event_ns, FillSource.STREAM, received_ns)


def balances(venue: str, raw: Any) -> dict[str, AssetBalance]:
    """Read an account of `/account/balance` or the channel `account`; assets not named there are unchanged or zero."""
    fields = Fields(venue, "account", raw)
    return {
        detail.text("ccy"): AssetBalance(detail.not_negative("availBal"), detail.not_negative("frozenBal", ZERO))
        for detail in map(partial(Fields, venue, "account: details"), fields.listed("details"))
    }


def _fill(
    venue: str, fields: Fields, fee_fields: tuple[str, str], event_ns: int, source: FillSource, received_ns: int
) -> Fill:
    return Fill(
        venue=venue,
        symbol=symbol_of(venue, fields.text("instId")),
        trade_id=fields.text("tradeId"),
        venue_order_id=fields.text("ordId"),
        client_order_id=fields.maybe_text("clOrdId"),
        side=fields.side(),
        price=fields.positive("fillPx"),
        size=fields.positive("fillSz"),
        fee=fields.negated(fee_fields[0]),
        fee_currency=fields.text(fee_fields[1]),
        liquidity=_LIQUIDITY.get(fields.maybe_text("execType") or "", Liquidity.UNKNOWN),
        source=source,
        event_ns=event_ns,
        received_ns=received_ns,
    )


def _reason(fields: Fields, state: str) -> str:
    source = fields.maybe_text("cancelSource")
    return f"{state} {source}" if source else state
