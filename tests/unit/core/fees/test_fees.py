"""Fees as they are really charged: a dearer rate than the model's is reckoned with from the fill on, rounding is forgiven."""

from decimal import Decimal

import msgspec
import pytest

from arb.core.fees.fees import dearer_rate
from arb.core.messages.commands import PlaceOrder
from arb.core.messages.events import InstrumentListed, OrderAccepted, OrderFilled, OrderRejected
from arb.core.messages.reasons import Reason
from arb.core.messages.records import FillRecord, IncidentRecord, PairRecord
from arb.core.messages.settings import OnSingleLeg, RepairPolicy
from arb.core.state.blocks import Source
from arb.market.instrument import FeeIn
from arb.market.order import Role, Side, TimeInForce
from tests.builders import START_NS, SYMBOL, Bench, D, a_fill, a_report, an_instrument


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


def told(bench: Bench) -> list[IncidentRecord]:
    """Return every incident so far."""
    return [row for row in bench.rows(IncidentRecord) if isinstance(row, IncidentRecord)]


def a_points_fill(bench: Bench, order: PlaceOrder) -> FillRecord:
    """Let an order fill whole, its fee of 0.02 taken in GT; return the row of the fill."""
    bench.tell(OrderFilled(fill=a_fill(order, str(order.size), fee="0.02", fee_currency="GT", at_ns=bench.now_ns)))
    row = bench.rows(FillRecord)[-1]
    assert isinstance(row, FillRecord)
    return row


def test_a_pair_charged_more_than_planned_is_the_last_one_until_the_venue_reports_other_rules() -> None:
    bench = Bench()
    for order in crossed(bench):
        fee = order.price * D("0.004" if order.venue == "gate" else "0.001")
        bench.tell(OrderFilled(fill=a_fill(order, "1", fee=str(fee), at_ns=bench.now_ns)))
    assert bench.engine.state.instruments["gate", SYMBOL].taker_fee == D("0.004")
    assert bench.engine.state.instruments["okx", SYMBOL].taker_fee == D("0.001")
    (incident,) = [row for row in bench.rows(IncidentRecord) if isinstance(row, IncidentRecord)]
    assert (incident.kind, incident.venue) == ("fee_rate", "gate")
    assert "charged 0.00400000, expected 0.001" in incident.text
    assert crossed(bench) == []

    bench.tell(InstrumentListed(instrument=an_instrument("gate")))
    assert len(crossed(bench)) == 2


def test_a_fee_of_more_than_all_stops_the_symbol_and_not_the_engine() -> None:
    bench = Bench()
    buy, _ = crossed(bench)
    bench.tell(OrderFilled(fill=a_fill(buy, "1", fee="150", at_ns=bench.now_ns)))
    assert bench.engine.state.instruments["gate", SYMBOL].taker_fee == D("0.001")
    assert bench.engine.state.blocks.get(Source.STOPPED, "gate", SYMBOL)
    assert [(row.kind, row.severity) for row in told(bench)] == [("fee_rate", "critical")]


@pytest.mark.parametrize("fee", ["1.5", "-1", "0.0000000001"])
def test_a_listed_fee_that_cannot_be_computed_with_changes_nothing(fee: str) -> None:
    bench = Bench()
    bench.tell(InstrumentListed(instrument=an_instrument("gate", taker_fee=D(fee))))
    assert bench.engine.state.instruments["gate", SYMBOL].taker_fee == D("0.001")
    assert [(row.kind, row.severity) for row in told(bench)] == [("fee_rate", "critical")]
    assert len(crossed(bench)) == 2


@pytest.mark.parametrize(
    ("size", "fee"),
    [
        ("1", "0.1"),  # the model's own rate
        ("1", "0.1009"),  # within a hundredth of it
        ("1", "0.05"),  # cheaper
        ("1", "-0.01"),  # a rebate
        ("0.0001", "0.000011"),  # rounded up in the last decimal reported
    ],
)
def test_what_is_not_dearer_changes_nothing(size: str, fee: str) -> None:
    assert dearer_rate(a_fill(an_order(), size, fee=fee), an_instrument("gate")) is None


