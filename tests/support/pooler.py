"""Poolers in transaction mode before a PostgreSQL server: PgBouncer, and one of ours for where it is not installed.

A client has a server session from its first message until the server is idle outside of a transaction. The session used last
serves the next client, which finds the settings and prepared statements left in it.
"""

import contextlib
import os
import re
import select
import shutil
import socket
import struct
import subprocess
import tempfile
import threading
import time
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
        self._greeting = b""
        self._idle = [self._session()]
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self._folder / ".s.PGSQL.5432"))
        self._listener.listen()
        self._clients: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Hang up on everybody."""
        for open_socket in (self._listener, *self._clients, *self._idle):
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
        server: socket.socket | None = None
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
                server = server or self._taken()
                server.sendall(message)
                if message[:1] in _ANSWERED and _answer(server, client):
                    self._idle.append(server)
                    server = None
        except OSError:
            pass
        finally:
            if server is not None:  # in the middle of a transaction: the session is given up, as poolers do
                server.close()
            client.close()

    def _taken(self) -> socket.socket:
        """Take the session that was used last, or start one."""
        while self._idle:
            with contextlib.suppress(IndexError):  # another client was faster
                server = self._idle.pop()
                if not _has_ended(server):
                    return server
        return self._session()


class PgBouncer:
    """PgBouncer itself, started once for all databases of a server; `url_of` leads to one of them by way of it."""

    def __init__(self, server_url: str, program: str) -> None:
        found = re.search(r"host=([^&]+)", server_url)
        assert found is not None, server_url
        self._host = found[0]
        self._folder = Path(tempfile.mkdtemp(prefix="arb-pb-"))
        settings = self._folder / "pgbouncer.ini"
        settings.write_text(
            f"[databases]\n* = host={unquote(found[1])} user=postgres\n[pgbouncer]\npool_mode = transaction\nauth_type = any\n"
            f"listen_addr =\nlisten_port = 5432\nunix_socket_dir = {self._folder}\nlogfile = {self._folder}/log\n"
        )
        command = [program, "-q", str(settings)]
        if os.geteuid() == 0:  # it refuses to run as root, and the server's folder is open to the server's user alone
            owner = Path(unquote(found[1])).owner()
            command[1:1] = ["-u", owner]
            shutil.chown(self._folder, owner)
        self._process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        until = time.monotonic() + 20
        while not (self._folder / ".s.PGSQL.5432").exists():
            assert self._process.poll() is None and time.monotonic() < until, (self._folder / "log").read_text()
            time.sleep(0.02)

    def url_of(self, db_url: str) -> str:
        """Return the URL of a database of this server by way of the pool."""
        return db_url.replace(self._host, f"host={quote(str(self._folder), safe='')}")

    def close(self) -> None:
        """Stop it."""
        self._process.kill()
        self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)


def _answer(server: socket.socket, client: socket.socket) -> bool:
    """Pass on what the server says until it waits for the client; return whether no transaction is open then."""
    while True:
        message = _message(server)
        client.sendall(message)
        if message[:1] == b"Z":
            return message[5:6] == b"I"
        if message[:1] == b"G":  # it takes a copy in
            return False


def _has_ended(server: socket.socket) -> bool:
    """Return whether the server has hung up, or said why it will."""
    return bool(select.select([server], [], [], 0)[0])


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
