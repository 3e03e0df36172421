"""The live view: a table in a terminal, one plain line now and then where there is none."""

import asyncio
import logging
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from arb.clock import Clock
from arb.core.engine import Engine
from arb.core.incidents import HaltReason
from arb.live.summary import state_in_parts
from arb.masking import printable

log = logging.getLogger(__name__)

REFRESH_S = 0.25
LINE_EVERY_S = 5.0
EDGES_SHOWN = 6
PAIRS_SHOWN = 8
REASONS_SHOWN = 5


Beside = Callable[[], list[dict[str, Any]]]
"""Returns what is shown beside the engine's venues and is not traded on."""


async def show_live(engine: Engine, clock: Clock, db: str, mark: str, beside: Beside) -> None:
    """Draw the live table until cancelled; drawing happens off the loop, so that a slow terminal delays no order.

    `mark` stands before everything else, if it is not empty: what sort of run this is.
    """
    console = Console()
    with Live(console=console, auto_refresh=False, transient=False) as live:
        while True:
            state = await _present(engine, clock, beside)
            await asyncio.to_thread(lambda state: live.update(draw(state, db, mark), refresh=True), state)
            await asyncio.sleep(REFRESH_S)


async def log_lines(engine: Engine, clock: Clock, mark: str, beside: Beside) -> None:
    """Log one line about the present state every few seconds until cancelled, `mark` first."""
    while True:
        await asyncio.sleep(LINE_EVERY_S)
        log.info("%s", line(await _present(engine, clock, beside), mark))


async def _present(engine: Engine, clock: Clock, beside: Beside) -> dict[str, Any]:
    """Return the present state, over as many turns of the loop as it has parts: no frame waits for more than one of them."""
    state: dict[str, Any] = {}
    for part in state_in_parts(engine, clock.wall_ns()):
        state |= part
        await asyncio.sleep(0)
    return state | {"display_only": beside()}


def line(state: dict[str, Any], mark: str = "") -> str:
    """Return the state in one line: the run's mark, if it has one, and exposure first."""
    pairs = state["pairs"]
    oldest = state["unhedged"][0]["age_ms"] if state["unhedged"] else 0
    net = _net(state)
    live = " ".join(f"{venue['venue']} {venue['books']}" for venue in state["venues"])
    live += "".join(f" {shown['venue']} {shown['books']} ({shown['use']})" for shown in state.get("display_only", ()))
    halted = "" if state["state"] == "ACTIVE" else f" {state['state']} {state['halted'] or 'shutting down'}"
    halted += "".join(f" | {store} blocked: {cause}" for store, cause in state["blocked"].items())
    halted += "".join(f" | {_stopped(leg)}" for leg in state["late_legs"])
    halted += "".join(f" | {text}" for text in (*_apart(state), *_trapped(state)))
    halted += "".join(f" | {venue['venue']}: {venue['halted']}" for venue in state["venues"] if venue["barred"])
    not_taken = sum(state["not_taken"].values())
    return (
        f"{mark}{' | ' * bool(mark)}unhedged {_money(state['unhedged_notional'])} ({oldest} ms){halted} | books {live} | "
        f"pairs {pairs['opened']} opened, {pairs['completed']} completed, {pairs['unwound']} unwound, "
        f"{len(state['open_pairs'])} open | opportunities {state['opportunities']}, {not_taken} not taken | net {net}"
    )


def draw(state: dict[str, Any], db: str, mark: str = "") -> Group:
    """Return the whole picture: the run's mark, exposure and halt, venues, best edges, open pairs, profit."""
    state = _printable(state)
    parts = (_headline(state, mark), _venues(state), _edges(state), _pairs(state), _profit(state, printable(db)))
    return Group(*(Padding(part, (0, 0, 1, 0)) for part in parts))


def _headline(state: dict[str, Any], mark: str) -> Text:
    exposed, text = state["unhedged"], Text()
    if mark:
        text.append(f"{mark}   ", style="bold magenta")
    if exposed:
        oldest = max(row["age_ms"] for row in exposed)
        text.append(f"UNHEDGED {_money(state['unhedged_notional'])}, oldest {oldest} ms", style="bold red")
    else:
        text.append("unhedged 0", style="bold green")
    if state["halted"]:
        allow = " --allow-loss QUOTE" * (state["halted"] == HaltReason.DAILY_LOSS)
        text.append(f"   {state['state']}: {state['halted']} (arb resume --reason TEXT{allow})", style="bold yellow")
    elif state["state"] != "ACTIVE":
        text.append(f"   {state['state']}: shutting down", style="bold yellow")
    for leg in state["late_legs"]:
        text.append(f"   {_stopped(leg)}", style="bold yellow")
    for apart in (*_apart(state), *_trapped(state)):
        text.append(f"   {apart}", style="bold yellow")
    for store, cause in state["blocked"].items():
        text.append(f"   {store} blocked: {cause}", style="bold yellow")
    return text


def _stopped(leg: dict[str, Any]) -> str:
    """Return what a late pair has stopped, and why."""
    return (
        f"nothing opens in {leg['symbol']} nor at {' and '.join(leg['venues'])}: {leg['reason']} of pair {leg['pair']}"
    )


