"""A start is reconciling: what the journal left is recovered before anything new is decided."""

import msgspec
import pytest

from arb.core.accounts.restart import Restored
from arb.core.messages.commands import PlaceOrder, QueryOrder, SetTimer
from arb.core.messages.events import HaltAsked, OrderQueried, OrderUpdated, ResumeAsked, RunEnded, TimerFired
from arb.core.messages.records import FillRecord, IncidentRecord, OrderRecord, PairRecord, PairState, Record, RunRecord
from arb.core.messages.recovery_records import ControlRecord, OpenPair, PlanRecord
from arb.market.ids import decode
from arb.market.order import OrderStatus
from tests.builders import SYMBOL, Bench, a_fill, a_report
from tests.unit.core.trades.test_late_fills import half_sold
from tests.unit.core.trades.test_trade import accept, crossed, fill, last_pair, refuse


def latest(bench: Bench, kind: type[Record]) -> list[Record]:
    """Return the last row written per id, as a journal keeps them."""
    rows = {getattr(row, "id", getattr(row, "pair_id", 0)): row for row in bench.rows(kind)}
    return list(rows.values())


def left_behind(bench: Bench) -> Restored:
    """Return what a journal would hand to the next process if this one died now."""
    plan, pair = latest(bench, PlanRecord)[0], latest(bench, PairRecord)[0]
    controls = bench.rows(ControlRecord)
    left = OpenPair(
        plan=plan,  # type: ignore[arg-type]
        pair=pair,  # type: ignore[arg-type]
        orders=tuple(latest(bench, OrderRecord)),  # type: ignore[arg-type]
        fills=tuple(latest(bench, FillRecord)),  # type: ignore[arg-type]
    )
    return Restored(control=controls[-1] if controls else None, pairs=(left,))


def restarted(bench: Bench, **details: object) -> Bench:
    """Start the next process on what this one left."""
    return Bench(restored=left_behind(bench), run_id=1_760_000_500, **details)  # type: ignore[arg-type]


def test_orders_journalled_but_never_answered_are_unknown_and_asked_for_not_sent_again() -> None:
    dead = Bench()
    buy, sell = crossed(dead)
    bench = restarted(dead)
    assert not bench.placed()
    assert {order.client_order_id for order in bench.engine.manager.unknown_orders()} == {
        buy.client_order_id,
        sell.client_order_id,
    }
    asked = [bench.tell(TimerFired(timer=f"order:{order.client_order_id}")) for order in (buy, sell)]
    assert all(isinstance(command, QueryOrder) for commands in asked for command in commands)


def test_what_filled_while_the_process_was_dead_is_found_and_counted_once() -> None:
    dead = Bench()
    buy, sell = crossed(dead)
    accept(dead, buy, "1")
    fill(dead, buy, "1")
    bench = restarted(dead)
    for told, fee in ((buy, "0.1"), (sell, "0.101")):
        bench.tell(
            OrderQueried(
                venue=told.venue,
                symbol=told.symbol,
                client_order_id=told.client_order_id,
                attempt=1,
                complete=True,
                report=a_report(told, "1"),
                fills=(a_fill(told, "1", fee=fee, at_ns=dead.now_ns),),
                started_ns=bench.now_ns,
            )
        )
    assert len(bench.rows(FillRecord)) == 1  # the sell's; the buy's was in the journal
    assert last_pair(bench).state is PairState.COMPLETED
    assert last_pair(bench).waterfall == expected_waterfall()
    # The balances read at the start already contain both fills.
    assert bench.engine.state.inventory.computed("gate", "BTC") == 2


def expected_waterfall() -> object:
    """Return the waterfall of the same pair without any interruption."""
    bench = Bench()
    buy, sell = crossed(bench)
    fill(bench, buy, "1")
    fill(bench, sell, "1")
    return last_pair(bench).waterfall


def test_a_repair_after_a_restart_has_a_client_order_id_never_used_before() -> None:
    dead = Bench()
    buy, sell = crossed(dead)
    accept(dead, buy, "1")
    fill(dead, buy, "1")
    refuse(dead, sell)
    bench = restarted(dead)
    bench.wait_ms(20)
    bench.quote("okx", "100.9x5", "101.2x5")
    bench.quote("gate", "99.9x5", "100.5x5")
    bench.drain()
    repair = bench.placed()[-1]
    parts = decode(repair.client_order_id)
    assert parts is not None and parts.nonce == 1_760_000_500
    assert repair.client_order_id not in {buy.client_order_id, sell.client_order_id}


