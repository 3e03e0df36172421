"""Gate's signed websocket frames: private subscriptions, the API login, and orders over the API."""

from typing import Any

import ccxt

from arb.venues.gate.labels import annotate, embedded_label, error_class
from arb.venues.gate.placements import channel_takes_expiry, split_hints
from arb.venues.gate.request import RequestError, to_json
from arb.venues.gate.rest import GateRest
from arb.venues.gate.signing import api_signature, channel_auth

_LOGIN_ID = "authenticated"  # ccxt recognises the answer to a login by this request id


class GateSockets(GateRest):
    """Sign frames with the injected clock, and send exactly the JSON text that was signed."""

    async def subscribe_private(
        self, url: str, messageHash: str, payload: Any, channel: str, params: Any, requiresUid: bool = False
    ) -> Any:
        """Subscribe to a private channel: every such frame is signed, for the connection itself has no login."""
        self.check_required_credentials()
        request_id, time_s = self.request_id(), self.seconds()
        request: dict[str, Any] = {"id": request_id, "time": time_s, "channel": channel, "event": "subscribe"}
        request["auth"] = channel_auth(self.signer, self.apiKey, channel, "subscribe", time_s)
        payload = self._with_uid(payload) if requiresUid else payload
        if payload is not None:
            request["payload"] = payload
        client = self.client(url)
        if messageHash not in client.subscriptions:
            client.subscriptions[str(request_id)] = messageHash  # an error names the request, not the channel
        return await self.watch(url, messageHash, {**request, **(params or {})}, messageHash, messageHash)

    async def request_private(self, url: str, reqParams: Any, channel: str, requestId: str | None = None) -> Any:
        """Send one websocket API request (or the login) and wait for its result frame; the `ack` frame is no result."""
        self.check_required_credentials()
        request_id = str(self.request_id()) if requestId is None else requestId
        text = self.api_frame(request_id, channel, reqParams)
        try:
            return await self.watch(url, request_id, text, request_id, request_id)
        finally:
            if request_id != _LOGIN_ID:  # ccxt keeps one entry per order for as long as the connection lives
                self.client(url).subscriptions.pop(request_id, None)

    def api_frame(self, request_id: str, channel: str, params: Any) -> str:
        """Return the text of one API frame, admitted by the guard and signed over its literal `req_param`."""
        hints, sendable = split_hints(params)
        login = channel.endswith(".login")
        try:
            param_text = "" if login else to_json(sendable)
        except RequestError as error:
            raise ccxt.BadRequest(f"{self.id} {channel}: {error}") from error
        expiry = self.expiry_ms(hints) if channel_takes_expiry(channel) else None
        self.admit(channel, params, hints)
        time_s = self.seconds()
        payload: dict[str, Any] = {
            "req_id": request_id,
            "api_key": self.apiKey,
            "signature": api_signature(self.signer, channel, param_text, time_s),
            "timestamp": str(time_s),
        }
        if expiry is not None:
            payload["req_header"] = {"x-gate-exptime": expiry}
        payload_text = to_json(payload)
        if param_text:
            payload_text = f'{payload_text[:-1]},"req_param":{param_text}}}'
        return f'{{"time":{time_s},"channel":{to_json(channel)},"event":"api","payload":{payload_text}}}'

    async def create_order_ws(
        self, symbol: str, type: str, side: str, amount: Any, price: Any = None, params: Any = None
    ) -> Any:
        """Place an order over the websocket API; ccxt would write into the default parameters of its own method."""
        return await super().create_order_ws(symbol, type, side, amount, price, dict(params or {}))

    def handle_error_message(self, client: Any, message: Any) -> Any:
        """Reject the waiting caller with the error a frame stands for; True when the frame was an error."""
        data = message.get("data")
        errs = data.get("errs") if isinstance(data, dict) else None
        if isinstance(errs, dict) and message.get("request_id") is not None:
            self._reject_request(client, message, errs)
            return True
        error = message.get("error")
        if isinstance(error, dict):
            label = embedded_label(str(error.get("message") or ""))
            if label in self.exceptions["exact"]:
                message = {**message, "error": {**error, "code": label}}
        return super().handle_error_message(client, message)

    def _reject_request(self, client: Any, message: dict[str, Any], errs: dict[str, Any]) -> None:
        header = message.get("header") or {}
        request_id = str(message["request_id"])
        label = str(errs.get("label") or "")
        status_text = str(header.get("status") or "")
        status = int(status_text) if status_text.isdecimal() else 0
        kind = error_class(label, status, str(errs.get("message") or ""), self.exceptions["exact"])
        error = kind(f"{self.id} {header.get('channel')} {status} {errs}")
        client.reject(annotate(error, label, status, header), request_id)
        client.subscriptions.pop(request_id, None)

    def _with_uid(self, payload: Any) -> list[Any]:
        if not self.uid:
            raise ccxt.ArgumentsRequired(f"{self.id}: futures channels need the account's uid")
        return [self.uid, *(payload or [])]
