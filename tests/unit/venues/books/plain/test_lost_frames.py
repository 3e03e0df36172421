"""What every feed promises when frames are lost, doubled, swapped, cut or garbled: no live book with wrong content."""

import gc
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arb.clock import NS_PER_S
from arb.market.arena import BookArena, BookState
from arb.market.feed import ResyncBy
from arb.venues.books.plain.base import FrameError, WireFeed
from tests.unit.venues.books.plain.dialects import DIALECTS, NOW_NS, Dialect, Truth

all_dialects = pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)


def begin(dialect: Dialect, seed: int = 1) -> tuple[BookArena, WireFeed, Truth]:
    arena = BookArena(1)
    feed = dialect.make(arena)
    truth = Truth(random.Random(seed), single_steps=dialect.single_steps)
    return arena, feed, truth


def shown_is_true(arena: BookArena, truth: Truth) -> None:
    """Whatever is live equals the venue's own state under that id; whatever is not shows nothing."""
    if arena.usable(0):
        bids, asks = truth.levels(int(arena.sequence[0]))
        assert arena.bids(0) == bids[: arena.depth]
        assert arena.asks(0) == asks[: arena.depth]
    else:
        assert arena.bids(0) == []
        assert arena.asks(0) == []
        assert not arena.block[0, 16:].any()


@all_dialects
def test_a_book_waits_until_its_snapshot_and_ignores_changes_until_then(dialect: Dialect) -> None:
    arena, feed, truth = begin(dialect)
    result = feed.on_frame(NOW_NS, dialect.change(*truth.step()))
    assert [resync.by for resync in result.resyncs] == ([ResyncBy.FETCH] if dialect.fetched else [])
    assert feed.on_frame(NOW_NS, dialect.change(*truth.step())).resyncs == ()
    assert arena.state[0] == BookState.WAITING
    dialect.send_whole(feed, truth)
    assert arena.state[0] == BookState.LIVE
    shown_is_true(arena, truth)


@all_dialects
def test_a_lost_frame_empties_the_book_at_once_and_asks_once_for_a_resync(dialect: Dialect) -> None:
    arena, feed, truth = begin(dialect)
    dialect.send_whole(feed, truth)
    truth.step()
    result = feed.on_frame(NOW_NS + 5, dialect.change(*truth.step()))
    assert [(resync.native_symbol, resync.row) for resync in result.resyncs] == [(dialect.symbol, 0)]
    assert result.resyncs[0].cause.startswith("gap: have 1000")
    assert result.rows == (0,)
    assert arena.state[0] == BookState.GAP
    assert arena.state_ns[0] == NOW_NS + 5
    shown_is_true(arena, truth)
    again = feed.on_frame(NOW_NS + 6, dialect.change(*truth.step()))
    assert again.resyncs == ()
    assert arena.state[0] == BookState.GAP


@all_dialects
@pytest.mark.parametrize("lost", [True, False], ids=["after a gap", "from the start"])
def test_a_snapshot_that_does_not_come_is_asked_for_again(dialect: Dialect, lost: bool) -> None:
    _, feed, truth = begin(dialect)
    if lost:
        dialect.send_whole(feed, truth)
        truth.step()
    asked = []
    for second in range(12):
        result = feed.on_frame(NOW_NS + second * NS_PER_S, dialect.change(*truth.step()))
        asked += [second] * len(result.resyncs)
    assert asked == ([0, 5, 10] if lost or dialect.fetched else [5, 10])


@all_dialects
def test_only_a_clean_snapshot_ends_a_gap(dialect: Dialect) -> None:
    arena, feed, truth = begin(dialect)
    dialect.send_whole(feed, truth)
    truth.step()
    feed.on_frame(NOW_NS, dialect.change(*truth.step()))
    dialect.send_whole(feed, truth)
    assert arena.state[0] == BookState.LIVE
    assert arena.sequence[0] == truth.id
    feed.on_frame(NOW_NS, dialect.change(*truth.step()))
    shown_is_true(arena, truth)
    assert arena.sequence[0] == truth.id


@all_dialects
@pytest.mark.parametrize(
    "raw",
    ["", "{", "nonsense", "[1,2]", '"text"', "\x00", b"\xff\xfe\xff", "[" * 5000, '{"arg":7,"data":5,"channel":1}'],
)
def test_garbage_makes_all_books_of_the_connection_unusable(dialect: Dialect, raw: str | bytes) -> None:
    arena, feed, truth = begin(dialect)
    dialect.send_whole(feed, truth)
    result = feed.on_frame(NOW_NS, raw)
    if result.error is None:  # readable, and about nothing this venue knows
        assert arena.state[0] == BookState.LIVE
        return
    assert dialect.name in str(result.error)
    assert [resync.native_symbol for resync in result.resyncs] == [dialect.symbol]
    assert arena.state[0] == BookState.GAP


def test_frames_that_cannot_be_read_leave_nothing_in_memory() -> None:
    _, feed, _ = begin(DIALECTS[0])

    def give() -> int:
        result = feed.on_frame(NOW_NS, '{"channel":"spot.obu","result":{"s":7}}')
        return len(result.resyncs)

    assert [give() for _ in range(20)] == [1] * 20
    gc.collect()
    assert not [found for found in gc.get_objects() if issubclass(type(found), FrameError)]


