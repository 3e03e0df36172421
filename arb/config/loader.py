"""Turn TOML tables into frozen settings, and every mistake into one line: what is wrong, where, how to correct it.

Generic: it reads the fields, types and defaults of the given structures and knows no key by name. What it does know
is the meaning of a name's ending: `_bps` is a rate, `_share` a share, `_ms`, `_s` and `_minute` are whole numbers, `_quote` an
amount, `_env` the name of an environment variable. A complaint shows the value, unless it may hold a secret.
"""

import difflib
import re
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal, InvalidOperation
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, NewType, TypeVar, cast, get_args, get_origin

import msgspec
from msgspec.structs import FieldInfo

from arb.core.settings import LEARNED, OFF, FastBooks, LegCost
from arb.errors import ConfigError
from arb.market.symbol import Symbol
from arb.masking import printable

BPS_MAX = Decimal(10_000)
AMOUNT_MAX = Decimal(10) ** 12
COUNT_MAX = 10**9
_RATE = re.compile(r"^([+-]?[0-9]+(?:\.[0-9]+)?)\s*(%|bps)?$")
_VARIABLE = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+")
"""Names of variables as people write them, and as no venue writes a key: capitals, and at least one underscore."""
_UNITS = {"_ms": "milliseconds", "_s": "seconds", "_minute": "orders per minute"}

S = TypeVar("S", bound=msgspec.Struct)
Fee = NewType("Fee", str)
"""A fee with its unit, such as "0.1%" or "10bps": a bare number could mean either, or a ratio."""
FEE_BPS_MAX = Decimal(500)
Fail = Callable[[tuple[str, ...], str], ConfigError]


def load_file(path: Path, kind: type[S]) -> S:
    """Read one TOML file into `kind`; raises `ConfigError` naming file, line and remedy."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file: name an existing one with --config PATH") from None
    except IsADirectoryError:
        raise ConfigError(f"{path}: is a directory: name the file itself with --config PATH") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({error}): give a readable UTF-8 text file") from None
    return load_text(text, kind, str(path))


def load_text(text: str, kind: type[S], name: str) -> S:
    """Read TOML text into `kind`; `name` stands for the file in messages."""
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
            if _is_spot_in_capitals(key):
                continue
            raise fail(
                (*path, key), ': unknown table: a symbol is written BASE/QUOTE in capitals and quotes: "BTC/USDT"'
            )
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
            if not isinstance(tables[name], dict):
                raise fail((*path, name), f": must be a table: write [{'.'.join((*path, name))}]")
            nested = default if isinstance(default, msgspec.Struct) else None
            values[name] = struct_from(tables[name], cast(type[Any], field.type), (*path, name), fail, nested)
        elif (each := _tables_of(field.type)) is not None:
            if not isinstance(tables[name], dict):
                raise fail((*path, name), f": must be a table: write [{'.'.join((*path, name))}.NAME]")
            values[name] = {**default, **_named(tables[name], each, (*path, name), fail, fields, default)}
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


def _default(field: FieldInfo) -> Any:
    """Return a field's default; `NODEFAULT` where it has none."""
    return field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()


def _tables_of(kind: Any) -> type[msgspec.Struct] | None:
    """Return the structure that `kind` maps names to, or None."""
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
    """Read a table for each name; of the keys of the table around them, `general`, some are for all names together.

    Keys that are absent keep the value of the same name in `base`, where it has it.
    """
    known = {field.name for field in msgspec.structs.fields(kind)}
    for name, table in given.items():
        if not isinstance(table, dict):
            raise fail((*path, name), f": must be a table: write [{'.'.join((*path, name))}]")
        for key in table:
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
    if not isinstance(given, dict):
        raise fail(path, f": must be a table: write [{'.'.join(path)}.NAME.NAME]")
    found: dict[str, dict[str, S]] = {}
    for name, table in given.items():
        if not isinstance(table, dict):
            raise fail((*path, name), f": must be a table: write [{'.'.join((*path, name))}.NAME]")
        before = base.get(name, {})
        found[name] = {**before, **_named(table, kind, (*path, name), fail, (), before)}
    return found


