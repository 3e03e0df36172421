"""The parts of a run: the engine's settings, gateways to a sandbox's venues, the opened journal, a ledger in order."""

import contextlib
import logging
import random
from collections.abc import AsyncIterator, Callable, Container, Iterable, Mapping, Sequence, Sized
from decimal import Decimal
from itertools import combinations
from typing import Any

import msgspec

from arb.app.timing import require_timing
from arb.clock import Clock
from arb.config import EMBEDDED, Mode, Settings
from arb.config.ledger_url import DEMO
from arb.core.books.books import Books
from arb.core.messages.recovery_records import OpenPair
from arb.core.messages.settings import CoinRule, Limits
from arb.core.state.engine_state import EngineSettings, VenueProfile
from arb.core.state.identity import RouteIdentities
from arb.errors import ConfigError, StoreError
from arb.live.embedded import Sandbox
from arb.market.ids import named_by_venue
from arb.market.route import Route
from arb.masking import SECRETS
from arb.sandbox.registry import SPECS as SIMULATED
from arb.sandbox.registry import VENUE_NAMES
from arb.store.journal.account_file import AccountFile
from arb.store.journal.journal import Journal
from arb.store.ledger.ledger import prepare_ledger
from arb.venues.build import GatewayLimits, build_gateway, build_paper_source, venue_profile
from arb.venues.kit.addresses import origins_of
from arb.venues.kit.base import OrderGateway
from arb.venues.kit.endpoints import Credentials, Environment, Site, sandbox_access
from arb.venues.kit.rules.pacing import AddressAllowance
from arb.venues.paper.account import PaperAccount
from arb.venues.paper.gateway import PaperGateway
from arb.venues.registry import spec_of
from arb.venues.transport.network import Network
from arb.venues.transport.way import require_bind, require_proxy

log = logging.getLogger(__name__)

PROXY_TIMEOUT_S = 5.0
SANDBOX = Mode.SANDBOX.value
OPENING_PAIRS = 10
"""The balance of a new paper account, of each asset, in pairs of `max_notional_quote`."""
NO_FEE = Decimal(0)
"""The fee where nothing is traded."""
ENGINE_TABLES = ("limits", "timing", "repair", "health", "inventory")
"""The tables an engine is built from, by the same names in its own settings."""


class RunKind(msgspec.Struct, frozen=True):
    """`demos`: by the settings the venues are demos or test networks; `sandbox`: a sandbox simulates them."""

    mode: Mode
    demos: bool
    sandbox: bool

    @property
    def recorded(self) -> str:
        """Return the mode as `runs.mode` has it: orders to demo accounts are a separate mode."""
        return DEMO if self.mode is Mode.LIVE and self.demos else self.mode.value

    @property
    def meant(self) -> Environment:
        return Environment.DEMO if self.demos else Environment.PRODUCTION

    @property
    def environment(self) -> str:
        """Return the kind of the venues: a sandbox, demos (test networks, too), or real."""
        return SANDBOX if self.sandbox else self.meant.value

    @property
    def mark(self) -> str:
        """Return the mark at the head of all that a run prints; "" for a run that needs none."""
        if self.mode is Mode.SANDBOX:
            return ""
        if self.mode is Mode.PAPER:
            return "PAPER DEMO" if self.environment == Environment.DEMO else "PAPER"
        return self.recorded.upper() + " ON A SANDBOX" * self.sandbox

    def require(self, journal: Journal) -> None:
        """Raise `ConfigError` where a ledger is of another kind than the run; its journal's first run fixes the kind."""
        with contextlib.closing(journal.reader()) as reader:
            first = reader.first_run()
        if first is None:
            return
        ours, theirs = _called(self.recorded, self.sandbox), _called(first.mode, first.sandbox_id is not None)
        if ours != theirs:
            raise ConfigError(
                f"ledger: it holds runs of {theirs}, and this one is of {ours}; figures of both would mix: choose another --db"
            )


def _called(mode: str, sandbox: bool) -> str:
    return f"mode {mode!r}" + " on a sandbox's books" * (sandbox and mode != SANDBOX)


def symbols_of(settings: Settings, venue: str) -> tuple[str, ...]:
    chosen = settings.venues.enabled()[venue].symbols
    return tuple(symbol for symbol in settings.run.symbols if symbol in chosen) if chosen else settings.run.symbols


def sandbox_venues(settings: Settings, sandbox: Sandbox) -> dict[str, tuple[Site, Credentials]]:
    announced = sandbox.announced["venues"]
    return {venue: sandbox_access(venue, announced[venue]) for venue in settings.venues.enabled() if venue in announced}


def sites_of(settings: Settings, sandbox: Sandbox | None) -> dict[str, Site]:
    """Return where the enabled venues are reached: at a sandbox, or for None the real ones."""
    if sandbox is not None:
        return {venue: site for venue, (site, _) in sandbox_venues(settings, sandbox).items()}
    return {venue: settings.venues.site(venue) for venue in settings.venues.enabled()}


