"""Orders over OKX's private websocket (API v5, "WS / Place order" and its siblings), answered under the request's own
id.

Since February 2026 the socket takes only an instrument's number (`instIdCode` of the listing), and no longer its name. Orders
in an instrument without a known number are sent over REST. The answer is the envelope of REST with `id` and `op` around it,
so one table judges both. An `event: error` names no request, so its subject is not known.
"""

from typing import TYPE_CHECKING, Any

import msgspec

from arb.clock import NS_PER_S
from arb.errors import VenueProtocolError
from arb.masking import clean
from arb.venues.kit.call import Call
from arb.venues.kit.order_socket import NOTHING, SocketAnswer, SocketFrame
from arb.venues.kit.private_dialect import login_message
from arb.venues.okx.private import CLOSING_NOTICES

if TYPE_CHECKING:
    from arb.venues.okx.dialect import OkxDialect
    from arb.venues.okx.signing import GuardedOkx

OPS = {
    "trade/order": "order",
    "trade/cancel-order": "cancel-order",
    "trade/cancel-batch-orders": "batch-cancel-orders",
}
"""The operation of each REST call."""


class _Frame(msgspec.Struct):
    id: str = ""
    op: str = ""
    event: str = ""
    code: str | int = ""
    msg: str | None = ""


class OkxOrderSocket:
    """See `arb.venues.kit.order_socket.SocketDialect`."""

    venue = "okx"

    def __init__(
        self, signer: "GuardedOkx", numbers: "OkxDialect", url: str, key: str, secret: str, passphrase: str
    ) -> None:
        self._signer = signer
        self._numbers = numbers
        self._url = url
        self._key = key
        self._secret = secret.encode()
        self._passphrase = passphrase
        self._decoder = msgspec.json.Decoder(_Frame)

    def greetings(self, now_ns: int) -> tuple[str, ...]:
        """Return the login, signed for this moment."""
        self._signer.guard.check_host(self._url)
        return (login_message(self._key, self._secret, self._passphrase, now_ns // NS_PER_S, "/users/self/verify"),)

    def ping(self, now_ns: int) -> str | None:
        return "ping"

    def frame(self, request_id: str, call: Call) -> str | None:
        op = OPS.get(call.path)
        if op is None or call.method != "POST":
            return None
        given = list(call.items) or [call.params]
        numbers = [self._numbers.number_of(item["instId"]) for item in given]
        if None in numbers:
            return None
        self._signer.admit("WS", call)
        args = [
            {"instIdCode": number} | {key: value for key, value in item.items() if key != "instId"}
            for number, item in zip(numbers, given, strict=True)
        ]
        message: dict[str, Any] = {"id": request_id, "op": op, "args": args}
        if call.expires_ns is not None:
            message["expTime"] = self._signer.venue_ms_text(call.expires_ns)
        return msgspec.json.encode(message).decode()

    def on_frame(self, raw: bytes) -> SocketFrame:
        """Read one frame; raises `VenueProtocolError`."""
        if raw == b"pong":
            return NOTHING
        try:
            frame = self._decoder.decode(raw)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise VenueProtocolError(self.venue, f"unreadable frame on the order socket: {error}") from error
        code = str(frame.code)
        if frame.event == "login" and code in ("", "0"):
            return SocketFrame(ready=True)
        if frame.event in ("login", "error"):
            return SocketFrame(useless=clean(f"{frame.event} {code}: {frame.msg}"))
        if frame.event == "notice" and code in CLOSING_NOTICES:
            return SocketFrame(useless="the venue announced that it closes the connection")
        if not frame.id or not frame.op:
            return NOTHING
        return SocketFrame(answer=SocketAnswer(frame.id, 200, {}, raw))
