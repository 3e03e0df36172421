"""The tables of the page, from the same document that `arb report` prints; money to two decimals, the waterfall exactly."""

from decimal import Decimal
from typing import Any

from arb.clock import utc_text
from arb.view.report.text import ARROW, WATERFALL, Html, element, joined, money, route, span, table

Facts = dict[str, Any]
EARNED = (
    ("pairs", "pairs"),
    ("repaired", "repaired"),
    ("expected", "expected"),
    ("net", "net"),
    ("kept_percent", "kept, %"),
    ("fees", "fees"),
    ("hedge_cost", "hedges and unwinds"),
)


def waterfall(facts: Facts, quote: str) -> Html:
    """Return the exact waterfall: the lines before the last add up to it."""
    terms = facts["waterfall"].get(quote, {})
    rows = [{"term": WATERFALL[term], "amount": terms[term], "column": f"{term}_e8"} for term in WATERFALL if terms]
    heads = (("term", "term"), ("amount", f"{quote}, exact"), ("column", "column of pair_trades"))
    cost = facts["leg_cost"].get(quote)
    beside = (
        f"Beside the sum: legs falling short were expected to cost {money(cost['expected'])} {quote} at decision,"
        f" and cost {money(cost['realised'])}."
        if cost
        else ""
    )
    exact = table(heads, rows, none="No finished pair trades yet.")
    return _folded("The waterfall to the last digit", joined((exact, element("p", beside))) if beside else exact)


def days(facts: Facts, quote: str) -> Html:
    """Return what each day earned."""
    rows = [
        _rounded(row) | {"ran": span(1000 * float(row["run_seconds"]))}
        for row in facts["days"]
        if row["quote"] == quote
    ]
    heads = (("day_utc", "day, UTC"), ("ran", "time traded"), *EARNED)
    return _folded(_in("By day", quote), table(heads, rows, none="No day has earned or lost anything yet."))


def venue_pairs(facts: Facts, quote: str) -> Html:
    """Return what each venue pair earned."""
    rows = [
        _rounded(row) | {"route": route(row["buy_venue"], row["sell_venue"])}
        for row in facts["venue_pairs"]
        if row["quote"] == quote
    ]
    heads = (("route", f"bought {ARROW} sold"), *EARNED)
    return _folded(_in("By venue pair", quote), table(heads, rows, none="No venue pair has traded yet."))


def unproved(facts: Facts, quote: str) -> Html:
    """Return what pairs made whose coins are not proved to be the same at both venues; nothing where there are none."""
    rows = [
        _rounded(row) | {"route": route(row["buy_venue"], row["sell_venue"])}
        for row in facts["unproved"]
        if row["quote"] == quote
    ]
    heads = (("symbol", "symbol"), ("route", f"bought {ARROW} sold"), *EARNED)
    return _folded(_in("Unproved coins, in no sum", quote), table(heads, rows, none="")) if rows else Html("")


def reasons(facts: Facts, quote: str) -> Html:
    """Return why opportunities were not taken."""
    rows = [row | {"best_net": money(row["best_net"])} for row in facts["refused"] if row["quote"] == quote]
    heads = (
        ("reason", "reason"),
        ("outcome", "outcome"),
        ("opportunities", "opportunities"),
        ("best_net", "net at best"),
    )
    return _folded(_in("Why not taken", quote), table(heads, rows, none="Nothing was left lying."))


def thresholds(facts: Facts, quote: str) -> Html:
    """Return what other thresholds would have kept."""
    rows = [
        row | {"net": money(row["net"]), "best_net": money(row["best_net"])}
        for row in facts["what_if"]
        if row["quote"] == quote
    ]
    heads = (
        ("min_edge_bps", "lowest edge, bps"),
        ("pairs", "pairs kept"),
        ("net", "their net"),
        ("seen", "opportunities at or above"),
        ("best_net", "their net at best"),
    )
    return _folded(_in("Other thresholds", quote), table(heads, rows, none="Nothing to compare yet."))


def execution(facts: Facts) -> Html:
    """Return how each venue executed."""
    heads = (
        *(("venue", "venue"), ("orders", "orders"), ("accepted", "accepted"), ("rejected", "rejected")),
        *(("unknown", "unknown"), ("repairs", "repairs"), ("fill_percent", "legs filled, %")),
        *(("slippage_bps", "mean price, bps"), ("worst_slippage_bps", "worst 5 %, bps")),
    )
    return _headed("How venues executed", table(heads, facts["execution"], none="No orders yet."))


