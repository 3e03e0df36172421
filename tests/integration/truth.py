"""The judge: a sandbox's own ledger (`GET /admin/ledger`) against ours, fill by fill, order by order, asset by asset.

Every function returns what differs, one line each; nothing is rounded and nothing forgiven, but for the one tolerance that
`profit_differences` states.
"""

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from decimal import Context, Decimal, localcontext
from pathlib import Path
from typing import Any

from arb.market.ids import decode

ZERO = Decimal(0)
EXACT = Context(prec=80)
ENDED_AS = {"filled": "closed", "partial_cancelled": "cancelled", "cancelled": "cancelled"}
"""Our status of an order that the venue took, and the sandbox's word for it."""
NOT_TAKEN = {"rejected", "absent"}
"""Our status of an order that the venue did not take: it has no row there, or one marked as rejected."""
WATERFALL = (
    "expected_net_e8",
    "buy_slippage_e8",
    "sell_slippage_e8",
    "size_shortfall_e8",
    "fee_difference_e8",
    "hedge_cost_e8",
    "residual_change_e8",
)

Truth = dict[str, Any]
Key = tuple[str, str]


def differences(db: Path, truth: Truth) -> list[str]:
    """Return everything in which the ledger at `db` and the sandbox do not agree about our orders."""
    with localcontext(EXACT):
        return [
            *order_differences(db, truth),
            *fill_differences(db, truth),
            *balance_differences(db, truth),
            *twice_sent(truth),
            *broken_waterfalls(db),
        ]


def order_differences(db: Path, truth: Truth) -> list[str]:
    """Compare the orders of our prefix: each exists on both sides, ended alike, with the same sizes, prices and fees."""
    theirs = {
        (venue, _name(row)): row
        for venue, row in _each(truth, "orders")
        if _is_ours(row) and row["status"] != "rejected"
    }
    wrong, reported = [], set[Key]()
    for row in _rows(db, "SELECT * FROM orders WHERE role <> 'foreign'"):
        key = (row["venue"], row["client_order_id"])
        reported.add(key)
        other = theirs.get(key)
        if row["status"] in NOT_TAKEN:
            if other is not None:
                wrong.append(f"order {key}: {row['status']} to us, the venue has it as {other}")
        elif other is None:
            wrong.append(f"order {key}: {row['status']} to us, unknown to the venue")
        else:
            wrong += [f"order {key}: {text}" for text in _unlike(row, other)]
    return wrong + [f"order {key}: at the venue, not in the ledger" for key in theirs.keys() - reported]


def _unlike(row: dict[str, Any], other: dict[str, Any]) -> Iterator[str]:
    if ENDED_AS.get(row["status"]) != other["status"]:
        yield f"{row['status']} to us, {other['status']} at the venue"
    for ours, theirs in (("symbol", "symbol"), ("side", "side"), ("venue_order_id", "id")):
        if row[ours] != other[theirs]:
            yield f"{ours} {row[ours]} to us, {other[theirs]} at the venue"
    for name in ("price", "size", "filled"):
        if Decimal(row[name]) != Decimal(other[name]):
            yield f"{name} {row[name]} to us, {other[name]} at the venue"


def fill_differences(db: Path, truth: Truth) -> list[str]:
    """Compare the fills of our orders: venue, symbol, side, price, size, fee, fee currency and order, none twice."""
    theirs = Counter(
        (
            venue,
            row["trade_id"],
            row["symbol"],
            row["side"],
            *_numbers(row),
            row["fee_currency"],
            row["order_id"],
            _name(row),
        )
        for venue, row in _each(truth, "fills")
        if _is_ours(row)
    )
    query = """
        SELECT f.*, o.client_order_id, o.venue_order_id, o.venue AS order_venue, o.symbol AS order_symbol
        FROM fills f JOIN orders o ON o.id = f.order_id WHERE o.role <> 'foreign'
    """
    ours = Counter(
        (
            row["venue"],
            row["trade_id"],
            row["symbol"],
            row["side"],
            *_numbers(row),
            row["fee_currency"],
            row["venue_order_id"],
            row["client_order_id"],
        )
        for row in _rows(db, query)
    )
    missing = [f"fill not in the ledger: {fill}" for fill in theirs - ours]
    return missing + [f"fill not at the venue: {fill}" for fill in ours - theirs]


