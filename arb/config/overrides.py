"""Settings given on the command line, as `--set limits.min_edge_bps=4`: keys of config.toml, checked as that file is.

A key is written as TOML dots it, with or without quotes around its parts; a symbol may be bare
(`limits.BTC/USDT.min_edge_bps=4`). A value is TOML where it is that (`8`, `true`, `["BTC/USDT"]`), and text where it is
not, so that neither `paper.fees.gate=0.1%` nor `limits.leg_cost=off` needs quotes that a shell would take away.
Overrides replace keys in settings that were read already, or in single tables of them.
"""

import re
import tomllib
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

import msgspec

from arb.config.loader import struct_from
from arb.errors import ConfigError

_PART = re.compile(r'\s*(?:"([^"]+)"|\'([^\']+)\'|([^\s"\'.=]+))\s*(\.|=|$)')
_EXAMPLE = "write for example --set limits.min_edge_bps=4"
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
