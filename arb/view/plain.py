"""A run's present state in words: in one line of text for logs, and what venues hold, for screen and page alike.

Amounts and lengths of time are for the eye: short, and never a float.
"""

from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any, NamedTuple

from arb.clock import utc_text
from arb.market.ids import IDS_PER_RUN
from arb.market.symbol import Symbol

State = dict[str, Any]
DAY_S = 86_400
_ANY_LENGTH = Context(prec=1000, rounding=ROUND_HALF_EVEN)
"""Libraries change how the default context rounds."""
SHORT, LASTS = "scarce", "lasts "
SCARCE = Decimal("-0.5")
"""From where in its band down an asset is shown as scarce: -1 is the low edge, 0 the target."""


def line(state: dict[str, Any], mark: str = "") -> str:
    """Return the state in one line: the run's mark, if it has one, and exposure first."""
    pairs = state["pairs"]
    oldest = state["unhedged"][0]["age_ms"] if state["unhedged"] else 0
    net = net_text(state)
    live = " ".join(f"{venue['venue']} {venue['books']}" for venue in state["venues"])
    live += "".join(f" {shown['venue']} {shown['books']} ({shown['use']})" for shown in state.get("display_only", ()))
    halted = "" if state["state"] == "ACTIVE" else f" {state['state']}"
    halted += "".join(f" | {text}" for text in (*map(stopped, state["stops"]), *apart(state), *trapped(state)))
    not_taken = sum(state["not_taken"].values())
    return (
        f"{mark}{' | ' * bool(mark)}unhedged {short_amount(state['unhedged_notional'])} ({oldest} ms){halted} | books {live} | "
        f"pairs {pairs['opened']} opened, {pairs['completed']} completed, {pairs['unwound']} unwound, "
        f"{len(state['open_pairs'])} open | opportunities {state['opportunities']}, {not_taken} not taken | net {net}"
    )


def brief(state: dict[str, Any]) -> str:
    """Return trading state, exposure and net in one short line."""
    return f"{standing(state)} | unhedged {short_amount(state['unhedged_notional'])} | net {net_text(state)}"


def notices(state: dict[str, Any]) -> list[str]:
    """Return the causes that keep pairs from opening, and their ends; of a partial state, those that it has."""
    found = [f"{stopped(stop)}; {stop['ends']}" for stop in state.get("stops", ())]
    return [*found, *apart(state), *trapped(state)]


def standing(state: dict[str, Any]) -> str:
    """Return the state in one word, and behind any but ACTIVE its first cause."""
    cause = "" if state["state"] == "ACTIVE" else next((stop["cause"] for stop in state.get("stops", ())), "")
    return f"{state['state']} {state.get('halted') or cause}".rstrip()


def stopped(stop: dict[str, Any]) -> str:
    """Return a cause that stops openings, where, how much of a limit is used, and until when."""
    used = "" if stop["limit"] is None else f"{short_amount(stop['used'])} of {short_amount(stop['limit'])} "
    until = "" if stop["until_ns"] is None else f", until {utc_text(stop['until_ns'])[:16]} UTC"
    where = f" {stop['where']}" if stop["where"] else ""
    return f"nothing opens{where}: {stop['cause']}: {used}{stop['text']}{until}"


def apart(state: dict[str, Any]) -> list[str]:
    """Return what is refused because prices have stayed apart: the first, and how many more there are."""
    found = state.get("prices_apart", ())
    more = f", and {len(found) - 1} more" if found[1:] else ""
    return [
        f"nothing opens in {row['symbol']} between {' and '.join(row['venues'])}: {row['reason']}{more}"
        for row in found[:1]
    ]


def trapped(state: dict[str, Any]) -> list[str]:
    """Return what is refused or capped because a wallet is closed: the first, and how many more there are."""
    found = [row for row in state.get("wallets_closed", ()) if row["reason"] != "ignore"]
    more = f", and {len(found) - 1} more" if found[1:] else ""
    what = {"cap": "little opens"}
    return [
        f"{what.get(row['reason'], 'nothing opens')} in {row['symbol']} from {' to '.join(row['venues'])}: wallet_closed: "
        f"{row['asset']}: {row['because']}{more}"
        for row in found[:1]
    ]


def net_text(state: dict[str, Any]) -> str:
    """Return the net, and beside it what pairs of unproved coins made, which it does not hold."""
    made = state["unproved"]
    net, apart = (
        ", ".join(f"{short_amount(amount)} {asset}" for asset, amount in of["net"].items()) for of in (state, made)
    )
    return (net or "0") + (
        f" (and {apart} in {made['pairs']} pairs of unproved coins, not summed)" if made["pairs"] else ""
    )


