"""Books added and retired while the engine runs: what is traded, what is not any more, and what is forgotten."""

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arb.core.messages.events import FeedDown, HaltAsked, InstrumentListed, TimerFired
from arb.core.messages.reasons import Reason
from arb.core.messages.records import OpportunityRecord
from arb.core.pricing.depth import Depth
from arb.core.strategies.taker_pair.detector import Detector
from arb.errors import InvariantError
from arb.market.arena import BookArena, BookState
from arb.market.feed import BookFeed, BookSeat
from arb.market.order import Side
from arb.market.route import Route
from arb.market.scale import Scale
from arb.venues.registry import spec_of
from arb.view.summary import present_state
from tests.builders import D, an_instrument
from tests.support.floor import BTC, ETH, Floor, listed, native
from tests.unit.core.trades.test_trade import fill, refuse

SOL = "SOL/USDT"
SCALE = Scale(3, 5)


def add(floor: Floor, venue: str, symbol: str, connection: str = "", scale: Scale = SCALE, **rules: Any) -> int:
    """List a symbol at a venue and take up its book; return its row."""
    instrument = an_instrument(venue, symbol, native_symbol=native(venue, symbol), **rules)
    floor.tell(InstrumentListed(instrument=instrument))
    return floor.books.add(venue, symbol, scale, instrument.native_symbol, connection)


def quiet(floor: Floor, *symbols: str) -> None:
    """Show the same book everywhere, which is no edge."""
    for symbol in symbols:
        for venue in floor.venues:
            floor.whole(venue, symbol, "99.9x5", "100x5")


def dislocated(floor: Floor, symbol: str) -> None:
    """Let OKX bid 1 % more, and the engine act."""
    floor.change("okx", symbol, "101x1", "100x0 101.2x5")
    floor.drain()


def test_a_book_that_is_added_beside_a_live_one_is_traded_on_after_its_snapshot() -> None:
    floor = Floor(instruments=listed(symbols=(BTC,)), spare=2)
    quiet(floor, BTC)
    assert [add(floor, venue, ETH) for venue in floor.venues] == [2, 3]
    assert floor.books.is_live("gate", BTC) and not floor.books.is_live("gate", ETH)
    floor.change("gate", ETH, "99.9x5", "100x5")  # a change, and nothing it could change
    assert floor.books.unusable("gate", ETH, floor.now_ns) is Reason.GAPPED_BOOK
    quiet(floor, ETH)
    assert all(floor.books.is_live(venue, symbol) for venue in floor.venues for symbol in (BTC, ETH))
    dislocated(floor, ETH)
    assert [(order.venue, order.symbol, order.side) for order in floor.placed()] == [
        ("gate", ETH, Side.BUY),
        ("okx", ETH, Side.SELL),
    ]


def test_a_retired_book_is_not_traded_on_and_its_row_serves_another_symbol() -> None:
    floor = Floor()
    quiet(floor, BTC, ETH)
    floor.change("okx", BTC, "101x1", "100x0 101.2x5")  # an edge is marked, and then its other side goes
    row = floor.books.rows["gate", BTC]
    floor.books.retire("gate", BTC)
    assert add(floor, "gate", SOL) == row
    floor.whole("gate", SOL, "49x5", "50x5")  # cheap beside BTC at OKX
    floor.drain()
    floor.end_episodes()
    assert not floor.placed() and floor.engine.state.tally.opportunities == 0
    before, counted = floor.books.arena.block.tolist(), floor.books.feeds["gate"].counts.other
    floor.send("gate", floor.frames_of("gate", BTC).change("99.8x1", "", floor.now_ns))
    floor.send("gate", floor.frames_of("gate", BTC).whole("99.9x5", "100x5", floor.now_ns))
    assert floor.books.arena.block.tolist() == before
    assert floor.books.feeds["gate"].counts.other == counted + 2
    assert not floor.books.has("gate", BTC) and floor.books.has("okx", BTC)
    floor.drain()
    dislocated(floor, ETH)
    assert {order.symbol for order in floor.placed()} == {ETH}


