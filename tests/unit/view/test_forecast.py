"""The forecast: how long a balance lasts at its pace of the last minutes."""

from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from arb.clock import NS_PER_S
from arb.view.forecast import KEPT, Forecast
from arb.view.plain import held_by_asset


def usdt(amount: object) -> dict[str, dict[str, Decimal]]:
    return {"gate": {"USDT": Decimal(str(amount))}}


def fed(forecast: Forecast, seconds: range, begin: int, pace: int) -> Any:
    found: Any = {}
    for second in seconds:
        found = forecast.lasting(second * NS_PER_S, usdt(begin - pace * second))
    return found


def test_a_pace_needs_a_minute() -> None:
    forecast = Forecast()
    assert fed(forecast, range(60), 1000, 10) is None
    assert fed(forecast, range(60, 61), 1000, 10) == {"gate": {"USDT": 40}}


def test_what_rises_or_lasts_for_more_than_an_hour_is_left_out() -> None:
    assert fed(Forecast(), range(100), 1000, -10) == {}
    assert fed(Forecast(), range(100), 1_000_000, 10) == {}
    assert fed(Forecast(), range(100), 1000, 0) == {}


def test_a_pace_of_more_than_ten_minutes_ago_is_forgotten() -> None:
    forecast = Forecast()
    fed(forecast, range(300), 10_000, 10)
    fed(forecast, range(300, 900 + 10 * KEPT), 7000, 0)
    assert forecast.lasting((900 + 10 * KEPT) * NS_PER_S, usdt(7000)) == {}


@given(st.integers(1, 100), st.integers(61, 500), st.integers(0, 3000))
def test_it_is_the_time_after_which_nothing_is_left(pace: int, seconds: int, left_s: int) -> None:
    begin = pace * (seconds + left_s)
    found = fed(Forecast(), range(seconds + 1), begin, pace)
    assert found == {"gate": {"USDT": left_s}} or abs(found["gate"]["USDT"] - left_s) <= 1 + left_s // 100


def test_screen_and_page_mark_it_and_scarce_comes_first() -> None:
    state = {
        "venues": [{"venue": "gate"}, {"venue": "okx"}],
        "edges": [{"symbol": "BTC/USDT"}],
        "holdings": {"gate": {"USDT": "5000", "BTC": "0"}, "okx": {"USDT": "9000", "BTC": "1"}},
        "largest_pair_quote": "2000",
        "lasting": {"gate": {"USDT": 135, "BTC": 10}, "okx": {"BTC": 59}},
    }
    marks = {held.asset: held.marks for held in held_by_asset(state)}
    assert marks == {
        "USDT": {"gate": "lasts 2 min", "okx": ""},
        "BTC": {"gate": "scarce", "okx": "lasts under 1 min"},
    }
