"""Stands between an engine and its PostgreSQL: falls silent, hangs up, or speaks as a pooler does."""

import contextlib
import re
import shutil
import socket
import tempfile
import threading
from pathlib import Path
from urllib.parse import quote, unquote

_KEY_DATA = re.compile(rb"(K\x00\x00\x00\x0c)(....)", re.DOTALL)
"""The server's message of its process and the key to cancel it with (PostgreSQL manual, 54.7, BackendKeyData)."""

_NOBODY = b"\x7f\xff\xff\xff"


class PostgresProxy:
    """A socket that leads to the server of `db_url`; `url` is the same database by way of it.

    While `silent` is set, nothing is passed on. With `pooled`, clients are told of another server process than theirs.
    """

    def __init__(self, db_url: str, *, pooled: bool = False) -> None:
        found = re.search(r"host=([^&]+)", db_url)
        assert found is not None, db_url
        self._target = f"{unquote(found[1])}/.s.PGSQL.5432"
        self._folder = Path(tempfile.mkdtemp(prefix="arb-px-"))  # a socket's path must be short
        self._pooled = pooled
        self.silent = threading.Event()
        self.url = db_url.replace(found[0], f"host={quote(str(self._folder), safe='')}")
        self._open: list[socket.socket] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self._folder / ".s.PGSQL.5432"))
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Hang up on everybody; whoever comes anew is let in."""
        while self._open:
            with contextlib.suppress(OSError):
                self._open.pop().shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Hang up, and let nobody in any more."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(self._target)
                self._open += [client, server]
                threading.Thread(target=self._pass_on, args=(client, server, False), daemon=True).start()
                threading.Thread(target=self._pass_on, args=(server, client, self._pooled), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket, pooled: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if self.silent.is_set():
                    continue
                sink.sendall(_KEY_DATA.sub(b"\\1" + _NOBODY, data) if pooled else data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_RDWR)
