"""What a user may set: the typed settings, with safe defaults.

Limits, times and the repair policy are declared by the core that obeys them; here is what concerns a run, the
stores and the venues. No setting holds a secret: keys are named by the environment variable that holds them.
"""

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import msgspec

from arb.clock import NS_PER_MS
from arb.config.values import Fee, fee_ratio
from arb.core.settings import ChoiceRules, FastBooks, HealthLimits, InventoryBands, Limits, Ramp, RepairPolicy, Timing
from arb.errors import ConfigError
from arb.market.numbers import plain
from arb.venues.addresses import AddressOverrides, PublicOverrides, resolve_site
from arb.venues.endpoints import GLOBAL, Environment, OrderEntry, Site
from arb.venues.registry import SPECS, spec_of
from arb.venues.rules.key_rights import KeyPolicy
from arb.venues.spec import VenueSpec
from arb.venues.transport.proxy import Proxy, parse_proxy


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


AUTO = ("auto",)
"""In the place of symbols: chosen by `[run.auto]`."""


class RunSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What a run trades, and how it speaks. All symbols share one quote, which `report_currency` names.

    `coins_file` is a table of coins of the user's own (`config/coins.py`); empty for none. `symbols` is
    `AUTO` where a run is to choose them at its start and each day, by the rules of `auto`.
    """

    mode: Mode = Mode.SANDBOX
    symbols: tuple[str, ...] = ("BTC/USDT", "ETH/USDT", "SOL/USDT", "DOGE/USDT", "NOVA/USDT")
    report_currency: str = "USDT"
    log_level: LogLevel = LogLevel.INFO
    coins_file: str = ""
    auto: ChoiceRules = ChoiceRules()

    @property
    def chooses(self) -> bool:
        """Return whether the symbols are still to be chosen."""
        return self.symbols == AUTO


class CoinSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the user knows of coins: `overrides` as lines `"VENUE:TICKER" = "same as VENUE:TICKER"` (`config/coins.py`).

    `lists` is a folder with currency lists that the user saved, `VENUE.json` each (`config/saved_lists.py`); empty for none.
    `keyed`: where orders are not sent, too, keys are read, for the currency lists of venues that show theirs to a key alone.
    """

    overrides: dict[str, str] = {}
    lists: str = ""
    keyed: bool = False


MODE_FILE = "/MODE.sqlite"
DEFAULT_URL = f"sqlite:///var{MODE_FILE}"


class StoreSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where the ledger and the journal lie, and for how long; a `url` that ends in `/MODE.sqlite` is a file for each mode."""

    url: str = DEFAULT_URL
    journal_dir: str = "var"
    keep_untraded_days: int = 90
    keep_story_days: int = 90


class NetworkSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The way to the venues; without a proxy the direct one."""

    proxy: str = ""

    def way_out(self) -> Proxy | None:
        """Return the proxy, if one is set; raises `ConfigError`, which does not show it."""
        try:
            return parse_proxy(self.proxy) if self.proxy else None
        except ValueError as error:
            raise ConfigError(f"[network] proxy: {error}") from None


class LoopSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How the engine's loop waits, and who keeps the books; `spin` polls, takes a processor, and wakes up sooner."""

    spin: bool = False
    fast_books: FastBooks = "auto"


class LiveSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One of the two consents that real orders need; the other is `--live` on the command line. And how they grow at first.

    A pair with real orders pays `ramp_start_quote` at most, twice that after `ramp_pairs` clean ones, and so on up to
    `[limits] max_notional_quote`; `ramp_pairs` 0: that from the first pair on.
    """

    enabled: bool = False
    ramp_start_quote: Decimal = Decimal(50)
    ramp_pairs: int = 20

    def ramp(self) -> Ramp | None:
        """Return what the engine is given of it."""
        return Ramp(self.ramp_start_quote, self.ramp_pairs) if self.ramp_pairs else None


DEMO_BEGIN = "DEMO_"


class VenueSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One venue, as far as its public data go: nothing else is needed where these alone are read.

    `symbols` empty means all of `[run] symbols`, `hosts` empty those of `environment` and `region`. `key_env`, `secret_env`:
    what holds its key, if there is one; where orders are not sent it is for the currency list (`[coins] keyed`).
    """

    enabled: bool = False
    environment: Environment = Environment.PRODUCTION
    region: str = GLOBAL
    symbols: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    endpoints: PublicOverrides = PublicOverrides()
    key_env: str = ""
    secret_env: str = ""

    def key_names(self) -> dict[str, str]:
        """Return under which names the key, its secret and its passphrase, if any, are found; a demo's begin with `DEMO_`.

        So both keys of a venue may stand side by side, and neither is ever sent where the other belongs. None where no key is
        of use.
        """
        begin = "" if self.environment is Environment.PRODUCTION else DEMO_BEGIN
        return {part: begin + name for part, name in self._named().items() if name}

    def every_key_name(self) -> tuple[str, ...]:
        """Return the names under which its keys are found in any environment."""
        own = tuple(filter(None, self._named().values()))
        return (*own, *(DEMO_BEGIN + name for name in own))

    def _named(self) -> dict[str, str]:
        return {"key": self.key_env, "secret": self.secret_env}


