"""A drill sends three small orders at each venue, one after the other, and whatever it bought is traded back there."""

from collections.abc import Callable
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb.core.accounts.restart import Restored
from arb.core.messages.commands import CancelOrder, PlaceOrder
from arb.core.messages.events import (
    CancelAnswered,
    HaltAsked,
    OrderAccepted,
    OrderFilled,
    OrderUpdated,
    OutcomeUnknown,
    QueueDrained,
)
from arb.core.messages.records import FillRecord, OrderRecord, PairKind, PairRecord, PairState
from arb.core.messages.recovery_records import OpenPair, PlanRecord
from arb.core.messages.settings import Limits
from arb.core.risk.blockers import Blockers
from arb.core.state.engine_state import EngineState
from arb.core.strategies.drill import Drill as TheDrill
from arb.core.strategies.drill import DrillSizes, DrillStep
from arb.core.trades.strategy import NEVER
from arb.core.trades.table import TradeTable
from arb.market.ids import decode
from arb.market.instrument import FeeIn, floor_to_step
from arb.market.order import Outcome, Role, Side, TimeInForce
from tests.builders import SYMBOL, Bench, D, a_fill, a_refusal, a_report, an_instrument


class Ends:
    """Counts how often a drill said that it has ended."""

    count = 0

    def __call__(self) -> None:
        self.count += 1


def drilling(*venues: str, **bench: object) -> tuple[Bench, TheDrill, Ends]:
    made, drill, ends = unquoted(*venues, **bench)
    quoted(made)
    return made, drill, ends


def unquoted(*venues: str, **bench: object) -> tuple[Bench, TheDrill, Ends]:
    ends = Ends()

    def make(state: EngineState, orders: TradeTable, blockers: Blockers) -> TheDrill:
        return TheDrill(state, orders, blockers, dict.fromkeys(venues, SYMBOL), ends)

    made = Bench(strategies=(make,), **bench)  # type: ignore[arg-type]
    drill = made.engine.strategy
    assert isinstance(drill, TheDrill)
    return made, drill, ends


def quoted(bench: Bench) -> None:
    for venue in ("gate", "okx"):
        bench.quote(venue, "100x9", "100.1x9")


def left_open_by(bench: Bench) -> Restored:
    """Return what a journal holds of the pairs that a process left open."""
    pairs = {row.id: row for row in bench.rows(PairRecord) if isinstance(row, PairRecord)}
    orders = {row.id: row for row in bench.rows(OrderRecord) if isinstance(row, OrderRecord)}
    fills = {row.id: row for row in bench.rows(FillRecord) if isinstance(row, FillRecord)}
    plans = {row.pair_id: row for row in bench.rows(PlanRecord) if isinstance(row, PlanRecord)}
    left = [
        OpenPair(
            plan=plans[pair.id],
            pair=pair,
            orders=tuple(order for order in orders.values() if order.pair_trade_id == pair.id),
            fills=tuple(fill for fill in fills.values() if orders[fill.order_id].pair_trade_id == pair.id),
        )
        for pair in pairs.values()
        if pair.closed_ns is None
    ]
    return Restored(pairs=tuple(left))


def next_order(bench: Bench) -> PlaceOrder:
    renew(bench)
    (order,) = [command for command in bench.drain() if isinstance(command, PlaceOrder)]
    return order


def accept(bench: Bench, order: PlaceOrder, *, is_open: bool = False) -> None:
    report = a_report(order, "0", is_open=is_open)
    bench.tell(
        OrderAccepted(
            venue=order.venue,
            client_order_id=order.client_order_id,
            report=report,
            sent_ns=bench.now_ns,
            acked_ns=bench.now_ns,
        )
    )


def rest_and_cancel(bench: Bench) -> PlaceOrder:
    order = next_order(bench)
    accept(bench, order, is_open=True)
    (cancel,) = [command for command in bench.drain() if isinstance(command, CancelOrder)]
    assert cancel.client_order_id == order.client_order_id
    assert not [command for command in bench.drain() if isinstance(command, CancelOrder)]
    bench.tell(
        CancelAnswered(venue=order.venue, client_order_id=order.client_order_id, outcome=Outcome.ACCEPTED, code=None)
    )
    bench.tell(OrderUpdated(report=a_report(order, "0")))
    return order


def renew(bench: Bench) -> None:
    bench.wait_ms(10)
    quoted(bench)


