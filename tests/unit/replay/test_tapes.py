"""Tapes as a replay reads them: own tapes whole and in order, captures merged by time."""

import gzip
import json
from pathlib import Path

import msgspec
import pytest

from arb.core.accounts.restart import Restored
from arb.core.messages.events import FeedDown, FeedUp, InstrumentListed, InstrumentUnlisted, VenueListed
from arb.core.messages.settings import Limits, RepairPolicy, Timing
from arb.core.state.budget import PlaceRate
from arb.core.state.engine_state import EngineSettings, VenueProfile
from arb.errors import ConfigError, StoreError
from arb.replay.tapes import OwnTape, as_capture, is_own, merged
from arb.store.tapes.convert import convert_tapes
from arb.store.tapes.line import TapeLine
from arb.store.tapes.tape import TapeHead, decode_head, encode_head
from tests.builders import D, an_instrument

SETTINGS = EngineSettings(
    limits=Limits(),
    timing=Timing(),
    repair=RepairPolicy(),
    venues=(VenueProfile("gate", PlaceRate(4, 500), True),),
    symbols=("BTC/USDT",),
)
HEAD = TapeHead(settings=SETTINGS, restored=Restored(), last_seq=10)


def own(path: Path, *seqs: int, head: bool = True) -> Path:
    """Write an own tape with frames of these numbers."""
    lines = [{"t": 1.0, "venue": "", "kind": "event", "raw": encode_head(HEAD).decode()}] if head else []
    lines += [{"t": 1.0 + seq, "venue": "gate", "kind": "ws", "raw": f"{seq}", "seq": seq} for seq in seqs]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def capture(path: Path, venue: str, *instants: float) -> Path:
    """Write a capture with one frame at each instant."""
    lines = ({"t": t, "venue": venue, "kind": "ws", "raw": f"{venue}{t}"} for t in instants)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_a_missing_number_is_an_error_after_everything_before_it(tmp_path: Path) -> None:
    lines = OwnTape([own(tmp_path / "a", 11, 12, 14)]).lines()
    assert [next(lines).seq, next(lines).seq] == [11, 12]
    with pytest.raises(StoreError, match="seq 13 is missing"):
        next(lines)


def test_parts_of_a_run_are_joined_be_they_text_or_parquet_and_captures_merged(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    first, second = own(tmp_path / "a", 11, 12), own(tmp_path / "b", 13, 14, head=False)
    paths = [Path(made.made) for made in convert_tapes([second, first], tmp_path / "out", to_parquet=True)]
    assert all(is_own(path) for path in paths)
    for parts in ([paths[0], paths[1]], [first, paths[0]], [second, paths[1]]):
        tape = OwnTape(parts)
        assert (tape.head.last_seq, [line.seq for line in tape.lines()]) == (10, [11, 12, 13, 14])
    gate, okx = capture(tmp_path / "g", "gate", 1.0, 3.0), capture(tmp_path / "o", "okx", 2.0)
    (made,) = convert_tapes([gate], tmp_path / "out", to_parquet=True)
    assert not is_own(Path(made.made))
    assert list(merged([Path(made.made), okx])) == list(merged([gate, okx]))


def test_parts_without_a_head_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="head"):
        OwnTape([own(tmp_path / "b", 13, 14, head=False)])


def test_the_tapes_of_two_runs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="several runs"):
        OwnTape([own(tmp_path / "a", 11), own(tmp_path / "b", 11)])


def test_a_head_of_another_version_is_refused() -> None:
    text = encode_head(HEAD).decode()
    assert decode_head(text) == HEAD
    with pytest.raises(StoreError, match="another arb"):
        decode_head(text.replace('"version":1', '"version":2'))
    with pytest.raises(StoreError, match="cannot be read"):
        decode_head("{}")


def test_a_head_of_before_legs_had_a_cost_is_of_a_run_without() -> None:
    text = encode_head(HEAD).decode()
    off = ',"leg_cost":"off"'
    assert text.count(off) == 1
    assert decode_head(text.replace(off, "")) == HEAD


def test_parts_are_put_in_order_by_their_numbers(tmp_path: Path) -> None:
    late, early = own(tmp_path / "1", 13, 14, head=False), own(tmp_path / "2", 11, 12)
    assert [line.seq for line in OwnTape([late, early]).lines()] == [11, 12, 13, 14]


def test_an_own_tape_is_told_from_a_capture(tmp_path: Path) -> None:
    assert is_own(own(tmp_path / "a"))
    assert is_own(own(tmp_path / "b", 13, head=False))
    assert not is_own(capture(tmp_path / "c", "gate", 1.0))
    assert not is_own(capture(tmp_path / "d", "gate"))


