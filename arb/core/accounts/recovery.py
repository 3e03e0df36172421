"""Orders with our prefix that the journal does not know: they join their pair, or it is rebuilt from their names.

It happens when the machine lost its last moments (what the journal had not yet synced), or when a journal was put aside.
The client order id tells the process, the pair's number and the leg, so that orders of one pair find each other again.
Where that pair is known, by an order that was kept or by the number it has in later processes, be it open or closed of
late, the lost one becomes one of its orders (`return_to_pairs`): in a pair apart it would be traded back, and what it had
repaired would be repaired again. Else the pair is made anew (`recover`). What it was meant to earn is not known then: its
limits are taken for its plan, its legs are counted and settled like any other's, and what is uneven is repaired. An order
of ours that rests is cancelled.
"""

from collections.abc import Iterable

from arb.core.commands import PlaceOrder
from arb.core.incidents import IncidentKind, Severity
from arb.core.orders.manager import OrderManager
from arb.core.orders.order import WorkingOrder
from arb.core.pairs.pair import PairTrade, Trigger
from arb.core.records import PairKind, PlanRecord
from arb.core.state import EngineState
from arb.core.timers import OrderTimer, PairTimer
from arb.market.client_id import ClientOrderId, decode, is_again, pair_part
from arb.market.instrument import FeeIn
from arb.market.numbers import ZERO
from arb.market.order import OrderReport, Outcome, Role, Side, TimeInForce
from arb.market.symbol import Symbol

RECOVERY_WAIT_S = 10
"""How long an account that cannot be looked through is waited for: by lost orders, for their other legs; by the repairs of a
pair that was taken up, since an earlier one may have left of which the journal knows nothing."""


def return_to_pairs(state: EngineState, manager: OrderManager, reports: Iterable[OrderReport], now_ns: int) -> None:
    """Give orders that nobody here knows back to the pairs that are known; what the venue says of them is told afterwards."""
    lost = [(name, report) for report in reports if (name := _stray(manager, report)) and _takable(state, report)]
    if not lost:
        return
    named = {pair_part(name): manager.pairs[order.pair_id] for name, order in manager.orders.items()}
    # A process that had taken the pair up may have left no other trace of its own.
    numbered = {pair.number: pair for pair in manager.pairs.values() if is_again(pair.number)}
    # Attempts in their order, as if they had never been away.
    for name, report in sorted(lost, key=lambda entry: entry[1].client_order_id or ""):
        pair = named.get(pair_part(name.encode())) or numbered.get(name.pair_number)
        if pair is not None and pair.plan.symbol == report.symbol:
            _give_back(state, manager, pair, name, report, now_ns)


def _stray(manager: OrderManager, report: OrderReport) -> ClientOrderId | None:
    """Return the parts of an order's name, None when it is not ours or known already."""
    name = report.client_order_id
    return None if name is None or name in manager.orders else decode(name)


def _takable(state: EngineState, report: OrderReport) -> bool:
    listed = state.instrument(report.venue, report.symbol) is not None and len(state.venues_of(report.symbol)) > 1
    return bool(listed and report.price and report.size)


def _give_back(
    state: EngineState, manager: OrderManager, pair: PairTrade, name: ClientOrderId, report: OrderReport, now_ns: int
) -> None:
    order = _order(state, pair, name, report, now_ns)
    pair.orders[order.client_order_id] = order
    manager.know(order)
    state.out.persist(order.record())
    text = f"pair {pair.id}: {order.client_order_id}, an order of its own that the journal does not know, is taken up"
    state.incident(IncidentKind.RECOVERED, text, now_ns, venue=order.venue, pair_id=pair.id)
    _follow(state, manager, order, now_ns)


def recover(state: EngineState, manager: OrderManager, reports: Iterable[OrderReport], now_ns: int) -> list[PairTrade]:
    """Rebuild the pairs of orders that nobody here knows; their fills are told to the desk afterwards."""
    groups: dict[tuple[int, int, str], list[tuple[ClientOrderId, OrderReport]]] = {}
    for report in reports:
        name = decode(report.client_order_id or "")
        if name is None or report.client_order_id in manager.orders:
            continue
        if not _takable(state, report):
            text = f"{report.venue} {report.symbol} {report.client_order_id} has our prefix, but cannot be taken up"
            state.incident(IncidentKind.NOT_RECOVERED, text, now_ns, severity=Severity.CRITICAL, venue=report.venue)
            continue
        groups.setdefault((name.nonce, name.pair_number, report.symbol), []).append((name, report))
    return [_recover_pair(state, manager, told, now_ns) for _, told in sorted(groups.items())]


