"""Fees taken from an asset of the venue's own: planned at its price, reserved, and left in time before it runs out."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb.core.fees.fees import FUNDS_SHARE
from arb.core.messages.commands import PlaceOrder
from arb.core.messages.events import InstrumentListed, OrderFilled, Transfer
from arb.core.messages.reasons import Reason
from arb.core.messages.records import FillRecord, IncidentRecord, PairRecord
from arb.core.messages.recovery_records import FeeHold, PlanRecord
from arb.core.messages.settings import Limits
from arb.core.state.blocks import Source
from arb.market.instrument import FeeIn, Instrument
from tests.builders import SYMBOL, Bench, D, a_balance, a_fill, a_snapshot, an_instrument
from tests.unit.core.accounts.test_restart import restarted
from tests.unit.core.trades.test_trade import accept

PRICE = {"gate": {"GT": "4"}}
RATE = D("0.00075")
# One pair of 2000 may be open in the only symbol: its leg and an unwind need 3.33 in quote, which is 0.833 GT at 4.


def with_gt(symbol: str = SYMBOL, **changes: object) -> Instrument:
    """Return an instrument at gate: 0.1 % in base, or 0.075 % in GT."""
    known = {"buy_fee_in": FeeIn.BASE, "fee_asset": "GT", "fee_asset_taker": RATE}
    return an_instrument("gate", symbol, **(known | changes))


def holding(gt: str, prices: dict[str, dict[str, str]] | None = None, *more: Instrument, **details: object) -> Bench:
    """Return an engine whose account at gate holds so much GT."""
    funds = {"USDT": "100000", "BTC": "2"}
    return Bench(
        instruments=[with_gt(), an_instrument("okx"), *more],
        reported={"gate": funds | {"GT": gt}, "okx": funds},
        fee_prices=PRICE if prices is None else prices,
        **details,  # type: ignore[arg-type]
    )


def crossed(bench: Bench, buy: str = "gate", sell: str = "okx") -> list[PlaceOrder]:
    """Quote an edge of 0.5 %; return what is placed."""
    bench.wait_ms(100)
    before = len(bench.placed())
    bench.quote(buy, "99.9x5", "100x1")
    bench.quote(sell, "100.5x1", "101.2x5")
    bench.drain()
    return bench.placed()[before:]


def plan(bench: Bench) -> PlanRecord:
    row = bench.rows(PlanRecord)[-1]
    assert isinstance(row, PlanRecord)
    return row


def incidents(bench: Bench, kind: str = "fee_asset") -> list[tuple[str, str]]:
    """Return severity and text of every incident of a kind."""
    return [(row.severity, row.text) for row in bench.rows(IncidentRecord) if row.kind == kind]


def report(bench: Bench, gt: str) -> None:
    """Let gate report how much GT there is."""
    bench.wait_ms(1000)
    bench.tell(a_balance("gate", {"USDT": "100000", "BTC": "2", "GT": gt}, asked_ns=bench.now_ns))


def filled(bench: Bench, order: PlaceOrder, fee: str, currency: str, trade_id: str = "t1") -> FillRecord:
    """Let an order fill whole; return its row."""
    fill = a_fill(order, str(order.size), fee=fee, fee_currency=currency, at_ns=bench.now_ns, trade_id=trade_id)
    bench.tell(OrderFilled(fill=fill))
    row = bench.rows(FillRecord)[-1]
    assert isinstance(row, FillRecord)
    return row


# Planned.


@pytest.mark.parametrize(("buy", "sell"), [("gate", "okx"), ("okx", "gate")])
def test_a_pair_is_planned_at_the_assets_rate_and_no_base_is_bought_for_the_fee(buy: str, sell: str) -> None:
    bench = holding("100")
    bought, sold = crossed(bench, buy, sell)
    assert bought.size == sold.size
    made = plan(bench)
    assert (made.buy_fee if buy == "gate" else made.sell_fee) == RATE
    assert made.buy_fee_in is (FeeIn.OTHER if buy == "gate" else FeeIn.QUOTE)


def test_a_live_book_goes_before_a_stated_price() -> None:
    bench = holding("100", PRICE, an_instrument("gate", "GT/USDT"))
    state = bench.engine.state
    assert state.fee_asset_price("gate", "GT", "USDT") == 4
    bench.quote("gate", "7.9x5", "8.1x5", "GT/USDT")
    assert state.fee_asset_price("gate", "GT", "USDT") == 8


def test_a_fill_charged_as_planned_leaves_no_difference_and_shows_both() -> None:
    bench = holding("100")
    bought, sold = crossed(bench)
    paid = bought.size * bought.price * RATE
    row = filled(bench, bought, str(paid / 4), "GT")
    assert (row.fee_quote_value, row.fee_expected_e8) == (paid, 7_500_000)
    filled(bench, sold, str(sold.size * sold.price / 1000), "USDT", "t2")
    for order in (bought, sold):
        accept(bench, order, str(order.size))
    pair = bench.rows(PairRecord)[-1]
    assert isinstance(pair, PairRecord) and pair.waterfall is not None
    assert pair.waterfall.fee_difference_e8 == 0
    assert incidents(bench, "fee_rate") == incidents(bench, "fee_currency") == []


# Reserved.


def test_a_leg_and_its_unwind_are_reserved_until_the_pair_has_ended() -> None:
    bench = holding("100")
    bought, sold = crossed(bench)
    inventory, made = bench.engine.state.inventory, plan(bench)
    hold = (2 * RATE * made.hold_quote / (4 * FUNDS_SHARE)).quantize(D("1e-8"), rounding="ROUND_FLOOR")
    assert made.fee_holds == (FeeHold("gate", "GT", hold),)
    assert inventory.reserved("gate", "GT") == hold > D("0.04")
    filled(bench, bought, str(bought.size * bought.price * RATE / 4), "GT")
    filled(bench, sold, "0.1", "USDT", "t2")
    for order in (bought, sold):
        accept(bench, order, str(order.size))
    assert inventory.reserved("gate", "GT") == 0


def test_the_reservation_is_recovered_with_the_pair() -> None:
    dead = holding("100")
    crossed(dead)
    held = dead.engine.state.inventory.reserved("gate", "GT")
    bench = restarted(dead, fee_prices=PRICE)
    assert bench.engine.state.inventory.reserved("gate", "GT") == held > 0


amounts = st.decimals(min_value="0", max_value="300", places=4)


@given(amounts, st.decimals(min_value="0.01", max_value="50", places=2), st.integers(0, 3), st.booleans())
def test_no_reservation_exceeds_what_is_there(gt: Decimal, price: Decimal, others: int, sells: bool) -> None:
    limits = Limits(min_net_quote=D(0), min_edge_bps=D(1), max_notional_quote=D(500))
    symbols = [f"S{number}/USDT" for number in range(others)]
    more = [made for symbol in symbols for made in (with_gt(symbol), an_instrument("okx", symbol))]
    funds = {"USDT": "100000", "BTC": "2"} | {symbol.split("/")[0]: "100" for symbol in symbols}
    bench = Bench(
        instruments=[with_gt(), an_instrument("okx"), *more],
        reported={"gate": funds | {"GT": str(gt)}, "okx": funds},
        fee_prices={"gate": {"GT": str(price)}},
        limits=limits,
    )
    inventory = bench.engine.state.inventory
    venues = ("okx", "gate") if sells else ("gate", "okx")
    for symbol in (SYMBOL, *symbols):
        bench.quote(venues[0], "99.9x5", "100x5", symbol)
        bench.quote(venues[1], "100.5x5", "101.2x5", symbol)
    bench.drain()
    reserved = inventory.reserved("gate", "GT")
    assert 0 <= reserved <= gt
    assert len(bench.placed()) == 2 * (1 + others)
    for row in bench.rows(PlanRecord):
        assert isinstance(row, PlanRecord)
        in_gt = row.sell_fee == RATE if sells else row.buy_fee_in is FeeIn.OTHER
        assert bool(row.fee_holds) is in_gt


def test_a_pair_is_no_larger_than_the_asset_pays_for_at_its_present_price() -> None:
    """Its price has fallen since the balance was last compared with what pairs may need."""
    bench = holding("0.5", {}, an_instrument("gate", "GT/USDT"))
    bench.quote("gate", "99x5", "101x5", "GT/USDT")
    report(bench, "0.5")
    assert bench.engine.state.instruments["gate", SYMBOL].buy_fee_in is FeeIn.OTHER
    bench.quote("gate", "0.09x5", "0.11x5", "GT/USDT")  # 0.5 GT are 0.05 now, of which 0.045 count
    bought, _ = crossed(bench)
    assert 0 < bought.size <= D("0.045") / (2 * RATE * 100)  # a leg at 100 and its unwind
    assert 0 < bench.engine.state.inventory.reserved("gate", "GT") <= D("0.5")


# It runs low, and runs out.


def test_below_each_threshold_one_incident_asks_for_more_and_pairs_are_planned_without_it_before_it_is_gone() -> None:
    bench = holding("100")
    for gt in ("4.1", "3.9", "4.2", "5.2"):  # 5 times the need are 4.167 GT; it is back at 1.25 times that
        report(bench, gt)
    [(severity, text)] = incidents(bench)
    assert severity == "warning" and text.startswith("GT at gate runs low")
    assert bench.engine.state.instruments["gate", SYMBOL].buy_fee_in is FeeIn.OTHER

    for gt in ("0.83", "0.84", "1.04"):
        report(bench, gt)
    assert [text[:27] for _, text in incidents(bench)[1:]] == ["GT at gate is worth less th"]
    bought, sold = crossed(bench)
    assert plan(bench).buy_fee_in is FeeIn.BASE and plan(bench).buy_fee == D("0.001")
    assert bought.size > sold.size  # what gate takes off in base is bought with it
    assert plan(bench).fee_holds == ()


def test_refilled_it_is_planned_in_again() -> None:
    bench = holding("0.8")
    assert [severity for severity, _ in incidents(bench)] == ["info"]
    bill = Transfer("7", "GT", D("199.2"), bench.now_ns, "deposit")
    report(bench, "200")
    assert len(incidents(bench)) == 1  # before its bill was read it does not count
    bench.tell(a_snapshot("gate", transfers=(bill,), started_ns=bench.now_ns))
    report(bench, "200")
    assert [text for _, text in incidents(bench)[1:]] == ["fees at gate are planned in GT again"]
    crossed(bench)
    assert plan(bench).buy_fee_in is FeeIn.OTHER


def test_fees_that_use_it_up_count_before_the_venue_reports_the_balance() -> None:
    bench = holding("0.86")
    bought, _ = crossed(bench)
    filled(bench, bought, "0.03", "GT")
    assert bench.engine.state.instruments["gate", SYMBOL].buy_fee_in is FeeIn.BASE
    assert incidents(bench)[-1][0] == "warning"


def test_in_either_currency_a_fee_is_no_surprise_while_the_asset_runs_out() -> None:
    bench = holding("0.5")
    bought, sold = crossed(bench)
    parts = D("0.4"), bought.size - D("0.4")
    for part, fee, currency in zip(parts, ("0.0075", "0.0006"), ("GT", "BTC"), strict=True):
        fill = a_fill(bought, str(part), fee=fee, fee_currency=currency, at_ns=bench.now_ns, trade_id=currency)
        bench.tell(OrderFilled(fill=fill))
    filled(bench, sold, "0.1", "USDT", "t3")
    assert len(bench.rows(FillRecord)) == 3
    assert incidents(bench, "fee_currency") == incidents(bench, "fee_rate") == []
    assert not bench.engine.state.blocks.of(Source.STOPPED)


# What cannot be valued.


def test_nothing_opens_while_the_asset_has_no_price() -> None:
    bench = holding("100", {})
    assert crossed(bench) == []
    assert bench.not_taken() == {Reason.FEE_UNKNOWN: 1}
    [(severity, text)] = incidents(bench)
    assert severity == "warning" and "[venues.gate] fee_asset_prices_quote" in text


def test_without_any_of_it_no_price_is_needed() -> None:
    bench = holding("0", {})
    assert len(crossed(bench)) == 2
    assert plan(bench).buy_fee_in is FeeIn.BASE


def test_an_asset_that_is_charged_though_none_is_reported_needs_a_price_all_the_same() -> None:
    bench = holding("0", {})
    bought, _ = crossed(bench)
    filled(bench, bought, "0.02", "GT")
    assert bench.engine.state.instruments["gate", SYMBOL].buy_fee_in is FeeIn.OTHER
    assert "GT, which has no price here: nothing opens" in incidents(bench)[-1][1]


def test_the_asset_itself_is_not_traded_where_fees_are_taken_from_it() -> None:
    bench = holding("100", PRICE, with_gt("GT/USDT"), an_instrument("okx", "GT/USDT"))
    bench.quote("gate", "3.99x500", "4x500", "GT/USDT")
    bench.quote("okx", "4.1x500", "4.11x500", "GT/USDT")
    bench.drain()
    assert bench.not_taken() == {Reason.FEE_UNKNOWN: 1}
    assert ["GT/USDT at gate: fees are taken in GT" in text for _, text in incidents(bench, "fee_currency")] == [True]
    assert len(crossed(bench)) == 2  # all else is


# What is charged differs from what is listed.


def test_an_asset_that_no_listing_named_is_planned_in_from_its_first_fee_on() -> None:
    funds = {"USDT": "100000", "BTC": "2", "GT": "100"}
    bench = Bench(reported={"gate": funds, "okx": funds}, fee_prices=PRICE)
    bought, _ = crossed(bench)
    filled(bench, bought, str(bought.size * bought.price / 1000 / 4), "GT")
    planned = bench.engine.state.instruments["gate", SYMBOL]
    assert (planned.buy_fee_in, planned.taker_fee) == (FeeIn.OTHER, D("0.001"))
    assert [text[:28] for _, text in incidents(bench, "fee_currency")] == ["gate takes fees in GT now: a"]


def test_a_venue_that_takes_base_although_there_is_enough_is_planned_so() -> None:
    bench = holding("100")
    bought, _ = crossed(bench)
    bench.tell(OrderFilled(fill=a_fill(bought, "0.4", fee="0.0004", fee_currency="BTC", at_ns=bench.now_ns)))
    assert bench.engine.state.instruments["gate", SYMBOL].buy_fee_in is FeeIn.BASE
    [(severity, text)] = incidents(bench, "fee_currency")
    assert severity == "warning" and text.startswith("gate took a fee in BTC and not in GT")
    report(bench, "100")
    assert bench.engine.state.instruments["gate", SYMBOL].buy_fee_in is FeeIn.BASE
    bench.wait_ms(601_000)
    rest = a_fill(bought, "0.5", fee="0.0002", fee_currency="GT", at_ns=bench.now_ns, trade_id="t2")
    bench.tell(OrderFilled(fill=rest))
    assert bench.engine.state.instruments["gate", SYMBOL].buy_fee_in is FeeIn.OTHER


def test_a_discount_that_is_not_granted_is_missing_for_every_symbol() -> None:
    bench = holding("100", PRICE, with_gt("ETH/USDT"), an_instrument("okx", "ETH/USDT"))
    bought, _ = crossed(bench)
    filled(bench, bought, str(bought.size * bought.price / 1000 / 4), "GT")  # 0.1 %
    rates = {symbol: bench.engine.state.instruments["gate", symbol].taker_fee for symbol in (SYMBOL, "ETH/USDT")}
    assert rates == {SYMBOL: D("0.001"), "ETH/USDT": D("0.001")}
    [(_, text)] = incidents(bench, "fee_rate")
    assert "charged 0.00100000, expected 0.00075" in text and "GT counted at 4 USDT" in text


@pytest.mark.parametrize("times", ["0.8", "1.04"])
def test_a_price_that_differs_a_little_from_the_venues_changes_nothing(times: str) -> None:
    bench = holding("100")
    bought, _ = crossed(bench)
    filled(bench, bought, str(bought.size * bought.price * RATE / 4 * D(times)), "GT")
    assert bench.engine.state.instruments["gate", SYMBOL].taker_fee == RATE
    assert incidents(bench, "fee_rate") == []


def test_a_changed_tier_is_reported_once_with_both_rates() -> None:
    bench = holding("100", PRICE, with_gt("ETH/USDT"), an_instrument("okx", "ETH/USDT"))
    for symbol in (SYMBOL, "ETH/USDT"):
        dearer = with_gt(symbol, taker_fee=D("0.002"), fee_asset_taker=D("0.0015"))
        bench.tell(InstrumentListed(instrument=dearer))
    [(severity, text)] = incidents(bench, "fee_rate")
    assert severity == "warning"
    assert "a taker's fee is 0.002 now, and was 0.001; 0.0015 in GT now, and was 0.00075 in GT" in text
    assert bench.engine.state.instruments["gate", "ETH/USDT"].taker_fee == D("0.0015")


def test_a_cheaper_tier_is_no_warning() -> None:
    bench = Bench()
    bench.tell(InstrumentListed(instrument=an_instrument("okx", taker_fee=D("0.0008"))))
    assert [severity for severity, _ in incidents(bench, "fee_rate")] == ["info"]


def test_where_the_deduction_is_switched_off_fees_are_planned_in_base_again() -> None:
    bench = holding("100")
    bench.tell(InstrumentListed(instrument=with_gt(fee_asset="", fee_asset_taker=None)))
    crossed(bench)
    assert plan(bench).buy_fee_in is FeeIn.BASE and plan(bench).fee_holds == ()
    assert len(incidents(bench, "fee_rate")) == 1


def test_a_bar_is_not_lifted_by_another_way_to_pay_fees() -> None:
    """What is planned in another asset is still the instrument that the venue has barred."""
    from arb.core.risk.instrument_bans import _rules

    planned = msgspec.structs.replace(with_gt(), buy_fee_in=FeeIn.OTHER, taker_fee=RATE)
    assert _rules(planned) == _rules(with_gt(fee_asset="", fee_asset_taker=None))
