"""OKX and Bitget behind the guard: what is signed, what is not, and by which clock."""

import asyncio
import decimal
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import ccxt
import pytest
from aiohttp import web

from arb.clock import NS_PER_S, ManualClock
from arb.venues.bitget.signing import GuardedBitget
from arb.venues.kit.header_client import HeaderClient
from arb.venues.kit.rules.guard import SigningGuard, SigningRefused
from arb.venues.okx.signing import GuardedOkx

NOW_S = 1_700_000_000
HOSTS = {
    "okx": ["www.okx.com", "ws.okx.com"],
    "bitget": ["api.bitget.com", "ws.bitget.com"],
}
CREDENTIALS = {"apiKey": "key", "secret": "secret", "password": "phrase"}


def a_venue(kind: type[HeaderClient], **changes: Any) -> HeaderClient:
    name = "okx" if kind is GuardedOkx else "bitget"
    clock = ManualClock(NOW_S * NS_PER_S)
    limits: dict[str, Any] = {
        "hosts": HOSTS[name],
        "symbols": ["BTC/USDT"],
        "max_order_value_quote": Decimal(1000),
        "max_orders_per_minute": 3,
    }
    guard = SigningGuard(venue=name, clock=clock, **limits | changes)
    return kind(clock, guard, dict(CREDENTIALS))


OKX_ORDER = {"instId": "BTC-USDT", "tdMode": "cash", "side": "buy", "ordType": "ioc", "sz": "0.01", "px": "30000"}
BITGET_ORDER = {"symbol": "BTCUSDT", "side": "buy", "orderType": "limit", "force": "ioc", "size": "0.01", "price": "1"}


def sign_okx(venue: HeaderClient, order: dict[str, Any], path: str = "trade/batch-orders") -> dict[str, Any]:
    return venue.sign(path, ["private"], "POST", [order] if "batch" in path else order)


def sign_bitget(venue: HeaderClient, order: dict[str, Any], path: str = "v2/spot/trade/place-order") -> Any:
    return venue.sign(path, ["private", "spot"], "POST", order)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"instId": "ETH-USDT"}, "guard_symbol"),
        ({"instId": "BTC-USDT-SWAP"}, "guard_symbol"),
        ({"sz": "0.04"}, "guard_value"),
        ({"px": None}, "guard_value"),
        ({"ordType": "market", "side": "buy", "sz": "1001"}, "guard_value"),
        ({"ordType": "market", "side": "sell"}, "guard_value"),
        ({"tdMode": "cross"}, "guard_parameter"),
        ({"ordType": "trigger"}, "guard_parameter"),
        ({"attachAlgoOrds": [{"slTriggerPx": "1"}]}, "guard_parameter"),
        ({"tag": "6b9ad766b55dBCDE"}, "guard_parameter"),
    ],
)
def test_okx_orders_the_user_did_not_allow_are_not_signed(change: dict[str, Any], code: str) -> None:
    with pytest.raises(SigningRefused) as refused:
        sign_okx(a_venue(GuardedOkx), OKX_ORDER | change)
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"symbol": "ETHUSDT"}, "guard_symbol"),
        ({"size": "1001"}, "guard_value"),
        ({"orderType": "market", "size": "1001"}, "guard_value"),
        ({"orderType": "market", "side": "sell"}, "guard_value"),
        ({"tpslType": "tpsl"}, "guard_parameter"),
        ({"presetStopLossPrice": "1"}, "guard_parameter"),
    ],
)
def test_bitget_orders_the_user_did_not_allow_are_not_signed(change: dict[str, Any], code: str) -> None:
    with pytest.raises(SigningRefused) as refused:
        sign_bitget(a_venue(GuardedBitget), BITGET_ORDER | change)
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("kind", "path", "api"),
    [
        (GuardedOkx, "asset/withdrawal", ["private"]),
        (GuardedOkx, "asset/transfer", ["private"]),
        (GuardedOkx, "trade/order-algo", ["private"]),
        (GuardedOkx, "trade/amend-order", ["private"]),
        (GuardedBitget, "v2/spot/wallet/withdrawal", ["private", "spot"]),
        (GuardedBitget, "v2/spot/trade/cancel-replace-order", ["private", "spot"]),
        (GuardedBitget, "v2/mix/order/place-order", ["private", "mix"]),
    ],
)
def test_any_other_write_is_not_signed(kind: type[HeaderClient], path: str, api: Any) -> None:
    with pytest.raises(SigningRefused) as refused:
        a_venue(kind).sign(path, api, "POST", {})
    assert refused.value.code == "guard_endpoint"


