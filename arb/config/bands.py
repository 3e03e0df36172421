"""Check the bands of `[inventory]` for faults that no single key shows: unknown venues and assets, wrong edges."""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import pairwise

from arb.config.loader import nearest
from arb.config.settings import Settings
from arb.core.messages.settings import Band
from arb.market.numbers import plain
from arb.market.symbol import Symbol

EDGES = ("low", "target", "high")


def wrong_bands(settings: Settings) -> Iterator[str]:
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
