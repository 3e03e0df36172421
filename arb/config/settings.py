"""The typed settings, with safe defaults.

The core declares limits, times and the repair policy, `venue_settings.py` the venues; this file declares the run and
the stores. No setting holds a secret: keys are named by the environment variable that holds them.
"""

import re
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

import msgspec

from arb.config.venue_settings import GenericSettings, PaperSettings, VenuesSettings
from arb.core.messages.settings import (
    ChoiceRules,
    FastBooks,
    HealthLimits,
    InventoryBands,
    Limits,
    Ramp,
    RepairPolicy,
    Timing,
)
from arb.errors import ConfigError
from arb.venues.transport.proxy import parse_proxy
from arb.venues.transport.way import WayOut, parse_bind


class Mode(StrEnum):
    """Where market data is from and where orders go."""

    SANDBOX = "sandbox"
    PAPER = "paper"
    LIVE = "live"


class LogLevel(StrEnum):
    """The least severe message that is still logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    TEXT = "text"
    JSON = "json"


class LogPlace(StrEnum):
    """`FILE`: next to the engine's journal."""

    STDERR = "stderr"
    FILE = "file"


class LogSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The log's form and place. `modules`: levels of single modules of arb, as `{"arb.venues.gate": "debug"}`.

    `files_max` files of `file_max_mb` (10^6 bytes) each are kept.
    """

    modules: dict[str, str] = {}
    format: LogFormat = LogFormat.TEXT
    to: LogPlace = LogPlace.STDERR
    file_max_mb: int = 20
    files_max: int = 5

    def problem(self) -> str | None:
        """Return why these settings cannot be used, or None."""
        package = Path(__file__).parent.parent
        for name, level in self.modules.items():
            top, *inner = name.split(".")
            place = package.joinpath(*inner)
            if top != package.name or not (place.is_dir() or place.with_suffix(".py").is_file()):
                return f'[log] modules: "{name}" is no module of arb: name one as log lines do, for example "arb.live.node"'
            if level not in list(LogLevel):
                return f'[log] modules."{name}" = "{level}": give one of {", ".join(LogLevel)}'
        if self.file_max_mb < 1:
            return "[log] file_max_mb = 0: give at least 1"
        if self.files_max < 2:
            return (
                f"[log] files_max = {self.files_max}: give at least 2: the file that is written, and the one before it"
            )
        return None


AUTO = ("auto",)
"""In the place of symbols: chosen by `[run.auto]`."""


class RunSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The symbols of a run, and its log and reports. All symbols share one quote, which `report_currency` names.

    `coins_file` is the user's table of coins (`config/coins.py`); empty for none. `symbols` is `AUTO` where a run
    chooses them at its start and each day, by the rules of `auto`.
    """

    mode: Mode = Mode.SANDBOX
    symbols: tuple[str, ...] = ("BTC/USDT", "ETH/USDT", "SOL/USDT", "DOGE/USDT", "NOVA/USDT")
    report_currency: str = "USDT"
    log_level: LogLevel = LogLevel.INFO
    coins_file: str = ""
    auto: ChoiceRules = ChoiceRules()

    @property
    def chooses(self) -> bool:
        return self.symbols == AUTO


class CoinSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The user's knowledge of coins: `overrides` as lines `"VENUE:TICKER" = "same as VENUE:TICKER"`
    (`config/coins.py`).

    `lists` is a folder with currency lists that the user saved, `VENUE.json` each (`config/coins.py`); empty for
    none. `keyed`: a run that sends no orders reads keys, too, but only for currency lists that a venue shows to a key.
    """

    overrides: dict[str, str] = {}
    lists: str = ""
    keyed: bool = False


MODE_FILE = "/MODE.sqlite"
DEFAULT_URL = f"sqlite:///var{MODE_FILE}"


class StoreSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where the ledger and the journal are, and how long they keep rows; a `url` with `/MODE.sqlite` is a file per mode."""

    url: str = DEFAULT_URL
    journal_dir: str = "var"
    keep_untraded_days: int = 90
    keep_story_days: int = 90


class NetworkSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The way to the venues: through a proxy, or from a local address; by default neither is set."""

    proxy: str = ""
    bind: str = ""

    def way_out(self) -> WayOut:
        """Return the way; raises `ConfigError`, which does not show the proxy."""
        try:
            proxy = parse_proxy(self.proxy) if self.proxy else None
        except ValueError as error:
            raise ConfigError(f"[network] proxy: {error}") from None
        try:
            return WayOut(proxy, parse_bind(self.bind))
        except ValueError as error:
            raise ConfigError(f"[network] bind: {error}") from None


class WarmUp(StrEnum):
    AUTO = "auto"
    ON = "on"
    OFF = "off"


class LoopSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How the engine's loop waits, and which reader keeps the books. With `spin` it polls: it wakes sooner, and uses up a
    processor. `warm_up`: how much of a processor the warm-up may take while the loop waits."""

    warm_up: WarmUp = WarmUp.AUTO
    spin: bool = False
    fast_books: FastBooks = "auto"


class WatchSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The subjects of `arb watch`: an engine that gives no sign for `hung_after_s` hangs; with `cancel` its resting orders are
    then cancelled. `heartbeat_url`, "" for none, is requested every minute while engine and companion are well."""

    hung_after_s: int = 5
    cancel: bool = False
    heartbeat_url: str = ""

    def heartbeat(self) -> SplitResult | None:
        """Return the address, None for none; raises `ConfigError`, which does not show it: its path may be a secret."""
        if not self.heartbeat_url:
            return None
        try:
            found = urlsplit(self.heartbeat_url)
        except ValueError:
            found = SplitResult("", "", "", "", "")
        if found.scheme not in ("http", "https") or not found.hostname:
            raise ConfigError('[watch] heartbeat_url: give a whole address, for example "https://HOST/PATH"')
        return found


class AlertSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How `arb watch` sends alerts: minutes until an open one is repeated, and until it goes to the second receivers.

    `quiet_utc`, "" for none: the hours of the UTC day in which only serious alerts are sent.
    """

    repeat_after_m: int = 60
    wake_after_m: int = 5
    quiet_utc: str = ""

    def quiet_minutes(self) -> tuple[int, int]:
        """Return the first minute of the UTC day that is quiet, and the first that is not; equal for none.

        Raises `ConfigError` for a text that is no such span.
        """
        if not self.quiet_utc:
            return 0, 0
        found = re.fullmatch(r"([01][0-9]|2[0-3]):([0-5][0-9])-([01][0-9]|2[0-3]):([0-5][0-9])", self.quiet_utc)
        hours = (int(found[1]) * 60 + int(found[2]), int(found[3]) * 60 + int(found[4])) if found else (0, 0)
        if hours[0] == hours[1]:
            raise ConfigError(
                f'[alerts] quiet_utc = "{self.quiet_utc}": give two different times of the UTC day, for example "22:00-06:30"'
            )
        return hours


class MetricsSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where `arb watch` serves metrics for Prometheus: `HOST:PORT`, "" nowhere."""

    listen: str = ""

    def address(self) -> tuple[str, int] | None:
        """Return host and port, None for none; raises `ConfigError` for a text that is no address."""
        if not self.listen:
            return None
        found = re.fullmatch(r"([0-9A-Za-z.-]+|\[[0-9A-Fa-f:]+\]):([1-9][0-9]{0,4})", self.listen)
        if found is None or int(found[2]) > 65_535:
            raise ConfigError(f'[metrics] listen = "{self.listen}": give HOST:PORT, for example "127.0.0.1:9464"')
        return found[1].strip("[]"), int(found[2])


class LiveSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The consent to real orders, which also need `--live` on the command line, and the ramp by which pairs grow at first.

    A pair with real orders pays `ramp_start_quote` at most, twice that after `ramp_pairs` clean ones, and so on up to
    `[limits] max_notional_quote`. With `ramp_pairs` 0 there is no ramp.
    """

    enabled: bool = False
    ramp_start_quote: Decimal = Decimal(50)
    ramp_pairs: int = 20

    def ramp(self) -> Ramp | None:
        return Ramp(self.ramp_start_quote, self.ramp_pairs) if self.ramp_pairs else None


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """All of config.toml; every table is optional."""

    run: RunSettings = RunSettings()
    log: LogSettings = LogSettings()
    coins: CoinSettings = CoinSettings()
    limits: Limits = Limits()
    timing: Timing = Timing()
    repair: RepairPolicy = RepairPolicy()
    health: HealthLimits = HealthLimits()
    inventory: InventoryBands = InventoryBands()
    store: StoreSettings = StoreSettings()
    live: LiveSettings = LiveSettings()
    paper: PaperSettings = PaperSettings()
    network: NetworkSettings = NetworkSettings()
    engine: LoopSettings = LoopSettings()
    watch: WatchSettings = WatchSettings()
    alerts: AlertSettings = AlertSettings()
    metrics: MetricsSettings = MetricsSettings()
    generic: GenericSettings = GenericSettings()
    venues: VenuesSettings = VenuesSettings()


def require_consents(settings: Settings, *, live: bool) -> None:
    """Raise `ConfigError` unless both consents to real orders are given; `live`: the one on the command line."""
    missing = [] if settings.live.enabled else ["[live] enabled = true in the settings"]
    missing += [] if live else ["--live on the command line"]
    if missing:
        raise ConfigError(
            f"--mode live: sends real orders, and needs your consent twice: {' and '.join(missing)} missing"
        )
