"""Rate budgets: an entry is refused where the venue, as it counts placements, could have no room for its repair."""

from arb.clock import NS_PER_MS
from arb.core.budget import PlaceRate, RateBudget

VENUES = ("bitget", "gate")


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
