"""Bybit's REST dialect: endpoints, authentication, rate limits, and the wrapping of answers.

Source: the venue's API v5, "Integration Guidance", "Rate Limit Rules" and each endpoint's page. An answer is
`{"retCode","retMsg","result","retExtInfo","time"}`; `retCode` 0 is success. Limits are per user, endpoint and second,
and shown in headers; all requests of an address together are limited, too.
"""

from dataclasses import dataclass
from typing import Any

import msgspec

from arb.clock import NS_PER_MS, NS_PER_S
from arb.sandbox.bybit import candles, orders, reads
from arb.sandbox.bybit.auth import BybitRefusal, check_request
from arb.sandbox.bybit.orders import NO_SUCH_ORDER, NOT_PERMITTED, each, named_in
from arb.sandbox.bybit.private import BybitPrivateSession
from arb.sandbox.bybit.wire import Json, encode
from arb.sandbox.bybit.ws import BybitPublicSession
from arb.sandbox.exchange import SimExchange
from arb.sandbox.wire import (
    CANCEL,
    PLACE,
    PUBLIC,
    QUERY,
    Allowance,
    Call,
    HttpAnswer,
    HttpRequest,
    RateMeter,
    Session,
    Venue,
    is_shallow,
)

FAULTS = {
    "http_429": (200, "10006", "Too many visits. Exceeded the API Rate Limit."),
    "http_500": (500, "10016", "System error. Please try again later."),
    "reject_balance": (200, "170131", "Insufficient balance."),
    "symbol_refused": (200, "170209", "This trading pair is only available to the Brunei region."),
    "key_revoked": (200, "10003", "API key is invalid."),
    "order_not_found": (200, *NO_SUCH_ORDER),
}
MAINTENANCE = b"<html><body><h1>503 Service Temporarily Unavailable</h1></body></html>"
ADDRESS_LIMIT, ADDRESS_WINDOW_NS = 600, 5 * NS_PER_S


@dataclass(frozen=True, slots=True)
class _Read:
    """One GET endpoint: its function, and its limit per second; 0: public, limited by the address only."""

    function: reads.Read
    per_second: int = 0


_READS = {
    "/v5/market/time": _Read(reads.server_time),
    "/v5/market/instruments-info": _Read(reads.instruments),
    "/v5/market/orderbook": _Read(reads.book),
    "/v5/market/tickers": _Read(reads.tickers),
    "/v5/market/recent-trade": _Read(reads.trades),
    "/v5/market/kline": _Read(candles.candles),
    "/v5/system/status": _Read(reads.system_status),
    "/v5/account/fee-rate": _Read(reads.fee_rate, 5),
    "/v5/account/info": _Read(reads.account_info, 50),
    "/v5/account/transaction-log": _Read(reads.transaction_log, 25),
    "/v5/account/user-setting-config": _Read(reads.user_settings, 5),
    "/v5/account/wallet-balance": _Read(reads.wallet_balance, 50),
    "/v5/asset/coin/query-info": _Read(reads.coins, 5),
    "/v5/asset/deposit/query-record": _Read(reads.deposits, 5),
    "/v5/asset/withdraw/query-record": _Read(reads.withdrawals, 5),
    "/v5/execution/list": _Read(reads.executions, 50),
    "/v5/order/history": _Read(reads.history, 50),
    "/v5/order/realtime": _Read(reads.realtime, 50),
    "/v5/user/query-api": _Read(reads.key_info, 10),
}


@dataclass(frozen=True, slots=True)
class _Write:
    """One POST endpoint: its function for each order, its kind, and its limit per second."""

    act: orders.Act
    kind: str
    per_second: int
    is_batch: bool = False


_WRITES = {
    "/v5/order/create": _Write(orders.place, PLACE, 20),
    "/v5/order/amend": _Write(orders.amend, PLACE, 10),
    "/v5/order/cancel": _Write(orders.cancel, CANCEL, 20),
    "/v5/order/cancel-all": _Write(orders.cancel_all, CANCEL, 20),
    "/v5/order/create-batch": _Write(orders.place, PLACE, 20, is_batch=True),
    "/v5/order/amend-batch": _Write(orders.amend, PLACE, 10, is_batch=True),
    "/v5/order/cancel-batch": _Write(orders.cancel, CANCEL, 20, is_batch=True),
}
_FORBIDDEN = ("/v5/asset/transfer/", "/v5/asset/withdraw/create", "/v5/account/set-", "/v5/account/borrow")
"""The requests that a key for reading and trading may not make."""


