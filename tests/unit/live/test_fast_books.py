"""`[engine] fast_books`: what is chosen where numba is and where it is not, and what a comparison reports."""

import importlib.util
import random
import sys
from collections.abc import Iterator

import pytest

from arb.core.messages.settings import Timing
from arb.errors import ConfigError
from arb.live.fast_books import BooksBy, chosen, compared
from arb.market.arena import BookArena
from arb.market.feed import BookFeed
from arb.venues.binance.books import BinanceFeed
from arb.venues.books.compiled import loading
from arb.venues.books.compiled.loading import load
from arb.venues.gate.books import GateFeed
from tests.unit.venues.books.plain.dialects import BINANCE, GATE, NOW_NS, Truth, binance_quote, seats

INSTALLED = importlib.util.find_spec("numba") is not None
needs_numba = pytest.mark.skipif(not INSTALLED, reason="compiled books need numba")


def test_plain_books_are_chosen_by_false_whatever_is_installed() -> None:
    assert chosen(False) is BooksBy.PLAIN


@needs_numba
def test_compiled_books_are_chosen_where_they_can_be_had() -> None:
    assert [chosen(wanted) for wanted in ("auto", True, "compare")] == [
        BooksBy.COMPILED,
        BooksBy.COMPILED,
        BooksBy.COMPARED,
    ]


@pytest.fixture
def without_numba(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make `import numba` fail, as where it is not installed."""
    monkeypatch.setitem(sys.modules, "numba", None)
    load.cache_clear()
    yield
    load.cache_clear()


@pytest.mark.usefixtures("without_numba")
def test_without_numba_auto_is_plain_and_the_others_are_refused() -> None:
    assert chosen("auto") is BooksBy.PLAIN
    for wanted in (True, "compare"):
        with pytest.raises(ConfigError, match=r'\[engine\] fast_books = .* install numba, or set "auto" or false'):
            chosen(wanted)


def both(level: int) -> tuple[BookFeed, BookArena]:
    """Return a feed that compares Gate's 50 levels with a reader of `level` levels."""
    arena = BookArena(1)
    plain = GATE.make(arena)
    feed = compared("gate", plain, lambda seats, other: GateFeed(seats, other, level=level), arena, Timing())
    return feed, arena


@needs_numba
def test_a_stream_compared_is_without_a_difference_and_is_the_plain_one() -> None:
    feed, arena = both(50)
    other = BookArena(1)
    judge = GATE.make(other)
    truth = Truth(random.Random(3))
    frames = [GATE.whole(truth), *(GATE.change(*truth.step()) for _ in range(300))]
    for number, raw in enumerate(frames):
        result = feed.on_frame(NOW_NS + number * 1_000_000, raw.encode())
        judge.on_frame(NOW_NS + number * 1_000_000, raw.encode())
        assert result.rows == (0,) and not result.differs
    assert (arena.bids(0), arena.asks(0)) == (other.bids(0), other.asks(0))


@needs_numba
def test_a_difference_is_reported_once_and_the_plain_book_goes_on() -> None:
    feed, arena = both(400)  # which takes these frames for another book's
    truth = Truth(random.Random(4))
    results = [feed.on_frame(NOW_NS, GATE.whole(truth).encode())]
    results += [feed.on_frame(NOW_NS, GATE.change(*truth.step()).encode()) for _ in range(20)]
    assert [result.differs for result in results] == [("BTC_USDT",), *[()] * 20]
    assert arena.sequence.item(0) == truth.id and arena.usable(0)


@needs_numba
def test_books_that_come_leave_and_are_lost_are_compared_again() -> None:
    feed, arena = both(50)
    truth = Truth(random.Random(5))
    feed.retire_book("BTC_USDT")
    arena.retire(0)
    feed.add_book("BTC_USDT", seats("BTC_USDT")["BTC_USDT"])
    assert not feed.on_frame(NOW_NS, GATE.whole(truth).encode()).differs
    feed.on_disconnect(NOW_NS)
    assert not feed.on_frame(NOW_NS, GATE.change(*truth.step()).encode()).differs
    assert not feed.on_frame(NOW_NS, GATE.whole(truth).encode()).differs
    assert feed.invalidate("BTC_USDT", NOW_NS, "asked").resyncs
    assert feed.on_frame(NOW_NS, GATE.whole(truth).encode()).rows == (0,)


@needs_numba
def test_books_of_binance_are_compared_with_their_snapshots_and_quotes() -> None:
    arena = BookArena(1)
    feed = compared("binance", BINANCE.make(arena), lambda seats, other: BinanceFeed(seats, other), arena, Timing())
    truth = Truth(random.Random(6))
    results = [feed.on_frame(NOW_NS, BINANCE.change(*truth.step()).encode())]
    results.append(feed.on_http(NOW_NS, "/api/v3/depth?symbol=BTCUSDT&limit=100", BINANCE.whole(truth).encode()))
    for _ in range(300):
        change = BINANCE.change(*truth.step()).encode()
        quote = binance_quote(truth.id, *truth.states[truth.id]).encode()
        results += [feed.on_frame(NOW_NS, raw) for raw in (quote, change, quote)]
    assert arena.usable(0)
    assert feed.counts.checks_held == 600
    assert not any(result.differs for result in results)


@needs_numba
def test_a_venue_whose_frames_no_compiled_code_knows_is_read_plainly() -> None:
    arena = BookArena(1)
    plain = BinanceFeed(seats("BTCUSDT"), arena, venue="binance_futures")
    assert compared("binance_futures", plain, lambda *_: plain, arena, Timing()) is plain


@needs_numba
def test_a_process_that_compiles_is_given_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATE_API_SECRET", "s3cret")
    assert "s3cret" not in loading._environment().values() and "PATH" in loading._environment()
