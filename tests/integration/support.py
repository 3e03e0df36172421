"""Processes as a user would start them: a sandbox, an engine, any other command; and the judge's questions to them."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from arb.live.control import ask
from tests.integration import truth
from tests.integration.forked import ForkedProcess
from tests.support.seeds import drawn_seed

REPO = Path(__file__).resolve().parents[2]
Process = subprocess.Popen[str] | ForkedProcess
READ_WHILE_IMPORTING = "SSL_CERT_FILE"
"""What aiohttp's import has made up its mind about; with another value Python has to be started anew."""
START_S = 180.0
"""How long a process may take to be there, on a machine with other things to do."""
END_S = 180.0
BUSY_MACHINE = "[timing]\nmax_feed_lag_ms = 60_000\n"
"""Settings for a doctor who is to find nothing wrong: that this machine stood still for a second is no lag of a venue's."""
MAY_HALT = "leg_deadline"
"""What strikes a repair may leave a leg open for longer than allowed: the proof of absence takes its time."""
VENUES = ("gate", "okx", "bitget")
WELL_ENDED = ((0, None), (4, MAY_HALT))
"""Exit codes and halts of a run that met trouble and mastered it."""


def arb(*arguments: str, cwd: Path, variables: Mapping[str, str] | None = None) -> Process:
    """Start a command of ours in `cwd`, with the repository's code, and more variables in its environment."""
    environment = _environment(variables)
    if environment.get(READ_WHILE_IMPORTING) != os.environ.get(READ_WHILE_IMPORTING):
        return arb_anew(*arguments, cwd=cwd, variables=variables)
    return ForkedProcess(arguments, cwd, environment)


def arb_anew(*arguments: str, cwd: Path, variables: Mapping[str, str] | None = None) -> Process:
    """Start a command as a user's shell does, Python and imports included: for where its memory or its start is measured."""
    return subprocess.Popen(
        [sys.executable, "-m", "arb", *arguments],
        cwd=cwd,
        env=_environment(variables),
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def _environment(variables: Mapping[str, str] | None) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(REPO)} | dict(variables or {})


def run_script(name: str, *arguments: str, cwd: Path) -> Process:
    """Start a script that lies beside this file."""
    return arb(str(Path(__file__).with_name(name)), *arguments, cwd=cwd)


def write_config(folder: Path, **changes: str) -> Path:
    """Write the repository's settings with other values for some keys into `folder`.

    Without further word a leg may be open for 20 s and not 5: on a machine that is late with everything a run would be halted
    by that alone.
    """
    text = (REPO / "config.toml").read_text()
    for key, value in ({"leg_deadline_ms": "20000"} | changes).items():
        text, found = re.subn(rf"(?m)^{key} = \S+", f"{key} = {value}", text)
        assert found == 1, f"{key}: {found} lines of config.toml"
    path = folder / "config.toml"
    path.write_text(text)
    return path


class Ended(msgspec.Struct, frozen=True):
    """What a process left behind."""

    code: int
    out: str
    err: str

    @property
    def summary(self) -> dict[str, Any]:
        """Return the one JSON document on stdout."""
        document: dict[str, Any] = json.loads(self.out)
        return document


def end_of(process: Process, within_s: float = END_S) -> Ended:
    """Wait for a process; one that does not end is killed, and that is a failure."""
    try:
        out, err = process.communicate(timeout=within_s)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        raise AssertionError(f"still running after {within_s} s; stderr:\n{err[-4000:]}") from None
    return Ended(process.wait(), out, err)


def run_arb(*arguments: str, cwd: Path, within_s: float = END_S) -> Ended:
    """Run a command of ours to its end."""
    return end_of(arb(*arguments, cwd=cwd), within_s)


