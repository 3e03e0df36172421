"""What a key may do, before anything is traded with it: one that may withdraw is never used.

What could not be read is not the same as what a venue does not report. The first may hide a right to withdraw, so it ends the
start, which may be tried again; the second (None in the facts) the user has to confirm.
"""

from collections.abc import Awaitable, Callable, Collection
from typing import TYPE_CHECKING, Any

import msgspec

from arb.errors import VenueAuthError, VenueError

if TYPE_CHECKING:
    from arb.venues.call import Call
    from arb.venues.dialect import TradeDialect


class KeyFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a key may do, as far as its venue reports it; None where it does not.

    `unknown`: rights whose names mean nothing here. `account`: the venue's own id of the account that the key belongs to, a
    sub-account's own where it is one. `mode`: the account's mode by the venue's name; "" where the venue knows none.
    """

    can_trade: bool | None
    can_withdraw: bool | None
    ip_bound: bool | None
    unknown: tuple[str, ...] = ()
    account: str | None = None
    mode: str = ""


class KeyRights(msgspec.Struct, frozen=True, kw_only=True):
    """A venue's own names for what a key may do.

    `trade`: needed. `withdraw`: must be absent. `complete`: the venue names every right of a key, so that the absence of that
    name is proof; where it does not, the user has to confirm that the key cannot withdraw. `harmless`: names known to move
    nothing, beside which any other may be a right to move funds away; None: other names are not checked.
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
        """Return the rights whose names mean nothing here, where that matters."""
        return () if self.harmless is None else tuple(sorted(set(named) - self.harmless - {self.trade, self.withdraw}))


KEY_UNREAD = "key_unread"


async def checked_key(
    dialect: "TradeDialect", ask: Callable[["Call"], Awaitable[Any]], *, withdrawal_disabled_confirmed: bool
) -> KeyFacts:
    """Return what the key may do; `ask` returns the body of one answer and raises `VenueError`.

    Raises `VenueAuthError` when the key may withdraw, has rights not known here or may not trade, and when the venue does not
    report whether it may withdraw and the user has not confirmed that it may not; `VenueError` when its rights cannot be read.
    """
    venue = dialect.venue
    facts = dialect.key_facts(tuple([await _answered(venue, call, ask) for call in dialect.key_calls()]))
    if facts.can_withdraw:
        raise VenueAuthError(venue, "the key may withdraw: make one that may not", code="key_withdraws")
    if facts.unknown:
        text = f"the key has rights that are not known here: {', '.join(facts.unknown)}: make one that only trades spot"
        raise VenueAuthError(venue, text, code="key_rights_unknown")
    if facts.can_trade is False:
        raise VenueAuthError(venue, "the key may not trade spot", code="key_read_only")
    if facts.can_withdraw is None and not withdrawal_disabled_confirmed:
        text = (
            f"{venue} does not report whether the key may withdraw: check at the venue that it may not, and say so with"
            f" `withdrawal_disabled_confirmed = true` in [venues.{venue}]"
        )
        raise VenueAuthError(venue, text, code="key_withdrawal_unconfirmed")
    return facts


async def _answered(venue: str, call: "Call", ask: Callable[["Call"], Awaitable[Any]]) -> Any:
    try:
        return await ask(call)
    except VenueAuthError:
        raise
    except VenueError as error:
        text = (
            f"what the key may do could not be read ({call.method} {call.path}), and a key that might withdraw is not used:"
            f" start again once the venue answers ({error})"
        )
        raise VenueError(venue, text, code=KEY_UNREAD) from error
