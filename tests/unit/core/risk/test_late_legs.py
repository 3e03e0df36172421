"""A leg that stays unhedged stops opening, step by step; only such a stop lifts itself, and only when all ended well."""

import pytest

from arb.clock import NS_PER_S
from arb.core.accounts.restart import Restored
from arb.core.messages.commands import PlaceOrder
from arb.core.messages.events import HaltAsked, OrderFilled, OutcomeUnknown, ResumeAsked, TimerFired
from arb.core.messages.incidents import IncidentKind
from arb.core.messages.reasons import Reason
from arb.core.messages.records import IncidentRecord, PairState
from arb.core.messages.recovery_records import ControlRecord
from arb.core.messages.settings import OnSingleLeg, RepairPolicy
from arb.core.messages.timers import PairTimer
from arb.market.order import Role
from tests.builders import SYMBOL, Bench, a_fill, an_instrument
from tests.unit.core.accounts.test_restart import restarted
from tests.unit.core.trades.test_trade import accept, fill, refuse

VENUES = ("gate", "bitget", "okx", "bybit")
ETH, LTC = "ETH/USDT", "LTC/USDT"
DEADLINE_MS = 5000
HOUR_MS = 3_600_000
LISTED = [an_instrument(venue, symbol) for venue in VENUES for symbol in (SYMBOL, ETH, LTC)]


def a_bench(**details: object) -> Bench:
    """Return a bench of four venues and three symbols; bitget has no expiry, as in life."""
    funds = {"USDT": "100000", "BTC": "50", "ETH": "50", "LTC": "50"}
    return Bench(venues=VENUES, instruments=LISTED, no_expiry=("bitget",), balances=funds, **details)  # type: ignore[arg-type]


def opened(bench: Bench, buy_venue: str, sell_venue: str, symbol: str) -> bool:
    """Show an edge of 1 % between two venues; return whether a pair opened on it."""
    before = len(bench.placed())
    bench.wait_ms(20)
    bench.quote(buy_venue, "99.9x5", "100x1", symbol)
    bench.quote(sell_venue, "101x1", "101.2x5", symbol)
    bench.drain()
    legs = [order for order in bench.placed()[before:] if order.role is Role.ENTRY]
    for venue in (buy_venue, sell_venue):
        bench.quote(venue, "99.9x5", "101.2x5", symbol)
    return len(legs) == 2


def one_legged(bench: Bench, buy_venue: str = "gate", sell_venue: str = "bitget", symbol: str = SYMBOL) -> PlaceOrder:
    """Open a pair whose purchase fills and whose sale is unknown; return the sale."""
    assert opened(bench, buy_venue, sell_venue, symbol)
    buy, sell = bench.placed()[-2:]
    accept(bench, buy, "1")
    fill(bench, buy, "1", f"t{buy.client_order_id}")
    lost = OutcomeUnknown(venue=sell.venue, client_order_id=sell.client_order_id, cause="reset", sent_ns=bench.now_ns)
    bench.tell(lost)
    return sell


def tick(bench: Bench) -> None:
    """Let the timers of all open pairs fire."""
    for pair_id in list(bench.engine.manager.open):
        bench.tell(TimerFired(timer=PairTimer(pair_id).text))


def late(bench: Bench) -> PlaceOrder:
    """Let one pair pass its deadline with its sale unknown; return the sale."""
    sell = one_legged(bench)
    bench.wait_ms(DEADLINE_MS + 1)
    tick(bench)
    return sell


def settle(bench: Bench, sell: PlaceOrder, price: str = "99.9") -> None:
    """Let an unknown sale turn out never to have been, and the repair of its pair fill whole at `price`."""
    refuse(bench, sell)
    bench.wait_ms(1000)
    for venue in VENUES:
        bench.quote(venue, "99.9x5", "101.2x5", sell.symbol)
    bench.drain()
    repair = bench.placed()[-1]
    assert repair.role is not Role.ENTRY
    accept(bench, repair, str(repair.size))
    fill(bench, repair, str(repair.size), f"r{repair.client_order_id}", price=price)


def halted(bench: Bench) -> str | None:
    """Return the reason of the halt, if there is one."""
    return bench.engine.state.control.halted


