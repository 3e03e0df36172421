"""The choices of an account's holder at a venue: its mode, the rights and addresses of its key, and its borrowing.

One form for all venues, in their own words for modes and rights; a choice a venue does not have cannot be made there.
The admin changes it (`POST /admin/account`), as a holder does on the venue's pages.
"""

from dataclasses import dataclass, fields, replace
from typing import Any

from arb.sandbox.registry import SPECS


@dataclass(frozen=True, slots=True)
class Holder:
    """`symbols`: all that the key (Gate) or, by residence, the account (OKX) may trade; none: everything that is
    listed.

    `borrows`: the account borrows where its balance is short. `fee_groups`: fees are listed by groups of instruments.
    `fee_in_quote`: a buy pays its fee in quote, and not in base.
    """

    rights: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ("127.0.0.1",)
    sub_account: bool = False
    symbols: tuple[str, ...] = ()
    borrows: bool = False
    fee_groups: bool = True
    fee_in_quote: bool = False

    def may_trade(self, symbol: str) -> bool:
        return not self.symbols or symbol in self.symbols

    def may(self, right: str, *, write: bool = True) -> bool:
        """Return whether the key has a right; with `write`, a right for reading only does not count."""
        return right in self.rights or (not write and f"{right}:read" in self.rights)


def may_choose(venue: str, name: str) -> bool:
    return name in SPECS[venue].choices


def changed(venue: str, holder: Holder, wanted: dict[str, object]) -> Holder:
    """Return the holder with these choices made; raises `ValueError` for a choice or a value that the venue does not have."""
    for name, value in wanted.items():
        if not may_choose(venue, name):
            raise ValueError(f"{name}: not to be chosen at {venue}: {', '.join(SPECS[venue].choices)}")
        if isinstance(getattr(holder, name), bool):
            good = isinstance(value, bool)
        else:
            good = isinstance(value, list) and all(isinstance(item, str) for item in value)
        if not good:
            kind = "true or false" if isinstance(getattr(holder, name), bool) else "a list of texts"
            raise ValueError(f"{name}: {kind} is needed")
    chosen: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in wanted.items()}
    return replace(holder, **chosen)


def shown(holder: Holder) -> dict[str, object]:
    return {field.name: getattr(holder, field.name) for field in fields(holder)}
