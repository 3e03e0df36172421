"""`arb scan`: what the engine would trade on a snapshot of books, and why not the rest (DESIGN.md section 5).

The same code decides here as in a run; only the input comes from a file instead of feeds.
"""

from collections.abc import Iterable
from decimal import Decimal
from itertools import permutations
from pathlib import Path
from typing import Any

from arb.core.pricing.depth import Depth
from arb.core.pricing.plan import Plan, Refusal
from arb.core.pricing.spread import evaluate
from arb.core.pricing.terms import FEE_EXP, Funds, PairTerms, VenueTerms
from arb.core.reasons import Reason
from arb.market.numbers import EXACT, plain
from arb.market.scale import Scale
from arb.replay.scan_input import Level, ScanInput, ScanVenue, read_scan_input

_SHOWN = (
    "buy_size",
    "sell_size",
    "buy_limit",
    "sell_limit",
    "buy_vwap",
    "sell_vwap",
    "paid",
    "got",
    "residual",
    "residual_value",
    "net",
    "edge_bps",
    "gross_edge_bps",
)


def scan_file(path: Path) -> dict[str, Any]:
    """Return the scan's JSON document for the input file at `path`; raise `ConfigError` for bad input."""
    return scan(read_scan_input(path))


def scan(given: ScanInput) -> dict[str, Any]:
    """Return every ordered pair of venues once, under `opportunities` or `refused`, best net first, ties by names."""
    scale, fee_exp = _scale(given.venues), _fee_exp(given.venues)
    depths = {venue.name: (_depth(venue.asks, scale), _depth(venue.bids, scale)) for venue in given.venues}
    opportunities: list[tuple[Any, dict[str, Any]]] = []
    refused: list[tuple[Any, dict[str, Any]]] = []
    for buy, sell in permutations(given.venues, 2):
        answer = _judge(given, buy, sell, depths[buy.name][0], depths[sell.name][1], scale, fee_exp)
        names = {"buy": buy.name, "sell": sell.name}
        if isinstance(answer, Plan):
            view = answer.view()
            shown = {name: plain(getattr(view, name)) for name in _SHOWN}
            opportunities.append(((view.net.copy_negate(), buy.name, sell.name), {**names, **shown}))
        else:
            net = answer.best_net_decimal()
            why = {"reason": answer.reason.value, "best_net": None if net is None else plain(net)}
            key = (net is None, Decimal(0) if net is None else net.copy_negate(), buy.name, sell.name)
            refused.append((key, {**names, **why}))
    return {"opportunities": _in_order(opportunities), "refused": _in_order(refused)}


def _judge(
    given: ScanInput, buy: ScanVenue, sell: ScanVenue, asks: Depth, bids: Depth, scale: Scale, fee_exp: int
) -> Plan | Refusal:
    if buy.is_crossed or sell.is_crossed:
        return Refusal(Reason.CROSSED_BOOK)
    if buy.taker_fee is None or sell.taker_fee is None:
        return Refusal(Reason.FEE_UNKNOWN)
    terms = PairTerms(scale, _terms(buy, buy.taker_fee), _terms(sell, sell.taker_fee), given.limits, fee_exp=fee_exp)
    return evaluate(terms, asks, bids, Funds(quote=buy.free_quote, base=sell.free_base))


def _terms(venue: ScanVenue, taker_fee: Decimal) -> VenueTerms:
    return VenueTerms(
        taker_fee=taker_fee,
        buy_fee_in=venue.buy_fee_in,
        tick=venue.tick,
        lot=venue.lot,
        min_size=venue.min_size,
        min_notional=venue.min_notional,
    )


def _scale(venues: list[ScanVenue]) -> Scale:
    """Return the coarsest scale on which every price, tick, size and lot given is whole."""
    levels = [level for venue in venues for level in (*venue.bids, *venue.asks)]
    return Scale(
        _decimals([*(price for price, _ in levels), *(venue.tick for venue in venues)]),
        _decimals([*(size for _, size in levels), *(venue.lot for venue in venues)]),
    )


def _fee_exp(venues: list[ScanVenue]) -> int:
    return max(FEE_EXP, _decimals(venue.taker_fee for venue in venues if venue.taker_fee is not None))


def _decimals(values: Iterable[Decimal]) -> int:
    exponents = (EXACT.normalize(value).as_tuple().exponent for value in values)
    return max(0, *(-exponent for exponent in exponents if isinstance(exponent, int)), 0)


def _depth(levels: list[Level], scale: Scale) -> Depth:
    return Depth(
        [scale.price_to_int(price) for price, _ in levels],
        [scale.size_to_int(size) for _, size in levels],
    )


def _in_order(rows: list[tuple[Any, dict[str, Any]]]) -> list[dict[str, Any]]:
    return [row for _, row in sorted(rows, key=lambda item: item[0])]
