"""A pooler in transaction mode before a PostgreSQL server, as PgBouncer is: one server session, which all clients share.

A client has the session from its first message until the server is idle outside of a transaction. What it leaves in the session
(settings, prepared statements) the next one finds.
"""

import contextlib
import re
import shutil
import socket
import struct
import tempfile
import threading
from pathlib import Path
from urllib.parse import quote, unquote

_STARTUP = 196_608
_REFUSED = {80_877_103, 80_877_104}  # TLS, GSSAPI
_ANSWERED = b"QScf"
"""Messages of a client after which the server speaks until it is ready: a query, a sync, the end of a copy."""


class Pooler:
    """`url`: the database of `db_url` (trusted, by a Unix socket) by way of the pool. Clients idle for `idle_s` are cut off."""

    def __init__(self, db_url: str, idle_s: float | None = None) -> None:
        found, name = re.search(r"host=([^&]+)", db_url), re.search(r"/([^/?]+)\?", db_url)
        assert found is not None and name is not None, db_url
        self._target = f"{unquote(found[1])}/.s.PGSQL.5432"
        self._database, self._idle_s = name[1], idle_s
        self._folder = Path(tempfile.mkdtemp(prefix="arb-pl-"))  # a socket's path must be short
        self.url = db_url.replace(found[0], f"host={quote(str(self._folder), safe='')}")
        self._turn = threading.Lock()
        self._greeting = b""
        self._server = self._session()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self._folder / ".s.PGSQL.5432"))
        self._listener.listen()
        self._clients: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Hang up on everybody."""
        for open_socket in (self._listener, *self._clients, self._server):
            with contextlib.suppress(OSError):
                open_socket.shutdown(socket.SHUT_RDWR)
            open_socket.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _session(self) -> socket.socket:
        server = socket.socket(socket.AF_UNIX)
        server.connect(self._target)
        body = struct.pack("!i", _STARTUP) + f"user\0postgres\0database\0{self._database}\0\0".encode()
        server.sendall(struct.pack("!i", len(body) + 4) + body)
        told = b""
        while (message := _message(server))[:1] != b"Z":
            told += message if message[:1] == b"S" else b""
        # AuthenticationOk, what the server told of itself, a process and key that nobody has, ReadyForQuery.
        key = b"K" + struct.pack("!iii", 12, 0x7FFFFFFF, 0)
        self._greeting = b"R" + struct.pack("!ii", 8, 0) + told + key + b"Z" + struct.pack("!i", 5) + b"I"
        return server

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                client.settimeout(self._idle_s)
                self._clients.append(client)
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        held = False
        try:
            while True:
                (length, code) = struct.unpack("!ii", _exactly(client, 8))
                _exactly(client, length - 8)
                if code == _STARTUP:
                    break
                if code not in _REFUSED:
                    return  # a request to cancel
                client.sendall(b"N")
            client.sendall(self._greeting)
            while (message := _message(client))[:1] != b"X":
                if not held:
                    held = self._turn.acquire()
                self._server.sendall(message)
                if message[:1] in _ANSWERED and self._answer(client):
                    self._turn.release()
                    held = False
        except OSError:
            pass
        finally:
            if held:  # in the middle of a transaction: the session is given up, as poolers do
                with contextlib.suppress(OSError):
                    self._server.close()
                    self._server = self._session()
                self._turn.release()
            client.close()

    def _answer(self, client: socket.socket) -> bool:
        """Pass on what the server says until it waits for the client; return whether no transaction is open then."""
        while True:
            message = _message(self._server)
            client.sendall(message)
            if message[:1] == b"Z":
                return message[5:6] == b"I"
            if message[:1] == b"G":  # it takes a copy in
                return False


def _message(source: socket.socket) -> bytes:
    head = _exactly(source, 5)
    return head + _exactly(source, struct.unpack("!i", head[1:])[0] - 4)


def _exactly(source: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count:
        part = source.recv(count - len(found))
        if not part:
            raise ConnectionError("hung up")
        found += part
    return found