def waits(facts: Facts) -> Html:
    """Return how long each venue took, in ms."""
    words = {"send": "decided to sent", "ack": "sent to answered", "fill": "sent to first fill"}
    heads = [("venue", "entry orders at, ms")]
    heads += [(f"{name}_ms_p{share}", f"{word}, p{share}") for name, word in words.items() for share in (50, 95)]
    return _folded("Waits by venue, in ms", table(heads, facts["execution"], none="No orders yet."))


def fees(facts: Facts) -> Html:
    """Return fees by the asset they were taken in; below zero is a rebate."""
    rows = [{"asset": asset, "fees": fee.normalize() if fee else fee} for asset, fee in facts["fees"].items()]
    heads = (("asset", "asset"), ("fees", "fees paid, in the asset (below zero: rebate)"))
    paid = _headed("Fees by currency", table(heads, rows, none="No fees yet."))
    planned = [row | {name: money(row[name]) for name in ("expected", "charged")} for row in facts["fees_planned"]]
    columns = (
        *(("venue", "venue"), ("asset", "taken in"), ("fills", "fills"), ("quote", "quote")),
        *(("expected", "planned, in quote"), ("charged", "charged, in quote")),
    )
    return joined((paid, _folded("Fees planned and charged", table(columns, planned, none="No fees yet."))))


def moved(facts: Facts) -> Html:
    """Return what trading added to each balance, and took from it."""
    rows = [row | {"change": row["change"].normalize() if row["change"] else Decimal(0)} for row in facts["moved"]]
    heads = (("venue", "venue"), ("asset", "asset"), ("change", "changed by fills and fees, in the asset"))
    return _folded("What trading moved, exactly", table(heads, rows, none="Nothing moved yet."))


def incidents(facts: Facts) -> Html:
    """Return incidents by kind."""
    rows = [row | {"cost": _money_or_none(row["cost"] or None)} for row in facts["incidents"]]
    heads = (
        *(("severity", "severity"), ("kind", "kind"), ("incidents", "incidents")),
        *(("open", "not acknowledged"), ("cost", "cost, quote")),
    )
    return _headed("Incidents by kind", table(heads, rows, none="Nothing happened that a person should know of."))


def latest_incidents(facts: Facts) -> Html:
    """Return the latest incidents in words."""
    rows = [
        row | {"at": utc_text(row["ns"]), "cost": _money_or_none(row["cost"]), "pair": _text(row["pair_trade_id"])}
        for row in facts["latest_incidents"]
    ]
    heads = (
        *(("at", "time, UTC"), ("severity", "severity"), ("kind", "kind"), ("venue", "venue")),
        *(("pair", "pair"), ("cost", "cost, quote"), ("text", "what happened")),
    )
    return _folded("The latest incidents", table(heads, rows, none="None."))


def runs(facts: Facts) -> Html:
    """Return the runs of the engine."""
    rows = [
        row
        | {
            "run": _text(row["run_id"]),
            "seed": _text(row["seed"]),
            "started": utc_text(row["started_ns"]),
            "ended": "running, or killed" if row["ended_ns"] is None else utc_text(row["ended_ns"]),
            "lasted": span((row["until_ns"] - row["started_ns"]) / 1e6),
        }
        for row in facts["runs"]
    ]
    heads = (
        *(("run", "run"), ("mode", "mode"), ("version", "version"), ("seed", "seed"), ("started", "started, UTC")),
        *(("ended", "ended, UTC"), ("lasted", "lasted"), ("exit_code", "exit code"), ("halted", "halted")),
    )
    return _folded("Runs", table(heads, rows, none="No run yet."))


def _rounded(row: Facts) -> Facts:
    return row | {name: money(row[name]) for name in ("expected", "net", "fees", "hedge_cost")}


def _money_or_none(value: Decimal | None) -> Decimal | None:
    return None if value is None else money(value)


def _text(value: object) -> str | None:
    """Return a number that is a name: no thousands, on the left."""
    return None if value is None else str(value)


def _in(title: str, quote: str) -> str:
    return f"{title}, in {quote}" if quote else title


def _headed(title: str, content: Html) -> Html:
    return joined([element("h3", title), content])


def _folded(title: str, content: Html) -> Html:
    return element("details", element("summary", title), content, open="")
