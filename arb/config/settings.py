"""What a user may set: the typed settings, with safe defaults.

Limits, times and the repair policy are declared by the core that obeys them; here is what concerns a run, the
stores and the venues. No setting holds a secret: keys are named by the environment variable that holds them.
"""

from decimal import Decimal
from enum import StrEnum

import msgspec

from arb.core.settings import HealthLimits, Limits, RepairPolicy, Timing
from arb.errors import ConfigError
from arb.venues.endpoints import OrderEntry


class Mode(StrEnum):
    """Where market data comes from and where orders go."""

    SANDBOX = "sandbox"
    PAPER = "paper"
    LIVE = "live"


class LogLevel(StrEnum):
    """The least severe message that is still logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class RunSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What a run trades, and how it speaks. All symbols share one quote, which `report_currency` names."""

    mode: Mode = Mode.SANDBOX
    symbols: tuple[str, ...] = ("BTC/USDT", "ETH/USDT", "SOL/USDT", "DOGE/USDT", "NOVA/USDT")
    report_currency: str = "USDT"
    log_level: LogLevel = LogLevel.INFO


class StoreSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where the ledger and the journal lie, and for how long; an empty `url` means `sqlite:///var/MODE.sqlite`."""

    url: str = ""
    journal_dir: str = "var"
    keep_untraded_days: int = 90
    keep_story_days: int = 90


class LiveSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One of the two consents that real orders need; the other is `--live` on the command line."""

    enabled: bool = False


class VenueSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One venue: where its keys are, and the guards that stand next to its signer.

    `symbols` empty means all of `[run] symbols`. `passphrase_env` is empty where the venue knows no passphrase.
    """

    enabled: bool = True
    symbols: tuple[str, ...] = ()
    key_env: str
    secret_env: str
    passphrase_env: str = ""
    hosts: tuple[str, ...]
    max_order_value_quote: Decimal = Decimal(5000)
    max_orders_per_minute: int = 600
    dedicated_account: bool = False
    withdrawal_disabled_confirmed: bool = False


class SocketVenueSettings(VenueSettings, frozen=True, kw_only=True):
    """One venue that also takes orders over a websocket."""

    order_entry: OrderEntry = OrderEntry.REST


class VenuesSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The venues that have an adapter of their own."""

    gate: SocketVenueSettings = SocketVenueSettings(
        key_env="GATE_API_KEY", secret_env="GATE_API_SECRET", hosts=("api.gateio.ws",)
    )
    okx: SocketVenueSettings = SocketVenueSettings(
        key_env="OKX_API_KEY",
        secret_env="OKX_API_SECRET",
        passphrase_env="OKX_API_PASSPHRASE",
        hosts=("www.okx.com", "ws.okx.com"),
    )
    bitget: VenueSettings = VenueSettings(
        key_env="BITGET_API_KEY",
        secret_env="BITGET_API_SECRET",
        passphrase_env="BITGET_API_PASSPHRASE",
        hosts=("api.bitget.com", "ws.bitget.com"),
    )

    def enabled(self) -> dict[str, VenueSettings]:
        """Return the enabled venues by name, in the order of their declaration."""
        every = {name: getattr(self, name) for name in self.__struct_fields__}
        return {name: venue for name, venue in every.items() if venue.enabled}

    def order_entry(self, venue: str) -> OrderEntry:
        """Return how orders go to a venue; over REST where it knows nothing else."""
        chosen = getattr(self, venue)
        return chosen.order_entry if isinstance(chosen, SocketVenueSettings) else OrderEntry.REST


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """All of config.toml; every table is optional."""

    run: RunSettings = RunSettings()
    limits: Limits = Limits()
    timing: Timing = Timing()
    repair: RepairPolicy = RepairPolicy()
    health: HealthLimits = HealthLimits()
    store: StoreSettings = StoreSettings()
    live: LiveSettings = LiveSettings()
    venues: VenuesSettings = VenuesSettings()


def database_url(settings: Settings, mode: str, override: str | None = None) -> str:
    """Return the ledger's URL: `override` (from `--db`), else `[store] url`, else the mode's own SQLite file.

    Raises `ConfigError` for what is neither SQLite nor PostgreSQL.
    """
    url = override or settings.store.url or f"sqlite:///var/{mode}.sqlite"
    problem = url_problem(url)
    if problem is not None:
        raise ConfigError(f"{'--db' if override else '[store] url'}: {problem}")
    return url


def url_problem(url: str) -> str | None:
    """Say what is wrong with a database URL, or None."""
    backend = url.partition("://")[0].partition("+")[0]
    if "://" not in url or backend not in ("sqlite", "postgresql"):
        return (
            f"{mask_url(url)!r} is no database URL this engine knows: give sqlite:///PATH or "
            "postgresql://USER@HOST/DATABASE"
        )
    if backend == "sqlite" and not url.partition(":///")[2]:
        return f"{url!r} names no file: give sqlite:///PATH (the journal lies beside it)"
    return None


def mask_url(url: str) -> str:
    """Return `url` with its password, if any, replaced by `***`."""
    scheme, separator, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    userinfo, at, host = authority.rpartition("@")
    if at and ":" in userinfo:
        authority = f"{userinfo.partition(':')[0]}:***@{host}"
    masked = f"{scheme}{separator}{authority}{slash}{path}"
    head, mark, query = masked.partition("?")
    if not mark:
        return masked
    words = [f"{word.partition('=')[0]}=***" if "pass" in word.lower() else word for word in query.split("&")]
    return f"{head}?{'&'.join(words)}"
