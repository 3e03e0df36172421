"""Read config.toml into typed, frozen settings. Unknown keys are refused and units checked; no secret is in them."""

import re
from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import msgspec

from arb.clock import NS_PER_MS
from arb.config.ledger_url import database_url, holds_password, placed, url_problem
from arb.config.loader import load_file, nearest
from arb.config.options import (
    EMBEDDED,
    ControlOptions,
    DoctorOptions,
    MarketsOptions,
    RebalanceOptions,
    RecordOptions,
    ReplayOptions,
    ReviewOptions,
    RunOptions,
    SweepOptions,
    UiOptions,
)
from arb.config.overrides import Overrides, read_overrides
from arb.config.settings import (
    AUTO,
    AlertSettings,
    LiveSettings,
    LogFormat,
    LogLevel,
    LogPlace,
    LogSettings,
    MetricsSettings,
    Mode,
    NetworkSettings,
    RunSettings,
    Settings,
    StoreSettings,
    WatchSettings,
    require_consents,
)
from arb.config.venue_settings import PaperSettings, VenueSettings, VenuesSettings
from arb.core.messages.settings import Band
from arb.errors import ConfigError
from arb.market.numbers import plain
from arb.market.symbol import Symbol
from arb.masking import HIDDEN
from arb.venues.generic.spec import exchange_names
from arb.venues.kit.addresses import mixed_environments
from arb.venues.transport.proxy import masked_proxy

FEE_ROOM_BPS = 100
"""Room for the sale's fee, in bps: more than any taker fee of the venues traded at."""

LATENCY_MAX_MS = 10_000
EDGES = ("low", "target", "high")

__all__ = [
    "EMBEDDED",
    "AlertSettings",
    "ControlOptions",
    "DoctorOptions",
    "LiveSettings",
    "LogFormat",
    "LogLevel",
    "LogPlace",
    "LogSettings",
    "MarketsOptions",
    "MetricsSettings",
    "Mode",
    "NetworkSettings",
    "Overrides",
    "PaperSettings",
    "RebalanceOptions",
    "RecordOptions",
    "ReplayOptions",
    "ReviewOptions",
    "RunOptions",
    "RunSettings",
    "Settings",
    "StoreSettings",
    "SweepOptions",
    "UiOptions",
    "VenueSettings",
    "VenuesSettings",
    "WatchSettings",
    "database_url",
    "load_settings",
    "overridden",
    "read_overrides",
    "require_consents",
]


def load_settings(path: Path) -> Settings:
    """Read and check one config.toml; raises `ConfigError` with one line: the problem, its place and the remedy.

    Paths in it are relative to the file's directory.
    """
    settings = load_file(path, Settings)
    settings = msgspec.structs.replace(settings, store=placed(settings.store, path.parent))
    if settings.run.coins_file:
        run = msgspec.structs.replace(settings.run, coins_file=str(path.parent / settings.run.coins_file))
        settings = msgspec.structs.replace(settings, run=run)
    if settings.coins.lists:
        coins = msgspec.structs.replace(settings.coins, lists=str(path.parent / settings.coins.lists))
        settings = msgspec.structs.replace(settings, coins=coins)
    for problem in disagreements(settings):
        raise ConfigError(f"{path}: {problem}")
    passwords = {
        "[store] url": holds_password(settings.store.url),
        "[network] proxy": HIDDEN in masked_proxy(settings.network.proxy),
    }
    for key, holds in passwords.items():
        if holds and path.stat().st_mode & 0o077:
            raise ConfigError(f"{path}: {key} holds a password, and others may read the file: chmod 600 {path}")
    return settings


def overridden(settings: Settings, overrides: Overrides) -> Settings:
    """Return settings with the given keys of the command line replaced.

    Raises `ConfigError` for a key or value that config.toml could not have, and for settings that contradict each
    other.
    """
    found = overrides.on(settings)
    for problem in disagreements(found):
        raise ConfigError(f"--set {', '.join(overrides.names)}: {problem}")
    return found


