"""How Binance reads parameters, and how it refuses wrong ones: each reading raises `BinanceRefusal`."""

from decimal import Decimal
from urllib.parse import parse_qsl

from arb.sandbox.binance.auth import BinanceRefusal, Params, missing
from arb.sandbox.binance.wire import native
from arb.sandbox.candles import DAY_NS
from arb.sandbox.exact import parse, whole
from arb.sandbox.exchange import SimExchange
from arb.sandbox.values import places

NO_SUCH_SYMBOL = ("-1121", "Invalid symbol.")
DECIMALS = r"^([0-9]{1,20})(\.[0-9]{1,20})?$"
SPAN_MAX_MS = DAY_NS // 1_000_000
ROWS, ROWS_MAX = 500, 1000
LONG_MAX = 2**63 - 1


def read_params(query: str, body: str) -> dict[str, str]:
    """Return the parameters of a request; of one that is both in the query and in the body, the query's."""
    read: dict[str, str] = {}
    for part in (body, query):
        pairs = parse_qsl(part, keep_blank_values=True)
        found = dict(pairs)
        if len(found) < len(pairs):
            raise BinanceRefusal("-1101", "Duplicate values for a parameter detected.")
        read |= found
    return read


def find_symbol(exchange: SimExchange, spelling: str) -> str | None:
    """Return the symbol that the venue spells so; its spelling has nothing between base and quote."""
    return next((symbol for symbol in exchange.instruments if native(symbol) == spelling), None)


def symbol_param(exchange: SimExchange, params: Params) -> str:
    found = find_symbol(exchange, needed(params, "symbol"))
    if found is None:
        raise BinanceRefusal(*NO_SUCH_SYMBOL)
    return found


def wanted_symbol(exchange: SimExchange, params: Params) -> str | None:
    return symbol_param(exchange, params) if "symbol" in params else None


def needed(params: Params, name: str) -> str:
    value = text(params, name)
    if not value:
        raise missing(name)
    return value


def text(params: Params, name: str) -> str:
    """Return a parameter as text, "" where it was not sent; one that is empty is refused."""
    if name not in params:
        return ""
    value = params[name]
    if value is None or value == "":
        raise BinanceRefusal("-1105", f"Parameter '{name}' was empty.")
    return str(value)


def decimal(params: Params, name: str) -> Decimal | None:
    """Return a number above or equal to 0, of at most eight decimals; None where it was not sent."""
    written = text(params, name)
    if not written:
        return None
    value = parse(written) if written.replace(".", "", 1).isdigit() and written.isascii() else None
    if value is None:
        raise BinanceRefusal("-1100", f"Illegal characters found in parameter '{name}'; legal range is '{DECIMALS}'.")
    if places(value) > 8:
        raise BinanceRefusal("-1111", f"Parameter '{name}' has too much precision.")
    return value


def count(params: Params, name: str, usual: int = -1, most: int = LONG_MAX) -> int:
    """Return a whole number, at most `most`; `usual` where it was not sent."""
    written = text(params, name)
    value = whole(written) if written else usual
    if value is None or value > LONG_MAX:
        raise BinanceRefusal(
            "-1100", f"Illegal characters found in parameter '{name}'; legal range is '^[0-9]{{1,20}}$'."
        )
    return min(value, most)


def rows_asked(params: Params) -> int:
    limit = count(params, "limit", ROWS, ROWS_MAX)
    if limit < 1:
        raise BinanceRefusal("-1130", "Data sent for parameter 'limit' is not valid.")
    return limit


def span(params: Params) -> tuple[int, int]:
    """Return `startTime` and `endTime` in Unix milliseconds, both inclusive, -1 where not sent; at most a day apart."""
    first, last = count(params, "startTime"), count(params, "endTime")
    if first >= 0 and last >= 0 and not 0 <= last - first <= SPAN_MAX_MS:
        raise BinanceRefusal("-1127", "More than 24 hours between startTime and endTime.")
    return first, last


def within(ms: int, first: int, last: int) -> bool:
    return (first < 0 or first <= ms) and (last < 0 or ms <= last)
