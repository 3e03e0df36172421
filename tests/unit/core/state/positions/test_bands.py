"""Bands of the inventory: what is scarce raises the edge a pair must have, what is rich lowers it, and never to a loss."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb.core.messages.events import PrivateUp
from arb.core.messages.records import OpportunityRecord
from arb.core.messages.recovery_records import PlanRecord, SkewPart
from arb.core.messages.settings import OFF, Band, InventoryBands, LegCost, Limits
from arb.core.state.positions.bands import LEAST_EDGE_BPS, Bands, position
from arb.market.route import Route
from arb.view.summary import present_state
from tests.builders import SYMBOL, Bench, D, a_balance

HALF = Band(low_share=D("0.2"), target_share=D("0.5"), high_share=D("0.9"))
BETWEEN = Route.of(SYMBOL, "gate", "okx")
"""Buys at gate and sells at okx."""
BACK = Route.of(SYMBOL, "okx", "gate")


def bands(skew_max: str = "4", *, assets: tuple[str, ...] = ("BTC",), band: Band = HALF) -> InventoryBands:
    return InventoryBands(
        skew_max_bps=D(skew_max), venue={venue: dict.fromkeys(assets, band) for venue in ("gate", "okx")}
    )


def holding(gate: str, okx: str, rule: InventoryBands, *, limits: Limits | None = None, quote: str = "100000") -> Bench:
    reported = {"gate": {"USDT": quote, "BTC": gate}, "okx": {"USDT": quote, "BTC": okx}}
    return Bench(inventory=rule, reported=reported, limits=limits or least(3))


def least(bps: int | str, leg_cost: LegCost = OFF) -> Limits:
    return Limits(min_net_quote=D(0), min_edge_bps=D(bps), leg_cost=leg_cost)


def crossing(bench: Bench, bid: str) -> Bench:
    """Let gate ask 1000 and okx bid so much: fees are 0.1 % on each side, so 1002.4 is an edge of about 4 bps."""
    bench.quote("gate", "999x5", "1000x1")
    bench.quote("okx", f"{bid}x1", "1012x5")
    bench.drain()
    return bench


@pytest.mark.parametrize(
    ("held", "where"),
    [("0", -1), ("1.9", -1), ("2", -1), ("3.5", Fraction(-1, 2)), ("5", 0), ("7", Fraction(1, 2)), ("9", 1), ("10", 1)],
)
def test_a_position_is_linear_from_the_target_to_each_edge_and_goes_no_further(held: str, where: Fraction) -> None:
    assert position(HALF, Fraction(held), Fraction(10)) == where
    amounts = Band(low_amount=D(2), target_amount=D(5), high_amount=D(9))
    assert position(amounts, Fraction(held), Fraction(0)) == where


def test_where_all_venues_together_hold_nothing_no_share_is_scarce() -> None:
    assert position(HALF, Fraction(0), Fraction(0)) == 0


def test_what_is_scarce_where_a_pair_sells_raises_the_edge_it_must_have_and_lowers_that_of_the_way_back() -> None:
    state = holding("3.25", "1.75", bands()).engine.state  # 0.35 of all: half way down to the low edge
    assert state.bands.skew(BETWEEN, D(3)) == (
        D(2),
        (SkewPart("okx", "BTC", "scarce", D(2)),),
    )
    back = state.bands.skew(BACK, D(3))
    assert back.bps == -2
    assert back.parts == (SkewPart("okx", "BTC", "scarce", D(-2)),)


def test_of_what_raises_the_edge_only_the_most_counts_and_so_of_what_lowers_it() -> None:
    """BTC scarce at okx, and quote scarce at gate even more: the same trades did both."""
    rule = bands(assets=("BTC", "USDT"))
    reported = {"gate": {"USDT": "100", "BTC": "3.25"}, "okx": {"USDT": "900", "BTC": "1.75"}}
    state = Bench(inventory=rule, reported=reported).engine.state
    assert state.bands.skew(BETWEEN, D(3)) == (D(4), (SkewPart("gate", "USDT", "scarce", D(4)),))
    assert state.bands.skew(BACK, D(6)) == (D(-4), (SkewPart("okx", "USDT", "rich", D(-4)),))


def test_a_skew_is_rounded_up_to_thousandths_so_that_no_rounding_loosens_a_threshold() -> None:
    state = holding("2", "1.000001", bands("1")).engine.state
    up, down = state.bands.skew(BETWEEN, D(3)).bps, state.bands.skew(BACK, D(3)).bps
    exact = (Fraction(1, 2) - Fraction(1_000_001, 3_000_001)) / Fraction(3, 10)
    assert exact < Fraction(up) < exact + Fraction(1, 1000)
    assert -exact < Fraction(down) < -exact + Fraction(1, 1000)


def test_shares_say_nothing_before_every_venue_has_reported_what_it_holds() -> None:
    absent = Bench(venues=("gate", "okx", "bitget"), absent={"bitget": "down"}, inventory=bands()).engine.state
    assert absent.bands.position("gate", "BTC") is None
    assert absent.bands.skew(BETWEEN, D(3)).bps == 0
    amounts = bands(band=Band(low_amount=D(2), target_amount=D(5), high_amount=D(9)))
    assert holding("0", "9", amounts).engine.state.bands.position("gate", "BTC") == -1


@pytest.mark.parametrize("rule", [InventoryBands(), bands("0"), InventoryBands(skew_max_bps=D(4))])
def test_without_bands_or_without_a_skew_nothing_is_different(rule: InventoryBands) -> None:
    bench = crossing(holding("5", "1", rule), "1002.4")
    assert len(bench.placed()) == 2
    (plan,) = bench.rows(PlanRecord)
    assert isinstance(plan, PlanRecord)
    assert (plan.skew, plan.skew_bps, plan.min_edge_bps) == ((), D(0), None)


def test_an_edge_that_would_drain_a_scarce_side_is_refused_and_a_better_one_taken() -> None:
    """Half way to the low edge at okx: 3 bps and 2 more must be left, and 1002.4 leaves 4."""
    assert crossing(holding("3.25", "1.75", bands()), "1002.4").not_taken() == {"edge_below_threshold": 1}
    bench = crossing(holding("3.25", "1.75", bands()), "1002.7")
    assert len(bench.placed()) == 2
    (plan,) = bench.rows(PlanRecord)
    assert isinstance(plan, PlanRecord)
    assert plan.skew == (SkewPart("okx", "BTC", "scarce", D(2)),)
    assert (plan.skew_bps, plan.min_edge_bps) == (D(2), D(3))


def test_the_row_of_an_opportunity_says_what_edge_was_required_when_it_was_best() -> None:
    refused = crossing(holding("3.25", "1.75", bands(), limits=least(3, LegCost("1bps"))), "1002.4")
    refused.end_episodes()
    (row,) = refused.engine.take_untraded()
    assert (row.reason, row.required_edge_bps) == ("edge_below_threshold", D(6))
    traded = crossing(holding("3.25", "1.75", bands()), "1002.7").rows(OpportunityRecord)[-1]
    assert isinstance(traded, OpportunityRecord)
    assert traded.required_edge_bps == 5
    plain = crossing(holding("3.25", "1.75", InventoryBands()), "1002.7").rows(OpportunityRecord)[-1]
    assert isinstance(plain, OpportunityRecord)
    assert plain.required_edge_bps is None, "nothing moved it"


def test_an_edge_too_thin_otherwise_is_taken_where_it_evens_out_what_venues_hold() -> None:
    thin = "1002.2"  # about 2 bps
    assert not crossing(holding("1", "1", bands()), thin).placed()
    assert len(crossing(holding("0.5", "3", bands()), thin).placed()) == 2


def test_a_refused_edge_opens_without_a_frame_once_balances_have_moved() -> None:
    bench = crossing(holding("3.25", "1.75", bands(), limits=least(3)), "1002.4")
    assert not bench.placed()
    bench.engine.state.inventory.apply("okx", {"BTC": D(2)}, bench.now_ns, 0)
    bench.tell(PrivateUp(venue="okx"))
    assert bench.engine.wants_drain
    bench.drain()
    assert len(bench.placed()) == 2


def test_the_status_shows_where_each_asset_stands_in_its_band() -> None:
    bench = Bench(
        venues=("gate", "okx", "bitget"),
        absent={"bitget": "down"},
        inventory=InventoryBands(
            venue={
                "gate": {"BTC": Band(low_amount=D(1), target_amount=D(5), high_amount=D(9))},
                "okx": {"BTC": HALF},
                "bybit": {"BTC": HALF},
            }
        ),
    )
    assert present_state(bench.engine, bench.now_ns)["inventory"] == [
        {"venue": "gate", "asset": "BTC", "held": "2", "position": "-0.75"},
        {"venue": "okx", "asset": "BTC", "held": "2", "position": None},
    ]
    assert present_state(Bench().engine, bench.now_ns)["inventory"] == []


def test_a_report_of_a_transfer_that_agrees_moves_the_position_with_it() -> None:
    state = holding("1", "1", bands()).engine.state
    assert state.bands.position("gate", "BTC") == 0
    state.inventory.apply("gate", {"BTC": D("0.5")}, 2**62, 0)
    assert state.bands.position("gate", "BTC") == Fraction(1, 4)  # 0.6 of all, of 0.5 to 0.9


SHARES = st.tuples(*[st.integers(0, 1000)] * 3).filter(lambda edges: len(set(edges)) == 3).map(sorted)
BANDS = SHARES.map(lambda edges: Band(**dict(zip(Band.__struct_fields__, (D(edge) / 1000 for edge in edges)))))  # noqa: B905
RULES = st.builds(
    InventoryBands,
    skew_max_bps=st.decimals(0, 300, places=3),
    venue=st.dictionaries(
        st.sampled_from(("gate", "okx")), st.dictionaries(st.sampled_from(("BTC", "USDT")), BANDS, min_size=1)
    ),
)
AMOUNTS = st.integers(1, 2000).map(lambda n: str(D(n) / 100))


@given(rule=RULES, gate=AMOUNTS, okx=AMOUNTS, least_bps=st.decimals(0, 20, places=3))
def test_the_required_edge_moves_by_the_most_allowed_and_is_never_lowered_to_a_loss(
    rule: InventoryBands, gate: str, okx: str, least_bps: Decimal
) -> None:
    state = holding(gate, okx, rule).engine.state
    for route in (BETWEEN, BACK):
        skew, parts = state.bands.skew(route, least_bps)
        assert abs(skew) <= rule.skew_max_bps
        assert least_bps + skew >= min(least_bps, LEAST_EDGE_BPS)
        assert skew >= 0 or least_bps + skew > 0
        assert sum(part.bps for part in parts) <= skew
        assert all((part.bps > 0) + (part.bps < 0) == 1 for part in parts)
        assert len({part.bps > 0 for part in parts}) == len(parts) <= 2


@given(
    rule=RULES,
    gate=AMOUNTS,
    okx=AMOUNTS,
    least_bps=st.decimals(0, 8, places=3),
    leg_cost=st.sampled_from(("0bps", "1.5bps", "3bps")),
    bid=st.integers(10_020, 10_040),
)
def test_what_opens_earns_more_than_nothing_after_all_fees_and_what_its_legs_are_expected_to_cost(
    rule: InventoryBands, gate: str, okx: str, least_bps: Decimal, leg_cost: str, bid: int
) -> None:
    bench = crossing(holding(gate, okx, rule, limits=least(str(least_bps), LegCost(leg_cost))), str(D(bid) / 10))
    for plan in bench.rows(PlanRecord):
        assert isinstance(plan, PlanRecord)
        paid = plan.buy_size * plan.buy_vwap * (1 + plan.buy_fee)
        left = plan.net - paid * plan.leg_cost_bps / 10_000
        assert left > 0 or (left == 0 == plan.min_edge_bps)
        assert 10_000 * left >= paid * ((plan.min_edge_bps or least_bps) + plan.skew_bps)


CHANGES = st.lists(
    st.tuples(st.sampled_from(("fill", "basis", "restored", "one asset")), st.sampled_from(("gate", "okx")), AMOUNTS),
    max_size=6,
)


@given(rule=RULES, changes=CHANGES)
def test_what_is_kept_of_a_skew_is_what_would_be_worked_out_anew(
    rule: InventoryBands, changes: list[tuple[str, str, str]]
) -> None:
    bench = holding("1", "1", rule)
    inventory, kept = bench.engine.state.inventory, bench.engine.state.bands
    for kind, venue, amount in changes:
        kept.skew(BETWEEN, D(3))
        report = a_balance(venue, {"BTC": amount, "USDT": "7"}, asked_ns=bench.now_ns)
        match kind:
            case "fill":
                inventory.apply(venue, {"BTC": D(amount)}, 2**62, 0)
            case "restored":
                inventory.restore_basis(venue, {"BTC": D(amount)}, bench.now_ns)
            case "basis":
                inventory.take_report(report, quiet=False)
                inventory.take_as_basis(venue, bench.now_ns, bench.now_ns)
            case "one asset":
                inventory.take_report(report, quiet=False)
                inventory.take_as_basis(venue, bench.now_ns, bench.now_ns, "BTC")
        for route in (BETWEEN, BACK):
            assert kept.skew(route, D(3)) == Bands(rule, inventory, ("gate", "okx")).skew(route, D(3))


def test_reports_that_change_nothing_leave_the_position_where_it_is() -> None:
    bench = holding("3", "1", bands())
    before = bench.engine.state.bands.position("gate", "BTC")
    bench.tell(a_balance("gate", {"USDT": "100000", "BTC": "3"}, asked_ns=bench.now_ns))
    assert bench.engine.state.bands.position("gate", "BTC") == before
