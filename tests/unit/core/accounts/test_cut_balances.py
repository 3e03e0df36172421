"""A venue that cuts its balances to some decimals agrees with us, and nothing real hides behind what it cuts off."""

from decimal import ROUND_DOWN, Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from arb.clock import NS_PER_MS, NS_PER_S
from arb.core.messages.events import AssetBalance, BalancesReported
from arb.core.messages.records import IncidentRecord
from arb.core.state.positions.inventory import Inventory
from arb.market.order import OrderStatus
from tests.builders import START_NS, Bench, D, a_balance, an_instrument
from tests.unit.core.accounts.test_balance_reconciler import START, opens, read, snapshot_taken, stopped, unexplained
from tests.unit.core.orders.test_unknown import balances, look_twice, status, unknown_sell

changes = st.lists(st.decimals(-50, 50, places=12), min_size=1, max_size=30)


def cut(amount: Decimal, decimals: int) -> Decimal:
    return amount.quantize(D(1).scaleb(-decimals), ROUND_DOWN)


def shown(free: Decimal, locked: Decimal, asked_ns: int) -> BalancesReported:
    return BalancesReported(
        venue="gate", balances={"USDT": AssetBalance(free, locked)}, complete=True, asked_ns=asked_ns
    )


def test_a_balance_cut_to_eight_decimals_stops_nothing_and_keeps_the_exact_total() -> None:
    bench = Bench()
    exact = D(START["USDT"])
    for turn in range(40):
        fee = D("0.0000000087")
        bench.engine.state.inventory.apply("gate", {"USDT": -fee}, bench.now_ns, 0)
        exact -= fee
        read(bench, START | {"USDT": str(cut(exact, 8))})
        bench.wait_ms(1_000 if turn else 20_000)
    assert stopped(bench) == []
    assert unexplained(bench) == []
    assert bench.engine.state.inventory.computed("gate", "USDT") == exact
    assert opens(bench)


@given(start=st.decimals(1_000, 2_000, places=12), changes=changes, decimals=st.integers(4, 11), locked=st.booleans())
@settings(deadline=None)
def test_cut_figures_always_agree_however_many_changes_there_were(
    start: Decimal, changes: list[Decimal], decimals: int, locked: bool
) -> None:
    inventory = Inventory()
    part = D("7.123456789123") if locked else D(0)
    held = start
    inventory.take_report(shown(cut(held, decimals), D(0), START_NS), quiet=True)
    for turn, change in enumerate(changes, 1):
        inventory.apply("gate", {"USDT": change}, START_NS + turn * NS_PER_S, 0)
        held += change
        report = shown(cut(held - part, decimals), cut(part, decimals), START_NS + turn * NS_PER_S + NS_PER_MS)
        assert inventory.take_report(report, quiet=True) == []
    assert inventory.computed("gate", "USDT") == cut(start, decimals) + sum(changes, D(0))


@given(units=st.integers(1, 1_000), more=st.booleans())
@settings(deadline=None)
def test_a_difference_of_one_unit_that_the_venue_shows_is_a_difference(units: int, more: bool) -> None:
    inventory = Inventory()
    inventory.take_report(a_balance("gate", {"USDT": "1000.00000001"}, asked_ns=START_NS), quiet=True)
    off = D("1000.00000001") + (units if more else -units) * D("0.00000001")
    later = a_balance("gate", {"USDT": str(off)}, asked_ns=START_NS + 1)
    assert [found.reported for found in inventory.take_report(later, quiet=True)] == [off]


def test_a_round_figure_hides_no_fill_of_one_lot() -> None:
    listed = an_instrument()  # lots of 0.001
    inventory = Inventory({("gate", listed.symbol): listed})
    inventory.take_report(a_balance("gate", {"BTC": "2"}, asked_ns=START_NS), quiet=True)
    inventory.apply("gate", {"BTC": D("0.001")}, START_NS + NS_PER_S, 0)
    later = a_balance("gate", {"BTC": "2"}, asked_ns=START_NS + 2 * NS_PER_S)
    assert [found.asset for found in inventory.take_report(later, quiet=True)] == ["BTC"]


def test_a_cut_report_that_lacks_a_late_fill_is_settled_by_the_fill_and_not_by_the_figure() -> None:
    inventory = Inventory()
    inventory.take_report(a_balance("gate", {"USDT": "1000.12345678"}, asked_ns=START_NS), quiet=True)
    inventory.apply("gate", {"USDT": D("-10.0000000049")}, START_NS + 1, slack_ns=10)  # in the first report, or not
    later = a_balance("gate", {"USDT": "1000.12345678"}, asked_ns=START_NS + NS_PER_S)
    [found] = inventory.take_report(later, quiet=True)
    assert inventory.explain(found.venue, found.asset)
    assert inventory.computed("gate", "USDT") == D("1000.12345678")


def test_cut_balances_prove_an_order_absent_and_a_missing_lot_does_not() -> None:
    for off, known in (("0.0000000049", OrderStatus.ABSENT), ("-0.001", OrderStatus.UNKNOWN)):
        bench, _, sell = unknown_sell()
        bench.tell(a_balance(sell.venue, {"USDT": "100000", "BTC": "2.00000001"}, asked_ns=bench.now_ns))
        inventory = bench.engine.state.inventory
        held = inventory.computed(sell.venue, "BTC")
        inventory.apply(sell.venue, {"BTC": D("2.00000001") + D(off) - held}, bench.now_ns, 0)
        look_twice(bench, sell)
        balances(bench, sell, BTC="2.00000001")
        assert status(bench, sell) is known


def test_repairs_may_spend_again_once_a_cut_figure_covers_what_we_compute() -> None:
    inventory = Inventory()
    inventory.take_report(a_balance("gate", {"USDT": "1000.00000001"}, asked_ns=START_NS), quiet=True)
    inventory.apply("gate", {"USDT": D("100.0000000049")}, START_NS + NS_PER_S, 0)
    inventory.refused_for_funds("gate", "USDT")
    assert inventory.spendable(1, "gate", "USDT") == D("1000.00000001")
    inventory.take_report(a_balance("gate", {"USDT": "1100.00000001"}, asked_ns=START_NS + 2 * NS_PER_S), quiet=True)
    assert inventory.spendable(1, "gate", "USDT") == D("1100.0000000149")


def test_no_incident_names_what_a_venue_does_not_show() -> None:
    bench = Bench()
    bench.engine.state.inventory.apply("gate", {"USDT": D("-0.000000003")}, bench.now_ns, 0)
    read(bench, START | {"USDT": "99999.99999999"})
    snapshot_taken(bench)
    assert bench.rows(IncidentRecord) == []
