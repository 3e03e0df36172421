"""Several public connections of one venue: each has its own silence, lag, gaps and losses, and its own books."""

import msgspec
import pytest

from arb.clock import NS_PER_MS
from arb.core.books.books import Books
from arb.core.messages.events import AnyEvent, FeedDown, FeedUp
from arb.core.messages.reasons import Reason
from arb.core.messages.records import IncidentRecord
from arb.core.messages.settings import Timing
from arb.errors import InvariantError
from arb.market.arena import BookArena
from arb.market.feed import BookFeed, BookSeat
from arb.market.scale import Scale
from arb.venues.registry import spec_of
from arb.view.summary import present_state
from tests.support.floor import BTC, ETH, Floor, native

PONG = b'{"channel":"spot.pong"}'


def two_at_gate(timing: Timing | None = None) -> Floor:
    """Return a floor where Gate has a connection for each symbol (BTC on the first) and OKX one for both; all live."""
    floor = Floor(per_connection={"gate": 1}, timing=timing)
    for venue in floor.venues:
        for symbol in (BTC, ETH):
            floor.whole(venue, symbol, "99.9x5", "100x5")
            floor.change(venue, symbol, "99.5x1", "")
    return floor


def test_each_book_is_carried_by_one_connection() -> None:
    books = two_at_gate().books
    assert list(books.feeds) == ["gate", "gate#2", "okx"]
    assert [books.connection_of("gate", symbol) for symbol in (BTC, ETH)] == ["gate", "gate#2"]
    assert [books.connection_of("okx", symbol) for symbol in (BTC, ETH)] == ["okx", "okx"]


def test_a_lost_connection_makes_its_own_books_wait_and_no_others() -> None:
    floor = two_at_gate()
    floor.tell(FeedDown(venue="gate", connection="gate#2", cause="reset"))
    assert [floor.books.is_live("gate", symbol) for symbol in (BTC, ETH)] == [True, False]
    assert floor.books.unusable("gate", ETH, floor.now_ns) is Reason.GAPPED_BOOK
    assert floor.books.unusable("gate", BTC, floor.now_ns) is None
    assert floor.books.live_venues() == {"gate", "okx"}
    floor.tell(FeedDown(venue="gate", cause="reset"))
    assert floor.books.live_venues() == {"okx"}
    floor.whole("gate", ETH, "99.9x5", "100x5")
    assert floor.books.live_venues() == {"gate", "okx"}


def test_a_connection_is_silent_for_its_own_books_only() -> None:
    floor = two_at_gate(Timing(feed_silence_ms=1000))
    floor.wait_ms(1500)
    floor.send("gate#2", PONG)
    assert floor.books.unusable("gate", BTC, floor.now_ns) is Reason.STALE_BOOK
    assert floor.books.unusable("gate", ETH, floor.now_ns) is None


def test_the_edge_of_a_book_is_taken_while_the_venue_s_other_connection_is_silent_and_only_then() -> None:
    for symbol, placed in ((ETH, 2), (BTC, 0)):
        floor = two_at_gate(Timing(feed_silence_ms=1000))
        floor.wait_ms(1500)
        floor.send("gate#2", PONG)
        floor.change("okx", symbol, "101x1", "100x0 101.2x5")
        floor.drain()
        assert len(floor.placed()) == placed
        assert floor.not_taken() == ({} if placed else {Reason.STALE_BOOK: 1})


def test_lag_and_skew_are_those_of_the_book_s_own_connection() -> None:
    floor = two_at_gate(Timing(max_feed_lag_ms=1000, max_skew_ms=500))
    late = floor.frames_of("gate", ETH).change("99.8x1", "", floor.now_ns - 700 * NS_PER_MS)
    floor.send("gate#2", late)
    assert floor.books.skewed(("gate", ETH), ("okx", ETH))
    assert not floor.books.skewed(("gate", BTC), ("okx", BTC))
    assert floor.books.unusable("gate", ETH, floor.now_ns) is None
    later = floor.frames_of("gate", ETH).change("99.8x2", "", floor.now_ns - 1500 * NS_PER_MS)
    floor.send("gate#2", later)
    assert floor.books.unusable("gate", ETH, floor.now_ns) is Reason.FEED_LAG
    assert floor.books.unusable("gate", BTC, floor.now_ns) is None
    assert floor.books.lag_ms("gate") == 1500  # a person is shown the worst


def test_a_lost_connection_forgets_its_lag_and_its_silence_begins_anew() -> None:
    floor = two_at_gate()
    floor.tell(FeedDown(venue="gate", connection="gate#2", cause="reset"))
    lost, kept = floor.books.connections["gate#2"], floor.books.connections["gate"]
    assert (lost.last_byte_ns, lost.lag_ns, lost.drops) == (0, None, 1)
    assert (kept.last_byte_ns, kept.lag_ns, kept.drops) == (floor.now_ns, 20 * NS_PER_MS, 0)


def test_an_unreadable_frame_loses_the_books_of_its_connection_only() -> None:
    floor = two_at_gate()
    result = floor.send("gate#2", b"{")
    assert [resync.native_symbol for resync in result.resyncs] == ["ETH_USDT"]
    assert [floor.books.is_live("gate", symbol) for symbol in (BTC, ETH)] == [True, False]


