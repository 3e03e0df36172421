"""Edges that our own pairs do not bring down are no edges."""

from fractions import Fraction

import msgspec

from arb.clock import NS_PER_S
from arb.core.messages.incidents import IncidentKind
from arb.core.messages.reasons import Reason
from arb.core.messages.records import IncidentRecord
from arb.core.messages.settings import Limits, SymbolLimits
from arb.core.strategies.taker_pair.persistent_edge import WINDOW_NS, PersistentEdges
from arb.market.route import Route
from tests.builders import Bench, D
from tests.unit.core.trades.test_repairer import THREE
from tests.unit.core.trades.test_trade import fill

ROUTE = Route.of("BTC/USDT", "gate", "okx")
BPS = Fraction(1, 10_000)
LIMITS = Limits(min_net_quote=D(0), min_edge_bps=D(1), max_notional_quote=D(200))
RICH = {"USDT": "100000", "BTC": "1000"}


def after(*opened_s: int, edge: Fraction = 100 * BPS) -> PersistentEdges:
    """Return what is known after pairs of one route opened at these seconds, each at the same edge."""
    edges = PersistentEdges(lambda _: D(300))
    for second in opened_s:
        edges.opened(ROUTE, edge, second * NS_PER_S)
    return edges


def test_two_pairs_within_a_minute_make_an_edge_that_stands() -> None:
    assert not after(0).stands(ROUTE)
    assert after(0, 60).stands(ROUTE)
    assert not after(0, 61).stands(ROUTE)
    assert after(0, 61, 121).stands(ROUTE)
    assert after(0, 1, edge=31 * BPS).stands(ROUTE) and not after(0, 1, edge=30 * BPS).follows(ROUTE)


def test_an_edge_that_falls_below_half_of_the_first_is_forgotten_with_its_pairs() -> None:
    edges = PersistentEdges(lambda _: D(300))
    edges.opened(ROUTE, 100 * BPS, 0)
    edges.seen(ROUTE, 50 * BPS)
    edges.opened(ROUTE, 60 * BPS, 1)
    assert edges.stands(ROUTE) and edges.pause(ROUTE) and not edges.pause(ROUTE)
    edges.seen(ROUTE, 50 * BPS)
    assert edges.stands(ROUTE)
    edges.seen(ROUTE, 49 * BPS)
    assert not edges.stands(ROUTE) and not edges.follows(ROUTE)
    edges.opened(ROUTE, 100 * BPS, 2)
    edges.opened(ROUTE, 100 * BPS, 3)
    assert edges.stands(ROUTE) and edges.pause(ROUTE)


def test_one_pair_matters_for_a_minute_and_a_standing_edge_until_it_falls() -> None:
    assert after(0).follows_any("BTC/USDT", WINDOW_NS) and not after(0).follows_any("ETH/USDT", WINDOW_NS)
    assert not after(0).follows_any("BTC/USDT", WINDOW_NS + 1)
    assert after(0, 1).follows_any("BTC/USDT", 100 * WINDOW_NS)


# In the engine.


def another_coin(bench: Bench, ratio: str = "1.02", venue: str = "okx") -> None:
    """Show deep books of every venue, one of them of a coin at another price, and let the engine act."""
    for name in bench.engine.state.venues:
        middle = D(100) * (D(ratio) if name == venue else 1)
        bench.quote(name, f"{middle - D('0.1')}x90", f"{middle + D('0.1')}x90")
    bench.drain()


def fill_all(bench: Bench, known: int) -> int:
    """Fill every order placed since the first `known`, and let its pair settle; return how many there are."""
    orders = bench.placed()
    for order in orders[known:]:
        fill(bench, order, str(order.size), f"t{order.client_order_id}")
    bench.wait_ms(100)
    return len(orders)


def test_a_coin_that_is_another_coin_opens_no_more_than_two_pairs() -> None:
    for ratio in ("0.98", "1.02", "1.03"):
        bench, known = Bench(venues=THREE, limits=LIMITS, balances=RICH), 0
        for _ in range(12):
            another_coin(bench, ratio)
            known = fill_all(bench, known)
            bench.end_episodes()
        assert known == 4
        assert bench.not_taken().get(Reason.EDGE_IMPLAUSIBLE, 0) > 0
        found = [row for row in bench.rows(IncidentRecord) if isinstance(row, IncidentRecord)]
        texts = [row.text for row in found if row.kind == IncidentKind.EDGE_IMPLAUSIBLE]
        assert len(texts) == len(set(texts)) == 2  # one for each of the two routes


def test_how_large_an_edge_may_stand_is_the_symbols_own() -> None:
    wide = msgspec.structs.replace(LIMITS, symbol={"BTC/USDT": SymbolLimits(max_edge_bps=D(5000))})
    bench, known = Bench(venues=THREE, limits=wide, balances=RICH), 0
    for _ in range(4):
        another_coin(bench, "0.98")
        known = fill_all(bench, known)
    assert known > 4  # 2 % is less than a tenth of 50 %


def test_an_edge_above_the_ceiling_is_refused_whole() -> None:
    for ratio in ("1.04", "1.5", "5", "0.2"):
        bench = Bench(venues=THREE, limits=LIMITS, balances=RICH)
        another_coin(bench, ratio)
        assert not bench.placed()
        assert bench.not_taken() == {Reason.EDGE_IMPLAUSIBLE: 2}


def test_the_smallest_size_is_judged_and_the_size_is_not_shaped_by_it() -> None:
    bench = Bench(limits=LIMITS, balances=RICH)
    # The best level alone is 9 %: too little for the average of a larger size to show it.
    bench.quote("gate", "99x9", "100x0.02 108x1.9")
    bench.quote("okx", "109x2", "109.2x5")
    bench.drain()
    assert not bench.placed()
    assert bench.not_taken() == {Reason.EDGE_IMPLAUSIBLE: 1}


def test_a_real_edge_is_eaten_and_opens_again_whenever_it_is_back() -> None:
    bench, known = Bench(limits=LIMITS, balances=RICH), 0
    for number in range(4):
        bench.quote("gate", "99.9x90", "100x1")
        bench.quote("okx", "101x1", "101.2x90")
        bench.drain()
        known = fill_all(bench, known)
        assert known == 2 * (number + 1)
        bench.quote("gate", "99.9x90", "100.9x1")
        bench.quote("okx", "101x1", "101.2x90")
        bench.drain()
    assert bench.not_taken().get(Reason.EDGE_IMPLAUSIBLE, 0) == 0


def test_a_standing_edge_that_has_fallen_may_be_taken_by_the_frame_that_shows_it() -> None:
    bench, known = Bench(limits=LIMITS, balances=RICH), 0
    for _ in range(4):
        another_coin(bench)
        known = fill_all(bench, known)
    assert known == 4, "it stands at nearly 2 %"
    another_coin(bench, "1.008")
    assert len(bench.placed()) == 6


def test_a_fall_that_unusable_books_show_is_none() -> None:
    bench, known = Bench(limits=LIMITS, balances=RICH), 0
    for _ in range(6):
        another_coin(bench)
        known = fill_all(bench, known)
        bench.books.connections["okx"].lag_ns = 5 * NS_PER_S
        bench.quote("okx", "99x90", "99.2x90")
        bench.drain()
        bench.books.connections["okx"].lag_ns = 0
    assert known == 4
