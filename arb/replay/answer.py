""" "Would I have made money?": the results of replays as one sentence, as one document, and as tables for a person."""

from collections.abc import Iterable, Sequence
from decimal import ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from typing import Any

import msgspec

from arb.clock import NS_PER_S
from arb.market.numbers import ZERO, plain
from arb.market.symbol import Symbol
from arb.replay.result import EDGE_BPS, LIFE_MS, Earned, Edge, Result

_E6 = 10**6
_BPS = 10_000


class Span(msgspec.Struct, frozen=True):
    """The replayed span. `symbols`: those shown at two venues or more; `in_all` counts every one."""

    seconds: Decimal
    stretches: int
    venues: tuple[str, ...]
    symbols: tuple[str, ...]
    in_all: int


def document_of(
    span: Span, result: Result, notional: Decimal, before_fees: Edge | None, beyond: Edge | None = None
) -> dict[str, Any]:
    """Return the answer, `sentence` first. `notional`: the most that a pair pays, in quote.

    `before_fees`: the best edge of a replay without fees, where with them there was none. `beyond`: where that showed none
    either, the best one of pairs of any size.
    """
    first = result.earned[0] if result.earned else None
    best = None if first is None else first.best
    return {
        "sentence": sentence(span, result, notional, before_fees, beyond),
        "seconds": span.seconds,
        "stretches": span.stretches,
        "venues": list(span.venues),
        "symbols": list(span.symbols),
        "edges": result.edges,
        "takeable": result.takeable,
        "best_edge": None if best is None else msgspec.to_builtins(best, builtin_types=(Decimal,)),
        "best_edge_before_fees": _before_fees(before_fees),
        "best_edge_beyond_max_notional": _before_fees(beyond),
        "break_even_fee_bps": None if first is None else first.break_even_fee_bps,
        "earned": [{key: value for key, value in _rows([row])[0].items() if key != "best"} for row in result.earned],
        "edges_by_size_and_life": _rows(result.classes),
        "routes": _rows(result.routes),
        "venue_pairs_by_hour_utc": _rows(result.hours),
        "reasons": _rows(result.reasons),
    }


def _rows(rows: Iterable[msgspec.Struct]) -> list[dict[str, Any]]:
    return [msgspec.to_builtins(row, builtin_types=(Decimal,)) for row in rows]


def _before_fees(edge: Edge | None) -> dict[str, Any] | None:
    if edge is None:
        return None
    named = {"symbol": edge.symbol, "buy": edge.buy, "sell": edge.sell, "seen_ns": edge.seen_ns}
    return named | {"gross_edge_bps": edge.gross_edge_bps, "needs_fee_below_bps": needed_fee_bps(edge.gross_edge_bps)}


