"""The ids we make: of rows, client order ids, and the names of accounts in journal and ledger.

A client order id is reversible, never used twice and legal on every venue: 21 letters and digits (OKX allows nothing else;
Gate's `t-` is added by its adapter):

    arb | 9 base-62 digits: 48 random bits of this process start | 6: pair number | 1: role | 2: attempt

An account is named by its venue's own id where that is reported, else by its key:

    gate-uid-1667201533          the account that Gate calls 1667201533, whichever of its keys is used
    gate-0f1e2d3c4b5a            the account of a key, where the venue reports no id: the key's fingerprint
    gate-uid-53-sb-19a2b-7       an account of the sandbox sb-19a2b-7, which ends with it

A key may be replaced while the account stays the same, so a name by the key is only provisional.
"""

import re
from functools import lru_cache

import msgspec

from arb.market.order import Role
from arb.masking import clean

IDS_PER_RUN = 1_000_000_000
"""The id of a row of the ledger is that of its run times this, plus its number in the run."""
PREFIX = "arb"
NONCE_BITS = 48
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_VALUES = {digit: value for value, digit in enumerate(_DIGITS)}
_WIDTHS = (9, 6, 1, 2)
_LENGTH = len(PREFIX) + sum(_WIDTHS)
PROCESS_PART = len(PREFIX) + _WIDTHS[0]
"""How long the part of an id is that all ids of one process begin with."""
PAIR_PART = PROCESS_PART + _WIDTHS[1]
"""How long the part of an id is that both legs of one pair have, and no other order."""
# The leg of an entry is part of its role letter, so that both legs of one pair have different ids.
_LETTERS = {"buy": "b", "sell": "s", Role.HEDGE: "h", Role.UNWIND: "u", Role.DUST: "d", Role.TEST: "t"}
_ROLES = {letter: role for role, letter in _LETTERS.items()}
MAX_PAIR_NUMBER = 62**6 - 1
MAX_ATTEMPT = 62**2 - 1


class ClientOrderId(msgspec.Struct, frozen=True):
    """The parts of one of our client order ids. `leg` is `buy` or `sell` for entries, else the role."""

    nonce: int
    pair_number: int
    leg: str
    attempt: int

    def encode(self) -> str:
        """Return the id as sent; raise `ValueError` when a part is out of range."""
        if self.leg not in _LETTERS:
            raise ValueError(f"unknown leg {self.leg!r}")
        pair = _process_part(self.nonce) + _encode(self.pair_number, _WIDTHS[1])
        return pair + _LETTERS[self.leg] + _encode(self.attempt, _WIDTHS[3])


def entry_names(nonce: int, pair_number: int) -> tuple[str, str]:
    """Return the ids of a pair's two entries, the buy leg's first; raise `ValueError` when a part is out of range."""
    pair = f"{_process_part(nonce)}{_encode(pair_number, _WIDTHS[1])}"
    return f"{pair}b00", f"{pair}s00"


def decode(text: str) -> ClientOrderId | None:
    """Return the parts of an id of ours, or None when `text` is foreign."""
    if len(text) != _LENGTH or not text.startswith(PREFIX):
        return None
    body = text[len(PREFIX) :]
    letter = body[15]
    if letter not in _ROLES or not (body.isascii() and body.isalnum()):
        return None
    nonce = _decode(body[:9])
    if nonce >= 1 << NONCE_BITS:
        return None
    return ClientOrderId(nonce, _decode(body[9:15]), str(_ROLES[letter]), _decode(body[16:]))


def pair_part(text: str) -> str | None:
    """Return the common prefix of the ids of both legs of one pair, unique to it; None when `text` is foreign."""
    if len(text) != _LENGTH or not text.startswith(PREFIX) or text[PAIR_PART] not in _ROLES:
        return None
    return text[:PAIR_PART] if text.isascii() and text.isalnum() else None


def number_again(pair_id: int) -> int:
    """Return the number of a pair in the ids of the processes after the one that opened it.

    It derives from the pair's id only. So a later process can assign an order even if its journal lost all orders of that
    process. It is in the upper half of the numbers, which a process's own pairs never reach.
    """
    half = (MAX_PAIR_NUMBER + 1) // 2
    return half + pair_id % half


def is_again(pair_number: int) -> bool:
    return pair_number > MAX_PAIR_NUMBER // 2


@lru_cache(maxsize=16)  # a process has one nonce, and a warm-up another
def _process_part(nonce: int) -> str:
    return PREFIX + _encode(nonce, _WIDTHS[0])


def _encode(value: int, width: int) -> str:
    if not 0 <= value < 62**width:
        raise ValueError(f"{value} does not fit into {width} base-62 digits")
    digits = []
    for _ in range(width):
        value, digit = divmod(value, 62)
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits))


def _decode(text: str) -> int:
    value = 0
    for char in text:
        value = value * 62 + _VALUES[char]
    return value


_OWN_ID = re.compile(r"[0-9A-Za-z]{1,40}")
_VENUE = re.compile(r"[a-z0-9]*")
_NAME = re.compile(r"[a-z0-9]+-(?:uid-[0-9A-Za-z]+|[0-9a-f]{12})-(?P<sandbox>.+)")


def plain_id(reported: object) -> str | None:
    """Return a venue's id of an account as text: a number or a short text; None for anything else, a secret of ours, and 0."""
    if isinstance(reported, bool) or not isinstance(reported, (int, str)):
        return None
    text = clean(str(reported))
    return text if _OWN_ID.fullmatch(text) and text.strip("0") else None


def named_by_venue(venue: str, own_id: str, sandbox_id: str | None) -> str:
    return f"{venue}-uid-{own_id}{_tail(sandbox_id)}"


def named_by_key(venue: str, fingerprint: str, sandbox_id: str | None) -> str:
    """Return an account's name by its key's fingerprint, twelve hex digits."""
    return f"{venue}-{fingerprint}{_tail(sandbox_id)}"


def sandbox_of(account_id: str) -> str | None:
    """Return the sandbox of an account, which ends with it; None for an account of a real venue, which persists.

    If that account is not connected, its venue is disabled or down, or the key in use is another account's.
    """
    found = _NAME.fullmatch(account_id)
    return None if found is None else found["sandbox"]


def venue_of_account(account_id: str) -> str:
    return _VENUE.match(account_id).group()  # type: ignore[union-attr]  # matches the empty text, too


def _tail(sandbox_id: str | None) -> str:
    return f"-{sandbox_id}" if sandbox_id else ""
