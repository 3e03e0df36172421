"""Gate APIv4 spot REST: routes, authentication, rate limits, expiry, errors. Pure: request in, answer out.

Written from Gate's API documentation v4.106: paths and fields of the spot, wallet and account sections, and labels of the
section "Error handling". Limits are those of "Rate limit rules": public 200 per 10 s and endpoint; placing 10 per s,
account and market; cancelling 200 per s; other private 200 per 10 s and endpoint.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from arb.clock import NS_PER_MS, NS_PER_S
from arb.sandbox.exchange import SimExchange
from arb.sandbox.gate import account
from arb.sandbox.gate.auth import GateError, check_expiry, check_request
from arb.sandbox.gate.fields import Json, symbol_of
from arb.sandbox.gate.orders import REFUSED_BALANCE, texts_of
from arb.sandbox.gate.query import Query
from arb.sandbox.gate.routes import GateRoutes
from arb.sandbox.gate.ws import GateSession
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

BASE = "/api/v4"
NO_MARKETS = (
    *(f"/futures/{settle}/contracts" for settle in ("usdt", "btc", "usd")),
    *("/delivery/usdt/contracts", "/options/underlyings", "/margin/cross/currencies"),
)
"""The venue's lists of other products than spot; the sandbox has none of them."""


@dataclass(frozen=True, slots=True)
class Route:
    kind: str
    answer: Callable[[Query], tuple[int, object]]


