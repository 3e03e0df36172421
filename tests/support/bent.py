"""JSON documents with one thing wrong: a member missing, empty, of another type, or a text that was cut."""

from collections.abc import Iterator
from typing import Any

OTHERS: tuple[Any, ...] = (None, "", [], {}, True, 7, "soon")


def each_bent(document: Any) -> Iterator[tuple[str, Any]]:
    """Yield (path, document) with each member or row of a decoded document left out, and in the place of each another value.

    Among these are its number as a text and its text as a number. A path is the keys down to the member, joined by dots.
    """
    for key in list(document) if isinstance(document, dict) else range(len(document)) if _is_list(document) else ():
        value = document[key]
        yield str(key), _without(document, key)
        for other in (*_retyped(value), *OTHERS, [value]):
            if type(other) is not type(value) or other != value:
                yield str(key), _with(document, key, other)
        for path, bent in each_bent(value):
            yield f"{key}.{path}", _with(document, key, bent)


def each_cut(text: bytes) -> Iterator[bytes]:
    """Yield a document that ends too early, at each of at most a hundred places."""
    whole = text.rstrip()
    for end in range(0, len(whole), max(1, len(whole) // 100)):
        yield whole[:end]


def is_lacking(document: Any, path: str) -> bool:
    """Return whether the member under a path of `each_bent` is missing now, or says nothing."""
    for key in path.split("."):
        try:
            document = document[int(key) if isinstance(document, list) else key]
        except (KeyError, IndexError):
            return True
    return document in (None, "", [], {})


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


def _retyped(value: Any) -> tuple[Any, ...]:
    if isinstance(value, str) and value.isascii() and value.isdecimal():
        return (int(value),)
    return (str(value),) if isinstance(value, (int, float)) else ()


def _without(document: Any, key: Any) -> Any:
    if isinstance(document, dict):
        return {name: value for name, value in document.items() if name != key}
    return [value for place, value in enumerate(document) if place != key]


def _with(document: Any, key: Any, value: Any) -> Any:
    if isinstance(document, dict):
        return {**document, key: value}
    return [value if place == key else other for place, other in enumerate(document)]
