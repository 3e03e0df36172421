"""Flatten: what our own trading left unhedged goes back to flat, never further away from it, and then nothing opens."""

import itertools
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from arb.core.accounts.restart import Restored
from arb.core.messages.commands import Alert, CancelOrder, PlaceOrder
from arb.core.messages.events import FlattenAsked, HaltAsked, OrderUpdated, ResumeAsked, ShutdownAsked, TimerFired
from arb.core.messages.incidents import HaltReason
from arb.core.messages.records import IncidentRecord, PairKind, PairState
from arb.core.messages.recovery_records import ControlRecord, Residual, ResidualsRecord
from arb.core.messages.settings import Limits, OnSingleLeg, RepairPolicy
from arb.core.state.control import TradingState
from arb.market.order import OrderReport, Role, Side
from tests.builders import SYMBOL, Bench, D, a_report, an_instrument
from tests.unit.core.trades.test_late_fills import half_sold
from tests.unit.core.trades.test_trade import accept, crossed, fill, last_pair, refuse

HOLD = RepairPolicy(on_single_leg=OnSingleLeg.HOLD)
ONE_TICK_MS = 300


def carrying(size: str = "1") -> Bench:
    """Return an engine that carries base: its buy filled, its sell was refused, and the policy is to hold."""
    bench = Bench(policy=HOLD)
    buy, sell = crossed(bench)
    accept(bench, buy, size)
    fill(bench, buy, size)
    refuse(bench, sell)
    assert last_pair(bench).state is PairState.CARRIED
    return bench


def refresh(bench: Bench, *venues: str) -> None:
    """Let quiet, usable books come in."""
    bench.wait_ms(20)
    for venue in venues or bench.venues:
        bench.quote(venue, "99.9x5", "100x5")
    bench.drain()


def exposure(bench: Bench) -> Decimal:
    """Return the base that our own trading has left unhedged, wherever it is counted."""
    residuals = bench.engine.state.residuals
    open_pairs = sum((pair.imbalance("BTC") for pair in bench.engine.manager.open.values()), D(0))
    return abs(open_pairs + residuals.carried(SYMBOL).size + residuals.dust(SYMBOL).size)


def tick(bench: Bench) -> list[PlaceOrder]:
    """Let a little time pass, with usable books and every timer that could be due; return the orders this led to."""
    before = len(bench.placed())
    refresh(bench)
    bench.wait_ms(ONE_TICK_MS)
    for pair_id in list(bench.engine.manager.open):
        bench.tell(TimerFired(timer=f"pair:{pair_id}"))
    bench.tell(TimerFired(timer="flatten"))
    bench.drain()
    return bench.placed()[before:]


def state(bench: Bench) -> tuple[TradingState, str | None]:
    """Return what the control says."""
    control = bench.engine.state.control
    return control.state(bench.now_ns), control.halted


def test_nothing_to_do_is_done_at_once_and_stays_halted_until_resumed() -> None:
    bench = Bench(unproved=("gate", "okx"))
    assert state(bench) == (TradingState.ACTIVE, None)
    bench.tell(FlattenAsked(reason="enough"))
    assert state(bench) == (TradingState.HALTED, HaltReason.FLATTENED)
    assert [row.halted for row in bench.rows(ControlRecord)] == [HaltReason.FLATTENED]
    bench.quote("gate", "99.9x5", "100x1")
    bench.quote("okx", "101x1", "101.2x5")
    bench.drain()
    assert not bench.placed()
    bench.tell(ResumeAsked(reason="again"))
    crossed(bench)
    assert len(bench.placed()) == 2


def test_carried_base_is_sold_by_a_pair_of_kind_flatten_even_under_the_policy_to_hold() -> None:
    bench = carrying()
    bench.tell(FlattenAsked(reason="enough"))
    [order] = tick(bench)
    assert (order.side, order.size, order.role) == (Side.SELL, D(1), Role.UNWIND)
    assert last_pair(bench).kind is PairKind.FLATTEN
    assert state(bench) == (TradingState.REDUCING, HaltReason.FLATTENING)
    accept(bench, order, "1")
    fill(bench, order, "1", trade_id="t9")
    assert last_pair(bench).state is PairState.COMPLETED
    assert exposure(bench) == 0
    assert state(bench) == (TradingState.HALTED, HaltReason.FLATTENED)


