"""Recover orders that the journal lost in a power cut: they join their pair, or it is rebuilt.

A client order id names the process, the pair's number and the leg, so the orders of one pair can be grouped again. The pair
may be known by another of its orders, or by its number in later processes, open or closed at any time. Then the lost order
becomes one of its orders (`return_to_pairs`): in a separate pair it would be traded back, and its repairs would be repeated.
Where the journal lost all of a pair, its legs would stay naked: so it is rebuilt (`rebuild_pairs`). That is done only for
orders after the last one that the journal has of their process, since nothing else can have been lost so. Its expected result
is then unknown: its limits replace its plan, its legs are counted and settled like any other's, and an imbalance is repaired.
Our orders that still rest are cancelled. Any other order with our prefix that the journal does not know is another engine's:
foreign, and never a pair.
"""

from collections.abc import Iterable

from arb.core.messages.commands import PlaceOrder
from arb.core.messages.incidents import IncidentKind, Severity
from arb.core.messages.legs import Leg, Trade
from arb.core.messages.records import PairKind
from arb.core.messages.recovery_records import PlanRecord
from arb.core.messages.timers import OrderTimer, PairTimer
from arb.core.state.engine_state import EngineState
from arb.core.state.order import WorkingOrder
from arb.core.trades.intents import paid_at_limit, plan_at_limits
from arb.core.trades.opening import TradeManager
from arb.core.trades.trade import PairTrade, Trigger
from arb.market.ids import ClientOrderId, decode, is_again, pair_part
from arb.market.instrument import FeeIn
from arb.market.numbers import ZERO
from arb.market.order import OrderReport, Outcome, Role, Side, TimeInForce
from arb.market.symbol import Symbol

RECOVERY_WAIT_S = 10
"""How long a missing account snapshot is awaited: by lost orders, for their other legs, and by the repairs of a recovered
pair. The journal may have lost an earlier repair."""


def return_to_pairs(state: EngineState, manager: TradeManager, reports: Iterable[OrderReport], now_ns: int) -> None:
    """Return lost orders to the pairs they belong to, where those are known; their reports and fills are taken afterwards."""
    lost = [
        (name, report) for report in reports if (name := _unknown_name(manager, report)) and _recoverable(state, report)
    ]
    if not lost:
        return
    named = {pair_part(name): manager.pairs[order.pair_id] for name, order in manager.orders.items()}
    # A process that recovered the pair gave it a new number; a lost order may be its only trace.
    numbered = {pair.number: pair for pair in manager.pairs.values() if is_again(pair.number)}
    # Attempts in their order, as if they had never been lost.
    for name, report in sorted(lost, key=lambda entry: entry[1].client_order_id or ""):
        pair = named.get(pair_part(name.encode())) or numbered.get(name.pair_number)
        if pair is not None and pair.plan.symbol == report.symbol:
            _return_order(state, manager, pair, name, report, now_ns)


def _unknown_name(manager: TradeManager, report: OrderReport) -> ClientOrderId | None:
    """Return the parts of an order's client order id; None when it is not ours, or is known already."""
    name = report.client_order_id
    return None if name is None or name in manager.orders else decode(name)


def _recoverable(state: EngineState, report: OrderReport) -> bool:
    listed = state.instrument(report.venue, report.symbol) is not None and len(state.venues_of(report.symbol)) > 1
    return bool(listed and report.price and report.size)


def _return_order(
    state: EngineState, manager: TradeManager, pair: PairTrade, name: ClientOrderId, report: OrderReport, now_ns: int
) -> None:
    order = _order(state, pair, name, report, now_ns)
    pair.orders[order.client_order_id] = order
    manager.know(order)
    state.out.persist(*order.news())
    text = f"pair {pair.id}: its order {order.client_order_id}, which the journal does not know, is recovered"
    state.incident(IncidentKind.RECOVERED, text, now_ns, venue=order.venue, pair_id=pair.id)
    _query_and_cancel(state, manager, order, now_ns)


def rebuild_pairs(
    state: EngineState, manager: TradeManager, reports: Iterable[OrderReport], now_ns: int
) -> list[PairTrade]:
    """Rebuild the pairs of lost orders whose pair is not known; their reports and fills are taken afterwards."""
    groups: dict[tuple[int, int, str], list[tuple[ClientOrderId, OrderReport]]] = {}
    for report in reports:
        name = decode(report.client_order_id or "")
        if name is None or report.client_order_id in manager.orders:
            continue
        if not _recoverable(state, report):
            text = f"{report.venue} {report.symbol} {report.client_order_id} has our prefix, but cannot be recovered"
            state.incident(IncidentKind.NOT_RECOVERED, text, now_ns, severity=Severity.CRITICAL, venue=report.venue)
            continue
        groups.setdefault((name.nonce, name.pair_number, report.symbol), []).append((name, report))
    return [_rebuild_pair(state, manager, found, now_ns) for _, found in sorted(groups.items())]