def _recover_pair(
    state: EngineState, manager: OrderManager, told: list[tuple[ClientOrderId, OrderReport]], now_ns: int
) -> PairTrade:
    number = state.next_number("pairs")
    plan = _plan(state, state.pair_id(number), told, now_ns)
    pair = PairTrade(PairKind.ARB, plan, number, state.run_id, None, now_ns)
    pair.move(Trigger.UNEVEN, now_ns)
    for name, report in told:
        order = _order(state, pair, name, report, now_ns)
        pair.orders[order.client_order_id] = order
    state.tally.opened += 1
    manager.add(pair)
    base = Symbol.of(plan.symbol).base
    state.out.persist(plan, pair.record(base), *(order.record() for order in pair.orders.values()))
    names = ", ".join(pair.orders)
    text = f"pair {pair.id}: orders with our prefix that the journal does not know are taken up: {names}"
    state.incident(IncidentKind.RECOVERED, text, now_ns, pair_id=pair.id)
    for order in pair.orders.values():
        _follow(state, manager, order, now_ns)
    state.out.timer(PairTimer(pair.id), now_ns)
    return pair


def _follow(state: EngineState, manager: OrderManager, order: WorkingOrder, now_ns: int) -> None:
    """Follow an order from now on: ask what became of it, and leave nothing of it in a book."""
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
        # One of ours that is still there did not go away by itself.
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


def _plan(state: EngineState, pair_id: int, told: list[tuple[ClientOrderId, OrderReport]], now_ns: int) -> PlanRecord:
    """Return a plan as if the legs had been meant to fill whole at their limits, and a missing leg to match the other.

    What its buy leg was to pay counts for this day: the journal lost that, too, with the leg.
    """
    symbol = told[0][1].symbol
    legs = {name.leg: report for name, report in told if name.attempt == 0}
    bought, sold = legs.get(str(Side.BUY)), legs.get(str(Side.SELL))
    known = bought or sold or told[0][1]
    others = [venue for venue in state.venues_of(symbol) if venue != known.venue]
    buy_venue = bought.venue if bought else (others[0] if sold else known.venue)
    sell_venue = sold.venue if sold else next(venue for venue in state.venues_of(symbol) if venue != buy_venue)
    buyer, seller = state.instruments[buy_venue, symbol], state.instruments[sell_venue, symbol]
    buy_fee, sell_fee = buyer.taker_fee or ZERO, seller.taker_fee or ZERO
    buy_size, buy_price = (bought or known).size, (bought or known).price or ZERO
    sell_size, sell_price = (sold or known).size, (sold or known).price or ZERO
    in_base = buyer.buy_fee_in is FeeIn.BASE
    residual = (buy_size * (1 - buy_fee) if in_base else buy_size) - sell_size
    mark = sell_price * (1 - sell_fee)
    paid = buy_size * buy_price * (1 if in_base else 1 + buy_fee)
    if bought:
        state.control.opened(paid, now_ns)
    return PlanRecord(
        pair_id=pair_id,
        symbol=symbol,
        buy_venue=buy_venue,
        sell_venue=sell_venue,
        buy_size=buy_size,
        sell_size=sell_size,
        buy_limit=buy_price,
        sell_limit=sell_price,
        buy_vwap=buy_price,
        sell_vwap=sell_price,
        # Nothing was meant to be left over, as far as anybody knows: dust is judged by the general limit alone.
        residual=residual,
        residual_value=residual * mark,
        net=(1 - sell_fee) * sell_size * sell_price + residual * mark - paid,
        mark=mark,
        buy_fee=buy_fee,
        sell_fee=sell_fee,
        buy_fee_in=FeeIn(buyer.buy_fee_in),
        hold_quote=ZERO,
        hold_base=ZERO,
        day_notional=state.control.day_notional if bought else ZERO,
    )
