"""Settings read again while an engine runs: which of the changes it can take, and which need a restart."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from arb.config import Settings, disagreements
from arb.config.show import plain_values
from arb.errors import ConfigError

FIXED_LIMITS = ("limits.trapped", "limits.unproved_coin")
"""They decide on coins and wallets, which are judged when listings are read."""
COMPANION = ("alerts.", "watch.")
"""Tables of `arb watch`, which reads them itself."""


class Reloaded(msgspec.Struct, frozen=True):
    """The settings in force from now on; the changes, for people; the keys that need a restart, or that `arb watch` reads."""

    settings: Settings
    applied: tuple[str, ...]
    refused: tuple[str, ...]
    companion: tuple[str, ...]


def reloaded(before: Settings, now: Settings) -> Reloaded:
    """Return which changes an engine takes; raises `ConfigError` where these contradict settings that stay as they were."""
    kept = {name.partition(".")[2]: getattr(before.limits, name.partition(".")[2]) for name in FIXED_LIMITS}
    found = msgspec.structs.replace(
        before,
        limits=msgspec.structs.replace(now.limits, **kept),
        run=msgspec.structs.replace(before.run, log_level=now.run.log_level),
        log=msgspec.structs.replace(before.log, modules=now.log.modules),
        alerts=now.alerts,
        watch=now.watch,
    )
    for problem in disagreements(found):
        raise ConfigError(f"{problem} (with the settings that need a restart as they were)")
    taken = dict(_changes(before, found))
    companion = tuple(name for name in taken if name.startswith(COMPANION))
    return Reloaded(
        settings=found,
        applied=tuple(f"{name} {old} -> {new}" for name, (old, new) in taken.items() if name not in companion),
        refused=tuple(name for name, _ in _changes(found, now)),
        companion=companion,
    )


def _changes(before: Settings, now: Settings) -> Iterator[tuple[str, tuple[str, str]]]:
    old, new = dict(_flat(plain_values(before))), dict(_flat(plain_values(now)))
    for name in dict.fromkeys((*old, *new)):
        if old.get(name) != new.get(name):
            yield name, (old.get(name, "-"), new.get(name, "-"))


def _flat(table: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    for key, value in table.items():
        name = f'{above}"{key}"' if "/" in key else f"{above}{key}"
        if isinstance(value, dict):
            yield from _flat(value, f"{name}.")
        else:
            yield name, str(value)
