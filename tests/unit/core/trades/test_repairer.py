"""Mending a leg in the engine: ladder, deadline, cap, policies, third venue, and what happens when nothing is possible."""

from collections.abc import Callable

import pytest

from arb.core.messages.commands import PlaceOrder, SetTimer
from arb.core.messages.events import InstrumentListed, OutcomeUnknown, TimerFired
from arb.core.messages.records import PairState
from arb.core.messages.settings import Limits, OnSingleLeg, RepairPolicy, Timing
from arb.core.state.venue_health import SILENT_NS
from arb.market.order import Role, Side
from tests.builders import Bench, D, an_instrument
from tests.unit.core.trades.test_trade import accept, crossed, fill, last_pair, refuse

THREE = ("gate", "okx", "bitget")


def one_legged(bench: Bench, size: str = "1") -> None:
    """Buy at gate for 100; the sale at okx is refused, and no book is usable yet."""
    buy, sell = crossed(bench)
    accept(bench, buy, size)
    fill(bench, buy, size, price="100")
    refuse(bench, sell)
    bench.wait_ms(20)


def again(bench: Bench) -> None:
    """Let the pair's timer fire."""
    bench.tell(TimerFired(timer=f"pair:{last_pair(bench).id}"))


def repairs(bench: Bench) -> list[PlaceOrder]:
    return [order for order in bench.placed() if order.role is not Role.ENTRY]


def try_once(bench: Bench, okx: str, gate: str) -> PlaceOrder | None:
    """Show new books, wait out any pause, and return the repair that left, if one did."""
    before = len(repairs(bench))
    bench.wait_ms(1000)
    bench.quote("okx", okx, "106x5")
    bench.quote("gate", gate, "106x5")
    bench.drain()
    again(bench)
    return repairs(bench)[-1] if len(repairs(bench)) > before else None


def test_the_limit_of_each_further_attempt_yields_more_until_the_cap() -> None:
    limits = Limits(min_net_quote=D(0), min_edge_bps=D(1), max_slippage_bps=D(10))
    bench = Bench(limits=limits, timing=Timing(leg_deadline_ms=60_000))
    one_legged(bench)
    prices = []
    for _ in range(8):
        order = try_once(bench, okx="100x5", gate="99x5")
        assert order is not None and order.venue == "okx"
        prices.append(order.price)
        accept(bench, order, "0")
    assert prices == sorted(prices, reverse=True)
    assert prices[0] == D("99.9") and prices[1] == D("99.8")
    assert prices[-1] == prices[-2] == D("99.5")  # 50 bps below the 100 paid, and no further


def test_before_the_deadline_nothing_leaves_below_the_cap_and_after_it_the_exit_is_quoted_at_the_cap() -> None:
    bench = Bench(timing=Timing(leg_deadline_ms=3000))
    one_legged(bench)
    assert try_once(bench, okx="99.4x5", gate="99.4x5") is None
    assert last_pair(bench).state is PairState.REPAIRING
    bench.wait_ms(2000)
    order = try_once(bench, okx="99.4x5", gate="99.4x5")
    assert last_pair(bench).state is PairState.HALTED
    assert list(bench.engine.state.control.late) == [last_pair(bench).id]
    assert order is not None and order.price == D("99.5")
    accept(bench, order, "1")
    fill(bench, order, "1", "t9")
    assert last_pair(bench).state is PairState.COMPLETED


def test_no_fill_of_a_repair_loses_more_than_the_cap_allows() -> None:
    bench = Bench(policy=RepairPolicy(leg_loss_max_bps=D(20)), timing=Timing(leg_deadline_ms=1))
    one_legged(bench)
    for okx in ("99.9x0.1 99.7x5", "99.7x5", "99.8x0.2", "95x5"):
        order = try_once(bench, okx=okx, gate="99x5")
        if order is not None:
            assert order.price >= D("99.8")
            accept(bench, order, "0")
    assert repairs(bench)


def test_with_consent_a_halted_leg_is_sold_at_any_price_the_books_show() -> None:
    bench = Bench(policy=RepairPolicy(emergency_market=True), timing=Timing(leg_deadline_ms=3000))
    one_legged(bench)
    assert try_once(bench, okx="90x5", gate="89x5") is None
    bench.wait_ms(3000)
    order = try_once(bench, okx="90x5", gate="89x5")
    assert order is not None and (order.venue, order.size) == ("okx", D(1))
    assert D(89) <= order.price <= D(90)


@pytest.mark.parametrize(
    ("policy", "venue"),
    [(OnSingleLeg.CHEAPEST, "okx"), (OnSingleLeg.COMPLETE, "okx"), (OnSingleLeg.UNWIND, "gate")],
)
def test_the_exit_of_a_halted_pair_keeps_to_the_policy(policy: OnSingleLeg, venue: str) -> None:
    bench = Bench(policy=RepairPolicy(on_single_leg=policy), timing=Timing(leg_deadline_ms=10))
    one_legged(bench)
    order = try_once(bench, okx="90x5", gate="90x5")
    assert order is not None and (order.venue, order.price) == (venue, D("99.5"))


@pytest.mark.parametrize(
    ("policy", "venue", "role"),
    [
        (OnSingleLeg.CHEAPEST, "gate", Role.UNWIND),
        (OnSingleLeg.COMPLETE, "bitget", Role.HEDGE),
        (OnSingleLeg.UNWIND, "gate", Role.UNWIND),
    ],
)
def test_each_policy_takes_its_own_best(policy: OnSingleLeg, venue: str, role: Role) -> None:
    bench = Bench(venues=THREE, policy=RepairPolicy(on_single_leg=policy))
    one_legged(bench)
    bench.quote("bitget", "99.8x5", "106x5")
    order = try_once(bench, okx="99.7x5", gate="99.9x5")
    assert order is not None and (order.venue, order.role) == (venue, role)


