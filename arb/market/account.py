"""What an account is called in journal and ledger: by its venue's own id where that is reported, else by its key.

    gate-uid-1667201533          the account that Gate calls 1667201533, whichever of its keys is used
    gate-0f1e2d3c4b5a            the account of a key, where the venue reports no id: its fingerprint
    gate-uid-53-sb-19a2b-7       an account of the sandbox sb-19a2b-7, and gone with it

A key is changed now and then, and stays the same account's; so a name by the key is only provisional.
"""

import re

_OWN_ID = re.compile(r"[0-9A-Za-z]{1,40}")
_NAME = re.compile(r"[a-z0-9]+-(?:uid-[0-9A-Za-z]+|[0-9a-f]{12})-(?P<sandbox>.+)")


def plain_id(reported: object) -> str | None:
    """Return a venue's id of an account as text: a number or a short text; None for anything else, and for 0."""
    if isinstance(reported, bool) or not isinstance(reported, (int, str)):
        return None
    text = str(reported)
    return text if _OWN_ID.fullmatch(text) and text.strip("0") else None


def named_by_venue(venue: str, own_id: str, sandbox_id: str | None) -> str:
    """Return an account's name by the id its venue gives it (see `plain_id`)."""
    return f"{venue}-uid-{own_id}{_tail(sandbox_id)}"


def named_by_key(venue: str, fingerprint: str, sandbox_id: str | None) -> str:
    """Return an account's name by its key's fingerprint, twelve hex digits."""
    return f"{venue}-{fingerprint}{_tail(sandbox_id)}"


def sandbox_of(account_id: str) -> str | None:
    """Return the sandbox an account is of and goes with; None for one of a real venue, which never goes.

    Where that is not connected, its venue is disabled or down, or the key in use is another account's.
    """
    found = _NAME.fullmatch(account_id)
    return None if found is None else found["sandbox"]


def _tail(sandbox_id: str | None) -> str:
    return f"-{sandbox_id}" if sandbox_id else ""
