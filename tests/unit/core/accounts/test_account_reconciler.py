"""The snapshot of every account at the start: nothing opens before it, unknown orders of ours are recovered, twice is once."""

from decimal import Decimal

import msgspec
import pytest

from arb.clock import NS_PER_S
from arb.core.accounts.restart import Restored
from arb.core.messages.commands import CancelOrder, PlaceOrder, QueryOrder, RefreshBalances, SetTimer, SnapshotAccount
from arb.core.messages.events import AccountSnapshotTaken, OrderFilled, OrderQueried, TimerFired, parts_of
from arb.core.messages.reasons import Reason
from arb.core.messages.records import FillRecord, IncidentRecord, OrderRecord, PairRecord, PairState
from arb.core.messages.recovery_records import OpenPair, PlanRecord, ResidualsRecord
from arb.core.state.blocks import Source
from arb.market.fill import Fill, FillSource, Liquidity
from arb.market.ids import ClientOrderId
from arb.market.order import OrderReport, OrderStatus, Role, Side
from arb.store.journal.reader import MAX_SUB
from tests.builders import START_NS, SYMBOL, Bench, D, a_balance, a_fill, a_report, a_snapshot
from tests.unit.core.accounts.test_restart import latest
from tests.unit.core.trades.test_trade import accept, crossed, fill, last_pair

LOST_NONCE = 77


def a_lost_order(venue: str, side: Side, filled: str, *, leg: str = "", is_open: bool = False) -> OrderReport:
    """Return the venue's word on an order of a process whose journal lost its last moments."""
    name = ClientOrderId(LOST_NONCE, 5, leg or str(side), 0).encode()
    return OrderReport(
        venue=venue,
        symbol=SYMBOL,
        client_order_id=name,
        venue_order_id=f"v-{venue}-{side}",
        side=side,
        price=D(100) if side is Side.BUY else D(101),
        size=D(1),
        filled=D(filled),
        avg_price=None,
        is_open=is_open,
    )


def its_fill(report: OrderReport) -> Fill:
    """Return the one fill of such an order, executed before the start."""
    assert report.price is not None
    return Fill(
        venue=report.venue,
        symbol=report.symbol,
        trade_id=f"t-{report.venue_order_id}",
        venue_order_id=report.venue_order_id,
        client_order_id=None,
        side=report.side,
        price=report.price,
        size=report.filled,
        fee=report.filled * report.price * D("0.001"),
        fee_currency="USDT",
        liquidity=Liquidity.TAKER,
        source=FillSource.QUERY,
        event_ns=START_NS - 10**10,
        received_ns=START_NS,
    )


def told(bench: Bench, *reports: OrderReport) -> None:
    """Let the looks at the start, through one account after the other, find these orders with their fills."""
    for state in bench.engine.state.venues.values():
        state.block(Source.SNAPSHOT, "not taken")
    for venue in bench.venues:
        mine = tuple(report for report in reports if report.venue == venue)
        fills = tuple(its_fill(report) for report in mine if report.filled)
        bench.tell(a_snapshot(venue, started_ns=bench.now_ns, orders=mine, fills=fills))


def kinds(bench: Bench) -> list[str]:
    """Return the kinds of incidents so far."""
    return [row.kind for row in bench.rows(IncidentRecord) if isinstance(row, IncidentRecord)]


def usable(bench: Bench) -> None:
    """Let quiet books come in and the engine act."""
    bench.wait_ms(20)
    for venue in bench.venues:
        bench.quote(venue, "99.9x5", "100x5")
    bench.drain()


# Before the look.


def test_nothing_opens_at_a_venue_whose_account_was_not_read() -> None:
    bench = Bench()
    for state in bench.engine.state.venues.values():
        state.block(Source.SNAPSHOT, "not taken")
    bench.quote("gate", "99.9x5", "100x1")
    bench.quote("okx", "101x1", "101.2x5")
    bench.drain()
    assert not bench.placed()
    bench.tell(a_snapshot("gate", complete=False, cause="no answer"))
    bench.tell(a_snapshot("okx"))
    bench.drain()
    assert not bench.placed()
    assert kinds(bench) == ["not_surveyed"]
    again = bench.tell(TimerFired(timer="survey:gate"))
    assert [command.venue for command in again if isinstance(command, SnapshotAccount)] == ["gate"]
    assert [command.venue for command in bench.tell(a_snapshot("gate")) if isinstance(command, RefreshBalances)] == [
        "gate"
    ]
    bench.quote("okx", "101x1", "101.2x5")
    bench.drain()
    assert not bench.placed()  # not before its balances have agreed once
    for venue in bench.venues:
        bench.tell(a_balance(venue, {"USDT": "100000", "BTC": "2"}, asked_ns=bench.now_ns))
    bench.quote("okx", "101x1", "101.2x5")
    bench.drain()
    assert len(bench.placed()) == 2


