"""Orders that the journal lost with its last moments, of pairs that it knows: they are theirs, and nothing is mended twice."""

import msgspec
import pytest

from arb.clock import NS_PER_MS, NS_PER_S
from arb.core.accounts.restart import Restored
from arb.core.messages.commands import CancelOrder, PlaceOrder, QueryOrder, SetTimer
from arb.core.messages.events import AccountSnapshotTaken, CancelAnswered, OrderQueried, TimerFired
from arb.core.messages.records import FillRecord, IncidentRecord, OrderRecord, PairRecord, PairState
from arb.core.messages.recovery_records import OpenPair, PlanRecord
from arb.core.messages.settings import Timing
from arb.core.state.blocks import Source
from arb.market.ids import MAX_PAIR_NUMBER, decode, number_again
from arb.market.order import Outcome, Role, Side
from tests.builders import SYMBOL, Bench, D, a_fill, a_report, a_snapshot
from tests.unit.core.accounts.test_restart import latest, left_behind
from tests.unit.core.trades.test_repairer import one_legged
from tests.unit.core.trades.test_trade import accept, crossed, fill, last_pair

THREE = ("gate", "okx", "bitget")
DOWN_S = 11
"""Longer than any venue is waited for."""


def usable(bench: Bench) -> None:
    """Let books come in and the engine act: okx takes what was bought at gate for 100."""
    bench.wait_ms(60)
    bench.quote("okx", "100.9x5", "101.2x5")
    bench.quote("gate", "99x5", "100x5")
    bench.drain()


def hedged() -> tuple[Bench, PlaceOrder, Restored]:
    """Return a bench that has bought and not sold, its repair, and a journal that ends just before that repair."""
    dead = Bench()
    one_legged(dead)
    kept = msgspec.structs.replace(left_behind(dead), last_ns=dead.now_ns)
    usable(dead)
    repair = dead.placed()[-1]
    assert (repair.venue, repair.role, repair.side) == ("okx", Role.HEDGE, Side.SELL)
    return dead, repair, kept


def unseen(dead: Bench, kept: Restored, **details: object) -> Bench:
    """Start the next process on a journal; no account is looked through yet."""
    bench = Bench(restored=kept, run_id=1_760_000_500, start_ns=dead.now_ns, **details)  # type: ignore[arg-type]
    for state in bench.engine.state.venues.values():
        state.block(Source.SNAPSHOT, "not taken")
    return bench


def found(bench: Bench, order: PlaceOrder, filled: str, **details: object) -> AccountSnapshotTaken:
    """Return an account snapshot that finds an order, with its fill."""
    made = a_fill(order, filled, fee="0.1", at_ns=bench.now_ns) if D(filled) else None
    fills = (made,) if made is not None else ()
    return a_snapshot(order.venue, orders=(a_report(order, filled),), fills=fills, started_ns=bench.now_ns, **details)


def kinds(bench: Bench) -> list[str]:
    """Return the kinds of what a person is told of."""
    rows = [row for row in bench.rows(IncidentRecord) if isinstance(row, IncidentRecord)]
    return [row.kind for row in rows if row.severity != "info"]


# Whose they are.


@pytest.mark.parametrize("books_first", [True, False])
def test_a_lost_repair_is_its_pairs_own_and_nothing_is_repaired_twice(books_first: bool) -> None:
    dead, repair, kept = hedged()
    bench = unseen(dead, kept)
    if books_first:
        usable(bench)
    bench.tell(a_snapshot("gate", started_ns=bench.now_ns))
    bench.tell(found(bench, repair, "1"))
    usable(bench)
    assert not bench.placed()
    assert not bench.engine.manager.open
    assert (last_pair(bench).id, last_pair(bench).state) == (kept.pairs[0].pair.id, PairState.COMPLETED)
    assert kinds(bench) == ["adopted"]
    [row] = [row for row in latest(bench, OrderRecord) if isinstance(row, OrderRecord)]
    assert (row.client_order_id, row.role, row.attempt) == (repair.client_order_id, Role.HEDGE, 0)
    assert (row.pair_trade_id, row.filled) == (kept.pairs[0].pair.id, D(1))
    assert len(bench.rows(FillRecord)) == 1


