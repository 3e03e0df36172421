"""Explain one pair trade from its rows and its journal entries."""

from collections.abc import Iterator
from decimal import Decimal
from itertools import zip_longest
from operator import itemgetter
from typing import Any, NamedTuple

import msgspec

from arb.core.messages.commands import Persist
from arb.core.messages.records import PairKind, QuoteSide, tag_of
from arb.core.messages.recovery_records import PlanRecord
from arb.market.numbers import EXACT, ZERO, plain
from arb.market.order import Role, Side
from arb.store.ledger.domains import levels_of
from arb.store.ledger.queries import PairStory, RowDict
from arb.store.ledger.sums import E8
from arb.store.ledger.tables import WATERFALL
from arb.view.plain import average_exposure

NS_PER_MS = Decimal(1_000_000)
_ASK = ("ask", "ask_size", "ask_total", "to_buy")
_BID = ("bid", "bid_size", "bid_total", "to_sell")
_NO_BOOKS = "not kept: an earlier version decided on the pair, or the process ended right behind its orders"
_NOT_DECIDED_ON_BOOKS = "none: no edge between two books was decided on"


class _Step(NamedTuple):
    at_ns: int
    what: str
    of: str
    after_ns: int | None


def explanation(history: PairStory) -> dict[str, Any]:
    """Return pair, waterfall, orders, fills, alternatives, the books decided on, and the timeline.

    `steps` goes from the frames decided on to the end, each step with its wait since the previous step of its leg.
    `timeline` has the entries that name one of the orders. Instants are milliseconds since the decision.
    """
    pair, zero_ns = history.pair, history.pair["decided_ns"]
    return {
        "pair": {name: pair[name] for name in ("id", "kind", "symbol", "buy_venue", "sell_venue", "state", "identity")}
        | {
            "decided_ns": zero_ns,
            "took_ms": _since(pair["closed_ns"], zero_ns),
            "buy_size": pair["buy_size"],
            "sell_size": pair["sell_size"],
            "residual_size": pair["residual_size"],
            "exposure_quote_s": pair["exposure_quote_s"],
            "unhedged_average": unhedged_average(pair),
        },
        "opportunity": _opportunity(history.opportunity, zero_ns),
        "waterfall": {term.removesuffix("_e8"): None if pair[term] is None else pair[term] * E8 for term in WATERFALL},
        "leg_cost": _leg_cost(pair),
        "limits": _limits(history.plan),
        "required_edge": _required(history.plan),
        "refill": None if history.plan is None else list(history.plan.refill),
        "orders": [_order(order, zero_ns) for order in history.orders],
        "fills": [_fill(fill, zero_ns) for fill in history.fills],
        "incidents": [
            {"at_ms": _since(row["ns"], zero_ns), "kind": row["kind"], "text": row["text"]} for row in history.incidents
        ],
        "alternatives": [_alternative(row, zero_ns) for row in history.alternatives],
        "books": _books(history),
        "steps": steps(history),
        "timeline": list(_timeline(history, zero_ns)),
    }


def unhedged_average(pair: RowDict) -> Decimal | None:
    """Return the average of what was unhedged (quote) from a pair's decision to its end; None while it is open."""
    if pair["closed_ns"] is None:
        return None
    return average_exposure(pair["exposure_quote_s"], Decimal(pair["closed_ns"] - pair["decided_ns"]).scaleb(-9))


def _leg_cost(pair: RowDict) -> dict[str, Any] | None:
    """Return the expected and the actual shortfall cost of the legs; it is no term of the waterfall."""
    if pair["kind"] != "arb":
        return None
    cost_e8 = None if pair["hedge_cost_e8"] is None else -pair["size_shortfall_e8"] - pair["hedge_cost_e8"]
    return {"expected": (pair["leg_cost_e8"] or 0) * E8, "realised": None if cost_e8 is None else cost_e8 * E8}


def _limits(plan: PlanRecord | None) -> list[dict[str, Any]] | None:
    """Return the limits that a table of the symbol or of a venue set in place of `[limits]`; None: not known."""
    return None if plan is None else [msgspec.structs.asdict(applied) for applied in plan.limits]


