"""Whatever arrives with a right signature, OKX, Bitget, Bybit and Binance answer it in their own words and go on."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arb.clock import NS_PER_MS, NS_PER_S
from arb.sandbox.binance.spec import ROOT
from arb.sandbox.wire import HttpRequest
from tests.unit.sandbox.bench import Bench


def words(text: str) -> list[str]:
    """Return the words of a text."""
    return text.split()


OKX_PATHS = words(
    "/trade/order /trade/batch-orders /trade/cancel-order /trade/cancel-batch-orders /trade/orders-pending "
    "/trade/orders-history /trade/fills /trade/fills-history /account/balance /account/trade-fee /asset/currencies "
    "/asset/deposit-history /market/books /market/ticker /market/trades /public/instruments /nowhere"
)
BITGET_PATHS = words(
    "/spot/trade/place-order /spot/trade/cancel-order /spot/trade/orderInfo /spot/trade/unfilled-orders "
    "/spot/trade/history-orders /spot/trade/fills /spot/account/assets /common/trade-rate /spot/market/orderbook "
    "/spot/wallet/deposit-records /spot/public/symbols /spot/market/tickers /nowhere"
)
UNIFIED_PATHS = words(
    "/trade/place-order /trade/place-batch /trade/cancel-order /trade/cancel-batch /trade/cancel-symbol-order "
    "/trade/countdown-cancel-all /trade/order-info /trade/unfilled-orders /trade/history-orders /trade/fills "
    "/account/info /account/settings /account/assets /account/fee-rate /account/all-fee-rate /account/financial-records "
    "/market/instruments /market/orderbook /nowhere"
)
BYBIT_PATHS = words(
    "/order/create /order/amend /order/cancel /order/cancel-all /order/create-batch /order/amend-batch "
    "/order/cancel-batch /order/realtime /order/history /execution/list /account/wallet-balance /account/fee-rate "
    "/account/transaction-log /account/info /account/user-setting-config /user/query-api /asset/coin/query-info "
    "/asset/deposit/query-record /market/instruments-info /market/orderbook /market/tickers /market/recent-trade "
    "/market/kline /nowhere"
)
BINANCE_PATHS = words(
    "/api/v3/order /api/v3/openOrders /api/v3/allOrders /api/v3/myTrades /api/v3/account /api/v3/account/commission "
    "/api/v3/rateLimit/order /api/v3/exchangeInfo /api/v3/depth /api/v3/klines /api/v3/ticker/bookTicker /api/v3/ticker/24hr "
    "/api/v3/trades /api/v3/nowhere /sapi/v1/capital/config/getall /sapi/v1/asset/tradeFee /sapi/v1/capital/deposit/hisrec"
)
DIALECTS = {
    "binance": ("binance", ROOT, BINANCE_PATHS),
    "bybit": ("bybit", "/v5", BYBIT_PATHS),
    "okx": ("okx", "/api/v5", OKX_PATHS),
    "bitget": ("bitget", "/api/v2", BITGET_PATHS),
    "bitget unified": ("bitget", "/api/v3", UNIFIED_PATHS),
}
NAMES = words(
    "instId instIdCode instType tdMode side ordType px sz clOrdId ordId tag tgtCcy after before begin end limit ccy "
    "symbol orderType force price size clientOid orderId idLessThan startTime endTime coin businessType "
    "category qty timeInForce cursor countdown orderLinkId isLeverage marketUnit request accountType interval openOnly "
    "type quantity quoteOrderQty newClientOrderId newOrderRespType origClientOrderId fromId symbols recvWindow"
)
TEXTS = words(
    "BTC-USDT BTC/USDT BTCUSDT SPOT cash buy sell limit market ioc gtc 50000 0.01 -1 0 1e9 NaN Infinity 1e-30 x y ² ٣ "
    "99999999999999999999999999 1.000000000000000000000000001 spot Buy Sell Limit Market IOC UNIFIED D "
    "BUY SELL LIMIT MARKET LIMIT_MAKER FULL 1m"
)
scalars = st.one_of(st.sampled_from(TEXTS), st.integers(-5, 2**63), st.booleans(), st.none(), st.text(max_size=6))
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3), max_leaves=4)
objects = st.dictionaries(st.sampled_from(NAMES), values, max_size=10)
bodies = st.one_of(
    st.one_of(objects, st.lists(objects, max_size=3), values).map(lambda value: json.dumps(value).encode()),
    st.binary(max_size=12),
    st.just(b"[" * 100_000),
)
queries = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(TEXTS), max_size=6).map(
    lambda pairs: "&".join(f"{name}={value}" for name, value in pairs.items())
)


def signed(bench: Bench, method: str, path: str, query: str, body: bytes) -> HttpRequest:
    """Sign any bytes as the venue's document says."""
    profile, asked = bench.exchange.profile, f"?{query}" if query else ""
    if bench.venue.name == "binance":
        pairs = [*parse_qsl(query), ("timestamp", str(bench.now_ns // NS_PER_MS))]
        sent, typed = urlencode(dict(pairs)), body.decode("utf-8", "replace") if body.isascii() else ""
        seal = hmac.new(profile.secret.encode(), (sent + typed).encode(), hashlib.sha256).hexdigest()
        headers = {"x-mbx-apikey": profile.key}
        return HttpRequest(method, path, f"{sent}&signature={seal}", headers, typed.encode())
    if bench.venue.name == "bybit":
        stamp = str(bench.now_ns // NS_PER_MS)
        payload = f"{stamp}{profile.key}5000{query}".encode() + body
        seal = hmac.new(profile.secret.encode(), payload, hashlib.sha256).hexdigest()
        named = {"api-key": profile.key, "timestamp": stamp, "recv-window": "5000", "sign": seal}
        return HttpRequest(method, path, query, {f"x-bapi-{name}": value for name, value in named.items()}, body)
    if bench.venue.name == "okx":
        moment = datetime.fromtimestamp(bench.now_ns // NS_PER_S, UTC)
        stamp, prefix = moment.strftime("%Y-%m-%dT%H:%M:%S.000Z"), "ok-access"
    else:
        stamp, prefix = str(bench.now_ns // NS_PER_MS), "access"
    text = f"{stamp}{method}{path}{asked}".encode() + body
    signature = base64.b64encode(hmac.new(profile.secret.encode(), text, hashlib.sha256).digest()).decode()
    headers = {
        f"{prefix}-key": profile.key,
        f"{prefix}-sign": signature,
        f"{prefix}-timestamp": stamp,
        f"{prefix}-passphrase": profile.passphrase,
    }
    return HttpRequest(method, path, query, headers, body)


@pytest.mark.parametrize("account", DIALECTS)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_every_signed_request_gets_an_answer_in_the_venues_envelope(account: str, data: st.DataObject) -> None:
    venue, root, paths = DIALECTS[account]
    bench = Bench(venue, small=True)
    bench.exchange.account_mode = account.partition(" ")[2] or bench.exchange.account_mode
    for _ in range(12):
        path = root + data.draw(st.sampled_from(paths))
        if data.draw(st.booleans()):
            request = signed(bench, "POST", path, "", data.draw(bodies))
        else:
            request = signed(bench, "GET", path, data.draw(queries), b"")
        status, answer = bench.send(request)

        assert status in (200, 400, 404, 405, 429)
        if venue == "bybit":
            assert isinstance(answer["retCode"], int) and "retMsg" in answer
        elif venue == "binance":
            assert status == 200 or (isinstance(answer["code"], int) and "msg" in answer)
        else:
            assert isinstance(answer["code"], str) and "msg" in answer
    held: dict[str, Any] = bench.exchange.account.balances
    assert all(balance.free >= 0 and balance.locked >= 0 for balance in held.values())