def test_a_leg_that_neither_of_its_venues_takes_any_more_is_completed_at_a_third() -> None:
    bench = Bench(venues=THREE)
    buy, sell = crossed(bench)
    accept(bench, buy, "1")
    fill(bench, buy, "1")
    for venue in ("gate", "okx"):
        bench.tell(InstrumentListed(instrument=an_instrument(venue, min_size=D(5))))
    accept(bench, sell, "0.8")
    fill(bench, sell, "0.8")
    bench.quote("bitget", "100x5", "106x5")
    order = try_once(bench, okx="100.5x5", gate="100.5x5")
    assert order is not None and (order.venue, order.size) == ("bitget", D("0.2"))


def test_a_short_leg_is_bought_back_at_the_cheapest_venue() -> None:
    bench = Bench(venues=THREE)
    buy, sell = crossed(bench)
    accept(bench, sell, "1")
    fill(bench, sell, "1")
    refuse(bench, buy)
    bench.wait_ms(1000)
    bench.quote("gate", "95x5", "101.3x5")
    bench.quote("okx", "95x5", "101.2x5")
    bench.quote("bitget", "95x5", "101.1x5")
    bench.drain()
    order = repairs(bench)[-1]
    assert (order.venue, order.side, order.role) == ("bitget", Side.BUY, Role.HEDGE)
    assert order.price <= D("101") * D("1.005")


def test_what_a_repair_is_about_to_spend_is_not_free_for_a_new_pair() -> None:
    bench = Bench(venues=THREE)
    before = {venue: bench.engine.state.inventory.free(venue, "USDT") for venue in THREE}
    buy, sell = crossed(bench)
    accept(bench, sell, "1")
    fill(bench, sell, "1", fee="0")
    refuse(bench, buy)
    bench.wait_ms(20)
    for venue in THREE:
        bench.quote(venue, "99.9x5", "100x5")
    bench.drain()
    [repair] = repairs(bench)
    assert repair.side is Side.BUY
    free = bench.engine.state.inventory.free(repair.venue, "USDT")
    assert free <= before[repair.venue] - repair.price * repair.size


def test_a_repair_goes_where_orders_are_answered_although_a_silent_venue_would_pay_more() -> None:
    bench = Bench(venues=THREE)
    buy, sell = crossed(bench)
    accept(bench, buy, "1")
    fill(bench, buy, "1", price="100")
    bench.tell(
        OutcomeUnknown(venue="okx", client_order_id=sell.client_order_id, cause="503", sent_ns=bench.now_ns, status=503)
    )
    refuse(bench, sell)  # the venue's later word: it does not exist
    bench.quote("bitget", "99.7x5", "106x5")
    order = try_once(bench, okx="100.5x5", gate="99.6x5")
    assert order is not None and (order.venue, order.role) == ("bitget", Role.HEDGE)


def test_a_silent_venue_is_asked_when_no_other_can_repair() -> None:
    bench = Bench(timing=Timing(leg_deadline_ms=3000))
    buy, sell = crossed(bench)
    accept(bench, buy, "1")
    fill(bench, buy, "1", price="100")
    for _ in range(2):
        bench.tell(OutcomeUnknown(venue="okx", client_order_id=sell.client_order_id, cause="cut", sent_ns=bench.now_ns))
    refuse(bench, sell)
    assert bench.engine.state.health.venues["okx"].silent(bench.now_ns)
    assert try_once(bench, okx="100.5x5", gate="90x5") is None  # there is still time for the other
    order = try_once(bench, okx="100.5x5", gate="90x5")
    assert order is not None and (order.venue, order.role) == ("okx", Role.HEDGE)
    assert not bench.engine.state.health.venues["okx"].silent(bench.now_ns + SILENT_NS)


def told_as_asked(bench: Bench, duration_ms: int, drains: Callable[[Bench], object]) -> int:
    """Let a drain come every millisecond, and the pair's timer when it was asked for; return the number of journal entries."""
    entries, due_ns = 0, [c.at_ns for c in bench.said if isinstance(c, SetTimer) and c.timer.startswith("pair:")][-1]
    for _ in range(duration_ms):
        bench.wait_ms(1)
        told = [drains(bench)]
        if due_ns and due_ns <= bench.now_ns:
            due_ns = 0
            told.append(bench.tell(TimerFired(timer=f"pair:{last_pair(bench).id}")) or ("timer",))
        for commands in told:
            entries += bool(commands)
            for command in commands if isinstance(commands, tuple) else ():
                if isinstance(command, SetTimer) and command.timer.startswith("pair:"):
                    due_ns = command.at_ns
    return entries


def test_a_pair_that_waits_for_its_next_repair_journals_its_timer_and_not_every_frame() -> None:
    bench = Bench(timing=Timing(leg_deadline_ms=60_000))
    one_legged(bench)
    bench.quote("okx", "90x5", "91x5")
    bench.quote("gate", "90x5", "91x5")
    assert told_as_asked(bench, 3000, Bench.drain) <= 2 * 3000 // 50 + 2  # each 50 ms the timer, and setting it
    assert last_pair(bench).state is PairState.REPAIRING


def test_the_wait_for_a_better_book_ends_with_the_next_frame() -> None:
    bench = Bench(timing=Timing(leg_deadline_ms=60_000))
    one_legged(bench)
    bench.quote("okx", "90x5", "91x5")
    bench.quote("gate", "90x5", "91x5")
    told_as_asked(bench, 700, Bench.drain)
    assert repairs(bench) == []
    bench.quote("okx", "100x5", "106x5")
    bench.drain()
    assert [order.price for order in repairs(bench)] == [D("100")]