def test_an_edge_over_a_retired_book_ends_as_one_whose_books_are_gone() -> None:
    floor = Floor()
    quiet(floor, BTC, ETH)
    floor.tell(HaltAsked(reason="lunch"))
    dislocated(floor, BTC)
    assert isinstance(floor.engine.strategy, Detector)
    assert (len(floor.engine.strategy.episodes), floor.engine.wants_drain) == (1, False)
    floor.wait_ms(40)
    floor.books.retire("gate", BTC)
    gone_ns = floor.now_ns
    assert floor.engine.wants_drain
    floor.drain()
    floor.wait_ms(floor.timing.close_after_ms)
    floor.tell(TimerFired(timer="episodes"))
    (row,) = floor.engine.take_untraded()
    assert isinstance(row, OpportunityRecord)
    assert (row.symbol, row.buy_venue, row.sell_venue, row.closed_ns) == (BTC, "gate", "okx", gone_ns)
    dislocated(floor, BTC)
    assert floor.engine.state.tally.opportunities == 1


def test_a_symbol_may_come_back_on_another_scale_and_its_prices_are_right() -> None:
    floor = Floor()
    quiet(floor, BTC, ETH)
    for venue in floor.venues:
        floor.books.retire(venue, BTC)
    fine = Scale(5, 7)
    for venue in floor.venues:
        add(floor, venue, BTC, scale=fine, tick=D("0.001"), lot=D("0.00001"))
    quiet(floor, BTC)
    assert floor.books.mid("gate", BTC) == D("99.95")
    floor.drain()
    assert not floor.placed()
    dislocated(floor, BTC)
    limits = [(order.venue, order.price) for order in floor.placed()]
    assert limits == [("gate", D("100.05")), ("okx", D("100.95"))]  # half a dime from the best: the finer tick


def test_our_own_orders_are_remembered_over_a_book_that_goes_and_comes_back() -> None:
    floor = Floor()
    quiet(floor, BTC, ETH)
    dislocated(floor, BTC)
    assert len(floor.placed()) == 2
    floor.books.retire("gate", BTC)
    assert floor.books.impacted("gate", BTC)
    floor.books.add("gate", BTC, SCALE, "BTC_USDT")
    floor.whole("gate", BTC, "99.9x5", "100x5")
    assert floor.books.impacted("gate", BTC)
    floor.drain()
    assert len(floor.placed()) == 2


def test_a_pair_whose_book_is_retired_in_the_middle_is_mended_where_there_is_one() -> None:
    floor = Floor()
    quiet(floor, BTC, ETH)
    dislocated(floor, BTC)
    buy, sell = floor.placed()
    floor.books.retire("gate", BTC)
    refuse(floor, buy)
    fill(floor, sell, "1")
    floor.wait_ms(50)
    floor.change("okx", BTC, "101.1x1", "")
    floor.drain()
    (repair,) = floor.placed()[2:]
    assert (repair.venue, repair.side, repair.price, repair.size) == ("okx", Side.BUY, D("101.2"), D(1))
    assert present_state(floor.engine, floor.now_ns)["unhedged"]  # what it is worth is still known


def test_a_book_that_is_not_there_is_like_one_that_waits() -> None:
    floor = Floor()
    quiet(floor, BTC, ETH)
    floor.books.retire("gate", BTC)
    books = floor.books
    assert books.unusable("gate", BTC, floor.now_ns) is Reason.GAPPED_BOOK
    assert books.best("gate", BTC) == (None, None) and books.mid("gate", BTC) is None
    assert books.asks("gate", BTC).total == books.bids("gate", BTC).total == books.received_ns("gate", BTC) == 0
    assert books.levels("gate", BTC, Side.BUY) == []
    assert not books.is_live("gate", BTC) and not books.impacted("gate", BTC)
    assert books.live_venues() == {"gate", "okx"}
    assert [venue["books"] for venue in present_state(floor.engine, floor.now_ns)["venues"]] == ["1/1", "2/2"]
    floor.tell(
        InstrumentListed(instrument=an_instrument("gate", BTC, native_symbol="BTC_USDT"))
    )  # its rules, read again
    floor.engine.strategy.on_quotes(range(4))
    assert floor.engine.state.quote_value("BTC", "USDT") == D("99.95")
    books.retire("okx", BTC)
    assert floor.engine.state.quote_value("BTC", "USDT") is None
    books.retire("gate", ETH)
    assert books.live_venues() == {"okx"}


