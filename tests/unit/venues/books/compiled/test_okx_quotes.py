"""Best quotes of OKX, whose BBO check has to prove itself: kept, held and dismissed by compiled code as by the plain reader."""

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb.market.arena import BookState
from arb.venues.books.compiled.book_ownership import PAID_AFTER
from arb.venues.books.compiled.layout import QUOTES_MAX
from arb.venues.books.plain.bbo_check import PROVEN
from tests.unit.venues.books.compiled.test_quotes import give_quotes_of_any_id
from tests.unit.venues.books.compiled.twins import Twins, begin, disturbed, refresh
from tests.unit.venues.books.plain.dialects import OKX, Side, Truth, okx_frame, okx_quote

pytest.importorskip("numba", reason="compiled books need numba")
WRONG: tuple[Side, Side] = {"90.00": "7"}, {"91.99": "7"}


def quoted(truth: Truth, at: int) -> bytes:
    return okx_quote(at, *truth.states[at]).encode()


def wrong(at: int) -> bytes:
    return okx_quote(at, *WRONG).encode()


def changed(truth: Truth) -> bytes:
    return OKX.change(*truth.step()).encode()


def proven(seed: int, times: int = PROVEN) -> tuple[Truth, Twins]:
    """Return a lent book whose BBO check has agreed so many times."""
    truth, twins = begin(OKX, seed)
    for _ in range(times):
        change = changed(truth)
        twins.give(quoted(truth, truth.id))
        twins.give(change)
    assert twins.compiled.lent
    assert twins.compiled.feed.counts.checks_held == times
    return truth, twins


def state(twins: Twins) -> int:
    return int(twins.compiled.arena.state.item(0))


@pytest.mark.thorough
@given(seed=st.integers(0, 2**32), right=st.booleans())
def test_quotes_of_any_id_right_and_wrong_are_held_against_the_same_books(seed: int, right: bool) -> None:
    truth, twins = proven(seed) if right else begin(OKX, seed)
    rng = random.Random(seed + 1)

    def wrong_ones(bids: Side, asks: Side) -> tuple[Side, Side]:
        return rng.choice((WRONG, (bids, {}), ({}, asks), ({**bids, "91.00": "1"}, asks)))

    give_quotes_of_any_id(OKX, truth, twins, rng, okx_quote, wrong_ones)


def test_quotes_are_taken_without_the_plain_reader_and_counted_as_held() -> None:
    truth, twins = proven(4)
    quiet, held = twins.compiled.quiet, twins.compiled.feed.counts.checks_held
    for _ in range(200):
        before, change = truth.id, changed(truth)
        for raw in (quoted(truth, before), quoted(truth, truth.id), change, quoted(truth, truth.id)):
            twins.give(raw)
    assert twins.compiled.quiet == quiet + 800
    assert twins.compiled.feed.counts.checks_held == held + 600


@pytest.mark.parametrize(("times", "after"), [(PROVEN - 1, BookState.LIVE), (PROVEN, BookState.GAP)])
@pytest.mark.parametrize("early", [True, False])
def test_agreements_that_compiled_code_saw_are_proof(times: int, after: BookState, early: bool) -> None:
    truth, twins = proven(4, times)
    change = changed(truth)
    for raw in (wrong(truth.id), change) if early else (change, wrong(truth.id)):
        assert state(twins) == BookState.LIVE
        twins.give(raw)
    assert state(twins) == after
    assert twins.compiled.feed.counts.checks_failed == 1


def test_quotes_of_a_dismissed_bbo_check_are_passed_over_without_the_plain_reader() -> None:
    truth, twins = proven(4, 3)
    twins.give(wrong(truth.id))
    for _ in range(4):
        twins.give(changed(truth))
    assert twins.compiled.lent
    quiet = twins.compiled.quiet
    for _ in range(50):
        twins.give(wrong(truth.id))
        twins.give(quoted(truth, truth.id))
    assert twins.compiled.quiet == quiet + 100
    assert twins.compiled.lent
    assert twins.compiled.feed.counts.checks_held == 3


@pytest.mark.parametrize("count", [QUOTES_MAX - 1, QUOTES_MAX, QUOTES_MAX + 1, 3 * QUOTES_MAX])
def test_however_many_quotes_come_before_their_change_compiled_code_takes_them(count: int) -> None:
    truth, twins = proven(4)
    quiet = twins.compiled.quiet
    for _ in range(3):
        before, after, bids, asks = truth.step()
        ahead = before + count
        truth.states[ahead] = truth.states.pop(after)
        truth.id = ahead
        for at in range(before + 1, ahead + 1):
            twins.give(okx_quote(at, *truth.states[ahead]).encode())
        twins.give(OKX.change(before, ahead, bids, asks).encode())
    assert twins.compiled.quiet == quiet + 3 * (count + 1)
    assert twins.compiled.feed.counts.checks_held == PROVEN + 3


