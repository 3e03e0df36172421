"""How Binance writes orders, trades and balances (spot, "REST API", "User Data Streams").

Answers have whole names and events single letters. Amounts are texts, numbers are integers, and instants Unix
milliseconds. A fee is positive when charged; its asset may change within one order, once the BNB is spent.
"""

from collections.abc import Iterable
from decimal import Context
from typing import Any, NamedTuple

from arb.core.messages.events import AssetBalance
from arb.market.fill import Fill, FillSource, Liquidity
from arb.market.numbers import ZERO
from arb.market.order import OrderReport, Side
from arb.market.symbol import Symbol
from arb.venues.kit.fields import Fields, Symbols

TRADE, CANCELED = "TRADE", "CANCELED"
EXECUTIONS = frozenset({"NEW", CANCELED, "REPLACED", "REJECTED", TRADE, "EXPIRED", "TRADE_PREVENTION"})
"""The kinds of `executionReport` (`x`); of any other the contents are not known."""
_OPEN_STATES = frozenset({"NEW", "PENDING_NEW", "PARTIALLY_FILLED", "PENDING_CANCEL"})
_ENDED_STATES = frozenset({"FILLED", CANCELED, "REJECTED", "EXPIRED", "EXPIRED_IN_MATCH"})
_FILLED_STATES = frozenset({"PARTIALLY_FILLED", "FILLED"})
_NO_TRADE = "-1"
_QUOTIENT = Context(prec=24)


class _Names(NamedTuple):
    """The names of an order's fields."""

    symbol: str
    number: str
    side: str
    kind: str
    price: str
    size: str
    filled: str
    cost: str
    state: str
    reason: str


_ANSWER = _Names(
    "symbol",
    "orderId",
    "side",
    "type",
    "price",
    "origQty",
    "executedQty",
    "cummulativeQuoteQty",
    "status",
    "expiryReason",
)
_EVENT = _Names("s", "i", "S", "o", "p", "q", "z", "Z", "X", "eR")


def order_report(venue: str, raw: Any, symbols: Symbols) -> OrderReport:
    """Read an order of an answer: placed, queried or listed."""
    fields = Fields(venue, "order", raw)
    updated_ns = fields.maybe_ms_ns("updateTime") or fields.maybe_ms_ns("transactTime")
    return _report(venue, fields, _ANSWER, fields.maybe_text("clientOrderId"), updated_ns, symbols)


def event_report(venue: str, fields: Fields, symbols: Symbols) -> OrderReport:
    """Read the order of an `executionReport`. Of a cancelled one `c` is the cancel's own id, and `C` the order's, if given."""
    named = fields.maybe_text("C") if fields.text("x") == CANCELED else None
    return _report(venue, fields, _EVENT, named or fields.maybe_text("c"), fields.maybe_ms_ns("T"), symbols)


def _report(
    venue: str, fields: Fields, names: _Names, client_order_id: str | None, updated_ns: int | None, symbols: Symbols
) -> OrderReport:
    symbol, state = symbols.of(venue, fields.text(names.symbol)), fields.text(names.state)
    if state not in _OPEN_STATES and state not in _ENDED_STATES:
        raise fields.bad(names.state, f"unknown: {state!r}")
    size, ended = fields.not_negative(names.size), state in _ENDED_STATES
    sized = fields.maybe_text(names.kind) != "MARKET"  # one by its cost has no size at first
    filled = fields.filled(names.filled, size, some=state if state in _FILLED_STATES else "", sized=sized)
    cost = fields.maybe_decimal(names.cost)  # below 0 where it is not known
    reason = fields.maybe_text(names.reason)
    return OrderReport(
        venue=venue,
        symbol=symbol,
        client_order_id=client_order_id,
        venue_order_id=fields.text(names.number),
        side=fields.side(names.side),
        price=fields.maybe_decimal(names.price),
        size=size,
        filled=filled,
        avg_price=_QUOTIENT.divide(cost, filled) if filled and cost is not None and cost > 0 else None,
        is_open=not ended,
        finish_reason=(state if reason is None else f"{state} {reason}") if ended else None,
        updated_ns=updated_ns,
    )


def fill(venue: str, raw: Any, symbols: Symbols, received_ns: int) -> Fill:
    """Read a trade of `GET /api/v3/myTrades`, which does not name our id."""
    fields = Fields(venue, "trade", raw)
    return Fill(
        venue=venue,
        symbol=symbols.of(venue, fields.text("symbol")),
        trade_id=fields.text("id"),
        venue_order_id=fields.text("orderId"),
        client_order_id=None,
        side=Side.BUY if fields.flag("isBuyer") else Side.SELL,
        price=fields.positive("price"),
        size=fields.positive("qty"),
        fee=fields.decimal("commission"),
        fee_currency=fields.text("commissionAsset"),
        liquidity=Liquidity.MAKER if fields.flag("isMaker") else Liquidity.TAKER,
        source=FillSource.QUERY,
        event_ns=fields.ms_ns("time"),
        received_ns=received_ns,
    )


def event_fill(venue: str, fields: Fields, symbols: Symbols, received_ns: int) -> Fill:
    """Read the trade of an `executionReport` whose `x` is TRADE. Without a fee it names no asset."""
    symbol, side, trade_id, fee = (
        symbols.of(venue, fields.text("s")),
        fields.side("S"),
        fields.text("t"),
        fields.decimal("n"),
    )
    if trade_id == _NO_TRADE:
        raise fields.bad("t", "a trade without its number")
    pair = Symbol.of(symbol)
    received = pair.base if side is Side.BUY else pair.quote
    return Fill(
        venue=venue,
        symbol=symbol,
        trade_id=trade_id,
        venue_order_id=fields.text("i"),
        client_order_id=fields.maybe_text("c"),
        side=side,
        price=fields.positive("L"),
        size=fields.positive("l"),
        fee=fee,
        fee_currency=fields.text("N") if fee else received,
        liquidity=Liquidity.MAKER if fields.flag("m") else Liquidity.TAKER,
        source=FillSource.STREAM,
        event_ns=fields.ms_ns("T"),
        received_ns=received_ns,
    )


def balances(rows: Iterable[Fields], asset: str, free: str, locked: str) -> dict[str, AssetBalance]:
    """Read rows of balances, each of which is the whole of its asset."""
    return {row.text(asset): AssetBalance(row.not_negative(free), row.not_negative(locked, ZERO)) for row in rows}
