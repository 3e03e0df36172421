"""Judges of how pairs were led, by the journal's entries in the order in which they were written, and the ledger's rows.

One order after the other, each its own pair's; one pair at a time at a market, on books newer than what we took from them;
repaired within the cap, out of time only with a halt, ended only with all reported fills, opened only while trading is
allowed; and every fill recorded in time.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from arb.clock import NS_PER_MS, NS_PER_S
from arb.core.messages.settings import RepairPolicy
from arb.market.ids import decode, pair_part
from arb.market.symbol import Symbol
from arb.store.journal.reader import SUB_BITS, JournalReader

Row = dict[str, Any]

OPEN = {"opening", "repairing", "halted"}
NOT_TAKEN = {"rejected", "absent"}
TERMINAL = NOT_TAKEN | {"filled", "partial_cancelled", "cancelled"}
ENDED = {"completed", "unwound", "carried"}
ORDER_REPORTS = {"OrderAccepted", "OrderUpdated", "OrderLooked"}
REPAIR_ROLES = {"hedge", "unwind"}
BPS = Decimal(10_000)
AHEAD_S = 3
"""By how much a venue's clock may be ahead of ours, at most."""
RECORDED_WITHIN_S = 6
"""Within which time after a fill, or after the end of all faults, it must have been recorded.

A private stream reports at once. After an interruption an account snapshot is taken: a second to connect and to log in again,
a second to read, and two before what could not be read is asked for again.
"""


class Entry(NamedTuple):
    """One entry of a journal: its number and instant, its type, and its JSON."""

    seq: int
    t_ns: int
    type: str
    payload: str


def entries_of(journal: Path) -> Iterator[Entry]:
    """Yield every entry, in the order in which they were written."""
    with closing(JournalReader.open(journal)) as reader:
        yield from (Entry(line.id >> SUB_BITS, line.t_ns, line.type, line.payload) for line in reader.lines())


def sent_too_early(journal: Path) -> Iterator[str]:
    """No order of a pair leaves while another of the same pair, sent before it, has not ended with all its fills known.

    Only what lies at a venue that has not answered since the start is not waited for (`on_belief`).
    """
    absent: set[str] = set()
    venue: dict[str, str] = {}
    status: dict[str, str] = {}
    held: dict[int, Decimal] = defaultdict(Decimal)
    number: dict[str, int] = {}
    counted: dict[str, Decimal] = {}
    pair_of: dict[str, int] = {}
    began: dict[str, int] = {}
    for seq, _, kind, payload in entries_of(journal):
        note_absence(absent, kind, payload)
        if kind not in ("Persist", "PlaceOrder"):
            continue
        message = json.loads(payload)
        if kind == "Persist":
            record = message["record"]
            if record["type"] == "OrderRecord":
                name = record["client_order_id"]
                venue[name] = record["venue"]
                began.setdefault(name, seq)
                status[name], pair_of[name] = record["status"], record["pair_trade_id"]
                number[name], counted[name] = record["id"], Decimal(record["filled"])
            elif record["type"] == "FillRecord":
                held[record["order_id"]] += Decimal(record["size"])
            continue
        name = message["client_order_id"]
        if name not in pair_of:
            yield f"sent too early: {name} left before it was written down"
            continue
        for other, pair in pair_of.items():
            if pair != pair_of[name] or began[other] >= began[name] or venue[other] in absent:
                continue
            if status[other] not in TERMINAL:
                yield f"sent too early: {name} left while {other} of the same pair was {status[other]}"
            elif held[number[other]] < counted[other]:
                yield f"sent too early: {name} left while {other} lacked fills: {held[number[other]]} of {counted[other]}"


