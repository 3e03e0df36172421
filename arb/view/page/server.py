"""The server of the page: files of the package, answers of the ledger, the present state, and what may be ordered."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, Protocol

import msgspec
from aiohttp import web

from arb.config import ControlOptions, UiOptions
from arb.documents import encoded
from arb.door import HEAD_S, open_door
from arb.errors import ConfigError
from arb.view.meanings import meanings
from arb.view.page.events import Pages, States
from arb.view.page.gate import BODY_MAX, HOST, SESSION, Gate, Refused
from arb.view.page.sessions import Sessions

TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript", "txt": "text/plain", "svg": "image/svg+xml"}
REASON_MAX = 500


class Questions(Protocol):
    """Answers questions of a ledger, by name."""

    @property
    def names(self) -> Mapping[str, Any]: ...

    async def answer(self, name: str, asked: Mapping[str, str]) -> dict[str, Any]:
        """Return an answer; raises `ConfigError` for filters that cannot be read, `StoreError` where the database fails."""


class Answer(Protocol):
    """The result of a command; `remedy`: the next step where no engine obeyed."""

    @property
    def document(self) -> dict[str, Any]: ...

    @property
    def obeyed(self) -> bool: ...

    @property
    def remedy(self) -> str: ...


Command = Callable[[ControlOptions], Answer]


class Ordered(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a person asks for on the page: `confirm` repeats the command's name, but for a halt; `id`: the alert meant."""

    do: str
    reason: str
    confirm: str = ""
    id: str = ""


class Page:
    """One page on one ledger."""

    def __init__(
        self,
        options: UiOptions,
        sessions: Sessions,
        questions: Questions,
        journals: Callable[[], Iterable[Path]],
        commands: Mapping[str, Command],
        user: str,
    ) -> None:
        """`journals` lists those whose engine is shown; `commands` are given by `user`, who started the page."""
        self._options, self.sessions, self.questions = options, sessions, questions
        self._commands, self._user = commands, user
        self.gate = Gate(sessions)
        self.states = States(journals)
        self.pages = Pages(self.states, sessions)
        static = files("arb.view.page") / "static"
        self._files = {
            name: entry.read_bytes()
            for folder, prefix in ((static, ""), (static / "vendor", "vendor/"))
            for entry in folder.iterdir()
            if entry.is_file()
            for name in [f"{prefix}{entry.name}"]
        }

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[int]:
        """Listen on 127.0.0.1; yields the port. Raises `ConfigError` where the port is taken."""
        app = web.Application(middlewares=[self.gate.middleware], client_max_size=BODY_MAX)
        app.router.add_get("/", self._file)
        app.router.add_get("/events", self.pages.stream)
        app.router.add_post("/api/session", self._open_session)
        app.router.add_post("/api/sign-out", self._sign_out)
        app.router.add_post("/api/control", self._control)
        app.router.add_get("/api/about", self._about)
        app.router.add_get("/api/{name}", self._answer)
        app.router.add_get("/{path:.+}", self._file)
        listening = socket.socket()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((HOST, self._options.port))
        except OSError as error:
            listening.close()
            raise ConfigError(
                f"--port {self._options.port}: {error.strerror}: choose another, or 0 for any free one"
            ) from None
        self.gate.port = listening.getsockname()[1]
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5, keepalive_timeout=HEAD_S)
        await runner.setup()
        async with open_door(runner, listening):
            taking = asyncio.create_task(self.states.run())
            try:
                yield self.gate.port
            finally:
                taking.cancel()
                await asyncio.gather(taking, return_exceptions=True)

    async def _file(self, request: web.Request) -> web.Response:
        name = request.match_info.get("path") or "index.html"
        if name not in self._files:
            raise Refused(404, f"there is no {request.path[:80]}")
        kind = TYPES.get(name.rpartition(".")[2], "application/octet-stream")
        return web.Response(body=self._files[name], content_type=kind, charset="utf-8")

    async def _open_session(self, request: web.Request) -> web.Response:
        given = await _body(request)
        salt = self.sessions.open(self.gate.host, str(given.get("name")), str(given.get("proof")))
        if salt is None:
            raise Refused(
                401, "wrong token: open the page by `arb ui --open`, or give the token of the file that `arb ui` names"
            )
        return _document({"salt": salt})

    async def _sign_out(self, request: web.Request) -> web.Response:
        self.sessions.close(request[SESSION])
        return _document({"ended": True})

    async def _about(self, _: web.Request) -> web.Response:
        known = {"control": self._options.allow_control, "mode": self._options.mode}
        return _document(known | {"meanings": meanings()})

    async def _answer(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in self.questions.names:
            raise Refused(404, f"there is no {request.path[:80]}")
        document = await self.questions.answer(name, dict(request.query))
        return web.Response(body=await asyncio.to_thread(encoded, document), content_type="application/json")

    async def _control(self, request: web.Request) -> web.Response:
        """Do what was asked, as the command of that name does: its audit row is the one that the command leaves."""
        if not self._options.allow_control:
            raise Refused(403, "this page is read-only: start it with --allow-control")
        try:
            asked = msgspec.convert(await _body(request), Ordered)
        except msgspec.ValidationError as error:
            raise Refused(400, str(error)) from None
        command, reason = self._commands.get(asked.do), " ".join(asked.reason.split())
        if command is None:
            raise Refused(400, f"{asked.do[:40]!r}: one of {', '.join(self._commands)}")
        if not 0 < len(reason) <= REASON_MAX:
            raise Refused(400, f"say why, in 1 to {REASON_MAX} characters")
        if asked.do != "halt" and asked.confirm != asked.do:
            raise Refused(400, f"not done: type {asked.do} to confirm")
        if asked.do != "halt" and not self.sessions.is_attended(request[SESSION]):
            self.sessions.close(request[SESSION])
            raise Refused(401, "not done: this page was not used for half an hour: give the token again")
        options = ControlOptions(
            mode=self._options.mode,
            db=self._options.db,
            reason=f"{reason} (from the page)",
            by=self._user,
            ident=asked.id,
        )
        answer = await asyncio.to_thread(command, options)
        return _document(answer.document | ({} if answer.obeyed else {"error": f"no engine obeyed: {answer.remedy}"}))


async def _body(request: web.Request) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(await request.read())
    except (msgspec.DecodeError, RecursionError):
        raise Refused(400, "not JSON") from None
    if not isinstance(found, dict):
        raise Refused(400, "not a JSON object")
    return found


def _document(document: Any) -> web.Response:
    return web.Response(body=encoded(document), content_type="application/json")