@pytest.mark.parametrize("gone", ["gate-0123456789ab-sb-1-7", "gate-uid-53-sb-1-7"])
def test_pairs_of_a_sandbox_that_is_gone_are_abandoned_and_nothing_is_sent_for_them(gone: str) -> None:
    dead = Bench()
    crossed(dead)
    left = left_behind(dead)
    orders = tuple(msgspec.structs.replace(order, account_id=gone) for order in left.pairs[0].orders)
    pair = msgspec.structs.replace(left.pairs[0], orders=orders)
    bench = Bench(restored=Restored(pairs=(pair,)), run_id=1_760_000_500)
    assert last_pair(bench).state is PairState.ABANDONED
    assert not bench.engine.manager.open
    assert any(isinstance(row, IncidentRecord) and row.kind == "abandoned" for row in bench.rows(IncidentRecord))


def test_the_same_restart_twice_changes_nothing_more() -> None:
    dead = Bench()
    crossed(dead)
    first = restarted(dead)
    second = restarted(dead)
    rows = [[c for c in bench.said if not isinstance(c, PlaceOrder)] for bench in (first, second)]
    assert rows[0] == rows[1]


def test_reservations_are_recovered_with_the_pair() -> None:
    dead = Bench()
    crossed(dead)
    bench = restarted(dead)
    assert bench.engine.state.inventory.reserved("okx", "BTC") == 1
    assert bench.engine.state.inventory.reserved("gate", "USDT") > 100


def test_a_halt_survives_the_restart_until_it_is_lifted_with_a_reason() -> None:
    dead = Bench()
    dead.tell(HaltAsked(reason="lunch"))
    control = dead.rows(ControlRecord)[-1]
    bench = Bench(restored=Restored(control=control), run_id=1_760_000_500)
    bench.quote("gate", "99.9x5", "100x1")
    bench.quote("okx", "101x1", "101.2x5")
    bench.drain()
    assert not bench.placed()
    bench.tell(ResumeAsked(reason="back"))
    bench.quote("okx", "101x1", "101.2x5")
    bench.drain()
    assert len(bench.placed()) == 2


def test_what_stopped_trading_for_good_is_a_halt_that_the_next_process_finds() -> None:
    dead = Bench()
    dead.tell(RunEnded(exit_code=4, fatal="pair 1: uneven in state completed"))
    run = dead.rows(RunRecord)[-1]
    assert isinstance(run, RunRecord) and (run.exit_code, run.halted) == (4, "engine_error")
    assert any(isinstance(row, IncidentRecord) and "uneven" in row.text for row in dead.rows(IncidentRecord))
    control = dead.rows(ControlRecord)[-1]
    bench = Bench(restored=Restored(control=control), run_id=1_760_000_500)
    bench.quote("gate", "99.9x5", "100x1")
    bench.quote("okx", "101x1", "101.2x5")
    bench.drain()
    assert not bench.placed()


def test_an_order_seen_absent_after_the_restart_needs_the_same_proof() -> None:
    dead = Bench()
    _, sell = crossed(dead)
    bench = restarted(dead)
    for _ in range(2):
        bench.tell(
            OrderQueried(
                venue=sell.venue,
                symbol=sell.symbol,
                client_order_id=sell.client_order_id,
                attempt=1,
                complete=True,
                report=None,
                fills=(),
                started_ns=bench.now_ns,
            )
        )
    rows = [row for row in latest(bench, OrderRecord) if isinstance(row, OrderRecord) and row.id]
    assert all(row.status is not OrderStatus.ABSENT for row in rows)


def test_a_fill_reported_to_a_dead_process_and_never_shown_is_asked_for_and_dust_of_its_symbol_waits() -> None:
    dead, late = half_sold()
    dead.tell(OrderUpdated(report=a_report(late, "0.7")))
    left = left_behind(dead)
    bench = Bench(restored=Restored(recent=left.pairs, last_ns=dead.now_ns), run_id=1_760_000_500)
    assert bench.engine.manager.awaits_late_fill(SYMBOL)
    timer = f"order:{late.client_order_id}"
    assert timer in {command.timer for command in bench.said if isinstance(command, SetTimer)}
    asked = bench.tell(TimerFired(timer=timer))
    assert [type(command) for command in asked] == [QueryOrder]
    fill(bench, late, "0.2", "t9")
    assert not bench.engine.manager.awaits_late_fill(SYMBOL)
