"""When a fill was executed: a venue's clock that jumps decides nothing about orders of ours."""

import msgspec
import pytest

from arb.clock import NS_PER_MS, NS_PER_S
from arb.core.messages.events import ClockMeasured
from arb.core.messages.recovery_records import AgreedAccount, AgreedRecord
from arb.core.state.blocks import Blocks
from arb.core.state.budget import PlaceRate
from arb.core.state.engine_state import EXECUTION_SLACK_MS, VenueProfile, VenueState
from arb.core.state.order import WorkingOrder
from tests.builders import START_NS, Bench, D, a_fill, a_report, a_snapshot
from tests.unit.core.accounts.test_account_reconciler import finished
from tests.unit.core.trades.test_trade import crossed

SLACK_NS = EXECUTION_SLACK_MS * NS_PER_MS


def a_venue(offset_ms: int = 0) -> VenueState:
    state = VenueState(VenueProfile("gate", PlaceRate(20, 1000), True), Blocks())
    state.offset_ns = offset_ms * NS_PER_MS
    return state


def an_order(written_ms: int) -> WorkingOrder:
    buy, _ = crossed(Bench())
    return WorkingOrder(1, 1, "gate:test", buy, 0, START_NS + written_ms * NS_PER_MS)


def the_span(event_ms: int, offset_ms: int, order: WorkingOrder | None, heard_ms: int = 10_000) -> tuple[int, int]:
    """Return between which milliseconds from the start a fill was executed, to 1 ms."""
    buy, _ = crossed(Bench())
    fill = a_fill(buy, "1", at_ns=START_NS + event_ms * NS_PER_MS)
    fill = msgspec.structs.replace(fill, received_ns=START_NS + heard_ms * NS_PER_MS)
    at_ns, slack_ns = a_venue(offset_ms).executed(fill, order)
    return (at_ns - slack_ns - START_NS) // NS_PER_MS, -((START_NS - at_ns - slack_ns) // NS_PER_MS)


def test_what_we_did_not_send_is_known_as_well_as_the_venues_clock() -> None:
    assert the_span(1000, 0, None) == (1000 - EXECUTION_SLACK_MS, 1000 + EXECUTION_SLACK_MS)


@pytest.mark.parametrize("offset_ms", [1500, -1500])
def test_a_clock_that_stands_apart_may_have_been_right_when_the_fill_came(offset_ms: int) -> None:
    first_ms, last_ms = the_span(5000, offset_ms, None)
    assert first_ms <= 5000 - EXECUTION_SLACK_MS and last_ms >= 5000 + EXECUTION_SLACK_MS
    assert first_ms <= 5000 - offset_ms <= last_ms


@pytest.mark.parametrize("offset_ms", [0, 1500, -1500, 60_000])
def test_no_fill_of_ours_came_before_its_order_was_written_down_nor_after_it_was_heard_of(offset_ms: int) -> None:
    first_ms, last_ms = the_span(1100, offset_ms, an_order(1000), heard_ms=1200)
    assert 1000 <= first_ms <= last_ms <= 1200


def test_an_order_that_was_written_down_only_when_it_was_found_may_have_filled_before() -> None:
    order = an_order(5000)
    order.recovered = True
    # Heard of at once, as its stream tells it, and yet no sooner than the venue's clock says.
    assert the_span(1000, 0, order, heard_ms=1030) == (1000 - EXECUTION_SLACK_MS, 1000 + EXECUTION_SLACK_MS)


def test_a_clock_put_forward_after_the_fills_hides_none_of_them_from_the_next_process() -> None:
    dead, left = finished()
    basis = AgreedRecord(
        accounts=tuple(
            AgreedAccount(f"{venue}:test", START_NS, {"USDT": D(100_000), "BTC": D(2)}) for venue in dead.venues
        )
    )
    bench = Bench(restored=msgspec.structs.replace(left, agreed=basis), run_id=1_760_000_500)
    bench.tell(ClockMeasured(venue="gate", offset_ns=NS_PER_S, error_ns=NS_PER_MS))
    [buy] = [order for order in dead.placed() if order.venue == "gate"]
    found = a_fill(buy, "1", trade_id="t-gate", at_ns=dead.now_ns)
    bench.tell(a_snapshot("gate", orders=(a_report(buy, "1"),), fills=(found,)))
    assert bench.engine.state.inventory.computed("gate", "BTC") == 3
