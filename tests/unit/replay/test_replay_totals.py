"""What a replay found, added up from its rows: edges, pairs, money, and the fee at which nothing would be left."""

import random
from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction
from itertools import count
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb.core.messages.commands import AnyRecord
from arb.core.messages.records import OpportunityRecord, PairKind, PairState
from arb.market.numbers import EXACT
from arb.market.order import Side
from arb.replay.replay_totals import ReplayTotals, break_even_bps
from arb.replay.result import EDGE_BPS, LIFE_MS, Result
from arb.store.journal.reader import Row
from tests.unit.store.rows import (
    T0,
    D,
    a_fill,
    a_filled_order,
    a_pair,
    a_run,
    a_traded_opportunity,
    a_waterfall,
    an_opportunity,
)

MS = 1_000_000
HOUR = 3600 * 1_000 * MS


def found(*records: AnyRecord, untraded: Iterable[OpportunityRecord] = (), runs: Iterable[int] = (1,)) -> Result:
    """Return what comes of these rows, each of a step of its own."""
    findings = ReplayTotals()
    numbers = count(1)
    for record in (*map(a_run, runs), *records):
        findings.submit([Row(next(numbers), 1, record)])
    for opportunity in untraded:
        findings.submit_untraded(opportunity)
    return findings.result()


def an_edge(
    id: int = 1, *, bps: str = "4", life_ms: int = 5, opened_ns: int = T0, **changes: object
) -> OpportunityRecord:
    """Return an edge that nobody traded."""
    times = {"opened_ns": opened_ns, "best_ns": opened_ns + 1, "closed_ns": opened_ns + life_ms * MS}
    return an_opportunity(id, best_edge_bps=D(bps), **{**times, **changes})


def a_booked_pair(id: int = 1, net: str = "1", **changes: Any) -> list[AnyRecord]:
    """Return the rows of a pair that bought 0.1 at 100 and sold it at 111, for 0.02 and 0.03 of fees."""
    pair = a_pair(id, PairState.COMPLETED, waterfall=a_waterfall(realised_net_e8=int(D(net) * 10**8)), **changes)
    legs = ((2 * id, Side.BUY, "100", "0.02"), (2 * id + 1, Side.SELL, "111", "0.03"))
    orders = [a_filled_order(order, id, side) for order, side, _, _ in legs]
    fills = [
        a_fill(order, order, side=side, price=D(price), size=D("0.1"), fee=D(fee), fee_quote_value=D(fee))
        for order, side, price, fee in legs
    ]
    return [a_pair(id, PairState.OPENING, **changes), *orders, *fills, pair]


# The break-even fee.


def test_where_nothing_was_traded_no_fee_breaks_even() -> None:
    assert break_even_bps(D(0), D(0), D(0)) is None
    assert found(untraded=[an_edge()]).earned[0].break_even_fee_bps is None


def test_the_break_even_fee_is_what_the_pairs_made_before_fees_over_all_that_was_filled() -> None:
    (earned,) = found(*a_booked_pair(net="1")).earned
    assert (earned.net, earned.fees, earned.traded) == (D(1), D("0.05"), D("21.1"))
    assert earned.break_even_fee_bps == D("497.630332"), "1.05 / 21.1"


def test_pairs_that_lost_before_fees_break_even_at_a_rebate_alone() -> None:
    (earned,) = found(*a_booked_pair(net="-1")).earned
    assert earned.break_even_fee_bps == D("-450.236967"), "-0.95 / 21.1"


amounts = st.decimals(min_value="0.00000001", max_value=10**6, places=8)


@given(st.lists(st.tuples(amounts, amounts, st.booleans(), st.decimals(-10, 100, places=3)), min_size=1, max_size=8))
def test_had_every_fill_paid_the_break_even_fee_nothing_would_be_left(
    fills: list[tuple[Decimal, Decimal, bool, Decimal]],
) -> None:
    gross, fees, traded = Fraction(0), Decimal(0), Decimal(0)
    for price, size, bought, rate in fills:
        notional = EXACT.multiply(price, size)
        gross += -Fraction(notional) if bought else Fraction(notional)
        fees = EXACT.add(fees, EXACT.multiply(notional, rate.scaleb(-4)))
        traded = EXACT.add(traded, notional)
    net = EXACT.subtract(EXACT.divide(Decimal(gross.numerator), Decimal(gross.denominator)), fees)

    fee = break_even_bps(net, fees, traded)

    assert fee is not None
    left = gross - Fraction(fee) / 10_000 * Fraction(traded)
    assert abs(left) <= Fraction(1, 2 * 10**10) * Fraction(traded), (
        "but for the rounding to 6 decimals of a basis point"
    )


# What counts.


def test_a_pair_that_is_not_booked_is_in_no_sum_and_neither_are_its_fills() -> None:
    rows = a_booked_pair(1)[:-1]
    result = found(*rows, *a_booked_pair(2))
    assert result.pairs == {"opening": 1, "completed": 1}
    assert (result.earned[0].pairs, result.earned[0].net, result.earned[0].traded) == (1, D(1), D("21.1"))


def test_a_pair_that_is_booked_anew_counts_as_it_was_booked_last() -> None:
    again = a_pair(1, PairState.COMPLETED, waterfall=a_waterfall(realised_net_e8=3 * 10**8))
    assert found(*a_booked_pair(1), a_pair(1, PairState.REPAIRING)).earned == ()
    assert found(*a_booked_pair(1), a_pair(1, PairState.REPAIRING), again).earned[0].net == D(3)


def test_coins_that_are_not_proved_to_be_the_same_earn_nothing_that_counts() -> None:
    result = found(*a_booked_pair(1, identity="unproved"), *a_booked_pair(2))
    assert result.unproved_pairs == 1
    assert (result.earned[0].pairs, result.earned[0].net) == (1, D(1))


