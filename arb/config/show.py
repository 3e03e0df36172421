"""Show the resolved settings as TOML or as plain values, with every secret masked."""

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from enum import Enum
from typing import Any

import msgspec

from arb.config.settings import Settings
from arb.masking import HIDDEN
from arb.venues.transport.proxy import masked_proxy


def plain(settings: Settings, environment: Mapping[str, str]) -> dict[str, Any]:
    """Return the settings as JSON-able values; `sites` are the addresses of each enabled venue.

    A key's variable is shown with `set` or `not set`, never its value.
    """
    from arb.store.ledger.database import mask_url  # late: it loads SQLAlchemy

    document = plain_values(settings)
    if settings.run.chooses:
        (document["run"]["symbols"],) = settings.run.symbols
    document["store"]["url"] = mask_url(settings.store.url)
    document["network"]["proxy"] = masked_proxy(settings.network.proxy)
    if heartbeat := settings.watch.heartbeat():
        document["watch"]["heartbeat_url"] = f"{heartbeat.scheme}://{heartbeat.hostname}/{HIDDEN}"
    document["sites"] = {venue: _plain(settings.venues.site(venue)) for venue in settings.venues.enabled()}
    document["limits"]["in_force"] = list(_in_force(settings))
    document["keys"] = {
        variable: "set" if environment.get(variable) else "not set"
        for venue in settings.venues.enabled().values()
        for variable in venue.key_names().values()
    }
    return document


def plain_values(settings: Settings) -> dict[str, Any]:
    """Return the settings as nested plain values, with nothing masked: proxy, URLs and heartbeat may hold secrets."""
    found: dict[str, Any] = _plain(settings)
    return found


def as_toml(settings: Settings, environment: Mapping[str, str]) -> str:
    """Return the settings as TOML that reads back to the same settings; sites and keys' variables are comments."""
    document = plain(settings, environment)
    keys, sites = document.pop("keys"), document.pop("sites")
    limits = document["limits"]
    in_force = limits.pop("in_force")
    limits |= limits.pop("symbol")
    lines: list[str] = []
    _tables(document, (), lines)
    lines += ["", *(f"# {_sentence(found)}" for found in in_force)]
    lines += ["", *(f"# {venue}: {_site_text(site)}" for venue, site in sites.items())]
    lines += ["", "# Where keys are: `arb keys list`; of them the environment has:"]
    lines += [f"# ${variable}: {state}" for variable, state in keys.items()]
    return "\n".join(lines).strip() + "\n"


def _site_text(site: Mapping[str, Any]) -> str:
    endpoint = site["endpoint"]
    texts = [f"{site['environment']}, {site['region']}", *dict.fromkeys(endpoint.values())]
    texts += [f"{name}: {value}" for name, value in site["headers"].items()]
    return f"{'; '.join(texts)}; keys go to {', '.join(site['hosts'])}"


def _in_force(settings: Settings) -> Iterator[dict[str, Any]]:
    """Yield the limits of symbols and venues with their own; None: every other symbol, every other venue.

    Of a pair's two venues the stricter holds.
    """
    limits = settings.limits
    for symbol in (*limits.symbol, None):
        for venue in (*limits.venue, None):
            if applied := limits.applied(symbol or "", (venue or "",)):
                yield {
                    "symbol": symbol,
                    "venue": venue,
                    "limits": {found.limit: f"{found.value:f}" for found in applied},
                }


def _sentence(found: dict[str, Any]) -> str:
    where = f"in {found['symbol'] or 'any other symbol'} at {found['venue'] or 'any other venue'}"
    return f"in force {where}: {', '.join(f'{name} {value}' for name, value in found['limits'].items())}"


def _plain(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        shown = {name: _plain(getattr(value, name)) for name in value.__struct_fields__}
        return {name: each for name, each in shown.items() if each is not None}
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, Enum):
        return value.value
    return list(value) if isinstance(value, tuple) else value


def _tables(table: Mapping[str, Any], path: tuple[str, ...], lines: list[str]) -> None:
    own = {key: value for key, value in table.items() if not isinstance(value, dict)}
    if own:
        lines += ["", f"[{'.'.join(map(_key, path))}]", *(f"{key} = {_toml(value)}" for key, value in own.items())]
    for key, value in table.items():
        if isinstance(value, dict):
            _tables(value, (*path, key), lines)


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else f'"{name}"'


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(_toml(item) for item in value)}]"
    if isinstance(value, int):
        return str(value)
    return msgspec.json.encode(value).decode()
