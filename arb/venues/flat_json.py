"""JSON of the simplest kind, which every order is: an object of plain texts."""

from typing import Any

TEXT_ONLY = {str}


def flat_json(value: dict[str, Any]) -> str | None:
    """Return the compact JSON of an object whose values are texts that need no escape; None when it needs the long way.

    Nothing in it needs an escape when it is printable ASCII without a backslash and has just the quotes put here:
    four a member.
    """
    if set(map(type, value.values())) != TEXT_ONLY:
        return None
    text = '{"' + '","'.join([f'{key}":"{item}' for key, item in value.items()]) + '"}'
    simple = text.isascii() and text.isprintable() and "\\" not in text and text.count('"') == 4 * len(value)
    return text if simple else None