def _required(plan: PlanRecord | None) -> dict[str, Any] | None:
    """Return the edge the pair needed, and its terms; None where no bands were in force."""
    if plan is None or plan.min_edge_bps is None:
        return None
    terms = [plain(plan.min_edge_bps)]
    for part in plan.skew:
        terms.append(f"{'+-'[part.bps < 0]} {plain(abs(part.bps))} for {part.asset} {part.held} at {part.venue}")
    if plan.skew_bps != sum((part.bps for part in plan.skew), ZERO):
        terms.append(f"(not lowered below {plain(plan.min_edge_bps + plan.skew_bps)})")
    if plan.leg_cost_bps:
        terms.append(f"+ {plain(plan.leg_cost_bps)} for legs that fall short")
    required_bps = plan.min_edge_bps + plan.skew_bps + plan.leg_cost_bps
    return {"bps": required_bps, "text": f"required {plain(required_bps)} bps: {' '.join(terms)}"}


def steps(history: PairStory) -> list[dict[str, Any]]:
    """Return the steps in order: instant, kind, leg, and the wait since the step before it on that leg.

    Before the first step of an entry is the decision, and before the decision the newest frame. Before a repair is the end
    of the orders before it. Between a decision and the send are sizing, the journal's commit, pacing and signing.
    """
    pair, zero_ns = history.pair, history.pair["decided_ns"]
    frames = [(pair[f"{side}_frame_ns"], f"{pair[f'{side}_venue']} book") for side in ("buy", "sell")]
    found: list[_Step] = [_Step(ns, "frame received", of, None) for ns, of in frames if ns]
    newest_ns = max((step.at_ns for step in found), default=None)
    found.append(_Step(zero_ns, "decided", "pair", newest_ns))
    settled_ns = zero_ns
    for order in sorted(history.orders, key=lambda order: (order["journalled_ns"], order["id"])):
        of = f"{order['role']} {order['side']} {order['venue']}"
        before_ns = order["journalled_ns"]
        if before_ns != zero_ns:
            found.append(_Step(before_ns, "repair decided", of, settled_ns))
        for at_ns, what in _steps_of_order(history, order):
            found.append(_Step(at_ns, what, of, before_ns))
            before_ns = at_ns
        settled_ns = max(settled_ns, order["done_ns"] or 0)
    if pair["closed_ns"] is not None:
        found.append(_Step(pair["closed_ns"], str(pair["state"]), "pair", settled_ns))
    return [
        {
            "at_ms": _since(step.at_ns, zero_ns),
            "wait_ms": None if step.after_ns is None else _since(step.at_ns, step.after_ns),
            "what": step.what,
            "of": step.of,
        }
        for step in sorted(found, key=lambda step: step.at_ns)
    ]


def _steps_of_order(history: PairStory, order: RowDict) -> list[tuple[int, str]]:
    fills = [fill for fill in history.fills if fill["order_id"] == order["id"]]
    found = [
        (order["sent_ns"], "journalled and sent"),
        (order["acked_ns"], _answer(order)),
        *((fill["received_ns"], f"filled {fill['size']} at {fill['price']}") for fill in fills),
        (order["done_ns"], f"ended, {order['status']}"),
    ]
    return sorted(((at_ns, what) for at_ns, what in found if at_ns), key=itemgetter(0))


def _answer(order: RowDict) -> str:
    code = f" ({order['reject_code']})" if order["reject_code"] else ""
    return f"answered, {order['outcome'] or 'nothing certain'}{code}"


def _alternative(row: RowDict, zero_ns: int) -> dict[str, Any]:
    """Return an alternative; `net` in quote, of a repair against the price at which its leg filled."""
    size = row["sell_size"] if row["sell_size"] is not None else row["buy_size"]
    return {
        "at_ms": _since(row["ns"], zero_ns),
        "stage": row["stage"],
        "way": row["way"],
        "buy": row["buy_venue"],
        "sell": row["sell_venue"],
        "size": size,
        "price": row["price"],
        "net": None if row["net_e8"] is None else row["net_e8"] * E8,
        "edge_bps": row["edge_bps"],
        "taken": row["reason"] is None,
        "reason": row["reason"],
    }


