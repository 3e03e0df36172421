"""What is known of the inventory at one instant, for whoever plans moves outside the engine: holdings, wallets, prices."""

from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from arb.market.numbers import ZERO
from arb.market.symbol import Symbol
from arb.market.wallets import CurrencyChain

if TYPE_CHECKING:
    from arb.core.state.engine_state import EngineState


class Held(NamedTuple):
    """What a venue holds of an asset: all of it, and what of it neither orders lock nor pairs have reserved."""

    total: Decimal
    free: Decimal


class KnownInventory(msgspec.Struct, frozen=True, kw_only=True):
    """What was known at `ns`: by venue and asset what is held (a venue is absent where that is not known), by venue the chains
    that its currency list shows, and by asset the price of one in the quote of what is traded."""

    ns: int
    held: dict[str, dict[str, Held]]
    chains: dict[str, tuple[CurrencyChain, ...]]
    prices: dict[str, Decimal]


def known_inventory(state: "EngineState", now_ns: int) -> KnownInventory:
    """Return what an engine knows now, of the assets of its symbols."""
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
