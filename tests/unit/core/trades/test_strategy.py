"""A strategy proposes and never sends; the engine checks each proposal, trades those that pass, and nothing else."""

from collections.abc import Callable, Collection, Iterable, Iterator

import msgspec
import pytest

from arb.core.messages.commands import PlaceOrder, SetTimer
from arb.core.messages.events import (
    FeedDown,
    HaltAsked,
    OrderFilled,
    PrivateDown,
    QueueDrained,
    RunEnded,
    RunStarted,
    VenueExamined,
)
from arb.core.messages.incidents import IncidentKind, Severity
from arb.core.messages.reasons import Reason
from arb.core.messages.records import IncidentRecord, PairKind, PairRecord, PairState
from arb.core.messages.settings import Limits, OnSingleLeg, RepairPolicy
from arb.core.pricing.plan import Plan
from arb.core.pricing.spread import evaluate
from arb.core.pricing.terms import EdgeLimits, PairTerms, VenueTerms
from arb.core.risk.blockers import Blockers
from arb.core.state.blocks import Block, Source
from arb.core.state.engine_state import EngineState
from arb.core.strategies.taker_pair.detector import Detector
from arb.core.trades.strategy import (
    NEVER,
    ONCE_READ,
    Answer,
    PairOpening,
    Proposal,
    ResidualExit,
    RulesChanged,
    RunEnding,
    Stepwise,
    StrategyEvent,
    TradeExit,
)
from arb.core.trades.table import TradeTable
from arb.errors import InvariantError
from arb.market.order import Side
from arb.market.route import Route
from tests.builders import SYMBOL, Bench, D, a_fill, a_refusal

ROUTE = Route.of(SYMBOL, "gate", "okx")


class Idle(Stepwise):
    """Proposes nothing, and keeps the events that it gets."""

    def __init__(self, state: EngineState, orders: TradeTable, blockers: Blockers) -> None:
        self.state = state
        self.orders = orders
        self.rows: set[int] = set()
        self.heard: list[StrategyEvent] = []

    def on_quotes(self, rows: Iterable[int]) -> None:
        self.rows.update(rows)

    def take_event(self, event: StrategyEvent) -> None:
        self.heard.append(event)

    def wake_ns(self, unread: Collection[str] = ()) -> int:
        return ONCE_READ if self.rows else NEVER

    def explain(self, route: Route) -> Reason | None:
        return None

    def steps(self, now_ns: int) -> Iterator[Proposal]:
        self.rows.clear()
        yield from self.wanted()

    def wanted(self) -> Iterator[Proposal]:
        yield from ()


class Blind(Idle):
    """Proposes the pair from Gate to OKX whenever it is asked, asks for no blocker, and keeps the answers."""

    def __init__(self, state: EngineState, orders: TradeTable, blockers: Blockers) -> None:
        super().__init__(state, orders, blockers)
        self.answers: list[Answer] = []

    def wanted(self) -> Iterator[Proposal]:
        yield PairOpening(ROUTE, self.plan())
        self.answers.append(self.answer)

    def plan(self) -> Plan:
        state = self.state
        buy, sell = (VenueTerms.of(state.instruments[key]) for key in ROUTE)
        terms = PairTerms(state.books.scales[SYMBOL], buy, sell, EdgeLimits.of(Limits()))
        plan = evaluate(terms, state.books.asks("gate", SYMBOL), state.books.bids("okx", SYMBOL))
        assert isinstance(plan, Plan)
        return plan


class OnceAndOut(Blind):
    """Opens one pair, and exits the base that it carries."""

    def wanted(self) -> Iterator[Proposal]:
        if not self.orders.pairs:
            yield from super().wanted()
        elif self.state.residuals.carried(SYMBOL).size:
            yield ResidualExit(SYMBOL, dust=False)


def crossed(bench: Bench) -> None:
    bench.quote("gate", "99.9x2", "100x1")
    bench.quote("okx", "101x1", "101.1x2")


