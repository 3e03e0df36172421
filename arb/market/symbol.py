"""A symbol parsed: the base asset, the quote asset, and the asset a swap settles in.

Symbols are spelt as ccxt's unified ones: `BTC/USDT` on spot, `BTC/USDT:USDT` for a perpetual swap that settles in USDT.

Messages, dict keys, the journal, SQL and JSON carry this text. So nothing on disk or on the wire depends on `Symbol`, and no
codec is in the hot path. A caller that needs a part uses `Symbol.of(text)`, which is one cached read. No other code splits the
text: a split that is right for spot reads `USDT:USDT` out of a swap.

Only the spelling is judged here, not whether a product is traded or one the engine can trade.
"""

import re
from functools import lru_cache

import msgspec

KNOWN_MAX = 4096
"""How many parsed texts are cached: more than any run trades, and a bound on the memory for foreign symbols."""
_SPELLING = (
    'write BASE/QUOTE for spot, for example "BTC/USDT", or BASE/QUOTE:SETTLE for a swap, for example "BTC/USDT:USDT"'
)
ASSET = r"[^\s/:\x00-\x1f\x7f]+"
"""Names of assets that venues list, as a regular expression: `BTC`, `1INCH`, `$AI`, `龙虾`."""
_NO_ASSET = re.compile(r"[\s/:\x00-\x1f\x7f]")


class Symbol(msgspec.Struct, frozen=True):
    """The assets of one symbol: `base` is bought and sold, prices are in `quote`, a swap pays out in `settle`.

    `settle` is None for spot. Building one of parts that cannot be spelt raises `ValueError`, as `of` does.
    """

    base: str
    quote: str
    settle: str | None = None

    def __post_init__(self) -> None:
        for name, asset in (("base", self.base), ("quote", self.quote), ("settle", self.settle)):
            if asset is None:
                continue
            if not asset:
                raise _refused(str(self), f"its {name} is empty")
            if found := _NO_ASSET.search(asset):
                raise _refused(str(self), f"its {name} {_shown(asset)} holds {found.group(0)!r}")
        if self.settle is not None and "-" in self.settle:
            raise _refused(str(self), f"its settle {_shown(self.settle)} names a dated product, not an asset")

    def __str__(self) -> str:
        """Return the unified text, which `of` reads back."""
        return f"{self.base}/{self.quote}" if self.settle is None else f"{self.base}/{self.quote}:{self.settle}"

    @staticmethod
    def of(text: str) -> "Symbol":
        """Return the parts of a unified text; raise `ValueError` with the fault and the right spelling."""
        return _read(text)

    @property
    def is_spot(self) -> bool:
        """Return whether base and quote themselves change hands."""
        return self.settle is None

    @property
    def base_and_quote(self) -> tuple[str, str]:
        return self.base, self.quote


@lru_cache(maxsize=KNOWN_MAX)
def group_of(text: str) -> str:
    """Return the group of a symbol, its coin and quote: `BTC/USDT` for spot and for `BTC/USDT:USDT`; raise as `Symbol.of`."""
    found = Symbol.of(text)
    return f"{found.base}/{found.quote}"


@lru_cache(maxsize=KNOWN_MAX)
def _read(text: str) -> Symbol:
    base, slash, rest = text.partition("/")
    if not slash:
        raise _refused(text, "no '/' between base and quote")
    quote, colon, settle = rest.partition(":")
    return Symbol(base, quote, settle if colon else None)


def _refused(text: str, fault: str) -> ValueError:
    return ValueError(f"{_shown(text)} is no symbol: {fault}: {_SPELLING}")


def _shown(text: str) -> str:
    return repr(text) if len(text) <= 40 else repr(text[:37] + "...")
