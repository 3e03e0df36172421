"""The room left, the orders in doubt and the prices in the present state, as figures of a real engine."""

from decimal import Decimal

from arb.clock import NS_PER_MS
from arb.core.messages.settings import Limits
from arb.core.state.budget import PlaceRate, RateBudget
from arb.view.summary import present_state
from tests.builders import START_NS, Bench
from tests.unit.core.orders.test_unknown import unknown_sell

SYMBOL_RATE, MINUTE = PlaceRate(4, 500), PlaceRate(10, 60_000, per_symbol=False)


def test_an_order_in_doubt_is_listed_with_its_age() -> None:
    bench, _, sell = unknown_sell()
    bench.wait_ms(250)
    (row,) = present_state(bench.engine, bench.now_ns)["unknown"]
    assert (row["venue"], row["symbol"]) == (sell.venue, sell.symbol) and 250 <= row["age_ms"] < 1000
    assert present_state(Bench().engine, START_NS)["unknown"] == []


def test_the_limits_of_the_day_have_their_use() -> None:
    bench, _, _ = unknown_sell(limits=Limits(daily_notional_quote=Decimal(10_000), daily_loss_quote=Decimal(50)))
    found = present_state(bench.engine, bench.now_ns)["day_limits"]
    assert Decimal(found["daily_notional_quote"]["used"]) == bench.engine.state.control.day_turnover > 0
    assert found["daily_notional_quote"]["limit"] == "10000"
    assert found["daily_loss_quote"] == {"used": "0", "limit": "50"}
    assert Decimal(found["max_exposure_quote_s_per_day"]["used"]) >= 0


def test_each_rate_has_what_its_fullest_window_takes_and_the_fullest_rate_is_first() -> None:
    budget, now_ns = RateBudget({"gate": (SYMBOL_RATE, MINUTE)}), START_NS
    assert budget.left_by_rate("gate", now_ns) == [(4, SYMBOL_RATE), (10, MINUTE)]
    for symbol in ("BTC/USDT", "BTC/USDT", "ETH/USDT"):
        budget.take("gate", symbol, now_ns)
    assert budget.left_by_rate("gate", now_ns) == [(2, SYMBOL_RATE), (7, MINUTE)]
    assert budget.left("gate", now_ns) == (2, 4, 500)
    later_ns = now_ns + 600 * NS_PER_MS
    assert budget.left_by_rate("gate", later_ns) == [(7, MINUTE), (4, SYMBOL_RATE)]
    assert budget.left("gate", later_ns) == (7, 10, 60_000)


def test_a_held_asset_has_its_price_in_each_quote_that_shows_one() -> None:
    bench = Bench()
    bench.quote("gate", "99x5", "101x5")
    state = present_state(bench.engine, bench.now_ns)
    assert Decimal(state["prices"]["BTC"]["USDT"]) == 100
    assert state["prices"]["USDT"] == {"USDT": "1"}
    assert state["prices"].keys() == {asset for held in state["holdings"].values() for asset in held}
    assert state["venues"][0]["budgets"][0].keys() == {"of", "free", "limit", "ms"}
