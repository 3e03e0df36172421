"""New orders of a pair: named, checked against the venue's steps, and made ready to be written down and sent."""

from collections.abc import Container
from decimal import Decimal
from typing import NamedTuple

from arb.clock import NS_PER_MS
from arb.core.commands import PlaceOrder
from arb.core.orders.order import WorkingOrder
from arb.core.pairs.pair import PairTrade
from arb.core.state import EngineState
from arb.errors import require
from arb.market.ids import MAX_ATTEMPT, ClientOrderId
from arb.market.order import Role, Side, TimeInForce


class Wanted(NamedTuple):
    """An order that a pair needs: `price` in quote per base, the worst acceptable one; `size` in base."""

    venue: str
    role: Role
    side: Side
    price: Decimal
    size: Decimal


def new_order(
    state: EngineState, pair: PairTrade, wanted: Wanted, used: Container[str], now_ns: int
) -> tuple[WorkingOrder, PlaceOrder]:
    """Return a new order of a pair, and the command that sends it, under a client order id that is not in `used`.

    Raises `InvariantError` for a price or a size off the venue's steps: this is the second of two checks (the first is in the
    sizing), so that nothing of the kind ever leaves.
    """
    symbol, venue_state = pair.plan.symbol, state.venues[wanted.venue]
    attempt = 0 if wanted.role is Role.ENTRY else pair.next_attempt(wanted.role)
    name = _name(state, pair, wanted, attempt)
    if attempt > MAX_ATTEMPT and name in used:
        pair.number = state.next_number("pairs")  # the names under the old one are used up
        name = _name(state, pair, wanted, attempt)
    require(name not in used, f"client order id {name} was used before")
    _check_steps(state, symbol, wanted)
    place = PlaceOrder(
        cause=0,
        venue=wanted.venue,
        symbol=symbol,
        client_order_id=name,
        role=wanted.role,
        side=wanted.side,
        tif=TimeInForce.IOC,
        price=wanted.price,
        size=wanted.size,
        expires_ns=now_ns + state.timing.order_expiry_ms * NS_PER_MS,
    )
    order = WorkingOrder(
        state.next_id("orders"), pair.id, venue_state.account_id, place, attempt, now_ns, venue_state.offset_ns
    )
    return order, place


def _name(state: EngineState, pair: PairTrade, wanted: Wanted, attempt: int) -> str:
    leg = wanted.side if wanted.role is Role.ENTRY else wanted.role
    return ClientOrderId(state.nonce, pair.number, str(leg), attempt % (MAX_ATTEMPT + 1)).encode()


def _check_steps(state: EngineState, symbol: str, wanted: Wanted) -> None:
    venue, price, size = wanted.venue, wanted.price, wanted.size
    instrument = state.instruments[venue, symbol]
    require(price > 0 and price % instrument.tick == 0, f"{venue} {symbol}: price {price} off tick")
    require(size > 0 and size % instrument.lot == 0, f"{venue} {symbol}: size {size} off lot")
