"""The intent log: the orders about to be sent, in a file of fixed size next to the journal, for as long as no journal
entry holds them.

A commit of the journal takes 0.15 to 0.35 ms on a process that has been quiet, and orders would wait for it. An intent
is one write of less than 2 kB into space that was allocated before: 25 to 45 us on such a process, 2 to 6 where it is
warmed up, and 10 to make its text. From then on it survives `kill -9`, because the page cache is the system's. It
survives a power cut from the next `sync` on, as an entry (docs/decisions/0011-intents-before-the-wire.md gives the
reason why the file is written and not mapped).

The file has a head (its kind, version and journal) and `SLOTS` slots, used in turn; each has a checksum over its text.
A slot is written again only when the journal has the step of its intent, so a step that the journal lacks is found at
the next start, and a full log refuses: no order is sent without a place here.
"""

import errno
import logging
import os
import stat
import struct
import threading
import zlib
from contextlib import suppress
from pathlib import Path

import msgspec

from arb.core.messages.intents import Intent
from arb.errors import ConfigError, StoreError
from arb.store.journal.guards import allocate

log = logging.getLogger(__name__)

SLOTS = 64
SLOT_BYTES = 2048
"""An intent of two orders is about 1 kB."""
FILE_BYTES = SLOT_BYTES * (1 + SLOTS)
VERSION = 1
_MAGIC = b"arb-intents\0"
_HEAD = struct.Struct("<12sI16sI")  # kind, version, journal, checksum of these
_SLOT = struct.Struct("<II")  # checksum, length
_WARMED = bytes(1024)
"""The bytes of a warm-up write, as long as an intent, at the end of the head's place: nothing is read there."""
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)


_encode = msgspec.json.Encoder(decimal_format="string").encode


def slot_text(intent: Intent, seed: int) -> bytes:
    """Return the bytes of an intent: checksum, which begins with `seed`, length and text."""
    data = _encode(intent)
    return _SLOT.pack(zlib.crc32(data, seed), len(data)) + data


def intents_of(journal: Path) -> Path:
    """Return the path of a journal's intents: `NAME.intents` next to `NAME.journal.sqlite`, or a link's target."""
    target = journal.resolve()
    return target.with_name(target.name.removesuffix(".sqlite").removesuffix(".journal") + ".intents")


def has_lacking(path: Path, journal_id: str, last_seq: int) -> bool:
    """Return whether a journal whose last step is `last_seq` lacks a step of the intents at `path`; raise as `IntentLog`."""
    if not path.exists():
        return False
    log_ = IntentLog(path, journal_id)
    try:
        return bool(log_.lacking(last_seq))
    finally:
        log_.close()


