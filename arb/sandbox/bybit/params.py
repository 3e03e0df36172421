"""How Bybit reads parameters, and how it refuses wrong ones: each raises `BybitRefusal`."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from arb.clock import NS_PER_MS
from arb.sandbox.bybit.auth import BybitRefusal
from arb.sandbox.bybit.wire import Json, native
from arb.sandbox.candles import DAY_NS
from arb.sandbox.exact import whole
from arb.sandbox.exchange import SimExchange

SPOT = "spot"
CATEGORIES = (SPOT, "linear", "inverse", "option")
NO_SUCH_SYMBOL = ("170121", "Invalid symbol.")
SPAN_MAX_NS = 7 * DAY_NS
KEPT_NS = 730 * DAY_NS
"""How far back histories reach: two years."""

Params = Mapping[str, Any]
Row = TypeVar("Row")


def is_spot(params: Params) -> bool:
    """Return whether the category, which must be named, is spot; all others exist and are empty."""
    category = str(params.get("category") or "")
    if category not in CATEGORIES:
        raise BybitRefusal("10001", "Illegal category")
    return category == SPOT


def wanted_symbol(exchange: SimExchange, params: Params) -> str | None:
    return symbol_param(exchange, params) if params.get("symbol") else None


def symbol_param(exchange: SimExchange, params: Params) -> str:
    found = find_symbol(exchange, str(params.get("symbol") or ""))
    if found is None:
        raise BybitRefusal("10001", "Not supported symbols")
    return found


def find_symbol(exchange: SimExchange, spelling: str) -> str | None:
    """Return the symbol that the venue spells so; its spelling has nothing between base and quote."""
    return next((symbol for symbol in exchange.instruments if native(symbol) == spelling), None)


def count_param(params: Params, name: str, default: int) -> int:
    text = str(params.get(name) or "")
    number = whole(text) if text else default
    if number is None:
        raise BybitRefusal("10001", f"params error: {name} invalid")
    return number


def span_of(params: Params, now_ns: int, usual_ns: int = SPAN_MAX_NS) -> tuple[int, int]:
    """Return `startTime` and `endTime` in Unix milliseconds, both inclusive and at most seven days apart.

    Without both, the last `usual_ns` are meant; with one of them, as much from it on or up to it.
    """
    usual_ms, now_ms = usual_ns // NS_PER_MS, now_ns // NS_PER_MS
    first, last = count_param(params, "startTime", -1), count_param(params, "endTime", -1)
    if first < 0:
        last = now_ms if last < 0 else last
        first = max(0, last - usual_ms)
    elif last < 0:
        last = first + usual_ms
    if last - first > SPAN_MAX_NS // NS_PER_MS or last < first:
        raise BybitRefusal("10001", "The time range between startTime and endTime cannot exceed 7 days")
    return max(first, (now_ns - KEPT_NS) // NS_PER_MS), last


def page(
    rows: list[Row],
    params: Params,
    number: Callable[[Row], int],
    write: Callable[[Row], Json],
    *,
    usual: int,
    most: int,
) -> Json:
    """Cut a page out of rows that are newest first; the next one begins below the number in the cursor.

    A cursor is escaped for a query already (`%3A` is a colon): escaped again it names nothing.
    """
    cursor = {"cursor": str(params.get("cursor") or "").removesuffix(":1")}
    below, limit = count_param(cursor, "cursor", 2**63), min(count_param(params, "limit", usual), most)
    shown = [row for row in rows if number(row) < below][: max(1, limit)]
    return {"nextPageCursor": f"{number(shown[-1])}%3A1" if shown else "", "list": [write(row) for row in shown]}