def _member(kind: Any) -> type[msgspec.Struct] | None:
    """Return the structure that `kind` is a tuple of, or None."""
    inner = get_args(kind)[0] if get_origin(kind) is tuple else None
    return inner if isinstance(inner, type) and issubclass(inner, msgspec.Struct) else None


def _structs(given: Any, kind: type[S], path: tuple[str, ...], fail: Fail) -> tuple[S, ...]:
    if not isinstance(given, list) or not all(isinstance(table, dict) for table in given):
        raise fail(path, f": must be tables: write each as [[{'.'.join(path)}]]")
    return tuple(struct_from(table, kind, (*path, str(n)), fail, None) for n, table in enumerate(given))


def _amounts(given: Any, path: tuple[str, ...], fail: Fail) -> dict[str, Decimal]:
    """Read a table of amounts by asset."""
    if not isinstance(given, dict):
        raise fail(path, ": must be amounts by asset: write for example { USDT = 10000 }")
    amounts: dict[str, Decimal] = {}
    for asset, amount in given.items():
        if not re.fullmatch(r"[A-Z0-9]+", asset):
            raise fail((*path, asset), ": is no asset: write it in capitals, for example USDT = 10000")
        problem, value = _amount(amount)
        if problem:
            raise fail((*path, asset), f" = {_shown(amount)}: {problem}")
        amounts[asset] = value
    return amounts


def _text_table(given: Any, path: tuple[str, ...], fail: Fail) -> dict[str, str]:
    """Read a table of texts."""
    if not isinstance(given, dict):
        raise fail(path, f" = {_shown(given)}: must be a table: write [{'.'.join(path)}]")
    for key, text in given.items():
        if not isinstance(text, str):
            raise fail((*path, key), f" = {_shown(text)}: must be text in quotes")
    return dict(given)


def read_value(name: str, kind: Any, given: Any) -> tuple[str, Any]:
    """Return ("", value) for a value that fits `name` and its type, else (how to correct it, None)."""
    if get_origin(kind) is UnionType:  # absent or given: who writes the key gives it
        (kind,) = (each for each in get_args(kind) if each is not NoneType)
    if kind is FastBooks:
        words = isinstance(given, bool) or given in ("auto", "compare")
        return ("", given) if words else ('give "auto", true, false or "compare"', None)
    if kind is bool:
        return ("", given) if isinstance(given, bool) else ("give true or false, without quotes", None)
    if kind is int:
        return _whole(name, given)
    if kind is Decimal:
        return _rate(given) if name.endswith("_bps") else _share(given) if name.endswith("_share") else _amount(given)
    if kind is LegCost:
        return _leg_cost(given)
    if kind is Fee:
        return _fee(given)
    if isinstance(kind, type) and issubclass(kind, Enum):
        values = [str(member.value) for member in kind]
        return ("", kind(given)) if given in values else (f"give one of {', '.join(map(repr, values))}", None)
    if kind is str and name.endswith("_env"):
        return _variable(given)
    if kind is str:
        return ("", given) if isinstance(given, str) else ('give text in quotes, for example "..."', None)
    if get_origin(kind) is tuple and get_args(kind) == (str, ...):
        return _texts(name, given)
    raise TypeError(f"settings of type {kind!r} are not supported")


def _whole(name: str, given: Any) -> tuple[str, Any]:
    ending = next((ending for ending in _UNITS if name.endswith(ending)), None)
    what = f"a whole number of {_UNITS[ending]}" if ending else "a whole number"
    least = 1 if ending else 0
    if isinstance(given, bool) or not isinstance(given, int):
        return f"give {what}, for example 100", None
    if not least <= given <= COUNT_MAX:
        return f"give {what} from {least} to {COUNT_MAX}", None
    return "", given


def _amount(given: Any) -> tuple[str, Any]:
    number = _decimal(given)
    if number is None:
        return 'give an amount, for example 100 or "0.01"', None
    if not 0 <= number <= AMOUNT_MAX:
        return f"give an amount from 0 to {AMOUNT_MAX:f}", None
    return "", number


