"""What `arb replay RUN --paper` says: one document for programs, and the same in tables for people. Amounts are in quote."""

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from arb.clock import NS_PER_MS, NS_PER_S
from arb.market.numbers import plain
from arb.replay.beside import (
    ANSWERS,
    BALANCES,
    CAUSES,
    FEES,
    LATENCY,
    OUR_FILLS,
    RIVALS,
    Comparison,
    Figures,
    Key,
    PairOutcome,
    Step,
    figures_of,
)

MEANING = {
    ANSWERS: "pairs of which the venue refused an order or left its outcome unknown; paper answers each",
    RIVALS: "taken, withdrawn or added between the venue's last frame and an order's arrival: no frame shows it",
    OUR_FILLS: "left the venue's book; on paper a memory of ours alone lacks them",
    LATENCY: "each order's own way in the run, one number for each venue on paper",
    FEES: "the account's own in the run, [paper.fees] on paper",
    BALANCES: "the accounts' own in the run, [paper] balances on paper",
}
BOTH, RUN_ONLY, PAPER_ONLY = "both", "run", "paper"


def document_of(found: Comparison) -> dict[str, Any]:
    """Return everything that was found, pair by pair and in all; money and sizes are plain decimal strings."""
    pairs = [_pair(found, key) for key in found.keys if key in found.run.outcomes or key in found.paper.outcomes]
    totals = found.totals()
    return {
        "pairs": {name: sum(pair["in"] == name for pair in pairs) for name in (BOTH, RUN_ONLY, PAPER_ONLY)},
        "run": _figures(_sum(found.run)),
        "paper": _figures(_sum(found.paper)),
        "causes": [{"cause": cause, **_figures(totals[cause]), "meaning": MEANING[cause]} for cause in CAUSES],
        "other": plain(found.other()),
        "unfinished": {
            name: sum(outcome.open for outcome in step.outcomes.values())
            for name, step in ((RUN_ONLY, found.run), (PAPER_ONLY, found.paper))
        },
        "consequences": _consequences(found),
        "by_pair": pairs,
    }


def _sum(step: Step) -> Figures:
    total = Figures()
    for outcome in step.outcomes.values():
        total = total.plus(outcome.figures)
    return total


def _figures(figures: Figures) -> dict[str, Any]:
    return {
        "pairs": figures.pairs,
        "filled": plain(figures.filled),
        "fees": plain(figures.fees),
        "net": plain(figures.net),
    }


def _consequences(found: Comparison) -> list[dict[str, str]]:
    """Return what follows from a cause beyond figures: routes that are paused as their edge stands."""
    known = set(found.run.rows.paused)
    consequences = []
    for step in found.steps:
        for text in step.rows.paused:
            if text not in known:
                known.add(text)
                # On paper the book goes on showing what we took, so an edge can stand: whatever else made our pairs others.
                consequences.append({"cause": OUR_FILLS, "what": "edge_implausible", "since": step.cause, "text": text})
    return consequences


def _pair(found: Comparison, key: Key) -> dict[str, Any]:
    run, paper = found.run.outcomes.get(key), found.paper.outcomes.get(key)
    changed = {cause: plain(figures.net) for cause, figures in found.causes(key).items()}
    return {
        "decided_ns": key.decided_ns,
        **key.route._asdict(),
        "in": BOTH if run and paper else RUN_ONLY if run else PAPER_ONLY,
        "run": _outcome(run),
        "paper": _outcome(paper),
        "difference": _figures(figures_of(paper).plus(figures_of(run), -1)),
        "causes": changed,
        "why": _why(found, key),
    }


def _outcome(outcome: PairOutcome | None) -> dict[str, Any] | None:
    if outcome is None:
        return None
    return {
        "id": outcome.record.id,
        "decided_ns": outcome.record.decided_ns,
        "state": str(outcome.record.state),
        "bought": plain(outcome.bought),
        "sold": plain(outcome.sold),
        "buy_price": None if outcome.buy_price is None else plain(outcome.buy_price),
        "sell_price": None if outcome.sell_price is None else plain(outcome.sell_price),
        **_figures(outcome.figures),
    }


