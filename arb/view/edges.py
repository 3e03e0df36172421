"""The best edge of each symbol as its best quotes show it now, and why the best of them are not taken."""

from decimal import Decimal
from typing import Any

from arb.core.engine import Engine
from arb.market.numbers import plain
from arb.market.route import Route

BPS = Decimal(10_000)


def best_edges(engine: Engine) -> list[dict[str, Any]]:
    """Return, per symbol, the route whose best quotes leave the most after both taker fees, best first.

    Those whose coins are not proved to be the same at both venues stand behind all others, with their `identity`.
    """
    symbols = sorted({symbol for _, symbol in engine.state.instruments})
    return ranked([row for symbol in symbols for row in best_edge(engine, symbol)])


def ranked(edges: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows of `best_edge`, the best first, those with an `identity` last."""
    return sorted(edges, key=lambda row: ("identity" in row, -Decimal(row["edge_bps"])))


def best_edge(engine: Engine, symbol: str) -> list[dict[str, Any]]:
    """Return the row of a symbol's best route, if it has any."""
    venues = engine.state.venues_of(symbol)
    routes = [
        (edge, buy, sell)
        for buy in venues
        for sell in venues
        if buy != sell and (edge := _top_edge_bps(engine, symbol, buy, sell)) is not None
    ]
    if not routes:
        return []
    edge, buy, sell = max(routes)
    row = {"symbol": symbol, "buy": buy, "sell": sell, "edge_bps": plain(edge.quantize(Decimal("0.01")))}
    return [row | marked(engine.state.identities.mark((symbol, buy, sell)))]


def why_not(engine: Engine, row: dict[str, Any]) -> str | None:
    """Return why a row's edge is not taken: a code of `Reason`; None without an edge, or before it was judged."""
    if Decimal(row["edge_bps"]) <= 0:
        return None
    route: Route = (row["symbol"], row["buy"], row["sell"])
    reason = engine.strategy.why_not(route)
    return None if reason is None else str(reason)


def marked(identity: str | None) -> dict[str, str]:
    """Return the mark of what trades coins that are not proved to be the same at both venues; nothing for any other."""
    return {} if identity is None else {"identity": identity}


def _top_edge_bps(engine: Engine, symbol: str, buy: str, sell: str) -> Decimal | None:
    state = engine.state
    if not (state.books.is_live(buy, symbol) and state.books.is_live(sell, symbol)):
        return None
    ask, bid = state.books.best(buy, symbol)[1], state.books.best(sell, symbol)[0]
    fees = (state.instruments[buy, symbol].taker_fee, state.instruments[sell, symbol].taker_fee)
    if ask is None or bid is None or fees[0] is None or fees[1] is None:
        return None
    return (Decimal(bid) * (1 - fees[1]) / (Decimal(ask) * (1 + fees[0])) - 1) * BPS
