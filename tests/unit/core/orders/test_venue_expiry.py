"""An order expires on its venue's clock, with the offset it left with: a clock that is set later proves no absence early."""

from typing import Any

import msgspec

from arb.clock import NS_PER_MS, NS_PER_S
from arb.core.messages.commands import PlaceOrder
from arb.core.messages.events import ClockMeasured, OutcomeUnknown
from arb.core.messages.records import OrderRecord
from arb.core.messages.settings import Timing
from arb.market.order import OrderStatus
from tests.builders import START_NS, Bench
from tests.unit.core.accounts.test_restart import left_behind
from tests.unit.core.orders.test_unknown import balances, look, status
from tests.unit.core.trades.test_trade import accept, crossed, fill

EXPIRY_MS = 1000
MARGIN_MS = 300


def measured(bench: Bench, venue: str, offset_s: float) -> None:
    """Let a venue's clock be compared: so much it is ahead of ours."""
    bench.tell(ClockMeasured(venue=venue, offset_ns=int(offset_s * NS_PER_S), error_ns=NS_PER_MS))


def sent(*, offset_s: float) -> tuple[Bench, PlaceOrder]:
    """Return a bench whose buy leg filled, and the sell order that left when its venue's clock was so much ahead of ours."""
    bench = Bench(timing=Timing(order_expiry_ms=EXPIRY_MS))
    for venue in bench.venues:
        measured(bench, venue, offset_s)
    buy, sell = crossed(bench)
    accept(bench, buy, "1")
    fill(bench, buy, "1")
    return bench, sell


def lose(bench: Bench, order: PlaceOrder) -> None:
    """Let the answer to an order be lost."""
    name = order.client_order_id
    bench.tell(OutcomeUnknown(venue=order.venue, client_order_id=name, cause="reset", sent_ns=bench.now_ns))


def until(bench: Bench, left_ns: int, after_ms: float) -> None:
    """Let time pass until so long after the order left."""
    bench.now_ns = max(bench.now_ns, left_ns + int(after_ms * NS_PER_MS))


def look_twice(bench: Bench, order: PlaceOrder, left_ns: int, after_ms: float) -> None:
    """Find nothing so long after the order left, and nothing two seconds later."""
    for at_ms in (after_ms, after_ms + 2000):
        until(bench, left_ns, at_ms)
        look(bench, order)


def found_absent(bench: Bench, order: PlaceOrder, left_ns: int, after_ms: float) -> bool:
    """Find nothing from so long after the order left on; return whether that proves it absent."""
    look_twice(bench, order, left_ns, after_ms)
    bench.wait_ms(1)
    balances(bench, order)
    return status(bench, order) is OrderStatus.ABSENT


def left(order: PlaceOrder) -> int:
    """Return when an order left."""
    return order.expires_ns - EXPIRY_MS * NS_PER_MS


def test_a_clock_that_is_set_back_lets_an_order_live_as_much_longer() -> None:
    bench, sell = sent(offset_s=6)
    lose(bench, sell)
    measured(bench, sell.venue, 0)

    assert not found_absent(bench, sell, left(sell), 6000 + EXPIRY_MS)
    assert found_absent(bench, sell, left(sell), 8100 + EXPIRY_MS)


def test_the_venues_expiry_is_waited_for_no_longer_than_it_takes() -> None:
    bench, sell = sent(offset_s=6)
    lose(bench, sell)
    measured(bench, sell.venue, 0)

    assert found_absent(bench, sell, left(sell), 6000 + EXPIRY_MS + MARGIN_MS)


def test_a_clock_that_stays_as_it_was_changes_nothing() -> None:
    bench, sell = sent(offset_s=6)
    lose(bench, sell)
    measured(bench, sell.venue, 6)

    assert found_absent(bench, sell, left(sell), EXPIRY_MS + MARGIN_MS)


def test_a_clock_that_is_put_forward_proves_nothing_before_our_own_expiry() -> None:
    bench, sell = sent(offset_s=0)
    lose(bench, sell)
    measured(bench, sell.venue, 6)

    assert not found_absent(bench, sell, left(sell), EXPIRY_MS - 10)
    assert found_absent(bench, sell, left(sell), EXPIRY_MS + 2100)


def test_what_was_measured_while_an_order_was_unanswered_may_be_what_it_was_signed_with() -> None:
    bench, sell = sent(offset_s=0)
    measured(bench, sell.venue, 6)
    measured(bench, sell.venue, 3)
    lose(bench, sell)
    measured(bench, sell.venue, 0)

    assert not found_absent(bench, sell, left(sell), 6000 + EXPIRY_MS)
    assert found_absent(bench, sell, left(sell), 8100 + EXPIRY_MS)


