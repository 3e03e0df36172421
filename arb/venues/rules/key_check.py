"""What a key may do, before anything is traded with it: one that may withdraw is never used (DESIGN.md section 1).

What could not be read is not the same as what a venue does not tell. The first may hide a right to withdraw, so it ends the
start, which may be tried again; the second (None in the facts) the user has to confirm.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from arb.errors import VenueAuthError, VenueError
from arb.venues.dialect import Call, KeyFacts, TradeDialect

KEY_UNREAD = "key_unread"


async def checked_key(
    dialect: TradeDialect, ask: Callable[[Call], Awaitable[Any]], *, withdrawal_disabled_confirmed: bool
) -> KeyFacts:
    """Return what the key may do; `ask` returns the body of one answer and raises `VenueError`.

    Raises `VenueAuthError` when the key may withdraw, has rights not known here or may not trade, and when the venue does not
    report whether it may withdraw and the user has not confirmed that it may not; `VenueError` when its rights cannot be read.
    """
    venue = dialect.venue
    facts = dialect.key_facts(tuple([await _told(venue, call, ask) for call in dialect.key_calls()]))
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


async def _told(venue: str, call: Call, ask: Callable[[Call], Awaitable[Any]]) -> Any:
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
