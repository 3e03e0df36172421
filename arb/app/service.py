"""`arb service`: systemd units for the engine and its companion, hardened as far as their manager allows."""

import hashlib
import importlib.util
import os
import pwd
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from arb.app import stores
from arb.config import Mode, Settings, require_consents
from arb.config.keys import ALERT_URLS, WAKE_URLS
from arb.config.ledger_url import ledger_name
from arb.errors import EXIT_USAGE, ConfigError
from arb.files import put_whole, whole_text
from arb.store.journal.guards import SHARED
from arb.store.ledger.database import parse_url, sqlite_file

WATCHDOG_S = 30
STOP_SPARE_S = 60
"""How much longer than `shutdown_deadline_s` a stop may take: the ledger's last rows, and a busy machine."""
RESTART_S = 2
MARK = "# sha256 "
_HOMES = ("/home/", "/root/", "/run/user/")


class ServiceOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Whose units: `system` ones, or those of this user's manager. `folder`: where they are; None: where the manager reads.

    `live`: the consent to real orders that the engine's command line gets. `config`: the settings' absolute path.
    """

    mode: str
    config: Path
    demo: bool = False
    live: bool = False
    system: bool = False
    folder: Path | None = None


class Unit(msgspec.Struct, frozen=True):
    path: Path
    text: str

    def state(self) -> str:
        """Return `missing`, `same`, `older` (written by this command, to be replaced) or `changed` (by a person)."""
        try:
            found = whole_text(self.path)
        except FileNotFoundError:
            return "missing"
        mark, _, body = found.partition("\n")
        if mark != MARK + _digest(body):
            return "changed"
        return "same" if body == self.text else "older"

    def write(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        put_whole(self.path, f"{MARK}{_digest(self.text)}\n{self.text}".encode())
        self.path.chmod(0o644)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def units(settings: Settings, options: ServiceOptions) -> tuple[Unit, ...]:
    """Return the units of engine and companion; raises `ConfigError` where they could not run."""
    if not options.config.is_file():
        raise ConfigError(f"{options.config}: no such file: `arb init` writes one, and a service needs its place")
    if options.mode == Mode.LIVE:
        require_consents(settings, live=options.live)
    name = f"arb-{ledger_name(settings.venues, options.mode)}"
    folder = options.folder or _folder(system=options.system)
    engine = Unit(folder / f"{name}.service", "\n".join(_engine(settings, options)) + "\n")
    companion = Unit(folder / f"{name}-watch.service", "\n".join(_companion(settings, options, name)) + "\n")
    return engine, companion


def install(settings: Settings, options: ServiceOptions) -> dict[str, Any]:
    """Write the units, and make the folder of the stores.

    Raises `ConfigError`, and writes none, where a person changed one.
    """
    found = units(settings, options)
    states = [unit.state() for unit in found]
    for unit, state in zip(found, states, strict=True):
        if state == "changed":
            raise ConfigError(
                f"{unit.path}: was changed since `arb service install` wrote it: put your lines into a drop-in "
                f"(`systemctl edit {unit.path.stem}`) and remove this file, or keep it"
            )
    for place in _writable(settings, options):  # systemd starts no unit whose writable folder is missing
        _make(place, options.config.stat())
    for unit in found:
        unit.write()
    names = " ".join(unit.path.stem for unit in found)
    manager = _manager(options)
    lingers = [] if options.system else ["loginctl enable-linger"]
    return {
        "units": [{"path": str(unit.path), "before": state} for unit, state in zip(found, states, strict=True)],
        "next": [f"{manager} daemon-reload", *lingers, f"{manager} enable --now {names}"],
    }


def _make(folder: Path, owner: os.stat_result) -> None:
    """Make a folder, and those above it, of this owner only."""
    if folder.exists():
        return
    _make(folder.parent, owner)
    folder.mkdir(mode=0o700)
    if os.geteuid() == 0:
        os.chown(folder, owner.st_uid, owner.st_gid)


def uninstall(settings: Settings, options: ServiceOptions) -> dict[str, Any]:
    """Remove the units that no person has changed; raises `ConfigError` where one still runs."""
    found, manager = units(settings, options), _manager(options)
    for unit in found:
        if _active(unit.path.name, options) == "active":
            raise ConfigError(f"{unit.path.stem}: is running: first `{manager} disable --now {unit.path.stem}`")
    before = [(unit.path, unit.state()) for unit in found]
    for path, state in before:
        if state in ("same", "older"):
            path.unlink()
    return {
        "units": [{"path": str(path), "before": state} for path, state in before],
        "next": [f"{manager} daemon-reload"],
    }


def status(settings: Settings, options: ServiceOptions) -> dict[str, Any]:
    """Return each unit's file, and whether its manager runs it: systemd's word, or why it cannot be asked."""
    return {
        "units": [
            {"path": str(unit.path), "file": unit.state(), "active": _active(unit.path.name, options)}
            for unit in units(settings, options)
        ]
    }


def _manager(options: ServiceOptions) -> str:
    return "systemctl" if options.system else "systemctl --user"


def _active(name: str, options: ServiceOptions) -> str:
    command = [*_manager(options).split(), "is-active", name]
    try:
        asked = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"not known: {error}"
    return asked.stdout.strip() or f"not known: {' '.join(asked.stderr.split())}"


def _folder(*, system: bool) -> Path:
    if system:
        return Path("/etc/systemd/system")
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "systemd" / "user"


def _engine(settings: Settings, options: ServiceOptions) -> Iterator[str]:
    yield from _head(f"arb engine, mode {options.mode}")
    yield from (
        "[Service]",
        "Type=notify",
        f"ExecStart={_command(options, 'run')}{' --live' * (options.mode == Mode.LIVE)}",
    )
    yield from _restarts()
    yield from ("TimeoutStartSec=300", f"TimeoutStopSec={settings.timing.shutdown_deadline_s + STOP_SPARE_S}")
    yield from (
        "# The engine ends its own children, once open pairs are finished.",
        "KillMode=mixed",
        "KillSignal=SIGTERM",
    )
    venues = settings.venues.enabled().values() if options.mode == Mode.LIVE else ()
    yield from _credentials(options, [name for venue in venues for name in venue.key_names().values()])
    compiles = importlib.util.find_spec("numba") is not None and settings.engine.fast_books is not False
    yield from _hardening(settings, options, compiles=compiles)
    if options.system:
        yield "OOMScoreAdjust=-500"
    yield from _install(options)


def _companion(settings: Settings, options: ServiceOptions, engine: str) -> Iterator[str]:
    yield from _head(f"arb alerts and metrics, mode {options.mode}", after=f" {engine}.service")
    yield from ("[Service]", "Type=notify", f"ExecStart={_command(options, 'watch')}")
    yield from _restarts()
    cancels = options.mode == Mode.LIVE and settings.watch.cancel
    keys = [chosen.of_companion() for chosen in settings.venues.enabled().values()] if cancels else []
    yield from _credentials(
        options, [ALERT_URLS, WAKE_URLS, *(name for key in keys for name in key.key_names().values())]
    )
    yield from _hardening(settings, options, compiles=False)
    yield from _install(options)


def _head(description: str, after: str = "") -> Iterator[str]:
    yield "# Written by `arb service install`, which replaces it only unchanged: your lines belong in a drop-in."
    yield from ("[Unit]", f"Description={description}", "Wants=network-online.target")
    yield from (
        f"After=network-online.target time-sync.target{after}",
        "StartLimitIntervalSec=900",
        "StartLimitBurst=5",
        "",
    )


def _restarts() -> Iterator[str]:
    yield "ExecReload=/bin/kill -HUP $MAINPID"
    yield from (f"WatchdogSec={WATCHDOG_S}", "Restart=on-failure", f"RestartSec={RESTART_S}")
    yield from (
        f"# {EXIT_USAGE}: bad settings, which a restart does not correct.",
        f"RestartPreventExitStatus={EXIT_USAGE}",
    )


def _command(options: ServiceOptions, command: str) -> str:
    arguments = ["--config", str(options.config), "--mode", options.mode]
    arguments += ["--environment", "demo"] if options.demo else []
    return " ".join(map(_quoted, [sys.executable, "-P", "-m", "arb", command, *arguments]))


def _quoted(word: str) -> str:
    """Return a word of a command line as systemd reads it: `%` and `$` are no specifiers, spaces do not part it."""
    word = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{word}"' if any(char.isspace() or char in "'\"\\;" for char in word) else word


def _credentials(options: ServiceOptions, names: list[str]) -> Iterator[str]:
    """Yield a line for each secret; commented out where its file is missing, for systemd would not start the unit."""
    store = Path("/etc/credstore") if options.system else _folder(system=False).parent.parent / "credstore"
    for name in names:
        yield f"{'' if (store / name).exists() else '#'}LoadCredential={name}:{store / name}"


def _hardening(settings: Settings, options: ServiceOptions, *, compiles: bool) -> Iterator[str]:
    """Yield the rights of a unit. A user's manager has no right to set up most of it; there the kernel's filters remain."""
    places = sorted({str(place) for place in _writable(settings, options)})
    yield from ("UMask=0077", "LimitCORE=0", "LimitNOFILE=65536", "NoNewPrivileges=yes")
    yield from (
        "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK",
        "RestrictNamespaces=yes",
        "RestrictRealtime=yes",
    )
    yield from ("RestrictSUIDSGID=yes", "LockPersonality=yes", "SystemCallArchitectures=native")
    yield from (
        "SystemCallFilter=@system-service",
        "SystemCallFilter=~@privileged @resources",
        "SystemCallErrorNumber=EPERM",
    )
    yield from (
        ("# numba writes the code it runs.", "MemoryDenyWriteExecute=no")
        if compiles
        else ("MemoryDenyWriteExecute=yes",)
    )
    if not options.system:
        return
    yield from (
        f"User={_owner(options.config).pw_name}",
        "CapabilityBoundingSet=",
        "PrivateUsers=yes",
        "PrivateDevices=yes",
        "PrivateTmp=yes",
    )
    in_home = any(place.startswith(_HOMES) for place in (*places, f"{options.config}", sys.prefix, sys.executable))
    yield from ("ProtectSystem=strict", f"ProtectHome={'read-only' if in_home else 'yes'}", "ProtectProc=invisible")
    yield from (f"Protect{name}=yes" for name in ("Clock", "Hostname", "KernelLogs", "KernelModules", "KernelTunables"))
    yield from ("ProtectControlGroups=yes", "KeyringMode=private")
    yield from (f"ReadWritePaths={_quoted(place)}" for place in places)
    yield from ("CacheDirectory=arb", "CacheDirectoryMode=0700", "Environment=XDG_CACHE_HOME=%C")


def _writable(settings: Settings, options: ServiceOptions) -> Iterator[Path]:
    """Yield the folders of the stores, and for a unit of the machine that of the locks which all engines of its user read."""
    url, journal = stores(settings, options.mode, None)
    for file in (journal, sqlite_file(parse_url(url))):
        if file is not None:
            yield file.parent.resolve()
    if options.system:
        yield Path(_owner(options.config).pw_dir) / SHARED


def _owner(config: Path) -> pwd.struct_passwd:
    """Return the user that a unit of the machine runs as: the owner of the settings, who needs a home for locks."""
    try:
        found = pwd.getpwuid(config.stat().st_uid)
    except KeyError:
        found = None
    if found is None or found.pw_uid == 0 or not Path(found.pw_dir).is_dir():
        who = "an unknown user" if found is None else found.pw_name
        raise ConfigError(
            f"{config}: belongs to {who}, and the service runs as its owner: chown it to a user with a home (useradd -m arb)"
        )
    return found


def _install(options: ServiceOptions) -> Iterator[str]:
    yield from ("", "[Install]", f"WantedBy={'multi-user.target' if options.system else 'default.target'}")
