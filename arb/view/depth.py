"""The two live books of a route, and the pair that they would make now: parts of the state that a page asks for by route."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

from arb.clock import NS_PER_MS
from arb.core.engine import Engine
from arb.core.pricing.depth import Depth
from arb.core.pricing.plan import Plan
from arb.core.pricing.spread import episode
from arb.core.pricing.terms import PairTerms, VenueTerms
from arb.market.numbers import plain
from arb.market.route import Key, Route
from arb.market.scale import Scale
from arb.view.summary import BPS, top_edge_bps

LEVELS = 10
"""The best levels of each side that are shown."""


def depths(
    engine: Engine, now_ns: Callable[[], int], wanted: Iterable[tuple[str, str, str]]
) -> Iterator[dict[str, Any]]:
    """Yield parts of the state: `depths`, a row for each wanted (symbol, venue to buy at, venue to sell at) with two books."""
    rows = []
    for symbol, buy, sell in wanted:
        route = Route.of(symbol, buy, sell)
        known = (key in engine.state.instruments and engine.state.books.has(*key) for key in route)
        if buy != sell and all(known):
            rows.append({"symbol": symbol, "buy": buy, "sell": sell} | _route(engine, route, now_ns()))
            yield {}
    yield {"depths": rows}


def _route(engine: Engine, route: Route, now_ns: int) -> dict[str, Any]:
    """Return both books, the edge of their best quotes in bps before and after both taker fees, and the best plan.

    `not_taken` is the reason against the plan, as last judged. None: not known, or no edge.
    """
    books, (buy, sell) = engine.state.books, route.venues
    ask, bid = books.best(*route.buy)[1], books.best(*route.sell)[0]
    edge_bps = top_edge_bps(engine, route.group, buy, sell)
    gross_bps = None if ask is None or bid is None else BPS * (bid - ask) / ask
    plan = _best_plan(engine, route) if edge_bps is not None and edge_bps > 0 else None
    reason = None if plan is None else engine.strategy.explain(route)
    return {
        "books": [_book(engine, key, now_ns) for key in route],
        "gross_bps": None if gross_bps is None else f"{gross_bps:.2f}",
        "edge_bps": None if edge_bps is None else f"{edge_bps:.2f}",
        "plan": None
        if plan is None
        else {
            "legs": [{"size": plain(leg.size), "limit": plain(leg.limit)} for leg in plan.legs(route)],
            "net": plain(plan.amount(plan.net)),
            "edge_bps": f"{plan.edge_bps():.2f}",
        },
        "not_taken": None if reason is None else str(reason),
    }


def _best_plan(engine: Engine, route: Route) -> Plan | None:
    """Return the plan of the greatest net on the present books, whatever thresholds and balances."""
    state = engine.state
    buy, sell = (VenueTerms.of(state.instruments[key]) for key in route)
    terms = PairTerms(state.books.scales[route.group], buy, sell, state.edge_limits(route))
    return episode(terms, *state.books.sides(route))


def _book(engine: Engine, key: Key, now_ns: int) -> dict[str, Any]:
    """Return the best levels (price, size) of a book, its age in ms, and the reason not to trade on it now, if any."""
    books, (venue, symbol) = engine.state.books, key
    scale, received_ns, reason = books.scales[symbol], books.received_ns(*key), books.unusable(*key, now_ns)
    return {
        "venue": venue,
        "age_ms": None if not received_ns else (now_ns - received_ns) // NS_PER_MS,
        "unfit": None if reason is None else str(reason),
        "asks": _levels(books.asks(*key), scale),
        "bids": _levels(books.bids(*key), scale),
    }


def _levels(side: Depth, scale: Scale) -> list[list[str]]:
    levels = islice(zip(side.prices, side.sizes, strict=True), LEVELS)
    return [[plain(scale.price_to_decimal(price)), plain(scale.size_to_decimal(size))] for price, size in levels]
