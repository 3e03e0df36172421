"""`[run] symbols = "auto"`: choose the symbols of a run, a recording or the doctor by `[run.auto]` on the venues'
markets.

A run chooses at its start and again each day (`arb.live.choosing`). Symbols that open pairs, residuals or holdings of
its journal need are always chosen.
"""

import asyncio
import logging
import random
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import Decimal

import msgspec

from arb.app.build import symbols_of
from arb.app.market_reader import MarketReader, Overview
from arb.clock import NS_PER_S, Clock
from arb.config import Settings
from arb.core.messages.settings import CoinRule
from arb.core.strategies.taker_pair.choice import choose
from arb.errors import CheckFailed, VenueUnreachable
from arb.live.arrival import TWO_VENUES_S
from arb.market.numbers import ZERO
from arb.market.symbol import Symbol
from arb.store.journal.reader import JournalState
from arb.venues.kit.endpoints import Site
from arb.venues.transport.network import Network

log = logging.getLogger(__name__)

AGAIN_S = 5.0
"""How soon a start asks again where fewer than two venues answer."""


class MarketChooser:
    """See `arb.live.choosing.Chooser`: chooses by the rules of the settings; `coins`: its rule for coins (`coin_rule`)."""

    def __init__(self, settings: Settings, reader: MarketReader, coins: CoinRule | None, clock: Clock) -> None:
        self.at_utc_s = settings.run.auto.at_utc_s
        self._settings = settings
        self._reader = reader
        self._coins = coins
        self._clock = clock

    async def choose(self, venues: Collection[str]) -> Mapping[str, Sequence[str]]:
        """Return by venue the symbols that may be traded there, the best first; raises `VenueError` where one is silent."""
        overview = await self._reader.read(self._settings.run.report_currency, venues)
        for venue, why in overview.failed.items():
            raise VenueUnreachable(venue, why.removeprefix(f"{venue}: "))
        # In a thread: some 30 ms of arithmetic over thousands of rows, for which no frame should wait.
        chosen = self.chosen(await asyncio.to_thread(self._chosen_of, overview, ()))
        return {venue: symbols_of(chosen, venue) for venue in venues}

    async def first(self, left: JournalState | None = None) -> Settings:
        """Return the settings with the choice at the start in place of `AUTO`; `left`: the journal's recovered state.

        Waits for two venues to answer, but not where pairs are open. Raises `CheckFailed` where too few do, or nothing
        is fit.
        """
        until_ns = self._clock.monotonic_ns() + int(TWO_VENUES_S * NS_PER_S)
        open_symbols = () if left is None else tuple(_needed(left, self._settings.run.report_currency))
        while True:
            overview = await self._reader.read(self._settings.run.report_currency)
            for why in overview.failed.values():
                log.warning("%s: symbols are chosen without it", why)
            if len(overview.listed) > 1 or open_symbols or self._clock.monotonic_ns() >= until_ns:
                break
            await asyncio.sleep(AGAIN_S)
        keep = [*open_symbols, *(() if left is None else self._held(left, overview))]
        if len(overview.listed) < 2 and not keep:
            why = "; ".join(overview.failed.values())
            raise CheckFailed(f'[run] symbols = "auto": fewer than two venues answer, so nothing can be chosen: {why}')
        symbols = self._chosen_of(overview, keep)
        if not symbols:
            raise CheckFailed(
                '[run] symbols = "auto": the rules of [run.auto] choose nothing: `arb markets --why SYMBOL` lists the reasons '
                "against one; for example lower min_volume_quote"
            )
        log.info("%d symbols are chosen: %s", len(symbols), ", ".join(symbols))
        return self.chosen(symbols)

    def chosen(self, symbols: tuple[str, ...]) -> Settings:
        return msgspec.structs.replace(self._settings, run=msgspec.structs.replace(self._settings.run, symbols=symbols))

    def _chosen_of(self, overview: Overview, keep: Iterable[str]) -> tuple[str, ...]:
        run = self._settings.run
        judges = overview.judges(self._coins, self._settings.limits.trapped)
        return choose(overview.common(run.report_currency), run.auto, judges, self._clock.wall_ns(), keep).chosen

    def _held(self, left: JournalState, overview: Overview) -> Iterable[str]:
        """Yield the common symbols whose base the accounts held at last, worth more than dust, unless they are excluded."""
        assets, run = _totals(left), self._settings.run
        for each in overview.common(run.report_currency):
            size = assets[Symbol.of(each.symbol).base]
            worth = max(size * (listed.ticker.bid or ZERO) for listed in each.at.values())
            if worth > self._settings.limits.dust_max_quote and each.symbol not in run.auto.exclude_symbols:
                yield each.symbol


async def with_symbols(
    settings: Settings,
    sites: Mapping[str, Site],
    coins: CoinRule | None,
    clock: Clock,
    rng: random.Random,
    network: Network,
) -> Settings:
    """Return settings of which the symbols are known: as they are, or chosen now; raises as `MarketChooser.first` does."""
    if not settings.run.chooses:
        return settings
    reader = MarketReader(settings, sites, clock, rng, network)
    try:
        return await MarketChooser(settings, reader, coins, clock).first()
    finally:
        await reader.close()


def _needed(left: JournalState, quote: str) -> Iterable[str]:
    """Yield the symbols of a quote in which pairs are open, or in which pairs have residuals."""
    residuals = () if left.residuals is None else (*left.residuals.carried, *left.residuals.dust)
    for symbol in (*(pair.plan.symbol for pair in left.pairs), *(residual.symbol for residual in residuals)):
        if Symbol.of(symbol).quote == quote:
            yield symbol


def _totals(left: JournalState) -> dict[str, Decimal]:
    """Return the total of each asset over all accounts when they last agreed with their venues."""
    totals: dict[str, Decimal] = defaultdict(Decimal)
    for account in () if left.agreed is None else left.agreed.accounts:
        for asset, total in account.totals.items():
            totals[asset] += max(ZERO, total)
    return totals
