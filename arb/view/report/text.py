"""Numbers in words and titles."""

import math

from arb.store.ledger.columns import Columns

WATERFALL = {
    "expected_net": "expected at decision",
    "buy_slippage": "buy prices",
    "sell_slippage": "sell prices",
    "size_shortfall": "sizes not filled",
    "fee_difference": "fees other than planned",
    "hedge_cost": "hedges and unwinds",
    "residual_change": "value of residuals",
    "realised_net": "realised net",
}
"""What a person calls each cause; all but the last add up to it."""
ARROW = "\N{RIGHTWARDS ARROW}"
MINUS = "\N{MINUS SIGN}"


def amount(value: float, quote: str = "") -> str:
    """Return a sum of money for a title: two decimals, fewer when large, more when tiny."""
    size = abs(value)
    places = 0 if size >= 10_000 else 2 if size >= 0.1 or not value else min(8, 2 - math.floor(math.log10(size)))
    text = f"{value:,.{places}f}"
    if not float(text.replace(",", "")):
        text = text.removeprefix("-")
    return f"{text}{' ' if quote else ''}{quote}".replace("-", MINUS, 1)


def span(milliseconds: float) -> str:
    """Return a span of time in the unit a person would choose."""
    if math.isnan(milliseconds):
        return "unknown"
    if milliseconds < 0.0005:
        return "under 1 \N{MICRO SIGN}s"
    if milliseconds < 1:
        return f"{1000 * milliseconds:.0f} \N{MICRO SIGN}s"
    if milliseconds < 1000:
        return f"{milliseconds:.2g} ms" if milliseconds < 10 else f"{milliseconds:.0f} ms"
    seconds = milliseconds / 1000
    if seconds < 120:
        return f"{seconds:.3g} s"
    minutes = seconds / 60
    if minutes < 120:
        return f"{minutes:.0f} min"
    hours = minutes / 60
    return f"{hours:.0f} h" if hours < 72 else f"{hours / 24:.0f} days"


def percent(part: float, whole: float) -> str:
    """Return a share in percent; empty for a share of nothing."""
    if not whole:
        return ""
    share = 100 * part / whole
    small = 0 < abs(share) < 0.5
    return f"{share:.{1 if small else 0}f}\N{NO-BREAK SPACE}%".replace("-", MINUS)


def count(number: int, thing: str) -> str:
    """Return a number of things: `1 pair`, `2 pairs`."""
    plural = thing[:-1] + "ies" if thing.endswith("y") else thing + "s"
    return f"{number:,} {thing if number == 1 else plural}"


def short(name: str, most: int = 28) -> str:
    """Return a name that leaves room for what is drawn beside it."""
    return name if len(name) <= most else f"{name[: most - 1]}\N{HORIZONTAL ELLIPSIS}"


def routes(columns: Columns) -> list[str]:
    """Return the venues of each row, bought and sold; one alone where both legs are at one venue."""
    return [route(buy, sell) for buy, sell in zip(columns["buy_venue"], columns["sell_venue"], strict=True)]


def route(buy: str, sell: str) -> str:
    """Return `gate -> okx` with a real arrow; the venue alone, where there is but one."""
    return buy if buy == sell else f"{buy} {ARROW} {sell}"