@pytest.mark.parametrize("kind", [GuardedOkx, GuardedBitget])
def test_an_address_outside_the_allow_list_stops_every_request(kind: type[HeaderClient]) -> None:
    venue = a_venue(kind, hosts=["example.com"])
    with pytest.raises(SigningRefused, match="allow-list"):
        venue.sign("v2/spot/account/info", ["private", "spot"], "GET", {})


def test_orders_beyond_the_minutes_maximum_are_not_signed() -> None:
    venue = a_venue(GuardedOkx)
    for _ in range(3):
        sign_okx(venue, OKX_ORDER)
    with pytest.raises(SigningRefused, match="within a minute"):
        sign_okx(venue, OKX_ORDER)


def test_each_order_of_a_bitget_batch_counts() -> None:
    order = {key: value for key, value in BITGET_ORDER.items() if key != "symbol"}
    batch = {"symbol": "BTCUSDT", "orderList": [order] * 4}
    with pytest.raises(SigningRefused, match="within a minute"):
        sign_bitget(a_venue(GuardedBitget), batch, "v2/spot/trade/batch-orders")


@pytest.mark.parametrize("method", ["create_order_ws", "edit_order_ws"])
def test_no_order_passes_the_guard_by_over_the_websocket(method: str) -> None:
    with pytest.raises(ccxt.NotSupported):
        asyncio.run(getattr(a_venue(GuardedOkx), method)("BTC/USDT", "limit", "buy", 1, 1))


def test_timestamps_follow_our_clock_corrected_by_the_offset() -> None:
    okx, bitget = a_venue(GuardedOkx), a_venue(GuardedBitget)
    okx.server_offset_ns = bitget.server_offset_ns = 61 * NS_PER_S
    assert sign_okx(okx, OKX_ORDER)["headers"]["OK-ACCESS-TIMESTAMP"] == "2023-11-14T22:14:21.000Z"
    assert sign_bitget(bitget, BITGET_ORDER)["headers"]["ACCESS-TIMESTAMP"] == str((NOW_S + 61) * 1000)


@pytest.fixture
def fresh_decimal_context() -> Iterator[None]:
    with decimal.localcontext(decimal.Context(rounding=decimal.ROUND_HALF_EVEN)):
        yield


def a_market() -> dict[str, Any]:
    precision = {"amount": "0.0001", "price": "0.1"}
    return {"id": "BTCUSDT", "symbol": "BTC/USDT", "base": "BTC", "quote": "USDT", "spot": True, "precision": precision}


@pytest.mark.usefixtures("fresh_decimal_context")
def test_making_text_of_numbers_rounds_nothing_and_leaves_the_decimal_context_alone() -> None:
    venue = a_venue(GuardedBitget)
    venue.set_markets([venue.safe_market_structure(a_market())])
    assert venue.amount_to_precision("BTC/USDT", Decimal("0.0100")) == "0.01"
    assert venue.price_to_precision("BTC/USDT", "30000.10") == "30000.1"
    assert venue.cost_to_precision("BTC/USDT", "29.99") == "29.9"
    with pytest.raises(ccxt.InvalidOrder):
        venue.amount_to_precision("BTC/USDT", "0.01005")
    assert decimal.getcontext().rounding == decimal.ROUND_HALF_EVEN


@pytest.mark.usefixtures("fresh_decimal_context")
def test_the_stock_client_changes_the_threads_rounding() -> None:
    stock = ccxt.bitget()
    market = a_market() | {"precision": {"amount": 0.0001, "price": 0.1}}
    stock.set_markets([stock.safe_market_structure(market)])
    stock.price_to_precision("BTC/USDT", 30000.1)
    assert decimal.getcontext().rounding == decimal.ROUND_HALF_UP


def test_a_redirect_does_not_carry_a_signature_to_a_foreign_host() -> None:
    reached: list[str] = []

    async def elsewhere(request: web.Request) -> web.Response:
        reached.append(request.host)
        return web.json_response({"code": "0", "data": []})

    async def run() -> None:
        app = web.Application()
        runner = web.AppRunner(app)

        async def redirect(request: web.Request) -> web.Response:
            port = request.url.port
            raise web.HTTPFound(f"http://localhost:{port}/elsewhere")

        app.router.add_get("/api/v5/account/balance", redirect)
        app.router.add_get("/elsewhere", elsewhere)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        venue = a_venue(GuardedOkx, hosts=["127.0.0.1"])
        venue.urls["api"] = {"rest": f"http://127.0.0.1:{port}", "ws": f"ws://127.0.0.1:{port}/ws/v5"}
        venue.timeout_on_exit = 0
        try:
            with pytest.raises(SigningRefused, match="localhost"):
                await venue.request("account/balance", ["private"], "GET", {})
        finally:
            await venue.close()
            await runner.cleanup()

    asyncio.run(run())
    assert reached == []
