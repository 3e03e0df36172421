"""A repair may spend what our own fills brought, before the venue reports it; a new pair may not."""

import pytest

from arb.core.messages.commands import PlaceOrder
from arb.core.messages.settings import Timing
from arb.market.order import Role, Side
from tests.builders import Bench, D, a_balance, a_refusal
from tests.unit.core.trades.test_trade import accept, crossed, fill, last_pair, refuse

EMPTY_WHERE_IT_IS_BROUGHT = {"gate": {"USDT": "10000"}, "okx": {"BTC": "2"}, "bitget": {"USDT": "10000", "BTC": "2"}}


def unequal(filled: Side, *, venues: tuple[str, ...] = ("gate", "okx")) -> Bench:
    """Return a bench whose pair filled one leg whole, and whose other leg was refused.

    Before, gate held no base and okx no quote.
    """
    bench = Bench(venues=venues, reported=EMPTY_WHERE_IT_IS_BROUGHT, timing=Timing(leg_deadline_ms=3000))
    buy, sell = crossed(bench)
    traded, refused = (buy, sell) if filled is Side.BUY else (sell, buy)
    accept(bench, traded, "1")
    fill(bench, traded, "1")
    refuse(bench, refused)
    return bench


def repairs(bench: Bench) -> list[PlaceOrder]:
    """Return every repair placed so far."""
    return [order for order in bench.placed() if order.role is not Role.ENTRY]


def ms_until_a_repair(bench: Bench, okx: str, gate: str) -> int:
    """Show books again and again; return the milliseconds until a repair leaves."""
    begun_ns = bench.now_ns
    while not repairs(bench) and bench.now_ns < begun_ns + 10_000_000_000:
        bench.wait_ms(20)
        for venue, book in (("okx", okx), ("gate", gate)):
            bench.quote(venue, *book.split("/"))
        bench.drain()
    return (bench.now_ns - begun_ns) // 1_000_000


def refused_for_funds(bench: Bench, order: PlaceOrder) -> None:
    """Let the venue refuse an order because the balance does not cover it."""
    bench.tell(a_refusal(order, "51008", at_ns=bench.now_ns, short_of_funds=True))


def test_the_proceeds_of_a_sale_buy_the_base_back_before_the_venue_reports_them() -> None:
    bench = unequal(Side.SELL)
    assert ms_until_a_repair(bench, okx="99x5/100.5x5", gate="99x5/106x5") == 20
    [repair] = repairs(bench)
    assert (repair.venue, repair.side, repair.role) == ("okx", Side.BUY, Role.UNWIND)
    assert repair.price * repair.size * D("1.001") <= D("100.899")  # 101 less the fee of 0.1 %: what the sale brought


def test_base_just_bought_is_sold_again_before_the_venue_reports_it() -> None:
    bench = unequal(Side.BUY)
    assert ms_until_a_repair(bench, okx="95x5/106x5", gate="99.9x5/106x5") == 20
    [repair] = repairs(bench)
    assert (repair.venue, repair.side, repair.role, repair.size) == ("gate", Side.SELL, Role.UNWIND, D(1))


def test_a_new_pair_may_spend_only_what_the_venue_reports_as_well() -> None:
    bench = unequal(Side.SELL)
    inventory = bench.engine.state.inventory
    assert inventory.computed("okx", "USDT") == D("100.899")
    assert inventory.free("okx", "USDT") == 0


def test_a_repair_refused_for_lack_of_funds_goes_to_another_venue_at_once() -> None:
    bench = unequal(Side.SELL, venues=("gate", "okx", "bitget"))
    bench.quote("bitget", "99x5", "100.7x5")
    assert ms_until_a_repair(bench, okx="99x5/100.5x5", gate="99x5/106x5") == 20
    refused_for_funds(bench, repairs(bench)[-1])
    bench.drain()  # no time has passed
    assert [repair.venue for repair in repairs(bench)] == ["okx", "bitget"]


def test_the_venue_that_refused_is_held_to_what_it_reports_until_it_reports_as_much_as_we_compute() -> None:
    bench = unequal(Side.SELL)
    ms_until_a_repair(bench, okx="99x5/100.5x5", gate="99x5/106x5")
    [refused] = repairs(bench)
    refused_for_funds(bench, refused)
    spendable, pair_id = bench.engine.state.inventory.spendable, last_pair(bench).id
    assert spendable(pair_id, "okx", "USDT") == 0
    bench.tell(a_balance("okx", {"BTC": "2", "USDT": "60"}, asked_ns=bench.now_ns))
    assert spendable(pair_id, "okx", "USDT") == 60
    bench.tell(a_balance("okx", {"BTC": "1", "USDT": "100.899"}, asked_ns=bench.now_ns))
    assert spendable(pair_id, "okx", "USDT") == D("100.899")


@pytest.mark.parametrize("venues", [("gate", "okx"), ("gate", "okx", "bitget")])
def test_venues_that_all_refuse_for_lack_of_funds_are_not_asked_without_a_pause(venues: tuple[str, ...]) -> None:
    bench = unequal(Side.SELL, venues=venues)
    bench.wait_ms(20)
    for _ in range(40):
        bench.wait_ms(1)
        for venue in venues:
            bench.quote(venue, "99x5", "100.5x5")
        sent = len(bench.placed())
        bench.drain()
        for order in bench.placed()[sent:]:
            refused_for_funds(bench, order)
    tried = [order.venue for order in repairs(bench)]
    assert sorted(tried) == sorted(venues)  # each once within 40 ms


def test_what_another_pair_has_reserved_is_not_spent_by_a_repair() -> None:
    bench = unequal(Side.SELL)
    inventory = bench.engine.state.inventory
    inventory.reserve(99, {("okx", "USDT"): D("40")})
    assert inventory.spendable(0, "okx", "USDT") == D("60.899")
    assert inventory.spendable(99, "okx", "USDT") == D("100.899")
