"""Tapes as Parquet: bit for bit back, read as the text is read, typed for other programs, refused where they are no tape."""

import gzip
import importlib.util
import json
import random
import shutil
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from arb.errors import ArbError, ConfigError, StoreError
from arb.store.tapes.convert import Converted, convert_tapes
from arb.store.tapes.line import TapeLine, TornTape, text_of
from arb.store.tapes.parquet import FORMAT, GROUP_BYTES, GROUP_LINES, ParquetTape, ParquetTapeWriter
from arb.store.tapes.tape import TapeFile, read_tape

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

HEAD = b'{"t":1.0,"venue":"","kind":"event","raw":"{\\"type\\":\\"SegmentBegan\\"}","t_ns":1000000000}\n'
OWN = b'{"t":1.5,"venue":"gate","kind":"ws","raw":"{\\"a\\":1}","seq":7,"t_ns":1500000000,"connection":"gate#2"}\n'
FOREIGN = (
    b'{"t": 1619093533.765146, "venue": "okx", "kind": "http", "url": "/v5", "raw": "[\\"\\u00e9\\"]", "x": [1]}\r\n'
)
CAPTURES = ("gate_spot_20210422", "okx_20220513", "bitget_spot_20220407", "binance_spot_20210417")


def written(path: Path, text: bytes) -> Path:
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return path


def to_parquet(path: Path, folder: Path | None = None) -> Path:
    (made,) = convert_tapes([path], folder, to_parquet=True)
    return Path(made.made)


def back(path: Path, folder: Path) -> tuple[Path, Converted]:
    (made,) = convert_tapes([path], folder, to_parquet=False)
    return Path(made.made), made


def refused(convert: Callable[[], object]) -> str:
    with pytest.raises(ArbError) as caught:
        convert()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def read(path: Path) -> tuple[list[TapeLine], str]:
    """Return the lines of a tape, and what it says of its end, without the name of the file."""
    lines: list[TapeLine] = []
    try:
        lines.extend(read_tape(path))
    except StoreError as error:
        return lines, f"{type(error).__name__}{str(error).removeprefix(str(path))}"
    return lines, ""


# What is refused: one line each, and nothing is left behind.


def test_a_parquet_file_that_is_no_tape_is_refused_by_whoever_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "prices.parquet"
    pq.write_table(pa.table({"price": [1.0]}), path)
    assert refused(lambda: list(read_tape(path))) == (
        f"{path}: a Parquet file, but no tape: only files of `arb tape convert --parquet` are read"
    )
    assert "no tape" in refused(lambda: back(path, tmp_path))


