"""What is so right now, for the live table and the plain lines: exposure first, then venues, edges, pairs, profit."""

from decimal import Decimal
from typing import Any

from arb.clock import NS_PER_MS
from arb.core.books import Connection
from arb.core.engine import Engine
from arb.core.records import PairState
from arb.live.summary import exposure, unhedged
from arb.market.arena import BookState
from arb.market.numbers import ZERO, plain

BPS = Decimal(10_000)


def present_state(engine: Engine, now_ns: int) -> dict[str, Any]:
    """Return the present state in plain values; money as decimal strings."""
    state, exposed = engine.state, unhedged(engine, now_ns)
    return {
        "run_id": state.run_id,
        "unhedged_notional": plain(sum((Decimal(row["value"]) for row in exposed), ZERO)),
        "unhedged": exposed,
        "exposure": exposure(engine),
        "halted": state.control.halted,
        "state": str(state.control.state),
        "venues": [_venue(engine, venue, now_ns) for venue in state.venues],
        "edges": best_edges(engine),
        "open_pairs": [_pair(pair, now_ns) for pair in engine.manager.unfinished],
        "pairs": {"opened": state.tally.opened}
        | {str(pair_state): state.tally.closed[pair_state] for pair_state in PairState},
        "net": {asset: plain(amount) for asset, amount in sorted(state.tally.net.items())},
        "fees": {asset: plain(amount) for asset, amount in sorted(state.tally.fees.items())},
        "opportunities": state.tally.opportunities,
        "refusals": dict(state.tally.refusals.most_common(5)),
        "orders": state.tally.orders,
        "fills": state.tally.fills,
        "frames": state.books.frames,
        "incidents": state.tally.incidents,
        "blocked": dict(state.store_blocked),
    }


def best_edges(engine: Engine) -> list[dict[str, Any]]:
    """Return, per symbol, the route whose best quotes leave the most after both taker fees, best first."""
    state, best = engine.state, []
    for symbol in sorted({symbol for _, symbol in state.instruments}):
        routes = [
            (edge, buy, sell)
            for buy in state.venues_of(symbol)
            for sell in state.venues_of(symbol)
            if buy != sell and (edge := _top_edge_bps(engine, symbol, buy, sell)) is not None
        ]
        if routes:
            edge, buy, sell = max(routes)
            best.append({"symbol": symbol, "buy": buy, "sell": sell, "edge_bps": plain(edge.quantize(Decimal("0.01")))})
    return sorted(best, key=lambda row: -Decimal(row["edge_bps"]))


def _top_edge_bps(engine: Engine, symbol: str, buy: str, sell: str) -> Decimal | None:
    state = engine.state
    if not (state.books.is_live(buy, symbol) and state.books.is_live(sell, symbol)):
        return None
    ask, bid = state.books.best(buy, symbol)[1], state.books.best(sell, symbol)[0]
    fees = (state.instruments[buy, symbol].taker_fee, state.instruments[sell, symbol].taker_fee)
    if ask is None or bid is None or fees[0] is None or fees[1] is None:
        return None
    return (Decimal(bid) * (1 - fees[1]) / (Decimal(ask) * (1 + fees[0])) - 1) * BPS


def _venue(engine: Engine, venue: str, now_ns: int) -> dict[str, Any]:
    state = engine.state
    venue_state, books = state.venues[venue], state.books
    rows = [row for (held_at, _), row in books.rows.items() if held_at == venue]
    live = sum(int(books.arena.state[row]) == BookState.LIVE for row in rows)
    lag_ms = books.lag_ms(venue)
    connections = books.connections_of(venue)
    shown = {
        "venue": venue,
        "books": f"{live}/{len(rows)}",
        "private": "up" if venue_state.private_up else "down",
        "lag_ms": None if lag_ms is None else round(lag_ms, 1),
        "offset_ms": None if venue_state.offset_ns is None else round(venue_state.offset_ns / NS_PER_MS, 1),
        "health": str(state.health.venues[venue].state),
        "health_cause": state.health.venues[venue].cause,
        "halted": _why_not(engine, venue, now_ns),
    }
    # Of a venue's only connection everything is said above.
    return shown | ({"connections": [_connection(engine, found) for found in connections]} if connections[1:] else {})


def _connection(engine: Engine, connection: Connection) -> dict[str, Any]:
    live = sum(engine.state.books.arena.usable(row) for row in connection.rows)
    return {
        "connection": connection.name,
        "books": f"{live}/{len(connection.rows)}",
        "lag_ms": None if connection.lag_ns is None else round(connection.lag_ns / NS_PER_MS, 1),
        "gaps": connection.gaps,
        "drops": connection.drops,
    }


def _why_not(engine: Engine, venue: str, now_ns: int) -> str | None:
    """Return why nothing, or not everything, may be opened at a venue; None when nothing stands against it."""
    venue_state = engine.state.venues[venue]
    if not venue_state.snapshot_taken:
        return "looking through the account"
    if venue_state.paused_until_ns > now_ns:
        return "paused"
    stopped = engine.state.stopped_assets(venue)
    return f"{', '.join(stopped)} stopped" if stopped else None


def _pair(pair: Any, now_ns: int) -> dict[str, Any]:
    plan = pair.plan
    return {
        "id": pair.id,
        "symbol": plan.symbol,
        "buy": plan.buy_venue,
        "sell": plan.sell_venue,
        "state": str(pair.state),
        "size": plain(plan.sell_size),
        "expected_net": plain(plan.net.quantize(Decimal("1e-8"))),
        "age_ms": (now_ns - pair.decided_ns) // NS_PER_MS,
    }
