"""A symbol taken apart: what is bought and sold, what prices are in, and what a swap settles in.

Symbols are spelt as ccxt's unified ones: `BTC/USDT` on spot, `BTC/USDT:USDT` for a perpetual swap that settles in USDT.

Messages, dict keys, the journal, SQL and JSON carry this text, so nothing on disk or on the wire knows of `Symbol` and no
codec stands in the hot path. Whoever needs a part asks `Symbol.of(text)`, which is one cached read; nobody else splits
the text, since a split that is right for spot reads `USDT:USDT` out of a swap.

Only the spelling is judged here. Whether a product is traded, or is one the engine can trade, others say.
"""

import re
from functools import lru_cache

import msgspec

KNOWN_MAX = 4096
"""How many texts are kept taken apart: more than any run trades, and a bound on what foreign symbols may fill."""
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
        """Return the parts of a unified text; raise `ValueError` saying what is wrong and how symbols are spelt."""
        return _read(text)

    @property
    def is_spot(self) -> bool:
        """Return whether base and quote themselves change hands."""
        return self.settle is None

    @property
    def base_and_quote(self) -> tuple[str, str]:
        """Return the asset bought and sold, then the asset prices are in."""
        return self.base, self.quote


@lru_cache(maxsize=KNOWN_MAX)
def _read(text: str) -> Symbol:
    base, slash, rest = text.partition("/")
    if not slash:
        raise _refused(text, "no '/' stands between base and quote")
    quote, colon, settle = rest.partition(":")
    return Symbol(base, quote, settle if colon else None)


def _refused(text: str, fault: str) -> ValueError:
    return ValueError(f"{_shown(text)} is no symbol: {fault}: {_SPELLING}")


def _shown(text: str) -> str:
    return repr(text) if len(text) <= 40 else repr(text[:37] + "...")
