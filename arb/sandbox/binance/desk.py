"""Binance's endpoints as values, with their weights, and the desk that obeys requests to them, by REST and websocket alike.

Source: `rest-api.md` and `web-socket-api.md`, whose weights are the same. Those of the wallet's endpoints (`/sapi`) count apart
and are not limited here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from arb.sandbox.binance import candles, orders, reads
from arb.sandbox.binance.auth import NO_PERMISSION, TOO_LATE, BinanceRefusal, Params, check_timing
from arb.sandbox.binance.limits import Limits
from arb.sandbox.binance.params import find_symbol
from arb.sandbox.binance.wire import encode
from arb.sandbox.exact import whole
from arb.sandbox.exchange import SimExchange
from arb.sandbox.values import Event, OrderFilled
from arb.sandbox.wire import CANCEL, PLACE, PUBLIC, QUERY, Call, HttpAnswer

TRADING = "enableSpotAndMarginTrading"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint: its function, its kind, and its weight: fixed, or by its parameters."""

    act: Callable[[SimExchange, Params, int], Any]
    kind: str
    weight: int | Callable[[Params], int]

    def weighs(self, params: Params) -> int:
        return self.weight if isinstance(self.weight, int) else self.weight(params)


def _depth_weight(params: Params) -> int:
    limit = whole(str(params.get("limit") or "100")) or 100
    return next((weight for most, weight in ((100, 5), (500, 25), (1000, 50)) if limit <= most), 250)


def _for_one(one: int, otherwise: int) -> Callable[[Params], int]:
    return lambda params: one if params.get("symbol") else otherwise


ENDPOINTS = {
    ("GET", "/api/v3/ping"): Endpoint(reads.nothing, PUBLIC, 1),
    ("GET", "/api/v3/time"): Endpoint(reads.server_time, PUBLIC, 1),
    ("GET", "/api/v3/exchangeInfo"): Endpoint(reads.exchange_info, PUBLIC, 20),
    ("GET", "/api/v3/depth"): Endpoint(reads.book, PUBLIC, _depth_weight),
    ("GET", "/api/v3/trades"): Endpoint(reads.public_trades, PUBLIC, 25),
    ("GET", "/api/v3/aggTrades"): Endpoint(reads.aggregate_trades, PUBLIC, 4),
    ("GET", "/api/v3/klines"): Endpoint(candles.candles, PUBLIC, 2),
    ("GET", "/api/v3/ticker/24hr"): Endpoint(reads.daily_tickers, PUBLIC, _for_one(2, 80)),
    ("GET", "/api/v3/ticker/price"): Endpoint(reads.prices, PUBLIC, _for_one(2, 4)),
    ("GET", "/api/v3/ticker/bookTicker"): Endpoint(reads.book_tickers, PUBLIC, _for_one(2, 4)),
    ("GET", "/fapi/v1/exchangeInfo"): Endpoint(reads.no_symbols, PUBLIC, 0),
    ("GET", "/dapi/v1/exchangeInfo"): Endpoint(reads.no_symbols, PUBLIC, 0),
    ("GET", "/sapi/v1/system/status"): Endpoint(reads.system_status, PUBLIC, 0),
    ("POST", "/api/v3/order"): Endpoint(orders.place, PLACE, 1),
    ("DELETE", "/api/v3/order"): Endpoint(orders.cancel, CANCEL, 1),
    ("DELETE", "/api/v3/openOrders"): Endpoint(orders.cancel_all, CANCEL, 1),
    ("GET", "/api/v3/order"): Endpoint(orders.query, QUERY, 4),
    ("GET", "/api/v3/openOrders"): Endpoint(orders.open_orders, QUERY, _for_one(6, 80)),
    ("GET", "/api/v3/allOrders"): Endpoint(orders.all_orders, QUERY, 20),
    ("GET", "/api/v3/myTrades"): Endpoint(orders.trades, QUERY, lambda params: 5 if params.get("orderId") else 20),
    ("GET", "/api/v3/account"): Endpoint(reads.account, QUERY, 20),
    ("GET", "/api/v3/account/commission"): Endpoint(reads.commission, QUERY, 20),
    ("GET", "/api/v3/rateLimit/order"): Endpoint(reads.no_rows, QUERY, 40),
    ("GET", "/sapi/v1/account/apiRestrictions"): Endpoint(reads.key_rights, QUERY, 0),
    ("GET", "/sapi/v1/asset/tradeFee"): Endpoint(reads.trade_fees, QUERY, 0),
    ("GET", "/sapi/v1/capital/config/getall"): Endpoint(reads.coins, QUERY, 0),
    ("GET", "/sapi/v1/capital/deposit/hisrec"): Endpoint(reads.deposits, QUERY, 0),
    ("GET", "/sapi/v1/capital/withdraw/history"): Endpoint(reads.withdrawals, QUERY, 0),
    ("GET", "/sapi/v1/margin/allPairs"): Endpoint(reads.no_rows, QUERY, 0),
    ("GET", "/sapi/v1/margin/isolated/allPairs"): Endpoint(reads.no_rows, QUERY, 0),
    ("POST", "/sapi/v1/asset/transfer"): Endpoint(reads.forbidden, QUERY, 0),
    ("POST", "/sapi/v1/capital/withdraw/apply"): Endpoint(reads.forbidden, QUERY, 0),
}
COUNTS = ENDPOINTS["GET", "/api/v3/rateLimit/order"]


