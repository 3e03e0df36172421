"""From a venue's own name of a product to the common symbol, for captures, where no listing tells.

A name that holds no separator is split before the longest known quote asset. Products whose sizes are counted in contracts,
or whose price is not that of the base asset now, are no symbol: their books cannot be compared with those of others.
"""

from arb.market.symbol import Symbol
from arb.venues.registry import TAPES

QUOTES = (
    "USDT", "USDC", "FDUSD", "TUSD", "BUSD", "USDD", "DAI", "USD", "EUR", "GBP", "TRY", "BRL", "RUB", "AUD", "UAH", "BIDR",
    "BTC", "ETH", "BNB", "TRX", "XRP", "DOGE", "OKB",
)  # fmt: skip
"""Assets that others are priced in; of several that fit, the longest counts."""

_CONTRACTS = "sizes are counted in contracts"
_DATED = "a dated or derived product"
_ODD = "its base and quote cannot be told from its name"
_SUFFIXES = ("_SPBL", "_UMCBL")
"""What Bitget's first interface added to the names of spot and USDT-margined products; sizes of both are in base."""


def symbol_of(venue: str, native_symbol: str) -> tuple[str | None, str]:
    """Return the common symbol, or None and the reason why there is none; `venue` is the name of the tape's dialect."""
    dialect = TAPES.get(venue)
    if dialect is not None and dialect.contracts:
        return None, _CONTRACTS
    name = native_symbol.upper()
    for suffix in _SUFFIXES:
        name = name.removesuffix(suffix)
    words = name.replace("_", "-").split("-")
    if len(words) > 2:
        return None, _CONTRACTS if words[2] == "SWAP" else _DATED
    if len(words) == 2:
        return _spelt(words[0], words[1])
    return _split(frozenset() if dialect is None else dialect.contracts_quotes, words[0])


def _split(contracts_quotes: frozenset[str], name: str) -> tuple[str | None, str]:
    for quote in sorted(QUOTES, key=len, reverse=True):
        base = name.removesuffix(quote)
        if base and base != name:
            if quote in contracts_quotes:
                return None, _CONTRACTS
            return _spelt(base, quote)
    return None, _ODD


def _spelt(base: str, quote: str) -> tuple[str | None, str]:
    try:
        return str(Symbol(base, quote)), ""
    except ValueError:
        return None, _ODD
