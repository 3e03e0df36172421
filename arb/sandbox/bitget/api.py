"""Bitget's REST dialect: endpoints, authentication, rate limits, and the wrapping of answers.

Source: the venue's API v2 and v3, "Signature", "Request Interaction" and each endpoint's page. An answer is
`{"code","msg","requestTime","data"}`; success is code "00000" with HTTP 200, a refusal has HTTP 400. A classic account
is reached under `/api/v2`, a unified one under `/api/v3`. The other root answers with a refusal, which shows clients the
kind of the account. Public data need no account.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from arb.clock import NS_PER_MS, NS_PER_S
from arb.sandbox.bitget import candles, orders, reads, unified
from arb.sandbox.bitget.auth import BitgetRefusal, check_request
from arb.sandbox.bitget.params import find_symbol
from arb.sandbox.bitget.wire import encode
from arb.sandbox.bitget.ws import BitgetPrivateSession, BitgetPublicSession, UnifiedPrivateSession
from arb.sandbox.exchange import SimExchange
from arb.sandbox.wire import (
    CANCEL,
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

ROOT, UNIFIED_ROOT = "/api/v2", "/api/v3"
UNIFIED = "unified"
"""The mode of an account that is not a classic one."""
NOT_CLASSIC = ("40085", "You are in Unified Account mode, and the Classic Account API is not supported at this time")
NOT_UNIFIED = ("40084", "You are in Classic Account mode, and the Unified Account API is not supported")
FAULTS = {
    "http_429": (429, "429", "Too Many Requests"),
    "http_500": (500, "40015", "System is abnormal, please try again later"),
    "http_503_maintenance": (503, "40200", "Server upgrade, please try again later"),
    "reject_balance": (400, "43012", "Insufficient balance"),
    "symbol_refused": (400, "40309", "The symbol has been removed"),
    "key_revoked": (400, "40037", "Apikey does not exist"),
}
UNIFIED_FAULTS = FAULTS | {
    "reject_balance": (400, "25202", "Insufficient balance"),
    "symbol_refused": (400, "25101", "Trading pair not open for trading"),
    "order_not_found": (400, *unified.NO_SUCH_ORDER),
}
NO_PERMISSION = ("/spot/wallet/transfer", "/spot/wallet/withdrawal", "/spot/wallet/deposit-address")
"""The requests that a key for reading and trading may not make."""
ORDER_INFO, UNIFIED_ORDER_INFO = "/spot/trade/orderInfo", "/trade/order-info"


@dataclass(frozen=True, slots=True)
class _Read:
    """One GET endpoint: its function, whether it is signed, and its limit per second."""

    function: reads.Read
    private: bool
    per_second: int


_READS = {
    "/public/time": _Read(reads.server_time, False, 20),
    "/spot/public/coins": _Read(reads.coins, False, 3),
    "/spot/public/symbols": _Read(reads.symbols, False, 20),
    "/margin/currencies": _Read(reads.margin_symbols, False, 10),
    "/mix/market/contracts": _Read(reads.contracts, False, 20),
    "/spot/market/orderbook": _Read(reads.book, False, 20),
    "/spot/market/tickers": _Read(reads.tickers, False, 20),
    "/spot/market/candles": _Read(candles.candles, False, 20),
    "/spot/market/history-candles": _Read(candles.history_candles, False, 20),
    "/spot/market/fills": _Read(reads.trades, False, 10),
    "/spot/market/fills-history": _Read(reads.trades, False, 10),
    "/spot/account/info": _Read(reads.account_info, True, 1),
    "/spot/account/assets": _Read(reads.assets, True, 10),
    "/spot/market/merge-depth": _Read(reads.merged_book, False, 20),
    "/spot/market/vip-fee-rate": _Read(reads.fee_levels, False, 10),
    "/spot/trade/current-plan-order": _Read(reads.no_plan_orders, True, 20),
    "/spot/account/transferRecords": _Read(reads.own_transfers, True, 20),
    "/spot/account/bills": _Read(reads.bills, True, 10),
    "/spot/account/deduct-info": _Read(reads.deduct_info, True, 5),
    "/common/trade-rate": _Read(reads.trade_rate, True, 10),
    "/common/all-trade-rate": _Read(reads.all_trade_rates, True, 10),
    "/spot/wallet/deposit-records": _Read(reads.deposits, True, 10),
    "/spot/wallet/withdrawal-records": _Read(reads.withdrawals, True, 10),
    ORDER_INFO: _Read(reads.order_info, True, 20),
    "/spot/trade/unfilled-orders": _Read(reads.open_orders, True, 20),
    "/spot/trade/history-orders": _Read(reads.ended_orders, True, 20),
    "/spot/trade/fills": _Read(reads.fills, True, 10),
}
_UNIFIED_READS = {
    "/market/instruments": _Read(unified.instruments, False, 20),
    "/market/orderbook": _Read(unified.book, False, 20),
    "/account/info": _Read(unified.info, True, 20),
    "/account/settings": _Read(unified.settings, True, 20),
    "/account/assets": _Read(unified.assets, True, 20),
    "/account/fee-rate": _Read(unified.fee_rate, True, 3),
    "/account/all-fee-rate": _Read(unified.all_fee_rates, True, 3),
    "/account/deduct-info": _Read(unified.deduction, True, 1),
    "/account/financial-records": _Read(unified.records, True, 20),
    UNIFIED_ORDER_INFO: _Read(unified.order_info, True, 20),
    "/trade/unfilled-orders": _Read(unified.open_orders, True, 20),
    "/trade/history-orders": _Read(unified.ended_orders, True, 20),
    "/trade/fills": _Read(unified.fills, True, 20),
}


@dataclass(frozen=True, slots=True)
class _Write:
    """One POST endpoint: its function, its kind, and its limit per second."""

    function: Callable[[SimExchange, Mapping[str, Any], int], Any]
    kind: str
    per_second: int


_WRITES = {
    "/spot/trade/place-order": _Write(orders.place, PLACE, 10),
    "/spot/trade/cancel-order": _Write(orders.cancel, CANCEL, 10),
    "/spot/trade/batch-cancel-order": _Write(orders.cancel_batch, CANCEL, 10),
    "/spot/trade/batch-orders": _Write(orders.place_batch, PLACE, 5),
    "/spot/trade/cancel-symbol-order": _Write(orders.cancel_symbol, CANCEL, 5),
    "/spot/trade/cancel-replace-order": _Write(orders.replace, PLACE, 5),
    "/spot/trade/batch-cancel-replace-order": _Write(orders.replace_batch, PLACE, 5),
}
_UNIFIED_WRITES = {
    "/trade/place-order": _Write(unified.place, PLACE, 10),
    "/trade/place-batch": _Write(unified.place_batch, PLACE, 5),
    "/trade/cancel-order": _Write(unified.cancel, CANCEL, 10),
    "/trade/cancel-batch": _Write(unified.cancel_batch, CANCEL, 5),
    "/trade/cancel-symbol-order": _Write(unified.cancel_symbol, CANCEL, 5),
    "/trade/countdown-cancel-all": _Write(unified.countdown, QUERY, 1),
}


class BitgetDialect:
    def __init__(self, exchange: SimExchange) -> None:
        self.exchange = exchange
        self._rates = RateMeter()

    @property
    def _is_unified(self) -> bool:
        return self.exchange.account_mode == UNIFIED

    def _found(self, request: HttpRequest) -> tuple[str, _Read | None, _Write | None]:
        """Return the path below the root of its language, and the endpoint there."""
        if request.path.startswith(UNIFIED_ROOT):
            path = request.path.removeprefix(UNIFIED_ROOT)
            return path, _UNIFIED_READS.get(path), _UNIFIED_WRITES.get(path)
        path = request.path.removeprefix(ROOT)
        return path, _READS.get(path), _WRITES.get(path)

    def classify(self, request: HttpRequest, now_ns: int) -> Call:
        path, read, write = self._found(request)
        if write is not None:
            item = _object(request.body) or {}
            return self._classify_write(write, item, path)
        if read is not None and not read.private:
            return Call(PUBLIC, detail=path)
        params = request.params()
        if path in (ORDER_INFO, UNIFIED_ORDER_INFO):
            by_client_id = bool(params.get("clientOid")) and not params.get("orderId")
            detail = "order_by_client_id" if by_client_id else "order"
            return Call(QUERY, self._known(params), (self._client_id(params),), detail)
        return Call(QUERY, self._known(params), detail=path)

    def _classify_write(self, write: _Write, item: Mapping[str, Any], path: str) -> Call:
        batch = item.get("orderList")
        items = [one for one in batch if isinstance(one, dict)] if isinstance(batch, list) else [item]
        symbols = {self._known(one) for one in items} | ({self._known(item)} if "symbol" in item else set())
        named = symbols - {None}
        return Call(
            write.kind,
            named.pop() if len(named) == 1 else None,
            tuple(self._client_id(one) for one in items),
            path,
        )

    def _client_id(self, item: Mapping[str, Any]) -> str:
        """Return the client id given, or that of the order meant where only the venue's id is given."""
        found = None if item.get("clientOid") else reads.find_order(self.exchange, item)
        return str(item.get("clientOid") or (found.client_id if found else ""))

    def _known(self, item: Mapping[str, Any]) -> str | None:
        named = find_symbol(self.exchange, item.get("symbol"))
        order = reads.find_order(self.exchange, item) if named is None else None
        return named if order is None else order.symbol

    def handle(self, request: HttpRequest, now_ns: int) -> HttpAnswer:
        try:
            return _answer(200, "00000", "success", self._route(request, now_ns), now_ns)
        except BitgetRefusal as refusal:
            return _answer(refusal.status, refusal.code, refusal.message, None, now_ns)

    def _route(self, request: HttpRequest, now_ns: int) -> Any:
        path, read, write = self._found(request)
        asks_unified = request.path.startswith(UNIFIED_ROOT)
        if (read is None or read.private) and asks_unified is not self._is_unified:
            self._identify(request, now_ns)
            raise BitgetRefusal(*(NOT_UNIFIED if asks_unified else NOT_CLASSIC))
        if path in NO_PERMISSION and request.path != path:
            self._identify(request, now_ns)
            raise BitgetRefusal("40014", "Incorrect permissions, need spot transfer or withdrawal permissions")
        if request.path == path or (read is None and write is None):
            raise BitgetRefusal("40404", "Request URL NOT FOUND", 404)
        if request.method != ("GET" if read else "POST"):
            raise BitgetRefusal("40103", "Request method is wrong", 405)
        if write is not None:
            self._identify(request, now_ns)
            self._meter(path, write.per_second, now_ns)
            item = _object(request.body)
            if item is None:
                raise BitgetRefusal("40017", "Parameter verification failed")
            return write.function(self.exchange, item, now_ns)
        assert read is not None
        if read.private:
            self._identify(request, now_ns)
        self._meter(path, read.per_second, now_ns)
        return read.function(self.exchange, request.params(), now_ns)

    def _identify(self, request: HttpRequest, now_ns: int) -> None:
        check_request(
            self.exchange.profile,
            request.headers,
            request.method,
            request.path,
            request.query,
            request.body,
            now_ns // NS_PER_MS,
        )

    def _meter(self, scope: str, per_second: int, now_ns: int) -> None:
        if not self._rates.take(scope, per_second, NS_PER_S, now_ns).ok:
            raise BitgetRefusal("429", "Too Many Requests", 429)

    def fault_answer(self, name: str, call: Call, now_ns: int) -> HttpAnswer:
        if name == "order_not_found" and not self._is_unified:
            return _answer(200, "00000", "success", [], now_ns)
        status, code, message = (UNIFIED_FAULTS if self._is_unified else FAULTS)[name]
        return _answer(status, code, message, None, now_ns)

    def open(self, venue: Venue, path: str) -> Session:
        """Open a websocket session: `/v2/ws/private` or `/v3/ws/private`, anything else as `/v2/ws/public`."""
        if path.rstrip("/") == "/v3/ws/private":
            return UnifiedPrivateSession(venue, path, self.exchange)
        if path.rstrip("/").endswith("/private"):
            return BitgetPrivateSession(venue, path, self.exchange)
        return BitgetPublicSession(venue, path, self.exchange)


def _answer(status: int, code: str, message: str, data: Any, now_ns: int) -> HttpAnswer:
    body = {"code": code, "msg": message, "requestTime": now_ns // NS_PER_MS, "data": data}
    return HttpAnswer(status, encode(body))


def _object(body: bytes) -> dict[str, Any] | None:
    """Read the object of a request body; a bare list becomes its `orderList`. None when the body is neither."""
    try:
        parsed = msgspec.json.decode(body) if is_shallow(body) else None
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    if isinstance(parsed, list):
        return {"orderList": parsed}
    return parsed if isinstance(parsed, dict) else None
