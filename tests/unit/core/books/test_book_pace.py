"""Books that stand still: what is a standstill and what is not, against exact chances and on an engine with real feeds."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb.clock import NS_PER_MS, NS_PER_S
from arb.core.books.book_pace import MEMORY_NS, MISSING, BookPace, ConnectionPace, SymbolFrames
from arb.core.messages.events import FeedDown, FeedUp, QueueDrained
from arb.core.messages.reasons import Reason
from arb.core.messages.records import IncidentRecord
from tests.builders import START_NS
from tests.support.floor import BTC, ETH, Floor, listed

VENUES = ("gate", "okx", "bitget")


def beside(own_ms: int, other_ms: int, until_s: float, *, still_from_s: float = 0) -> tuple[BookPace, int]:
    """Return a book's pace, one frame every `own_ms` until it stands still, and the end; another moves every `other_ms`."""
    symbol = SymbolFrames()
    own, other = BookPace(symbol), BookPace(symbol)
    for ms in range(1, int(until_s * 1000) + 1):
        at_ns = START_NS + ms * NS_PER_MS
        if ms % other_ms == 0:
            other.beat(at_ns)
        if ms % own_ms == 0 and (not still_from_s or ms <= still_from_s * 1000):
            own.beat(at_ns)
    return own, at_ns


def test_a_book_that_stands_still_while_the_same_book_elsewhere_moves_is_still() -> None:
    own, now_ns = beside(100, 50, 64, still_from_s=60)
    assert own.still(now_ns)
    before, now_ns = beside(100, 50, 61, still_from_s=60)
    assert not before.still(now_ns), "ten frames missing may be chance"


def test_a_symbol_that_is_quiet_everywhere_stands_not_still() -> None:
    own, now_ns = beside(100, 50, 60)
    assert not own.still(now_ns + 3600 * NS_PER_S)


@pytest.mark.parametrize("own_ms", [5_000, 20_000])
def test_a_slow_book_is_not_still_beside_a_fast_one(own_ms: int) -> None:
    own, now_ns = beside(own_ms, 10, 300 + own_ms / 1000 * 0.99, still_from_s=300)
    assert not own.still(now_ns)


def test_a_burst_elsewhere_is_no_standstill_here() -> None:
    symbol = SymbolFrames()
    own, other = BookPace(symbol), BookPace(symbol)
    for number in range(600):
        own.beat(START_NS + number * 100 * NS_PER_MS)
        other.beat(START_NS + number * 100 * NS_PER_MS)
    now_ns = START_NS + 60_090 * NS_PER_MS
    for _ in range(10_000):
        other.beat(now_ns)
    assert own.missing_by_others() >= MISSING
    assert not own.still(now_ns)


def test_what_few_frames_are_known_of_is_never_judged() -> None:
    own, now_ns = beside(1_000, 10, 3600, still_from_s=MISSING)
    assert not own.still(now_ns)


@given(st.integers(1, 400), st.integers(MISSING, 4000), st.integers(1, 4000))
def test_frames_are_called_missing_only_as_far_as_chance_allows(own: int, others: int, since: int) -> None:
    symbol = SymbolFrames()
    book, other = BookPace(symbol), BookPace(symbol)
    book.beat(START_NS)
    for _ in range(others):
        other.beat(START_NS)
    for number in range(own):
        book.beat(START_NS + number)
    for _ in range(since):
        other.beat(START_NS)
    # The chance that none of `since` more is the book's own, with nothing known of the shares but these frames.
    exact = sum(math.log(others + i) - math.log(own + others + i) for i in range(since))
    assert book.missing_by_others() <= -exact


def test_a_connection_that_stands_still_soon_after_it_began_is_found_out_by_all_its_books() -> None:
    connection, others = ConnectionPace(), []
    for row in range(10):
        symbol = SymbolFrames()
        connection.books[row] = BookPace(symbol)
        others.append(BookPace(symbol))
    learned_ms, silent_ms = 2_000, 1_200
    for ms in range(20, learned_ms + silent_ms + 1, 20):
        at_ns = START_NS + ms * NS_PER_MS
        for other in others if ms > learned_ms or ms % 40 == 0 else ():
            other.beat(at_ns)
        for row in range(10) if ms % 200 == 0 and ms <= learned_ms else ():
            connection.beat((row,), at_ns)
    assert not connection.books[0].still(at_ns), "nine frames say too little of one book"
    assert connection.still(at_ns)


def test_false_alarms_among_independent_frames_are_as_rare_as_is_said() -> None:
    chance, symbol = random.Random(1), SymbolFrames()
    books = [BookPace(symbol) for _ in range(3)]
    connection = ConnectionPace()
    connection.books = {0: books[0]}
    now_ns, alarms = START_NS, 0
    for _ in range(200_000):
        now_ns += int(chance.expovariate(1 / 50) * NS_PER_MS)
        which = chance.choices((0, 1, 2), (1, 5, 10))[0]
        if which:
            books[which].beat(now_ns)
        else:
            connection.beat((0,), now_ns)
        alarms += connection.book_still(0, now_ns)
    assert alarms == 0


