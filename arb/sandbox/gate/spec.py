"""The sandbox's Gate as a value."""

from decimal import Decimal

from arb.sandbox.spec import SimSpec
from arb.sandbox.values import FeeAsset

SPEC = SimSpec(
    name="gate",
    rest_prefixes=("/api/v4/",),
    ws_paths=("/ws/v4",),
    addresses=lambda root, ws: {"rest": f"{root}/api/v4", "ws": f"{ws}/ws/v4/"},
    has_passphrase=False,
    busy_text='{"time":1,"time_ms":1,"channel":"spot.trades","event":"update","result":[%s]}',
    rules={
        "BTC/USDT": ("0.1", "0.00001", "0.00001", "3"),
        "ETH/USDT": ("0.01", "0.0001", "0.001", "3"),
        "SOL/USDT": ("0.01", "0.001", "0.01", "3"),
        "DOGE/USDT": ("0.00001", "0.1", "1", "3"),
        "NOVA/USDT": ("0.0001", "0.01", "1", "3"),
    },
    maker_fee="0.0007",
    taker_fee="0.0009",
    buy_fee_in="base",
    feed_ms=20.0,
    order_ms=15.0,
    fee_assets=(
        FeeAsset("POINT", per_quote=Decimal(1), share=Decimal(1)),
        FeeAsset("GT", per_quote=Decimal("0.25"), share=Decimal("0.75")),
    ),
    account_modes=("classic", "single_currency", "multi_currency", "portfolio", "legacy_unified"),
    rights=("spot", "wallet:read", "account:read", "unified:read"),
    choices=("rights", "addresses", "sub_account", "symbols"),
    chains={"BTC": "BTC", "ETH": "ETH", "SOL": "SOL", "DOGE": "DOGE"},
    token_chain="ETH",
)
