"""The summary on the screen when a run has ended: eight lines, alerts first, and the next command to type."""

import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from arb.core.messages.incidents import HaltReason
from arb.errors import EXIT_OK
from arb.masking import printable
from arb.view.plain import short_amount, span_of

SHOWN = 4
"""The most reasons, and the most assets, that a line names."""


def ending(summary: Mapping[str, Any], exit_code: int, options: Sequence[str], width: int | None = None) -> str:
    """Return the lines about a run's summary; with `options`, other commands use the same ledger.

    `width`: that of the terminal, None without one. On a terminal fewer reasons and assets are named, and continued lines
    are indented.
    """
    pairs = summary["pairs"]
    made = ", ".join(f"{pairs[name]} {name}" for name in pairs if name != "opened" and pairs[name]) or "none"
    title = [summary["note"]] if "note" in summary else []
    texts: dict[str, Callable[[int], str]] = {
        "run": lambda _: (
            f"{summary['run_id']} ({summary['mode']}), {span_of(summary['seconds'])}, books live at the end: "
            f"{', '.join(f'{venue} {live}' for venue, live in summary['books'].items())}"
        ),
        "net": lambda most: _net(summary, most),
        "pairs": lambda _: f"{pairs['opened']}: {made}; {summary['orders']} orders, {summary['fills']} fills",
        "not taken": lambda most: _not_taken(summary, most),
        "unhedged": lambda most: _unhedged(summary, most),
        "state": lambda _: _state(summary),
        "ledger": lambda _: summary["db"],
        "next": lambda _: _next(summary, exit_code, " ".join(("", *options))),
    }
    return "\n".join([*title, *(line for name, text in texts.items() for line in _lines(name, text, width))])


def _lines(name: str, text: Callable[[int], str], width: int | None) -> Iterator[str]:
    first = f"{name:11}"
    most = next((most for most in range(SHOWN, 1, -1) if width is None or len(first + text(most)) <= width), 1)
    shown = first + printable(text(most))
    yield from (
        [shown]
        if width is None
        else textwrap.wrap(
            shown, max(width, 40), subsequent_indent=" " * len(first), drop_whitespace=True, break_on_hyphens=False
        )
    )


def _amounts(amounts: Mapping[str, Any], most: int = SHOWN, *, signed: bool = False) -> str:
    shown = [f"{short_amount(amount, signed=signed)} {asset}" for asset, amount in list(amounts.items())[:most]]
    more = len(amounts) - len(shown)
    return " + ".join(shown) + (f" + {more} more" if more > 0 else "") if shown else "0"


def _net(summary: Mapping[str, Any], most: int) -> str:
    fees = dict(sorted(summary["fees"].items(), key=lambda item: item[0] not in summary["net"]))  # those in quote first
    text = f"{_amounts(summary['net'], signed=True)} after fees of {_amounts(fees, most)}"
    if summary.get("ceiling_net"):
        text += f" (with perfect foresight: {_amounts(summary['ceiling_net'], signed=True)})"
    apart = summary["unproved"]
    if apart["pairs"]:
        text += f"; not in it: {_amounts(apart['net'], signed=True)} of {apart['pairs']} pairs of unproved coins"
    return text


def _not_taken(summary: Mapping[str, Any], most: int) -> str:
    reasons = sorted(summary["not_taken"].items(), key=lambda item: (-item[1], item[0]))
    shown = ", ".join(f"{reason} {count}" for reason, count in reasons[:most])
    more = sum(count for _, count in reasons[most:])
    return f"{sum(summary['not_taken'].values())} of {summary['opportunities']} opportunities" + (
        f": {shown}{f', others {more}' if more else ''}" if shown else ""
    )


def _unhedged(summary: Mapping[str, Any], most: int) -> str:
    left = "; ".join(
        f"{short_amount(row['size'])} {row['asset']} worth {short_amount(row['value'])}" for row in summary["unhedged"]
    )
    dust = f"; dust: {_amounts(summary['dust'], most)}" if summary["dust"] else ""
    return f"{short_amount(summary['unhedged_notional'])}{f' ({left})' if left else ''}{dust}"


def _state(summary: Mapping[str, Any]) -> str:
    found = [
        f"HALTED: {summary['halted']}" if summary["halted"] else "",
        f"{summary['pairs']['open']} pairs still open" if summary["pairs"]["open"] else "",
        f"{summary['unknown_orders']} orders unknown" if summary["unknown_orders"] else "",
        *(
            f"{venue} {health['state']}"
            for venue, health in summary["venue_health"].items()
            if health["state"] != "healthy"
        ),
        f"absent: {', '.join(summary['absent_venues'])}" if summary["absent_venues"] else "",
        f"stopped assets: {len(summary['stopped_assets'])}" if summary["stopped_assets"] else "",
        f"barred symbols: {len(summary['barred_symbols'])}" if summary["barred_symbols"] else "",
        f"incidents: {summary['incidents']}" if summary["incidents"] else "",
    ]
    return ", ".join(filter(None, found)) or "nothing halted, nothing open, no incident"


def _next(summary: Mapping[str, Any], exit_code: int, options: str) -> str:
    if summary["halted"]:
        allow = " --allow-loss QUOTE" * (summary["halted"] == HaltReason.DAILY_LOSS)
        return f"arb report{options}    (and when the cause is gone: arb resume --reason TEXT{allow})"
    if summary["pairs"]["open"] or exit_code != EXIT_OK:
        return f"arb pairs{options}    (the next arb run finishes open pairs)"
    if not summary["pairs"]["opened"]:
        return f"arb report{options}    (why nothing was taken)"
    return f"arb report{options}    (or arb pairs, arb explain ID)"
