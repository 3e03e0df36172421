"""A generated ledger of a year, and how long review commands take on it.

`python -m proofs.year_ledger fill URL [PAIRS]` makes the rows (the ledger must not exist yet), PAIRS times ten of them
opportunities, over 300 days. `python -m proofs.year_ledger time URL` runs each review command for a day, a month and
without a range, then each answer of the page, and prints the seconds.
"""

import asyncio
import random
import sqlite3
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import psycopg
from sqlalchemy import Table
from sqlalchemy.engine import make_url

from arb.app.questions import Questions
from arb.clock import NS_PER_S, SystemClock
from arb.config import Mode, Settings
from arb.errors import ArbError
from arb.store.ledger.derived import LEGS_OF_PAIRS, sums_of_days
from arb.store.ledger.migrate import upgrade
from arb.store.ledger.tables import Base

DAYS = 300
DAY_NS = 86_400 * NS_PER_S
FIRST_NS = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp()) * NS_PER_S
VENUES = ("gate", "okx", "bitget")
SYMBOLS = tuple(f"{base}/USDT" for base in ("BTC", "ETH", "SOL", "DOGE", "NOVA", "XRP", "ADA", "LTC", "TON", "SUI"))
REASONS = ("edge_below_threshold", "rate_budget", "pair_in_flight", "insufficient_balance", "max_notional")
UNTRADED_A_PAIR = 9
FEE_E8 = 15_000_000
ROWS_AT_ONCE = 50_000
DATE = "2026-08-15"
RANGES = {"day": (DATE, DATE), "month": ("2026-08-01", "2026-08-31")}
"""First and last day, both whole, as `--since` and `--until` take them."""

Row = dict[str, Any]
Rows = Iterator[tuple[str, Row]]


