"""A run's present state in one line of text: for logs, and wherever there is no terminal."""

from typing import Any

from arb.core.messages.incidents import HaltReason
from arb.view.figures import short_amount


def line(state: dict[str, Any], mark: str = "") -> str:
    """Return the state in one line: the run's mark, if it has one, and exposure first."""
    pairs = state["pairs"]
    oldest = state["unhedged"][0]["age_ms"] if state["unhedged"] else 0
    net = net_text(state)
    live = " ".join(f"{venue['venue']} {venue['books']}" for venue in state["venues"])
    live += "".join(f" {shown['venue']} {shown['books']} ({shown['use']})" for shown in state.get("display_only", ()))
    halted = "" if state["state"] == "ACTIVE" else f" {state['state']} {state['halted'] or 'shutting down'}"
    halted += "".join(f" | {store} blocked: {cause}" for store, cause in state["blocked"].items())
    halted += "".join(f" | {stopped(leg)}" for leg in state["late_legs"])
    halted += "".join(f" | {text}" for text in (*apart(state), *trapped(state)))
    halted += "".join(f" | {venue['venue']}: {venue['halted']}" for venue in state["venues"] if venue["barred"])
    not_taken = sum(state["not_taken"].values())
    return (
        f"{mark}{' | ' * bool(mark)}unhedged {short_amount(state['unhedged_notional'])} ({oldest} ms){halted} | books {live} | "
        f"pairs {pairs['opened']} opened, {pairs['completed']} completed, {pairs['unwound']} unwound, "
        f"{len(state['open_pairs'])} open | opportunities {state['opportunities']}, {not_taken} not taken | net {net}"
    )


def notices(state: dict[str, Any]) -> list[str]:
    """Return what keeps pairs from opening, and what lifts it; of a state that is not whole, what it has of that."""
    found = []
    if state.get("halted"):
        allow = " --allow-loss QUOTE" * (state["halted"] == HaltReason.DAILY_LOSS)
        found.append(f"{state['state']}: {state['halted']}: `arb resume --reason TEXT{allow}` lifts it")
    elif state.get("state") == "REDUCING":
        found.append("REDUCING: shutting down: open pairs are finished first; Ctrl-C again stops at once")
    found += [f"{store} blocked: {cause}" for store, cause in state.get("blocked", {}).items()]
    found += [stopped(leg) for leg in state.get("late_legs", ())]
    return [*found, *apart(state), *trapped(state)]


def stopped(leg: dict[str, Any]) -> str:
    """Return what a late pair has stopped, and why."""
    return (
        f"nothing opens in {leg['symbol']} nor at {' and '.join(leg['venues'])}: {leg['reason']} of pair {leg['pair']}"
    )


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