def test_the_same_snapshot_once_more_changes_nothing() -> None:
    dead, repair, kept = hedged()
    bench = unseen(dead, kept)
    for _ in range(2):
        bench.tell(a_snapshot("gate", started_ns=bench.now_ns))
        bench.tell(found(bench, repair, "1"))
    assert kinds(bench) == ["adopted"]
    assert len(bench.rows(FillRecord)) == 1


def test_what_a_lost_repair_left_is_repaired_by_the_next_attempt_under_a_name_of_its_own() -> None:
    dead, repair, kept = hedged()
    bench = unseen(dead, kept)
    bench.tell(a_snapshot("gate", started_ns=bench.now_ns))
    bench.tell(found(bench, repair, "0.4"))
    usable(bench)
    [order] = bench.placed()
    assert (order.side, order.size) == (Side.SELL, D("0.6"))
    name = decode(order.client_order_id)
    assert name is not None and (name.leg, name.attempt) == ("hedge", 1)
    assert order.client_order_id != repair.client_order_id


def test_an_attempt_that_follows_a_gap_counts_on_from_the_last_that_is_known() -> None:
    dead, repair, kept = hedged()
    name = decode(repair.client_order_id)
    assert name is not None
    third = msgspec.structs.replace(repair, client_order_id=msgspec.structs.replace(name, attempt=2).encode())
    bench = unseen(dead, kept)
    bench.tell(a_snapshot("gate", started_ns=bench.now_ns))
    bench.tell(found(bench, third, "0.4"))
    usable(bench)
    attempt = decode(bench.placed()[-1].client_order_id)
    assert attempt is not None and attempt.attempt == 3


def test_a_lost_repair_whose_fill_is_not_reported_yet_is_asked_for_and_waited_for() -> None:
    dead, repair, kept = hedged()
    bench = unseen(dead, kept)
    bench.tell(a_snapshot("gate", started_ns=bench.now_ns))
    bench.tell(a_snapshot("okx", orders=(a_report(repair, "1"),), started_ns=bench.now_ns))
    usable(bench)
    assert not bench.placed()
    asked = bench.tell(TimerFired(timer=f"order:{repair.client_order_id}"))
    assert [command.client_order_id for command in asked if isinstance(command, QueryOrder)] == [repair.client_order_id]


def test_a_lost_repair_that_rests_is_cancelled() -> None:
    dead, repair, kept = hedged()
    bench = unseen(dead, kept)
    bench.tell(a_snapshot("okx", orders=(a_report(repair, "0", is_open=True),), started_ns=bench.now_ns))
    assert [c.client_order_id for c in bench.said if isinstance(c, CancelOrder)] == [repair.client_order_id]
    usable(bench)
    assert not bench.placed()


def test_an_entry_that_the_journal_lost_joins_its_other_leg() -> None:
    dead = Bench()
    buy, sell = crossed(dead)
    accept(dead, buy, "1")
    fill(dead, buy, "1")
    kept = left_behind(dead)
    half = tuple(order for order in kept.pairs[0].orders if order.client_order_id == buy.client_order_id)
    kept = msgspec.structs.replace(kept, pairs=(msgspec.structs.replace(kept.pairs[0], orders=half),))
    bench = unseen(dead, kept)
    usable(bench)
    bench.tell(found(bench, sell, "1"))
    bench.tell(a_snapshot("gate", started_ns=bench.now_ns))
    usable(bench)
    assert not bench.placed()
    [row] = [row for row in latest(bench, OrderRecord) if isinstance(row, OrderRecord)]
    assert (row.client_order_id, row.role) == (sell.client_order_id, Role.ENTRY)
    assert (last_pair(bench).id, last_pair(bench).state) == (kept.pairs[0].pair.id, PairState.COMPLETED)


