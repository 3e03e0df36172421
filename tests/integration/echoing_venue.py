"""A hostile proxy before a sandbox: it sends back what it was sent to sign in with, wherever a venue may put text."""

import asyncio
import contextlib
import json
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import aiohttp
import yarl
from aiohttp import WSMsgType, web

ASKED_IN_PEACE = 12
"""How many signed questions of a venue are answered truly before the first echo: a start asks about as many."""
ECHO_EVERY = 5
SIGNATURES = ("SIGN", "OK-ACCESS-SIGN", "ACCESS-SIGN")


class EchoingVenue:
    """Three venues that trade as the sandbox behind them does, and now and then answer with an echo.

    `secrets` are keys, secrets and passphrases; `signatures` those that came by. `from_the_start`: not even the first question
    is answered truly.
    """

    def __init__(self, announced: dict[str, Any], *, from_the_start: bool = False) -> None:
        self._announced = announced
        self._target = announced["admin"].split("/")[2]
        self._own = ""
        self._peace = 0 if from_the_start else ASKED_IN_PEACE
        self._asked: dict[str, int] = {}
        self._greeted: set[str] = set()
        self._of = {
            venue: [text for name, text in has.items() if name in ("key", "secret", "passphrase")]
            for venue, has in announced["venues"].items()
        }
        self.secrets = [text for texts in self._of.values() for text in texts]
        self.signatures: set[str] = set()
        self.echoed = 0
        self.echoed_orders = 0

    @property
    def announced(self) -> dict[str, Any]:
        """Return the sandbox's first line with our address in the place of its own."""
        document: dict[str, Any] = json.loads(json.dumps(self._announced).replace(self._target, self._own))
        return document

    @property
    def admin(self) -> str:
        """Return the admin address by which an engine finds this proxy in place of the sandbox."""
        return f"http://{self._own}/admin"

    @contextlib.contextmanager
    def serving(self) -> Iterator["EchoingVenue"]:
        """Serve in a thread of its own while the block runs."""
        loop, started = asyncio.new_event_loop(), threading.Event()
        stopped: asyncio.Event = asyncio.Event()

        async def serve() -> None:
            self._session = aiohttp.ClientSession()
            app = web.Application()
            app.router.add_route("*", "/{any:.*}", self._handle)
            runner = web.AppRunner(app, access_log=None)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            self._own = f"127.0.0.1:{runner.addresses[0][1]}"
            started.set()
            await stopped.wait()
            await self._session.close()
            await runner.cleanup()

        thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
        thread.start()
        assert started.wait(60)
        try:
            yield self
        finally:
            loop.call_soon_threadsafe(stopped.set)
            thread.join(60)

    def echo(self, signature: str, venue: str = "") -> str:
        """Return all that must not be seen again, as it is and escaped; of a `venue` alone, what that venue may know.

        A command that asks one venue reads one venue's key: what it has not read it cannot mask.
        """
        self.echoed += 1
        parts = [*(self._of[venue] if venue else self.secrets), signature]
        return " ".join([*parts, *(quote(part, safe="") for part in parts), json.dumps(json.dumps(parts))])

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if request.path == "/admin/venues":
            return web.Response(text=json.dumps(self.announced))
        if "upgrade" in request.headers:
            return await self._socket(request)
        body = await request.read()
        signature = next((request.headers[name] for name in SIGNATURES if name in request.headers), None)
        if signature is not None:
            self.signatures.add(signature)
            venue = _venue_of(request.path)
            count = self._asked[venue] = self._asked.get(venue, 0) + 1
            if count > self._peace and (self._peace == 0 or count % ECHO_EVERY == 0):
                return self._answer(venue, request.method, count // ECHO_EVERY, self.echo(signature, venue))
        headers = {name: value for name, value in request.headers.items() if name.lower() != "host"}
        url = yarl.URL(f"http://{self._target}{request.raw_path}", encoded=True)
        try:
            async with self._session.request(request.method, url, headers=headers, data=body) as answer:
                kept = {name: value for name, value in answer.headers.items() if name.lower().startswith("x-")}
                return web.Response(
                    status=answer.status, body=await answer.read(), headers=kept, content_type=answer.content_type
                )
        except aiohttp.ClientError:
            raise web.HTTPBadGateway() from None

    def _answer(self, venue: str, method: str, turn: int, echo: str) -> web.Response:
        """Return a refusal in the venue's own form, or what no venue sends; a placed order is refused for certain."""
        if method == "GET" and self._peace and turn % 3 == 1:
            return web.Response(status=502, text=f"<html><b>{echo}</b></html>", content_type="text/html")
        if method == "GET" and self._peace and turn % 3 == 2:
            return web.Response(status=200, text=json.dumps({"label": echo, "code": echo, "data": echo}))
        if venue == "gate":
            return web.Response(status=400, text=json.dumps({"label": "INVALID_KEY", "message": echo}))
        code = {"okx": "50111", "bitget": "40012"}[venue]
        return web.Response(status=400, text=json.dumps({"code": code, "msg": echo, "data": []}))

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        """Pass frames on both ways; the first login on each path is refused with an echo, public frames are mixed with one."""
        ours = web.WebSocketResponse()
        await ours.prepare(request)
        async with self._session.ws_connect(f"http://{self._target}{request.raw_path}") as theirs:
            await asyncio.gather(self._up(request.path, ours, theirs), self._down(ours, theirs))
        return ours

    async def _up(self, path: str, ours: web.WebSocketResponse, theirs: aiohttp.ClientWebSocketResponse) -> None:
        async for message in ours:
            if message.type is not WSMsgType.TEXT:
                break
            signature = _signature_in(message.data)
            if signature is None:
                await theirs.send_str(message.data)
                if path not in self._greeted:
                    await ours.send_str(json.dumps({"event": "hello", "msg": self.echo("-")}))
                continue
            self.signatures.add(signature)
            if path + "private" in self._greeted:
                await theirs.send_str(message.data)
                continue
            self._greeted.add(path + "private")
            refused: dict[str, Any] = {"event": "error", "code": "60009", "msg": self.echo(signature)}
            if '"event":"api"' in message.data:
                refused = {"request_id": "login", "header": {"status": "401"}}
                refused["data"] = {"errs": {"label": "INVALID_KEY", "message": self.echo(signature)}}
            elif _venue_of(path) == "gate":
                error = {"code": 4, "message": self.echo(signature)}
                refused = {"time": 1, "channel": "spot.orders", "event": "subscribe", "error": error, "result": None}
            await ours.send_str(json.dumps(refused))
        await theirs.close()

    async def _down(self, ours: web.WebSocketResponse, theirs: aiohttp.ClientWebSocketResponse) -> None:
        async for message in theirs:
            if message.type is not WSMsgType.TEXT or ours.closed:
                break
            with contextlib.suppress(ConnectionError):
                await ours.send_str(self._with_echo(message.data))
        await ours.close()

    def _with_echo(self, text: str) -> str:
        """Return an answer of Gate's order socket with key and signature in it, as Gate itself sends them back."""
        if '"request_id"' not in text:
            return text
        answer = json.loads(text)
        echo = self.echo(" ".join(self.signatures))
        answer["header"]["req_header"] = {"X-Gate-Channel-Id": echo}
        if answer.get("ack"):
            answer["data"] = {"result": {"api_key": echo, "signature": echo, "req_header": echo}}
        self.echoed_orders += 1
        return json.dumps(answer)


def _venue_of(path: str) -> str:
    if "/v5/" in path:
        return "okx"
    return "bitget" if "/v2/" in path else "gate"


def _signature_in(text: str) -> str | None:
    """Return the signature of a login, a signed subscription or an order on Gate's socket, None for any other message."""
    with contextlib.suppress(ValueError, AttributeError, IndexError):
        message = json.loads(text)
        if "auth" in message:
            return str(message["auth"]["SIGN"])
        if message.get("op") == "login":
            return str(message["args"][0]["sign"])
        if message.get("event") == "api":
            return str(message["payload"]["signature"])
    return None