def _rebuild_pair(
    state: EngineState, manager: TradeManager, found: list[tuple[ClientOrderId, OrderReport]], now_ns: int
) -> PairTrade:
    number = state.next_number("pairs")
    plan = _plan(state, state.pair_id(number), found, now_ns)
    pair = PairTrade(PairKind.ARB, plan, number, state.run_id, None, now_ns, Trade((), state.flat_now))
    pair.move(Trigger.UNHEDGED, now_ns)
    for name, report in found:
        order = _order(state, pair, name, report, now_ns)
        pair.orders[order.client_order_id] = order
    state.tally.opened += 1
    manager.add(pair)
    base = Symbol.of(plan.symbol).base
    state.out.persist(plan, pair.record(base), *(row for order in pair.orders.values() for row in order.news()))
    names = ", ".join(pair.orders)
    text = f"pair {pair.id}: orders with our prefix that the journal does not know are recovered: {names}"
    state.incident(IncidentKind.RECOVERED, text, now_ns, pair_id=pair.id)
    for order in pair.orders.values():
        _query_and_cancel(state, manager, order, now_ns)
    state.out.timer(PairTimer(pair.id), now_ns)
    return pair


def _query_and_cancel(state: EngineState, manager: TradeManager, order: WorkingOrder, now_ns: int) -> None:
    order.released = order.settled
    if not order.settled:
        state.books.sending(order.venue, order.symbol, now_ns)
        state.out.timer(OrderTimer(order.client_order_id), now_ns)
    if not order.ended:
        manager.cancel(order)


def _order(state: EngineState, pair: PairTrade, name: ClientOrderId, report: OrderReport, now_ns: int) -> WorkingOrder:
    assert report.client_order_id is not None and report.price is not None
    place = PlaceOrder(
        cause=0,
        venue=report.venue,
        symbol=report.symbol,
        client_order_id=report.client_order_id,
        role=Role.ENTRY if name.leg in tuple(Side) else Role(name.leg),
        side=report.side,
        # An IOC order cannot still be open: one that is must have been sent to rest.
        tif=TimeInForce.GTC if report.is_open else TimeInForce.IOC,
        price=report.price,
        size=report.size,
        expires_ns=now_ns,
    )
    account_id = state.venues[report.venue].account_id
    order = WorkingOrder(state.next_id("orders"), pair.id, account_id, place, name.attempt, now_ns)
    order.outcome, order.recovered = Outcome.ACCEPTED, True
    order.take_report(report, now_ns)
    return order


def _plan(state: EngineState, pair_id: int, found: list[tuple[ClientOrderId, OrderReport]], now_ns: int) -> PlanRecord:
    """Return a plan with full fills at the limits, and a missing leg equal to the other.

    Its buy leg counts towards this day's turnover: the journal lost that with the leg.
    """
    symbol = found[0][1].symbol
    legs = {name.leg: report for name, report in found if name.attempt == 0}
    bought, sold = legs.get(str(Side.BUY)), legs.get(str(Side.SELL))
    known = bought or sold or found[0][1]
    others = [venue for venue in state.venues_of(symbol) if venue != known.venue]
    buy_venue = bought.venue if bought else (others[0] if sold else known.venue)
    sell_venue = sold.venue if sold else next(venue for venue in state.venues_of(symbol) if venue != buy_venue)
    buy, sell = (
        Leg(venue, symbol, side, report.size, report.price or ZERO)
        for venue, side, report in ((buy_venue, Side.BUY, bought or known), (sell_venue, Side.SELL, sold or known))
    )
    at_buy, at_sell = state.instruments[buy_venue, symbol], state.instruments[sell_venue, symbol]
    fee, fee_in = at_buy.taker_fee or ZERO, FeeIn(at_buy.buy_fee_in)
    if bought:
        state.control.opened(paid_at_limit(buy, fee, fee_in), now_ns)
    return plan_at_limits(
        pair_id,
        buy,
        sell,
        buy_fee=fee,
        sell_fee=at_sell.taker_fee or ZERO,
        buy_fee_in=fee_in,
        day_notional=state.control.day_notional if bought else ZERO,
    )