def stopped(bench: Bench) -> bool:
    """Return whether anything is stopped because of a late pair."""
    return bool(bench.engine.state.control.late)


def kinds(bench: Bench) -> list[str]:
    """Return the kinds of all incidents so far."""
    return [row.kind for row in bench.rows(IncidentRecord) if isinstance(row, IncidentRecord)]


def test_at_the_deadline_of_a_leg_beside_an_unknown_order_its_symbol_and_venues_stop_opening() -> None:
    bench = a_bench()
    late(bench)
    pair = next(iter(bench.engine.manager.open.values()))
    assert (pair.state, halted(bench)) == (PairState.HALTED, None)
    assert kinds(bench).count(IncidentKind.LATE_LEG) == 1
    assert not opened(bench, "okx", "bybit", SYMBOL)
    assert not opened(bench, "gate", "okx", ETH)
    assert not opened(bench, "okx", "bitget", ETH)
    assert bench.not_taken().get(Reason.HALTED, 0) == 3
    assert opened(bench, "okx", "bybit", ETH)


def test_the_deadline_counts_from_the_first_uneven_fill_and_not_from_when_all_is_known() -> None:
    bench = a_bench()
    sell = one_legged(bench)
    bench.wait_ms(DEADLINE_MS - 1)
    refuse(bench, sell)  # only now it is known what the pair lacks
    assert not stopped(bench)
    bench.wait_ms(2)
    tick(bench)
    assert stopped(bench)


def test_fills_that_offset_each_other_end_the_time_and_a_later_uneven_one_begins_it_anew() -> None:
    bench = a_bench()
    sell = one_legged(bench)
    bench.wait_ms(DEADLINE_MS - 1)
    fill(bench, sell, "1", "s1")
    assert bench.engine.manager.open == {}
    bench.wait_ms(2)
    assert not stopped(bench)


def test_at_twice_the_deadline_everything_halts_once() -> None:
    bench = a_bench()
    late(bench)
    bench.wait_ms(DEADLINE_MS - 2)
    tick(bench)
    assert halted(bench) is None
    bench.wait_ms(2)
    tick(bench)
    tick(bench)
    assert halted(bench) == "leg_deadline"
    assert kinds(bench).count(IncidentKind.HALTED) == 1
    assert not opened(bench, "okx", "bybit", ETH)


def test_a_second_late_pair_at_the_same_time_halts_everything_at_once() -> None:
    bench = a_bench()
    one_legged(bench)
    one_legged(bench, "okx", "bybit", ETH)
    bench.wait_ms(DEADLINE_MS + 1)
    tick(bench)
    assert halted(bench) == "leg_deadline"


@pytest.mark.parametrize("after_ms", [0, DEADLINE_MS])
def test_a_stop_and_the_halt_it_led_to_lift_themselves_when_the_pair_has_ended(after_ms: int) -> None:
    bench = a_bench()
    sell = late(bench)
    bench.wait_ms(after_ms)
    tick(bench)
    assert (halted(bench) is not None) is bool(after_ms)
    settle(bench, sell)
    assert (halted(bench), stopped(bench)) == (None, False)
    assert kinds(bench)[-1] == IncidentKind.STOP_LIFTED
    assert opened(bench, "gate", "okx", SYMBOL)


@pytest.mark.parametrize("asked_first", [True, False])
def test_a_halt_for_any_other_reason_is_not_lifted(asked_first: bool) -> None:
    bench = a_bench()
    sell = late(bench)
    if asked_first:
        bench.tell(HaltAsked(reason="lunch"))
    bench.wait_ms(DEADLINE_MS)
    tick(bench)
    if not asked_first:
        assert halted(bench) == "leg_deadline"
        bench.tell(HaltAsked(reason="lunch"))
    settle(bench, sell)
    assert (halted(bench), stopped(bench)) == ("asked", False)
    assert not opened(bench, "okx", "bybit", ETH)


def test_nothing_is_lifted_while_an_order_anywhere_is_unknown() -> None:
    bench = a_bench()
    sell = late(bench)
    other = one_legged(bench, "okx", "bybit", ETH)
    settle(bench, sell)
    assert stopped(bench)
    fill(bench, other, "1", "s2")
    assert not stopped(bench)


