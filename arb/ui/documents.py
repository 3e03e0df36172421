"""Answers as JSON that a browser reads without loss: decimals and integers beyond 2^53 are texts."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

EXACT_MAX = 2**53
"""The greatest integer up to which JavaScript's numbers know every one: ids of rows and instants in ns lie beyond."""


def encoded(document: Any) -> bytes:
    """Return a document (mappings, sequences, scalars, Decimals) as JSON."""
    return msgspec.json.encode(_plain(document))


def _plain(value: Any) -> Any:
    kind = type(value)
    if kind is str or value is None or kind is bool:
        return value
    if kind is int:
        return value if -EXACT_MAX <= value <= EXACT_MAX else str(value)
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else None
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_plain(item) for item in value]
    if isinstance(value, msgspec.Struct):
        return _plain(msgspec.structs.asdict(value))
    return str(value) if isinstance(value, str) else value
