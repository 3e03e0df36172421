"""The second judge: a sandbox's admin ledger against an SQLite ledger, sharing no code with the engine or the first judges.

From raw rows only: orders and fills on both sides, balances, the waterfall, the profit per day, and the exposure that the
fills at the venues show. `q` and `b` are the changes of quote and base by a pair's fills, fees in either included, and `X` its
fees in other assets, which only the ledger values. Exact are:

- a pair that no late fill reopened and that inherits nothing (`residual_size = b`): `realised_net = q - X + b * residual_mark`;
- all closed pairs of a symbol: `sum(realised_net) = sum(q - X) + booked`, `booked` being the value of the base still held. Each
  part of it is booked at the mark of some pair, so it is within `sum(|b| + |residual_size|) * (highest - lowest mark)` of
  `sum(b) * last mark`, and exactly 0 where no pair left base.

Exposure is base bought less base sold, by symbol, valued at its last fill. A pair's own ends with each of its closings: from
there the ledger knows what is carried. A pair must have measured half of what its fills show beyond `LATE_S`, within which it
may learn of a fill: so a leg is found that the engine did not know of for longer. Time in which no engine ran is allowed too.

`python -m tests.support.second_judge ADMIN_URL LEDGER` prints the report and every difference.
"""

import json
import re
import sqlite3
import sys
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from decimal import Context, Decimal, localcontext
from pathlib import Path
from typing import Any, NamedTuple

Row = dict[str, Any]
OURS = re.compile(r"(?:t-)?(arb[0-9A-Za-z]{15}[bshudt][0-9A-Za-z]{2})")
TAKEN = ("open", "closed", "cancelled")
ENDED = ("completed", "unwound", "carried")
TERMS = (
    *("expected_net_e8", "buy_slippage_e8", "sell_slippage_e8", "size_shortfall_e8", "fee_difference_e8"),
    *("hedge_cost_e8", "residual_change_e8"),
)
NET = "realised_net_e8"
ROUNDED = Decimal("1e-6")
UNEVEN_QUOTE = Decimal(5)
LATE_S = Decimal(6)
"""How late an engine may learn of a fill: the longest ordinary proof of absence, and one query more."""
START_NS = 10 * 10**9
"""How long a start may take until it has asked for what the process before it left."""


class Exposure(NamedTuple):
    """The area over time, the highest value in one symbol, and the longest time above `UNEVEN_QUOTE`."""

    quote_s: Decimal
    peak_quote: Decimal
    longest_uneven_s: Decimal


class Evidence:
    """The rows of both sides that belong to orders with our prefix."""

    def __init__(self, truth: dict[str, Row], db: Path) -> None:
        self.truth = truth
        with closing(sqlite3.connect(f"file:{db}?mode=ro", uri=True)) as ledger:
            ledger.row_factory = sqlite3.Row

            def rows(query: str) -> list[Row]:
                return [dict(row) for row in ledger.execute(query)]

            self.pairs = rows("SELECT * FROM pair_trades")
            self.orders = [row for row in rows("SELECT * FROM orders") if named(row["client_order_id"])]
            fills = "SELECT f.*, o.client_order_id, o.pair_trade_id FROM fills f JOIN orders o ON o.id = f.order_id"
            self.fills = [row for row in rows(fills) if named(row["client_order_id"])]
            self.runs = rows("SELECT * FROM runs ORDER BY started_ns")
            self.days = rows("SELECT * FROM v_daily_pnl")
            self.reopened = {row["pair_trade_id"] for row in rows("SELECT * FROM incidents WHERE kind = 'late_fill'")}
            if rows("SELECT 1 FROM sqlite_master WHERE name = 'pair_closings'"):
                self.closings = rows("SELECT * FROM pair_closings ORDER BY closed_ns")
            else:
                self.closings = [{"pair_trade_id": row["id"], **row} for row in self.pairs if row["closed_ns"]]
        self.pair_of = {(row["venue"], named(row["client_order_id"])): row["pair_trade_id"] for row in self.orders}
        self.traded = sorted(
            ((venue, row) for venue, side in truth.items() for row in side["fills"] if named(row["client_id"])),
            key=lambda fill: int(fill[1]["ts_ms"]),
        )


def judge(truth: dict[str, Row], db: Path) -> list[str]:
    """Return one sentence per difference; none where both ledgers agree."""
    with localcontext(Context(prec=80)):
        seen = Evidence(truth, db)
        checks = (_orders, _fills, _balances, _waterfalls, _profits, _days, _unmeasured)
        return [line for check in checks for line in check(seen)]


