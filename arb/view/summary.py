"""The summary a run ends with, and its present state for the live view and the log lines: from the engine's own counts."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import islice
from typing import Any

import msgspec

from arb.clock import NS_PER_MS
from arb.core.books.connection import Connection
from arb.core.engine import Engine
from arb.core.messages.incidents import HaltReason
from arb.core.messages.reasons import Reason
from arb.core.messages.records import PairKind, PairState
from arb.core.risk.stops import ROUTES_A_PART, Openings, Stop, look, openings
from arb.core.state.blocks import Source
from arb.market.arena import BookState
from arb.market.numbers import ZERO, plain, round_ratio
from arb.market.route import Route
from arb.market.symbol import Symbol
from arb.view import room
from arb.view.forecast import Forecast

E8 = Decimal("1e-8")
BPS = Decimal(10_000)
STOPS = (Source.UNEXPLAINED, Source.DRIFT)
NAMED = dict.fromkeys(STOPS, "stopped") | {Source.BARRED: "barred"}
EDGES_KEPT = 40
"""How many of the best edges the present state holds: more than any screen shows."""
CLOSED_STATES = (PairState.COMPLETED, PairState.UNWOUND, PairState.CARRIED, PairState.ABANDONED)


def unhedged(engine: Engine, now_ns: int) -> list[dict[str, Any]]:
    """Return what is not offset now, oldest first: imbalances of open pairs, and what of closed pairs counts as unhedged."""
    state, rows = engine.state, []
    for pair in engine.manager.unfinished:
        base, quote = Symbol.of(pair.plan.symbol).base_and_quote
        size = pair.imbalance(base)
        if size:
            unit = state.quote_value(base, quote) or pair.planned_price
            if pair.kind is PairKind.DUST and abs(size) * unit <= state.limits.dust_total_max_quote:
                continue  # it was dust before it was given an order, and still is
            age_ms = (now_ns - (pair.unhedged_since_ns or pair.decided_ns)) // NS_PER_MS
            rows.append({"asset": base, "size": plain(size), "value": money(abs(size) * unit), "age_ms": age_ms})
    for asset, held in sorted(engine.state.residuals.unhedged_by_asset().items()):
        rows.append(
            {
                "asset": asset,
                "size": plain(held.size),
                "value": money(held.value),
                "age_ms": (now_ns - held.since_ns) // NS_PER_MS,
            }
        )
    return sorted(rows, key=lambda row: -row["age_ms"])


def exposure(engine: Engine) -> dict[str, Any]:
    """Return the UTC day's quote x seconds unhedged, in all and by venue (`carried`: the residuals of closed pairs)."""
    meter = engine.state.control.exposure
    return {
        "day_utc": meter.day_utc,
        "quote_s": money(meter.total),
        "limit_quote_s": plain(engine.state.limits.max_exposure_quote_s_per_day),
        "by_venue": {venue: money(amount) for venue, amount in sorted(meter.by_venue.items())},
    }


def health(engine: Engine) -> dict[str, dict[str, str]]:
    """Return every venue's health and what it is for."""
    return {
        venue: {"state": str(known.state), "cause": known.cause} for venue, known in engine.state.health.venues.items()
    }


def books_live(engine: Engine, venue: str) -> str:
    """Return how many of a venue's books are live, of how many that are read, as in `298/300`."""
    rows = _rows_of(engine, venue)
    live = sum(engine.state.books.arena.state.item(row) == BookState.LIVE for row in rows.values())
    return f"{live}/{len(rows)}"


def not_live(engine: Engine, venue: str) -> list[str]:
    """Return the symbols whose books are not live at a venue where others are; where none is, their number says all."""
    state = engine.state.books.arena.state
    rows = _rows_of(engine, venue)
    without = sorted(symbol for symbol, row in rows.items() if state.item(row) != BookState.LIVE)
    return without if len(without) < len(rows) else []


def _rows_of(engine: Engine, venue: str) -> dict[str, int]:
    return {symbol: row for (held_at, symbol), row in engine.state.books.rows.items() if held_at == venue}


def money(amount: Decimal) -> str:
    """Return an estimated amount (a value at a mid price) to 1e-8."""
    return plain(amount.quantize(E8))


