"""Signing one Gate order: the double hash of an exact body, and the whole request as it leaves, against ccxt's `sign()`.

ccxt's figure includes writing the body as JSON; so does ours where the row says *whole*, which is the way that orders go:
written with the form of their symbol, checked by the guard, signed.
"""

from decimal import Decimal
from typing import Any

from arb.clock import NS_PER_S, Clock
from arb.core.messages.commands import PlaceOrder
from arb.market.ids import ClientOrderId
from arb.market.order import Role, Side, TimeInForce
from arb.venues.gate.client import Gate
from arb.venues.gate.dialect import GateDialect
from arb.venues.gate.signing import API_ROOT, Signer, rest_headers
from arb.venues.kit.order_form import OrderForms
from arb.venues.kit.rules.guard import SigningGuard
from proofs.bench.peers import find
from proofs.bench.rounds import Contender, Effort, Row, alternate, time_row

KEY, SECRET = "0123456789abcdef", "fedcba9876543210" * 4
BODY = (
    b'{"text":"t-arb0123456789abcdef","currency_pair":"BTC_USDT","type":"limit","account":"spot","side":"buy",'
    b'"amount":"0.0123","price":"60123.4","time_in_force":"ioc"}'
)
_ORDERS = 25


def one_order(clock: Clock, effort: Effort) -> list[Row]:
    """Measure both against the same order signed by ccxt."""
    count = effort.count(_ORDERS)
    contenders: dict[str, Contender] = {"exact": _exact(count), "whole": _whole(clock, count)}
    ccxt = find("ccxt")
    if ccxt is not None:
        contenders["ccxt"] = _ccxt(ccxt, count)
    taken = alternate(clock, contenders, effort.rounds)
    theirs, against = taken.get("ccxt"), "ccxt gate sign()"
    return [
        time_row("sign_order", taken["exact"], theirs, against=against, at_least=4, note="an exact body, headers made"),
        time_row("sign_order_whole", taken["whole"], theirs, against=against, note="guard, body and expiry included"),
    ]


def params(price: str) -> dict[str, Any]:
    """Return the parameters of one order, as a client is given them."""
    return {
        "text": "t-arb0123456789abcdef",
        "currency_pair": "BTC_USDT",
        "type": "limit",
        "account": "spot",
        "side": "buy",
        "amount": "0.0123",
        "price": price,
        "time_in_force": "ioc",
    }


def _exact(count: int) -> Contender:
    signer = Signer(SECRET)

    def sign() -> int:
        for number in range(count):
            timestamp = str(1_760_000_000 + number)
            signed = signer.request("POST", API_ROOT + "/spot/orders", "", BODY, timestamp)
            rest_headers(KEY, signed.signature, timestamp)
        return count

    return sign


def _whole(clock: Clock, count: int) -> Contender:
    guard = SigningGuard(
        venue="gate",
        hosts=("127.0.0.1",),
        symbols=("BTC/USDT",),
        max_order_value_quote=Decimal(10**6),
        max_orders_per_minute=10**9,
        clock=clock,
    )
    gate = Gate(clock=clock, guard=guard, api_key=KEY, secret=SECRET, rest_url="http://127.0.0.1:1/api/v4")

    orders = [_order(clock, number) for number in range(count)]
    form = OrderForms(GateDialect().place, gate.order_form).make(orders[0])

    def sign() -> int:
        for order in orders:
            gate.order(form, order, clock.wall_ns(), clock.monotonic_ns())
        return count

    return sign


def _order(clock: Clock, number: int) -> PlaceOrder:
    return PlaceOrder(
        cause=number,
        venue="gate",
        symbol="BTC/USDT",
        client_order_id=ClientOrderId(1, number, "buy", 0).encode(),
        role=Role.ENTRY,
        side=Side.BUY,
        tif=TimeInForce.IOC,
        price=Decimal(f"{60_000 + number}.5"),
        size=Decimal("0.0123"),
        expires_ns=clock.wall_ns() + 3600 * NS_PER_S,
    )


def _ccxt(ccxt: Any, count: int) -> Contender:
    exchange = ccxt.gate({"apiKey": KEY, "secret": SECRET})

    def sign() -> int:
        for number in range(count):
            exchange.sign("orders", ["private", "spot"], "POST", params(f"{60_000 + number}.5"))
        return count

    return sign
