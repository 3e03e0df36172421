"""Commands of ours as processes that are forked from one which has imported what they need.

Some hundred processes are started by the tests, and what each imports takes longer than what most of them do. Each is a
process of its own all the same: with its id, signals, files, environment and directory, and it ends as Python ends. That
a start imports what it needs is left to tests that start Python (`test_start.py`, `test_wheel.py`, `test_halt_and_signals.py`).
"""

import atexit
import contextlib
import functools
import importlib
import json
import os
import pkgutil
import runpy
import selectors
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
NUMBER = struct.Struct("=i")
CHUNK = 1 << 16
REQUEST_MAX = 1 << 17
"""Bytes; the environment is the most of it."""
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1"}
"""Only a process of one thread is safely forked."""


class ForkedProcess:
    """A command of ours in a process of its own; of `subprocess.Popen` in text mode it has what tests use."""

    def __init__(self, arguments: tuple[str, ...], cwd: Path, environment: Mapping[str, str]) -> None:
        self.args = arguments
        self.returncode: int | None = None
        self._said: dict[int, bytes] = {}
        ends = [os.pipe() for _ in range(3)]
        out, err, self._report = (read for read, _ in ends)
        request = {"arguments": arguments, "cwd": str(cwd), "environment": dict(environment)}
        try:
            _forking().ask(json.dumps(request).encode(), [write for _, write in ends])
        finally:
            for _, write in ends:
                os.close(write)
        self.stdout, self.stderr = (os.fdopen(end, encoding="utf-8") for end in (out, err))
        self.pid = self._number()

    def poll(self) -> int | None:
        """Return the exit code, below zero that of a signal; None while it runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end, so many seconds at most; raise `TimeoutExpired` after that."""
        if self.returncode is None:
            with selectors.DefaultSelector() as selector:
                selector.register(self._report, selectors.EVENT_READ)
                if not selector.select(timeout):
                    raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
            self.returncode = self._number()
            os.close(self._report)
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Read what it writes until it ends; raise `TimeoutExpired` after so many seconds, with nothing of it lost."""
        until = None if timeout is None else time.monotonic() + timeout
        with selectors.DefaultSelector() as selector:
            for stream in (self.stdout, self.stderr):
                if not stream.closed:
                    self._said.setdefault(stream.fileno(), b"")
                    selector.register(stream.fileno(), selectors.EVENT_READ, stream)
            while selector.get_map():
                ready = selector.select(None if until is None else max(0.0, until - time.monotonic()))
                if not ready:
                    raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
                for key, _ in ready:
                    read = os.read(key.fd, CHUNK)
                    self._said[key.fd] += read
                    if not read:
                        selector.unregister(key.fd)
                        key.data.close()
        self.wait(None if until is None else max(0.0, until - time.monotonic()))
        out, err = (text.decode() for text in self._said.values())
        return out, err

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def _number(self) -> int:
        found = os.read(self._report, NUMBER.size)
        assert found, "the process that forks the others has died"
        (number,) = NUMBER.unpack(found)
        return int(number)


class _Forking:
    """The process that has imported everything, and is asked to fork."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(theirs.fileno())],
                cwd=REPO,
                env=os.environ | {"PYTHONPATH": str(REPO)} | ONE_THREAD,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        atexit.register(self._end)

    def ask(self, request: bytes, ends: list[int]) -> None:
        """Ask for a process that writes into the ends of these pipes: its output, its errors, and what becomes of it."""
        with self._lock:
            socket.send_fds(self._socket, [request], ends)

    def _end(self) -> None:
        self._socket.close()
        self._process.wait()


@functools.cache
def _forking() -> _Forking:
    return _Forking()


def _import_all() -> None:
    """Import what commands need, and load what is compiled; matplotlib, pandas and the like are left to those who need them."""
    for package in ("arb.app", "arb.cli"):
        for module in pkgutil.iter_modules(importlib.import_module(package).__path__, f"{package}."):
            importlib.import_module(module.name)
    for name in ("alembic.command", "sqlalchemy.dialects.sqlite", "arb.sandbox.__main__"):
        importlib.import_module(name)
    from arb.venues.books.compiled.loading import is_available, load, load_blocks

    if is_available():
        load()
        load_blocks()


def _serve(asked: socket.socket) -> dict[str, object] | None:
    """Fork a process for each request: returns the request in each of them, and None when nobody asks any more."""
    with selectors.DefaultSelector() as selector:
        selector.register(asked, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.data is not None:
                    pid, report = key.data
                    selector.unregister(key.fd)
                    os.close(key.fd)
                    _, status = os.waitpid(pid, 0)
                    with contextlib.suppress(BrokenPipeError), os.fdopen(report, "wb") as file:
                        file.write(NUMBER.pack(os.waitstatus_to_exitcode(status)))
                    continue
                request, ends, _, _ = socket.recv_fds(asked, REQUEST_MAX, 3)
                if not request:
                    return None
                out, err, report = ends
                pid = os.fork()
                if pid == 0:
                    os.dup2(out, 1)
                    os.dup2(err, 2)
                    running = [found.data[1] for found in selector.get_map().values() if found.data is not None]
                    for end in (*ends, *running, asked.detach()):
                        os.close(end)
                    return dict(json.loads(request))
                os.close(out)
                os.close(err)
                os.write(report, NUMBER.pack(pid))
                selector.register(os.pidfd_open(pid), selectors.EVENT_READ, (pid, report))


def _become(request: dict[str, object]) -> None:
    """Be `python -m arb` with these arguments, or the script that they begin with."""
    arguments, environment, cwd = request["arguments"], request["environment"], request["cwd"]
    assert isinstance(arguments, list) and isinstance(environment, dict) and isinstance(cwd, str)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(cwd)
    if arguments and arguments[0].endswith(".py"):
        sys.argv = arguments
        runpy.run_path(arguments[0], run_name="__main__")
    else:
        sys.argv[1:] = arguments
        runpy.run_module("arb", run_name="__main__", alter_sys=True)


def _main(number: int) -> None:
    import gc

    _import_all()
    gc.collect()
    gc.freeze()
    request = _serve(socket.socket(fileno=number))
    if request is not None:
        _become(request)


if __name__ == "__main__":
    _main(int(sys.argv[1]))