@dataclass(frozen=True, slots=True)
class Asked:
    """A request to an endpoint: `prove` raises `BinanceRefusal` unless it carries the proof of identity."""

    endpoint: Endpoint
    params: Params
    prove: Callable[[], None]
    received_ns: int


class Desk:
    """The endpoints of one exchange, and the limits of its clients."""

    def __init__(self, exchange: SimExchange) -> None:
        self.exchange = exchange
        self.limits = Limits()
        exchange.subscribe(self._on_event)

    def _on_event(self, event: Event) -> None:
        """Lower the count of unfilled orders at the first fill of one."""
        if isinstance(event, OrderFilled) and event.order.filled == event.fill.size:
            self.limits.first_fill(event.fill.role, event.ns)

    def describe(self, endpoint: Endpoint, params: Params) -> Call:
        symbol = find_symbol(self.exchange, str(params.get("symbol") or ""))
        name = "newClientOrderId" if endpoint.kind == PLACE else "origClientOrderId"
        own = str(params.get(name) or "")
        if not own:
            known = self.exchange.order(whole(str(params.get("orderId") or "")) or 0)
            own = "" if known is None else known.client_id
        return Call(endpoint.kind, symbol, (own,))

    def obey(self, asked: Asked, now_ns: int) -> Any:
        """Execute a request and return the answer's content; raises `BinanceRefusal`.

        A placement or cancel that succeeds weighs nothing. One that reaches the engine too late counts as an order, and one
        that reaches the door too late does not.
        """
        endpoint, weight = asked.endpoint, asked.endpoint.weighs(asked.params)
        self.limits.weigh(weight, now_ns)
        if endpoint.kind == PUBLIC:
            return endpoint.act(self.exchange, asked.params, now_ns)
        asked.prove()
        until_ns = check_timing(asked.params, asked.received_ns)
        if endpoint is COUNTS:
            return self.limits.orders(now_ns)
        if endpoint.kind == QUERY:
            return endpoint.act(self.exchange, asked.params, now_ns)
        if not self.exchange.holder.may(TRADING):
            raise BinanceRefusal(*NO_PERMISSION)
        content = self._act(endpoint, asked.params, until_ns, now_ns)
        self.limits.give_back(weight, now_ns)
        return content

    def _act(self, endpoint: Endpoint, params: Params, until_ns: int, now_ns: int) -> Any:
        is_order = endpoint.kind == PLACE
        if is_order:
            self.limits.check_orders(now_ns)
            self.limits.count_orders(1, now_ns)
        if now_ns > until_ns and self.exchange.enforces_expiry:
            raise BinanceRefusal(*TOO_LATE)
        try:
            return endpoint.act(self.exchange, params, now_ns)
        except BinanceRefusal:
            if is_order:
                self.limits.count_orders(-1, now_ns)
            raise


def answered(obey: Callable[[], object]) -> HttpAnswer:
    """Return the answer to a request: its content, or its refusal."""
    try:
        return HttpAnswer(200, encode(obey()))
    except BinanceRefusal as refusal:
        return refused(refusal)


def refused(refusal: BinanceRefusal) -> HttpAnswer:
    headers = {} if refusal.retry_s is None else {"Retry-After": str(refusal.retry_s)}
    return HttpAnswer(refusal.status, encode({"code": int(refusal.code), "msg": refusal.message}), headers)
