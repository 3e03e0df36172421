"""Accounts that pay their fees in GT, points or BGB: what a gateway, and a stock client, read of them."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from arb.core.messages.events import OrderQueried
from arb.market.instrument import FeeIn, Instrument
from arb.market.order import Side
from arb.venues.kit.gateway import VenueGateway
from tests.builders import SYMBOL
from tests.contract.conftest import Sandbox, StockVenue
from tests.contract.gateway_bench import Bench, an_account, an_order, ended, told
from tests.contract.stock_clients import exact

WAYS = {
    "GT": ("gate", "0.75", "0.25"),
    "POINT": ("gate", "1", "1"),
    "BGB": ("bitget", "0.8", "0.8"),
    "BGB unified": ("bitget unified", "0.8", "0.8"),
}
"""By asset: the account, the share of the rate that is charged in it, and how many units stand for one of quote."""
BIDS, ASKS = [["49990", "0.5"], ["49980", "0.5"]], [["50000", "0.2"], ["50010", "0.3"]]


class Paying:
    """A venue whose account pays its fees in an asset."""

    def __init__(self, way: str, sandbox: Sandbox) -> None:
        account, share, per_quote = WAYS[way]
        venue, _, mode = account.partition(" ")
        self.asset, self.share, self.per_quote = way.partition(" ")[0], Decimal(share), Decimal(per_quote)
        self.bench = Bench(venue, sandbox, mode=mode)
        self.holds("1000")
        self.bench.fault("fee_in_points", "place", param=self.asset)

    def holds(self, amount: str) -> None:
        """Let the account hold so much of the asset."""
        body = {"venue": self.bench.venue, "asset": self.asset, "free": amount}
        self.bench.sandbox.admin("POST", "/balance", body)

    def listed(self) -> Instrument:
        """Return the instrument as the gateway reads it."""

        async def story(gateway: VenueGateway) -> Instrument:
            [instrument] = await gateway.instruments((SYMBOL,))
            return instrument

        return self.bench.run(story)

    def traded(self, price: str, size: str, side: Side = Side.BUY) -> tuple[OrderQueried, Any]:
        """Trade; return what was found of the order, and the venue's own truth."""
        order = an_order(price, size, side)

        async def story(gateway: VenueGateway) -> OrderQueried:
            await gateway.place(order)
            return await ended(gateway, order)

        return self.bench.run(story), self.bench.fills(order.client_order_id)


@pytest.fixture(params=WAYS)
def paying(request: pytest.FixtureRequest, sandbox: Sandbox) -> Iterator[Paying]:
    with an_account(WAYS[request.param][0], sandbox) as venue:
        sandbox.admin("POST", "/book", {"venue": venue, "symbol": SYMBOL, "bids": BIDS, "asks": ASKS})
        yield Paying(request.param, sandbox)


def test_the_asset_and_its_rate_are_read_beside_what_is_charged_without_it(paying: Paying) -> None:
    listed = paying.listed()
    assert listed.taker_fee is not None
    assert (listed.fee_asset, listed.fee_asset_taker) == (paying.asset, listed.taker_fee * paying.share)
    assert listed.buy_fee_in is FeeIn.BASE

    paying.bench.sandbox.admin("DELETE", "/faults")
    assert (paying.listed().fee_asset, paying.listed().fee_asset_taker) == ("", None)


@pytest.mark.parametrize(("side", "price"), [(Side.BUY, "50010"), (Side.SELL, "49980")])
def test_every_fill_carries_the_fee_that_was_charged_above_zero_because_it_was_paid(
    paying: Paying, side: Side, price: str
) -> None:
    rate = paying.listed().fee_asset_taker
    assert rate is not None
    found, truth = paying.traded(price, "0.4", side)
    assert len(found.fills) == (2 if side is Side.BUY else 1)
    assert told(found.fills) == truth
    for fill in found.fills:
        assert fill.fee_currency == paying.asset
        assert fill.fee == fill.price * fill.size * rate * paying.per_quote > 0


def test_where_it_runs_out_between_two_fills_the_second_is_charged_in_base(paying: Paying) -> None:
    rate = paying.listed().fee_asset_taker
    assert rate is not None
    paying.holds(str(Decimal("50000") * Decimal("0.2") * rate * paying.per_quote))
    found, truth = paying.traded("50010", "0.4")
    assert told(found.fills) == truth
    assert [fill.fee_currency for fill in found.fills] == [paying.asset, "BTC"]


def test_a_stock_client_reads_the_same_fees(paying: Paying, stock_venues: dict[str, StockVenue]) -> None:
    if paying.asset == "POINT" or paying.bench.mode:
        pytest.skip("ccxt does not read Gate's `point_fee`, and this client knows the classic account")
    found, truth = paying.traded("50010", "0.4")
    assert found.report is not None
    trades = stock_venues[paying.bench.venue].client.fetch_my_trades(SYMBOL)
    mine = [trade for trade in trades if trade["order"] == found.report.venue_order_id]
    # ccxt means to take Bitget's sign as it is where `deduction` is "yes"; its Python edition turns it all the same.
    sign = -1 if paying.asset == "BGB" else 1
    fees = {
        (trade["id"], sign * exact(fee["cost"]), fee["currency"])
        for trade in mine
        for fee in trade["fees"]
        if exact(fee["cost"])
    }
    assert fees == {(trade_id, fee, currency) for trade_id, _, _, fee, currency in truth}
