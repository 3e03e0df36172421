"""The one writer of JSON answers, of the commands and of the page: ids are texts, and so is every number a double
cannot hold.

JavaScript, jq and others read numbers as doubles. An id's type follows from its name, so that it is the same in every
answer.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from arb.clock import utc_text

EXACT_MAX = 2**53 - 1
"""The greatest integer up to which a double is exact: row ids of a ledger and instants in ns are greater."""
_INSTANTS_NS = range(10**17, 2**63)
"""Less is a length of time, and more no instant that a ledger holds."""


def encoded(document: Any, *, dated: bool = False) -> bytes:
    """Return a document (mappings, sequences, structs, scalars, Decimals) as JSON; `dated` as in `plain`."""
    return msgspec.json.encode(plain(document, dated=dated))


def plain(value: Any, name: str = "", *, dated: bool = False) -> Any:
    """Return the JSON value of a field `name`: Decimals, ids and integers that are not exact there as text.

    `dated` adds after each instant in ns the same for people: `decided_ns`, `decided_at`.
    """
    kind = type(value)
    if kind is str or value is None or kind is bool:
        return value
    if isinstance(value, int):
        return str(int(value)) if abs(value) > EXACT_MAX or _is_id(name) else int(value)
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else None
    if isinstance(value, Mapping):
        found: dict[str, Any] = {}
        for key, item in value.items():
            of = str(key)
            found[of] = plain(item, of, dated=dated)
            if dated and type(item) is int and item in _INSTANTS_NS and (of == "ns" or of.endswith("_ns")):
                found[f"{of.removesuffix('ns')}at"] = utc_text(item)
        return found
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [plain(item, name, dated=dated) for item in value]
    if isinstance(value, msgspec.Struct):
        return plain(msgspec.structs.asdict(value), dated=dated)
    return str(value) if isinstance(value, str) else value


def _is_id(name: str) -> bool:
    return name in ("id", "ids", "run") or name.endswith(("_id", "_ids"))
