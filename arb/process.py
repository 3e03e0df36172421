"""A process's requests to the system: signals, priority, memory that cannot be dumped, folders that belong to one user."""

import contextlib
import ctypes
import faulthandler
import os
import resource
import signal
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

_PR_SET_DUMPABLE = 4


def on_stop_signal(loop: "asyncio.AbstractEventLoop", act: Callable[[], None]) -> None:
    """Call `act` at each SIGINT, SIGTERM or SIGHUP (a closed terminal, a dropped ssh).

    A SIGHUP that is ignored already, as under `nohup`, stays ignored.
    """
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if name is not signal.SIGHUP or signal.getsignal(name) is not signal.SIG_IGN:
            loop.add_signal_handler(name, act)


@contextlib.contextmanager
def no_interrupt_lost() -> Iterator[None]:
    """Raise `KeyboardInterrupt` at the end, too, where a Ctrl-C in the block raised it and it was lost.

    Python drops an exception raised in a function that C has called ("Exception ignored on calling ctypes callback
    function"), and a compiler calls many. Where Ctrl-C means something else already, as in an event loop, or in another
    thread than the main one, nothing changes.
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
    """Let other threads run first on a processor: a thread that wakes this process continues, and we run after it, or
    elsewhere.

    For a process that simulates another machine. A venue does not take a client's processor away in the middle of the
    system call that sends it an order; a simulated one on the same machine did, for half a millisecond. Under Linux a
    `SCHED_BATCH` thread that wakes up does not preempt (sched(7)); elsewhere, or where it is not permitted, nothing
    changes.
    """
    if hasattr(os, "SCHED_BATCH"):
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def keep_memory_private() -> None:
    """Have the system write no memory of this process to disk when it crashes; Python writes where it crashed.

    A core would hold the keys. A limit of 0 does not stop systemd-coredump or apport, which are given the core by a pipe; under
    Linux the process is not dumpable, so that no other process of this user reads its memory or environment either.
    """
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    if not faulthandler.is_enabled():
        with contextlib.suppress(OSError, ValueError, RuntimeError):  # no stderr that has a descriptor
            faulthandler.enable()


def own_folder(folder: Path) -> Path:
    """Return the path of a folder, made with mode 0700 if absent; raise `PermissionError` if others can change its
    contents.

    They can where they own it or a folder on the way, or may write there; a sticky folder such as /tmp protects the
    entries of other users.
    """
    for place in (*reversed(folder.parents), folder):
        if not place.exists():
            place.mkdir(mode=0o700, exist_ok=True)
    folder, ours = folder.resolve(strict=True), (0, os.geteuid())
    for place in (folder, *folder.parents):
        found = place.stat()
        shared = found.st_mode & 0o022 and not (found.st_mode & stat.S_ISVTX and place != folder)
        if shared or found.st_uid not in (ours[1:] if place == folder else ours):
            raise PermissionError(
                f"others can change {place} (owner {found.st_uid}, mode {stat.filemode(found.st_mode)})"
            )
    return folder
