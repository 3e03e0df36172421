"""The judges of a simulated seed. They read the journal, the ledger and what the venues know, and nothing of the engine.

Each judge returns what is wrong, one line per finding. Nothing is rounded and nothing forgiven, but where a bound is stated.
"""

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from contextlib import closing
from decimal import Context, Decimal, localcontext
from pathlib import Path
from typing import Any

from arb.clock import NS_PER_MS
from arb.core.messages.settings import HealthLimits, Limits
from arb.errors import StoreError
from arb.market.ids import decode
from arb.market.numbers import ZERO
from arb.market.route import Key
from arb.market.symbol import Symbol
from arb.sandbox.values import Refusal
from arb.store.journal.reader import JournalReader
from arb.store.ledger.projector import Projector
from proofs.faultsim.aims import POWER_CUT
from proofs.faultsim.barred import into_a_bar
from proofs.faultsim.conduct import (
    NOT_TAKEN,
    TERMINAL,
    beyond_the_cap,
    beyond_the_report,
    ended_without_fills,
    entries_of,
    on_belief,
    on_still_books,
    on_swept_books,
    opened_off_the_listing,
    opened_while_stopped,
    recorded_too_late,
    sent_too_early,
    torn_apart,
    two_at_one_market,
)
from proofs.faultsim.disk import Files
from proofs.faultsim.dust import piled_up
from proofs.faultsim.entries import past_the_guards, refused_with_room
from proofs.faultsim.feeds import held_up, on_late_books, opened_in_spite_of_misses
from proofs.faultsim.lateness import late_without_a_stop, lifted_wrongly
from proofs.faultsim.legs import legs_misstated
from proofs.faultsim.plan import is_busy, is_standstill
from proofs.faultsim.process import engine_settings
from proofs.faultsim.profit import (
    below_the_threshold,
    billed,
    changes,
    lost_too_much,
    opened_past_the_loss,
    profit_misstated,
    ran_out,
)
from proofs.faultsim.shares import handed_over, shares_misstated, traded_twice
from proofs.faultsim.special import STILL_S
from proofs.faultsim.trapped import into_a_trap
from proofs.faultsim.world import Outcome

EXACT = Context(prec=80)
ENDED_AS = {"filled": "closed", "partial_cancelled": "cancelled", "cancelled": "cancelled"}
"""Our status of an order that a venue took, and the venue's name for it."""
CLASS_1 = (
    *("runs", "pair_trades", "trade_legs", "orders", "fills", "balances", "incidents", "alternatives"),
    "decision_books",
)
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
Row = dict[str, Any]


class Evidence:
    """All that the judges compare, read once."""

    def __init__(self, files: Files, truth: Truth) -> None:
        self.files = files
        self.truth = truth
        self.orders = rows_of(files.ledger, "SELECT * FROM orders WHERE role <> 'foreign'")
        self.fills = rows_of(
            files.ledger, "SELECT f.* FROM fills f JOIN orders o ON o.id = f.order_id WHERE o.role <> 'foreign'"
        )
        self.pairs = rows_of(files.ledger, "SELECT * FROM pair_trades")
        self.legs = rows_of(files.ledger, "SELECT * FROM trade_legs")
        self.handed = handed_over(files.journal)
        self.own_orders = {
            (venue, _name(row)): row
            for venue, row in _each(truth, "orders")
            if _is_ours(row) and row["status"] != "rejected"
        }
        self.own_fills = [(venue, row) for venue, row in _each(truth, "fills") if _is_ours(row)]

    def left(self, pair: Row) -> Decimal:
        """Return the quote value, without sign, of what a pair has left and nobody has taken over."""
        handed_size, _ = self.handed[pair["id"]]
        return abs((Decimal(pair["residual_size"]) - handed_size) * Decimal(pair["residual_mark"] or 0))