def on_belief(journal: Path) -> Iterator[str]:
    """No repair leaves for more than is uneven whatever became of the pair's orders at venues that have not answered yet.

    A legal size may overshoot a little: by less than what it brings nearer to even.
    """
    absent: set[str] = set()
    orders: dict[int, Row] = {}
    filled: dict[int, Decimal] = defaultdict(Decimal)
    net: dict[int, Decimal] = defaultdict(Decimal)
    handed: dict[int, Decimal] = defaultdict(Decimal)
    for _, _, kind, payload in entries_of(journal):
        note_absence(absent, kind, payload)
        row: Row = json.loads(payload)["record"] if kind == "Persist" else {"type": ""}
        if row["type"] == "OrderRecord":
            orders[row["id"]] = row
        elif row["type"] == "FillRecord":
            filled[row["order_id"]] += Decimal(row["size"])
            net[row["order_id"]] += base_of(row)
        elif row["type"] == "PairRecord":
            handed[row["id"]] = Decimal(row.get("handed_size", 0))
        if kind != "PlaceOrder" or not absent:
            continue
        place = json.loads(payload)
        pair_of = {order["client_order_id"]: order["pair_trade_id"] for order in orders.values()}
        own = {
            key: order for key, order in orders.items() if order["pair_trade_id"] == pair_of[place["client_order_id"]]
        }
        open_ = [key for key, order in own.items() if order["venue"] in absent and not settled(order, filled[key])]
        rest = {
            side: sum(rest_of(own[key], filled[key]) for key in open_ if own[key]["side"] == side)
            for side in ("buy", "sell")
        }
        held = sum((net[key] for key in own), -handed[pair_of[place["client_order_id"]]])
        certain = max(held - rest["sell"], Decimal(0)) or min(held + rest["buy"], Decimal(0))
        signed = Decimal(place["size"]) * (1 if place["side"] == "sell" else -1)
        if open_ and not (certain * signed > 0 and abs(signed) < 2 * abs(certain)):
            yield f"on belief: {place['client_order_id']} for {signed} of {certain} that is certain"


def base_of(fill: Row) -> Decimal:
    """Return the base that a fill brought, its fee taken off."""
    size = Decimal(fill["size"]) * (1 if fill["side"] == "buy" else -1)
    return size - Decimal(fill["fee"]) if fill["fee_currency"] == Symbol.of(fill["symbol"]).base else size


def note_absence(absent: set[str], kind: str, payload: str) -> None:
    """Keep the venues that have not answered since the start in `absent`."""
    if kind == "RunStarted":
        absent.clear()
        absent.update(json.loads(payload).get("absent", {}))
    elif kind == "VenueArrived":
        absent.discard(json.loads(payload)["venue"])


def settled(order: Row, filled: Decimal) -> bool:
    """Return whether an order of a journal has ended with all its fills received."""
    return order["status"] in TERMINAL and filled >= Decimal(order["filled"])


def rest_of(order: Row, filled: Decimal) -> Decimal:
    """Return what an order of a journal may yet fill."""
    return max(Decimal(order["size"]) - filled, Decimal(0))


def torn_apart(orders: Iterable[Row]) -> Iterator[str]:
    """Orders that were sent for one pair belong to one pair, whatever the journal lost of them: else both would be repaired."""
    pair_of: dict[str, int] = {}
    for order in orders:
        part = pair_part(order["client_order_id"])
        pair_id = order["pair_trade_id"]
        if part is not None and pair_of.setdefault(part, pair_id) != pair_id:
            yield f"torn apart: {order['client_order_id']} is of pair {pair_id}, others of its pair are of {pair_of[part]}"


def two_at_one_market(journal: Path) -> Iterator[str]:
    """No pair opens at a venue and symbol where another is open: two would trade on one depth.

    A pair without an opportunity was opened by a process whose journal was lost, and is recovered with whatever else is open.
    """
    state: dict[int, Row] = {}
    for _, _, kind, payload in entries_of(journal):
        record = pair_in(kind, payload)
        if record is None:
            continue
        if record["id"] not in state and record["kind"] == "arb" and record["opportunity_id"] is not None:
            for other in state.values():
                if other["state"] in OPEN and other["symbol"] == record["symbol"] and _venues(other) & _venues(record):
                    yield f"two at once: pair {record['id']} opened while pair {other['id']} was {other['state']}"
        state[record["id"]] = record


def ended_without_fills(journal: Path) -> Iterator[str]:
    """No pair ends while a venue has reported more filled, of any of its orders, than the fills written down add up to."""
    reported: dict[str, Decimal] = defaultdict(Decimal)
    names: dict[int, str] = {}
    orders_of: dict[int, set[int]] = defaultdict(set)
    held: dict[int, Decimal] = defaultdict(Decimal)
    for _, _, kind, payload in entries_of(journal):
        if kind in ORDER_REPORTS:
            report = json.loads(payload)["report"]
            if report is not None and report["client_order_id"]:
                name = report["client_order_id"]
                reported[name] = max(reported[name], Decimal(report["filled"]))
        elif kind == "Persist":
            row = json.loads(payload)["record"]
            if row["type"] == "OrderRecord" and row["pair_trade_id"] is not None:
                names[row["id"]] = row["client_order_id"]
                orders_of[row["pair_trade_id"]].add(row["id"])
            elif row["type"] == "FillRecord":
                held[row["order_id"]] += Decimal(row["size"])
            elif row["type"] == "PairRecord" and row["state"] in ENDED:
                for order in orders_of[row["id"]]:
                    if reported[names[order]] > held[order]:
                        yield f"ended early: pair {row['id']} with {held[order]} of {reported[names[order]]} of {names[order]}"


