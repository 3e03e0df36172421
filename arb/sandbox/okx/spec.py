"""The sandbox's OKX as a value."""

from arb.sandbox.spec import SimSpec

SPEC = SimSpec(
    name="okx",
    rest_prefixes=("/api/v5/",),
    ws_paths=("/ws/v5/public", "/ws/v5/private", "/ws/v5/business"),
    addresses=lambda root, ws: {"rest": root, "ws_public": f"{ws}/ws/v5/public", "ws_private": f"{ws}/ws/v5/private"},
    has_passphrase=True,
    busy_text='{"arg":{"channel":"trades","instId":"BTC-USDT"},"data":[%s]}',
    rules={
        "BTC/USDT": ("0.1", "0.0001", "0.0001", "0"),
        "ETH/USDT": ("0.01", "0.001", "0.001", "0"),
        "SOL/USDT": ("0.01", "0.01", "0.01", "0"),
        "DOGE/USDT": ("0.00001", "1", "10", "0"),
        "NOVA/USDT": ("0.0001", "0.1", "1", "0"),
    },
    maker_fee="0.0006",
    taker_fee="0.0008",
    buy_fee_in="base",
    feed_ms=45.0,
    order_ms=40.0,
    account_modes=("spot", "futures", "multi_currency", "portfolio"),
    rights=("read_only", "trade"),
    choices=("rights", "addresses", "sub_account", "symbols", "borrows", "fee_groups", "fee_in_quote"),
    chains={"BTC": "Bitcoin", "ETH": "ERC20", "SOL": "Solana", "DOGE": "Dogecoin"},
    token_chain="ERC20",
)
