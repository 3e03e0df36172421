"""Orders over OKX's private websocket: the same desk, rates and codes as over REST, answered under the request's id.

Source: the venue's API v5, "WS / Place order" and its siblings. A request is `{"id","op","args","expTime"?}`; the answer
repeats `id` and `op` around the envelope that REST would give. Since February 2026 (changelog, "instId request parameter in WS
order operation channels") an instrument is named by its number `instIdCode` only; `instId` is not read any more.
"""

import msgspec

from arb.clock import NS_PER_MS
from arb.sandbox.okx.auth import OkxRefusal, check_expiry
from arb.sandbox.okx.orders import BATCH_SIZE_MAX, OkxOrders, envelope
from arb.sandbox.okx.wire import Json, encode
from arb.sandbox.wire import CANCEL, PLACE, HttpAnswer, Session

ORDER_OPS = {"order": PLACE, "batch-orders": PLACE, "cancel-order": CANCEL, "batch-cancel-orders": CANCEL}


def perform_order_op(session: Session, manager: OkxOrders, message: Json, args: list[Json], now_ns: int) -> None:
    """Send an order request through the venue and answer it under its id; nothing is sent when no answer is due."""
    op = str(message["op"])
    args = [{key: value for key, value in item.items() if key != "instId"} for item in args]

    def execute(at_ns: int) -> HttpAnswer:
        return HttpAnswer(200, encode(_execute(manager, op, args, message.get("expTime"), at_ns)))

    def reply(answer: HttpAnswer, at_ns: int) -> None:
        try:
            content = msgspec.json.decode(answer.body)
        except msgspec.DecodeError:
            return  # what a gateway in front of REST would send has no counterpart on a socket
        frame = {"id": message.get("id", ""), "op": op, **content}
        session.answer(encode(frame).decode(), at_ns)

    session.perform(manager.describe(ORDER_OPS[op], args, op), execute, reply, now_ns)


def _execute(manager: OkxOrders, op: str, args: list[Json], expiry: object, now_ns: int) -> Json:
    try:
        if ORDER_OPS[op] == PLACE:
            check_expiry(None if expiry is None else str(expiry), now_ns // NS_PER_MS)
        if len(args) > (BATCH_SIZE_MAX if op.startswith("batch") else 1):
            raise OkxRefusal("60013", "Invalid args")
    except OkxRefusal as refusal:
        return {"code": refusal.code, "data": [], "msg": refusal.message}
    if any(not item.get("instIdCode") for item in args):
        unnamed = {
            "clOrdId": "",
            "ordId": "",
            "tag": "",
            "sCode": "50014",
            "sMsg": "Parameter instIdCode can not be empty",
        }
        return envelope([unnamed for _ in args], now_ns)
    if op == "order":
        return envelope([manager.place(args[0], now_ns)], now_ns)
    if op == "batch-orders":
        return envelope(manager.place_batch(args, now_ns), now_ns)
    if op == "cancel-order":
        return envelope([manager.cancel(args[0], now_ns)], now_ns)
    return envelope(manager.cancel_batch(args, now_ns), now_ns)