def _why(found: Comparison, key: Key) -> str:
    """Return the causes of a pair's difference, the greatest first; of one that only one side has, the one that made it so."""
    turned = found.turned(key)
    if turned is None:
        causes = [(abs(figures.net), cause) for cause, figures in found.causes(key).items() if figures != Figures()]
        return ", ".join(cause for _, cause in sorted(causes, reverse=True))
    if key in found.paper.outcomes:
        return turned.cause
    seen = found.refused(key, turned)
    if seen is None:
        return turned.cause
    return f"{turned.cause}: {seen.reason}"


# For people.


def tables_of(document: dict[str, Any]) -> dict[str, Any]:
    """Return a document as a person reads it: what came of it first, then by cause, then pair by pair."""
    shown = {name: value for name, value in document.items() if name in ("run_id", "mode", "sandbox_id", "seconds")}
    shown["until_the_first_order"] = _first(document["until_first_order"])
    if document["until_first_order"]["difference"] is not None:
        return shown
    shown["assumed"] = document["assumed"]
    shown[f"net_in_{document['quote']}"] = _waterfall(document)
    count = document["pairs"]
    shown["pairs"] = f"{count[BOTH]} in both, {count[RUN_ONLY]} only in the run, {count[PAPER_ONLY]} only on paper"
    if any(document["unfinished"].values()):
        shown["unfinished"] = document["unfinished"]
    if document["other"] != "0":
        shown["other"] = f"{document['other']}: no pair accounts for this"
    if document["consequences"]:
        shown["because_of_our_fills"] = [found["text"] for found in document["consequences"]]
    shown["pair_by_pair"] = list(_rows(document["by_pair"]))
    return shown


def _first(first: dict[str, Any]) -> str:
    if first["difference"] is not None:
        found = first["difference"]
        return f"seq {found['seq']} is not what the run decided: {found['run']} was journalled, and not {found['tape']}"
    if first["order"] is None:
        return f"{first['decisions']} decisions are equal, and there was no order"
    order = first["order"]
    return (
        f"{first['decisions']} decisions are equal; then, at {_time(order['t_ns'])}, {order['side']} {order['size']} "
        f"{order['symbol']} at {order['venue']}"
    )


def _waterfall(document: dict[str, Any]) -> list[dict[str, str]]:
    rows = [{"": "the run", **_money(document["run"]), "because": ""}]
    rows += [
        {"": cause["cause"], **_money(cause, signed=True), "because": cause["meaning"]} for cause in document["causes"]
    ]
    return [*rows, {"": "paper", **_money(document["paper"]), "because": ""}]


def _money(figures: dict[str, Any], *, signed: bool = False) -> dict[str, str]:
    pairs = f"{figures['pairs']:+d}" if signed and figures["pairs"] else str(figures["pairs"])
    return {"pairs": pairs} | {name: _amount(figures[name], signed=signed) for name in ("filled", "fees", "net")}


def _amount(text: str, *, signed: bool = False) -> str:
    amount = Decimal(text)
    return "0" if not amount else f"{amount:{'+' if signed else ''},.4f}"


def _rows(pairs: Iterable[dict[str, Any]]) -> Iterable[dict[str, str]]:
    for pair in pairs:
        run, paper = pair["run"] or {}, pair["paper"] or {}
        yield {
            "at": _time(pair["decided_ns"]),
            "kind": str(pair["kind"]),
            "symbol": pair["symbol"],
            "buy": pair["buy_venue"],
            "sell": pair["sell_venue"],
            "bought": _beside(run.get("bought"), paper.get("bought")),
            "sold": _beside(run.get("sold"), paper.get("sold")),
            "net_in_the_run": _amount(run["net"], signed=True) if run else "-",
            "net_on_paper": _amount(paper["net"], signed=True) if paper else "-",
            "difference": _amount(pair["difference"]["net"], signed=True),
            "why": pair["why"],
        }


def _beside(run: str | None, paper: str | None) -> str:
    if run == paper:
        return run or "-"
    return f"{run or '-'} > {paper or '-'}"


def _time(t_ns: int) -> str:
    at = datetime.fromtimestamp(t_ns // NS_PER_S, UTC)
    return f"{at:%H:%M:%S}.{t_ns % NS_PER_S // NS_PER_MS:03d}"
