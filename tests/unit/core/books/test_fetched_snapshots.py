"""What a fetched snapshot says to the engine's books: what stands in the book, and nothing of the connection."""

import json

from arb.clock import NS_PER_MS, NS_PER_S
from arb.core.books.books import Books
from arb.core.engine import Engine
from arb.core.messages.settings import Limits, RepairPolicy, Timing
from arb.core.state.budget import PlaceRate
from arb.core.state.engine_state import EngineSettings, VenueProfile
from arb.market.arena import BookArena
from arb.market.feed import BookSeat
from arb.market.scale import Scale
from arb.venues.gate.books import GateFeed

NOW_NS = 1_700_000_000 * NS_PER_S
URL = "/spot/order_book?currency_pair=BTC_USDT&limit=100&with_id=true"
KEY = ("gate", "BTC/USDT")


def the_books() -> Books:
    """Return one book of Gate's EU entity, on a connection that stands."""
    scale, arena = Scale(2, 2), BookArena(1)
    feed = GateFeed({"BTC_USDT": BookSeat(0, scale)}, arena)
    feed.choose_channel("order_book_update")
    books = Books(arena, {KEY: 0}, {"BTC/USDT": scale}, {"gate": feed}, Timing())
    books.on_connect("gate", NOW_NS)
    return books


def change(first: int, last: int, sent_ns: int) -> str:
    result = {"s": "BTC_USDT", "U": first, "u": last, "b": [["9", "1"]], "a": []}
    frame = {"channel": "spot.order_book_update", "event": "update", "time_ms": sent_ns // NS_PER_MS}
    return json.dumps({**frame, "result": result})


def snapshot(last: int, made_ns: int) -> str:
    return json.dumps({"id": last, "current": made_ns // NS_PER_MS, "bids": [["8", "1"]], "asks": [["10", "1"]]})


def test_a_snapshot_made_long_ago_is_no_lag_and_one_that_comes_no_sign_of_life() -> None:
    books = the_books()

    def connection() -> tuple[int, int | None]:
        found = books.connections["gate"]
        return found.last_byte_ns, found.lag_ns

    books.on_frame("gate", NOW_NS, change(5, 5, NOW_NS))
    later_ns = NOW_NS + 20 * NS_PER_S
    books.on_frame("gate", later_ns, snapshot(5, NOW_NS - 40 * NS_PER_S), URL)
    assert books.is_live(*KEY)
    assert connection() == (NOW_NS, None)
    books.on_frame("gate", later_ns, change(6, 6, later_ns - 7 * NS_PER_MS))
    assert connection() == (later_ns, 7 * NS_PER_MS)
    assert books.unusable(*KEY, later_ns) is None


def test_our_own_orders_impact_lasts_until_a_snapshot_was_made_after_our_fill() -> None:
    books = the_books()
    books.on_frame("gate", NOW_NS, change(5, 5, NOW_NS))
    books.on_frame("gate", NOW_NS, snapshot(5, NOW_NS), URL)
    filled_ns = NOW_NS + 50 * NS_PER_MS
    books.sending(*KEY, NOW_NS)
    books.filled(*KEY, filled_ns, filled_ns)
    books.settled(*KEY)
    for made_ns, last, impacted in ((filled_ns - 10 * NS_PER_MS, 30, True), (filled_ns + 10 * NS_PER_MS, 60, False)):
        books.on_frame("gate", NOW_NS + NS_PER_S, change(last, last, NOW_NS))  # a gap
        books.on_frame("gate", NOW_NS + NS_PER_S, snapshot(last, made_ns), URL)
        assert books.is_live(*KEY) and books.impacted(*KEY) is impacted


def test_books_that_only_wait_for_their_snapshot_are_no_sign_against_the_venue() -> None:
    books = the_books()
    settings = EngineSettings(
        limits=Limits(),
        timing=Timing(),
        repair=RepairPolicy(),
        venues=(VenueProfile("gate", PlaceRate(10, 1000), True),),
        symbols=("BTC/USDT",),
    )
    engine = Engine(settings, books)
    engine.on_frame("gate", NOW_NS, change(5, 5, NOW_NS))
    assert engine.on_frame("gate", NOW_NS, snapshot(2, NOW_NS), URL).resyncs, "out of a cache"
    assert books.connections["gate"].gaps == 0
    engine.on_frame("gate", NOW_NS, snapshot(5, NOW_NS), URL)
    engine.on_frame("gate", NOW_NS, change(9, 9, NOW_NS))
    assert books.connections["gate"].gaps == 1
