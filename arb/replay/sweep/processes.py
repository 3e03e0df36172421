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
from typing import Generic, TypeVar

from arb.errors import ArbError, CheckFailed

LIVES = 3
"""So many workers may die of one piece of work."""
P = TypeVar("P")
R = TypeVar("R")


class _Worker(Generic[P, R]):
    """One process, and which piece it is at."""

    def __init__(self, work: Callable[[P], R]) -> None:
        # A worker must not inherit the ends of other workers' pipes, or nobody would notice that one has died.
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([work.__module__])
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, work), daemon=True)
        self.process.start()
        theirs.close()
        self.at: int | None = None

    def give(self, number: int, piece: P) -> None:
        """Let it do a piece of work."""
        self.at = number
        self.pipe.send(piece)

    def end(self) -> None:
        """End it, whatever it is doing."""
        self.pipe.close()
        self.process.kill()
        self.process.join()


def _serve(pipe: "Connection[object, object]", work: Callable[[object], object]) -> None:
    """Do what comes, until nothing more can."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all processes; the parent ends this one
    threading.Thread(target=_end_with_parent, daemon=True).start()
    while True:
        try:
            piece = pipe.recv()
        except EOFError:
            return
        try:
            done: object = work(piece)
        except ArbError as error:
            done = error
        pipe.send(done)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def in_processes(work: Callable[[P], R], pieces: Sequence[P], jobs: int, name: Callable[[P], str]) -> Iterator[R]:
    """Yield what `work`, a function of a module, returns of every piece, as it becomes ready; `name` is for complaints.

    Raises what `work` raises of the project's own errors, and `CheckFailed` when `LIVES` workers died of one piece.
    """
    left = deque(range(len(pieces)))
    deaths = [0] * len(pieces)
    workers: list[_Worker[P, R]] = []
    try:
        while left or any(worker.at is not None for worker in workers):
            while left and len(workers) < jobs:
                workers.append(_Worker(work))
            for worker in workers:
                if left and worker.at is None:
                    _begin(worker, left.popleft(), pieces)
            ready = wait([worker.pipe for worker in workers if worker.at is not None])
            for worker in [worker for worker in workers if worker.pipe in ready]:
                number = worker.at
                assert number is not None
                try:
                    done = worker.pipe.recv()
                except (EOFError, OSError):
                    workers.remove(worker)
                    worker.end()
                    deaths[number] += 1
                    if deaths[number] == LIVES:
                        raise CheckFailed(
                            f"{name(pieces[number])}: {LIVES} workers were killed over it (is there enough memory?): what is "
                            "done is kept; try again with fewer --jobs"
                        ) from None
                    left.appendleft(number)
                    continue
                worker.at = None
                if isinstance(done, ArbError):
                    raise done
                yield done
    finally:
        for worker in workers:
            worker.end()


def _begin(worker: _Worker[P, R], number: int, pieces: Sequence[P]) -> None:
    with contextlib.suppress(OSError):  # where it is dead, that shows when its result is read
        worker.give(number, pieces[number])
