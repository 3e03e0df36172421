"""The inventory known at one instant, for planning moves outside the engine: holdings, wallets, prices."""

from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from arb.market.numbers import ZERO
from arb.market.symbol import Symbol
from arb.market.wallets import CurrencyChain

if TYPE_CHECKING:
    from arb.core.state.engine_state import EngineState


class Held(NamedTuple):
    """A venue's holding of an asset: the total, and the part that neither orders lock nor pairs have reserved."""

    total: Decimal
    free: Decimal


class KnownInventory(msgspec.Struct, frozen=True, kw_only=True):
    """The knowledge at `ns`: holdings by venue and asset (a venue is absent while unknown), by venue the chains in its
    currency list, and by asset its price in the traded quote."""

    ns: int
    held: dict[str, dict[str, Held]]
    chains: dict[str, tuple[CurrencyChain, ...]]
    prices: dict[str, Decimal]


def known_inventory(state: "EngineState", now_ns: int) -> KnownInventory:
    symbols = [Symbol.of(symbol) for symbol in state.settings.symbols]
    assets = sorted({asset for symbol in symbols for asset in symbol.base_and_quote})
    inventory, wallets, quote = state.inventory, state.trapped.wallets, symbols[0].quote
    return KnownInventory(
        ns=now_ns,
        held={
            venue: {
                asset: Held(max(ZERO, inventory.computed(venue, asset)), inventory.free(venue, asset))
                for asset in assets
            }
            for venue in state.venues
            if venue in inventory.with_basis
        },
        chains={
            venue: chains
            for venue in state.venues
            if (chains := tuple(chain for asset in assets for chain in wallets.of(venue, asset)))
        },
        prices={asset: price for asset in assets if (price := state.quote_value(asset, quote)) is not None},
    )
