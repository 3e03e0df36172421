"""Tapes: what was written is read back exactly, what is broken is named by file and line, nothing before it is lost."""

import gzip
import os
import zlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from arb.errors import ConfigError, StoreError
from arb.store.tapes.line import TapeLine
from arb.store.tapes.tape import PIECE_MAX, TapeFile, read_tape, tape_pieces

GOOD = '{"t":1619093533.765146,"venue":"gate","kind":"ws","url":"wss://x","raw":"{\\"a\\":1}"}\n'


def written(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def lines_until_error(path: Path) -> tuple[list[TapeLine], str]:
    lines: list[TapeLine] = []
    with pytest.raises(StoreError) as caught:
        lines.extend(read_tape(path))  # `extend` keeps what came before the error
    return lines, str(caught.value)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_tape_of_others_is_read_without_sequence_or_nanoseconds(tmp_path: Path, zipped: bool) -> None:
    data = GOOD.encode()
    path = written(tmp_path / "a.jsonl", gzip.compress(data) if zipped else data)
    (line,) = read_tape(path)
    assert line == TapeLine(1619093533.765146, "gate", "ws", '{"a":1}', "wss://x")
    assert (line.seq, line.t_ns) == (None, None)
    assert abs(line.received_ns - 1619093533765146000) < 1000


@pytest.mark.parametrize(
    ("bad", "what"),
    [
        ("{bad\n", "malformed"),
        ("[1]\n", "array"),
        ('{"venue":"gate","kind":"ws","raw":""}\n', "`t`"),
        ('{"t":1,"kind":"ws","raw":""}\n', "`venue`"),
        ('{"t":1,"venue":"gate","kind":"udp","raw":""}\n', "$.kind"),
        ('{"t":1,"venue":"gate","kind":"ws","raw":{}}\n', "$.raw"),
        (b'{"t":1,"venue":"gate","kind":"ws","raw":"\xff"}\n', "utf-8"),
        ('{"t":1,"venue":"ga', "the file ends within this line"),
    ],
)
def test_a_malformed_line_is_named_and_nothing_before_it_is_lost(tmp_path: Path, bad: str | bytes, what: str) -> None:
    path = written(tmp_path / "a.jsonl", 2 * GOOD.encode() + (bad.encode() if isinstance(bad, str) else bad))
    lines, error = lines_until_error(path)
    assert len(lines) == 2
    assert error.startswith(f"{path}:3: ")
    assert what in error


def test_a_cut_gzip_file_gives_up_what_it_holds_and_says_where_it_ends(tmp_path: Path) -> None:
    whole = gzip.compress(b"".join(GOOD.replace("gate", f"venue{n}").encode() for n in range(2000)))
    lines, error = lines_until_error(written(tmp_path / "a.gz", whole[: len(whole) // 2]))
    held = zlib.decompressobj(31).decompress(whole[: len(whole) // 2]).count(b"\n")
    assert len(lines) == held > 100
    assert error.startswith(f"{tmp_path / 'a.gz'}:{len(lines) + 1}: ")


def test_a_corrupt_gzip_file_gives_up_every_line_before_the_fault(tmp_path: Path) -> None:
    whole = bytearray(gzip.compress(GOOD.encode() * 2000))
    whole[-8] ^= 1  # the checksum behind all data
    lines, error = lines_until_error(written(tmp_path / "a.gz", bytes(whole)))
    assert len(lines) == 2000
    assert ":2001: " in error


def test_gzip_members_one_after_another_are_one_tape(tmp_path: Path) -> None:
    path = written(tmp_path / "a.gz", gzip.compress(GOOD.encode()) + gzip.compress(2 * GOOD.encode()))
    assert len(list(read_tape(path))) == 3


@pytest.mark.parametrize("size", [PIECE_MAX - 1, PIECE_MAX, PIECE_MAX + 1, 40 * PIECE_MAX])
def test_a_small_file_that_unzips_to_a_flood_of_lines_is_read_in_small_pieces(size: int, tmp_path: Path) -> None:
    path = tmp_path / "flood.jsonl.gz"
    path.write_bytes(gzip.compress(b"\n" * size) * 2)
    pieces = [len(piece) for piece in tape_pieces(path, lambda: 0)]
    assert (max(pieces), sum(pieces)) == (min(size, PIECE_MAX), 2 * size)


def test_garbage_inside_gzip_is_an_error_and_no_crash(tmp_path: Path) -> None:
    _, error = lines_until_error(written(tmp_path / "a.gz", b"\x1f\x8b" + b"garbage" * 9))
    assert ":1: " in error


def test_a_missing_tape_is_the_users_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such tape"):
        list(read_tape(tmp_path / "none"))


def test_blank_lines_are_passed_over_but_counted_where_errors_are_named(tmp_path: Path) -> None:
    path = written(tmp_path / "a", GOOD + "\n" + GOOD + "{\n")
    lines, error = lines_until_error(path)
    assert len(lines) == 2
    assert error.startswith(f"{path}:4: ")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(st.lists(st.tuples(st.text(), st.integers(0, 2**62)), max_size=8), st.sampled_from(["jsonl", "jsonl.gz"]))
def test_what_is_written_is_read_back_exactly(tmp_path: Path, frames: list[tuple[str, int]], suffix: str) -> None:
    path = tmp_path / f"tape.{suffix}"
    path.unlink(missing_ok=True)
    writer = TapeFile(path)
    for seq, (raw, t_ns) in enumerate(frames):
        writer.write("okx", "ws", raw if seq % 2 else raw.encode(), t_ns=t_ns, seq=seq, url="wss://x")
    writer.close()
    writer.close()
    read = [(line.raw, line.received_ns, line.seq) for line in read_tape(path)]
    assert read == [(raw, t_ns, seq) for seq, (raw, t_ns) in enumerate(frames)]
    assert writer.lines == len(frames)


@pytest.mark.parametrize("suffix", ["jsonl", "jsonl.gz"])
def test_what_was_flushed_survives_a_kill_and_what_was_not_is_one_error_at_the_end(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"tape.{suffix}"
    writer = TapeFile(path)
    writer.write("okx", "ws", "one", t_ns=1)
    writer.flush()
    writer.write("okx", "ws", "two", t_ns=2)  # buffered only: as a killed process leaves it
    copy = written(tmp_path / f"copy.{suffix}", path.read_bytes())
    writer.close()
    if suffix == "jsonl.gz":  # a compressed file lacks its end mark then
        lines, error = lines_until_error(copy)
        assert error.startswith(f"{copy}:2: ")
    else:
        lines = list(read_tape(copy))
    assert [line.raw for line in lines] == ["one"]


def test_the_buffer_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl"
    writer = TapeFile(path, buffer_bytes=1000)
    for n in range(100):
        writer.write("okx", "ws", "x" * 50, t_ns=n)
    assert path.stat().st_size > 0
    assert len(list(read_tape(path))) > 80
    writer.close()


def test_a_tape_that_has_grown_begins_the_next_file(tmp_path: Path) -> None:
    writer = TapeFile(tmp_path / "tape.jsonl.gz", buffer_bytes=500, rotate_bytes=2000)
    for n in range(100):
        writer.write("okx", "event", str(n), t_ns=n)
    writer.close()
    parts = sorted(tmp_path.iterdir(), key=lambda part: part.name.replace("tape.jsonl", "tape.0001.jsonl"))
    assert [part.name for part in parts[:3]] == ["tape.jsonl.gz", "tape.0002.jsonl.gz", "tape.0003.jsonl.gz"]
    assert writer.path == parts[-1]
    assert [line.raw for part in parts for line in read_tape(part)] == [str(n) for n in range(100)]


def test_a_tape_is_never_written_over(tmp_path: Path) -> None:
    path = written(tmp_path / "tape.jsonl", GOOD)
    with pytest.raises(StoreError, match="exists already"):
        TapeFile(path)
    assert path.read_text() == GOOD
    with pytest.raises(StoreError, match="cannot be created"):
        TapeFile(tmp_path / "no" / "such" / "folder.jsonl")


LINE = b'{"t": 1763900000.0, "venue": "gate", "kind": "ws", "raw": "x"}\n'


@pytest.mark.parametrize("written", ["1763900000000", "1763900000000000", "1763900000000000000", "-1.5"])
def test_times_that_are_no_seconds_are_refused_and_the_unit_is_named(written: str, tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_bytes(LINE.replace(b"1763900000.0", written.encode()))
    with pytest.raises(StoreError, match=r"malformed tape line.*in seconds UTC"):
        list(read_tape(path))


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + 2 * LINE)
    assert len(list(read_tape(path))) == 2


@pytest.mark.parametrize("zeros", [1, 511, 200_000])
def test_zero_bytes_behind_compressed_data_are_passed_over_with_a_warning(
    zeros: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "t.jsonl.gz"
    path.write_bytes(gzip.compress(LINE) + gzip.compress(LINE) + bytes(zeros))
    assert len(list(read_tape(path))) == 2
    assert "zero bytes" in caplog.text


def test_a_line_that_does_not_end_is_refused_before_it_fills_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl.gz"
    path.write_bytes(gzip.compress(LINE) + gzip.compress(bytes(40 << 20)))
    with pytest.raises(StoreError, match=r"t\.jsonl\.gz:2: cannot be read further: a line has more than 8388608 bytes"):
        list(read_tape(path))


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "t.jsonl")
    with pytest.raises(ConfigError, match="is no file"):
        list(read_tape(tmp_path / "t.jsonl"))