def test_three_orders_of_the_smallest_size_and_what_was_bought_is_sold_again() -> None:
    bench, drill, ends = drilling("gate")
    rests = rest_and_cancel(bench)
    assert (rests.role, rests.tif, rests.side, rests.price) == (Role.TEST, TimeInForce.POST_ONLY, Side.BUY, D(90))
    assert rests.size == D("0.012") and rests.size * rests.price >= 1
    late = next_order(bench)
    assert (late.role, late.tif, late.price) == (Role.TEST, TimeInForce.IOC, D(90))
    assert late.expires_ns - bench.now_ns < bench.timing.order_expiry_ms * 1_000_000
    bench.tell(a_refusal(late, "REQUEST_EXPIRED", at_ns=bench.now_ns))
    trades = next_order(bench)
    assert (trades.role, trades.side, trades.price) == (Role.TEST, Side.BUY, D("100.2"))
    assert ends.count == 0 and drill.left == {"gate": drill.left["gate"]}
    bench.tell(OrderFilled(fill=a_fill(trades, str(trades.size), price="100.1", trade_id="b", at_ns=bench.now_ns)))
    renew(bench)
    back = next_order(bench)
    assert (back.venue, back.role, back.side, back.size) == ("gate", Role.UNWIND, Side.SELL, trades.size)
    bench.tell(OrderFilled(fill=a_fill(back, str(back.size), price="100", trade_id="s", at_ns=bench.now_ns)))
    bench.drain()
    assert ends.count == 1 and drill.wake_ns() == NEVER and drill.left == {}
    assert [(r.step, r.as_hoped, r.state) for r in drill.results] == [
        (step, True, PairState.COMPLETED) for step in DrillStep
    ]
    assert drill.results[-1].net == trades.size * D("-0.1")
    renew(bench)
    assert not [command for command in bench.drain() if isinstance(command, PlaceOrder)]
    pairs = {row.id: row for row in bench.rows(PairRecord) if isinstance(row, PairRecord)}
    assert {row.kind for row in pairs.values()} == {PairKind.TEST} and len(pairs) == 3
    assert all(row.waterfall is not None and row.buy_size > 0 for row in pairs.values())
    name = decode(trades.client_order_id)
    assert name is not None and name.leg == "test"
    assert [drill.step_of(order.client_order_id) for order in (rests, late, trades, back)] == [*DrillStep, "unwind"]


def test_a_text_is_about_an_order_that_it_names_by_our_id_or_by_the_venues_whole_number() -> None:
    bench, drill, _ = drilling("gate")
    rests, theirs = next_order(bench), "1795518941664720"
    report = msgspec.structs.replace(a_report(rests, "0", is_open=True), venue_order_id=theirs)
    bench.tell(OrderUpdated(report=report))
    ours = rests.client_order_id
    for text in (f"t-{ours}", f'[{{"order_id":"{theirs}","fee":"0"}}]', f"https://a.example/orders/{theirs}?x=1"):
        assert drill.name_in(text) == ours
    for text in ("{}", f'{{"order_id":"1{theirs}"}}', f'{{"order_id":"{theirs}7"}}'):
        assert drill.name_in(text) is None
    assert drill.step_of("another") == ""


def test_each_order_is_written_down_in_the_step_that_sends_it() -> None:
    bench, _, _ = drilling("gate", "okx")
    orders = [command for command in bench.drain() if isinstance(command, PlaceOrder)]
    assert {order.venue for order in orders} == {"gate", "okx"}
    written = {row.client_order_id for row in bench.rows(OrderRecord) if isinstance(row, OrderRecord)}
    assert {order.client_order_id for order in orders} <= written


def test_what_its_order_may_pay_is_at_stake_while_the_trade_is_open() -> None:
    bench, _, _ = drilling("gate")
    order = next_order(bench)
    assert bench.engine.manager.open_notional() == order.price * order.size > 0


def test_an_expired_order_that_the_venue_takes_is_no_proof() -> None:
    bench, drill, _ = drilling("gate")
    rest_and_cancel(bench)
    late = next_order(bench)
    accept(bench, late)
    next_order(bench)
    (_, result) = drill.results
    assert (result.step, result.as_hoped, result.order.outcome) == (DrillStep.EXPIRED, False, Outcome.ACCEPTED)


def test_an_order_that_never_left_is_no_proof_and_is_tried_again() -> None:
    bench, drill, _ = drilling("gate")
    rest_and_cancel(bench)
    for _ in range(3):
        late = next_order(bench)
        bench.tell(a_refusal(late, "expired", at_ns=0))
    assert next_order(bench).price > 100
    assert (drill.results[-1].step, drill.results[-1].as_hoped) == (DrillStep.EXPIRED, False)


def test_an_order_without_answer_is_waited_for_and_nothing_else_leaves_there() -> None:
    bench, drill, ends = drilling("gate")
    order = next_order(bench)
    bench.tell(
        OutcomeUnknown(venue="gate", client_order_id=order.client_order_id, cause="no answer", sent_ns=bench.now_ns)
    )
    renew(bench)
    assert not [command for command in bench.drain() if isinstance(command, PlaceOrder)]
    assert "unknown" in drill.left["gate"] and ends.count == 0
    bench.tell(OrderUpdated(report=a_report(order, "0", is_open=True)))
    assert [command for command in bench.drain() if isinstance(command, CancelOrder)]


