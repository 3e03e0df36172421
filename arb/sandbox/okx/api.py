"""OKX's REST dialect: endpoints, authentication, rate limits, and the wrapping of answers.

Source: the venue's API v5, "Overview / REST Authentication", "Rate Limits", and each endpoint's page. An answer is
`{"code","msg","data"}`: code "0" is success; a refused request has its code outside, a refused order inside `data`.
"""

from dataclasses import dataclass
from typing import Any

import msgspec

from arb.clock import NS_PER_MS
from arb.sandbox.exchange import SimExchange
from arb.sandbox.okx import account, reads
from arb.sandbox.okx.auth import OkxRefusal, check_request
from arb.sandbox.okx.business import OkxBusinessSession
from arb.sandbox.okx.candles import candles
from arb.sandbox.okx.orders import BATCH_SIZE_MAX, OPERATIONS, WINDOW_NS, OkxOrders, countdown, envelope
from arb.sandbox.okx.private import OkxPrivateSession
from arb.sandbox.okx.wire import Json, encode, symbol_of
from arb.sandbox.okx.ws import OkxPublicSession
from arb.sandbox.wire import (
    PLACE,
    PUBLIC,
    QUERY,
    Call,
    HttpAnswer,
    HttpRequest,
    RateMeter,
    Session,
    Venue,
    is_shallow,
)

ROOT = "/api/v5"
FAULTS = {
    "http_429": (429, "50011", "Too Many Requests"),
    "http_500": (500, "50026", "System error. Try again later."),
    "http_503_maintenance": (503, "50001", "Service temporarily unavailable. Try again later."),
    "key_revoked": (401, "50119", "API key doesn't exist"),
    "order_not_found": (200, "51603", "Order does not exist"),
}

ITEM_FAULTS = {
    "reject_balance": ("51008", "Order failed. Insufficient USDT balance in account"),
    "symbol_refused": (
        "51155",
        "You can't trade this pair or borrow this crypto due to local compliance restrictions.",
    ),
}
"""Faults that show in the answer to each single order of a request."""


@dataclass(frozen=True, slots=True)
class _Read:
    """One GET endpoint: its function, whether it is signed, and its limit per 2 s."""

    function: reads.Read
    private: bool
    per_two_seconds: int


_READS = {
    "/public/time": _Read(reads.server_time, False, 10),
    "/public/instruments": _Read(reads.instruments, False, 20),
    "/market/books": _Read(reads.book, False, 40),
    "/market/books-full": _Read(reads.full_book, False, 10),
    "/market/ticker": _Read(reads.ticker, False, 20),
    "/market/tickers": _Read(reads.tickers, False, 20),
    "/market/trades": _Read(reads.trades, False, 100),
    "/market/candles": _Read(candles, False, 40),
    "/market/history-candles": _Read(candles, False, 20),
    "/account/config": _Read(reads.account_config, True, 5),
    "/account/balance": _Read(reads.account_balance, True, 10),
    "/account/bills": _Read(reads.bills, True, 10),
    "/account/bills-archive": _Read(reads.bills_archive, True, 10),
    "/account/instruments": _Read(reads.account_instruments, True, 20),
    "/account/max-avail-size": _Read(account.max_available, True, 20),
    "/account/max-size": _Read(account.max_size, True, 20),
    "/account/positions": _Read(account.nothing, True, 10),
    "/asset/asset-valuation": _Read(account.valuation, True, 2),
    "/asset/balances": _Read(account.nothing, True, 12),
    "/market/history-trades": _Read(reads.trades, False, 20),
    "/public/mark-price": _Read(account.mark_price, False, 10),
    "/system/status": _Read(account.nothing, False, 1),
    "/trade/account-rate-limit": _Read(account.rate_limit, True, 2),
    "/trade/orders-algo-pending": _Read(account.nothing, True, 20),
    "/account/trade-fee": _Read(reads.trade_fee, True, 5),
    "/asset/currencies": _Read(reads.currencies, True, 12),
    "/asset/deposit-history": _Read(reads.deposits, True, 12),
    "/asset/withdrawal-history": _Read(reads.withdrawals, True, 12),
    "/trade/orders-pending": _Read(reads.open_orders, True, 60),
    "/trade/orders-history": _Read(reads.ended_orders, True, 40),
    "/trade/orders-history-archive": _Read(reads.ended_orders_archive, True, 20),
    "/trade/fills": _Read(reads.fills, True, 60),
    "/trade/fills-history": _Read(reads.fills_history, True, 10),
}
NOT_PERMITTED = OkxRefusal("50120", "This API key doesn't have permission to use this function", 401)
NO_PERMISSION = dict.fromkeys(("/asset/transfer", "/asset/withdrawal", "/asset/deposit-address"), NOT_PERMITTED)
"""The requests that a key for reading and trading may not make."""
ORDER = "/trade/order"
COUNTDOWN = "/trade/cancel-all-after"
ORDER_QUERY_LIMIT = 60
_WRITES = {
    ORDER: "order",
    "/trade/batch-orders": "batch-orders",
    "/trade/cancel-order": "cancel-order",
    "/trade/cancel-batch-orders": "batch-cancel-orders",
    "/trade/amend-order": "amend-order",
    "/trade/amend-batch-orders": "batch-amend-orders",
}


