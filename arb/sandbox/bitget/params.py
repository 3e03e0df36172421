"""How Bitget reads query parameters, and how it refuses wrong ones: each raises `BitgetRefusal`."""

from collections.abc import Callable, Mapping
from typing import TypeVar

from arb.clock import NS_PER_MS
from arb.sandbox.bitget import wire
from arb.sandbox.bitget.auth import BitgetRefusal
from arb.sandbox.exact import whole
from arb.sandbox.exchange import SimExchange

PAGE_MAX = 100

Params = Mapping[str, str]
Row = TypeVar("Row")


def find_symbol(exchange: SimExchange, spelling: object) -> str | None:
    """Return the symbol that the venue's spelling (in either letter case) names, None when there is none."""
    wanted = str(spelling).upper()
    return next((symbol for symbol in exchange.instruments if wire.native(symbol) == wanted), None)


def needed(params: Params, name: str) -> str:
    value = params.get(name, "")
    if not value:
        raise BitgetRefusal("40019", f"Parameter {name} cannot be empty")
    return value


def symbol_param(exchange: SimExchange, params: Params) -> str:
    found = find_symbol(exchange, needed(params, "symbol"))
    if found is None:
        raise BitgetRefusal("40034", "Parameter symbol does not exist")
    return found


def wanted_symbol(exchange: SimExchange, params: Params) -> str | None:
    return symbol_param(exchange, params) if params.get("symbol") else None


def whole_param(params: Params, name: str, default: int, largest: int | None = None) -> int:
    text = params.get(name, "")
    if not text:
        return default
    number = whole(text)
    if number is None:
        raise BitgetRefusal("40017", f"Parameter verification failed {name}")
    return number if largest is None else min(max(1, number), largest)


def page(
    rows: list[Row],
    params: Params,
    number: Callable[[Row], int],
    instant: Callable[[Row], int],
    most: int = PAGE_MAX,
) -> list[Row]:
    """Cut a page out of rows that are newest first: ids below `idLessThan`, times within bounds, at most `limit`."""
    below, first = whole_param(params, "idLessThan", 2**63), whole_param(params, "startTime", 0)
    last = whole_param(params, "endTime", 2**63)
    kept = [row for row in rows if number(row) < below and first <= instant(row) // NS_PER_MS <= last]
    return kept[: whole_param(params, "limit", PAGE_MAX, most)]
