"""A tape's other form: JSON lines to Parquet (`arb.store.tapes.parquet`) and back, bit for bit.

Of a compressed tape its text is restored bit for bit, not the gzip around it. Before a new file gets its name it is
whole, on the disk, and compared by the hash of the text: one of Parquet is read again for that. Nothing is ever written
over.
"""

import contextlib
import hashlib
import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from arb.errors import ConfigError, StoreError
from arb.store.journal.guards import synced
from arb.store.tapes.line import TapeLine, TornTape, line_of
from arb.store.tapes.parquet import ParquetTape, ParquetTapeWriter, TapeFacts
from arb.store.tapes.tape import TapeTexts, gzip_compressor, is_parquet, pieces_of
from arb.version import version

PARQUET = ".parquet"
_TEXT_SUFFIXES = (".jsonl.gz", ".jsonl", ".gz")


class Converted(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one file. `text_bytes` and `sha256`: of the tape's text; `torn`: why it ends there, or ""."""

    file: str
    made: str
    lines: int
    text_bytes: int
    bytes_before: int
    bytes: int
    sha256: str
    torn: str


def convert_tapes(paths: Sequence[Path], folder: Path | None, *, to_parquet: bool) -> list[Converted]:
    """Convert each tape into a file of the same name, but for its end, in `folder`, or next to it.

    Raises `ConfigError` before anything is written where a tape is missing or has that form already, or a file of that
    name is there; `StoreError` at the first tape that cannot be read, is not restored bit for bit, or cannot be
    written: those before it are done.
    """
    makers: list[tuple[Path, Path, Callable[[Path, Path], TapeFacts]]] = []
    for path in paths:
        made, make = _plan(path, to_parquet=to_parquet)
        made = (folder or path.parent) / made.name
        if made.exists() or any(made == other for _, other, _ in makers):
            raise ConfigError(
                f"{made}: exists already, or two tapes would have this name; a tape is never written over"
            )
        makers.append((path, made, make))
    return [_made(path, made, make) for path, made, make in makers]


def _plan(path: Path, *, to_parquet: bool) -> tuple[Path, Callable[[Path, Path], TapeFacts]]:
    found = is_parquet(path)
    if found == to_parquet:
        other = "--jsonl makes JSON lines of it" if found else "--parquet makes that of it"
        raise ConfigError(f"{path}: is {'Parquet' if found else 'no Parquet file, but text'} already: {other}")
    if to_parquet:
        suffix = next((suffix for suffix in _TEXT_SUFFIXES if path.name.endswith(suffix)), "")
        return Path(path.name.removesuffix(suffix) + PARQUET), _write_parquet
    with ParquetTape(path) as tape:
        return Path(path.name.removesuffix(PARQUET) + (".jsonl.gz" if tape.facts.gzip else ".jsonl")), _write_text


def _made(path: Path, made: Path, make: Callable[[Path, Path], TapeFacts]) -> Converted:
    """Write a new file out of sight, and give it its name once it is on the disk."""
    hidden = made.with_name(f".{made.name}.{os.getpid()}.part")
    try:
        made.parent.mkdir(parents=True, exist_ok=True)
        try:
            facts = make(path, hidden)
            size = synced(hidden)
            if made.exists():
                raise StoreError(f"{made}: exists already; a tape is never written over")
            hidden.rename(made)
            synced(made.parent)
        finally:
            hidden.unlink(missing_ok=True)
        return Converted(
            file=str(path),
            made=str(made),
            lines=facts.lines,
            text_bytes=facts.size,
            bytes_before=path.stat().st_size,
            bytes=size,
            sha256=facts.sha256,
            torn=facts.torn,
        )
    except OSError as error:
        raise StoreError(f"{made}: cannot be written: {error}") from None


def _write_parquet(path: Path, made: Path) -> TapeFacts:
    with contextlib.closing(ParquetTapeWriter(made)) as writer:
        with path.open("rb") as file:
            zipped, pieces = pieces_of(file)
            facts = _copy(path, TapeTexts(pieces), writer, zipped=zipped)
        writer.finish(facts)
    with ParquetTape(made) as tape:
        _pass_on(path, tape, lambda text: None)
    return facts


def _write_text(path: Path, made: Path) -> TapeFacts:
    with ParquetTape(path) as tape, made.open("wb") as file:
        zipper = gzip_compressor() if tape.facts.gzip else None
        _pass_on(path, tape, lambda text: file.write(text if zipper is None else zipper.compress(text)))
        if zipper is not None:
            file.write(zipper.flush())
    return tape.facts


def _copy(path: Path, texts: TapeTexts, writer: ParquetTapeWriter, *, zipped: bool) -> TapeFacts:
    """Pass every line of a tape to the writer; return the facts of the whole."""
    text_hash = hashlib.sha256()
    size = lines = last_seq = 0
    head: str | None = None
    torn = ""
    waiting = b""  # blank lines, for the line after them
    try:
        for text in _read(path, texts):
            text_hash.update(text)
            size += len(text)
            waiting += text
            if not text.isspace():
                line = line_of(path, lines + 1, text)
                last_seq = _in_order(path, lines + 1, line, last_seq)
                if head is None:  # only of the first line
                    head = line.raw if line.kind == "event" and line.seq is None else ""
                writer.add(line, waiting)
                waiting = b""
            lines += 1
    except (EOFError, TornTape) as error:
        torn = str(error).removeprefix(f"{path}:{lines + 1}: ")
    text_hash.update(texts.rest)
    return TapeFacts(
        arb=version(),
        head=head or "",
        lines=lines,
        size=size + len(texts.rest),
        sha256=text_hash.hexdigest(),
        gzip=zipped,
        tail=waiting + texts.rest,
        torn=torn,
    )


def _read(path: Path, texts: Iterable[bytes]) -> Iterator[bytes]:
    number = 0
    try:
        for text in texts:
            number += 1
            yield text
    except (OSError, zlib.error) as error:
        raise StoreError(f"{path}:{number + 1}: cannot be read further: {error}") from None


def _in_order(path: Path, number: int, line: TapeLine, last_seq: int) -> int:
    """Return the greatest number so far; raises `StoreError` for a line out of order, as a replay would."""
    if line.seq is None:
        return last_seq
    if line.seq < last_seq:
        raise StoreError(f"{path}:{number}: seq {line.seq} after {last_seq}: the lines of a tape are in their order")
    return line.seq


def _pass_on(path: Path, tape: ParquetTape, write: Callable[[bytes], object]) -> None:
    """Pass the text on unchanged; raises `StoreError` at its end where its hash differs."""
    text_hash = hashlib.sha256()
    size = 0
    for text in tape.texts():
        text_hash.update(text)
        size += len(text)
        write(text)
    if (size, text_hash.hexdigest()) != (tape.facts.size, tape.facts.sha256):
        raise StoreError(
            f"{path}: does not give back the text that was converted: {size} bytes with sha256 {text_hash.hexdigest()}, "
            f"expected {tape.facts.size} with {tape.facts.sha256}; nothing was written"
        )