def test_a_lost_order_of_a_pair_that_has_ended_opens_that_pair_again() -> None:
    dead = Bench()
    buy, sell = crossed(dead)
    for order in (buy, sell):
        accept(dead, order, "1")
        fill(dead, order, "1", trade_id=f"t-{order.venue}")
    closed = OpenPair(
        plan=latest(dead, PlanRecord)[0],  # type: ignore[arg-type]
        pair=latest(dead, PairRecord)[0],  # type: ignore[arg-type]
        orders=tuple(latest(dead, OrderRecord)),  # type: ignore[arg-type]
        fills=tuple(latest(dead, FillRecord)),  # type: ignore[arg-type]
    )
    name = decode(sell.client_order_id)
    assert name is not None and closed.pair.state is PairState.COMPLETED
    hedge = msgspec.structs.replace(
        sell, client_order_id=msgspec.structs.replace(name, leg="hedge").encode(), role=Role.HEDGE
    )
    bench = unseen(dead, Restored(recent=(closed,), last_ns=dead.now_ns))
    bench.tell(a_snapshot("gate", started_ns=bench.now_ns))
    bench.tell(found(bench, hedge, "1"))
    assert (last_pair(bench).id, last_pair(bench).state) == (closed.pair.id, PairState.REPAIRING)
    assert last_pair(bench).residual_size == -1
    assert kinds(bench) == ["adopted", "late_fill"]


def test_a_repair_of_a_second_process_that_the_journal_lost_is_its_pairs_own_for_a_third() -> None:
    dead = Bench()
    one_legged(dead)
    kept = left_behind(dead)
    second = Bench(restored=kept, run_id=1_760_000_500, start_ns=dead.now_ns)
    usable(second)
    repair = second.placed()[-1]
    third = Bench(restored=kept, run_id=1_760_000_900, start_ns=second.now_ns)
    third.tell(found(third, repair, "1"))
    assert {pair.id for pair in third.engine.manager.pairs.values()} == {kept.pairs[0].pair.id}
    assert last_pair(third).state is PairState.COMPLETED


def test_pairs_that_are_recovered_have_numbers_that_no_new_pair_gets() -> None:
    dead = Bench()
    one_legged(dead)
    bench = Bench(restored=left_behind(dead), run_id=1_760_000_500, start_ns=dead.now_ns)
    [pair] = bench.engine.manager.open.values()
    assert pair.number == number_again(pair.id)
    assert pair.number > MAX_PAIR_NUMBER // 2 > bench.engine.state.next_number("pairs")


def test_two_pairs_whose_numbers_would_be_the_same_get_two() -> None:
    dead = Bench()
    one_legged(dead)
    kept = left_behind(dead)
    [left] = kept.pairs
    other_id = left.pair.id + (MAX_PAIR_NUMBER + 1) // 2
    assert number_again(other_id) == number_again(left.pair.id)
    twin = msgspec.structs.replace(
        left,
        plan=msgspec.structs.replace(left.plan, pair_id=other_id),
        pair=msgspec.structs.replace(left.pair, id=other_id),
        orders=(),
        fills=(),
    )
    bench = Bench(restored=msgspec.structs.replace(kept, recent=(twin,)), run_id=1_760_000_500, start_ns=dead.now_ns)
    assert len({pair.number for pair in bench.engine.manager.pairs.values()}) == 2


def test_a_leg_found_after_its_pair_was_recovered_alone_joins_it() -> None:
    dead = Bench()
    buy, sell = crossed(dead)
    bench = unseen(dead, Restored())
    bench.tell(found(bench, buy, "1"))
    bench.tell(TimerFired(timer="adopt"))
    bench.tell(found(bench, sell, "1"))
    assert len({row.id for row in bench.rows(PairRecord) if isinstance(row, PairRecord)}) == 1
    assert last_pair(bench).state is PairState.COMPLETED
    assert not bench.placed()


def test_an_order_of_another_symbol_is_not_taken_for_a_pairs_own() -> None:
    dead, repair, kept = hedged()
    bench = unseen(dead, kept)
    bench.tell(found(bench, msgspec.structs.replace(repair, symbol="XRP/USDT"), "0"))
    bench.tell(a_snapshot("gate", started_ns=bench.now_ns))
    assert kinds(bench) == ["not_adopted"]
    [pair] = bench.engine.manager.open.values()
    assert repair.client_order_id not in pair.orders


# When a repair may leave.


