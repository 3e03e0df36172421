"""When nothing found means nothing there: lists that lag, and absences that are presumed where no expiry is enforced."""

from decimal import Decimal

import msgspec
import pytest

from arb.clock import NS_PER_MS
from arb.core.accounts.restart import Restored
from arb.core.messages.commands import PlaceOrder
from arb.core.messages.events import OutcomeUnknown, PrivateDown
from arb.core.messages.reasons import Reason
from arb.core.messages.records import IncidentRecord, OrderRecord, PairRecord, PairState
from arb.core.messages.recovery_records import ControlRecord, ReadLag, WrongPresumption
from arb.core.messages.settings import Limits
from arb.core.risk.blockers import Blockers
from arb.core.state.order import WorkingOrder
from arb.market.order import OrderAbsence, OrderStatus
from tests.builders import START_NS, Bench, a_report, a_snapshot, an_instrument
from tests.unit.core.orders.test_unknown import (
    EXPIRY_MS,
    absence,
    balances,
    look,
    look_twice,
    prove_absent,
    status,
    unknown_sell,
)
from tests.unit.core.trades.test_trade import accept, fill, last_pair

HOUR_NS = 3_600_000 * NS_PER_MS
DAY_NS = 24 * HOUR_NS


def with_control(**known: object) -> Restored:
    """Return what a previous process left of its control record, with these fields."""
    before, _, _ = unknown_sell()
    kept = [row for row in before.rows(ControlRecord) if isinstance(row, ControlRecord)][-1]
    return Restored(control=msgspec.structs.replace(kept, **known))


def lagging(ms: int, ago_ns: int) -> Restored:
    """Return a journal in which okx was seen to show an order `ms` late, `ago_ns` before the start."""
    return with_control(read_lags=(ReadLag("okx:test", START_NS - ago_ns, ms * NS_PER_MS),))


def a_presumed_sell(**details: object) -> tuple[Bench, PlaceOrder]:
    """Return a bench whose sell leg is presumed absent at a venue that enforces no expiry."""
    bench, _, sell = unknown_sell(no_expiry=("okx",), **details)
    prove_absent(bench, sell)
    assert absence(bench, sell) is OrderAbsence.PRESUMED
    return bench, sell


def kinds(bench: Bench) -> list[str]:
    """Return the kinds of all incidents, in order."""
    return [row.kind for row in bench.rows(IncidentRecord) if isinstance(row, IncidentRecord)]


# Lists that lag.


def test_nothing_is_proved_absent_while_an_acknowledged_order_is_missing_from_the_same_lists() -> None:
    instruments = [an_instrument(venue, symbol) for venue in ("gate", "okx") for symbol in ("BTC/USDT", "ETH/USDT")]
    bench, _, sell = unknown_sell(instruments=instruments, balances={"USDT": "100000", "BTC": "2", "ETH": "9"})
    bench.quote("gate", "99.9x5", "100x1", symbol="ETH/USDT")
    bench.quote("okx", "101x1", "101.2x5", symbol="ETH/USDT")
    bench.drain()
    other = next(order for order in bench.placed()[2:] if order.venue == "okx")
    accept(bench, other, "0", is_open=True)
    bench.wait_ms(EXPIRY_MS + 300)
    look(bench, other)
    look(bench, sell)
    bench.wait_ms(2000)
    look(bench, other)
    look(bench, sell)
    balances(bench, sell)
    assert status(bench, sell) is OrderStatus.UNKNOWN
    assert kinds(bench).count("read_lag") == 1


def test_balances_that_lack_an_older_fill_of_another_asset_prove_nothing() -> None:
    instruments = [an_instrument(venue, symbol) for venue in ("gate", "okx") for symbol in ("BTC/USDT", "ETH/USDT")]
    funds = {"USDT": "100000", "BTC": "2", "ETH": "9"}
    bench, _, sell = unknown_sell(instruments=instruments, balances=funds)
    bench.quote("gate", "99.9x5", "100x1", symbol="ETH/USDT")
    bench.quote("okx", "101x1", "101.2x5", symbol="ETH/USDT")
    bench.drain()
    fill(bench, next(order for order in bench.placed()[2:] if order.venue == "okx"), "1", "t9")
    look_twice(bench, sell)
    balances(bench, sell, **funds)
    assert status(bench, sell) is OrderStatus.UNKNOWN
    look_twice(bench, sell)
    balances(bench, sell, **{asset: str(bench.engine.state.inventory.computed("okx", asset)) for asset in funds})
    assert status(bench, sell) is OrderStatus.ABSENT