def test_what_was_measured_after_its_answer_or_elsewhere_is_not() -> None:
    bench, sell = sent(offset_s=0)
    [elsewhere] = {*bench.venues} - {sell.venue}
    measured(bench, elsewhere, 6)
    lose(bench, sell)
    measured(bench, sell.venue, 6)
    measured(bench, sell.venue, 0)

    assert found_absent(bench, sell, left(sell), EXPIRY_MS + MARGIN_MS)


def test_looks_that_counted_before_the_clock_went_back_do_not_count_any_more() -> None:
    bench, sell = sent(offset_s=6)
    lose(bench, sell)
    until(bench, left(sell), EXPIRY_MS + MARGIN_MS)
    look(bench, sell)
    measured(bench, sell.venue, 0)
    until(bench, left(sell), 6000 + EXPIRY_MS + MARGIN_MS)
    look(bench, sell)
    bench.wait_ms(1)
    balances(bench, sell)
    assert status(bench, sell) is OrderStatus.UNKNOWN

    assert found_absent(bench, sell, left(sell), 8000 + EXPIRY_MS + MARGIN_MS)


def test_a_clock_that_goes_back_between_the_looks_and_the_balances_undoes_the_proof() -> None:
    bench, sell = sent(offset_s=6)
    lose(bench, sell)
    look_twice(bench, sell, left(sell), EXPIRY_MS + MARGIN_MS)
    measured(bench, sell.venue, 0)
    bench.wait_ms(1)
    balances(bench, sell)

    assert status(bench, sell) is OrderStatus.UNKNOWN
    assert found_absent(bench, sell, left(sell), 6000 + EXPIRY_MS + MARGIN_MS)


def test_looks_that_no_longer_count_are_no_part_of_the_proof_that_waits_for_balances() -> None:
    bench, sell = sent(offset_s=6)
    lose(bench, sell)
    look_twice(bench, sell, left(sell), EXPIRY_MS + MARGIN_MS)
    measured(bench, sell.venue, 0)
    bench.wait_ms(500)
    look(bench, sell)  # the order may live on for seconds: it throws the others away, and counts no more than they
    bench.wait_ms(1)
    balances(bench, sell)

    assert status(bench, sell) is OrderStatus.UNKNOWN
    assert found_absent(bench, sell, left(sell), 6000 + EXPIRY_MS + MARGIN_MS)


def restarted(dead: Bench, **timing: Any) -> Bench:
    """Start the next process, whose venues' clocks agree with ours, on what this one left."""
    later_ns = dead.now_ns + NS_PER_MS
    return Bench(restored=left_behind(dead), run_id=1_760_000_500, start_ns=later_ns, timing=Timing(**timing))


def test_a_restart_knows_what_the_order_left_with() -> None:
    dead, sell = sent(offset_s=6)
    bench = restarted(dead, order_expiry_ms=EXPIRY_MS)

    assert not found_absent(bench, sell, left(sell), 6000 + EXPIRY_MS)
    assert found_absent(bench, sell, left(sell), 8100 + EXPIRY_MS)


def test_a_restart_knows_what_was_measured_just_before_the_end() -> None:
    dead, sell = sent(offset_s=0)
    measured(dead, sell.venue, 6)
    bench = restarted(dead, order_expiry_ms=EXPIRY_MS)

    assert not found_absent(bench, sell, left(sell), 6000 + EXPIRY_MS)


def test_a_restart_with_another_expiry_in_its_settings_knows_that_of_the_order() -> None:
    dead, sell = sent(offset_s=0)
    bench = restarted(dead, order_expiry_ms=100)

    assert not found_absent(bench, sell, left(sell), EXPIRY_MS - 100)
    assert found_absent(bench, sell, left(sell), EXPIRY_MS + 2100)


def test_a_row_that_does_not_tell_counts_as_sent_with_what_is_measured_now() -> None:
    dead, sell = sent(offset_s=0)
    told = left_behind(dead)
    rows = [row for row in dead.rows(OrderRecord) if isinstance(row, OrderRecord)]
    assert {(row.expires_ns, row.offset_ns) for row in rows} == {(sell.expires_ns, 0)}
    assert sell.expires_ns - START_NS > EXPIRY_MS * NS_PER_MS
    older = tuple(msgspec.structs.replace(row, expires_ns=None, offset_ns=None) for row in told.pairs[0].orders)
    pairs = (msgspec.structs.replace(told.pairs[0], orders=older),)
    bench = Bench(restored=msgspec.structs.replace(told, pairs=pairs), start_ns=dead.now_ns, timing=Timing())
    measured(bench, sell.venue, 6)

    assert found_absent(bench, sell, left(sell), EXPIRY_MS + MARGIN_MS)