def test_missing_base_is_bought_back() -> None:
    bench = Bench(policy=HOLD)
    buy, sell = crossed(bench)
    refuse(bench, buy)
    accept(bench, sell, "1")
    fill(bench, sell, "1")
    bench.tell(FlattenAsked(reason="enough"))
    [order] = tick(bench)
    assert (order.side, order.size) == (Side.BUY, D(1))


def test_it_waits_for_a_usable_book() -> None:
    bench = carrying()
    bench.wait_ms(60_000)  # nothing received for a minute
    bench.tell(FlattenAsked(reason="enough"))
    bench.tell(TimerFired(timer="flatten"))
    assert len(bench.placed()) == 2
    assert state(bench) == (TradingState.REDUCING, HaltReason.FLATTENING)
    assert len(tick(bench)) == 1


def test_an_open_pair_is_repaired_first_and_nothing_new_opens() -> None:
    bench = Bench()
    buy, sell = crossed(bench)
    bench.tell(FlattenAsked(reason="enough"))
    assert state(bench) == (TradingState.REDUCING, HaltReason.FLATTENING)
    accept(bench, buy, "1")
    fill(bench, buy, "1")
    refuse(bench, sell)
    [order] = tick(bench)
    assert order.side is Side.SELL
    accept(bench, order, "1")
    fill(bench, order, "1", trade_id="t9")
    assert last_pair(bench).state in (PairState.COMPLETED, PairState.UNWOUND)
    assert state(bench) == (TradingState.HALTED, HaltReason.FLATTENED)
    assert tick(bench) == []


def test_what_no_venue_would_take_is_left_and_said() -> None:
    listed = [an_instrument(venue) for venue in ("gate", "okx")]
    bench = Bench(policy=HOLD, instruments=listed)
    buy, sell = crossed(bench)
    accept(bench, buy, "1")
    fill(bench, buy, "1")
    refuse(bench, sell)
    for venue in ("gate", "okx"):  # the minimum rises beyond what is held
        rules = an_instrument(venue, min_size=D(10))
        bench.engine.state.instruments[venue, SYMBOL] = rules
    bench.tell(FlattenAsked(reason="enough"))
    assert tick(bench) == []
    assert state(bench) == (TradingState.HALTED, HaltReason.FLATTENED)
    said = [command.text for command in bench.said if isinstance(command, Alert)]
    assert any("no venue takes what is still unhedged: 1 BTC/USDT" in text for text in said)


def test_resting_orders_of_ours_are_cancelled_and_no_other() -> None:
    bench = Bench()
    buy, _ = crossed(bench)
    own = bench.engine.manager.orders[buy.client_order_id]
    own.tif = type(own.tif).GTC
    accept(bench, buy, "0", is_open=True)
    foreign = OrderReport(
        venue="gate",
        symbol=SYMBOL,
        client_order_id="by-hand",
        venue_order_id="f1",
        side=Side.BUY,
        price=D(90),
        size=D(1),
        filled=D(0),
        avg_price=None,
        is_open=True,
    )
    bench.tell(OrderUpdated(report=foreign))
    bench.tell(FlattenAsked(reason="enough"))
    cancels = [command for command in bench.said if isinstance(command, CancelOrder)]
    assert [command.client_order_id for command in cancels] == [buy.client_order_id]


def test_a_restart_goes_on_with_what_the_dead_process_carried() -> None:
    dead = carrying()
    dead.wait_ms(60_000)  # no book is usable, so nothing could be sold before it died
    dead.tell(FlattenAsked(reason="enough"))
    control, residuals = dead.rows(ControlRecord)[-1], dead.rows(ResidualsRecord)[-1]
    before = next(row for row in reversed(dead.rows(ResidualsRecord)) if row.carried)
    assert residuals is before
    bench = Bench(policy=HOLD, restored=Restored(control=control, residuals=residuals), run_id=1_760_000_500)
    assert state(bench) == (TradingState.REDUCING, HaltReason.FLATTENING)
    [order] = tick(bench)
    assert (order.side, order.size) == (Side.SELL, D(1))


def test_what_was_left_on_other_accounts_is_not_recovered() -> None:
    dead = carrying()
    residuals = dead.rows(ResidualsRecord)[-1]
    bench = Bench(venues=("okx", "bitget"), restored=Restored(residuals=residuals), run_id=1_760_000_500)
    assert bench.engine.state.residuals.carried_symbols() == []


