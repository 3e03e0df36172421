"""Books that never come, and books that die among live ones: on an engine with real feeds."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from arb.core.books.book_pace import MISSING, PACE_WORDS, Pace
from arb.core.messages.commands import AnyCommand, RequestBook
from arb.core.messages.events import FeedDown, FeedUp, InstrumentListed, QueueDrained
from arb.core.messages.reasons import Reason
from arb.core.messages.records import IncidentRecord
from arb.core.risk.book_watch import maybe_silent
from arb.market.arena import BookArena, BookState
from arb.market.order import Side
from arb.market.words import PACE
from tests.support.floor import BTC, ETH, Floor, listed, native

VENUES = ("gate", "okx", "bitget")


def a_floor(*, missing: tuple[tuple[str, str], ...] = ()) -> Floor:
    """Return an engine whose connections stand, and whose books are there but for some."""
    floor = Floor(instruments=listed(VENUES), venues=VENUES)
    for venue in VENUES:
        floor.tell(FeedUp(venue=venue))
        for symbol in (BTC, ETH):
            if (venue, symbol) not in missing:
                floor.whole(venue, symbol, "99.9x5", "100x5")
    return floor


def move(floor: Floor, seconds: float, still: tuple[tuple[str, str], ...] = ()) -> list[AnyCommand]:
    """Let all books but some change ten times a second; return what the engine asks for meanwhile."""
    asked: list[AnyCommand] = []
    for step in range(int(seconds * 10)):
        floor.wait_ms(100)
        for venue in VENUES:
            for symbol in (BTC, ETH):
                if (venue, symbol) not in still:
                    floor.change(venue, symbol, f"99.8x{1 + step % 2}", "")
        asked += floor.tell(QueueDrained())
    return [command for command in asked if isinstance(command, RequestBook)]


def incidents(floor: Floor, kind: str) -> list[tuple[str, str, str]]:
    """Return severity, venue and first words of the incidents of a kind."""
    rows = (row for row in floor.rows(IncidentRecord) if isinstance(row, IncidentRecord))
    return [
        (str(row.severity), row.venue or "", row.text.partition(":")[2].strip()) for row in rows if row.kind == kind
    ]


def test_a_book_that_does_not_come_is_reported_once_after_five_seconds_and_again_when_it_is_there() -> None:
    absent = ("okx", ETH)
    floor = a_floor(missing=(absent,))
    move(floor, 4.8, still=(absent,))
    assert incidents(floor, "book_missing") == []
    move(floor, 60, still=(absent,))
    assert incidents(floor, "book_missing") == [
        ("warning", "okx", "no book of ETH-USDT for 5 s: nothing opens on it until it arrives")
    ]
    floor.whole("okx", ETH, "99.9x5", "100x5")
    move(floor, 2)
    assert incidents(floor, "book_missing")[1:] == [("info", "okx", "the book of ETH-USDT is there")]


def test_what_is_missing_counts_from_when_its_connection_stands_again() -> None:
    absent = ("okx", ETH)
    floor = a_floor(missing=(absent,))
    move(floor, 4, still=(absent,))
    floor.tell(FeedDown(venue="okx", cause="reset"))
    move(floor, 60, still=(("okx", BTC), absent))
    floor.tell(FeedUp(venue="okx"))
    floor.whole("okx", BTC, "99.9x5", "100x5")
    move(floor, 4, still=(absent,))
    assert incidents(floor, "book_missing") == []
    move(floor, 2, still=(absent,))
    assert len(incidents(floor, "book_missing")) == 1


def test_many_missing_books_of_a_connection_are_one_incident() -> None:
    floor = a_floor(missing=(("gate", BTC), ("gate", ETH)))
    move(floor, 7, still=(("gate", BTC), ("gate", ETH)))
    assert incidents(floor, "book_missing") == [
        ("warning", "gate", "no book of BTC_USDT, ETH_USDT for 5 s: nothing opens on it until it arrives")
    ]


def test_a_book_that_died_among_live_ones_is_asked_for_anew_alone_and_shows_nothing_meanwhile() -> None:
    floor, dead = a_floor(), ("okx", ETH)
    assert move(floor, 60) == []
    (asked,) = move(floor, 4, still=(dead,))
    assert isinstance(asked, RequestBook)
    assert (asked.connection, asked.native_symbol) == ("okx", native("okx", ETH))
    assert floor.books.unusable("okx", ETH, floor.now_ns) is Reason.GAPPED_BOOK
    assert floor.books.levels("okx", ETH, Side.BUY) == []
    assert floor.books.unusable("okx", BTC, floor.now_ns) is None
    assert [text[:13] for _, _, text in incidents(floor, "stale_book")] == ["the book of E"]
    floor.whole("okx", ETH, "99.9x5", "100x5")
    assert move(floor, 60) == []
    assert floor.books.unusable("okx", ETH, floor.now_ns) is None


def test_a_book_whose_trade_is_suspended_stands_still_for_good_reason_and_is_not_asked_for_again() -> None:
    floor, suspended = a_floor(), ("okx", ETH)
    move(floor, 60)
    listed_now = msgspec.structs.replace(floor.engine.state.instruments[suspended], tradable=False)
    floor.tell(InstrumentListed(instrument=listed_now))
    assert move(floor, 60, still=(suspended,)) == []
    floor.tell(InstrumentListed(instrument=msgspec.structs.replace(listed_now, tradable=True)))
    assert len(move(floor, 4, still=(suspended,))) == 1


def test_books_that_stand_still_with_their_whole_connection_are_not_asked_for_one_by_one() -> None:
    floor = a_floor()
    move(floor, 60)
    assert move(floor, 20, still=(("okx", BTC), ("okx", ETH))) == []
    assert int(floor.books.arena.state[floor.books.rows["okx", ETH]]) == BookState.LIVE


@given(
    frames=st.integers(0, 10**7),
    learned_ns=st.integers(-(10**9), 10**13),
    silent_ns=st.integers(-(10**9), 10**13),
    last_ns=st.sampled_from([0, 1_800_000_000 * 10**9]),
)
def test_no_book_that_is_missing_frames_is_passed_over(
    frames: int, learned_ns: int, silent_ns: int, last_ns: int
) -> None:
    arena = BookArena(3)
    pace = Pace(arena.market.of_row(1, PACE, PACE_WORDS))
    pace.frames, pace.since_ns, pace.last_ns = frames, last_ns - learned_ns, last_ns
    now_ns = last_ns + silent_ns
    if 2 * learned_ns + silent_ns > 0 and pace.missing(now_ns) >= MISSING:
        assert maybe_silent(arena, now_ns) == {1}
    elif silent_ns <= 0 or not last_ns:
        assert not maybe_silent(arena, now_ns)


def test_a_book_at_the_very_bound_is_judged() -> None:
    arena = BookArena(1)
    pace = Pace(arena.market.of_row(0, PACE, PACE_WORDS))
    pace.frames, pace.since_ns, pace.last_ns = 20, 10**18, 10**18 + 10**9
    at_ns = pace.last_ns + 2 * 10**9
    assert pace.missing(at_ns) == MISSING
    assert pace.missing(at_ns - 1) == MISSING - 1
    assert maybe_silent(arena, at_ns) == {0}
    assert not maybe_silent(arena, at_ns - 10**8)