def summarise(
    engine: Engine,
    *,
    mode: str,
    sandbox_id: str | None,
    seconds: float,
    dropped_opportunities: int,
    ceiling_net: dict[str, str],
    db: str,
    now_ns: int,
    report_currency: str,
) -> dict[str, Any]:
    """Return the run summary; money and sizes are plain decimal strings."""
    state, tally = engine.state, engine.state.tally
    exposed = unhedged(engine, now_ns)
    halted_pairs = sum(pair.state is PairState.HALTED for pair in engine.manager.unfinished)
    pairs: dict[str, int] = {"opened": tally.opened}
    pairs |= {str(state): tally.closed[state] for state in CLOSED_STATES}
    pairs |= {"halted": halted_pairs, "open": len(engine.manager.unfinished) - halted_pairs}
    net = tally.net or {report_currency: ZERO}
    return {
        "mode": mode,
        "run_id": state.run_id,
        "sandbox_id": sandbox_id,
        "seconds": round(seconds, 3),
        "frames": state.books.frames,
        "book_updates": state.books.updates,
        "opportunities": tally.opportunities,
        "not_taken": dict(sorted(tally.not_taken.items())),
        "dropped_opportunities": dropped_opportunities,
        "pairs": pairs,
        "orders": tally.orders,
        "fills": tally.fills,
        "net": {asset: plain(amount) for asset, amount in sorted(net.items())},
        "unproved": unproved(engine),
        "fees": {asset: plain(amount) for asset, amount in sorted(tally.fees.items())},
        "unhedged_notional": plain(sum((Decimal(row["value"]) for row in exposed), ZERO)),
        "unhedged": exposed,
        "dust": {asset: plain(size) for asset, size in sorted(engine.state.residuals.dust_sizes().items()) if size},
        "exposure_quote_s": money(tally.exposure_quote_s),
        "exposure_today": exposure(engine),
        "venue_health": health(engine),
        "books": {venue: books_live(engine, venue) for venue in state.venues},
        "not_live": {venue: symbols for venue in state.venues if (symbols := not_live(engine, venue))},
        "unknown_orders": len(engine.manager.unknown_orders()),
        "incidents": tally.incidents,
        "halted": state.halted_at(now_ns),
        **_opening_state(openings(state, engine.manager, engine.blockers, now_ns)),
        "absent_venues": {venue: known.absent for venue, known in state.venues.items() if known.absent is not None},
        "stopped_assets": {venue: assets for venue in state.venues if (assets := state.names_blocked(venue, *STOPS))},
        "barred_symbols": {
            venue: symbols for venue in state.venues if (symbols := state.names_blocked(venue, Source.BARRED))
        },
        "late_legs": late_legs(engine),
        "prices_apart": prices_apart(engine),
        "wallets_closed": engine.state.trapped.rows(engine.state.routes()),
        "ceiling_net": ceiling_net,
        "db": db,
    }


def present_state(engine: Engine, now_ns: int) -> dict[str, Any]:
    """Return the present state in plain values; money as decimal strings."""
    return {name: value for part in state_in_parts(engine, now_ns) for name, value in part.items()}


def state_in_parts(engine: Engine, now_ns: int, forecast: Forecast | None = None) -> Iterator[dict[str, Any]]:
    """Yield the present state in parts, some of them empty: between two the engine may do something else.

    With a `forecast`, which is called again and again, the state tells how long balances last.
    """
    state, exposed = engine.state, unhedged(engine, now_ns)
    yield {
        "run_id": state.run_id,
        "now_ns": now_ns,
        "largest_pair_quote": plain(state.limits.max_notional_quote),
        "unhedged_notional": plain(sum((Decimal(row["value"]) for row in exposed), ZERO)),
        "unhedged": exposed,
        "exposure": exposure(engine),
        "halted": state.halted_at(now_ns),
        "late_legs": late_legs(engine),
        "prices_apart": prices_apart(engine),
        "open_pairs": [_pair(pair, now_ns) for pair in engine.manager.unfinished],
        "pairs": {"opened": state.tally.opened}
        | {str(pair_state): state.tally.closed[pair_state] for pair_state in PairState},
        "net": {asset: plain(amount) for asset, amount in sorted(state.tally.net.items())},
        "unproved": unproved(engine),
        "fees": {asset: plain(amount) for asset, amount in sorted(state.tally.fees.items())},
        "opportunities": state.tally.opportunities,
        "not_taken": dict(state.tally.not_taken.most_common()),
        "orders": state.tally.orders,
        "fills": state.tally.fills,
        "frames": state.books.frames,
        "incidents": state.tally.incidents,
        "blocks": blocks(engine, now_ns),
        "blocked": {block.source.word: block.text for block in state.blocks.of(Source.LEDGER, Source.JOURNAL)},
        "inventory": inventory(engine),
        "unknown": room.unknown_orders(engine, now_ns),
        "day_limits": room.day_limits(engine, now_ns),
    }
    for found in look(state, engine.manager, engine.blockers, now_ns):
        yield {} if found is None else _opening_state(found)
    closed, routes = [], state.routes()
    while some := list(islice(routes, ROUTES_A_PART)):
        closed += state.trapped.rows(some)
        yield {}
    yield {"wallets_closed": closed}
    venues = []
    for venue in tuple(state.venues):
        venues.append(_venue(engine, venue, now_ns))
        yield {"venues": venues}
    holdings = {}
    for venue in tuple(state.inventory.with_basis):
        holdings[venue] = state.inventory.totals(venue)
        yield {"holdings": holdings}
    if forecast is not None and (lasting := forecast.lasting(now_ns, holdings)) is not None:
        yield {"lasting": lasting}
    yield from room.prices(engine)
    edges = []
    for symbol in sorted({symbol for _, symbol in state.instruments}):
        edges += best_edge(engine, symbol)
        yield {}
    shown = ranked(edges)[:EDGES_KEPT]
    yield {"edges": [row | {"not_taken": why_not(engine, row)} for row in shown], "holdings": holdings}


