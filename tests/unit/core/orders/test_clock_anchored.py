"""Our clock is moved while orders are unanswered: what is measured across the move proves nothing, and no venue is to blame."""

import pytest

from arb.clock import NS_PER_S
from arb.core.messages.events import ClockAnchored, OutcomeUnknown
from arb.core.messages.records import IncidentRecord, PairRecord
from arb.core.messages.settings import Timing
from arb.core.state.blocks import Source
from arb.market.order import OrderStatus
from tests.builders import START_NS, Bench
from tests.unit.core.accounts.test_restart import left_behind
from tests.unit.core.orders.test_unknown import balances, look, status
from tests.unit.core.orders.test_venue_expiry import EXPIRY_MS, MARGIN_MS, found_absent, left, lose, measured, sent
from tests.unit.core.trades.test_trade import accept, crossed, fill

GRACE_MS = 30_000
HOUR_S = 3600


def anchored(bench: Bench, by_s: float, left_s: float = 0) -> None:
    """Put our clock forward; true time does not pass."""
    bench.now_ns += int(by_s * NS_PER_S)
    bench.tell(ClockAnchored(shifted_ns=int(by_s * NS_PER_S), left_ns=int(left_s * NS_PER_S), text="moved"))


def test_offsets_follow_and_it_is_an_incident() -> None:
    bench = Bench()
    for venue in bench.venues:
        measured(bench, venue, HOUR_S)
    anchored(bench, HOUR_S)
    assert {state.offset_ns for state in bench.engine.state.venues.values()} == {0}
    kinds = [row.kind for row in bench.rows(IncidentRecord) if isinstance(row, IncidentRecord)]
    assert kinds[-1] == "clock_anchored"


def test_an_order_expires_in_the_venues_time_where_the_host_stood_still_after_it_was_sent() -> None:
    bench, sell = sent(offset_s=0)
    lose(bench, sell)
    anchored(bench, 6)
    measured(bench, sell.venue, 0)
    assert found_absent(bench, sell, left(sell), 6000)


def test_an_order_expires_in_the_venues_time_where_our_clock_had_been_behind() -> None:
    bench, sell = sent(offset_s=6)
    lose(bench, sell)
    anchored(bench, 6)
    measured(bench, sell.venue, 0)
    assert not found_absent(bench, sell, left(sell), 6000 + EXPIRY_MS - 2100)
    assert found_absent(bench, sell, left(sell), 6000 + EXPIRY_MS + MARGIN_MS + 2000)


def test_the_grace_time_of_an_order_without_expiry_is_counted_anew() -> None:
    bench = Bench(timing=Timing(presume_absent_ms=GRACE_MS), no_expiry=("okx",))
    buy, sell = crossed(bench)
    accept(bench, buy, "1")
    fill(bench, buy, "1")
    sent_ns = bench.now_ns
    bench.tell(
        OutcomeUnknown(venue=sell.venue, client_order_id=sell.client_order_id, cause="reset", sent_ns=bench.now_ns)
    )
    anchored(bench, HOUR_S)
    assert not found_absent(bench, sell, sent_ns + HOUR_S * NS_PER_S, GRACE_MS - 3000)
    assert found_absent(bench, sell, sent_ns + HOUR_S * NS_PER_S, GRACE_MS + 100)


def test_two_queries_are_not_two_seconds_apart_because_our_clock_was_moved_between_them() -> None:
    bench, sell = sent(offset_s=0)
    lose(bench, sell)
    bench.wait_ms(EXPIRY_MS + MARGIN_MS)
    look(bench, sell)
    anchored(bench, 10)
    look(bench, sell)
    bench.wait_ms(1)
    balances(bench, sell)
    assert status(bench, sell) is OrderStatus.UNKNOWN
    bench.wait_ms(2000)
    look(bench, sell)
    bench.wait_ms(1)
    balances(bench, sell)
    assert status(bench, sell) is OrderStatus.ABSENT


def test_what_all_venues_have_in_common_is_no_venues_fault() -> None:
    bench = Bench()
    anchored(bench, 0, left_s=-HOUR_S)
    for venue in bench.venues:
        measured(bench, venue, -HOUR_S)
    assert {health.state.value for health in bench.engine.state.health.venues.values()} == {"healthy"}
    measured(bench, "okx", 0)
    assert bench.engine.state.venues["okx"].blocked_by(Source.QUARANTINE)


def written_by_a_clock_ahead(by_s: int) -> tuple[Bench, Bench]:
    """Return an engine that died with both legs unanswered, its clock `by_s` ahead, and the one that follows it."""
    dead = Bench(start_ns=START_NS + by_s * NS_PER_S)
    crossed(dead)
    return dead, Bench(restored=left_behind(dead), run_id=1_760_000_500, start_ns=START_NS + NS_PER_S)


@pytest.mark.parametrize("by_s", [2, HOUR_S, 365 * 86_400])
def test_orders_of_a_clock_that_was_ahead_are_proved_absent_in_the_time_of_this_one(by_s: int) -> None:
    dead, bench = written_by_a_clock_ahead(by_s)
    for order in dead.placed():
        assert not found_absent(bench, order, START_NS + NS_PER_S, 0)
    bench.wait_ms(GRACE_MS)
    for order in dead.placed():
        assert found_absent(bench, order, bench.now_ns, 100)
    pairs = [row for row in bench.rows(PairRecord) if isinstance(row, PairRecord)]
    assert pairs[-1].closed_ns is not None
    assert START_NS < pairs[-1].decided_ns <= pairs[-1].closed_ns < START_NS + 60 * NS_PER_S
