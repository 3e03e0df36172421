"""Unknown outcomes: nothing is sent again, and nothing is declared absent, before its absence is proved (docs/TRADE.md)."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from arb.clock import NS_PER_MS
from arb.core.messages.commands import PlaceOrder, RefreshBalances, SetTimer, SnapshotAccount
from arb.core.messages.events import OrderQueried, OutcomeUnknown
from arb.core.messages.records import IncidentRecord, OrderRecord, PairRecord, PairState
from arb.core.messages.settings import Timing
from arb.market.fill import Fill, FillSource
from arb.market.order import OrderAbsence, OrderReport, OrderStatus, Side
from tests.builders import Bench, a_balance, a_fill, a_report, a_snapshot
from tests.unit.core.trades.test_trade import accept, crossed, fill, last_pair

EXPIRY_MS = 1000
FUNDS = {"USDT": "100000", "BTC": "2"}


def unknown_sell(**details: object) -> tuple[Bench, PlaceOrder, PlaceOrder]:
    """Return a bench whose buy leg filled and whose sell leg's answer was lost."""
    bench = Bench(timing=Timing(order_expiry_ms=EXPIRY_MS), **details)  # type: ignore[arg-type]
    buy, sell = crossed(bench)
    accept(bench, buy, "1")
    fill(bench, buy, "1")
    name = sell.client_order_id
    bench.tell(OutcomeUnknown(venue=sell.venue, client_order_id=name, cause="reset", sent_ns=bench.now_ns))
    return bench, buy, sell


def look(
    bench: Bench, order: PlaceOrder, *, complete: bool = True, report: OrderReport | None = None, filled: str = ""
) -> None:
    """Let a look at the venue answer."""
    fills: tuple[Fill, ...] = ()
    if filled:
        made = a_fill(order, filled, fee="0.1", at_ns=bench.now_ns)
        fills = (msgspec.structs.replace(made, source=FillSource.QUERY),)
    bench.tell(
        OrderQueried(
            venue=order.venue,
            symbol=order.symbol,
            client_order_id=order.client_order_id,
            attempt=1,
            complete=complete,
            report=report,
            fills=fills,
            started_ns=bench.now_ns,
        )
    )


def balances(bench: Bench, order: PlaceOrder, **changes: str) -> None:
    """Let the venue tell all balances, asked now."""
    bench.tell(a_balance(order.venue, FUNDS | changes, asked_ns=bench.now_ns))


def a_strangers_buy(bench: Bench, like: PlaceOrder) -> dict[str, Any]:
    """Return what a look through the account finds of three bought by hand at 100, free of fees."""
    by_hand = msgspec.structs.replace(like, side=Side.BUY, price=Decimal(100), size=Decimal(3), client_order_id="web-1")
    made = a_fill(by_hand, "3", trade_id="t77", fee="0", at_ns=bench.now_ns)
    return {"orders": (a_report(by_hand, "3"),), "fills": (made,)}


def absence(bench: Bench, order: PlaceOrder) -> OrderAbsence | None:
    """Return how an order's absence was found, as last written."""
    rows = [row for row in bench.rows(OrderRecord) if isinstance(row, OrderRecord)]
    return [row.absence for row in rows if row.client_order_id == order.client_order_id][-1]


def status(bench: Bench, order: PlaceOrder) -> OrderStatus:
    """Return the status last written for an order."""
    rows = [row for row in bench.rows(OrderRecord) if isinstance(row, OrderRecord)]
    return [row.status for row in rows if row.client_order_id == order.client_order_id][-1]


def look_twice(bench: Bench, order: PlaceOrder) -> None:
    """Find nothing after the expiry, and nothing two seconds later."""
    bench.wait_ms(EXPIRY_MS + 300)
    look(bench, order)
    bench.wait_ms(2000)
    look(bench, order)
    bench.wait_ms(1)


def prove_absent(bench: Bench, order: PlaceOrder) -> None:
    """Go through the whole proof."""
    look_twice(bench, order)
    balances(bench, order)


