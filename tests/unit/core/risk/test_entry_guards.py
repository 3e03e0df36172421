"""Guards on new pairs: near what other venues show, no more at a venue than it is trusted with, small while live is new."""

import random
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb.core.accounts.restart import Restored
from arb.core.messages.commands import PlaceOrder
from arb.core.messages.events import FeedDown
from arb.core.messages.reasons import Reason
from arb.core.messages.records import IncidentRecord, PairState
from arb.core.messages.recovery_records import ControlRecord, Residual
from arb.core.messages.settings import Limits, OnSingleLeg, Ramp, RepairPolicy, SymbolLimits, VenueLimits
from arb.core.risk.entry_band import is_within, within_all
from arb.core.risk.refusals import REFUSALS_EVERY_S
from arb.market.order import Role
from tests.builders import START_NS, SYMBOL, Bench, D, an_instrument
from tests.unit.core.risk.test_limits import cross, limited, refused_by
from tests.unit.core.trades.test_flatten import HOLD
from tests.unit.core.trades.test_trade import accept, crossed, fill, last_pair, refuse

THREE = ("gate", "okx", "bitget")
RAMP = Ramp(D(20), 2)


def incidents(bench: Bench, word: str) -> list[IncidentRecord]:
    """Return the incidents whose text begins with a word."""
    return [row for row in bench.rows(IncidentRecord) if isinstance(row, IncidentRecord) and row.text.startswith(word)]


# The band.


def between(third: str | None = None, **changes: object) -> tuple[int, Bench]:
    """Cross gate and okx by 1 %, bitget showing `third`; return how many orders that leads to."""
    bench = Bench(venues=THREE if third else THREE[:2], limits=limited(**changes))
    if third:
        bench.quote("bitget", f"{third}x1", f"{D(third) + D('0.1'):f}x1")
    return cross(bench), bench


def test_a_pair_priced_outside_the_band_of_other_venues_does_not_open() -> None:
    orders, bench = between(entry_band_bps=D(50))
    assert (orders, bench.not_taken()) == (0, {Reason.RISK_LIMIT: 1})
    [row] = incidents(bench, "entry_band_bps")
    assert (row.kind, row.severity) == ("risk_limit", "warning")
    assert SYMBOL in row.text and "gate" in row.text and "okx" in row.text


@pytest.mark.parametrize(("third", "leg"), [("99.95", "sell"), ("101.05", "buy")])
def test_one_leg_outside_the_band_is_enough_though_the_other_is_within(third: str, leg: str) -> None:
    orders, bench = between(third, entry_band_bps=D(50))
    assert orders == 0, f"the {leg} leg is priced away from the two other venues"
    assert bench.not_taken()[Reason.RISK_LIMIT] >= 1


def test_a_pair_within_it_opens() -> None:
    assert between(entry_band_bps=D(150))[0] == 2


def test_the_band_of_a_symbol_stands_in_the_place_of_the_one_for_all() -> None:
    assert between(entry_band_bps=D(150), symbol={SYMBOL: SymbolLimits(entry_band_bps=D(50))})[0] == 0
    assert between(entry_band_bps=D(50), symbol={SYMBOL: SymbolLimits(entry_band_bps=D(150))})[0] == 2


def test_a_third_venue_with_an_absurd_book_neither_opens_nor_refuses_a_pair() -> None:
    for absurd in ("20", "500"):
        # An edge to the absurd book itself is no edge (`max_edge_bps`): what is asked for is the pair beside it.
        assert between(absurd, entry_band_bps=D(150), max_price_ratio_bps=D(10_000))[0] == 2, absurd


def test_a_book_that_is_down_is_no_bbo_check() -> None:
    bench = Bench(venues=THREE, limits=limited(entry_band_bps=D(50)))
    bench.quote("bitget", "100.4x1", "100.5x1")
    bench.tell(FeedDown(venue="bitget", cause="test"))
    assert cross(bench) == 0
    assert bench.not_taken()[Reason.RISK_LIMIT] == 1


def test_repairs_know_no_band() -> None:
    bench = Bench(limits=limited(entry_band_bps=D(150)))
    buy, sell = crossed(bench)
    accept(bench, buy, "1")
    fill(bench, buy, "1")
    refuse(bench, sell)
    bench.wait_ms(20)
    bench.quote("gate", "99.8x5", "140x5")  # in the middle far from what okx shows
    bench.quote("okx", "99.6x5", "101.2x5")
    bench.drain()
    assert [order.role for order in bench.placed()[2:]] == [Role.UNWIND]


