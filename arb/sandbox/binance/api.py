"""Binance's REST dialect: the wrapping of requests and answers, and the doors of its websockets.

Source: `rest-api.md` and `errors.md`. An answer is its content and nothing around it; a refusal is a code and a message.
"""

from arb.sandbox.binance.auth import NO_PERMISSION, BinanceRefusal, check_identity, signed_text
from arb.sandbox.binance.desk import ENDPOINTS, Asked, Desk, answered, refused
from arb.sandbox.binance.limits import TOO_HEAVY
from arb.sandbox.binance.orders import NO_FUNDS, NO_SUCH_ORDER
from arb.sandbox.binance.params import read_params
from arb.sandbox.binance.spec import ROOT
from arb.sandbox.binance.streams import BinanceStreams
from arb.sandbox.binance.ws_api import BinanceApiSession
from arb.sandbox.exchange import SimExchange
from arb.sandbox.wire import PLACE, PUBLIC, Call, HttpAnswer, HttpRequest, Session, Venue

MAINTENANCE = b'{"code":1,"msg":"System is under maintenance."}'
FAULTS = {
    "http_429": TOO_HEAVY,
    "http_500": ("-1006", "An unexpected response was received from the message bus. Execution status unknown.", 500),
    "timeout": (
        "-1007",
        "Timeout waiting for response from backend server. Send status unknown; execution status unknown.",
        504,
    ),
    "reject_balance": (*NO_FUNDS, 400),
    "symbol_refused": ("-2010", "This symbol is not permitted for this account.", 400),
    "key_revoked": NO_PERMISSION,
    "order_not_found": (*NO_SUCH_ORDER, 400),
}


class BinanceDialect:
    def __init__(self, exchange: SimExchange) -> None:
        self.desk = Desk(exchange)

    def classify(self, request: HttpRequest, now_ns: int) -> Call:
        endpoint = ENDPOINTS.get((request.method, request.path.removeprefix(ROOT)))
        if endpoint is None:
            return Call(PUBLIC, detail=request.path)
        try:
            params = _read(request)
        except BinanceRefusal:
            params = {}
        return self.desk.describe(endpoint, params)

    def handle(self, request: HttpRequest, now_ns: int) -> HttpAnswer:
        endpoint = ENDPOINTS.get((request.method, request.path.removeprefix(ROOT)))
        if endpoint is None:
            return refused(BinanceRefusal("-1000", "Not Found", 404))

        def prove() -> None:
            key = request.headers.get("x-mbx-apikey", "")
            text, signature = signed_text(request.query, _body(request))
            check_identity(self.desk.exchange.profile, key, text, signature)

        def obey() -> object:
            return self.desk.obey(Asked(endpoint, _read(request), prove, request.received_ns), now_ns)

        answer = answered(obey)
        if endpoint.kind == PLACE and answer.status == 200:
            answer.headers |= self.desk.limits.order_headers(now_ns)
        answer.headers |= self.desk.limits.weight_headers(now_ns)
        return answer

    def fault_answer(self, name: str, call: Call, now_ns: int) -> HttpAnswer:
        if name == "http_503_maintenance":
            return HttpAnswer(503, MAINTENANCE)
        code, message, status = FAULTS[name]
        return refused(BinanceRefusal(code, message, status, 1 if status == 429 else None))

    def open(self, venue: Venue, path: str) -> Session:
        """Open the websocket API, `/ws-api/v3`, else the public streams: `/stream`, or `/ws/STREAM`."""
        if path.rstrip("/") == f"{ROOT}/ws-api/v3":
            return BinanceApiSession(venue, path, self.desk)
        return BinanceStreams(venue, path, self.desk.exchange)


def _body(request: HttpRequest) -> str:
    return request.body.decode("utf-8", "surrogateescape")


def _read(request: HttpRequest) -> dict[str, str]:
    return read_params(request.query, _body(request))