def balance_differences(db: Path, truth: Truth) -> list[str]:
    """Compare, per venue and asset, how far balances moved (transfers apart) with the sum of our fills, exactly."""
    moved = Counter[Key]()
    for row in _rows(db, "SELECT * FROM fills"):
        for asset, amount in changes(row):
            moved[row["venue"], asset] += amount  # type: ignore[assignment]  # a Counter counts any number
    wrong = []
    for key, change in balance_changes(truth).items():
        if change != moved.pop(key, ZERO):
            wrong.append(f"balance {key}: moved by {change} at the venue")
    return wrong + [f"balance {key}: fills in an asset the venue does not hold" for key in moved]


def changes(row: dict[str, Any]) -> Iterator[tuple[str, Decimal]]:
    """Yield what one fill of the ledger did to which asset."""
    base, quote = row["symbol"].split("/")
    sign = 1 if row["side"] == "buy" else -1
    price, size, fee = _numbers(row)
    yield base, sign * size
    yield quote, -sign * size * price
    yield row["fee_currency"], -fee


def balance_changes(truth: Truth) -> dict[Key, Decimal]:
    """Return how far each balance is from where it began, transfers apart."""
    change: dict[Key, Decimal] = {}
    for venue, ledger in truth.items():
        for asset, balance in ledger["balances"].items():
            began = Decimal(ledger["initial_balances"].get(asset, 0))
            change[venue, asset] = Decimal(balance["free"]) + Decimal(balance["locked"]) - began
        for bill in ledger["bills"]:
            if bill["kind"] != "trade":
                change[venue, bill["asset"]] -= Decimal(bill["amount"])
    return change


def own_changes(truth: Truth) -> dict[str, Decimal]:
    """Return how far each asset is from where it began, transfers and what others traded apart."""
    change: dict[str, Decimal] = {}
    for (_, asset), amount in balance_changes(truth).items():
        change[asset] = change.get(asset, ZERO) + amount
    for _, row in _each(truth, "fills"):
        if not _is_ours(row):
            for asset, amount in changes(row):
                change[asset] -= amount
    return change


def twice_sent(truth: Truth) -> list[str]:
    """Return the client order ids that reached a venue more than once, or that it took more than once."""
    wrong = []
    for venue, ledger in truth.items():
        placed = Counter(_name(row) for row in ledger["requests"] if row["kind"] == "place" and _is_ours(row))
        wrong += [f"{venue}: {name} was sent {count} times" for name, count in placed.items() if count > 1]
        taken = Counter(_name(row) for row in ledger["orders"] if _is_ours(row) and row["status"] != "rejected")
        wrong += [f"{venue}: {name} was taken {count} times" for name, count in taken.items() if count > 1]
    return wrong


def open_orders(truth: Truth) -> list[str]:
    """Return our client order ids that still rest at a venue."""
    return [_name(row) for _, row in _each(truth, "orders") if _is_ours(row) and row["status"] == "open"]


def broken_waterfalls(db: Path) -> list[str]:
    """Return the ended pairs whose causes do not add up to what they earned."""
    rows = _rows(db, "SELECT * FROM pair_trades WHERE closed_ns IS NOT NULL AND state <> 'abandoned'")
    return [
        f"pair {row['id']}: its waterfall does not add up"
        for row in rows
        if row["realised_net_e8"] is None or sum(row[term] for term in WATERFALL) != row["realised_net_e8"]
    ]


def profit_differences(db: Path, truth: Truth) -> list[str]:
    """Compare the profit of our ledger with that of the sandbox's balances, in quote.

    The sandbox's: the change of USDT at all venues, plus the change of every base asset at the last mark any pair used, less
    points spent on fees at the value our ledger gave them; what others traded on the accounts is taken off.
    Ours: the sum of realised net. A pair values its residual at its own mark; so the two may differ by each residual times
    how far the marks of its symbol ever stood apart, and no further.
    """
    with localcontext(EXACT):
        earned, slack = profit(db, truth)
        booked = booked_net(db)
        if abs(earned - booked) <= slack:
            return []
        return [f"profit: {booked} by the ledger, {earned} by the balances, {slack} allowed for residuals"]


