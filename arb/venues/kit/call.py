"""A request before it is signed: the call that a dialect makes, and the JSON text its parameters become.

One writer of JSON for all venues, compact, ASCII-escaped and exact, so that the text that is signed does not depend on
which JSON package happens to be installed. Money is text; a float is refused, for `1.2e-07` is no price.
"""

from collections.abc import Callable
from decimal import Decimal
from json.encoder import encode_basestring_ascii
from typing import Any

import msgspec

from arb.core.messages.commands import CancelOrder
from arb.venues.transport.request import ANSWER_BYTES_MAX

PAGES_MAX = 200
LONG_ANSWER_BYTES_MAX = 4 * 1024 * 1024
"""Of an answer that no page cuts: a venue's whole listing (1 MB for Gate's 2500 pairs), all open orders of an account."""
_TEXT_ONLY = {str}


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One request before it is signed. `scope` is its name for metering (see `PacingLimits.of`).

    `api`, `path` and `method` name the endpoint as ccxt does. A batch whose body is a bare array has its `items`
    instead of `params`. `expires_ns`: the instant on our clock from which on the venue must refuse it; the signer
    writes it in the venue's own form, where there is one. `answer_bytes_max`: a longer answer is not read.
    """

    scope: str
    api: tuple[str, ...]
    method: str
    path: str
    params: dict[str, Any]
    items: tuple[dict[str, Any], ...] = ()
    expires_ns: int | None = None
    answer_bytes_max: int = ANSWER_BYTES_MAX


class CancelBatch(msgspec.Struct, frozen=True):
    """One request that cancels several orders. `scopes` are its metering scopes, one slot for each entry."""

    call: Call
    commands: tuple[CancelOrder, ...]
    scopes: tuple[str, ...]


class Pages(msgspec.Struct, frozen=True, kw_only=True):
    """A list in pages: the first call, how to find the rows in a body, and the call for the page after a body."""

    first: Call
    rows: Callable[[Any], list[Any]]
    following: Callable[[Call, Any], Call | None]


class RequestError(ValueError):
    """The parameters cannot be sent; the message names the value or the parameter."""


def body_text(value: Any) -> str:
    """Return the body of a request; the empty string for no parameters at all. Raises `RequestError` as `to_json` does."""
    return to_json(value) if value else ""


def to_json(value: Any) -> str:
    """Serialise text, integers, booleans, Decimals (as text) and their containers; None members are dropped.

    Raises `RequestError` for a float and for anything else.
    """
    kind = type(value)
    if kind is dict:
        flat = _flat(value)
        if flat is not None:
            return flat
        members = [f"{encode_basestring_ascii(key)}:{to_json(item)}" for key, item in value.items() if item is not None]
        return "{" + ",".join(members) + "}"
    if isinstance(value, str):
        return encode_basestring_ascii(str(value))
    if kind is bool:
        return "true" if value else "false"
    if kind is int:
        return str(value)
    if isinstance(value, Decimal):
        return f'"{plain(value)}"'
    if isinstance(value, (list, tuple)):
        return "[" + ",".join([to_json(item) for item in value if item is not None]) + "]"
    raise RequestError(f"{value!r}: a {kind.__name__} cannot be sent; use a Decimal, an integer or text")


def plain(value: Decimal) -> str:
    """Return a finite Decimal without exponent; raise `RequestError` for any other."""
    if not value.is_finite():
        raise RequestError(f"{value} is no number")
    return f"{value:f}"


def _flat(value: dict[str, Any]) -> str | None:
    """Return the JSON of an object whose values are texts that need no escape, as every order is; None for any other.

    Nothing in it needs an escape when it is printable ASCII without a backslash and has just the quotes put here:
    four a member.
    """
    if set(map(type, value.values())) != _TEXT_ONLY:
        return None
    text = '{"' + '","'.join([f'{key}":"{item}' for key, item in value.items()]) + '"}'
    simple = text.isascii() and text.isprintable() and "\\" not in text and text.count('"') == 4 * len(value)
    return text if simple else None
