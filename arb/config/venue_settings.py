"""The settings of venues and of paper trading: one table or key for each venue in the list of venues."""

from collections.abc import Collection
from decimal import Decimal
from typing import TYPE_CHECKING, Self

import msgspec

from arb.clock import NS_PER_MS
from arb.config.values import Fee, fee_ratio
from arb.errors import ConfigError
from arb.market.numbers import plain
from arb.venues.kit.addresses import AddressOverrides, resolve_site
from arb.venues.kit.endpoints import GLOBAL, Environment, OrderEntry, Site
from arb.venues.kit.rules.key_rights import KeyPolicy
from arb.venues.kit.spec import VenueSpec
from arb.venues.registry import SPECS, spec_of

DEMO_BEGIN = "DEMO_"


def _of_companion(name: str) -> str:
    return name.replace("_API_", "_WATCH_API_") if "_API_" in name else f"WATCH_{name}"


class VenueSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One venue: its symbols, its addresses, the names of its key, and the guards next to its signer.

    Empty `symbols` means all of `[run] symbols`; empty `hosts` means the hosts of `environment` and `region`. `key_env`,
    `secret_env` and `passphrase_env` name the variables that hold its key; the last is empty where the venue has no
    passphrases. `fee_asset_prices_quote`: the price of an asset that pays the venue's fees (Gate: GT, POINT; Bitget: BGB),
    used where no traded book shows it.
    """

    enabled: bool = True
    environment: Environment = Environment.PRODUCTION
    region: str = GLOBAL
    symbols: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    endpoints: AddressOverrides = AddressOverrides()
    key_env: str = ""
    secret_env: str = ""
    passphrase_env: str = ""
    max_order_value_quote: Decimal = Decimal(5000)
    max_orders_per_minute: int = 1200
    dedicated_account: bool = False
    withdrawal_disabled_confirmed: bool = False
    unbound_key_allowed: bool = False
    borrowing_allowed: bool = False
    fee_asset_prices_quote: dict[str, Decimal] = {}

    def key_names(self) -> dict[str, str]:
        """Return the names of the key, its secret and its passphrase, by part; a demo's names begin with `DEMO_`.

        So a venue's real key and its demo key can both exist, and neither is ever sent to the other's hosts.
        """
        begin = "" if self.environment is Environment.PRODUCTION else DEMO_BEGIN
        return {part: begin + name for part, name in self._named().items() if name}

    def every_key_name(self) -> tuple[str, ...]:
        """Return the names of its keys, and of the companion's, in all environments."""
        engine = tuple(filter(None, self._named().values()))
        own = (*engine, *map(_of_companion, engine))
        return (*own, *(DEMO_BEGIN + name for name in own))

    def of_companion(self) -> Self:
        """Return these settings with the names of the companion's keys: GATE_WATCH_API_KEY in place of GATE_API_KEY."""
        changed = {f"{part}_env": _of_companion(name) for part, name in self._named().items() if name}
        return msgspec.structs.replace(self, **changed)

    def key_policy(self) -> KeyPolicy:
        """Return the user's confirmations and permissions for the venue's key."""
        return KeyPolicy(
            withdrawal_disabled_confirmed=self.withdrawal_disabled_confirmed,
            unbound_key_allowed=self.unbound_key_allowed,
            borrowing_allowed=self.borrowing_allowed,
        )

    def _named(self) -> dict[str, str]:
        return {"key": self.key_env, "secret": self.secret_env, "passphrase": self.passphrase_env}


class SocketVenueSettings(VenueSettings, frozen=True, kw_only=True):
    """One venue that also takes orders over a websocket."""

    order_entry: OrderEntry = OrderEntry.REST


class GenericSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Exchanges that ccxt knows, by its names: shown and recorded, never traded on."""

    venues: tuple[str, ...] = ()


class VenuesBase(msgspec.Struct, frozen=True, kw_only=True):
    def every(self) -> dict[str, VenueSettings]:
        return {name: getattr(self, name) for name in self.__struct_fields__}

    def enabled(self) -> dict[str, VenueSettings]:
        return {name: venue for name, venue in self.every().items() if venue.enabled}

    def only(self, names: Collection[str]) -> Self:
        """Return these settings with the named venues enabled and no others; raises `ConfigError` for unknown ones."""
        if unknown := [name for name in names if name not in self.every()]:
            raise ConfigError(f"--venues: {', '.join(unknown)}: no such venue: there are {', '.join(self.every())}")
        chosen = {name: msgspec.structs.replace(v, enabled=name in names) for name, v in self.every().items()}
        return msgspec.structs.replace(self, **chosen)

    @property
    def are_demos(self) -> bool:
        """Return whether the enabled venues are demos or test networks; they are never mixed with real ones."""
        return any(venue.environment is not Environment.PRODUCTION for venue in self.enabled().values())

    def on_demo(self) -> Self:
        """Return these settings with every enabled venue on its demo or test network.

        Raises `ConfigError` where a venue has neither, and for a region or an address that its demo does not have.
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

        Raises `ConfigError` for settings that fit no site of the venue.
        """
        chosen = self.every()[venue]
        return resolve_site(spec_of(venue), chosen.environment, chosen.region, chosen.endpoints, chosen.hosts)

    def order_entry(self, venue: str) -> OrderEntry:
        """Return how orders are sent to a venue: over REST where it has no order socket."""
        chosen = getattr(self, venue)
        return chosen.order_entry if isinstance(chosen, SocketVenueSettings) else OrderEntry.REST


def _defaults(spec: VenueSpec) -> VenueSettings:
    """Return a venue's default settings: production, and key names made of the venue's name."""
    prefix = spec.name.upper()
    kind = SocketVenueSettings if spec.trading.make_order_socket is not None else VenueSettings
    return kind(
        enabled=spec.used_by_default,
        key_env=f"{prefix}_API_KEY",
        secret_env=f"{prefix}_API_SECRET",
        passphrase_env=f"{prefix}_API_PASSPHRASE" if spec.trading.has_passphrase else "",
    )


if TYPE_CHECKING:

    class PaperFees(msgspec.Struct, frozen=True, kw_only=True):
        """For type checkers only: the structures below have a value for every venue."""

        def __getattr__(self, name: str) -> Fee: ...

    class PaperLatency(msgspec.Struct, frozen=True, kw_only=True):
        def __getattr__(self, name: str) -> int: ...

else:
    _PUBLIC = {spec.name: Fee(f"{plain(100 * spec.public_taker_fee)}%") for spec in SPECS}
    PaperFees = msgspec.defstruct(
        "PaperFees", [(name, Fee, fee) for name, fee in _PUBLIC.items()], frozen=True, kw_only=True
    )
    PaperLatency = msgspec.defstruct("PaperLatency", [(name, int, 0) for name in _PUBLIC], frozen=True, kw_only=True)


class PaperSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The simulation in paper trading.

    `fees`: the taker fee at each venue, with its unit; by default that of the venue's public schedule. `latency_ms`: the
    time that an order takes to each venue, and its answer back; 0: measured. `balances`: the first balances of a new
    account, by asset; if there are none, they follow from `[limits] max_notional_quote`.
    """

    fees: PaperFees = PaperFees()
    latency_ms: PaperLatency = PaperLatency()
    balances: dict[str, Decimal] = {}

    def taker_fee(self, venue: str) -> Decimal:
        return fee_ratio(getattr(self.fees, venue))

    def latency_ns(self, venue: str) -> int | None:
        """Return the time that an order takes to a venue; None: measure it."""
        chosen: int = getattr(self.latency_ms, venue)
        return chosen * NS_PER_MS or None


if TYPE_CHECKING:

    class VenuesSettings(VenuesBase, frozen=True, kw_only=True):
        """For type checkers only: the structure below has a field for every venue."""

        def __getattr__(self, name: str) -> VenueSettings: ...

else:
    _FIELDS = [(spec.name, type(default), default) for spec in SPECS for default in (_defaults(spec),)]
    VenuesSettings = msgspec.defstruct("VenuesSettings", _FIELDS, bases=(VenuesBase,), frozen=True, kw_only=True)
