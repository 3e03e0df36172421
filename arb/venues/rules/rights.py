"""What a key may do, in its venue's own words."""

from collections.abc import Collection

import msgspec


class KeyRights(msgspec.Struct, frozen=True, kw_only=True):
    """The venue's own words for what a key may do.

    `trade`: needed. `withdraw`: must be absent. `complete`: the venue names every right of a key, so that the absence of that
    word is proof; where it does not, the user has to confirm that the key cannot withdraw. `harmless`: words known to move
    nothing, beside which any other may be a right to move funds away; None: other words are not looked at.
    """

    trade: str
    withdraw: str
    complete: bool = False
    harmless: frozenset[str] | None = None

    def can_trade(self, named: Collection[str] | None) -> bool | None:
        """Return whether a key with the `named` rights may trade; None where the venue named none."""
        return None if named is None else self.trade in named

    def can_withdraw(self, named: Collection[str] | None) -> bool | None:
        """Return whether a key with the `named` rights may withdraw; None where the venue's silence proves nothing."""
        if named is not None and self.withdraw in named:
            return True
        return False if named is not None and self.complete else None

    def unknown(self, named: Collection[str]) -> tuple[str, ...]:
        """Return the rights whose words mean nothing here, where that matters."""
        return () if self.harmless is None else tuple(sorted(set(named) - self.harmless - {self.trade, self.withdraw}))