class OkxDialect:
    def __init__(self, exchange: SimExchange) -> None:
        self.exchange = exchange
        self._rates = RateMeter()
        self.orders = OkxOrders(exchange, self._rates)

    def classify(self, request: HttpRequest, now_ns: int) -> Call:
        path = request.path.removeprefix(ROOT)
        if request.method == "POST":
            return self._classify_write(path, request.body)
        if path == ORDER:
            params = request.params()
            by_client_id = bool(params.get("clOrdId")) and not params.get("ordId")
            return self.orders.describe(QUERY, [params], "order_by_client_id" if by_client_id else "order")
        read = _READS.get(path)
        if read is not None and not read.private:
            return Call(PUBLIC, detail=path)
        return Call(QUERY, symbol_of(request.params().get("instId", "")) or None, detail=path)

    def _classify_write(self, path: str, body: bytes) -> Call:
        try:
            items = _items(body)
        except OkxRefusal:
            items = []
        kind = OPERATIONS[_WRITES[path]].kind if path in _WRITES else QUERY
        return self.orders.describe(kind, items, path)

    def handle(self, request: HttpRequest, now_ns: int) -> HttpAnswer:
        try:
            return self._route(request, now_ns)
        except OkxRefusal as refusal:
            return _refused(refusal.status, refusal.code, refusal.message)

    def _route(self, request: HttpRequest, now_ns: int) -> HttpAnswer:
        path = request.path.removeprefix(ROOT)
        if not request.path.startswith(ROOT):
            raise OkxRefusal("404", "Not Found", 404)
        if request.method == "POST" and path in _WRITES:
            self._identify(request, now_ns)
            if not self.exchange.holder.may("trade"):
                raise NOT_PERMITTED
            return self._write(path, request, now_ns)
        if request.method == "POST" and path == COUNTDOWN:
            self._identify(request, now_ns)
            self._meter(path, 2, now_ns)
            return _answer(countdown(self.exchange, _items(request.body)[0], now_ns))
        if request.method == "GET" and path == ORDER:
            self._identify(request, now_ns)
            return _answer(self._order(request.params(), now_ns))
        if path in NO_PERMISSION:
            self._identify(request, now_ns)
            raise NO_PERMISSION[path]
        read = _READS.get(path)
        if read is None:
            raise OkxRefusal("404", "Not Found", 404)
        if request.method != "GET":
            raise OkxRefusal("50115", "Invalid request method", 405)
        if read.private:
            self._identify(request, now_ns)
        self._meter(path, read.per_two_seconds, now_ns)
        return _answer(read.function(self.exchange, request.params(), now_ns))

    def _identify(self, request: HttpRequest, now_ns: int) -> None:
        sent = request.path + (f"?{request.query}" if request.query else "")
        check_request(self.exchange.profile, request.headers, request.method, sent, request.body, now_ns // NS_PER_MS)

    def _meter(self, scope: str, limit: int, now_ns: int) -> None:
        if not self._rates.take(scope, limit, WINDOW_NS, now_ns).ok:
            raise OkxRefusal("50011", "Too Many Requests", 429)

    def _write(self, path: str, request: HttpRequest, now_ns: int) -> HttpAnswer:
        items, op = _items(request.body), _WRITES[path]
        if OPERATIONS[op].kind == PLACE:
            self.orders.check_expiry(request.headers.get("exptime"), now_ns)
        is_batch = op.startswith("batch")
        if is_batch and len(items) > BATCH_SIZE_MAX:
            raise OkxRefusal("51111", f"Maximum {BATCH_SIZE_MAX} orders can be placed in bulk", 400)
        if not is_batch and (len(items) != 1 or request.body.lstrip().startswith(b"[")):
            raise OkxRefusal("50002", "JSON syntax error", 400)
        answered = self.orders.answer(op, items, now_ns)
        if not is_batch and answered[0]["sCode"] == "50011":
            raise OkxRefusal("50011", "Too Many Requests", 429)
        return HttpAnswer(200, encode(envelope(answered, now_ns)))

    def _order(self, params: dict[str, str], now_ns: int) -> list[Json]:
        self._meter(ORDER, ORDER_QUERY_LIMIT, now_ns)
        if not params.get("instId"):
            raise OkxRefusal("50014", "Parameter instId cannot be empty.", 400)
        if not params.get("ordId") and not params.get("clOrdId"):
            raise OkxRefusal("50015", "Either parameter ordId or clOrdId is required", 400)
        found = self.orders.find(params)
        if found is None or reads.is_forgotten(found, now_ns):
            raise OkxRefusal("51603", "Order does not exist")
        return [reads.show_order(self.exchange, found)]

    def fault_answer(self, name: str, call: Call, now_ns: int) -> HttpAnswer:
        if name not in ITEM_FAULTS:
            return _refused(*FAULTS[name])
        code, message = ITEM_FAULTS[name]
        items = [
            {"clOrdId": client_id, "ordId": "", "tag": "", "ts": "", "sCode": code, "sMsg": message}
            for client_id in call.client_ids or ("",)
        ]
        return HttpAnswer(200, encode(envelope(items, now_ns)))

    def open(self, venue: Venue, path: str) -> Session:
        """Open a websocket session: `/ws/v5/private`, `/ws/v5/business`, anything else as `/ws/v5/public`."""
        if path.rstrip("/").endswith("/private"):
            return OkxPrivateSession(venue, path, self.exchange, self.orders)
        if path.rstrip("/").endswith("/business"):
            return OkxBusinessSession(venue, path, self.exchange)
        return OkxPublicSession(venue, path, self.exchange)


def _answer(data: list[Any]) -> HttpAnswer:
    return HttpAnswer(200, encode({"code": "0", "data": data, "msg": ""}))


def _refused(status: int, code: str, message: str) -> HttpAnswer:
    return HttpAnswer(status, encode({"code": code, "data": [], "msg": message}))


def _items(body: bytes) -> list[dict[str, Any]]:
    if not body:
        raise OkxRefusal("50000", "Body for POST request cannot be empty.", 400)
    try:
        parsed: Any = msgspec.json.decode(body) if is_shallow(body) else None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise OkxRefusal("50002", "JSON syntax error", 400) from None
    items = parsed if isinstance(parsed, list) else [parsed]
    if not items or not all(isinstance(item, dict) for item in items):
        raise OkxRefusal("50002", "JSON syntax error", 400)
    return items
