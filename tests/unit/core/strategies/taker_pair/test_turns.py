"""Many symbols marked at once: the best first, a few at a time, and each pair leaves before the next is judged."""

import itertools

import msgspec
import pytest

from arb.core.messages.commands import PlaceOrder
from arb.core.messages.events import QueueDrained
from arb.core.messages.settings import Limits
from arb.core.strategies.taker_pair.detector import Detector
from arb.core.strategies.taker_pair.dirty_symbols import JUDGED_MAX
from arb.market.route import Route
from tests.builders import Bench, an_instrument
from tests.unit.core.strategies.taker_pair.test_detector import BIG

MANY = [f"{name}/USDT" for name in ("AAA", *(f"M{number:02}" for number in range(30)), "ZZZ")]


def many_edges(limits: Limits, best: str = "ZZZ/USDT") -> Bench:
    """Quote a small edge in every symbol and a large one in `best`, all at once, with funds for one pair."""
    listed = [an_instrument(venue, symbol) for venue in ("gate", "okx") for symbol in MANY]
    funds = {symbol.removesuffix("/USDT"): "2" for symbol in MANY} | {"USDT": "150"}
    bench = Bench(limits=limits, instruments=listed, balances=funds)
    for symbol in MANY:
        bench.quote("gate", "99.9x5", "100x1", symbol)
        bench.quote("okx", "102.5x1" if symbol == best else "100.4x1", "102.6x5", symbol)
    return bench


def judged(bench: Bench) -> int:
    """Return of how many routes an edge was judged."""
    strategy = bench.engine.strategy
    assert isinstance(strategy, Detector)
    return len(strategy.episodes)


@pytest.mark.parametrize("best", ["AAA/USDT", "M17/USDT", "ZZZ/USDT"])
def test_of_all_symbols_marked_at_once_the_best_edge_takes_the_funds(best: str) -> None:
    bench = many_edges(BIG, best)
    bench.drain()
    assert bench.placed()[0].symbol == best


def test_a_pair_leaves_before_the_next_symbol_is_judged_and_a_turn_judges_a_few() -> None:
    bench = many_edges(BIG)
    orders = [command for command in bench.tell(QueueDrained()) if isinstance(command, PlaceOrder)]
    assert [order.symbol for order in orders] == ["ZZZ/USDT"] * 2
    assert (bench.engine.wants_turn, judged(bench)) == (True, 1)
    counted = [1]
    while bench.engine.wants_turn:
        bench.tell(QueueDrained())
        counted.append(judged(bench))
    assert counted[-1] == len(MANY)
    assert max(after - before for before, after in itertools.pairwise(counted)) <= JUDGED_MAX


def test_a_better_edge_that_comes_meanwhile_goes_before_what_is_left() -> None:
    bench = many_edges(msgspec.structs.replace(BIG, max_open_pairs=0))
    bench.tell(QueueDrained())
    left = "M20/USDT"
    bench.quote("okx", "102.4x1", "102.6x5", left)
    bench.tell(QueueDrained())
    strategy = bench.engine.strategy
    assert isinstance(strategy, Detector)
    assert strategy.episodes.is_open(Route.of(left, "gate", "okx")) and bench.engine.wants_turn


def test_books_that_wait_for_bytes_keep_no_others_from_being_judged_and_are_judged_after_them() -> None:
    bench = many_edges(msgspec.structs.replace(BIG, max_open_pairs=0))
    bench.tell(QueueDrained(unread=("okx",)))
    while bench.engine.wants_turn:
        bench.tell(QueueDrained(unread=("okx",)))
    assert judged(bench) == 0 and bench.engine.wants_drain
    bench.drain()
    assert judged(bench) == len(MANY)