class BybitDialect:
    def __init__(self, exchange: SimExchange) -> None:
        self.exchange = exchange
        self._rates = RateMeter()

    def classify(self, request: HttpRequest, now_ns: int) -> Call:
        write = _WRITES.get(request.path)
        if request.method == "POST" and write is not None:
            return self._describe(write.kind, _items_of(request.body), request.path)
        read = _READS.get(request.path)
        if read is not None and not read.per_second:
            return Call(PUBLIC, detail=request.path)
        return self._describe(QUERY, [request.params()], request.path)

    def _describe(self, kind: str, items: list[Json], detail: str) -> Call:
        named = [named_in(self.exchange, item) for item in items]
        symbols = {symbol for symbol, _ in named}
        symbol = symbols.pop() if len(symbols) == 1 else None
        return Call(kind, symbol, tuple(link_id for _, link_id in named), detail)

    def handle(self, request: HttpRequest, now_ns: int) -> HttpAnswer:
        if not self._rates.take("address", ADDRESS_LIMIT, ADDRESS_WINDOW_NS, now_ns).ok:
            return HttpAnswer(403, b"403, access too frequent", content_type="text/plain")
        headers: dict[str, str] = {}
        try:
            result, more = self._route(request, now_ns, headers)
        except BybitRefusal as refusal:
            return _refused(refusal, now_ns, headers)
        body = {"retCode": 0, "retMsg": "OK", "result": result, "retExtInfo": more, "time": now_ns // NS_PER_MS}
        return HttpAnswer(200, encode(body), headers)

    def _route(self, request: HttpRequest, now_ns: int, headers: dict[str, str]) -> tuple[Json, Json]:
        read, write = _READS.get(request.path), _WRITES.get(request.path)
        if request.method == "GET" and read is not None:
            if read.per_second:
                self._admit(request, request.query, read.per_second, now_ns, headers)
            return read.function(self.exchange, request.params(), now_ns), {}
        if request.method == "POST":
            payload = request.body.decode("utf-8", "surrogateescape")
            if write is not None:
                item = _decoded(request.body)
                cost = len(_items_of(request.body)) if write.is_batch else 1
                self._admit(request, payload, write.per_second, now_ns, headers, cost)
                if write.is_batch:
                    return each(self.exchange, item, now_ns, write.act)
                return write.act(self.exchange, item, now_ns), {}
            if request.path.startswith(_FORBIDDEN):
                self._identify(request, payload, now_ns)
                raise BybitRefusal(*NOT_PERMITTED)
        raise BybitRefusal("404", "Not Found", 404)

    def _identify(self, request: HttpRequest, payload: str, now_ns: int) -> None:
        check_request(self.exchange.profile, request.headers, payload, now_ns // NS_PER_MS)

    def _admit(
        self, request: HttpRequest, payload: str, limit: int, now_ns: int, headers: dict[str, str], cost: int = 1
    ) -> None:
        """Check identity and limit of a private request, and note the headers that its answer has."""
        self._identify(request, payload, now_ns)
        allowed = self._rates.take(request.path, limit, NS_PER_S, now_ns, cost)
        headers.update(_limit_headers(allowed))
        if not allowed.ok:
            raise BybitRefusal("10006", "Too many visits. Exceeded the API Rate Limit.")

    def fault_answer(self, name: str, call: Call, now_ns: int) -> HttpAnswer:
        if name == "http_503_maintenance":
            return HttpAnswer(503, MAINTENANCE, content_type="text/html")
        status, code, message = FAULTS[name]
        return _refused(BybitRefusal(code, message, status), now_ns, {})

    def open(self, venue: Venue, path: str) -> Session:
        """Open a websocket session: `/v5/private`, or `/v5/public/spot`."""
        make = BybitPrivateSession if path.rstrip("/").endswith("/private") else BybitPublicSession
        return make(venue, path, self.exchange)


def _limit_headers(allowed: Allowance) -> dict[str, str]:
    return {
        "X-Bapi-Limit": str(allowed.limit),
        "X-Bapi-Limit-Status": str(allowed.remaining),
        "X-Bapi-Limit-Reset-Timestamp": str(allowed.reset_ns // NS_PER_MS),
    }


def _refused(refusal: BybitRefusal, now_ns: int, headers: dict[str, str]) -> HttpAnswer:
    body = {"retCode": int(refusal.code), "retMsg": refusal.message, "result": {}, "retExtInfo": {}}
    return HttpAnswer(refusal.status, encode(body | {"time": now_ns // NS_PER_MS}), headers)


def _decoded(body: bytes) -> Json:
    try:
        parsed: Any = msgspec.json.decode(body) if is_shallow(body) else None
    except (msgspec.DecodeError, UnicodeDecodeError):
        parsed = None
    if not isinstance(parsed, dict):
        raise BybitRefusal("10001", "Request parameter error.")
    return parsed


def _items_of(body: bytes) -> list[Json]:
    """Return the orders of a request, without judging it: those of a batch, or the one it is."""
    try:
        item = _decoded(body)
    except BybitRefusal:
        return []
    listed = item.get("request")
    return [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else [item]
