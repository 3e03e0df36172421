"""What one book update costs detection, with five venues of 20 levels: in a quiet market, and when edges must be walked.

The baseline is the obvious way: after each update, walk all 20 ordered pairs of venues level by level, in floats.
"""

from functools import partial

from arb.bench.rounds import Effort, Row, alternate, time_row
from arb.bench.stage import Stage
from arb.clock import Clock
from arb.core.events import HaltAsked, QueueDrained

VENUES = ("one", "two", "three", "four", "five")
LEVELS = 20
_MID = 600_000
_FEE = 0.001
_QUIET, _DEEP = 200, 2
Side = list[tuple[float, float]]


def per_update(clock: Clock, effort: Effort) -> list[Row]:
    """Measure a quiet market, where nothing crosses after fees, and one where all of the changed venue's routes do."""
    return [
        _measured(clock, effort, "detect_quiet", 0, effort.count(_QUIET)),
        _measured(clock, effort, "detect_deep", 3_000, effort.count(_DEEP)),
    ]


def _measured(clock: Clock, effort: Effort, name: str, shift: int, count: int) -> Row:
    """`shift`: ticks by which the changed venue's book stands above the others'."""
    stage = Stage(VENUES)
    # A halted engine judges every edge and opens nothing, so that each update finds the same state.
    stage.tell(HaltAsked(reason="bench"))
    books = {venue: _book(shift if venue == VENUES[0] else 0) for venue in VENUES}
    row = 0
    for venue, (bids, asks) in books.items():
        shown = stage.show(venue, bids, asks)
        row = shown if venue == VENUES[0] else row

    def ours() -> int:
        for _ in range(count):
            stage.engine.strategy.mark((row,))
            if stage.engine.wants_drain:
                stage.tell(QueueDrained())
        return count

    plain = [(_floats(bids), _floats(asks)) for bids, asks in books.values()]
    theirs = partial(_obvious, plain, max(2, count // 10))
    taken = alternate(clock, {"ours": ours, "obvious": theirs}, effort.rounds)
    return time_row(name, taken["ours"], taken["obvious"], against="plain walk of all 20 pairs, in floats")


def _book(shift: int) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    bids = [(_MID + shift - 1 - i, 1_000 + 37 * i) for i in range(LEVELS)]
    asks = [(_MID + shift + 1 + i, 1_000 + 41 * i) for i in range(LEVELS)]
    return bids, asks


def _floats(levels: list[tuple[int, int]]) -> Side:
    return [(price / 10, size / 10_000) for price, size in levels]


def _obvious(books: list[tuple[Side, Side]], count: int) -> int:
    for _ in range(count):
        max(_walk(buy[1], sell[0]) for buy in books for sell in books if buy is not sell)
    return count


def _walk(asks: Side, bids: Side) -> float:
    """Return the profit of taking asks and bids against each other for as long as that pays."""
    net = 0.0
    ask, bid = 0, 0
    ask_left, bid_left = asks[0][1], bids[0][1]
    while ask < len(asks) and bid < len(bids):
        gain = bids[bid][0] * (1 - _FEE) - asks[ask][0] * (1 + _FEE)
        if gain <= 0:
            break
        size = min(ask_left, bid_left)
        net += size * gain
        ask_left, bid_left = ask_left - size, bid_left - size
        if not ask_left:
            ask += 1
            ask_left = asks[ask][1] if ask < len(asks) else 0.0
        if not bid_left:
            bid += 1
            bid_left = bids[bid][1] if bid < len(bids) else 0.0
    return net