def test_a_habit_that_has_changed_is_learned_anew() -> None:
    own, now_ns = beside(100, 50, 300)
    symbol = own._symbol
    other = BookPace(symbol)
    for step in range(4 * MEMORY_NS // NS_PER_S):
        now_ns += NS_PER_S
        other.beat(now_ns)
        if step % 10 == 9:
            own.beat(now_ns)
    assert not own.still(now_ns + 5 * NS_PER_S)
    assert own.missing(now_ns + 100 * NS_PER_S) <= 20


def moving(*, symbols: tuple[str, ...] = (BTC, ETH), seconds: int = 30) -> Floor:
    """Return three venues whose books have moved ten times a second."""
    floor = Floor(instruments=listed(VENUES, symbols), venues=VENUES)
    for symbol in symbols:
        for venue in VENUES:
            floor.whole(venue, symbol, "99.9x5", "100x5")
    move(floor, VENUES, symbols, seconds)
    return floor


def move(floor: Floor, venues: tuple[str, ...], symbols: tuple[str, ...], seconds: float) -> None:
    """Let books move ten times a second, and the engine look on."""
    for step in range(int(seconds * 10)):
        floor.wait_ms(100)
        for symbol in symbols:
            for venue in venues:
                floor.change(venue, symbol, f"99.8x{1 + step % 2}", "")
        floor.tell(QueueDrained())


def reasons(floor: Floor, venue: str) -> list[Reason | None]:
    """Return what stands against each book of a venue."""
    return [floor.books.unusable(venue, symbol, floor.now_ns) for symbol in (BTC, ETH)]


def told(floor: Floor) -> list[str]:
    """Return the texts of the incidents about books that stand still."""
    rows = (row for row in floor.rows(IncidentRecord) if isinstance(row, IncidentRecord))
    return [row.text.partition(" against")[0] for row in rows if row.kind == "stale_book"]


def test_a_venue_whose_books_stand_still_is_stale_until_frames_come_again() -> None:
    floor = moving()
    move(floor, ("gate", "bitget"), (BTC, ETH), 3)
    assert [reasons(floor, venue) for venue in VENUES] == [[None] * 2, [Reason.STALE_BOOK] * 2, [None] * 2]
    assert told(floor) == ["okx: its books stand still"]
    floor.change("okx", BTC, "99.8x1", "")
    floor.tell(QueueDrained())
    assert reasons(floor, "okx") == [None, Reason.STALE_BOOK], "of the other book nothing has come yet"
    floor.change("okx", ETH, "99.8x1", "")
    assert reasons(floor, "okx") == [None, None]
    assert told(floor) == ["okx: its books stand still", "okx: its books move again"]


def test_a_standstill_of_a_moment_stops_what_it_must_and_is_no_incident() -> None:
    """A connection that was silent delivers what it kept: beside that the others' books seem to have stood still."""
    floor = moving()
    for _ in range(10):
        move(floor, ("gate", "bitget"), (BTC, ETH), 1.5)
        for step in range(200):
            for symbol in (BTC, ETH):
                floor.change("gate", symbol, f"99.8x{1 + step % 2}", "")
        floor.wait_ms(600)
        floor.tell(QueueDrained())
        assert reasons(floor, "okx") == [Reason.STALE_BOOK] * 2
        move(floor, VENUES, (BTC, ETH), 3)
        assert reasons(floor, "okx") == [None] * 2
    assert told(floor) == []


def test_a_book_that_has_no_frame_after_a_standstill_is_believed_again_in_a_while() -> None:
    floor = moving()
    move(floor, ("gate", "bitget"), (BTC, ETH), 3)
    move(floor, VENUES, (BTC,), 2.5)
    assert reasons(floor, "okx") == [None, Reason.STALE_BOOK], "the same book moved elsewhere meanwhile"
    quiet = moving()
    move(quiet, ("gate", "bitget"), (BTC,), 5)
    move(quiet, VENUES, (BTC,), 1)
    assert reasons(quiet, "okx") == [None, Reason.STALE_BOOK]
    move(quiet, VENUES, (BTC,), 1.5)
    assert reasons(quiet, "okx") == [None, None]


def test_one_symbol_of_a_venue_may_stand_still_alone() -> None:
    floor = moving()
    move(floor, ("gate", "bitget"), (ETH,), 3)
    move(floor, VENUES, (BTC,), 0.1)
    for _ in range(30):
        floor.wait_ms(100)
        for venue in VENUES:
            floor.change(venue, BTC, "99.8x3", "")
        for venue in ("gate", "bitget"):
            floor.change(venue, ETH, "99.8x3", "")
    assert reasons(floor, "okx") == [None, Reason.STALE_BOOK]


def test_a_market_that_pauses_everywhere_is_not_stale() -> None:
    floor = moving()
    floor.wait_ms(10_000)
    assert [reasons(floor, venue) for venue in VENUES] == [[None] * 2] * 3


def test_nothing_is_opened_or_repaired_on_books_that_stand_still() -> None:
    floor = moving()
    move(floor, ("gate", "bitget"), (BTC, ETH), 3)
    for venue in ("gate", "bitget"):
        floor.change(venue, BTC, "101x5", "100x0 101.1x5")
    floor.drain()
    assert floor.placed() == []
    assert floor.not_taken().get(Reason.STALE_BOOK, 0) >= 1


def test_the_time_of_an_outage_teaches_nothing() -> None:
    floor = moving()
    floor.tell(FeedDown(venue="okx", cause="reset"))
    move(floor, ("gate", "bitget"), (BTC, ETH), 300)
    floor.tell(FeedUp(venue="okx"))
    for symbol in (BTC, ETH):
        floor.whole("okx", symbol, "99.9x5", "100x5")
    move(floor, VENUES, (BTC, ETH), 1)
    assert reasons(floor, "okx") == [None, None]
    move(floor, ("gate", "bitget"), (BTC, ETH), 3)
    assert reasons(floor, "okx") == [Reason.STALE_BOOK] * 2