def stop_row(stop: Stop) -> dict[str, Any]:
    """Return a cause that stops openings in plain values."""
    amounts = {"used": stop.used, "limit": stop.limit}
    return msgspec.structs.asdict(stop) | {name: None if of is None else plain(of) for name, of in amounts.items()}


def _opening_state(found: Openings) -> dict[str, Any]:
    return {"state": str(found.state), "stops": [stop_row(stop) for stop in found.stops]}


def unproved(engine: Engine) -> dict[str, Any]:
    """Return what pairs made whose coins are not proved to be the same at both venues: it is in no other sum."""
    tally = engine.state.tally
    net = {asset: plain(amount) for asset, amount in sorted(tally.unproved_net.items())}
    return {"pairs": tally.unproved_pairs, "net": net}


def inventory(engine: Engine) -> list[dict[str, Any]]:
    """Return what venues hold of each asset with a band there, and where in it: -1 the low edge, 0 the target, 1 the high."""
    state, found = engine.state, []
    for venue, bands in state.bands.rule.venue.items():
        for asset in bands if venue in state.venues else ():
            where = state.bands.position(venue, asset)
            known = None if where is None else plain(round_ratio(where.numerator, where.denominator, 3))
            held = plain(state.inventory.computed(venue, asset))
            found.append({"venue": venue, "asset": asset, "held": held, "position": known})
    return found


def late_legs(engine: Engine) -> list[dict[str, Any]]:
    """Return the symbols and venues where nothing opens because a pair was unhedged beyond its deadline."""
    return [
        {"pair": str(leg.pair_id), "symbol": leg.symbol, "venues": leg.venues, "reason": str(HaltReason.LEG_DEADLINE)}
        for leg in engine.state.control.late.values()
    ]


def prices_apart(engine: Engine) -> list[dict[str, Any]]:
    """Return the symbols and venues between which nothing opens because their prices have stayed apart."""
    return [
        {"symbol": symbol, "venues": venues, "reason": str(Reason.EDGE_IMPLAUSIBLE)}
        for symbol, *venues in engine.state.price_ratios.refused()
    ]


def _venue(engine: Engine, venue: str, now_ns: int) -> dict[str, Any]:
    state = engine.state
    venue_state, books = state.venues[venue], state.books
    lag_ms = books.lag_ms(venue)
    connections = books.connections_of(venue)
    shown = {
        "venue": venue,
        "books": books_live(engine, venue),
        "private": "up" if venue_state.private_up else "down",
        "lag_ms": None if lag_ms is None else round(lag_ms, 1),
        "lags_ms": _lags_ms(connections),
        "offset_ms": None if venue_state.offset_ns is None else round(venue_state.offset_ns / NS_PER_MS, 1),
        "orders_left": state.budget.left(venue, now_ns),
        "budgets": room.budgets(engine, venue, now_ns),
        "health": str(state.health.venues[venue].state),
        "health_cause": state.health.venues[venue].cause,
        "halted": _why_not(engine, venue, now_ns),
        "barred": state.names_blocked(venue, Source.BARRED),
    }
    # Of a venue's only connection everything is said above.
    return shown | ({"connections": [_connection(engine, found) for found in connections]} if connections[1:] else {})


