"""A tape as one Parquet file: its lines as rows with a type for every column, in the order of the tape.

    t double, venue string, kind string, raw string, url string, seq bigint, t_ns bigint, connection string, form blob

The columns are the fields of a line (`arb.store.tapes.line.TapeLine`); `seq` and `t_ns` are null where a line has none,
and `seq` never falls, so rows are sorted by it. Row groups are bounded, so neither a writer nor a reader holds a long
tape in memory.

Nothing of the text is lost. `form` is null for a line that arb would write just so; any other's holds the rest
(`_form_of`): spaces, order of keys, keys that are not known, blank lines before it, how it ends. The file's metadata
hold, under `arb.tape`, the facts of the whole (`TapeFacts`): the head's text and a hash of the tape's text among
others. Pages have checksums, which every read by arb compares. Needs pyarrow (the extra `parquet`).
"""

import contextlib
import importlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, get_args

import msgspec

from arb.errors import ConfigError, StoreError
from arb.store.tapes.line import Kind, TapeLine, TornTape, text_of

FORMAT = 1
GROUP_BYTES = 16 << 20
"""So much text makes a row group; a writer holds a few times that in memory."""
GROUP_LINES = 1 << 16
BATCH_LINES = 4_096
_KEY = b"arb.tape"
_FORM = "form"
_NAMED = ("venue", "kind", "url", "connection")
"""Columns of few different values."""
_RISING = ("seq", "t_ns")
_KINDS = frozenset(get_args(Kind))


def library(name: str, need: str = "Parquet needs", extra: str = "parquet") -> Any:
    """Import a library, or a module of it, that the engine runs without; raises `ConfigError` where it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError:
        package = name.partition(".")[0]
        raise ConfigError(
            f"{need} {package}: `make dev` in a checkout installs it, `pipx inject arb {package}` next to an arb that pipx "
            f"installed, `pip install 'arb[{extra}]'` elsewhere"
        ) from None


class TapeFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A file's facts about its tape.

    `arb`: the version that converted it. `head`: the text of the head (`TapeHead` or `SegmentHead`, which name their
    versions), "" where there is none. `lines`: blank ones included, up to where it was torn. `size` and `sha256`: of
    the whole text in bytes, torn end included, as it is when not compressed; `gzip`: whether it was. `tail`: the bytes
    after the last line that could be read; `torn`: why it ended there, "" where it was complete.
    """

    format: int = FORMAT
    arb: str
    head: str = ""
    lines: int
    size: int
    sha256: str
    gzip: bool
    tail: bytes = b""
    torn: str = ""


class ParquetTapeWriter:
    """Write a new file, which is whole once `finish` was called. Raises `ConfigError` where pyarrow is not installed."""

    def __init__(self, path: Path) -> None:
        self._pa = library("pyarrow")
        self._path = path
        self._schema = _schema(self._pa)
        self._writer = library("pyarrow.parquet").ParquetWriter(
            path,
            self._schema,
            compression="zstd",
            use_dictionary=list(_NAMED),
            column_encoding=dict.fromkeys(_RISING, "DELTA_BINARY_PACKED"),
            data_page_size=1 << 22,
            write_statistics=["t", *_RISING, *_NAMED],
            write_page_checksum=True,
        )
        self._rows: list[tuple[Any, ...]] = []
        self._bytes = 0

    def add(self, line: TapeLine, text: bytes) -> None:
        """Append a line with its text; blank lines may precede it. Raises `StoreError`, `OSError`."""
        self._rows.append((*msgspec.structs.astuple(line), _form_of(line, text)))
        self._bytes += len(text)
        if self._bytes >= GROUP_BYTES or len(self._rows) >= GROUP_LINES:
            self._write()

    def finish(self, facts: TapeFacts) -> None:
        """Write the rest, and the facts of the whole. Raises `StoreError`, `OSError`."""
        self._write()
        self._writer.add_key_value_metadata({_KEY: msgspec.json.encode(facts)})
        self._writer.close()

    def close(self) -> None:
        self._rows.clear()
        with contextlib.suppress(self._pa.ArrowException, OSError):
            self._writer.close()

    def _write(self) -> None:
        rows, self._rows, self._bytes = self._rows, [], 0
        if not rows:
            return
        try:
            columns = [
                self._pa.array(values, field.type)
                for field, values in zip(self._schema, zip(*rows, strict=True), strict=True)
            ]
            self._writer.write_table(self._pa.Table.from_arrays(columns, schema=self._schema))
        except (OverflowError, self._pa.ArrowException) as error:
            raise StoreError(f"{self._path}: a line of the tape does not fit into Parquet: {error}") from None


