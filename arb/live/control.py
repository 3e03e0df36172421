"""Control of a running engine: a Unix socket for requests, and a halt file for when the socket does not answer.

Both are next to the journal. The loop's process reads the file every 200 ms. So `arb halt` works with a hung database, and
even when the socket does not answer. An engine that starts while the file exists begins halted. The socket takes one JSON
object per line (`{"do": "status"}`) and answers with one.
"""

import asyncio
import contextlib
import json
import os
import socket
import struct
from collections.abc import Awaitable, Callable, Iterator
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import msgspec

from arb.core.messages.events import AlertAcknowledged, AnyEvent, FlattenAsked, HaltAsked, ResumeAsked
from arb.core.state.positions.holdings import KnownInventory
from arb.errors import ConfigError
from arb.files import whole
from arb.market.arena import INT64_MAX
from arb.masking import clean
from arb.measured_loop import Turns
from arb.process import user_name

HALT_POLL_S = 0.2
LINE_LIMIT = 65_536
# The kernel allows 108 bytes for the path of a Unix socket; longer ones are reached through their directory instead.
SOCKET_PATH_MAX = 100
DESCRIPTORS = "/proc/self/fd"
PEER = struct.Struct("iII")
"""Process, user and group of a socket's other end (unix(7))."""

Document = dict[str, Any]
"""A request, or its answer, as one JSON object."""


def halt_file(journal: Path) -> Path:
    return journal.with_name(journal.name.removesuffix(".sqlite") + ".halt")


def socket_path(journal: Path) -> Path:
    return journal.with_name(journal.name.removesuffix(".sqlite") + ".sock")


def private_listener(path: Path, kind: int = socket.SOCK_STREAM) -> socket.socket:
    """Return a Unix socket bound at `path`, to which only this user may connect; it replaces an old one.

    The journal's lock guarantees that no other process listens there. Raises `OSError` where the system has no such sockets.
    """
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    listening = socket.socket(socket.AF_UNIX, kind)
    umask = os.umask(0o177)  # no other user may connect, not even between the bind and a chmod
    try:
        with short_address(path) as address:
            listening.bind(address)
    except OSError:
        listening.close()
        raise
    finally:
        os.umask(umask)
    return listening


def require_socket(journal: Path) -> None:
    """Raise `ConfigError` where no control socket can be made next to a journal: its path, or its name, is too long."""
    path = socket_path(journal)
    name_max = SOCKET_PATH_MAX - len(DESCRIPTORS) - len("/1000/")
    has_descriptors = Path(DESCRIPTORS).is_dir()  # not on every system
    if len(os.fsencode(path)) > SOCKET_PATH_MAX and not (has_descriptors and len(os.fsencode(path.name)) <= name_max):
        raise ConfigError(
            f"control socket {path}: {len(os.fsencode(path.name if has_descriptors else path))} characters are too long for the"
            f" system, which takes {name_max if has_descriptors else SOCKET_PATH_MAX}: choose a shorter --db"
        )


def write_halt_file(journal: Path, reason: str) -> Path:
    """Request a halt by file; works whether or not an engine runs."""
    path = halt_file(journal)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace") as file:
            file.write(reason + "\n")
    except OSError as error:
        raise ConfigError(f"halt file {path}: {error.strerror}: make its directory writable") from None
    return path


def read_halt_file(journal: Path) -> str | None:
    """Return the reason in the halt file, or None when there is none; an unreadable file is a halt too."""
    try:
        found = whole(halt_file(journal), LINE_LIMIT, wait=False)
        return found.decode("utf-8", "replace").strip() or "halt file"
    except FileNotFoundError:
        return None
    except OSError as error:
        return f"halt file unreadable: {error.strerror}"


def halt_file_user(journal: Path) -> str:
    """Return the owner of the halt file, who is this user where there is none any more."""
    try:
        return user_name(halt_file(journal).lstat().st_uid)
    except OSError:
        return user_name()


def remove_halt_file(journal: Path) -> bool:
    try:
        halt_file(journal).unlink()
    except FileNotFoundError:
        return False
    return True


class ControlRequests:
    """Answers a user's requests to the running engine: status, inventory, halt, resumption, flattening, acknowledgement.

    `obey` takes a request and returns its fault, "" if none; `summary` returns the present state, `inventory` the known
    holdings, wallets and prices.
    """

    def __init__(
        self,
        journal: Path,
        obey: Callable[[AnyEvent], str],
        summary: Callable[[], Document],
        inventory: Callable[[], KnownInventory],
    ) -> None:
        self._journal = journal
        self._obey = obey
        self._summary = summary
        self._inventory = inventory

    def answer(self, request: Document) -> Document:
        """Return the answer to a request; `peer` in it is the user who asks, as the system knows them."""
        event: AnyEvent
        by = str(request.get("peer", ""))
        reason = clean(str(request.get("reason", "operator")))  # bytes that are no text would end the journal
        match request.get("do"):
            case "status":
                return self._summary()
            case "inventory":
                return {"inventory": msgspec.to_builtins(self._inventory())}
            case "halt":
                event = HaltAsked(reason=reason, by=by)
            case "resume":
                try:
                    event = ResumeAsked(reason=reason, by=by, allow_loss=_allowance(request.get("allow_loss")))
                except ValueError as error:
                    return {"error": str(error)}
            case "flatten":
                event = FlattenAsked(reason=reason, by=by)
            case "acknowledge":
                try:
                    event = _acknowledgement(request, reason)
                except ValueError as error:
                    return {"error": str(error)}
            case other:
                known = "status, inventory, halt, resume, flatten, acknowledge or reload"
                return {"error": f"unknown request {other!r}: {known}"}
        trouble = self._obey(event)
        if trouble:
            return {"error": trouble}
        if isinstance(event, ResumeAsked):
            remove_halt_file(self._journal)
            return {"done": "resume", "halted": self._summary()["halted"]}
        return {"done": str(request["do"])}


