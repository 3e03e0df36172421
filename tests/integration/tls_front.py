"""TLS before a sandbox: whoever connects here speaks TLS with a certificate of our own, and behind it the sandbox as it is."""

import asyncio
import contextlib
import ipaddress
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.integration.certificates import made_trust

HOST = "127.0.0.1"


class TlsFront:
    """Passes bytes on, both ways. `base` is its host and port; `variables` make a process believe its certificate."""

    def __init__(self, base: str, certificate: Path) -> None:
        self.base = base
        self.variables = {"SSL_CERT_FILE": str(certificate)}


@contextlib.contextmanager
def tls_front(folder: Path, announced: Mapping[str, Any]) -> Iterator[TlsFront]:
    """Serve in a thread of its own while the block runs."""
    certificate = folder / "venue.pem"
    trust = made_trust(certificate, ipaddress.ip_address(HOST))
    target = int(announced["admin"].split("/")[2].rpartition(":")[2])
    loop, started = asyncio.new_event_loop(), threading.Event()
    stopped: asyncio.Event = asyncio.Event()
    port = 0

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        theirs = await asyncio.open_connection(HOST, target)
        await asyncio.gather(_pass_on(reader, theirs[1]), _pass_on(theirs[0], writer))

    async def serve() -> None:
        nonlocal port
        server = await asyncio.start_server(handle, HOST, 0, ssl=trust.theirs)
        port = server.sockets[0].getsockname()[1]
        started.set()
        await stopped.wait()
        server.close()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    assert started.wait(60)
    try:
        yield TlsFront(f"{HOST}:{port}", certificate)
    finally:
        loop.call_soon_threadsafe(stopped.set)
        thread.join(60)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass on what comes until either side ends, and end the other then."""
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    with contextlib.suppress(OSError):
        writer.close()
