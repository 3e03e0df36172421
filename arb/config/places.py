"""Find the line of each table and key in the text of a TOML file, for complaints that name the line."""

import re
from collections import Counter

_HEADER = re.compile(r"^\s*\[\[?\s*([^\[\]]+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"""^\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*=""")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"|\'[^\']*\'')


def lines_of_keys(text: str) -> dict[tuple[str, ...], int]:
    """Return the line number (from 1) of every table and key in `text`; of the first one where it occurs twice.

    The path of a table in an array of tables ends in its number, from 0: `("strikes", "0")`.
    """
    places: dict[tuple[str, ...], int] = {}
    members: Counter[tuple[str, ...]] = Counter()
    table: tuple[str, ...] = ()
    depth, quote = 0, ""
    for number, line in enumerate(text.splitlines(), start=1):
        if quote:
            quote = "" if quote in line else quote
            continue
        if depth == 0:
            header, key = _HEADER.match(line), _KEY.match(line)
            if header:
                table = _parts(header.group(1))
                places.setdefault(table, number)
                if line.lstrip().startswith("[["):
                    members[table] += 1
                    table = (*table, str(members[table] - 1))
                    places[table] = number
            elif key:
                path = table + _parts(key.group(1))
                for length in range(len(table) + 1, len(path) + 1):
                    places.setdefault(path[:length], number)
                line = line[key.end() :]
        for mark in ('"""', "'''"):
            if line.count(mark) % 2:
                quote = mark
        if not quote and not _HEADER.match(line):
            bare = _STRING.sub("", line).partition("#")[0]
            depth = max(0, depth + bare.count("[") - bare.count("]"))
    return places


def key_at(line: str) -> int:
    """Return where, in a line that sets a key, the value begins."""
    match = _KEY.match(line)
    assert match is not None
    return match.end() + len(line[match.end() :]) - len(line[match.end() :].lstrip())


def _parts(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip().strip("\"'") for part in dotted.split("."))
