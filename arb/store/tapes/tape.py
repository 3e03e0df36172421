"""Tapes: raw frames as received, one JSON object per line, plain or gzip.

    {"t": 1619093533.765146, "venue": "gate", "kind": "ws", "url": "wss://...", "raw": "<exact text>"}

`t` is seconds since the Unix epoch, UTC, at receipt. Our own tapes add `seq`, the line's place in the sequence shared
with the events, and `t_ns`, the exact instant; readers accept their absence. A frame of another connection of its venue
than the first names it, `"connection": "gate#2"`. `kind` is `ws` (a websocket frame), `http` (the body of an answer) or
`event` (an event that the engine took between two frames). `url` is the source of an answer; on our own tapes its path
and query. This module knows lines and files; it does not read frames.

The tape of a run begins with its head, a line of kind `event` without a sequence number: the parts of the engine, so
that a replay can build the very same one. It names no file, key or account; later facts (instruments, balances, halts)
are events.

A segment of a recording begins with its own head (`SegmentHead`), the rules of all instruments (`InstrumentListed`) and
all present books (`arb.venues.books.plain.checkpoints`). Later changes of rules are such events at their place. None of
these lines has a sequence number.
"""

import codecs
import contextlib
import logging
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO

import msgspec
from zlib_ng import zlib_ng

from arb.clock import NS_PER_S
from arb.core.accounts.restart import Restored
from arb.core.messages.settings import LEARNED
from arb.core.state.engine_state import EngineSettings
from arb.errors import ConfigError, StoreError
from arb.store.tapes.line import Kind, TapeLine, TornTape, line_of, text_of
from arb.store.tapes.parquet import parquet_lines, parquet_pieces

_GZIP_MAGIC = b"\x1f\x8b"
_PARQUET_MAGIC = b"PAR1"
_GZIP_LEVEL = 1
_CHUNK_BYTES = 1 << 17
PIECE_MAX = 4 << 20
"""Bytes of text in one piece: 128 KiB may unzip to 130 MB of empty lines, whose list takes a gigabyte."""
# 16 added to the window size asks zlib for the gzip format.
_GZIP_WINDOW = 16 + zlib.MAX_WBITS
_Corrupt: type[Exception] = zlib_ng.error  # type: ignore[assignment]  # its stub calls the class an instance

log = logging.getLogger(__name__)


LINE_MAX = 8 << 20
"""The bytes of the longest frame, escaped."""


def read_tape(path: Path) -> Iterator[TapeLine]:
    """Yield the lines of a tape in order.

    Raises `ConfigError` when there is no such file, and `StoreError` naming file, line and fault when a line cannot be
    read (`TornTape` when the file ends in the middle of it): everything before it has been yielded by then. Blank lines are
    passed over. A tape may be text, compressed text, or a Parquet file that was made of one (`arb.store.tapes.parquet`).
    """
    if is_parquet(path):
        yield from parquet_lines(path)
        return
    number = 0
    pieces = tape_pieces(path, lambda: number)
    for number, text in enumerate(TapeTexts(pieces), 1):
        if not text.isspace():
            yield line_of(path, number, text)


def tape_pieces(path: Path, lines: Callable[[], int]) -> Iterator[bytes]:
    """Yield the text of a tape as read from the disk, in pieces that need not end where lines do.

    Raises as `read_tape` does for faults other than a line's; `lines()` returns how many have been read by then.
    """
    if is_parquet(path):
        yield from parquet_pieces(path)
        return
    try:
        with path.open("rb") as file:
            yield from pieces_of(file)[1]
    except EOFError as error:
        raise TornTape(f"{path}:{lines() + 1}: {error}") from None
    except (OSError, zlib.error) as error:
        raise StoreError(f"{path}:{lines() + 1}: cannot be read further: {error}") from None


def is_parquet(path: Path) -> bool:
    """Return whether a file begins as Parquet does; raises `ConfigError` where there is none, else `StoreError`."""
    if path.exists() and not path.is_file():
        raise ConfigError(f"{path}: is no file: name a tape")
    try:
        with path.open("rb") as file:
            return file.read(len(_PARQUET_MAGIC)) == _PARQUET_MAGIC
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such tape") from None
    except OSError as error:
        raise StoreError(f"{path}:1: cannot be read further: {error}") from None


def pieces_of(file: IO[bytes]) -> tuple[bool, Iterator[bytes]]:
    """Return whether an open text file is compressed, and its text in pieces; iterating raises `EOFError` where it is cut."""
    zipped = file.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
    file.seek(0)
    raw = iter(lambda: file.read(_CHUNK_BYTES), b"")
    return zipped, _lines_bounded(_unzip(raw) if zipped else raw)


