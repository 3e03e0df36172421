"""Client order ids: ours, reversible, never used twice, legal on every venue.

Layout, 21 letters and digits (OKX allows nothing else; Gate's `t-` is added by its adapter):

    arb | 9 base-62 digits: 48 random bits of this process start | 6: pair number | 1: role | 2: attempt
"""

import msgspec

from arb.market.order import Role

PREFIX = "arb"
NONCE_BITS = 48
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_VALUES = {digit: value for value, digit in enumerate(_DIGITS)}
_WIDTHS = (9, 6, 1, 2)
_LENGTH = len(PREFIX) + sum(_WIDTHS)
_PAIR_PART = len(PREFIX) + _WIDTHS[0] + _WIDTHS[1]
# The leg of an entry is part of its role letter, so that both legs of one pair have different ids.
_LETTERS = {"buy": "b", "sell": "s", Role.HEDGE: "h", Role.UNWIND: "u", Role.DUST: "d"}
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
        parts = (_encode(self.nonce, _WIDTHS[0]), _encode(self.pair_number, _WIDTHS[1]))
        return PREFIX + parts[0] + parts[1] + _LETTERS[self.leg] + _encode(self.attempt, _WIDTHS[3])


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
    """Return what the ids of both legs of one pair, and of no other, begin with; None when `text` is foreign."""
    if len(text) != _LENGTH or not text.startswith(PREFIX) or text[_PAIR_PART] not in _ROLES:
        return None
    return text[:_PAIR_PART] if text.isascii() and text.isalnum() else None


def number_again(pair_id: int) -> int:
    """Return the number of a pair in the ids of the processes after the one that opened it.

    Made of the pair's id alone, so that a later process knows whose an order is though its journal lost it and all others of
    that process; in the upper half of the numbers, which the pairs that a process opens itself never reach.
    """
    half = (MAX_PAIR_NUMBER + 1) // 2
    return half + pair_id % half


def is_again(pair_number: int) -> bool:
    """Return whether a number is one of `number_again`."""
    return pair_number > MAX_PAIR_NUMBER // 2


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