@pytest.mark.parametrize("last", THREE)
def test_a_pair_that_was_recovered_is_not_repaired_before_every_account_where_a_repair_may_be_was_read(
    last: str,
) -> None:
    dead = Bench(venues=THREE)
    one_legged(dead)
    bench = unseen(dead, left_behind(dead), venues=THREE)
    usable(bench)
    for venue in THREE:
        if venue != last:
            bench.tell(a_snapshot(venue, started_ns=bench.now_ns))
    usable(bench)
    assert not bench.placed()
    bench.tell(a_snapshot(last, started_ns=bench.now_ns))
    usable(bench)
    assert [(order.venue, order.role) for order in bench.placed()] == [("okx", Role.HEDGE)]


def test_the_snapshot_that_ends_the_wait_wakes_the_pair_at_once() -> None:
    dead, _, kept = hedged()
    bench = unseen(dead, kept)
    bench.tell(a_snapshot("gate", started_ns=bench.now_ns))
    said = bench.tell(a_snapshot("okx", started_ns=bench.now_ns))
    timers = [command for command in said if isinstance(command, SetTimer) and command.timer.startswith("pair:")]
    assert [(timer.timer, timer.at_ns) for timer in timers] == [(f"pair:{kept.pairs[0].pair.id}", bench.now_ns)]


@pytest.mark.parametrize("down", ["gate", "okx"])
def test_a_venue_that_cannot_be_read_is_not_waited_for_for_ever(down: str) -> None:
    dead, _, kept = hedged()
    bench = unseen(dead, kept, timing=Timing(leg_deadline_ms=60_000))
    bench.tell(a_snapshot("okx" if down == "gate" else "gate", started_ns=bench.now_ns))
    usable(bench)
    [timer] = [c for c in bench.said if isinstance(c, SetTimer) and c.timer.startswith("pair:")][-1:]
    assert bench.now_ns < timer.at_ns <= bench.now_ns + DOWN_S * NS_PER_S
    bench.wait_ms(DOWN_S * 1000)
    usable(bench)
    assert [order.venue for order in bench.placed()] == ["okx"]


def test_a_third_venue_that_is_down_is_waited_for_until_time_presses_and_not_traded_at() -> None:
    dead = Bench(venues=THREE)
    one_legged(dead)
    bench = unseen(dead, left_behind(dead), venues=THREE)
    for venue in ("gate", "okx"):
        bench.tell(a_snapshot(venue, started_ns=bench.now_ns))
    bench.quote("bitget", "101x5", "101.2x5")  # the best price of all
    usable(bench)
    assert not bench.placed()
    bench.wait_ms(bench.timing.leg_deadline_ms / 2)
    bench.quote("bitget", "101x5", "101.2x5")
    usable(bench)
    assert [order.venue for order in bench.placed()] == ["okx"]


def test_a_pair_that_waits_for_a_snapshot_is_out_of_time_all_the_same() -> None:
    dead, _, kept = hedged()
    bench = unseen(dead, kept)
    usable(bench)
    bench.wait_ms(bench.timing.leg_deadline_ms + 1)
    bench.tell(TimerFired(timer=f"pair:{kept.pairs[0].pair.id}"))
    assert list(bench.engine.state.control.late) == [kept.pairs[0].pair.id]
    assert last_pair(bench).state is PairState.HALTED
    assert not bench.placed()
    bench.tell(a_snapshot("gate", started_ns=bench.now_ns))
    bench.tell(a_snapshot("okx", started_ns=bench.now_ns))
    usable(bench)
    assert [order.role for order in bench.placed()] == [Role.HEDGE]


def test_a_pair_of_this_run_waits_for_no_look() -> None:
    bench = Bench()
    one_legged(bench)
    bench.engine.state.venues["gate"].block(Source.SNAPSHOT, "not taken")
    usable(bench)
    assert [order.role for order in bench.placed()] == [Role.ENTRY, Role.ENTRY, Role.HEDGE]


# Fills told before their orders.


def test_a_fill_of_ours_whose_order_no_list_shows_yet_counts_when_that_is_found() -> None:
    dead, repair, kept = hedged()
    bench = unseen(dead, kept)
    bench.tell(a_snapshot("gate", started_ns=bench.now_ns))
    made = a_fill(repair, "1", fee="0.1", at_ns=bench.now_ns)
    said = bench.tell(a_snapshot("okx", fills=(made,), started_ns=bench.now_ns))
    usable(bench)
    assert not bench.placed()
    assert not bench.engine.state.venues["okx"].snapshot_taken
    timers = {c.at_ns for c in said if isinstance(c, SetTimer) and c.timer == "survey:okx"}
    assert all(bench.now_ns - 100 * NS_PER_MS < at_ns < bench.now_ns + 3 * NS_PER_S for at_ns in timers)
    assert timers
    bench.tell(found(bench, repair, "1"))
    assert last_pair(bench).state is PairState.COMPLETED
    assert kinds(bench) == ["adopted"]


