"""Fills older than any list of their venue: the order is settled by the venue's report on it.

A process killed between an order and its answer may start again after the venue's histories have ended. The order itself still
shows its cumulative fill and its average price. Without this module it would never settle, and its pair would count as
unhedged at every start.
"""

from decimal import Decimal

from arb.core.fees.fees import expected_fee_currency
from arb.core.messages.incidents import IncidentKind
from arb.core.state.engine_state import EngineState
from arb.core.state.order import WorkingOrder
from arb.market.fill import Fill, FillSource, Liquidity
from arb.market.instrument import FeeIn
from arb.market.numbers import ZERO, plain
from arb.market.order import OrderReport
from arb.market.symbol import Symbol

_PRICE_STEP = Decimal("1e-18")


def lost_fill(
    state: EngineState, order: WorkingOrder, report: OrderReport, rate: Decimal | None, now_ns: int
) -> Fill | None:
    """Return one fill for the part reported filled but never listed, None without such a part; report it once.

    Its fee is the order's planned `rate`; the balances show the real charge.
    """
    size = report.filled - order.filled
    if report.is_open or order.frozen or order.settled or size <= 0 or not order.can_report(report.filled):
        return None
    paid = (report.avg_price or order.price) * report.filled - order.notional
    price = (paid / size).quantize(_PRICE_STEP) if paid > 0 else order.price
    base, quote = Symbol.of(order.symbol).base_and_quote
    fill = Fill(
        venue=order.venue,
        symbol=order.symbol,
        trade_id=f"report-{report.venue_order_id}-{plain(report.filled)}",
        venue_order_id=report.venue_order_id,
        client_order_id=order.client_order_id,
        side=order.side,
        price=price,
        size=size,
        fee=ZERO,
        fee_currency=quote,
        liquidity=Liquidity.TAKER,
        source=FillSource.QUERY,
        event_ns=(order.sent_ns or order.journalled_ns) + (order.offset_ns or 0),
        received_ns=now_ns,
    )
    instrument = state.instrument(order.venue, order.symbol)
    currency = expected_fee_currency(fill, FeeIn.QUOTE if instrument is None else instrument.buy_fee_in) or quote
    fee = (rate or ZERO) * (size if currency == base else size * price)
    text = (
        f"{order.venue} {order.client_order_id}: its fills are older than any list of the venue;"
        f" {plain(size)} at {plain(price)} is counted as the order itself reports it, with the fee as planned"
    )
    state.incident(IncidentKind.FILLS_LOST, text, now_ns, venue=order.venue, pair_id=order.pair_id)
    return Fill(
        **{name: getattr(fill, name) for name in fill.__struct_fields__} | {"fee": fee, "fee_currency": currency}
    )
