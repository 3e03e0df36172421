"""Two prices that do not stay together are not of one coin, whatever a table says."""

from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb.clock import NS_PER_MS, NS_PER_S
from arb.core.messages.events import FeedDown
from arb.core.messages.incidents import IncidentKind
from arb.core.messages.reasons import Reason
from arb.core.messages.records import IncidentRecord
from arb.core.messages.settings import Limits, SymbolLimits, Timing
from arb.core.state.price_ratio import COUNTED_MAX_NS, FREED_AFTER_NS, REFUSED_AFTER_NS, is_beyond
from tests.builders import SYMBOL, Bench, D
from tests.unit.core.trades.test_repairer import THREE, one_legged, try_once
from tests.unit.core.trades.test_trade import fill

BAND = Fraction(1, 100)
# A pair would be opened at every edge, and edges of 2 % may stand (`persistent_edge.py`).
LIMITS = Limits(min_net_quote=D(0), min_edge_bps=D(1), max_notional_quote=D(200), max_edge_bps=D(2000))
RICH = {"USDT": "1000000", "BTC": "10000"}
REFUSED_S, FREED_S = REFUSED_AFTER_NS // NS_PER_S, FREED_AFTER_NS // NS_PER_S


def show(bench: Bench, ratio: str, venue: str = "okx", width: str = "0.1") -> None:
    """Show deep books around 100 everywhere, those of one venue around 100 times `ratio`, and let the engine act."""
    for name in bench.engine.state.venues:
        middle = D(100) * (D(ratio) if name == venue else 1)
        bench.quote(name, f"{middle - D(width)}x900", f"{middle + D(width)}x900")
    bench.drain()


def keep(bench: Bench, ratio: str, seconds: int, **how: str) -> int:
    """Show a ratio for so long, twice a second, every order filled at once; return how many orders were placed."""
    before = len(bench.placed())
    for _ in range(2 * seconds):
        known = len(bench.placed())
        show(bench, ratio, **how)
        bench.wait_ms(250)
        for order in bench.placed()[known:]:
            fill(bench, order, str(order.size), f"t{order.client_order_id}")
        bench.wait_ms(250)
    return len(bench.placed()) - before


def apart(bench: Bench) -> list[tuple[str, str, str]]:
    return bench.engine.state.price_ratios.refused()


def incidents(bench: Bench) -> list[str]:
    found = [row for row in bench.rows(IncidentRecord) if isinstance(row, IncidentRecord)]
    return [row.text for row in found if row.kind == IncidentKind.EDGE_IMPLAUSIBLE]


def a_bench(limits: Limits = LIMITS, **changes: object) -> Bench:
    return Bench(limits=limits, balances=RICH, **changes)  # type: ignore[arg-type]


# What is refused.


@pytest.mark.parametrize(
    "ratio", ["1.015", *(pytest.param(ratio, marks=pytest.mark.thorough) for ratio in ("0.985", "1.012"))]
)
def test_a_price_that_stays_apart_opens_nothing_from_half_a_minute_on(ratio: str) -> None:
    bench = a_bench()
    assert keep(bench, ratio, REFUSED_S) > 4
    bench.end_episodes()
    assert keep(bench, ratio, 600) == 0
    assert apart(bench) == [(SYMBOL, "gate", "okx")]
    bench.end_episodes()
    assert bench.engine.state.tally.not_taken[Reason.EDGE_IMPLAUSIBLE] > 0
    (text,) = incidents(bench)
    assert text.startswith(f"{SYMBOL}: the prices at gate and okx have been more than 100 bps apart for 30 s")


def test_a_name_of_a_thousand_of_a_coin_is_refused_too() -> None:
    bench = a_bench()
    for _ in range(2 * REFUSED_S + 2):
        bench.quote("gate", "0.9x90000", "1.1x90000")
        bench.quote("okx", "999.9x900", "1000.1x900")
        bench.drain()
        bench.wait_ms(500)
    assert bench.placed() == [] and apart(bench) == [(SYMBOL, "gate", "okx")]


