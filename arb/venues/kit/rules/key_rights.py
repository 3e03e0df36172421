"""The rights and the owner of a key, checked before any trade: a key that may withdraw is never used.

A right that could not be read is not the same as one that a venue does not report. The first may hide a right to
withdraw, so it ends the start, which may be tried again; the second (None in the facts) the user has to confirm. A
reported right is never excused by a confirmation, but by a setting that names it (`KeyPolicy`).
"""

from collections.abc import Awaitable, Callable, Collection
from typing import Any

import msgspec

from arb.errors import VenueAuthError, VenueError
from arb.venues.kit.call import Call
from arb.venues.kit.dialect import KeyedDialect, KeyFacts, TradeDialect
from arb.venues.kit.rules.outcome import VenueReply


class KeyPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """What the user has confirmed and allowed of a key, in `[venues.X]`.

    `withdrawal_disabled_confirmed`: the key may not withdraw, which counts where the venue does not report it.
    `unbound_key_allowed`: the key may be used from any address. `borrowing_allowed`: the account may borrow
    automatically.
    """

    withdrawal_disabled_confirmed: bool = False
    unbound_key_allowed: bool = False
    borrowing_allowed: bool = False


class KeyRights(msgspec.Struct, frozen=True, kw_only=True):
    """A venue's own names for the rights of a key.

    `trade`: needed, or else `also_trade`. `withdraw`: must be absent. `complete`: the venue names every right of a key,
    so that the absence of that name is proof; where it does not, the user has to confirm that the key cannot withdraw.
    `moves`: names of other rights to move funds from the account, which must be absent, too. `harmless`: names known to
    move nothing; any other may be a right to move funds; None: other names are not checked.
    """

    trade: str
    withdraw: str
    also_trade: str | None = None
    complete: bool = False
    moves: frozenset[str] = frozenset()
    harmless: frozenset[str] | None = None

    def can_trade(self, named: Collection[str] | None) -> bool | None:
        """Return whether a key with the `named` rights may trade; None where the venue named none."""
        return None if named is None else self.trade in named or self.also_trade in named

    def can_withdraw(self, named: Collection[str] | None) -> bool | None:
        """Return whether a key with the `named` rights may withdraw; None where the venue's silence proves nothing."""
        if named is not None and self.withdraw in named:
            return True
        return False if named is not None and self.complete else None

    def moving(self, named: Collection[str]) -> tuple[str, ...]:
        return tuple(sorted(self.moves.intersection(named)))

    def unknown(self, named: Collection[str]) -> tuple[str, ...]:
        """Return the rights whose names are unknown here, where that matters."""
        if self.harmless is None:
            return ()
        known = self.harmless | self.moves | {self.trade, self.withdraw, self.also_trade}
        return tuple(sorted(set(named) - known))


KEY_UNREAD = "key_unread"


def refusals(venue: str, facts: KeyFacts, policy: KeyPolicy) -> tuple[tuple[str, str], ...]:
    """Return why a key is not used as (code, remedy), the gravest first; none for one that may be."""
    where = f"[venues.{venue}]"
    found = _takes_away(facts, "that only trades spot")
    if facts.unknown:
        text = f"the key has rights that are not known here: {', '.join(facts.unknown)}: make one that only trades spot"
        found.append(("key_rights_unknown", text))
    if facts.can_trade is False:
        found.append(("key_read_only", "the key may not trade spot"))
    if facts.mode is None:
        text = "the account is in a mode that is not known here, and its balances may be elsewhere: choose another at the venue"
        found.append(("key_mode_unknown", text))
    if facts.borrows and not policy.borrowing_allowed:
        text = (
            f"the account borrows on its own ({', '.join(facts.borrows)}), and a short balance would become a loan: turn that "
            f"off at the venue, or allow it with `borrowing_allowed = true` in {where}"
        )
        found.append(("key_borrows", text))
    if facts.ip_bound is False and not policy.unbound_key_allowed:
        text = (
            "the key works from any address: bind it to yours at the venue, or allow it as it is with "
            f"`unbound_key_allowed = true` in {where}"
        )
        found.append(("key_unbound", text))
    if facts.can_withdraw is None and not policy.withdrawal_disabled_confirmed:
        text = (
            f"{venue} does not report whether the key may withdraw: check at the venue that it may not, and confirm it with "
            f"`withdrawal_disabled_confirmed = true` in {where}"
        )
        found.append(("key_withdrawal_unconfirmed", text))
    return tuple(found)


def list_key_refusals(facts: KeyFacts) -> tuple[tuple[str, str], ...]:
    """Return why a key only for a currency list is not used, as `refusals` does."""
    found = _takes_away(facts, "that only reads")
    if facts.can_withdraw is None:
        found.append(
            ("key_rights_unknown", "the venue does not report whether the key may withdraw, so it is not used")
        )
    return tuple(found)


def may_more(facts: KeyFacts) -> str | None:
    """Return the remedy for a key that may trade where it is only to read, or None for one that may not."""
    if facts.can_trade is False:
        return None
    may = "may trade" if facts.can_trade else "may trade, or the venue does not report that it may not"
    return f"the key for the currency list {may}: nothing here trades with it, but make one that only reads"


def _takes_away(facts: KeyFacts, better: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    if facts.can_withdraw:
        found.append(("key_withdraws", "the key may withdraw: make one that may not"))
    if facts.moves:
        text = f"the key may move funds away ({', '.join(facts.moves)}): make one {better}"
        found.append(("key_moves_funds", text))
    return found


async def checked_key(dialect: TradeDialect, ask: Callable[[Call], Awaitable[Any]], policy: KeyPolicy) -> KeyFacts:
    """Return the rights and the owner of the key; `ask` returns the body of one answer and raises `VenueError`.

    Raises `VenueAuthError` with all reasons against the key, its code that of the gravest (`refusals`), and
    `VenueError` when its rights cannot be read.
    """
    venue = dialect.venue

    async def answer(call: Call) -> Any:
        try:
            return await ask(call)
        except VenueError as error:
            if isinstance(error, VenueAuthError) or error.code in dialect.policy.not_for_key_codes:
                raise
            text = (
                f"the key's rights could not be read ({call.method} {call.path}), and a key that might withdraw is not used:"
                f" start again once the venue answers ({error})"
            )
            raise VenueError(venue, text, code=KEY_UNREAD) from error

    facts = await reported_key(dialect, answer)
    found = refusals(venue, facts, policy)
    if found:
        raise VenueAuthError(venue, "; ".join(text for _, text in found), code=found[0][0])
    return facts


async def reported_key(dialect: KeyedDialect, ask: Callable[[Call], Awaitable[Any]]) -> KeyFacts:
    """Return the venue's report of the key, unjudged; raises the errors of `ask`, except those that are an answer, too:
    that this key may not ask, or has no account of that kind.
    """
    bodies: list[Any] = []
    for call in dialect.key_calls():
        try:
            bodies.append(await ask(call))
        except VenueError as error:
            if error.code not in dialect.policy.not_for_key_codes:
                raise
            bodies.append(VenueReply(error.code, str(error)))
    return dialect.key_facts(tuple(bodies))
