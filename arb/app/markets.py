"""`arb markets`: the common symbols of the enabled venues, their edges now, and those worth trading."""

import asyncio
import contextlib
import queue
import threading
from collections.abc import Mapping
from decimal import Decimal
from functools import partial
from itertools import combinations
from typing import Any

import msgspec

from arb.app import stores
from arb.app.market_reader import Overview, reading
from arb.clock import NS_PER_S, SystemClock
from arb.config import MarketsOptions, Mode, Settings
from arb.config.coins import every_coin_rule
from arb.config.writing import write_symbols
from arb.core.strategies.taker_pair.choice import Choice, choose
from arb.errors import ArbError, CheckFailed, ConfigError, StoreError
from arb.live.untraded import nearest_listed
from arb.market.coins import CoinTable, CoinVerdict, why
from arb.market.listing import CommonSymbol, Edge, Listed, common_symbols
from arb.market.route import Route
from arb.store.ledger.queries import LedgerReader
from arb.venues.kit.endpoints import Credentials

HOUR_NS = 3600 * NS_PER_S


def show_markets(settings: Settings, options: MarketsOptions, list_keys: Mapping[str, Credentials]) -> dict[str, Any]:
    """Return the document of `arb markets`; raises `CheckFailed` where fewer than two venues answer.

    `list_keys`: for currency lists, by venue.
    """
    return asyncio.run(_once(settings, options, list_keys))


def best_symbols(settings: Settings, options: MarketsOptions, within_s: float) -> tuple[str, ...]:
    """Return the symbols that `[run.auto]` chooses now, the best first; () where too few venues answer within `within_s`."""
    found: queue.SimpleQueue[tuple[str, ...]] = queue.SimpleQueue()

    def ask() -> None:
        chosen: list[str] = []
        with contextlib.suppress(ArbError):
            chosen = show_markets(settings, options, {})["chosen"]
        found.put(tuple(chosen))

    # In a thread: a system that waits for its name server holds up the loop's end.
    threading.Thread(target=ask, name="arb-symbols", daemon=True).start()
    with contextlib.suppress(queue.Empty):
        return found.get(timeout=within_s)
    return ()


async def _once(settings: Settings, options: MarketsOptions, list_keys: Mapping[str, Credentials]) -> dict[str, Any]:
    clock = SystemClock()
    async with reading(settings, options.sandbox, clock, list_keys) as reader:
        overview = await reader.read(quote_of(settings, options))
    now_ns = clock.wall_ns()
    shares = edge_shares(settings, now_ns, simulated=options.sandbox is not None)
    view = MarketView(settings, options, overview, now_ns, shares)
    if options.why is not None:
        return view.why(options.why)
    return view.document() | (written(settings, options, view) if options.write else {})


def quote_of(settings: Settings, options: MarketsOptions) -> str:
    return options.quote or settings.run.report_currency