class ParquetTape:
    """An open file of a tape. Raises `ConfigError` where pyarrow is missing, `StoreError` for a damaged or other file."""

    def __init__(self, path: Path) -> None:
        self._pa = library("pyarrow")
        self._path = path
        parquet = library("pyarrow.parquet")
        try:
            footer = parquet.read_metadata(path)
            self.facts = self._facts(footer)
            self._file = parquet.ParquetFile(
                path, metadata=footer, read_dictionary=list(_NAMED), page_checksum_verification=True
            )
        except (self._pa.ArrowException, OSError) as error:
            raise StoreError(
                f"{path}: a Parquet file that is cut or damaged: {str(error).rstrip('.')}; make it again from the tape"
            ) from None

    def __enter__(self) -> "ParquetTape":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    def lines(self) -> Iterator[TapeLine]:
        """Yield the lines in order; raises `StoreError` where they cannot be read further, `TornTape` at a torn end."""
        for columns in self._batches(TapeLine.__struct_fields__):
            yield from map(TapeLine, *columns)
        self.check_end()

    def check_end(self) -> None:
        """Raise `TornTape` where the tape was incomplete."""
        if self.facts.torn:
            raise TornTape(f"{self._path}:{self.facts.lines + 1}: {self.facts.torn}")

    def texts(self) -> Iterator[bytes]:
        """Yield the text of the tape as it was, many rows at a time; raises `StoreError`."""
        try:
            for *columns, forms in self._batches((*TapeLine.__struct_fields__, _FORM)):
                yield b"".join(
                    text_of(line) if form is None else _formed(line, form)
                    for line, form in zip(map(TapeLine, *columns), forms, strict=True)
                )
        except KeyError as error:
            raise StoreError(f"{self._path}: a line in a form that is not known here: {error}") from None
        yield self.facts.tail

    def _batches(self, names: tuple[str, ...]) -> Iterator[list[list[Any]]]:
        try:
            for batch in self._file.iter_batches(BATCH_LINES, columns=list(names)):
                yield [self._values(name, batch.column(name)) for name in names]
        except (self._pa.ArrowException, OSError, UnicodeError) as error:
            raise StoreError(f"{self._path}: cannot be read further: {error}") from None

    def _values(self, name: str, column: Any) -> list[Any]:
        if name not in _NAMED:
            values: list[Any] = column.to_pylist()
            return values
        known = column.dictionary.to_pylist()
        if name == "kind" and not _KINDS.issuperset(known):
            raise StoreError(f"{self._path}: lines of a kind that no tape has: {', '.join({*known} - _KINDS)}")
        return [known[place] for place in column.indices.to_pylist()]

    def _facts(self, footer: Any) -> TapeFacts:
        said = (footer.metadata or {}).get(_KEY)
        if said is None:
            raise StoreError(
                f"{self._path}: a Parquet file, but no tape: only files of `arb tape convert --parquet` are read"
            )
        try:
            facts = msgspec.json.decode(said, type=TapeFacts)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            raise StoreError(f"{self._path}: its facts about its tape cannot be read: {error}") from None
        if facts.format != FORMAT:
            raise StoreError(
                f"{self._path}: written by another arb ({facts.arb}; format {facts.format}, this one knows {FORMAT})"
            )
        wanted = _schema(self._pa)
        if not footer.schema.to_arrow_schema().equals(wanted):
            raise StoreError(f"{self._path}: its columns are not those of a tape ({', '.join(wanted.names)})")
        return facts


def parquet_lines(path: Path) -> Iterator[TapeLine]:
    with ParquetTape(path) as tape:
        yield from tape.lines()


def parquet_pieces(path: Path) -> Iterator[bytes]:
    """Yield the text of a tape that is a Parquet file; raises as `ParquetTape`, its `texts` and `check_end` do."""
    with ParquetTape(path) as tape:
        yield from tape.texts()
        tape.check_end()


def _schema(pa: Any) -> Any:
    types = {"t": pa.float64(), "raw": pa.string()} | dict.fromkeys(_NAMED, pa.string())
    fields = [pa.field(name, types.get(name, pa.int64()), name in _RISING) for name in TapeLine.__struct_fields__]
    return pa.schema([*fields, pa.field(_FORM, pa.binary())])


# How a line was written, where arb would have written it otherwise: one letter, and behind it the text. Its `raw` is by
# far its longest part and has its own column, so the text has a zero byte in the place of it, which no JSON holds;
# `_VERBATIM` has everything.

_VERBATIM = b"v"
_HOLE = b"\0"
_ESCAPES: dict[bytes, Callable[[str], bytes]] = {
    b"u": msgspec.json.encode,
    b"a": lambda raw: json.dumps(raw).encode(),
}
"""How `raw` was quoted: characters as they are (UTF-8), or as ASCII."""


class _Raw(msgspec.Struct):
    raw: msgspec.Raw


_raw_of = msgspec.json.Decoder(_Raw).decode


def _form_of(line: TapeLine, text: bytes) -> bytes | None:
    if text == text_of(line):
        return None
    quoted = bytes(_raw_of(text).raw)
    before, _, after = text.partition(quoted)
    for letter, escape in _ESCAPES.items():
        if escape(line.raw) == quoted:
            return letter + before + _HOLE + after
    return _VERBATIM + text


def _formed(line: TapeLine, form: bytes) -> bytes:
    letter, text = form[:1], form[1:]
    return text if letter == _VERBATIM else text.replace(_HOLE, _ESCAPES[letter](line.raw), 1)