def disagreements(settings: Settings) -> Iterable[str]:
    """Name settings that are valid one by one and forbidden together."""
    if not settings.run.symbols:
        yield '[run] symbols is empty: list at least one, for example ["BTC/USDT"]'
    if not settings.run.chooses and (problem := _mixed_quotes(settings.run.symbols)):
        yield problem
    if problem := settings.log.problem():
        yield problem
    for read in (settings.watch.heartbeat, settings.alerts.quiet_minutes, settings.metrics.address):
        try:
            read()
        except ConfigError as error:
            yield str(error)
    if problem := _wrong_addresses(settings):
        yield problem
    yield from _unknown_places(settings)
    yield from _wrong_generic(settings)
    auto, known = settings.run.auto, len(settings.venues.every())
    if not 2 <= auto.min_venues <= known:
        yield f"[run.auto] min_venues = {auto.min_venues}: a pair needs two, and {known} are known: give 2 to {known}"
    if auto.top < 1:
        yield "[run.auto] top = 0: nothing would ever be chosen: give for example 50"
    if not re.fullmatch(r"([01][0-9]|2[0-3]):[0-5][0-9]", auto.at_utc):
        yield f'[run.auto] at_utc = "{auto.at_utc}": give an hour and a minute of the UTC day, for example "00:10"'
    bands = {"[limits]": settings.limits} | {
        f'[limits."{symbol}"]': of for symbol, of in settings.limits.symbol.items()
    }
    for table, limits in bands.items():
        if limits.max_price_ratio_bps == 0:
            yield (
                f"{table} max_price_ratio_bps = 0: no two books ever show one price: "
                "give for example 100, or 10000 to bound nothing"
            )
        if limits.entry_band_bps == 0:
            yield f"{table} entry_band_bps = 0: no price is just that of other venues: give for example 1000"
        if limits.dust_max_quote is not None and limits.dust_max_quote > settings.limits.dust_total_max_quote:
            yield f"{table} dust_max_quote is above dust_total_max_quote, the limit of all symbols: raise that"
    yield from _wrong_bands(settings)
    if settings.live.ramp_pairs and not settings.live.ramp_start_quote:
        yield "[live] ramp_start_quote = 0: no pair could ever open: give for example 50, or ramp_pairs = 0 for no ramp"
    if settings.store.url and (problem := url_problem(settings.store.url)):
        yield f"[store] url: {problem}"
    for name in settings.venues.enabled():
        if (settings.paper.latency_ns(name) or 0) > LATENCY_MAX_MS * NS_PER_MS:
            yield f"[paper.latency_ms] {name} is above {LATENCY_MAX_MS} ms: no order arrives so late and is still wanted"
    for name, venue in settings.venues.enabled().items():
        if venue.symbols == AUTO:
            yield f'[venues.{name}] symbols = "auto": only [run] symbols are chosen: name those to trade there, or drop the key'
        for symbol in venue.symbols:
            if symbol not in settings.run.symbols and not settings.run.chooses:
                yield f"[venues.{name}] symbols: {symbol!r} is not in [run] symbols: add it there, or drop it here"
    for name, venue in settings.venues.enabled().items():
        for asset, price in venue.fee_asset_prices_quote.items():
            if price == 0:
                yield f"[venues.{name}] fee_asset_prices_quote.{asset} = 0: give the worth of one {asset}, or drop it"
        symbols = venue.symbols or ((*settings.limits.symbol, "") if settings.run.chooses else settings.run.symbols)
        symbol = max(symbols, key=lambda symbol: largest_order(settings, symbol, name))
        if venue.max_order_value_quote < (needed := largest_order(settings, symbol, name)):
            limits = settings.limits
            tables = {found.limit: found.table for found in limits.applied(symbol, (name,))}
            yield (
                f"[venues.{name}] max_order_value_quote = {venue.max_order_value_quote:f} is below {plain(needed)} = "
                f"{tables.get('max_notional_quote', '[limits]')} max_notional_quote "
                f"{limits.at(symbol, (name,)).max_notional_quote:f} with room for max_edge_bps, max_slippage_bps, "
                f"leg_loss_max_bps and a fee of {FEE_ROOM_BPS} bps, so our own guard would refuse legs: lower the notional or "
                "raise the order value"
            )


def _wrong_addresses(settings: Settings) -> str | None:
    """Describe the first wrong address of a venue, or return None."""
    try:
        settings.network.way_out()
        return mixed_environments((venue, settings.venues.site(venue)) for venue in settings.venues.enabled())
    except ConfigError as error:
        return str(error)