def test_a_fill_of_ours_whose_order_is_never_shown_holds_the_account_up_for_a_while_only_and_is_reported() -> None:
    dead, repair, kept = hedged()
    bench = unseen(dead, kept)
    made = a_fill(repair, "1", fee="0.1", at_ns=bench.now_ns)
    bench.tell(a_snapshot("okx", fills=(made,), started_ns=bench.now_ns))
    bench.wait_ms(DOWN_S * 1000)
    bench.tell(a_snapshot("okx", fills=(made,), started_ns=bench.now_ns))
    assert bench.engine.state.venues["okx"].snapshot_taken
    rows = [row for row in bench.rows(IncidentRecord) if isinstance(row, IncidentRecord)]
    told = [row for row in rows if row.kind == "not_adopted"]
    assert [(row.severity, row.venue) for row in told] == [("critical", "okx")]
    assert SYMBOL in told[0].text and repair.client_order_id in told[0].text


def test_a_resting_order_whose_cancel_was_lost_is_cancelled_again_by_every_snapshot_that_finds_it() -> None:
    dead = Bench()
    _, sell = crossed(dead)
    bench = Bench(run_id=1_760_000_500, start_ns=dead.now_ns + NS_PER_S)
    bench.tell(a_snapshot("okx", orders=(a_report(sell, "0", is_open=True),), fills=(), started_ns=bench.now_ns))

    def cancels() -> int:
        return len([command for command in bench.said if isinstance(command, CancelOrder)])

    assert cancels() == 1
    lost = CancelAnswered(venue="okx", client_order_id=sell.client_order_id, outcome=Outcome.UNKNOWN, code="time-out")
    for turn in range(2, 5):
        bench.tell(lost)
        bench.wait_ms(2000)
        found = a_report(sell, "0", is_open=True)
        bench.tell(
            OrderQueried(
                venue="okx",
                symbol=sell.symbol,
                client_order_id=sell.client_order_id,
                attempt=turn,
                complete=True,
                report=found,
                fills=(),
                started_ns=bench.now_ns,
            )
        )
        assert cancels() == turn


def test_an_order_that_no_cancel_removes_is_cancelled_ever_more_rarely() -> None:
    dead = Bench()
    _, sell = crossed(dead)
    bench = Bench(run_id=1_760_000_500, start_ns=dead.now_ns + NS_PER_S)
    bench.tell(a_snapshot("okx", orders=(a_report(sell, "0", is_open=True),), fills=(), started_ns=bench.now_ns))
    begun_ns, timers, answered = bench.now_ns, dict[str, int](), 0
    while bench.now_ns < begun_ns + 60 * NS_PER_S:
        heard, answered = bench.said[answered:], len(bench.said)
        for command in heard:
            if isinstance(command, SetTimer):
                timers[command.timer] = command.at_ns
            elif isinstance(command, CancelOrder):
                bench.tell(
                    CancelAnswered(
                        venue="okx", client_order_id=sell.client_order_id, outcome=Outcome.REJECTED, code="MAINTENANCE"
                    )
                )
            elif isinstance(command, QueryOrder):
                bench.tell(
                    OrderQueried(
                        venue="okx",
                        symbol=sell.symbol,
                        client_order_id=sell.client_order_id,
                        attempt=command.attempt,
                        complete=True,
                        report=a_report(sell, "0", is_open=True),
                        fills=(),
                        started_ns=bench.now_ns,
                    )
                )
        if len(bench.said) == answered:
            name = min(timers, key=timers.__getitem__)
            bench.now_ns = max(bench.now_ns, timers.pop(name))
            bench.tell(TimerFired(timer=name))
    cancels = [command for command in bench.said if isinstance(command, CancelOrder)]
    assert 5 < len(cancels) < 30
