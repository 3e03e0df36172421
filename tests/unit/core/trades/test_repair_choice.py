"""The choice of a repair: equal to brute force on thousands of small cases, and each of its rules by an example."""

import random
from decimal import Decimal, localcontext
from fractions import Fraction

import pytest

from arb.core.messages.settings import OnSingleLeg
from arb.core.trades.repair_choice import RepairOrder, RepairVenue, choose_repair, loss_cap
from arb.market.instrument import FeeIn
from arb.market.order import Role, Side
from tests.builders import D, an_instrument
from tests.unit.core.trades.repair_oracle import Place, Task

ORDERS = 5040
"""So many cases that end in an order; those that end in none come on top."""
CHEAPEST = OnSingleLeg.CHEAPEST


def a_venue(
    name: str = "gate",
    levels: str = "100x5",
    *,
    free: str = "1000000",
    role: Role = Role.HEDGE,
    **rules: object,
) -> RepairVenue:
    """Return a venue without minimums whose fee is 0.1 % in quote."""
    quiet = {"tick": D("0.1"), "lot": D("0.1"), "min_size": D(0), "min_notional": D(0)}
    instrument = an_instrument(name, **(quiet | rules))  # type: ignore[arg-type]
    book = tuple((D(level.split("x")[0]), D(level.split("x")[1])) for level in levels.split())
    return RepairVenue(instrument=instrument, levels=book, free=D(free), role=role)


def choose(side: Side, need: str, cap: str, *venues: RepairVenue, slack: str = "0") -> RepairOrder | None:
    return choose_repair(side, D(need), D(cap), D(slack), venues, CHEAPEST)


# Against brute force.


def a_case(rng: random.Random) -> tuple[Side, Decimal, Decimal, list[RepairVenue], Decimal]:
    """Draw one small case: one to three venues, few levels, coarse lots, and every rule now and then binding."""
    side = rng.choice((Side.SELL, Side.BUY))
    lot_of = ("0.1", "0.2", "0.5", "1")
    reference = D(rng.randint(95, 105))
    cap = loss_cap(side, reference, D(rng.choice((0, 50, 100, 200, 400))))
    need = D(rng.randint(1, 14)) / (10 if rng.random() < 0.8 else 13)
    venues = []
    for name in rng.sample(("gate", "okx", "bitget"), rng.randint(1, 3)):
        lot, tick = D(rng.choice(lot_of)), D(rng.choice(("0.5", "1")))
        best = reference + tick * rng.randint(-1, 4) * (1 if side is Side.SELL else -1)
        best = best // tick * tick
        step = -tick if side is Side.SELL else tick
        prices = [best]
        for _ in range(rng.randint(0, 4)):
            prices.append(prices[-1] + step * rng.randint(1, 3))
        levels = tuple((price, lot * rng.randint(1, 8)) for price in prices if price > 0)
        full = need if side is Side.SELL else need * reference
        venues.append(
            RepairVenue(
                instrument=an_instrument(
                    name,
                    tick=tick,
                    lot=lot,
                    min_size=lot * rng.choice((0, 1, 1, 3)),
                    min_notional=D(rng.choice((0, 0, 1, 55, 120, 201))),
                    max_size=rng.choice((None, None, None, lot * rng.randint(1, 20))),
                    taker_fee=D(rng.choice(("0", "0.001", "0.002", "0.01", "-0.0005"))),
                    buy_fee_in=rng.choice((FeeIn.BASE, FeeIn.QUOTE, FeeIn.OTHER)),
                ),
                levels=levels if rng.random() < 0.95 else (),
                free=full * D(rng.choice(("0", "0.3", "0.9", "1.02", "1.3", "5", "100"))),
                role=rng.choice((Role.HEDGE, Role.UNWIND)),
            )
        )
    return side, need, cap, venues, D(rng.choice((0, 5, 30, 200)))


def as_task(side: Side, need: Decimal, cap: Decimal, venues: list[RepairVenue]) -> Task:
    places = tuple(
        Place(
            name=venue.instrument.venue,
            levels=tuple((Fraction(price), Fraction(size)) for price, size in venue.levels),
            tick=Fraction(venue.instrument.tick),
            lot=Fraction(venue.instrument.lot),
            min_size=Fraction(venue.instrument.min_size),
            min_notional=Fraction(venue.instrument.min_notional),
            max_size=None if venue.instrument.max_size is None else Fraction(venue.instrument.max_size),
            fee=Fraction(venue.instrument.taker_fee or 0),
            fee_in_base=venue.instrument.buy_fee_in is FeeIn.BASE,
            free=Fraction(venue.free),
        )
        for venue in venues
    )
    return Task(sell=side is Side.SELL, need=Fraction(need), cap=Fraction(cap), places=places)


