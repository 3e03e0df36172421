"""The state feed for programs that listen next to the journal: the screen of `arb run` and `arb status`, and `arb ui`.

A Unix socket of packets, readable by this user only. While a listener is connected a state is sent every `EVERY_S`, in parts
so that no frame waits for the whole of it. Without a listener it is not computed. The feed never waits: a listener whose
buffer is full (stopped, or slow) misses that state and gets a later one.

A listener may send the routes whose books it shows, as a JSON list of `[symbol, buy, sell]`. The state has them while it is
connected, and at most `ROUTES_MAX` for all listeners.
"""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

import msgspec

from arb.live.control import private_listener, short_address
from arb.measured_loop import Turns

log = logging.getLogger(__name__)

EVERY_S = 0.5
LISTENERS_MAX = 16
PACKET_MAX = 160_000
"""The size that fits a packet: a socket's kernel buffer is 208 kB, unless the machine's owner has made it smaller."""
EDGES_MAX = 100
"""The most symbols whose best edges are sent, the best first."""
ROUTES_MAX = 4
ASKED_MAX = 4096
ASKS_A_STATE = 4
"""The most packets of one listener that are read for a state."""
POLL_S = 0.5
SILENT_S = 2.0


Asked = tuple[str, str, str]
"""A symbol, the venue to buy at, and the venue to sell at."""


def feed_path(journal: Path) -> Path:
    return journal.with_name(journal.name.removesuffix(".sqlite") + ".feed")


class StateFeed:
    """The engine's end: takes listeners, and sends them the joined results of `parts`, with `about` (mode, ledger, start).

    `parts` takes the routes that listeners ask for.
    """

    def __init__(
        self,
        journal: Path,
        parts: Callable[[Sequence[Asked]], Iterator[dict[str, Any]]],
        about: Callable[[], dict[str, Any]],
        turns: Turns | None = None,
    ) -> None:
        self._path = feed_path(journal)
        self._parts = parts
        self._about = about
        self._turns = Turns() if turns is None else turns
        self._listeners: dict[socket.socket, list[Asked]] = {}
        self._listening: socket.socket | None = None
        self._somebody = asyncio.Event()
        self.computed = 0
        """How many states were computed: none without a listener."""

    async def run(self) -> None:
        """Send until cancelled. Without such sockets (macOS) the engine runs all the same, and a page shows no state."""
        try:
            self._listening = private_listener(self._path, socket.SOCK_SEQPACKET)
            self._listening.listen(LISTENERS_MAX)
            self._listening.setblocking(False)
        except OSError as error:
            log.warning("no page can show the present state: socket %s: %s", self._path, error.strerror)
            return
        loop = asyncio.get_running_loop()
        loop.add_reader(self._listening, self._take)
        try:
            while True:
                await self._somebody.wait()
                await self._turns.named("page", self._send())
                await asyncio.sleep(EVERY_S)
        finally:
            loop.remove_reader(self._listening)
            self._listening.close()
            for listener in self._listeners:
                listener.close()
            with contextlib.suppress(FileNotFoundError):
                self._path.unlink()

    def _take(self) -> None:
        assert self._listening is not None
        with contextlib.suppress(OSError):  # it went away while it waited
            listener, _ = self._listening.accept()
            listener.setblocking(False)
            if len(self._listeners) >= LISTENERS_MAX:
                listener.close()
                return
            self._listeners[listener] = []
            self._somebody.set()

    async def _send(self) -> None:
        """Compute a state over as many turns of the loop as it has parts, and send it to all that have room for it."""
        state = self._about()
        for part in self._parts(self._asked()):
            state |= part
            await asyncio.sleep(0)
        self.computed += 1
        packet = packed(state)
        for listener in tuple(self._listeners):
            try:
                listener.send(packet)
            except BlockingIOError:
                continue  # it has not read the earlier states: this one is dropped, a later one is sent
            except OSError:
                listener.close()
                del self._listeners[listener]
        if not self._listeners:
            self._somebody.clear()

    def _asked(self) -> list[Asked]:
        """Return the routes that listeners ask for, by the newest packet of each; one that is not understood asks for none."""
        for listener in self._listeners:
            with contextlib.suppress(OSError):  # none came, or it has gone
                for _ in range(ASKS_A_STATE):
                    self._listeners[listener] = _routes(listener.recv(ASKED_MAX))
        return list(islice(dict.fromkeys(chain.from_iterable(self._listeners.values())), ROUTES_MAX))


def _routes(packet: bytes) -> list[Asked]:
    try:
        return msgspec.json.decode(packet, type=list[Asked])
    except (msgspec.DecodeError, ValueError, RecursionError):
        return []


def packed(state: dict[str, Any]) -> bytes:
    """Return a state as one packet: of very many symbols and pairs the first, and then without its largest values."""
    edges = state.get("edges", [])
    shown = state | {"edges": edges[:EDGES_MAX], "edges_in_all": len(edges)}
    packet = msgspec.json.encode(shown)
    if len(packet) <= PACKET_MAX:
        return packet
    shown |= {name: value[:20] for name, value in shown.items() if isinstance(value, list)} | {"cut": True}
    packet = msgspec.json.encode(shown)
    largest = sorted(shown, key=lambda name: len(msgspec.json.encode(shown[name])))
    while len(packet) > PACKET_MAX:
        name = largest.pop()
        shown[name] = type(shown[name])()
        packet = msgspec.json.encode(shown)
    return packet


def states_of(journal: Path) -> Iterator[dict[str, Any] | None]:
    """Yield the states of the engine on a journal until it has gone or hangs; None: none came for a moment."""
    silent = 0
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as engine:
        engine.settimeout(POLL_S)
        with short_address(feed_path(journal)) as address:
            engine.connect(address)
        while silent < SILENT_S / POLL_S:
            try:
                packet = engine.recv(PACKET_MAX)
            except TimeoutError:
                silent += 1
                yield None
                continue
            if not packet:
                return
            silent = 0
            yield msgspec.json.decode(packet)
