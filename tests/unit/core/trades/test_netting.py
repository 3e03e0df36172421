"""Residuals that another pair has taken over when a late fill reopens the pair that left them: nothing is traded twice."""

from decimal import Decimal

import pytest

from arb.core.accounts.restart import Restored
from arb.core.messages.commands import PlaceOrder
from arb.core.messages.events import FlattenAsked, TimerFired
from arb.core.messages.records import FillRecord, OrderRecord, PairKind, PairRecord, PairState
from arb.core.messages.recovery_records import ControlRecord, OpenPair, PlanRecord, ResidualsRecord
from arb.core.messages.settings import Limits, OnSingleLeg, RepairPolicy
from arb.core.risk.monitor import history, shares_of
from arb.core.trades.trade import CLOSED
from arb.market.order import Side
from tests.builders import SYMBOL, Bench, D, an_instrument
from tests.unit.core.accounts.test_restart import restarted
from tests.unit.core.trades.test_flatten import HOLD, tick
from tests.unit.core.trades.test_late_fills import half_sold
from tests.unit.core.trades.test_trade import accept, crossed, fill, last_pair, refuse

CHEAPEST = RepairPolicy(on_single_leg=OnSingleLeg.CHEAPEST)


def one_leg(bench: Bench, size: str, *, long: bool = True) -> PlaceOrder:
    """Let a pair end with one leg of `size` (the other one refused), under the policy to hold; return that leg."""
    buy, sell = crossed(bench)
    first, second = (buy, sell) if long else (sell, buy)
    accept(bench, first, size)
    fill(bench, first, size, trade_id=f"{first.client_order_id}-1")
    refuse(bench, second)
    bench.wait_ms(300)
    return first


def flattening(size: str = "0.9", *, long: bool = True) -> tuple[Bench, PlaceOrder, PlaceOrder]:
    """Return a bench that carries `size`, the leg it is left of, and the order on its way that trades it away."""
    bench = Bench(policy=HOLD)
    leg = one_leg(bench, size, long=long)
    bench.tell(FlattenAsked(reason="enough"))
    [order] = tick(bench)
    return bench, leg, order


def fill_whole(bench: Bench, order: PlaceOrder, size: Decimal | str | None = None) -> None:
    """Let a venue end an order, filled whole or with `size`."""
    filled = str(order.size if size is None else size)
    if D(filled):
        fill(bench, order, filled, trade_id=f"{order.client_order_id}-1")
    accept(bench, order, filled)


def net(bench: Bench) -> Decimal:
    """Return the base that open pairs and residuals claim to hold, below zero: to lack."""
    residuals = bench.engine.state.residuals
    claimed = sum((pair.imbalance("BTC") for pair in bench.engine.manager.open.values()), D(0))
    return claimed + residuals.carried(SYMBOL).size + residuals.dust(SYMBOL).size


def latest(bench: Bench) -> dict[int, PairRecord]:
    """Return the last row of each pair."""
    return {row.id: row for row in bench.rows(PairRecord) if isinstance(row, PairRecord)}


def earned(bench: Bench) -> Decimal:
    """Return what all pairs say they have earned, in quote."""
    return Decimal(sum(row.waterfall.realised_net_e8 for row in latest(bench).values() if row.waterfall)).scaleb(-8)


def booked(bench: Bench) -> Decimal:
    """Return the quote that residuals are booked at, those too that offset one another and are booked at two prices."""
    residuals = bench.engine.state.residuals
    return residuals.carried(SYMBOL).booked + residuals.dust(SYMBOL).booked


def cash(bench: Bench) -> Decimal:
    """Return the quote that all fills have brought, fees deducted."""
    fills = [row for row in bench.rows(FillRecord) if isinstance(row, FillRecord)]
    return sum((row.size * row.price * (-1 if row.side is Side.BUY else 1) - row.fee for row in fills), D(0))


def next_life(dead: Bench, policy: RepairPolicy) -> Bench:
    """Start the next process on all that the journal of the last one holds."""
    pairs = latest(dead)
    orders = {row.id: row for row in dead.rows(OrderRecord) if isinstance(row, OrderRecord)}
    fills = {row.id: row for row in dead.rows(FillRecord) if isinstance(row, FillRecord)}
    left: dict[int, OpenPair] = {}
    for plan in (row for row in dead.rows(PlanRecord) if isinstance(row, PlanRecord)):
        own = [order for order in orders.values() if order.pair_trade_id == plan.pair_id]
        made = [row for row in fills.values() if row.order_id in {order.id for order in own}]
        left[plan.pair_id] = OpenPair(plan=plan, pair=pairs[plan.pair_id], orders=tuple(own), fills=tuple(made))
    controls, residuals = dead.rows(ControlRecord), dead.rows(ResidualsRecord)
    return Bench(
        policy=policy,
        restored=Restored(
            control=controls[-1] if controls else None,
            residuals=residuals[-1] if residuals else None,
            pairs=tuple(one for one in left.values() if one.pair.state not in CLOSED),
            recent=tuple(one for one in left.values() if one.pair.state in CLOSED),
            last_ns=dead.now_ns,
        ),
        run_id=1_760_000_500,
        start_ns=dead.now_ns + 10**9,
    )