def _books(history: PairStory) -> dict[str, Any]:
    """Return the asks and the bids that the pair was decided on next to each other, level by level, the best first.

    `to_buy` and `to_sell` are the sizes the plan takes of a level, the totals the sizes on it and on all better ones.
    Where the ledger has none, `note` gives the reason.
    """
    pair, sides = history.pair, {row["side"]: row for row in history.books}
    if not sides:
        return {"note": _NO_BOOKS if pair["kind"] == PairKind.ARB else _NOT_DECIDED_ON_BOOKS, "levels": []}
    entries = {order["side"]: order for order in history.orders if order["role"] == Role.ENTRY}
    document: dict[str, Any] = {}
    columns: list[list[dict[str, Any]]] = []
    for leg, side, one in ((Side.BUY, QuoteSide.ASKS, "ask"), (Side.SELL, QuoteSide.BIDS, "bid")):
        document[f"{leg}_venue"], planned = pair[f"{leg}_venue"], pair[f"{leg}_size"]
        document[f"{leg}_size"] = planned
        document[f"{leg}_limit"] = entries[leg]["price"] if leg in entries else None
        columns.append(list(_levels(sides[side]["levels"] if side in sides else "[]", one, f"to_{leg}", planned)))
    asks, bids = columns
    document["levels"] = [
        {"level": number, **(ask or dict.fromkeys(_ASK)), **(bid or dict.fromkeys(_BID))}
        for number, (ask, bid) in enumerate(zip_longest(asks, bids), 1)
    ]
    return document


def _levels(text: str, one: str, to: str, planned: Decimal) -> Iterator[dict[str, Any]]:
    """Yield the levels of one side; `to` is None where the plan takes nothing."""
    total = ZERO
    for price, size in levels_of(text):
        taken = min(size, max(ZERO, EXACT.subtract(planned, total)))
        total = EXACT.add(total, size)
        yield {one: price, f"{one}_size": size, f"{one}_total": total, to: taken or None}


def _since(instant_ns: int | None, zero_ns: int) -> Decimal | None:
    return None if instant_ns is None else ((instant_ns - zero_ns) / NS_PER_MS).quantize(Decimal("0.001"))


def _opportunity(row: RowDict | None, zero_ns: int) -> dict[str, Any] | None:
    if row is None:
        return None
    return {
        "id": row["id"],
        "opened_ms": _since(row["opened_ns"], zero_ns),
        "closed_ms": _since(row["closed_ns"], zero_ns),
        "best_edge_bps": row["best_edge_bps"],
        "best_gross_edge_bps": row["best_gross_edge_bps"],
        "best_net": row["best_net_e8"] * E8,
        "ticks": row["ticks"],
    }


def _order(row: RowDict, zero_ns: int) -> dict[str, Any]:
    names = (
        "role",
        "venue",
        "side",
        "price",
        "size",
        "filled",
        "avg_price",
        "status",
        "reject_code",
        "client_order_id",
    )
    return {name: row[name] for name in names} | {
        f"{name}_ms": _since(row[f"{name}_ns"], zero_ns) for name in ("sent", "acked", "first_fill", "done")
    }


def _fill(row: RowDict, zero_ns: int) -> dict[str, Any]:
    """Return a fill with its fee, the fee's worth, and the planned fee, both in quote."""
    before, after = ("venue", "side", "price", "size", "fee", "fee_currency"), ("liquidity", "source", "trade_id")
    planned = row["fee_expected_e8"]
    fees = {"fee_in_quote": row["fee_quote_value_e8"] * E8, "fee_planned": None if planned is None else planned * E8}
    return (
        {"at_ms": _since(row["received_ns"], zero_ns)}
        | {name: row[name] for name in before}
        | fees
        | {name: row[name] for name in after}
    )


def _timeline(history: PairStory, zero_ns: int) -> Iterator[dict[str, Any]]:
    """Yield the events and commands that name one of the pair's orders; rows are omitted, they are shown above."""
    for entry in history.timeline:
        if isinstance(entry.message, Persist):
            continue
        text = {
            name: value
            for name, value in msgspec.to_builtins(entry.message).items()
            if name not in ("type", "seq", "t_ns", "cause") and not isinstance(value, dict | list)
        }
        yield {
            "at_ms": _since(entry.t_ns, zero_ns),
            "seq": entry.seq,
            "what": tag_of(entry.message),
            "of": " ".join(str(text[name]) for name in ("venue", "client_order_id", "timer") if name in text),
        }
