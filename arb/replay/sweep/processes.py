"""Pieces of work shared out among processes of this machine; one that is killed is replaced, and its piece begun anew.

Results come in the order in which they are ready. Each worker is given one piece at a time, so that it is known which one a
worker died of: a piece of which three died is given up, with everything else kept.
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
"""So many workers may die of one piece of work."""
PRELOADED = "arb.replay.sweep.work"
"""What workers need, which is imported once and not by each."""
P = TypeVar("P")
R = TypeVar("R")


class _Worker:
    """One process, and which piece it is at."""

    def __init__(self) -> None:
        # A worker must not inherit the ends of other workers' pipes, or nobody would notice that one has died.
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([PRELOADED])
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs,), daemon=True)
        self.process.start()
        theirs.close()
        self.at: int | None = None

    def give(self, number: int, work: Callable[[P], object], piece: P) -> None:
        """Let it do a piece of work."""
        self.at = number
        with contextlib.suppress(OSError):  # where it is dead, that shows when its result is read
            self.pipe.send((work, piece))

    def end(self) -> None:
        """End it, whatever it is doing."""
        self.process.kill()
        self.process.join()
        self.pipe.close()


def _serve(pipe: "Connection[Any, Any]") -> None:
    """Do what comes, until nothing more can."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all processes; the parent ends this one
    threading.Thread(target=_end_with_parent, daemon=True).start()
    while True:
        try:
            work, piece = pipe.recv()
        except (EOFError, OSError):  # nobody asks any more, and maybe left without an answer
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
    """So many processes of this machine. A context; `at_once`: how many pieces it works on together."""

    def __init__(self, jobs: int) -> None:
        self.at_once = jobs
        self._workers: list[_Worker] = []

    def __enter__(self) -> "Processes":
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.end()

    def results(self, work: Callable[[P], R], pieces: Sequence[P], name: Callable[[P], str]) -> Iterator[R]:
        """Yield what `work`, a function of a module, returns of every piece, as it becomes ready; `name` is for complaints.

        Raises what `work` raises of the project's own errors, and `CheckFailed` when `LIVES` workers died of one piece.
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
                            f"{name(pieces[number])}: {LIVES} workers were killed over it (is there enough memory?): what is "
                            "done is kept; try again with fewer --jobs"
                        ) from None
                    left.appendleft(number)
                    continue
                if isinstance(done, ArbError):
                    raise done
                yield done

    def _busy(self) -> "list[_Worker]":
        return [worker for worker in self._workers if worker.at is not None]
