"""A venue that says we are out of time is not traded at until its clock has been compared again."""

from arb.clock import NS_PER_MS
from arb.core.messages.events import ClockMeasured, ClockSuspected
from arb.core.messages.records import OpportunityRecord
from arb.core.trades.strategy import Woken
from arb.market.order import Role
from tests.builders import Bench


def crossed_books(bench: Bench) -> None:
    """Quote books that cross by more than the fees, and let the engine act."""
    bench.wait_ms(20)
    bench.quote("gate", "99.9x5", "100x1")
    bench.quote("okx", "101x1", "101.2x5")
    bench.drain()


def test_nothing_opens_at_a_venue_whose_clock_is_in_doubt_and_the_reason_is_told() -> None:
    bench = Bench()
    bench.tell(ClockSuspected(venue="okx"))
    crossed_books(bench)
    assert not bench.placed()

    bench.wait_ms(100)
    bench.quote("okx", "99.8x1", "101.2x5")
    bench.drain()
    bench.wait_ms(1000)
    bench.drain()
    bench.engine.strategy.on_event(Woken(bench.now_ns))
    reasons = [row.reason for row in bench.engine.take_untraded() if isinstance(row, OpportunityRecord)]
    assert reasons == ["clock_offset"]


def test_once_the_clock_is_compared_trading_goes_on() -> None:
    bench = Bench()
    bench.tell(ClockSuspected(venue="okx"))
    crossed_books(bench)
    bench.tell(ClockMeasured(venue="okx", offset_ns=0, error_ns=NS_PER_MS))
    crossed_books(bench)
    assert {(order.venue, order.role) for order in bench.placed()} == {("gate", Role.ENTRY), ("okx", Role.ENTRY)}


def test_another_venues_doubt_holds_nobody_else() -> None:
    bench = Bench(venues=("gate", "okx", "bitget"))
    bench.tell(ClockSuspected(venue="bitget"))
    crossed_books(bench)
    assert {order.venue for order in bench.placed()} == {"gate", "okx"}
