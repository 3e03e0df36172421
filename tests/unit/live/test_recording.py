"""A recording: each segment replays alone to the books that the whole shows, whatever the venues and the disk did."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from arb.clock import NS_PER_S, ManualClock
from arb.core.messages.events import FeedDown, FeedUp
from arb.live.recording import ROOM_BYTES, ROOM_CHECKED_EVERY_S, Recorder
from arb.replay.books import BooksReport, TapeBooks, books_at
from arb.store.tapes.segments import Segments
from arb.store.tapes.tape import read_tape
from arb.venues.registry import tape_feed
from tests.builders import an_instrument
from tests.support.floor import BookFrames

START_NS = 1_795_417_200 * NS_PER_S  # 2026-11-23, 07:00 UTC
BIG = 10**9


class Recording:
    """A recording of Gate and OKX, by hand: nothing happens but by a call."""

    def __init__(self, folder: Path, *, size_bytes: int = BIG, queue_bytes: int = BIG) -> None:
        self.folder = folder
        self.clock = ManualClock(START_NS)
        self.free = ROOM_BYTES
        self.segments = Segments(folder, "00ff", "1")
        self.recorder = Recorder(
            self.segments,
            self.clock,
            every_ns=3600 * NS_PER_S,
            size_bytes=size_bytes,
            free_bytes=lambda: self.free,
            queue_bytes=queue_bytes,
        )
        self.frames = {"gate": BookFrames("gate", "BTC_USDT"), "gate#2": BookFrames("gate", "ETH_USDT")}
        self.frames["okx"] = BookFrames("okx", "BTC-USDT")

    async def begin(self) -> None:
        """Begin, with a whole book on every connection."""
        await self.recorder.start()
        feeds = {name: tape_feed(name.partition("#")[0]) for name in self.frames}
        self.recorder.listed((an_instrument("gate"), an_instrument("okx")), feeds)
        for name in self.frames:
            venue, _, number = name.partition("#")
            self.recorder.event(FeedUp(venue=venue, connection=name if number else ""))
            self.whole(name)

    def whole(self, connection: str) -> None:
        """Let a whole book come."""
        self._take(connection, self.frames[connection].whole("99.9x5 99.8x1", "100x5 100.25x0.125", START_NS))

    def change(self, connection: str, bids: str, asks: str = "") -> None:
        """Let a change come."""
        self._take(connection, self.frames[connection].change(bids, asks, START_NS))

    async def end(self) -> None:
        """Stop, and write to the end."""
        self.recorder.stop()
        await self.recorder.run()

    def files(self) -> list[Path]:
        """Return the segments."""
        return sorted(self.folder.iterdir())

    def alone_and_whole(self) -> list[tuple[BooksReport, BooksReport]]:
        """Return the books after every segment: replayed alone, and after all before it."""
        whole, found = TapeBooks(), []
        for path in self.files():
            for line in read_tape(path):
                whole.take(line)
            found.append((books_at(path, None, 50), whole.report(50)))
        return found

    def fill_disk(self) -> None:
        """Put the device that is always full in the place of the open file."""
        assert self.segments._tape is not None
        full = os.open("/dev/full", os.O_WRONLY)
        os.dup2(full, self.segments._tape._file.fileno())
        os.close(full)
        self.free = 0

    def _take(self, connection: str, raw: bytes) -> None:
        self.clock.advance(NS_PER_S)
        self.recorder.frame(connection, self.clock.wall_ns(), raw)


def play(recording: Recording, script: Callable[[Recording], object]) -> None:
    """Begin, play a script, end."""

    async def main() -> None:
        await recording.begin()
        result = script(recording)
        if asyncio.iscoroutine(result):
            await result
        await recording.end()

    asyncio.run(main())


def an_hour_passes(recording: Recording) -> None:
    recording.clock.advance(3600 * NS_PER_S)


async def _three_hours(recording: Recording) -> None:
    recording.change("gate", "99.95x1")
    for size in ("2", "3"):
        an_hour_passes(recording)
        await recording.recorder.write()
        recording.change("gate", f"99.95x{size}", "100x0")
        recording.change("gate#2", f"99.8x{size}")
        await recording.recorder.write()


def test_books_at_the_end_of_a_segment_alone_are_those_of_the_whole(tmp_path: Path) -> None:
    recording = Recording(tmp_path)
    play(recording, _three_hours)
    reports = recording.alone_and_whole()
    assert len(reports) == 3 and recording.recorder.gaps == []
    for alone, whole in reports:
        assert set(alone.books) == {"gate/BTC_USDT", "gate/ETH_USDT", "okx/BTC-USDT"}
        assert alone.books == whole.books
    last = reports[-1][0].books
    assert last["gate/BTC_USDT"].bids[0] == ("99.95", "3") and last["gate/ETH_USDT"].bids[1] == ("99.8", "3")
    assert last["gate/BTC_USDT"].sequence is not None and last["okx/BTC-USDT"].asks[1] == ("100.25", "0.125")


def test_a_segment_says_what_is_listed_and_at_the_hour_the_next_begins(tmp_path: Path) -> None:
    recording = Recording(tmp_path)
    play(recording, _three_hours)
    assert [path.name for path in recording.files()] == [
        "000001-20261123T070000Z.jsonl.gz",
        "000002-20261123T080005Z.jsonl.gz",
        "000003-20261123T090007Z.jsonl.gz",
    ]
    for path in recording.files():
        listed = [line.venue for line in read_tape(path) if '"type":"InstrumentListed"' in line.raw]
        assert listed == ["gate", "okx"]


async def _lost_books(recording: Recording) -> None:
    recording.frames["okx"].skip()
    recording.change("okx", "99.9x1")
    recording.recorder.event(FeedDown(venue="gate", connection="gate#2", cause="reset"))
    an_hour_passes(recording)
    recording.change("gate", "99.9x1")


def test_a_book_that_was_lost_is_not_brought_back_by_the_next_segment(tmp_path: Path) -> None:
    recording = Recording(tmp_path)
    play(recording, _lost_books)
    alone, whole = recording.alone_and_whole()[-1]
    assert alone.books == whole.books
    states = {name: book.state for name, book in alone.books.items()}
    assert states == {"gate/BTC_USDT": "live", "gate/ETH_USDT": "waiting", "okx/BTC-USDT": "gap"}


async def _grows(recording: Recording) -> None:
    for size in range(1, 40):
        recording.change("gate", f"99.9x{size}")
        await recording.recorder.write()


def test_a_segment_ends_when_it_has_grown_to_its_size(tmp_path: Path) -> None:
    recording = Recording(tmp_path, size_bytes=600)
    play(recording, _grows)
    *grown, _ = recording.files()
    assert len(grown) >= 2 and all(600 <= path.stat().st_size < 3000 for path in grown)
    assert all(alone.books == whole.books for alone, whole in recording.alone_and_whole())


async def _full_disk(recording: Recording) -> None:
    await recording.recorder.write()
    recording.fill_disk()
    recording.change("gate", "99.9x1")
    await recording.recorder.write()
    recording.change("gate", "99.9x2")
    for free in (0, ROOM_BYTES - 1, ROOM_BYTES):
        recording.free = free
        recording.clock.advance(int(ROOM_CHECKED_EVERY_S * NS_PER_S))
        await recording.recorder.write()
        assert len(recording.recorder.gaps) == (free == ROOM_BYTES)
    recording.change("gate", "99.95x7")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_on_a_full_disk_what_is_there_is_kept_and_a_new_segment_begins_when_there_is_room(tmp_path: Path) -> None:
    recording = Recording(tmp_path)
    play(recording, _full_disk)
    before, after = recording.files()
    assert books_at(before, None, 50).books["gate/BTC_USDT"].bids[0] == ("99.9", "5")
    bids = books_at(after, None, 50).books["gate/BTC_USDT"].bids
    assert bids == [("99.95", "7"), ("99.9", "2"), ("99.8", "1")]  # what came while the disk was full is in the anchor
    (gap,) = recording.recorder.gaps
    assert "cannot be written" in gap.cause
    assert recording.recorder.finished[0].ended_ns == gap.from_ns < gap.to_ns == recording.recorder.finished[1].began_ns
    assert "cannot be written" in recording.recorder.finished[0].cut_short


async def _full_to_the_end(recording: Recording) -> None:
    await recording.recorder.write()
    recording.fill_disk()
    recording.change("gate", "99.9x1")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_disk_that_stays_full_leaves_a_gap_to_the_end(tmp_path: Path) -> None:
    recording = Recording(tmp_path)
    play(recording, _full_to_the_end)
    (gap,) = recording.recorder.gaps
    assert gap.to_ns == recording.clock.wall_ns()
    assert len(recording.files()) == 1


async def _too_much(recording: Recording) -> None:
    for size in range(1, 60):
        recording.change("gate", f"99.9x{size}")
    recording.clock.advance(int(ROOM_CHECKED_EVERY_S * NS_PER_S))
    await recording.recorder.write()
    recording.change("okx", "99.9x9")


def test_a_disk_that_cannot_keep_up_makes_a_gap_and_never_a_hole_within_a_segment(tmp_path: Path) -> None:
    recording = Recording(tmp_path, queue_bytes=8000)
    play(recording, _too_much)
    (gap,) = recording.recorder.gaps
    assert gap.cause == "the disk cannot keep up"
    before, after = (books_at(path, None, 50).books for path in recording.files())
    assert before["gate/BTC_USDT"].state == after["gate/BTC_USDT"].state == "live"
    assert after["gate/BTC_USDT"].bids[0] == ("99.9", "59") and after["okx/BTC-USDT"].bids[0] == ("99.9", "9")


def test_a_folder_that_is_no_folder_is_an_error_before_anything_is_recorded(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    recording = Recording(tmp_path / "file")
    with pytest.raises(Exception, match="cannot be made"):
        asyncio.run(recording.recorder.start())