def test_ids_that_never_meet_leave_the_book_with_compiled_code() -> None:
    truth, twins = begin(OKX, 4)
    for number in range(2_000):
        twins.give(wrong(10**9 + number))
        twins.give(changed(truth))
    assert twins.compiled.quiet > 3_900
    assert twins.compiled.feed.counts.checks_failed == 0


def test_a_book_that_was_handed_over_comes_back_however_many_quotes_are_kept() -> None:
    truth, twins = proven(4)
    for number in range(QUOTES_MAX):
        twins.give(wrong(10**9 + number))
    twins.give(changed(truth).replace(b":", b": "))
    for _ in range(2):
        twins.give(changed(truth))
    assert twins.compiled.lent


def test_quotes_kept_by_either_reader_go_with_the_book() -> None:
    truth, twins = proven(4)
    for _ in range(30):
        for _ in range(PAID_AFTER):
            twins.give(changed(truth))
        changes = [changed(truth) for _ in range(3)]
        for at in list(truth.states)[-3:]:
            twins.give(quoted(truth, at))
        twins.give(changes[0].replace(b":", b": "))  # the book is taken back, with two quotes that it has not reached
        for raw in changes[1:]:
            twins.give(raw)
    assert twins.compiled.feed.counts.checks_held == PROVEN + 90
    assert twins.compiled.lent


@pytest.mark.parametrize("lower", [1, 999])
def test_ids_that_begin_anew_take_kept_quotes_and_proof_with_them(lower: int) -> None:
    truth, twins = proven(4)
    at = truth.id
    twins.give(wrong(at + 5))
    twins.give(okx_frame("update", at, lower, [], []).encode())
    twins.give(okx_frame("update", lower, at + 5, [], []).encode())
    assert state(twins) == BookState.LIVE
    twins.give(wrong(at + 5))
    assert state(twins) == BookState.LIVE  # dismissed


def test_a_quote_with_a_lower_id_makes_those_kept_be_forgotten() -> None:
    truth, twins = proven(4)
    at, quiet = truth.id, twins.compiled.quiet
    twins.give(wrong(at + 5))
    twins.give(quoted(truth, at))
    twins.give(okx_frame("update", at, at + 5, [], []).encode())
    assert twins.compiled.quiet == quiet + 3
    assert state(twins) == BookState.LIVE


@pytest.mark.parametrize("sides", [({"90.00": "1"}, {}), ({}, {"91.00": "1"}), ({}, {})])
def test_an_empty_side_is_held_against_a_side_without_levels(sides: tuple[Side, Side]) -> None:
    truth, twins = proven(4)
    bids, asks = ([[*level] for level in side.items()] for side in sides)
    twins.give(okx_frame("snapshot", -1, truth.id + 1, bids, asks).encode())
    twins.give(okx_frame("update", truth.id + 1, truth.id + 2, [], []).encode())
    held, quiet = twins.compiled.feed.counts.checks_held, twins.compiled.quiet
    twins.give(okx_quote(truth.id + 2, *sides).encode())
    assert twins.compiled.quiet == quiet + 1
    assert twins.compiled.feed.counts.checks_held == held + 1
    twins.give(wrong(truth.id + 2))
    assert state(twins) == BookState.GAP


@pytest.mark.parametrize("side", ["bids", "asks"])
def test_more_than_one_level_a_side_is_no_best_quote(side: str) -> None:
    truth, twins = proven(4)
    frame = json.loads(quoted(truth, truth.id))
    levels = frame["data"][0][side]
    frame["data"][0][side] = [*levels, *levels]
    twins.give(json.dumps(frame, separators=(",", ":")).encode())
    assert twins.compiled.feed.counts.malformed == 1
    assert state(twins) == BookState.LIVE


@pytest.mark.thorough
@given(seed=st.integers(0, 2**32))
def test_quotes_that_no_venue_should_send_lead_to_the_same(seed: int) -> None:
    truth, twins = proven(seed)
    rng = random.Random(seed + 1)
    for _ in range(20):
        change = changed(truth)
        twins.give(disturbed(quoted(truth, truth.id), rng))
        twins.give(change)
        if state(twins) != BookState.LIVE:
            refresh(OKX, truth, twins)
