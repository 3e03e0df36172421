"""Detection: the best size over every lot multiple, and one reason when there is none."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from arb.core.messages.reasons import Reason
from arb.core.pricing.depth import Depth
from arb.core.pricing.plan import Plan, Refusal
from arb.core.pricing.spread import episode, evaluate, residual_mark
from arb.core.pricing.terms import EdgeLimits, Funds, PairTerms, VenueTerms
from arb.market.instrument import FeeIn
from arb.market.route import Route
from arb.market.scale import Scale
from tests.unit.core.pricing import spread_oracle as oracle

# Prices in tenths, sizes in hundredths: coarse enough for exhaustive search, fine enough for lots that do not fit
# each other.
SCALE = Scale(1, 2)
ROUTE = Route.of("BTC/USDT", "gate", "okx")


def hundredths(low: int, high: int) -> st.SearchStrategy[Fraction]:
    return st.integers(low, high).map(lambda n: Fraction(n, 100))


def maybe(strategy: st.SearchStrategy[Fraction]) -> st.SearchStrategy[Fraction | None]:
    return st.none() | strategy


@st.composite
def sides(draw: st.DrawFn) -> tuple[oracle.Levels, oracle.Levels]:
    """Asks and bids of two venues: from well apart to deeply profitable, with touching and empty stretches."""
    ask = draw(st.integers(80, 120))
    bid = ask + draw(st.integers(-3, 25))
    steps, amounts = st.integers(1, 4), hundredths(1, 35)
    asks: oracle.Levels = []
    bids: oracle.Levels = []
    for _ in range(draw(st.integers(1, 4))):
        asks.append((Fraction(ask, 10), draw(amounts)))
        ask += draw(steps)
    for _ in range(draw(st.integers(1, 4))):
        bids.append((Fraction(bid, 10), draw(amounts)))
        bid -= draw(steps)
    return asks, bids


FEES = st.sampled_from([0, 10, 100, 200, 25, 500, 5000, -25, -1000]).map(lambda n: Fraction(n, 100_000))
VENUES = st.builds(
    oracle.Venue,
    fee=FEES,
    fee_in=st.sampled_from(["quote", "base", "other"]),
    tick=st.sampled_from([Fraction(1, 10), Fraction(1, 5), Fraction(1, 2)]),
    lot=st.sampled_from([1, 10, 3, 7, 2, 5, 11, 30]).map(lambda n: Fraction(n, 100)),
    min_size=hundredths(0, 0) | hundredths(0, 40),
    min_notional=hundredths(0, 0) | hundredths(0, 400),
    max_size=maybe(hundredths(1, 80)),
    band=maybe(st.integers(0, 60).map(lambda n: Fraction(n, 1000))),
)


@st.composite
def cases(draw: st.DrawFn) -> oracle.Case:
    asks, bids = draw(sides())
    return oracle.Case(
        asks=asks,
        bids=bids,
        a=draw(VENUES),
        b=draw(VENUES),
        min_edge_bps=draw(st.sampled_from([0, 5, 50, 300]).map(Fraction)),
        max_edge_bps=draw(maybe(st.sampled_from([0, 100, 700, 1500]).map(Fraction))),
        min_net=draw(hundredths(0, 0) | hundredths(0, 20)),
        slippage_bps=draw(st.sampled_from([0, 10, 300]).map(Fraction)),
        max_notional=draw(maybe(hundredths(100, 2000))),
        dust_max=draw(maybe(hundredths(0, 100))),
        quote=draw(maybe(hundredths(0, 2000))),
        base=draw(maybe(hundredths(0, 150))),
        buy_fee_funds=draw(maybe(hundredths(0, 20))),
        sell_fee_funds=draw(maybe(hundredths(0, 20))),
        a_bid=draw(maybe(st.integers(0, 8).map(lambda n: asks[0][0] - Fraction(n, 10)))),
        b_ask=draw(maybe(st.integers(0, 8).map(lambda n: bids[0][0] + Fraction(n, 10)))),
    )


def decimal(value: Fraction) -> Decimal:
    return Decimal(value.numerator) / Decimal(value.denominator)


def decimal_or_none(value: Fraction | None) -> Decimal | None:
    return None if value is None else decimal(value)


def venue_terms(venue: oracle.Venue) -> VenueTerms:
    return VenueTerms(
        taker_fee=decimal(venue.fee),
        buy_fee_in=FeeIn(venue.fee_in),
        tick=decimal(venue.tick),
        lot=decimal(venue.lot),
        min_size=decimal(venue.min_size),
        min_notional=decimal(venue.min_notional),
        max_size=decimal_or_none(venue.max_size),
        price_band=decimal_or_none(venue.band),
    )


def pair_terms(case: oracle.Case) -> PairTerms:
    limits = EdgeLimits(
        max_edge_bps=decimal_or_none(case.max_edge_bps),
        min_net=decimal(case.min_net),
        max_notional=decimal_or_none(case.max_notional),
        max_slippage_bps=decimal(case.slippage_bps),
        dust_max_quote=decimal_or_none(case.dust_max),
    )
    return PairTerms(SCALE, venue_terms(case.a), venue_terms(case.b), limits)


def depth(levels: oracle.Levels, opposite: Fraction | None) -> Depth:
    prices, sizes = [int(price * 10) for price, _ in levels], [int(size * 100) for _, size in levels]
    return Depth(prices, sizes, None if opposite is None else int(opposite * 10))


def funds(case: oracle.Case) -> Funds:
    return Funds(
        quote=decimal_or_none(case.quote),
        base=decimal_or_none(case.base),
        buy_fee_funds=decimal_or_none(case.buy_fee_funds),
        sell_fee_funds=decimal_or_none(case.sell_fee_funds),
    )


def decide(case: oracle.Case) -> Plan | Refusal:
    asks, bids = depth(case.asks, case.a_bid), depth(case.bids, case.b_ask)
    return evaluate(pair_terms(case), asks, bids, funds(case), decimal(case.min_edge_bps))


def assert_same(plan: Plan, answer: oracle.Answer) -> None:
    record, paid, got = plan.record(1, ROUTE), plan.amount(plan.paid), plan.amount(plan.got)
    shown = (record.sell_size, record.buy_size, paid, got, record.residual, record.residual_value, record.net)
    expected = (answer.s, answer.q, answer.paid, answer.got, answer.residual, answer.residual_value, answer.net)
    assert tuple(map(Fraction, shown)) == expected
    assert (Fraction(record.buy_limit), Fraction(record.sell_limit)) == (answer.buy_limit, answer.sell_limit)
    assert abs(Fraction(record.mark) - answer.mark) < Fraction(1, 10**20)
    half = Fraction(1, 2 * 10**6)
    assert abs(Fraction(plan.edge_bps()) - answer.edge_bps) <= half
    assert abs(Fraction(plan.gross_edge_bps()) - answer.gross_edge_bps) <= half


@settings(max_examples=2000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(cases())
def test_plan_or_refusal_equals_exhaustive_search(case: oracle.Case) -> None:
    answer, reason, best_net = oracle.solve(case)
    event(reason or "plan")
    decided = decide(case)
    if answer is not None:
        assert isinstance(decided, Plan), decided
        assert_same(decided, answer)
        return
    assert isinstance(decided, Refusal), decided
    assert decided.reason == reason
    shown = decided.best_net_decimal()
    assert (None if shown is None else Fraction(shown)) == best_net


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(cases())
def test_no_plan_exceeds_a_maximum_size_or_leaves_a_price_band(case: oracle.Case) -> None:
    found = episode(pair_terms(case), depth(case.asks, case.a_bid), depth(case.bids, case.b_ask))
    for plan in (found, decide(case)):
        if not isinstance(plan, Plan):
            continue
        buy, sell = plan.legs(ROUTE)
        assert case.a.max_size is None or buy.size <= case.a.max_size
        assert case.b.max_size is None or sell.size <= case.b.max_size
        buy_middle = (case.asks[0][0] + (case.a_bid or case.asks[0][0])) / 2
        sell_middle = (case.bids[0][0] + (case.b_ask or case.bids[0][0])) / 2
        assert case.a.band is None or buy.limit <= buy_middle * (1 + case.a.band)
        assert case.b.band is None or sell.limit >= sell_middle * (1 - case.b.band)


@st.composite
def long_runs(draw: st.DrawFn) -> oracle.Case:
    """Deep levels of many lots that rarely fit each other, and little dust: most sizes are holes."""
    amounts, prices = hundredths(100, 900), draw(st.integers(95, 105))
    lots = st.sampled_from([7, 11, 13, 19, 23, 29, 31]).map(lambda n: Fraction(n, 100))
    fee_in = st.sampled_from(["quote", "base"])
    none = Fraction(0)
    sides_of = [
        oracle.Venue(
            draw(FEES),
            draw(fee_in),
            Fraction(1, 10),
            draw(lots),
            none,
            draw(hundredths(0, 9000)),
            max_size=draw(maybe(hundredths(100, 1800))),
        )
        for _ in "ab"
    ]
    return oracle.Case(
        asks=[(Fraction(prices + step, 10), draw(amounts)) for step in (0, draw(st.integers(1, 9)))],
        bids=[
            (Fraction(prices + step, 10), draw(amounts))
            for step in (draw(st.integers(10, 30)), draw(st.integers(2, 9)))
        ],
        a=sides_of[0],
        b=sides_of[1],
        min_edge_bps=none,
        min_net=none,
        slippage_bps=draw(st.sampled_from([0, 300]).map(Fraction)),
        max_notional=draw(maybe(hundredths(1000, 20000))),
        dust_max=draw(hundredths(0, 80)),
        quote=None,
        base=draw(maybe(hundredths(100, 1800))),
    )


@settings(max_examples=300, deadline=None)
@given(long_runs())
def test_next_size_that_leaves_only_dust_is_found_among_many_that_do_not(case: oracle.Case) -> None:
    answer, reason, _ = oracle.solve(case)
    event(reason or "plan")
    decided = decide(case)
    if answer is None:
        assert isinstance(decided, Refusal), decided
        assert decided.reason == reason
    else:
        assert isinstance(decided, Plan), decided
        assert_same(decided, answer)


@settings(max_examples=300, deadline=None)
@given(cases())
def test_episode_is_the_maximum_without_thresholds_and_balances(case: oracle.Case) -> None:
    free = {"quote": None, "base": None, "buy_fee_funds": None, "sell_fee_funds": None}
    bare = oracle.Case(
        **{**vars(case), **free, "max_edge_bps": None, "min_edge_bps": Fraction(0), "min_net": Fraction(0)}
    )
    answer, _, _ = oracle.solve(bare)
    terms, asks, bids = pair_terms(case), depth(case.asks, case.a_bid), depth(case.bids, case.b_ask)
    found = episode(terms, asks, bids)
    if answer is None:
        assert found is None
        return
    assert found is not None
    assert_same(found, answer)
    assert found.net > 0


# Situations by hand.

PLAIN = VenueTerms(taker_fee=Decimal("0.001"), buy_fee_in=FeeIn.QUOTE, tick=Decimal("0.1"), lot=Decimal("0.01"))
ASKS, BIDS = [(1000, 100)], [(1100, 100)]  # 1 base at 100, 1 base at 110


def plan_of(
    buy: VenueTerms = PLAIN,
    sell: VenueTerms = PLAIN,
    limits: EdgeLimits | None = None,
    free: Funds | None = None,
    asks: list[tuple[int, int]] | None = None,
    bids: list[tuple[int, int]] | None = None,
    required_bps: int = 0,
) -> Plan | Refusal:
    terms = PairTerms(SCALE, buy, sell, limits or EdgeLimits())
    sides = Depth.of(ASKS if asks is None else asks), Depth.of(BIDS if bids is None else bids)
    return evaluate(terms, *sides, free or Funds(), Decimal(required_bps))


def with_terms(**changes: Decimal | FeeIn) -> VenueTerms:
    kept = {name: getattr(PLAIN, name) for name in PLAIN.__struct_fields__}
    return VenueTerms(**{**kept, **changes})


def reason_of(decided: Plan | Refusal) -> Reason:
    assert isinstance(decided, Refusal), decided
    return decided.reason


def sure(decided: Plan | Refusal) -> Plan:
    assert isinstance(decided, Plan), decided
    return decided


@pytest.mark.parametrize(("asks", "bids"), [([], BIDS), (ASKS, []), ([(1000, 1)], [(1100, 1)])])
def test_empty_side_or_less_than_a_lot_is_no_depth_and_has_no_best_net(
    asks: list[tuple[int, int]], bids: list[tuple[int, int]]
) -> None:
    lot = Decimal("0.02")
    refused = plan_of(buy=with_terms(lot=lot), sell=with_terms(lot=lot), asks=asks, bids=bids)
    assert reason_of(refused) is Reason.NO_DEPTH
    assert isinstance(refused, Refusal)
    assert refused.best_net is None


def test_fee_asset_cannot_be_judged_against_an_empty_side_so_depth_comes_first() -> None:
    points = with_terms(buy_fee_in=FeeIn.OTHER)
    assert reason_of(plan_of(points, points, free=Funds(sell_fee_funds=Decimal(1)), bids=[])) is Reason.NO_DEPTH


def test_first_failing_constraint_is_named_in_the_order_of_the_codes() -> None:
    poor = Funds(quote=Decimal(1), base=Decimal(0))
    big = with_terms(min_size=Decimal(2))
    dear = with_terms(min_notional=Decimal(1000))
    assert reason_of(plan_of(buy=big, sell=dear, free=poor)) is Reason.BELOW_MIN_SIZE
    assert reason_of(plan_of(sell=dear, free=poor)) is Reason.BELOW_MIN_NOTIONAL
    small = with_terms(max_size=Decimal("0.005"))
    assert (
        reason_of(plan_of(buy=small, free=poor)) is reason_of(plan_of(sell=small, free=poor)) is Reason.BELOW_MIN_SIZE
    )
    assert reason_of(plan_of(free=poor, limits=EdgeLimits(max_notional=Decimal(0)))) is Reason.INSUFFICIENT_BALANCE
    assert reason_of(plan_of(limits=EdgeLimits(max_notional=Decimal(0)))) is Reason.MAX_NOTIONAL
    assert reason_of(plan_of(limits=EdgeLimits(min_net=Decimal(10)))) is Reason.NET_BELOW_MINIMUM
    assert reason_of(plan_of(required_bps=979)) is Reason.EDGE_BELOW_THRESHOLD


def test_residual_above_dust_is_refused_when_no_lot_of_the_sell_side_fits() -> None:
    # Lots of 1 bought for lots of 0.3 sold: 0.1 is left at best, worth about 11.
    buy, sell = with_terms(lot=Decimal(1)), with_terms(lot=Decimal("0.3"))
    assert reason_of(plan_of(buy, sell, EdgeLimits(dust_max_quote=Decimal(10)))) is Reason.RESIDUAL_TOO_LARGE
    plan = sure(plan_of(buy, sell, EdgeLimits(dust_max_quote=Decimal(11))))
    assert (plan.buy_size, plan.sell_size) == (100, 90)


def test_smaller_sale_wins_a_tie_and_the_rest_counts_as_residual() -> None:
    # Every sale of 0.3, 0.6 or 0.9 needs the same purchase of 1 and so nets the same.
    plan = sure(plan_of(with_terms(lot=Decimal(1)), with_terms(lot=Decimal("0.3"))))
    assert (plan.buy_size, plan.sell_size) == (100, 30)


def test_sizes_on_either_side_of_the_peak_that_net_the_same_tie_to_the_smaller() -> None:
    # Residual 0 allows 0.6, 1.2, ...; the profit climbs by 5 per base up to 0.9 and falls by 5 after it.
    free = {"taker_fee": Decimal(0)}
    buy, sell = with_terms(lot=Decimal("0.2"), **free), with_terms(lot=Decimal("0.3"), **free)
    plan = sure(
        plan_of(buy, sell, EdgeLimits(dust_max_quote=Decimal(0)), asks=[(1000, 90), (1100, 90)], bids=[(1050, 500)])
    )
    assert (plan.sell_size, plan.amount(plan.net)) == (60, Decimal(3))
    steeper = [(1000, 91), (1100, 90)]
    plan = sure(plan_of(buy, sell, EdgeLimits(dust_max_quote=Decimal(0)), asks=steeper, bids=[(1050, 500)]))
    assert plan.sell_size == 120


def test_locked_books_with_a_rebate_can_still_pay() -> None:
    rebate = with_terms(taker_fee=Decimal("-0.001"))
    plan = sure(plan_of(rebate, rebate, asks=[(1000, 100)], bids=[(1000, 100)]))
    assert plan.amount(plan.net) == Decimal("0.2")
    assert plan.gross_edge_bps() == 0


def test_higher_edge_threshold_takes_a_smaller_size_rather_than_none() -> None:
    asks = [(1000, 50), (1050, 50)]
    whole = sure(plan_of(asks=asks))
    picky = sure(plan_of(asks=asks, required_bps=900))
    assert whole.buy_size == 100
    assert 50 < picky.buy_size < 100
    assert picky.edge_bps() >= 900


def test_limits_share_half_of_the_profit_and_stop_at_the_slippage() -> None:
    wide = sure(plan_of(limits=EdgeLimits(max_slippage_bps=Decimal(1000))))
    # h = 109.89 - 100.1 = 9.79: half of it per leg is 4.890 of price on the buy, 4.8999 on the sell.
    assert (wide.buy_limit, wide.sell_limit) == (1048, 1052)
    tight = sure(plan_of(limits=EdgeLimits(max_slippage_bps=Decimal(10))))
    assert (tight.buy_limit, tight.sell_limit) == (1001, 1099)
    none = sure(plan_of())
    assert (none.buy_limit, none.sell_limit) == (1000, 1100)


def test_limits_and_levels_stay_within_the_price_bands_around_each_venues_middle() -> None:
    wide = EdgeLimits(max_slippage_bps=Decimal(1000))
    buy, sell = with_terms(price_band=Decimal("0.05")), with_terms(price_band=Decimal("0.03"))
    terms = PairTerms(SCALE, buy, sell, wide)
    # The middles are 99 and 111: a buy may be priced up to 103.95, a sale down to 107.67.
    asks, bids = Depth([1000, 1039, 1040], [50, 30, 90], 980), Depth([1100, 1077, 1076], [60, 10, 90], 1120)
    plan = sure(evaluate(terms, asks, bids))
    assert (plan.buy_size, plan.sell_size, plan.worst_ask, plan.worst_bid) == (70, 70, 1039, 1077)
    assert (plan.buy_limit, plan.sell_limit) == (1039, 1077)
    # Without the other side the best price stands for the middle.
    assert sure(evaluate(terms, Depth([1000, 1040], [50, 90]), bids)).worst_ask == 1040
    shut = with_terms(price_band=Decimal("0.001"))
    refused = evaluate(PairTerms(SCALE, shut, sell, wide), asks, bids, Funds(quote=Decimal(1)))
    assert reason_of(refused) is Reason.PRICE_BAND
    assert isinstance(refused, Refusal) and refused.best_net is not None


def test_hold_locks_the_limit_price_and_the_quote_fee() -> None:
    plan = sure(plan_of(limits=EdgeLimits(max_slippage_bps=Decimal(10))))
    assert plan.amount(plan.hold) == Decimal("100.1") * Decimal("1.001")
    exactly = Funds(quote=plan.amount(plan.hold))
    limits = EdgeLimits(max_slippage_bps=Decimal(10))
    assert sure(plan_of(limits=limits, free=exactly)).buy_size == 100
    short = Funds(quote=plan.amount(plan.hold) - Decimal("1e-20"))
    assert sure(plan_of(limits=limits, free=short)).buy_size == 99


def test_millions_of_lots_of_awkward_steps_are_searched_without_counting_them() -> None:
    # 0.0003 against 0.001 with a base fee and no dust allowed: only sizes whose residual is exactly 0 may trade.
    scale = Scale(2, 8)
    buy = with_terms(tick=Decimal("0.01"), lot=Decimal("0.0003"), taker_fee=Decimal("0.0002"), buy_fee_in=FeeIn.BASE)
    sell = with_terms(tick=Decimal("0.01"), lot=Decimal("0.001"))
    terms = PairTerms(scale, buy, sell, EdgeLimits(dust_max_quote=Decimal(0)))
    plan = evaluate(terms, Depth([6_000_000], [10**15]), Depth([6_100_000], [10**15]))
    assert isinstance(plan, Plan)
    assert plan.residual == 0
    # i * 29994 (in 1e-8) is a multiple of 100000 only for every 50000th i, which is every 15th unit of base.
    assert plan.legs(ROUTE)[0].size == 9_999_990


def test_mark_of_a_residual_walks_on_from_what_was_sold() -> None:
    terms = PairTerms(SCALE, PLAIN, PLAIN, EdgeLimits())
    bids = Depth.of([(1100, 100), (1000, 100)])
    one = terms.fee_one
    assert residual_mark(terms, bids, 50, 0) == 1100 * terms.sell_keep
    assert residual_mark(terms, bids, 100, 0) == 1000 * terms.sell_keep
    assert residual_mark(terms, bids, 50, 100 * one) == 1050 * terms.sell_keep
    assert residual_mark(terms, bids, 150, 100 * one) == 500 * terms.sell_keep  # half of it lies beyond the depth
    assert residual_mark(terms, bids, 200, 0) == 0
