"""What it costs to judge one edge exactly: hot, and in life, where edges come after quiet and find cold caches.

Two books of 50 levels, all of which cross, of which one has changed since it was looked at last: its running sums, the best
trade, the plan under balances and thresholds, and whether its worst partial fill can be repaired, as `Detector` asks for them.
Once with the best trade found by compiled code, as in a run that has it, and once by plain code. Against the obvious way: the
two sides walked in floats, which gives a profit and no order.
"""

from collections.abc import Callable
from decimal import Decimal
from threading import Event

from arb.clock import NS_PER_US, Clock
from arb.core.pricing.partial import worst_partial_ok
from arb.core.pricing.plan import Plan
from arb.core.pricing.spread import answer_of
from arb.core.pricing.terms import EdgeLimits, Funds, PairTerms, VenueTerms
from arb.market.route import Route
from arb.venues.books.compiled.loading import is_available
from proofs.bench.market_data import walk
from proofs.bench.rounds import Effort, Row, alternate, quantile, time_row
from proofs.bench.stage import SCALE, START_NS, SYMBOL, Level, Stage

LEVELS = 50
QUIET_S = 0.25
_HOT, _IN_LIFE = 50, 20
_MID, _SHIFT = 600_000, 3_000
_FUNDS = Funds(quote=Decimal(10_000_000), base=Decimal(1000))
# Capped within the first levels, as pairs are by default, and deeper than all levels reach.
_CAPS = {"judge_edge": Decimal(2000), "judge_edge_deep": Decimal(10_000_000)}


def one_edge(clock: Clock, effort: Effort) -> list[Row]:
    """Measure an edge that ends within the first level, and one that takes all levels."""
    rows: list[Row] = []
    for name, cap in _CAPS.items():
        contenders = {f"{name}_plain": _judge(cap, compiled=False), "floats": _walked()}
        if is_available():
            contenders |= {name: _judge(cap, compiled=True)}
        count = effort.count(_HOT)
        taken = alternate(clock, {who: _many(work, count) for who, work in contenders.items()}, effort.rounds)
        floats = taken.pop("floats")
        for who, hot_ns in sorted(taken.items()):
            rows.append(time_row(who, hot_ns, floats, against="both sides walked in floats", note=f"{LEVELS} levels"))
            rows.append(_in_life(clock, f"{who}_in_life", contenders[who], hot_ns, effort.count(_IN_LIFE)))
    return rows


def _judge(cap: Decimal, *, compiled: bool) -> Callable[[], object]:
    """Return what judges the edge anew."""
    stage = Stage(("gate", "okx"), depth=LEVELS, compiled=compiled)
    asks, bids = _crossing()
    stage.show("gate", [(_MID - 1, 1_000)], asks)
    changed = stage.show("okx", bids, [(_MID + _SHIFT + 1, 1_000)])
    buy, sell = (VenueTerms.of(stage.engine.state.instruments[venue, SYMBOL]) for venue in stage.venues)
    limits = EdgeLimits(max_notional=cap, max_slippage_bps=Decimal(5), dust_max_quote=Decimal(5))
    terms, route, books = PairTerms(SCALE, buy, sell, limits), Route.of(SYMBOL, "gate", "okx"), stage.books
    ask, bid = asks[0][0], bids[0][0]

    def judge() -> bool:
        stage.arena.write(changed, 1, START_NS, START_NS)
        best = books.best_plan(route, terms)
        answer = None if best is None else answer_of(best, ask, bid, _FUNDS, Decimal(1))
        return isinstance(answer, Plan) and worst_partial_ok(answer, ask, bid)

    if not judge():
        raise AssertionError("the edge was not taken")
    return judge


def _walked() -> Callable[[], object]:
    floats = [[(price / 10, size / 10_000) for price, size in side] for side in _crossing()]
    return lambda: walk(floats[0], floats[1])


def _crossing() -> tuple[list[Level], list[Level]]:
    """Return the asks that are bought from and the bids that are sold to."""
    bids = [(_MID + _SHIFT - 1 - i, 1_000 + 37 * i) for i in range(LEVELS)]
    asks = [(_MID + 1 + i, 1_000 + 41 * i) for i in range(LEVELS)]
    return asks, bids


def _many(work: Callable[[], object], count: int) -> Callable[[], int]:
    def batch() -> int:
        for _ in range(count):
            work()
        return count

    return batch


def _in_life(clock: Clock, name: str, judge: Callable[[], object], hot_ns: float, count: int) -> Row:
    """Return the median time of judging once after quiet, beside the same in a loop."""
    never, times = Event(), list[float]()
    for _ in range(count):
        never.wait(QUIET_S)
        began_ns = clock.monotonic_ns()
        judge()
        times.append(clock.monotonic_ns() - began_ns)
    middle = quantile(times, 0.5)
    return Row(
        name=name,
        value=round(middle / NS_PER_US, 1),
        unit="us",
        baseline=round(hot_ns / NS_PER_US, 1),
        ratio=round(middle / hot_ns, 2),
        against="the same, hot",
        note=f"after {QUIET_S * 1000:.0f} ms of quiet",
    )