def written(settings: Settings, options: MarketsOptions, view: "MarketView") -> dict[str, Any]:
    """Write the choice into the settings, and return the changes; raises `CheckFailed` where the choice is not usable.

    Raises `ConfigError` where the file cannot take it.
    """
    if view.overview.failed:
        missing = "; ".join(view.overview.failed.values())
        raise CheckFailed(
            f"--write: without all enabled venues the choice would be another, so nothing is written: {missing}"
        )
    chosen, before = view.choice().chosen, () if settings.run.chooses else settings.run.symbols
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
    """Return for which part of the last hour each symbol had an edge, by the ledger of the settings' mode; {} without
    one.

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
    """The document of an overview at `now_ns` (UTC); `shares`: the part of the last hour in which there was an edge."""

    def __init__(
        self,
        settings: Settings,
        options: MarketsOptions,
        overview: Overview,
        now_ns: int,
        shares: Mapping[str, Decimal],
    ) -> None:
        self.overview = overview
        self._shares = shares
        self._now_ns = now_ns
        self._quote = quote_of(settings, options)
        rule = every_coin_rule(settings, settings.run.mode, sandbox=options.sandbox is not None)
        self._judges = overview.judges(rule, settings.limits.trapped)
        self._table = None if rule is None else CoinTable((*rule.coins, *overview.wallets.coins()), rule.overrides)
        self._fees = {venue: settings.paper.taker_fee(venue) for venue in overview.listed}
        self._rules = msgspec.structs.replace(settings.run.auto, **options.rules())

    def choice(self) -> Choice:
        """Return the choice by the rules; raises `CheckFailed` where fewer than two venues answer."""
        return choose(self._common(), self._rules, self._judges, self._now_ns)

    def document(self) -> dict[str, Any]:
        common, choice = self._common(), self.choice()
        return {
            "quote": self._quote,
            "venues": {venue: len(listed) for venue, listed in self.overview.listed.items()},
            "taker_fees": self._fees,
            "failed": dict(self.overview.failed),
            "currency_lists": list(self.overview.list_notes),
            "common": len(common),
            "chosen": list(choice.chosen),
            "passed_over": choice.passed_over,
            "markets": [
                self._row(each, choice)
                for number, each in enumerate(common)
                if number < self._rules.top or each.symbol in choice.chosen
            ],
        }

    def with_edge(self) -> dict[str, bool]:
        """Return, for each common symbol quoted at two venues, whether it has an edge now where pairs may open."""
        common = self.overview.common(self._quote)
        found = {each.symbol: each.best_edge(partial(self._judges.may, each.symbol)) for each in common}
        return {symbol: edge.edge_bps > 0 for symbol, edge in found.items() if edge is not None}

    def why(self, wanted: str) -> dict[str, Any]:
        """Return all that is known of one symbol; raises `ConfigError` for one that no venue lists, with the nearest."""
        listed = self.overview.listed
        known = {venue: {one.instrument.symbol for one in each} for venue, each in listed.items()}
        if not any(wanted in each for each in known.values()):
            asked = ", ".join(known) or "no venue"
            raise ConfigError(f"--why {wanted}: {asked} answered, and none lists it{nearest_listed(wanted, known)}")
        [symbol] = [each for each in common_symbols(listed, min_venues=1) if each.symbol == wanted]
        choice = choose([symbol], self._rules, self._judges, self._now_ns)
        return {
            **self._row(symbol, choice),
            "against": choice.passed_over.get(wanted),
            "edges": [self._shown(symbol, edge) for edge in symbol.edges()],
            "coins": [verdict.lines() for verdict in self._verdicts(symbol)],
            "failed": dict(self.overview.failed),
            "currency_lists": list(self.overview.list_notes),
        }

    def _common(self) -> list[CommonSymbol]:
        if len(self.overview.listed) < 2:
            failed = "; ".join(self.overview.failed.values())
            causes = f"{failed}: see `arb doctor`" if failed else "enable another in [venues]"
            raise CheckFailed(f"fewer than two venues answer, and nothing is common to one: {causes}")
        return self.overview.common(self._quote, self._rules.min_venues)

    def _verdicts(self, symbol: CommonSymbol) -> list[CoinVerdict]:
        """Return the verdicts on a symbol's coins between each two venues, with the distance of its prices."""
        if self._table is None:
            return []
        quotes = {venue: listed.quotes for venue, listed in symbol.at.items()}
        mids = {venue: (both[0] + both[1]) / 2 for venue, both in quotes.items() if both is not None}
        return why(symbol.symbol, list(symbol.at), self._table, mids)

    def _shown(self, symbol: CommonSymbol, edge: Edge) -> dict[str, Any]:
        refill = self._judges.trapped.refill(Route.of(symbol.symbol, edge.buy_venue, edge.sell_venue))
        return msgspec.structs.asdict(edge) | {"wallets": str(refill.state), "refill": refill.lines()}

    def _row(self, symbol: CommonSymbol, choice: Choice) -> dict[str, Any]:
        """Return a symbol's row; its best edge is between venues with the same coins, even where transfers are blocked."""
        identities = self._judges.identities
        edge = symbol.best_edge(lambda buy, sell: not identities.refused(Route.of(symbol.symbol, buy, sell)))
        return {
            "symbol": symbol.symbol,
            "volume_quote": symbol.volume_quote,
            "chosen": symbol.symbol in choice.chosen,
            "edge_share_1h": self._shares.get(symbol.symbol),
            "best_edge": None if edge is None else self._shown(symbol, edge),
            "identity": [
                {"venues": [one, other], "verdict": None if verdict is None else str(verdict)}
                for one, other in combinations(symbol.at, 2)
                for verdict in (identities.of(Route.of(symbol.symbol, one, other)),)
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