def _apart(state: dict[str, Any]) -> list[str]:
    """Return what is refused because prices have stayed apart: the first, and how many more there are."""
    found = state["prices_apart"]
    more = f", and {len(found) - 1} more" if found[1:] else ""
    return [
        f"nothing opens in {row['symbol']} between {' and '.join(row['venues'])}: {row['reason']}{more}"
        for row in found[:1]
    ]


def _trapped(state: dict[str, Any]) -> list[str]:
    """Return what is refused or capped because a wallet is closed: the first, and how many more there are."""
    found = [row for row in state["wallets_closed"] if row["reason"] != "ignore"]
    more = f", and {len(found) - 1} more" if found[1:] else ""
    what = {"cap": "little opens"}
    return [
        f"{what.get(row['reason'], 'nothing opens')} in {row['symbol']} from {' to '.join(row['venues'])}: wallet_closed: "
        f"{row['asset']}: {row['because']}{more}"
        for row in found[:1]
    ]


def _venues(state: dict[str, Any]) -> Table:
    table = _table("venue", "books live", "private", "lag ms", "clock ms", "health", "")
    for venue in state["venues"]:
        _row(
            table,
            venue["venue"],
            venue["books"],
            venue["private"],
            _shown(venue["lag_ms"]),
            _shown(venue["offset_ms"]),
            venue["health"],
            venue["halted"] or (venue["health_cause"] if venue["health"] != "healthy" else ""),
        )
    for shown in state.get("display_only", ()):
        _row(table, shown["venue"], shown["books"], "-", "-", "-", shown["use"], shown["trouble"] or "")
    return table


def _edges(state: dict[str, Any]) -> Table:
    table = _table("best edge", "buy at", "sell at", "net bps")
    for edge in state["edges"][:EDGES_SHOWN]:
        style = "green" if not edge["edge_bps"].startswith("-") else "dim"
        _row(table, _marked(edge), edge["buy"], edge["sell"], f"{Decimal(edge['edge_bps']):+.2f}", style=style)
    return table


def _marked(row: dict[str, Any]) -> str:
    """Return the symbol of an edge or a pair, with what is known against its coins being the same at both venues."""
    return f"{row['symbol']} ({row['identity']})" if "identity" in row else str(row["symbol"])


def _net(state: dict[str, Any]) -> str:
    """Return the net, and beside it what pairs of unproved coins made, which it does not hold."""
    made = state["unproved"]
    net, apart = (", ".join(f"{_money(amount)} {asset}" for asset, amount in of["net"].items()) for of in (state, made))
    return (net or "0") + (
        f" (and {apart} in {made['pairs']} pairs of unproved coins, not summed)" if made["pairs"] else ""
    )


def _pairs(state: dict[str, Any]) -> Table:
    table = _table("open pair", "buy at", "sell at", "size", "state", "age ms", "expected net")
    for pair in state["open_pairs"][:PAIRS_SHOWN]:
        _row(
            table,
            _marked(pair),
            pair["buy"],
            pair["sell"],
            pair["size"],
            pair["state"],
            str(pair["age_ms"]),
            _money(pair["expected_net"]),
        )
    if not state["open_pairs"]:
        _row(table, "-", "", "", "", "", "", "", style="dim")
    return table


def _profit(state: dict[str, Any], db: str) -> Text:
    pairs = state["pairs"]
    shown = list(state["not_taken"].items())[:REASONS_SHOWN]
    not_taken = ", ".join(f"{reason} {count}" for reason, count in shown)
    text = Text(f"net {_net(state)}", style="bold")
    text.append(
        f"   pairs {pairs['opened']}: {pairs['completed']} completed, {pairs['unwound']} unwound, "
        f"{len(state['open_pairs'])} open   orders {state['orders']}   fills {state['fills']}   "
        f"incidents {state['incidents']}",
        style="not bold",
    )
    exposed = state["exposure"]
    parts = "".join(f", {venue} {_money(amount)}" for venue, amount in exposed["by_venue"].items())
    text.append(
        f"\nunhedged today, quote x s: {_money(exposed['quote_s'])} of {_money(exposed['limit_quote_s'])}{parts}"
        f"\nopportunities {state['opportunities']}, not taken: {not_taken or '-'}\nledger {db}",
        style="dim not bold",
    )
    return text


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in columns:
        numeric = column.endswith(("ms", "bps", "net", "size"))
        table.add_column(column, justify="right" if numeric else "left", min_width=9)
    return table


def _row(table: Table, *cells: str, style: str = "") -> None:
    """Add a row of plain text: what a venue calls a coin is no markup."""
    table.add_row(*map(Text, cells), style=style)


def _printable(value: Any) -> Any:
    """Return a state whose texts, a reason that somebody gave included, move no cursor."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, dict):
        return {_printable(key): _printable(item) for key, item in value.items()}
    return [_printable(item) for item in value] if isinstance(value, list | tuple) else value


def _money(amount: str) -> str:
    """Return an amount cut to cents for the eye; the summary and the ledger hold it whole."""
    return f"{Decimal(amount):.2f}"


def _shown(value: float | None) -> str:
    return "-" if value is None else str(value)
