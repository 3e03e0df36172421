"""Orders over Gate's websocket (Gate APIv4, "Spot WebSocket v4", order API): one login, then frames of event `api`.

`spot.order_place` is answered twice under the same `request_id`: with `ack: true` when the frame was received, and with
its result. Only the result is an outcome. Status, label and message are those of REST, so one table judges both. The
remaining rate limit is in the header of a result, where a count of 0 is omitted.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import ccxt
import msgspec

from arb.clock import NS_PER_S
from arb.core.messages.events import NOT_SENT
from arb.errors import ArbError, VenueProtocolError, VenueUnreachable
from arb.masking import clean
from arb.venues.kit.call import Call
from arb.venues.kit.order_socket import NOTHING, SocketAnswer, SocketFrame
from arb.venues.kit.rules.guard import SigningRefused

if TYPE_CHECKING:
    from arb.venues.gate.client import Gate

LOGIN = "login"
CHANNELS = {
    ("POST", "orders"): "spot.order_place",
    ("DELETE", "orders/{order_id}"): "spot.order_cancel",
    ("POST", "cancel_batch_orders"): "spot.order_cancel_ids",
}
"""The channel of each REST call."""
_LEFT, _LIMIT = "x_gate_ratelimit_requests_remain", "x_gate_ratelimit_limit"
# The reset is documented under both names.
_RESETS = ("x_gate_ratelimit_reset_timestamp", "x_gat_ratelimit_reset_timestamp")


class _Data(msgspec.Struct):
    result: msgspec.Raw = msgspec.Raw(b"")
    errs: msgspec.Raw = msgspec.Raw(b"")


class _Frame(msgspec.Struct):
    request_id: str | int = ""
    ack: bool = False
    header: dict[str, Any] = {}
    data: _Data | None = None
    type: str = ""
    event: str = ""
    result: Any = None


class GateOrderSocket:
    """See `arb.venues.kit.order_socket.SocketDialect`."""

    venue = "gate"

    def __init__(self, signer: "Gate", url: str) -> None:
        self._signer = signer
        self._url = url
        self._decoder = msgspec.json.Decoder(_Frame)

    def greetings(self, now_ns: int) -> tuple[str, ...]:
        self._signer.guard.check_host(self._url)
        return (self._signer.order_frame(LOGIN, "spot.login", None),)

    def ping(self, now_ns: int) -> str | None:
        return f'{{"time":{now_ns // NS_PER_S},"channel":"spot.ping"}}'

    def frame(self, request_id: str, call: Call) -> str | None:
        channel = CHANNELS.get((call.method, call.path))
        if channel is None:
            return None
        try:
            return self._signer.order_frame(request_id, channel, call)
        except SigningRefused:
            raise
        except (ccxt.BaseError, ArbError, ValueError) as error:
            raise VenueUnreachable(self.venue, f"not signed: {error}", code=NOT_SENT) from error

    def on_frame(self, raw: bytes) -> SocketFrame:
        try:
            frame = self._decoder.decode(raw)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise VenueProtocolError(self.venue, f"unreadable frame on the order socket: {error}") from error
        if _announces_closing(frame):
            return SocketFrame(useless="the venue announced that it closes the connection")
        request_id = str(frame.request_id)
        if not request_id:
            return NOTHING  # a pong
        if frame.ack:
            return SocketFrame(received=request_id)
        status, data = self._status(frame.header), frame.data or _Data()
        body = bytes(data.errs) or bytes(data.result)
        if request_id == LOGIN:
            taken = status == 200 and not bytes(data.errs)
            return SocketFrame(ready=True) if taken else SocketFrame(useless=f"login refused: {status} {_text(body)}")
        answer = SocketAnswer(request_id, status, _limits(frame.header), body)
        # A 401 means that this connection is not logged in (any more): the next one will be.
        return SocketFrame(answer=answer, useless=f"refused: {_text(body)}" if status == 401 else None)

    def _status(self, header: Mapping[str, Any]) -> int:
        text = str(header.get("status", ""))
        if not (text.isascii() and text.isdecimal() and len(text) == 3):
            raise VenueProtocolError(self.venue, f"an answer with status {clean(text, 20)!r} on the order socket")
        return int(text)


def _limits(header: Mapping[str, Any]) -> dict[str, str]:
    """Return the rate limit reported by a frame, under the names it has in REST."""
    reported: dict[str, str] = {}
    limit, left = header.get(_LIMIT), header.get(_LEFT)
    if limit is not None:
        reported["x-gate-ratelimit-limit"] = str(limit)
        left = 0 if left is None else left
    if left is not None:
        reported["x-gate-ratelimit-requests-remain"] = str(left)
    reset = next((header[name] for name in _RESETS if header.get(name) is not None), None)
    if reset is not None:
        reported["x-gate-ratelimit-reset-timestamp"] = str(reset)
    return reported


def _announces_closing(frame: _Frame) -> bool:
    """Return whether the venue announces that it will close the connection: it does so in three shapes."""
    inner = frame.result.get("type") if isinstance(frame.result, dict) else None
    return "upgrade" in (frame.type, frame.event, inner)


def _text(body: bytes) -> str:
    return clean(body.decode(errors="replace"), 200)
