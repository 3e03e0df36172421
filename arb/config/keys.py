"""Where the keys of venues are: the environment, systemd's credentials, `.env` next to config.toml, the system's keyring.

They are looked for in this order, by the same names in each place (`[venues.NAME] key_env`, `secret_env`,
`passphrase_env`; a demo's with `DEMO_` before them). All parts of a key must be in one place, the first that has any of
them: halves of two keys are no key. Every value is masked before it is used.
"""

import contextlib
import os
import re
import stat
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path

from arb.config.keyring import SystemKeyring
from arb.config.settings import Settings
from arb.config.venue_settings import VenueSettings
from arb.errors import ConfigError
from arb.files import put_whole, whole, whole_text
from arb.masking import SECRET_LENGTH_MIN, SECRETS
from arb.venues.kit.endpoints import Credentials
from arb.venues.registry import spec_of

ENV_FILE = ".env"
ALERT_URLS, WAKE_URLS = "ARB_ALERT_URLS", "ARB_WAKE_URLS"
"""The names of the receivers of alerts, which have the same places; the addresses are separated by spaces."""
LENGTH_MAX = 256
GIT_TIMEOUT_S = 10.0

_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)")
_VALUE = re.compile(r"""(?:'([^']*)'|"([^"\\]*)"|([^\s'"\\#]*))(?:\s+#.*)?""")
"""In single quotes, in double quotes, or bare. Nothing is expanded: a secret is taken literally."""


class Place(StrEnum):
    """Where a key can be, the first looked at first."""

    ENVIRONMENT = "environment"
    CREDENTIALS = "systemd credentials"
    FILE = ENV_FILE
    KEYRING = "keyring"


class KeyPlaces:
    """The places, as one command sees them; `folder` is that of config.toml."""

    def __init__(self, environment: Mapping[str, str], folder: Path, keyring: SystemKeyring) -> None:
        self.file = folder / ENV_FILE
        self.keyring = keyring
        self._environment = environment
        self._in_file: dict[str, str] | None = None

    def credentials(self, venue: str, chosen: VenueSettings) -> Credentials:
        """Return a venue's key; raises `ConfigError` where there is none, or none that can be used."""
        names = chosen.key_names()
        if not names.keys() >= {"key", "secret"}:
            raise ConfigError(
                f"[venues.{venue}] key_env, secret_env: one is empty: name the variables that hold the key and its secret"
            )
        for place in Place:
            found = self.values(place, names.values())
            if found:
                return _credentials(venue, names, found, place)
        listed = _listed(names.values())
        raise ConfigError(
            f"{venue}: no key: set {listed} in the environment or in {self.file} (chmod 600), or run `arb keys add {venue}`"
            f"{self._keyring_away()}"
        )

    def has_any(self, names: Iterable[str]) -> bool:
        """Return whether any place has a value for these names; raises `ConfigError` as `values` does."""
        return any(self.values(place, names) for place in Place)

    def values(self, place: Place, names: Iterable[str]) -> dict[str, str]:
        """Return the values in one place under these names, masked from now on; an unusable keyring has none.

        Raises `ConfigError` for a file that others may read or that cannot be read.
        """
        names = tuple(names)
        if place is Place.KEYRING:
            source: Mapping[str, str] = {} if self.keyring.problem() else self.keyring.entries(names)
        elif place is Place.FILE:
            if self._in_file is None:
                self._in_file = read_env_file(self.file)
            source = self._in_file
        elif place is Place.CREDENTIALS:
            source = dict(_in_credentials(self._environment, names))
        else:
            source = self._environment
        found = {name: source[name] for name in names if source.get(name)}
        SECRETS.hide(found.values())
        return found

    def _keyring_away(self) -> str:
        problem = self.keyring.problem()
        return "" if problem is None else f" where there is a keyring (here: {problem})"


def credentials_of(settings: Settings, places: KeyPlaces) -> dict[str, Credentials]:
    """Return the key of every enabled venue; raises `ConfigError` for the first that has none."""
    return {venue: places.credentials(venue, chosen) for venue, chosen in settings.venues.enabled().items()}


def list_keys(settings: Settings, places: KeyPlaces) -> dict[str, Credentials]:
    """Return the keys for currency lists, by venue: none unless `[coins] keyed`, and of venues that need one for
    theirs.

    A venue without a key is omitted. Raises `ConfigError` for a key that cannot be used, as `KeyPlaces.credentials`
    does.
    """
    if not settings.coins.keyed:
        return {}
    return {
        venue: places.credentials(venue, chosen)
        for venue, chosen in settings.venues.enabled().items()
        if spec_of(venue).currency_key is not None and places.has_any(chosen.key_names().values())
    }


def hide_known(settings: Settings, environment: Mapping[str, str], folder: Path) -> None:
    """Mask every key in the environment and `.env` under the names of any venue's key, even where a key is unusable.

    The keyring is not asked: it may ask the user, and a command that needs no key does not read one.
    """
    names = {name for chosen in settings.venues.every().values() for name in chosen.every_key_name()}
    names |= {ALERT_URLS, WAKE_URLS}
    SECRETS.hide(environment.get(name, "") for name in names)
    with contextlib.suppress(ConfigError):
        SECRETS.hide(secret for _, secret in _in_credentials(environment, names))
    path = folder / ENV_FILE
    try:
        text = path.read_text("utf-8-sig", "surrogateescape") if path.is_file() else ""
    except OSError:
        return
    for line in text.splitlines():
        match = _LINE.fullmatch(line.strip())
        if match is not None and match.group(1) in names:
            value = _VALUE.fullmatch(match.group(2).strip())
            SECRETS.hide({match.group(2).strip(), *(filter(None, value.groups()) if value else ())})