def test_a_venue_whose_balances_cannot_be_read_after_the_snapshot_is_traded_at_all_the_same_in_the_end() -> None:
    bench = Bench()
    bench.engine.state.venues["gate"].block(Source.SNAPSHOT, "not taken")
    bench.tell(a_snapshot("gate"))
    bench.wait_ms(5_000)
    bench.quote("gate", "99.9x5", "100x1")
    bench.quote("okx", "101x1", "101.2x5")
    bench.drain()
    assert len(bench.placed()) == 2


@pytest.mark.parametrize(
    ("last_ns", "since_ns"),
    [
        (0, START_NS - 60 * 10**9),
        (START_NS - 3600 * 10**9, START_NS - 3660 * 10**9),
        (1, START_NS - 3 * 86_400 * 10**9),
    ],
    ids=["a new journal", "an hour ago", "long ago"],
)
def test_the_first_balances_lead_to_a_snapshot_back_to_shortly_before_the_last_entry(
    last_ns: int, since_ns: int
) -> None:
    bench = Bench(restored=Restored(last_ns=last_ns))
    asked = [command for command in bench.said if isinstance(command, SnapshotAccount)]
    first = {command.venue: command for command in reversed(asked)}
    assert {venue: command.symbols for venue, command in first.items()} == {"gate": (SYMBOL,), "okx": (SYMBOL,)}
    assert {command.since_ns for command in first.values()} == {since_ns}


# Orders of ours that nobody knows.


def test_a_matched_pair_the_journal_lost_is_recovered_and_completed_without_a_new_order() -> None:
    bench = Bench()
    told(bench, a_lost_order("gate", Side.BUY, "1"), a_lost_order("okx", Side.SELL, "1"))
    assert last_pair(bench).state is PairState.COMPLETED
    assert bench.engine.state.tally.opened == 1
    assert kinds(bench) == ["adopted"]
    usable(bench)
    assert not bench.placed()
    waterfall = last_pair(bench).waterfall
    assert waterfall is not None
    assert Decimal(waterfall.realised_net_e8).scaleb(-8) == D(1) - D("0.1") - D("0.101")


def test_a_lost_leg_waits_for_the_account_of_the_other_but_not_for_ever() -> None:
    bench = Bench()
    bench.engine.state.venues["okx"].block(Source.SNAPSHOT, "not taken")
    report = a_lost_order("gate", Side.BUY, "1")
    bench.tell(a_snapshot("gate", orders=(report,), fills=(its_fill(report),)))
    usable(bench)
    assert not bench.rows(PairRecord)
    bench.tell(TimerFired(timer="adopt"))
    usable(bench)
    assert [order.side for order in bench.placed()] == [Side.SELL]


def test_nothing_opens_where_a_lost_order_waits_for_its_other_leg() -> None:
    bench = Bench(venues=("gate", "okx", "bitget"))
    bench.engine.state.venues["bitget"].block(Source.SNAPSHOT, "not taken")
    bench.tell(a_snapshot("gate", orders=(a_lost_order("gate", Side.BUY, "1"),)))
    bench.wait_ms(20)
    bench.quote("gate", "99.9x5", "100x1")
    bench.quote("okx", "101x1", "101.2x5")
    bench.drain()
    assert not bench.placed()
    assert bench.not_taken() == {Reason.UNKNOWN_OUTSTANDING: 1}