# A flatten has taken over what a pair carried.


@pytest.mark.parametrize("long", [True, False])
def test_a_late_fill_while_a_flatten_trades_the_residual_orders_that_fill_alone(long: bool) -> None:
    bench, leg, order = flattening(long=long)
    assert order.size == D("0.9")
    fill(bench, leg, "0.05", trade_id="late")
    [more] = tick(bench)
    assert (more.side, more.size) == (order.side, D("0.05"))
    assert abs(net(bench)) == D("0.95")
    fill_whole(bench, order)
    fill_whole(bench, more)
    tick(bench)
    assert not bench.engine.manager.open and net(bench) == 0
    assert len(bench.placed()) == 4  # two legs, and what is held is traded back once


def test_what_was_handed_over_stays_booked_and_all_pairs_together_earn_what_the_fills_brought() -> None:
    bench, leg, order = flattening()
    before = earned(bench)
    fill(bench, leg, "0.05", trade_id="late")
    [more] = tick(bench)
    assert earned(bench) == 0 != before  # the day's result is taken back while the pair is open
    fill_whole(bench, more)
    fill_whole(bench, order)
    tick(bench)
    assert abs(earned(bench) - cash(bench)) <= D("2e-8")
    assert abs(Decimal(bench.engine.state.control.day_net_e8).scaleb(-8) - cash(bench)) <= D("2e-8")
    old = min(latest(bench).values(), key=lambda row: row.decided_ns)
    assert (old.residual_size, old.handed_size) == (D("0.9"), D("0.9"))


def test_what_a_flatten_could_not_trade_is_its_own_and_not_taken_back_by_the_pair_that_left_it() -> None:
    bench, leg, order = flattening()
    fill(bench, leg, "0.05", trade_id="late")
    fill_whole(bench, order, "0.5")
    assert net(bench) == D("0.45")
    sizes = []
    for _ in range(6):
        for sent in tick(bench):
            sizes.append(sent.size)
            fill_whole(bench, sent)
    assert sorted(sizes) == [D("0.05"), D("0.4")]
    fill(bench, leg, "0.02", trade_id="later")
    assert net(bench) == D("0.02")


def test_a_pair_is_reopened_again_and_again_with_its_late_fills_alone() -> None:
    bench, leg, order = flattening()
    fill_whole(bench, order)
    bench.engine.state.policy = CHEAPEST
    for number in range(3):
        fill(bench, leg, "0.02", trade_id=f"late{number}")
        [more] = tick(bench)
        assert more.size == D("0.02")
        fill_whole(bench, more)
        assert net(bench) == 0
    tick(bench)
    assert abs(earned(bench) - cash(bench)) <= D("5e-8")


def test_what_is_handed_over_is_no_exposure_of_the_pair_that_left_it() -> None:
    bench, leg, _ = flattening()
    fill(bench, leg, "0.05", trade_id="late")
    [old] = [pair for pair in bench.engine.manager.open.values() if pair.kind is PairKind.ARB]
    assert shares_of(old, "BTC") == {"gate": D("0.05")}
    *_, (_, _, since) = history(old, bench.now_ns)
    assert since == {"gate": D("0.05") * leg.price}


# Fills that offset what is being traded away.


def test_a_late_fill_that_offsets_what_a_flatten_is_about_to_trade_is_not_traded_at_all() -> None:
    bench = Bench(policy=HOLD)
    buy, sell = crossed(bench)
    for order, size in ((buy, "1"), (sell, "0.2")):
        accept(bench, order, size)
        fill(bench, order, size, trade_id=f"{order.client_order_id}-1")
    bench.tell(FlattenAsked(reason="enough"))  # no book is usable yet, for our own fills have changed them
    bench.wait_ms(20)
    for venue in bench.venues:
        bench.quote(venue, "99.9x5", "100x5")
    bench.tell(TimerFired(timer="flatten"))
    [flat] = bench.engine.manager.open.values()
    assert (flat.kind, flat.imbalance("BTC"), len(bench.placed())) == (PairKind.FLATTEN, D("0.8"), 2)
    fill(bench, sell, "0.8", trade_id="late")
    assert tick(bench) == []
    assert not bench.engine.manager.open and net(bench) == 0
    assert abs(earned(bench) - cash(bench)) <= D("3e-8")