class SandboxProcess:
    """A running `arb sandbox`."""

    def __init__(self, process: Process, seed: int) -> None:
        assert process.stdout is not None
        self.process = process
        self.seed = seed
        self.announced: dict[str, Any] = json.loads(process.stdout.readline())
        self.admin: str = self.announced["admin"]

    def ledger(self) -> truth.Truth:
        """Return the sandbox's own ledger."""
        return self.ask("/ledger")

    def ceiling(self) -> dict[str, str]:
        """Return what a clairvoyant without latency would have earned."""
        ceiling: dict[str, str] = self.ask("/ceiling")["ceiling_net"]
        return ceiling

    def fault(self, venue: str, fault: str, **more: object) -> int:
        """Start a fault; return its id."""
        answer = self.ask("/fault", {"venue": venue, "fault": fault} | more)
        assert answer["applied"], f"{venue} cannot have {fault}"
        return int(answer["id"])

    def hits(self, fault: int) -> int:
        """Return how often a fault struck."""
        faults = self.ask("/faults")
        return int(next(row["hits"] for row in faults["active"] + faults["ended"] if row["id"] == fault))

    def strike(self, fault: str, venues: tuple[str, ...] = VENUES, **more: object) -> dict[str, int]:
        """Start a fault at every venue that can have it; return the ids by venue."""
        asked = {venue: self.ask("/fault", {"venue": venue, "fault": fault} | more) for venue in venues}
        return {venue: int(answer["id"]) for venue, answer in asked.items() if answer["applied"]}

    def last(self, fault: int) -> bool:
        """Tell whether a fault still lasts."""
        return any(row["id"] == fault for row in self.ask("/faults")["active"])

    def set_book(self, venue: str, symbol: str, bids: list[list[str]], asks: list[list[str]]) -> None:
        """Replace both sides of a book."""
        self.ask("/book", {"venue": venue, "symbol": symbol, "bids": bids, "asks": asks})

    def choose(self, venue: str, chosen: Mapping[str, Any]) -> None:
        """Let the holder of an account choose its mode, rights, fees and the like."""
        self.ask("/account", {"venue": venue, **chosen})

    def change_keys(self) -> None:
        """Give the account at every venue another key; the ones before open nothing any more."""
        for venue in VENUES:
            self.ask("/key", {"venue": venue})

    def no_more_faults(self) -> None:
        """End all faults."""
        self.ask("/faults", method="DELETE")

    def ask(self, path: str, body: dict[str, Any] | None = None, method: str | None = None) -> dict[str, Any]:
        """Ask its admin address; with a body by POST."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.admin + path, data, {"Content-Type": "application/json"}, method=method)
        with urllib.request.urlopen(request, timeout=START_S) as answer:
            document: dict[str, Any] = json.load(answer)
        return document


@contextlib.contextmanager
def sandbox_process(folder: Path, *more: str, seed: int | None = None) -> Iterator[SandboxProcess]:
    """Start `arb sandbox` in a process of its own, from a drawn seed; it ends with the block."""
    seed = drawn_seed() if seed is None else seed
    process = arb("sandbox", "--seed", str(seed), *more, cwd=folder)
    try:
        yield SandboxProcess(process, seed)
    finally:
        process.terminate()
        end_of(process)


DB = "a.sqlite"


def wait_while(
    process: subprocess.Popen[Any] | ForkedProcess, met: Callable[[], bool], what: str, within_s: float = 180.0
) -> None:
    """Wait until `met` while a process runs; raise `AssertionError` where it ends before that, or time is up."""
    for _ in range(int(within_s / SOON_S)):
        if met():
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(SOON_S)
            assert met(), f"ended with {process.returncode} before {what}"
            return
    raise AssertionError(f"not within {within_s} s: {what}")


def stopped_when(start: Callable[[], Process], met: Callable[[], bool]) -> Process:
    """Start a process and return it stopped (SIGSTOP) at an instant when `met`; start anew while it is over before that."""
    while True:
        process = start()
        while process.poll() is None:
            process.send_signal(signal.SIGSTOP)
            if met():
                return process
            process.send_signal(signal.SIGCONT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(SOON_S)
        process.communicate()


class EngineProcess:
    """A running engine on a sandbox, with its ledger `a.sqlite` in `folder`."""

    def __init__(self, folder: Path, process: Process) -> None:
        self.db = folder / DB
        self.journal = folder / "a.journal.sqlite"
        self.process = process

    def status(self) -> dict[str, Any]:
        """Return what the engine says of itself; empty while it does not answer."""
        answer = ask(self.journal, {"do": "status"}, timeout_s=10.0)
        return answer or {}

    def until(self, wanted: Callable[[dict[str, Any]], bool], what: str, within_s: float = START_S) -> dict[str, Any]:
        """Ask again and again until the engine's status is as wanted, and return it."""
        for _ in range(int(within_s / POLL_S)):
            status = self.status()
            if status and wanted(status):
                return status
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(POLL_S)
                raise AssertionError(
                    f"ended with {self.process.returncode} before {what}:\n{end_of(self.process).err[-4000:]}"
                )
        self.process.kill()
        raise AssertionError(f"not within {within_s} s: {what}; last {status}\n{end_of(self.process).err[-4000:]}")

    def rest(self, seconds: float) -> None:
        """Let it run for so long; raise `AssertionError` when it ends by itself."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(seconds)
            raise AssertionError(f"ended with {self.process.returncode}:\n{end_of(self.process).err[-4000:]}")

    def until_pairs(self, count: int) -> dict[str, Any]:
        """Wait until so many pairs have completed."""
        return self.until(lambda status: status["pairs"]["completed"] >= count, f"{count} pairs are completed")

    def trade_on(self, count: int, what: str) -> None:
        """Wait until so many pairs have completed; a halt that may be is lifted, as a user would."""

        def goes_on(status: dict[str, Any]) -> bool:
            self.lift(status, what)
            return bool(status["pairs"]["completed"] >= count)

        self.until(goes_on, f"{what}: {count} pairs are completed")

    def lift(self, status: dict[str, Any], what: str) -> None:
        """Lift a halt that may be, as a user would; any other fails."""
        assert status["halted"] in (None, MAY_HALT), f"{what}: {status}"
        if status["halted"] is not None:
            ask(self.journal, {"do": "resume", "reason": "the trouble is known"})

    def stop(self) -> Ended:
        """Ask for an orderly end, and wait for it."""
        self.process.send_signal(signal.SIGTERM)
        return end_of(self.process)


POLL_S = 0.05
SOON_S = 0.005


def engine_process(
    folder: Path, sandbox: SandboxProcess, *more: str
) -> contextlib.AbstractContextManager[EngineProcess]:
    """Start `arb run --json` on a sandbox; it is killed with the block if it still runs."""
    return engine_of(folder, arb("run", *run_arguments(folder, sandbox), *more, cwd=folder))


@contextlib.contextmanager
def engine_of(folder: Path, process: Process) -> Iterator[EngineProcess]:
    """Watch over a process that runs an engine; it is killed with the block if it still runs."""
    try:
        yield EngineProcess(folder, process)
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


def run_arguments(folder: Path, sandbox: SandboxProcess) -> list[str]:
    """Return the options of `arb run` that name the settings and the ledger in `folder`, and a sandbox."""
    return [*embedded_arguments(folder), "--sandbox", sandbox.admin]


def run_until(
    wanted: Callable[[dict[str, Any]], bool], what: str, *more: str, cwd: Path, db: str = DB, **given: Any
) -> Ended:
    """Run `arb run --json` with `more` options, on the ledger `db` in `cwd`, until its status is as wanted; then stop it.

    However slow the machine is, it has then done what it was started for, and however quick, nobody waits any longer.
    """
    with engine_of(cwd, arb("run", "--json", *more, cwd=cwd, **given)) as engine:
        engine.db = cwd / db
        engine.journal = engine.db.with_name(f"{engine.db.stem}.journal.sqlite")
        engine.until(wanted, what)
        return engine.stop()


def record_segments(count: int, *more: str, cwd: Path) -> Ended:
    """Record segments of a second into `rec`, with `more` options, until so many more are finished; then stop."""
    out, process = cwd / "rec", arb("record", "--out", "rec", "--every", "1s", "--json", *more, cwd=cwd)

    def finished() -> int:
        return sum(".part." not in path.name for path in out.glob("*.jsonl.gz"))

    before = finished()
    try:
        wait_while(process, lambda: finished() >= before + count, f"{count} segments are finished")
        process.send_signal(signal.SIGINT)
        return end_of(process)
    finally:
        process.kill()


def embedded_arguments(folder: Path) -> list[str]:
    """Return the options of `arb run` that name the settings and the ledger in `folder`."""
    return ["--json", *where(folder)]


def where(folder: Path) -> list[str]:
    """Return the options of any command that name the settings and the ledger in `folder`."""
    config = str(write_config(folder) if not (folder / "config.toml").exists() else folder / "config.toml")
    return ["--config", config, "--db", f"sqlite:///{folder / DB}"]
