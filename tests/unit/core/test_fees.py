"""Fees as they are really charged: a dearer rate than the model's is reckoned with from the fill on, rounding is forgiven."""

from decimal import Decimal

import msgspec
import pytest

from arb.core.commands import PlaceOrder
from arb.core.events import InstrumentListed, OrderFilled
from arb.core.fees import dearer_rate
from arb.core.records import IncidentRecord
from arb.market.instrument import FeeIn
from arb.market.order import Role, Side, TimeInForce
from tests.builders import START_NS, SYMBOL, Bench, D, a_fill, an_instrument


def an_order(side: Side = Side.SELL) -> PlaceOrder:
    """Return an order for one base at 100."""
    return PlaceOrder(
        cause=1,
        venue="gate",
        symbol=SYMBOL,
        client_order_id="c",
        role=Role.ENTRY,
        side=side,
        tif=TimeInForce.IOC,
        price=D(100),
        size=D(1),
        expires_ns=START_NS,
    )


def crossed(bench: Bench) -> list[PlaceOrder]:
    """Quote an edge of 0.5 % between gate (buy) and okx (sell); return what is placed."""
    bench.wait_ms(100)
    before = len(bench.placed())
    bench.quote("gate", "99.9x5", "100x1")
    bench.quote("okx", "100.5x1", "101.2x5")
    bench.drain()
    return bench.placed()[before:]


def test_a_pair_charged_more_than_planned_is_the_last_one_until_the_venue_tells_other_rules() -> None:
    bench = Bench()
    for order in crossed(bench):
        fee = order.price * D("0.004" if order.venue == "gate" else "0.001")
        bench.tell(OrderFilled(fill=a_fill(order, "1", fee=str(fee), at_ns=bench.now_ns)))
    assert bench.engine.house.instruments["gate", SYMBOL].taker_fee == D("0.004")
    assert bench.engine.house.instruments["okx", SYMBOL].taker_fee == D("0.001")
    (incident,) = [row for row in bench.rows(IncidentRecord) if isinstance(row, IncidentRecord)]
    assert (incident.kind, incident.venue) == ("fee_rate", "gate")
    assert "charged 0.00400000, expected 0.001" in incident.text
    assert crossed(bench) == []

    bench.tell(InstrumentListed(instrument=an_instrument("gate")))
    assert len(crossed(bench)) == 2


@pytest.mark.parametrize(
    ("size", "fee"),
    [
        ("1", "0.1"),  # the model's own rate
        ("1", "0.1009"),  # within a hundredth of it
        ("1", "0.05"),  # cheaper
        ("1", "-0.01"),  # a rebate
        ("0.0001", "0.000011"),  # rounded up in the last place told
    ],
)
def test_what_is_not_dearer_changes_nothing(size: str, fee: str) -> None:
    assert dearer_rate(a_fill(an_order(), size, fee=fee), an_instrument("gate")) is None


def test_a_coarsely_told_fee_is_forgiven_no_more_than_a_fine_one() -> None:
    assert dearer_rate(a_fill(an_order(), "1", fee="0.3"), an_instrument("gate")) == D("0.003")


def test_a_fee_in_base_is_a_share_of_the_size() -> None:
    told = an_instrument("gate", buy_fee_in=FeeIn.BASE)
    fill = a_fill(an_order(Side.BUY), "3", fee="0.007", fee_currency="BTC")
    assert dearer_rate(fill, told) == Decimal("0.00233334")  # rounded up
    assert dearer_rate(msgspec.structs.replace(fill, fee_currency="USDT"), told) is None  # stops the symbol instead


def test_a_model_without_a_rate_cannot_be_exceeded() -> None:
    assert dearer_rate(a_fill(an_order(), "1", fee="5"), an_instrument("gate", taker_fee=None)) is None


def test_the_worth_of_an_asset_quoted_at_three_venues_has_an_end() -> None:
    """A third of a sum has none; what goes into the ledger must be held exactly by whoever reads it."""
    venues = ("gate", "okx", "bitget")
    bench = Bench(venues=venues, instruments=[an_instrument(venue, symbol="GT/USDT") for venue in venues])
    for venue, ask in zip(venues, ("10.1", "10.2", "10.2"), strict=True):
        bench.quote(venue, "10x1", f"{ask}x1", symbol="GT/USDT")
    assert bench.engine.house.quote_value("GT", "USDT") == D("10.083333333333333333")
