"""Settings given on the command line, as `--set limits.min_edge_bps=4`: keys of config.toml, checked as that file is.

A key is dotted as in TOML, with or without quotes around its parts; a symbol may be bare
(`limits.BTC/USDT.min_edge_bps=4`). A value that is valid TOML is read as TOML (`8`, `true`, `["BTC/USDT"]`), any other as
text. So neither `paper.fees.gate=0.1%` nor `limits.leg_cost=off` needs quotes, which a shell would remove. Overrides
replace keys in settings that were read already, or in single tables of them.

A grid has several values for each key, as `--set limits.min_edge_bps=2,4,6`: every combination is one set. Commas separate
values, but not within quotes or brackets, so that a value may be a list. A swept value without a key in config.toml (a fee, a
latency) is an axis like the others.
"""

import re
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal, InvalidOperation
from itertools import product
from math import prod
from typing import Any, TypeVar

import msgspec

from arb.config.loader import struct_from
from arb.errors import ConfigError

_PART = re.compile(r'\s*(?:"([^"]+)"|\'([^\']+)\'|([^\s"\'.=]+))\s*(\.|=|$)')
_EXAMPLE = "write for example --set limits.min_edge_bps=4"
_AXIS_VALUE = re.compile(r"""(?:"(?:[^"\\]|\\.)*"|'[^']*'|\[[^\]]*\]|[^,"'\[]|["'\[])+""")
_AXIS_EXAMPLE = "write for example --set limits.min_edge_bps=2,4,6"
S = TypeVar("S", bound=msgspec.Struct)


class Overrides:
    """Keys and values that replace those of the settings, in the order in which they were given."""

    def __init__(self, values: dict[tuple[str, ...], Any]) -> None:
        self.values = values

    def __bool__(self) -> bool:
        return bool(self.values)

    @property
    def names(self) -> tuple[str, ...]:
        """Return the keys as they would be written, without their values, which may be secret."""
        return tuple(map(_dotted, self.values))

    def under(self, *tables: str) -> "Overrides":
        """Return the keys in these tables of the settings."""
        return Overrides({path: value for path, value in self.values.items() if path[0] in tables})

    def on(self, base: S) -> S:
        """Return `base`, all settings or some of their tables, with these keys replaced.

        Raises `ConfigError` naming the key, for an unknown one and for a value that does not fit.
        """
        tables: dict[str, Any] = {}
        for path, value in self.values.items():
            at = tables
            for part in path[:-1]:
                at = at.setdefault(part, {})
            at[path[-1]] = value
        return struct_from(tables, type(base), (), self._complain, base)

    def _complain(self, path: tuple[str, ...], problem: str) -> ConfigError:
        """Name the key that was given and, where only a part of it is at fault, that part."""
        given = next((key for key in self.values if key[: len(path)] == path[: len(key)]), path)
        at_fault = "" if given == path else f": {path[-1]}"
        return ConfigError(f"--set {_dotted(given)}{at_fault}{problem}")


def read_overrides(texts: Iterable[str]) -> Overrides:
    """Parse texts of the form KEY=VALUE; raises `ConfigError` for another form, and for a key given twice.

    An unknown key or a value that does not fit shows only when they are put on settings (`Overrides.on`).
    """
    values: dict[tuple[str, ...], Any] = {}
    for text in texts:
        path, value = _read(text)
        for other in values:
            if path[: len(other)] == other[: len(path)]:
                both = "is given twice" if path == other else f"and {_dotted(other)} are not both possible"
                raise ConfigError(f"--set {_dotted(path)}: {both}: give it once")
        values[path] = value
    return Overrides(values)


def _read(text: str) -> tuple[tuple[str, ...], Any]:
    parts: list[str] = []
    at = 0
    while match := _PART.match(text, at):
        parts.append(next(part for part in match.group(1, 2, 3) if part is not None))
        at = match.end()
        if match.group(4) == "=":
            return tuple(parts), _value(tuple(parts), text[at:].strip())
        if not match.group(4):
            break
    raise ConfigError(f"--set {text.partition('=')[0]}: is no KEY=VALUE with a key of config.toml: {_EXAMPLE}")


def _value(path: tuple[str, ...], text: str) -> Any:
    try:
        read = tomllib.loads(f"value = {text}", parse_float=Decimal)
    except (ValueError, InvalidOperation, RecursionError):
        return text
    if set(read) != {"value"}:  # separate lines: no value
        return text
    if isinstance(read["value"], dict):
        raise ConfigError(f"--set {_dotted(path)}: is given a whole table: set each of its keys: {_EXAMPLE}")
    return read["value"]


def _dotted(path: tuple[str, ...]) -> str:
    return ".".join(f'"{part}"' if "." in part or " " in part else part for part in path)


class Axis(msgspec.Struct, frozen=True):
    """The values that one key is given, each once, as texts; `name` is the key as it was written."""

    name: str
    values: tuple[str, ...]


def read_axis(text: str) -> Axis:
    """Return the axis that KEY=VALUE,VALUE,... describes; raises `ConfigError` for no such text and for a value given twice."""
    name, equals, given = text.partition("=")
    if not equals or not name.strip():
        raise ConfigError(f"--set {name}: is no KEY=VALUE,VALUE,... with a key of config.toml: {_AXIS_EXAMPLE}")
    return axis_of(name.strip(), _parted(given), f"--set {name.strip()}")


def axis_of(name: str, values: Sequence[str], option: str) -> Axis:
    """Return an axis of these values; raises `ConfigError` naming `option` where one is empty or given twice."""
    for number, value in enumerate(values):
        if not value:
            raise ConfigError(f"{option}: one of its values is empty: {_AXIS_EXAMPLE}")
        if value in values[:number]:
            raise ConfigError(f"{option}: the value {value} is given twice: give it once")
    return Axis(name, tuple(values))


def _parted(text: str) -> list[str]:
    values, at = [], 0
    while True:
        match = _AXIS_VALUE.match(text, at)
        at = match.end() if match else at
        values.append(match.group().strip() if match else "")
        if at >= len(text):
            return values
        at += 1


class Grid:
    """All combinations of the values of some axes, the last of which changes first."""

    def __init__(self, axes: Sequence[Axis]) -> None:
        """Raises `ConfigError` for no axis at all, and for two of one name."""
        if not axes:
            raise ConfigError(f"an empty grid: nothing to try: {_AXIS_EXAMPLE}")
        names = [axis.name for axis in axes]
        for number, name in enumerate(names):
            if name in names[:number]:
                raise ConfigError(f"{name}: is given twice: give all its values at once, parted by commas")
        self.axes = tuple(axes)

    def __len__(self) -> int:
        return prod(len(axis.values) for axis in self.axes)

    def __iter__(self) -> Iterator[dict[str, str]]:
        for values in product(*(axis.values for axis in self.axes)):
            yield dict(zip((axis.name for axis in self.axes), values, strict=True))