def test_a_pair_that_lost_more_than_its_cap_waits_for_the_user() -> None:
    bench = a_bench()
    settle(bench, late(bench), price="99.4")  # bought at 100: 60 bps, where 50 are allowed
    assert not bench.engine.manager.open
    assert stopped(bench)
    bench.wait_ms(2 * HOUR_MS)
    bench.drain()
    assert stopped(bench)
    bench.tell(ResumeAsked(reason="seen"))
    assert not stopped(bench)


def test_the_fees_of_an_exit_at_the_cap_are_no_loss_beyond_it() -> None:
    bench = a_bench()
    settle(bench, late(bench), price="99.5")
    assert not stopped(bench)


def test_a_pair_that_ended_carried_waits_for_the_user() -> None:
    bench = a_bench(policy=RepairPolicy(on_single_leg=OnSingleLeg.HOLD))
    refuse(bench, late(bench))
    assert not bench.engine.manager.open
    assert stopped(bench)


def test_such_a_stop_lifts_itself_once_an_hour_at_most() -> None:
    bench = a_bench()
    settle(bench, late(bench))
    lifted_ns = bench.now_ns
    settle(bench, late(bench))
    assert stopped(bench)
    bench.now_ns = lifted_ns + HOUR_MS * 1_000_000 - 1
    bench.drain()
    assert stopped(bench)
    bench.now_ns += 1
    bench.drain()
    assert not stopped(bench)


def test_a_late_fill_before_the_lift_takes_the_good_end_back() -> None:
    bench = a_bench()
    settle(bench, late(bench))
    sell = late(bench)
    settle(bench, sell)  # waits for the hour to pass
    bench.tell(OrderFilled(fill=a_fill(sell, "1", trade_id="s9", at_ns=bench.now_ns)))
    bench.wait_ms(HOUR_MS)
    assert stopped(bench)


def test_what_a_user_resumes_is_not_stopped_again_by_the_same_pair() -> None:
    bench = a_bench()
    late(bench)
    bench.wait_ms(DEADLINE_MS)
    tick(bench)
    bench.tell(ResumeAsked(reason="known"))
    bench.wait_ms(10 * DEADLINE_MS)
    tick(bench)
    assert (halted(bench), stopped(bench)) == (None, False)


def test_a_stop_its_halt_and_the_hour_hold_over_a_restart() -> None:
    bench = a_bench()
    settle(bench, late(bench))
    late(bench)
    bench.wait_ms(DEADLINE_MS)
    tick(bench)
    control = bench.engine.state.control
    kept = bench.rows(ControlRecord)[-1]
    assert isinstance(kept, ControlRecord)
    again = a_bench(restored=Restored(control=kept), start_ns=bench.now_ns + NS_PER_S).engine.state.control
    assert (again.halted, again.late, again.lifted_ns) == (control.halted, control.late, control.lifted_ns)
    assert again.lifted_ns > 0 and [leg.halted for leg in again.late.values()] == [True]


def test_after_a_restart_the_time_to_the_halt_counts_anew() -> None:
    dead = a_bench()
    late(dead)
    dead.wait_ms(DEADLINE_MS - 10)
    bench = restarted(dead, venues=VENUES, instruments=LISTED, start_ns=dead.now_ns + NS_PER_S)
    tick(bench)
    bench.wait_ms(2 * DEADLINE_MS - 10)
    tick(bench)
    assert (halted(bench), stopped(bench)) == (None, True)
    bench.wait_ms(11)
    tick(bench)
    assert halted(bench) == "leg_deadline"


def test_stops_that_leave_no_route_read_as_a_halt() -> None:
    listed = [an_instrument(venue, symbol) for venue in VENUES[:2] for symbol in (SYMBOL, ETH)]
    bench = Bench(venues=VENUES[:2], instruments=listed, no_expiry=("bitget",))
    assert bench.engine.state.halted_at(bench.now_ns) is None
    late(bench)
    assert halted(bench) is None
    assert bench.engine.state.halted_at(bench.now_ns) == "leg_deadline"


def test_a_stop_that_leaves_a_route_is_no_halt() -> None:
    bench = a_bench()
    late(bench)
    assert bench.engine.state.halted_at(bench.now_ns) is None