def on_swept_books(pairs: Iterable[Row], fills: Iterable[Row]) -> Iterator[str]:
    """No pair is decided on a book whose newest frame came before our last fill there: what we took still stood in it.

    A fill stamped later than it was received comes from a clock that is ahead, and proves nothing.
    """
    own: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for fill in fills:
        if fill["event_ns"] <= fill["received_ns"]:
            own[fill["venue"], fill["symbol"]].append(fill)
    for pair in pairs:
        if pair["kind"] != "arb" or pair["opportunity_id"] is None:
            continue  # what a recovered pair was decided on is lost
        for leg in ("buy", "sell"):
            known = (
                fill["event_ns"]
                for fill in own[pair[f"{leg}_venue"], pair["symbol"]]
                if fill["received_ns"] <= pair["decided_ns"]
            )
            if (pair[f"{leg}_frame_ns"] or 0) < max(known, default=0):
                yield f"swept: pair {pair['id']} took {pair[f'{leg}_venue']}'s book as it was before our last fill there"


def on_still_books(pairs: Iterable[Row], still_s: float) -> Iterator[str]:
    """No pair is decided on a book that has stood still for `still_s`, for simulated books move several times a second."""
    for pair in pairs:
        for leg in ("buy", "sell"):
            if pair["kind"] == "arb" and pair[f"{leg}_frame_ns"]:
                age_s = (pair["decided_ns"] - pair[f"{leg}_frame_ns"]) / NS_PER_S
                if age_s > still_s:
                    yield f"still: pair {pair['id']} took {pair[f'{leg}_venue']}'s book, still for {age_s:.1f} s"


def beyond_the_cap(journal: Path, repair: RepairPolicy) -> Iterator[str]:
    """No repair of a pair asks for a price that loses more than the cap against what the longer leg was traded at.

    What counts is what was known when the repair was written down. One that the journal had lost is written down with a venue's
    report of it: what it was decided on is lost too.
    """
    arbs: set[int] = set()
    legs: dict[int, tuple[int, str]] = {}
    traded: dict[tuple[int, str], list[Decimal]] = defaultdict(lambda: [Decimal(0), Decimal(0)])
    cap = repair.leg_loss_max_bps / BPS
    for _, _, kind, payload in entries_of(journal):
        if kind != "Persist":
            continue
        row = json.loads(payload)["record"]
        if row["type"] == "PairRecord" and row["kind"] == "arb":
            arbs.add(row["id"])
        elif row["type"] == "FillRecord" and row["order_id"] in legs:
            leg = traded[legs[row["order_id"]]]
            leg[0] += Decimal(row["size"])
            leg[1] += Decimal(row["size"]) * Decimal(row["price"])
        elif row["type"] == "OrderRecord" and row["id"] not in legs and row["pair_trade_id"] is not None:
            legs[row["id"]] = (row["pair_trade_id"], row["side"])
            buying = row["side"] == "buy"
            size, notional = traded[row["pair_trade_id"], "sell" if buying else "buy"]
            if row["role"] not in REPAIR_ROLES or row["pair_trade_id"] not in arbs or not size:
                continue
            if row["outcome"] is not None:
                continue
            worst, price = notional / size * (1 + cap if buying else 1 - cap), Decimal(row["price"])
            if price > worst if buying else price < worst:
                yield f"beyond the cap: {row['side']} at {price} for pair {row['pair_trade_id']}, worst allowed {worst:.8f}"


def pair_in(kind: str, payload: str) -> Row | None:
    """Return the row of a pair that an entry holds, or None."""
    if kind != "Persist" or '"PairRecord"' not in payload:
        return None
    record: Row = json.loads(payload)["record"]
    return record


def _venues(pair: Row) -> set[str]:
    return {pair["buy_venue"], pair["sell_venue"]}