@all_dialects
def test_a_lost_connection_leaves_every_book_waiting(dialect: Dialect) -> None:
    arena, feed, truth = begin(dialect)
    dialect.send_whole(feed, truth)
    result = feed.on_disconnect(NOW_NS + 9)
    assert result.rows == (0,)
    assert arena.state[0] == BookState.WAITING
    shown_is_true(arena, truth)


@all_dialects
def test_a_crossed_book_is_unusable_although_its_chain_holds(dialect: Dialect) -> None:
    arena, feed, truth = begin(dialect)
    truth.asks["91.50"] = "1"
    truth.remember()
    dialect.send_whole(feed, truth)
    before, after, _, _ = truth.step()
    result = feed.on_frame(NOW_NS, dialect.change(before, after, [["91.51", "1"]], []))
    assert [resync.cause for resync in result.resyncs] == ["crossed"]
    assert arena.state[0] == BookState.CROSSED
    assert feed.counts.crossed == 1
    shown_is_true(arena, truth)


@all_dialects
def test_a_locked_book_is_legal(dialect: Dialect) -> None:
    arena, feed, truth = begin(dialect)
    truth.asks = {"91.50": "1"}
    truth.remember()
    dialect.send_whole(feed, truth)
    before, after, _, _ = truth.step()
    feed.on_frame(NOW_NS, dialect.change(before, after, [["91.50", "1"]], [["91.50", "1"]]))
    assert arena.state[0] == BookState.LIVE
    assert arena.bids(0)[0] == arena.asks(0)[0] == (9150, 10_000)


@all_dialects
@pytest.mark.parametrize(
    "level",
    [
        ["-90.00", "1"],
        ["0", "1"],
        ["90.00", "1_0"],
        ["90.00", "NaN"],
        ["90.00", "-1"],
        ["9" * 19, "1"],
    ],
)
def test_a_level_that_cannot_be_read_spoils_the_whole_frame(dialect: Dialect, level: list[str]) -> None:
    arena, feed, truth = begin(dialect)
    dialect.send_whole(feed, truth)
    before, after, _, _ = truth.step()
    result = feed.on_frame(NOW_NS, dialect.change(before, after, [["90.50", "7"], level], []))
    assert result.error is not None
    assert dialect.symbol in str(result.error)
    assert ".b" in str(result.error)  # the field: result.b, data.b, data[0].bids
    assert len(result.resyncs) == 1
    assert arena.state[0] == BookState.GAP


@all_dialects
def test_the_frame_states_when_it_was_sent(dialect: Dialect) -> None:
    arena, feed, truth = begin(dialect)
    dialect.send_whole(feed, truth)
    before, after, bids, _ = truth.step()
    feed.on_frame(NOW_NS + 40_000_000, dialect.change(before, after, bids or [["90.00", "0"]], []))
    assert arena.lag_ns(0, 0) == 40_000_000
    assert arena.lag_ns(0, -1_270_000_000) == -1_230_000_000  # the venue's clock 1.27 s behind ours
    assert arena.received_ns[0] == NOW_NS + 40_000_000


def mutate(rng: random.Random, frames: list[str], place: int) -> list[str]:
    """Do one misfortune to the stream; never one that reads as a different but valid number."""
    raw = frames[place]
    kind = rng.choice(("drop", "double", "swap", "cut", "garble", "noise", "late"))
    if kind == "drop":
        return frames[:place] + frames[place + 1 :]
    if kind == "double":
        return [*frames[:place], raw, raw, *frames[place + 1 :]]
    if kind == "swap" and place + 1 < len(frames):
        return [*frames[:place], frames[place + 1], raw, *frames[place + 2 :]]
    if kind == "cut":
        return [*frames[:place], raw[: rng.randrange(max(len(raw), 1))], *frames[place + 1 :]]
    # Neither end of a number: with a blank there, `1001` would read as the valid number 100, which is another story.
    digits = [at for at in range(1, len(raw) - 1) if raw[at - 1 : at + 2].isdigit()]
    if kind == "garble" and digits:
        at = rng.choice(digits)
        return [*frames[:place], raw[:at] + rng.choice('x"}]_ \\') + raw[at + 1 :], *frames[place + 1 :]]
    if kind == "noise":
        return [*frames[:place], rng.choice(("", "{}", "null", "[]", "pong", "ping", "\x00")), *frames[place:]]
    later = rng.randrange(place, len(frames))
    rest = frames[:place] + frames[place + 1 :]
    return [*rest[:later], raw, *rest[later:]]


@all_dialects
@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), misfortunes=st.integers(1, 6))
def test_no_misfortune_leaves_a_live_book_with_wrong_content(dialect: Dialect, seed: int, misfortunes: int) -> None:
    arena, feed, truth = begin(dialect, seed)
    rng = random.Random(seed)
    dialect.send_whole(feed, truth)
    frames = [dialect.change(*truth.step()) for _ in range(25)]
    for _ in range(misfortunes):
        frames = mutate(rng, frames, rng.randrange(len(frames)))
    for raw in frames:
        result = feed.on_frame(NOW_NS, raw if rng.random() < 0.5 else raw.encode(errors="replace"))
        assert result.error is None or result.resyncs
        shown_is_true(arena, truth)
    dialect.send_whole(feed, truth)
    assert arena.usable(0)
    assert arena.sequence[0] == truth.id
    shown_is_true(arena, truth)