class GateDialect:
    def __init__(self, exchange: SimExchange) -> None:
        self.exchange = exchange
        self.meter = RateMeter()
        routes = GateRoutes(exchange)
        self._routes: dict[tuple[str, str], Route] = {
            ("GET", "/spot/time"): Route(PUBLIC, routes.time),
            ("GET", "/spot/currencies"): Route(PUBLIC, routes.currencies),
            ("GET", "/spot/currencies/*"): Route(PUBLIC, routes.currency),
            ("GET", "/spot/currency_pairs"): Route(PUBLIC, routes.pairs),
            ("GET", "/spot/currency_pairs/*"): Route(PUBLIC, routes.pair),
            ("GET", "/margin/currency_pairs"): Route(PUBLIC, routes.margin_pairs),
            ("GET", "/spot/tickers"): Route(PUBLIC, routes.tickers),
            ("GET", "/spot/order_book"): Route(PUBLIC, routes.order_book),
            ("GET", "/spot/trades"): Route(PUBLIC, routes.trades),
            ("GET", "/spot/candlesticks"): Route(PUBLIC, routes.candlesticks),
            **{("GET", path): Route(PUBLIC, account.nothing) for path in NO_MARKETS},
            ("GET", "/spot/price_orders"): Route(QUERY, account.nothing),
            ("GET", "/wallet/sub_account_balances"): Route(QUERY, account.nothing),
            ("GET", "/wallet/total_balance"): Route(QUERY, partial(account.total_balance, exchange)),
            ("GET", "/account/rate_limit"): Route(QUERY, account.rate_limit),
            ("GET", "/unified/unified_mode"): Route(QUERY, partial(account.unified_mode, exchange)),
            ("GET", "/unified/accounts"): Route(QUERY, partial(account.unified_accounts, exchange)),
            ("POST", "/wallet/transfers"): Route(QUERY, account.forbidden),
            ("POST", "/withdrawals"): Route(QUERY, account.forbidden),
            ("GET", "/spot/accounts"): Route(QUERY, partial(account.spot_accounts, exchange)),
            ("GET", "/spot/account_book"): Route(QUERY, routes.account_book),
            ("GET", "/spot/fee"): Route(QUERY, routes.spot_fee),
            ("GET", "/spot/batch_fee"): Route(QUERY, routes.batch_fee),
            ("GET", "/wallet/fee"): Route(QUERY, routes.wallet_fee),
            ("GET", "/wallet/deposits"): Route(QUERY, routes.deposits),
            ("GET", "/wallet/withdrawals"): Route(QUERY, routes.withdrawals),
            ("GET", "/account/detail"): Route(QUERY, partial(account.detail, exchange)),
            ("GET", "/account/main_keys"): Route(QUERY, partial(account.main_keys, exchange)),
            ("GET", "/spot/orders"): Route(QUERY, routes.list_orders),
            ("GET", "/spot/orders/*"): Route(QUERY, routes.get_order),
            ("GET", "/spot/open_orders"): Route(QUERY, routes.open_orders),
            ("GET", "/spot/my_trades"): Route(QUERY, routes.my_trades),
            ("POST", "/spot/orders"): Route(PLACE, routes.create_order),
            ("POST", "/spot/batch_orders"): Route(PLACE, routes.create_orders),
            ("PATCH", "/spot/orders/*"): Route(PLACE, routes.amend_order),
            ("POST", "/spot/amend_batch_orders"): Route(PLACE, routes.amend_orders),
            ("DELETE", "/spot/orders"): Route(CANCEL, routes.cancel_all),
            ("DELETE", "/spot/orders/*"): Route(CANCEL, routes.cancel_order),
            ("POST", "/spot/cancel_batch_orders"): Route(CANCEL, routes.cancel_orders),
            ("POST", "/spot/countdown_cancel_all"): Route(QUERY, routes.countdown),
        }

    # -- the dialect -----------------------------------------------------------------------------------------------

    def classify(self, request: HttpRequest, now_ns: int) -> Call:
        """Describe a request; unknown paths count as public."""
        endpoint, argument = self._endpoint(request)
        route = self._routes.get((request.method, endpoint))
        if route is None:
            return Call(PUBLIC)
        fields = request.params()
        items = _objects(request.body)
        pair = fields.get("currency_pair") or next((str(i["currency_pair"]) for i in items if "currency_pair" in i), "")
        texts = texts_of(items)
        if argument.startswith("t-"):
            texts = (argument,)
        detail = "order_by_client_id" if route.kind == QUERY and argument.startswith("t-") else ""
        return Call(route.kind, symbol_of(pair) if pair else None, texts, detail)

    def handle(self, request: HttpRequest, now_ns: int) -> HttpAnswer:
        endpoint, argument = self._endpoint(request)
        route = self._routes.get((request.method, endpoint))
        allowance: Allowance | None = None
        try:
            if route is None:
                raise self._no_route(endpoint)
            if route.kind != PUBLIC:
                check_request(request, self.exchange.profile, now_ns)
            query = Query(request.params(), argument, _body(request.body), now_ns)
            allowance = self._meter(route, endpoint, query, now_ns)
            if route.kind in (PLACE, CANCEL) and not self.exchange.holder.may("spot"):
                raise GateError(403, "READ_ONLY", "The key has no permission to write spot")
            if route.kind in (PLACE, CANCEL) and self.exchange.enforces_expiry:
                check_expiry(request.headers.get("x-gate-exptime"), now_ns)
            status, content = route.answer(query)
        except GateError as error:
            status, content = error.status, {"label": error.label, "message": error.message}
            allowance = error.allowance if isinstance(error, _Limited) else allowance
        return _answer(status, content, allowance, now_ns)

    def fault_answer(self, name: str, call: Call, now_ns: int) -> HttpAnswer:
        status, label, message = {
            "http_429": (429, "TOO_MANY_REQUESTS", "Request Rate limit Exceeded (211)"),
            "http_500": (500, "SERVER_ERROR", "Internal server error"),
            "http_503_maintenance": (503, "TOO_BUSY", "System is under maintenance"),
            "reject_balance": (REFUSED_BALANCE.status, REFUSED_BALANCE.label, REFUSED_BALANCE.message),
            "symbol_refused": (400, "INVALID_CURRENCY_PAIR", "Currency pair is not available for trading"),
            "key_revoked": (401, "INVALID_KEY", "Invalid key provided"),
            "order_not_found": (404, "CLIENT_ID_NOT_FOUND", "Order not found"),
        }[name]
        limit = 10 if call.kind == PLACE else 200
        allowance = Allowance(True, limit, limit - 1, now_ns)
        if name == "http_429":
            allowance = Allowance(False, limit, 0, now_ns + NS_PER_S)
        return _answer(status, {"label": label, "message": message}, allowance, now_ns)

    def open(self, venue: Venue, path: str) -> Session:
        return GateSession(venue, path, self)

    def _endpoint(self, request: HttpRequest) -> tuple[str, str]:
        """Split a path into its route (with `*` for an argument) and that argument."""
        parts = request.path.removeprefix(BASE).strip("/").split("/")
        whole = "/" + "/".join(parts)
        if len(parts) == 3 and (request.method, whole) not in self._routes:
            return f"/{parts[0]}/{parts[1]}/*", parts[2]
        return whole, ""

    # -- limits ----------------------------------------------------------------------------------------------------

    def _meter(self, route: Route, endpoint: str, query: Query, now_ns: int) -> Allowance:
        """Count a request against its bucket; raises `GateError` 429."""
        if route.kind == PLACE:
            allowance = self.meter_places(query.items(), now_ns)
        elif route.kind == CANCEL:
            allowance = self.meter.take("cancel", 200, NS_PER_S, now_ns, max(1, len(query.items())))
        else:
            allowance = self.meter.take(f"{route.kind} {endpoint}", 200, 10 * NS_PER_S, now_ns)
        if not allowance.ok:
            raise _Limited(allowance)
        return allowance

    def meter_places(self, items: list[Json], now_ns: int) -> Allowance:
        """Count placings, 10 per second for each market; return the tightest allowance."""
        counts: dict[str, int] = {}
        for item in items:
            pair = str(item.get("currency_pair", ""))
            counts[pair] = counts.get(pair, 0) + 1
        allowances = [
            self.meter.take(f"place {pair}", 10, NS_PER_S, now_ns, count) for pair, count in counts.items()
        ] or [self.meter.take("place", 10, NS_PER_S, now_ns)]
        return min(allowances, key=lambda a: (a.ok, a.remaining))

    def _no_route(self, endpoint: str) -> GateError:
        if any(path == endpoint for _, path in self._routes):
            return GateError(405, "METHOD_NOT_ALLOWED", "Method not allowed")
        return GateError(404, "NOT_FOUND", f"Path {endpoint} not found")


