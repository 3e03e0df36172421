"""Levels finer than the scale: every dialect keeps them apart and exact, and shows no more than there is.

The judge is a dict of decimal texts, which shares nothing with the books.
"""

import json
import random
from collections.abc import Callable
from decimal import Decimal
from math import ceil, floor
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb.market.arena import BookArena, BookState
from arb.market.book import ExactLevels
from arb.market.feed import BookSeat
from arb.market.scale import Scale, common_scale
from arb.store.tapes.line import TapeLine
from arb.store.tapes.tape import read_tape
from arb.venues.gate.tape import GateTapeFeed
from tests.unit.venues.books.plain.dialects import (
    BITGET,
    DIALECTS,
    NOW_NS,
    OKX,
    SCALE,
    Change,
    Dialect,
    Side,
    Truth,
    bitget_frame,
    okx_frame,
)

all_dialects = pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)


class FineTruth(Truth):
    """A book in which half of the levels have more decimals than the scale, many within one unit of it."""

    def _alter(self, side: Side, low: int, high: int) -> list[str]:
        cents = self.rng.randint(low, low + 8 if self.rng.random() < 0.8 else high)
        price = f"{Decimal(cents) / 100:.2f}" + self.rng.choice(("", "", "1", "12", "9999"))
        size = self.rng.choice(("0", "1", "2.50", "0.00001", "3.00019", f"0.{self.rng.randint(1, 999999):06d}"))
        if Decimal(size) == 0:
            side.pop(price, None)
        else:
            side[price] = size
        return [price, size]


def exactly(side: Side, best_first: int) -> list[tuple[Decimal, Decimal]]:
    levels = [(Decimal(price), Decimal(size)) for price, size in side.items()]
    return sorted(levels, key=lambda level: best_first * level[0])


def kept(levels: ExactLevels) -> list[tuple[Decimal, Decimal]]:
    return [
        (Decimal(price.numerator) / price.denominator / 100, Decimal(size.numerator) / size.denominator / 10_000)
        for price, size in levels
    ]


def rounded_against_us(levels: list[tuple[Decimal, Decimal]], price_of: Callable[[Decimal], int]) -> dict[int, int]:
    shown: dict[int, int] = {}
    for price, size in levels:
        if floor(size * 10_000):
            whole = price_of(price * 100)
            shown[whole] = shown.get(whole, 0) + floor(size * 10_000)
    return shown


@all_dialects
@given(seed=st.integers(0, 10**6), frames=st.integers(0, 25))
def test_a_book_with_fine_levels_stays_live_and_exact_through_every_frame(
    dialect: Dialect, seed: int, frames: int
) -> None:
    arena = BookArena(1)
    feed = dialect.make(arena)
    truth = FineTruth(random.Random(seed), single_steps=dialect.single_steps)
    result = dialect.send_whole(feed, truth)
    for number in range(frames + 1):
        assert result.error is None and not result.resyncs
        assert arena.state[0] == BookState.LIVE
        bids, asks = exactly(truth.bids, -1), exactly(truth.asks, 1)
        (slot,) = feed.books()
        levels = slot.book.levels(99)
        assert (kept(levels[0]), kept(levels[1])) == (bids, asks)
        assert dict(arena.bids(0)) == rounded_against_us(bids, floor)
        assert dict(arena.asks(0)) == rounded_against_us(asks, ceil)
        for shown in (arena.bids(0), arena.asks(0)):
            assert len(dict(shown)) == len(shown)
        if number < frames:
            result = feed.on_frame(NOW_NS, dialect.change(*truth.step()))


@all_dialects
@given(
    seed=st.integers(0, 10**6),
    before=st.integers(0, 8),
    after=st.integers(0, 8),
    price_more=st.integers(0, 4),
    size_more=st.integers(0, 4),
)
def test_a_book_put_on_a_finer_scale_is_as_if_it_had_always_been_there(
    dialect: Dialect, seed: int, before: int, after: int, price_more: int, size_more: int
) -> None:
    finer = Scale(SCALE.price_exp + price_more, SCALE.size_exp + size_more)
    moved, there = BookArena(1), BookArena(1)
    feed, other = dialect.make(moved), dialect.make(there)
    other.rescale_book(dialect.symbol, finer, NOW_NS)  # before its first frame
    truth = FineTruth(random.Random(seed), single_steps=dialect.single_steps)
    for one in (feed, other):
        dialect.send_whole(one, truth)
    for number in range(before + after + 1):
        if number == before:
            feed.rescale_book(dialect.symbol, finer, NOW_NS)
            assert feed.seats() == other.seats()
        if number >= before:
            assert (moved.bids(0), moved.asks(0)) == (there.bids(0), there.asks(0))
            assert moved.block[0, :4].tolist() == there.block[0, :4].tolist()
        frame = dialect.change(*truth.step())
        for one in (feed, other):
            assert not one.on_frame(NOW_NS, frame).resyncs