def test_a_price_within_the_band_opens_pairs_however_long_it_stays() -> None:
    bench = a_bench()
    assert keep(bench, "1.0095", 120) > 100
    assert apart(bench) == [] and incidents(bench) == []


def test_a_dislocation_of_seconds_opens_pairs_and_refuses_nothing_however_often_it_comes() -> None:
    bench = a_bench()
    for _ in range(10):
        assert keep(bench, "1.02", 5) > 4
        keep(bench, "1.0", 60)
        assert apart(bench) == []


def test_only_the_two_venues_that_disagree_are_refused() -> None:
    bench = a_bench(venues=THREE)
    keep(bench, "1.015", REFUSED_S + 1)
    assert apart(bench) == [(SYMBOL, "bitget", "okx"), (SYMBOL, "gate", "okx")]
    assert len(incidents(bench)) == 2
    known = len(bench.placed())
    bench.quote("bitget", "100.4x900", "100.6x900")
    bench.quote("gate", "99.9x900", "100.1x900")
    bench.drain()
    assert {order.venue for order in bench.placed()[known:]} == {"gate", "bitget"}


def test_a_price_that_wanders_through_the_band_and_out_again_is_refused() -> None:
    bench = a_bench()
    for _ in range(12):
        for ratio in ("0.97", "0.985", "1.0", "1.015", "1.03"):
            keep(bench, ratio, 2)
    assert apart(bench) == [(SYMBOL, "gate", "okx")]


def test_a_book_that_drifts_away_slowly_is_refused_half_a_minute_after_it_left_the_band() -> None:
    bench = a_bench()
    ratio = D(1)
    while ratio <= D("1.0101"):
        assert apart(bench) == []
        keep(bench, str(ratio), 5)
        ratio += D("0.0005")
    keep(bench, str(ratio), REFUSED_S)
    assert keep(bench, str(ratio), 5) == 0


# What frees.


def test_prices_that_have_been_together_for_five_minutes_are_free_again_and_no_sooner() -> None:
    bench = a_bench()
    keep(bench, "1.015", REFUSED_S + 60)
    keep(bench, "1.0", FREED_S - 1)
    assert apart(bench) == [(SYMBOL, "gate", "okx")]
    keep(bench, "1.0", 2)
    assert apart(bench) == []
    assert keep(bench, "1.015", 5) > 4


def test_a_return_of_a_minute_does_not_free_what_leaves_again() -> None:
    bench = a_bench()
    keep(bench, "1.015", REFUSED_S + 1)
    for _ in range(4):
        keep(bench, "1.0", 60)
        assert keep(bench, "1.015", 10) == 0
    assert len(incidents(bench)) == 1


def test_another_run_begins_with_nothing_refused() -> None:
    bench = a_bench()
    keep(bench, "1.015", REFUSED_S + 1)
    assert apart(bench)
    assert apart(a_bench()) == []


# What is no BBO check.


def test_books_too_wide_to_have_a_price_say_nothing() -> None:
    bench = a_bench()
    for _ in range(200):
        show(bench, "1.015", width="0.7")
        bench.wait_ms(500)
    assert apart(bench) == []


def test_wide_books_whose_better_quotes_are_apart_by_themselves_do() -> None:
    bench = a_bench()
    keep(bench, "1.03", REFUSED_S + 1, width="0.7")
    assert apart(bench) == [(SYMBOL, "gate", "okx")]


def test_books_that_may_not_be_used_say_nothing() -> None:
    bench = a_bench(timing=Timing(max_feed_lag_ms=1000))
    keep(bench, "1.015", 20)
    for late in (["gate", "okx"], ["okx"]):  # late together, and by more than `max_skew_ms` apart
        for _ in range(200):
            for venue in late:
                bench.books.connections[venue].lag_ns = 5 * NS_PER_S
            show(bench, "1.015")
            bench.wait_ms(500)
        assert apart(bench) == []
        for venue in late:
            bench.books.connections[venue].lag_ns = 0
    keep(bench, "1.015", 11)
    assert apart(bench) == [(SYMBOL, "gate", "okx")]


