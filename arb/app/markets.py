"""`arb markets`: what the enabled venues list in common, what there is to earn in it now, and what is worth trading.

Two public questions per venue, the listing and all tickers; no key is read and nothing is traded. A venue that does not answer
leaves the others.
"""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Mapping
from decimal import Decimal
from itertools import combinations
from typing import Any

import msgspec

from arb.app import stores
from arb.app.build import require_way_out
from arb.app.public import public_side
from arb.clock import NS_PER_S, Clock, SystemClock, system_random
from arb.config import MarketsOptions, Mode, Settings
from arb.config.coins import every_coin_rule
from arb.config.writing import write_symbols
from arb.core.opportunities.choice import Choice, choose
from arb.core.opportunities.identity import RouteIdentities
from arb.errors import CheckFailed, ConfigError, StoreError, VenueError
from arb.live.untraded import nearest_listed
from arb.market.coins import CoinTable, CoinVerdict, why
from arb.market.listing import CommonSymbol, Edge, Listed, common_symbols
from arb.store.queries import LedgerReader
from arb.venues.build import build_paper_source
from arb.venues.endpoints import Site
from arb.venues.paper_source import PublicSource
from arb.venues.registry import spec_of
from arb.venues.transport.network import Network, SystemNetwork

ASK_S = 20.0
"""How long a venue may take for its listing and its tickers together: some MB, over a slow line."""
HOUR_NS = 3600 * NS_PER_S


class Overview(msgspec.Struct, frozen=True):
    """What the venues that answered list, by venue, and why the others did not."""

    listed: Mapping[str, tuple[Listed, ...]]
    failed: Mapping[str, str]

    def common(self, quote: str, min_venues: int = 2) -> list[CommonSymbol]:
        """Return the symbols of a quote that so many venues list, the busiest first."""
        return common_symbols(self.listed, quote=quote, min_venues=min_venues)


class MarketReader:
    """Asks venues for their listings and tickers, again and again if need be."""

    def __init__(
        self, settings: Settings, sites: Mapping[str, Site], clock: Clock, rng: random.Random, network: Network
    ) -> None:
        self._sources: dict[str, PublicSource] = {}
        for venue, site in sites.items():
            spec, fee = spec_of(venue), settings.paper.taker_fee(venue)
            self._sources[venue] = build_paper_source(spec, site, fee, clock=clock, rng=rng, network=network)

    async def read(self) -> Overview:
        """Ask all venues at once."""
        answers = await asyncio.gather(*(self._ask(venue) for venue in self._sources))
        found = dict(zip(self._sources, answers, strict=True))
        return Overview(
            {venue: answer for venue, answer in found.items() if not isinstance(answer, str)},
            {venue: answer for venue, answer in found.items() if isinstance(answer, str)},
        )

    async def close(self) -> None:
        """Release sockets."""
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


@contextlib.asynccontextmanager
async def reading(settings: Settings, sandbox: str | None, clock: Clock) -> AsyncIterator[MarketReader]:
    """Yield what reads the markets of the enabled venues, or of a sandbox's (see `public_side`)."""
    async with public_side(settings, sandbox) as sites:
        await require_way_out(settings, sites.values())
        network = SystemNetwork(clock, proxy=settings.network.way_out())
        reader = MarketReader(settings, sites, clock, system_random(), network)
        try:
            yield reader
        finally:
            await reader.close()


def show_markets(settings: Settings, options: MarketsOptions) -> dict[str, Any]:
    """Return what `arb markets` shows as a document; raises `CheckFailed` where fewer than two venues answer."""
    return asyncio.run(_once(settings, options))


async def _once(settings: Settings, options: MarketsOptions) -> dict[str, Any]:
    clock = SystemClock()
    async with reading(settings, options.sandbox, clock) as reader:
        overview = await reader.read()
    now_ns = clock.wall_ns()
    view = MarketView(settings, options, now_ns, edge_shares(settings, now_ns, simulated=options.sandbox is not None))
    if options.why is not None:
        return view.why(overview)
    return view.document(overview) | (written(settings, options, view, overview) if options.write else {})


def written(settings: Settings, options: MarketsOptions, view: "MarketView", overview: Overview) -> dict[str, Any]:
    """Write what is chosen into the settings, and return what changed; raises `CheckFailed` where the choice is none to go by.

    Raises `ConfigError` where the file cannot take it.
    """
    if overview.failed:
        missing = "; ".join(overview.failed.values())
        raise CheckFailed(
            f"--write: without all enabled venues the choice would be another, so nothing is written: {missing}"
        )
    chosen, before = view.choice(overview).chosen, settings.run.symbols
    if not chosen:
        raise CheckFailed(
            "--write: the rules of [run.auto] choose nothing, so nothing is written: see `arb markets --why SYMBOL`"
        )
    write_symbols(options.config, chosen)
    return {
        "written": str(options.config),
        "added": [symbol for symbol in chosen if symbol not in before],
        "dropped": [symbol for symbol in before if symbol not in chosen],
    }


def edge_shares(settings: Settings, now_ns: int, *, simulated: bool) -> dict[str, Decimal]:
    """Return for which part of the last hour each symbol had an edge, by the ledger of the settings' mode; {} where none says.

    `simulated`: the markets are a sandbox's, of which only the ledger of that mode knows.
    """
    mode = settings.run.mode
    url, _ = stores(settings, mode.value, None)
    if simulated is not (mode is Mode.SANDBOX):
        return {}
    try:
        return LedgerReader(url).edge_shares(now_ns - HOUR_NS, now_ns)
    except (ConfigError, StoreError):
        return {}


