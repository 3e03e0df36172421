"""The run summary (DESIGN.md section 5) and the present state, told from the engine's own counts."""

from decimal import Decimal
from typing import Any

from arb.clock import NS_PER_MS
from arb.core.engine import Engine
from arb.core.records import PairKind, PairState
from arb.market.numbers import ZERO, plain
from arb.market.symbol import Symbol

E8 = Decimal("1e-8")
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
    """Return the UTC day's quote x seconds unhedged, in all and by venue (`carried`: left behind by closed pairs)."""
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
        "dropped_opportunities": dropped_opportunities,
        "pairs": pairs,
        "orders": tally.orders,
        "fills": tally.fills,
        "net": {asset: plain(amount) for asset, amount in sorted(net.items())},
        "fees": {asset: plain(amount) for asset, amount in sorted(tally.fees.items())},
        "unhedged_notional": plain(sum((Decimal(row["value"]) for row in exposed), ZERO)),
        "unhedged": exposed,
        "dust": {asset: plain(size) for asset, size in sorted(engine.state.residuals.dust_sizes().items()) if size},
        "exposure_quote_s": money(tally.exposure_quote_s),
        "exposure_today": exposure(engine),
        "venue_health": health(engine),
        "unknown_orders": len(engine.manager.unknown_orders()),
        "incidents": tally.incidents,
        "halted": state.control.halted,
        "state": str(state.control.state),
        "stopped_assets": {venue: assets for venue in state.venues if (assets := state.stopped_assets(venue))},
        "ceiling_net": ceiling_net,
        "db": db,
    }