def report(truth: dict[str, Row], db: Path) -> dict[str, str]:
    """Return the figures of a run: counts, the exposure by the venues' fills, and what of it open pairs explain."""
    with localcontext(Context(prec=80)):
        seen = Evidence(truth, db)
        whole, own = exposure(_trades(seen.traded)), sum((shown.quote_s for *_, shown in _shown(seen)), Decimal(0))
        orders = sum(bool(named(row["client_id"])) for side in truth.values() for row in side["orders"])
        return {
            "orders": str(orders),
            "fills": str(len(seen.traded)),
            "pairs": str(len(seen.pairs)),
            "exposure_quote_s": f"{whole.quote_s:.3f}",
            "of open pairs": f"{own:.3f}",
            "measured by the engine": f"{sum(Decimal(row['exposure_quote_s']) for row in seen.pairs):.3f}",
            "peak_quote": f"{whole.peak_quote:.2f}",
            "longest_uneven_s": f"{whole.longest_uneven_s:.3f}",
        }


def named(client_id: object) -> str:
    """Return our client order id without a venue's own prefix; empty where it is foreign."""
    found = OURS.fullmatch(str(client_id))
    return found[1] if found else ""


def effect(row: Row) -> dict[str, Decimal]:
    """Return the change of each asset by one fill."""
    base, quote = row["symbol"].split("/")
    size = Decimal(row["size"]) * (1 if row["side"] == "buy" else -1)
    moved = defaultdict(Decimal, {base: size, quote: -size * Decimal(row["price"])})
    moved[row["fee_currency"]] -= Decimal(row["fee"])
    return moved


Compared = list[tuple[tuple[str, ...], tuple[object, ...]]]


def _compared(kind: str, theirs: Compared, ours: Compared) -> Iterator[str]:
    for side, rows in (("the venue", theirs), ("the ledger", ours)):
        yield from (f"{kind} {key}: {n} times in {side}" for key, n in Counter(k for k, _ in rows).items() if n > 1)
    there, here = dict(theirs), dict(ours)
    yield from (f"{kind} {key}: at the venue, not in the ledger" for key in there.keys() - here.keys())
    yield from (f"{kind} {key}: in the ledger, not at the venue" for key in here.keys() - there.keys())
    for key in there.keys() & here.keys():
        if there[key] != here[key]:
            yield f"{kind} {key}: {_text(there[key])} at the venue, {_text(here[key])} in the ledger"


def _text(values: Iterable[object]) -> str:
    return " ".join(map(str, values))


def _orders(seen: Evidence) -> Iterator[str]:
    def row(venue: str, name: str, one: Row) -> tuple[tuple[str, ...], tuple[object, ...]]:
        return (venue, name), (one["symbol"], one["side"], Decimal(one["size"]), Decimal(one["filled"]))

    theirs = [
        row(venue, named(one["client_id"]), one)
        for venue, side in seen.truth.items()
        for one in side["orders"]
        if named(one["client_id"]) and one["status"] in TAKEN
    ]
    filled = {key: values[3] for key, values in theirs}
    ours = [row(one["venue"], named(one["client_order_id"]), one) for one in seen.orders]
    written_off = set()
    for one, (key, values) in zip(seen.orders, ours, strict=True):
        if one["status"] in ("absent", "rejected") and filled.get(key):
            yield f"order {key}: {one['status']} in the ledger, {filled[key]} filled at the venue"
        if not values[3] and (key not in filled or (one["status"] in ("absent", "rejected") and not filled[key])):
            written_off.add(key)
    theirs, ours = ([one for one in rows if one[0] not in written_off] for rows in (theirs, ours))
    yield from _compared("order", theirs, ours)
    for venue, side in seen.truth.items():
        placed = (named(one["client_id"]) for one in side["requests"] if one["kind"] == "place" and one["applied"])
        yield from (f"order {venue} {name}: placed {n} times" for name, n in Counter(placed).items() if name and n > 1)


def _fills(seen: Evidence) -> Iterator[str]:
    def row(venue: str, name: str, one: Row) -> tuple[tuple[str, ...], tuple[object, ...]]:
        numbers = (Decimal(one["price"]), Decimal(one["size"]), Decimal(one["fee"]))
        return (venue, one["symbol"], one["trade_id"], name), (one["side"], *numbers, one["fee_currency"])

    theirs = [row(venue, named(one["client_id"]), one) for venue, one in seen.traded]
    ours = [row(one["venue"], named(one["client_order_id"]), one) for one in seen.fills]
    yield from _compared("fill", theirs, ours)


