"""A feed that takes anchors goes on exactly as the feed that they were taken from."""

import json
from pathlib import Path

import msgspec
import pytest

from arb.market.arena import BookState
from arb.store.tapes.tape import read_tape
from arb.venues.books.plain.base import WireFeed
from arb.venues.books.plain.checkpoints import BookCheckpoint, copies_of, take_checkpoint
from arb.venues.registry import tape_feed
from tests.support.floor import BookFrames

CAPTURES = Path(__file__).parents[4] / "data" / "captures"
AT_NS = 10**18
ANCHOR = BookCheckpoint(
    native_symbol="BTC_USDT",
    state="live",
    sequence="105",
    stream="ob.BTC_USDT.50",
    depth_max=50,
    bids=[("99.9", "5")],
    asks=[("100", "5")],
)


def shown(feed: WireFeed) -> list[BookCheckpoint]:
    """Return the books of a feed."""
    return [book.anchor() for book in copies_of(feed)]


def continued(feed: WireFeed, venue: str) -> WireFeed:
    """Return a new feed that took the anchors of `feed`, as they are read from a file."""
    other = tape_feed(venue)
    for anchor in shown(feed):
        take_checkpoint(other, msgspec.json.decode(msgspec.json.encode(anchor), type=BookCheckpoint), AT_NS)
    return other


@pytest.mark.parametrize(
    ("venue", "name"), [("okx", "okx_20220513_start.jsonl.gz"), ("bitget", "bitget_perp_20220407_start.jsonl.gz")]
)
def test_after_every_frame_of_a_capture_an_anchored_feed_goes_on_alike(venue: str, name: str) -> None:
    lines = list(read_tape(CAPTURES / name))
    feed, others = tape_feed(venue), []
    for number, line in enumerate(lines):
        if number % 10 == 5:
            others.append(continued(feed, venue))
        for each in (feed, *others):
            each.on_frame(line.received_ns, line.raw)
    assert len(others) > 3 and any(book.state == "live" for book in shown(feed))
    assert all(shown(other) == shown(feed) for other in others)


def test_a_change_that_follows_the_anchor_is_applied_and_one_after_a_gap_is_not() -> None:
    frames = BookFrames("gate", "BTC_USDT")
    feed = tape_feed("gate")
    feed.on_frame(AT_NS, frames.whole("99.9x5", "100x5", AT_NS))
    other = continued(feed, "gate")
    other.on_frame(AT_NS, frames.change("99.95x1", "", AT_NS))
    assert shown(other)[0].bids == [("99.95", "1"), ("99.9", "5")]
    frames.skip()
    other.on_frame(AT_NS, frames.change("99.95x2", "", AT_NS))
    assert (shown(other)[0].state, shown(other)[0].bids) == ("gap", [])


@pytest.mark.parametrize(
    "wrong", [{"sequence": "12x"}, {"sequence": "1" * 19}, {"bids": [("0", "1")]}, {"asks": [("1e999", "1")]}]
)
def test_an_anchor_that_cannot_be_read_makes_its_book_unusable(wrong: dict[str, object]) -> None:
    feed = tape_feed("gate")
    result = take_checkpoint(feed, msgspec.structs.replace(ANCHOR, **wrong), AT_NS)
    assert result.error is not None
    assert [slot.state for slot in feed.books()] == [BookState.GAP]


def test_what_stands_on_disk_is_frozen() -> None:
    assert json.loads(msgspec.json.encode(ANCHOR)) == {
        "type": "BookAnchored",
        "native_symbol": "BTC_USDT",
        "state": "live",
        "sequence": "105",
        "stream": "ob.BTC_USDT.50",
        "depth_max": 50,
        "bids": [["99.9", "5"]],
        "asks": [["100", "5"]],
    }
