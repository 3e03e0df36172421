"""A grid of settings, as `--set limits.min_edge_bps=2,4,6`: every combination of the values of each key is one set.

A value has the form that `arb.config.overrides` takes. Values are parted by commas; one within quotes or brackets parts
nothing, so that a value may be a list. A swept value without a key in config.toml (a fee, a latency) is an axis like
the others.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import product
from math import prod

import msgspec

from arb.errors import ConfigError

_VALUE = re.compile(r"""(?:"(?:[^"\\]|\\.)*"|'[^']*'|\[[^\]]*\]|[^,"'\[]|["'\[])+""")
_EXAMPLE = "write for example --set limits.min_edge_bps=2,4,6"


class Axis(msgspec.Struct, frozen=True):
    """The values that one key is given, each once, as texts; `name` is the key as it was written."""

    name: str
    values: tuple[str, ...]


def read_axis(text: str) -> Axis:
    """Return the axis that KEY=VALUE,VALUE,... describes; raises `ConfigError` for no such text and for a value given twice."""
    name, equals, given = text.partition("=")
    if not equals or not name.strip():
        raise ConfigError(f"--set {name}: is no KEY=VALUE,VALUE,... with a key of config.toml: {_EXAMPLE}")
    return axis_of(name.strip(), _parted(given), f"--set {name.strip()}")


def axis_of(name: str, values: Sequence[str], option: str) -> Axis:
    """Return an axis of these values; raises `ConfigError` naming `option` where one is empty or given twice."""
    for number, value in enumerate(values):
        if not value:
            raise ConfigError(f"{option}: one of its values is empty: {_EXAMPLE}")
        if value in values[:number]:
            raise ConfigError(f"{option}: the value {value} is given twice: give it once")
    return Axis(name, tuple(values))


def _parted(text: str) -> list[str]:
    values, at = [], 0
    while True:
        match = _VALUE.match(text, at)
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
            raise ConfigError(f"an empty grid: nothing to try: {_EXAMPLE}")
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
