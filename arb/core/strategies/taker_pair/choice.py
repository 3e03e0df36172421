"""The listed symbols worth trading, by rules that a person can check, and the objections to the others.

A venue counts for a symbol where it lists and trades it, quotes both sides, and is busy and tight enough. It needs a partner
that counts, too, means the same coins, and with which pairs could be refilled. Symbols with enough such venues are taken in
the order of their volume. This chooses only the symbols to watch: the engine decides on whole books whether to trade there.
"""

from collections.abc import Iterable
from itertools import combinations
from typing import NamedTuple

import msgspec

from arb.core.messages.settings import ChoiceRules
from arb.core.state.identity import RouteIdentities
from arb.core.state.transfer_blocked import TransferBlocks
from arb.market.listing import CommonSymbol, Listed
from arb.market.numbers import plain
from arb.market.route import Route


class RouteJudges(NamedTuple):
    identities: RouteIdentities
    trapped: TransferBlocks

    def may(self, symbol: str, buy_venue: str, sell_venue: str) -> bool:
        route = Route.of(symbol, buy_venue, sell_venue)
        return not self.identities.refused(route) and not self.trapped.refused(route)

    def against(self, symbol: str, one: str, other: str) -> str | None:
        if self.may(symbol, one, other) or self.may(symbol, other, one):
            return None
        if self.identities.refused(Route.of(symbol, one, other)):
            return f"not known to be the same coins ({self.identities.of(Route.of(symbol, one, other))})"
        return "a wallet is closed that either way of refilling needs"


class Choice(msgspec.Struct, frozen=True):
    """The chosen symbols, the busiest first, and by each other symbol why it is not."""

    chosen: tuple[str, ...]
    passed_over: dict[str, str]


def choose(
    symbols: Iterable[CommonSymbol],
    rules: ChoiceRules,
    routes: RouteJudges,
    now_ns: int,
    keep: Iterable[str] = (),
) -> Choice:
    """Choose among symbols by rules at `now_ns` (UTC, ns); those to `keep` are chosen first, despite objections."""
    kept = tuple(dict.fromkeys(keep))
    passed_over: dict[str, str] = {}
    fit: list[CommonSymbol] = []
    for each in symbols:
        if each.symbol in kept:
            continue
        why = against(each, rules, routes, now_ns)
        if why is None:
            fit.append(each)
        else:
            passed_over[each.symbol] = why
    fit.sort(key=lambda each: (-each.volume_quote, each.symbol))
    most = max(0, rules.top - len(kept))
    passed_over |= {each.symbol: f"not among the {rules.top} with the greatest volume" for each in fit[most:]}
    return Choice((*kept, *(each.symbol for each in fit[:most])), passed_over)


def against(symbol: CommonSymbol, rules: ChoiceRules, routes: RouteJudges, now_ns: int) -> str | None:
    if symbol.symbol in rules.exclude_symbols:
        return "in exclude_symbols"
    faults = {venue: _fault(listed, rules, now_ns) for venue, listed in symbol.at.items()}
    sound = [venue for venue, fault in faults.items() if fault is None]
    pairs = {pair: routes.against(symbol.symbol, *pair) for pair in combinations(sound, 2)}
    if len({venue for pair, why in pairs.items() if why is None for venue in pair}) >= rules.min_venues:
        return None
    found = [f"{one} and {other}: {why}" for (one, other), why in pairs.items() if why is not None]
    found += [f"{venue}: {fault}" for venue, fault in faults.items() if fault is not None]
    return f"fewer than {rules.min_venues} venues count: {'; '.join(found) or 'only ' + ', '.join(sound)}"


def _fault(listed: Listed, rules: ChoiceRules, now_ns: int) -> str | None:
    spread_bps = listed.book_spread_bps
    if not listed.instrument.tradable or listed.instrument.opens_from_ns(now_ns) is not None:
        return "not open for trading"
    if listed.instrument.ends_soon(now_ns):
        return "trade ends soon"
    if spread_bps is None:
        return "no quotes on both sides"
    if spread_bps > rules.max_book_spread_bps:
        return f"a book spread of {plain(round(spread_bps, 1))} bps"
    if listed.ticker.volume_quote < rules.min_volume_quote:
        return f"a 24 h volume of {listed.ticker.volume_quote:.0f}"
    return None
