"""A venue's way through healthy, degraded, quarantined and probation, at the stated thresholds; failures first."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb.clock import NS_PER_MS, NS_PER_S
from arb.core.messages.events import (
    NOT_SENT,
    AnyEvent,
    ClockMeasured,
    FeedDown,
    OrderAccepted,
    OrderQueried,
    OrderRejected,
    OutcomeUnknown,
    PrivateDown,
    QueueDrained,
    TroubleReported,
)
from arb.core.messages.records import IncidentRecord
from arb.core.messages.recovery_records import ControlRecord
from arb.core.messages.settings import HealthLimits, Limits, Timing
from arb.core.state.venue_health import HealthBoard, HealthState, Sign, VenueHealth
from arb.market.order import Role
from tests.builders import START_NS, Bench, D
from tests.unit.core.accounts.test_restart import restarted
from tests.unit.core.trades.test_trade import accept, crossed, fill, refuse

LIMITS = HealthLimits()
HEALTHY, DEGRADED, QUARANTINED, PROBATION = HealthState


def at_s(second: float) -> int:
    return START_NS + int(second * NS_PER_S)


def an_ack(latency_ms: int) -> OrderAccepted:
    sent_ns = START_NS
    acked_ns = sent_ns + latency_ms * NS_PER_MS
    return OrderAccepted(venue="gate", client_order_id="x", report=None, sent_ns=sent_ns, acked_ns=acked_ns)


REJECT = OrderRejected(venue="gate", client_order_id="x", code="NO", message="", sent_ns=1, acked_ns=2)
UNKNOWN = OutcomeUnknown(venue="gate", client_order_id="x", cause="time-out", sent_ns=1)
MAINTENANCE = msgspec.structs.replace(UNKNOWN, status=503)
UNREACHED = OrderRejected(venue="gate", client_order_id="x", code=NOT_SENT, message="", sent_ns=0, acked_ns=0)
DROP, PRIVATE_DROP = FeedDown(venue="gate", cause="reset"), PrivateDown(venue="gate", cause="reset")
UNREAD = TroubleReported(kind="balances_unread", text="", venue="gate")
BLIND_LOOK = OrderQueried(
    venue="gate", symbol="BTC/USDT", client_order_id="x", attempt=1, complete=False, report=None, fills=(), started_ns=0
)


class Story:
    """A board told events at given seconds; the states it went through."""

    def __init__(self, limits: HealthLimits = LIMITS) -> None:
        self.board = HealthBoard(limits, ("gate", "okx"))
        self.changes: list[tuple[HealthState, str]] = []

    def tell(self, event: AnyEvent, second: float, times: int = 1) -> "Story":
        for _ in range(times):
            for change in self.board.take(msgspec.structs.replace(event, t_ns=at_s(second))):
                assert change.venue == "gate"
                self.changes.append((change.state, change.cause))
        return self

    def wait_until(self, second: float) -> "Story":
        return self.tell(QueueDrained(), second)

    @property
    def state(self) -> HealthState:
        return self.board.venues["gate"].state

    @property
    def states(self) -> list[HealthState]:
        return [state for state, _ in self.changes]


@pytest.mark.parametrize(
    ("event", "degraded", "quarantined"),
    [
        (REJECT, LIMITS.rejects_degraded, LIMITS.rejects_quarantined),
        (UNKNOWN, LIMITS.unknowns_degraded, LIMITS.unknowns_quarantined),
        (MAINTENANCE, LIMITS.maintenance_degraded, LIMITS.maintenance_quarantined),
        (DROP, LIMITS.drops_degraded, LIMITS.drops_quarantined),
        (PRIVATE_DROP, LIMITS.drops_degraded, LIMITS.drops_quarantined),
        (UNREACHED, LIMITS.drops_degraded, LIMITS.drops_quarantined),
        (UNREAD, LIMITS.unread_degraded, LIMITS.unread_quarantined),
        (BLIND_LOOK, LIMITS.unread_degraded, LIMITS.unread_quarantined),
    ],
)
def test_signs_degrade_and_quarantine_a_venue_at_the_stated_counts(
    event: AnyEvent, degraded: int, quarantined: int
) -> None:
    story = Story().tell(event, 0, degraded - 1)
    assert story.state is HEALTHY
    story.tell(event, 1)
    assert story.state is DEGRADED
    story.tell(event, 2, quarantined - degraded - 1)
    assert story.state is DEGRADED
    story.tell(event, 3)
    assert story.state is QUARANTINED
    assert story.states == [DEGRADED, QUARANTINED]
    assert f">= {quarantined}" in story.changes[-1][1]


def test_gaps_count_as_signs() -> None:
    story = Story()
    story.board.gaps("gate", LIMITS.gaps_degraded - 1, at_s(0))
    assert story.wait_until(0).state is HEALTHY
    story.board.gaps("gate", 1, at_s(0))
    assert story.wait_until(0.2).state is DEGRADED
    story.board.gaps("gate", LIMITS.gaps_quarantined, at_s(1))
    assert story.wait_until(1).state is QUARANTINED


@pytest.mark.parametrize(
    ("latency_ms", "state"),
    [
        (LIMITS.ack_p95_degraded_ms - 1, HEALTHY),
        (LIMITS.ack_p95_degraded_ms, DEGRADED),
        (LIMITS.ack_p95_quarantined_ms - 1, DEGRADED),
        (LIMITS.ack_p95_quarantined_ms, QUARANTINED),
    ],
)
def test_the_tail_of_the_answers_counts_and_not_their_middle(latency_ms: int, state: HealthState) -> None:
    quick, slow = 95, 6  # the 95th percentile of 101 by nearest rank is the 96th
    story = Story().tell(an_ack(20), 0, quick).tell(an_ack(latency_ms), 1, slow)
    assert story.state is state


def test_a_few_slow_answers_are_no_tail() -> None:
    assert Story().tell(an_ack(1900), 0, LIMITS.acks_min - 1).state is HEALTHY
    assert Story().tell(an_ack(20), 0, 100).tell(an_ack(1900), 1, 5).state is HEALTHY


@pytest.mark.parametrize(
    ("offset_ms", "error_ms", "state"),
    [
        (-LIMITS.clock_offset_degraded_ms + 1, 1, HEALTHY),
        (-LIMITS.clock_offset_degraded_ms, 1, DEGRADED),
        (LIMITS.clock_offset_quarantined_ms, 1, QUARANTINED),
        (0, LIMITS.clock_error_degraded_ms, DEGRADED),
        (0, LIMITS.clock_error_quarantined_ms, QUARANTINED),
    ],
)
def test_a_clock_far_off_or_badly_known_counts(offset_ms: int, error_ms: int, state: HealthState) -> None:
    event = ClockMeasured(venue="gate", offset_ns=offset_ms * NS_PER_MS, error_ns=error_ms * NS_PER_MS)
    assert Story().tell(event, 0).state is state


def test_what_never_left_is_no_sign_against_the_venue() -> None:
    assert Story().tell(msgspec.structs.replace(REJECT, sent_ns=0), 0, 100).state is HEALTHY


def test_signs_older_than_the_window_count_no_longer() -> None:
    story = Story().tell(UNKNOWN, 0, LIMITS.unknowns_degraded - 1)
    story.tell(UNKNOWN, LIMITS.window_s)
    assert story.state is HEALTHY


def test_a_degraded_venue_is_healthy_after_a_clean_while() -> None:
    story = Story().tell(UNKNOWN, 0, LIMITS.unknowns_degraded)
    for second in range(1, LIMITS.window_s + LIMITS.clear_s - 1):
        assert story.wait_until(second).state is DEGRADED
    assert story.wait_until(LIMITS.window_s + LIMITS.clear_s).state is HEALTHY
    assert story.changes[-1][1].startswith("clean for ")


def through_quarantine(story: Story) -> float:
    """Quarantine the venue at second 0 and let it go on probation; return the second at which it does."""
    story.tell(UNKNOWN, 0, LIMITS.unknowns_quarantined)
    assert story.state is QUARANTINED
    second = 0.0
    while story.state is QUARANTINED:
        second += 1
        assert second < 1000
        story.wait_until(second)
    return second


def test_quarantine_ends_in_probation_and_probation_in_health_each_after_its_clean_time() -> None:
    story = Story()
    second = through_quarantine(story)
    assert story.state is PROBATION
    assert abs(second - LIMITS.window_s - LIMITS.quarantine_s) <= 1
    assert story.wait_until(second + LIMITS.probation_s - 1).state is PROBATION
    assert story.wait_until(second + LIMITS.probation_s).state is HEALTHY
    assert story.states == [DEGRADED, QUARANTINED, PROBATION, HEALTHY]


def test_maintenance_counts_once_a_second_however_many_answers_say_it() -> None:
    story = Story()
    for tenth in range(10):
        story.tell(MAINTENANCE, tenth / 10)
    assert story.state is DEGRADED
    story.tell(MAINTENANCE, 1, 5)
    assert story.state is DEGRADED
    story.tell(MAINTENANCE, 2)
    assert story.state is QUARANTINED


def test_any_sign_on_probation_sends_the_venue_back() -> None:
    story = Story()
    second = through_quarantine(story)
    story.tell(MAINTENANCE, second + LIMITS.probation_s - 1)
    assert story.state is QUARANTINED


def test_a_threshold_of_zero_is_switched_off() -> None:
    lax = HealthLimits(unknowns_degraded=0, unknowns_quarantined=0)
    assert Story(lax).tell(UNKNOWN, 0, 1000).state is HEALTHY


def test_an_ordinary_hour_in_the_sandbox_changes_nothing() -> None:
    story = Story()
    for second in range(3600):
        latency_ms = 60 + second * 37 % 240
        story.tell(an_ack(latency_ms), second)
        if second % 20 == 0:
            story.tell(REJECT, second)
        if second % 30 == 0:
            story.tell(ClockMeasured(venue="gate", offset_ns=3 * NS_PER_MS, error_ns=46 * NS_PER_MS), second)
        if second % 300 == 0:
            story.tell(DROP, second)
    assert story.changes == []


def test_memory_is_bounded() -> None:
    health = VenueHealth(LIMITS)
    for step in range(100_000):
        health.sign(Sign.GAPS, at_s(step / 10_000))
        health.ack(NS_PER_MS, at_s(step / 10_000))
    assert sum(map(len, health._signs.values())) + len(health._acks) < 5000


# What a state means for trading.

RICH = {"USDT": "1000000", "BTC": "1000"}
WIDE = Limits(min_net_quote=D(0), min_edge_bps=D(1), max_notional_quote=D(2000))


def deep_edge(bench: Bench, buy: str = "gate", sell: str = "okx") -> None:
    """Quote an edge that would be worth far more than the notional allowed."""
    bench.quote(buy, "99.9x500", "100x500")
    bench.quote(sell, "101x500", "101.2x500")
    bench.drain()


def hurt(bench: Bench, venue: str, times: int) -> None:
    """Let a venue leave questions unanswered."""
    for _ in range(times):
        bench.tell(TroubleReported(kind="balances_unread", text="no answer", venue=venue))


def entries_value(bench: Bench) -> list[object]:
    return [order.size * order.price for order in bench.placed() if order.role is Role.ENTRY and order.side == "buy"]


def test_a_quarantined_venue_opens_nothing_and_says_venue_halted() -> None:
    bench = Bench(limits=WIDE, balances=RICH)
    hurt(bench, "okx", LIMITS.unread_quarantined)
    deep_edge(bench)
    assert not bench.placed()
    assert bench.not_taken() == {"venue_halted": 1}


def test_every_change_is_told_and_a_quarantine_at_once() -> None:
    bench = Bench(limits=WIDE, balances=RICH)
    hurt(bench, "okx", LIMITS.unread_quarantined)
    told = [r for r in bench.rows(IncidentRecord) if isinstance(r, IncidentRecord) and r.kind == "venue_health"]
    assert [(row.venue, row.severity) for row in told] == [("okx", "warning"), ("okx", "critical")]
    assert "okx is quarantined, was degraded (unread 10 >= 10)" in told[-1].text


def test_a_degraded_venue_trades_at_half_the_size() -> None:
    whole, half = Bench(limits=WIDE, balances=RICH), Bench(limits=WIDE, balances=RICH)
    hurt(half, "gate", LIMITS.unread_degraded)
    for bench in (whole, half):
        deep_edge(bench)
    assert D(1900) < D(str(entries_value(whole)[0])) <= D(2000)
    assert D(900) < D(str(entries_value(half)[0])) <= D(1000)


def test_health_returns_to_the_whole_size_by_way_of_a_small_one() -> None:
    bench = Bench(limits=WIDE, balances=RICH)
    hurt(bench, "gate", LIMITS.unread_quarantined)
    deep_edge(bench)
    assert not entries_value(bench)
    for _ in range(LIMITS.window_s + LIMITS.quarantine_s + 2):
        bench.wait_ms(1000)
        bench.tell(QueueDrained())
    deep_edge(bench)
    buy, sell = bench.placed()
    assert D(190) < buy.size * buy.price <= D(200)
    for order in (buy, sell):
        accept(bench, order, str(order.size))
        fill(bench, order, str(order.size))
    bench.wait_ms(LIMITS.probation_s * 1000)
    bench.tell(QueueDrained())
    deep_edge(bench)
    assert D(1900) < D(str(entries_value(bench)[-1])) <= D(2000)


def test_a_leg_is_mended_at_a_healthy_venue_though_a_quarantined_one_would_pay_more() -> None:
    bench = Bench(venues=("gate", "okx", "bitget"))
    buy, sell = crossed(bench)
    accept(bench, buy, "1")
    fill(bench, buy, "1")
    hurt(bench, "okx", LIMITS.unread_quarantined)
    refuse(bench, sell)
    bench.wait_ms(20)
    bench.quote("okx", "101x5", "101.2x5")
    bench.quote("gate", "99.6x5", "100.5x5")
    bench.quote("bitget", "99.8x5", "100.6x5")
    bench.drain()
    assert (bench.placed()[-1].venue, bench.placed()[-1].role) == ("bitget", Role.HEDGE)


def test_a_leg_is_mended_at_a_quarantined_venue_when_half_the_time_is_gone_and_no_other_can() -> None:
    bench = Bench(timing=Timing(leg_deadline_ms=3000))
    buy, sell = crossed(bench)
    accept(bench, buy, "1")
    fill(bench, buy, "1")
    hurt(bench, "okx", LIMITS.unread_quarantined)
    refuse(bench, sell)
    for waited_ms, placed in ((20, 2), (1400, 2), (100, 3)):
        bench.wait_ms(waited_ms)
        bench.quote("okx", "101x5", "101.2x5")
        bench.quote("gate", "90x5", "100.5x5")  # below the loss cap
        bench.drain()
        assert len(bench.placed()) == placed
    assert (bench.placed()[-1].venue, bench.placed()[-1].role) == ("okx", Role.HEDGE)


def test_a_restart_does_not_make_an_unwell_venue_healthy() -> None:
    dead = Bench()
    crossed(dead)
    hurt(dead, "okx", LIMITS.unread_quarantined)
    records = [row for row in dead.rows(ControlRecord) if isinstance(row, ControlRecord)]
    assert records[-1].unwell == ("okx",)
    bench = restarted(dead)
    assert bench.engine.state.health.venues["okx"].state is PROBATION
    assert bench.engine.state.health.venues["gate"].state is HEALTHY


def test_a_venue_that_punishes_a_low_fill_ratio_gets_repairs_and_no_entries_for_as_long_as_it_lasts() -> None:
    bench = Bench()
    buy, sell = crossed(bench)
    accept(bench, buy, "1")
    fill(bench, buy, "1")
    punished = OrderRejected(
        venue="okx",
        client_order_id=sell.client_order_id,
        code="TOO_MANY_REQUESTS",
        message="Request Rate limit Exceeded (212)",
        sent_ns=bench.now_ns,
        acked_ns=bench.now_ns,
        entries_stop_s=3600.0,
    )
    bench.tell(punished)
    bench.wait_ms(1000)
    bench.quote("okx", "101x5", "101.2x5")
    bench.quote("gate", "99.9x5", "100.5x5")
    bench.drain()
    hedge = bench.placed()[-1]
    assert (hedge.venue, hedge.role) == ("okx", Role.HEDGE)
    accept(bench, hedge, "1")
    fill(bench, hedge, "1", "t9")
    told = [r for r in bench.rows(IncidentRecord) if isinstance(r, IncidentRecord) and r.kind == "entries_stopped"]
    assert len(told) == 1 and "(212)" in told[0].text
    bench.end_episodes()
    bench.wait_ms(3_590_000)
    crossed_again(bench)
    assert bench.placed()[-1] == hedge and bench.not_taken().get("venue_halted", 0) >= 1
    bench.wait_ms(20_000)
    crossed_again(bench)
    assert bench.placed()[-1].role is Role.ENTRY


def crossed_again(bench: Bench) -> None:
    """Quote the same edge once more."""
    bench.quote("gate", "99.9x5", "100x1")
    bench.quote("okx", "101x1", "101.2x5")
    bench.drain()


def test_entries_in_a_row_that_fill_nothing_degrade_their_venue_at_once() -> None:
    bench = Bench(limits=Limits(min_net_quote=D(0), min_edge_bps=D(1), max_edge_bps=D(2000)))
    health = bench.engine.state.health.venues
    for _ in range(LIMITS.misses_degraded):
        assert health["okx"].state is HEALTHY
        buy, sell = crossed(bench)
        accept(bench, buy, "0.5")
        fill(bench, buy, "0.5")
        accept(bench, sell, "0")
        bench.wait_ms(1)
        bench.quote("gate", "100x5", "100x5")
        bench.quote("okx", "99.9x5", "101x5")
        bench.drain()
        unwind = bench.placed()[-1]
        assert (unwind.venue, unwind.role) == ("gate", Role.UNWIND)
        accept(bench, unwind, "0.5")
        fill(bench, unwind, "0.5")
        bench.wait_ms(1)
    assert health["okx"].state is DEGRADED and "misses 3" in health["okx"].cause
    assert health["gate"].state is HEALTHY


def test_an_entry_that_fills_ends_the_row_of_those_that_filled_nothing() -> None:
    board = HealthBoard(LIMITS, ("okx",))
    for number in range(100):
        board.entry_ended("okx", number % LIMITS.misses_degraded == 0, at_s(number / 10))
        assert board.take(QueueDrained(t_ns=at_s(number / 10))) == []
    for number in range(LIMITS.misses_quarantined):
        board.entry_ended("okx", False, at_s(10 + number / 10))
    assert [change.state for change in board.take(QueueDrained(t_ns=at_s(11)))] == [QUARANTINED]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["", "", "", "ack", "reject", "drop", "miss", "filled", "clock"]),
            st.integers(0, 30_000),
            st.sampled_from([1, 200, 3000]),
        ),
        max_size=60,
    )
)
def test_a_venue_is_judged_alike_whether_or_not_each_judgement_begins_anew(
    course: list[tuple[str, int, int]],
) -> None:
    limits = HealthLimits(acks_min=3, ack_p95_degraded_ms=100, ack_p95_quarantined_ms=1000)
    quick, thorough, now_ns = VenueHealth(limits), VenueHealth(limits), START_NS
    for what, more_ms, size_ms in course:
        now_ns += (100 + more_ms) * NS_PER_MS
        for health in (quick, thorough):
            match what:
                case "ack":
                    health.ack(size_ms * NS_PER_MS, now_ns)
                case "reject" | "drop":
                    health.sign(Sign.REJECTS if what == "reject" else Sign.DROPS, now_ns)
                case "miss" | "filled":
                    health.entry_ended(what == "filled", now_ns)
                case "clock":
                    health.clock(size_ms * NS_PER_MS, size_ms * NS_PER_MS)
        thorough._news = True
        assert quick.judge(now_ns) == thorough.judge(now_ns)
        assert quick.state is thorough.state


def test_a_venue_is_no_longer_well_when_what_is_left_of_its_answers_is_slow() -> None:
    health = VenueHealth(HealthLimits(acks_min=3, ack_p95_degraded_ms=100, ack_p95_quarantined_ms=10_000))
    for number in range(100):
        health.ack(NS_PER_MS, at_s(0.01 * number))
    for number in range(3):
        health.ack(500 * NS_PER_MS, at_s(LIMITS.window_s - 1 + number))
    assert health.judge(at_s(LIMITS.window_s - 1)) is None
    assert health.state is HEALTHY
    assert health.judge(at_s(LIMITS.window_s + 1.5)) is not None, "nothing has come, but time"
    assert health.state is DEGRADED
