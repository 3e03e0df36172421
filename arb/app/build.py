"""What a run is built from: the engine's settings, gateways to a sandbox's venues, the opened journal, a ledger in order."""

import logging
import random
from collections.abc import Callable, Container, Iterable, Mapping, Sized
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

from arb.clock import Clock, ManualClock
from arb.config import Mode, Settings
from arb.core.accounts.restart import OpenPair
from arb.core.books import Books
from arb.core.orders.reconciler import absence_proof_ms
from arb.core.settings import Timing
from arb.core.state import EngineSettings
from arb.errors import ConfigError, StoreError
from arb.live.embedded import Sandbox
from arb.market.ids import named_by_venue
from arb.store.account_file import AccountFile
from arb.store.journal import Journal
from arb.store.journal_reader import JournalReader
from arb.store.ledger import prepare_ledger
from arb.store.retention import Retention, forget_old_story
from arb.venues.base import OrderGateway
from arb.venues.build import GatewayLimits, build_gateway, build_paper_source, venue_profile
from arb.venues.endpoints import Credentials, VenueEndpoint, sandbox_access
from arb.venues.paper import PaperGateway
from arb.venues.paper_account import PaperAccount
from arb.venues.registry import spec_of

log = logging.getLogger(__name__)

OPENING_PAIRS = 10
"""What a paper account can pay for, of each asset, in pairs of `max_notional_quote`."""


def symbols_of(settings: Settings, venue: str) -> tuple[str, ...]:
    """Return the symbols to trade at a venue: its own list, or that of the run."""
    chosen = settings.venues.enabled()[venue].symbols
    return tuple(symbol for symbol in settings.run.symbols if symbol in chosen) if chosen else settings.run.symbols


def sandbox_venues(settings: Settings, sandbox: Sandbox) -> dict[str, tuple[VenueEndpoint, Credentials]]:
    """Return the addresses and keys of the enabled venues of a sandbox; raises `ConfigError` for fewer than two."""
    announced = sandbox.announced["venues"]
    found = {
        venue: sandbox_access(venue, announced[venue]) for venue in settings.venues.enabled() if venue in announced
    }
    require_two(found)
    return found


def require_two(venues: Sized) -> None:
    """Raise `ConfigError` for fewer than two venues."""
    if len(venues) < 2:
        raise ConfigError("[venues]: fewer than two venues are enabled, and arbitrage needs two: enable another")


def build_sandbox_gateways(
    settings: Settings, sandbox: Sandbox, clock: Clock, rng: random.Random
) -> dict[str, OrderGateway]:
    """Return a gateway for every enabled venue of a sandbox."""
    gateways: dict[str, OrderGateway] = {}
    for venue, (endpoint, credentials) in sandbox_venues(settings, sandbox).items():
        chosen = settings.venues.enabled()[venue]
        gateways[venue] = build_gateway(
            spec_of(venue),
            endpoint,
            credentials,
            clock=clock,
            rng=rng,
            limits=GatewayLimits(
                hosts=(urlsplit(endpoint.rest).hostname or "",),
                symbols=symbols_of(settings, venue),
                max_order_value_quote=chosen.max_order_value_quote,
                max_orders_per_minute=chosen.max_orders_per_minute,
                withdrawal_disabled_confirmed=chosen.withdrawal_disabled_confirmed,
            ),
            sandbox_id=sandbox.sandbox_id,
            entry=settings.venues.order_entry(venue),
            expiry_proved=True,  # a sandbox refuses what has expired
        )
    return gateways


def public_endpoints(settings: Settings, sandbox: Sandbox | None) -> dict[str, VenueEndpoint]:
    """Return the addresses of the enabled venues, a sandbox's or the real ones; raises `ConfigError` for fewer than two."""
    if sandbox is not None:
        return {venue: endpoint for venue, (endpoint, _) in sandbox_venues(settings, sandbox).items()}
    found = {venue: spec_of(venue).production for venue in settings.venues.enabled()}
    require_two(found)
    return found


def build_paper_gateways(
    settings: Settings,
    endpoints: Mapping[str, VenueEndpoint],
    accounts: AccountFile,
    books: Callable[[], Books],
    clock: Clock,
    rng: random.Random,
    sandbox_id: str | None,
) -> dict[str, PaperGateway]:
    """Return a gateway that simulates an account at every venue; none of them can reach one with an order.

    A new account is given `[paper] balances`, else of each asset what `OPENING_PAIRS` of the largest pairs pay.
    """
    paper = settings.paper
    gateways: dict[str, PaperGateway] = {}
    for venue, endpoint in endpoints.items():
        account_id = named_by_venue(venue, f"paper{accounts.token}", sandbox_id)
        gateways[venue] = PaperGateway(
            build_paper_source(spec_of(venue), endpoint, paper.taker_fee(venue), clock=clock, rng=rng),
            PaperAccount(account_id, accounts, clock.wall_ns()),
            venue,
            books,
            clock=clock,
            latency_ns=paper.latency_ns(venue),
            opening=paper.balances or OPENING_PAIRS * settings.limits.max_notional_quote,
        )
    return gateways


