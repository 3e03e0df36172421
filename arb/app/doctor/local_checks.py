"""The doctor's checks of this machine: disk, file system, clock, the ledger's schema, file permissions.

A folder's file system is tested on a temporary file; the kernel and the event loop are only asked.
"""

import asyncio
import ctypes
import fcntl
import os
import selectors
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

import msgspec

from arb.app.doctor.checks import Check, Finding
from arb.clock import NS_PER_MS, NS_PER_S, Clock
from arb.core.risk.stops import Stop
from arb.live.anchoring import APART_MAX_NS, Agreed
from arb.view.plain import stopped
from arb.view.summary import stop_row

LOCAL = "local"
ROUNDS = 9
MOUNTS = Path("/proc/self/mounts")
STA_UNSYNC = 0x40
"""adjtimex(2): nothing has set the flag that the clock is right."""
US_PER_MS = 1000
MIB = 1024 * 1024
FREE_FAIL, FREE_WARN = 128 * MIB, 2048 * MIB
"""The journal keeps 32 MiB for repairs; a busy day writes some hundred."""
PYTHON_MIN = (3, 11)
SYNC_MS_MAX = 100.0
"""The journal is brought to the disk every 250 ms."""
MEMORY = frozenset({"tmpfs", "ramfs"})
REMOTE = frozenset({"nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "virtiofs"})


class JournalDiskFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The file system of the journal: its kind ("" unknown), the median ms of an fsync, and whether it keeps locks.

    `error`: why nothing could be written there.
    """

    folder: str
    kind: str = ""
    sync_ms: float = 0.0
    lock_holds: bool = True
    error: str = ""


class ClockDiscipline(msgspec.Struct, frozen=True, kw_only=True):
    """The kernel's report of its clock: whether anything keeps it (None: not reported), to within how many ms."""

    kept: bool | None = None
    error_ms: float = 0.0


def check_python(version: Sequence[int]) -> Finding:
    check = Check(LOCAL, "python")
    found = ".".join(map(str, version[:3]))
    if tuple(version[:2]) < PYTHON_MIN:
        return check.fail(found, "install Python 3.11 or newer")
    return check.ok(found)


def check_loop(kind: str) -> Finding:
    """Judge the loop's selector; `kind` as in `asyncio on epoll`."""
    check = Check(LOCAL, "loop")
    if kind.endswith((" select", " poll")):
        remedy = (
            "use a Python that was built with epoll (Linux) or kqueue (macOS): this one asks every socket each time"
        )
        return check.warn(kind, remedy)
    return check.ok(kind)


def check_disk(folder: str, free_bytes: int) -> Finding:
    check = Check(LOCAL, "disk")
    found = f"{free_bytes / MIB:,.0f} MiB free in {folder}"
    if free_bytes < FREE_FAIL:
        return check.fail(found, "free some: on a full disk nothing opens and only repairs continue")
    if free_bytes < FREE_WARN:
        return check.warn(found, "that may last for days only: free some, or move [store] url")
    return check.ok(found)


def check_journal_disk(disk: JournalDiskFacts) -> Finding:
    """Judge whether written data survives a power cut, and whether a second engine is kept out."""
    check = Check(LOCAL, "journal_disk")
    if disk.error:
        return check.fail(f"{disk.folder}: {disk.error}", "choose another [store] url")
    found = f"{disk.kind or 'unknown kind'}, an fsync takes {disk.sync_ms:.1f} ms"
    move = "put the journal on a local disk: [store] url"
    if not disk.lock_holds:
        found += ", and it keeps no locks: two engines could trade one account"
        return check.fail(found, move)
    if disk.kind in MEMORY:
        return check.warn(f"{found}: in memory, gone with the power", move)
    if disk.kind in REMOTE:
        return check.warn(f"{found}: on another machine, which may lose written data", move)
    if disk.sync_ms > SYNC_MS_MAX:
        return check.warn(f"{found}: repairs and entries would wait for it", move)
    return check.ok(found)


def check_schema(url: str, faults: Sequence[str], *, there: bool) -> Finding:
    check = Check(LOCAL, "schema")
    if not there:
        return check.ok(f"{url}: not there yet, a run makes it")
    if faults:
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        return check.fail(f"{url}: {faults[0]}{more}", "run `arb db upgrade`, then `arb db check`")
    return check.ok(f"{url}: as expected")


def check_host_clock(agreed: Agreed | None, asked: int) -> Finding:
    """Judge the host's clock against all venues' clocks."""
    check = Check(LOCAL, "host_clock")
    if agreed is None:
        return check.warn("no venue's clock could be read", "see each venue's finding of `clock`")
    found = f"{-agreed.offset_ns / NS_PER_MS:+.0f} ms against {', '.join(agreed.venues)}"
    if 2 * len(agreed.venues) <= asked and asked > 1:
        return check.warn(f"{found}; the others disagree", "see each venue's finding of `clock`")
    remedy = "enable NTP: chrony or systemd-timesyncd on Linux, `sntp` on macOS"
    if abs(agreed.offset_ns) > APART_MAX_NS:
        return check.fail(f"{found}: more than a day, and a run refuses to start", remedy)
    if abs(agreed.offset_ns) > NS_PER_S:
        return check.warn(f"{found}: a run sets its own clock by theirs", remedy)
    return check.ok(found)


def check_clock_discipline(clock: ClockDiscipline) -> Finding:
    """Judge whether anything keeps the host's clock: one that is right today and runs free is wrong in a week."""
    check = Check(LOCAL, "clock_discipline")
    if clock.kept is None:
        return check.ok("this system does not report it; `host_clock` compares it with the venues'")
    if not clock.kept:
        remedy = "enable NTP (chrony, systemd-timesyncd), in a container its host's: a run corrects only its own clock"
        return check.warn("nothing keeps this machine's clock, as its kernel reports", remedy)
    return check.ok(f"kept by NTP, to within {clock.error_ms:.0f} ms")


def check_permissions(settings: Mapping[str, int], records: Mapping[str, int]) -> Finding:
    """Judge who else may write the settings, or read ledger and journal; each by path, with its permission bits, if it
    exists.

    Settings hold no secret, so others may read them.
    """
    check = Check(LOCAL, "permissions")
    written = sorted(path for path, mode in settings.items() if mode & 0o022)
    read = sorted(path for path, mode in records.items() if mode & 0o077)
    if written or read:
        found = [f"others may {may} {', '.join(paths)}" for may, paths in (("write", written), ("read", read)) if paths]
        return check.warn(" and ".join(found), f"chmod go= {' '.join((*written, *read))}")
    return check.ok(f"{len(settings) + len(records)} files, only for this user")


def check_openings(stops: Sequence[Stop]) -> Finding:
    """Judge the causes in the journal that stop openings: a halt, a limit on the day, blocks that outlive a run."""
    check = Check(LOCAL, "halt")
    if stops:
        rows = [stop_row(stop) for stop in stops]
        return check.warn("; ".join(map(stopped, rows)), "; ".join(row["ends"] for row in rows))
    return check.ok("the journal holds no halt, no block and no limit that stops openings")


def check_open_pairs(pair_ids: Sequence[int]) -> Finding:
    check = Check(LOCAL, "open_pairs")
    if pair_ids:
        found = f"pairs are open: {', '.join(map(str, sorted(pair_ids)))}"
        return check.warn(found, "the next run finishes them first; `arb pairs` shows them")
    return check.ok("no pair is open")


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