def test_a_coarsely_reported_fee_is_forgiven_no_more_than_a_fine_one() -> None:
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
    assert bench.engine.state.quote_value("GT", "USDT") == D("10.083333333333333333")


# Fees in an asset that is neither base nor quote; where it is known which, see `test_fee_assets.py`.

IN_POINTS = an_instrument("gate", buy_fee_in=FeeIn.OTHER)


@pytest.mark.parametrize("venues", [("gate", "okx"), ("okx", "gate")], ids=["buys there", "sells there"])
def test_nothing_opens_where_fees_are_known_to_be_taken_in_another_asset(venues: tuple[str, str]) -> None:
    """Which asset, and so whether its balance covers both legs and an unwind, no venue's rules say."""
    bench = Bench(instruments=[IN_POINTS, an_instrument("okx")])
    buy, sell = venues
    bench.quote(buy, "99.9x5", "100x1")
    bench.quote(sell, "100.5x1", "101.2x5")
    bench.drain()
    assert not bench.placed()
    assert bench.not_taken() == {Reason.FEE_UNKNOWN: 1}


def test_where_no_fee_is_charged_its_asset_does_not_matter() -> None:
    bench = Bench(instruments=[msgspec.structs.replace(IN_POINTS, taker_fee=D(0)), an_instrument("okx")])
    assert len(crossed(bench)) == 2
    assert told(bench) == []


def test_that_nothing_opens_for_its_fees_is_reported_once_and_ends_with_other_rules() -> None:
    bench = Bench(instruments=[IN_POINTS, an_instrument("okx")])
    bench.tell(InstrumentListed(instrument=IN_POINTS))
    [incident] = told(bench)
    assert (incident.kind, incident.severity, incident.venue) == ("fee_currency", "warning", "gate")
    assert incident.text.startswith(
        "BTC/USDT at gate: fees are taken in another asset than base or quote, and it is not"
    )
    bench.tell(InstrumentListed(instrument=an_instrument("gate")))
    assert len(crossed(bench)) == 2


def test_a_fee_that_no_book_prices_is_booked_at_the_models_rate_and_reported() -> None:
    bench = Bench()
    buy, sell = crossed(bench)
    assert a_points_fill(bench, buy).fee_quote_value == D("0.1")  # 0.1 % of 100
    taken, closed, unpriced = told(bench)
    assert (taken.kind, closed.kind) == ("fee_currency", "fee_asset")
    assert (unpriced.kind, unpriced.venue) == ("fee_currency", "gate")
    assert unpriced.pair_trade_id == bench.engine.manager.orders[buy.client_order_id].pair_id
    assert (
        unpriced.text
        == "a fee of 0.02 GT for BTC/USDT at gate has no price here: booked at 0.1 USDT, as the model has it"
    )
    bench.tell(OrderFilled(fill=a_fill(sell, "1", fee="0.1005", at_ns=bench.now_ns)))
    for order in (buy, sell):
        report = a_report(order, "1")
        bench.tell(
            OrderAccepted(
                venue=order.venue, client_order_id=order.client_order_id, report=report, sent_ns=1, acked_ns=1
            )
        )
    pair = bench.rows(PairRecord)[-1]
    assert isinstance(pair, PairRecord) and pair.waterfall is not None
    assert pair.waterfall.realised_net_e8 == 29_950_000  # 100.5 - 100 - 0.1 - 0.1005


def test_a_fee_that_a_book_prices_is_worth_that() -> None:
    listed = [an_instrument("gate"), an_instrument("okx"), an_instrument("gate", symbol="GT/USDT")]
    bench = Bench(instruments=listed)
    bench.quote("gate", "10x5", "10.2x5", "GT/USDT")
    buy, _ = crossed(bench)
    assert a_points_fill(bench, buy).fee_quote_value == D("0.202")
    assert not any("no price" in incident.text for incident in told(bench))


