"""The tape of a run: written off the loop, bounded, and ended rather than torn when the disk is in trouble."""

import json
import os
import threading
from pathlib import Path

import pytest

from arb.core.messages.events import FeedDown, FeedUp, QueueDrained, TroubleReported
from arb.errors import StoreError
from arb.live.taping import Taping
from arb.store.tapes.tape import read_tape
from tests.unit.replay.test_tapes import HEAD

START_NS = 1_760_000_000_123_456_789


def test_a_file_that_exists_is_never_written_over_and_the_next_part_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text("mine")
    (tmp_path / "t.0002.jsonl").write_text("mine, too")
    taping = Taping(path, print)
    taping.begin(HEAD, START_NS)
    taping.close()
    assert path.read_text() == "mine"
    assert (tmp_path / "t.0002.jsonl").read_text() == "mine, too"
    assert taping.path == tmp_path / "t.0003.jsonl"
    assert taping.path.exists()


def test_a_tape_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be created"):
        Taping(tmp_path / "no" / "folder.jsonl", print)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_ends_the_tape_and_says_so_once(tmp_path: Path) -> None:
    troubles: list[str] = []
    reported = threading.Event()

    def on_trouble(cause: str) -> None:
        troubles.append(cause)
        reported.set()

    path = tmp_path / "t.jsonl"
    taping = Taping(path, on_trouble)
    _let_the_disk_be_full(taping)
    taping.frame(1, START_NS, "gate", b"{}")
    assert reported.wait(10)
    taping.frame(2, START_NS, "gate", b"{}")
    taping.close()
    assert taping.ended
    assert len(troubles) == 1 and "trading goes on" in troubles[0]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_two_troubles_are_told_as_one(tmp_path: Path) -> None:
    troubles: list[str] = []
    taping = Taping(tmp_path / "t.jsonl", troubles.append, queue_bytes=1000)
    _let_the_disk_be_full(taping)
    for seq in range(1, 100):
        taping.frame(seq, START_NS, "gate", b"x" * 100)
    taping.close()
    assert len(troubles) == 1


def test_a_disk_that_cannot_keep_up_ends_the_tape_before_the_first_line_that_is_missing(tmp_path: Path) -> None:
    troubles: list[str] = []
    path = tmp_path / "t.jsonl"
    taping = Taping(path, troubles.append, queue_bytes=3000)
    for seq in range(1, 1000):
        taping.frame(seq, START_NS, "gate", b"x" * 100)
    taping.close()
    seqs = [line.seq for line in read_tape(path)]
    assert seqs == list(range(1, len(seqs) + 1))
    assert 30 <= len(seqs) < 999
    assert len(troubles) == 1 and "cannot keep up" in troubles[0]


def test_nothing_is_taken_after_the_end(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    taping = Taping(path, print)
    taping.frame(1, START_NS, "gate", b"{}")
    taping.close()
    taping.frame(2, START_NS, "gate", b"{}")
    taping.close()
    assert [line.seq for line in read_tape(path)] == [1]


def test_an_empty_tape_is_not_left_in_the_way_of_the_next_run(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl.gz"
    Taping(path, print).close()
    assert not path.exists()


@pytest.mark.parametrize("name", ["t.jsonl", "t.jsonl.gz"])
def test_head_frames_and_events_stand_in_the_order_in_which_they_were_taken(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    taping = Taping(path, print)
    taping.begin(HEAD, START_NS)
    taping.frame(11, START_NS + 1, "gate", '{"ä":1}'.encode())
    taping.event(FeedUp(seq=12, t_ns=START_NS + 2, venue="okx"))
    taping.event(QueueDrained(seq=13, t_ns=START_NS + 3))
    taping.close()
    lines = list(read_tape(path))
    assert [(line.kind, line.venue, line.seq, line.t_ns) for line in lines] == [
        ("event", "", None, START_NS),
        ("ws", "gate", 11, START_NS + 1),
        ("event", "okx", 12, START_NS + 2),
        ("event", "", 13, START_NS + 3),
    ]
    assert lines[1].raw == '{"ä":1}'
    assert json.loads(lines[2].raw) == {"type": "FeedUp", "seq": 12, "t_ns": START_NS + 2, "venue": "okx"}


def test_an_event_that_is_no_venues_does_not_end_the_tape(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    taping = Taping(path, print)
    taping.begin(HEAD, START_NS)
    taping.event(TroubleReported(seq=1, t_ns=START_NS, kind="view", text="it broke"))
    taping.frame(2, START_NS, "gate", b"{}")
    taping.close()
    assert [(line.kind, line.venue) for line in read_tape(path)] == [("event", ""), ("event", ""), ("ws", "gate")]


def test_a_frame_says_its_connection_where_that_is_not_the_venue_s_first(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    taping = Taping(path, print)
    taping.frame(11, START_NS, "gate", b"{}")
    taping.frame(12, START_NS, "gate#2", b"{}")
    taping.event(FeedDown(seq=13, t_ns=START_NS, venue="gate", connection="gate#2", cause="reset"))
    taping.close()
    assert [(line.venue, line.connection, line.origin) for line in read_tape(path)] == [
        ("gate", "", "gate"),
        ("gate", "gate#2", "gate#2"),
        ("gate", "", "gate"),  # what an event is about it says itself
    ]
    first, *_ = path.read_text().splitlines()
    assert first == f'{{"t":{START_NS / 1e9!r},"venue":"gate","kind":"ws","raw":"{{}}","seq":11,"t_ns":{START_NS}}}'


def _let_the_disk_be_full(taping: Taping) -> None:
    """Put the device that is always full in the place of the tape's open file."""
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, taping._writer._file.fileno())
    os.close(full)
