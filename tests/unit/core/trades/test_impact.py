"""A book that may still show what our own fill took is not traded on."""

import pytest

from arb.clock import NS_PER_MS
from tests.builders import SYMBOL, Bench
from tests.unit.core.trades.test_trade import accept, crossed, fill

LAG_MS = 1_000
"""How long a frame may be under way in a usable feed, by default."""


def a_pair_filled() -> Bench:
    """Return an engine that has just received the fills of a pair at gate and okx."""
    bench = Bench()
    for order in crossed(bench):
        bench.wait_ms(10)
        accept(bench, order, "1")
        fill(bench, order, "1")
    return bench


def opens_on(bench: Bench, *, sent_ms: int | None) -> bool:
    """Return whether a pair opens on frames received now and sent that long ago; None: they do not say when."""
    for venue, bids, asks in (("gate", "99.9x5", "100x1"), ("okx", "101x1", "101.2x5")):
        bench.quote(venue, bids, asks)
        row = bench.books.rows[venue, SYMBOL]
        bench.arena.event_ns[row] = 0 if sent_ms is None else bench.now_ns - sent_ms * NS_PER_MS
    before = len(bench.placed())
    bench.drain()
    return len(bench.placed()) > before


def test_a_frame_sent_before_the_fill_is_not_used_however_late_it_comes() -> None:
    bench = a_pair_filled()
    bench.wait_ms(50)
    assert not opens_on(bench, sent_ms=70)
    assert opens_on(bench, sent_ms=30)


@pytest.mark.parametrize(("after_ms", "opens"), [(1, False), (LAG_MS, False), (LAG_MS + 1, True)])
def test_a_frame_that_does_not_say_when_it_was_sent_may_be_as_old_as_the_feed_may_lag(
    after_ms: int, opens: bool
) -> None:
    bench = a_pair_filled()
    bench.wait_ms(after_ms)
    assert opens_on(bench, sent_ms=None) is opens
