"""The deadline of a one-legged pair holds while its repair is unanswered, and ends with the exposure."""

from arb.clock import NS_PER_MS, NS_PER_S
from arb.core.messages.commands import PlaceOrder, SetTimer
from arb.core.messages.events import HaltAsked, OutcomeUnknown, TimerFired
from arb.core.messages.records import IncidentRecord, PairState
from arb.core.messages.settings import Timing
from arb.market.order import Role
from tests.builders import Bench
from tests.unit.core.accounts.test_restart import restarted
from tests.unit.core.trades.test_trade import accept, crossed, fill, last_pair, refuse

DEADLINE_MS = 3000


def repair_unanswered() -> tuple[Bench, PlaceOrder]:
    """Return a bench whose pair bought, could not sell, and sent a hedge of which nothing is known."""
    bench = Bench(venues=("gate", "okx", "bitget"), timing=Timing(leg_deadline_ms=DEADLINE_MS))
    bench.quote("bitget", "100.6x5", "101.5x5")
    buy, sell = crossed(bench)
    accept(bench, buy, "1")
    fill(bench, buy, "1")
    refuse(bench, sell)
    bench.drain()
    repair = bench.placed()[-1]
    assert repair.role is Role.HEDGE
    bench.tell(
        OutcomeUnknown(venue=repair.venue, client_order_id=repair.client_order_id, cause="reset", sent_ns=bench.now_ns)
    )
    return bench, repair


def halted(bench: Bench) -> str | None:
    """Return the reason of the halt, if there is one."""
    return bench.engine.state.control.halted


def stopped_by(bench: Bench) -> list[int]:
    """Return the pairs that have stopped opening where they trade."""
    return list(bench.engine.state.control.late)


def tick(bench: Bench) -> None:
    """Let the pair's timer fire."""
    bench.tell(TimerFired(timer=f"pair:{last_pair(bench).id}"))


def test_before_the_deadline_an_unanswered_repair_halts_nothing_and_asks_to_be_woken_for_it() -> None:
    bench, _ = repair_unanswered()
    unhedged_since_ns = bench.now_ns
    bench.wait_ms(DEADLINE_MS - 1)
    before = len(bench.said)
    tick(bench)
    assert halted(bench) is None
    timers = [command for command in bench.said[before:] if isinstance(command, SetTimer)]
    assert (
        unhedged_since_ns + DEADLINE_MS * NS_PER_MS
        < timers[-1].at_ns
        <= unhedged_since_ns + (DEADLINE_MS + 1) * NS_PER_MS
    )


def test_at_the_deadline_the_pair_stops_opening_although_its_repair_is_unanswered_and_nothing_more_is_sent() -> None:
    bench, _ = repair_unanswered()
    bench.wait_ms(DEADLINE_MS + 1)
    sent = len(bench.placed())
    tick(bench)
    assert (halted(bench), stopped_by(bench)) == (None, [last_pair(bench).id])
    assert last_pair(bench).state is PairState.HALTED
    assert len(bench.placed()) == sent


def test_at_twice_the_deadline_trading_halts_although_the_repair_is_unanswered() -> None:
    bench, _ = repair_unanswered()
    bench.wait_ms(2 * DEADLINE_MS + 1)
    sent = len(bench.placed())
    tick(bench)
    assert halted(bench) == "leg_deadline"
    assert len(bench.placed()) == sent


def test_a_repair_that_filled_in_time_halts_nothing_later() -> None:
    bench, repair = repair_unanswered()
    fill(bench, repair, str(repair.size), "t9")
    assert last_pair(bench).state is PairState.COMPLETED
    bench.wait_ms(2 * DEADLINE_MS + 1)
    tick(bench)
    assert (halted(bench), stopped_by(bench)) == (None, [])


def test_a_pair_that_waits_for_its_next_try_is_woken_when_its_time_is_over_and_not_later() -> None:
    bench, repair = repair_unanswered()
    unhedged_since_ns = bench.now_ns
    bench.wait_ms(DEADLINE_MS - 10)
    refuse(bench, repair)  # the next try would come 50 ms later, and thus after the deadline
    timers = [command for command in bench.said if isinstance(command, SetTimer)]
    assert timers[-1].at_ns == unhedged_since_ns + DEADLINE_MS * NS_PER_MS + 1


def test_a_pair_out_of_time_is_reported_though_trading_is_halted_already() -> None:
    bench, _ = repair_unanswered()
    bench.tell(HaltAsked(reason="lunch"))
    bench.wait_ms(2 * DEADLINE_MS + 1)
    tick(bench)
    assert halted(bench) == "asked"
    rows = [row for row in bench.rows(IncidentRecord) if isinstance(row, IncidentRecord)]
    told = [row.text for row in rows if row.kind == "halt"]
    assert [text.split(":")[0] for text in told] == ["asked", "leg_deadline"]
    assert [row.kind for row in rows].count("late_leg") == 1


def test_a_restart_gives_a_lone_leg_the_same_time_again_and_no_more() -> None:
    dead, _ = repair_unanswered()
    dead.wait_ms(DEADLINE_MS - 10)
    alone = TimerFired(timer=f"pair:{last_pair(dead).id}")
    bench = restarted(dead, venues=dead.venues, timing=dead.timing, start_ns=dead.now_ns + NS_PER_S)
    begun_ns = bench.now_ns
    bench.wait_ms(DEADLINE_MS - 10)
    bench.tell(alone)
    assert stopped_by(bench) == []
    bench.wait_ms(11)
    bench.tell(alone)
    assert bench.now_ns > begun_ns + DEADLINE_MS * NS_PER_MS
    assert stopped_by(bench) == [last_pair(bench).id]
    assert not bench.placed()  # what became of the repair is still unknown