@pytest.mark.parametrize("kept", [4, 100, -1])
def test_a_file_that_is_cut_is_refused_by_name(tmp_path: Path, kept: int) -> None:
    path = to_parquet(written(tmp_path / "a.jsonl", OWN * 2000))
    path.write_bytes(path.read_bytes()[:kept])
    assert refused(lambda: list(read_tape(path))).startswith(f"{path}: a Parquet file that is cut or damaged: ")
    assert "cut or damaged" in refused(lambda: back(path, tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_a_flipped_bit_is_found_by_a_replay_and_by_the_way_back(tmp_path: Path) -> None:
    rng = random.Random(1)  # what hardly compresses stands in the file as it is: only the checksum can object there
    texts = (OWN.replace(b"1}", b"%x}" % rng.getrandbits(4000)) for _ in range(100))
    path = to_parquet(written(tmp_path / "a.jsonl", b"".join(texts)))
    raw = pq.ParquetFile(path).metadata.row_group(0).column(TapeLine.__struct_fields__.index("raw"))
    whole = path.read_bytes()
    end = raw.data_page_offset + raw.total_compressed_size
    for place in range(end - 400, end, 7):
        data = bytearray(whole)
        data[place] ^= 4
        path.write_bytes(data)
        assert f"{path}: cannot be read further: " in refused(lambda: list(read_tape(path)))
    assert f"{path}: cannot be read further: " in refused(lambda: back(path, tmp_path / "out"))
    assert list((tmp_path / "out").iterdir()) == []


def rewritten(path: Path, change: Callable[[Any], Any] = lambda table: table, **others: Any) -> Path:
    """Write a file again by another hand, pyarrow alone, with other rows or other facts of the tape."""
    said = json.loads(pq.read_metadata(path).metadata[b"arb.tape"]) | others
    pq.write_table(change(pq.read_table(path)).replace_schema_metadata({b"arb.tape": json.dumps(said).encode()}), path)
    return path


def test_another_hash_is_an_error_and_nothing_is_written(tmp_path: Path) -> None:
    path = rewritten(to_parquet(written(tmp_path / "a.jsonl", OWN)), sha256="00" * 32)
    said = refused(lambda: back(path, tmp_path / "out"))
    assert said.startswith(f"{path}: does not give back the text that was converted: {len(OWN)} bytes with sha256 ")
    assert list((tmp_path / "out").iterdir()) == []


def test_rows_that_somebody_changed_do_not_come_back_as_a_tape(tmp_path: Path) -> None:
    path = rewritten(to_parquet(written(tmp_path / "a.jsonl", OWN + OWN)), lambda table: table.slice(1))
    assert "does not give back the text" in refused(lambda: back(path, tmp_path / "out"))


@pytest.mark.parametrize(
    ("others", "said"),
    [
        ({"format": 2, "arb": "9.9"}, "written by another arb (9.9; format 2, this one knows 1)"),
        ({"lines": "many"}, "its facts about its tape cannot be read: Expected `int`, got `str` - at `$.lines`"),
    ],
)
def test_facts_that_are_not_known_are_refused(tmp_path: Path, others: dict[str, Any], said: str) -> None:
    path = rewritten(to_parquet(written(tmp_path / "a.jsonl", OWN)), **others)
    assert refused(lambda: list(read_tape(path))) == f"{path}: {said}"


def test_other_columns_and_kinds_are_refused(tmp_path: Path) -> None:
    path = to_parquet(written(tmp_path / "a.jsonl", OWN))
    rewritten(path, lambda table: table.set_column(2, table.schema.field("kind"), [["udp"]]))
    assert refused(lambda: list(read_tape(path))) == f"{path}: lines of a kind that no tape has: udp"
    rewritten(path, lambda table: table.drop_columns(["url"]))
    assert "its columns are not those of a tape (t, venue, kind, raw, " in refused(lambda: list(read_tape(path)))


def test_without_pyarrow_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tape = written(tmp_path / "a.jsonl", OWN)
    path = to_parquet(tape, tmp_path / "out")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert "pip install 'arb[parquet]'" in refused(lambda: list(read_tape(path)))
    assert "pip install 'arb[parquet]'" in refused(lambda: to_parquet(tape))
    assert list(read_tape(tape))


def test_a_malformed_line_is_named_and_no_file_is_made(tmp_path: Path) -> None:
    tape = written(tmp_path / "a.jsonl", OWN + b"{bad\n" + OWN)
    assert refused(lambda: to_parquet(tape, tmp_path / "out")).startswith(f"{tape}:2: malformed tape line: ")
    assert list((tmp_path / "out").iterdir()) == []


def test_damaged_gzip_is_named_and_no_file_is_made(tmp_path: Path) -> None:
    whole = bytearray(gzip.compress(OWN * 100))
    whole[-8] ^= 1
    tape = tmp_path / "a.jsonl.gz"
    tape.write_bytes(whole)
    assert refused(lambda: to_parquet(tape, tmp_path / "out")).startswith(f"{tape}:101: cannot be read further: ")
    assert list((tmp_path / "out").iterdir()) == []


def test_lines_out_of_their_order_are_refused_as_by_a_replay(tmp_path: Path) -> None:
    tape = written(tmp_path / "a.jsonl", OWN + OWN.replace(b'"seq":7', b'"seq":6'))
    assert refused(lambda: to_parquet(tape)) == f"{tape}:2: seq 6 after 7: the lines of a tape are in their order"


def test_a_number_beyond_64_bits_is_refused(tmp_path: Path) -> None:
    tape = written(tmp_path / "a.jsonl", OWN.replace(b"1500000000", b"9" * 25))
    assert "does not fit into Parquet" in refused(lambda: to_parquet(tape))


def test_nothing_is_written_over_and_nothing_is_begun_when_one_name_is_taken(tmp_path: Path) -> None:
    first, second = written(tmp_path / "a.jsonl", OWN), written(tmp_path / "b.jsonl", OWN)
    (tmp_path / "b.parquet").write_bytes(b"mine")
    assert f"{tmp_path / 'b.parquet'}: exists already" in refused(
        lambda: convert_tapes([first, second], None, to_parquet=True)
    )
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.jsonl", "b.jsonl", "b.parquet"]
    assert (tmp_path / "b.parquet").read_bytes() == b"mine"


def test_two_tapes_of_one_name_and_a_tape_that_has_the_form_already_are_refused(tmp_path: Path) -> None:
    plain, zipped = written(tmp_path / "a.jsonl", OWN), written(tmp_path / "a.jsonl.gz", OWN)
    assert "or two tapes would have this name" in refused(lambda: convert_tapes([plain, zipped], None, to_parquet=True))
    made = to_parquet(plain)
    assert refused(lambda: to_parquet(made)) == f"{made}: is Parquet already: --jsonl makes JSON lines of it"
    assert "is no Parquet file, but text already" in refused(lambda: back(plain, tmp_path))
    with pytest.raises(ConfigError, match="no such tape"):
        to_parquet(tmp_path / "none")


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    tape = written(tmp_path / "a.jsonl", OWN)
    assert "cannot be written: " in refused(lambda: to_parquet(tape, tape / "below"))


# Bit for bit.


@pytest.mark.parametrize("name", ["run.jsonl", "run.0002.jsonl.gz", "000007-20261123T070000Z.part.jsonl.gz"])
def test_every_byte_of_the_text_comes_back_under_the_name_it_had(tmp_path: Path, name: str) -> None:
    text = b"\n" + HEAD + OWN + b" \t\n\r\n" + FOREIGN + OWN[:-1].replace(b'"seq":7', b'"seq":8')
    tape = written(tmp_path / name, text)
    path = to_parquet(tape)
    assert path.name == name.partition(".jsonl")[0] + ".parquet"
    made, facts = back(path, tmp_path / "out")
    assert made.name == name
    data = made.read_bytes()
    assert (gzip.decompress(data) if name.endswith(".gz") else data) == text
    assert (facts.lines, facts.text_bytes, facts.torn) == (7, len(text), "")
    with ParquetTape(path) as parquet:
        assert parquet.facts.head == '{"type":"SegmentBegan"}'
    assert path.stat().st_mode & 0o777 == tape.stat().st_mode & 0o777


BLANK = st.sampled_from([b"", b"\n", b" \n", b"\r\n\n"])
RAWS = st.one_of(
    st.text(), st.sampled_from(['{"a":[1,2]}', "\u2028\x7f</é\U0001f600", "\x00", "\x01\x02", '{"raw":"{}"}'])
)


@st.composite
def odd_lines(draw: st.DrawFn) -> bytes:
    """Return one line that can be read, written by whoever, in whatever way, with blank lines before it."""
    fields: dict[str, Any] = {"t": draw(st.floats(0, 9e10) | st.integers(0, 2**36))}
    fields |= {"venue": draw(st.text(max_size=3)), "kind": draw(st.sampled_from(["ws", "http", "event"]))}
    fields |= {"raw": draw(RAWS)}
    more = {"url": st.text(max_size=4), "t_ns": st.none() | st.integers(-(2**63), 2**63 - 1), "note": RAWS, "v": RAWS}
    for name in draw(st.lists(st.sampled_from(sorted(more)), unique=True)):
        fields[name] = draw(more[name])
    names = draw(st.permutations(sorted(fields)))
    text = json.dumps(
        {name: fields[name] for name in names},
        ensure_ascii=draw(st.booleans()),
        separators=draw(st.sampled_from([(",", ":"), (", ", ": "), (" ,\t", ":  ")])),
    )
    if draw(st.booleans()):
        text = text.replace("/", "\\/")
    return draw(BLANK) + text.encode(errors="replace") + draw(st.sampled_from([b"\n", b"\r\n", b" \n"]))


@given(st.lists(st.one_of(odd_lines(), st.just(OWN), st.just(HEAD)), max_size=6), BLANK, st.integers(0, 40))
@example([OWN], b"", 1)
@example([FOREIGN, OWN], b"\n", 0)
def test_whatever_a_tape_looks_like_it_comes_back_and_reads_the_same(
    lines: list[bytes], blank: bytes, cut: int
) -> None:
    text = b"".join(lines) + blank
    text = text[: len(text) - cut]
    folder = Path(tempfile.mkdtemp())
    try:
        tape = written(folder / "a.jsonl", text)
        expected, end = read(tape)
        path = to_parquet(tape)
        assert read(path) == (expected, end)
        assert back(path, folder / "out")[0].read_bytes() == text
    finally:
        shutil.rmtree(folder)


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9, 0.999])
def test_a_compressed_tape_that_is_cut_keeps_its_text_to_the_last_byte_and_stays_torn(
    tmp_path: Path, kept: float
) -> None:
    rng = random.Random(1)
    whole = gzip.compress(b"".join(OWN.replace(b"gate", b"%x" % rng.getrandbits(64)) for _ in range(3000)))
    tape = tmp_path / "a.jsonl.gz"
    tape.write_bytes(whole[: int(len(whole) * kept)])
    expected, end = read(tape)
    assert end.startswith("TornTape")
    path = to_parquet(tape)
    assert read(path) == (expected, end)
    made, facts = back(path, tmp_path / "out")
    text = gzip.decompress(made.read_bytes())
    assert text.count(b"\n") == len(expected) and facts.torn == "the compressed data end early"
    assert text == zlib.decompressobj(31).decompress(tape.read_bytes()) != b"".join(map(text_of, expected))