def test_a_lost_leg_that_filled_alone_is_brought_back_to_flat() -> None:
    bench = Bench()
    told(bench, a_lost_order("gate", Side.BUY, "1"))
    usable(bench)
    [order] = bench.placed()
    assert (order.side, order.size, order.role) == (Side.SELL, D(1), Role.HEDGE)
    accept(bench, order, "1")
    fill(bench, order, "1", trade_id="t9")
    assert last_pair(bench).state is PairState.COMPLETED
    assert not bench.engine.manager.open
    waterfall = last_pair(bench).waterfall
    assert waterfall is not None
    # Bought for 100, sold for 99.9 or thereabouts, two fees of 0.1 %: what the pair really cost.
    lost = D(100) + D("0.1") - order.price + order.price * D("0.001")
    assert Decimal(waterfall.realised_net_e8).scaleb(-8) == -lost


def test_its_rows_name_it_as_the_venue_does_and_its_fill_is_stored_once() -> None:
    bench = Bench()
    report = a_lost_order("gate", Side.BUY, "1")
    told(bench, report)
    told(bench, report)
    orders = [row for row in latest(bench, OrderRecord) if isinstance(row, OrderRecord)]
    own = [row for row in orders if row.client_order_id == report.client_order_id]
    assert [(row.role, row.status, row.filled, row.venue_order_id) for row in own] == [
        (Role.ENTRY, OrderStatus.FILLED, D(1), report.venue_order_id)
    ]
    assert len(bench.rows(FillRecord)) == 1
    assert kinds(bench).count("adopted") == 1


def test_a_balance_that_already_holds_a_lost_fill_is_no_difference() -> None:
    bench = Bench()
    told(bench, a_lost_order("gate", Side.BUY, "1"))
    assert bench.engine.state.inventory.computed("gate", "BTC") == 2


def test_a_lost_order_that_still_rests_is_cancelled_and_queried() -> None:
    bench = Bench()
    report = a_lost_order("gate", Side.BUY, "0", is_open=True)
    told(bench, report)
    assert [c.client_order_id for c in bench.said if isinstance(c, CancelOrder)] == [report.client_order_id]
    [order] = bench.engine.manager.resting()
    asked = bench.tell(TimerFired(timer=f"order:{order.client_order_id}"))
    assert any(isinstance(command, QueryOrder) for command in asked)
    bench.tell(
        OrderQueried(
            venue="gate",
            symbol=SYMBOL,
            client_order_id=order.client_order_id,
            attempt=1,
            complete=True,
            report=msgspec.structs.replace(report, is_open=False),
            fills=(),
            started_ns=bench.now_ns,
        )
    )
    assert last_pair(bench).state in (PairState.COMPLETED, PairState.UNWOUND)
    assert not bench.engine.manager.open


def test_a_lost_repair_is_recovered_with_its_role() -> None:
    bench = Bench()
    told(bench, a_lost_order("gate", Side.SELL, "1", leg="hedge"))
    pair = last_pair(bench)
    assert pair.buy_venue != pair.sell_venue
    assert pair.buy_size > 0 < pair.sell_size
    assert bench.rows(OrderRecord)[0].role is Role.HEDGE


def test_another_account_that_fails_again_and_again_does_not_put_off_for_ever_that_a_lost_leg_is_recovered() -> None:
    bench = Bench()
    bench.engine.state.venues["okx"].block(Source.SNAPSHOT, "not taken")
    report = a_lost_order("gate", Side.BUY, "1")
    unread = msgspec.structs.replace(a_snapshot("okx"), complete=False, cause="503")
    due_ns = 0
    for event in (a_snapshot("gate", orders=(report,), fills=(its_fill(report),)), *(unread,) * 10):
        commands = bench.tell(msgspec.structs.replace(event, started_ns=bench.now_ns))
        set_to = [c.at_ns for c in commands if isinstance(c, SetTimer) and c.timer == "adopt"]
        due_ns = set_to[-1] if set_to else due_ns
        bench.wait_ms(1500)
    assert due_ns <= START_NS + 11 * NS_PER_S
    bench.tell(TimerFired(timer="adopt"))
    assert kinds(bench).count("adopted") == 1


def test_an_order_with_our_prefix_on_a_symbol_we_do_not_trade_is_only_reported() -> None:
    bench = Bench()
    report = msgspec.structs.replace(a_lost_order("gate", Side.BUY, "1"), symbol="XRP/USDT")
    bench.tell(a_snapshot("gate", orders=(report,)))
    assert kinds(bench) == ["not_adopted"]
    assert not bench.rows(PairRecord)


