"""From settings, journal and a sandbox's addresses to the parts of one run, joined."""

import asyncio
import random
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

import msgspec

from arb.clock import Clock
from arb.config import Settings
from arb.core.books import Books
from arb.core.budget import PlaceRate
from arb.core.engine import Engine
from arb.core.events import BalancesReported, ClockMeasured
from arb.core.house import EngineSettings, VenueProfile
from arb.core.restart import OpenPair, Restored
from arb.errors import ConfigError
from arb.live.embedded import Sandbox
from arb.market.arena import BookArena
from arb.market.feed import BookFeed, BookSeat
from arb.market.instrument import Instrument
from arb.market.scale import Scale, common_scale
from arb.store.journal_reader import JournalState
from arb.store.journal_reader import OpenPair as JournalPair
from arb.venues.base import EventListener, FrameListener, MarketFeed, OrderGateway
from arb.venues.build import GatewayLimits, build_feed, build_gateway
from arb.venues.connections import split_books
from arb.venues.endpoints import Credentials, OrderEntry, VenueEndpoint, sandbox_access
from arb.venues.rules.pacing import DEFAULT_PACING
from arb.venues.wire.registry import live_feed

ENFORCES_EXPIRY = frozenset({"gate", "okx"})
"""Venues that refuse a placement themselves once its expiry has passed (`X-Gate-Exptime`, OKX `expTime`)."""

GIVES_RECEIPTS = frozenset({"gate"})
"""Venues that answer an order over their websocket twice, first that they received it."""

PACING_MARGIN_MS = 50


class Universe(msgspec.Struct, frozen=True):
    """What is traded where: the rules, a scale per symbol, an arena row per book."""

    instruments: tuple[Instrument, ...]
    scales: dict[str, Scale]
    rows: dict[tuple[str, str], int]


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
    if len(found) < 2:
        raise ConfigError("[venues]: fewer than two venues are enabled, and arbitrage needs two: enable another")
    return found


def build_sandbox_gateways(
    settings: Settings, sandbox: Sandbox, clock: Clock, rng: random.Random
) -> dict[str, OrderGateway]:
    """Return a gateway for every enabled venue of a sandbox."""
    gateways: dict[str, OrderGateway] = {}
    for venue, (endpoint, credentials) in sandbox_venues(settings, sandbox).items():
        chosen = settings.venues.enabled()[venue]
        host = urlsplit(endpoint.rest).hostname or ""
        gateways[venue] = build_gateway(
            venue,
            endpoint,
            credentials,
            clock=clock,
            rng=rng,
            limits=GatewayLimits(
                hosts=(host,),
                symbols=symbols_of(settings, venue),
                max_order_value_quote=chosen.max_order_value_quote,
                max_orders_per_minute=chosen.max_orders_per_minute,
            ),
            sandbox_id=sandbox.sandbox_id,
            entry=settings.venues.order_entry(venue),
        )
    return gateways


def survey(instruments: list[Instrument]) -> Universe:
    """Return scales and rows for the symbols that at least two venues list; raises `ConfigError` when there is none."""
    venues_of: dict[str, int] = {}
    for instrument in instruments:
        venues_of[instrument.symbol] = venues_of.get(instrument.symbol, 0) + 1
    shared = [instrument for instrument in instruments if venues_of[instrument.symbol] >= 2]
    if not shared:
        raise ConfigError("[run] symbols: no symbol is listed at two enabled venues: choose others")
    scales = {
        symbol: common_scale(
            [i.tick for i in shared if i.symbol == symbol], [i.lot for i in shared if i.symbol == symbol]
        )
        for symbol in sorted({i.symbol for i in shared})
    }
    rows = {(i.venue, i.symbol): row for row, i in enumerate(shared)}
    return Universe(tuple(shared), scales, rows)


def build_books(settings: Settings, universe: Universe, books_per_connection: Mapping[str, int] | None = None) -> Books:
    """Return the arena and the feeds' protocol sides for a universe.

    `books_per_connection`: how many books one public connection may carry, for venues that limit them.
    """
    arena = BookArena(len(universe.rows))
    feeds: dict[str, BookFeed] = {}
    for venue in sorted({venue for venue, _ in universe.rows}):
        seats = {
            i.native_symbol: BookSeat(universe.rows[venue, i.symbol], universe.scales[i.symbol])
            for i in universe.instruments
            if i.venue == venue
        }
        limit = (books_per_connection or {}).get(venue)
        for connection, natives in split_books(venue, tuple(seats), limit).items():
            feeds[connection] = live_feed(venue, {native: seats[native] for native in natives}, arena)
    return Books(arena, universe.rows, universe.scales, feeds, settings.timing)


def build_feeds(
    endpoints: Mapping[str, VenueEndpoint],
    books: Books,
    universe: Universe,
    clock: Clock,
    rng: random.Random,
    on_frame: FrameListener,
    emit: EventListener,
) -> dict[str, MarketFeed]:
    """Return the public connections, by their names, each for the books that it carries."""
    return {
        name: build_feed(
            connection.venue,
            endpoints[connection.venue],
            tuple(connection.rows.values()),
            connection.feed,
            clock=clock,
            rng=rng,
            on_frame=on_frame,
            emit=emit,
            connection=name,
        )
        for name, connection in books.connections.items()
    }


def build_engine(settings: Settings, books: Books, venues: tuple[str, ...], state: JournalState) -> Engine:
    """Return an engine that has taken up what the journal left."""
    profiles = []
    for venue in venues:
        pacing = DEFAULT_PACING[venue]
        # A little longer than the pacer's own window, which begins when the order leaves and not when it is decided.
        rate = PlaceRate(pacing.place.count, pacing.place.window_ms + PACING_MARGIN_MS, pacing.place_per_symbol)
        profiles.append(
            VenueProfile(
                venue,
                rate,
                enforces_expiry=venue in ENFORCES_EXPIRY,
                receipts=venue in GIVES_RECEIPTS and settings.venues.order_entry(venue) is OrderEntry.WEBSOCKET,
                max_order_value_quote=settings.venues.enabled()[venue].max_order_value_quote,
            )
        )
    engine = Engine(
        EngineSettings(
            limits=settings.limits,
            timing=settings.timing,
            repair=settings.repair,
            venues=tuple(profiles),
            symbols=settings.run.symbols,
            health=settings.health,
        ),
        books,
    )
    engine.load(restored_from(state))
    return engine


def restored_from(state: JournalState) -> Restored:
    """Return what the engine takes up of what the journal left."""
    recent = state.recent
    return Restored(
        control=state.control,
        pairs=_with_plans(state.pairs),
        pool=state.pool,
        agreed=state.agreed,
        last_ns=state.last_ns,
        recent=_with_plans(recent.pairs),
        known=recent.known,
        foreign_orders=recent.foreign_orders,
        foreign_fills=recent.foreign_fills,
    )


def _with_plans(pairs: Iterable[JournalPair]) -> tuple[OpenPair, ...]:
    return tuple(
        OpenPair(plan=left.plan, pair=left.pair, orders=left.orders, fills=left.fills)
        for left in pairs
        if left.plan is not None
    )


async def first_words(gateways: Mapping[str, OrderGateway]) -> list[ClockMeasured | BalancesReported]:
    """Ask every venue for its clock, and then for all balances; raises `VenueError`.

    Side by side: one after the other they take most of a start's time.
    """
    clocks = await asyncio.gather(*(gateway.measure_clock() for gateway in gateways.values()))
    balances = await asyncio.gather(*(gateway.balances() for gateway in gateways.values()))
    return [known for pair in zip(clocks, balances, strict=True) for known in pair]
