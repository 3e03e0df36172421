"""The sandbox's Binance as a value.

Its paths begin with `/binance`, for it shares `/api/v3` with Bitget, and here all venues share one port.
"""

from decimal import Decimal

from arb.sandbox.spec import SimSpec
from arb.sandbox.values import FeeAsset

ROOT = "/binance"


SPEC = SimSpec(
    name="binance",
    rest_prefixes=(f"{ROOT}/",),
    ws_paths=(f"{ROOT}/",),
    addresses=lambda root, ws: {
        "rest": f"{root}{ROOT}",
        "ws_public": f"{ws}{ROOT}/stream",
        "ws_private": f"{ws}{ROOT}/ws-api/v3",
    },
    has_passphrase=False,
    busy_text='{"stream":"btcusdt@trade","data":[%s]}',
    rules={
        "BTC/USDT": ("0.01", "0.00001", "0.00001", "5"),
        "ETH/USDT": ("0.01", "0.0001", "0.0001", "5"),
        "SOL/USDT": ("0.01", "0.001", "0.001", "5"),
        "DOGE/USDT": ("0.00001", "1", "1", "1"),
        "NOVA/USDT": ("0.0001", "0.1", "0.1", "5"),
    },
    maker_fee="0.0006",
    taker_fee="0.0008",
    buy_fee_in="base",
    feed_ms=35.0,
    order_ms=25.0,
    fee_assets=(FeeAsset("BNB", per_quote=Decimal("0.002"), share=Decimal("0.75")),),
    account_modes=(),
    rights=("enableReading", "enableSpotAndMarginTrading"),
    choices=("rights", "addresses", "symbols"),
    chains={"BTC": "BTC", "ETH": "ETH", "SOL": "SOL", "DOGE": "DOGE"},
    token_chain="ETH",
    patience_ms=10_000.0,
    ping_s=20.0,
    takes_public_key=True,
)