def opened_while_stopped(journal: Path) -> Iterator[str]:
    """No pair opens while trading is halted, by whomever, where a late pair has stopped it, or while a store takes nothing.

    One without an opportunity opens nothing: a process whose journal was lost had opened it, and it is recovered.
    """
    halts: set[str] = set()
    late: list[Row] = []
    blocked: set[str] = set()
    seen: set[int] = set()
    for _, _, kind, payload in entries_of(journal):
        if kind == "HaltAsked":
            halts.add("asked")
        elif kind == "ResumeAsked":
            halts.clear()
        elif kind == "RunStarted":
            blocked.clear()
        elif kind == "StoreStateChanged":
            message = json.loads(payload)
            (blocked.add if message["blocked"] else blocked.discard)(message["store"])
        elif kind == "Persist" and '"ControlRecord"' in payload:
            late = json.loads(payload)["record"].get("late", [])
        elif kind == "Persist" and '"IncidentRecord"' in payload:
            record = json.loads(payload)["record"]
            if record["kind"] == "halt":
                halts.add(record["text"].partition(":")[0])
            elif record["kind"] == "stop_lifted":
                halts.discard("leg_deadline")
        elif kind == "Persist" and '"PairRecord"' in payload:
            record = json.loads(payload)["record"]
            opens = record["kind"] == "arb" and record["opportunity_id"] is not None and record["id"] not in seen
            where = [leg for leg in late if leg["symbol"] == record["symbol"] or _venues(record) & set(leg["venues"])]
            if opens and (halts or blocked or where):
                why = (
                    "halted" if halts else f"blocked: {sorted(blocked)}" if blocked else f"late: {where[0]['pair_id']}"
                )
                yield f"opened: pair {record['id']}, though {why}"
            seen.add(record["id"])


def opened_off_the_listing(journal: Path) -> Iterator[str]:
    """No entry leaves for a symbol at a venue that has refused an order for its steps, until its listing is read again."""
    symbols: dict[str, str] = {}
    waits: set[tuple[str, str]] = set()
    for _, _, kind, payload in entries_of(journal):
        if kind == "RunStarted":
            waits.clear()
        elif kind == "OrderRejected":
            message = json.loads(payload)
            if message.get("off_steps"):
                waits.add((message["venue"], symbols[message["client_order_id"]]))
        elif kind in ("InstrumentListed", "VenueListed"):
            message = json.loads(payload)
            for listed in message.get("instruments", [message.get("instrument")]):
                waits.discard((listed["venue"], listed["symbol"]))
        elif kind == "PlaceOrder":
            order = json.loads(payload)
            name, venue, symbol = order["client_order_id"], order["venue"], order["symbol"]
            symbols[name] = symbol
            if order["role"] == "entry" and (venue, symbol) in waits:
                yield f"opened off the listing: {name} in {symbol} at {venue}"


def beyond_the_report(journal: Path) -> Iterator[str]:
    """No entry asks for more than its venue has reported free, whatever our own fills have brought there since."""
    free: dict[str, dict[str, Decimal]] = defaultdict(dict)
    for _, _, kind, payload in entries_of(journal):
        if kind == "BalancesReported":
            message = json.loads(payload)
            if message["complete"]:
                free[message["venue"]].clear()
            free[message["venue"]].update(
                (asset, Decimal(balance["free"])) for asset, balance in message["balances"].items()
            )
        elif kind == "PlaceOrder":
            order = json.loads(payload)
            if order["role"] != "entry":
                continue
            base, quote = Symbol.of(order["symbol"]).base_and_quote
            size, buying = Decimal(order["size"]), order["side"] == "buy"
            asset, needed = (quote, size * Decimal(order["price"])) if buying else (base, size)
            held = free[order["venue"]].get(asset, Decimal(0))
            if needed > held:
                name, venue = order["client_order_id"], order["venue"]
                yield f"beyond the report: {name} needs {needed} {asset}, {venue} reported {held} free"


def recorded_too_late(journal: Path, truth: dict[str, Any], calm_ns: int) -> Iterator[str]:
    """Every fill of ours is written down within `RECORDED_WITHIN_S`, counted from the end of all faults at the earliest.

    And not before it was made, whatever the host's clock says; a venue's may be ahead for a while.
    """
    recorded: dict[tuple[str, str, str], int] = {}
    for _, t_ns, kind, payload in entries_of(journal):
        if kind != "Persist" or '"FillRecord"' not in payload:
            continue
        record = json.loads(payload)["record"]
        if record["type"] == "FillRecord":
            recorded.setdefault((record["venue"], record["symbol"], record["trade_id"]), t_ns)
    for venue, ledger in truth.items():
        for fill in ledger["fills"]:
            if decode(str(fill["client_id"]).removeprefix("t-")) is None:
                continue
            at_ns = max(fill["ts_ms"] * NS_PER_MS, calm_ns)
            known_ns = recorded.get((venue, fill["symbol"], fill["trade_id"]))
            if known_ns is not None and known_ns < fill["ts_ms"] * NS_PER_MS - AHEAD_S * NS_PER_S:
                yield f"recorded early: fill {fill['trade_id']} at {venue}, before it was made"
            if known_ns is not None and known_ns > at_ns + RECORDED_WITHIN_S * NS_PER_S:
                late_s = (known_ns - at_ns) / NS_PER_S
                yield f"recorded late: fill {fill['trade_id']} at {venue}, {late_s:.1f} s after it could have been"
