"""The best route opens before the others are judged, and what opens is what judging all of them first would open."""

import random
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from arb.core.messages.events import QueueDrained
from arb.core.messages.reasons import Reason
from arb.core.messages.records import PairRecord
from arb.core.messages.settings import LegCost, Limits, leg_cost_bps
from arb.core.pricing.depth import Depth
from arb.core.pricing.plan import Plan
from arb.core.pricing.spread import episode, evaluate
from arb.core.strategies.taker_pair.candidates import Candidates, Crossing
from arb.core.strategies.taker_pair.detector import Detector
from arb.core.trades.strategy import ONCE_READ
from arb.market.order import Side
from arb.market.route import Route
from tests.builders import SYMBOL, Bench, D
from tests.unit.core.pricing import plain_spread as plain
from tests.unit.core.pricing.test_same_plan import Case, a_case

VENUES = ("gate", "okx", "bitget", "bybit")
BIG = Limits(min_net_quote=D(0), min_edge_bps=D(1))
NOW_NS = 10**18


def strategy_of(bench: Bench) -> Detector:
    strategy = bench.engine.strategy
    assert isinstance(strategy, Detector)
    return strategy


def routes_placed(bench: Bench) -> list[tuple[str, str]]:
    """Return where every pair buys and sells, in the order of the pairs."""
    orders = bench.placed()
    assert [order.side for order in orders] == [Side.BUY, Side.SELL] * (len(orders) // 2)
    return [(buy.venue, sell.venue) for buy, sell in zip(orders[::2], orders[1::2], strict=True)]


def marked(strategy: Detector) -> bool:
    """Return whether the next drain has a symbol to judge."""
    return strategy.wake_ns() <= ONCE_READ


def leaving(bench: Bench) -> list[tuple[str, ...]]:
    """Return the venues of every pair whose orders leave before the rest of the step is done."""
    return [tuple(place.venue for place in intent.places) for intent in bench.engine.state.out.intents]


# What precedes the wire.


def two_edges(bench: Bench) -> None:
    """Quote an edge from Gate to OKX, and a lesser one from Gate to Bitget."""
    bench.quote("gate", "99.9x5", "100x5")
    bench.quote("okx", "101x1", "101.2x5")
    bench.quote("bitget", "100.8x1", "101.1x5")


def test_the_best_route_opens_before_the_others_are_judged() -> None:
    bench = Bench(venues=VENUES[:3])
    two_edges(bench)
    strategy = strategy_of(bench)
    openings = bench.engine.openings.of(strategy, bench.now_ns)
    next(openings)
    assert leaving(bench) == [("gate", "okx")]
    assert len(strategy.episodes) == 1
    bench.engine.state.out.write_rows()
    for _ in openings:
        bench.engine.state.out.write_rows()
    assert len(bench.engine.manager.open) == 1
    assert strategy.episodes.is_open(Route.of(SYMBOL, "gate", "bitget"))


def test_what_is_judged_after_the_pair_finds_its_reservation_and_says_so() -> None:
    bench = Bench(venues=VENUES[:3])
    two_edges(bench)
    bench.drain()
    assert routes_placed(bench) == [("gate", "okx")]
    bench.wait_ms(1)
    bench.tell(QueueDrained())
    assert not marked(strategy_of(bench))  # nothing has changed, so nobody is asked again
    assert bench.not_taken() == {Reason.PAIR_IN_FLIGHT: 1}


def test_two_pairs_between_different_venues_open_at_one_drain_the_second_after_the_first_has_left() -> None:
    bench = Bench(venues=VENUES)
    bench.quote("gate", "99.9x5", "100x1")
    bench.quote("okx", "101x1", "101.2x5")
    bench.quote("bitget", "99.9x5", "100.1x1")
    bench.quote("bybit", "100.9x1", "101.2x5")
    strategy = strategy_of(bench)
    openings = bench.engine.openings.of(strategy, bench.now_ns)
    next(openings)
    assert leaving(bench) == [("gate", "okx")]
    bench.engine.state.out.write_rows()
    for _ in openings:
        bench.engine.state.out.write_rows()
    assert [pair.venues for pair in bench.engine.manager.open.values()] == [("gate", "okx"), ("bitget", "bybit")]


def quoted(chance: random.Random) -> dict[str, tuple[str, str]]:
    """Return the bids and asks of every venue: a dime apart, shifted against one another by up to two and a half."""
    books = {}
    for venue in VENUES:
        mid = 1000 + chance.randint(0, 25)
        bids, asks = [], []
        for level in range(chance.choice([1, 3, 6])):
            bids.append(f"{(mid - 1 - level * chance.choice([1, 1])) / 10}x{chance.randint(1, 4)}")
            asks.append(f"{(mid + 1 + level) / 10}x{chance.randint(1, 4)}")
        books[venue] = (" ".join(bids), " ".join(asks))
    return books


def judged_all_first(bench: Bench) -> list[tuple[str, str]]:
    """Return what opens where every route is worked out, and then checked from the best on."""
    found = []
    for route, terms in strategy_of(bench).routes.terms.items():
        asks, bids = bench.books.sides(route)
        plan = episode(terms, asks, bids)
        if plan is not None:
            found.append((-plan.net, route, plan))
    opened: list[tuple[str, str]] = []
    for _, ((buy_venue, _), (sell_venue, _)), plan in sorted(found, key=lambda one: one[:2]):
        busy = {venue for pair in opened for venue in pair}
        if busy.isdisjoint((buy_venue, sell_venue)) and plan.edge_bps() >= 1:
            opened.append((buy_venue, sell_venue))
    return opened


@settings(max_examples=300)
@given(st.integers(0, 2**32))
def test_what_opens_at_a_drain_is_what_judging_all_routes_first_would_open(seed: int) -> None:
    bench = Bench(venues=VENUES, limits=BIG)
    for venue, (bids, asks) in quoted(random.Random(seed)).items():
        bench.quote(venue, bids, asks)
    expected = judged_all_first(bench)
    bench.drain()
    assert routes_placed(bench) == expected
    assert len(bench.rows(PairRecord)) == len(expected)


# The order, and how little of it is worked out.


def crossings(cases: list[Case]) -> dict[Route, Case]:
    """Return the cases whose best quotes cross, each under the name of a route."""
    return {
        Route.of(SYMBOL, f"from-{number}", "to"): case
        for number, case in enumerate(cases)
        if case.terms.crosses(case.asks.prices[0], case.bids.prices[0])
    }


def candidates(found: dict[Route, Case], leg_cost: str, worked_out: Counter[Route]) -> Candidates:
    def best(route: Route) -> Plan | None:
        worked_out[route] += 1
        return episode(found[route].terms, found[route].asks, found[route].bids)

    crossing = [Crossing(route, case.terms, case.asks.prices[0], case.bids.prices[0]) for route, case in found.items()]
    return Candidates(crossing, best, leg_cost_bps(LegCost(leg_cost)))


@settings(max_examples=300)
@given(st.integers(0, 2**32), st.sampled_from(["off", "3bps", "20bps"]))
def test_candidates_come_in_the_order_of_their_exact_nets_each_worked_out_once(seed: int, leg_cost: str) -> None:
    chance = random.Random(seed)
    found = crossings([a_case(chance) for _ in range(12)])
    rate = 0 if leg_cost == "off" else int(leg_cost.removesuffix("bps"))
    worked_out = Counter[Route]()
    order = []
    for route, case in found.items():
        plan = episode(case.terms, case.asks, case.bids)
        if plan is not None:
            order.append((plan.paid * rate // 10_000 - plan.net, route))
    waiting = candidates(found, leg_cost, worked_out)
    came = []
    while (one := waiting.next()) is not None:
        came.append(one[0])
    assert came == [route for _, route in sorted(order)]
    assert worked_out == Counter(found.keys())


@settings(max_examples=500)
@given(st.integers(0, 2**32))
def test_no_plan_nets_more_than_the_bound_that_its_route_waits_with(seed: int) -> None:
    chance = random.Random(seed)
    for route, case in crossings([a_case(chance) for _ in range(10)]).items():
        plan = episode(case.terms, case.asks, case.bids)
        if plan is not None and case.terms.max_locked is not None:
            crossing = Crossing(route, case.terms, case.asks.prices[0], case.bids.prices[0])
            assert plan.net <= crossing.net_max()


def test_a_route_that_cannot_be_the_best_is_not_worked_out_for_it() -> None:
    bench = Bench(venues=VENUES, limits=BIG)
    for venue, bid in (("gate", "99.8x90"), ("okx", "103x90"), ("bitget", "100.4x90"), ("bybit", "100.3x90")):
        bench.quote(venue, bid, f"{D(bid.removesuffix('x90')) + D('0.2')}x90")
    terms, worked_out = strategy_of(bench).routes.terms, Counter[Route]()

    def best(route: Route) -> Plan | None:
        worked_out[route] += 1
        return episode(terms[route], *bench.books.sides(route))

    crossing = []
    for route in terms:
        asks, bids = bench.books.sides(route)
        if terms[route].crosses(asks.prices[0], bids.prices[0]):
            crossing.append(Crossing(route, terms[route], asks.prices[0], bids.prices[0]))
    assert len(crossing) > 3
    first = Candidates(crossing, best, bench.engine.state.leg_cost_bps).next()
    assert first is not None and first[0] == Route.of(SYMBOL, "gate", "okx")
    assert worked_out == Counter([first[0]])


# DirtySymbols.


@settings(max_examples=300)
@given(st.integers(0, 2**32))
def test_marks_never_hide_what_the_exact_judgement_would_take(seed: int) -> None:
    chance = random.Random(seed)
    bench = Bench(venues=VENUES, limits=BIG)
    strategy = strategy_of(bench)
    for venue, (bids, asks) in [*quoted(chance).items(), *quoted(chance).items()]:
        strategy.marks.take(SYMBOL)
        bench.quote(venue, bids, asks)
        for route, terms in strategy.routes.terms.items():
            if venue not in route.venues:
                continue
            if isinstance(evaluate(terms, *bench.books.sides(route)), Plan):
                assert marked(strategy)


@settings(max_examples=100)
@given(st.integers(0, 2**32))
def test_no_size_earns_anything_where_the_best_quotes_do_not_cross(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(10):
        case = a_case(chance)
        answer = plain.evaluate(case.terms, *case.plainly())
        crosses = case.terms.crosses(case.asks.prices[0], case.bids.prices[0])
        assert crosses or not isinstance(answer, Plan)


def test_an_empty_side_crosses_nothing() -> None:
    assert Depth([], []).total == 0
    bench = Bench(venues=VENUES[:2], limits=BIG)
    bench.quote("gate", "99.9x5", "")
    bench.quote("okx", "", "90x5")
    assert marked(strategy_of(bench))  # OKX sells for less than Gate pays
    bench.quote("okx", "101x5", "")
    bench.drain()
    assert bench.placed() == []