class TradedVenueSettings(VenueSettings, frozen=True, kw_only=True):
    """One venue that orders can be sent to: where its keys are, and the guards that stand next to its signer.

    `passphrase_env` is empty where the venue knows no passphrase. `fee_asset_prices_quote`: what one unit of an asset that the
    venue takes fees from (Gate: GT, POINT; Bitget: BGB) counts where no book that is traded shows its price.
    """

    enabled: bool = True
    passphrase_env: str = ""
    max_order_value_quote: Decimal = Decimal(5000)
    max_orders_per_minute: int = 1200
    dedicated_account: bool = False
    withdrawal_disabled_confirmed: bool = False
    unbound_key_allowed: bool = False
    borrowing_allowed: bool = False
    fee_asset_prices_quote: dict[str, Decimal] = {}
    endpoints: AddressOverrides = AddressOverrides()

    def key_policy(self) -> KeyPolicy:
        """Return what the user has confirmed and allowed of the venue's key."""
        return KeyPolicy(
            withdrawal_disabled_confirmed=self.withdrawal_disabled_confirmed,
            unbound_key_allowed=self.unbound_key_allowed,
            borrowing_allowed=self.borrowing_allowed,
        )

    def _named(self) -> dict[str, str]:
        return {**super()._named(), "passphrase": self.passphrase_env}


class SocketVenueSettings(TradedVenueSettings, frozen=True, kw_only=True):
    """One venue that also takes orders over a websocket."""

    order_entry: OrderEntry = OrderEntry.REST


class GenericSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Exchanges that ccxt knows, by its names: shown and recorded, never traded on."""

    venues: tuple[str, ...] = ()


class VenuesBase(msgspec.Struct, frozen=True, kw_only=True):
    """The venues: a field each, made from the list of venues."""

    def every(self) -> dict[str, VenueSettings]:
        """Return all venues by name, in the order of their declaration."""
        return {name: getattr(self, name) for name in self.__struct_fields__}

    def enabled(self) -> dict[str, VenueSettings]:
        """Return the enabled ones."""
        return {name: venue for name, venue in self.every().items() if venue.enabled}

    def traded(self) -> dict[str, TradedVenueSettings]:
        """Return those of the enabled ones that orders can be sent to."""
        return {name: venue for name, venue in self.enabled().items() if isinstance(venue, TradedVenueSettings)}

    @property
    def are_demos(self) -> bool:
        """Return whether no enabled venue trades real money, but a demo or a test network does; else all of them do."""
        return any(venue.environment is not Environment.PRODUCTION for venue in self.enabled().values())

    def on_demo(self) -> Self:
        """Return these settings with every enabled venue's demo in the place of what they name, or its test network.

        Raises `ConfigError` where a venue has neither, and for a region or an address that its demo has not.
        """
        changed = {}
        for name, venue in self.enabled().items():
            known = {site.environment for site in spec_of(name).sites}
            demo = Environment.DEMO if Environment.DEMO in known else Environment.TESTNET
            changed[name] = msgspec.structs.replace(venue, environment=demo)
        found = msgspec.structs.replace(self, **changed)
        for name in changed:
            found.site(name)
        return found

    def site(self, venue: str) -> Site:
        """Return where a venue is reached: addresses, headers, the hosts a key may go to, environment and region.

        Raises `ConfigError` for settings that no site of the venue fits.
        """
        chosen = self.every()[venue]
        return resolve_site(spec_of(venue), chosen.environment, chosen.region, chosen.endpoints, chosen.hosts)

    def order_entry(self, venue: str) -> OrderEntry:
        """Return how orders go to a venue; over REST where it knows nothing else."""
        chosen = getattr(self, venue)
        return chosen.order_entry if isinstance(chosen, SocketVenueSettings) else OrderEntry.REST


def _defaults(spec: VenueSpec) -> VenueSettings:
    """Return the settings of a venue that the user says nothing of: production, and keys by its name, where one has a use."""
    prefix = spec.name.upper()
    if spec.trading is None:
        has_use = spec.currency_key is not None
        return VenueSettings(
            key_env=f"{prefix}_API_KEY" if has_use else "", secret_env=f"{prefix}_API_SECRET" if has_use else ""
        )
    kind = SocketVenueSettings if spec.trading.make_order_socket is not None else TradedVenueSettings
    return kind(
        key_env=f"{prefix}_API_KEY",
        secret_env=f"{prefix}_API_SECRET",
        passphrase_env=f"{prefix}_API_PASSPHRASE" if spec.trading.has_passphrase else "",
    )


if TYPE_CHECKING:

    class PaperFees(msgspec.Struct, frozen=True, kw_only=True):
        """What a checker can know of the structures below: that they have a value for every venue."""

        def __getattr__(self, name: str) -> Fee: ...

    class PaperLatency(msgspec.Struct, frozen=True, kw_only=True):
        """As `PaperFees`."""

        def __getattr__(self, name: str) -> int: ...

else:
    _PUBLIC = {spec.name: Fee(f"{plain(100 * spec.public_taker_fee)}%") for spec in SPECS}
    PaperFees = msgspec.defstruct(
        "PaperFees", [(name, Fee, fee) for name, fee in _PUBLIC.items()], frozen=True, kw_only=True
    )
    PaperLatency = msgspec.defstruct("PaperLatency", [(name, int, 0) for name in _PUBLIC], frozen=True, kw_only=True)


class PaperSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What is simulated in paper trading.

    `fees`: what a taker pays at each venue, with its unit; by default what the venue's public schedule says. `latency_ms`: an
    order's way to each venue, and that of its answer back; 0: measured. `balances`: what a new account is given, by asset;
    none: what each asset is to be worth follows from `[limits] max_notional_quote`.
    """

    fees: PaperFees = PaperFees()
    latency_ms: PaperLatency = PaperLatency()
    balances: dict[str, Decimal] = {}

    def taker_fee(self, venue: str) -> Decimal:
        """Return what a taker pays at a venue, as a ratio."""
        return fee_ratio(getattr(self.fees, venue))

    def latency_ns(self, venue: str) -> int | None:
        """Return an order's way to a venue; None: it is to be measured."""
        chosen: int = getattr(self.latency_ms, venue)
        return chosen * NS_PER_MS or None


if TYPE_CHECKING:

    class VenuesSettings(VenuesBase, frozen=True, kw_only=True):
        """What a checker can know of the structure below: that every venue's settings are such settings."""

        def __getattr__(self, name: str) -> VenueSettings: ...

else:
    _FIELDS = [(spec.name, type(default), default) for spec in SPECS for default in (_defaults(spec),)]
    VenuesSettings = msgspec.defstruct("VenuesSettings", _FIELDS, bases=(VenuesBase,), frozen=True, kw_only=True)


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """All of config.toml; every table is optional."""

    run: RunSettings = RunSettings()
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
    generic: GenericSettings = GenericSettings()
    venues: VenuesSettings = VenuesSettings()


EMBEDDED = "embedded"
"""In the place of a sandbox's address: one of our own."""


def require_consents(settings: Settings, *, live: bool) -> None:
    """Raise `ConfigError` unless both consents to real orders are given; `live`: the one on the command line."""
    missing = [] if settings.live.enabled else ["[live] enabled = true in the settings"]
    missing += [] if live else ["--live on the command line"]
    if missing:
        raise ConfigError(
            f"--mode live: sends real orders, and needs your consent twice: {' and '.join(missing)} missing"
        )


class RunOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`arb run`. `for_s` counts from the first live book on two venues; None: until a signal.

    `sandbox` is the admin URL of a running sandbox to trade on, or `EMBEDDED`; None: an embedded one, but for paper the real
    venues. `seed` None: drawn at start. `db` overrides the ledger's URL. `live` is the consent given on the command line.
    `tape`: a file to be made, into which every frame and event goes.
    """

    mode: Mode
    for_s: float | None = None
    seed: int | None = None
    db: str | None = None
    sandbox: str | None = None
    live: bool = False
    tape: Path | None = None


class ReplayOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`arb replay DAYS...`: files, and folders of tapes.

    `journal`: that of the run whose tape it is, where it does not lie in its mode's place. `latency_ms`: how long an order
    travels to a simulated venue, and its answer back; `fee_bps`: what every venue charges; `overrides`: settings that take the
    place of those replayed under, as `KEY=VALUE`. Any of these on the tape of a run, or a `seed`, is a what-if. `config_given`:
    whether the settings were named on the command line. `paper`: compare a run with paper on its frames.
    """

    files: tuple[Path, ...]
    db: str | None = None
    seed: int | None = None
    journal: Path | None = None
    latency_ms: int | None = None
    fee_bps: Decimal | None = None
    overrides: tuple[str, ...] = ()
    config_given: bool = False
    paper: bool = False


class SweepOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`arb sweep TAPES...`.

    `sets`: texts KEY=VALUE,VALUE,...; `fees_bps`, `latencies_ms`: each as it was written, and what it means. `out`: the file of
    results. `jobs`: how many processes. `hold_out`: days, by number or date. `dask`: the scheduler's address; `dask_tls`: the
    files of authority, certificate and key. `config_given`: --config stood on the command line.
    """

    tapes: tuple[Path, ...]
    sets: tuple[str, ...] = ()
    fees_bps: tuple[tuple[str, Decimal], ...] = ()
    latencies_ms: tuple[tuple[str, int], ...] = ()
    out: Path
    jobs: int = 1
    hold_out: str | None = None
    max_sets: int = 100_000
    dask: str | None = None
    dask_tls: tuple[Path, Path, Path] | None = None
    config_given: bool = False


class ReviewOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`arb status`, `arb pairs`, `arb explain ID`, `arb export`: whose ledger to read, and what of it.

    `rows`: which are meant, as written by the user (`arb/store/selection.py`); `every`: of alerts, acknowledged ones, too.
    """

    mode: str
    db: str | None = None
    rows: Mapping[str, Any] = {}
    limit: int = 20
    ident: str | None = None
    every: bool = False
    parquet: Path | None = None


class UiOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`arb ui`: whose ledger, at which port of 127.0.0.1 (0: any free one), and whether the page may steer the engine."""

    mode: str
    db: str | None = None
    port: int
    allow_control: bool = False


class RebalanceOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`arb rebalance`: whose ledger, which asset (None: all that have a band), and what a move may cost per what arrives, >= 0.

    `fees`: what is stated of withdrawing an asset from a venue, by both, where its currency list does not say.
    """

    mode: str
    db: str | None = None
    asset: str | None = None
    max_cost_bps: Decimal = Decimal(100)
    fees: dict[tuple[str, str], Decimal] = {}


class ControlOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`arb halt`, `arb flatten`, `arb resume --reason TEXT`, `arb alerts ack ID`: which engine, by its journal, and why.

    `allow_loss`: what may be lost, in quote, from a resumption until the UTC day ends; None: what was allowed before. `ident`:
    which alert, as written by the user, and `by` whom it is acknowledged.
    """

    mode: str
    db: str | None = None
    reason: str
    allow_loss: Decimal | None = None
    ident: str = ""
    by: str = ""


class RecordOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`arb record`: into which folder, and when the next segment begins.

    That is at the multiples of `every_s` seconds in UTC, and once a segment has `size_bytes` on disk. `for_s` counts from the
    start; None: until a signal. `sandbox` is the admin URL of a running sandbox, or `EMBEDDED`; None: the real venues.
    """

    out: Path
    every_s: float
    size_bytes: int
    for_s: float | None = None
    sandbox: str | None = None


class DoctorOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`arb doctor`: which venues (none: all that are enabled), by whose addresses (see `RecordOptions.sandbox`), whose rights.

    `config`: the file that the settings are from, or would be.
    """

    venues: tuple[str, ...] = ()
    sandbox: str | None = None
    config: Path


class MarketsOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`arb markets`: what of it is shown; None: as `[run.auto]` and `[run] report_currency` say.

    `why`: one symbol, of which all is shown. `write`: put what is chosen into `config`. `watch`: look again `every_s` seconds,
    for `for_s` or until a signal. `sandbox`: see `RecordOptions.sandbox`.
    """

    min_venues: int | None = None
    top: int | None = None
    quote: str | None = None
    why: str | None = None
    write: bool = False
    watch: bool = False
    every_s: float = 30.0
    for_s: float | None = None
    sandbox: str | None = None
    config: Path

    def rules(self) -> dict[str, int]:
        """Return what is given of the rules."""
        given = {"min_venues": self.min_venues, "top": self.top}
        return {name: value for name, value in given.items() if value is not None}