def test_a_book_is_added_to_the_connection_that_is_named_and_lives_by_it() -> None:
    floor = Floor(per_connection={"gate": 1}, spare=1)
    quiet(floor, BTC, ETH)
    add(floor, "gate", SOL, "gate#2")
    assert floor.books.connection_of("gate", SOL) == "gate#2"
    floor.whole("gate", SOL, "99.9x5", "100x5")
    floor.tell(FeedDown(venue="gate", connection="gate#2", cause="reset"))
    assert [floor.books.is_live("gate", symbol) for symbol in (BTC, ETH, SOL)] == [True, False, False]


@pytest.mark.parametrize(
    ("details", "words"),
    [
        (("gate", BTC, SCALE, "X_USDT"), "BTC/USDT at gate is there already"),
        (("gate", SOL, SCALE, "ETH_USDT"), "ETH_USDT at gate is there already"),
        (("gate", SOL, SCALE, "SOL_USDT", "gate#3"), "no connection 'gate#3'"),
        (("gate", SOL, SCALE, "SOL_USDT", "okx"), "no connection 'okx'"),
        (("kraken", SOL, SCALE, "SOL_USDT"), "no connection 'kraken'"),
        (("gate", "DOGE/USDT", Scale(2, 3), "DOGE_USDT"), "no price could be compared"),
    ],
)
def test_what_cannot_be_added_is_refused_and_nothing_has_changed(details: Any, words: str) -> None:
    floor = Floor(per_connection={"gate": 1}, spare=2)
    quiet(floor, BTC, ETH)
    floor.books.add("okx", "DOGE/USDT", SCALE, "DOGE-USDT")
    before = floor.books.arena.block.tolist(), dict(floor.books.rows), dict(floor.books.scales), floor.books.arena.free
    with pytest.raises(InvariantError, match=words):
        floor.books.add(*details)
    books = floor.books
    assert before == (books.arena.block.tolist(), books.rows, books.scales, books.arena.free)


def test_a_full_arena_refuses_and_a_book_that_is_not_there_does_not_leave() -> None:
    floor = Floor()
    with pytest.raises(InvariantError, match="all 4 rows"):
        floor.books.add("gate", SOL, SCALE, "SOL_USDT")
    assert not floor.books.has("gate", SOL) and SOL not in floor.books.scales
    floor.books.retire("gate", BTC)
    with pytest.raises(InvariantError, match="BTC/USDT at gate is not there"):
        floor.books.retire("gate", BTC)


# Whatever comes and goes: the arena is that of books which had never known any others.

SYMBOLS = (BTC, ETH, SOL, "DOGE/USDT")
VENUES = ("gate", "okx", "bitget")
UPDATES = 5


class Alone:
    """One book in an arena of its own, told what its connection was told since it was added."""

    def __init__(self, venue: str, symbol: str, connection: str) -> None:
        self.connection = connection
        self.arena = BookArena(1, 20)
        self.feed: BookFeed = spec_of(venue).make_books({native(venue, symbol): BookSeat(0, SCALE)}, self.arena)