def test_what_was_bought_waits_for_its_own_venue_and_goes_elsewhere_once_half_the_deadline_is_gone() -> None:
    bench, _, _ = drilling("gate")
    rest_and_cancel(bench)
    bench.tell(a_refusal(next_order(bench), "REQUEST_EXPIRED", at_ns=bench.now_ns))
    trades = next_order(bench)
    bench.tell(OrderFilled(fill=a_fill(trades, str(trades.size), at_ns=bench.now_ns)))
    bench.wait_ms(10)
    bench.quote("okx", "100x9", "100.1x9")  # and of gate no frame after our fill
    assert not [command for command in bench.drain() if isinstance(command, PlaceOrder)]
    bench.wait_ms(bench.timing.leg_deadline_ms / 2)
    bench.quote("okx", "100x9", "100.1x9")
    (back,) = [command for command in bench.drain() if isinstance(command, PlaceOrder)]
    assert (back.venue, back.side, back.size) == ("okx", Side.SELL, trades.size)


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda bench: bench.tell(HaltAsked(reason="a test")), "halted"),
        (lambda bench: bench.wait_ms(60_000), "stale_book"),
    ],
)
def test_nothing_is_sent_where_no_pair_might_open(spoil: Callable[[Bench], None], why: str) -> None:
    bench, drill, _ = drilling("gate")
    spoil(bench)
    assert not [command for command in bench.tell(QueueDrained()) if isinstance(command, PlaceOrder)]
    assert drill.left == {"gate": f"rest: {why}"}


@pytest.mark.parametrize(
    ("bench_of", "why"),
    [
        ({"balances": {"USDT": "1", "BTC": "1"}}, "free there are 1"),
        ({"venues": ("okx",)}, "does not list"),
        ({"limits": Limits(max_open_pairs=0)}, "limit max_open_pairs"),
    ],
)
def test_what_it_would_take_is_said(bench_of: dict[str, object], why: str) -> None:
    bench, drill, ends = unquoted("gate", **bench_of)
    for venue in bench.venues:
        bench.quote(venue, "100x9", "100.1x9")
    assert not [command for command in bench.drain() if isinstance(command, PlaceOrder)]
    assert why in drill.left["gate"] and ends.count == 0


POSITIVE = st.decimals(min_value="0.0001", max_value="100000", places=4, allow_nan=False)
STEPS = st.sampled_from([D("0.00001"), D("0.001"), D("0.1"), D(1), D(100)])


@given(bid=POSITIVE, lot=STEPS, tick=STEPS, least=STEPS, notional=POSITIVE, fee_in=st.sampled_from(FeeIn))
def test_what_is_bought_can_always_be_sold_again_at_a_price_a_little_lower(
    bid: Decimal, lot: Decimal, tick: Decimal, least: Decimal, notional: Decimal, fee_in: FeeIn
) -> None:
    rules = an_instrument(tick=tick, lot=lot, min_size=least, min_notional=notional, buy_fee_in=fee_in)
    sizes = DrillSizes.at(rules, bid, bid + tick, D(5))
    kept = sizes.size * (1 - D("0.001")) if fee_in is FeeIn.BASE else sizes.size
    sold = floor_to_step(kept, lot)
    assert sold >= least and sold * bid * D("0.95") >= notional
    assert sizes.size % lot == 0 and sizes.far_size % lot == 0 and sizes.far_price % tick == 0
    assert sizes.far_size >= least and sizes.far_size * sizes.far_price >= notional
    assert sizes.cost(rules, bid) > 0


def test_a_drill_that_was_killed_is_finished_by_the_next_run() -> None:
    bench, _, _ = drilling("gate")
    rest_and_cancel(bench)
    bench.tell(a_refusal(next_order(bench), "REQUEST_EXPIRED", at_ns=bench.now_ns))
    trades = next_order(bench)
    bench.tell(OrderFilled(fill=a_fill(trades, str(trades.size), at_ns=bench.now_ns)))
    again = Bench(restored=left_open_by(bench), run_id=1_760_000_900, start_ns=bench.now_ns + 1)
    quoted(again)
    back = next_order(again)
    assert (back.venue, back.role, back.side, back.size) == ("gate", Role.UNWIND, Side.SELL, trades.size)
    again.tell(OrderFilled(fill=a_fill(back, str(back.size), trade_id="s", at_ns=again.now_ns)))
    last = again.rows(PairRecord)[-1]
    assert isinstance(last, PairRecord) and (last.kind, last.state) == (PairKind.TEST, PairState.COMPLETED)