def require_two(venues: Sized) -> None:
    if len(venues) < 2:
        raise ConfigError("[venues]: fewer than two venues are enabled, and arbitrage needs two: enable another")


def simulated(settings: Settings) -> tuple[str, ...]:
    """Return the venues of an embedded sandbox: its usual ones, and others that are enabled."""
    return tuple(name for name in SIMULATED if name in VENUE_NAMES or name in settings.venues.enabled())


def warn_of_unsimulated(settings: Settings, sandbox: Sandbox) -> None:
    """Warn of enabled venues that a sandbox does not simulate and therefore omits."""
    missing = sorted(settings.venues.enabled().keys() - sandbox.announced["venues"].keys())
    if missing:
        log.warning("%s: the sandbox has no simulated exchange of that name: omitted", ", ".join(missing))


def gateway_limits(settings: Settings, venue: str) -> GatewayLimits:
    chosen = settings.venues.enabled()[venue]
    return GatewayLimits(
        symbols=symbols_of(settings, venue),
        max_order_value_quote=chosen.max_order_value_quote,
        max_orders_per_minute=chosen.max_orders_per_minute,
        key=chosen.key_policy(),
    )


def build_sandbox_gateways(
    settings: Settings, sandbox: Sandbox, clock: Clock, rng: random.Random, network: Network
) -> dict[str, OrderGateway]:
    """Return a gateway for every enabled venue of a sandbox, whose secrets are masked from here on."""
    SECRETS.hide(
        value
        for venue in sandbox.announced["venues"].values()
        for name, value in venue.items()
        if name in ("key", "secret", "passphrase")
    )
    gateways: dict[str, OrderGateway] = {}
    for venue, (site, credentials) in sandbox_venues(settings, sandbox).items():
        gateways[venue] = build_gateway(
            spec_of(venue),
            site,
            credentials,
            clock=clock,
            rng=rng,
            limits=gateway_limits(settings, venue),
            sandbox_id=sandbox.sandbox_id,
            network=network,
            entry=settings.venues.order_entry(venue),
            expiry_proved=True,  # a sandbox refuses expired orders
        )
    return gateways


def build_paper_gateways(
    settings: Settings,
    sites: Mapping[str, Site],
    accounts: AccountFile,
    books: Callable[[], Books],
    clock: Clock,
    rng: random.Random,
    network: Network,
    sandbox_id: str | None,
    addresses: Mapping[str, AddressAllowance],
    list_keys: Mapping[str, Credentials],
) -> dict[str, PaperGateway]:
    """Return a gateway that simulates an account at every venue; none of them can reach one with an order.

    `addresses`: shared with the venues' public connections. `list_keys`: for the currency lists, by venue. A new
    account is given `[paper] balances`, else the cost of `OPENING_PAIRS` of the largest pairs in each asset.
    """
    paper = settings.paper
    gateways: dict[str, PaperGateway] = {}
    for venue, site in sites.items():
        account_id = named_by_venue(venue, f"paper{accounts.token}", sandbox_id)
        fee = paper.taker_fee(venue)
        gateways[venue] = PaperGateway(
            build_paper_source(
                spec_of(venue),
                site,
                fee,
                clock=clock,
                rng=rng,
                network=network,
                address=addresses[venue],
                list_key=list_keys.get(venue),
            ),
            PaperAccount(account_id, accounts, clock.wall_ns()),
            venue,
            books,
            clock=clock,
            latency_ns=paper.latency_ns(venue),
            opening=paper.balances or OPENING_PAIRS * settings.limits.max_notional_quote,
        )
    return gateways


@contextlib.asynccontextmanager
async def venues_of(settings: Settings, sandbox: str | None) -> AsyncIterator[tuple[dict[str, Site], Sandbox | None]]:
    """Yield the sites of the enabled venues, and their sandbox, if any; raises `ConfigError` where none is enabled.

    `sandbox`: the admin URL of a running one, or `EMBEDDED`, which ends with the block; None: the real venues.
    """
    if not settings.venues.enabled():
        raise ConfigError("[venues]: none is enabled: enable at least one")
    if sandbox is None:
        yield sites_of(settings, None), None
        return
    async with Sandbox.reached(None if sandbox == EMBEDDED else sandbox, venues=simulated(settings)) as reached:
        warn_of_unsimulated(settings, reached)
        yield sites_of(settings, reached), reached


@contextlib.asynccontextmanager
async def public_side(settings: Settings, sandbox: str | None) -> AsyncIterator[dict[str, Site]]:
    async with venues_of(settings, sandbox) as (sites, _):
        yield sites


async def require_way_out(settings: Settings, sites: Iterable[Site]) -> None:
    """Raise `ConfigError` where the configured address or proxy reaches none of these sites."""
    way = settings.network.way_out()
    origins = [origin for site in sites for origin in origins_of(site.endpoint)]
    require_bind(way, (origin.host for origin in origins))
    if way.proxy is not None:
        away = dict.fromkeys((origin.host, origin.port) for origin in origins if way.proxy_for(origin.host))
        await require_proxy(way, way.proxy, away, PROXY_TIMEOUT_S)