# Orders of ours that the journal knows.


def finished() -> tuple[Bench, Restored]:
    """Return a dead engine with one completed pair, and what its journal hands over."""
    dead = Bench()
    buy, sell = crossed(dead)
    for order in (buy, sell):
        accept(dead, order, "1")
        fill(dead, order, "1", trade_id=f"t-{order.venue}")
    orders, fills = latest(dead, OrderRecord), latest(dead, FillRecord)
    pools = dead.rows(ResidualsRecord)
    closed = OpenPair(
        plan=latest(dead, PlanRecord)[0],  # type: ignore[arg-type]
        pair=latest(dead, PairRecord)[0],  # type: ignore[arg-type]
        orders=tuple(orders),  # type: ignore[arg-type]
        fills=tuple(fills),  # type: ignore[arg-type]
    )
    assert closed.pair.state is PairState.COMPLETED
    residuals = pools[-1] if pools else None
    return dead, Restored(recent=(closed,), last_ns=dead.now_ns, residuals=residuals)


def test_orders_of_a_pair_closed_before_the_restart_change_nothing_when_they_are_found_again() -> None:
    dead, left = finished()
    bench = Bench(restored=left, run_id=1_760_000_500)
    before = len(bench.said)
    for order in dead.placed():
        found = a_fill(order, "1", trade_id=f"t-{order.venue}", at_ns=dead.now_ns)
        bench.tell(a_snapshot(order.venue, orders=(a_report(order, "1"),), fills=(found,)))
    assert not [c for c in bench.said[before:] if isinstance(c, PlaceOrder | QueryOrder | CancelOrder)]
    assert not bench.rows(FillRecord)
    assert kinds(bench) == []
    assert bench.engine.state.tally.opened == 0


def test_a_fill_that_came_after_the_end_and_after_the_restart_opens_the_pair_again() -> None:
    dead = Bench()
    buy, sell = crossed(dead)
    accept(dead, buy, "0.5")
    fill(dead, buy, "0.5")
    accept(dead, sell, "0.5")
    fill(dead, sell, "0.5", trade_id="t2")
    closed = OpenPair(
        plan=latest(dead, PlanRecord)[0],  # type: ignore[arg-type]
        pair=latest(dead, PairRecord)[0],  # type: ignore[arg-type]
        orders=tuple(latest(dead, OrderRecord)),  # type: ignore[arg-type]
        fills=tuple(latest(dead, FillRecord)),  # type: ignore[arg-type]
    )
    assert closed.pair.closed_ns is not None
    bench = Bench(restored=Restored(recent=(closed,), last_ns=dead.now_ns), run_id=1_760_000_500)
    bench.wait_ms(1_000)
    bench.tell(OrderFilled(fill=a_fill(buy, "0.3", trade_id="late", fee="0.03", at_ns=bench.now_ns)))
    usable(bench)
    [order] = bench.placed()
    assert (order.side, order.size) == (Side.SELL, D("0.3"))
    accept(bench, order, "0.3")
    fill(bench, order, "0.3", trade_id="t9")
    assert last_pair(bench).id == closed.pair.id
    assert last_pair(bench).state in (PairState.COMPLETED, PairState.UNWOUND)
    tally = bench.engine.state.tally
    assert tally.opened == sum(tally.closed.values()) == 1


def test_an_open_pair_is_settled_by_the_snapshot_itself() -> None:
    dead = Bench()
    buy, sell = crossed(dead)
    left = OpenPair(
        plan=latest(dead, PlanRecord)[0],  # type: ignore[arg-type]
        pair=latest(dead, PairRecord)[0],  # type: ignore[arg-type]
        orders=tuple(latest(dead, OrderRecord)),  # type: ignore[arg-type]
        fills=(),
    )
    bench = Bench(restored=Restored(pairs=(left,)), run_id=1_760_000_500)
    for order in (buy, sell):
        made = a_fill(order, "1", trade_id=order.venue, fee="0.1", at_ns=dead.now_ns)
        bench.tell(a_snapshot(order.venue, orders=(a_report(order, "1"),), fills=(made,)))
    assert last_pair(bench).state is PairState.COMPLETED


