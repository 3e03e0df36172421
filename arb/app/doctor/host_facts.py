"""Facts of this machine: a folder's file system (tested on a temporary file), the clock, the event loop."""

import asyncio
import ctypes
import fcntl
import os
import selectors
import sys
import tempfile
from pathlib import Path
from statistics import median

from arb.app.doctor.local_checks import ClockDiscipline, JournalDiskFacts
from arb.clock import NS_PER_MS, Clock

ROUNDS = 9
MOUNTS = Path("/proc/self/mounts")
STA_UNSYNC = 0x40
"""adjtimex(2): nothing has set the flag that the clock is right."""
US_PER_MS = 1000


class _Timex(ctypes.Structure):
    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("more", ctypes.c_byte * 512),
    )


def clock_discipline() -> ClockDiscipline:
    """Ask the kernel whether anything keeps its clock; nothing is changed (adjtimex(2) with `modes` 0)."""
    if sys.platform != "linux":
        return ClockDiscipline()
    asked = _Timex()
    try:
        failed = ctypes.CDLL(None).adjtimex(ctypes.byref(asked)) < 0
    except (OSError, AttributeError):  # a C library without it
        failed = True
    if failed:
        return ClockDiscipline()
    return ClockDiscipline(kept=not asked.status & STA_UNSYNC, error_ms=asked.maxerror / US_PER_MS)


def loop_kind(loop: asyncio.AbstractEventLoop) -> str:
    if isinstance(loop, asyncio.SelectorEventLoop):
        return f"asyncio on {selectors.DefaultSelector.__name__.removesuffix('Selector').lower()}"
    return type(loop).__module__.partition(".")[0]


def journal_disk_facts(folder: Path, clock: Clock, mounts: Path = MOUNTS) -> JournalDiskFacts:
    """Measure how long an fsync takes, and whether a lock keeps another opener of the file out."""
    kind = file_system(folder, mounts)
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".arb-doctor-") as file:
            taken_ns = []
            for _ in range(ROUNDS):
                file.write(b"x" * 4096)
                file.flush()
                before_ns = clock.monotonic_ns()
                os.fsync(file.fileno())
                taken_ns.append(clock.monotonic_ns() - before_ns)
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            lock_holds = not _lockable(Path(file.name))
    except OSError as error:
        return JournalDiskFacts(folder=str(folder), kind=kind, error=str(error))
    sync_ms = median(taken_ns) / NS_PER_MS
    return JournalDiskFacts(folder=str(folder), kind=kind, sync_ms=sync_ms, lock_holds=lock_holds)


def file_system(folder: Path, mounts: Path = MOUNTS) -> str:
    """Return the kind of a folder's file system, by the table of mounts; "" where there is no such table."""
    try:
        rows = [line.split() for line in mounts.read_text(encoding="utf-8", errors="replace").splitlines()]
    except OSError:
        return ""
    above = {str(folder), *map(str, folder.parents)}
    found = [(len(row[1]), row[2]) for row in rows if len(row) > 2 and row[1].replace("\\040", " ") in above]
    return max(found, key=lambda row: row[0])[1] if found else ""


def _lockable(path: Path) -> bool:
    with path.open("rb") as other:
        try:
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
    return True