def test_captures_are_merged_by_time_and_of_equal_instants_the_first_file_comes_first(tmp_path: Path) -> None:
    paths = [capture(tmp_path / "a", "gate", 1.0, 3.0), capture(tmp_path / "b", "okx", 1.0, 2.0, 4.0)]
    assert [(c.file, c.line.t) for c in merged(paths)] == [(0, 1.0), (1, 1.0), (1, 2.0), (0, 3.0), (1, 4.0)]


@pytest.mark.parametrize("zipped", [False, True])
def test_the_tape_of_a_killed_run_ends_where_it_was_torn(tmp_path: Path, zipped: bool) -> None:
    path = own(tmp_path / "a", *range(11, 500))
    whole = gzip.compress(path.read_bytes()) if zipped else path.read_bytes()
    path.write_bytes(whole[:-40])
    seqs = [line.seq for line in OwnTape([path]).lines()]
    assert seqs == list(range(11, 11 + len(seqs))) and 0 < len(seqs) < 489


def test_a_torn_capture_hides_nothing_of_the_others(tmp_path: Path) -> None:
    torn = capture(tmp_path / "a", "gate", 1.0, 2.0)
    torn.write_bytes(torn.read_bytes()[:-5])
    whole = capture(tmp_path / "b", "okx", 1.5, 2.5)
    assert [captured.line.raw for captured in merged([torn, whole])] == ["gate1.0", "okx1.5", "okx2.5"]


def segment(path: Path, venue: str, *instants: float, version: int = 1) -> Path:
    """Write a segment of a recording: a head, then events and a frame at each instant."""
    head = {"type": "SegmentBegan", "version": version, "recording": "00ff", "segment": 1, "arb": "1"}
    lines = [{"t": instants[0], "venue": "", "kind": "event", "raw": json.dumps(head)}]
    for t in instants:
        listed = {"type": "InstrumentListed", "instrument": {}}
        down = {"type": "FeedDown", "venue": venue, "cause": "reset"}
        lines += [{"t": t, "venue": venue, "kind": "event", "raw": json.dumps(event)} for event in (listed, down)]
        lines.append({"t": t, "venue": venue, "kind": "ws", "raw": f"{venue}{t}"})
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_segments_of_a_recording_are_one_capture_and_what_ends_books_is_among_its_lines(tmp_path: Path) -> None:
    paths = [
        capture(tmp_path / "a", "okx", 1.5),
        segment(tmp_path / "b", "gate", 1.0),
        segment(tmp_path / "c", "gate", 2.0),
    ]
    assert not any(is_own(path) for path in paths)
    assert [(c.file, c.line.kind, c.line.t) for c in merged(paths)] == [
        (1, "event", 1.0),
        (1, "ws", 1.0),
        (0, "ws", 1.5),
        (1, "event", 2.0),
        (1, "ws", 2.0),
    ]


def test_of_a_run_frames_what_ends_its_books_and_all_that_its_venues_listed_are_a_capture(tmp_path: Path) -> None:
    gate, okx = an_instrument("gate"), an_instrument("okx")
    finer = msgspec.structs.replace(gate, tick=D("0.001"))
    events = [
        VenueListed(seq=11, t_ns=1, venue="gate", instruments=(gate,)),
        InstrumentListed(seq=12, t_ns=2, instrument=okx),
        FeedUp(seq=13, t_ns=3, venue="gate"),
        InstrumentListed(seq=14, t_ns=4, instrument=finer),
        FeedDown(seq=15, t_ns=5, venue="gate", cause="reset"),
        InstrumentUnlisted(seq=16, t_ns=6, venue="gate", symbol=gate.symbol),
        InstrumentUnlisted(seq=17, t_ns=7, venue="gate", symbol="NOVA/USDT"),
    ]
    path = own(tmp_path / "run", 10)
    path.write_text(path.read_text().splitlines()[0] + "\n")
    with path.open("ab") as file:
        for event in events:
            raw = msgspec.json.Encoder(decimal_format="string").encode(event).decode()
            file.write(
                msgspec.json.encode(TapeLine(event.t_ns / 1e9, "", "event", raw, "", event.seq, event.t_ns)) + b"\n"
            )
        file.write(msgspec.json.encode(TapeLine(8e-9, "gate", "ws", "frame", "", 18, 8)) + b"\n")

    found = list(as_capture(OwnTape([path])))

    assert [captured.rules for captured in found] == [
        *(gate, okx, finer, None),
        *(msgspec.structs.replace(finer, tradable=False), None),
    ]
    assert [captured.line.seq for captured in found] == [11, 12, 14, 15, 16, 18]


def test_a_segment_of_another_version_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="another arb"):
        is_own(segment(tmp_path / "a", "gate", 1.0, version=2))
