"""The judge of the profit: what the ledger calls realised is what the venues' balances changed by.

`realised_net = change of quote - X + R*m1`: the quote that a pair's fills at the venues brought and took, less fees in other
assets at their quote value (`X`), plus its residual, the base it leaves (`R`), at the mark at its close (`m1`). A pair that
took over base from earlier ones pays what those had booked it at. And all pairs together changed the quote the venues hold.
"""

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

from arb.market.ids import decode
from arb.market.numbers import ZERO
from arb.market.symbol import Symbol

ROUNDED = Decimal("1e-8")
"""The ledger keeps profits in whole 1e-8 of the quote."""

Row = dict[str, Any]


def profit_misstated(
    journal: Path, truth: dict[str, Any], pairs: list[Row], orders: list[Row], fills: list[Row]
) -> Iterator[str]:
    """Every closed pair earned what it says, to the rounding; the venues' quote changed by what all pairs brought and took."""
    moved = _moved(truth, orders)
    other_fees = _other_fees(orders, fills)
    taken_over = dict(_taken_over(journal))
    for pair in pairs:
        if pair["closed_ns"] is None or pair["realised_net_e8"] is None or pair["state"] == "abandoned":
            continue
        base, quote = Symbol.of(pair["symbol"]).base_and_quote
        size, booked = taken_over.get(pair["id"], (ZERO, ZERO)) if pair["kind"] != "arb" else (ZERO, ZERO)
        left = size + moved[pair["id"], base]
        mark = Decimal(pair["residual_mark"] or 0)
        earned = moved[pair["id"], quote] - other_fees[pair["id"]] + left * mark - booked
        stated = Decimal(pair["realised_net_e8"]).scaleb(-8)
        if abs(earned - stated) > ROUNDED:
            yield f"profit: pair {pair['id']} states {stated}, the venues' fills and what is left say {earned}"
    yield from _not_the_balances(truth, moved)


def _moved(truth: dict[str, Any], orders: list[Row]) -> dict[tuple[int | None, str], Decimal]:
    """Return what the venues' fills did to each asset, by pair; None: what is ours and of no pair."""
    pair_of = {(row["venue"], row["client_order_id"]): row["pair_trade_id"] for row in orders}
    moved: dict[tuple[int | None, str], Decimal] = defaultdict(lambda: ZERO)
    for venue, ledger in truth.items():
        for fill in ledger["fills"]:
            name = str(fill["client_id"]).removeprefix("t-")
            if decode(name) is None:
                continue
            for asset, amount in changes(fill):
                moved[pair_of.get((venue, name)), asset] += amount
    return moved


def _other_fees(orders: list[Row], fills: list[Row]) -> dict[int, Decimal]:
    """Return the quote value of the fees that were neither in base nor in quote, by pair."""
    pair_of = {row["id"]: row["pair_trade_id"] for row in orders}
    fees: dict[int, Decimal] = defaultdict(lambda: ZERO)
    for fill in fills:
        if fill["fee_currency"] not in Symbol.of(fill["symbol"]).base_and_quote:
            fees[pair_of[fill["order_id"]]] += Decimal(fill["fee_quote_value"])
    return fees


def _taken_over(journal: Path) -> Iterator[tuple[int, tuple[Decimal, Decimal]]]:
    """Yield, by pair, the base that a plan without legs sets out to trade away, and the quote it was booked at."""
    query = "SELECT payload FROM entries WHERE type = 'Persist' AND payload LIKE '%\"PlanRecord\"%' ORDER BY id"
    with closing(sqlite3.connect(f"file:{journal}?mode=ro", uri=True)) as connection:
        for (payload,) in connection.execute(query):
            plan = json.loads(payload)["record"]
            if plan["type"] == "PlanRecord":
                yield plan["pair_id"], (Decimal(plan["residual"]), Decimal(plan["residual"]) * Decimal(plan["mark"]))


def _not_the_balances(truth: dict[str, Any], moved: dict[tuple[int | None, str], Decimal]) -> Iterator[str]:
    """Compare the venues' balances, less what transfers and others did, with what all our pairs did."""
    left: dict[str, Decimal] = defaultdict(lambda: ZERO)
    for ledger in truth.values():
        for asset, balance in ledger["balances"].items():
            left[asset] += Decimal(balance["free"]) + Decimal(balance["locked"])
        for asset, amount in ledger["initial_balances"].items():
            left[asset] -= Decimal(amount)
        for transfer in ledger["transfers"]:
            left[transfer["asset"]] -= Decimal(transfer["amount"])
        for fill in ledger["fills"]:
            if decode(str(fill["client_id"]).removeprefix("t-")) is None:
                for asset, amount in changes(fill):
                    left[asset] -= amount
    for (pair, asset), amount in moved.items():
        if pair is not None:
            left[asset] -= amount
    yield from (f"profit: {amount} {asset} at the venues came from no pair" for asset, amount in left.items() if amount)


def changes(fill: Row) -> Iterator[tuple[str, Decimal]]:
    """Yield what one fill did to which asset of its account."""
    base, quote = Symbol.of(fill["symbol"]).base_and_quote
    sign = 1 if fill["side"] == "buy" else -1
    price, size = Decimal(fill["price"]), Decimal(fill["size"])
    yield base, sign * size
    yield quote, -sign * size * price
    yield fill["fee_currency"], -Decimal(fill["fee"])
