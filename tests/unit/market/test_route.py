"""A route names two instruments of one group, which may differ in venue, symbol or both."""

import pytest

from arb.market.route import Route


def test_a_route_of_one_symbol_names_it_at_both_venues() -> None:
    route = Route.of("BTC/USDT", "gate", "okx")
    assert route == (("gate", "BTC/USDT"), ("okx", "BTC/USDT"))
    assert route.venues == ("gate", "okx") and route.group == "BTC/USDT"


@pytest.mark.parametrize(
    "route",
    [
        Route(("gate", "BTC/USDT"), ("gate", "BTC/USDT:USDT")),
        Route(("gate", "BTC/USDT:USDT"), ("okx", "BTC/USDT")),
        Route(("gate", "BTC/USDT:USDT"), ("okx", "BTC/USDT:USDT")),
    ],
)
def test_spot_and_perpetuals_of_one_coin_and_quote_are_one_group(route: Route) -> None:
    assert route.group == "BTC/USDT"


def test_the_two_directions_between_two_instruments_are_two_routes() -> None:
    there, back = Route.of("BTC/USDT", "gate", "okx"), Route.of("BTC/USDT", "okx", "gate")
    assert there != back and there.buy == back.sell and there.sell == back.buy
