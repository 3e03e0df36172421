"""What a span of a run cost, read from the ledger: pairs, one-legged ones, money, and what stood unhedged for how long."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from tests.integration import truth

ZERO = Decimal(0)
MENDED = "SELECT DISTINCT pair_trade_id FROM orders WHERE role IN ('hedge', 'unwind')"


class Measures(msgspec.Struct, frozen=True, kw_only=True):
    """Sums over the pairs decided within a span. Money in quote.

    `one_legged`: pairs that needed a hedge or an unwind; `one_legged_cost`: how much less they earned than planned.
    `unhedged_max`: the most that open pairs ever had bought and not sold, or sold and not bought,
    as their fills became known. `exposure_quote_s`: the integral of it.
    """

    pairs: int
    completed: int
    one_legged: int
    one_legged_cost: Decimal
    net: Decimal
    unhedged_max: Decimal
    exposure_quote_s: Decimal


def measure(db: Path, from_ns: int, until_ns: int) -> Measures:
    """Return the measures of the pairs decided from `from_ns` on and before `until_ns`."""
    decided = f"decided_ns >= {from_ns} AND decided_ns < {until_ns}"
    pairs = truth.rows_of(db, f"SELECT *, id IN ({MENDED}) AS mended FROM pair_trades WHERE {decided}")
    uneven = [pair for pair in pairs if pair["mended"]]
    return Measures(
        pairs=len(pairs),
        completed=sum(pair["state"] == "completed" for pair in pairs),
        one_legged=len(uneven),
        one_legged_cost=_money(sum((pair["expected_net_e8"] or 0) - (pair["realised_net_e8"] or 0) for pair in uneven)),
        net=_money(sum(pair["realised_net_e8"] or 0 for pair in pairs)),
        unhedged_max=_unhedged_max(db, decided),
        exposure_quote_s=sum((Decimal(pair["exposure_quote_s"]) for pair in pairs), ZERO),
    )


def completed_since(db: Path, from_ns: int) -> int:
    """Return how many pairs decided from `from_ns` on have completed."""
    query = f"SELECT COUNT(*) AS n FROM pair_trades WHERE decided_ns >= {from_ns} AND state = 'completed'"
    return int(truth.rows_of(db, query)[0]["n"])


def _money(e8: int) -> Decimal:
    return Decimal(e8).scaleb(-8)


def _unhedged_max(db: Path, decided: str) -> Decimal:
    query = f"""
        SELECT f.*, o.pair_trade_id AS pair, p.closed_ns FROM fills f
        JOIN orders o ON o.id = f.order_id JOIN pair_trades p ON p.id = o.pair_trade_id
        WHERE {decided} ORDER BY f.received_ns, f.id
    """
    held: dict[int, Decimal] = {}
    prices: dict[int, Decimal] = {}
    closed: dict[int, int] = {}
    most, rows = ZERO, truth.rows_of(db, query)
    for at, row in enumerate(rows):
        _count(row, held, prices, closed)
        if at + 1 < len(rows) and rows[at + 1]["received_ns"] == row["received_ns"]:
            continue  # told in the same moment
        for pair in [pair for pair, closed_ns in closed.items() if closed_ns <= row["received_ns"]]:
            held.pop(pair, None)
        most = max(most, sum((abs(size) * prices[pair] for pair, size in held.items()), ZERO))
    return most


def _count(row: dict[str, Any], held: dict[int, Decimal], prices: dict[int, Decimal], closed: dict[int, int]) -> None:
    base, pair = row["symbol"].split("/")[0], row["pair"]
    change = sum((amount for asset, amount in truth.changes(row) if asset == base), ZERO)
    held[pair], prices[pair] = held.get(pair, ZERO) + change, Decimal(row["price"])
    if row["closed_ns"] is not None:
        closed[pair] = row["closed_ns"]
