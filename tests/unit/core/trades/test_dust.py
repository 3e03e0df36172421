"""Dust traded away by pairs of its own: what may keep it, and what becomes of the rest."""

from decimal import Decimal

import msgspec
import pytest

from arb.core.messages.commands import PlaceOrder
from arb.core.messages.events import OrderRejected, OrderUpdated
from arb.core.messages.records import PairKind, PairState
from arb.core.messages.recovery_records import Residual
from arb.core.messages.settings import Limits, OnSingleLeg, RepairPolicy
from arb.market.order import Role, Side
from tests.builders import SYMBOL, Bench, D, a_balance, a_report, an_instrument
from tests.unit.core.trades.test_late_fills import half_sold
from tests.unit.core.trades.test_trade import accept, crossed, fill, last_pair


def pair_closed_with_dust(bench: Bench, size: Decimal, *, then_drained: bool = True) -> None:
    """Let a pair close flat while dust of `size` base, worth 100 each, lies around; then show new books."""
    buy, sell = crossed(bench)
    bench.engine.state.residuals.add_dust(Residual(SYMBOL, size, size * 100, bench.now_ns))
    for order in (buy, sell):
        accept(bench, order, "1")
        fill(bench, order, "1", order.venue)
    usable_books(bench)
    if then_drained:
        bench.drain()


def usable_books(bench: Bench) -> None:
    """Show books without an edge, newer than what our last orders did to them."""
    bench.wait_ms(20)
    bench.quote("gate", "99.9x5", "100x1")
    bench.quote("okx", "99.8x5", "101.2x5")


def dust_orders(bench: Bench) -> list[PlaceOrder]:
    return [order for order in bench.placed() if order.role is Role.DUST]


def limits() -> Limits:
    return Limits(min_net_quote=D(0), min_edge_bps=D(1), dust_max_quote=D(5))


def test_dust_worth_less_than_dust_max_quote_is_kept() -> None:
    bench = Bench(limits=limits())
    pair_closed_with_dust(bench, D("0.04"))
    assert not dust_orders(bench)


@pytest.mark.parametrize("policy", OnSingleLeg)
def test_dust_is_traded_whatever_the_policy_says_of_single_legs(policy: OnSingleLeg) -> None:
    bench = Bench(limits=limits(), policy=RepairPolicy(on_single_leg=policy))
    pair_closed_with_dust(bench, D("0.06"))
    [order] = dust_orders(bench)
    assert (order.side, order.size) == (Side.SELL, D("0.06"))
    assert bench.engine.state.residuals.carried(SYMBOL).size == 0


def test_what_one_order_for_dust_left_is_dust_again_though_it_could_be_traded_at_once() -> None:
    bench = Bench(limits=limits())
    pair_closed_with_dust(bench, D("0.2"))
    [order] = dust_orders(bench)
    accept(bench, order, "0.1")
    fill(bench, order, "0.1")
    pair = last_pair(bench)
    assert (pair.kind, pair.state) == (PairKind.DUST, PairState.COMPLETED)
    assert bench.engine.state.residuals.dust(SYMBOL).size == D("0.1")


COINS = ("ADA", "ETH", "SOL", "XRP")


def many_coins(worths: dict[str, str], **changes: Decimal) -> Bench:
    """Return a bench with dust of some coins, worth so much at 100 each, after a pair in another symbol has closed."""
    symbols = [SYMBOL, *(f"{coin}/USDT" for coin in COINS)]
    listed = [an_instrument(venue, symbol) for venue in ("gate", "okx") for symbol in symbols]
    funds = {"USDT": "100000", "BTC": "2"} | dict.fromkeys(COINS, "5")
    bench = Bench(instruments=listed, limits=msgspec.structs.replace(limits(), **changes), balances=funds)
    for coin, worth in worths.items():
        bench.engine.state.residuals.add_dust(Residual(f"{coin}/USDT", D(worth) / 100, D(worth), bench.now_ns))
        for venue in ("gate", "okx"):
            bench.quote(venue, "99.9x5", "100.1x5", f"{coin}/USDT")
    pair_closed_with_dust(bench, D(0))
    return bench


def test_dust_of_many_symbols_is_traded_away_the_most_valuable_first_until_the_sum_is_within_its_limit() -> None:
    worths = {"ADA": "4", "ETH": "-3", "SOL": "2", "XRP": "1"}
    bench = many_coins(worths, dust_total_max_quote=D(5))
    assert [(order.symbol, order.side) for order in dust_orders(bench)] == [
        ("ADA/USDT", Side.SELL),
        ("ETH/USDT", Side.BUY),
    ]
    for order in dust_orders(bench):
        accept(bench, order, str(order.size))
        fill(bench, order, str(order.size), trade_id=order.symbol)
    assert bench.engine.state.residuals.dust_value() == 3
    assert bench.engine.state.residuals.unhedged() == []