@pytest.mark.parametrize("block", [0, *(pytest.param(block, marks=pytest.mark.thorough) for block in range(1, 6))])
def test_the_repair_chosen_is_the_best_that_brute_force_finds(block: int) -> None:
    rng = random.Random(7_000 + block)
    chosen = number = 0
    while chosen < ORDERS // 6:
        number += 1
        with localcontext() as context:
            context.prec = 80
            side, need, cap, venues, slack = a_case(rng)
            order = choose_repair(side, need, cap, slack, venues, CHEAPEST)
        task = as_task(side, need, cap, venues)
        best, seen = task.best(), f"block {block} case {number}: {side} {need} cap {cap} {venues}: {order}"
        if order is None:
            assert best is None, seen
            continue
        chosen += 1
        place = next(place for place in task.places if place.name == order.venue)
        size, limit = Fraction(order.size), Fraction(order.price)
        assert task.allowed(place, size, limit), seen
        assert best is not None and task.worth(place, size, limit) == best, f"{seen}, best {best}"


# By examples.


def test_nothing_is_chosen_beyond_the_cap() -> None:
    assert choose(Side.SELL, "1", "99", a_venue(levels="98.9x5")) is None
    assert choose(Side.BUY, "1", "101", a_venue(levels="101.1x5")) is None


def test_nothing_is_chosen_without_means_fee_or_book() -> None:
    assert choose(Side.SELL, "1", "99", a_venue(free="0")) is None
    assert choose(Side.BUY, "1", "101", a_venue(free="9")) is None
    assert choose(Side.SELL, "1", "99", a_venue(taker_fee=None)) is None
    assert choose(Side.SELL, "1", "99", a_venue(levels="")) is None


def test_nothing_is_chosen_that_would_leave_as_much_as_there_is() -> None:
    assert choose(Side.SELL, "0.2", "99", a_venue(min_size=D("0.4"))) is None
    assert choose(Side.SELL, "0.3", "99", a_venue(min_size=D("0.4"))) is not None


def test_the_fee_decides_between_two_like_prices() -> None:
    dear, cheap = a_venue("gate", taker_fee=D("0.002")), a_venue("okx", taker_fee=D("0.001"))
    order = choose(Side.SELL, "1", "99", dear, cheap)
    assert order is not None and order.venue == "okx"


def test_a_third_venue_is_taken_when_it_is_the_cheapest() -> None:
    venues = [a_venue("gate", "99.5x5", role=Role.UNWIND), a_venue("okx", "99.6x5"), a_venue("bitget", "99.9x5")]
    order = choose(Side.SELL, "1", "99", *venues)
    assert order is not None and (order.venue, order.role) == ("bitget", Role.HEDGE)


def test_a_little_at_a_better_price_loses_to_the_whole_at_a_good_one() -> None:
    order = choose(Side.SELL, "1", "99", a_venue("gate", "100x0.1 99x5"), a_venue("okx", "99.9x5"))
    assert order is not None and (order.venue, order.size) == ("okx", D(1))


def test_what_we_may_use_at_a_venue_counts() -> None:
    order = choose(Side.SELL, "1", "99", a_venue("gate", "100x5", free="0.1"), a_venue("okx", "99.9x5"))
    assert order is not None and order.venue == "okx"


def test_a_purchase_that_pays_its_fee_in_base_buys_more() -> None:
    rules = {"lot": D("0.001"), "buy_fee_in": FeeIn.BASE}
    order = choose(Side.BUY, "1", "101", a_venue(**rules))  # type: ignore[arg-type]
    assert order is not None and order.size == D("1.001")


def test_a_purchase_raises_its_limit_to_reach_the_least_notional() -> None:
    order = choose(Side.BUY, "1", "101", a_venue(levels="100x5", min_notional=D("100.5")))
    assert order is not None and (order.size, order.price) == (D(1), D("100.5"))


def test_the_limit_slips_further_with_more_slack_and_never_beyond_the_cap() -> None:
    limits = []
    for slack in ("0", "10", "50", "500"):
        order = choose(Side.SELL, "1", "99.35", a_venue(), slack=slack)
        assert order is not None
        limits.append(order.price)
    assert limits == [D("100"), D("99.9"), D("99.5"), D("99.4")]


def test_a_book_too_thin_is_swept_to_the_cap() -> None:
    order = choose(Side.BUY, "2", "101.05", a_venue(levels="100x0.5 100.2x0.5"))
    assert order is not None and (order.size, order.price) == (D(2), D("101"))


@pytest.mark.parametrize(
    ("policy", "venue"), [(OnSingleLeg.CHEAPEST, "gate"), (OnSingleLeg.COMPLETE, "okx"), (OnSingleLeg.UNWIND, "gate")]
)
def test_a_policy_narrows_the_choice(policy: OnSingleLeg, venue: str) -> None:
    venues = [a_venue("gate", "100x5", role=Role.UNWIND), a_venue("okx", "99.5x5", role=Role.HEDGE)]
    order = choose_repair(Side.SELL, D(1), D(99), D(0), venues, policy)
    assert order is not None and order.venue == venue
    assert choose_repair(Side.SELL, D(1), D(99), D(0), venues, OnSingleLeg.HOLD) is None


def test_the_limit_of_a_repair_stays_on_the_tick_where_levels_are_finer() -> None:
    sale = choose(Side.SELL, "1", "99", a_venue(levels="99.87654x5"))
    purchase = choose(Side.BUY, "1", "101", a_venue(levels="100.12345x5"))
    assert sale is not None and sale.price == D("99.8")
    assert purchase is not None and purchase.price == D("100.2")
    assert choose(Side.BUY, "1", "100.15", a_venue(levels="100.12345x5")) is None  # no multiple lies within the cap