def _rate(given: Any) -> tuple[str, Any]:
    """Read basis points: a number is bps, and "0.1%" and "10bps" say their own unit. 1 % = 100 bps."""
    match = _RATE.match(given.strip()) if isinstance(given, str) else None
    number = Decimal(match.group(1)) * (100 if match.group(2) == "%" else 1) if match else None
    if number is None and not isinstance(given, str):
        number = _decimal(given)
    if number is None:
        return 'give basis points, for example 10, "10bps" or "0.1%"', None
    if not 0 <= number <= BPS_MAX:
        return f"give 0 to {BPS_MAX} bps (0 to 100%)", None
    return "", number


def _share(given: Any) -> tuple[str, Any]:
    """Read a share of a whole: from 0 to 1, or with its unit, "25%"."""
    percent = isinstance(given, str) and given.strip().endswith("%")
    number = _decimal(given.strip()[:-1] if percent else given)
    if number is None:
        return 'give a share, for example "0.25" or "25%"', None
    number = number / 100 if percent else number
    return ("", number) if 0 <= number <= 1 else ('give a share from 0 to 1, or from "0%" to "100%"', None)


def _variable(given: Any) -> tuple[str, Any]:
    """Read the name of an environment variable; a key pasted in its place is refused, and never printed."""
    if given == "" or (isinstance(given, str) and _VARIABLE.fullmatch(given)):
        return "", given
    return (
        "give the name of the environment variable, in capitals such as VENUE_API_KEY, and never the key itself",
        None,
    )


def _leg_cost(given: Any) -> tuple[str, Any]:
    if given in (LEARNED, OFF):
        return "", given
    complaint, rate = _rate(given)
    return (f'give "{LEARNED}", "{OFF}" or a rate: {complaint}', None) if complaint else ("", f"{rate:f}bps")


def _fee(given: Any) -> tuple[str, Any]:
    match = _RATE.match(given.strip()) if isinstance(given, str) else None
    if match is None or match.group(2) is None:
        return 'give a fee with its unit, for example "0.1%" or "10bps"', None
    complaint, rate = _rate(given)
    if complaint or rate > FEE_BPS_MAX:
        return f"give 0 to {FEE_BPS_MAX} bps (0 to 5%)", None
    return "", Fee(given.strip())


def fee_ratio(fee: Fee) -> Decimal:
    """Return a fee that was read as a ratio."""
    _, bps = _rate(fee)
    return Decimal(bps) / BPS_MAX


def _texts(name: str, given: Any) -> tuple[str, Any]:
    if name == "symbols" and given == "auto":
        return "", ("auto",)
    if not isinstance(given, list) or not all(isinstance(text, str) for text in given):
        return 'give a list of texts, for example ["A", "B"]', None
    if len(set(given)) != len(given):
        return "give every entry once", None
    if name.endswith("symbols"):
        bad = [text for text in given if not _is_spot_in_capitals(text)]
        if bad:
            return f'{bad[0]!r} is no symbol: write BASE/QUOTE in capitals, for example "BTC/USDT"', None
    return "", tuple(given)


def _is_spot_in_capitals(text: str) -> bool:
    try:
        symbol = Symbol.of(text)
    except ValueError:
        return False
    return symbol.is_spot and all(re.fullmatch(r"[A-Z0-9]+", asset) for asset in symbol.base_and_quote)


def _decimal(given: Any) -> Decimal | None:
    if isinstance(given, bool) or not isinstance(given, int | str | Decimal):
        return None
    try:
        number = Decimal(given)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def nearest(key: str, known: Iterable[str]) -> str:
    """Return the end of a complaint about an unknown name: the nearest known one, or all."""
    names = sorted(known)
    close = difflib.get_close_matches(key, names, n=1, cutoff=0.5)
    return f": did you mean {close[0]!r}?" if close else f": known are {', '.join(names)}"


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
