"""A pair trade from decision to its end, as the venues' news comes in: failures first."""

from decimal import Decimal

import msgspec
import pytest

from arb.clock import NS_PER_MS
from arb.core.messages.commands import AnyCommand, Persist, PlaceOrder, QueryOrder, SetTimer
from arb.core.messages.events import (
    AnyEvent,
    OrderAccepted,
    OrderFilled,
    OrderRejected,
    OrderUpdated,
    OutcomeUnknown,
    TimerFired,
)
from arb.core.messages.legs import FlatNow, Trade
from arb.core.messages.records import FillRecord, IncidentRecord, OrderRecord, PairRecord, PairState
from arb.core.messages.settings import Limits, OnSingleLeg, RepairPolicy, Timing
from arb.market.order import OrderStatus, Role, Side
from tests.builders import SYMBOL, Bench, D, a_fill, a_report, an_instrument


def crossed(bench: Bench) -> tuple[PlaceOrder, PlaceOrder]:
    """Quote one base with an edge of 1 % between gate (buy) and okx (sell); return the two legs placed."""
    bench.quote("gate", "99.9x5", "100x1")
    bench.quote("okx", "101x1", "101.2x5")
    bench.drain()
    buy, sell = bench.placed()[-2:]
    return buy, sell


def accept(bench: Bench, order: PlaceOrder, filled: str, *, is_open: bool = False) -> None:
    """Let the venue answer with its word on an order."""
    bench.tell(
        OrderAccepted(
            venue=order.venue,
            client_order_id=order.client_order_id,
            report=a_report(order, filled, is_open=is_open),
            sent_ns=bench.now_ns,
            acked_ns=bench.now_ns,
        )
    )


def fill(bench: Bench, order: PlaceOrder, size: str, trade_id: str = "t1", **details: str) -> None:
    """Let the private stream report a fill, with the fee of 0.1 % in quote unless said otherwise."""
    price = details.get("price") or str(order.price)
    fee = details.get("fee") or str(D(size) * D(price) * D("0.001"))
    made = a_fill(
        order,
        size,
        price=price,
        trade_id=trade_id,
        fee=fee,
        fee_currency=details.get("fee_currency"),
        at_ns=bench.now_ns,
    )
    bench.tell(OrderFilled(fill=made))


def test_an_order_is_written_down_only_when_something_of_it_changed() -> None:
    rows: dict[int, list[OrderRecord]] = {}

    class Written(Bench):
        def tell(self, event: AnyEvent) -> tuple[AnyCommand, ...]:
            commands = super().tell(event)
            for command in commands:
                if isinstance(command, Persist) and isinstance(command.record, OrderRecord):
                    rows.setdefault(command.record.id, []).append(command.record)
            return commands

    bench = Written()
    buy, sell = crossed(bench)
    for order in (buy, sell):
        fill(bench, order, "1", trade_id=order.client_order_id)
        fill(bench, order, "1", trade_id=order.client_order_id)
        accept(bench, order, "1")
        accept(bench, order, "1")
    statuses = [[str(row.status) for row in written] for written in rows.values()]
    assert statuses == [["intent", "filled", "filled"]] * 2  # placed, filled, answered


def refuse(bench: Bench, order: PlaceOrder, code: str = "BALANCE_NOT_ENOUGH") -> None:
    """Let the venue refuse an order for certain."""
    bench.tell(
        OrderRejected(
            venue=order.venue,
            client_order_id=order.client_order_id,
            code=code,
            message="no",
            sent_ns=bench.now_ns,
            acked_ns=bench.now_ns,
        )
    )


def last_pair(bench: Bench) -> PairRecord:
    """Return the last row written of any pair."""
    row = bench.rows(PairRecord)[-1]
    assert isinstance(row, PairRecord)
    return row


def test_rows_are_written_before_either_leg_leaves_and_both_legs_leave_together() -> None:
    bench = Bench()
    bench.quote("gate", "99.9x5", "100x1")
    bench.quote("okx", "101x1", "101.2x5")
    commands = bench.drain()
    kinds = [type(command) for command in commands]
    first = kinds.index(PlaceOrder)
    assert kinds[first : first + 2] == [PlaceOrder, PlaceOrder]
    assert kinds.count(PlaceOrder) == 2
    written = [c.record for c in commands[:first] if isinstance(c, Persist)]
    assert sum(isinstance(record, OrderRecord) for record in written) == 2
    assert all(record.status is OrderStatus.INTENT for record in written if isinstance(record, OrderRecord))


def test_a_trade_opens_with_its_two_legs_and_is_to_end_flat_within_the_deadline() -> None:
    bench = Bench(timing=Timing(leg_deadline_ms=3000))
    buy, sell = crossed(bench)
    [pair] = bench.engine.manager.open.values()
    legs = [(leg.venue, leg.symbol, leg.side, leg.size, leg.limit, leg.tif, leg.role) for leg in pair.trade.legs]
    assert legs == [(o.venue, o.symbol, o.side, o.size, o.price, o.tif, o.role) for o in (buy, sell)]
    assert (pair.trade.policy, pair.trade.target) == (FlatNow(3000), {})


