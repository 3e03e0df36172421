"""The book: best price first, oldest first within a price, nothing made or lost, and every change noted."""

from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb.errors import InvariantError
from arb.sandbox.matching import BUY, SELL, MatchBook
from arb.sandbox.values import SimOrder
from tests.unit.sandbox.makings import an_order


def a_book(bids: dict[int, int], asks: dict[int, int]) -> MatchBook:
    """Return a book of background interest."""
    book = MatchBook()
    for ticks, lots in bids.items():
        book.set_background(BUY, ticks, lots)
    for ticks, lots in asks.items():
        book.set_background(SELL, ticks, lots)
    return book


def test_a_take_that_is_bounded_by_neither_size_nor_budget_is_our_own_bug() -> None:
    with pytest.raises(InvariantError):
        a_book({}, {10: 1}).take(BUY, None, None)


def test_an_empty_side_gives_nothing() -> None:
    assert a_book({9: 5}, {}).take(BUY, None, 5) == []


def test_a_limit_stops_at_its_price_and_not_before() -> None:
    book = a_book({}, {10: 1, 11: 2, 12: 4})
    assert [(m.ticks, m.lots) for m in book.take(BUY, 11, 9)] == [(10, 1), (11, 2)]
    assert book.asks.best() == 12


def test_a_sell_takes_the_highest_bid_first() -> None:
    book = a_book({8: 3, 9: 1}, {})
    assert [(m.ticks, m.lots) for m in book.take(SELL, None, 2)] == [(9, 1), (8, 1)]


def test_a_budget_buys_whole_lots_and_leaves_the_rest_unspent() -> None:
    book = a_book({}, {10: 3, 20: 9})
    matches = book.take(BUY, None, None, budget=75)
    assert [(m.ticks, m.lots) for m in matches] == [(10, 3), (20, 2)]


def test_older_interest_at_a_price_is_filled_first() -> None:
    book = a_book({}, {10: 2})
    mine = an_order(SELL, ticks=10, lots=3)
    book.rest(mine, 3)
    book.set_background(SELL, 10, 7)  # the background adds behind the account's order
    owners = [(m.owner is mine, m.lots) for m in book.take(BUY, None, 10)]
    assert owners == [(False, 2), (True, 3), (False, 5)]


def test_background_interest_raised_twice_adds_to_its_own_newest() -> None:
    book = MatchBook()
    mine = an_order(SELL, ticks=10, lots=3)
    book.rest(mine, 3)
    book.set_background(SELL, 10, 2)
    book.set_background(SELL, 10, 7)
    assert [(m.owner is mine, m.lots) for m in book.take(BUY, None, 10)] == [(True, 3), (False, 7)]


def test_lowering_background_interest_cuts_its_newest_and_keeps_our_place() -> None:
    book = a_book({}, {10: 2})
    mine = an_order(SELL, ticks=10, lots=3)
    book.rest(mine, 3)
    book.set_background(SELL, 10, 7)
    book.set_background(SELL, 10, 2)
    assert [(m.owner is mine, m.lots) for m in book.take(BUY, None, 4)] == [(False, 2), (True, 2)]


def test_background_interest_trades_with_an_account_order_in_its_way() -> None:
    book = MatchBook()
    mine = an_order(SELL, ticks=10, lots=3)
    book.rest(mine, 3)
    [match] = book.set_background(BUY, 11, 5)
    assert (match.owner is mine, match.ticks, match.lots) == (True, 10, 3)
    assert book.background_lots(BUY, 11) == 2


def test_withdrawing_an_order_leaves_the_rest_of_its_level() -> None:
    book = a_book({9: 4}, {})
    mine = an_order(BUY, ticks=9, lots=6)
    book.rest(mine, 6)
    assert book.withdraw(mine) == 6
    assert book.top(is_bid=True, count=5) == {9: 4}
    assert book.withdraw(mine) == 0


def test_every_change_raises_the_update_id_and_is_noted() -> None:
    book = MatchBook(100)
    touched: set[tuple[bool, int]] = set()
    book.sinks.append(touched)
    book.set_background(BUY, 9, 4)
    book.set_background(BUY, 9, 4)  # no change
    book.take(SELL, None, 1)
    assert book.update_id == 102
    assert touched == {(True, 9)}


steps = st.lists(
    st.one_of(
        st.tuples(st.just("background"), st.sampled_from([BUY, SELL]), st.integers(1, 5), st.integers(0, 6)),
        st.tuples(st.just("rest"), st.sampled_from([BUY, SELL]), st.integers(1, 5), st.integers(1, 6)),
        st.tuples(st.just("take"), st.sampled_from([BUY, SELL]), st.integers(1, 5), st.integers(1, 9)),
    ),
    max_size=40,
)


