"""Which tapes a replay takes for one market, and which are refused, each with one clear line."""

import json
from pathlib import Path

import msgspec
import pytest

from arb.errors import ConfigError
from arb.replay.days import stretches_of, tapes_in
from arb.replay.tapes import merged
from arb.store.tapes.convert import convert_tapes
from arb.store.tapes.tape import SegmentHead
from tests.unit.replay.test_tapes import capture, own


def segment(path: Path, recording: str, *instants: float, venues: str = "gate okx", number: int = 1) -> Path:
    """Write a segment of a recording of `venues`: its head, and a frame of each at each instant."""
    sites = dict.fromkeys(venues.split(), "production/global")
    head = msgspec.json.encode(SegmentHead(recording=recording, segment=number, arb="1", sites=sites)).decode()
    lines = [{"t": instants[0], "venue": "", "kind": "event", "raw": head}]
    lines += [{"t": t, "venue": venue, "kind": "ws", "raw": f"{venue}{t}"} for t in instants for venue in sites]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def complaint(*paths: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        stretches_of(tapes_in(paths))
    line = str(caught.value)
    assert "\n" not in line
    return line


# What cannot be replayed.


def test_a_folder_without_tapes_is_refused_and_says_what_a_tape_is(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("none here")
    line = complaint(tmp_path)
    assert str(tmp_path) in line and "holds no tape" in line and "arb record --out" in line and "*.jsonl.gz" in line


def test_a_tape_that_is_given_twice_is_refused_by_whatever_name(tmp_path: Path) -> None:
    path = capture(tmp_path / "a.jsonl", "gate", 1.0)
    (tmp_path / "b.jsonl").symlink_to(path)
    assert "b.jsonl: is given twice" in complaint(path, tmp_path / "b.jsonl")
    assert "a.jsonl: is given twice" in complaint(path, tmp_path / "sub" / ".." / "a.jsonl")


def test_two_recordings_of_one_venue_at_one_time_are_refused(tmp_path: Path) -> None:
    one = segment(tmp_path / "a" / "1.jsonl", "aa", 1.0, 100.0)
    other = segment(tmp_path / "b" / "1.jsonl", "bb", 50.0, 150.0, venues="okx bitget")
    line = complaint(tmp_path)
    assert str(one) in line and str(other) in line
    assert "two recordings of okx at the same time" in line and "replay one of them" in line


def test_a_short_segment_hides_no_overlap_with_a_long_one(tmp_path: Path) -> None:
    segment(tmp_path / "1.jsonl", "aa", 1.0, 100.0)
    segment(tmp_path / "2.jsonl", "aa", 50.0, 60.0)
    segment(tmp_path / "3.jsonl", "bb", 70.0, 120.0)
    assert "two recordings of gate" in complaint(tmp_path)


def test_tapes_of_two_runs_at_one_time_are_refused(tmp_path: Path) -> None:
    one, other = own(tmp_path / "a.jsonl", 11, 12, 13), own(tmp_path / "b.jsonl", 12, 13)
    line = complaint(one, other)
    assert "a.jsonl" in line and "b.jsonl" in line and "tapes of the same time" in line


def test_the_tape_of_a_run_and_a_capture_are_not_one_replay(tmp_path: Path) -> None:
    run, frames = own(tmp_path / "run.jsonl", 11), capture(tmp_path / "frames.jsonl", "gate", 1.0)
    line = complaint(frames, run)
    assert "run.jsonl is the tape of a run" in line and "frames.jsonl is none" in line


def test_a_tape_that_lies_there_in_two_forms_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    tape = capture(tmp_path / "1.jsonl", "gate", 1.0, 2.0)
    convert_tapes([tape], tmp_path / "parquet", to_parquet=True)
    assert complaint(tmp_path) == (
        f"{tape} and {tmp_path / 'parquet' / '1.parquet'}: are one tape in two forms: every frame would count twice: "
        "give one of them, or keep Parquet in a folder of its own (`arb tape convert --out DIR`)"
    )


def test_tapes_of_one_name_and_different_text_are_two(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    convert_tapes([capture(tmp_path / "1.jsonl", "gate", 1.0)], tmp_path / "a", to_parquet=True)
    capture(tmp_path / "1.jsonl", "okx", 1.0)
    assert len(tapes_in([tmp_path])) == 2


# What can.


def test_a_folder_stands_for_the_tapes_in_it_and_in_its_folders_by_name(tmp_path: Path) -> None:
    for name in ("2026-11-02/1.jsonl", "2026-11-01/2.jsonl.gz", "2026-11-01/1.part.jsonl.gz", "2026-11-01/1.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    found = [path.relative_to(tmp_path).as_posix() for path in tapes_in([tmp_path])]
    assert found == ["2026-11-01/1.part.jsonl.gz", "2026-11-01/2.jsonl.gz", "2026-11-02/1.jsonl"]


def test_a_file_may_have_any_name(tmp_path: Path) -> None:
    assert tapes_in([capture(tmp_path / "frames", "gate", 1.0)]) == (tmp_path / "frames",)


def test_segments_of_one_recording_and_captures_of_its_time_are_one_stretch(tmp_path: Path) -> None:
    segment(tmp_path / "1.jsonl", "aa", 1.0, 50.0)
    segment(tmp_path / "2.jsonl", "aa", 50.0, 90.0)
    capture(tmp_path / "3.jsonl", "bitget", 10.0, 80.0)
    (stretch,) = stretches_of(tapes_in([tmp_path]))
    assert [path.name for path in stretch.files] == ["1.jsonl", "2.jsonl", "3.jsonl"]


def test_another_recording_may_go_on_where_one_has_ended(tmp_path: Path) -> None:
    segment(tmp_path / "1.jsonl", "aa", 1.0, 50.0)
    segment(tmp_path / "2.jsonl", "bb", 50.0, 90.0)
    assert len(stretches_of(tapes_in([tmp_path]))) == 1


def test_what_begins_more_than_a_minute_later_is_a_stretch_of_its_own_in_the_order_of_time(tmp_path: Path) -> None:
    late = capture(tmp_path / "a.jsonl", "gate", 200.0, 210.0)
    early = capture(tmp_path / "b.jsonl", "gate", 10.0, 100.0)
    just = capture(tmp_path / "c.jsonl", "gate", 160.0)
    after = capture(tmp_path / "d.jsonl", "gate", 270.1)
    assert [stretch.files for stretch in stretches_of([late, early, just, after])] == [(late, early, just), (after,)]


def test_tapes_of_several_runs_are_a_stretch_each_with_all_their_parts(tmp_path: Path) -> None:
    later, part = own(tmp_path / "b.jsonl", 11), own(tmp_path / "b.0002.jsonl", 12, head=False)
    for path in (later, part):
        path.write_text(path.read_text().replace('"t": 1', '"t": 91'))
    earlier = own(tmp_path / "a.jsonl", 11)
    found = stretches_of(tapes_in([tmp_path]))
    assert [{path.name for path in stretch.files} for stretch in found] == [{"a.jsonl"}, {"b.jsonl", "b.0002.jsonl"}]
    assert [earlier in stretch.files for stretch in found] == [True, False] and all(each.of_run for each in found)


def test_parts_of_one_run_belong_together_whatever_their_names(tmp_path: Path) -> None:
    parts = own(tmp_path / "end.jsonl", 12, head=False), own(tmp_path / "begin.jsonl", 11)
    (stretch,) = stretches_of(parts)
    assert stretch.files == parts and stretch.of_run


# Reading many at once.


def test_of_a_recording_one_segment_is_open_at_a_time(tmp_path: Path) -> None:
    paths = [segment(tmp_path / f"{n}.jsonl", "aa", float(n), n + 0.5, number=n) for n in range(1, 40)]
    descriptors = Path("/proc/self/fd")
    if not descriptors.exists():
        pytest.skip("this system does not show which files are open")
    held = [sum(link.resolve() in paths for link in descriptors.iterdir()) for _ in merged(paths)]
    assert len(held) == 39 * 4
    assert max(held) == 1


def test_the_segments_of_a_recording_follow_one_another_by_their_numbers_however_they_are_named(tmp_path: Path) -> None:
    late = segment(tmp_path / "a.jsonl", "aa", 3.0, number=10, venues="gate")
    early = segment(tmp_path / "b.jsonl", "aa", 1.0, number=9, venues="gate")
    other = segment(tmp_path / "c.jsonl", "bb", 2.0, venues="okx")
    assert [c.line.raw for c in merged([late, early, other])] == ["gate1.0", "okx2.0", "gate3.0"]


def test_what_is_in_a_file_out_of_order_stays_so(tmp_path: Path) -> None:
    one = capture(tmp_path / "1", "gate", 1.0, 5.0, 3.0, 6.0)
    other = capture(tmp_path / "2", "okx", 4.0, 5.5)
    assert [c.line.raw for c in merged([one, other])] == [
        "gate1.0",
        "okx4.0",
        "gate5.0",
        "gate3.0",
        "okx5.5",
        "gate6.0",
    ]
