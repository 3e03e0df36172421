"""Gate's websocket order entry: one login per connection, then orders whose placing answers twice.

The first answer (`ack: true`) only confirms the frame; the second carries the result. Its header has the remaining rate
limit, as in REST, but omits a remainder of 0; the name of the reset has the documented misspelling. The signed text of a
login holds the literal text of `req_param` as sent, or nothing when the field is absent.
"""

import json
import re
from collections.abc import Mapping
from typing import Protocol

from arb.clock import NS_PER_MS, NS_PER_S
from arb.sandbox.gate import orders as gate_orders
from arb.sandbox.gate.auth import GateError, check_expiry, check_login
from arb.sandbox.gate.fields import Json, millis, order_json, symbol_of
from arb.sandbox.wire import CANCEL, PLACE, QUERY, Allowance, Call, HttpAnswer, RateMeter, Session

_REQ_PARAM = re.compile(r'"req_param"\s*:\s*')
_KINDS = {
    "spot.order_place": PLACE,
    "spot.order_amend": PLACE,
    "spot.order_cancel": CANCEL,
    "spot.order_cancel_cp": CANCEL,
    "spot.order_cancel_ids": CANCEL,
    "spot.order_status": QUERY,
}


class Limits(Protocol):
    """The account's rate limits, shared with REST."""

    meter: RateMeter

    def meter_places(self, items: list[Json], now_ns: int) -> Allowance:
        """Count placements per market."""


class GateTrading:
    def __init__(self, session: Session, dialect: Limits) -> None:
        self.session = session
        self.exchange = session.venue.exchange
        self.dialect = dialect
        self.logged_in = False

    def receive(self, channel: str, frame: Json, text: str, now_ns: int) -> None:
        payload = frame.get("payload")
        fields: Json = payload if isinstance(payload, dict) else {}
        request_id = str(fields.get("req_id", ""))
        try:
            if channel == "spot.login":
                check_login(fields, literal_req_param(text), self.exchange.profile, now_ns)
                self.logged_in = True
                result: Json = {"api_key": self.exchange.profile.key, "uid": str(self.exchange.profile.user_id)}
                self._send(channel, request_id, 200, {"result": result}, now_ns)
                return
            if not self.logged_in:
                raise GateError(401, "AUTHENTICATION_FAILED", "not logged in")
            if channel not in _KINDS:
                raise GateError(400, "INVALID_PARAM_VALUE", f"unknown channel {channel}")
            # "If the request time received by the WebSocket is later than the expiration time": on receipt, and never after.
            if _KINDS[channel] in (PLACE, CANCEL) and self.exchange.enforces_expiry:
                header = fields.get("req_header") or fields.get("header")
                check_expiry(header.get("x-gate-exptime") if isinstance(header, dict) else None, now_ns)
        except GateError as error:
            self._send(channel, request_id, error.status, _errs(error), now_ns)
            return
        self._perform(channel, request_id, fields, now_ns)

    def _perform(self, channel: str, request_id: str, fields: Json, now_ns: int) -> None:
        param = fields.get("req_param")
        items = [item for item in (param if isinstance(param, list) else [param]) if isinstance(item, dict)]
        pair = next((str(item["currency_pair"]) for item in items if item.get("currency_pair")), "")
        texts = gate_orders.texts_of(items)
        call = Call(_KINDS[channel], symbol_of(pair) if pair else None, texts)
        if channel == "spot.order_place":
            self._send(channel, request_id, 200, {"result": {"req_id": request_id, "req_param": param}}, now_ns, True)

        def execute(at_ns: int) -> HttpAnswer:
            allowance: Allowance | None = None
            try:
                allowance = self._meter(channel, items, at_ns)
                if not allowance.ok:
                    raise GateError(429, "TOO_MANY_REQUESTS", "Request Rate limit Exceeded (211)")
                result = self._run(channel, param, items, at_ns)
            except GateError as error:
                return HttpAnswer(error.status, json.dumps(_errs(error)).encode(), _limits_of(allowance))
            return HttpAnswer(200, json.dumps({"result": result}).encode(), _limits_of(allowance))

        def reply(answer: HttpAnswer, at_ns: int) -> None:
            self._send(channel, request_id, answer.status, _data(answer), at_ns, limits=answer.headers)

        self.session.perform(call, execute, reply, now_ns)

    def _meter(self, channel: str, items: list[Json], now_ns: int) -> Allowance:
        """Count a request against the same buckets as REST, each order of a batch by itself."""
        if channel in ("spot.order_place", "spot.order_amend"):
            return self.dialect.meter_places(items, now_ns)
        if channel == "spot.order_status":
            return self.dialect.meter.take("query /spot/orders/*", 200, 10 * NS_PER_S, now_ns)
        return self.dialect.meter.take("cancel", 200, NS_PER_S, now_ns, max(1, len(items)))

    def _run(self, channel: str, param: object, items: list[Json], now_ns: int) -> object:
        fields = items[0] if items else {}
        pair, id_text = str(fields.get("currency_pair", "")), str(fields.get("order_id", ""))
        if channel == "spot.order_place":
            if isinstance(param, list):
                return gate_orders.place_batch(self.exchange, list(param), now_ns)
            return order_json(gate_orders.place(self.exchange, fields, now_ns))
        if channel == "spot.order_amend":
            return order_json(gate_orders.amend(self.exchange, id_text, fields, now_ns))
        if channel == "spot.order_status":
            return order_json(gate_orders.find(self.exchange, id_text, pair))
        if channel == "spot.order_cancel_cp":
            cancelled = gate_orders.cancel_all(self.exchange, pair, str(fields.get("side", "")), now_ns)
            return [order_json(order) for order in cancelled]
        if channel == "spot.order_cancel_ids":
            return gate_orders.cancel_batch(self.exchange, list(items), now_ns)
        return order_json(gate_orders.cancel(self.exchange, id_text, pair, now_ns))

    def _send(
        self,
        channel: str,
        request_id: str,
        status: int,
        data: Json,
        now_ns: int,
        ack: bool = False,
        limits: Mapping[str, str] | None = None,
    ) -> None:
        header: Json = {
            "response_time": str(millis(now_ns)),
            "status": str(status),
            "channel": channel,
            "event": "api",
            "client_id": f"127.0.0.1-{self.session.id}",
            "conn_id": f"{self.session.id:016x}",
            "trace_id": f"{now_ns & 0xFFFFFFFFFFFFFFFF:032x}",
            "x_in_time": now_ns // 1000,
            "x_out_time": now_ns // 1000,
            **{name: int(number) for name, number in (limits or {}).items() if name in _LIMIT_NAMES and int(number)},
        }
        content: Json = {"request_id": request_id, "ack": ack, "header": header, "data": data}
        self.session.answer(json.dumps(content, separators=(",", ":")), now_ns)


