"""The judge of legs: the legs of a pair in the ledger are those of its plan in the journal."""

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

from arb.market.numbers import ZERO
from proofs.faultsim.conduct import Row, entries_of

Leg = tuple[str, Decimal, Decimal | None]
"""Venue, size and limit."""


def legs_misstated(journal: Path, legs: list[Row], pairs: list[Row], orders: list[Row]) -> Iterator[str]:
    """The legs of a pair are the sides of its plan, at the plan's limits.

    The plan of a pair without an opportunity may assume the price of an order that the journal lost. So its legs have the
    prices of its orders.
    """
    on_edge = {pair["id"]: pair["opportunity_id"] is not None for pair in pairs}
    prices = {
        (order["pair_trade_id"], order["side"]): Decimal(order["price"])
        for order in orders
        if order["role"] in ("entry", "test")
    }
    wanted: dict[tuple[int, str], Leg] = {}
    rows = (json.loads(payload)["record"] for _, _, kind, payload in entries_of(journal) if kind == "Persist")
    for plan in (row for row in rows if row["type"] == "PlanRecord" and row["pair_id"] in on_edge):
        for side, size in _sides(plan):
            key = plan["pair_id"], side
            limit = prices.get(key)
            if limit is not None and on_edge[plan["pair_id"]]:
                limit = Decimal(plan[f"{side}_limit"])
            wanted[key] = plan[f"{side}_venue"], size, limit
    found = {(leg["pair_trade_id"], leg["side"]): _leg(leg) for leg in legs}
    if len(found) < len(legs):
        yield f"legs: {len(legs)} of {len(found)} sides"
    for key in sorted(found.keys() | wanted.keys()):
        if found.get(key) != wanted.get(key):
            yield f"legs: pair {key[0]} was to {key[1]} {wanted.get(key)}, the ledger says {found.get(key)}"


def _sides(plan: Row) -> Iterator[tuple[str, Decimal]]:
    """Yield the sides that a plan trades and their sizes: those of a residual where it has no legs."""
    bought, sold, residual = (Decimal(plan[name]) for name in ("buy_size", "sell_size", "residual"))
    if not bought and not sold:
        bought, sold = max(ZERO, -residual), max(ZERO, residual)
    yield from ((side, size) for side, size in (("buy", bought), ("sell", sold)) if size)


def _leg(row: Row) -> Leg:
    return row["venue"], Decimal(row["size"]), None if row["limit_price"] is None else Decimal(row["limit_price"])
