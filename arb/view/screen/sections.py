"""The sections of the screen, from the state of an engine: what it risks, sees and does."""

from decimal import Decimal
from typing import Any

from arb.clock import NS_PER_S
from arb.view.lines import Column, Line, Span, columns_of, joined, line, table, width_of, wrapped
from arb.view.plain import exposed_today, net_text, short_amount, short_id, span_of, standing
from arb.view.plain import notices as in_words
from arb.view.screen.layout import Section

State = dict[str, Any]
TABLE_LEAST = 2
"""Rows of a table that make sense: its heading and its first row."""
VENUES_LEAST = 6
EDGES_SHOWN = 20
HEALTH_STYLES = {"healthy": "", "quarantined": "bad"}
OLD_S = 3.0
"""A state that is older than this is said to be old."""


def header(state: State, width: int, stop: str) -> Section:
    """Return what runs, where, how it is, since when, and how to stop it: on one line, or on two."""
    about, word = state["about"], standing(state)
    kind = about["mark"] or about["mode"].upper()
    environment = "" if about["environment"].lower() in kind.lower() else f" {about['environment']}"
    since_ns = about.get("started_ns")
    up = f"  up {span_of((state['now_ns'] - since_ns) / NS_PER_S)}" if since_ns else ""
    title = f" arb {kind}{environment}"
    first = line(Span(f"{title}  {word}{up} ", "title"), Span("  " + stop, "dim"))
    ledger = Span(f"ledger {about['ledger']}", "dim")
    rows = [(*first, Span("   "), ledger)]
    if width_of(rows[0]) > width:
        second = (
            line(ledger)
            if width_of((ledger,)) <= width
            else line(Span(f"ledger {_tail(about['ledger'], width - 7)}", "dim"))
        )
        rows = [first if width_of(first) <= width else first[:1], second]
    return Section("header", rows, 0)


def _tail(text: str, width: int) -> str:
    """Return the end of a text, at least a sign of it: of a long path that is what distinguishes it."""
    while columns_of(text) > max(1, width):
        text = "…" + text[2:]
    return text


def exposure(state: State, width: int) -> Section:
    """Return what is not hedged now, for how long, and what came together today."""
    if "unhedged" not in state:
        return Section("exposure", (), 1)
    rows, today = state["unhedged"], state["exposure"]
    used = exposed_today(today)
    if not rows:
        return Section("exposure", [joined(width, Span("unhedged 0", "good"), Span(used, "dim"))], 1)
    value, oldest = short_amount(state["unhedged_notional"]), max(row["age_ms"] for row in rows)
    what = ", ".join(f"{row['size']} {row['asset']} for {row['age_ms']} ms" for row in rows)
    first = joined(width, Span(f"! UNHEDGED {value}, oldest {oldest} ms", "bad"), Span(what), Span(used, "dim"))
    return Section("exposure", [first], 1)


def notices(state: State, width: int) -> Section:
    """Return what keeps pairs from opening, and how to lift it."""
    rows = [row for text in in_words(state) for row in wrapped(f"! {text}", width, "warn")]
    return Section("notices", rows, 2)


def alerts(found: list[dict[str, Any]], now_ns: int, width: int) -> Section:
    """Return what needs a person, in the order given, each with what to do; `arb alerts ack` takes the short id."""
    rows: list[Line] = []
    for alert in found:
        times = f", {alert['count']} times" if alert["count"] > 1 else ""
        age = span_of(max(0, now_ns - alert["since_ns"]) / NS_PER_S)
        what = f"{alert['kind']}: {alert['text']}"
        rows += wrapped(f"! alert {alert['short_id']}: {what} (for {age}{times})", width, "bad")
        rows += [(Span("  "), *row) for row in wrapped(f"what to do: {alert['what_to_do']}", width - 2)]
    return Section("alerts", rows, 3, 1)


def venues(state: State, width: int) -> Section:
    """Return the venues: their books, how late frames come, what they let through, and what stands against trading there."""
    columns = (
        Column("venue"),
        Column("books"),
        Column("lag p50", right=True, rank=5),
        Column("p99 ms", right=True, rank=4),
        Column("private", rank=2),
        Column("health", rank=3),
        Column("orders left", right=True, rank=6),
        Column("clock ms", right=True, rank=7),
        Column("", rank=1, flexible=True),
    )
    rows = [_venue(venue) for venue in state.get("venues", ())]
    for shown in state.get("display_only", ()):
        rows.append(
            [shown["venue"], shown["books"], "-", "-", "-", "-", "-", "-", _also(shown["use"], shown["trouble"])]
        )
    made = table(columns, rows, width) if rows else []
    return Section("venues", made, 4, min(len(made), VENUES_LEAST))


