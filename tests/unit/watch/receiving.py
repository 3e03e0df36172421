"""Receivers on this machine: a webhook server that answers as told, a mail server, and Telegram's and Discord's APIs.

The two are played from their documents: core.telegram.org/bots/api#sendmessage, docs.discord.com/developers (execute webhook).
"""

import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller


class WebServer:
    """Takes requests on a free port: `taken` holds each path with its JSON body. `status`: the answer; 0: none, it hangs."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, Any]] = []
        self.status = 200
        self.answer = b"{}"
        self.arrived = threading.Event()
        self.released = threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._take(None)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self._take(json.loads(body) if "json" in (self.headers["Content-Type"] or "") else body)

            def _take(self, body: Any) -> None:
                server.taken.append((self.path, body))
                server.arrived.set()
                if not server.status:
                    server.released.wait(60)
                    return
                self.send_response(server.status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(server.answer)))
                self.end_headers()
                self.wfile.write(server.answer)

            def log_message(self, *_: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.port = self._http.server_port
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self.released.set()
        self._http.shutdown()
        self._http.server_close()

    @property
    def titles(self) -> list[str]:
        return [body["title"] for _, body in self.taken]

    @property
    def url(self) -> str:
        """Return its address as a receiver of JSON."""
        return f"json://127.0.0.1:{self.port}/alerts"


@contextlib.contextmanager
def web_server() -> Iterator[WebServer]:
    server = WebServer()
    try:
        yield server
    finally:
        server.close()


class MailServer:
    """Takes mail by SMTP on a free port; `mails` holds each one's subject and text."""

    def __init__(self) -> None:
        self.mails: list[tuple[str, str]] = []
        with closing(socket.create_server(("127.0.0.1", 0))) as free:
            self.port = free.getsockname()[1]
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port)
        self._controller.start()

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        mail: Any = message_from_bytes(envelope.content, policy=policy.default)
        self.mails.append((mail["Subject"], mail.get_body(("plain", "html")).get_content()))
        return "250 taken"

    def close(self) -> None:
        self._controller.stop(no_assert=True)
