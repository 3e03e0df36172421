"""The sections of the screen about money: what was earned today, split into its causes, and what venues hold."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from arb.view.plain import held_by_asset, is_short, net_text, short_amount
from arb.view.screen.layout import Section
from arb.view.screen.lines import Line, Span, columns_of, joined, line, padded, width_of

State = dict[str, Any]
TERMS = {
    "expected_net": "expected",
    "buy_slippage": "buy slippage",
    "sell_slippage": "sell slippage",
    "size_shortfall": "size shortfall",
    "fee_difference": "fee difference",
    "hedge_cost": "hedge cost",
    "residual_change": "residual change",
    "realised_net": "= net",
}
LEVELS = "▁▂▃▄▅▆▇█"
BAR_MAX = 24
MINUTES_SHOWN = 30
RATE_FROM_S = 60.0
"""From so much trading on in the last hour it is said what a minute brought."""
ASSETS_SHOWN = 60


def pnl(state: State, width: int) -> Section:
    """Return what the day's pairs earned, in each quote the causes of it, and the net by minute."""
    today = state.get("today")
    if today is None:
        rows = [line(Span(f"net of this run {net_text(state)}", "bold"))] if "net" in state else []
        return Section("pnl", rows, 7)
    found: list[Line] = []
    for quote, sums in today["quotes"].items():
        found += _waterfall(quote, sums, today["minutes"].get(quote, ()), today["ran_s"], width)
    if unproved := state.get("unproved", {}).get("pairs"):
        found.append(line(Span(f"{unproved} pairs of unproved coins are in no sum", "dim")))
    return Section("pnl", found or [line(Span("net today (UTC) 0: no pair has closed", "bold"))], 7)


def _waterfall(quote: str, sums: State, minutes: Sequence[Decimal | None], ran_s: float, width: int) -> Iterator[Line]:
    first = [
        Span(f"net today (UTC) {short_amount(sums['realised_net'], signed=True)} {quote}", "bold"),
        Span(f"{sums['pairs']} pairs", "dim"),
    ]
    if ran_s >= RATE_FROM_S:
        earned = sum((net for net in minutes if net is not None), Decimal(0))
        first.append(Span(f"{short_amount(earned * 60 / Decimal(ran_s), signed=True)} a minute of trading"))
        first.append(Span(f"by minute {_spark(minutes[-MINUTES_SHOWN:])}"))
    yield joined(width, *first)
    shown = {name: sums[term] for term, name in TERMS.items() if sums[term] or term in ("expected_net", "realised_net")}
    amounts = {name: short_amount(amount, signed=True) for name, amount in shown.items()}
    names, digits = max(map(len, shown)), max(map(len, amounts.values()))
    most = max(map(abs, shown.values())) or Decimal(1)
    room = min(BAR_MAX, width - names - digits - 6)
    for name, amount in shown.items():
        sign = "█" if amount >= 0 else "▒"
        bar = sign * round(abs(amount) / most * max(0, room))
        figure = padded(amounts[name], digits, right=True)
        yield line(Span(f"  {padded(name, names)}  "), Span(figure), Span(f"  {bar}", "good" if amount >= 0 else "bad"))


def _spark(minutes: Sequence[Decimal | None]) -> str:
    """Return a sign for each minute: the higher the more was earned, `-` for a loss, blank where nothing ran."""
    most = max((net for net in minutes if net is not None), default=Decimal(0))
    return "".join(_sign(net, most) for net in minutes).lstrip()


def _sign(net: Decimal | None, most: Decimal) -> str:
    if net is None:
        return " "
    return "-" if net < 0 else LEVELS[int(net / most * (len(LEVELS) - 1))] if net else LEVELS[0]


def inventory(state: State, width: int) -> Section:
    """Return what venues hold of each asset: the quotes first, then what is scarce somewhere."""
    if not state.get("holdings"):
        return Section("inventory", (), 8)
    found = held_by_asset(state)
    rows = [(one.asset, one.amounts, one.marks) for one in found[:ASSETS_SHOWN]]
    made = [
        line(Span("inventory", "dim"), Span(f" of {len(found)} assets, scarce first", "dim")),
        *_assets(rows, width),
    ]
    return Section("inventory", made, 8, min(len(made), 2))


def _assets(rows: list[tuple[str, dict[str, Decimal], dict[str, str]]], width: int) -> Iterator[Line]:
    """Yield a line for each asset, or more where venues do not fit beside each other; each stands below its like."""
    cells = [[(venue, short_amount(held[venue]), marks[venue]) for venue in held] for _, held, marks in rows]
    first = max((columns_of(asset) for asset, _, _ in rows), default=0) + 2
    places = range(len(cells[0])) if cells else ()
    widths = [tuple(max(len(row[place][part]) for row in cells) for part in (1, 2)) for place in places]
    for (asset, _, _), row in zip(rows, cells, strict=True):
        made: Line = (Span(padded(asset, first), "bold"),)
        for (venue, figure, mark), (digits, marked) in zip(row, widths, strict=True):
            cell = (
                Span(f"{venue} ", "dim"),
                Span(padded(figure, digits, right=True), "warn" if is_short(mark) else ""),
                Span(f" {padded(mark, marked)}  ", "warn" if is_short(mark) else "dim"),
            )
            if width_of(made) + width_of(cell) - 2 > width and width_of(made) > first:
                yield made
                made = (Span(" " * first),)
            made += cell
        yield made