def test_looks_before_the_expiry_prove_nothing() -> None:
    bench, _, sell = unknown_sell()
    for _ in range(5):
        bench.wait_ms(150)
        look(bench, sell)
    balances(bench, sell)
    assert status(bench, sell) is OrderStatus.UNKNOWN


def test_two_looks_too_close_together_prove_nothing() -> None:
    bench, _, sell = unknown_sell()
    bench.wait_ms(EXPIRY_MS + 300)
    look(bench, sell)
    bench.wait_ms(1999)
    look(bench, sell)
    balances(bench, sell)
    assert status(bench, sell) is OrderStatus.UNKNOWN


def test_incomplete_looks_prove_nothing() -> None:
    bench, _, sell = unknown_sell()
    bench.wait_ms(EXPIRY_MS + 300)
    for _ in range(4):
        look(bench, sell, complete=False)
        bench.wait_ms(2500)
    balances(bench, sell)
    assert status(bench, sell) is OrderStatus.UNKNOWN


def test_balances_that_disagree_break_the_proof() -> None:
    bench, _, sell = unknown_sell()
    look_twice(bench, sell)
    balances(bench, sell, BTC="1")  # one base is gone: the order did fill
    assert status(bench, sell) is OrderStatus.UNKNOWN


def test_balances_that_disagree_send_for_the_whole_account_and_a_strangers_fill_in_it_lets_the_proof_succeed() -> None:
    bench, _, sell = unknown_sell()
    look_twice(bench, sell)
    before = len(bench.said)
    balances(bench, sell, BTC="5", USDT="99700")  # somebody bought three by hand, and the stream lost the fill
    asked = [command for command in bench.said[before:] if isinstance(command, SnapshotAccount)]
    assert [command.venue for command in asked] == [sell.venue]
    bench.tell(a_snapshot(sell.venue, started_ns=bench.now_ns, **a_strangers_buy(bench, sell)))
    for _ in range(2):
        bench.wait_ms(2000)
        look(bench, sell)
    bench.wait_ms(1)
    balances(bench, sell, BTC="5", USDT="99700")
    assert status(bench, sell) is OrderStatus.ABSENT


def test_balances_asked_before_the_second_look_do_not_count() -> None:
    bench, _, sell = unknown_sell()
    bench.wait_ms(EXPIRY_MS + 300)
    look(bench, sell)
    asked_before = bench.now_ns
    bench.wait_ms(2000)
    look(bench, sell)
    bench.tell(a_balance(sell.venue, FUNDS, asked_ns=asked_before))
    assert status(bench, sell) is OrderStatus.UNKNOWN


def test_the_whole_proof_makes_it_absent_and_only_then_the_other_leg_is_repaired() -> None:
    bench, _, sell = unknown_sell()
    assert len(bench.placed()) == 2
    prove_absent(bench, sell)
    assert status(bench, sell) is OrderStatus.ABSENT
    assert absence(bench, sell) is OrderAbsence.PROVED
    bench.quote("okx", "100.9x5", "101.2x5")
    bench.quote("gate", "99.9x5", "100.5x5")
    bench.drain()
    repair = bench.placed()[-1]
    assert repair.client_order_id != sell.client_order_id
    fill(bench, repair, str(repair.size), "t7")
    assert last_pair(bench).state is PairState.COMPLETED


def test_an_order_found_by_a_look_is_taken_up_with_its_fills() -> None:
    bench, _, sell = unknown_sell()
    bench.wait_ms(500)
    look(bench, sell, report=a_report(sell, "1"), filled="1")
    assert status(bench, sell) is OrderStatus.FILLED
    assert last_pair(bench).state is PairState.COMPLETED
    assert len(bench.placed()) == 2


def test_a_fill_from_the_stream_resolves_the_unknown() -> None:
    bench, _, sell = unknown_sell()
    fill(bench, sell, "1", "t5")
    assert last_pair(bench).state is PairState.COMPLETED
    look(bench, sell)  # an old, empty look changes nothing any more
    assert status(bench, sell) is OrderStatus.FILLED