def short_amount(amount: Any, *, signed: bool = False, apart: bool = False) -> str:
    """Return an amount with two decimals, or of a small one its first two digits; `apart`: with commas between thousands."""
    value = Decimal(amount)
    digits = 2 if abs(value) >= 1 or not value else max(2, 1 - value.adjusted())
    return f"{rounded(value, digits):{'+' * signed}{',' * apart}f}"


def rounded(value: Decimal, digits: int) -> Decimal:
    """Return a number of any length with so many digits behind the point."""
    return value.quantize(Decimal(1).scaleb(-digits), context=_ANY_LENGTH)


def short_id(pair_id: int, state: State) -> str:
    """Return a pair's short id (`3-17`), or its number in the newest run before the ledger was read."""
    run, number = divmod(pair_id, IDS_PER_RUN)
    known = state.get("today", {}).get("runs", {}).get(run)
    return str(number) if known is None else f"{known}-{number}"


def exposed_today(exposure: dict[str, Any]) -> str:
    """Return the exposure of the UTC day and its limit as amounts that, unhedged all day, would come to the same."""
    used, limit = (
        short_amount(average_exposure(Decimal(exposure[name]), DAY_S)) for name in ("quote_s", "limit_quote_s")
    )
    return f"today on average {used} of at most {limit}"


def average_exposure(quote_s: Decimal, seconds: Decimal | int) -> Decimal:
    """Return the amount (quote, to 1e-8) that comes to the same exposure (quote x seconds) if unhedged for `seconds` >= 0."""
    return rounded(quote_s / seconds, 8) if seconds else Decimal(0)


def span_of(seconds: float) -> str:
    """Return a length of time (s, >= 0) in its two largest units."""
    minutes, rest = divmod(round(seconds, 1), 60)
    hours, minutes = divmod(int(minutes), 60)
    days, rest_hours = divmod(hours, 24)
    if days:
        return f"{days} d {rest_hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest:.0f} s" if minutes else f"{rest:.1f} s"


class Held(NamedTuple):
    """One asset: what each venue holds of it, and what is to be said of that (`scarce`, `rich`, `lasts 9 min`, or nothing)."""

    asset: str
    amounts: dict[str, Decimal]
    marks: dict[str, str]


def held_by_asset(state: State) -> list[Held]:
    """Return every asset that is traded: the quotes first, then what is scarce somewhere.

    Scarce is an asset low in its band; of a quote without a band what is less than one pair may cost, and of any other
    asset without one: nothing of what another venue holds. Else a balance that is used up within the hour is marked.
    """
    holdings = state.get("holdings", {})
    names = [venue["venue"] for venue in state.get("venues", ()) if venue["venue"] in holdings]
    bases_and_quotes = [_base_and_quote(edge["symbol"]) for edge in state.get("edges", ())]
    quotes = {quote for _, quote in bases_and_quotes}
    banded = {(row["venue"], row["asset"]): row["position"] for row in state.get("inventory", ())}
    lasting = state.get("lasting", {})
    most = Decimal(state.get("largest_pair_quote", 0))
    traded = {asset for both in bases_and_quotes for asset in both}
    assets = {asset for held in holdings.values() for asset in held if asset in quotes or asset in traded or not traded}
    found = []
    for asset in assets:
        held = {venue: Decimal(holdings[venue].get(asset, 0)) for venue in names}
        marks = {
            venue: _mark(banded.get((venue, asset)), held[venue], most if asset in quotes else None)
            or _lasts(lasting.get(venue, {}).get(asset))
            for venue in names
        }
        scarce = any(mark == SHORT for mark in marks.values())
        found.append(((asset not in quotes, not scarce, asset), Held(asset, held, marks)))
    return [one for _, one in sorted(found, key=lambda placed: placed[0])]


def _base_and_quote(symbol: str) -> tuple[str, str]:
    """Return the parts of a symbol; of what is none, nothing: the picture goes on without it."""
    try:
        return Symbol.of(symbol).base_and_quote
    except ValueError:
        return "", ""


def is_short(mark: str) -> bool:
    return mark == SHORT or mark.startswith(LASTS)


def _lasts(seconds: int | None) -> str:
    return "" if seconds is None else LASTS + (f"{seconds // 60} min" if seconds >= 60 else "under 1 min")


def _mark(position: str | None, held: Decimal, least: Decimal | None) -> str:
    """Return what is to be said of a holding."""
    if position is not None:
        where = Decimal(position)
        return SHORT if where <= SCARCE else "rich" if where >= -SCARCE else ""
    return SHORT if held < (least or 0) or held <= 0 else ""