def test_a_tape_whose_last_line_is_cut_is_torn_in_either_form(tmp_path: Path) -> None:
    tape = written(tmp_path / "a.jsonl", OWN + b"\n" + OWN[:30])
    path = to_parquet(tape)
    with pytest.raises(TornTape, match=r"a\.parquet:3: the file ends within this line"):
        list(read_tape(path))
    assert back(path, tmp_path / "out")[0].read_bytes() == tape.read_bytes()


@pytest.mark.parametrize("name", CAPTURES)
def test_a_recording_of_a_real_venue_comes_back_and_reads_the_same(
    tmp_path: Path, recording: Callable[[str], Path], name: str
) -> None:
    tape = recording(name)
    path = to_parquet(tape, tmp_path)
    assert read(path) == read(tape)
    assert gzip.decompress(back(path, tmp_path)[0].read_bytes()) == gzip.decompress(tape.read_bytes())


def test_an_empty_tape_stays_empty(tmp_path: Path) -> None:
    path = to_parquet(written(tmp_path / "a.jsonl", b""))
    assert list(read_tape(path)) == []
    assert back(path, tmp_path / "out")[0].read_bytes() == b""


# How a file is made.


def own_tape(path: Path, lines: int, raw: str = '{"a":1}') -> Path:
    writer = TapeFile(path)
    writer.write("", "event", '{"type":"TapeBegan"}', t_ns=1)
    for seq in range(1, lines + 1):
        writer.write("gate", "ws", raw, t_ns=seq * 1000, seq=seq)
    writer.close()
    return path