def test_an_order_that_turns_up_after_being_declared_absent_still_counts() -> None:
    bench, _, sell = unknown_sell()
    prove_absent(bench, sell)
    fill(bench, sell, "1", "t6")
    assert status(bench, sell) is OrderStatus.FILLED


def test_a_look_counts_once_the_expiry_has_passed_though_the_answer_is_still_waited_for() -> None:
    bench = Bench(timing=Timing(order_expiry_ms=EXPIRY_MS))
    buy, sell = crossed(bench)
    accept(bench, buy, "1")
    fill(bench, buy, "1")
    bench.wait_ms(EXPIRY_MS + 300)
    look(bench, sell)
    bench.wait_ms(700)
    bench.tell(
        OutcomeUnknown(venue=sell.venue, client_order_id=sell.client_order_id, cause="late", sent_ns=bench.now_ns)
    )
    bench.wait_ms(1300)
    look(bench, sell)
    balances(bench, sell)
    assert absence(bench, sell) is OrderAbsence.PROVED


def test_a_lost_answer_is_asked_for_at_once_when_a_look_counts_whatever_the_backoff() -> None:
    bench, _, sell = unknown_sell()
    for _ in range(4):
        look(bench, sell, complete=False)  # the backoff is 5 s by now
    bench.wait_ms(EXPIRY_MS + 300)
    bench.tell(OutcomeUnknown(venue=sell.venue, client_order_id=sell.client_order_id, cause="late", sent_ns=1))
    timers = [
        command for command in bench.said if isinstance(command, SetTimer) and sell.client_order_id in command.timer
    ]
    assert timers[-1].at_ns == bench.now_ns


def test_an_answer_after_the_proof_that_says_no_more_than_taken_has_the_order_queried_again() -> None:
    bench, _, sell = unknown_sell()
    prove_absent(bench, sell)
    accept(bench, sell, "0", is_open=True)
    assert status(bench, sell) is OrderStatus.OPEN


def test_the_symbol_is_frozen_at_that_venue_while_unknown() -> None:
    bench, _, _ = unknown_sell(venues=("gate", "okx", "bitget"))
    bench.wait_ms(50)
    bench.quote("bitget", "99.9x5", "100x5")
    bench.quote("okx", "101x5", "101.2x5")
    bench.drain()
    assert len(bench.placed()) == 2


def test_the_look_that_completes_the_count_asks_for_balances() -> None:
    bench, _, sell = unknown_sell()
    bench.wait_ms(EXPIRY_MS + 300)
    look(bench, sell)
    bench.wait_ms(2000)
    before = len(bench.said)
    look(bench, sell)
    assert any(isinstance(c, RefreshBalances) and c.venue == sell.venue for c in bench.said[before:])


@pytest.mark.parametrize("clock_error_ms", [0, 400])
def test_the_clock_error_postpones_the_proof(clock_error_ms: int) -> None:
    bench, _, sell = unknown_sell()
    bench.engine.state.venues["okx"].clock_error_ns = clock_error_ms * NS_PER_MS
    prove_absent(bench, sell)
    expected = OrderStatus.ABSENT if clock_error_ms == 0 else OrderStatus.UNKNOWN
    assert status(bench, sell) is expected


def test_every_pair_row_written_meanwhile_is_open() -> None:
    bench, _, _ = unknown_sell()
    states = {row.state for row in bench.rows(PairRecord) if isinstance(row, PairRecord)}
    assert states == {PairState.OPENING}


def test_an_order_unknown_for_too_long_is_told_once_and_stays_frozen() -> None:
    bench, _, sell = unknown_sell()
    for _ in range(3):
        bench.wait_ms(121_000)
        look(bench, sell, complete=False)
    told = [row for row in bench.rows(IncidentRecord) if isinstance(row, IncidentRecord) and "too_long" in row.kind]
    assert [row.severity for row in told] == ["critical"]
    assert status(bench, sell) is OrderStatus.UNKNOWN
