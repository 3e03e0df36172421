"""Books whose snapshots are fetched: whatever is lost, doubled, late or out of a cache, what is live is the venue's book."""

import random
from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arb.market.arena import BookArena, BookState
from arb.market.feed import FrameResult, ResyncBy
from arb.market.scale import Scale
from arb.venues.books.plain.base import WireFeed
from arb.venues.books.plain.checkpoints import BookCheckpoint, copies_of, take_checkpoint
from arb.venues.registry import tape_feed
from tests.unit.venues.books.plain.dialects import BINANCE, GATE_EU, NOW_NS, SCALE, Dialect, Truth
from tests.unit.venues.books.plain.test_lost_frames import shown_is_true

fetched_dialects = pytest.mark.parametrize("dialect", [GATE_EU, BINANCE], ids=["gate_eu", "binance"])


class Venue:
    """A venue that changes at random, its stream, and the answers of its snapshots, each at its own pace."""

    def __init__(self, dialect: Dialect, seed: int) -> None:
        self.rng = random.Random(seed)
        self.dialect = dialect
        self.arena = BookArena(1)
        self.feed = dialect.make(self.arena)
        self.truth = Truth(self.rng)
        self.sent: list[tuple[int, str]] = []
        """Frames under way, each with the last id that it holds."""
        self.answers: list[str] = []
        self.bodies = [dialect.whole(self.truth)]
        self.seen = -1
        """The last id that reached the feed by this connection."""

    def step(self) -> None:
        """Let the book change, and send that."""
        before, after, bids, asks = self.truth.step()
        self.sent.append((after, self.dialect.change(before, after, bids, asks)))
        self.bodies.append(self.dialect.whole(self.truth))

    def lines(self, count: int) -> Iterator[tuple[str, FrameResult]]:
        """Let so many things happen; yield each line that a tape would hold, and what it led to."""
        for _ in range(count):
            happens = self.rng.choice("ssssddddddfffrRlxc")
            if happens == "s":
                self.step()
            elif happens in "drRlx" and self.sent:
                yield from self._stream(happens)
            elif happens == "f" and self.answers:
                yield self._answer()
            elif happens == "c" and self.rng.random() < 0.3:
                self.sent.clear()
                self.answers.clear()  # nobody waits for those of a connection that has ended
                self.seen = -1
                yield "down", self.feed.on_disconnect(NOW_NS)

    def _stream(self, happens: str) -> Iterator[tuple[str, FrameResult]]:
        """Deliver the next frame, or a later one first (r), the same twice (R), none (l), or garbage (x)."""
        if happens == "x":
            if self.rng.random() < 0.2:
                yield "{", self.feed.on_frame(NOW_NS, "{")
            return
        last, raw = self.sent.pop(self.rng.randrange(len(self.sent)) if happens == "r" else 0)
        for _ in range({"l": 0, "R": 2}.get(happens, 1)):
            self.seen = max(self.seen, last)
            result = self.feed.on_frame(NOW_NS, raw)
            for resync in result.resyncs:
                assert resync.by is ResyncBy.FETCH
                self._fetch()
            yield raw, result

    def _fetch(self) -> None:
        """Ask as the shell does: only for what is waited for; the answer is made now, or was some time ago."""
        if self.feed.snapshot_path(self.dialect.symbol) is not None:
            self.answers.append(self.bodies[-1 - min(int(self.rng.expovariate(0.5)), len(self.bodies) - 1)])

    def _answer(self) -> tuple[str, FrameResult]:
        body = self.answers.pop(self.rng.randrange(len(self.answers)))
        result = self.feed.on_snapshot(self.dialect.symbol, NOW_NS, body)
        if result.resyncs:
            self._fetch()
        return f"http {body}", result


@fetched_dialects
@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_a_live_book_is_the_venues_and_no_older_than_what_has_come(dialect: Dialect, seed: int) -> None:
    venue = Venue(dialect, seed)
    for _ in venue.lines(120):
        shown_is_true(venue.arena, venue.truth)
        assert not venue.arena.usable(0) or venue.arena.sequence[0] >= venue.seen
    for _ in range(2):  # once all goes well, the book comes back
        venue.step()
        venue.feed.on_frame(NOW_NS, venue.sent[-1][1])
        if not venue.arena.usable(0):
            venue.feed.on_snapshot(dialect.symbol, NOW_NS, dialect.whole(venue.truth))
    assert venue.arena.usable(0) and venue.arena.sequence[0] == venue.truth.id
    shown_is_true(venue.arena, venue.truth)


def shown(feed: WireFeed) -> list[BookCheckpoint]:
    return [book.anchor() for book in copies_of(feed)]


def take(feed: WireFeed, line: str, symbol: str) -> None:
    if line == "down":
        feed.on_disconnect(NOW_NS)
    elif line.startswith("http "):
        feed.on_http(NOW_NS, f"/spot/order_book?currency_pair={symbol}&limit=100&with_id=true", line[5:])
    else:
        feed.on_frame(NOW_NS, line)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_a_segment_that_begins_anywhere_goes_on_as_the_recording_before_it(seed: int) -> None:
    venue = Venue(GATE_EU, seed)
    whole, cut = tape_feed("gate"), list[WireFeed]()
    for number, (line, _) in enumerate(venue.lines(120)):
        if number % 15 == 7:
            cut.append(tape_feed("gate"))
            for anchor in shown(whole):
                written = msgspec.json.decode(msgspec.json.encode(anchor), type=BookCheckpoint)
                take_checkpoint(cut[-1], written, NOW_NS)
        for feed in (whole, *cut):
            take(feed, line, GATE_EU.symbol)
        assert all(shown(feed) == shown(whole) for feed in cut)
        if venue.arena.usable(0):
            [slot] = whole.books()
            assert slot.state is BookState.LIVE and slot.sequence == venue.arena.sequence[0]