def _venue(venue: State) -> list[Span | str]:
    live, _, read = venue["books"].partition("/")
    lags = venue["lags_ms"] or ("-", "-")
    left, count, _ = venue["orders_left"]
    why = _also(venue["halted"], venue["health_cause"] if venue["health"] != "healthy" else None)
    return [
        venue["venue"],
        Span(venue["books"], "" if live == read else "warn"),
        str(lags[0]),
        str(lags[1]),
        Span(venue["private"], "" if venue["private"] == "up" else "bad"),
        Span(venue["health"], HEALTH_STYLES.get(venue["health"], "warn")),
        f"{100 * left // count} %",
        "-" if venue["offset_ms"] is None else str(venue["offset_ms"]),
        Span(why, "warn"),
    ]


def _also(*texts: str | None) -> str:
    return "; ".join(text for text in texts if text)


def edges(state: State, width: int) -> Section:
    """Return the best edges now, and why each is not taken."""
    columns = (
        Column("best edge"),
        Column("buy at"),
        Column("sell at"),
        Column("net bps", right=True),
        Column("not taken because", rank=1, flexible=True),
    )
    busy = {(pair["symbol"], pair["buy"], pair["sell"]) for pair in state.get("open_pairs", ())}
    rows = []
    for edge in state.get("edges", ())[:EDGES_SHOWN]:
        bps = Decimal(edge["edge_bps"])
        style = "good" if bps > 0 else "dim"
        taken = (edge["symbol"], edge["buy"], edge["sell"]) in busy
        why = "fees exceed it" if bps <= 0 else "(a pair is open)" if taken else edge["not_taken"] or "-"
        cells = (marked(edge), edge["buy"], edge["sell"], f"{bps:+.2f}", why)
        rows.append([Span(cell, style) for cell in cells])
    made = table(columns, rows, width) if rows else []
    return Section("edges", made, 6, min(len(made), TABLE_LEAST))


def marked(row: State) -> str:
    """Return the symbol of an edge or a pair, with what is known against its coins being the same at both venues."""
    return f"{row['symbol']} ({row['identity']})" if "identity" in row else str(row["symbol"])


def pairs(state: State, width: int) -> Section:
    """Return the pairs that are open, each with the short id that `arb explain` takes."""
    if "open_pairs" not in state:
        return Section("pairs", (), 5)
    columns = (
        Column("open pair"),
        Column("", rank=5),
        Column("buy at", rank=1),
        Column("sell at", rank=1),
        Column("size", right=True, rank=3),
        Column("state"),
        Column("age", right=True),
        Column("expected net", right=True, rank=2),
    )
    rows = [
        [
            marked(pair),
            short_id(pair["id"], state),
            pair["buy"],
            pair["sell"],
            pair["size"],
            Span(pair["state"], "warn" if pair["state"] != "opening" else ""),
            span_of(pair["age_ms"] / 1000) if pair["age_ms"] >= 10_000 else f"{pair['age_ms']} ms",
            short_amount(pair["expected_net"], signed=True),
        ]
        for pair in state["open_pairs"]
    ]
    made = table(columns, rows, width) if rows else [line(Span("open pairs: none", "dim"))]
    return Section("pairs", made, 5, min(len(made), TABLE_LEAST))


def counts(state: State, width: int) -> Section:
    """Return how many pairs, orders, fills and incidents there were in this run, and why edges were not taken."""
    if "opportunities" not in state:
        return Section("counts", (), 9)
    counted = state["pairs"]
    ended = ", ".join(f"{number} {name}" for name, number in counted.items() if name != "opened" and number)
    made = f"{counted['opened']}{f' ({ended})' if ended else ''}"
    rows = wrapped(
        f"this run: net {net_text(state)}, pairs {made}, orders {state['orders']}, fills {state['fills']}, "
        f"incidents {state['incidents']}",
        width,
    )
    why = ", ".join(f"{reason} {count}" for reason, count in state["not_taken"].items())
    rows += wrapped(f"opportunities {state['opportunities']}, not taken: {why or '-'}", width, "dim")
    return Section("counts", rows, 9)


def log_lines(found: list[str], width: int) -> Section:
    """Return the latest lines of the log, the latest first."""
    return Section("log", [row for text in found for row in wrapped(text, width, "dim")], 10, 2)
