"""What may be used for a new pair: never more than the venue says, nor more than we compute, less what is reserved."""

import pytest

from arb.clock import NS_PER_MS, NS_PER_S
from arb.core.messages.commands import PlaceOrder
from arb.core.messages.events import AssetBalance, BalancesReported
from arb.core.state.positions.inventory import BalanceDifference, Inventory
from arb.market.order import Role, Side, TimeInForce
from tests.builders import START_NS, SYMBOL, D, a_balance, a_fill

LATER = START_NS + NS_PER_MS


def an_order(side: Side = Side.BUY) -> PlaceOrder:
    """Return an order for one base at 100."""
    return PlaceOrder(
        cause=0,
        venue="gate",
        symbol=SYMBOL,
        client_order_id="arb1",
        role=Role.ENTRY,
        side=side,
        tif=TimeInForce.IOC,
        price=D(100),
        size=D(1),
        expires_ns=LATER,
    )


def stocked() -> Inventory:
    """Return an inventory that has received one complete report."""
    inventory = Inventory()
    inventory.take_report(a_balance("gate", {"USDT": "1000", "BTC": "2"}, asked_ns=START_NS), quiet=True)
    return inventory


def test_nothing_is_free_before_the_venue_has_reported_everything_once() -> None:
    inventory = Inventory()
    assert inventory.free("gate", "USDT") == 0
    partial = a_balance("gate", {"USDT": "1000"}, asked_ns=0)
    inventory.take_report(
        type(partial)(venue="gate", balances=partial.balances, complete=False, asked_ns=0), quiet=True
    )
    assert inventory.free("gate", "USDT") == 0


def test_free_is_the_smaller_of_reported_and_computed_when_the_venue_is_late() -> None:
    inventory = stocked()
    inventory.apply_fill(a_fill(an_order(), "1", fee="0.1", at_ns=LATER), LATER)
    assert inventory.free("gate", "USDT") == D("899.9")  # the venue still says 1000
    assert inventory.free("gate", "BTC") == 2  # we compute 3, the venue has not confirmed


def test_reservations_are_taken_off_and_given_back() -> None:
    inventory = stocked()
    inventory.reserve(1, {("gate", "USDT"): D(300)})
    inventory.reserve(2, {("gate", "USDT"): D(200)})
    assert inventory.free("gate", "USDT") == 500
    inventory.release(1)
    inventory.release(1)
    assert inventory.free("gate", "USDT") == 800


def test_reservations_are_taken_off_what_the_venue_reported_too_when_we_compute_more() -> None:
    inventory = stocked()
    sale = an_order(Side.SELL)
    inventory.apply_fill(a_fill(sale, "1", fee="0.1", at_ns=LATER), LATER)
    inventory.reserve(1, {("gate", "USDT"): D(300)})
    assert inventory.computed("gate", "USDT") == D("1099.9")
    assert (
        inventory.free("gate", "USDT") == 700
    )  # the venue has not confirmed the sale, and a hold may be put on 1000 only


def test_free_is_never_below_zero() -> None:
    inventory = stocked()
    inventory.reserve(1, {("gate", "USDT"): D(5000)})
    assert inventory.free("gate", "USDT") == 0


def test_a_fee_in_a_third_asset_is_taken_from_that_asset() -> None:
    inventory = stocked()
    fill = a_fill(an_order(), "1", fee="0.5", fee_currency="GT", at_ns=LATER)
    inventory.apply_fill(fill, LATER)
    assert inventory.computed("gate", "GT") == D("-0.5")
    assert inventory.computed("gate", "BTC") == 3


def test_a_difference_is_reported_only_when_the_answer_can_be_compared() -> None:
    inventory = stocked()
    late = a_balance("gate", {"USDT": "990", "BTC": "2"}, asked_ns=LATER)
    assert inventory.take_report(late, quiet=False) == []
    assert inventory.take_report(late, quiet=True) == [BalanceDifference("gate", "USDT", D(990), D(1000))]
    inventory.take_as_basis("gate", late.asked_ns, LATER, "USDT")
    assert inventory.take_report(late, quiet=True) == []


