"""Paper fills an order as the venue did, on the frames that the run itself received."""

from decimal import Decimal

import pytest

from tests.support.paper_judge import Order, judged
from tests.support.taped import taped_run

SEEDS = range(2, 8)
TWO_ORDERS_SHORT = tuple(
    {"venue": venue, "fault": "partial_fill", "on": "place", "count": 2} for venue in ("gate", "okx")
)
REFUSED = ({"venue": "okx", "fault": "reject_balance", "count": 1},)


def taken(order: Order) -> tuple[Decimal, Decimal]:
    """Return the sizes that the venue and paper filled."""
    real, paper = (sum((size for size, _ in sums.values()), Decimal(0)) for sums in (order.real, order.paper))
    return real, paper


@pytest.mark.parametrize("seed", [2, *(pytest.param(seed, marks=pytest.mark.thorough) for seed in SEEDS if seed != 2)])
def test_without_rivals_each_order_fills_on_paper_at_the_prices_sizes_and_fees_of_the_run(seed: int) -> None:
    orders = judged(taped_run(seed))
    assert len(orders) >= 10
    assert {order.refused for order in orders} == {None}
    for order in orders:
        assert order.paper == order.real, order.command


def test_orders_that_rivals_cut_short_fill_more_on_paper_and_all_others_the_same() -> None:
    orders = judged(taped_run(3, faults=TWO_ORDERS_SHORT))
    differing = [order for order in orders if order.paper != order.real]
    assert 1 <= len(differing) <= 4
    assert all(paper > real for real, paper in map(taken, differing))


def test_an_order_that_a_venue_refused_for_no_reason_of_the_book_fills_on_paper() -> None:
    orders = judged(taped_run(2, faults=REFUSED))
    [refused] = [order for order in orders if order.paper != order.real]
    assert not refused.real and refused.paper
