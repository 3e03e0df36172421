"""How OKX reads query parameters, and how it refuses wrong ones: each raises `OkxRefusal`."""

from collections.abc import Callable, Mapping
from typing import TypeVar

from arb.sandbox.exact import whole
from arb.sandbox.exchange import SimExchange
from arb.sandbox.okx import wire
from arb.sandbox.okx.auth import OkxRefusal

PAGE_MAX = 100
PRODUCTS = ("SPOT", "MARGIN", "SWAP", "FUTURES", "OPTION")
NO_SUCH_INSTRUMENT = ("51001", "Instrument ID, Instrument ID code, or Spread ID doesn't exist.")

Params = Mapping[str, str]
Row = TypeVar("Row")


def product_param(params: Params) -> str:
    """Return `instType`, which must be named."""
    product = params.get("instType", "")
    if not product:
        raise OkxRefusal("50014", "Parameter instType cannot be empty.", 400)
    if product not in PRODUCTS:
        raise OkxRefusal("51000", "Parameter instType error", 400)
    return product


def symbol_param(exchange: SimExchange, params: Params) -> str:
    wanted = params.get("instId", "")
    if not wanted:
        raise OkxRefusal("50014", "Parameter instId cannot be empty.", 400)
    return known_symbol(exchange, wanted)


def wanted_symbol(exchange: SimExchange, params: Params) -> str | None:
    wanted = params.get("instId")
    return known_symbol(exchange, wanted) if wanted else None


def known_symbol(exchange: SimExchange, instrument_id: str) -> str:
    symbol = wire.symbol_of(instrument_id)
    if symbol not in exchange.instruments:
        raise OkxRefusal(*NO_SUCH_INSTRUMENT)
    return symbol


def whole_param(params: Params, name: str, default: int, largest: int) -> int:
    """Return a whole number from 1 to `largest`; a larger one becomes `largest`."""
    text = params.get(name, "")
    if not text:
        return default
    return min(natural(name, text) or 1, largest)


def natural(name: str, text: str) -> int:
    number = whole(text)
    if number is None:
        raise OkxRefusal("51000", f"Parameter {name} error", 400)
    return number


def span_param(params: Params) -> tuple[int, int]:
    """Return `begin` and `end` in Unix milliseconds, both inclusive; open where absent."""
    bounds = []
    for name, absent in (("begin", 0), ("end", 2**63)):
        text = params.get(name, "")
        bounds.append(natural(name, text) if text else absent)
    return bounds[0], bounds[1]


def page(rows: list[Row], params: Params, number: Callable[[Row], int]) -> list[Row]:
    """Cut a page out of rows that are newest first: older than `after`, newer than `before`, at most `limit`."""
    after = natural("after", params.get("after") or str(2**63))
    before = natural("before", params.get("before") or "0")
    kept = [row for row in rows if before < number(row) < after]
    return kept[: whole_param(params, "limit", PAGE_MAX, PAGE_MAX)]
