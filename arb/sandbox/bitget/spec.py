"""The sandbox's Bitget as a value."""

from decimal import Decimal

from arb.sandbox.spec import SimSpec
from arb.sandbox.values import FeeAsset

SPEC = SimSpec(
    name="bitget",
    rest_prefixes=("/api/v2/", "/api/v3/"),
    ws_paths=("/v2/ws/public", "/v2/ws/private", "/v3/ws/private"),
    addresses=lambda root, ws: {"rest": root, "ws_public": f"{ws}/v2/ws/public", "ws_private": f"{ws}/v2/ws/private"},
    has_passphrase=True,
    busy_text='{"action":"update","arg":{"instType":"SPOT","channel":"trade","instId":"BTCUSDT"},"data":[%s],"ts":1}',
    rules={
        "BTC/USDT": ("0.01", "0.000001", "0.000001", "1"),
        "ETH/USDT": ("0.01", "0.0001", "0.0001", "1"),
        "SOL/USDT": ("0.001", "0.001", "0.001", "1"),
        "DOGE/USDT": ("0.00001", "0.01", "1", "1"),
        "NOVA/USDT": ("0.0001", "0.01", "1", "1"),
    },
    maker_fee="0.0004",
    taker_fee="0.0006",
    new_listing_fees=("0.001", "0.001"),
    buy_fee_in="base",
    feed_ms=70.0,
    order_ms=90.0,
    fee_assets=(FeeAsset("BGB", per_quote=Decimal("0.8"), share=Decimal("0.8")),),
    account_modes=("classic", "unified"),
    rights=("stor", "stow"),
    choices=("rights", "addresses", "sub_account"),
    chains={"BTC": "BTC", "ETH": "ETH", "SOL": "SOL", "DOGE": "DOGE"},
    token_chain="ERC20",
)