def judge(files: Files, outcome: Outcome) -> list[str]:
    """Return everything that is wrong with how a seed ended, its plan's limits being those it had to keep to."""
    plan, truth = outcome.plan, outcome.truth
    with localcontext(EXACT):
        evidence = Evidence(files, truth)
        return [
            *sent_twice(evidence),
            *sent_too_early(files.journal),
            *on_belief(files.journal),
            *torn_apart(evidence.orders),
            *wrongly_written_off(evidence),
            *orders_differ(
                evidence, lost=any(POWER_CUT in strike for strike in outcome.fired), unproved=plan.without_expiry
            ),
            *fills_differ(evidence),
            *rows_refused(evidence),
            *foreign_misstated(evidence),
            *without_funds(evidence),
            *assets_not_conserved(truth),
            *(positions_misstated(files, outcome.positions) if outcome.lives == 1 else ()),
            *false_alarms(files),
            *too_exposed(evidence, plan.limits),
            *lost_too_much(evidence.pairs, evidence.orders, evidence.fills, plan.repair),
            *not_ended(evidence, plan.limits, outcome.halted, outcome.left_open, plan.without_expiry),
            *pairs_misstated(evidence),
            *legs_misstated(files.journal, evidence.legs, evidence.pairs, evidence.orders),
            *profit_misstated(files.journal, truth, evidence.pairs, evidence.orders, evidence.fills),
            *ran_out(plan, files.journal, evidence.orders, evidence.fills),
            *shares_misstated(files.journal),
            *traded_twice(files.journal, plan.limits.dust_max_quote),
            *piled_up(files.journal, plan.limits, outcome.struck),
            *past_the_guards(files.journal, plan.limits, plan.ramp),
            *refused_with_room(
                rows_of(files.ledger, "SELECT * FROM opportunities WHERE reason = 'rate_budget'"),
                evidence.orders,
                evidence.pairs,
                engine_settings(plan, truth).venues,
            ),
            *opened_past_the_loss(files.journal, plan.limits.daily_loss_quote),
            *two_at_one_market(files.journal),
            *ended_without_fills(files.journal),
            *on_swept_books(evidence.pairs, evidence.fills),
            *(on_still_books(evidence.pairs, STILL_S) if is_standstill(plan) else ()),
            *(on_late_books(evidence.pairs, outcome.slowed) if is_busy(plan) else ()),
            *(held_up(files.journal) if is_busy(plan) else ()),
            *(opened_in_spite_of_misses(files.journal, HealthLimits()) if outcome.lives == 1 else ()),
            *late_without_a_stop(files.journal, plan.timing, plan.limits.dust_max_quote),
            *lifted_wrongly(files.journal, plan.repair),
            *into_a_bar(files.journal),
            *into_a_trap(files.journal),
            *beyond_the_cap(files.journal, plan.repair),
            *beyond_the_report(files.journal),
            *opened_off_the_listing(files.journal),
            *opened_while_stopped(files.journal),
            *below_the_threshold(files.journal, plan.limits, plan.inventory.skew_max_bps),
            *recorded_too_late(files.journal, truth, outcome.calm_ns),
            *not_a_projection(files),
        ]


def sent_twice(evidence: Evidence) -> Iterator[str]:
    """No client order id reaches a venue twice, and no leg of a pair has two entries."""
    for venue, ledger in evidence.truth.items():
        sent = Counter(_name(row) for row in ledger["requests"] if row["kind"] == "place" and _is_ours(row))
        yield from (f"sent twice: {venue} got {name} {count} times" for name, count in sent.items() if count > 1)
        taken = Counter(_name(row) for row in ledger["orders"] if _is_ours(row) and row["status"] != "rejected")
        yield from (f"sent twice: {venue} took {name} {count} times" for name, count in taken.items() if count > 1)
    entries = Counter((row["pair_trade_id"], row["side"]) for row in evidence.orders if row["role"] == "entry")
    yield from (f"sent twice: pair {pair} has {n} entries to {side}" for (pair, side), n in entries.items() if n > 1)


def wrongly_written_off(evidence: Evidence) -> Iterator[str]:
    """No order is ever, even for a while, called absent or rejected that its venue has taken or will yet take.

    But for one that by then had come to nothing (`_came_to_nothing`), and for one that was only presumed absent: that may be
    wrong, and has to be found out (`orders_differ`).
    """
    came_ns = {
        (venue, _name(row)): row["ts_ms"] * NS_PER_MS
        for venue, row in _each(evidence.truth, "requests")
        if row["kind"] == "place"
    }
    for _, t_ns, kind, payload in entries_of(evidence.files.journal):
        if kind != "Persist" or not ('"absent"' in payload or '"rejected"' in payload):
            continue
        record = json.loads(payload)["record"]
        if record["type"] == "OrderRecord" and record["status"] in NOT_TAKEN and record.get("absence") != "presumed":
            key = (record["venue"], record["client_order_id"])
            other = evidence.own_orders.get(key)
            if other is not None and not (_came_to_nothing(record, other) and came_ns[key] <= t_ns):
                yield f"written off: order {key} was {record['status']} to us, and the venue took it"
                return