def _balances(seen: Evidence) -> Iterator[str]:
    for venue, side in seen.truth.items():
        left: dict[str, Decimal] = defaultdict(Decimal)
        for asset, amount in side["initial_balances"].items():
            left[asset] += Decimal(amount)
        # Interest and internal transfers are in the bills only; a trade is in the fills, a deposit in the transfers too.
        booked = (bill for bill in side.get("bills", ()) if bill["kind"] not in ("trade", "deposit", "withdraw"))
        for moved in (*side["transfers"], *booked):
            left[moved["asset"]] += Decimal(moved["amount"])
        for fill in side["fills"]:
            for asset, amount in effect(fill).items():
                left[asset] += amount
        for asset, balance in side["balances"].items():
            left[asset] -= Decimal(balance["free"]) + Decimal(balance["locked"])
        yield from (f"balance {venue} {asset}: {-amount} unexplained" for asset, amount in left.items() if amount)


def _waterfalls(seen: Evidence) -> Iterator[str]:
    for row in seen.pairs:
        if row[NET] is not None and row[NET] != sum(row[term] for term in TERMS):
            yield f"pair {row['id']}: its seven terms do not add up to its realised net"


def _profits(seen: Evidence) -> Iterator[str]:
    """Compare realised nets with the venues' fills, by pair and by symbol, as the module says."""
    quotes: dict[int | None, Decimal] = defaultdict(Decimal)
    bases: dict[int | None, Decimal] = defaultdict(Decimal)
    for venue, fill in seen.traded:
        base, quote = fill["symbol"].split("/")
        pair = seen.pair_of.get((venue, named(fill["client_id"])))
        quotes[pair] += effect(fill)[quote]
        bases[pair] += effect(fill)[base]
    for fill in seen.fills:
        if fill["fee_currency"] not in fill["symbol"].split("/"):
            quotes[fill["pair_trade_id"]] -= Decimal(fill["fee_quote_value"])
    symbols: dict[str, list[Row]] = defaultdict(list)
    for row in sorted(seen.pairs, key=lambda one: one["mark_ns"] or 0):
        symbols[row["symbol"]].append(row)
        if row["kind"] != "arb" or row["state"] not in ENDED or row["id"] in seen.reopened:
            continue
        net, base = Decimal(row[NET]).scaleb(-8), bases[row["id"]]
        earned = quotes[row["id"]] + base * Decimal(row["residual_mark"])
        if Decimal(row["residual_size"]) == base and abs(net - earned) > ROUNDED:
            yield f"pair {row['id']}: realised net {net}, its fills at the venues brought {earned}"
    for symbol, rows in symbols.items():
        if any(row["state"] not in ENDED for row in rows):
            continue  # a pair that is open has no final result
        marks = [Decimal(row["residual_mark"]) for row in rows]
        parts = sum((abs(bases[row["id"]]) + abs(Decimal(row["residual_size"])) for row in rows), Decimal(0))
        net = Decimal(sum(row[NET] for row in rows)).scaleb(-8)
        earned = sum((quotes[row["id"]] + bases[row["id"]] * marks[-1] for row in rows), Decimal(0))
        if abs(net - earned) > parts * (max(marks) - min(marks)) + ROUNDED:
            yield f"{symbol}: pairs realised {net}, their fills at the venues brought {earned}"