class _Limited(GateError):
    def __init__(self, allowance: Allowance) -> None:
        super().__init__(429, "TOO_MANY_REQUESTS", "Request Rate limit Exceeded (211)")
        self.allowance = allowance


def _body(body: bytes) -> object:
    if not body.strip():
        return None
    try:
        if is_shallow(body):
            return json.loads(body)
    except ValueError:
        pass
    raise GateError(400, "INVALID_REQUEST_BODY", "Invalid request body")


def _objects(body: bytes) -> list[Json]:
    try:
        content = _body(body)
    except GateError:
        return []
    items = content if isinstance(content, list) else [content]
    return [item for item in items if isinstance(item, dict)]


def _answer(status: int, content: object, allowance: Allowance | None, now_ns: int) -> HttpAnswer:
    micros = str(now_ns // 1000)
    headers = {
        "X-In-Time": micros,
        "X-Out-Time": micros,
        "X-Gate-Trace-Id": f"{now_ns & 0xFFFFFFFFFFFFFFFF:032x}",
    }
    if allowance is not None:
        headers["X-Gate-RateLimit-Requests-Remain"] = str(allowance.remaining)
        headers["X-Gate-RateLimit-Limit"] = str(allowance.limit)
        headers["X-Gate-RateLimit-Reset-Timestamp"] = str(allowance.reset_ns // NS_PER_MS)
    return HttpAnswer(status, json.dumps(content, separators=(",", ":")).encode(), headers)