def orders_differ(evidence: Evidence, *, lost: bool, unproved: Collection[str] = ()) -> Iterator[str]:
    """Every order exists on both sides, and ended alike.

    But one that the journal has `lost`, that came to its venue after the account snapshot, and ended there unfilled; and one
    that never came to a venue without expiry (`unproved`): unless it may be presumed absent it stays unknown.
    """
    known = set()
    for row in evidence.orders:
        key = (row["venue"], row["client_order_id"])
        known.add(key)
        other = evidence.own_orders.get(key)
        if row["status"] not in TERMINAL:
            if row["status"] == "unknown" and row["venue"] in unproved and other is None:
                continue
            yield f"order {key}: still {row['status']}"
        elif row["status"] in NOT_TAKEN:
            if other is not None and not _came_to_nothing(row, other):
                yield f"order {key}: {row['status']} to us, {other['status']} with {other['filled']} filled at the venue"
        elif other is None:
            yield f"order {key}: {row['status']} to us, unknown to the venue"
        else:
            yield from (f"order {key}: {text}" for text in _unlike(row, other))
    for key in sorted(evidence.own_orders.keys() - known):
        if not (lost and _is_nothing(evidence.own_orders[key])):
            yield f"order {key}: at the venue, not in the ledger"


def _came_to_nothing(ours: Row, theirs: Row) -> bool:
    """Return whether an order we call absent ended at its venue with nothing filled.

    Where a history lags by more than two order queries take, nothing distinguishes such an order from one that never came,
    neither the queries nor the balances. Nobody gains or loses by it.
    """
    return ours["status"] == "absent" and _is_nothing(theirs)


def _is_nothing(order: Row) -> bool:
    return order["status"] == "cancelled" and not Decimal(order["filled"])


def _unlike(row: Row, other: Row) -> Iterator[str]:
    if ENDED_AS[row["status"]] != other["status"]:
        yield f"{row['status']} to us, {other['status']} at the venue"
    for ours, theirs in (("symbol", "symbol"), ("side", "side"), ("venue_order_id", "id")):
        if row[ours] != other[theirs]:
            yield f"{ours} {row[ours]} to us, {other[theirs]} at the venue"
    for name in ("price", "size", "filled"):
        if Decimal(row[name]) != Decimal(other[name]):
            yield f"{name} {row[name]} to us, {other[name]} at the venue"


def rows_refused(evidence: Evidence) -> Iterator[str]:
    """The ledger holds every row of the journal."""
    refused = rows_of(evidence.files.ledger, "SELECT text FROM incidents WHERE kind = 'row_refused'")
    yield from (row["text"] for row in refused)


def fills_differ(evidence: Evidence) -> Iterator[str]:
    """Every fill of an order of ours is stored once, as it was, and no other.

    Of a trade that a venue reported under two ids and whose true report was lost, the false id may be all that was known when
    it was counted: then it stays, and the contradiction, where the true id was ever reported, is an incident.
    """
    names = {row["id"]: (row["client_order_id"], row["venue_order_id"]) for row in evidence.orders}
    theirs = Counter(_fill_key(venue, row, _name(row), row["order_id"]) for venue, row in evidence.own_fills)
    ours = Counter(_fill_key(row["venue"], row, *names.get(row["order_id"], ("?", "?"))) for row in evidence.fills)
    unknown, false = theirs - ours, ours - theirs
    contradicted = "SELECT text FROM incidents WHERE kind = 'contradiction'"
    texts = [row["text"] for row in rows_of(evidence.files.ledger, contradicted)] if false else []
    for fill in list(false):
        twin = next(
            (one for one in unknown if one[:1] + one[2:] == fill[:1] + fill[2:]), None
        )  # but for the trade's id
        if twin is not None and (
            any(fill[-2] in text for text in texts) or not _reported(evidence.files.journal, twin[1])
        ):
            del unknown[twin], false[fill]
    yield from (f"fill not in the ledger: {fill}" for fill in unknown)
    yield from (f"fill not at the venue: {fill}" for fill in false)


def _reported(journal: Path, trade_id: str) -> bool:
    return any(f'"trade_id":"{trade_id}"' in entry.payload for entry in entries_of(journal))


