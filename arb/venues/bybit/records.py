"""How Bybit writes orders, executions and balances (API v5, "Trade", "Account", and the private topics).

Answers and frames use the same names. All values are texts and instants Unix milliseconds. A fee is positive when
charged. A unified account has futures of the same names as spot: each row of a frame names its category, and only spot
is ours. Answers are asked for by category, so their rows name none.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from arb.core.messages.events import AssetBalance
from arb.market.fill import Fill, FillSource, Liquidity
from arb.market.numbers import EXACT, ZERO
from arb.market.order import OrderReport, Side
from arb.market.symbol import Symbol
from arb.venues.kit.fields import Fields, Symbols, UnknownSymbol
from arb.venues.kit.rules.outcome import decode_body

SPOT, TRADE = "spot", "Trade"
_FILLED_STATES = frozenset({"Filled", "PartiallyFilled", "PartiallyFilledCanceled"})
_OPEN_STATES = frozenset({"New", "PartiallyFilled", "Untriggered", "Triggered"})
_ENDED_STATES = frozenset({"Filled", "Cancelled", "PartiallyFilledCanceled", "Rejected", "Deactivated"})
_LIQUIDITY = {"True": Liquidity.MAKER, "False": Liquidity.TAKER}
_NO_REASON = frozenset({None, "EC_NoError"})


def order_report(venue: str, raw: Any, symbols: Symbols) -> OrderReport:
    """Read an order of `/v5/order/realtime`, `/v5/order/history` or the topic `order`.

    A rejected order may have fills. The `qty` of a market buy may count quote.
    """
    fields = Fields(venue, "order", raw)
    symbol, state = _symbol(venue, fields, symbols), fields.text("orderStatus")
    if state not in _OPEN_STATES and state not in _ENDED_STATES:
        raise fields.bad("orderStatus", f"unknown: {state!r}")
    size, ended = fields.not_negative("qty"), state in _ENDED_STATES
    by_quote = fields.maybe_text("orderType") == "Market" and fields.maybe_text("side") == "Buy"
    filled = fields.filled("cumExecQty", size, some=state if state in _FILLED_STATES else "", sized=not by_quote)
    reason = fields.maybe_text("rejectReason")
    return OrderReport(
        venue=venue,
        symbol=symbol,
        client_order_id=fields.maybe_text("orderLinkId"),
        venue_order_id=fields.text("orderId"),
        side=fields.side(),
        price=fields.maybe_decimal("price"),
        size=size,
        filled=filled,
        avg_price=fields.maybe_decimal("avgPrice") if filled else None,
        is_open=not ended,
        finish_reason=(state if reason in _NO_REASON else f"{state} {reason}") if ended else None,
        updated_ns=fields.maybe_ms_ns("updatedTime"),
    )


def fill(venue: str, raw: Any, symbols: Symbols, source: FillSource, received_ns: int) -> Fill:
    """Read a trade of `/v5/execution/list` or the topic `execution`."""
    fields = Fields(venue, "execution", raw)
    symbol, side = _symbol(venue, fields, symbols), fields.side()
    fee, fee_currency = _fee(fields, symbol, side)
    return Fill(
        venue=venue,
        symbol=symbol,
        trade_id=fields.text("execId"),
        venue_order_id=fields.text("orderId"),
        client_order_id=fields.maybe_text("orderLinkId"),
        side=side,
        price=fields.positive("execPrice"),
        size=fields.positive("execQty"),
        fee=fee,
        fee_currency=fee_currency,
        liquidity=_LIQUIDITY.get(str(fields.raw("isMaker")), Liquidity.UNKNOWN),
        source=source,
        event_ns=fields.ms_ns("execTime"),
        received_ns=received_ns,
    )


def is_trade(venue: str, raw: Any) -> bool:
    """Return whether an execution is a trade of spot; others are funding, settlements and the like."""
    return Fields(venue, "execution", raw).maybe_text("execType") in (None, TRADE)


def balances(venue: str, raw: Any) -> dict[str, AssetBalance]:
    """Read an account of `/v5/account/wallet-balance` or the topic `wallet`; coins not named are unchanged or zero.

    `walletBalance` includes the amounts locked by orders and borrowed. A coin that owes more than is free has nothing free.
    `free` and `availableToWithdraw` are deprecated.
    """
    account = Fields(venue, "account", raw)
    kind = account.maybe_text("accountType")
    if kind not in (None, "UNIFIED"):
        raise account.bad("accountType", f"not UNIFIED: {kind!r}")
    return dict(map(_balance, (Fields(venue, "account: coin", coin) for coin in account.listed("coin"))))


def _balance(coin: Fields) -> tuple[str, AssetBalance]:
    # Some frames have no `locked`, and the amount in the margin field.
    locked = coin.not_negative("locked" if coin.has("locked") else "totalOrderIM", ZERO)
    owed = coin.not_negative("borrowAmount", ZERO)
    free = EXACT.subtract(EXACT.subtract(coin.decimal("walletBalance"), locked), owed)
    return coin.text("coin"), AssetBalance(max(free, ZERO), locked)


def _symbol(venue: str, fields: Fields, symbols: Symbols) -> str:
    category, native = fields.maybe_text("category"), fields.text("symbol")
    if category not in (None, SPOT):
        raise UnknownSymbol(venue, f"{category} {native}")
    return symbols.of(venue, native)


def _fee(fields: Fields, symbol: str, side: Side) -> tuple[Decimal, str]:
    """Return the fee and its coin, taxes (`extraFees`) included; raises `VenueProtocolError` for several coins.

    Executions from before September 2025 name no coin: a spot fee is charged in the received coin, and a rebate is paid in
    the other one ("Spot Fee Currency Instruction").
    """
    fee, pair = fields.decimal("execFee"), Symbol.of(symbol)
    received, given = (pair.base, pair.quote) if side is Side.BUY else (pair.quote, pair.base)
    coin = fields.maybe_text("feeCurrency") or (given if fee < 0 else received)
    charged = {coin: fee}
    for extra in _extra_fees(fields):
        named = extra.text("feeCoin")
        charged[named] = EXACT.add(charged.get(named, ZERO), extra.decimal("fee"))
    counted = {coin: amount for coin, amount in charged.items() if amount} or {coin: fee}
    if len(counted) != 1:
        raise fields.bad("extraFees", f"a fee in {len(counted)} coins")
    [(coin, fee)] = counted.items()
    return fee, coin


def _extra_fees(fields: Fields) -> Iterable[Fields]:
    """Return the rows of `extraFees`, a list, or one written as JSON text."""
    detail = fields.raw("extraFees")
    if not isinstance(detail, str) or not detail:
        return fields.objects("extraFees")
    try:
        rows = decode_body(detail.encode())
    except ValueError:
        raise fields.bad("extraFees", "text that is no JSON") from None
    return Fields("bybit", "execution", {"extraFees": rows}).objects("extraFees")