def _days(seen: Evidence) -> Iterator[str]:
    by_id = {row["id"]: row for row in seen.pairs}
    left = {(row["id"], term): row[term] or 0 for row in seen.pairs for term in (*TERMS, NET)}
    days: dict[tuple[str, str], int] = defaultdict(int)
    for row in seen.closings:
        pair = by_id[row["pair_trade_id"]]
        for term in (*TERMS, NET):
            left[pair["id"], term] -= row[term] or 0
        if row[NET] is not None and pair["identity"] is None:
            day = datetime.fromtimestamp(row["closed_ns"] // 10**9, UTC).date().isoformat()
            days[day, pair["quote"]] += row[NET]
    yield from (f"pair {key}: {term} is off its closings by {value}" for (key, term), value in left.items() if value)
    shown = {(row["day_utc"], row["quote"]): row["trading_net_e8"] for row in seen.days}
    for key in sorted(days.keys() | shown.keys()):
        if days.get(key, 0) != shown.get(key, 0):
            yield f"day {_text(key)}: v_daily_pnl shows {shown.get(key)}, the pairs that closed earned {days.get(key)}"


Change = tuple[int, str, Decimal, Decimal | None]
"""Instant in ns, symbol, base, price of a fill."""


def _trades(fills: Iterable[tuple[str, Row]]) -> list[Change]:
    return [
        (fill["ts_ms"] * 10**6, fill["symbol"], effect(fill)[fill["symbol"].split("/")[0]], Decimal(fill["price"]))
        for _, fill in fills
    ]


def _shown(seen: Evidence) -> Iterator[tuple[Row, int, Exposure]]:
    """Yield the pairs that closed, when they last did, and what their fills at the venues exposed them to until then."""
    theirs: dict[int | None, list[tuple[str, Row]]] = defaultdict(list)
    ours: dict[int, list[Row]] = defaultdict(list)
    closings: dict[int, list[int]] = defaultdict(list)
    for venue, fill in seen.traded:
        theirs[seen.pair_of.get((venue, named(fill["client_id"])))].append((venue, fill))
    for row in seen.fills:
        ours[row["pair_trade_id"]].append(row)
    for row in seen.closings:
        closings[row["pair_trade_id"]].append(row["closed_ns"])
    for pair in seen.pairs:
        changes, known, symbol = _trades(theirs[pair["id"]]), Decimal(0), pair["symbol"]
        for ns in closings[pair["id"]]:
            own = (effect(row)[symbol.split("/")[0]] for row in ours[pair["id"]] if row["received_ns"] <= ns)
            left = sum(own, Decimal(0))
            changes.append((ns, symbol, known - left, None))
            known = left
        if closings[pair["id"]]:
            yield pair, max(closings[pair["id"]]), exposure(changes)


def exposure(changes: Iterable[Change]) -> Exposure:
    """Return how uneven the base of all symbols was, how long, and how much at most in one of them."""
    ordered = sorted(changes, key=lambda one: one[0])
    nets: dict[str, Decimal] = defaultdict(Decimal)
    prices: dict[str, Decimal] = {}
    since: dict[str, int] = {}
    uneven: dict[str, int] = {}
    area = peak = longest = Decimal(0)
    until_ns = ordered[-1][0] if ordered else 0
    ends = [(until_ns, symbol, Decimal(0), None) for symbol in {one[1] for one in ordered}]
    for ns, symbol, base, price in [*ordered, *ends]:
        value = abs(nets[symbol]) * prices.get(symbol, Decimal(0))
        area += value * (ns - since.get(symbol, ns))
        if value > UNEVEN_QUOTE:
            longest = max(longest, Decimal(ns - uneven[symbol]))
        nets[symbol] += base
        prices[symbol] = price or prices.get(symbol, Decimal(0))
        since[symbol] = ns
        now = abs(nets[symbol]) * prices[symbol]
        if now <= UNEVEN_QUOTE or symbol not in uneven:
            uneven[symbol] = ns
        peak = max(peak, now)
    return Exposure(area.scaleb(-9), peak, longest.scaleb(-9))


def _unmeasured(seen: Evidence) -> Iterator[str]:
    instants = [ns for row in seen.orders for ns in (row["journalled_ns"], row["done_ns"]) if ns is not None]
    instants += [row["received_ns"] for row in seen.fills]
    gaps = [
        (max((ns for ns in instants if ns < began_ns), default=began_ns), began_ns + START_NS)
        for began_ns in (row["started_ns"] for row in seen.runs[1:])
    ]
    for pair, closed_ns, shown in _shown(seen):
        down = sum(max(0, min(end, closed_ns) - max(begin, pair["decided_ns"])) for begin, end in gaps)
        allowed, measured = (LATE_S + Decimal(down).scaleb(-9)) * shown.peak_quote, Decimal(pair["exposure_quote_s"])
        if measured < (shown.quote_s - allowed) / 2:
            yield f"pair {pair['id']}: measured {measured:.3f} quote x s exposed, its fills show {shown.quote_s:.3f}"


def main(arguments: list[str]) -> int:
    """Judge a sandbox that still runs; 1 where a difference was found."""
    with urllib.request.urlopen(f"{arguments[0]}/ledger") as answer:
        truth = json.load(answer)
    print(json.dumps(report(truth, Path(arguments[1])), indent=2))  # noqa: T201
    wrong = judge(truth, Path(arguments[1]))
    print("\n".join(wrong) or "agrees")  # noqa: T201
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
