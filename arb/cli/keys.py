"""`arb keys`: where the venues' keys are, and whether they work. No command shows one."""

import sys
from collections.abc import Mapping
from typing import Any

import click
import msgspec

from arb.cli.shared import Given, demo_option, with_settings
from arb.config import Settings, VenueSettings
from arb.config.keyring import SystemKeyring
from arb.config.keys import KeyPlaces, Place, shape_problem
from arb.config.loader import nearest
from arb.errors import ConfigError
from arb.logs import logging_to
from arb.masking import SECRETS
from arb.venues.kit.endpoints import Environment

STDIN_MAX = 4096


@click.group("keys")
def keys_group() -> None:
    """Show where the venues' keys are, and test them.

    A key is looked for in the environment, in systemd's credentials ($CREDENTIALS_DIRECTORY, a file for each name), in
    `.env` next to config.toml (mode 0600, outside version control) and in the system's keyring, in this order. No command
    shows one.
    """


@keys_group.command("list")
@with_settings
def list_command(given: Given) -> int:
    """List the names of keys, and the places that have them.

    A key is taken from the first place that has any part of it (`from`); the places under `also` are not used.
    """
    places = given.key_places()
    rows = [
        _place_row(venue, msgspec.structs.replace(chosen, environment=environment), places)
        for venue, chosen in given.settings.venues.every().items()
        if chosen.key_names()
        for environment in (Environment.PRODUCTION, Environment.DEMO)
    ]
    if given.for_people:
        rows = [row | ({} if row["from"] else {"from": "no place", "missing": None}) for row in rows]
    problem = places.keyring.problem()
    return given.show({"keys": rows, "keyring": problem or "can be used", "file": str(places.file)})


@keys_group.command("add")
@click.argument("venue")
@demo_option
@with_settings
def add_command(given: Given, venue: str) -> int:
    """Put the key of VENUE into the system's keyring.

    In a terminal its parts are asked for and not shown. Elsewhere they are read from stdin, a line each: key, secret and, where
    the venue has one, passphrase. Nothing is sent: `arb keys test VENUE` does that.
    """
    names = _chosen(given.settings, venue).key_names()
    keyring = SystemKeyring()
    if present := keyring.entries(names.values()):
        raise ConfigError(f"keyring: {', '.join(present)} is there already: `arb keys remove {venue}` first")
    parts = _asked(names) if sys.stdin.isatty() else _piped(names)
    for part, secret in parts.items():
        if problem := shape_problem(secret):
            raise ConfigError(f"{venue}: the {part} {problem}")
    if len(set(parts.values())) < len(parts):
        raise ConfigError(f"{venue}: two of {', '.join(parts)} are the same: one is wrong")
    try:
        for part, secret in parts.items():
            keyring.put(names[part], secret)
    except ConfigError:
        keyring.remove(names.values())  # half a key would keep the whole one out
        raise
    return given.show({"venue": venue, "added": list(names.values()), "to": "keyring"})


@keys_group.command("remove")
@click.argument("venue")
@demo_option
@with_settings
def remove_command(given: Given, venue: str) -> int:
    """Remove the key of VENUE from the system's keyring.

    Keys in the environment or `.env` stay there.
    """
    names = _chosen(given.settings, venue).key_names()
    removed = SystemKeyring().remove(names.values())
    if not removed:
        raise ConfigError(f"keyring: has none of {', '.join(names.values())}")
    return given.show({"venue": venue, "removed": removed, "from": "keyring"})


@keys_group.command("test")
@click.argument("venues", nargs=-1, metavar="[VENUE]...")
@demo_option
@with_settings
def test_command(given: Given, venues: tuple[str, ...]) -> int:
    """Ask venues for the owner and the rights of their keys.

    It asks every enabled venue, or those named. Nothing is changed. Exit code 3 if a key is refused or may withdraw, or
    if a venue does not answer.
    """
    settings, places = given.settings, given.key_places()
    wanted = {venue: _chosen(settings, venue) for venue in venues} or settings.venues.enabled()
    keys = {venue: places.credentials(venue, chosen) for venue, chosen in wanted.items()}
    from arb.app.keys import ask_venues  # late: it loads the venues' libraries

    with logging_to(level="error"):
        rows, exit_code = ask_venues(settings, keys)
    given.show(rows if given.as_json else {row["venue"]: _for_people(row) for row in rows})
    return exit_code


def _for_people(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: "not reported" if value is None else value for name, value in row.items()}


def _chosen(settings: Settings, venue: str) -> VenueSettings:
    """Return the settings of an enabled venue whose key is named; raises `ConfigError` for any other."""
    enabled = settings.venues.enabled()
    if venue not in enabled:
        known = settings.venues.every()
        raise ConfigError(
            f"{venue!r} is no venue{nearest(venue, known)}"
            if venue not in known
            else f"{venue} is not enabled: set enabled = true in [venues.{venue}]"
        )
    if not enabled[venue].key_names():
        raise ConfigError(f"[venues.{venue}] key_env, secret_env: both are empty: name the variables of its key")
    return enabled[venue]


def _place_row(venue: str, chosen: VenueSettings, places: KeyPlaces) -> dict[str, Any]:
    names = chosen.key_names()
    found = {place: values for place in Place if (values := places.values(place, names.values()))}
    first, *others = found or (None,)
    missing = [name for name in names.values() if first is not None and name not in found[first]]
    return {
        "venue": venue,
        "environment": "demo" if chosen.environment is Environment.DEMO else "production",
        "from": None if first is None else str(first),
        "names": list(names.values()),
        "missing": missing,
        "also": [str(place) for place in others],
    }


def _asked(names: Mapping[str, str]) -> dict[str, str]:
    given = {}
    for part in names:
        given[part] = click.prompt(f"The {part} (not shown)", hide_input=True, err=True)
        SECRETS.hide((given[part],))
    return given


def _piped(names: Mapping[str, str]) -> dict[str, str]:
    lines = sys.stdin.read(STDIN_MAX).splitlines()
    SECRETS.hide(lines)
    if len(lines) != len(names):
        raise ConfigError(f"stdin: has {len(lines)} lines: give {len(names)}, in this order: {', '.join(names)}")
    return dict(zip(names, lines, strict=True))