def test_a_late_fill_that_offsets_what_is_on_its_way_waits_for_what_becomes_of_it() -> None:
    bench = Bench(policy=HOLD)
    buy, sell = crossed(bench)
    for leg, size in ((buy, "1"), (sell, "0.1")):
        accept(bench, leg, size)
        fill(bench, leg, size, trade_id=f"{leg.client_order_id}-1")
    bench.tell(FlattenAsked(reason="enough"))
    [order] = tick(bench)
    fill(bench, sell, "0.3", trade_id="late")
    assert tick(bench) == []  # bought back now, it might have to be sold again
    fill_whole(bench, order, "0.5")
    [rest] = tick(bench) or tick(bench)
    assert (rest.side, rest.size) == (Side.SELL, D("0.1"))
    fill_whole(bench, rest)
    tick(bench)
    assert not bench.engine.manager.open and net(bench) == 0
    assert abs(earned(bench) - cash(bench)) <= D("3e-8")


def test_a_late_fill_that_residuals_of_another_pair_offset_is_not_traded() -> None:
    bench = Bench(policy=HOLD)
    _, sold = one_leg(bench, "0.4"), one_leg(bench, "0.3", long=False)
    bench.engine.state.policy = CHEAPEST
    fill(bench, sold, "0.02", trade_id="late")
    assert tick(bench) == []
    assert not bench.engine.manager.open
    assert bench.engine.state.residuals.carried(SYMBOL).size == D("0.08")


# What is still there.


def test_a_residual_that_nobody_has_taken_over_is_taken_back_whole() -> None:
    bench = Bench(policy=HOLD)
    leg = one_leg(bench, "0.9")
    fill(bench, leg, "0.05", trade_id="late")
    assert bench.engine.state.residuals.carried(SYMBOL).size == D("0.95")  # carried again
    assert net(bench) == D("0.95")
    assert [row.handed_size for row in latest(bench).values()] == [0]


def test_of_two_pairs_residuals_each_takes_back_its_own() -> None:
    bench = Bench(policy=HOLD)
    first, _ = one_leg(bench, "0.9"), one_leg(bench, "0.4")
    assert net(bench) == D("1.3")
    bench.engine.state.policy = CHEAPEST
    fill(bench, first, "0.05", trade_id="late")
    [reopened] = bench.engine.manager.open.values()
    assert reopened.imbalance("BTC") == D("0.95")
    assert bench.engine.state.residuals.carried(SYMBOL).size == D("0.4")


def test_of_residuals_that_offset_each_other_no_more_is_taken_back_than_there_is_in_sum() -> None:
    bench = Bench(policy=HOLD)
    bought, sold = one_leg(bench, "0.9"), one_leg(bench, "0.5", long=False)
    bench.engine.state.policy = CHEAPEST
    fill(bench, bought, "0.05", trade_id="late")
    fill(bench, sold, "0.02", trade_id="late2")
    assert net(bench) == D("0.43")
    sent = []
    for _ in range(5):
        for order in tick(bench):
            sent.append((order.side, order.size))
            fill_whole(bench, order)
    assert sent == [(Side.SELL, D("0.43"))]
    assert net(bench) == 0 and abs(earned(bench) - cash(bench)) <= D("4e-8")


# Dust.


def test_dust_that_a_dust_pair_has_taken_over_is_not_traded_by_the_pair_that_left_it() -> None:
    limits = Limits(min_net_quote=D(0), min_edge_bps=D(1), dust_max_quote=D("0.7"))
    listed = [an_instrument(venue, min_size=D("0.008"), min_notional=D("0.5")) for venue in ("gate", "okx")]
    bench = Bench(limits=limits, policy=CHEAPEST, instruments=listed)
    legs = []
    for _ in range(2):
        buy, sell = crossed(bench)
        for order, size in ((buy, "0.96"), (sell, "0.956")):
            accept(bench, order, size)
            fill(bench, order, size, trade_id=f"{order.client_order_id}-1")
        legs.append(buy)
        bench.wait_ms(1_000)
    orders = tick(bench)
    assert [order.size for order in orders] == [D("0.008")]
    fill(bench, legs[0], "0.02", trade_id="late")
    orders += tick(bench)
    assert [order.size for order in orders] == [D("0.008"), D("0.02")]
    for order in orders:
        fill_whole(bench, order)
    tick(bench)
    assert net(bench) == 0 and abs(earned(bench) - cash(bench)) <= D("5e-8")