def blind(**of_bench: object) -> tuple[Bench, Blind]:
    bench = Bench(strategies=(Blind,), **of_bench)  # type: ignore[arg-type]
    crossed(bench)
    strategy = bench.engine.strategy
    assert isinstance(strategy, Blind)
    return bench, strategy


class Restless(Idle):
    """Wants to be asked at every drain."""

    def wake_ns(self, unread: Collection[str] = ()) -> int:
        return ONCE_READ


def pairs_of(bench: Bench) -> list[PairRecord]:
    """Return the last row of each pair."""
    return list({row.id: row for row in bench.rows(PairRecord)}.values())


# The events that a strategy gets.


def test_a_strategy_that_proposes_nothing_is_told_and_asked_and_nothing_is_sent() -> None:
    bench = Bench(strategies=(Idle,))
    strategy = bench.engine.strategy
    assert isinstance(strategy, Idle)
    assert RulesChanged(SYMBOL) in strategy.heard
    assert [event.run_id for event in strategy.heard if isinstance(event, RunStarted)] == [bench.engine.state.run_id]
    crossed(bench)
    assert (strategy.rows, bench.engine.wants_drain) == ({0, 1}, True)
    assert bench.tell(QueueDrained()) == ()
    assert (strategy.rows, bench.engine.wants_drain) == (set(), False)
    bench.tell(FeedDown(venue="gate", cause="a test"))
    bench.tell(RunEnded(exit_code=0))
    assert [type(event) for event in strategy.heard[-3:]] == [FeedDown, RunEnding, RunEnded]
    assert not [event for event in strategy.heard if isinstance(event, QueueDrained)]
    assert bench.placed() == []


# The engine refuses these proposals, even if a strategy has overlooked the cause.


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda bench: bench.tell(HaltAsked(reason="a test")), Reason.HALTED),
        (lambda bench: bench.tell(PrivateDown(venue="okx", cause="a test")), Reason.VENUE_HALTED),
        (lambda bench: bench.wait_ms(60_000), Reason.STALE_BOOK),
    ],
)
def test_nothing_opens_on_a_proposal_while_something_blocks_it(spoil: Callable[[Bench], None], reason: Reason) -> None:
    bench, strategy = blind()
    spoil(bench)
    bench.drain()
    assert strategy.answers == [Answer(reason=reason)]
    assert bench.placed() == [] and not bench.engine.manager.pairs
    assert bench.engine.state.inventory.reserved("gate", "USDT") == 0


@pytest.mark.parametrize("limit", ["max_open_pairs", "max_symbol_quote", "daily_notional_quote"])
def test_a_proposal_that_would_pass_a_limit_is_refused_and_the_limit_named(limit: str) -> None:
    bench, strategy = blind(
        limits=msgspec.structs.replace(Limits(), **{limit: 0 if limit == "max_open_pairs" else D(99)})
    )
    bench.drain()
    assert strategy.answers == [Answer(reason=Reason.RISK_LIMIT, limit=limit)]
    assert bench.placed() == []


def test_a_block_that_is_put_within_a_step_is_seen_in_it() -> None:
    bench, _ = blind()
    state, blockers = bench.engine.state, Blockers(bench.engine.state, bench.engine.manager)
    assert blockers.reason(ROUTE, bench.now_ns) is None
    state.blocks.put(Block(Source.SHUTDOWN))
    assert blockers.reason(ROUTE, bench.now_ns) is Reason.HALTED
    state.blocks.lift(Source.SHUTDOWN)
    assert blockers.reason(ROUTE, bench.now_ns) is None


def test_what_keeps_from_opening_is_looked_up_again_once_something_has_opened_in_the_same_step() -> None:
    bench, strategy = blind()
    blockers = Blockers(bench.engine.state, bench.engine.manager)
    assert blockers.reason(ROUTE, bench.now_ns) is None
    bench.engine.openings.open(PairOpening(ROUTE, strategy.plan()), bench.now_ns)
    bench.engine.state.books.drained(["gate"], ["gate"])
    assert blockers.reason(ROUTE, bench.now_ns) is Reason.FEED_BACKLOG