def needed_fee_bps(gross_edge_bps: Decimal) -> Decimal:
    """Return the taker's fee, equal on both legs, below which an edge would earn something; cut to 6 decimals.

    Of prices `b` (bought) and `s` (sold) with `s = b (1 + g)`, `s (1 - f) = b (1 + f)` where `f = g / (2 + g)`.
    """
    gross = Fraction(gross_edge_bps) / _BPS
    fee = gross / (2 + gross) * _BPS
    return Decimal(fee.numerator * _E6 // fee.denominator).scaleb(-6)


# The sentence.


def sentence(
    span: Span, result: Result, notional: Decimal, before_fees: Edge | None, beyond: Edge | None = None
) -> str:
    where = f"On {duration(span.seconds)} of {_and(span.venues)}"
    if not span.in_all:
        return f"{where}: no book that could be traded on, so you would have made nothing."
    shown = len(span.symbols) or span.in_all
    what = f"{where}, {shown} symbol{'' if shown == 1 else 's'}: "
    if not span.symbols:
        return f"{what}none is shown at two venues, so there was nothing to trade between."
    if not result.edges:
        why = _without_fees(before_fees) if beyond is None else _too_small(notional, beyond)
        return f"{what}no edge above 0 after fees, so you would have made nothing; {why}."
    edges = f"{result.edges:,} edge{'' if result.edges == 1 else 's'} above 0 after fees, "
    traded = [row for row in result.earned if row.pairs]
    if not traded:
        return f"{what}{edges}none of them takeable ({_main_reason(result)}); you would have made nothing."
    lost = all(row.net < 0 for row in traded)
    made = _and([_amount(abs(row.net) if lost else row.net, row.quote) for row in traded])
    leg = f"with up to {_amount(notional, traded[0].quote)} a leg"
    made = f"you would have {'lost' if lost else 'made'} {made} {leg}"
    return f"{what}{edges}{result.takeable:,} of them takeable; {made}; {_break_even(traded[0])}."


def _without_fees(edge: Edge | None) -> str:
    if edge is None:
        return "even without fees there was none"
    gross, needed = edge.gross_edge_bps, needed_fee_bps(edge.gross_edge_bps)
    route = f"buy {edge.symbol} at {edge.buy}, sell at {edge.sell}"
    return f"the best before fees was {_short(gross)} bps ({route}), which needs a taker fee below {_short(needed)} bps"


def _too_small(notional: Decimal, beyond: Edge) -> str:
    limit = _amount(notional, Symbol.of(beyond.symbol).quote)
    edge = (
        f"{_short(beyond.gross_edge_bps)} bps before fees (buy {beyond.symbol} at {beyond.buy}, sell at {beyond.sell})"
    )
    return f"no order fits into {limit} (limits.max_notional_quote); of larger ones the best edge was {edge}"


def _main_reason(result: Result) -> str:
    row = max((row for row in result.reasons if row.reason is not None), key=lambda row: row.edges, default=None)
    return "all vanished" if row is None else f"{row.reason} {row.edges:,}"


def _break_even(row: Earned) -> str:
    fee = row.break_even_fee_bps
    if fee is None:
        return "nothing was filled"
    if fee < 0:
        return f"only a taker rebate of {_short(-fee)} bps would break even"
    return f"it breaks even at a taker fee of {_short(fee)} bps"


def duration(seconds: Decimal) -> str:
    """Return a length of time in words, to its two greatest units."""
    if seconds < 10:
        return f"{plain(seconds.quantize(Decimal('0.1'), ROUND_HALF_EVEN))} s"
    left = int(seconds)
    words: list[tuple[int, str]] = []
    for name, size in (("days", 86_400), ("h", 3600), ("min", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count or words:
            words.append((count, "day" if name == "days" and count == 1 else name))
    return " ".join(f"{count} {name}" for count, name in words[:2] if count)


def seconds_of(spans_ns: Iterable[tuple[int, int]]) -> Decimal:
    """Return the sum of stretches of time, in seconds to the millisecond."""
    return round(Decimal(sum(ended - began for began, ended in spans_ns)) / NS_PER_S, 3)


def _and(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _amount(amount: Decimal, quote: str) -> str:
    """Return an amount of money as people read it: to a cent, or to 4 digits where that is finer."""
    places = max(2, 3 - amount.adjusted()) if amount else 2
    whole, _, cents = f"{amount.quantize(Decimal(1).scaleb(-min(places, 8))):,f}".partition(".")
    cents = cents[:2] + cents[2:].rstrip("0")
    return f"{whole}.{cents} {quote}" if cents.strip("0") else f"{whole} {quote}"


def _short(rate: Decimal) -> str:
    """Return a rate to a tenth of a basis point, rounded down; a small one to its 6 decimals."""
    return plain(rate if rate < 1 else rate.quantize(Decimal("0.1"), rounding=ROUND_FLOOR))


# For a person.


def tables_of(answer: dict[str, Any]) -> dict[str, Any]:
    """Return the answer as `arb replay` shows it: the sentence by itself, then tables."""
    shown: dict[str, Any] = {}
    if answer["best_edge"] is not None:
        shown["best_edge"] = answer["best_edge"]
    if answer["earned"]:
        shown["earned"] = [_money_row(row) for row in answer["earned"]]
    if answer["edges_by_size_and_life"]:
        shown["edges_by_size_and_life_time"] = _cross(answer["edges_by_size_and_life"])
        shown["venue_pairs"] = _venue_pairs(answer["venue_pairs_by_hour_utc"])
        shown["symbols"] = [_named(row) for row in answer["routes"][:_ROUTES_SHOWN]]
        shown["reasons"] = [row | {"reason": row["reason"] or "(taken)"} for row in answer["reasons"]]
    return shown


_ROUTES_SHOWN = 20


def _money_row(row: dict[str, Any]) -> dict[str, Any]:
    fee = row["break_even_fee_bps"]
    return {
        "quote": row["quote"],
        "pairs": row["pairs"],
        "net": row["net"],
        "net_by_leg_cost": row["net_by_leg_cost"],
        "fees": row["fees"],
        "traded": row["traded"],
        "break_even_fee_bps": "-" if fee is None else fee,
        "all_edges_at_their_best": row["edges_net"],
    }


def _cross(classes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a row for each size, the greatest first, with a column for each life-time: edges, and how many were takeable."""
    counts = {(row["edge_bps"], row["life_ms"]): f"{row['edges']} ({row['takeable']})" for row in classes}
    lives = [life for life in LIFE_MS if any(key[1] == life for key in counts)]
    return [
        {"edge": f"{_from(EDGE_BPS, size)} bps"}
        | {f"{_from(LIFE_MS, life)}_ms": counts.get((size, life), "-") for life in lives}
        for size in reversed(EDGE_BPS)
        if any(key[0] == size for key in counts)
    ]


def _from(bounds: tuple[int, ...], bound: int) -> str:
    at = bounds.index(bound)
    return f">={bound}" if at + 1 == len(bounds) else f"{bound}-{bounds[at + 1]}"


def _venue_pairs(hours: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a row for each venue pair and hour, for one hour as for many."""
    return [
        {
            "buy": row["buy"],
            "sell": row["sell"],
            "hour_utc": f"{row['hour_utc']:02d}",
            "edges": row["edges"],
            "takeable": row["takeable"],
            "pairs": row["pairs"],
            "net": row["net"],
            "quote": row["quote"],
        }
        for row in map(_named, hours)
    ]


def _named(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row of a route; one venue on both sides is where dust was sold."""
    return row | ({"buy": "(dust)"} if row["buy"] == row["sell"] else {})


def first_difference(one: Sequence[Any], other: Sequence[Any]) -> tuple[Any, Any] | None:
    """Return the first place where two lists of openings differ, None at the end of one; None where they are equal."""
    for mine, theirs in zip(one, other, strict=False):
        if mine != theirs:
            return mine, theirs
    if len(one) == len(other):
        return None
    short = min(len(one), len(other))
    return (one[short] if len(one) > short else None), (other[short] if len(other) > short else None)


def net_text(result: Result) -> dict[str, str]:
    """Return the net by quote, as plain decimals; empty without pairs."""
    return {quote: plain(net or ZERO) for quote, net in sorted(result.net.items())}