def with_a_fill_of_eth() -> tuple[Bench, PlaceOrder, PlaceOrder, dict[str, str]]:
    """Return a bench with an unknown sell of BTC at okx, a filled one of ETH there, and the balances before that fill."""
    instruments = [an_instrument(venue, symbol) for venue in ("gate", "okx") for symbol in ("BTC/USDT", "ETH/USDT")]
    funds = {"USDT": "100000", "BTC": "2", "ETH": "9"}
    bench, _, sell = unknown_sell(instruments=instruments, balances=funds)
    bench.quote("gate", "99.9x5", "100x1", symbol="ETH/USDT")
    bench.quote("okx", "101x1", "101.2x5", symbol="ETH/USDT")
    bench.drain()
    other = next(order for order in bench.placed()[2:] if order.venue == "okx")
    fill(bench, other, "1", "t9")
    return bench, sell, other, funds


def test_balances_that_lack_a_fill_show_the_lag_though_no_order_is_unknown_yet() -> None:
    bench, sell, _, funds = with_a_fill_of_eth()
    bench.wait_ms(3000)
    balances(bench, sell, **funds)
    assert bench.engine.manager.visibility.lag_ns("okx", 0) == 3000 * NS_PER_MS
    assert bench.engine.manager.visibility.lag_ns("gate", 0) == 0


def test_a_snapshot_that_misses_a_filled_order_shows_the_lag() -> None:
    bench, _, other, _ = with_a_fill_of_eth()
    bench.wait_ms(3000)
    bench.tell(a_snapshot("okx", started_ns=bench.now_ns, complete=False))
    assert kinds(bench).count("read_lag") == 0, "not all was read"
    bench.tell(a_snapshot("okx", started_ns=bench.now_ns, orders=(a_report(other, "1"),)))
    assert kinds(bench).count("read_lag") == 0, "it shows the order"
    bench.tell(a_snapshot("okx", started_ns=bench.now_ns))
    assert kinds(bench).count("read_lag") == 1
    assert bench.engine.manager.visibility.lag_ns("okx", 0) == 3000 * NS_PER_MS


def test_a_snapshot_in_parts_misses_no_order_of_an_earlier_part() -> None:
    bench, _, other, _ = with_a_fill_of_eth()
    bench.wait_ms(3000)
    bench.tell(a_snapshot("okx", started_ns=bench.now_ns, orders=(a_report(other, "1"),), more=True))
    bench.tell(a_snapshot("okx", started_ns=bench.now_ns))
    assert kinds(bench).count("read_lag") == 0


@pytest.mark.parametrize(
    ("ago_ns", "found"), [(DAY_NS - HOUR_NS, OrderStatus.UNKNOWN), (DAY_NS + HOUR_NS, OrderStatus.ABSENT)]
)
def test_a_lag_seen_within_a_day_is_added_to_the_wait(ago_ns: int, found: OrderStatus) -> None:
    bench, _, sell = unknown_sell(restored=lagging(9000, ago_ns))
    prove_absent(bench, sell)
    assert status(bench, sell) is found


def test_after_a_lag_was_waited_for_the_proof_is_complete() -> None:
    bench, _, sell = unknown_sell(restored=lagging(9000, HOUR_NS))
    bench.wait_ms(9000)
    prove_absent(bench, sell)
    assert absence(bench, sell) is OrderAbsence.PROVED


def test_no_lag_is_waited_for_longer_than_a_minute() -> None:
    bench, _, sell = unknown_sell(restored=lagging(500_000, HOUR_NS))
    bench.wait_ms(60_000)
    prove_absent(bench, sell)
    assert absence(bench, sell) is OrderAbsence.PROVED