def test_a_leg_priced_too_far_from_other_venues_is_refused() -> None:
    bench, strategy = blind(limits=Limits(entry_band_bps=D(50)))
    bench.drain()
    assert strategy.answers == [Answer(reason=Reason.RISK_LIMIT, limit="entry_band_bps")]


def test_nothing_opens_in_an_instrument_that_is_not_listed() -> None:
    bench, strategy = blind()
    unlisted = Route.of("XYZ/USDT", "gate", "okx")
    answer = bench.engine.openings.take(PairOpening(unlisted, strategy.plan()), bench.now_ns)
    assert answer == Answer(reason=Reason.INSTRUMENT_HALTED)


def test_a_strategy_that_repeats_a_refused_proposal_for_ever_stops_the_engine_and_does_not_hang_it() -> None:
    bench, strategy = blind(
        limits=Limits(max_open_pairs=1, max_notional_quote=D("0.01"), daily_notional_quote=D("0.01"))
    )
    plan = strategy.plan()
    strategy.propose = lambda now_ns: PairOpening(ROUTE, plan)  # type: ignore[method-assign]
    with pytest.raises(InvariantError, match="proposes more than 10000 times on the same books"):
        list(bench.engine.openings.of(strategy, bench.now_ns))


def test_a_second_pair_on_the_books_of_an_open_one_is_refused() -> None:
    bench, strategy = blind()
    bench.drain()
    bench.wait_ms(1)
    bench.drain()
    assert [answer.reason for answer in strategy.answers] == [None, Reason.PAIR_IN_FLIGHT]
    assert len(bench.placed()) == 2


def test_nothing_opens_on_books_that_may_still_show_the_levels_that_a_closed_pair_took() -> None:
    bench, strategy = blind()
    for order in [command for command in bench.drain() if isinstance(command, PlaceOrder)]:
        bench.tell(OrderFilled(fill=a_fill(order, "1")))
    strategy.rows.add(0)
    bench.drain()
    assert [answer.reason for answer in strategy.answers] == [None, Reason.OWN_IMPACT]


def test_an_opening_takes_the_rate_budget_of_both_venues_and_is_refused_without_one() -> None:
    bench, strategy = blind()
    budget = bench.engine.state.budget
    left = budget.left("okx", bench.now_ns)[0]
    bench.drain()
    assert [budget.left(venue, bench.now_ns)[0] for venue in ("gate", "okx")] == [left - 1, left - 1]

    bench, strategy = blind()
    for _ in range(left):
        bench.engine.state.budget.take("okx", SYMBOL, bench.now_ns)
    bench.drain()
    assert strategy.answers == [Answer(reason=Reason.RATE_BUDGET)] and bench.placed() == []
    assert bench.engine.state.budget.left("gate", bench.now_ns)[0] == left


# What the engine does with a proposal that passes.


def test_a_pair_that_another_strategy_proposes_is_reserved_for_sent_and_finished_like_any_other() -> None:
    bench, strategy = blind()
    orders = [command for command in bench.drain() if isinstance(command, PlaceOrder)]
    assert [(order.venue, order.side, order.size) for order in orders] == [
        ("gate", Side.BUY, D(1)),
        ("okx", Side.SELL, D(1)),
    ]
    inventory = bench.engine.state.inventory
    assert inventory.reserved("gate", "USDT") >= 100 and inventory.reserved("okx", "BTC") == 1
    for order in orders:
        bench.tell(OrderFilled(fill=a_fill(order, "1")))
    (last,) = pairs_of(bench)
    assert (last.kind, last.state, last.opportunity_id) == (PairKind.ARB, PairState.COMPLETED, None)
    assert strategy.answers == [Answer(last.id)]
    assert inventory.reserved("gate", "USDT") == inventory.reserved("okx", "BTC") == 0


