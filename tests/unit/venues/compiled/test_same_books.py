"""Compiled books judged by plain ones, frame by frame: every dialect, whole streams, and streams that misbehave."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.venues.compiled.twins import Twins, disturbed, whole
from tests.unit.venues.wire.dialects import BITGET, BYBIT, GATE, GATE_EU, OKX, Dialect, Truth

pytest.importorskip("numba", reason="compiled books need numba")
DIALECTS = (GATE, GATE_EU, OKX, BITGET, BYBIT)
every_dialect = pytest.mark.parametrize("dialect", DIALECTS, ids=["obu", "updates", "okx", "bitget", "bybit"])
MS = 1_000_000


def stream(dialect: Dialect, truth: Truth, twins: Twins, frames: int) -> None:
    """Let a live book change so many times."""
    for _ in range(frames):
        twins.now_ns += truth.rng.choice((0, 1, 20, 40)) * MS
        twins.give(dialect.change(*truth.step()).encode())


def begin(dialect: Dialect, seed: int) -> tuple[Truth, Twins]:
    truth, twins = Truth(random.Random(seed), single_steps=dialect.single_steps), Twins(dialect)
    refresh(dialect, truth, twins)
    return truth, twins


def refresh(dialect: Dialect, truth: Truth, twins: Twins) -> None:
    """Let a clean snapshot come, and the change that a fetched one has to meet."""
    if dialect.fetched:
        for _ in range(2):  # a lost book waits for a change before its snapshot is asked for
            twins.give(dialect.change(*truth.step()).encode())
    raw, url = whole(dialect, truth)
    twins.give(raw, url)


@every_dialect
def test_a_stream_gives_the_same_books_and_hardly_a_frame_is_read_plainly(dialect: Dialect) -> None:
    truth, twins = begin(dialect, 1)
    for _ in range(20):
        stream(dialect, truth, twins, 100)
    assert twins.compiled.feed.counts.crossed == 0
    assert twins.compiled.quiet > 1_500
    plain, compiled = twins.levels()
    assert plain == compiled


@every_dialect
@given(seed=st.integers(0, 2**32))
def test_lost_repeated_and_exchanged_frames_lead_to_the_same(dialect: Dialect, seed: int) -> None:
    truth, twins = begin(dialect, seed)
    rng = random.Random(seed + 1)
    for _ in range(12):
        stream(dialect, truth, twins, rng.randrange(12))
        frames = [dialect.change(*truth.step()).encode() for _ in range(rng.randrange(1, 4))]
        rng.shuffle(frames)
        for raw in frames[rng.randrange(2) :] + frames[: rng.randrange(2)]:
            twins.give(raw)
        if rng.random() < 0.7:
            refresh(dialect, truth, twins)
    plain, compiled = twins.levels()
    assert plain == compiled


@every_dialect
@given(seed=st.integers(0, 2**32))
def test_frames_that_no_venue_should_send_lead_to_the_same(dialect: Dialect, seed: int) -> None:
    truth, twins = begin(dialect, seed)
    rng = random.Random(seed + 1)
    for _ in range(12):
        stream(dialect, truth, twins, rng.randrange(4))
        twins.give(disturbed(dialect.change(*truth.step()).encode(), rng))
        refresh(dialect, truth, twins)
    plain, compiled = twins.levels()
    assert plain == compiled
