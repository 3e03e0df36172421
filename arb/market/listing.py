"""Listings of several venues: their rules side by side, their best quotes, and the edge between them now.

An edge here is that of one unit at the best quotes, after both takers' fees and before lots, minimums and depth. It shows
which symbols deserve a closer check; the engine, which sees whole books, decides (`core/pricing`).
"""

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from itertools import permutations

import msgspec

from arb.market.instrument import FeeIn, Instrument
from arb.market.numbers import bps
from arb.market.symbol import Symbol


class Ticker(msgspec.Struct, frozen=True, kw_only=True):
    """The best quotes of a symbol at a venue, with their sizes in base, and the last 24 hours' volume in quote.

    A price is None without a quote, else > 0; sizes and volume are >= 0, 0 where the venue does not publish them.
    """

    bid: Decimal | None
    bid_size: Decimal
    ask: Decimal | None
    ask_size: Decimal
    volume_quote: Decimal


NOBODY = Ticker(bid=None, bid_size=Decimal(0), ask=None, ask_size=Decimal(0), volume_quote=Decimal(0))
"""The ticker of a symbol that a venue lists without quotes."""


class Listed(msgspec.Struct, frozen=True):
    """A symbol at one venue: its rules, with the fee that is reckoned with, and its ticker."""

    instrument: Instrument
    ticker: Ticker

    @property
    def quotes(self) -> tuple[Decimal, Decimal] | None:
        """Return the best bid and ask; None where a side is empty or the two cross."""
        bid, ask = self.ticker.bid, self.ticker.ask
        return None if bid is None or ask is None or bid > ask else (bid, ask)

    @property
    def book_spread_bps(self) -> Decimal | None:
        """Return how far the best ask is from the best bid, in bps of their middle; None where there are not both."""
        if self.quotes is None:
            return None
        bid, ask = map(Fraction, self.quotes)
        spread = 2 * (ask - bid) / (bid + ask)
        return bps(spread.numerator, spread.denominator)

    @property
    def min_order_quote(self) -> Decimal | None:
        """Return the value of the smallest order at the best ask, in quote; None where there is no ask."""
        ask, rules = self.ticker.ask, self.instrument
        return None if ask is None else max(rules.min_notional, rules.min_size * ask, rules.lot * ask)


class Edge(msgspec.Struct, frozen=True, kw_only=True):
    """Buying at one venue's best ask and selling at another's best bid, net of both takers' fees, for `size` base."""

    buy_venue: str
    sell_venue: str
    edge_bps: Decimal
    size: Decimal


class CommonSymbol(msgspec.Struct, frozen=True):
    """A symbol that several venues list; `at`: each venue's listing, in the venues' order."""

    symbol: str
    at: Mapping[str, Listed]

    @property
    def volume_quote(self) -> Decimal:
        """Return the 24 hours' volume at the second busiest venue, in quote: a pair needs two."""
        volumes = sorted((listed.ticker.volume_quote for listed in self.at.values()), reverse=True)
        return volumes[1] if len(volumes) > 1 else Decimal(0)

    def edges(self) -> list[Edge]:
        """Return the edge of every ordered pair of venues that trade it and quote both sides, the best first."""
        venues = [venue for venue, listed in self.at.items() if listed.instrument.tradable and listed.quotes]
        found = [self._edge(buy, sell) for buy, sell in permutations(venues, 2)]
        return sorted((edge for edge in found if edge is not None), key=lambda edge: -edge.edge_bps)

    def best_edge(self, may: Callable[[str, str], bool] = lambda *_: True) -> Edge | None:
        """Return the best edge between two venues that `may` be traded between; None where no two are."""
        return next((edge for edge in self.edges() if may(edge.buy_venue, edge.sell_venue)), None)

    def _edge(self, buy: str, sell: str) -> Edge | None:
        """Return the edge of one unit: `paid` at the one best quote, `got` at the other."""
        here, there = self.at[buy], self.at[sell]
        buy_fee, sell_fee = here.instrument.taker_fee, there.instrument.taker_fee
        if buy_fee is None or sell_fee is None or here.quotes is None or there.quotes is None:
            return None
        kept, paid = Fraction(1), Fraction(here.quotes[1])
        if here.instrument.buy_fee_in is FeeIn.BASE:
            kept -= Fraction(buy_fee)
        else:
            paid *= 1 + Fraction(buy_fee)
        got = kept * Fraction(there.quotes[0]) * (1 - Fraction(sell_fee))
        net = (got - paid) / paid
        size = min(here.ticker.ask_size, there.ticker.bid_size)
        return Edge(buy_venue=buy, sell_venue=sell, edge_bps=bps(net.numerator, net.denominator), size=size)


def common_symbols(
    venues: Mapping[str, Iterable[Listed]], *, quote: str | None = None, min_venues: int = 2
) -> list[CommonSymbol]:
    """Return the symbols that at least `min_venues` of the venues list, with the greatest volume first.

    `quote`: only those priced in it.
    """
    by_symbol: dict[str, dict[str, Listed]] = {}
    for venue, listed in venues.items():
        for one in listed:
            by_symbol.setdefault(one.instrument.symbol, {})[venue] = one
    found = [
        CommonSymbol(symbol, at)
        for symbol, at in by_symbol.items()
        if len(at) >= min_venues and quote in (None, Symbol.of(symbol).quote)
    ]
    return sorted(found, key=lambda each: (-each.volume_quote, each.symbol))


class Change(StrEnum):
    LISTED = "listed"
    UNLISTED = "unlisted"
    HALTED = "halted"
    RESUMED = "resumed"
    ENDING = "ending"


class Changed(msgspec.Struct, frozen=True):
    venue: str
    symbol: str
    change: Change


def changes(venue: str, before: Iterable[Instrument], after: Iterable[Instrument]) -> list[Changed]:
    old = {rules.symbol: rules for rules in before}
    new = {rules.symbol: rules for rules in after}
    found = [(symbol, Change.LISTED) for symbol in new.keys() - old.keys()]
    found += [(symbol, Change.UNLISTED) for symbol in old.keys() - new.keys()]
    for symbol in old.keys() & new.keys():
        if old[symbol].tradable is not new[symbol].tradable:
            found.append((symbol, Change.RESUMED if new[symbol].tradable else Change.HALTED))
        if new[symbol].ends_ns is not None and old[symbol].ends_ns != new[symbol].ends_ns:
            found.append((symbol, Change.ENDING))
    return [Changed(venue, symbol, change) for symbol, change in sorted(found)]
