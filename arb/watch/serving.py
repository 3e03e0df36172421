"""The companion's HTTP server: `/metrics` for Prometheus, `/healthz` for load balancers, containers and monitors."""

import socket
import threading
from collections.abc import Callable, Iterable
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.exposition import ThreadingWSGIServer

from arb.errors import ConfigError
from arb.masking import SECRETS
from arb.view.health import Fault, health_line
from arb.watch.metrics import Metrics, Seen


class _Quiet(WSGIRequestHandler):
    timeout = 10
    """Seconds that a client may take for its request."""

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: each scrape would be a line."""


def serve(address: tuple[str, int], seen: Callable[[], Seen], faults: Callable[[], list[Fault]]) -> None:
    """Serve `http://HOST:PORT/metrics` and `/healthz` until the process ends; raises `ConfigError` where that cannot be.

    `/healthz` answers with one line: 200 without a fault, 503 with the faults, the worst first.
    """
    registry = CollectorRegistry()
    registry.register(Metrics(seen))
    metrics: Any = make_wsgi_app(registry)

    def answer(request: dict[str, Any], begin: Any) -> Iterable[bytes]:
        if request["PATH_INFO"] != "/healthz":
            answered: Iterable[bytes] = metrics(request, begin)
            return answered
        found = faults()
        begin("503 Service Unavailable" if found else "200 OK", [("Content-Type", "text/plain; charset=utf-8")])
        return [f"{SECRETS.masked(health_line(found))}\n".encode()]

    host, port = address

    class Server(ThreadingWSGIServer):
        address_family = socket.AF_INET6 if ":" in host else socket.AF_INET

    try:
        server = make_server(host, port, answer, Server, _Quiet)
    except OSError as error:
        raise ConfigError(f"[metrics] listen: {host}:{port}: {error.strerror}: choose another address") from None
    threading.Thread(target=server.serve_forever, daemon=True).start()