def test_an_exit_of_a_trade_that_is_not_open_does_nothing() -> None:
    bench, _ = blind()
    assert bench.engine.openings.take(TradeExit(7), bench.now_ns) == Answer()


@pytest.mark.parametrize("halted", [False, True])
def test_a_second_strategy_opens_and_exits_beside_the_taker_and_touches_none_of_its_state(halted: bool) -> None:
    limits = Limits(min_edge_bps=D(500))  # the taker wants more than there is
    bench = Bench(strategies=(Detector, OnceAndOut), limits=limits, policy=RepairPolicy(on_single_leg=OnSingleLeg.HOLD))
    crossed(bench)
    buy, sell = [command for command in bench.drain() if isinstance(command, PlaceOrder)]
    bench.tell(OrderFilled(fill=a_fill(buy, "1")))
    bench.tell(a_refusal(sell, "51008", at_ns=bench.now_ns))
    (carried,) = pairs_of(bench)
    detector, other = bench.engine.strategies
    assert isinstance(detector, Detector) and isinstance(other, OnceAndOut)
    assert (detector.answer, other.answers) == (Answer(), [Answer(carried.id)])
    assert (carried.kind, carried.state) == (PairKind.ARB, PairState.CARRIED)
    if halted:
        bench.tell(HaltAsked(reason="nothing refuses an exit"))
    bench.wait_ms(60)
    crossed(bench)
    bench.drain()
    (away,) = bench.placed()[2:]
    assert away.side is Side.SELL
    bench.tell(OrderFilled(fill=a_fill(away, str(away.size), trade_id="x")))
    assert [(pair.kind, pair.state) for pair in pairs_of(bench)][1:] == [(PairKind.FLATTEN, PairState.COMPLETED)]
    assert bench.engine.strategy.explain(ROUTE) is (Reason.HALTED if halted else Reason.EDGE_BELOW_THRESHOLD)
    assert bench.not_taken() == {Reason.EDGE_BELOW_THRESHOLD: 1}


def test_a_strategy_that_is_asked_at_every_drain_keeps_no_other_from_its_timer() -> None:
    bench = Bench(strategies=(Restless, Detector), limits=Limits(min_edge_bps=D(500)))
    crossed(bench)
    bench.drain()
    bench.wait_ms(1)
    bench.quote("okx", "99.8x1", "101.1x2")  # the edge is gone, and no further frame comes
    assert [command.timer for command in bench.drain() if isinstance(command, SetTimer)] == ["episodes"]


def test_where_the_doctor_found_something_nothing_opens_until_it_takes_that_back() -> None:
    bench = Bench()
    bench.tell(VenueExamined(venue="okx", failed="signature: the secret is wrong"))
    crossed(bench)
    assert bench.drain() == () or not bench.placed()
    assert bench.not_taken() == {"venue_halted": 1}
    bench.tell(VenueExamined(venue="okx", failed=None))
    crossed(bench)
    bench.drain()
    assert [order.venue for order in bench.placed()] == ["gate", "okx"]
    found = [row for row in bench.rows(IncidentRecord) if isinstance(row, IncidentRecord)]
    assert [(row.kind, row.severity, row.venue) for row in found] == [
        (IncidentKind.DOCTOR, Severity.WARNING, "okx"),
        (IncidentKind.DOCTOR, Severity.INFO, "okx"),
    ]


def test_repairs_go_on_where_the_doctor_found_something() -> None:
    bench = Bench()
    crossed(bench)
    bench.drain()
    buy, sell = bench.placed()
    for venue in ("gate", "okx"):
        bench.tell(VenueExamined(venue=venue, failed="pairs are open, and the doctor has not looked yet"))
    bench.tell(OrderFilled(fill=a_fill(buy, "1")))
    bench.tell(a_refusal(sell, "51008", at_ns=bench.now_ns))
    bench.wait_ms(60)
    crossed(bench)
    bench.drain()
    assert [(order.side, order.size) for order in bench.placed()[2:]] == [(Side.SELL, D(1))]
