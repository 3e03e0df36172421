"""A process's requests to the system: signals, priority, memory that cannot be dumped, folders that belong to one user."""

import contextlib
import ctypes
import faulthandler
import os
import pwd
import resource
import signal
import socket
import stat
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

_PR_SET_DUMPABLE = 4
_BEAT_S = 10.0


def on_stop_signal(
    loop: "asyncio.AbstractEventLoop", act: Callable[[str], None], reload: Callable[[str], None] | None = None
) -> None:
    """Call `act` with the name of each SIGINT, SIGTERM or SIGHUP (a closed terminal, a dropped ssh).

    With `reload` a SIGHUP calls that instead. One that is ignored already, as under `nohup`, stays ignored.
    """
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if name is not signal.SIGHUP or signal.getsignal(name) is not signal.SIG_IGN:
            loop.add_signal_handler(name, reload if reload and name is signal.SIGHUP else act, name.name)


class ServiceManager:
    """The service manager that started this process, by its socket (sd_notify(3)); without one nothing is sent.

    `beat_s` is how often it wants a sign of life, in seconds: three times within its watchdog's limit, if it has one.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        limit_us = environment.get("WATCHDOG_USEC", "")
        ours = environment.get("WATCHDOG_PID", "") in ("", str(os.getpid()))
        self.beat_s = min(_BEAT_S, int(limit_us) / 3e6) if ours and limit_us.isdecimal() else _BEAT_S

    def __bool__(self) -> bool:
        return bool(self._address)

    def notify(self, *lines: str) -> None:
        """Send lines such as `READY=1`. A manager that takes none misses them: this process never waits for it."""
        if not self._address:
            return
        text = "\n".join(" ".join(line.split()) for line in lines)
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            sender.sendto(text.encode("utf-8", "replace"), self._address)


def user_name(uid: int | None = None) -> str:
    """Return the name of a user, by default of this process's; its number where the system knows no name."""
    uid = os.geteuid() if uid is None else uid
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


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
