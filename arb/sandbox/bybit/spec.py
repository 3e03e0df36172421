"""The sandbox's Bybit as a value."""

from arb.sandbox.spec import SimSpec

SPEC = SimSpec(
    name="bybit",
    rest_prefixes=("/v5/",),
    ws_paths=("/v5/public/spot", "/v5/private"),
    addresses=lambda root, ws: {"rest": root, "ws_public": f"{ws}/v5/public/spot", "ws_private": f"{ws}/v5/private"},
    has_passphrase=False,
    busy_text='{"topic":"publicTrade.BTCUSDT","type":"snapshot","ts":1,"data":[%s]}',
    rules={
        "BTC/USDT": ("0.01", "0.000001", "0.000001", "5"),
        "ETH/USDT": ("0.01", "0.00001", "0.00001", "5"),
        "SOL/USDT": ("0.01", "0.001", "0.001", "5"),
        "DOGE/USDT": ("0.00001", "0.1", "1", "5"),
        "NOVA/USDT": ("0.0001", "0.01", "1", "5"),
    },
    maker_fee="0.0005",
    taker_fee="0.0007",
    buy_fee_in="base",
    feed_ms=55.0,
    order_ms=60.0,
    account_modes=("unified 2.0", "unified 2.0 pro"),
    rights=("SpotTrade",),
    choices=("rights", "addresses", "sub_account"),
    chains={"BTC": "BTC", "ETH": "ETH", "SOL": "SOL", "DOGE": "DOGE"},
    token_chain="ETH",
)