def _acknowledgement(request: Document, reason: str) -> AlertAcknowledged:
    """Read an acknowledgement; raises `ValueError` for one without an alert, or without its last incident seen."""
    alert_id, seen_id = request.get("alert"), request.get("seen")
    if type(alert_id) is not int or type(seen_id) is not int or not 0 < alert_id <= seen_id <= INT64_MAX:
        raise ValueError(f"alert {alert_id!r}, seen {seen_id!r}: ids of the ledger's table `alerts`")
    return AlertAcknowledged(alert_id=alert_id, seen_id=seen_id, by=clean(str(request.get("by"))), reason=reason)


def _allowance(text: object) -> Decimal | None:
    """Read an allowance of loss (quote, above 0), None where none is named; raises `ValueError` for anything else."""
    if text is None:
        return None
    try:
        amount = Decimal(str(text))
    except InvalidOperation:
        amount = Decimal(0)
    if not (amount.is_finite() and 0 < amount < 10**15):
        raise ValueError(f"allow_loss {text!r}: an amount of the quote above 0")
    return amount


class ControlServer:
    """`answer` answers a request; `reload`, which takes longer, the request to read the settings again, by whom."""

    def __init__(
        self,
        journal: Path,
        answer: Callable[[Document], Document],
        turns: Turns | None = None,
        reload: Callable[[str], Awaitable[Document]] | None = None,
    ) -> None:
        self._reload = reload
        self._path = socket_path(journal)
        self._answer = answer
        self._turns = Turns() if turns is None else turns
        self._server: asyncio.AbstractServer | None = None

    async def start(self) -> None:
        """Listen; a socket of a killed engine is replaced."""
        listening = private_listener(self._path)
        self._server = await asyncio.start_unix_server(self._serve, sock=listening, limit=LINE_LIMIT)

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
            with contextlib.suppress(FileNotFoundError):
                self._path.unlink()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = _peer(writer.get_extra_info("socket"))
        try:
            while line := await reader.readline():
                writer.write(await self._turns.named("control", self._reply(line, peer)))
                await writer.drain()
        except (ConnectionError, ValueError):
            pass  # the client went away, or sent a line beyond the limit: our state is unaffected
        finally:
            writer.close()

    async def _reply(self, line: bytes, peer: str) -> bytes:
        """Answer a request; a status in more turns of the loop than one."""
        try:
            request = json.loads(line)
        except (ValueError, RecursionError):
            return _line({"error": "not JSON"})
        if not isinstance(request, dict):
            return _line({"error": "not a JSON object"})
        if request.get("do") == "reload" and self._reload is not None:
            return _line(await self._reload(peer))
        reply = self._answer(request | {"peer": peer})
        if request.get("do") == "status":
            await asyncio.sleep(0)
            reply |= {"loop": self._turns.summary()}
            await asyncio.sleep(0)
        return _line(reply)


def _peer(connection: socket.socket) -> str:
    """Return the user at the other end; where the system does not tell, this process's: no other one may connect."""
    if not hasattr(socket, "SO_PEERCRED"):
        return user_name()
    _, uid, _ = PEER.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, PEER.size))
    return user_name(uid)


def _line(document: Document) -> bytes:
    return msgspec.json.encode(document) + b"\n"


def ask(journal: Path, request: Document, timeout_s: float = 2.0) -> Document | None:
    path = socket_path(journal)
    if not path.exists():
        return None
    try:
        with socket.socket(socket.AF_UNIX) as connection, short_address(path) as address:
            connection.settimeout(timeout_s)
            connection.connect(address)
            connection.sendall(json.dumps(request).encode() + b"\n")
            with connection.makefile("rb") as answers:
                line = answers.readline(LINE_LIMIT * 16)
    except OSError:
        return None
    try:
        answer = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) else None


@contextlib.contextmanager
def short_address(path: Path) -> Iterator[str]:
    """Yield an address for `path` that fits the kernel's limit, by way of its directory's descriptor if need be."""
    if len(os.fsencode(path)) <= SOCKET_PATH_MAX:
        yield str(path)
        return
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"{DESCRIPTORS}/{directory}/{path.name}"
    finally:
        os.close(directory)