def begun(dialect: Dialect = GATE_EU) -> tuple[Venue, WireFeed]:
    venue = Venue(dialect, 1)
    return venue, venue.feed


def test_a_snapshot_is_waited_for_from_the_first_change_on_and_only_by_what_is_not_live() -> None:
    venue, feed = begun()
    assert feed.snapshot_path("BTC_USDT") is None, "nothing shows that the stream serves this book"
    venue.step()
    result = feed.on_frame(NOW_NS, venue.sent[0][1])
    assert [(resync.by, resync.lost) for resync in result.resyncs] == [(ResyncBy.FETCH, False)]
    assert feed.snapshot_path("BTC_USDT") == "/spot/order_book?currency_pair=BTC_USDT&limit=100&with_id=true"
    feed.on_snapshot("BTC_USDT", NOW_NS, venue.bodies[-1])
    assert venue.arena.usable(0) and feed.snapshot_path("BTC_USDT") is None
    assert feed.snapshot_path("ETH_USDT") is None


def test_a_snapshot_out_of_a_cache_is_no_gap_and_the_changes_wait_on() -> None:
    venue, feed = begun()
    for _ in range(3):
        venue.step()
    old, new = venue.bodies[0], venue.bodies[-1]
    feed.on_frame(NOW_NS, venue.sent[1][1])
    feed.on_frame(NOW_NS, venue.sent[2][1])
    result = feed.on_snapshot("BTC_USDT", NOW_NS, old)
    assert [(resync.by, resync.lost) for resync in result.resyncs] == [(ResyncBy.FETCH, False)]
    assert result.resyncs[0].cause.startswith("snapshot too old: reaches 1000, changes continue at ")
    assert feed.counts.gaps == 0 and not venue.arena.usable(0)
    feed.on_snapshot("BTC_USDT", NOW_NS, new)
    assert venue.arena.usable(0) and venue.arena.sequence[0] == venue.truth.id


def test_after_a_frame_that_nobody_could_read_a_snapshot_from_before_it_is_too_old() -> None:
    venue, feed = begun()
    venue.step()
    feed.on_frame(NOW_NS, venue.sent[0][1])
    feed.on_snapshot("BTC_USDT", NOW_NS, venue.bodies[-1])
    venue.step()
    feed.on_frame(NOW_NS, venue.sent[1][1])
    feed.on_frame(NOW_NS, "{")
    assert feed.snapshot_path("BTC_USDT") is None, "until a change comes that it has to meet"
    result = feed.on_snapshot("BTC_USDT", NOW_NS, venue.bodies[0])
    assert result.resyncs[0].cause == f"snapshot too old: reaches 1000, the book was at {venue.truth.id}"
    venue.step()
    assert feed.on_frame(NOW_NS, venue.sent[2][1]).resyncs, "asked for at the next change"
    feed.on_snapshot("BTC_USDT", NOW_NS, venue.bodies[-1])
    assert venue.arena.usable(0)


def test_what_is_kept_of_a_book_that_waits_is_bounded_and_the_newest_is_what_counts() -> None:
    venue, feed = begun()
    for _ in range(2000):
        venue.step()
        feed.on_frame(NOW_NS, venue.sent[-1][1])
    [slot] = feed.books()
    assert len(slot.pending) == 512
    assert feed.on_snapshot("BTC_USDT", NOW_NS, venue.bodies[1000]).resyncs, "changes are missing behind it"
    feed.on_snapshot("BTC_USDT", NOW_NS, venue.bodies[-100])
    assert venue.arena.sequence[0] == venue.truth.id
    shown_is_true(venue.arena, venue.truth)


def test_a_finer_scale_forgets_what_is_kept_but_not_how_far_it_reached() -> None:
    venue, feed = begun()
    for _ in range(2):
        venue.step()
        feed.on_frame(NOW_NS, venue.sent[-1][1])
    feed.rescale_book("BTC_USDT", Scale(SCALE.price_exp + 1, SCALE.size_exp), NOW_NS)
    assert feed.on_snapshot("BTC_USDT", NOW_NS, venue.bodies[0]).resyncs
    assert not venue.arena.usable(0)
    feed.on_snapshot("BTC_USDT", NOW_NS, venue.bodies[-1])
    assert venue.arena.usable(0)


@pytest.mark.parametrize("current", ["1e300", "-5", "1700000000000.5", "9000000000001", "0"])
def test_an_odd_time_of_a_snapshot_costs_nothing_but_the_time(current: str) -> None:
    venue, feed = begun()
    venue.step()
    feed.on_frame(NOW_NS, venue.sent[0][1])
    body = venue.bodies[-1].replace(f'"current":{NOW_NS // 10**6}', f'"current":{current}')
    assert feed.on_snapshot("BTC_USDT", NOW_NS, body).error is None
    assert venue.arena.usable(0)
    assert venue.arena.event_ns[0] in (0, NOW_NS)


def test_a_change_without_a_time_of_sending_counts_as_sent_when_it_was_made() -> None:
    venue, feed = begun()
    venue.step()
    feed.on_frame(NOW_NS, venue.sent[0][1])
    feed.on_snapshot("BTC_USDT", NOW_NS, venue.bodies[-1])
    venue.step()
    raw = venue.sent[1][1].replace(f'"time_ms":{NOW_NS // 10**6},', "")
    feed.on_frame(NOW_NS + 30_000_000, raw)
    assert venue.arena.lag_ns(0, 0) == 32_000_000