class World:
    """A floor where books come and go at random, and beside it every book alone."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.floor = Floor(instruments=listed(VENUES, (BTC, ETH)), per_connection={"gate": 1}, spare=2, venues=VENUES)
        self.alone = {
            (venue, symbol): Alone(venue, symbol, self.floor.books.connection_of(venue, symbol))
            for venue in VENUES
            for symbol in (BTC, ETH)
        }

    def step(self) -> None:
        rng, floor = self.rng, self.floor
        floor.wait_ms(rng.randrange(1, 40))
        venue, symbol = rng.choice(VENUES), rng.choice(SYMBOLS)
        connection = rng.choice([found.name for found in floor.books.connections_of(venue)])
        there = (venue, symbol) in self.alone
        act = rng.randrange(12)
        if act == 0 and not there and floor.books.arena.free:
            add(floor, venue, symbol, connection)
            self.alone[venue, symbol] = Alone(venue, symbol, connection)
        elif act == 1 and there:
            floor.books.retire(venue, symbol)
            del self.alone[venue, symbol]
        elif act == 2:
            told = "" if connection == venue else connection
            floor.tell(FeedDown(venue=venue, connection=told, cause="reset"))
            for alone in self.alone.values():
                if alone.connection == connection:
                    alone.feed.on_disconnect(floor.now_ns)
        elif act == 3:
            floor.frames_of(venue, symbol).skip()
        elif act == 4 and rng.random() < 0.2:
            self.tell(connection, b"{")
        else:
            mid = rng.randrange(990, 1010)
            bids = " ".join(f"{(mid - rng.randrange(1, 9)) / 10}x{rng.randrange(3)}" for _ in range(3))
            asks = " ".join(f"{(mid + rng.randrange(1, 9)) / 10}x{rng.randrange(3)}" for _ in range(3))
            frames = floor.frames_of(venue, symbol)
            raw = (frames.whole if rng.random() < 0.4 else frames.change)(bids, asks, floor.now_ns)
            # A book that is not there, or not there any more, may still be told of, by any connection.
            self.tell(self.alone[venue, symbol].connection if there else connection, raw)
        if rng.random() < 0.3:
            floor.drain()

    def tell(self, connection: str, raw: bytes) -> None:
        self.floor.send(connection, raw)
        for alone in self.alone.values():
            if alone.connection == connection:
                alone.feed.on_frame(self.floor.now_ns, raw)

    def check(self) -> None:
        books, detector = self.floor.books, self.floor.engine.strategy
        assert isinstance(detector, Detector)
        assert books.rows.keys() == self.alone.keys() and books.keys == {row: key for key, row in books.rows.items()}
        fresh = BookArena(1, 20).block[0].tolist()
        for row in range(books.arena.rows):
            words = books.arena.block[row].tolist()
            alone = self.alone.get(books.keys.get(row, ("", "")))
            wanted = list(fresh) if alone is None else alone.arena.block[0].tolist()
            del words[UPDATES], wanted[UPDATES]
            assert words == wanted
        for key, alone in self.alone.items():
            assert books.connection_of(*key) == alone.connection
        live = {key for key, alone in self.alone.items() if alone.arena.state[0] == BookState.LIVE}
        assert books.live_venues() == {venue for venue, _ in live}
        assert books.scales.keys() == {symbol for _, symbol in self.alone}
        for key, alone in self.alone.items():  # the sums kept since any earlier check are those of a fresh walk
            for kept, levels in ((books.asks(*key), alone.arena.asks(0)), (books.bids(*key), alone.arena.bids(0))):
                fresh_side = Depth.of(levels)
                assert (kept.prices, kept.ends) == (fresh_side.prices, fresh_side.ends)
                assert kept.amount(kept.total) == fresh_side.amount(fresh_side.total)
        routes = {route for _, symbol in self.alone for route in detector.routes.of(symbol)}
        assert routes == {
            Route.of(symbol, buy, sell)
            for buy, symbol in self.alone
            for sell, other in self.alone
            if other == symbol and buy != sell
        }
        assert detector.routes.terms.keys() == routes


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), steps=st.integers(1, 150))
def test_whatever_comes_and_goes_every_row_is_as_if_its_book_had_been_alone(seed: int, steps: int) -> None:
    world = World(seed)
    for _ in range(steps):
        world.step()
        placed = len(world.floor.placed())
        world.floor.drain()
        for order in world.floor.placed()[placed:]:
            assert (order.venue, order.symbol) in world.alone
    world.check()