def test_balances_that_show_a_later_fill_take_the_place_of_the_wait() -> None:
    instruments = [an_instrument(venue, symbol) for venue in ("gate", "okx") for symbol in ("BTC/USDT", "ETH/USDT")]
    funds = {"USDT": "100000", "BTC": "2", "ETH": "9"}
    bench, _, sell = unknown_sell(restored=lagging(9000, HOUR_NS), instruments=instruments, balances=funds)
    bench.wait_ms(EXPIRY_MS + 300)
    bench.quote("gate", "99.9x5", "100x1", symbol="ETH/USDT")
    bench.quote("okx", "101x1", "101.2x5", symbol="ETH/USDT")
    bench.drain()
    later = next(order for order in bench.placed()[2:] if order.venue == "okx")
    fill(bench, later, "1", "t9")
    bench.wait_ms(1)
    after = {asset: str(bench.engine.state.inventory.computed("okx", asset)) for asset in funds}
    balances(bench, sell, **after)
    look(bench, sell)
    bench.wait_ms(2000)
    look(bench, sell)
    bench.wait_ms(1)
    balances(bench, sell, **after)
    assert absence(bench, sell) is OrderAbsence.PROVED


# Absences that are presumed.


def test_a_presumption_takes_three_seconds_and_two_looks() -> None:
    bench, _, sell = unknown_sell(no_expiry=("okx",))
    bench.wait_ms(500)
    look(bench, sell)
    bench.wait_ms(2400)
    look(bench, sell)
    bench.wait_ms(1)
    balances(bench, sell)
    assert status(bench, sell) is OrderStatus.UNKNOWN


def test_repairs_act_on_a_presumption_while_its_book_stays_closed_to_openings() -> None:
    bench, _ = a_presumed_sell()
    bench.quote("okx", "100.9x5", "101.2x5")
    bench.quote("gate", "99.9x5", "100.5x5")
    bench.drain()
    repair = bench.placed()[-1]
    fill(bench, repair, str(repair.size), "t7")
    assert last_pair(bench).state is PairState.COMPLETED
    blockers = Blockers(bench.engine.state, bench.engine.manager)
    assert blockers.reason((("okx", "BTC/USDT"),), bench.now_ns) is Reason.UNKNOWN_OUTSTANDING


def test_what_the_order_may_lock_stays_reserved_until_it_is_no_longer_watched() -> None:
    bench, sell = a_presumed_sell()
    bench.quote("okx", "100.9x5", "101.2x5")
    bench.quote("gate", "99.9x5", "100.5x5")
    bench.drain()
    repair = bench.placed()[-1]
    fill(bench, repair, str(repair.size), "t7")
    inventory = bench.engine.state.inventory
    assert inventory.reserved("okx", "BTC") == sell.size
    bench.wait_ms(120_000)
    look(bench, sell)
    assert inventory.reserved("okx", "BTC") == 0
    assert absence(bench, sell) is OrderAbsence.PRESUMED


@pytest.mark.parametrize("sign", ["answer", "stream"])
def test_a_venue_that_is_unwell_is_given_ten_seconds(sign: str) -> None:
    bench, _, sell = unknown_sell(no_expiry=("okx",))
    if sign == "answer":
        lost = OutcomeUnknown(
            venue="okx", client_order_id=sell.client_order_id, cause="502", sent_ns=bench.now_ns, status=502
        )
        bench.tell(lost)
    else:
        bench.tell(PrivateDown(venue="okx", cause="silent"))
    prove_absent(bench, sell)
    assert status(bench, sell) is OrderStatus.UNKNOWN
    bench.wait_ms(5000)
    prove_absent(bench, sell)
    assert absence(bench, sell) is OrderAbsence.PRESUMED


def test_a_slow_acknowledgement_of_late_doubles_the_wait() -> None:
    bench, _, sell = unknown_sell(no_expiry=("okx",))
    bench.engine.manager.visibility.acknowledged("okx", 4000 * NS_PER_MS, bench.now_ns)
    prove_absent(bench, sell)
    assert status(bench, sell) is OrderStatus.UNKNOWN
    bench.wait_ms(4000)
    prove_absent(bench, sell)
    assert absence(bench, sell) is OrderAbsence.PRESUMED


