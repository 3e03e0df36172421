"""How Bitget writes orders, fills and balances (API v2, "Spot trade", "Account", and their private channels).

The symbol is one word (`BTCUSDT`), so base and quote come from the listing. A fee is negative when paid, so its sign is
turned here. REST and frames name several fields differently: executed size is `baseVolume` in REST orders,
`accBaseVolume` in frames (where `baseVolume` is the latest fill alone).
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from arb.core.events import AssetBalance
from arb.market.fill import Fill, FillSource, Liquidity
from arb.market.numbers import EXACT, ZERO
from arb.market.order import OrderReport, Side
from arb.market.symbol import Symbol
from arb.venues.fields import Fields, UnknownSymbol

_LIQUIDITY = {"taker": Liquidity.TAKER, "maker": Liquidity.MAKER}
_OPEN_STATES = frozenset({"init", "new", "live", "partially_filled", "partial-fill", "partial_fill"})
_ENDED_STATES = frozenset({"filled", "full_fill", "full-fill", "cancelled", "canceled"})


class Symbols:
    """From native symbols to ours, as the listing has them."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def learn(self, natives: Mapping[str, str]) -> None:
        """Take what the listing says."""
        self._known.update(natives)

    def of(self, venue: str, native_symbol: str) -> str:
        """Return our spelling of `BTCUSDT`; raise `UnknownSymbol` for one that is not listed (or was not, when last read)."""
        symbol = self._known.get(native_symbol)
        if symbol is None:
            raise UnknownSymbol(venue, native_symbol)
        return symbol


def order_report(venue: str, raw: Any, symbols: Symbols, *, pushed: bool) -> OrderReport:
    """Read an order of `orderInfo` and the order lists or, `pushed`, of the channel `orders`."""
    fields = Fields(venue, "order", raw)
    state = fields.text("status")
    if state not in _OPEN_STATES and state not in _ENDED_STATES:
        raise fields.bad("status", f"unknown: {state!r}")
    size = fields.not_negative("size")
    filled = fields.not_negative("accBaseVolume" if pushed else "baseVolume", ZERO)
    by_quote = fields.maybe_text("orderType") == "market" and fields.maybe_text("side") == "buy"
    if filled > size and not by_quote:
        raise fields.bad("accBaseVolume" if pushed else "baseVolume", f"{filled} filled of {size}")
    ended = state in _ENDED_STATES
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
        finish_reason=fields.maybe_text("cancelReason") or state if ended else None,
        updated_ns=fields.maybe_ms_ns("uTime"),
    )


def fill(venue: str, raw: Any, symbols: Symbols, source: FillSource, received_ns: int) -> Fill:
    """Read a row of `/spot/trade/fills` or of the channel `fill`. Our own id is in neither: the order's number is."""
    fields = Fields(venue, "fill", raw)
    symbol, side = symbols.of(venue, fields.text("symbol")), fields.side()
    fee, fee_currency = _fee(fields, symbol, side)
    return Fill(
        venue=venue,
        symbol=symbol,
        trade_id=fields.text("tradeId"),
        venue_order_id=fields.text("orderId"),
        client_order_id=fields.maybe_text("clientOid"),
        side=side,
        price=fields.positive("priceAvg"),
        size=fields.positive("size"),
        fee=fee,
        fee_currency=fee_currency,
        liquidity=_LIQUIDITY.get((fields.maybe_text("tradeScope") or "").lower(), Liquidity.UNKNOWN),
        source=source,
        event_ns=fields.maybe_ms_ns("uTime") or fields.ms_ns("cTime"),
        received_ns=received_ns,
    )


def balance(venue: str, raw: Any) -> tuple[str, AssetBalance]:
    """Read one asset of `/spot/account/assets` or of the channel `account`: `frozen` by orders, `locked` otherwise."""
    fields = Fields(venue, "balance", raw)
    locked = EXACT.add(fields.not_negative("frozen", ZERO), fields.not_negative("locked", ZERO))
    return fields.text("coin"), AssetBalance(fields.not_negative("available"), locked)


def _fee(fields: Fields, symbol: str, side: Side) -> tuple[Decimal, str]:
    detail = fields.raw("feeDetail")
    if isinstance(detail, list):
        detail = detail[0] if detail else None
    if detail is None:
        base, quote = Symbol.of(symbol).base_and_quote
        return ZERO, base if side is Side.BUY else quote
    fee = Fields("bitget", "fill: feeDetail", detail)
    if (
        fee.maybe_text("deduction") == "yes"
    ):  # paid in BGB: then, and then alone, what was paid is above zero (ccxt#21530)
        return abs(fee.decimal("totalFee")), fee.text("feeCoin")
    return fee.negated("totalFee"), fee.text("feeCoin")