def _lags_ms(connections: Sequence[Connection]) -> list[float] | None:
    """Return median and 99th percentile of the lag samples (one a second, the last 300 of each connection); None for none."""
    lags = sorted(lag for connection in connections for lag in connection.lags)
    return [round(lags[len(lags) * share // 100] / NS_PER_MS, 1) for share in (50, 99)] if lags else None


def _connection(engine: Engine, connection: Connection) -> dict[str, Any]:
    live = sum(engine.state.books.arena.usable(row) for row in connection.rows)
    return {
        "connection": connection.name,
        "books": f"{live}/{len(connection.rows)}",
        "lag_ms": None if connection.lag_ns is None else round(connection.lag_ns / NS_PER_MS, 1),
        "gaps": connection.gaps,
        "drops": connection.drops,
    }


def blocks(engine: Engine, now_ns: int) -> list[dict[str, Any]]:
    """Return all that keeps something from opening now: where, in what, by which reason, and until when, if that is known."""
    return [
        {
            "at": block.at,
            "name": block.name,
            "reason": str(block.source.reason),
            "source": block.source.word,
            "text": block.text,
            "until_ns": block.until_ns,
        }
        for block in engine.state.blocks
        if block.holds(now_ns)
    ]


def _why_not(engine: Engine, venue: str, now_ns: int) -> str | None:
    """Return why nothing, or not everything, may be opened at a venue: its first block, or all its symbols' and assets'."""
    places, named = (venue, engine.state.venues[venue].account_id), dict[str, list[str]]()
    there = (block for block in engine.state.blocks if block.at in places and block.holds(now_ns))
    for block in sorted(there, key=lambda block: block.source.rank):
        if not block.name:
            return f"does not answer since the start: {block.text}" if block.source is Source.ABSENT else block.text
        names = named.setdefault(NAMED.get(block.source, block.source.reason), [])
        names += [block.name] * (block.name not in names)
    return "; ".join(f"{', '.join(sorted(names))} {what}" for what, names in named.items()) or None


def _pair(pair: Any, now_ns: int) -> dict[str, Any]:
    plan = pair.plan
    shown = {
        "id": pair.id,
        "symbol": plan.symbol,
        "buy": plan.buy_venue,
        "sell": plan.sell_venue,
        "state": str(pair.state),
        "size": plain(plan.sell_size),
        "expected_net": plain(plan.net.quantize(Decimal("1e-8"))),
        "age_ms": (now_ns - pair.decided_ns) // NS_PER_MS,
    }
    return shown | marked(pair.identity)


def ranked(edges: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows of `best_edge`, the best first; those whose coins are not proved to be the same, with an `identity`, last."""
    return sorted(edges, key=lambda row: ("identity" in row, -Decimal(row["edge_bps"])))


def best_edge(engine: Engine, symbol: str) -> list[dict[str, Any]]:
    """Return the row of the route of a symbol whose best quotes leave the most after both taker fees, if it has any."""
    venues = engine.state.venues_of(symbol)
    routes = [
        (edge, buy, sell)
        for buy in venues
        for sell in venues
        if buy != sell and (edge := top_edge_bps(engine, symbol, buy, sell)) is not None
    ]
    if not routes:
        return []
    edge, buy, sell = max(routes)
    row = {"symbol": symbol, "buy": buy, "sell": sell, "edge_bps": plain(edge.quantize(Decimal("0.01")))}
    return [row | marked(engine.state.identities.mark(Route.of(symbol, buy, sell)))]


def why_not(engine: Engine, row: dict[str, Any]) -> str | None:
    """Return why a row's edge is not taken: a code of `Reason`; None without an edge, or before it was judged."""
    if Decimal(row["edge_bps"]) <= 0:
        return None
    reason = engine.strategy.explain(Route.of(row["symbol"], row["buy"], row["sell"]))
    return None if reason is None else str(reason)


def marked(identity: str | None) -> dict[str, str]:
    """Return the mark of what trades coins that are not proved to be the same at both venues; nothing for any other."""
    return {} if identity is None else {"identity": identity}


def top_edge_bps(engine: Engine, symbol: str, buy: str, sell: str) -> Decimal | None:
    """Return the edge of the best quotes of two live books after both taker fees, in bps; None where one is not known."""
    state = engine.state
    if not (state.books.is_live(buy, symbol) and state.books.is_live(sell, symbol)):
        return None
    ask, bid = state.books.best(buy, symbol)[1], state.books.best(sell, symbol)[0]
    fees = (state.instruments[buy, symbol].taker_fee, state.instruments[sell, symbol].taker_fee)
    if ask is None or bid is None or fees[0] is None or fees[1] is None:
        return None
    return (Decimal(bid) * (1 - fees[1]) / (Decimal(ask) * (1 + fees[0])) - 1) * BPS