def rows(pairs: int) -> Rows:
    """Yield (table, row) in an order in which rows may refer to each other: of each day its run, then its pairs."""
    rng = random.Random(7)
    a_day = pairs // DAYS
    for day in range(DAYS):
        began_ns = FIRST_NS + day * DAY_NS
        run = began_ns // NS_PER_S
        ids = iter(range(run * NS_PER_S + 1, (run + 1) * NS_PER_S))
        yield (
            "runs",
            {
                "id": run,
                "started_ns": began_ns,
                "ended_ns": began_ns + DAY_NS - NS_PER_S,
                "mode": "paper",
                "version": "0.1.0",
                "exit_code": 0,
            },
        )
        for n in range(a_day):
            yield from _pair(rng, run, ids, began_ns + n * (DAY_NS // (a_day + 1)))


def _pair(rng: random.Random, run: int, ids: Iterator[int], ns: int) -> Rows:
    symbol = rng.choice(SYMBOLS)
    buy, sell = rng.sample(VENUES, 2)
    route = {"symbol": symbol, "quote": "USDT", "buy_venue": buy, "sell_venue": sell}
    episode = route | {
        "run_id": run,
        "best_buy_size": "1.5",
        "best_sell_size": "1.5",
        "best_net_e8": 120_000_000,
        "best_gross_edge_bps": "28.25",
        "ticks": 4,
    }
    for after in range(UNTRADED_A_PAIR + 1):
        at_ns = ns + after * NS_PER_S
        times = {"opened_ns": at_ns, "best_ns": at_ns + 1, "closed_ns": at_ns + 400_000_000}
        traded = after == 0
        outcome = {"outcome": "traded" if traded else "refused", "reason": None if traded else rng.choice(REASONS)}
        edge = {"best_edge_bps": str(rng.randrange(1, 2500) / 100)}
        yield "opportunities", episode | times | outcome | edge | {"id": next(ids)}
    pair, net = next(ids), rng.randrange(-50_000_000, 150_000_000)
    fills = 2 + (pair % 5 == 0)
    terms = dict.fromkeys(
        ("buy_slippage_e8", "sell_slippage_e8", "size_shortfall_e8", "fee_difference_e8", "hedge_cost_e8"), 0
    )
    terms |= {"expected_net_e8": net, "residual_change_e8": 0, "realised_net_e8": net}
    closed_ns = ns + 300_000_000
    sizes = {"buy_size": "1.5", "sell_size": "1.5", "residual_size": "0", "exposure_quote_s": "10.5"}
    charged = {"fees_e8": fills * FEE_E8, "fills": fills}
    yield (
        "pair_trades",
        route
        | terms
        | sizes
        | charged
        | {"id": pair, "run_id": run, "kind": "arb", "state": "completed", "decided_ns": ns, "closed_ns": closed_ns},
    )
    yield "pair_closings", terms | {"pair_trade_id": pair, "n": 1, "closed_ns": closed_ns, "fees_e8": fills * FEE_E8}
    for side, venue, role in (("buy", buy, "entry"), ("sell", sell, "entry"), ("sell", buy, "hedge"))[:fills]:
        order = next(ids)
        yield "orders", _order(order, pair, symbol, venue, side, role, ns)
        yield "fills", _fill(next(ids), order, symbol, venue, side, ns)


def _order(order: int, pair: int, symbol: str, venue: str, side: str, role: str, ns: int) -> Row:
    return {
        "id": order,
        "pair_trade_id": pair,
        "account_id": f"{venue}:1",
        "venue": venue,
        "symbol": symbol,
        "role": role,
        "attempt": 0,
        "side": side,
        "tif": "ioc",
        "price": "100.25",
        "size": "1.5",
        "filled": "1.5",
        "avg_price": "100.25",
        "client_order_id": f"arb{order}",
        "venue_order_id": str(order),
        "status": "filled",
        "outcome": "accepted",
        "journalled_ns": ns,
        "sent_ns": ns + 10_000,
        "acked_ns": ns + 50_000_000,
        "first_fill_ns": ns + 50_000_000,
        "done_ns": ns + 60_000_000,
    }


def _fill(fill: int, order: int, symbol: str, venue: str, side: str, ns: int) -> Row:
    return {
        "id": fill,
        "order_id": order,
        "account_id": f"{venue}:1",
        "venue": venue,
        "symbol": symbol,
        "trade_id": str(fill),
        "side": side,
        "price": "100.25",
        "size": "1.5",
        "fee": "0.15",
        "fee_currency": "USDT",
        "fee_quote_value": "0.15",
        "liquidity": "taker",
        "source": "stream",
        "event_ns": ns + 50_000_000,
        "received_ns": ns + 55_000_000,
        "fee_quote_value_e8": FEE_E8,
        "fee_expected_e8": FEE_E8,
    }


def fill(url: str, pairs: int) -> None:
    """Make the ledger and write its rows."""
    upgrade(url)
    kept: dict[str, list[Row]] = {}
    with closing(_Target(url)) as target:
        for table, row in rows(pairs):
            kept.setdefault(table, []).append(row)
            if sum(map(len, kept.values())) >= ROWS_AT_ONCE:
                target.write(kept)
        target.write(kept)
        target.add_up()


class _Target:
    """Either database, written to through its own driver."""

    def __init__(self, url: str) -> None:
        parsed = make_url(url)
        self._postgres = parsed.get_backend_name() == "postgresql"
        if self._postgres:
            self._connection: Any = psycopg.connect(parsed.set(drivername="postgresql").render_as_string(False))
        else:
            self._connection = sqlite3.connect(str(parsed.database))
            self._connection.execute("PRAGMA synchronous = OFF")

    def write(self, kept: dict[str, list[Row]]) -> None:
        """Write and forget rows, tables in the order of their references."""
        for table in Base.metadata.sorted_tables:
            if found := kept.pop(table.name, None):
                self._insert(table, found)
        self._connection.commit()

    def _insert(self, table: Table, found: Iterable[Row]) -> None:
        names = [column.name for column in table.columns]
        values = ([row.get(name) for name in names] for row in found)
        if not self._postgres:
            self._connection.executemany(f"INSERT INTO {table.name} VALUES ({', '.join('?' * len(names))})", values)
            return
        with self._connection.cursor().copy(f"COPY {table.name} ({', '.join(names)}) FROM STDIN") as copy:
            for row in values:
                copy.write_row(row)

    def add_up(self) -> None:
        """Write the sums of days and the legs of pairs, as they are written with the rows otherwise."""
        self._connection.execute(sums_of_days("postgresql" if self._postgres else "sqlite"))
        self._connection.execute(LEGS_OF_PAIRS.format(which="true"))
        self._connection.commit()

    def close(self) -> None:
        """Close the connection; on PostgreSQL the planner learns of the rows, as it does by itself within minutes."""
        if self._postgres:
            self._connection.autocommit = True
            self._connection.execute("ANALYZE")
        self._connection.close()


SUMS = "SELECT COUNT(*), SUM(fees_e8) FROM v_pair_trades WHERE decided_ns >= {since} AND decided_ns < {until}"
QUERIES = (
    "SELECT * FROM v_pair_trades ORDER BY decided_ns DESC LIMIT 20",
    "SELECT * FROM v_opportunities ORDER BY opened_ns DESC LIMIT 20",
    "SELECT * FROM v_daily_pnl ORDER BY day_utc DESC LIMIT 31",
    "SELECT * FROM v_venue_quality",
    "SELECT reason, SUM(opportunities) FROM v_reasons GROUP BY reason",
)


def commands_of(first: str, last: str) -> list[list[str]]:
    """Return the review commands of a range of days."""
    since, end = (int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()) * NS_PER_S for day in (first, last))
    found = [[command, "--since", first, "--until", last, "--json"] for command in ("pairs", "report")]
    return [*found, ["sql", SUMS.format(since=since, until=end + DAY_NS)]]


def commands_of_all() -> list[list[str]]:
    """Return the review commands that take no range."""
    found = [["status", "--json"], ["pairs", "--json"], ["alerts", "--json"], ["db", "check"]]
    return found + [["sql", query] for query in QUERIES]


def time_all(url: str, limit_s: float = 300.0) -> None:
    """Print how many seconds each command takes."""
    clock = SystemClock()
    ranges = {name: commands_of(*days) for name, days in RANGES.items()}
    for name, commands in {**ranges, "all": commands_of_all()}.items():
        for command in commands:
            began_ns = clock.monotonic_ns()
            try:
                arb = [sys.executable, "-m", "arb", *command, "--db", url]
                code = subprocess.run(arb, capture_output=True, timeout=limit_s, check=False).returncode
            except subprocess.TimeoutExpired:
                code = -1
            _say(clock.monotonic_ns() - began_ns, f"exit {code}", name, " ".join(command)[:110])
    asyncio.run(time_page(url, clock))


async def time_page(url: str, clock: SystemClock) -> None:
    """Print how many seconds each answer of the page takes, for a day and a month, each by a page that has just begun."""
    for name, (since, until) in RANGES.items():
        questions = Questions(Settings(), Mode.PAPER, url)
        for question in sorted({*questions.names} - {"story"}):
            began_ns = clock.monotonic_ns()
            try:
                await questions.answer(question, {"since": since, "until": until})
                said = "well"
            except ArbError as error:
                said = str(error)
            _say(clock.monotonic_ns() - began_ns, said, name, f"page {question}")


def _say(ns: int, *words: str) -> None:
    sys.stdout.write(f"{ns / NS_PER_S:7.1f} s  {'  '.join(words)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    action, db_url, *more = sys.argv[1:]
    if action == "fill":
        fill(db_url, int(more[0]) if more else 1_000_000)
    else:
        time_all(db_url)
