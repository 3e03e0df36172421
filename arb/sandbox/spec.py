"""A simulated venue as one value: all that differs between venues but their dialects.

Each venue's folder holds one (`SPEC` of its `spec.py`), and `registry.py` lists them. A dialect reads and writes the venue's
protocol on top of the exchange, so `world.py` names the dialects.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from arb.sandbox.values import FeeAsset


@dataclass(frozen=True, slots=True, kw_only=True)
class SimSpec:
    """`rest_prefixes`, `ws_paths`: the beginnings of the paths that are the venue's. `addresses`: its addresses, as announced,
    under the roots of REST and websockets; `has_passphrase`: whether its keys have one. `busy_text`: a frame of a channel that
    our clients never subscribe to; `%s` stands for its trades.

    `rules`: tick, lot, least size and least notional by model symbol. Fees are ratios; `new_listing_fees`: those of the new
    listing. `buy_fee_in`: `base` or `quote`. `feed_ms`, `order_ms`: mean delays. `fee_assets`: assets that it may take fees in
    instead (fault `fee_in_points`), and their rates.

    `account_modes`: its kinds of account, the usual one first, none where there is one; `rights`: the key's first rights, where
    `:read` marks one for reading only; both in the venue's words. `choices`: those of its holder. `chains`: its name of
    each coin's own chain; `token_chain`: of that of all other assets. `patience_ms`: after how long it
    answers that its engine has not answered; `ping_s`: how often its websockets send a ping, 0: never; `takes_public_key`:
    whether its holder may sign with an Ed25519 key.
    """

    name: str
    rest_prefixes: tuple[str, ...]
    ws_paths: tuple[str, ...]
    addresses: Callable[[str, str], dict[str, str]]
    has_passphrase: bool
    busy_text: str
    rules: Mapping[str, tuple[str, str, str, str]]
    maker_fee: str
    taker_fee: str
    new_listing_fees: tuple[str, str] | None = None
    buy_fee_in: str
    feed_ms: float
    order_ms: float
    fee_assets: tuple[FeeAsset, ...] = ()
    account_modes: tuple[str, ...]
    rights: tuple[str, ...]
    choices: tuple[str, ...]
    chains: Mapping[str, str]
    token_chain: str
    patience_ms: float | None = None
    ping_s: float = 0.0
    takes_public_key: bool = False