def test_an_answer_asked_before_our_last_fill_is_no_drift() -> None:
    inventory = stocked()
    inventory.apply_fill(a_fill(an_order(), "1", at_ns=LATER), LATER)
    before = a_balance("gate", {"USDT": "1000", "BTC": "2"}, asked_ns=START_NS + 1)
    assert inventory.take_report(before, quiet=True) == []


def test_an_asset_missing_from_a_complete_answer_is_zero() -> None:
    inventory = stocked()
    inventory.take_report(a_balance("gate", {"USDT": "1000"}, asked_ns=LATER), quiet=False)
    assert inventory.free("gate", "BTC") == 0


def test_a_fill_executed_before_the_first_answer_is_in_it_already() -> None:
    inventory = stocked()
    inventory.apply_fill(a_fill(an_order(), "1", at_ns=START_NS), START_NS)
    assert inventory.computed("gate", "BTC") == 2
    inventory.take_report(a_balance("gate", {"USDT": "1000", "BTC": "2"}, asked_ns=START_NS + NS_PER_S), quiet=True)
    assert inventory.late_since("gate", START_NS + NS_PER_S) is None, (
        "it agrees with what is computed now: it is no late one"
    )


def reported(free: str, locked: str, *, asked_ns: int = START_NS) -> BalancesReported:
    """Return gate's word on USDT alone, of which orders lock some."""
    held = AssetBalance(D(free), D(locked))
    return BalancesReported(venue="gate", balances={"USDT": held}, complete=True, asked_ns=asked_ns)


def test_what_others_orders_lock_is_not_free_though_the_venue_is_late() -> None:
    inventory = Inventory()
    inventory.take_report(reported("300", "700"), quiet=True)
    inventory.apply_fill(a_fill(an_order(), "1", at_ns=LATER), LATER)
    assert inventory.computed("gate", "USDT") == 900
    assert inventory.free("gate", "USDT") == 200  # the venue still says 300


def test_more_can_be_reserved_for_a_pair_and_never_less() -> None:
    inventory = stocked()
    inventory.reserve(1, {("gate", "USDT"): D(300)})
    inventory.reserve_at_least(1, "gate", "USDT", D(200))
    inventory.reserve_at_least(1, "gate", "BTC", D(1))
    assert (inventory.free("gate", "USDT"), inventory.free("gate", "BTC")) == (D(700), D(1))
    inventory.reserve_at_least(1, "gate", "USDT", D(400))
    assert inventory.free("gate", "USDT") == 600
    inventory.release(1)
    assert inventory.free("gate", "BTC") == 2


@pytest.mark.parametrize("known_before", [True, False])
def test_a_first_word_that_was_late_is_settled_by_the_fill_it_did_not_show(known_before: bool) -> None:
    inventory, asked_ns = Inventory(), START_NS + 3 * NS_PER_S
    fill = a_fill(an_order(), "1", at_ns=START_NS)
    if known_before:
        inventory.apply_fill(fill, START_NS)
    inventory.take_report(reported("1000", "0", asked_ns=asked_ns), quiet=True)
    inventory.apply_fill(fill, START_NS)
    assert inventory.computed("gate", "USDT") == 1000
    [difference] = inventory.take_report(reported("900", "0", asked_ns=asked_ns + NS_PER_S), quiet=True)
    assert inventory.explain(difference.venue, difference.asset)
    assert inventory.computed("gate", "USDT") == 900


def test_a_fill_long_before_the_first_word_explains_nothing() -> None:
    inventory, asked_ns = Inventory(), START_NS + 60 * NS_PER_S
    inventory.take_report(reported("1000", "0", asked_ns=asked_ns), quiet=True)
    inventory.apply_fill(a_fill(an_order(), "1", at_ns=START_NS), START_NS)
    [difference] = inventory.take_report(reported("900", "0", asked_ns=asked_ns + NS_PER_S), quiet=True)
    assert not inventory.explain(difference.venue, difference.asset)