def test_the_imbalance_counts_from_the_target() -> None:
    bench = Bench()
    buy, _ = crossed(bench)
    fill(bench, buy, "1")
    [pair] = bench.engine.manager.open.values()
    assert pair.imbalance("BTC") == 1
    pair.trade = Trade(pair.trade.legs, pair.trade.policy, {"BTC": D("0.25"), "ETH": D(7)})
    assert pair.imbalance("BTC") == D("0.75")


def test_both_legs_filled_complete_the_pair_and_the_waterfall_sums() -> None:
    bench = Bench()
    buy, sell = crossed(bench)
    accept(bench, buy, "1")
    accept(bench, sell, "1")
    fill(bench, buy, "1")
    fill(bench, sell, "1")
    pair = last_pair(bench)
    assert pair.state is PairState.COMPLETED
    assert pair.waterfall is not None
    split = msgspec.structs.asdict(pair.waterfall)
    realised = split.pop("realised_net_e8")
    assert sum(split.values()) == realised == 79_900_000  # 101 - 0.101 - 100 - 0.1 quote
    assert bench.engine.state.inventory.reserved("gate", "USDT") == 0


def test_a_cancel_acknowledgement_alone_settles_nothing_while_reported_fills_are_missing() -> None:
    bench = Bench()
    buy, sell = crossed(bench)
    accept(bench, buy, "1")
    accept(bench, sell, "0.4")  # ended, 0.4 filled: but no fill received yet
    fill(bench, buy, "1")
    assert last_pair(bench).state is PairState.OPENING
    assert len(bench.placed()) == 2
    fill(bench, sell, "0.4")
    assert last_pair(bench).state is PairState.REPAIRING


def test_a_short_leg_is_completed_by_what_the_fills_say_not_by_what_was_asked() -> None:
    bench = Bench()
    buy, sell = crossed(bench)
    accept(bench, buy, "1")
    fill(bench, buy, "0.6", "t1")
    fill(bench, buy, "0.4", "t2")
    accept(bench, sell, "0.4")
    fill(bench, sell, "0.4")
    bench.wait_ms(20)
    bench.quote("okx", "100.9x5", "101.2x5")
    bench.quote("gate", "99.9x5", "100.5x5")
    bench.drain()
    hedge = bench.placed()[-1]
    assert (hedge.role, hedge.venue, hedge.side, hedge.size) == (Role.HEDGE, "okx", Side.SELL, D("0.6"))
    accept(bench, hedge, "0.6")
    fill(bench, hedge, "0.6")
    assert last_pair(bench).state is PairState.COMPLETED
    assert last_pair(bench).residual_size == 0


def test_the_cheaper_of_unwinding_and_completing_is_taken() -> None:
    bench = Bench()
    buy, sell = crossed(bench)
    accept(bench, buy, "1")
    fill(bench, buy, "1")
    refuse(bench, sell)
    bench.wait_ms(20)
    bench.quote("okx", "99.6x5", "101.2x5")
    bench.quote("gate", "99.8x5", "100.5x5")
    bench.drain()
    repair = bench.placed()[-1]
    assert (repair.role, repair.venue, repair.side) == (Role.UNWIND, "gate", Side.SELL)
    accept(bench, repair, "1")
    fill(bench, repair, "1", price="99.8")
    assert last_pair(bench).state is PairState.UNWOUND


@pytest.mark.parametrize(("policy", "venue"), [(OnSingleLeg.COMPLETE, "okx"), (OnSingleLeg.UNWIND, "gate")])
def test_the_policy_can_forbid_the_cheaper_way(policy: OnSingleLeg, venue: str) -> None:
    bench = Bench(policy=RepairPolicy(on_single_leg=policy))
    buy, sell = crossed(bench)
    accept(bench, buy, "1")
    fill(bench, buy, "1")
    refuse(bench, sell)
    bench.wait_ms(20)
    dear, cheap = ("99.6x5", "99.8x5") if venue == "okx" else ("99.8x5", "99.6x5")
    bench.quote("okx", dear, "101.2x5")
    bench.quote("gate", cheap, "100.5x5")
    bench.drain()
    assert bench.placed()[-1].venue == venue


def test_holding_a_single_leg_carries_it_and_counts_it_as_unhedged() -> None:
    bench = Bench(policy=RepairPolicy(on_single_leg=OnSingleLeg.HOLD))
    buy, sell = crossed(bench)
    accept(bench, buy, "1")
    fill(bench, buy, "1")
    refuse(bench, sell)
    assert last_pair(bench).state is PairState.CARRIED
    assert bench.engine.state.residuals.unhedged_by_asset()["BTC"].size == 1


