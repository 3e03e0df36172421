"""The last check before an order leaves: its leg must be one that the venue can take."""

from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from arb.clock import NS_PER_MS
from arb.core.messages.legs import Leg
from arb.errors import InvariantError
from arb.market.order import Role, Side, TimeInForce
from tests.builders import Bench
from tests.unit.core.trades.test_trade import crossed

D = Decimal
LEG = Leg("gate", "BTC/USDT", Side.BUY, D(1), D(100), TimeInForce.POST_ONLY, Role.TEST)


@pytest.mark.parametrize(
    ("wrong", "refusal"),
    [
        ({"limit": D("100.05")}, "price 100.05 off tick"),
        ({"limit": D(0)}, "price 0 off tick"),
        ({"size": D("0.0000001")}, "size 1E-7 off lot"),
        ({"size": D(-1)}, "size -1 off lot"),
        ({"reduce_only": True}, "a spot order cannot be reduce-only"),
    ],
)
def test_a_leg_that_its_venue_would_not_take_as_meant_never_leaves(wrong: dict[str, Any], refusal: str) -> None:
    bench = Bench()
    with pytest.raises(InvariantError, match=f"gate BTC/USDT: {refusal}"):
        bench.engine.manager.place("arb-1", replace(LEG, **wrong), bench.now_ns)


def test_a_client_order_id_is_never_used_twice() -> None:
    bench = Bench()
    buy, _ = crossed(bench)
    with pytest.raises(InvariantError, match="was used before"):
        bench.engine.manager.place(buy.client_order_id, LEG, bench.now_ns)


@pytest.mark.parametrize(("lives_ms", "after_ms"), [(None, 1000), (20, 20)])
def test_an_order_says_what_its_leg_says_and_expires_in_time(lives_ms: int | None, after_ms: int) -> None:
    bench = Bench()
    order = bench.engine.manager.place("arb-1", replace(LEG, lives_ms=lives_ms), bench.now_ns)
    assert (order.venue, order.symbol, order.side) == ("gate", "BTC/USDT", Side.BUY)
    assert (order.size, order.price) == (D(1), D(100))
    assert (order.tif, order.role) == (TimeInForce.POST_ONLY, Role.TEST)
    assert order.expires_ns == bench.now_ns + after_ms * NS_PER_MS
