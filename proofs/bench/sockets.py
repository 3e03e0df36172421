"""From five websockets to their books and the mark: how many frames one processor takes in a second, and what one costs
where there are a thousand symbols, against ten.

The frames change one level each and come as fast as they are read, over the loopback, from a process of its own. What one costs
in processor time is what bounds a burst: more of them in a second than fit, and the books are late.
"""

import asyncio
import datetime
import ipaddress
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import msgspec

from arb.clock import Clock, SystemClock
from arb.venues.books.compiled.loading import is_available
from arb.venues.transport.way import DIRECT
from arb.venues.transport.websocket import nothing, open_websocket
from proofs import REPO
from proofs.bench.frame_server import on_wire
from proofs.bench.many_symbols import FEW, MANY, Market
from proofs.bench.market_data import VENUES
from proofs.bench.peers import find
from proofs.bench.rounds import Effort, Row, absent_row, rate_row, settle, time_row

_SYMBOLS, _FRAMES, _ROUNDS_MAX = 300, 30_000, 9
_AT_LEAST = 100_000
_BATCH, _TURNS_MAX = 4000, 45


def from_sockets(clock: Clock, effort: Effort) -> list[Row]:
    """Measure it in plain text and over TLS."""
    if not is_available():
        return [absent_row(name, "frames/s", "compiled books", "numba") for name in ("sockets_plain", "sockets_tls")]
    rows = [_measured(clock, effort, "sockets_plain", None, _AT_LEAST)]
    with TemporaryDirectory(prefix="arb-bench-") as folder:
        certificate = _certificate(Path(folder) / "certificate.pem")
        if certificate is not None:
            rows.append(_measured(clock, effort, "sockets_tls", certificate, None))
    return rows


def symbols_from_sockets(clock: Clock, effort: Effort) -> list[Row]:
    """Measure what a frame costs from the socket on, of many symbols and of few in turn."""
    if not is_available():
        return [absent_row("sockets_symbols", "us", f"{FEW} symbols", "numba")]
    taken: dict[int, list[float]] = {MANY: [], FEW: []}
    with _server() as send:
        markets = {symbols: Market(symbols, SystemClock().wall_ns()) for symbols in taken}
        for _ in range(min(_TURNS_MAX, effort.rounds)):
            for symbols, market in markets.items():
                taken[symbols].append(send(clock, market, effort.count(_BATCH)))
    note = f"from five websockets, one change a frame; {FEW} symbols: the baseline"
    many_ns, few_ns = (median(taken[symbols]) for symbols in (MANY, FEW))
    row = time_row("sockets_symbols", many_ns, few_ns, against=f"{FEW} symbols instead of {MANY}", note=note)
    return [msgspec.structs.replace(row, ratio=round(many_ns / few_ns, 3))]


def _measured(clock: Clock, effort: Effort, name: str, certificate: Path | None, at_least: float | None) -> Row:
    market, count = Market(_SYMBOLS, SystemClock().wall_ns()), effort.count(_FRAMES)
    with _server(certificate) as send:
        taken = [send(clock, market, count) for _ in range(min(_ROUNDS_MAX, effort.rounds))]
    note = f"{len(VENUES)} connections, {_SYMBOLS} symbols each, one change a frame"
    return rate_row(name, "frames/s", median(taken), None, at_least_rate=at_least, note=note)


Send = Callable[[Clock, Market, int], float]
"""Sends so many frames of a market; returns the time that reading and applying one of them took, in ns."""


@contextmanager
def _server(certificate: Path | None = None) -> Iterator[Send]:
    """Have frames sent by a process of its own."""
    with TemporaryDirectory(prefix="arb-bench-") as folder:
        command = [sys.executable, "-m", "proofs.bench.frame_server", folder]
        command += [] if certificate is None else [str(certificate)]
        server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=REPO)
        try:
            assert server.stdout is not None
            port = int(server.stdout.readline())
            tls = None if certificate is None else ssl.create_default_context(cafile=str(certificate))

            def send(clock: Clock, market: Market, count: int) -> float:
                frames: dict[str, list[bytes]] = {venue: [] for venue in VENUES}
                for venue, raw in market.frames(count):
                    frames[venue].append(on_wire(raw))
                for venue, made in frames.items():
                    (Path(folder) / venue).write_bytes(b"".join(made))
                return asyncio.run(_read(clock, market, port, tls, count)) / count

            yield send
        finally:
            server.communicate(timeout=10)


async def _read(clock: Clock, market: Market, port: int, tls: ssl.SSLContext | None, count: int) -> int:
    """Return how long it takes to read and apply all that the server sends, in ns."""
    scheme, now, left = "ws" if tls is None else "wss", SystemClock().wall_ns, count
    done = asyncio.Event()
    on_frame = market.books.on_frame

    def take(venue: str, raw: bytes) -> None:
        nonlocal left
        on_frame(venue, now(), raw)
        left -= 1
        if not left:
            done.set()

    sockets = {
        venue: await open_websocket(
            f"{scheme}://127.0.0.1:{port}/{venue}", {}, way=DIRECT, tls=lambda: tls or ssl.create_default_context()
        )
        for venue in VENUES
    }
    settle()
    began_ns = clock.monotonic_ns()
    readers = [asyncio.create_task(socket.read(partial(take, venue), nothing)) for venue, socket in sockets.items()]
    await done.wait()
    taken_ns = clock.monotonic_ns() - began_ns
    for socket in sockets.values():
        await socket.close()
    await asyncio.gather(*readers)
    return taken_ns


def _certificate(path: Path) -> Path | None:
    """Write a certificate for the loopback, with its key; None where nothing can make one."""
    x509, coding = find("cryptography.x509"), find("cryptography.hazmat.primitives.serialization")
    keys, hashes = find("cryptography.hazmat.primitives.asymmetric.ec"), find("cryptography.hazmat.primitives.hashes")
    if x509 is None or keys is None or hashes is None or coding is None:
        return None
    key = keys.generate_private_key(keys.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "bench")])
    start = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    proved = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.IPv4Address("127.0.0.1"))])
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(7).not_valid_before(start).not_valid_after(start + datetime.timedelta(days=36_500))
    signed = made.add_extension(proved, False).sign(key, hashes.SHA256())
    private = key.private_bytes(coding.Encoding.PEM, coding.PrivateFormat.PKCS8, coding.NoEncryption())
    path.write_bytes(private + signed.public_bytes(coding.Encoding.PEM))
    return path
