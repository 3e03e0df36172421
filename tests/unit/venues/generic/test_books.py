"""The reader of generic frames: each book replaces the one before, and what cannot be a book is none."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb.market.arena import BookState
from arb.venues.books.plain.base import WireFeed
from arb.venues.books.plain.checkpoints import copies_of, take_checkpoint
from arb.venues.generic.feed import frame_of
from arb.venues.registry import tape_feed

VENUE, SYMBOL, NOW_NS = "generic:kraken", "BTC/USDT", 1_700_000_000_000_000_000


def a_frame(**changes: Any) -> bytes:
    """Return a sound frame, with changes."""
    book = {"symbol": SYMBOL, "timestamp": 1_700_000_000_000, "nonce": 7, "polled": False}
    levels = {"bids": [["100.5", "1"], ["100", "2"]], "asks": [["101", "0.25"]]}
    return json.dumps(book | levels | changes).encode()


def book_of(feed: WireFeed) -> tuple[str, list[Any], list[Any]]:
    """Return state and levels of the one book as an anchor has them."""
    (anchor,) = (copy.anchor() for copy in copies_of(feed))
    return anchor.state, anchor.bids, anchor.asks


def test_each_book_replaces_the_one_before() -> None:
    feed = tape_feed(VENUE)
    feed.on_frame(NOW_NS, a_frame())
    assert book_of(feed) == ("live", [("100.5", "1"), ("100", "2")], [("101", "0.25")])
    feed.on_frame(NOW_NS, a_frame(bids=[["99", "3"]], asks=[], timestamp=None, nonce=None, polled=True))
    assert book_of(feed) == ("live", [("99", "3")], [])


def test_levels_out_of_order_are_put_in_order_and_a_size_of_zero_is_no_level() -> None:
    feed = tape_feed(VENUE)
    feed.on_frame(NOW_NS, a_frame(bids=[["99", "1"], ["100", "1"], ["98", "0"]]))
    assert book_of(feed)[1] == [("100", "1"), ("99", "1")]


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({"bids": [["NaN", "1"]]}, "gap"),
        ({"bids": [["-1", "1"]]}, "gap"),
        ({"asks": [["0", "1"]]}, "gap"),
        ({"asks": [["101", "Infinity"]]}, "gap"),
        ({"asks": [["101"]]}, "gap"),
        ({"asks": [[101, 1]]}, "gap"),
        ({"asks": None}, "gap"),
        ({"bids": [], "asks": []}, "gap"),
        ({"nonce": -5}, "gap"),
        ({"timestamp": "today"}, "gap"),
        ({"lost": "NetworkError: away"}, "gap"),
        ({"bids": [["102", "1"]]}, "crossed"),
    ],
)
def test_what_cannot_be_a_book_loses_it_until_a_sound_one_comes(changes: dict[str, Any], state: str) -> None:
    feed = tape_feed(VENUE)
    feed.on_frame(NOW_NS, a_frame())
    result = feed.on_frame(NOW_NS, a_frame(**changes))
    assert [resync.native_symbol for resync in result.resyncs] == [SYMBOL]
    assert book_of(feed) == (state, [], [])
    feed.on_frame(NOW_NS, a_frame())
    assert book_of(feed)[0] == "live"


@pytest.mark.parametrize("changes", [{"bids": [["x", "1"]]}, {"asks": None}, {"lost": "away"}])
def test_a_lost_book_takes_no_other_with_it(changes: dict[str, Any]) -> None:
    feed = tape_feed(VENUE)
    feed.on_frame(NOW_NS, a_frame())
    feed.on_frame(NOW_NS, a_frame(symbol="ETH/USDT"))
    feed.on_frame(NOW_NS, a_frame(**changes))
    assert [slot.state for slot in feed.books()] == [BookState.GAP, BookState.LIVE]


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_whatever_comes_the_reader_goes_on(raw: bytes) -> None:
    feed = tape_feed(VENUE)
    feed.on_frame(NOW_NS, a_frame())
    feed.on_frame(NOW_NS, raw)
    feed.on_frame(NOW_NS, a_frame())
    assert book_of(feed)[0] == "live"


prices = st.floats(1e-12, 1e12, allow_nan=False)


@given(st.lists(st.tuples(prices, prices), max_size=60, unique_by=lambda level: level[0]))
def test_a_price_of_ccxt_comes_through_as_the_number_it_was(
    levels: list[tuple[float, float]],
) -> None:
    bids = sorted(levels, reverse=True)
    frame = frame_of(SYMBOL, {"bids": bids, "asks": [(2e12, 1)], "timestamp": None, "nonce": "x"}, polled=True)
    assert [(float(price), float(size)) for price, size in frame.bids] == bids[:50]
    assert frame.nonce is None


def test_fifty_levels_a_side_are_kept_and_no_number_is_written_with_an_exponent() -> None:
    asks = [[1e-7 * price, 10**6 * price] for price in range(1, 61)]
    frame = frame_of(SYMBOL, {"bids": [], "asks": asks}, polled=False)
    assert len(frame.asks) == 50 and frame.asks[0] == ("0.0000001", "1000000")


def test_a_book_goes_on_from_an_anchor() -> None:
    feed, after = tape_feed(VENUE), tape_feed(VENUE)
    feed.on_frame(NOW_NS, a_frame(nonce=None))
    for copy in copies_of(feed):
        take_checkpoint(after, copy.anchor(), NOW_NS)
    assert book_of(after) == book_of(feed)
