"""From settings and a sandbox's addresses to the parts that a node is handed."""

import random
from urllib.parse import urlsplit

from arb.clock import Clock
from arb.config import Settings
from arb.core.state import EngineSettings
from arb.errors import ConfigError
from arb.live.embedded import Sandbox
from arb.venues.base import OrderGateway
from arb.venues.build import GatewayLimits, build_gateway, venue_profile
from arb.venues.endpoints import Credentials, VenueEndpoint, sandbox_access
from arb.venues.registry import spec_of


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
        )
    return gateways


def engine_settings(settings: Settings, venues: tuple[str, ...]) -> EngineSettings:
    """Return what an engine that trades at these venues is built from."""
    enabled = settings.venues.enabled()
    return EngineSettings(
        limits=settings.limits,
        timing=settings.timing,
        repair=settings.repair,
        venues=tuple(
            venue_profile(spec_of(venue), settings.venues.order_entry(venue), enabled[venue].max_order_value_quote)
            for venue in venues
        ),
        symbols=settings.run.symbols,
        health=settings.health,
    )
