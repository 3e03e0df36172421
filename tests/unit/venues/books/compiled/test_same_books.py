"""Compiled books judged by plain ones, frame by frame: every dialect, whole streams, and streams that misbehave."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb.venues.books.compiled.layout import LEVELS_MAX
from tests.unit.venues.books.compiled.twins import DIALECTS, begin, disturbed, refresh, stream
from tests.unit.venues.books.plain.dialects import Dialect

pytest.importorskip("numba", reason="compiled books need numba")
every_dialect = pytest.mark.parametrize(
    "dialect", DIALECTS, ids=["obu", "updates", "okx", "bitget", "bybit", "binance"]
)


@every_dialect
def test_a_stream_gives_the_same_books_and_hardly_a_frame_is_read_plainly(dialect: Dialect) -> None:
    truth, twins = begin(dialect, 1)
    for _ in range(20):
        stream(dialect, truth, twins, 100)
    assert twins.compiled.feed.counts.crossed == 0
    assert twins.compiled.quiet > 1_500
    plain, compiled = twins.levels()
    assert plain == compiled


@pytest.mark.thorough
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


@pytest.mark.thorough
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


_BIDS = st.one_of(st.decimals("0.01", 89, places=2), st.integers(1, 89)).map(str)
_ASKS = st.one_of(st.decimals(92, 10**9, places=2), st.decimals(92, 999, places=1), st.integers(92, 10**8)).map(str)
_LEVEL_SIZES = st.sampled_from(["0", "1", "0.5", "12.25", "3.0001", "123456789.5", "1234567.1"])


def _written(prices: st.SearchStrategy[str]) -> st.SearchStrategy[list[list[str]]]:
    """Return lists of levels whose prices now and then have zeros before or behind, or are no numbers at all."""
    zeros = st.sampled_from(["{}", "{}", "{}", "0{}", "00{}"])
    spelt = st.tuples(zeros, prices).map(lambda both: both[0].format(both[1]))
    odd = st.sampled_from(["1.2.3", "1-2.3", "12", "1e1", "9a.50", ".5", "5.", "0.00"])
    price = st.integers(0, 19).flatmap(lambda drawn: spelt if drawn else odd)
    return st.lists(st.tuples(price, _LEVEL_SIZES).map(list), max_size=12)


@pytest.mark.thorough
@every_dialect
@given(bids=_written(_BIDS), asks=_written(_ASKS))
def test_prices_of_one_list_may_be_written_in_many_ways(
    dialect: Dialect, bids: list[list[str]], asks: list[list[str]]
) -> None:
    truth, twins = begin(dialect, 3)
    stream(dialect, truth, twins, 4)
    before, after, _, _ = truth.step()
    twins.give(dialect.change(before, after, bids, asks).encode())
    plain, compiled = twins.levels()
    assert plain == compiled


@every_dialect
def test_a_book_of_which_now_and_then_a_frame_is_handed_over_stays_with_compiled_code(dialect: Dialect) -> None:
    truth, twins = begin(dialect, 9)
    for _ in range(20):
        stream(dialect, truth, twins, 24)
        twins.give(dialect.change(*truth.step()).replace(":", ": ").encode())
    assert twins.compiled.quiet > 20 * 20


@every_dialect
def test_a_book_whose_every_frame_is_written_otherwise_is_lent_ever_more_seldom(dialect: Dialect) -> None:
    truth, twins = begin(dialect, 9)
    lent = 0
    for _ in range(500):
        twins.give(dialect.change(*truth.step()).replace(":", ": ").encode())
        lent += twins.compiled.lent
    assert twins.compiled.quiet == 0
    assert lent <= 10  # after 1, 2, 4 ... 256 frames


@every_dialect
@pytest.mark.parametrize("count", [LEVELS_MAX - 1, LEVELS_MAX, LEVELS_MAX + 1, 2 * LEVELS_MAX])
def test_more_levels_than_have_room_are_the_plain_readers_and_written_nowhere(dialect: Dialect, count: int) -> None:
    truth, twins = begin(dialect, 3)
    stream(dialect, truth, twins, 8)
    scratch = twins.compiled.scratch
    scratch[LEVELS_MAX:] = 7
    before, after, _, _ = truth.step()
    twins.give(
        dialect.change(before, after, [[f"{10 + number / 100:.2f}", "1"] for number in range(count)], []).encode()
    )
    assert (scratch[LEVELS_MAX:] == 7).all()
    plain, compiled = twins.levels()
    assert plain == compiled
