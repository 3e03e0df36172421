"""The companion's surroundings: an engine's end of the state socket, real receivers, and a clock that the test moves."""

import random
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from arb.clock import NS_PER_S, ManualClock, SystemClock
from arb.config import Settings
from arb.live.control import private_listener
from arb.live.feed import feed_path
from arb.watch.companion import Companion
from arb.watch.engine import EngineSigns
from arb.watch.memory import Memory, memory_path
from arb.watch.notices import Engine
from arb.watch.receivers import Receiver
from tests.unit.store.alert_stores import Stores
from tests.unit.store.rows import T0

ENGINE = Engine("sandbox", "--mode sandbox", "USDT")
STATE: dict[str, Any] = {
    "now_ns": T0,
    "unhedged": [],
    "unhedged_notional": "0",
    "open_pairs": [],
    "about": {"mode": "sandbox"},
}
SOON_S = 10.0


def until(happened: Callable[[], object], what: str) -> None:
    """Wait in real time for what another thread or socket does."""
    pause, ends_ns = threading.Event(), SystemClock().monotonic_ns() + int(SOON_S * NS_PER_S)
    while not happened():
        assert SystemClock().monotonic_ns() < ends_ns, f"not within {SOON_S} s: {what}"
        pause.wait(0.01)


class LocalEngine:
    """The engine's end of the state socket: it sends a state when asked to; `kill` closes it and leaves its file."""

    def __init__(self, journal: Path) -> None:
        self._path = feed_path(journal)
        self._listening = private_listener(self._path, socket.SOCK_SEQPACKET)
        self._listening.listen()
        self._listening.settimeout(SOON_S)
        self._listener, _ = self._listening.accept()

    def send(self, packet: bytes) -> None:
        """Send to the listener, who may have come again meanwhile."""
        while True:
            try:
                self._listener.send(packet)
                return
            except (BrokenPipeError, ConnectionResetError):
                self._listener.close()
                self._listener, _ = self._listening.accept()

    def kill(self) -> None:
        self._listener.close()
        self._listening.close()

    def end(self) -> None:
        self.kill()
        self._path.unlink()


class Bench:
    """A companion with receivers at `urls`, on the ledger and the journal of `stores`."""

    def __init__(self, stores: Stores, *urls: str, **settings: Any) -> None:
        self.stores, self.urls, self.clock = stores, urls, ManualClock(T0 + NS_PER_S)
        self.settings = Settings(**settings)
        self.stop = threading.Event()
        self.signs = EngineSigns(lambda: [stores.path], SystemClock())
        self.restart()

    def restart(self, *, db_url: str | None = None) -> None:
        """Begin as a new process does, with what is on disk."""
        self.receivers = [
            Receiver(n, url.removeprefix("wake+"), random.Random(1), second=url.startswith("wake+"))
            for n, url in enumerate(self.urls, 1)
        ]
        self.memory = Memory(memory_path(self.stores.path), self.clock.wall_ns())
        self.companion = Companion(
            self.settings,
            ENGINE,
            db_url or self.stores.db_url,
            signs=self.signs,
            receivers=self.receivers,
            memory=self.memory,
            clock=self.clock,
        )

    def pass_s(self, seconds: float, step_s: float = 1.0) -> None:
        """Step once a second for so long; each message is delivered before the next step."""
        for _ in range(int(seconds / step_s)):
            self.clock.advance(int(step_s * NS_PER_S))
            self.companion.step()
            self.deliver()

    def answer(self, **changes: Any) -> None:
        """Have the engine answer without a socket."""
        self.signs.take(STATE | changes)

    def deliver(self) -> None:
        for receiver in self.receivers:
            until(lambda at=receiver: not at._under_way or not at._outcomes.empty(), receiver.name)  # type: ignore[misc]

    def listen(self) -> LocalEngine:
        """Start the thread that listens to the engine, and an engine."""
        engine: list[LocalEngine] = []
        begins = threading.Thread(target=lambda: engine.append(LocalEngine(self.stores.path)))
        begins.start()
        until(feed_path(self.stores.path).exists, "the engine listens")
        threading.Thread(target=self.signs.run, args=(self.stop,), daemon=True).start()
        begins.join()
        return engine[0]