def _unknown_places(settings: Settings) -> Iterable[str]:
    """Name tables of limits for symbols and venues that are not there."""
    for symbol in settings.limits.symbol:
        if symbol not in settings.run.symbols and not settings.run.chooses:
            yield f'[limits."{symbol}"]: {symbol} is not in [run] symbols{nearest(symbol, settings.run.symbols)}'
    venues = settings.venues.every()
    for venue in settings.limits.venue:
        if venue not in venues:
            yield f"[limits.venue.{venue}]: unknown venue{nearest(venue, venues)}"


def _wrong_generic(settings: Settings) -> Iterable[str]:
    """Name generic venues that ccxt.pro does not know, and those that have an adapter."""
    named, own = settings.generic.venues, settings.venues.every()
    known = exchange_names() - own.keys() if named else ()
    for name in named:
        if name in own:
            yield f"[generic] venues: {name!r} has an adapter: drop it here, and set enabled = true in [venues.{name}]"
        elif name not in known:
            yield f"[generic] venues: {name!r} is no exchange that ccxt.pro knows{nearest(name, known)}"


def largest_order(settings: Settings, symbol: str, venue: str) -> Decimal:
    """Return the greatest value of one order, in quote.

    A sale brings the purchase, its edge and both fees; a repair pays more. The notional bounds the funds the buy leg locks.
    The sell leg is worth at most that, times 1 + the greatest edge, over 1 - its fee; the cap of a hedge may exceed it by
    `leg_loss_max_bps`. The other venue of a pair can only lower these values.
    """
    limits = settings.limits.at(symbol, (venue,))
    room = limits.max_edge_bps + limits.max_slippage_bps + settings.repair.leg_loss_max_bps + FEE_ROOM_BPS
    return limits.max_notional_quote * (1 + room / 10_000)


def _mixed_quotes(symbols: Iterable[str]) -> str | None:
    """Return the complaint that symbols have several quotes, or None.

    A loss of 100 BTC must never be within a limit of 100 USDT. This holds for stable coins, too: nothing here converts one
    quote into another.
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


def _wrong_bands(settings: Settings) -> Iterator[str]:
    """Yield the fault of each band that cannot be kept, with its table and the remedy."""
    venues = settings.venues.every()
    symbols = () if settings.run.chooses else settings.run.symbols
    assets = {asset for symbol in symbols for asset in Symbol.of(symbol).base_and_quote}
    by_asset: dict[str, dict[str, Band]] = {}
    for venue, bands in settings.inventory.venue.items():
        if venue not in venues:
            yield f"[inventory.venue.{venue}]: unknown venue{nearest(venue, venues)}"
            continue
        for asset, band in bands.items():
            table = f"[inventory.venue.{venue}.{asset}]"
            if asset not in assets and symbols:
                yield f"{table}: {asset} is in none of [run] symbols{nearest(asset, assets)}"
            elif problem := _wrong_edges(band):
                yield f"{table} {problem}"
            else:
                by_asset.setdefault(asset, {})[venue] = band
    for asset, named in by_asset.items():
        yield from _wrong_together(asset, {v: band for v, band in named.items() if v in settings.venues.enabled()})


def _wrong_edges(band: Band) -> str | None:
    kinds = {
        kind: {edge: value for edge in EDGES if (value := getattr(band, f"{edge}_{kind}")) is not None}
        for kind in ("share", "amount")
    }
    if all(kinds.values()):
        return "mixes shares and amounts: give low_share, target_share and high_share, or the same as amounts"
    kind, stated = next(((kind, stated) for kind, stated in kinds.items() if stated), ("share", {}))
    missing = [f"{edge}_{kind}" for edge in EDGES if edge not in stated]
    if missing:
        return f"lacks {' and '.join(missing)}: a band has a low edge, a target and a high edge"
    for (lower, less), (higher, more) in pairwise(stated.items()):
        if less >= more:
            return (
                f"{lower}_{kind} = {plain(less)} is not below {higher}_{kind} = {plain(more)}: a band goes from its low edge "
                "by its target to its high edge"
            )
    return None


def _wrong_together(asset: str, bands: dict[str, Band]) -> Iterable[str]:
    """Yield the reasons why bands of one asset can never all be met."""
    least = sum((band.low_share for band in bands.values() if band.low_share is not None), Decimal(0))
    if least > 1:
        yield (
            f"[inventory] the low shares of {asset} add up to {plain(least)}, and no more than 1 is there: lower one"
        )