def test_a_value_that_is_worked_out_from_mids_has_no_more_decimals_than_the_ledgers_readers_hold() -> None:
    """At the venue itself no book shows the asset's price, at three others one does."""
    venues = ("gate", "okx", "bitget", "kraken")
    listed = [an_instrument("gate"), *(an_instrument(v, symbol=s) for v in venues[1:] for s in (SYMBOL, "GT/USDT"))]
    bench = Bench(venues=venues, instruments=listed)
    for venue, ask in zip(venues[1:], ("10.1", "10.2", "10.2"), strict=True):
        bench.quote(venue, "10x1", f"{ask}x1", symbol="GT/USDT")
    buy, _ = crossed(bench)
    bench.tell(OrderFilled(fill=a_fill(buy, "1", fee="0.0123456789012", fee_currency="GT", at_ns=bench.now_ns)))
    row = bench.rows(FillRecord)[-1]
    assert isinstance(row, FillRecord)
    assert row.fee_quote_value == D("0.124485595587100000")  # 0.0123456789012 x 10.083333333333333333


@pytest.mark.parametrize(("rate", "fee"), [(None, "0.02"), ("0.001", "-0.02"), ("-0.001", "0.02")])
def test_where_not_even_the_model_knows_a_fees_worth_nothing_is_booked_and_that_is_reported(
    rate: str | None, fee: str
) -> None:
    bench = Bench()
    buy, _ = crossed(bench)
    known = None if rate is None else D(rate)
    bench.tell(InstrumentListed(instrument=an_instrument("gate", taker_fee=known)))
    bench.tell(OrderFilled(fill=a_fill(buy, "1", fee=fee, fee_currency="GT", at_ns=bench.now_ns)))
    row = bench.rows(FillRecord)[-1]
    assert isinstance(row, FillRecord) and row.fee_quote_value == 0
    assert f"a fee of {fee} GT for BTC/USDT at gate has no price here: booked at 0 USDT" in told(bench)[-1].text


def test_a_leg_is_repaired_where_fees_are_in_another_asset_and_that_is_no_surprise() -> None:
    """The rules changed while the pair was open: what is naked goes back to flat wherever that is possible."""
    bench = Bench(policy=RepairPolicy(on_single_leg=OnSingleLeg.UNWIND))
    buy, sell = crossed(bench)
    bench.tell(InstrumentListed(instrument=IN_POINTS))
    report = a_report(buy, "1")
    bench.tell(OrderFilled(fill=a_fill(buy, "1", fee="0.1", at_ns=bench.now_ns)))
    bench.tell(OrderAccepted(venue="gate", client_order_id=buy.client_order_id, report=report, sent_ns=1, acked_ns=1))
    refusal = OrderRejected(
        venue="okx", client_order_id=sell.client_order_id, code="NO", message="", sent_ns=1, acked_ns=1
    )
    bench.tell(refusal)
    bench.wait_ms(20)
    bench.quote("gate", "99.9x5", "100x5")
    bench.drain()
    unwind = bench.placed()[-1]
    assert (unwind.venue, unwind.role) == ("gate", Role.UNWIND)
    a_points_fill(bench, unwind)
    assert not bench.engine.state.blocks.of(Source.STOPPED)


def test_a_dearer_rate_seen_once_holds_until_a_fill_is_charged_less_and_never_below_the_listed_one() -> None:
    bench = Bench()
    buy, _ = crossed(bench)

    def charge(rate: str, trade_id: str) -> Decimal | None:
        """Return the rate computed with at gate once a fill was charged `rate`."""
        bench.wait_ms(1)
        fee = str(buy.price * D("0.1") * D(rate))
        bench.tell(OrderFilled(fill=a_fill(buy, "0.1", fee=fee, trade_id=trade_id, at_ns=bench.now_ns)))
        return bench.engine.state.instruments["gate", SYMBOL].taker_fee

    assert charge("0.004", "t1") == D("0.004")
    assert charge("0.002", "t2") == D("0.002")  # dearer than listed, cheaper than feared
    assert charge("0.001", "t3") == D("0.001")
    assert charge("0.0001", "t4") == D("0.001")  # a rebate is no rate to plan with
    assert [row.kind for row in told(bench)] == ["fee_rate", "fee_rate", "fee_rate"]