def coin_warnings(rule: CoinRule, symbols: Mapping[str, Sequence[str]]) -> list[str]:
    """Return warnings for symbols not proved to be one coin, and their consequence; `symbols`: those tradable at each
    venue.

    Symbols with the same warning share a line: a hundred unproved coins are no hundred warnings.
    """
    identities = RouteIdentities(rule)
    alike: dict[str, list[str]] = {}
    for symbol in sorted({symbol for traded in symbols.values() for symbol in traded}):
        traded_at = [venue for venue, traded in symbols.items() if symbol in traded]
        routes = [Route.of(symbol, *pair) for pair in combinations(traded_at, 2)]
        for what, chosen in (
            ("nothing opens between", [route for route in routes if identities.refused(route)]),
            (
                "earnings are marked and not summed between",
                [route for route in routes if identities.mark(route) and not identities.refused(route)],
            ),
        ):
            if chosen:
                between = ", ".join(f"{' and '.join(route.venues)} ({identities.of(route)})" for route in chosen)
                alike.setdefault(f"{what} {between}", []).append(symbol)
    return [
        f"{', '.join(named)} {'are' if named[1:] else 'is'} not proved to be the same coins, and {what}, "
        "unless the venues' own lists prove it: see docs/COINS.md"
        for what, named in alike.items()
    ]


def engine_settings(
    settings: Settings, gateways: Mapping[str, OrderGateway], coins: CoinRule | None, mode: Mode
) -> EngineSettings:
    """Return the settings of an engine that trades through these gateways; `coins`: its rule for coins (`coin_rule`)."""
    profiles = tuple(_profile(settings, venue) for venue in gateways)
    proved = {one.venue: one.enforces_expiry and bool(gateways[one.venue].expiry_proved) for one in profiles}
    chosen = settings.venues.enabled()
    dedicated = any(chosen[venue].dedicated_account for venue in gateways)
    require_timing(settings.timing, proved, dedicated=dedicated)
    for warning in (
        [] if coins is None else coin_warnings(coins, {venue: symbols_of(settings, venue) for venue in gateways})
    ):
        log.warning("%s", warning)
    return EngineSettings(
        **tables_of(settings) | {"limits": limits_in_force(settings.limits, mode)},
        venues=profiles,
        symbols=settings.run.symbols,
        coins=coins,
        ramp=settings.live.ramp() if mode is Mode.LIVE else None,
    )


def limits_in_force(limits: Limits, mode: Mode) -> Limits:
    if mode is Mode.SANDBOX and limits.daily_notional_quote == Limits().daily_notional_quote:
        # Simulated markets offer an edge every tenth of a second: the default would end each run within half an hour.
        return msgspec.structs.replace(limits, daily_notional_quote=1000 * limits.daily_notional_quote)
    return limits


def tables_of(settings: Settings | EngineSettings) -> dict[str, Any]:
    return {table: getattr(settings, table) for table in ENGINE_TABLES}


def _profile(settings: Settings, venue: str) -> VenueProfile:
    chosen = settings.venues.enabled()[venue]
    return venue_profile(
        spec_of(venue),
        settings.venues.order_entry(venue),
        chosen.max_order_value_quote,
        chosen.max_orders_per_minute,
        chosen.fee_asset_prices_quote,
    )


def require_venues_of(pairs: Iterable[OpenPair], enabled: Container[str]) -> None:
    """Raise `ConfigError` where an open pair needs a venue that is not enabled.

    The pair may hold our base and unsettled orders: without the venue it could neither be finished nor given up. A
    venue that is down keeps no other from trading, so it can stay enabled until the pair has ended.
    """
    needed = {
        pair.plan.pair_id: {pair.plan.buy_venue, pair.plan.sell_venue, *(order.venue for order in pair.orders)}
        for pair in pairs
    }
    disabled = sorted({venue for venues in needed.values() for venue in venues if venue not in enabled})
    if disabled:
        waiting = ", ".join(str(pair_id) for pair_id, venues in needed.items() if not venues.isdisjoint(disabled))
        names = " and ".join(disabled)
        raise ConfigError(
            f"[venues]: {names} is not enabled, and pairs with orders there have not ended: {waiting}: set enabled = true "
            "until they have; a venue that is down keeps no other from trading"
        )


def ready_ledger(url: str, journal: Journal) -> str | None:
    """Make or upgrade the ledger; return why it cannot be used yet. Only a run with open pairs may start without it.

    Raises `ConfigError`, and `StoreError` where nothing is open, as `prepare_ledger` does.
    """
    try:
        prepare_ledger(url, journal)
    except StoreError as error:
        if not journal.restore(()).pairs:
            raise
        log.critical("%s; pairs are open and will be finished, and nothing new opens until it takes rows", error)
        return str(error)
    return None