@all_dialects
def test_one_delete_removes_one_of_two_fine_neighbours(dialect: Dialect) -> None:
    arena = BookArena(1)
    feed, truth = dialect.make(arena), Truth(random.Random(1), single_steps=dialect.single_steps)
    truth.bids, truth.asks = {"90.00": "1"}, {"91.001": "1", "91.002": "2", "91.01": "4"}
    truth.remember()
    first = dialect.send_whole(feed, truth)
    assert arena.asks(0) == [(9101, 70_000)]
    before, after, _, _ = truth.step()
    second = feed.on_frame(NOW_NS, dialect.change(before, after, [], [["91.001", "0"]]))
    assert arena.asks(0) == [(9101, 60_000)]
    assert (first.finer, second.finer) == (dialect.symbol, "")  # said once of a book
    assert feed.counts.fine >= 3


def crc(side_bids: Change, side_asks: Change) -> int:
    parts = [":".join(level) for pair in zip(side_bids, side_asks, strict=True) for level in pair]
    found = crc32(":".join(parts).encode())
    return found - (1 << 32) if found >= 1 << 31 else found


@pytest.mark.parametrize(("dialect", "frame"), [(OKX, okx_frame), (BITGET, bitget_frame)], ids=["okx", "bitget"])
def test_checksums_are_of_the_venues_own_texts(dialect: Dialect, frame: Callable[..., str]) -> None:
    arena = BookArena(1)
    feed = dialect.make(arena)
    bids, asks = [["90.0012", "0.00001"], ["90.00", "1.50"]], [["91.0010", "2.000001"], ["91.01", "1"]]
    feed.on_frame(NOW_NS, frame("snapshot", -1 if dialect is OKX else 0, 5, bids, asks, checksum=crc(bids, asks)))
    assert (arena.state[0], feed.counts.checks_held) == (BookState.LIVE, 1)
    now = crc([["90.00", "1.50"], ["89.00001", "7"]], [["91.01", "1"], ["92", "1"]])
    changes = [["90.0012", "0"], ["89.00001", "7"]], [["91.0010", "0"], ["92", "1"]]
    feed.on_frame(NOW_NS, frame("update", 5, 6, *changes, checksum=now))
    assert (arena.state[0], feed.counts.checks_held, feed.counts.checks_failed) == (BookState.LIVE, 2, 0)


def test_the_books_of_gate_of_2021_live_on_the_steps_that_were_listed_that_day(
    recording: Callable[[str], Path],
) -> None:
    name = "gate_spot_20210422"
    tape = list(read_tape(recording(name)))
    (listing,) = read_tape(recording(f"instruments/{name}"))
    rules = {row["id"]: row for row in json.loads(listing.raw)}
    natives = [slot.native_symbol for slot in play(GateTapeFeed(), tape).books()]
    seats = {native: BookSeat(row, scale_of(rules[native])) for row, native in enumerate(natives)}
    arena = BookArena(len(seats))
    feed = play(GateTapeFeed("gate", seats, arena), tape)
    assert [slot.state for slot in feed.books()] == [BookState.LIVE] * 5
    assert feed.counts.malformed == 0


def play(feed: GateTapeFeed, tape: list[TapeLine]) -> GateTapeFeed:
    for line in tape:
        if line.kind == "http":
            feed.on_http(line.received_ns, line.url, line.raw)
        else:
            feed.on_frame(line.received_ns, line.raw)
    return feed


def scale_of(rules: dict[str, Any]) -> Scale:
    tick, lot = (Decimal(1).scaleb(-rules[field]) for field in ("precision", "amount_precision"))
    return common_scale([tick], [lot])
