"""Which of the listed symbols are worth trading, by rules that a person can check, and why the others are not.

A venue counts for a symbol where it lists and trades it, quotes both sides, and is busy and tight enough; it needs a partner
that counts, too, and means the same coins. Symbols with enough such venues are taken in the order of their volume. What comes
of it is a choice of what to watch: whether and what to trade there is judged by the engine on whole books.
"""

from collections.abc import Iterable
from itertools import combinations

import msgspec

from arb.core.opportunities.identity import RouteIdentities
from arb.core.settings import ChoiceRules
from arb.market.listing import CommonSymbol, Listed
from arb.market.numbers import plain


class Choice(msgspec.Struct, frozen=True):
    """The chosen symbols, the busiest first, and by each other symbol why it is not."""

    chosen: tuple[str, ...]
    passed_over: dict[str, str]


def choose(
    symbols: Iterable[CommonSymbol],
    rules: ChoiceRules,
    identities: RouteIdentities,
    now_ns: int,
    keep: Iterable[str] = (),
) -> Choice:
    """Choose among symbols by rules at `now_ns` (UTC, ns); those to `keep` are chosen first, whatever speaks against them."""
    kept = tuple(dict.fromkeys(keep))
    passed_over: dict[str, str] = {}
    fit: list[CommonSymbol] = []
    for each in symbols:
        if each.symbol in kept:
            continue
        why = against(each, rules, identities, now_ns)
        if why is None:
            fit.append(each)
        else:
            passed_over[each.symbol] = why
    fit.sort(key=lambda each: (-each.volume_quote, each.symbol))
    most = max(0, rules.top - len(kept))
    passed_over |= {each.symbol: f"not among the {rules.top} with the greatest volume" for each in fit[most:]}
    return Choice((*kept, *(each.symbol for each in fit[:most])), passed_over)


def against(symbol: CommonSymbol, rules: ChoiceRules, identities: RouteIdentities, now_ns: int) -> str | None:
    """Return the first thing that speaks against a symbol, None where nothing does."""
    if symbol.symbol in rules.exclude_symbols:
        return "in exclude_symbols"
    faults = {venue: _fault(listed, rules, now_ns) for venue, listed in symbol.at.items()}
    sound = [venue for venue, fault in faults.items() if fault is None]
    why = "; ".join(f"{venue}: {fault}" for venue, fault in faults.items() if fault is not None)
    if len(sound) >= rules.min_venues:
        pairs = [pair for pair in combinations(sound, 2) if not identities.refused((symbol.symbol, pair[0], pair[1]))]
        if len({venue for pair in pairs for venue in pair}) >= rules.min_venues:
            return None
        refused = (pair for pair in combinations(sound, 2) if pair not in pairs)
        between = (f"{one} and {other} ({identities.of((symbol.symbol, one, other))})" for one, other in refused)
        why = "; ".join([f"not known to be the same coins at {', '.join(between)}", *([why] if why else [])])
    wanted = f"fewer than {rules.min_venues} venues count"
    return f"{wanted}: {why}" if why else f"{wanted}: {', '.join(sound)} alone"


def _fault(listed: Listed, rules: ChoiceRules, now_ns: int) -> str | None:
    spread_bps = listed.book_spread_bps
    if not listed.instrument.tradable:
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