class IntentLog:
    """The intents of one journal. `write` belongs to one thread; `sync` may be called from any other."""

    def __init__(self, path: Path, journal_id: str) -> None:
        """Open the log, or make it; where there is no space for it, `write` refuses until `sync` has found some.

        A log of another journal is set aside as `NAME.intents.ID`, and is used again with its journal. Raises
        `ConfigError` when the place cannot be written or a newer arb wrote it, `StoreError` when it is no log of
        intents, or is damaged more than by a death in the middle of a write.
        """
        self.path = path
        self.found: list[Intent] = []
        """The intents found at the opening, oldest first."""
        self._journal_id = journal_id
        self._seed = zlib.crc32(journal_id.encode())
        self._decode = msgspec.json.Decoder(Intent).decode
        self._fd: int | None = None
        self._missing = ""
        self._dirty = self._doubted = False
        self._writing = threading.Lock()
        self._next = 0
        # The step of the intent in each slot; 0: none of this process.
        self._steps = [0] * SLOTS
        try:
            self._open()
        except OSError as error:
            raise ConfigError(
                f"intents {path}: cannot be written: {error.strerror}; give this user the right to, or choose another --db"
            ) from None

    def lacking(self, last_seq: int) -> list[Intent]:
        """Return the found intents of steps behind `last_seq`, the journal's last one.

        Raises `StoreError` where the journal had steps, safe from a power cut, that it no longer has: it is an older
        copy, and to continue from it would lose them for good.
        """
        lacking = [intent for intent in self.found if intent.seq > last_seq]
        synced = max((intent.synced for intent in lacking), default=0)
        if synced > last_seq:
            raise StoreError(
                f"intents {self.path}: newer than their journal, which ends at step {last_seq} and had reached {synced}: "
                "put back journal, intents and ledger of one time, as `arb backup` copies them"
            )
        return lacking

    def write(self, intent: Intent, last_seq: int, synced: int = 0) -> None:
        """Write an intent down; `last_seq` is the journal's last step, `synced` see `Intent`.

        Raises `StoreError` when it has no place: its orders must not be sent then.
        """
        if self._fd is None:
            raise StoreError(f"intents {self.path}: {self._missing}")
        if self._steps[self._next] > last_seq:
            raise StoreError(
                f"intents {self.path}: {SLOTS} openings wait for the journal; there is no place for one more"
            )
        text = slot_text(msgspec.structs.replace(intent, synced=synced), self._seed)
        if len(text) > SLOT_BYTES:
            raise StoreError(f"intents {self.path}: an intent of {len(text)} bytes has no place in {SLOT_BYTES}")
        self._dirty = True
        try:
            with self._writing:
                written = os.pwrite(self._fd, text, SLOT_BYTES * (1 + self._next))
        except OSError as error:
            raise StoreError(f"intents {self.path}: {error.strerror}") from None
        if written < len(text):
            raise StoreError(f"intents {self.path}: no free space")
        self._steps[self._next] = intent.seq
        self._next = (self._next + 1) % SLOTS

    def warm_up(self) -> None:
        """Write to an unused place, so that the next intent finds the way through the file system in the processor's
        caches.

        The next intent or `sync` reports an error of the disk.
        """
        if self._fd is not None:
            with suppress(OSError):
                os.pwrite(self._fd, _WARMED, SLOT_BYTES - len(_WARMED))

    def sync(self) -> None:
        """Make the written intents survive a power cut; make the log where there was no space for it before.

        Raises `StoreError` when the disk refuses, and when the file was replaced.
        """
        try:
            if self._fd is None:
                self._make()
            if self._fd is None:
                raise StoreError(f"intents {self.path}: {self._missing}")
            mine, named = os.fstat(self._fd), self.path.lstat()
            if (mine.st_dev, mine.st_ino) != (named.st_dev, named.st_ino):
                raise StoreError(f"intents {self.path}: replaced while running")
            if mine.st_size < FILE_BYTES:
                allocate(self._fd, FILE_BYTES)
            if self._doubted:  # bytes that the failed fsync dropped count as written: they are written again
                with self._writing:
                    os.pwrite(self._fd, os.pread(self._fd, FILE_BYTES, 0), 0)
                self._dirty = True
            if self._dirty:
                self._dirty, self._doubted = False, True
                os.fsync(self._fd)
                self._doubted = False
        except FileNotFoundError:
            raise StoreError(f"intents {self.path}: removed while running") from None
        except OSError as error:
            raise StoreError(f"intents {self.path}: cannot sync: {error.strerror}") from None

    def close(self) -> None:
        """Release the file; it stays, and is written again if it was removed. Raises `OSError` when the disk refuses."""
        descriptor, self._fd = self._fd, None
        if descriptor is None:
            return
        try:
            if not self.path.exists():
                _write_whole(self.path, os.pread(descriptor, FILE_BYTES, 0))
        finally:
            os.close(descriptor)

    # Opening and making.

    def _open(self) -> None:
        aside = self._named(self._journal_id)
        for path in (self.path, aside):
            try:
                descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
            except FileNotFoundError:
                continue
            try:
                owner = self._read(descriptor)
            except BaseException:
                os.close(descriptor)
                raise
            if owner == self._journal_id:
                path.rename(self.path)
                self._fd = descriptor
                return
            os.close(descriptor)
            log.warning("intents %s: of another journal: set aside as %s", path, self._named(owner).name)
            path.rename(self._named(owner))
        self._make()

    def _named(self, journal_id: str) -> Path:
        return self.path.with_name(f"{self.path.name}.{journal_id}")

    def _read(self, descriptor: int) -> str:
        """Read the file, and give it its full size; return whose journal it belongs to."""
        state = os.fstat(descriptor)
        data = os.pread(descriptor, FILE_BYTES, 0) if stat.S_ISREG(state.st_mode) else b""
        remedy = "move it away, and the last orders are looked for at the venues"
        if len(data) < _HEAD.size or not data.startswith(_MAGIC):
            raise StoreError(f"intents {self.path}: not a log of intents, or damaged; {remedy}")
        _, version, owner, checksum = _HEAD.unpack_from(data)
        if version > VERSION:
            raise ConfigError(
                f"intents {self.path}: written by a newer arb (version {version}, this one knows {VERSION}); upgrade arb"
            )
        if zlib.crc32(data[: _HEAD.size - 4]) != checksum:
            raise StoreError(f"intents {self.path}: its head is damaged; {remedy}")
        found = str(owner, "ascii", "replace")
        if found != self._journal_id:
            return found
        if state.st_mode & 0o077:
            os.fchmod(descriptor, 0o600)
        if state.st_size < FILE_BYTES:
            log.warning("intents %s: cut to %d bytes; the rest is lost", self.path, state.st_size)
            allocate(descriptor, FILE_BYTES)
        slots = (data[at : at + SLOT_BYTES] for at in range(SLOT_BYTES, len(data), SLOT_BYTES))
        self.found = sorted(filter(None, map(self._slot, slots)), key=lambda intent: intent.seq)
        return found

    def _slot(self, data: bytes) -> Intent | None:
        """Return the intent in a slot, None for nothing, and for an incomplete one: its orders were not sent."""
        if len(data) < _SLOT.size:
            return None
        checksum, length = _SLOT.unpack_from(data)
        text = data[_SLOT.size : _SLOT.size + length]
        if not length:
            return None
        if len(text) < length or zlib.crc32(text, self._seed) != checksum:
            log.warning("intents %s: one was not written whole, and is passed over", self.path)
            return None
        try:
            return self._decode(text)
        except msgspec.MsgspecError as error:
            raise StoreError(f"intents {self.path}: one cannot be read: {error}") from None

    def _make(self) -> None:
        """Make an empty log, whole or not at all; without space there is none. Raises `OSError` for any other refusal."""
        head = _HEAD.pack(_MAGIC, VERSION, self._journal_id.encode(), 0)[:-4]
        try:
            # Written, and not only allocated: else the first write into each block would take longer.
            _write_whole(self.path, (head + struct.pack("<I", zlib.crc32(head))).ljust(FILE_BYTES, b"\0"))
            self._fd = os.open(self.path, os.O_RDWR | os.O_NOFOLLOW)
        except OSError as error:
            if error.errno not in _NO_SPACE:
                raise
            self._missing = "no space for it on the disk"


def _write_whole(path: Path, data: bytes) -> None:
    """Write a private file that is there whole or not at all, its space allocated; raises `OSError`."""
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    try:
        descriptor = os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        try:
            allocate(descriptor, len(data))
            os.pwrite(descriptor, data, 0)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        new.rename(path)
    except OSError:
        new.unlink(missing_ok=True)
        raise
