"""Positions sum up fills by instrument; with what was held besides they are the inventory, whatever happens."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb.clock import NS_PER_S
from arb.core.state.positions.inventory import Inventory
from arb.core.state.positions.position import Positions
from arb.market.fill import Fill, FillSource, Liquidity
from arb.market.kinds import kind_of
from arb.market.order import Side
from tests.builders import START_NS, D, a_balance

SYMBOLS = ("BTC/USDT", "ETH/USDT", "ETH/BTC")
ASSETS = ("BTC", "ETH", "USDT", "GT")
sizes = st.integers(1, 10_000).map(lambda lots: Decimal(lots).scaleb(-4))
prices = st.integers(1, 100_000).map(lambda ticks: Decimal(ticks).scaleb(-2))
fees = st.integers(-100, 100).map(lambda units: Decimal(units).scaleb(-6))


def bought(symbol: str, size: str, price: str, fee: str = "0", fee_in: str = "USDT", side: Side = Side.BUY) -> Fill:
    return fill_of(1, "gate", symbol, side, D(size), D(price), D(fee), fee_in)


def fill_of(
    number: int, venue: str, symbol: str, side: Side, size: Decimal, price: Decimal, fee: Decimal, fee_in: str
) -> Fill:
    return Fill(
        venue=venue,
        symbol=symbol,
        trade_id=str(number),
        venue_order_id="v",
        client_order_id=None,
        side=side,
        price=price,
        size=size,
        fee=fee,
        fee_currency=fee_in,
        liquidity=Liquidity.TAKER,
        source=FillSource.STREAM,
        event_ns=START_NS + number,
        received_ns=START_NS + number,
    )


@st.composite
def histories(draw: st.DrawFn) -> list[Fill]:
    count = draw(st.integers(0, 12))
    venue, symbol, side = st.sampled_from(("gate", "okx")), st.sampled_from(SYMBOLS), st.sampled_from(Side)
    one = st.tuples(venue, symbol, side, sizes, prices, fees, st.sampled_from(ASSETS))
    return [fill_of(number, *draw(one)) for number in range(count)]


def test_a_kind_that_is_not_traded_is_refused() -> None:
    with pytest.raises(ValueError, match="BTC/USDT:USDT is no spot symbol: only spot is traded"):
        kind_of("BTC/USDT:USDT")


def test_a_fee_in_base_is_less_base_and_one_in_another_asset_is_apart() -> None:
    spot = kind_of("BTC/USDT")
    assert (spot.unit, spot.settle, spot.contract_size) == ("BTC", "USDT", D(1))
    assert spot.flows(bought("BTC/USDT", "2", "100", "0.002", "BTC")) == {"BTC": D("1.998"), "USDT": -200}
    assert spot.flows(bought("BTC/USDT", "2", "100", "1.5", "GT")) == {"BTC": 2, "USDT": -200, "GT": D("-1.5")}
    sold = bought("BTC/USDT", "2", "100", "-0.1", side=Side.SELL)
    assert spot.flows(sold) == {"BTC": -2, "USDT": D("200.1")}


@given(histories(), prices)
def test_a_position_is_worth_what_its_coins_sell_for_less_what_they_cost(fills: list[Fill], price: Decimal) -> None:
    positions = Positions()
    for fill in fills:
        positions.apply(fill)
    for (venue, symbol), position in positions:
        mine = [fill for fill in fills if (fill.venue, fill.symbol) == (venue, symbol)]
        by_fill = sum(
            position.kind.payoff(fill.size if fill.side is Side.BUY else -fill.size, fill.price, price) for fill in mine
        )
        base, quote = symbol.split("/")
        worth = {base: price, quote: D(1)}
        fees_paid = sum((fill.fee * worth.get(fill.fee_currency, D(0)) for fill in mine), D(0))
        assert position.size * price - position.cost == by_fill - fees_paid


@given(histories(), st.lists(st.tuples(st.sampled_from(ASSETS), fees), max_size=5), st.integers(0, 12))
def test_the_inventory_is_the_sum_of_positions_and_what_was_held_besides(
    fills: list[Fill], moves: list[tuple[str, Decimal]], reported_at: int
) -> None:
    """Fills that a basis had already, transfers, repeated fills and a fresh basis included."""
    inventory = Inventory()
    for number, fill in enumerate([*fills, *fills[:3]]):
        if number == reported_at:
            balances = a_balance("gate", {"USDT": "1000", "BTC": "2"}, asked_ns=START_NS + number)
            inventory.take_report(balances, quiet=True)
        inventory.apply_fill(fill, fill.event_ns - (NS_PER_S if number % 3 == 0 else 0))
    for asset, amount in moves:
        inventory.apply("gate", {asset: amount}, START_NS + NS_PER_S, 0)
    inventory.explain("gate", "USDT")
    for venue in ("gate", "okx"):
        for asset in inventory.assets(venue):
            parts = inventory.unattributed(venue, asset) + inventory.positions.held(venue, asset)
            assert inventory.computed(venue, asset) == parts
    assert {key for key, _ in inventory.positions} == {(fill.venue, fill.symbol) for fill in fills}
