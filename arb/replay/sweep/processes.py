"""Pieces of work shared out among processes of this machine; a killed one is replaced, and its piece restarted.

Results arrive in the order in which they are ready. Each worker has one piece at a time, so the piece that killed it is known.
A piece that killed three is given up, with everything else kept.
"""

import contextlib
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any, TypeVar

from arb.errors import ArbError, CheckFailed

LIVES = 3
"""How many workers may die of one piece of work."""
PRELOADED = "arb.replay.sweep.work"
"""The workers' module, which is imported once and not by each."""
P = TypeVar("P")
R = TypeVar("R")


class _Worker:
    def __init__(self) -> None:
        # A worker must not inherit the ends of other workers' pipes, or the death of one would not be noticed.
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([PRELOADED])
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs,), daemon=True)
        self.process.start()
        theirs.close()
        self.at: int | None = None

    def give(self, number: int, work: Callable[[P], object], piece: P) -> None:
        self.at = number
        with contextlib.suppress(OSError):  # where it is dead, that shows when its result is read
            self.pipe.send((work, piece))

    def end(self) -> None:
        self.process.kill()
        self.process.join()
        self.pipe.close()


def _serve(pipe: "Connection[Any, Any]") -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all processes; the parent ends this one
    threading.Thread(target=_end_with_parent, daemon=True).start()
    while True:
        try:
            work, piece = pipe.recv()
        except (EOFError, OSError):  # the parent has gone, maybe without an answer
            return
        try:
            done: object = work(piece)
        except ArbError as error:
            done = error
        try:
            pipe.send(done)
        except OSError:
            return


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


class Processes:
    """A pool of processes on this machine. A context; `at_once`: how many pieces it works on together."""

    def __init__(self, jobs: int) -> None:
        self.at_once = jobs
        self._workers: list[_Worker] = []

    def __enter__(self) -> "Processes":
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.end()

    def results(self, work: Callable[[P], R], pieces: Sequence[P], name: Callable[[P], str]) -> Iterator[R]:
        """Yield the result of `work`, a function of a module, for every piece, as it becomes ready; `name` is for complaints.

        Raises the project's own errors from `work`, and `CheckFailed` when `LIVES` workers died of one piece.
        """
        left = deque(range(len(pieces)))
        deaths = [0] * len(pieces)
        while left or self._busy():
            while left and len(self._workers) < min(self.at_once, len(pieces)):
                self._workers.append(_Worker())
            for worker in self._workers:
                if left and worker.at is None:
                    number = left.popleft()
                    worker.give(number, work, pieces[number])
            ready = wait([worker.pipe for worker in self._busy()])
            for worker in [worker for worker in self._busy() if worker.pipe in ready]:
                number, worker.at = worker.at or 0, None
                try:
                    done = worker.pipe.recv()
                except (EOFError, OSError):
                    self._workers.remove(worker)
                    worker.end()
                    deaths[number] += 1
                    if deaths[number] == LIVES:
                        raise CheckFailed(
                            f"{name(pieces[number])}: {LIVES} workers were killed over it (is there enough memory?): "
                            "finished rows are kept; try again with fewer --jobs"
                        ) from None
                    left.appendleft(number)
                    continue
                if isinstance(done, ArbError):
                    raise done
                yield done

    def _busy(self) -> "list[_Worker]":
        return [worker for worker in self._workers if worker.at is not None]
