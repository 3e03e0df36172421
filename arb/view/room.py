"""The room within budgets and limits, and the worth of holdings: parts of the present state for metrics."""

from collections.abc import Iterator
from decimal import Decimal, localcontext
from itertools import islice
from typing import Any

from arb.clock import NS_PER_MS
from arb.core.engine import Engine
from arb.core.risk.day_limits import of_day
from arb.market.numbers import DECIMALS, plain
from arb.market.symbol import Symbol

ASSETS_A_PART = 20


def unknown_orders(engine: Engine, now_ns: int) -> list[dict[str, Any]]:
    """Return the orders that may or may not exist, each with its age since it was journalled."""
    return [
        {"venue": order.venue, "symbol": order.symbol, "age_ms": (now_ns - order.journalled_ns) // NS_PER_MS}
        for order in engine.manager.unknown_orders()
    ]


def day_limits(engine: Engine, now_ns: int) -> dict[str, dict[str, str]]:
    """Return by their keys in `[limits]` what is used of each limit on the UTC day, and the limit."""
    with localcontext(DECIMALS):
        found = of_day(engine.state.control, engine.state.limits, now_ns)
    return {of_it.key: {"used": plain(of_it.used), "limit": plain(of_it.limit)} for of_it in found}


def budgets(engine: Engine, venue: str, now_ns: int) -> list[dict[str, Any]]:
    """Return a row for each rate of placements at a venue: what its fullest window still takes, and the limit."""
    return [
        {"of": "symbol" if rate.per_symbol else "account", "free": free, "limit": rate.count, "ms": rate.window_ms}
        for free, rate in engine.state.budget.left_by_rate(venue, now_ns)
    ]


def prices(engine: Engine) -> Iterator[dict[str, Any]]:
    """Yield parts of the state: `prices`, by held asset and quote the value of one unit, where a book shows it."""
    state, found = engine.state, dict[str, dict[str, str]]()
    quotes = sorted({Symbol.of(symbol).quote for _, symbol in state.instruments})
    assets = iter(sorted({asset for venue in state.inventory.with_basis for asset in state.inventory.totals(venue)}))
    while some := list(islice(assets, ASSETS_A_PART)):
        for asset in some:
            values: dict[str, Decimal | None] = {quote: state.quote_value(asset, quote) for quote in quotes}
            found[asset] = {quote: plain(value) for quote, value in values.items() if value is not None}
        yield {}
    yield {"prices": found}