@given(steps)
def test_matching_equals_a_plain_list_of_orders_sorted_by_price_and_time(
    script: list[tuple[str, str, int, int]],
) -> None:
    """The oracle: one list per side, searched whole for the best price and then the oldest entry."""
    book, oracle = MatchBook(), Oracle()
    for what, side, ticks, lots in script:
        if what == "background":
            opposite = SELL if side == BUY else BUY
            if not any(owner is None for owner in oracle.within(opposite, side, ticks)):
                book.set_background(side, ticks, lots)
                oracle.set_background(side, ticks, lots)
        elif what == "rest":
            if not oracle.within(SELL if side == BUY else BUY, side, ticks):
                order = an_order(side, ticks=ticks, lots=lots)
                book.rest(order, lots)
                oracle.add(side, ticks, lots, order)
        else:
            fillable = book.fillable(side, ticks)
            matches = book.take(side, ticks, lots)
            assert sum(match.lots for match in matches) == min(fillable, lots)
            assert merged((m.ticks, m.owner, m.lots) for m in matches) == merged(oracle.take(side, ticks, lots))
        for is_bid, name in ((True, BUY), (False, SELL)):
            assert book.top(is_bid, 99) == oracle.totals(name)


class Oracle:
    """The slow obvious book."""

    def __init__(self) -> None:
        self.sides: dict[str, deque[list[object]]] = {BUY: deque(), SELL: deque()}

    def add(self, side: str, ticks: int, lots: int, owner: SimOrder | None) -> None:
        """Put an entry at the end of time."""
        self.sides[side].append([ticks, owner, lots])

    def within(self, resting_side: str, side: str, limit: int) -> list[object]:
        """Return the owners of what an order of `side` could take at its limit."""
        rows = self.sides[resting_side]
        return [
            owner for ticks, owner, _ in rows if (number(ticks) <= limit if side == BUY else number(ticks) >= limit)
        ]

    def set_background(self, side: str, ticks: int, lots: int) -> None:
        """Set the background's total: take first from account orders in the way, then add or cut the newest."""
        if lots:
            lots -= sum(number(taken) for _, _, taken in self.take(side, ticks, lots))
        rows = self.sides[side]
        have = sum(number(left) for price, owner, left in rows if owner is None and price == ticks)
        if lots >= have:
            if lots > have:
                self.add(side, ticks, lots - have, None)
            return
        excess = have - lots
        for row in reversed(list(rows)):
            if row[1] is None and row[0] == ticks and excess:
                cut = min(excess, number(row[2]))
                row[2] = number(row[2]) - cut
                excess -= cut
        self.sides[side] = deque(row for row in rows if row[2])

    def take(self, side: str, limit: int, lots: int) -> list[tuple[int, object, int]]:
        """Take the best price, and of it the oldest, until the limit or the size is reached."""
        resting = SELL if side == BUY else BUY
        taken: list[tuple[int, object, int]] = []
        while lots:
            rows = [r for r in self.sides[resting] if (number(r[0]) <= limit if side == BUY else number(r[0]) >= limit)]
            if not rows:
                break
            best = (min if side == BUY else max)(number(r[0]) for r in rows)
            row = next(r for r in rows if r[0] == best)
            part = min(lots, number(row[2]))
            row[2] = number(row[2]) - part
            lots -= part
            taken.append((best, row[1], part))
            self.sides[resting] = deque(r for r in self.sides[resting] if r[2])
        return taken

    def totals(self, side: str) -> dict[int, int]:
        """Return price to total, best first."""
        totals: dict[int, int] = {}
        for ticks, _, lots in sorted(self.sides[side], key=lambda r: number(r[0]), reverse=side == BUY):
            totals[number(ticks)] = totals.get(number(ticks), 0) + number(lots)
        return totals


def number(value: object) -> int:
    """Return a value known to be an int."""
    assert isinstance(value, int)
    return value


def merged(matches: object) -> list[tuple[int, int, int]]:
    """Return (price, owner, lots) with neighbours of the same owner and price joined."""
    rows: list[tuple[int, int, int]] = []
    for ticks, owner, lots in matches:  # type: ignore[attr-defined]
        key = id(owner) if owner is not None else 0
        if rows and rows[-1][:2] == (ticks, key):
            rows[-1] = (ticks, key, rows[-1][2] + lots)
        else:
            rows.append((ticks, key, lots))
    return rows
