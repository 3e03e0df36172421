"""Intents as a test wants them: an opening of one pair, bought at Gate and sold at OKX."""

from decimal import Decimal

from arb.core.messages.commands import PlaceOrder
from arb.core.messages.intents import IntendedOrder, Intent
from arb.market.ids import ClientOrderId
from arb.market.instrument import FeeIn
from arb.market.order import Role, Side, TimeInForce

T0 = 1_700_000_000_000_000_000
LEGS = ((Side.BUY, "gate", "100"), (Side.SELL, "okx", "101"))


def an_intent(
    seq: int = 1, number: int = 1, *, run_id: int = 1, names: tuple[str, ...] = (), **changes: object
) -> Intent:
    """Return the intent of the pair with this number; `names`: the client order ids of its legs, made where not given."""
    made = names or tuple(ClientOrderId(run_id, number, str(side), 0).encode() for side, *_ in LEGS)
    orders = tuple(
        IntendedOrder(
            id=run_id * 10**9 + 2 * number + at,
            account_id=f"{venue}-1",
            offset_ns=None,
            place=PlaceOrder(
                cause=seq,
                venue=venue,
                symbol="BTC/USDT",
                client_order_id=made[at],
                role=Role.ENTRY,
                side=side,
                tif=TimeInForce.IOC,
                price=Decimal(price),
                size=Decimal("0.5"),
                expires_ns=T0 + 10**9,
            ),
        )
        for at, (side, venue, price) in enumerate(LEGS[: len(made)])
    )
    values: dict[str, object] = {
        "seq": seq,
        "t_ns": T0 + seq,
        "run_id": run_id,
        "pair_id": run_id * 10**9 + number,
        "number": number,
        "opportunity_id": 7,
        "buy_fee": Decimal("0.001"),
        "sell_fee": Decimal("0.002"),
        "buy_fee_in": FeeIn.BASE,
        "hold_quote": Decimal("50.05"),
        "hold_base": Decimal("0.5"),
        "day_notional": Decimal(50),
        "orders": orders,
    }
    return Intent(**values | changes)  # type: ignore[arg-type]
