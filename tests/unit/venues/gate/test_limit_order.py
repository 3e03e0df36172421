"""The short way to sign a limit order: judged by the general way, whose every answer and refusal it must give as well."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from arb.clock import NS_PER_MS, NS_PER_S
from arb.core.commands import PlaceOrder
from arb.market.order import Role, Side, TimeInForce
from arb.venues.gate.client import Gate
from arb.venues.gate.dialect import GateDialect
from arb.venues.gate.request import build, limit_order_body, plan
from arb.venues.rules.guard import SigningRefused

MakeGate = Callable[..., Gate]
NOW_NS = 1_700_000_000 * NS_PER_S
NUMBERS = st.decimals("0", "1e6", places=4).map(lambda number: f"{number:f}")
ORDINARY = {
    "text": "t-arb1",
    "currency_pair": "BTC_USDT",
    "type": "limit",
    "account": "spot",
    "side": "buy",
    "amount": "0.0010",
    "price": "30000.1",
    "time_in_force": "ioc",
    "expires_ns": NOW_NS + NS_PER_S,
}


def sign(gate: Gate, params: dict[str, Any]) -> Any:
    """Return what is signed, or the code of the refusal."""
    try:
        return gate.sign("orders", ("private", "spot"), "POST", params)
    except SigningRefused as refused:
        return refused.code, str(refused)


def the_general_way(params: dict[str, Any]) -> dict[str, Any]:
    """Return the same order with one more hint, which never leaves: that takes it off the short way."""
    return params | {"reference_size": "1"}


@given(
    text=st.text(max_size=10) | st.just("t-arb1"),
    pair=st.sampled_from(["BTC_USDT", "ETH_USDT", "nonsense", ""]),
    amount=NUMBERS | st.sampled_from(["1e3", "NaN", "Infinity", "-1", "x", "0"]),
    price=NUMBERS | st.sampled_from(["1E-5", "sNaN", "999999999"]),
    late_ms=st.integers(-2000, 2000),
    offset_ns=st.integers(-NS_PER_S, NS_PER_S),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_both_ways_sign_the_same_bytes_and_refuse_for_the_same_reason(
    make_gate: MakeGate, text: str, pair: str, amount: str, price: str, late_ms: int, offset_ns: int
) -> None:
    gate = make_gate(max_orders_per_minute=10_000)
    gate.server_offset_ns = offset_ns
    params = ORDINARY | {
        "text": text,
        "currency_pair": pair,
        "amount": amount,
        "price": price,
        "expires_ns": NOW_NS + late_ms * NS_PER_MS,
    }

    assert sign(gate, params) == sign(gate, the_general_way(params))


@pytest.mark.parametrize(
    "changes",
    [
        {"type": "market"},
        {"amount": Decimal("0.001")},
        {"text": 'a"b'},
        {"text": "a\\b"},
        {"text": "\u20ac"},
        {"x": "1"},
    ],
)
def test_anything_out_of_the_ordinary_goes_the_general_way(make_gate: MakeGate, changes: dict[str, Any]) -> None:
    params = ORDINARY | changes
    assert limit_order_body(params) is None
    gate = make_gate()
    assert sign(gate, params) == sign(gate, the_general_way(params))


def test_the_short_way_counts_orders_too(make_gate: MakeGate) -> None:
    gate = make_gate(max_orders_per_minute=1)
    assert isinstance(sign(gate, ORDINARY), dict)
    assert sign(gate, ORDINARY)[0] == "guard_rate"


def test_what_the_dialect_writes_takes_the_short_way() -> None:
    command = PlaceOrder(
        cause=1,
        venue="gate",
        symbol="BTC/USDT",
        client_order_id="arb1",
        role=Role.ENTRY,
        side=Side.BUY,
        tif=TimeInForce.IOC,
        price=Decimal("30000.1"),
        size=Decimal("0.001"),
        expires_ns=NOW_NS,
    )
    params = GateDialect().place(command, 0).params
    body = limit_order_body(params)

    sendable = {key: value for key, value in params.items() if key != "expires_ns"}
    assert body is not None
    assert body == build(plan("POST", "spot", "orders"), sendable).body
