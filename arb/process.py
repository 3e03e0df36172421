"""What a process of ours asks of the system: how it is stopped, and who goes first on a processor."""

import asyncio
import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType


def on_stop_signal(loop: asyncio.AbstractEventLoop, act: Callable[[], None]) -> None:
    """Call `act` at each SIGINT, SIGTERM or SIGHUP (a closed terminal, a dropped ssh).

    A SIGHUP that is ignored already, as under `nohup`, stays ignored.
    """
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if name is not signal.SIGHUP or signal.getsignal(name) is not signal.SIG_IGN:
            loop.add_signal_handler(name, act)


@contextlib.contextmanager
def no_interrupt_lost() -> Iterator[None]:
    """Raise `KeyboardInterrupt` at the end, too, where a Ctrl-C in the block raised it and it did not come through.

    Python drops what is raised in a function that C has called ("Exception ignored on calling ctypes callback function"), and a
    compiler calls many. Where Ctrl-C means something else already, as in an event loop, or in another thread than the main
    one, nothing changes.
    """
    if (
        threading.current_thread() is not threading.main_thread()
        or signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    ):
        yield
        return
    came = False

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal came
        came = True
        signal.default_int_handler(number, frame)

    signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if came:
        raise KeyboardInterrupt


def give_way() -> None:
    """Let others go first on a processor: what wakes this process goes on where it is, and we run after it, or elsewhere.

    For what stands for another machine. A venue does not take a client's processor away in the middle of the system call that
    hands it an order; a simulated one beside the client did, for half a millisecond. Under Linux a `SCHED_BATCH` thread that
    wakes up does not preempt (sched(7)); elsewhere, or where it is not permitted, nothing changes.
    """
    if hasattr(os, "SCHED_BATCH"):
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
