"""A client that follows a dialect's book channel holds the venue's book, whatever the market does."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arb.clock import NS_PER_MS
from tests.unit.sandbox.bench import SYMBOL, Bench, Stream

DIALECTS = {
    "okx": ("/ws/v5/public", {"channel": "books", "instId": "BTC-USDT"}, "seqId", "prevSeqId", -1),
    "bitget": ("/v2/ws/public", {"instType": "SPOT", "channel": "books", "instId": "BTCUSDT"}, "seq", "pseq", 0),
}

DEPTHS = {"okx": 400, "bitget": 200}


def set_deep_book(bench: Bench, depth: int) -> None:
    """Set one coin a price on both sides, beyond a channel's depth, so that levels come into view and leave it."""
    rules, rungs = bench.exchange.instruments[SYMBOL], range(depth + 10)
    ticks, lots = int(1 / rules.tick), int(1 / rules.lot)
    bids, asks = [((49_500 - n) * ticks, lots) for n in rungs], [((50_500 + n) * ticks, lots) for n in rungs]
    bench.exchange.replace_book(SYMBOL, bids, asks, bench.now_ns)


prices = st.integers(49_900, 50_100)
sizes = st.integers(0, 3)
steps = st.lists(st.tuples(st.sampled_from(["buy", "sell"]), prices, sizes), max_size=12)


Sides = dict[str, dict[str, str]]


class Follower:
    """The book of a client that applies every frame, and refuses a broken chain."""

    def __init__(self, this: str, previous: str, none_before: int) -> None:
        self._this, self._previous, self._none_before = this, previous, none_before
        self.last = 0
        self.sides: Sides = {"bids": {}, "asks": {}}
        self.history: dict[int, Sides] = {}
        """Every state held, by the sequence number it was held under."""

    def apply(self, frame: dict[str, Any]) -> None:
        """Apply a snapshot or an update."""
        [data] = frame["data"]
        if frame["action"] == "snapshot":
            assert data[self._previous] == self._none_before
            self.sides = {"bids": {}, "asks": {}}
        else:
            assert data[self._previous] == self.last
        self.last = data[self._this]
        for side, levels in self.sides.items():
            for price, size, *_ in data[side]:
                levels.pop(price, None)
                if Decimal(size):
                    levels[price] = size
        self.history[self.last] = {side: dict(levels) for side, levels in self.sides.items()}

    def best_first(self, side: str) -> list[list[str]]:
        """Return the levels held, best first."""
        ordered = sorted(self.sides[side].items(), key=lambda item: Decimal(item[0]), reverse=side == "bids")
        return [list(level) for level in ordered]


def following(bench: Bench, venue: str) -> tuple[Stream, Follower]:
    """Subscribe to the venue's book channel."""
    path, arg, this, previous, none_before = DIALECTS[venue]
    stream, follower = bench.open(path), Follower(this, previous, none_before)
    for frame in stream.send({"op": "subscribe", "args": [arg]})[1:]:
        follower.apply(frame)
    return stream, follower


def assert_same(bench: Bench, follower: Follower, depth: int) -> None:
    view = bench.exchange.snapshot(SYMBOL, depth)
    assert follower.best_first("bids") == view.bids
    assert follower.best_first("asks") == view.asks


@pytest.mark.parametrize("venue", DIALECTS)
@settings(max_examples=10, deadline=None)
@given(waves=st.lists(steps, max_size=4))
def test_after_any_changes_the_follower_holds_the_venues_book(
    venue: str, waves: list[list[tuple[str, int, int]]]
) -> None:
    bench = Bench(venue, small=True)
    set_deep_book(bench, DEPTHS[venue])
    stream, follower = following(bench, venue)
    rules = bench.exchange.instruments[SYMBOL]
    for wave in waves:
        for side, price, size in wave:
            if bench.exchange.snapshot(SYMBOL, 1) and not crosses(bench, side, price):
                ticks, lots = int(price / rules.tick), int(size / rules.lot)
                bench.exchange.quote_background(SYMBOL, side, ticks, lots, bench.now_ns)
        for frame in stream.wait(300 * NS_PER_MS):
            follower.apply(frame)
    assert_same(bench, follower, DEPTHS[venue])


def crosses(bench: Bench, side: str, price: int) -> bool:
    """Return whether background interest at this price would meet the other side, which it never does."""
    view = bench.exchange.snapshot(SYMBOL, 1)
    if side == "buy":
        return bool(view.asks) and price >= Decimal(view.asks[0][0])
    return bool(view.bids) and price <= Decimal(view.bids[0][0])


@pytest.mark.parametrize("venue", DIALECTS)
def test_in_the_seeded_market_a_follower_holds_what_a_newcomer_is_shown(venue: str) -> None:
    bench = Bench(venue, static=False)
    stream, follower = following(bench, venue)
    for _ in range(4):
        for frame in stream.wait():
            follower.apply(frame)
    _, newcomer = following(bench, venue)  # its frames of one second are in the book by now, the first a snapshot

    for frame in stream.wait(0):
        follower.apply(frame)

    shared = follower.history.keys() & newcomer.history.keys()
    assert len(shared) > 2
    assert all(follower.history[sequence] == newcomer.history[sequence] for sequence in shared)
    assert len(follower.sides["bids"]) > 10
