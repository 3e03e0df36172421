"""The doctor's judgements of this machine: its disk, its file system, its clock, the ledger's schema, file permissions."""

from collections.abc import Mapping, Sequence

import msgspec

from arb.app.doctor.checks import Finding, Result
from arb.clock import NS_PER_MS, NS_PER_S
from arb.live.anchoring import APART_MAX_NS, Agreed

LOCAL = "local"
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
    found = ".".join(map(str, version[:3]))
    if tuple(version[:2]) < PYTHON_MIN:
        return Finding(LOCAL, "python", Result.FAIL, found, "install Python 3.11 or newer")
    return Finding(LOCAL, "python", Result.PASS, found)


def check_loop(kind: str) -> Finding:
    """Judge the loop's selector; `kind` as in `asyncio on epoll`."""
    if kind.endswith((" select", " poll")):
        remedy = (
            "use a Python that was built with epoll (Linux) or kqueue (macOS): this one asks every socket each time"
        )
        return Finding(LOCAL, "loop", Result.WARN, kind, remedy)
    return Finding(LOCAL, "loop", Result.PASS, kind)


def check_disk(folder: str, free_bytes: int) -> Finding:
    found = f"{free_bytes / MIB:,.0f} MiB free in {folder}"
    if free_bytes < FREE_FAIL:
        return Finding(
            LOCAL, "disk", Result.FAIL, found, "free some: on a full disk nothing opens and only repairs continue"
        )
    if free_bytes < FREE_WARN:
        return Finding(LOCAL, "disk", Result.WARN, found, "that may last for days only: free some, or move [store] url")
    return Finding(LOCAL, "disk", Result.PASS, found)


def check_journal_disk(disk: JournalDiskFacts) -> Finding:
    """Judge whether written data survives a power cut, and whether a second engine is kept out."""
    check = "journal_disk"
    if disk.error:
        return Finding(LOCAL, check, Result.FAIL, f"{disk.folder}: {disk.error}", "choose another [store] url")
    found = f"{disk.kind or 'unknown kind'}, an fsync takes {disk.sync_ms:.1f} ms"
    move = "put the journal on a local disk: [store] url"
    if not disk.lock_holds:
        found += ", and it keeps no locks: two engines could trade one account"
        return Finding(LOCAL, check, Result.FAIL, found, move)
    if disk.kind in MEMORY:
        return Finding(LOCAL, check, Result.WARN, f"{found}: in memory, gone with the power", move)
    if disk.kind in REMOTE:
        return Finding(LOCAL, check, Result.WARN, f"{found}: on another machine, which may lose written data", move)
    if disk.sync_ms > SYNC_MS_MAX:
        return Finding(LOCAL, check, Result.WARN, f"{found}: repairs and entries would wait for it", move)
    return Finding(LOCAL, check, Result.PASS, found)


def check_schema(url: str, faults: Sequence[str], *, there: bool) -> Finding:
    if not there:
        return Finding(LOCAL, "schema", Result.PASS, f"{url}: not there yet, a run makes it")
    if faults:
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        return Finding(
            LOCAL, "schema", Result.FAIL, f"{url}: {faults[0]}{more}", "run `arb db upgrade`, then `arb db check`"
        )
    return Finding(LOCAL, "schema", Result.PASS, f"{url}: as expected")


def check_host_clock(agreed: Agreed | None, asked: int) -> Finding:
    """Judge the host's clock against all venues' clocks."""
    check = "host_clock"
    if agreed is None:
        return Finding(
            LOCAL, check, Result.WARN, "no venue's clock could be read", "see each venue's finding of `clock`"
        )
    found = f"{-agreed.offset_ns / NS_PER_MS:+.0f} ms against {', '.join(agreed.venues)}"
    if 2 * len(agreed.venues) <= asked and asked > 1:
        return Finding(
            LOCAL, check, Result.WARN, f"{found}; the others disagree", "see each venue's finding of `clock`"
        )
    remedy = "enable NTP: chrony or systemd-timesyncd on Linux, `sntp` on macOS"
    if abs(agreed.offset_ns) > APART_MAX_NS:
        return Finding(LOCAL, check, Result.FAIL, f"{found}: more than a day, and a run refuses to start", remedy)
    if abs(agreed.offset_ns) > NS_PER_S:
        return Finding(LOCAL, check, Result.WARN, f"{found}: a run sets its own clock by theirs", remedy)
    return Finding(LOCAL, check, Result.PASS, found)


def check_clock_discipline(clock: ClockDiscipline) -> Finding:
    """Judge whether anything keeps the host's clock: one that is right today and runs free is wrong in a week."""
    check = "clock_discipline"
    if clock.kept is None:
        return Finding(
            LOCAL, check, Result.PASS, "this system does not report it; `host_clock` compares it with the venues'"
        )
    if not clock.kept:
        remedy = "enable NTP (chrony, systemd-timesyncd), in a container its host's: a run corrects only its own clock"
        return Finding(LOCAL, check, Result.WARN, "nothing keeps this machine's clock, as its kernel reports", remedy)
    return Finding(LOCAL, check, Result.PASS, f"kept by NTP, to within {clock.error_ms:.0f} ms")


def check_permissions(settings: Mapping[str, int], records: Mapping[str, int]) -> Finding:
    """Judge who else may write the settings, or read ledger and journal; each by path, with its permission bits, if it
    exists.

    Settings hold no secret, so others may read them.
    """
    written = sorted(path for path, mode in settings.items() if mode & 0o022)
    read = sorted(path for path, mode in records.items() if mode & 0o077)
    if written or read:
        found = [f"others may {may} {', '.join(paths)}" for may, paths in (("write", written), ("read", read)) if paths]
        remedy = f"chmod go= {' '.join((*written, *read))}"
        return Finding(LOCAL, "permissions", Result.WARN, " and ".join(found), remedy)
    return Finding(LOCAL, "permissions", Result.PASS, f"{len(settings) + len(records)} files, only for this user")


def check_halt(halted: str | None) -> Finding:
    if halted is not None:
        remedy = "find out why (docs/FAILURES.md), then `arb resume --reason TEXT`"
        return Finding(LOCAL, "halt", Result.WARN, f"trading is halted: {halted}", remedy)
    return Finding(LOCAL, "halt", Result.PASS, "trading is not halted")


def check_open_pairs(pair_ids: Sequence[int]) -> Finding:
    if pair_ids:
        found = f"pairs are open: {', '.join(map(str, sorted(pair_ids)))}"
        return Finding(
            LOCAL, "open_pairs", Result.WARN, found, "the next run finishes them first; `arb pairs` shows them"
        )
    return Finding(LOCAL, "open_pairs", Result.PASS, "no pair is open")