def test_dust_of_many_symbols_is_kept_while_its_sum_is_within_the_limit() -> None:
    assert not dust_orders(many_coins({"ADA": "4", "ETH": "-3", "SOL": "2", "XRP": "1"}, dust_total_max_quote=D(10)))


def test_excess_dust_takes_no_more_room_than_pairs_may() -> None:
    bench = many_coins(dict.fromkeys(COINS, "4"), dust_total_max_quote=D(5), max_open_pairs=D(2))
    assert len(dust_orders(bench)) == 2


def test_dust_waits_while_a_venue_reports_a_fill_of_its_symbol_that_has_not_come() -> None:
    bench, late = half_sold(limits())
    usable_books(bench)
    bench.tell(OrderUpdated(report=a_report(late, "0.7")))
    pair_closed_with_dust(bench, D("0.06"))
    assert not dust_orders(bench)
    fill(bench, late, "0.2", "t9")
    bench.drain()
    repair = bench.placed()[-1]
    assert (repair.side, repair.size) == (Side.BUY, D("0.14"))
    assert bench.engine.state.residuals.dust(SYMBOL).size == 0


def test_an_order_for_dust_is_held_back_when_such_a_fill_is_reported_before_it_leaves() -> None:
    bench, late = half_sold(limits())
    usable_books(bench)
    pair_closed_with_dust(bench, D("0.06"), then_drained=False)
    assert last_pair(bench).kind is PairKind.DUST
    bench.tell(OrderUpdated(report=a_report(late, "0.7")))
    bench.drain()
    assert not dust_orders(bench)


def test_what_only_a_venue_would_take_that_lacks_the_funds_for_it_is_dust() -> None:
    """Else it is sent there again and again, refused each time, until everything halts for a few cents."""
    rules = [an_instrument("gate", min_size=D("0.1")), an_instrument("okx")]
    bench = Bench(limits=limits(), instruments=rules)
    buy, sell = crossed(bench)
    accept(bench, buy, "1")
    fill(bench, buy, "1")
    accept(bench, sell, "0.96")
    fill(bench, sell, "0.96", trade_id="t2")
    bench.tell(msgspec.structs.replace(a_balance("okx", {"USDT": "100000", "BTC": "0.03"}, asked_ns=0), complete=False))
    usable_books(bench)
    bench.wait_ms(200)
    bench.drain()
    repair = bench.placed()[-1]
    assert (repair.venue, repair.size) == ("okx", D("0.04")), "by what was counted here, it is there"
    refused = OrderRejected(
        venue="okx",
        client_order_id=repair.client_order_id,
        code="51008",
        message="no funds",
        sent_ns=bench.now_ns,
        acked_ns=bench.now_ns,
        short_of_funds=True,
    )
    bench.tell(refused)
    usable_books(bench)
    bench.wait_ms(5000)
    bench.drain()
    assert bench.placed()[-1] is repair
    assert last_pair(bench).state is PairState.COMPLETED
    assert bench.engine.state.residuals.dust(SYMBOL).size == D("0.04")


@pytest.mark.parametrize(("policy", "coarse"), [(OnSingleLeg.UNWIND, "gate"), (OnSingleLeg.COMPLETE, "okx")])
def test_what_only_the_venue_would_take_that_the_policy_excludes_is_dust(policy: OnSingleLeg, coarse: str) -> None:
    """Else no repair leaves, and after `leg_deadline_ms` a few cents stop the symbol and both venues."""
    rules = [an_instrument(venue, min_size=D("0.1" if venue == coarse else "0.01")) for venue in ("gate", "okx")]
    bench = Bench(limits=limits(), instruments=rules, policy=RepairPolicy(on_single_leg=policy))
    buy, sell = crossed(bench)
    accept(bench, buy, "1")
    fill(bench, buy, "1")
    accept(bench, sell, "0.96")
    fill(bench, sell, "0.96", trade_id="t2")
    assert last_pair(bench).state is PairState.COMPLETED
    assert [order.role for order in bench.placed()] == [Role.ENTRY, Role.ENTRY]


def test_what_the_only_venue_that_takes_it_does_not_fill_is_dust_after_three_orders() -> None:
    """Else an emptied book stops the symbol and both venues for a few cents."""
    rules = [an_instrument("gate", min_size=D("0.1")), an_instrument("okx")]
    bench = Bench(limits=limits(), instruments=rules)
    buy, sell = crossed(bench)
    accept(bench, buy, "1")
    fill(bench, buy, "1")
    accept(bench, sell, "0.96")
    fill(bench, sell, "0.96", trade_id="t2")
    for tries in range(1, 4):
        usable_books(bench)
        bench.wait_ms(200)
        bench.drain()
        repairs = [order for order in bench.placed() if order.role is not Role.ENTRY]
        assert len(repairs) == tries and last_pair(bench).state is PairState.REPAIRING
        accept(bench, repairs[-1], "0")
    assert last_pair(bench).state is PairState.COMPLETED
    assert bench.engine.state.residuals.dust(SYMBOL).size == D("0.04")