def literal_req_param(text: str) -> str:
    """Return the literal JSON text of `req_param` in a frame, '' when there is none."""
    found = _REQ_PARAM.search(text)
    if found is None:
        return ""
    try:
        _, end = json.JSONDecoder().raw_decode(text, found.end())
    except ValueError:
        return ""
    return text[found.end() : end]


_LIMIT_NAMES = ("x_gate_ratelimit_requests_remain", "x_gate_ratelimit_limit", "x_gat_ratelimit_reset_timestamp")


def _limits_of(allowance: Allowance | None) -> dict[str, str]:
    if allowance is None:
        return {}
    numbers = (allowance.remaining, allowance.limit, allowance.reset_ns // NS_PER_MS)
    return {name: str(number) for name, number in zip(_LIMIT_NAMES, numbers, strict=True)}


def _errs(error: GateError) -> Json:
    return {"errs": {"label": error.label, "message": error.message}}


def _data(answer: HttpAnswer) -> Json:
    """Return an answer's body as the frame's data; a fault's plain label becomes `errs`, garbage stays text."""
    try:
        content = json.loads(answer.body)
    except ValueError:
        return {"errs": {"label": "SERVER_ERROR", "message": answer.body[:80].decode(errors="replace")}}
    if isinstance(content, dict) and "label" in content:
        return {"errs": {"label": content["label"], "message": content.get("message", "")}}
    return content if isinstance(content, dict) else {"result": content}
