"""The cookbook's answers, worked out from the rows in plain Python: no SQL, no float before the last division."""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np

from arb.core.messages.records import IncidentRecord
from tests.unit.store.answer_rows import DAY_NS, HOUR_NS, Rows, Tables, at, e8, fall, grouped, net, quote


def by_hour(t: Tables) -> Rows:
    groups = grouped(t.finished, lambda p: (p.buy_venue, p.sell_venue, p.quote, (p.closed_ns or 0) // HOUR_NS % 24))
    names = ("buy_venue", "sell_venue", "quote", "hour_utc")
    return [
        dict(zip(names, key, strict=True)) | {"pairs": len(rows), "net_e8": net(rows), "net": quote(net(rows))}
        for key, rows in groups.items()
    ]


def heat_map(t: Tables) -> Rows:
    def cell(ns: int, asset: str) -> tuple[int, int, str]:
        return (ns // DAY_NS + 4) % 7, ns // HOUR_NS % 24, asset

    offered, earned = Counter[tuple[int, int, str]](), Counter[tuple[int, int, str]]()
    for o in t.opportunities:
        offered[cell(o.opened_ns, o.quote)] += o.best_net_e8
    for p in t.finished:
        earned[cell(p.decided_ns, p.quote)] += fall(p).realised_net_e8
    return [
        {"weekday": k[0], "hour_utc": k[1], "quote": k[2], "offered": quote(offered[k]), "net": quote(earned[k])}
        for k in sorted(offered.keys() | earned.keys())
    ]


def by_day(t: Tables) -> Rows:
    days = {0: "2025-10-10", 1: "2025-10-11", 2: "2025-10-12", 3: "2025-10-13"}
    first = min(p.decided_ns for p in t.finished) // DAY_NS
    fees = Counter[int | None]()
    for fill in t.fills:
        fees[t.orders[fill.order_id].pair_trade_id] += e8(fill.fee_quote_value)
    groups = grouped(t.finished, lambda p: (days[(p.closed_ns or 0) // DAY_NS - first], p.quote))
    return [
        {
            "day_utc": day,
            "quote": asset,
            "pairs": len(rows),
            "trading_net": quote(net(rows)),
            "fees": quote(sum(fees[p.id] for p in rows)),
            "hedge_cost": quote(sum(fall(p).hedge_cost_e8 for p in rows)),
        }
        for (day, asset), rows in groups.items()
    ]


def causes(t: Tables) -> Rows:
    columns = {
        "expected_e8": "expected_net_e8",
        **{
            f"{name}_e8": f"{name}_e8"
            for name in ("buy_slippage", "sell_slippage", "size_shortfall", "fee_difference", "hedge_cost")
        },
        "residual_change_e8": "residual_change_e8",
        "realised_e8": "realised_net_e8",
    }
    found = []
    for asset, rows in grouped(t.finished, lambda p: p.quote).items():
        sums = {column: sum(getattr(fall(p), term) for p in rows) for column, term in columns.items()}
        assert 2 * sums["realised_e8"] == sum(sums.values())
        found.append({"quote": asset, "pairs": len(rows)} | sums)
    return found


def by_reason(t: Tables) -> Rows:
    groups = grouped((o for o in t.opportunities if o.reason), lambda o: (o.reason or "", o.quote))
    rows = [
        {"reason": k[0], "quote": k[1], "opportunities": len(v), "missed": quote(sum(o.best_net_e8 for o in v))}
        for k, v in groups.items()
    ]
    return sorted(rows, key=lambda row: (-row["missed"], row["reason"]))


def thresholds(t: Tables) -> Rows:
    steps, found = [0, 4, 6, 8, 12], []
    for asset, rows in grouped(t.opportunities, lambda o: o.quote).items():
        reached = grouped(rows, lambda o: max(step for step in steps if o.best_edge_bps >= step))
        for step in reached:
            above = [o for o in rows if o.best_edge_bps >= step]
            found.append(
                {
                    "min_edge_bps": step,
                    "quote": asset,
                    "opportunities": len(above),
                    "offered": quote(sum(o.best_net_e8 for o in above)),
                    "traded": sum(o.outcome == "traded" for o in above),
                }
            )
    return found


def from_12_bps(t: Tables) -> Rows:
    wide = {o.id for o in t.opportunities if o.best_edge_bps >= 12}
    groups = grouped((p for p in t.finished if p.opportunity_id in wide), lambda p: p.quote)
    return [
        {
            "quote": asset,
            "pairs": len(rows),
            "expected": quote(sum(fall(p).expected_net_e8 for p in rows)),
            "net": quote(net(rows)),
        }
        for asset, rows in groups.items()
    ]


def life_times(t: Tables) -> Rows:
    rows = (o for o in t.opportunities if o.symbol == "BTC/USDT")
    found = []
    for (buy, sell), group in grouped(rows, lambda o: (o.buy_venue, o.sell_venue)).items():
        lived = sorted((o.closed_ns - o.opened_ns) // 1_000_000 for o in group)
        row = {"buy_venue": buy, "sell_venue": sell, "opportunities": len(lived)}
        found.append(row | {"p50_ms": at(lived, 1, 2), "p90_ms": at(lived, 9, 10)})
    return found


def taken(t: Tables) -> Rows:
    found = []
    for (buy, sell), rows in grouped(t.opportunities, lambda o: (o.buy_venue, o.sell_venue)).items():
        traded = [o for o in rows if o.outcome == "traded"]
        row = {"buy_venue": buy, "sell_venue": sell, "opportunities": len(rows), "traded": len(traded)}
        offered = {"offered": rows, "offered_by_traded": traded}
        found.append(row | {name: quote(sum(o.best_net_e8 for o in some)) for name, some in offered.items()})
    return found


def slippage(t: Tables) -> Rows:
    limits = [100, 1_000, 10_000, 100_000]
    sized: defaultdict[tuple[str, int], list[tuple[Decimal, int]]] = defaultdict(list)
    entries = t.entries
    for p in t.finished:
        buy = entries.get((p.id, "buy"))
        if buy is not None and buy.avg_price is not None:
            paid = buy.filled * buy.avg_price
            limit = limits[min(bisect_left(limits, paid), 3)]
            sized[p.quote, limit].append((paid, fall(p).buy_slippage_e8 + fall(p).sell_slippage_e8))
    return [
        {
            "up_to_quote": limit,
            "quote": asset,
            "pairs": len(rows),
            "slippage_bps": Decimal(sum(lost for _, lost in rows)).scaleb(-4) / sum(paid for paid, _ in rows),
        }
        for (asset, limit), rows in sorted(sized.items())
    ]


def repaired(t: Tables) -> Rows:
    sent = {(o.pair_trade_id or 0, o.venue, str(o.role)) for o in t.orders.values() if o.role in ("hedge", "unwind")}
    rows = [(venue, role, t.pairs[pair]) for pair, venue, role in sent if t.pairs[pair].waterfall is not None]
    return [
        {
            "venue": venue,
            "role": role,
            "quote": asset,
            "pairs": len(group),
            "hedge_cost": quote(sum(fall(p).hedge_cost_e8 for *_, p in group)),
            "net": quote(net(p for *_, p in group)),
            "exposure_quote_s": sum((p.exposure_quote_s for *_, p in group), Decimal(0)),
        }
        for (venue, role, asset), group in grouped(rows, lambda row: (row[0], row[1], row[2].quote)).items()
    ]


def exposure(t: Tables) -> Rows:
    groups = grouped(t.pairs.values(), lambda p: (p.buy_venue, p.sell_venue, p.quote))
    return [
        {
            "buy_venue": buy,
            "sell_venue": sell,
            "quote": asset,
            "pairs": len(rows),
            "exposure_quote_s": sum((p.exposure_quote_s for p in rows), Decimal(0)),
            "worst_quote_s": max(p.exposure_quote_s for p in rows),
        }
        for (buy, sell, asset), rows in groups.items()
    ]


def fees(t: Tables) -> Rows:
    found = []
    for (venue, asset), rows in grouped(t.fills, lambda f: (f.venue, f.fee_currency)).items():
        value = sum(e8(f.fee_quote_value) for f in rows)
        row = {"venue": venue, "fee_currency": asset, "fills": len(rows)}
        paid = sum((f.fee for f in rows), Decimal(0))
        known = [f.fee_expected_e8 for f in rows if f.fee_expected_e8 is not None]
        planned = quote(sum(known)) if known else None
        found.append(row | {"fees": paid, "value_e8": value, "value": quote(value), "planned": planned})
    return found


def latency(t: Tables) -> Rows:
    filled = [o for o in t.orders.values() if o.role == "entry" and o.first_fill_ns is not None]
    found = []
    for venue, rows in grouped(filled, lambda o: o.venue).items():
        decided = [t.pairs[o.pair_trade_id or 0].decided_ns for o in rows]
        waits = sorted(((o.first_fill_ns or 0) - ns) // 100_000 for o, ns in zip(rows, decided, strict=True))
        acks = [o.acked_ns - (o.sent_ns or 0) for o in rows if o.acked_ns is not None]
        sends = sum((o.sent_ns or 0) - ns for o, ns in zip(rows, decided, strict=True))
        found.append(
            {
                "venue": venue,
                "orders": len(rows),
                "fill_p50_ms": Decimal(at(waits, 1, 2)) / 10,
                "fill_p90_ms": Decimal(at(waits, 9, 10)) / 10,
                "send_ms": Decimal(sends).scaleb(-6) / len(rows),
                "ack_ms": Decimal(sum(acks)).scaleb(-6) / len(acks),
            }
        )
    return found


def leg_skew(t: Tables) -> Rows:
    skews: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    entries = t.entries
    for p in t.pairs.values():
        if p.kind == "arb":
            buy, sell = entries[p.id, "buy"], entries[p.id, "sell"]
            skews[p.buy_venue, p.sell_venue].append(abs((buy.sent_ns or 0) - (sell.sent_ns or 0)) // 1_000)
    found = []
    for (buy_venue, sell_venue), values in sorted(skews.items()):
        values.sort()
        row = {"buy_venue": buy_venue, "sell_venue": sell_venue, "pairs": len(values)}
        found.append(row | {"p50_us": at(values, 1, 2), "p99_us": at(values, 99, 100)})
    return found


def fill_ratios(t: Tables) -> Rows:
    found = []
    for venue, rows in grouped((o for o in t.orders.values() if o.role == "entry"), lambda o: o.venue).items():
        statuses = Counter(str(o.status) for o in rows)
        found.append(
            {
                "venue": venue,
                "orders": len(rows),
                "filled": statuses["filled"],
                "partly": statuses["partial_cancelled"],
                "not_at_all": statuses["cancelled"] + statuses["rejected"] + statuses["absent"],
                "fill_ratio": sum((o.filled / o.size for o in rows), Decimal(0)) / len(rows),
            }
        )
    return found


def rejects(t: Tables) -> Rows:
    rejected = (o for o in t.orders.values() if o.status == "rejected")
    rows = [
        {
            "venue": venue,
            "reject_code": code,
            "role": role,
            "orders": len(some),
            "last_ns": max(o.journalled_ns for o in some),
        }
        for (venue, code, role), some in grouped(
            rejected, lambda o: (o.venue, o.reject_code or "", str(o.role))
        ).items()
    ]
    return sorted(rows, key=lambda row: -row["orders"])


def unknowns(t: Tables) -> Rows:
    unknown = (o for o in t.orders.values() if o.outcome == "unknown" and o.role != "foreign")
    return [
        {
            "venue": venue,
            "status": status,
            "orders": len(rows),
            "until_known_ms": Decimal(sum((o.done_ns or 0) - (o.sent_ns or 0) for o in rows)).scaleb(-6) / len(rows),
        }
        for (venue, status), rows in grouped(unknown, lambda o: (o.venue, str(o.status))).items()
    ]


def worst(t: Tables) -> Rows:
    rows = sorted(t.finished, key=lambda p: (fall(p).realised_net_e8, p.id))[:20]
    names = ("id", "symbol", "buy_venue", "sell_venue", "state", "decided_ns")
    return [
        {name: _plain(getattr(p, name)) for name in names}
        | {
            "net": quote(fall(p).realised_net_e8),
            "expected": quote(fall(p).expected_net_e8),
            "hedge_cost": quote(fall(p).hedge_cost_e8),
        }
        for p in rows
    ]


def dust(t: Tables) -> Rows:
    found = []
    for symbol, rows in grouped(t.finished, lambda p: p.symbol).items():
        sales = [p for p in rows if p.kind in ("dust", "flatten")]
        left = sum((p.residual_size for p in rows), Decimal(0)) - sum(
            (p.sell_size - p.buy_size for p in sales), Decimal(0)
        )
        found.append({"symbol": symbol, "base_left": left, "sales": len(sales), "sales_net": quote(net(sales))})
    return found


def holdings(t: Tables) -> Rows:
    return [
        {"venue": venue, "asset": asset, "ns": rows[-1].ns, "free": rows[-1].free, "locked": rows[-1].locked}
        for (venue, asset), rows in grouped(t.balances, lambda b: (b.venue, b.asset)).items()
    ]


def happened(t: Tables) -> Rows:
    return [
        {
            "severity": severity,
            "kind": kind,
            "incidents": len(rows),
            "pairs": len({i.pair_trade_id for i in rows}),
            "last_ns": max(i.ns for i in rows),
        }
        for (severity, kind), rows in grouped(t.incidents, lambda i: (i.severity, i.kind)).items()
    ]


def foreign(t: Tables) -> Rows:
    fills = [f for f in t.fills if t.orders[f.order_id].role == "foreign"]
    return [
        {
            "venue": venue,
            "symbol": symbol,
            "side": side,
            "fills": len(rows),
            "base": sum((f.size for f in rows), Decimal(0)),
            "notional": sum((f.size * f.price for f in rows), Decimal(0)),
        }
        for (venue, symbol, side), rows in grouped(fills, lambda f: (f.venue, f.symbol, str(f.side))).items()
    ]


def all_time(t: Tables) -> Rows:
    rows = [
        {
            "reason": reason,
            "quote": asset,
            "opportunities": len(some),
            "missed": quote(sum(o.best_net_e8 for o in some)),
            "missed_from_12_bps": quote(sum(o.best_net_e8 for o in some if o.best_edge_bps >= 12)),
        }
        for (reason, asset), some in grouped(t.not_taken_ever, lambda o: (o.reason or "", o.quote)).items()
    ]
    return sorted(rows, key=lambda row: (-row["missed"], row["reason"]))


def passed_over(t: Tables) -> Rows:
    found = [
        (edge, pair)
        for pair in t.pairs.values()
        for edge in t.opportunities
        if (edge.run_id, edge.symbol) == (pair.run_id, pair.symbol) and edge.outcome != "traded"
        if pair.decided_ns - HOUR_NS < edge.opened_ns <= pair.decided_ns
    ]
    rows = [
        {"reason": reason, "quote": asset, "times": len(some), "best_net": quote(sum(e.best_net_e8 for e, _ in some))}
        for (reason, asset), some in grouped(found, lambda both: (both[0].reason or "", both[1].quote)).items()
    ]
    return sorted(rows, key=lambda row: (-row["best_net"], row["reason"]))


def time_traded(t: Tables) -> Rows:
    rows: Rows = []
    for run in t.runs:  # a day each
        day = run.started_ns // DAY_NS
        hours = Decimal((run.ended_ns or 0) - run.started_ns) / HOUR_NS
        mine = grouped([p for p in t.finished if (p.closed_ns or 0) // DAY_NS == day], lambda p: p.quote)
        rows += [
            {"day": day, "hours": hours, "quote": asset, "pairs": len(some)}
            | {"net": quote(net(some)), "net_per_hour": quote(net(some)) / hours}
            for asset, some in mine.items()
        ]
    return rows


def needing_a_person(t: Tables) -> Rows:
    def about(incident: IncidentRecord) -> tuple[str, str, str]:
        return incident.kind, incident.venue or "", t.pairs[incident.pair_trade_id or 0].symbol

    return [
        dict(zip(("kind", "venue", "symbol"), key, strict=True))
        | {"alerts": 1, "acknowledged": 0, "incidents": len(rows), "last_ns": rows[-1].ns}
        for key, rows in grouped([i for i in t.incidents if i.kind in ("halt", "carried")], about).items()
    ]


def between(t: Tables) -> Rows:
    def utc(ns: int | None) -> str | None:
        return None if ns is None else str(np.datetime64(ns, "ns").astype("datetime64[us]")).replace("T", " ")

    since_ns, until_ns = (np.datetime64(f"2025-10-11T{hour}:00", "ns").astype(int) for hour in ("09", "21"))
    return [
        {"id": p.id, "decided_at": utc(p.decided_ns), "closed_at": utc(p.closed_ns), "symbol": p.symbol}
        | {"buy_venue": p.buy_venue, "sell_venue": p.sell_venue, "state": str(p.state)}
        | {"realised_net": None if p.waterfall is None else quote(fall(p).realised_net_e8)}
        for p in sorted(t.pairs.values(), key=lambda p: (p.decided_ns, p.id))
        if since_ns <= p.decided_ns < until_ns
    ]


def decided_on(t: Tables) -> Rows:
    rows: Rows = []
    last = t.pairs[max(book.pair_trade_id for book in t.books)]
    for book in sorted((book for book in t.books if book.pair_trade_id == last.id), key=lambda book: book.side):
        left, total = last.buy_size if book.side == "asks" else last.sell_size, Decimal(0)
        for level, (price, size) in enumerate(book.levels, 1):
            taken, total = min(left, size), total + size
            left -= taken
            rows.append(
                {"side": str(book.side), "venue": book.venue, "level": level, "price": price, "size": size}
                | {"total": total, "taken": taken}
            )
    return rows


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, str) else value


BY_NUMBER: dict[int, Callable[[Tables], Rows]] = {
    1: by_hour,
    2: heat_map,
    3: by_day,
    4: causes,
    5: by_reason,
    6: thresholds,
    7: from_12_bps,
    8: life_times,
    9: taken,
    10: slippage,
    11: repaired,
    12: exposure,
    13: fees,
    14: latency,
    15: leg_skew,
    16: fill_ratios,
    17: rejects,
    18: unknowns,
    19: worst,
    20: dust,
    21: holdings,
    22: happened,
    23: foreign,
    24: all_time,
    25: passed_over,
    26: time_traded,
    27: needing_a_person,
    28: between,
    29: decided_on,
}
