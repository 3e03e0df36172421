"""The books of a capture that are traded, and those that are not, or not any more."""

import json

import pytest

from arb.errors import InvariantError
from arb.market.arena import BookArena
from arb.market.feed import BookSeat, FrameResult
from arb.market.scale import Scale
from arb.replay.feeds import NO_ROW, CapturedFeed
from arb.replay.tapes import Captured
from arb.store.tapes.line import TapeLine
from arb.venues.registry import tape_feed
from tests.support.floor import BookFrames

SCALE = Scale(1, 3)


class Bench:
    """Two files of Gate: in the first BTC is traded and ETH is not, in the second there is SOL."""

    def __init__(self) -> None:
        self.arena = BookArena(1, spare=1)
        first = {"BTC_USDT": BookSeat(0, SCALE), "ETH_USDT": BookSeat(NO_ROW, SCALE)}
        second = {"SOL_USDT": BookSeat(NO_ROW, SCALE)}
        self.connections = {
            (number, "gate"): tape_feed("gate", seats, self.arena) for number, seats in enumerate((first, second))
        }
        self.feed = CapturedFeed("gate", self.connections)
        self.frames = {native: BookFrames("gate", native) for native in ("BTC_USDT", "ETH_USDT", "SOL_USDT")}

    def whole(self, native: str) -> FrameResult:
        raw = self.frames[native].whole("99.9x5", "100x5", 10**15).decode()
        self.feed.expect(Captured(native == "SOL_USDT", TapeLine(1.0, "gate", "ws", raw)))
        return self.feed.on_frame(10**15, raw)


def test_a_book_of_the_capture_is_traded_from_its_next_snapshot_on_whatever_file_shows_it() -> None:
    bench = Bench()
    assert bench.feed.seats() == {"BTC_USDT": BookSeat(0, SCALE)}
    for native in ("ETH_USDT", "SOL_USDT"):
        bench.whole(native)
        row = bench.arena.add()
        bench.feed.add_book(native, BookSeat(row, SCALE))
        assert not bench.arena.usable(row)
        assert bench.whole(native).rows == (row,) and bench.arena.usable(row)
        bench.feed.retire_book(native)
        bench.arena.retire(row)
        assert bench.whole(native).rows == () and not bench.arena.usable(row)
    assert bench.whole("BTC_USDT").rows == (0,)


def test_a_retired_book_is_read_on_for_the_counts_alone() -> None:
    bench = Bench()
    bench.whole("BTC_USDT")
    bench.feed.retire_book("BTC_USDT")
    bench.arena.retire(0)
    before, read = bench.arena.block.tolist(), bench.connections[0, "gate"].counts.book_frames
    assert bench.whole("BTC_USDT").rows == () == bench.feed.on_disconnect(1).rows
    assert bench.arena.block.tolist() == before and bench.connections[0, "gate"].counts.book_frames == read + 1
    assert bench.feed.seats() == {}


def test_what_cannot_come_or_go_is_refused() -> None:
    feed = Bench().feed
    with pytest.raises(InvariantError, match="has a seat already"):
        feed.add_book("BTC_USDT", BookSeat(1, SCALE))
    with pytest.raises(InvariantError, match="shows nothing of DOGE_USDT"):
        feed.add_book("DOGE_USDT", BookSeat(1, SCALE))
    with pytest.raises(InvariantError, match="ETH_USDT has no seat"):
        feed.retire_book("ETH_USDT")
    assert json.dumps(sorted(feed.seats())) == '["BTC_USDT"]'