def foreign_misstated(evidence: Evidence) -> Iterator[str]:
    """What is called foreign is not ours, each fill stored once and as it was."""
    truth, ledger = evidence.truth, evidence.files.ledger
    foreign = {(venue, row["id"]) for venue, row in _each(truth, "orders") if not _is_ours(row)}
    for row in rows_of(ledger, "SELECT * FROM orders WHERE role = 'foreign'"):
        if (row["venue"], row["venue_order_id"]) not in foreign:
            yield f"foreign: order {row['venue_order_id']} at {row['venue']} is ours"
    theirs = Counter(_fill_key(venue, row, "", row["order_id"]) for venue, row in _each(truth, "fills"))
    query = "SELECT f.*, o.venue_order_id FROM fills f JOIN orders o ON o.id = f.order_id WHERE o.role = 'foreign'"
    ours = Counter(_fill_key(row["venue"], row, "", row["venue_order_id"]) for row in rows_of(ledger, query))
    yield from (f"foreign: fill not at the venue: {fill}" for fill in ours - theirs)


def without_funds(evidence: Evidence) -> Iterator[str]:
    """No entry is sent for which its account has not enough: only we, and known foreign orders, use these accounts."""
    entries = {row["client_order_id"] for row in evidence.orders if row["role"] == "entry"}
    for venue, row in _each(evidence.truth, "orders"):
        if row["reject"] == Refusal.INSUFFICIENT_BALANCE and _name(row) in entries:
            yield f"funds: {venue} had too little for {_name(row)}: {row['side']} {row['size']} {row['symbol']}"


def _fill_key(venue: str, row: Row, client_id: str, order_id: str) -> tuple[Any, ...]:
    numbers = tuple(Decimal(row[name]) for name in ("price", "size", "fee"))
    return (venue, row["trade_id"], row["symbol"], row["side"], *numbers, row["fee_currency"], client_id, order_id)


def assets_not_conserved(truth: Truth) -> Iterator[str]:
    """Every balance at a venue is where it began, plus bills besides trades, plus what its fills did; none is below zero."""
    for venue, ledger in truth.items():
        expected = {asset: Decimal(amount) for asset, amount in ledger["initial_balances"].items()}
        for asset, amount in billed(ledger):
            expected[asset] = expected.get(asset, ZERO) + amount
        for fill in ledger["fills"]:
            for asset, amount in changes(fill):
                expected[asset] = expected.get(asset, ZERO) + amount
        for asset, balance in ledger["balances"].items():
            free, locked = Decimal(balance["free"]), Decimal(balance["locked"])
            if free + locked != expected.get(asset, ZERO):
                yield f"conservation: {venue} holds {free + locked} {asset}, its fills say {expected.get(asset, ZERO)}"
            if free < 0 or locked < 0:
                yield f"conservation: {venue} {asset} is below zero: {free} free, {locked} locked"