def test_what_a_run_recovered_of_earlier_runs_is_not_its_own() -> None:
    rows = a_booked_pair(1, run_id=9)
    result = found(*rows, a_traded_opportunity(run_id=9))
    assert (result.pairs, result.earned, result.edges) == ({}, (), 0)


def test_every_quote_has_its_own_sums() -> None:
    rows = [*a_booked_pair(1), *a_booked_pair(2, symbol="ETH/BTC", quote="BTC")]
    result = found(*rows, untraded=[an_edge(1), an_edge(2, symbol="ETH/BTC", quote="BTC")])
    assert {(row.quote, row.pairs, row.edges, row.net) for row in result.earned} == {
        ("USDT", 1, 1, D(1)),
        ("BTC", 1, 1, D(1)),
    }


def test_an_edge_that_was_traded_counts_once_however_often_its_row_was_written() -> None:
    result = found(a_traded_opportunity(1), a_traded_opportunity(1, best_net_e8=2 * 10**8), untraded=[an_edge(2)])
    assert (result.edges, result.takeable) == (2, 1)
    assert [(row.reason, row.edges) for row in result.reasons] == [(None, 1), ("max_notional", 1)]
    assert result.reasons[0].best_net == D(2)


@pytest.mark.parametrize(
    ("bps", "life_ms", "edge_class"),
    [
        ("0", 0, (0, 0)),
        ("0.999999", 9, (0, 0)),
        ("1", 10, (1, 10)),
        ("99.999999", 59_999, (50, 5_000)),
        ("100", 60_000, (100, 60_000)),
        ("5000", 10**9, (100, 60_000)),
    ],
)
def test_an_edge_is_of_the_class_that_begins_at_or_below_it(
    bps: str, life_ms: int, edge_class: tuple[int, int]
) -> None:
    (row,) = found(untraded=[an_edge(bps=bps, life_ms=life_ms)]).classes
    assert (row.edge_bps, row.life_ms) == edge_class
    assert row.edge_bps in EDGE_BPS and row.life_ms in LIFE_MS


def test_the_best_edge_is_the_greatest_in_basis_points_and_of_equals_the_first() -> None:
    later = an_edge(1, bps="9", opened_ns=T0 + 5, best_net_e8=10**9)
    first = an_edge(2, bps="9", opened_ns=T0, best_net_e8=1)
    best = found(untraded=[later, first, an_edge(3, bps="2")]).earned[0].best
    assert best is not None and (best.seen_ns, best.edge_bps, best.net) == (T0 + 1, D(9), D("0.00000001"))


def test_a_venue_pair_is_shown_for_each_hour_of_the_day_of_whichever_day() -> None:
    hour = T0 // HOUR % 24
    edges = [an_edge(1), an_edge(2, opened_ns=T0 + 24 * HOUR), an_edge(3, opened_ns=T0 + HOUR)]
    rows = found(*a_booked_pair(1), untraded=edges).hours
    assert [(row.buy, row.sell, row.hour_utc, row.edges, row.pairs) for row in rows] == [
        ("gate", "okx", hour, 2, 1),
        ("gate", "okx", hour + 1, 1, 0),
    ]


@given(st.randoms(use_true_random=False))
def test_neither_the_order_of_edges_nor_that_of_pairs_matters(chance: random.Random) -> None:
    edges = [an_edge(n, bps=str(n % 3), life_ms=n, opened_ns=T0 + n * HOUR, reason=f"r{n % 2}") for n in range(1, 9)]
    pairs = [a_booked_pair(n, net=str(n), symbol=("BTC/USDT", "ETH/USDT")[n % 2]) for n in range(1, 6)]
    expected = found(*(row for pair in pairs for row in pair), untraded=edges)
    chance.shuffle(edges)
    chance.shuffle(pairs)
    assert found(*(row for pair in pairs for row in pair), untraded=edges) == expected


def test_routes_hours_reasons_and_classes_each_add_up_to_all() -> None:
    edges = [an_edge(n, bps=str(n), sell_venue=("okx", "bitget")[n % 2], reason=f"r{n % 3}") for n in range(1, 9)]
    result = found(*a_booked_pair(1), *a_booked_pair(2, sell_venue="bitget"), a_traded_opportunity(99), untraded=edges)
    for rows in (result.classes, result.routes, result.hours, result.reasons):
        assert sum(row.edges for row in rows) == result.edges == 9
    for rows in (result.routes, result.hours):
        assert sum(row.net for row in rows) == result.earned[0].net == D(2)
        assert sum(row.pairs for row in rows) == 2


# Legs that fall short.


def test_what_the_threshold_allowed_for_legs_is_taken_off_what_pairs_expected() -> None:
    (earned,) = found(*a_booked_pair(1, leg_cost_e8=4 * 10**7), *a_booked_pair(2)).earned
    assert earned.leg_cost == D("0.4")
    assert earned.net_by_leg_cost == earned.expected - D("0.4")


def test_sales_of_dust_have_no_edge_that_legs_could_fall_short_of() -> None:
    (earned,) = found(*a_booked_pair(1, kind=PairKind.DUST)).earned
    assert (earned.pairs, earned.leg_cost, earned.net_by_leg_cost, earned.net) == (1, D(0), D(0), D(1))


def test_a_result_is_written_as_plain_decimals_and_reads_back_the_same() -> None:
    result = found(*a_booked_pair(1), untraded=[an_edge(2)])
    text = msgspec.json.encode(result)
    assert b"E-" not in text and b".00000000" not in text
    assert msgspec.json.decode(text, type=Result) == result
