"""What venues hold of what is traded, asset by asset, and where it is scarce: from a state, for screen and page alike."""

from decimal import Decimal
from typing import Any, NamedTuple

from arb.market.symbol import Symbol

State = dict[str, Any]
SCARCE = Decimal("-0.5")
"""From where in its band down an asset is shown as scarce: -1 is the low edge, 0 the target."""


class Held(NamedTuple):
    """One asset: what each venue holds of it, and what is to be said of that (`scarce`, `rich`, or nothing)."""

    asset: str
    amounts: dict[str, Decimal]
    marks: dict[str, str]


def held_by_asset(state: State) -> list[Held]:
    """Return every asset that is traded: the quotes first, then what is scarce somewhere.

    Scarce is what stands low in its band; of a quote without a band what is less than one pair may cost, and of any other
    asset without one: nothing of what another venue holds.
    """
    holdings = state.get("holdings", {})
    names = [venue["venue"] for venue in state.get("venues", ()) if venue["venue"] in holdings]
    bases_and_quotes = [_base_and_quote(edge["symbol"]) for edge in state.get("edges", ())]
    quotes = {quote for _, quote in bases_and_quotes}
    banded = {(row["venue"], row["asset"]): row["position"] for row in state.get("inventory", ())}
    most = Decimal(state.get("largest_pair_quote", 0))
    traded = {asset for both in bases_and_quotes for asset in both}
    assets = {asset for held in holdings.values() for asset in held if asset in quotes or asset in traded or not traded}
    found = []
    for asset in assets:
        held = {venue: Decimal(holdings[venue].get(asset, 0)) for venue in names}
        marks = {
            venue: _mark(banded.get((venue, asset)), held[venue], most if asset in quotes else None) for venue in names
        }
        scarce = any(mark == "scarce" for mark in marks.values())
        found.append(((asset not in quotes, not scarce, asset), Held(asset, held, marks)))
    return [one for _, one in sorted(found, key=lambda placed: placed[0])]


def _base_and_quote(symbol: str) -> tuple[str, str]:
    """Return the parts of a symbol; of what is none, nothing: the picture goes on without it."""
    try:
        return Symbol.of(symbol).base_and_quote
    except ValueError:
        return "", ""


def _mark(position: str | None, held: Decimal, least: Decimal | None) -> str:
    """Return what is to be said of a holding."""
    if position is not None:
        where = Decimal(position)
        return "scarce" if where <= SCARCE else "rich" if where >= -SCARCE else ""
    return "scarce" if held < (least or 0) or held <= 0 else ""