class MarketView:
    """What is shown of an overview at `now_ns` (UTC); `shares`: the part of the last hour in which there was an edge."""

    def __init__(self, settings: Settings, options: MarketsOptions, now_ns: int, shares: Mapping[str, Decimal]) -> None:
        self._shares = shares
        self._options = options
        self._now_ns = now_ns
        self._quote = options.quote or settings.run.report_currency
        mode = settings.run.mode
        rule = every_coin_rule(settings, mode, sandbox=options.sandbox is not None)
        self._identities = RouteIdentities(rule)
        self._table = None if rule is None else CoinTable(rule.coins)
        self._rules = msgspec.structs.replace(settings.run.auto, **options.rules())

    def choice(self, overview: Overview) -> Choice:
        """Return what the rules choose of an overview; raises `CheckFailed` where fewer than two venues answer."""
        return choose(self._common(overview), self._rules, self._identities, self._now_ns)

    def document(self, overview: Overview) -> dict[str, Any]:
        """Return the common symbols as a document, the busiest first."""
        common = self._common(overview)
        choice = self.choice(overview)
        return {
            "quote": self._quote,
            "venues": {venue: len(listed) for venue, listed in overview.listed.items()},
            "failed": dict(overview.failed),
            "common": len(common),
            "chosen": list(choice.chosen),
            "passed_over": choice.passed_over,
            "markets": [
                self._row(each, choice)
                for number, each in enumerate(common)
                if number < self._rules.top or each.symbol in choice.chosen
            ],
        }

    def with_edge(self, overview: Overview) -> dict[str, bool]:
        """Return of each common symbol that is quoted at two venues whether there is an edge in it now."""
        edges = {each.symbol: self._edge(each) for each in overview.common(self._quote)}
        return {symbol: edge.edge_bps > 0 for symbol, edge in edges.items() if edge is not None}

    def why(self, overview: Overview) -> dict[str, Any]:
        """Return all that is known of one symbol; raises `ConfigError` for one that no venue lists, with the nearest."""
        wanted = self._options.why
        assert wanted is not None
        known = {venue: {one.instrument.symbol for one in listed} for venue, listed in overview.listed.items()}
        if not any(wanted in listed for listed in known.values()):
            asked = ", ".join(known) or "no venue"
            raise ConfigError(f"--why {wanted}: {asked} answered, and none lists it{nearest_listed(wanted, known)}")
        [symbol] = [each for each in common_symbols(overview.listed, min_venues=1) if each.symbol == wanted]
        choice = choose([symbol], self._rules, self._identities, self._now_ns)
        return {
            **self._row(symbol, choice),
            "chosen": wanted in choice.chosen,
            "against": choice.passed_over.get(wanted),
            "edges": [msgspec.to_builtins(edge) for edge in symbol.edges()],
            "coins": []
            if self._table is None
            else [verdict.lines() for verdict in self._verdicts(symbol, self._table)],
            "failed": dict(overview.failed),
        }

    def _common(self, overview: Overview) -> list[CommonSymbol]:
        if len(overview.listed) < 2:
            causes = "; ".join(overview.failed.values()) or "enable another in [venues]"
            raise CheckFailed(f"fewer than two venues answer, and nothing is common to one: {causes}")
        return overview.common(self._quote, self._rules.min_venues)

    def _verdicts(self, symbol: CommonSymbol, table: CoinTable) -> list[CoinVerdict]:
        """Return what is known of a symbol's coins between each two venues, with how far apart its prices are."""
        quotes = {venue: listed.quotes for venue, listed in symbol.at.items()}
        mids = {venue: (both[0] + both[1]) / 2 for venue, both in quotes.items() if both is not None}
        return why(symbol.symbol, list(symbol.at), table, mids)

    def _edge(self, symbol: CommonSymbol) -> Edge | None:
        """Return the best edge between venues whose coins may be traded between."""
        return symbol.best_edge(lambda one, other: not self._identities.refused((symbol.symbol, one, other)))

    def _row(self, symbol: CommonSymbol, choice: Choice) -> dict[str, Any]:
        edge = self._edge(symbol)
        return {
            "symbol": symbol.symbol,
            "volume_quote": symbol.volume_quote,
            "chosen": symbol.symbol in choice.chosen,
            "edge_share_1h": self._shares.get(symbol.symbol),
            "best_edge": None if edge is None else msgspec.structs.asdict(edge),
            "identity": [
                {"venues": [one, other], "verdict": None if verdict is None else str(verdict)}
                for one, other in combinations(symbol.at, 2)
                for verdict in (self._identities.of((symbol.symbol, one, other)),)
            ],
            "at": {venue: _listed(listed) for venue, listed in symbol.at.items()},
        }


def _listed(listed: Listed) -> dict[str, Any]:
    rules, ticker = listed.instrument, listed.ticker
    return {
        "native_symbol": rules.native_symbol,
        "tradable": rules.tradable,
        "bid": ticker.bid,
        "ask": ticker.ask,
        "book_spread_bps": listed.book_spread_bps,
        "volume_quote": ticker.volume_quote,
        "taker_fee": rules.taker_fee,
        "min_order_quote": listed.min_order_quote,
        "tick": rules.tick,
        "lot": rules.lot,
        "min_size": rules.min_size,
        "min_notional": rules.min_notional,
    }