def test_an_order_presumed_absent_that_fills_is_a_late_fill_whose_cost_counts() -> None:
    bench, sell = a_presumed_sell()
    bench.quote("okx", "100.9x5", "101.2x5")
    bench.quote("gate", "99.9x5", "100.5x5")
    bench.drain()
    repair = bench.placed()[-1]
    fill(bench, repair, str(repair.size), "t7")
    fill(bench, sell, "1", "t8")
    assert absence(bench, sell) is None
    assert last_pair(bench).state is PairState.REPAIRING
    bench.wait_ms(1000)
    bench.quote("okx", "101.1x5", "101.4x5")
    bench.quote("gate", "101.1x5", "101.4x5")
    bench.drain()
    again = bench.placed()[-1]
    fill(bench, again, str(again.size), "t9")
    rows = [row for row in bench.rows(PairRecord) if isinstance(row, PairRecord)]
    assert rows[-1].waterfall is not None and rows[-1].waterfall.hedge_cost_e8 < 0
    assert bench.engine.state.control.day_presumed_e8 == -rows[-1].waterfall.hedge_cost_e8
    assert kinds(bench).count("presumed_wrong") == 2


@pytest.mark.parametrize(
    ("first_h", "last_h", "found"),
    [(2.5, 2.0, OrderStatus.UNKNOWN), (4.0, 2.0, OrderStatus.ABSENT), (30.5, 30.0, OrderStatus.ABSENT)],
)
def test_two_wrong_presumptions_within_an_hour_end_them_there_for_a_day(
    first_h: float, last_h: float, found: OrderStatus
) -> None:
    wrong = tuple(WrongPresumption("okx:test", START_NS - int(hours * HOUR_NS)) for hours in (first_h, last_h))
    bench, _, sell = unknown_sell(no_expiry=("okx",), restored=with_control(wrong_presumptions=wrong, expiry_proved=()))
    prove_absent(bench, sell)
    assert status(bench, sell) is found


def test_a_second_order_of_the_venue_waits_until_the_first_has_not_turned_up_for_ten_seconds() -> None:
    instruments = [an_instrument(venue, symbol) for venue in ("gate", "okx") for symbol in ("BTC/USDT", "ETH/USDT")]
    funds = {"USDT": "100000", "BTC": "2", "ETH": "9"}
    bench, _, sell = unknown_sell(no_expiry=("okx",), instruments=instruments, balances=funds)
    bench.quote("gate", "99.9x5", "100x1", symbol="ETH/USDT")
    bench.quote("okx", "101x1", "101.2x5", symbol="ETH/USDT")
    bench.drain()
    other = next(order for order in bench.placed()[2:] if order.venue == "okx")
    bench.tell(OutcomeUnknown(venue="okx", client_order_id=other.client_order_id, cause="reset", sent_ns=bench.now_ns))
    bench.wait_ms(EXPIRY_MS + 300)
    look(bench, sell)
    look(bench, other)
    bench.wait_ms(2000)
    look(bench, sell)
    look(bench, other)
    bench.wait_ms(1)
    balances(bench, sell, ETH="9")
    assert {absence(bench, sell), absence(bench, other)} == {OrderAbsence.PRESUMED, None}

    second = sell if absence(bench, sell) is None else other
    bench.wait_ms(10_000)
    look(bench, second)
    bench.wait_ms(1)
    balances(bench, sell, ETH="9")
    assert absence(bench, second) is OrderAbsence.PRESUMED


def test_no_presumption_is_made_that_could_cost_more_than_a_quarter_of_the_days_loss() -> None:
    limits = Limits(min_net_quote=Decimal(0), min_edge_bps=Decimal(1), daily_loss_quote=Decimal("1.2"))
    bench, _, sell = unknown_sell(no_expiry=("okx",), limits=limits)
    prove_absent(bench, sell)  # 30 bps of 101 quote are 0.303
    assert status(bench, sell) is OrderStatus.UNKNOWN


def test_a_presumed_order_is_watched_on_after_a_restart() -> None:
    before, sell = a_presumed_sell()
    rows = [row for row in before.rows(OrderRecord) if isinstance(row, OrderRecord)]
    written = next(row for row in reversed(rows) if row.client_order_id == sell.client_order_id)
    order = WorkingOrder.restored(written, (), sell.expires_ns)
    assert order.watched
    assert order.status is OrderStatus.ABSENT


def test_two_looks_that_prove_nothing_alone_need_balances_too() -> None:
    bench, _, sell = unknown_sell(no_expiry=("okx",))
    look_twice(bench, sell)
    assert status(bench, sell) is OrderStatus.UNKNOWN
