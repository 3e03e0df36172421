"""Rate budgets: an entry is refused where the venue, as it counts placements, could have no room for its repair."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb.clock import NS_PER_MS
from arb.core.risk.rate_budget import PlaceRate, RateBudget
from arb.venues.registry import TRADED

VENUES = ("bitget", "gate")

PACING = {spec.name: spec.trading.pacing for spec in TRADED if spec.trading is not None}


def budget() -> RateBudget:
    """Return windows of 4 per 500 ms: all symbols together at bitget, each by itself at gate."""
    return RateBudget({"bitget": PlaceRate(4, 500, per_symbol=False), "gate": PlaceRate(4, 500)})


def test_where_a_venue_counts_all_symbols_together_another_symbol_finds_no_room_either() -> None:
    windows = budget()
    assert windows.try_take(VENUES, "BTC/USDT", 2, 0)
    windows.take("bitget", "ETH/USDT", 0)
    assert not windows.try_take(VENUES, "SOL/USDT", 2, 0)


def test_where_each_symbol_is_counted_by_itself_another_symbol_finds_room() -> None:
    windows = budget()
    assert windows.try_take(("gate",), "BTC/USDT", 4, 0)
    assert not windows.try_take(("gate",), "BTC/USDT", 1, 0)
    assert windows.try_take(("gate",), "ETH/USDT", 4, 0)


def test_a_refusal_takes_nothing_at_either_venue() -> None:
    windows = budget()
    assert windows.try_take(("bitget",), "BTC/USDT", 3, 0)
    assert not windows.try_take(VENUES, "BTC/USDT", 2, 0)
    assert windows.try_take(("gate",), "BTC/USDT", 4, 0)


def test_a_window_slides() -> None:
    windows = budget()
    assert windows.try_take(("bitget",), "BTC/USDT", 4, 0)
    assert not windows.try_take(("bitget",), "BTC/USDT", 1, 500 * NS_PER_MS - 1)
    assert windows.try_take(("bitget",), "BTC/USDT", 1, 500 * NS_PER_MS)


@pytest.mark.parametrize("venue", sorted(PACING))
@given(wishes=st.lists(st.tuples(st.booleans(), st.integers(0, 200)), max_size=60))
def test_an_entry_that_the_engine_lets_through_is_never_refused_by_the_pacing(
    venue: str, wishes: list[tuple[bool, int]]
) -> None:
    pacing = PACING[venue].place
    windows = RateBudget({venue: PlaceRate(pacing.count, pacing.window_ms)})
    left_ns: list[int] = []
    now_ns = 0
    for is_entry, later_ms in wishes:
        now_ns += later_ms * NS_PER_MS
        left_ns = [at_ns for at_ns in left_ns if at_ns > now_ns - pacing.window_ms * NS_PER_MS]
        if not is_entry:
            windows.take(venue, "BTC/USDT", now_ns)
        elif windows.try_take((venue,), "BTC/USDT", 2, now_ns):
            assert len(left_ns) < pacing.count - pacing.reserve
        else:
            continue
        if len(left_ns) < pacing.count:  # a repair without a slot waits: it leaves later, or not at all
            left_ns.append(now_ns)
