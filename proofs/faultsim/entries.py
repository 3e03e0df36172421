"""Judges of the guards on new pairs: none pays more than the ramp allows by then, nor is more at work at a venue than may be;
and none is refused for a rate limit that has room.

By the rows alone. What carried base takes of a venue's capital is not counted here, so a pair too many may pass; one that is
found was one too many.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path

from arb.clock import NS_PER_MS
from arb.core.messages.settings import Limits, Ramp
from arb.core.state.budget import PlaceRate
from arb.core.state.engine_state import VenueProfile
from arb.market.numbers import ZERO
from proofs.faultsim.conduct import Row, entries_of

CLOSED = frozenset({"completed", "unwound", "carried", "abandoned"})
LEG_AND_HEDGE = 2
"""Placements for which a venue must have room before a pair opens there."""


def past_the_guards(journal: Path, limits: Limits, ramp: Ramp | None) -> Iterator[str]:
    """Nothing opens past the ramp, or past the capital of a venue."""
    pairs: dict[int, Row] = {}
    orders: dict[int, dict[str, Row]] = {}
    plans: dict[int, Row] = {}
    planned: dict[int, list[str]] = {}
    clean, counted = 0, set[int]()
    for _, _, kind, payload in entries_of(journal):
        row: Row = json.loads(payload)["record"] if kind == "Persist" else {"type": ""}
        if row["type"] == "OrderRecord":
            orders.setdefault(row["pair_trade_id"], {})[row["client_order_id"]] = row
        elif row["type"] == "PlanRecord":
            if row["pair_id"] not in plans and Decimal(row["buy_size"]):
                most = (
                    None
                    if ramp is None
                    else min(limits.max_notional_quote, ramp.start_quote * 2 ** (clean // ramp.pairs))
                )
                planned[row["pair_id"]] = list(
                    _beyond(row, most, _at_work(plans, pairs), limits.max_capital_per_venue_quote)
                )
            plans[row["pair_id"]] = row
        elif row["type"] == "PairRecord":
            before = pairs.get(row["id"])
            # One that was put together of a venue's orders after a power cut was decided on before it.
            found = planned.pop(row["id"], [])
            yield from found if row["opportunity_id"] is not None else ()
            pairs[row["id"]] = row
            if row["state"] not in CLOSED or (before is not None and before["closed_ns"] == row["closed_ns"]):
                continue
            # A pair that is open again counts as it did until it ends again.
            now_clean = _is_clean(row, orders.get(row["id"], {}))
            clean = max(0, clean + now_clean - (row["id"] in counted)) if row["state"] != "carried" else 0
            (counted.add if now_clean else counted.discard)(row["id"])


def _beyond(plan: Row, most: Decimal | None, at_work: dict[str, Decimal], capital: Decimal) -> Iterator[str]:
    pair_id, paid = plan["pair_id"], Decimal(plan["buy_size"]) * Decimal(plan["buy_vwap"])
    if most is not None and paid > most:
        yield f"ramp: pair {pair_id} was to pay {paid:.2f}, at most {most} was allowed by then"
    for venue in (plan["buy_venue"], plan["sell_venue"]):
        if at_work[venue] + paid > capital:
            yield f"capital: pair {pair_id} brought {venue} to {at_work[venue] + paid:.2f}, at most {capital} is allowed"


def _at_work(plans: dict[int, Row], pairs: dict[int, Row]) -> dict[str, Decimal]:
    """Return what pairs that are open may pay, by the venues they are between."""
    at_work: dict[str, Decimal] = defaultdict(lambda: ZERO)
    for pair_id, plan in plans.items():
        if pairs.get(pair_id, {"state": "opening"})["state"] not in CLOSED:
            for venue in {plan["buy_venue"], plan["sell_venue"]}:
                at_work[venue] += Decimal(plan["buy_size"]) * Decimal(plan["buy_limit"])
    return at_work


def _is_clean(pair: Row, orders: dict[str, Row]) -> bool:
    """Return whether a pair ended completed by its two entries alone, each filled at least in part."""
    traded = all(row["role"] == "entry" and Decimal(row["filled"]) > ZERO for row in orders.values())
    return pair["kind"] == "arb" and pair["opportunity_id"] is not None and pair["state"] == "completed" and traded


def refused_with_room(
    refused: Iterable[Row], orders: Sequence[Row], pairs: Sequence[Row], venues: Iterable[VenueProfile]
) -> Iterator[str]:
    """An edge is refused for a rate limit only where one venue has no room for its leg and a hedge.

    By the ledger's rows. The refusal came between the edge's best instant and its end: what counted at any time between them
    is counted.
    """
    rates = {profile.venue: profile.rates() for profile in venues}
    for edge in refused:
        places = (edge["buy_venue"], edge["sell_venue"])
        if all(
            _used(edge, at, rate, orders, pairs) + LEG_AND_HEDGE <= rate.count for at in places for rate in rates[at]
        ):
            where = f"{edge['symbol']} from {places[0]} to {places[1]}"
            yield f"rate limit: {where} was refused at {edge['best_ns']}, and both had room"


def _used(edge: Row, venue: str, rate: PlaceRate, orders: Sequence[Row], pairs: Sequence[Row]) -> int:
    """Return how many placements of a limit were sent then, or held by open pairs for their hedges: at most so many."""
    since_ns, until_ns = edge["best_ns"], edge["closed_ns"]
    horizon_ns = since_ns - rate.window_ms * NS_PER_MS
    sent = [row for row in orders if row["venue"] == venue and horizon_ns < row["journalled_ns"] <= until_ns]
    held = [
        row
        for row in pairs
        if venue in (row["buy_venue"], row["sell_venue"])
        and row["decided_ns"] <= until_ns
        and (row["closed_ns"] is None or row["closed_ns"] >= since_ns)
    ]
    return sum(row["symbol"] == edge["symbol"] or not rate.per_symbol for row in (*sent, *held))