# Restarts.


def test_a_restart_with_another_policy_takes_back_what_is_still_there_and_no_more() -> None:
    dead = Bench(policy=HOLD)
    leg = one_leg(dead, "0.9")
    bench = next_life(dead, CHEAPEST)
    fill(bench, leg, "0.05", trade_id="late")
    assert net(bench) == D("0.95")
    bench.tell(FlattenAsked(reason="enough"))
    sent = [order for _ in range(20) for order in tick(bench)]
    assert [order.size for order in sent] == [D("0.95")]


def test_what_was_handed_over_survives_a_restart_while_the_pair_is_open() -> None:
    dead, leg, order = flattening()
    fill(dead, leg, "0.05", trade_id="late")
    bench = next_life(dead, HOLD)
    assert net(bench) == D("0.95")
    fill(bench, order, "0.9", trade_id="sold")
    accept(bench, order, "0.9")
    sent = [made for _ in range(20) for made in tick(bench)]
    assert [made.size for made in sent] == [D("0.05")]
    fill_whole(bench, sent[0])
    tick(bench)
    rows = {**latest(dead), **latest(bench)}.values()
    brought = cash(dead) + cash(bench)
    told = sum(row.waterfall.realised_net_e8 for row in rows if row.waterfall is not None)
    assert abs(Decimal(told).scaleb(-8) - brought) <= D("3e-8")


def test_a_restart_between_the_handing_over_and_the_late_fill_takes_nothing_back() -> None:
    dead, leg, order = flattening()
    bench = next_life(dead, CHEAPEST)
    fill(bench, leg, "0.05", trade_id="late")
    assert net(bench) == D("0.95")
    fill(bench, order, "0.9", trade_id="sold")
    accept(bench, order, "0.9")
    assert [made.size for _ in range(20) for made in tick(bench)] == [D("0.05")]


def test_what_was_handed_over_survives_a_restart_once_the_pair_has_ended_again() -> None:
    dead, leg, order = flattening()
    fill(dead, leg, "0.05", trade_id="late")
    [more] = tick(dead)
    for sent in (more, order):
        fill_whole(dead, sent)
    bench = next_life(dead, CHEAPEST)
    accept(bench, leg, "0.95")  # nothing new
    assert not bench.engine.manager.open
    fill(bench, leg, "0.02", trade_id="later")
    assert net(bench) == D("0.02")


def test_a_restart_while_a_late_fill_has_reopened_a_pair_counts_its_result_once() -> None:
    dead, leg, _ = flattening()
    booked_e8 = dead.engine.state.control.day_net_e8
    assert booked_e8 != 0
    fill(dead, leg, "0.05", trade_id="late")
    assert dead.engine.state.control.day_net_e8 == booked_e8, "it stays until the pair closes again"
    assert next_life(dead, CHEAPEST).engine.state.control.day_net_e8 == booked_e8


def test_while_a_pair_is_open_again_its_loss_stays_and_a_restart_books_only_the_difference() -> None:
    dead, sell = half_sold()
    control = dead.engine.state.control
    first_e8 = control.day_net_e8
    fill(dead, sell, "0.2", trade_id="late")
    assert dead.engine.manager.open
    assert control.day_net_e8 == first_e8
    row = last_pair(dead)
    assert row.booked is not None
    assert (row.closed_before, row.booked.realised_net_e8, row.waterfall) == (1, first_e8, None)

    bench = restarted(dead)
    assert bench.engine.state.control.day_net_e8 == first_e8
    fill(bench, dead.placed()[0], "0.2", trade_id="late too")
    assert not bench.engine.manager.open
    row = last_pair(bench)
    assert row.waterfall is not None
    assert row.waterfall.realised_net_e8 != first_e8
    assert (row.closed_before, bench.engine.state.control.day_net_e8) == (1, row.waterfall.realised_net_e8)


# How it ends.


def test_the_reopened_pair_ends_completed_or_unwound_as_ever() -> None:
    bench, leg, order = flattening()
    fill(bench, leg, "0.05", trade_id="late")
    [more] = tick(bench)
    fill_whole(bench, more)
    fill_whole(bench, order)
    tick(bench)
    assert {row.state for row in latest(bench).values()} == {PairState.UNWOUND, PairState.COMPLETED}
