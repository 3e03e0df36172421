"""Show the resolved settings as TOML or as plain values, with every secret masked."""

from collections.abc import Mapping
from decimal import Decimal
from enum import Enum
from typing import Any

import msgspec

from arb.config.settings import Settings


def plain(settings: Settings, environment: Mapping[str, str]) -> dict[str, Any]:
    """Return the settings as JSON-able values; a key's variable is shown with `set` or `not set`, never its value."""
    from arb.store.database import mask_url  # late: it loads SQLAlchemy

    document: dict[str, Any] = _plain(settings)
    document["store"]["url"] = mask_url(settings.store.url)
    document["keys"] = {
        variable: "set" if environment.get(variable) else "not set"
        for venue in settings.venues.enabled().values()
        for variable in venue.key_variables()
    }
    return document


def as_toml(settings: Settings, environment: Mapping[str, str]) -> str:
    """Return the settings as TOML that reads back to the same settings; what the keys' variables hold is a comment."""
    document = plain(settings, environment)
    keys = document.pop("keys")
    lines: list[str] = []
    _tables(document, (), lines)
    lines += ["", *(f"# ${variable}: {state}" for variable, state in keys.items())]
    return "\n".join(lines).strip() + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        return {name: _plain(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return list(value) if isinstance(value, tuple) else value


def _tables(table: Mapping[str, Any], path: tuple[str, ...], lines: list[str]) -> None:
    own = {key: value for key, value in table.items() if not isinstance(value, dict)}
    if own:
        lines += ["", f"[{'.'.join(path)}]", *(f"{key} = {_toml(value)}" for key, value in own.items())]
    for key, value in table.items():
        if isinstance(value, dict):
            _tables(value, (*path, key), lines)


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(_toml(item) for item in value)}]"
    if isinstance(value, int):
        return str(value)
    return msgspec.json.encode(value).decode()