def test_a_line_as_arb_writes_it_is_in_its_columns_and_nowhere_else(tmp_path: Path) -> None:
    table = pq.read_table(to_parquet(own_tape(tmp_path / "a.jsonl.gz", 50)))
    assert table.column("form").null_count == 51
    assert table.column("seq").to_pylist() == [None, *range(1, 51)]


def test_what_others_wrote_has_its_raw_once(tmp_path: Path) -> None:
    form = pq.read_table(to_parquet(written(tmp_path / "a.jsonl", FOREIGN))).column("form")[0].as_py()
    assert form == b"a" + FOREIGN.replace(b'"[\\"\\u00e9\\"]"', b"\0")


@pytest.mark.parametrize(("lines", "raw"), [(GROUP_LINES + 10, "x"), (20, "x" * (GROUP_BYTES // 8))])
def test_row_groups_are_bounded_by_lines_and_by_bytes(tmp_path: Path, lines: int, raw: str) -> None:
    path = to_parquet(own_tape(tmp_path / "a.jsonl.gz", lines, raw))
    file = pq.ParquetFile(path)
    sizes = [file.metadata.row_group(n).num_rows for n in range(file.metadata.num_row_groups)]
    assert len(sizes) > 1 and sum(sizes) == lines + 1
    assert max(sizes) <= GROUP_LINES and (max(sizes) - 1) * len(raw) <= GROUP_BYTES
    assert {file.metadata.row_group(0).column(n).compression for n in range(9)} == {"ZSTD"}
    assert len(list(read_tape(path))) == lines + 1


def test_a_file_that_was_not_finished_is_no_tape(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    writer = ParquetTapeWriter(path)
    line = TapeLine(1.0, "gate", "ws", "{}")
    writer.add(line, text_of(line))
    writer.close()
    assert "no tape" in refused(lambda: list(read_tape(path)))


def test_a_form_of_a_later_version_is_refused_by_the_way_back(tmp_path: Path) -> None:
    path = to_parquet(written(tmp_path / "a.jsonl", FOREIGN))
    rewritten(path, lambda table: table.set_column(8, table.schema.field("form"), [[b"z{}"]]))
    assert "a line in a form that is not known here: b'z'" in refused(lambda: back(path, tmp_path / "out"))


# Other programs read it, and so does every later arb: names and types change only together with `FORMAT`.

COLUMNS = {
    "t": "DOUBLE", "venue": "VARCHAR", "kind": "VARCHAR", "raw": "VARCHAR", "url": "VARCHAR", "seq": "BIGINT", "t_ns": "BIGINT",
    "connection": "VARCHAR", "form": "BLOB",
}  # fmt: skip


def test_names_and_types_of_the_first_format_are_as_they_were(tmp_path: Path) -> None:
    footer = pq.read_metadata(to_parquet(written(tmp_path / "a.jsonl", OWN)))
    types = {"double": "DOUBLE", "string": "VARCHAR", "int64": "BIGINT", "binary": "BLOB"}
    assert {field.name: types[str(field.type)] for field in footer.schema.to_arrow_schema()} == COLUMNS
    assert [field.name for field in footer.schema.to_arrow_schema() if field.nullable] == ["seq", "t_ns", "form"]
    said = json.loads(footer.metadata[b"arb.tape"])
    assert (FORMAT, list(said)) == (
        1,
        ["format", "arb", "head", "lines", "size", "sha256", "gzip", "tail", "torn"],
    )


DUCKDB = """
import json, sys
import duckdb
path = sys.argv[1]
with duckdb.connect() as connection:
    found = connection.sql(f"SELECT * FROM '{path}'")
    types = dict(zip(found.columns, map(str, found.types)))
    rows = connection.sql(f"SELECT venue, seq, raw->>'a', t_ns FROM '{path}' WHERE kind = 'ws'").fetchall()
    said = connection.sql(f"SELECT decode(value) FROM parquet_kv_metadata('{path}') WHERE decode(key) = 'arb.tape'")
    print(json.dumps([types, rows, said.fetchall()]))
"""
# In a process of its own: where others of its size are loaded too, duckdb's bindings report at the end of a process all that
# they still hold as leaked, and have no switch for that.


def test_duckdb_reads_typed_columns(tmp_path: Path) -> None:
    if importlib.util.find_spec("duckdb") is None:
        pytest.skip("duckdb is not installed")
    path = to_parquet(written(tmp_path / "a.jsonl", HEAD + OWN + FOREIGN))
    ended = subprocess.run([sys.executable, "-c", DUCKDB, str(path)], capture_output=True, text=True, timeout=180)
    assert (ended.returncode, ended.stderr) == (0, "")
    types, rows, said = json.loads(ended.stdout)
    assert types == COLUMNS
    assert rows == [["gate", 7, "1", 1_500_000_000]]
    assert json.loads(said[0][0])["head"] == '{"type":"SegmentBegan"}'


def test_polars_reads_typed_columns(tmp_path: Path) -> None:
    polars = pytest.importorskip("polars")
    path = to_parquet(written(tmp_path / "a.jsonl", HEAD + OWN + FOREIGN))
    frame = polars.scan_parquet(path).filter(polars.col("kind") == "ws").collect()
    assert frame.schema["t"] == polars.Float64 and frame.schema["seq"] == polars.Int64
    assert frame.select("venue", "seq", "t_ns", "connection").rows() == [("gate", 7, 1_500_000_000, "gate#2")]
