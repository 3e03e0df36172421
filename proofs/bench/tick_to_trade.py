"""From a tick on the wire to the order requests on it, measured from outside: in life, and in bursts.

A whole `arb run` trades on a sandbox whose books stand still until one venue's bids jump over the other's asks. *In life* that
comes after a quarter of a second of quiet, as real edges do, when everything is cold; *in bursts* as the last of many changes
of books. `wire_relay.py` notes the instants and says what they include; root's are those of the packets, where tcpdump is
there. The other rows of the bench are pieces, measured hot and alone; they do not add up to this.
"""

import contextlib
import http.client
import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from statistics import median
from types import TracebackType
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from arb.clock import NS_PER_US, Clock, SystemClock
from arb.errors import VenueProtocolError
from proofs import REPO
from proofs.bench.packets import Capture, can_capture
from proofs.bench.peers import SYMBOL, find
from proofs.bench.rounds import Effort, Row, time_row
from proofs.bench.tick_peers import BUY_AT, SELL_AT, TICK
from proofs.bench.wire_relay import Noted

ROUNDS_MAX = 20
QUIET_S, AFTER_S, ANSWER_MAX_S = 0.25, 0.3, 3.0
"""Stillness before an edge, a pause after it, and how long its orders are waited for."""
REST_S = 0.7
"""A pause before each round: the orders of one round are no more than the venues' rate limits give back until the next."""
BURST = 50
MISSED_MAX = 20
"""How many edges a client may let pass without orders; each is made again, so that a round is never one of them."""
WARM_UP_MAX = 40
"""How often a client may let an edge pass before it is ready."""
OURS = ("arb", "spin")
FLOOR, BOT = "a raw client (bytes searched, two prepared requests)", "a ccxt.pro bot, two gathered IOC limits"


class Times(NamedTuple):
    """From the tick to the first order request, and from that to the second, of every round, in ns."""

    first: list[float]
    between: list[float]


class Edge(NamedTuple):
    """One edge: when it was begun and over, ns UTC, and what was noted between."""

    begin_ns: int
    end_ns: int
    noted: Noted


def from_outside(clock: Clock, effort: Effort) -> list[Row]:
    """Return the rows in life and in bursts, against a raw client and, where ccxt is installed, a bot on it.

    In life a run that polls (`[engine] spin`) is measured as well, where there is a processor for it.
    """
    rounds = min(ROUNDS_MAX, effort.rounds)
    contenders = [
        "raw",
        "arb",
        *(["spin"] if (os.cpu_count() or 1) > 1 else []),
        *(["ccxt"] if find("ccxt.pro") else []),
    ]
    found = {who: _measured(who, rounds) for who in contenders}
    noted = "by packets" if can_capture() else "by the relay's notes"

    def first(name: str, ours: Times, peer: Times, against: str, at_least: float) -> Row:
        firsts = median(ours.first), median(peer.first)
        return time_row(f"tick_to_order_{name}", *firsts, against=against, at_least=at_least, note=noted)

    rows = []
    for place, how in enumerate(("in_life", "in_bursts")):
        ours, floor = found["arb"][place], found["raw"][place]
        rows.append(first(how, ours, floor, FLOOR, 0.25))
        if "ccxt" in found:
            rows.append(first(f"{how}_bot", ours, found["ccxt"][place], BOT, 14))
        second = time_row(f"second_order_{how}", median(ours.between), median(floor.between), against=FLOOR, note=noted)
        rows.append(_bounded(second, median(ours.between)))
        if "spin" in found:
            rows.append(first(f"{how}_spin", found["spin"][place], floor, FLOOR, 0.25))
    return rows


def _bounded(row: Row, between_ns: float) -> Row:
    changed = {"target": "<= 50 us", "met": between_ns <= 50 * NS_PER_US}
    return Row(**{name: getattr(row, name) for name in row.__struct_fields__} | changed)


def _measured(who: str, rounds: int) -> tuple[Times, Times]:
    """Return the times of one contender, in life and in bursts."""
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stage = stack.enter_context(_Stage())
        log = stack.enter_context((directory / "log").open("w"))
        client = subprocess.Popen(_command(who, stage, directory), stdout=subprocess.DEVNULL, stderr=log, cwd=REPO)
        try:
            if not any(led_to(stage.edge(0).noted) for _ in range(WARM_UP_MAX)):
                raise VenueProtocolError("bench", f"{who} sent no orders: {(directory / 'log').read_text()[-500:]}")
            capture = Capture(directory / "packets", stage.port) if can_capture() else None
            edges = [_answered(stage, who, burst, rounds) for burst in (0, BURST)]
            if capture is not None:
                packets = capture.end()
                edges = [
                    [edge._replace(noted=capture.noted(packets, TICK, edge.begin_ns, edge.end_ns)) for edge in some]
                    for some in edges
                ]
            return _times(edges[0]), _times(edges[1])
        finally:
            client.send_signal(signal.SIGINT if who in OURS else signal.SIGKILL)
            client.wait(60)


