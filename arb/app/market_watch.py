"""`arb markets --watch`: changes in the venues' listings, line by line, and for how much of the time there was an edge."""

import asyncio
import contextlib
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from arb.app.market_reader import NO_KEYS, MarketReader, Overview, reading
from arb.app.markets import HOUR_NS, MarketView, edge_shares, quote_of
from arb.clock import NS_PER_S, Clock
from arb.config import MarketsOptions, Settings
from arb.market.listing import Change, Changed, Listed, changes
from arb.market.wallets import Wallets
from arb.process import on_stop_signal
from arb.venues.kit.endpoints import Credentials

News = dict[str, Any]
"""A change as a document: `at` (UTC), `venue`, `symbol` (None: of the venue as a whole), `what`, and a sentence, `text`."""


def watch_markets(
    settings: Settings,
    options: MarketsOptions,
    clock: Clock,
    on_document: Callable[[dict[str, Any]], None],
    on_news: Callable[[News], None],
    list_keys: Mapping[str, Credentials],
) -> None:
    """Show the markets, then each change, until a signal or the time is over; then the markets as they are at the end."""
    asyncio.run(Watch(settings, options, clock, list_keys).main(on_document, on_news))


TEXTS = {
    Change.LISTED: "{venue} lists {symbol}",
    Change.UNLISTED: "{venue} lists {symbol} no more",
    Change.HALTED: "{symbol} is not open for trading at {venue} any more",
    Change.RESUMED: "{symbol} is open for trading at {venue} again",
    Change.ENDING: "{venue} announces the end of trade in {symbol}",
}


class Watch:
    """The state between one look at the venues and the next."""

    def __init__(
        self, settings: Settings, options: MarketsOptions, clock: Clock, list_keys: Mapping[str, Credentials] = NO_KEYS
    ) -> None:
        self._list_keys = list_keys
        self._settings = settings
        self._options = options
        self._clock = clock
        self._stop = asyncio.Event()
        self._seen: dict[str, tuple[Listed, ...]] = {}  # by venue, its listing when it last answered
        self._failed: Mapping[str, str] = {}
        self._wallets: Wallets | None = None  # as they were at the first look
        self._edges = EdgeShares()
        self._quote = quote_of(settings, options)

    async def main(self, on_document: Callable[[dict[str, Any]], None], on_news: Callable[[News], None]) -> None:
        """Look until stopped; raises `CheckFailed` where fewer than two venues answer at the first look."""
        on_stop_signal(asyncio.get_running_loop(), lambda _: self._stop.set())
        async with reading(self._settings, self._options.sandbox, self._clock, self._list_keys) as reader:
            overview = await reader.read(self._quote)
            self._wallets = overview.wallets
            on_document(self._view(overview).document())
            self.take(overview)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._options.for_s):
                    await self._look_on(reader, on_news)
        on_document(self._view(Overview(self._seen, self._failed, overview.wallets, overview.list_notes)).document())

    async def _look_on(self, reader: MarketReader, on_news: Callable[[News], None]) -> None:
        while not self._stop.is_set():
            try:
                await asyncio.wait_for(self._stop.wait(), self._options.every_s)
            except TimeoutError:
                for news in self.take(await reader.read(self._quote, wallets=self._wallets)):
                    on_news(news)

    def _view(self, overview: Overview) -> MarketView:
        now_ns = self._clock.wall_ns()
        shares = edge_shares(self._settings, now_ns, simulated=self._options.sandbox is not None)
        return MarketView(self._settings, self._options, overview, now_ns, shares | self._edges.shares())

    def take(self, overview: Overview) -> list[News]:
        """Return the changes since the last look; none for a venue that answers for the first time."""
        news = [self._news(venue, "silent", why) for venue, why in overview.failed.items() if venue not in self._failed]
        for venue, listed in overview.listed.items():
            if venue in self._failed:
                news.append(self._news(venue, "answers", f"{venue} answers"))
            before = self._seen.get(venue)
            if before is not None:
                rules = [one.instrument for one in listed]
                news += [
                    self._changed(each, overview) for each in changes(venue, (one.instrument for one in before), rules)
                ]
            self._seen[venue] = listed
        self._failed = overview.failed
        self._edges.note(self._clock.wall_ns(), self._view(overview).with_edge())
        return news

    def _changed(self, changed: Changed, overview: Overview) -> News:
        venue, symbol = changed.venue, changed.symbol
        others = [other for other, listed in overview.listed.items() if other != venue and symbol in _symbols(listed)]
        text = TEXTS[changed.change].format(venue=venue, symbol=symbol)
        if changed.change is Change.LISTED:
            text += f"; listed elsewhere: {', '.join(others) or 'nowhere'}"
        elif changed.change is Change.ENDING:
            [ends_ns] = [one.instrument.ends_ns for one in overview.listed[venue] if one.instrument.symbol == symbol]
            text += f" at {_utc(ends_ns or 0)}"
        return self._news(venue, changed.change, text, symbol, others)

    def _news(self, venue: str, what: str, text: str, symbol: str | None = None, others: Iterable[str] = ()) -> News:
        return {
            "at": _utc(self._clock.wall_ns()),
            "venue": venue,
            "symbol": symbol,
            "what": str(what),
            "also_at": list(others),
            "text": text,
        }


class EdgeShares:
    """The share of the looks of the last hour at which a symbol had an edge above 0 at the best quotes."""

    def __init__(self) -> None:
        self._looks: deque[tuple[int, dict[str, bool]]] = deque()

    def note(self, now_ns: int, with_edge: dict[str, bool]) -> None:
        self._looks.append((now_ns, with_edge))
        while self._looks[0][0] < now_ns - HOUR_NS:
            self._looks.popleft()

    def shares(self) -> dict[str, Decimal]:
        seen = Counter(symbol for _, look in self._looks for symbol in look)
        had = Counter(symbol for _, look in self._looks for symbol, has in look.items() if has)
        return {symbol: round(Decimal(had[symbol]) / count, 6) for symbol, count in seen.items()}


def _utc(ns: int) -> str:
    return datetime.fromtimestamp(ns // NS_PER_S, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _symbols(listed: Iterable[Listed]) -> set[str]:
    return {one.instrument.symbol for one in listed}
