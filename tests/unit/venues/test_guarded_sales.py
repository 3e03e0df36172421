"""A sale gives away what it sells, whatever price it names: the guard values it at what a base sells for, too."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from arb.clock import NS_PER_S, ManualClock
from arb.venues.bitget.signing import GuardedBitget, GuardedUnifiedBitget
from arb.venues.gate.client import Gate
from arb.venues.kit.call import Call
from arb.venues.kit.rules.guard import SigningGuard, SigningRefused
from arb.venues.okx.signing import GuardedOkx

MakeClient = Callable[[SigningGuard, ManualClock], Any]
KEY = {"apiKey": "key", "secret": "secret", "password": "phrase"}


def gate_order(side: str, size: str, price: str) -> Call:
    params = {"currency_pair": "BTC_USDT", "type": "limit", "side": side, "amount": size, "price": price}
    return _post(("private", "spot"), "orders", {**params, "account": "spot", "time_in_force": "ioc"})


def okx_order(side: str, size: str, price: str) -> Call:
    params = {"instId": "BTC-USDT", "tdMode": "cash", "side": side, "ordType": "ioc", "sz": size, "px": price}
    return _post(("private",), "trade/order", params)


def bitget_order(side: str, size: str, price: str) -> Call:
    params = {"symbol": "BTCUSDT", "side": side, "orderType": "limit", "force": "ioc", "size": size, "price": price}
    return _post(("private", "spot"), "v2/spot/trade/place-order", params)


def unified_order(side: str, size: str, price: str) -> Call:
    params = {"category": "SPOT", "symbol": "BTCUSDT", "side": side, "orderType": "limit", "qty": size, "price": price}
    return _post(("private", "uta"), "v3/trade/place-order", params)


def _post(api: tuple[str, ...], path: str, params: dict[str, Any]) -> Call:
    return Call(scope="", api=api, method="POST", path=path, params=params)


VENUES: dict[str, tuple[MakeClient, Callable[[str, str, str], Call]]] = {
    "gate": (lambda guard, clock: Gate(clock=clock, guard=guard, api_key="key", secret="secret"), gate_order),
    "okx": (lambda guard, clock: GuardedOkx(clock, guard, dict(KEY)), okx_order),
    "bitget": (lambda guard, clock: GuardedBitget(clock, guard, dict(KEY)), bitget_order),
    "bitget unified": (lambda guard, clock: GuardedUnifiedBitget(clock, guard, dict(KEY)), unified_order),
}


class Guarded:
    """One venue's client whose guard lets at most 100 USDT leave."""

    def __init__(self, venue: str, sells_for: str | None) -> None:
        clock = ManualClock(1_700_000_000 * NS_PER_S)
        self.guard = SigningGuard(
            venue=venue,
            hosts=["api.gateio.ws", "www.okx.com", "api.bitget.com"],
            symbols=["BTC/USDT"],
            max_order_value_quote=Decimal(100),
            max_orders_per_minute=100,
            clock=clock,
        )
        if sells_for is not None:
            self.guard.value_sales(lambda symbol: {"BTC/USDT": Decimal(sells_for)}.get(symbol))
        make, self.order = VENUES[venue]
        self.client = make(self.guard, clock)

    def refusal(self, side: str, size: str, price: str) -> SigningRefused | None:
        """Return the guard's refusal of an order, None where it is signed."""
        try:
            self.client.signed(self.order(side, size, price))
        except SigningRefused as refused:
            return refused
        return None


@pytest.mark.parametrize("venue", VENUES)
def test_a_million_bitcoin_are_not_sold_for_ten_quote(venue: str) -> None:
    refused = Guarded(venue, "60000").refusal("sell", "1000000", "0.00001")
    assert refused is not None and refused.code == "guard_value"
    assert "BTC/USDT order of 60000000000" in str(refused)


@pytest.mark.parametrize("venue", VENUES)
def test_a_sale_whose_base_has_no_known_price_does_not_leave(venue: str) -> None:
    refused = Guarded(venue, None).refusal("sell", "0.001", "60000")
    assert refused is not None and refused.code == "guard_reference"
    assert "BTC/USDT" in str(refused)


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize(
    ("size", "price", "leaves"),
    [
        ("0.00166", "60000", True),
        ("0.00166", "0.00001", True),  # worth 99.60, however little it asks for
        ("0.00167", "0.00001", False),
        ("0.00166", "60241", False),  # its own price counts where that is the higher one
    ],
)
def test_a_sale_is_worth_the_greater_of_its_own_price_and_the_reference(
    venue: str, size: str, price: str, leaves: bool
) -> None:
    assert (Guarded(venue, "60000").refusal("sell", size, price) is None) is leaves


@pytest.mark.parametrize("venue", VENUES)
def test_a_purchase_is_bounded_by_its_own_price_and_needs_no_other(venue: str) -> None:
    assert Guarded(venue, None).refusal("buy", "1", "100") is None
    assert Guarded(venue, "60000").refusal("buy", "1", "100") is None


@pytest.mark.parametrize("venue", VENUES)
def test_what_is_not_plainly_a_purchase_counts_as_a_sale(venue: str) -> None:
    refused = Guarded(venue, None).refusal("BUY", "1", "100")
    # A unified account's orders may not even spell it so.
    assert refused is not None and refused.code in ("guard_reference", "guard_parameter")
