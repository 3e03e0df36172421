"""How the engine's own calls are signed: judged by plain hashlib and by the standard library's JSON."""

import hashlib
import hmac
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from arb.clock import NS_PER_MS, NS_PER_S
from arb.core.messages.commands import PlaceOrder
from arb.market.order import Role, Side, TimeInForce
from arb.venues.gate.client import Gate
from arb.venues.gate.dialect import GateDialect
from arb.venues.kit.call import Call, RequestError
from arb.venues.kit.rules.guard import SigningRefused

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
}


def a_call(expires_ns: int | None = NOW_NS + NS_PER_S, **changes: Any) -> Call:
    params = ORDINARY | changes
    return Call(scope="", api=("private", "spot"), method="POST", path="orders", params=params, expires_ns=expires_ns)


def refusal(gate: Gate, call: Call) -> str | None:
    """Return the code of the guard's refusal, or None when the call is signed."""
    try:
        gate.signed(call)
    except SigningRefused as refused:
        return refused.code
    return None


@given(
    text=st.text(max_size=10) | st.just("t-arb1"),
    amount=NUMBERS.filter(lambda text: Decimal(text) > 0),
    left_ms=st.integers(1, 2000),
    offset_ns=st.integers(-NS_PER_S, NS_PER_S),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_an_order_is_signed_over_exactly_what_leaves(
    make_gate: MakeGate, text: str, amount: str, left_ms: int, offset_ns: int
) -> None:
    gate = make_gate(max_orders_per_minute=10_000, max_order_value_quote=Decimal(10**12))
    gate.server_offset_ns = offset_ns
    expires_ns = NOW_NS + left_ms * NS_PER_MS
    request = gate.signed(a_call(expires_ns, text=text, amount=amount))

    body = json.dumps(ORDINARY | {"text": text, "amount": amount}, separators=(",", ":"))
    timestamp = str((NOW_NS + offset_ns) // NS_PER_S)
    signed = f"POST\n/api/v4/spot/orders\n\n{hashlib.sha512(body.encode()).hexdigest()}\n{timestamp}"
    assert (request.method, request.url) == ("POST", "https://api.gateio.ws/api/v4/spot/orders")
    assert request.body == body
    assert request.headers == {
        "KEY": "key",
        "Timestamp": timestamp,
        "SIGN": hmac.new(b"secret", signed.encode(), hashlib.sha512).hexdigest(),
        "Content-Type": "application/json",
        "Accept": "application/json",
        "X-Gate-Exptime": str((expires_ns + offset_ns) // NS_PER_MS),
    }
    params = ORDINARY | {"text": text, "amount": amount}
    by_ccxt = gate.sign("orders", ("private", "spot"), "POST", params)
    assert (by_ccxt["url"], by_ccxt["body"]) == (request.url, body)
    assert by_ccxt["headers"]["SIGN"] == request.headers["SIGN"]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"currency_pair": "ETH_USDT"}, "guard_symbol"),
        ({"currency_pair": ""}, "guard_symbol"),
        ({"amount": "1e9"}, "guard_value"),
        ({"amount": "NaN"}, "guard_value"),
        ({"amount": "-1"}, "guard_value"),
        ({"price": "Infinity"}, "guard_value"),
        ({"price": "sNaN"}, "guard_value"),
        ({"type": "market", "side": "sell", "price": None}, "guard_value"),
        ({"type": "market", "amount": "100001"}, "guard_value"),
        ({"expires_ns": NOW_NS}, "guard_expired"),
        ({"auto_borrow": "true"}, "guard_parameter"),
        ({"account": "cross_margin"}, "guard_parameter"),
        ({"account": "unified"}, "guard_parameter"),
        ({"iceberg": "1"}, "guard_parameter"),
    ],
)
def test_what_the_guard_does_not_allow_is_not_signed(make_gate: MakeGate, changes: dict[str, Any], code: str) -> None:
    assert refusal(make_gate(), a_call(**changes)) == code
    assert refusal(make_gate(), a_call()) is None


def test_orders_are_counted_and_a_market_buy_is_bounded_by_its_quote(make_gate: MakeGate) -> None:
    gate = make_gate(max_orders_per_minute=2)
    calls = [a_call(), a_call(type="market", amount="30", price=None), a_call()]
    assert [refusal(gate, call) for call in calls] == [None, None, "guard_rate"]


def test_a_float_is_not_signed(make_gate: MakeGate) -> None:
    with pytest.raises(RequestError, match="float"):
        make_gate().signed(a_call(amount=0.001))


def test_what_the_dialect_writes_is_signed_with_its_expiry(make_gate: MakeGate) -> None:
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
        expires_ns=NOW_NS + 5 * NS_PER_MS,
    )
    request = make_gate().signed(GateDialect().place(command))

    assert json.loads(request.body or "") == ORDINARY | {"amount": "0.001"}
    assert request.headers["X-Gate-Exptime"] == str(NOW_NS // NS_PER_MS + 5)


def test_every_order_of_a_batch_is_counted(make_gate: MakeGate) -> None:
    gate = make_gate(max_orders_per_minute=2)
    batch = Call(
        scope="", api=("private", "spot"), method="POST", path="batch_orders", params={}, items=(ORDINARY,) * 3
    )
    assert refusal(gate, batch) == "guard_rate"
