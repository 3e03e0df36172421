"""Orders of OKX and Bitget signed in one go: judged by ccxt's own way, whose bytes and refusals they must share."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb.clock import NS_PER_MS, ManualClock
from arb.venues.bitget.signing import GuardedBitget
from arb.venues.guarded import GuardedExchange
from arb.venues.okx.signing import GuardedOkx
from arb.venues.rules.guard import SigningGuard, SigningRefused

OKX = {"instId": "BTC-USDT", "tdMode": "cash", "clOrdId": "arb1", "side": "buy", "ordType": "ioc", "px": "3", "sz": "1"}
BITGET = {
    "symbol": "BTCUSDT",
    "side": "buy",
    "orderType": "limit",
    "force": "ioc",
    "price": "3",
    "size": "1",
    "clientOid": "arb1",
}
CASES: list[tuple[type[GuardedExchange], str, tuple[str, ...], dict[str, Any], str, str]] = [
    (GuardedOkx, "trade/order", ("private",), OKX, "sz", "px"),
    (GuardedBitget, "v2/spot/trade/place-order", ("private", "spot"), BITGET, "size", "price"),
]
NUMBERS = st.decimals("0", "1e4", places=4).map(lambda number: f"{number:f}") | st.sampled_from(["x", "NaN", "1e9", ""])


def a_venue(kind: type[GuardedExchange], now_ms: int) -> GuardedExchange:
    clock = ManualClock(now_ms * NS_PER_MS)
    guard = SigningGuard(
        venue="v",
        hosts=["www.okx.com", "api.bitget.com"],
        symbols=["BTC/USDT"],
        max_order_value_quote=Decimal(1_000_000),
        max_orders_per_minute=10,
        clock=clock,
    )
    return kind(clock, guard, {"apiKey": "key", "secret": "secret", "password": "phrase"})


def sign(venue: GuardedExchange, path: str, api: Any, params: Any) -> Any:
    try:
        return venue.sign(path, api, "POST", params)
    except SigningRefused as refused:
        return refused.code, str(refused)


class Told(dict[str, Any]):
    """The same parameters as another kind of dict, which ccxt's own way is taken for."""


VENUES = {kind: a_venue(kind, 0) for kind in (GuardedOkx, GuardedBitget)}


@pytest.mark.parametrize(("kind", "path", "api", "order", "size", "price"), CASES)
@given(
    text=st.text(max_size=8) | st.just("arb1"),
    sizes=NUMBERS,
    prices=NUMBERS,
    market=st.booleans(),
    now_ms=st.integers(10**12, 4 * 10**12),
)
def test_both_ways_sign_the_same_bytes_and_refuse_for_the_same_reason(
    kind: type[GuardedExchange],
    path: str,
    api: tuple[str, ...],
    order: dict[str, Any],
    size: str,
    price: str,
    text: str,
    sizes: str,
    prices: str,
    market: bool,
    now_ms: int,
) -> None:
    venue = VENUES[kind]
    assert isinstance(venue.house_clock, ManualClock)
    venue.house_clock.advance_to(venue.house_clock.wall_ns() + 60_000 * NS_PER_MS + now_ms % 977 * NS_PER_MS)
    kind_of_order = "ordType" if kind is GuardedOkx else "orderType"
    params = order | {"side": text, size: sizes, price: prices}
    if market:
        params[kind_of_order] = "market"

    assert sign(venue, path, api, dict(params)) == sign(venue, path, api, Told(params))


@pytest.mark.parametrize(("kind", "path", "api", "order", "size", "price"), CASES)
def test_an_ordinary_order_does_not_go_through_ccxt(
    kind: type[GuardedExchange], path: str, api: tuple[str, ...], order: dict[str, Any], size: str, price: str
) -> None:
    venue = a_venue(kind, 1_700_000_000_123)
    quick = venue._sign_order(api, order)

    assert quick is not None
    assert quick == sign(venue, path, api, Told(order))


@pytest.mark.parametrize(("kind", "path", "api", "order", "size", "price"), CASES)
def test_orders_signed_in_one_go_are_counted(
    kind: type[GuardedExchange], path: str, api: tuple[str, ...], order: dict[str, Any], size: str, price: str
) -> None:
    venue = a_venue(kind, 1_700_000_000_123)
    answers = [sign(venue, path, api, dict(order)) for _ in range(11)]

    assert [type(answer) for answer in answers] == [dict] * 10 + [tuple]
    assert answers[-1][0] == "guard_rate"


def test_an_okx_order_without_an_id_is_left_to_ccxt_and_counted_once() -> None:
    venue = a_venue(GuardedOkx, 1_700_000_000_123)
    order = {key: value for key, value in OKX.items() if key != "clOrdId"}
    answers = [sign(venue, "trade/order", ("private",), dict(order)) for _ in range(11)]

    assert [type(answer) for answer in answers] == [dict] * 10 + [tuple]
