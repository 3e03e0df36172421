"""Turn TOML tables into frozen settings, and every mistake into one line: the problem, its place and the remedy.

Generic: it reads the fields, types and defaults of the given structures and knows no key by name. A complaint shows the
value, unless it may hold a secret.
"""

import difflib
import re
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, TypeVar, cast, get_args, get_origin

import msgspec
from msgspec.structs import FieldInfo

from arb.config.values import is_spot_symbol, read_amount, read_value
from arb.errors import ConfigError
from arb.files import whole_text
from arb.market.symbol import ASSET
from arb.masking import printable

S = TypeVar("S", bound=msgspec.Struct)
Fail = Callable[[tuple[str, ...], str], ConfigError]
_HEADER = re.compile(r"^\s*\[\[?\s*([^\[\]]+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"""^\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*=""")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"|\'[^\']*\'')


def load_file(path: Path, kind: type[S]) -> S:
    """Read one TOML file into `kind`; raises `ConfigError` naming file, line and remedy."""
    try:
        text = whole_text(path)
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file: name an existing one with --config PATH") from None
    except IsADirectoryError:
        raise ConfigError(f"{path}: is a directory: name the file itself with --config PATH") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({error}): give a readable UTF-8 text file") from None
    return load_text(text, kind, str(path))


def load_text(text: str, kind: type[S], name: str) -> S:
    """Read TOML text into `kind`; `name` is the file's in messages."""
    try:
        tables = tomllib.loads(text, parse_float=Decimal)
    except (ValueError, InvalidOperation, RecursionError) as error:  # numbers of thousands of digits, endless nesting
        raise ConfigError(f"{name}: not valid TOML: {error}") from None
    places = lines_of_keys(text)

    def fail(path: tuple[str, ...], problem: str) -> ConfigError:
        line = next((places[path[:n]] for n in range(len(path), 0, -1) if path[:n] in places), None)
        where = f"{name}:{line}" if line else name
        table, key = ".".join(f'"{name}"' if "/" in name else name for name in path[:-1]), path[-1]
        return ConfigError(f"{where}: {f'[{table}] ' if table else ''}{key}{problem}")

    return struct_from(tables, kind, (), fail, None)


def struct_from(tables: Mapping[str, Any], kind: type[S], path: tuple[str, ...], fail: Fail, base: S | None) -> S:
    """Build `kind` from one table; keys that are absent keep the value of `base`, or their default."""
    fields = {field.name: field for field in msgspec.structs.fields(kind)}
    by_symbol = _tables_of(fields["symbol"].type) if "symbol" in fields else None
    for key in tables:
        if key in fields and not (by_symbol and key == "symbol"):
            continue
        if by_symbol and isinstance(tables[key], dict):
            if is_spot_symbol(key):
                continue
            raise fail((*path, key), ': unknown table: a symbol is written BASE/QUOTE, in quotes: "BTC/USDT"')
        raise fail(
            (*path, key), f": unknown {'table' if isinstance(tables[key], dict) else 'key'}{nearest(key, fields)}"
        )
    values: dict[str, Any] = {}
    for name, field in fields.items():
        default = _default(field) if base is None else getattr(base, name)
        if by_symbol and name == "symbol":
            mine = {key: given for key, given in tables.items() if key not in fields}
            values[name] = {**default, **_named(mine, by_symbol, path, fail, fields, default)}
        elif name not in tables:
            if default is msgspec.NODEFAULT:
                raise fail((*path, name), " is missing: set it")
            values[name] = default
        elif isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
            nested = default if isinstance(default, msgspec.Struct) else None
            table = _table(tables[name], (*path, name), fail)
            values[name] = struct_from(table, cast(type[Any], field.type), (*path, name), fail, nested)
        elif (each := _tables_of(field.type)) is not None:
            table = _table(tables[name], (*path, name), fail, ".NAME")
            values[name] = {**default, **_named(table, each, (*path, name), fail, fields, default)}
        elif (inner := _tables_of_tables(field.type)) is not None:
            values[name] = {**default, **_named_twice(tables[name], inner, (*path, name), fail, default)}
        elif (member := _member(field.type)) is not None:
            values[name] = _structs(tables[name], member, (*path, name), fail)
        elif get_origin(field.type) is dict:
            read = _text_table if get_args(field.type)[-1] is str else _amounts
            values[name] = {**default, **read(tables[name], (*path, name), fail)}
        else:
            problem, value = read_value(name, field.type, tables[name])
            if problem:
                shown = "" if name.endswith("_env") else f" = {_shown(tables[name])}"
                raise fail((*path, name), f"{shown}: {problem}")
            values[name] = value
    return kind(**values)


def _table(given: Any, path: tuple[str, ...], fail: Fail, names: str = "") -> Mapping[str, Any]:
    if not isinstance(given, dict):
        raise fail(path, f": must be a table: write [{'.'.join(path)}{names}]")
    return given


def _default(field: FieldInfo) -> Any:
    return field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()


def _tables_of(kind: Any) -> type[msgspec.Struct] | None:
    inner = get_args(kind)[-1] if get_origin(kind) is dict else None
    return inner if isinstance(inner, type) and issubclass(inner, msgspec.Struct) else None


def _named(
    given: Mapping[str, Any],
    kind: type[S],
    path: tuple[str, ...],
    fail: Fail,
    general: Iterable[str],
    base: Mapping[str, S],
) -> dict[str, S]:
    """Read a table for each name; refuse a key of the outer table (`general`) that only holds for all names together.

    Keys that are absent keep the value that `base` has for that name, if any.
    """
    known = {field.name for field in msgspec.structs.fields(kind)}
    for name, table in given.items():
        for key in _table(table, (*path, name), fail):
            if key in general and key not in known:
                raise fail(
                    (*path, name, key),
                    f": is one for all: write it under [{path[0]}]; here go {', '.join(sorted(known))}",
                )
    return {name: struct_from(table, kind, (*path, name), fail, base.get(name)) for name, table in given.items()}


def _tables_of_tables(kind: Any) -> type[msgspec.Struct] | None:
    """Return the structure that `kind` maps two names to, one inside the other, or None."""
    return _tables_of(get_args(kind)[-1]) if get_origin(kind) is dict else None


def _named_twice(
    given: Any, kind: type[S], path: tuple[str, ...], fail: Fail, base: Mapping[str, Mapping[str, S]]
) -> dict[str, dict[str, S]]:
    """Read a table for each name inside a table for each name."""
    found: dict[str, dict[str, S]] = {}
    for name, each in _table(given, path, fail, ".NAME.NAME").items():
        table, before = _table(each, (*path, name), fail, ".NAME"), base.get(name, {})
        found[name] = {**before, **_named(table, kind, (*path, name), fail, (), before)}
    return found


def _member(kind: Any) -> type[msgspec.Struct] | None:
    inner = get_args(kind)[0] if get_origin(kind) is tuple else None
    return inner if isinstance(inner, type) and issubclass(inner, msgspec.Struct) else None


def _structs(given: Any, kind: type[S], path: tuple[str, ...], fail: Fail) -> tuple[S, ...]:
    if not isinstance(given, list) or not all(isinstance(table, dict) for table in given):
        raise fail(path, f": must be tables: write each as [[{'.'.join(path)}]]")
    return tuple(struct_from(table, kind, (*path, str(n)), fail, None) for n, table in enumerate(given))


def _amounts(given: Any, path: tuple[str, ...], fail: Fail) -> dict[str, Decimal]:
    if not isinstance(given, dict):
        raise fail(path, ": must be amounts by asset: write for example { USDT = 10000 }")
    amounts: dict[str, Decimal] = {}
    for asset, amount in given.items():
        if not re.fullmatch(ASSET, asset):
            raise fail((*path, asset), ": is no asset: write it as venues list it, for example USDT = 10000")
        problem, value = read_amount(amount)
        if problem:
            raise fail((*path, asset), f" = {_shown(amount)}: {problem}")
        amounts[asset] = value
    return amounts


def _text_table(given: Any, path: tuple[str, ...], fail: Fail) -> dict[str, str]:
    if not isinstance(given, dict):
        raise fail(path, f" = {_shown(given)}: must be a table: write [{'.'.join(path)}]")
    for key, text in given.items():
        if not isinstance(text, str):
            raise fail((*path, key), f" = {_shown(text)}: must be text in quotes")
    return dict(given)


def nearest(key: str, known: Iterable[str], listed: Iterable[str] = ()) -> str:
    """Return the end of a complaint about an unknown name: the nearest known one, else `listed`, or all known ones."""
    names = sorted(known)
    close = difflib.get_close_matches(key, names, n=1, cutoff=0.5)
    return f": did you mean {close[0]!r}?" if close else f": known are {', '.join(listed or names)}"


def _shown(given: Any) -> str:
    if isinstance(given, bool):
        return str(given).lower()
    if isinstance(given, str):
        if "://" in given:
            return '"..."'  # a URL may hold a password
        text = printable(given)
        return f'"{text}"' if len(text) <= 60 else f'"{text[:57]}..."'
    if isinstance(given, dict):
        return "{...}"
    return str(given) if not isinstance(given, list) else f"[{', '.join(_shown(item) for item in given)}]"


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