def test_a_venue_s_health_counts_all_its_connections_and_names_those_beyond_the_first() -> None:
    floor = two_at_gate()
    limits = floor.engine.state.settings.health
    for number in range(limits.drops_degraded):
        floor.tell(FeedDown(venue="gate", connection="gate#2" if number else "", cause="reset"))
    (told,) = floor.rows(IncidentRecord)
    others = limits.drops_degraded - 1
    assert f"drops {others + 1} >= {others + 1} ({others} at gate#2)" in str(told)
    assert str(floor.engine.state.health.venues["gate"].state) == "degraded"
    assert str(floor.engine.state.health.venues["okx"].state) == "healthy"


def test_gaps_are_counted_at_their_venue_and_at_their_connection() -> None:
    floor = two_at_gate()
    limits = floor.engine.state.settings.health
    for _ in range(limits.gaps_degraded):
        floor.whole("gate", ETH, "99.9x5", "100x5")
        floor.frames_of("gate", ETH).skip()
        assert floor.change("gate", ETH, "99.8x1", "").resyncs
    assert [floor.books.connections[name].gaps for name in ("gate", "gate#2")] == [0, limits.gaps_degraded]
    floor.drain()
    health = floor.engine.state.health.venues["gate"]
    assert health.cause == f"gaps {limits.gaps_degraded} >= {limits.gaps_degraded} ({limits.gaps_degraded} at gate#2)"


def test_a_book_that_cannot_be_read_stops_its_symbol_and_not_its_venue() -> None:
    floor = two_at_gate()
    limits = floor.engine.state.settings.health
    for _ in range(2 * limits.gaps_quarantined):
        assert floor.whole("gate", ETH, "-1x5", "100x5").error is not None
    floor.drain()
    assert str(floor.engine.state.health.venues["gate"].state) == "healthy"
    assert floor.books.unusable("gate", ETH, floor.now_ns) is Reason.GAPPED_BOOK
    assert floor.books.unusable("gate", BTC, floor.now_ns) is None
    assert floor.books.connections["gate#2"].gaps == 2 * limits.gaps_quarantined  # shown all the same
    # Whose frame this was, nobody knows: every book of the connection is lost, and that counts.
    floor.send("gate#2", b"{")
    floor.tell(FeedUp(venue="okx"))
    assert floor.engine.state.health.venues["gate"]._signs["gaps"]


def test_a_view_shows_a_venue_s_connections_where_there_are_several() -> None:
    floor = two_at_gate()
    floor.tell(FeedDown(venue="gate", connection="gate#2", cause="reset"))
    gate, okx = present_state(floor.engine, floor.now_ns)["venues"]
    assert (gate["books"], gate["lag_ms"], okx["books"]) == ("1/2", 20, "2/2")
    assert gate["connections"] == [
        {"connection": "gate", "books": "1/1", "lag_ms": 20, "gaps": 0, "drops": 0},
        {"connection": "gate#2", "books": "0/1", "lag_ms": None, "gaps": 0, "drops": 1},
    ]
    assert "connections" not in okx


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (FeedUp(seq=7, t_ns=8, venue="gate"), '{"type":"FeedUp","seq":7,"t_ns":8,"venue":"gate"}'),
        (
            FeedDown(seq=7, t_ns=8, venue="gate", cause="reset"),
            '{"type":"FeedDown","seq":7,"t_ns":8,"venue":"gate","cause":"reset"}',
        ),
        (
            FeedDown(seq=7, t_ns=8, venue="gate", cause="reset", connection="gate#2"),
            '{"type":"FeedDown","seq":7,"t_ns":8,"venue":"gate","cause":"reset","connection":"gate#2"}',
        ),
    ],
)
def test_what_is_written_of_a_first_connection_has_not_changed(event: AnyEvent, text: str) -> None:
    assert msgspec.json.encode(event).decode() == text
    assert msgspec.json.decode(text, type=AnyEvent) == event


def test_books_that_no_connection_or_two_would_write_are_refused() -> None:
    scale, rows = Scale(1, 3), {("gate", BTC): 0, ("gate", ETH): 1}

    def books(**seats: dict[str, BookSeat]) -> Books:
        arena = BookArena(2)
        feeds: dict[str, BookFeed] = {
            name.replace("_", "#"): spec_of("gate").make_books(seated, arena) for name, seated in seats.items()
        }
        return Books(arena, rows, {BTC: scale, ETH: scale}, feeds, Timing())

    btc, eth = ({native("gate", symbol): BookSeat(row, scale)} for row, symbol in enumerate((BTC, ETH)))
    assert books(gate=btc, gate_2=eth).connection_of("gate", ETH) == "gate#2"
    for wrong in ({"gate": btc}, {"gate": btc | eth, "gate_2": eth}, {"gate": btc, "okx": eth}):
        with pytest.raises(InvariantError):
            books(**wrong)


def test_one_frame_that_cannot_be_read_counts_once_against_its_venue_however_many_books_it_was_about() -> None:
    floor = two_at_gate_on_one()
    health = floor.engine.state.health.venues["gate"]
    for _ in range(14):
        floor.send("gate", b'{"channel":"spot.obu","result":{"t":17')
    floor.drain()
    assert not any(floor.books.is_live("gate", symbol) for symbol in (BTC, ETH))
    assert health.state == "healthy"
    floor.send("gate", b"another")
    floor.drain()
    assert (health.state, health.cause) == ("degraded", "gaps 15 >= 15")


def two_at_gate_on_one() -> Floor:
    """Return a floor where every venue has one connection for both symbols; all live."""
    floor = Floor()
    for venue in floor.venues:
        for symbol in (BTC, ETH):
            floor.whole(venue, symbol, "99.9x5", "100x5")
    return floor