def _in_credentials(environment: Mapping[str, str], names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield the secrets in `$CREDENTIALS_DIRECTORY`, a file for each name; a line break at its end is not part of it.

    Raises `ConfigError` for a file that cannot be read, or that every user may read.
    """
    folder = environment.get("CREDENTIALS_DIRECTORY", "")
    for name in names if folder else ():
        path = Path(folder) / name
        try:
            if path.stat().st_mode & 0o007:
                raise ConfigError(f"{path}: every user may read your keys: chmod 400 {path}")
            yield name, whole_text(path).rstrip("\n")
        except FileNotFoundError:
            continue
        except OSError as error:
            raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise ConfigError(f"{path}: is no text in UTF-8") from None


def read_env_file(path: Path) -> dict[str, str]:
    """Return the entries of `.env`; none where there is no file.

    Raises `ConfigError` for a file that others may read, that another user owns, or that git keeps. The same goes for a
    line that is no `NAME=value`. No error shows the contents.
    """
    try:
        _require_private(path, path.stat())  # only regular files are opened: a pipe would wait for its other end
        with path.open("rb") as file:
            _require_private(path, os.fstat(file.fileno()))
            content = file.read()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    _require_untracked(path)
    try:
        return dict(_pairs(path, content.decode("utf-8-sig")))
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is no text in UTF-8") from None


def add_to_env_file(path: Path, name: str, value: str) -> None:
    """Add an entry to `.env`, which only this user can read.

    Raises `ConfigError` as `read_env_file`, where the file has the name, cannot be written, or cannot hold the value.
    """
    if name in read_env_file(path):
        raise ConfigError(f"{path}: {name} is there already: change it there")
    if "'" in value or not value.isprintable():
        raise ConfigError(f"{name}: has a quote or a control character: percent-encode it (%27)")
    try:
        target = path.resolve()
        before = whole(target) if target.exists() else b""
        glue = b"\n" if before and not before.endswith(b"\n") else b""
        put_whole(target, before + glue + f"{name}='{value}'\n".encode())
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}") from None


def _require_private(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise ConfigError(f"{path}: is no file: keys belong in a file of NAME=value lines")
    if found.st_uid != os.geteuid():
        raise ConfigError(f"{path}: belongs to another user, who can change your keys: make one of your own, chmod 600")
    if found.st_mode & 0o077:
        raise ConfigError(f"{path}: others may read your keys (mode {found.st_mode & 0o777:04o}): chmod 600 {path}")


def _require_untracked(path: Path) -> None:
    """Raise `ConfigError` where git keeps the file, or the one that it is a link to, or cannot be asked."""
    for place in dict.fromkeys((path.absolute(), path.resolve())):
        if not any((folder / ".git").exists() for folder in place.parents):
            continue
        # Variables of git's own would lead it elsewhere, ours may be keys, and settings of a repository may name programs.
        passed_on = {"PATH": os.environ.get("PATH", os.defpath)}
        command = ["git", "-c", "safe.directory=*", "-c", "core.fsmonitor=false", "-C", str(place.parent)]
        try:
            asked = subprocess.run(
                [*command, "ls-files", "--error-unmatch", "--", place.name],
                env=passed_on,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=GIT_TIMEOUT_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            answer = None
        else:
            answer = asked.returncode
        if answer == 0:
            raise ConfigError(
                f"{path}: git keeps this file, and with it your keys: git rm --cached {path}, put {ENV_FILE} into .gitignore, "
                "and make new keys: the old ones stay in its history"
            )
        if answer != 1:
            raise ConfigError(
                f"{path}: is in a git repository, and git could not be asked whether it keeps the file: install git, or "
                "put the keys into the environment or the keyring"
            )


def _pairs(path: Path, text: str) -> Iterator[tuple[str, str]]:
    seen: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        value = None if match is None else _VALUE.fullmatch(match.group(2).strip())
        if match is None or value is None:
            raise ConfigError(
                f"{path}:{number}: is no NAME=value: a value with spaces, #, quotes or \\ belongs in single quotes"
            )
        name = match.group(1)
        if name in seen:
            raise ConfigError(f"{path}:{number}: {name} is also in line {seen[name]}: drop one of them")
        seen[name] = number
        yield name, next((group for group in value.groups() if group is not None), "")


def _credentials(venue: str, names: Mapping[str, str], found: Mapping[str, str], place: Place) -> Credentials:
    missing = [name for name in names.values() if name not in found]
    if missing:
        raise ConfigError(
            f"{venue}: {_listed(found)} is in the {_called(place)}, and {_listed(missing)} is not: all parts of a key must be "
            "in one place: put the others there, too, or remove that one"
        )
    for name, secret in found.items():
        if problem := shape_problem(secret):
            raise ConfigError(f"{venue}: {name} in the {_called(place)}: {problem}")
    parts = {part: found[name] for part, name in names.items()}
    if len(set(parts.values())) < len(parts):
        raise ConfigError(
            f"{venue}: two of {_listed(names.values())} in the {_called(place)} are the same: one is wrong"
        )
    return Credentials(**parts)


def shape_problem(secret: str) -> str | None:
    """Return why a text cannot be a part of a key, or None; the text is not shown."""
    if not SECRET_LENGTH_MIN <= len(secret) <= LENGTH_MAX:
        return f"has {len(secret)} characters, and a part of a key has {SECRET_LENGTH_MIN} to {LENGTH_MAX}"
    if not (secret.isascii() and secret.isprintable()) or secret != secret.strip():
        return "has a space at an end, or a character that no key has: copy it again"
    return None


def _called(place: Place) -> str:
    return f"file {place}" if place is Place.FILE else str(place)


def _listed(names: Iterable[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last
