"""Best quotes that confirm a book, and snapshots that were cut short: kept by compiled code as the plain reader keeps them."""

import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb.market.arena import BookState
from arb.venues.books.compiled.layout import QUOTES_MAX
from tests.unit.venues.books.compiled.twins import Twins, begin, disturbed, refresh, stream
from tests.unit.venues.books.plain.dialects import (
    BINANCE,
    Dialect,
    Side,
    Truth,
    binance_frame,
    binance_quote,
    binance_whole,
)

pytest.importorskip("numba", reason="compiled books need numba")


def quoted(truth: Truth, at: int) -> bytes:
    return binance_quote(at, *truth.states[at]).encode()


def changed(truth: Truth, dialect: Dialect = BINANCE) -> bytes:
    return dialect.change(*truth.step()).encode()


def other(side: Side, rng: random.Random) -> Side:
    """Return a side that may have another best level."""
    return {**side, rng.choice(("90.99", "91.00", "90.50")): rng.choice(("1", "2.50", "0.0001"))}


def give_quotes_of_any_id(
    dialect: Dialect,
    truth: Truth,
    twins: Twins,
    rng: random.Random,
    quote: Callable[[int, Side, Side], str],
    wrong: Callable[[Side, Side], tuple[Side, Side]],
) -> None:
    """Give changes with best quotes among them, of ids that were, are and will be, right, wrong and disturbed; then compare."""
    for _ in range(25):
        stream(dialect, truth, twins, rng.randrange(3))
        change, ids = changed(truth, dialect), list(truth.states)[-4:]
        for _ in range(rng.randrange(4)):
            at = rng.choice((*ids, ids[-1] + rng.randrange(1, 4)))
            bids, asks = truth.states.get(at, truth.states[ids[-1]])
            if rng.random() < 0.1:
                bids, asks = wrong(bids, asks)
            raw = quote(at, bids, asks).encode()
            twins.give(disturbed(raw, rng) if rng.random() < 0.2 else raw)
        twins.give(change)
        if twins.plain.arena.state.item(0) != BookState.LIVE:
            refresh(dialect, truth, twins)
    plain, compiled = twins.levels()
    assert plain == compiled


@pytest.mark.thorough
@given(seed=st.integers(0, 2**32))
def test_quotes_of_any_id_right_and_wrong_are_held_against_the_same_books(seed: int) -> None:
    truth, twins = begin(BINANCE, seed)
    rng = random.Random(seed + 1)
    give_quotes_of_any_id(
        BINANCE, truth, twins, rng, binance_quote, lambda bids, asks: (other(bids, rng), other(asks, rng))
    )


def test_a_quote_that_disagrees_costs_the_book_when_its_change_has_come() -> None:
    truth, twins = begin(BINANCE, 4)
    stream(BINANCE, truth, twins, 8)
    assert twins.compiled.lent
    change = changed(truth)
    twins.give(binance_quote(truth.id, {"90.00": "7"}, {"91.99": "7"}).encode())
    assert twins.compiled.arena.state.item(0) == BookState.LIVE
    twins.give(change)
    assert twins.compiled.arena.state.item(0) == BookState.GAP
    assert twins.compiled.feed.counts.checks_failed == 1


def test_quotes_are_taken_without_the_plain_reader_and_counted_as_held() -> None:
    truth, twins = begin(BINANCE, 4)
    stream(BINANCE, truth, twins, 8)
    quiet, held = twins.compiled.quiet, twins.compiled.feed.counts.checks_held
    ahead = changed(truth)
    for _ in range(2 * QUOTES_MAX):
        change, ahead, at = ahead, changed(truth), list(truth.states)[-2]
        for each in (at, truth.id, at):
            twins.give(quoted(truth, each))
        twins.give(change)
        twins.give(quoted(truth, at))
    assert twins.compiled.quiet == quiet + 10 * QUOTES_MAX
    assert twins.compiled.feed.counts.checks_held == held + 6 * QUOTES_MAX - 1


@pytest.mark.parametrize(("change", "state"), [(False, BookState.LIVE), (True, BookState.GAP)])
def test_the_first_change_after_a_snapshot_may_overlap_it_and_no_later_one(change: bool, state: BookState) -> None:
    """Whether there was a change since the snapshot is still known of a book that is taken back."""
    truth, twins = begin(BINANCE, 4)
    stream(BINANCE, truth, twins, 8)
    for one in (twins.plain, twins.compiled):
        one.books.on_disconnect("binance", twins.now_ns)
    refresh(BINANCE, truth, twins)
    assert twins.compiled.lent
    if change:
        quiet = twins.compiled.quiet
        twins.give(changed(truth))
        assert twins.compiled.quiet > quiet
    taken = twins.compiled.quiet
    twins.give(quoted(truth, truth.id).replace(b":", b": "))
    assert twins.compiled.quiet == taken  # so the book was taken back
    twins.give(binance_frame(truth.id, truth.id + 2, [], []).encode())
    assert twins.compiled.arena.state.item(0) == state


@pytest.mark.parametrize("count", [QUOTES_MAX - 1, QUOTES_MAX, QUOTES_MAX + 1, 3 * QUOTES_MAX])
def test_more_quotes_than_there_is_room_for_are_the_plain_readers(count: int) -> None:
    truth, twins = begin(BINANCE, 4)
    stream(BINANCE, truth, twins, 8)
    for _ in range(3):
        before, after, bids, asks = truth.step()
        ahead = before + count + 1
        truth.states[ahead] = truth.states.pop(after)
        truth.id = ahead
        for at in range(before + 1, ahead + 1):
            twins.give(binance_quote(at, *truth.states[ahead]).encode())
        twins.give(BINANCE.change(before, ahead, bids, asks).encode())
        stream(BINANCE, truth, twins, 3)
    assert twins.compiled.arena.state.item(0) == BookState.LIVE
    assert twins.compiled.lent


@pytest.mark.thorough
@given(seed=st.integers(0, 2**32), limit=st.integers(1, 6))
def test_what_lies_beyond_a_snapshot_that_was_cut_short_is_not_shown(seed: int, limit: int) -> None:
    rng, twins = random.Random(seed), Twins(BINANCE)
    at = 1000
    for _ in range(3):
        prices = rng.sample(range(9000, 9300), 2 * limit + rng.randrange(4))
        middle = sorted(prices)[limit]
        bids = {f"{price / 100:.2f}": "1" for price in prices if price < middle}
        asks = {f"{price / 100:.2f}": "1" for price in prices if price > middle}
        truth = Truth(rng, id=at, bids=bids, asks=asks)
        twins.give(binance_frame(at, at, [], []).encode())
        url = f"/api/v3/depth?symbol=BTCUSDT&limit={limit}"
        twins.give(binance_whole(truth).encode(), url)
        for _ in range(30):
            at += 1
            sides = []
            for side, lowest, highest, far in ((bids, 8950, middle, "60.00"), (asks, middle + 1, 9350, "95000.00")):
                new = [[f"{rng.randrange(lowest, highest) / 100:.2f}", "2"] for _ in range(rng.randrange(3))]
                gone = [[price, "0"] for price in rng.sample(list(side), min(len(side), rng.randrange(2)))]
                sides.append([*new, *gone, [far, rng.choice("02")]])
            twins.give(binance_frame(at, at, *sides).encode())
        at += 5
    plain, compiled = twins.levels()
    assert plain == compiled