def _command(who: str, stage: "_Stage", directory: Path) -> list[str]:
    if who not in OURS:
        return [sys.executable, "-m", "proofs.bench.tick_peers", who, json.dumps(stage.announced)]
    engine = f"[engine]\nspin = {'true' if who == 'spin' else 'false'}\n"
    (directory / "config.toml").write_text(f'[run]\nsymbols = ["{SYMBOL}"]\n{engine}')
    ours = ["run", "--json", "--config", str(directory / "config.toml"), "--sandbox", stage.announced["admin"]]
    return [sys.executable, "-m", "arb", *ours, "--db", f"sqlite:///{directory}/ledger.sqlite"]


def _answered(stage: "_Stage", who: str, burst: int, rounds: int) -> list[Edge]:
    """Return the edges of `rounds` rounds; one that led to no orders is made again."""
    made = (stage.edge(burst) for _ in range(rounds + MISSED_MAX))
    edges = list(itertools.islice((edge for edge in made if led_to(edge.noted)), rounds))
    if len(edges) < rounds:
        raise VenueProtocolError("bench", f"{who} sent orders on {len(edges)} of {rounds + MISSED_MAX} edges")
    return edges


def _times(edges: list[Edge]) -> Times:
    found = [times for edge in edges if (times := led_to(edge.noted)) is not None]
    if not found:
        raise VenueProtocolError("bench", "the capture holds the orders of none of the edges")
    return Times([first for first, _ in found], [between for _, between in found])


def led_to(noted: Noted) -> tuple[float, float] | None:
    """Return how long after the first tick the first order request came, and how long after it the other venue's, in ns."""
    for tick_ns in noted.ticks[:1]:
        for first_ns, path in noted.orders:
            others = (ns for ns, other in noted.orders if _venue(other) != _venue(path) and ns >= first_ns)
            second_ns = next(others, None)
            if second_ns is not None and tick_ns < first_ns <= second_ns:
                return first_ns - tick_ns, max(1, second_ns - first_ns)
    return None


class _Stage:
    """A sandbox whose books move when asked, and the relay before it."""

    def __enter__(self) -> "_Stage":
        self._sandbox = _started("-m", "arb", "sandbox", "--json", "--static", "--seed", "3")
        first = json.loads(_line(self._sandbox))
        at = urlsplit(first["admin"])
        self._relay = _started("-m", "proofs.bench.wire_relay", str(at.port), TICK.decode())
        self.port = int(_line(self._relay))
        self.announced: dict[str, Any] = json.loads(json.dumps(first).replace(f":{at.port}", f":{self.port}"))
        self._admin = http.client.HTTPConnection(at.hostname or "", at.port, timeout=10)
        self._pause = threading.Event()
        for venue in first["venues"]:
            self._show(venue, 60000)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._admin.close()
        for process in (self._relay, self._sandbox):
            process.terminate()
            process.communicate(timeout=20)

    def edge(self, burst: int) -> Edge:
        """Make an edge, after quiet or as the last of `burst` changes; return what came of it."""
        for pause_s in (REST_S, QUIET_S):
            for venue in (BUY_AT, SELL_AT):
                self._show(venue, 60000)
            self._pause.wait(pause_s)
        self._noted()
        begin_ns = SystemClock().wall_ns()
        for number in range(burst):
            self._show(SELL_AT, 60000 - number % 5)
        self._show(SELL_AT, 60400)
        noted = Noted([], [])
        for _ in range(int(ANSWER_MAX_S / AFTER_S)):
            self._pause.wait(AFTER_S)
            more = self._noted()
            noted = Noted(noted.ticks + more.ticks, noted.orders + more.orders)
            if led_to(noted):
                break
        return Edge(begin_ns, SystemClock().wall_ns(), noted)

    def _show(self, venue: str, bid: int) -> None:
        levels = {
            "bids": [[str(bid - i), "0.05"] for i in range(10)],
            "asks": [[str(bid + 10 + i), "0.05"] for i in range(10)],
        }
        body = json.dumps({"venue": venue, "symbol": SYMBOL, **levels})
        self._admin.request("POST", "/admin/book", body, {"Content-Type": "application/json"})
        self._admin.getresponse().read()

    def _noted(self) -> Noted:
        assert self._relay.stdin is not None
        self._relay.stdin.write("\n")
        self._relay.stdin.flush()
        return Noted(**json.loads(_line(self._relay)))


def _venue(path: str) -> str:
    return path.split("/")[2]


def _started(*command: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, *command],
        cwd=REPO,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def _line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline()
