"""How Bitget writes orders, fills and balances (API v2, "Spot trade", "Account", and their private channels).

The symbol is one word (`BTCUSDT`), so base and quote are read from the listing. A fee is negative when paid, so its
sign is turned here. REST and frames name several fields differently: executed size is `baseVolume` in REST orders,
`accBaseVolume` in frames (where `baseVolume` is only the latest fill).
"""

from decimal import Decimal
from typing import Any

from arb.core.messages.events import AssetBalance
from arb.market.fill import Fill, FillSource, Liquidity
from arb.market.numbers import EXACT, ZERO
from arb.market.order import OrderReport
from arb.venues.kit.fields import Fields, Symbols

_LIQUIDITY = {"taker": Liquidity.TAKER, "maker": Liquidity.MAKER}
_UNFILLED_STATES = frozenset({"init", "new", "live"})
_OPEN_STATES = _UNFILLED_STATES | {"partially_filled", "partial-fill", "partial_fill"}
_CANCELLED_STATES = frozenset({"cancelled", "canceled"})
_ENDED_STATES = _CANCELLED_STATES | {"filled", "full_fill", "full-fill"}


def is_open(fields: Fields, key: str) -> bool:
    """Return whether a field has the state of an order that is open; raise `VenueProtocolError` for a state not known here."""
    state = fields.text(key)
    if state not in _OPEN_STATES and state not in _ENDED_STATES:
        raise fields.bad(key, f"unknown: {state!r}")
    return state in _OPEN_STATES


def liquidity_of(fields: Fields) -> Liquidity:
    return _LIQUIDITY.get((fields.maybe_text("tradeScope") or "").lower(), Liquidity.UNKNOWN)


def order_report(venue: str, raw: Any, symbols: Symbols, *, pushed: bool) -> OrderReport:
    """Read an order of `orderInfo` and the order lists or, `pushed`, of the channel `orders`."""
    fields = Fields(venue, "order", raw)
    ended, state = not is_open(fields, "status"), fields.text("status")
    size = fields.not_negative("size")
    executed = "accBaseVolume" if pushed else "baseVolume"
    by_quote = fields.maybe_text("orderType") == "market" and fields.maybe_text("side") == "buy"
    some = "" if state in _UNFILLED_STATES | _CANCELLED_STATES else state
    default = ZERO if state in _UNFILLED_STATES else None
    filled = fields.filled(executed, size, some=some, sized=not by_quote, default=default)
    return OrderReport(
        venue=venue,
        symbol=symbols.of(venue, fields.text("instId" if pushed else "symbol")),
        client_order_id=fields.maybe_text("clientOid"),
        venue_order_id=fields.text("orderId"),
        side=fields.side(),
        price=fields.maybe_decimal("price"),
        size=size,
        filled=filled,
        # In the list of open orders `priceAvg` is the limit price.
        avg_price=fields.maybe_decimal("priceAvg") if filled and (ended or pushed) else None,
        is_open=not ended,
        finish_reason=fields.maybe_text("cancelReason") or fields.text("status") if ended else None,
        updated_ns=fields.maybe_ms_ns("uTime"),
    )


def fill(venue: str, raw: Any, symbols: Symbols, source: FillSource, received_ns: int) -> Fill:
    fields = Fields(venue, "fill", raw)
    symbol = symbols.of(venue, fields.text("symbol"))
    fee, fee_currency = _fee(fields)
    return Fill(
        venue=venue,
        symbol=symbol,
        trade_id=fields.text("tradeId"),
        venue_order_id=fields.text("orderId"),
        client_order_id=fields.maybe_text("clientOid"),
        side=fields.side(),
        price=fields.positive("priceAvg"),
        size=fields.positive("size"),
        fee=fee,
        fee_currency=fee_currency,
        liquidity=liquidity_of(fields),
        source=source,
        event_ns=fields.maybe_ms_ns("uTime") or fields.ms_ns("cTime"),
        received_ns=received_ns,
    )


def balance(venue: str, raw: Any) -> tuple[str, AssetBalance]:
    """Read one asset of `/spot/account/assets` or of the channel `account`: `frozen` by orders, `locked` otherwise."""
    fields = Fields(venue, "balance", raw)
    locked = EXACT.add(fields.not_negative("frozen", ZERO), fields.not_negative("locked", ZERO))
    return fields.text("coin"), AssetBalance(fields.not_negative("available"), locked)


def _fee(fields: Fields) -> tuple[Decimal, str]:
    """Read the fee, an object in REST answers and a list of one in frames."""
    detail = fields.raw("feeDetail")
    fee = Fields("bitget", "fill: feeDetail", detail[0] if isinstance(detail, list) and detail else detail)
    if fee.maybe_text("deduction") == "yes":  # paid in BGB: only then above zero (ccxt#21530)
        return abs(fee.decimal("totalFee")), fee.text("feeCoin")
    return fee.negated("totalFee"), fee.text("feeCoin")