def test_refusals_of_one_route_within_a_minute_are_one_incident_and_a_count() -> None:
    bench = Bench(limits=limited(entry_band_bps=D(50)))
    for _ in range(4):
        assert cross(bench) == 0
        bench.wait_ms(10)
    assert len(incidents(bench, "entry_band_bps")) == 1
    bench.wait_ms(REFUSALS_EVERY_S * 1000)
    assert cross(bench) == 0
    assert "3 more since the last report" in incidents(bench, "entry_band_bps")[-1].text


@given(
    st.integers(1, 10**9),
    st.lists(st.integers(1, 10**9), min_size=1, max_size=5),
    st.integers(1, 9_999_000),
)
def test_a_price_is_within_the_band_exactly_when_it_is_so_near_to_a_middle(
    price: int, mids: list[int], band: int
) -> None:
    low, high = sorted(mids)[(len(mids) - 1) // 2], sorted(mids)[len(mids) // 2]
    share = Decimal(band) / 10_000_000
    assert is_within(price, mids, band) == (low * (1 - share) <= price <= high * (1 + share))
    assert is_within(low, mids, band) and is_within(high, mids, band)
    assert not is_within(price, [], band)


@given(
    st.tuples(st.integers(900, 1100), st.integers(900, 1100)),
    st.lists(st.integers(1900, 2100), min_size=1, max_size=6),
    st.integers(0, 2 * 10**6),
    st.randoms(use_true_random=False),
)
def test_prices_near_all_venues_are_near_whichever_of_them_count(
    prices: tuple[int, int], twice: list[int], band: int, chance: random.Random
) -> None:
    some = chance.sample(twice, chance.randint(1, len(twice)))
    if within_all(prices, twice, band):
        assert all(is_within(2 * price, some, band) for price in prices)
    assert within_all((twice[0], twice[0]), [2 * twice[0]], band), "and it is asked for more than never"


# Capital at a venue.


def test_base_carried_between_two_venues_counts_at_each_of_them() -> None:
    limits = limited(max_capital_per_venue_quote=D(150), max_edge_bps=D(2000))
    bench = Bench(venues=THREE, limits=limits)
    account = bench.engine.state.venues["gate"].account_id, bench.engine.state.venues["bitget"].account_id
    bench.engine.state.residuals.carry(Residual(SYMBOL, D("0.6"), D(60), bench.now_ns, account))
    assert refused_by(bench, "90") is None
    assert refused_by(bench, "91") == "max_capital_per_venue_quote"
    loose = Bench(venues=THREE, limits=limited(venue={"gate": VenueLimits(max_capital_per_venue_quote=D(150))}))
    loose.engine.state.residuals.carry(Residual(SYMBOL, D(2), D(200), loose.now_ns, ("okx:test", "bitget:test")))
    assert refused_by(loose) is None, "none of it can lie at gate"


def test_base_carried_nobody_knows_where_counts_everywhere() -> None:
    bench = Bench(limits=limited(max_capital_per_venue_quote=D(150)))
    bench.engine.state.residuals.carry(Residual(SYMBOL, D("-0.6"), D(-60), bench.now_ns))
    assert refused_by(bench) == "max_capital_per_venue_quote"


def test_a_refusal_for_the_capital_at_a_venue_is_an_incident() -> None:
    bench = Bench(limits=limited(max_capital_per_venue_quote=D(50)))
    assert cross(bench) == 0
    [row] = incidents(bench, "max_capital_per_venue_quote")
    assert row.kind == "risk_limit"


# The ramp.


def opened(bench: Bench) -> tuple[PlaceOrder, PlaceOrder]:
    """Let an edge come that was not there, and return the two legs of the pair it leads to."""
    bench.wait_ms(200)
    for venue in ("gate", "okx"):
        bench.quote(venue, "99.9x5", "100x5")
    bench.drain()
    before = len(bench.placed())
    buy, sell = crossed(bench)
    assert len(bench.placed()) == before + 2
    return buy, sell


def clean(bench: Bench, number: int) -> Decimal:
    """Let a pair open and end clean; return what its buy leg was to pay at the price quoted, 100."""
    buy, sell = opened(bench)
    for order in (buy, sell):
        accept(bench, order, str(order.size))
        fill(bench, order, str(order.size), trade_id=f"t{number}{order.side}")
    assert last_pair(bench).state == PairState.COMPLETED
    return buy.size * 100


def a_bench(ramp: Ramp | None = RAMP, restored: Restored | None = None, **changes: object) -> Bench:
    wide = {"max_notional_quote": D(70), "max_price_ratio_bps": D(10_000), **changes}
    fine = [an_instrument(venue, lot=D("0.001"), min_size=D("0.001")) for venue in ("gate", "okx")]
    rich = {"USDT": "10000", "BTC": "50"}
    return Bench(limits=limited(**wide), ramp=ramp, restored=restored, instruments=fine, policy=HOLD, balances=rich)


def test_what_a_pair_may_pay_doubles_after_so_many_clean_ones_up_to_the_limit() -> None:
    bench = a_bench()
    paid = [clean(bench, number) for number in range(8)]
    for at, most in zip(paid, (20, 20, 40, 40, 70, 70, 70, 70), strict=True):
        assert D(most) * D("0.97") <= at <= most
    texts = [row.text for row in incidents(bench, "the ramp")]
    assert ["may pay 40" in texts[0], "may pay 70" in texts[1], len(texts)] == [True, True, 2]


def test_without_a_ramp_the_first_pair_may_pay_the_limit() -> None:
    assert clean(a_bench(ramp=None), 0) > 67


def test_the_next_process_begins_where_this_one_stood() -> None:
    bench = a_bench()
    for number in range(3):
        clean(bench, number)
    [*_, kept] = bench.rows(ControlRecord)
    assert isinstance(kept, ControlRecord)
    assert kept.clean_pairs == 3
    again = a_bench(restored=Restored(control=kept))
    assert 38 < clean(again, 10) <= 40


def test_a_pair_that_had_to_be_repaired_neither_counts_nor_takes_back() -> None:
    bench = a_bench()
    for number in range(3):
        clean(bench, number)
    bench.engine.state.policy = RepairPolicy(on_single_leg=OnSingleLeg.CHEAPEST)
    buy, sell = opened(bench)
    accept(bench, buy, str(buy.size))
    fill(bench, buy, str(buy.size), trade_id="whole")
    refuse(bench, sell)
    bench.wait_ms(20)
    bench.quote("gate", "99.9x5", "100.5x5")
    bench.quote("okx", "99.9x5", "101.2x5")
    bench.drain()
    repair = bench.placed()[-1]
    accept(bench, repair, str(repair.size))
    fill(bench, repair, str(repair.size), trade_id="repair")
    assert last_pair(bench).closed_ns is not None
    assert bench.engine.state.control.clean_pairs == 3


def test_a_pair_that_had_to_be_carried_begins_the_ramp_anew() -> None:
    bench = a_bench()
    for number in range(3):
        clean(bench, number)
    buy, sell = opened(bench)
    accept(bench, buy, str(buy.size))
    fill(bench, buy, str(buy.size), trade_id="whole")
    refuse(bench, sell)
    assert last_pair(bench).state == PairState.CARRIED
    assert bench.engine.state.control.clean_pairs == 0
    assert "may pay 20, was 40" in incidents(bench, "the ramp")[-1].text
    assert clean(bench, 20) <= 20


def test_a_pair_that_a_late_fill_reopens_is_uncounted_once_it_has_closed_with_a_repair() -> None:
    bench = a_bench()
    buy, sell = opened(bench)
    for order, size in ((buy, buy.size / 2), (sell, sell.size / 2)):
        accept(bench, order, str(size))
        fill(bench, order, str(size), trade_id=f"half{order.side}")
    assert bench.engine.state.control.clean_pairs == 1
    bench.wait_ms(1000)
    bench.engine.state.policy = RepairPolicy(on_single_leg=OnSingleLeg.CHEAPEST)
    fill(bench, buy, str(buy.size / 2), trade_id="late")
    assert bench.engine.manager.open, "not carried: what is left over is to be repaired"
    assert bench.engine.state.control.clean_pairs == 1, "no smaller cap for a moment"
    bench.quote("gate", "99.9x5", "100x5")
    bench.quote("okx", "99.9x5", "101.2x5")
    bench.drain()
    repair = bench.placed()[-1]
    accept(bench, repair, str(repair.size))
    fill(bench, repair, str(repair.size), trade_id="repair")
    assert not bench.engine.manager.open
    assert bench.engine.state.control.clean_pairs == 0


@pytest.mark.parametrize("start", ["0.01", "1", "1999", "5000"])
def test_the_ramp_never_passes_the_limit_however_long_it_was(start: str) -> None:
    spent = ControlRecord(
        halted=None, day_utc="2025-10-09", day_net_e8=0, consecutive_losses=0, ns=START_NS, text="", clean_pairs=10**9
    )
    bench = Bench(limits=Limits(), ramp=Ramp(D(start), 1), restored=Restored(control=spent))
    assert bench.engine.state.ramp_cap == Limits().max_notional_quote