def test_asking_twice_is_once_and_a_halt_meanwhile_changes_nothing() -> None:
    bench = carrying()
    bench.tell(FlattenAsked(reason="enough"))
    bench.tell(FlattenAsked(reason="enough"))
    bench.tell(HaltAsked(reason="too"))
    assert len([row for row in bench.rows(IncidentRecord) if row.kind == "flatten"]) == 1
    assert len(tick(bench)) == 1


def test_shutting_down_reads_reducing() -> None:
    bench = Bench()
    crossed(bench)
    bench.tell(ShutdownAsked(deadline_ns=bench.now_ns + 10**9))
    assert state(bench) == (TradingState.REDUCING, None)


def test_dust_that_has_become_legal_is_sold_too() -> None:
    bench = Bench(limits=Limits(min_net_quote=D(0), min_edge_bps=D(1), dust_max_quote=D(50)))
    refresh(bench)
    residuals = bench.engine.state.residuals
    residuals.add_dust(Residual(SYMBOL, D("0.2"), D(20), bench.now_ns))
    bench.tell(FlattenAsked(reason="enough"))
    [order] = tick(bench)
    assert (order.side, order.size, order.role) == (Side.SELL, D("0.2"), Role.DUST)
    accept(bench, order, "0.2")
    fill(bench, order, "0.2")
    assert state(bench) == (TradingState.HALTED, HaltReason.FLATTENED)


def test_dust_that_is_refused_three_times_is_kept_and_ends_the_flatten() -> None:
    bench = Bench(limits=Limits(min_net_quote=D(0), min_edge_bps=D(1), dust_max_quote=D(50)))
    refresh(bench)
    residuals = bench.engine.state.residuals
    residuals.add_dust(Residual(SYMBOL, D("0.2"), D(20), bench.now_ns))
    bench.tell(FlattenAsked(reason="enough"))
    for _ in range(3):
        [order] = tick(bench)
        refuse(bench, order)
    assert tick(bench) == [] and residuals.dust(SYMBOL).size == D("0.2")
    assert state(bench) == (TradingState.HALTED, HaltReason.FLATTENED)


def test_it_waits_for_a_fill_that_a_venue_reports_before_it_trades_what_that_may_take() -> None:
    bench, late = half_sold(Limits(min_net_quote=D(0), min_edge_bps=D(1), dust_max_quote=D(50)))
    refresh(bench)
    residuals = bench.engine.state.residuals
    residuals.add_dust(Residual(SYMBOL, D("0.2"), D(20), bench.now_ns))
    bench.tell(OrderUpdated(report=a_report(late, "0.7")))
    bench.tell(FlattenAsked(reason="enough"))
    assert tick(bench) == []
    assert state(bench)[0] is TradingState.REDUCING
    fill(bench, late, "0.2", "t9")
    assert tick(bench) == []
    assert exposure(bench) == 0
    assert state(bench) == (TradingState.HALTED, HaltReason.FLATTENED)


@settings(max_examples=60, deadline=None)
@given(
    long=st.booleans(),
    dust=st.integers(-30, 30),
    shares=st.lists(st.integers(0, 10), min_size=1, max_size=12),
)
def test_exposure_never_rises_while_flattening(long: bool, dust: int, shares: list[int]) -> None:
    bench = Bench(policy=HOLD)
    buy, sell = crossed(bench)
    first, second = (buy, sell) if long else (sell, buy)
    accept(bench, first, "1")
    fill(bench, first, "1")
    refuse(bench, second)
    if dust:
        size = Decimal(dust).scaleb(-4)
        bench.engine.state.residuals.add_dust(Residual(SYMBOL, size, size * 100, bench.now_ns))
    bench.tell(FlattenAsked(reason="enough"))
    seen = [exposure(bench)]
    answered = 2
    for number, share in enumerate([*shares, *[10] * 20]):
        tick(bench)
        seen.append(exposure(bench))
        for order in bench.placed()[answered:]:
            answered += 1
            filled = order.size * share / 10
            filled -= filled % D("0.001")
            if filled:
                fill(bench, order, str(filled), trade_id=f"flatten{number}")
                seen.append(exposure(bench))
            accept(bench, order, str(filled))
            seen.append(exposure(bench))
    assert all(later <= earlier for earlier, later in itertools.pairwise(seen)), seen
    assert state(bench) == (TradingState.HALTED, HaltReason.FLATTENED)