def deadline_warnings(timing: Timing, proved: Mapping[str, bool]) -> list[str]:
    """Return what may happen where an order without answer is proved absent only after the leg deadline.

    `proved` says of each venue whether an order's expiry is enforced there and this account has seen that.
    Raises `ConfigError` for a deadline that is too short even where it is.
    """
    warnings = []
    for venue, expiry_counts in proved.items():
        needed_ms = absence_proof_ms(timing, expiry_counts=expiry_counts)
        if needed_ms < timing.leg_deadline_ms:
            continue
        if expiry_counts:
            raise ConfigError(
                f"[timing] leg_deadline_ms = {timing.leg_deadline_ms}: proving that an order without answer does not exist "
                f"takes {needed_ms} ms at {venue} (order_expiry_ms, clock errors, two queries 2 s apart): give more "
                "than that"
            )
        warnings.append(
            f"{venue}: an order without answer is proved absent after {needed_ms} ms only, and its pair may be "
            f"unhedged for so long: after {timing.leg_deadline_ms} ms nothing opens in its symbol and at its venues, after "
            "twice that nothing at all"
        )
    return warnings


def engine_settings(settings: Settings, gateways: Mapping[str, OrderGateway]) -> EngineSettings:
    """Return what an engine that trades through these gateways is built from."""
    enabled = settings.venues.enabled()
    profiles = tuple(
        venue_profile(spec_of(venue), settings.venues.order_entry(venue), enabled[venue].max_order_value_quote)
        for venue in gateways
    )
    proved = {one.venue: one.enforces_expiry and gateways[one.venue].expiry_proved for one in profiles}
    for warning in deadline_warnings(settings.timing, proved):
        log.warning("%s", warning)
    return EngineSettings(
        limits=settings.limits,
        timing=settings.timing,
        repair=settings.repair,
        venues=profiles,
        symbols=settings.run.symbols,
        health=settings.health,
    )


def require_venues_of(pairs: Iterable[OpenPair], enabled: Container[str]) -> None:
    """Raise `ConfigError` where a pair that was left open needs a venue that is not enabled.

    It may hold base of ours and orders that nobody has settled: without it the pair could neither be finished nor given up. An
    enabled venue that is down keeps no other from trading, so nothing speaks against enabling it until the pair has ended.
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


def require_kind(journal: Journal, mode: str, *, sandbox: bool) -> None:
    """Raise `ConfigError` where a ledger is of another kind than the run: what was simulated never mixes with what was not.

    `sandbox`: the run's venues are simulated exchanges. The first run of its journal says of which kind a ledger is.
    """
    with closing(journal.reader()) as reader:
        first = reader.first_run()
    if first is None or Mode.PAPER not in (mode, first.mode):
        return
    ours, theirs = _kind(mode, sandbox=sandbox), _kind(first.mode, sandbox=first.sandbox_id is not None)
    if ours != theirs:
        raise ConfigError(
            f"ledger: it holds runs of {theirs}, and this one is of {ours}; figures of both would mix: choose another --db"
        )


def _kind(mode: str, *, sandbox: bool) -> str:
    return f"mode {mode!r}" + " on a sandbox's books" * (sandbox and mode == Mode.PAPER)


def open_journal(path: Path, clock: Clock, history_days: int) -> Journal:
    """Open a run's journal, dropping old entries (not rows): those of before `history_days` days.

    These count from the last entry at the latest, for the system's clock may be a year ahead: nobody has compared it yet.
    """
    now = ManualClock(min(clock.wall_ns(), _last_ns(path)))
    if forget_old_story(path, Retention(now, history_days).due_before_ns()):
        log.info("the journal's entries of before the last %d days were dropped, and every row kept", history_days)
    return Journal.open(path, clock)


def _last_ns(path: Path) -> int:
    if not path.exists():
        return 0
    with closing(JournalReader.open(path)) as reader:
        return reader.last_ns()


def ready_ledger(url: str, journal: Journal) -> str | None:
    """Make or upgrade the ledger; return why it cannot be used yet, which only pairs that were left open may go on without.

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