# Strangers.


def test_foreign_rows_of_the_process_before_are_not_written_again() -> None:
    foreign = msgspec.structs.replace(a_lost_order("gate", Side.BUY, "1"), client_order_id="by-hand")
    dead = Bench()
    told(dead, foreign)
    orders = tuple(row for row in latest(dead, OrderRecord) if isinstance(row, OrderRecord))
    fills = tuple(row for row in latest(dead, FillRecord) if isinstance(row, FillRecord))
    assert [order.role for order in orders] == [Role.FOREIGN]
    bench = Bench(restored=Restored(foreign_orders=orders, foreign_fills=fills), run_id=1_760_000_500)
    told(bench, foreign)
    assert not bench.rows(OrderRecord)
    assert not bench.rows(FillRecord)


def test_the_same_snapshot_twice_changes_nothing_the_second_time() -> None:
    bench = Bench()
    lost = a_lost_order("gate", Side.BUY, "1"), a_lost_order("okx", Side.SELL, "0")
    foreign = msgspec.structs.replace(a_lost_order("okx", Side.BUY, "1"), client_order_id=None, venue_order_id="h")
    told(bench, *lost, foreign)
    rows = [len(bench.rows(kind)) for kind in (PairRecord, FillRecord, IncidentRecord)]
    orders = latest(bench, OrderRecord)
    told(bench, *lost, foreign)
    assert [len(bench.rows(kind)) for kind in (PairRecord, FillRecord, IncidentRecord)] == rows
    assert latest(bench, OrderRecord) == orders
    assert not bench.placed()


def test_starting_up_reads_each_account_once_more_when_its_stream_is_up_and_places_nothing() -> None:
    bench = Bench()
    assert not bench.placed()
    asked = [command.venue for command in bench.said if isinstance(command, SnapshotAccount)]
    assert asked == ["gate", "gate", "okx", "okx"]


def crowded(count: int) -> AccountSnapshotTaken:
    """Return a snapshot that finds so many filled foreign orders."""
    bench = Bench()
    report = msgspec.structs.replace(a_lost_order("gate", Side.BUY, "1"), client_order_id=None)
    orders = tuple(msgspec.structs.replace(report, venue_order_id=f"s{number}") for number in range(count))
    fill = msgspec.structs.replace(its_fill(report), client_order_id=None)
    fills = tuple(
        msgspec.structs.replace(fill, venue_order_id=order.venue_order_id, trade_id=f"t{order.venue_order_id}")
        for order in orders
    )
    return msgspec.structs.replace(a_snapshot("gate", orders=orders, fills=fills), started_ns=bench.now_ns)


def test_a_snapshot_that_finds_a_crowd_of_foreign_orders_is_taken_in_parts_that_the_journal_can_hold() -> None:
    bench = Bench()
    parts = list(parts_of(crowded(2_000)))
    assert [part.more for part in parts] == [True] * (len(parts) - 1) + [False]
    assert max(len(bench.tell(part)) for part in parts) <= MAX_SUB
    rows = [row for row in bench.rows(FillRecord) if isinstance(row, FillRecord)]
    assert len({row.trade_id for row in rows}) == len(rows) == 2_000
    assert len({row.id for row in latest(bench, OrderRecord)}) == 2_000  # type: ignore[attr-defined]


def test_a_small_snapshot_is_reported_at_once() -> None:
    look = crowded(100)
    assert list(parts_of(look)) == [look]


def test_only_the_last_part_of_a_snapshot_counts_as_one_and_fills_without_orders_are_not_forgotten() -> None:
    bench = Bench()
    bench.engine.state.venues["gate"].block(Source.SNAPSHOT, "not taken")
    report, look = a_lost_order("gate", Side.BUY, "1"), crowded(400)
    lost = msgspec.structs.replace(its_fill(report), client_order_id=report.client_order_id)
    *parts, last = parts_of(msgspec.structs.replace(look, fills=(lost, *look.fills)))
    assert any(lost in part.fills for part in parts)
    for part in parts:
        bench.tell(part)
    assert "not_surveyed" not in kinds(bench)
    bench.tell(last)
    assert kinds(bench).count("not_surveyed") == 1
    assert not bench.engine.state.venues["gate"].snapshot_taken