def profit(db: Path, truth: Truth) -> tuple[Decimal, Decimal]:
    """Return the profit in the sandbox's own balances, and how far the marks leave it open."""
    marks: dict[str, list[Decimal]] = {}
    left: dict[str, Decimal] = {}
    query = "SELECT * FROM pair_trades WHERE residual_mark IS NOT NULL ORDER BY mark_ns"
    for row in _rows(db, query):
        base = row["symbol"].split("/")[0]
        marks.setdefault(base, []).append(Decimal(row["residual_mark"]))
        left[base] = left.get(base, ZERO) + abs(Decimal(row["residual_size"]))
    # Nothing but fees moves an asset that no pair trades, as `balance_differences` has seen: their value is what they cost.
    points: dict[str, Decimal] = {}
    for row in _rows(db, "SELECT f.* FROM fills f JOIN orders o ON o.id = f.order_id WHERE o.role <> 'foreign'"):
        if row["fee_currency"] not in row["symbol"].split("/"):
            points[row["fee_currency"]] = points.get(row["fee_currency"], ZERO) - Decimal(row["fee_quote_value"])
    earned = sum(points.values(), ZERO)
    for asset, change in own_changes(truth).items():
        if change and asset not in points:
            earned += change if asset == "USDT" else change * marks[asset][-1]
    # Dust that was sold came from residuals counted already: twice their size is enough for both ways.
    slack = sum((2 * left[base] * (max(seen) - min(seen)) for base, seen in marks.items()), Decimal("0.000001"))
    return earned, slack


def booked_net(db: Path) -> Decimal:
    """Return the realised net of all pairs in the ledger."""
    rows = _rows(db, "SELECT COALESCE(SUM(realised_net_e8), 0) AS net FROM pair_trades")
    return Decimal(rows[0]["net"]).scaleb(-8)


def paper_differences(db: Path) -> list[str]:
    """Return what the ledger and the paper venues beside it have of fills that the other has not."""

    def row(fill: dict[str, Any]) -> tuple[Any, ...]:
        return (*(fill[name] for name in ("account_id", "symbol", "trade_id", "side", "fee_currency")), *_numbers(fill))

    ours = {row(fill) for fill in _rows(db, "SELECT * FROM fills")}
    theirs = {row(fill) for fill in paper_fills(db)}
    return sorted(map(str, ours ^ theirs))


def paper_fills(db: Path) -> list[dict[str, Any]]:
    """Return the fills that the paper venues of a ledger remember."""
    rows = _rows(db.with_name(f"{db.stem}.account.sqlite"), "SELECT * FROM entries WHERE name LIKE 'order %'")
    return [{"account_id": row["account_id"], **fill} for row in rows for fill in json.loads(row["value"])["fills"]]


def pairs_by_state(db: Path) -> dict[str, int]:
    """Return how many pairs ended, or are, in each state."""
    return {row["state"]: row["n"] for row in _rows(db, "SELECT state, COUNT(*) AS n FROM pair_trades GROUP BY state")}


def rows_of(db: Path, query: str) -> list[dict[str, Any]]:
    """Return the rows of a query on a SQLite ledger."""
    return _rows(db, query)


def _rows(db: Path, query: str) -> list[dict[str, Any]]:
    with closing(sqlite3.connect(f"file:{db}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(query)]


def _each(truth: Truth, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for venue, ledger in truth.items():
        for row in ledger[kind]:
            yield venue, row


def _name(row: dict[str, Any]) -> str:
    return str(row["client_id"]).removeprefix("t-")


def _is_ours(row: dict[str, Any]) -> bool:
    return decode(_name(row)) is not None


def _numbers(row: dict[str, Any]) -> tuple[Decimal, Decimal, Decimal]:
    return Decimal(row["price"]), Decimal(row["size"]), Decimal(row["fee"])
