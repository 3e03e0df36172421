"""config.toml to typed, frozen settings: unknown keys refused, units checked, secrets never inside."""

from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path

import msgspec

from arb.clock import NS_PER_MS
from arb.config.loader import load_file
from arb.config.settings import (
    EMBEDDED,
    ControlOptions,
    LiveSettings,
    LogLevel,
    Mode,
    PaperSettings,
    ReplayOptions,
    ReviewOptions,
    RunOptions,
    RunSettings,
    Settings,
    StoreSettings,
    VenueSettings,
    VenuesSettings,
    database_url,
    holds_password,
    placed,
    url_problem,
)
from arb.errors import ConfigError
from arb.market.numbers import plain
from arb.market.symbol import Symbol

FEE_ROOM_BPS = 100
"""Room for the sale's fee, in bps: dearer than any taker fee of the venues traded at."""

LATENCY_MAX_MS = 10_000

__all__ = [
    "EMBEDDED",
    "ControlOptions",
    "LiveSettings",
    "LogLevel",
    "Mode",
    "PaperSettings",
    "ReplayOptions",
    "ReviewOptions",
    "RunOptions",
    "RunSettings",
    "Settings",
    "StoreSettings",
    "VenueSettings",
    "VenuesSettings",
    "database_url",
    "load_settings",
]


def load_settings(path: Path) -> Settings:
    """Read and check one config.toml; raises `ConfigError` with one line: what, where, how to correct it.

    Paths in it are relative to the file's own directory.
    """
    settings = load_file(path, Settings)
    settings = msgspec.structs.replace(settings, store=placed(settings.store, path.parent))
    for problem in _disagreements(settings):
        raise ConfigError(f"{path}: {problem}")
    if holds_password(settings.store.url) and path.stat().st_mode & 0o077:
        raise ConfigError(f"{path}: [store] url holds a password, and others may read the file: chmod 600 {path}")
    return settings


def _disagreements(settings: Settings) -> Iterable[str]:
    """Name what each key alone allows but all together forbid."""
    if not settings.run.symbols:
        yield '[run] symbols is empty: list at least one, for example ["BTC/USDT"]'
    if problem := _mixed_quotes(settings.run.symbols):
        yield problem
    if settings.store.url and (problem := url_problem(settings.store.url)):
        yield f"[store] url: {problem}"
    for name in settings.venues.enabled():
        if (settings.paper.latency_ns(name) or 0) > LATENCY_MAX_MS * NS_PER_MS:
            yield f"[paper.latency_ms] {name} is above {LATENCY_MAX_MS} ms: no order arrives so late and is still wanted"
    for name, venue in settings.venues.enabled().items():
        for symbol in venue.symbols:
            if symbol not in settings.run.symbols:
                yield f"[venues.{name}] symbols: {symbol!r} is not in [run] symbols: add it there, or drop it here"
        if venue.max_order_value_quote < (needed := largest_order(settings)):
            yield (
                f"[venues.{name}] max_order_value_quote = {venue.max_order_value_quote:f} is below {plain(needed)} = [limits] "
                f"max_notional_quote {settings.limits.max_notional_quote:f} with room for max_edge_bps, max_slippage_bps, "
                f"leg_loss_max_bps and a fee of {FEE_ROOM_BPS} bps, so our own guard would refuse legs: lower the notional or "
                "raise the order value"
            )


def largest_order(settings: Settings) -> Decimal:
    """Return what one order may be worth, in quote: a sale brings the purchase, its edge and both fees; a repair pays more.

    The notional bounds what the buy leg locks. The sell leg is worth at most that, times 1 + the greatest edge, over 1 - its
    fee; the cap of a hedge may lie `leg_loss_max_bps` beyond.
    """
    limits = settings.limits
    room = limits.max_edge_bps + limits.max_slippage_bps + settings.repair.leg_loss_max_bps + FEE_ROOM_BPS
    return limits.max_notional_quote * (1 + room / 10_000)


def _mixed_quotes(symbols: Iterable[str]) -> str | None:
    """Say that symbols are priced in several quotes, or None: 100 BTC of loss must never pass for a limit of 100 USDT.

    Not even stable coins are alike: nothing here converts one quote into another.
    """
    by_quote: dict[str, list[str]] = {}
    for symbol in symbols:
        by_quote.setdefault(Symbol.of(symbol).quote, []).append(symbol)
    if len(by_quote) < 2:
        return None
    mixed = " and ".join(f"{quote} ({', '.join(named)})" for quote, named in sorted(by_quote.items()))
    return (
        f"[run] symbols mix the quotes {mixed}: limits, losses and exposure are sums in one quote currency: "
        "keep the symbols of one quote"
    )
