"""The files of a recording: never written over, named when they are whole, and kept as far as the disk took them."""

import os
from pathlib import Path

import pytest

from arb.clock import NS_PER_S
from arb.errors import StoreError
from arb.store.tapes.line import TapeLine, TornTape
from arb.store.tapes.segments import Segments
from arb.store.tapes.tape import SegmentHead, read_tape, segment_head

AT_NS = 1_795_417_205 * NS_PER_S  # 2026-11-23, 07:00:05 UTC


def opened(folder: Path, *, at_ns: int = AT_NS) -> Segments:
    """Return a recording whose first segment has begun."""
    segments = Segments(folder, "00ff", "1.2.3")
    segments.open(at_ns)
    return segments


def names(folder: Path) -> list[str]:
    """Return the files of a folder."""
    return sorted(path.name for path in folder.iterdir())


def test_a_segment_has_another_name_until_it_is_whole_and_begins_with_its_head(tmp_path: Path) -> None:
    segments = opened(tmp_path / "new" / "rec")
    segments.frame("gate", b"{}", t_ns=AT_NS + 1, connection="gate#2")
    segments.flush()
    assert names(tmp_path / "new" / "rec") == ["000001-20261123T070005Z.part.jsonl.gz"]
    segment = segments.finish()
    assert names(tmp_path / "new" / "rec") == ["000001-20261123T070005Z.jsonl.gz"]
    assert segment is not None
    path = tmp_path / "new" / "rec" / segment.file
    assert (segment.lines, segment.bytes) == (2, path.stat().st_size)
    assert (segment.began_ns, segment.ended_ns, segment.cut_short) == (AT_NS, AT_NS + 1, "")
    head, frame = read_tape(path)
    assert segment_head(head) is not None and '"recording":"00ff","segment":1,"arb":"1.2.3"' in head.raw
    assert (frame.venue, frame.connection, frame.raw, frame.seq, frame.t_ns) == (
        "gate",
        "gate#2",
        "{}",
        None,
        AT_NS + 1,
    )


def test_numbers_go_on_from_the_greatest_and_what_a_killed_process_left_stays_as_it_is(tmp_path: Path) -> None:
    left = tmp_path / "000041-20261122T235959Z.part.jsonl.gz"
    left.write_bytes(b"mine")
    (tmp_path / "notes.txt").write_text("mine, too")
    segments = opened(tmp_path)
    segments.finish()
    segments.open(AT_NS)
    segments.finish()
    assert names(tmp_path)[1:] == [
        "000042-20261123T070005Z.jsonl.gz",
        "000043-20261123T070005Z.jsonl.gz",
        "notes.txt",
    ]
    assert left.read_bytes() == b"mine"


def test_a_file_that_came_meanwhile_is_not_written_over(tmp_path: Path) -> None:
    segments = opened(tmp_path)
    (tmp_path / "000001-20261123T070005Z.jsonl.gz").write_text("mine")
    with pytest.raises(StoreError, match="exists already"):
        segments.finish()
    assert (tmp_path / "000001-20261123T070005Z.jsonl.gz").read_text() == "mine"
    assert names(tmp_path)[1] == "000001-20261123T070005Z.part.jsonl.gz"


def test_a_folder_that_takes_no_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be made"):
        opened(tmp_path / "file" / "rec")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_what_a_disk_took_before_it_was_full_is_kept_to_the_last_line(tmp_path: Path) -> None:
    segments = opened(tmp_path)
    segments.frame("gate", b'{"a":1}', t_ns=AT_NS + 1)
    segments.flush()
    taken = segments.size
    (path,) = tmp_path.iterdir()
    with path.open("ab") as half:
        half.write(b"what of the next lines had room")
    let_the_disk_be_full(segments)
    segments.frame("gate", b'{"a":2}', t_ns=AT_NS + 2)
    with pytest.raises(StoreError, match="cannot be written"):
        segments.flush()
    segment = segments.give_up("full")
    assert segment is not None
    assert (segment.lines, segment.bytes, segment.ended_ns, segment.cut_short) == (2, taken, AT_NS + 1, "full")
    lines = read_tape(tmp_path / segment.file)
    assert [next(lines).kind, next(lines).raw] == ["event", '{"a":1}']
    with pytest.raises(TornTape):
        next(lines)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_of_a_disk_that_took_nothing_no_file_is_left(tmp_path: Path) -> None:
    segments = opened(tmp_path)
    let_the_disk_be_full(segments)
    with pytest.raises(StoreError):
        segments.flush()
    assert segments.give_up("full") is None
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("kind", "raw", "expected"),
    [
        ("event", '{"type":"TapeBegan"}', False),
        ("ws", '{"type":"SegmentBegan","recording":"0","segment":1,"arb":"1"}', False),
        ("event", '{"type":"SegmentBegan","recording":"0","segment":1,"arb":"1"}', True),
    ],
)
def test_a_segment_is_known_by_its_head(kind: str, raw: str, expected: bool) -> None:
    line = TapeLine(1.0, "", kind, raw)  # type: ignore[arg-type]
    assert (segment_head(line) is not None) is expected


@pytest.mark.parametrize("newer", ['"version":2', '"version":1,"rules":2'])
def test_a_segment_of_another_version_is_refused(newer: str) -> None:
    raw = '{"type":"SegmentBegan",' + newer + ',"recording":"0","segment":1,"arb":"9"}'
    with pytest.raises(StoreError, match="another arb"):
        segment_head(TapeLine(1.0, "", "event", raw))
    assert SegmentHead(recording="0", segment=1, arb="1").version == 1


def let_the_disk_be_full(segments: Segments) -> None:
    """Put the device that is always full in the place of the open file."""
    assert segments._tape is not None
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, segments._tape._file.fileno())
    os.close(full)
