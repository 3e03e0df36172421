"""The markets of venues as their public side shows them: listings, tickers and currency lists, of all venues at once.

No key is read here; the caller passes a key for a currency list. A venue that does not answer does not affect the
others.
"""

import asyncio
import contextlib
import logging
import random
from collections.abc import AsyncIterator, Collection, Mapping

import msgspec

from arb.app.build import public_side, require_way_out
from arb.clock import Clock, system_random
from arb.config import Settings
from arb.core.messages.events import CurrenciesListed
from arb.core.messages.settings import CoinRule, Trapped
from arb.core.state.identity import RouteIdentities
from arb.core.state.transfer_blocked import TransferBlocks
from arb.core.strategies.taker_pair.choice import RouteJudges
from arb.errors import VenueError
from arb.market.listing import CommonSymbol, Listed, common_symbols
from arb.market.symbol import Symbol
from arb.market.wallets import Wallets
from arb.venues.build import build_paper_source
from arb.venues.kit.endpoints import Credentials, Site
from arb.venues.kit.rules.pacing import AddressAllowance
from arb.venues.paper.source import PublicSource
from arb.venues.registry import spec_of
from arb.venues.transport.network import Network, SystemNetwork

log = logging.getLogger(__name__)

NO_KEYS: Mapping[str, Credentials] = {}
ASK_S = 20.0
"""How long a venue may take for its listing and its tickers together: some MB, over a slow line."""


class Overview(msgspec.Struct, frozen=True):
    """The listings of the venues that answered, by venue, why the others did not, and the published currency lists.

    `list_notes`: which of these lists were not read and why, and whose key has more rights than it needs.
    """

    listed: Mapping[str, tuple[Listed, ...]]
    failed: Mapping[str, str]
    wallets: Wallets
    list_notes: tuple[str, ...] = ()

    def common(self, quote: str, min_venues: int = 2) -> list[CommonSymbol]:
        """Return the symbols of a quote that at least `min_venues` venues list, the busiest first."""
        return common_symbols(self.listed, quote=quote, min_venues=min_venues)

    def judges(self, coins: CoinRule | None, trapped: Trapped) -> RouteJudges:
        """Return the judge of where pairs may open, by these lists and the rule `coins`; None: coins are made up."""
        identities = RouteIdentities(coins)
        identities.renew(self.wallets.coins())
        return RouteJudges(identities, TransferBlocks(trapped, self.wallets))


class MarketReader:
    """Asks venues for their listings and tickers, again and again if need be.

    `addresses`: shared with a venue's other requests, by venue, where there are such. `list_keys`: for currency lists
    that a venue shows only to a key.
    """

    def __init__(
        self,
        settings: Settings,
        sites: Mapping[str, Site],
        clock: Clock,
        rng: random.Random,
        network: Network,
        addresses: Mapping[str, AddressAllowance] | None = None,
        list_keys: Mapping[str, Credentials] = NO_KEYS,
    ) -> None:
        self._sources: dict[str, PublicSource] = {}
        for venue, site in sites.items():
            spec, fee = spec_of(venue), settings.paper.taker_fee(venue)
            address = None if addresses is None else addresses[venue]
            self._sources[venue] = build_paper_source(
                spec,
                site,
                fee,
                clock=clock,
                rng=rng,
                network=network,
                address=address,
                list_key=list_keys.get(venue),
            )

    async def read(self, quote: str, venues: Collection[str] | None = None, wallets: Wallets | None = None) -> Overview:
        """Ask all venues at once, or these; then for the currencies of their common symbols in `quote`.

        `wallets`: the currencies known already; they are not asked for.
        """
        asked = list(self._sources if venues is None else venues)
        answers = await asyncio.gather(*(self._ask(venue) for venue in asked))
        found = dict(zip(asked, answers, strict=True))
        listed = {venue: answer for venue, answer in found.items() if not isinstance(answer, str)}
        failed = {venue: answer for venue, answer in found.items() if isinstance(answer, str)}
        overview = Overview(listed, failed, Wallets() if wallets is None else wallets)
        if wallets is None:
            common = await asyncio.to_thread(overview.common, quote)
            assets = {asset for each in common for asset in Symbol.of(each.symbol).base_and_quote}
            notes: list[str] = []
            for answer in await asyncio.gather(*(self._currencies(venue, tuple(sorted(assets))) for venue in listed)):
                if isinstance(answer, str):
                    notes.append(answer)
                elif answer is not None:
                    overview.wallets.take(answer.venue, answer.assets, answer.chains)
            notes += filter(None, (self._sources[venue].list_warning() for venue in listed))
            overview = msgspec.structs.replace(overview, list_notes=tuple(notes))
        return overview

    async def close(self) -> None:
        await asyncio.gather(*(source.close() for source in self._sources.values()))

    async def _ask(self, venue: str) -> tuple[Listed, ...] | str:
        form = spec_of(venue).tickers
        if form is None:
            return f"{venue}: its tickers are not read"
        try:
            async with asyncio.timeout(ASK_S):
                return await self._sources[venue].listed_markets(form)
        except TimeoutError:
            return f"{venue}: no answer within {ASK_S:g} s"
        except VenueError as error:
            return str(error)

    async def _currencies(self, venue: str, assets: tuple[str, ...]) -> CurrenciesListed | str | None:
        """Return a venue's currency list; None where it shows none, or why it was not read: then its wallets are not known."""
        try:
            async with asyncio.timeout(ASK_S):
                return await self._sources[venue].currencies(assets)
        except (VenueError, TimeoutError) as error:
            log.warning("currencies of %s not read: %s", venue, error or "no answer in time")
            return str(error) or f"{venue}: no answer within {ASK_S:g} s"


@contextlib.asynccontextmanager
async def reading(
    settings: Settings, sandbox: str | None, clock: Clock, list_keys: Mapping[str, Credentials]
) -> AsyncIterator[MarketReader]:
    """Yield the reader of the markets of the enabled venues, or of a sandbox's venues, which get no key."""
    async with public_side(settings, sandbox) as sites:
        await require_way_out(settings, sites.values())
        network = SystemNetwork(clock, way=settings.network.way_out())
        keys = list_keys if sandbox is None else NO_KEYS
        reader = MarketReader(settings, sites, clock, system_random(), network, list_keys=keys)
        try:
            yield reader
        finally:
            await reader.close()