def test_no_repair_below_the_loss_cap_and_after_the_deadline_the_exit_is_quoted_at_the_cap() -> None:
    bench = Bench(timing=Timing(leg_deadline_ms=3000))
    buy, sell = crossed(bench)
    accept(bench, buy, "1")
    fill(bench, buy, "1")
    refuse(bench, sell)
    bench.wait_ms(20)
    bench.quote("okx", "90x5", "101.2x5")  # far below 100 less 50 bps
    bench.quote("gate", "90x5", "100.5x5")
    bench.drain()
    cap = D("99.5")
    assert len(bench.placed()) == 2
    bench.wait_ms(3100)
    bench.tell(TimerFired(timer=f"pair:{last_pair(bench).id}"))
    assert last_pair(bench).state is PairState.HALTED
    assert list(bench.engine.state.control.late) == [last_pair(bench).id]
    bench.drain()
    quoted = bench.placed()[-1]
    assert (quoted.role is not Role.ENTRY, quoted.price) == (True, cap)


def test_both_legs_refused_end_the_pair_flat_with_nothing_earned() -> None:
    bench = Bench()
    buy, sell = crossed(bench)
    refuse(bench, buy)
    refuse(bench, sell)
    pair = last_pair(bench)
    assert pair.state is PairState.UNWOUND
    assert pair.waterfall is not None and pair.waterfall.realised_net_e8 == 0


def test_a_fill_reported_twice_counts_once() -> None:
    bench = Bench()
    buy, sell = crossed(bench)
    for _ in range(3):
        fill(bench, buy, "1")
    assert len(bench.rows(FillRecord)) == 1
    assert bench.engine.manager.orders[buy.client_order_id].filled == 1
    fill(bench, sell, "1")
    assert last_pair(bench).state is PairState.COMPLETED


def test_fills_before_the_acknowledgement_are_as_good_as_after_it() -> None:
    bench = Bench()
    buy, sell = crossed(bench)
    fill(bench, sell, "1")
    fill(bench, buy, "1")
    assert last_pair(bench).state is PairState.COMPLETED
    accept(bench, buy, "1")
    accept(bench, sell, "1")
    assert last_pair(bench).state is PairState.COMPLETED


def test_a_fill_after_the_end_opens_the_pair_again_and_is_repaired() -> None:
    bench = Bench()
    buy, sell = crossed(bench)
    accept(bench, buy, "0")
    accept(bench, sell, "0")
    assert last_pair(bench).state is PairState.UNWOUND
    fill(bench, buy, "1")
    assert last_pair(bench).state is PairState.REPAIRING
    assert any(isinstance(row, IncidentRecord) and row.kind == "late_fill" for row in bench.rows(IncidentRecord))
    bench.wait_ms(20)
    bench.quote("okx", "101x5", "101.2x5")
    bench.quote("gate", "99.9x5", "100.5x5")
    bench.drain()
    hedge = bench.placed()[-1]
    fill(bench, hedge, str(hedge.size), "t9")
    assert last_pair(bench).state is PairState.COMPLETED
    assert bench.engine.state.tally.closed[PairState.UNWOUND] == 0


def test_news_of_what_was_counted_already_opens_nothing_again() -> None:
    bench = Bench(policy=RepairPolicy(on_single_leg=OnSingleLeg.HOLD))
    buy, sell = crossed(bench)
    accept(bench, buy, "1")
    fill(bench, buy, "1")
    refuse(bench, sell)
    assert last_pair(bench).state is PairState.CARRIED
    bench.tell(OrderUpdated(report=a_report(buy, "1")))
    fill(bench, buy, "1")
    assert last_pair(bench).state is PairState.CARRIED


def test_a_fill_whose_order_is_known_only_by_the_venue_is_kept_until_the_order_is_named() -> None:
    bench = Bench()
    buy, sell = crossed(bench)
    nameless = msgspec.structs.replace(a_fill(buy, "1", fee="0.1", at_ns=bench.now_ns), client_order_id=None)
    bench.tell(OrderFilled(fill=nameless))
    assert not bench.rows(FillRecord)
    accept(bench, buy, "1")
    assert len(bench.rows(FillRecord)) == 1
    fill(bench, sell, "1")
    assert last_pair(bench).state is PairState.COMPLETED