def positions_misstated(files: Files, positions: dict[Key, dict[str, Decimal]]) -> Iterator[str]:
    """Each position of a process that lived from the first event on is the sum of the ledger's fills in its instrument."""
    expected: defaultdict[Key, defaultdict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for fill in rows_of(files.ledger, "SELECT * FROM fills"):
        for asset, amount in changes(fill):
            expected[fill["venue"], fill["symbol"]][asset] += amount
    for key in expected.keys() | positions.keys():
        if expected[key] != positions.get(key):
            yield f"position: {key} is {positions.get(key)}, its fills in the ledger say {dict(expected[key])}"


def false_alarms(files: Files) -> Iterator[str]:
    """No balance is called unexplained: here fills, fees and bills explain every one, others' trades included."""
    for row in rows_of(files.ledger, "SELECT text FROM incidents WHERE kind = 'balance_drift'"):
        yield f"false alarm: {row['text']}"


def too_exposed(evidence: Evidence, limits: Limits) -> Iterator[str]:
    """At no instant do the venues' fills leave more unhedged than every open pair standing on one leg."""
    carried = sum((evidence.left(pair) for pair in evidence.pairs if pair["state"] == "carried"), ZERO)
    bound = limits.max_open_pairs * limits.max_notional_quote * Decimal("1.02") + limits.dust_total_max_quote + carried
    held: dict[str, Decimal] = defaultdict(lambda: ZERO)
    prices: dict[str, Decimal] = {}
    worst = ZERO
    # By number, which all venues draw from one source: their clocks may stand apart.
    for _, fill in sorted(evidence.own_fills, key=lambda item: int(item[1]["trade_id"])):
        base = Symbol.of(fill["symbol"]).base
        prices[base] = Decimal(fill["price"])
        for asset, amount in changes(fill):
            if asset == base:
                held[base] += amount
        worst = max(worst, sum((abs(size) * prices[asset] for asset, size in held.items()), ZERO))
    if worst > bound:
        yield f"exposure: {worst:.2f} unhedged at the venues, at most {bound:.2f} allowed"


def not_ended(
    evidence: Evidence, limits: Limits, halted: str | None, left_open: list[int], unproved: Collection[str] = ()
) -> Iterator[str]:
    """After the faults nothing is left open, or trading is halted; what pairs leave is dust, or booked as carried.

    But a pair may wait for an order that stays unknown at a venue without expiry (`unproved`).
    """
    waiting = {
        row["pair_trade_id"] for row in evidence.orders if row["status"] == "unknown" and row["venue"] in unproved
    }
    if halted is None and (ended_not := [pair for pair in left_open if pair not in waiting]):
        yield f"not ended: pairs {ended_not} are open and trading is not halted"
    for key, order in evidence.own_orders.items():
        if order["status"] == "open":
            yield f"not ended: order {key} is open at the venue"
    for pair in evidence.pairs:
        if pair["closed_ns"] is None:
            if pair["id"] not in left_open:
                yield f"not ended: pair {pair['id']} is {pair['state']}, and no process has it"
        elif pair["state"] not in ("completed", "unwound") or pair["kind"] != "arb":
            continue
        elif evidence.left(pair) > limits.dust_max_quote * Decimal("1.05"):
            yield f"not ended: pair {pair['id']} is {pair['state']} and leaves {evidence.left(pair):.4f} quote unhedged"


def pairs_misstated(evidence: Evidence) -> Iterator[str]:
    """What a pair says is left of it is what its fills left; its causes add up to what it earned."""
    left: dict[int, Decimal] = defaultdict(lambda: ZERO)
    pair_of = {row["id"]: row["pair_trade_id"] for row in evidence.orders}
    for fill in evidence.fills:
        for asset, amount in changes(fill):
            if asset == Symbol.of(fill["symbol"]).base:
                left[pair_of[fill["order_id"]]] += amount
    for pair in evidence.pairs:
        if pair["kind"] == "arb" and Decimal(pair["residual_size"]) != left[pair["id"]] and pair["closed_ns"]:
            yield f"pair {pair['id']}: says {pair['residual_size']} is left, its fills say {left[pair['id']]}"
        if pair["closed_ns"] is None or pair["state"] == "abandoned":
            continue
        net = pair["realised_net_e8"]
        if net is None or sum(pair[term] for term in WATERFALL) != net:
            yield f"pair {pair['id']}: its waterfall does not add up"


def not_a_projection(files: Files) -> Iterator[str]:
    """The ledger is, row for row, what the journal says anew."""
    reader = JournalReader.open(files.journal)
    projector = Projector(f"sqlite:///{files.rebuilt}", reader, lambda: None)
    try:
        projector.open()
    except StoreError as error:
        yield f"projection: the journal cannot be projected anew: {error}"
        return
    finally:
        projector.close()
        reader.close()
    for table in CLASS_1:
        query = f"SELECT * FROM {table} ORDER BY 1, 2, 3, 4, 5"
        ours, anew = rows_of(files.ledger, query), rows_of(files.rebuilt, query)
        if ours != anew:
            odd = next((pair for pair in zip(ours, anew, strict=False) if pair[0] != pair[1]), None)
            yield f"projection: {table} has {len(ours)} rows, the journal {len(anew)}; first difference {odd}"
    query = "SELECT * FROM opportunities WHERE outcome = 'traded' ORDER BY id"
    if rows_of(files.ledger, query) != rows_of(files.rebuilt, query):
        yield "projection: traded opportunities differ from the journal's"


def rows_of(db: Path, query: str) -> list[Row]:
    """Return the rows of a query on a SQLite ledger."""
    with closing(sqlite3.connect(f"file:{db}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(query)]


def _each(truth: Truth, kind: str) -> Iterator[tuple[str, Row]]:
    for venue, ledger in truth.items():
        for row in ledger[kind]:
            yield venue, row


def _name(row: Row) -> str:
    return str(row["client_id"]).removeprefix("t-")


def _is_ours(row: Row) -> bool:
    return decode(_name(row)) is not None