def test_time_without_a_connection_frees_nothing() -> None:
    bench = a_bench()
    keep(bench, "1.015", REFUSED_S + 1)
    bench.quote("okx", "99.9x900", "100.1x900")
    bench.drain()
    bench.tell(FeedDown(venue="okx", cause="gone"))
    bench.drain()
    bench.wait_ms(2 * FREED_S * 1000)
    show(bench, "1.0")
    assert apart(bench) == [(SYMBOL, "gate", "okx")]


@pytest.mark.parametrize("between", [False, None], ids=["within", "not to be used"])
def test_time_that_began_or_was_interrupted_otherwise_does_not_count(between: bool | None) -> None:
    assert not any(refused for _, refused in followed([(10_000, True), (10_000, between)] * 60))


def test_a_silence_counts_for_a_quarter_of_a_minute_at_most() -> None:
    bench = a_bench()
    show(bench, "1.015")
    bench.wait_ms(3_600_000)
    show(bench, "1.015")
    assert apart(bench) == []
    bench.wait_ms(COUNTED_MAX_NS // NS_PER_MS)
    show(bench, "1.015")
    assert apart(bench) == [(SYMBOL, "gate", "okx")]


def test_a_clock_that_is_put_back_counts_for_nothing() -> None:
    bench = a_bench()
    for _ in range(5):
        keep(bench, "1.015", 5)
        bench.wait_ms(-3_600_000)
    assert apart(bench) == []


# Whose band.


def test_a_symbol_has_its_own_band() -> None:
    wide = msgspec.structs.replace(LIMITS, symbol={SYMBOL: SymbolLimits(max_price_ratio_bps=D(200))})
    bench = a_bench(wide)
    keep(bench, "1.015", 2 * REFUSED_S)
    assert apart(bench) == []
    keep(bench, "1.025", REFUSED_S + 1)
    assert apart(bench) == [(SYMBOL, "gate", "okx")]


def test_a_repair_goes_to_no_third_venue_whose_price_is_apart() -> None:
    for seconds, venue in ((0, "bitget"), (REFUSED_S + 1, "gate")):
        bench = a_bench(venues=THREE)
        for _ in range(2 * seconds):
            bench.quote("gate", "99.9x900", "100x900")
            bench.quote("okx", "100x900", "100.1x900")
            bench.quote("bitget", "101.4x900", "101.6x900")
            bench.engine.state.price_ratios.sample(SYMBOL, THREE, bench.now_ns)
            bench.wait_ms(500)
        one_legged(bench)
        bench.quote("bitget", "101.4x900", "101.6x900")
        order = try_once(bench, okx="90x5", gate="99.9x5")
        assert order is not None and order.venue == venue


# What always holds.

prices = st.integers(min_value=1, max_value=10**9)
books = st.tuples(prices, prices).filter(lambda quotes: quotes[0] < quotes[1])
bands = st.fractions(min_value=Fraction(1, 10_000), max_value=1, max_denominator=10**8)


@given(books, books, bands, st.integers(1, 10**6))
def test_it_matters_neither_which_book_comes_first_nor_on_which_scale(
    one: tuple[int, int], other: tuple[int, int], band: Fraction, scale: int
) -> None:
    found = is_beyond(one, other, band)
    assert found == is_beyond(other, one, band)
    assert found == is_beyond((one[0] * scale, one[1] * scale), (other[0] * scale, other[1] * scale), band)


@given(books, books, bands)
def test_whatever_prices_lie_within_two_spreads_a_ratio_called_beyond_is_one_of_mids(
    one: tuple[int, int], other: tuple[int, int], band: Fraction
) -> None:
    found = is_beyond(one, other, band)
    mids = sorted(Fraction(sum(quotes), 2) for quotes in (one, other))
    if found is not None:
        assert found == (mids[1] / mids[0] > 1 + band)


samples = st.lists(st.tuples(st.integers(1, 40_000), st.sampled_from([True, True, False, None])), max_size=120)


def followed(steps: Iterable[tuple[int, bool | None]]) -> list[tuple[int, bool]]:
    """Take samples `ms` apart, each beyond, within, or of a book that may not be used; return when it was refused or not."""
    bench, seen = a_bench(), []
    for ms, beyond in steps:
        bench.wait_ms(ms)
        bench.books.connections["okx"].lag_ns = 5 * NS_PER_S if beyond is None else 0
        for venue, middle in (("gate", D(100)), ("okx", D("101.5") if beyond else D(100))):
            bench.quote(venue, f"{middle - D('0.1')}x9", f"{middle + D('0.1')}x9")
        bench.engine.state.price_ratios.sample(SYMBOL, ("okx", "gate"), bench.now_ns)
        seen.append((bench.now_ns, bool(apart(bench))))
    return seen


@given(samples)
def test_nothing_is_refused_before_half_a_minute_beyond_nor_free_before_five_within(
    steps: list[tuple[int, bool | None]],
) -> None:
    most_beyond = most_within = 0
    refused, before = False, None
    for (ms, beyond), (_, now_refused) in zip(steps, followed(steps), strict=True):
        counted = min(ms * NS_PER_MS, COUNTED_MAX_NS) if beyond is before else 0
        most_beyond += counted if beyond else 0
        most_within += counted if beyond is False else 0
        before = beyond
        if now_refused and not refused:
            assert most_beyond >= REFUSED_AFTER_NS
            most_within = 0
        if refused and not now_refused:
            assert most_within >= FREED_AFTER_NS and beyond is False
            most_beyond = 0
        refused = now_refused


@given(samples)
def test_samples_that_could_not_be_taken_change_nothing_by_themselves(steps: list[tuple[int, bool | None]]) -> None:
    before = False
    for (_, beyond), (_, refused) in zip(steps, followed(steps), strict=True):
        if beyond is None:
            assert refused is before
        before = refused


@given(st.lists(st.integers(1, 15_000), min_size=1, max_size=60))
def test_a_ratio_that_stays_beyond_is_refused_in_time_whenever_it_is_sampled(waits_ms: list[int]) -> None:
    seen = followed((ms, True) for ms in waits_ms)
    first_ns = seen[0][0]
    assert all(refused is (at_ns - first_ns >= REFUSED_AFTER_NS) for at_ns, refused in seen)


@given(samples)
def test_whatever_has_been_prices_that_stay_together_are_free_in_the_end(steps: list[tuple[int, bool | None]]) -> None:
    together = ((15_000, False),) * (FREED_S // 15 + 2)
    assert followed([*steps, *together])[-1][1] is False


def test_an_exact_percent_is_within_and_a_tick_more_is_beyond() -> None:
    assert is_beyond((9999, 10_001), (10_099, 10_101), BAND) is False
    assert is_beyond((9999, 10_001), (10_099, 10_102), BAND) is True
    assert Decimal(BAND.numerator) / BAND.denominator == D("0.01")


@given(st.lists(st.tuples(st.integers(0, 20_000), st.sampled_from(["1", "1.02", "1.02", "1.02"])), max_size=30))
def test_a_sample_that_is_not_in_question_begins_and_ends_no_refusal(course: list[tuple[int, str]]) -> None:
    bench = a_bench()
    ratios, now_ns = bench.engine.state.price_ratios, bench.now_ns
    venues = bench.engine.state.venues_of(SYMBOL)
    for more_ms, ratio in course:
        now_ns += more_ms * NS_PER_MS
        show(bench, ratio)
        before, in_question = ratios.refused(), ratios.in_question(SYMBOL)
        ratios.sample(SYMBOL, venues, now_ns)
        assert in_question or ratios.refused() == before