def test_orders_and_fills_of_others_are_kept_as_foreign_and_change_no_pair() -> None:
    bench = Bench()
    buy, _ = crossed(bench)
    before = len(bench.said)
    foreign = msgspec.structs.replace(a_report(buy, "1"), client_order_id="manual-1", venue_order_id="v-manual")
    bench.tell(OrderUpdated(report=foreign))
    bench.tell(
        OrderFilled(
            fill=msgspec.structs.replace(
                a_fill(buy, "1", at_ns=bench.now_ns), client_order_id="manual-1", venue_order_id="v-manual"
            )
        )
    )
    told = [command.record for command in bench.said[before:] if isinstance(command, Persist)]
    assert not [command for command in bench.said[before:] if isinstance(command, PlaceOrder)]
    assert {row.role for row in told if isinstance(row, OrderRecord)} == {Role.FOREIGN}
    assert [row.size for row in told if isinstance(row, FillRecord)] == [1]
    assert not [row for row in told if isinstance(row, PairRecord)]


def test_a_rejection_after_the_order_was_seen_alive_is_not_believed() -> None:
    bench = Bench()
    buy, sell = crossed(bench)
    fill(bench, buy, "0.3")
    refuse(bench, buy)
    order = bench.engine.manager.orders[buy.client_order_id]
    assert not order.ended
    assert any(isinstance(c, SetTimer) and buy.client_order_id in c.timer for c in bench.said)
    accept(bench, sell, "0")
    assert last_pair(bench).state is PairState.OPENING


def test_a_silent_order_is_asked_for() -> None:
    bench = Bench(timing=Timing(query_after_ms=400))
    buy, _ = crossed(bench)
    due = [c for c in bench.said if isinstance(c, SetTimer) and c.timer == f"order:{buy.client_order_id}"]
    assert due[-1].at_ns == bench.now_ns + 400 * NS_PER_MS
    bench.wait_ms(400)
    asked = bench.tell(TimerFired(timer=due[-1].timer))
    assert [c.client_order_id for c in asked if isinstance(c, QueryOrder)] == [buy.client_order_id]


def test_a_fee_in_an_asset_the_model_does_not_expect_stops_that_symbol_there() -> None:
    bench = Bench()
    buy, sell = crossed(bench)
    fill(bench, buy, "1", fee="0.5", fee_currency="GT")
    fill(bench, sell, "1")
    bench.wait_ms(100)
    bench.quote("gate", "99.9x5", "100x1")
    bench.quote("okx", "101x1", "101.2x5")
    placed = len(bench.placed())
    bench.end_episodes()
    bench.drain()
    assert len(bench.placed()) == placed
    assert bench.not_taken().get("fee_unknown", 0) > 0


def test_losses_in_a_row_halt_trading() -> None:
    bench = Bench(limits=Limits(min_net_quote=D(0), min_edge_bps=D(1), consecutive_losses=1))
    buy, sell = crossed(bench)
    fill(bench, buy, "1", price="100")
    fill(bench, sell, "1", price="95")
    assert bench.engine.state.control.halted == "consecutive_losses"


def test_the_fee_in_base_changes_the_repair_size() -> None:
    venues = [
        msgspec.structs.replace(an_instrument("gate"), buy_fee_in="base", lot=Decimal("0.0001")),
        msgspec.structs.replace(an_instrument("okx"), lot=Decimal("0.0001")),
    ]
    bench = Bench(instruments=venues)
    buy, sell = crossed(bench)
    accept(bench, buy, str(buy.size))
    fill(bench, buy, str(buy.size), fee=str(buy.size * D("0.001")), fee_currency="BTC")
    refuse(bench, sell)
    bench.wait_ms(20)
    bench.quote("okx", "100.9x5", "101.2x5")
    bench.quote("gate", "99.9x5", "100.5x5")
    bench.drain()
    hedge = bench.placed()[-1]
    received = buy.size * D("0.999")
    assert abs(hedge.size - received) < D("0.0001")
    assert hedge.size < buy.size


def test_an_unknown_leg_is_never_repaired_around() -> None:
    bench = Bench()
    buy, sell = crossed(bench)
    accept(bench, buy, "1")
    fill(bench, buy, "1")
    bench.tell(
        OutcomeUnknown(venue="okx", client_order_id=sell.client_order_id, cause="time-out", sent_ns=bench.now_ns)
    )
    bench.wait_ms(2500)
    bench.quote("okx", "100.9x5", "101.2x5")
    bench.quote("gate", "99.9x5", "100.5x5")
    bench.drain()
    assert len(bench.placed()) == 2
    assert bench.engine.manager.unknown_orders()[0].client_order_id == sell.client_order_id


def commands_of(bench: Bench, kind: type[AnyCommand]) -> list[AnyCommand]:
    """Return all commands of a kind so far."""
    return [command for command in bench.said if isinstance(command, kind)]


def test_one_pair_at_a_time_per_venue_and_symbol() -> None:
    bench = Bench(venues=("gate", "okx", "bitget"))
    crossed(bench)
    bench.quote("bitget", "102x5", "102.2x5")
    bench.drain()
    assert len(commands_of(bench, PlaceOrder)) == 2
    assert SYMBOL in {order.symbol for order in bench.placed()}