def _lines_bounded(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yield a text without its byte order mark; raise `OSError` where a line does not end."""
    since = 0
    for number, piece in enumerate(pieces):
        text = piece if number else piece.removeprefix(codecs.BOM_UTF8)
        end = text.rfind(b"\n")
        since = since + len(text) if end < 0 else len(text) - end - 1
        if since > LINE_MAX:
            raise OSError(f"a line has more than {LINE_MAX} bytes, which is more than any frame")
        yield text


class TapeTexts:
    """The lines of a text in pieces, with their ends.

    `rest` is the text after the last end: it is the last line only if the pieces end without an error.
    """

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = pieces
        self.rest = b""

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces:
            *lines, self.rest = (self.rest + piece).split(b"\n")
            for line in lines:
                yield line + b"\n"
        if self.rest:
            last, self.rest = self.rest, b""
            yield last


def _unzip(raw: Iterator[bytes]) -> Iterator[bytes]:
    """Decompress one or more gzip members, to the last byte before a fault.

    zlib-ng takes half of zlib's time. The `gzip` module throws away the decompressed part of a block when the block
    turns out to be cut or corrupt.
    """
    unzipper = zlib_ng.decompressobj(_GZIP_WINDOW)
    begun = ended = padded = full = False
    for chunk in raw:
        data = chunk
        while data or full:
            if ended and not begun and data.startswith(b"\0"):  # copies by blocks append them
                padded, data = True, data.lstrip(b"\0")
                continue
            before = unzipper.copy()  # type: ignore[attr-defined]  # its stub leaves it out
            try:
                text = unzipper.decompress(data, PIECE_MAX)
            except _Corrupt as fault:
                with contextlib.suppress(_Corrupt):
                    for at in range(len(data)):
                        yield before.decompress(data[at : at + 1])
                raise zlib.error(str(fault)) from None
            begun = True
            yield text
            data, full = unzipper.unconsumed_tail, len(text) == PIECE_MAX
            if unzipper.eof:
                data, full = unzipper.unused_data, False
                unzipper, begun, ended = zlib_ng.decompressobj(_GZIP_WINDOW), False, True
    if begun:
        raise EOFError("the compressed data end early")
    if padded:
        log.warning("skipped zero bytes after the compressed data")


def gzip_compressor() -> "zlib._Compress":
    return zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP_WINDOW)


def part_path(path: Path, part: int) -> Path:
    """Return the file of a tape's part: `NAME.jsonl.gz`, `NAME.0002.jsonl.gz`, ..."""
    if part == 1:
        return path
    stem, dot, suffix = path.name.partition(".")
    return path.with_name(f"{stem}.{part:04d}{dot}{suffix}")


def free_path(path: Path) -> Path:
    return next(found for part in range(1, 10_000) if not (found := part_path(path, part)).exists())


class TapeFile:
    """Append lines to a new tape; never to one that exists.

    Lines gather in a buffer of `buffer_bytes` and are written when it is full, on `flush` and on `close`: flushed lines
    are readable even if the process is killed. With `rotate_bytes` a file that has grown to this size (before
    compression) is closed and the next one begins: `NAME.jsonl.gz`, `NAME.0002.jsonl.gz`, ... A path that ends in `.gz`
    is compressed.
    """

    def __init__(self, path: Path, *, buffer_bytes: int = 1 << 18, rotate_bytes: int | None = None) -> None:
        self.lines = 0
        self.size = 0
        """Bytes of the file being written that the operating system has taken."""
        self.taken = 0
        """Lines that it has taken."""
        self.broken = False
        """Whether it has refused some; the file's bytes beyond `size` are no line then."""
        self._path = path
        self._buffer_bytes = buffer_bytes
        self._rotate_bytes = rotate_bytes
        self._buffer = bytearray()
        self._part = 1
        self._part_bytes = 0
        self._file, self._zip = self._create(path)

    @property
    def path(self) -> Path:
        return part_path(self._path, self._part)

    def write(
        self,
        venue: str,
        kind: Kind,
        raw: bytes | str,
        *,
        t_ns: int,
        seq: int | None = None,
        url: str = "",
        connection: str = "",
    ) -> None:
        """Append one line, received at `t_ns` (ns UTC). Raises `StoreError` when the disk refuses.

        `connection` names its connection, where that is not the venue's first.

        A tape is text: bytes that are no UTF-8 (which no websocket text frame may hold) are kept as `\\xNN`.
        """
        text = raw if isinstance(raw, str) else raw.decode(errors="backslashreplace")
        self._buffer += text_of(TapeLine(t_ns / NS_PER_S, venue, kind, text, url, seq, t_ns, connection))
        self.lines += 1
        if len(self._buffer) >= self._buffer_bytes:
            self.flush()

    def flush(self) -> None:
        """Pass everything buffered to the operating system; raises `StoreError` when it refuses."""
        if not self._buffer:
            return
        data, self._buffer = bytes(self._buffer), bytearray()
        self._part_bytes += len(data)
        try:
            if self._zip is not None:
                data = self._zip.compress(data) + self._zip.flush(zlib.Z_SYNC_FLUSH)
            self._file.write(data)
            self._file.flush()
        except OSError as error:
            self.broken = True
            raise StoreError(f"{self.path}: cannot be written: {error}") from None
        self.size += len(data)
        self.taken = self.lines
        if self._rotate_bytes is not None and self._part_bytes >= self._rotate_bytes:
            self._rotate()

    def close(self) -> None:
        if self._file.closed:
            return
        try:
            self.flush()
        finally:
            self._finish()

    def _rotate(self) -> None:
        self._finish()
        self._part += 1
        self._part_bytes = self.size = 0
        self._file, self._zip = self._create(self.path)

    def _finish(self) -> None:
        try:
            if self._zip is not None:
                self._file.write(self._zip.flush())
            self._file.close()
        except OSError as error:
            self.broken = True
            raise StoreError(f"{self.path}: cannot be closed: {error}") from None

    @staticmethod
    def _create(path: Path) -> "tuple[IO[bytes], zlib._Compress | None]":
        try:
            file = path.open("xb")
        except FileExistsError:
            raise StoreError(f"{path}: exists already; a tape is never written over") from None
        except OSError as error:
            raise StoreError(f"{path}: cannot be created: {error}") from None
        return file, gzip_compressor() if path.suffix == ".gz" else None


HEAD_VERSION = 1
RULES = 10
"""Counts the changes of the engine's rules and of its records: a rerun of a run by other rules may differ."""


class TapeHead(msgspec.Struct, frozen=True, kw_only=True, tag="TapeBegan"):
    """The engine's settings, its state restored from the journal, and the sequence number before its first event.

    `connections`: which public connection carried which books, by name; empty in heads of before there could be
    several. `rules`: the `RULES` that the run was decided by; 0 in heads of before these were counted. `spare`: how
    many more symbols there was room for.
    """

    version: int = HEAD_VERSION
    settings: EngineSettings
    restored: Restored
    last_seq: int
    connections: dict[str, tuple[str, ...]] = {}
    rules: int = 0
    spare: int = 0

    @property
    def same_rules(self) -> bool:
        """Return whether this version decides as the run did."""
        return self.rules == RULES and not self.learned

    @property
    def learned(self) -> bool:
        """Return whether the run learned the cost of legs, which decides otherwise from its first closed pair on."""
        return self.settings.limits.leg_cost == LEARNED


_head_encoder = msgspec.json.Encoder(decimal_format="string")
_head_decoder = msgspec.json.Decoder(TapeHead)


def encode_head(head: TapeHead) -> bytes:
    return _head_encoder.encode(head)


def decode_head(raw: str) -> TapeHead:
    """Read a head; raises `StoreError` when it is none, or of a version this arb does not know."""
    try:
        head = _head_decoder.decode(raw)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise StoreError(f"the head of the tape cannot be read: {error}") from None
    if head.version != HEAD_VERSION:
        raise StoreError(f"the tape was written by another arb (head {head.version}, this one knows {HEAD_VERSION})")
    return head


SEGMENT_VERSION = 1
SEGMENT_RULES = 1
"""The rules as listed, with the taker's fee of the venue's public schedule."""


class SegmentHead(msgspec.Struct, frozen=True, kw_only=True, tag="SegmentBegan"):
    """The head of one file of a recording; then follow frames, and events that concern its books.

    `recording` distinguishes the process that recorded, in hexadecimal digits; `segment` counts the files of its
    folder. `rules`: the form of the instruments' rules (`InstrumentListed` events, at the head and at each change),
    which a replay uses; 0: none, as in segments of earlier versions. `sites`: each venue's environment and region,
    `production/global`.
    """

    version: int = SEGMENT_VERSION
    recording: str
    segment: int
    arb: str
    rules: int = 0
    sites: dict[str, str] = {}


_segment_decoder = msgspec.json.Decoder(SegmentHead)


def segment_head(line: TapeLine) -> SegmentHead | None:
    """Return the head of a segment, None for any other line; raises `StoreError` for one of a version not known here."""
    if line.kind != "event" or line.seq is not None:
        return None
    try:
        head = _segment_decoder.decode(line.raw)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
    if head.version != SEGMENT_VERSION or head.rules not in (0, SEGMENT_RULES):
        raise StoreError(
            f"the segment was written by another arb (head {head.version}, rules {head.rules}; this one knows "
            f"{SEGMENT_VERSION} and {SEGMENT_RULES})"
        )
    return head
