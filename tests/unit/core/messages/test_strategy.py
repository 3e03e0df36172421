"""The engine trades what the strategy it was given opens, and nothing else."""

from collections.abc import Collection, Iterable
from decimal import Decimal

from arb.core.messages.commands import PlaceOrder
from arb.core.messages.events import OrderFilled, QueueDrained, RunEnded, VenueExamined
from arb.core.messages.incidents import IncidentKind, Severity
from arb.core.messages.reasons import Reason
from arb.core.messages.records import IncidentRecord, OpportunityRecord, PairKind, PairRecord, PairState
from arb.core.pricing.plan import Plan
from arb.core.pricing.spread import evaluate
from arb.core.pricing.terms import EdgeLimits, PairTerms, VenueTerms
from arb.core.state.engine_state import EngineState
from arb.core.trades.opening import TradeManager
from arb.market.order import Side
from arb.market.route import Route
from tests.builders import SYMBOL, Bench, D, a_fill, a_refusal


class Idle:
    """Opens nothing, and keeps what it was asked."""

    unfinished = False

    def __init__(self, state: EngineState, manager: TradeManager) -> None:
        self.state = state
        self.manager = manager
        self.rows: set[int] = set()
        self.asked: list[str] = []

    @property
    def marked(self) -> bool:
        return bool(self.rows)

    def waits_for(self, unread: Collection[str]) -> bool:
        return False

    def start(self) -> None:
        self.asked.append(f"start {self.state.run_id}")

    def finish(self, now_ns: int) -> None:
        self.asked.append("finish")

    def mark(self, rows: Iterable[int]) -> None:
        self.rows.update(rows)

    def mark_all(self) -> None:
        self.asked.append("mark all")

    def rules_changed(self, symbol: str) -> None:
        self.asked.append(f"rules {symbol}")

    def health_changed(self, symbols: Iterable[str]) -> None:
        self.asked.append(f"health {' '.join(symbols)}")

    def state_changed(self) -> None:
        return

    def act(self, now_ns: int) -> None:
        self.rows.clear()

    def after_act(self, now_ns: int) -> None:
        self.asked.append("after")

    def close_episodes(self, now_ns: int) -> None:
        self.asked.append("episodes")

    def why_not(self, route: Route) -> Reason | None:
        return None

    def blocked(self, symbol: str, now_ns: int) -> Iterable[tuple[Route, Reason | None]]:
        return ()

    def take_untraded(self) -> list[OpportunityRecord]:
        return []


class BuyAtGate(Idle):
    """Opens one pair, from Gate to OKX, as soon as it is let."""

    def act(self, now_ns: int) -> None:
        state = self.state
        if self.manager.pairs:
            return
        scale = state.books.scales[SYMBOL]
        buy, sell = (VenueTerms.of(state.instruments[venue, SYMBOL]) for venue in ("gate", "okx"))
        terms = PairTerms(scale, buy, sell, EdgeLimits.of(state.limits, Decimal(1)))
        plan = evaluate(terms, state.books.asks("gate", SYMBOL), state.books.bids("okx", SYMBOL))
        assert isinstance(plan, Plan)
        self.manager.open_pair(Route.of(SYMBOL, "gate", "okx"), plan, None, now_ns)


def crossed(bench: Bench) -> None:
    bench.quote("gate", "99.9x2", "100x1")
    bench.quote("okx", "101x1", "101.1x2")


def test_a_strategy_that_opens_nothing_is_asked_and_nothing_is_sent() -> None:
    bench = Bench(strategy=Idle)
    strategy = bench.engine.strategy
    assert isinstance(strategy, Idle)
    assert strategy.asked[0] == f"start {bench.engine.state.run_id}"
    assert f"rules {SYMBOL}" in strategy.asked
    crossed(bench)
    assert (strategy.rows, bench.engine.wants_drain) == ({0, 1}, True)
    assert bench.tell(QueueDrained()) == ()
    assert (strategy.rows, bench.engine.wants_drain) == (set(), False)
    bench.tell(RunEnded(exit_code=0))
    assert strategy.asked[-1] == "finish"
    assert bench.placed() == []


def test_a_pair_that_another_strategy_opens_is_finished_like_any_other() -> None:
    bench = Bench(strategy=BuyAtGate)
    crossed(bench)
    orders = [command for command in bench.drain() if isinstance(command, PlaceOrder)]
    assert [(order.venue, order.side, order.size) for order in orders] == [
        ("gate", Side.BUY, D(1)),
        ("okx", Side.SELL, D(1)),
    ]
    for order in orders:
        bench.tell(OrderFilled(fill=a_fill(order, "1")))
    last = bench.rows(PairRecord)[-1]
    assert isinstance(last, PairRecord)
    assert (last.kind, last.state, last.opportunity_id) == (PairKind.ARB, PairState.COMPLETED, None)
    assert bench.drain() == ()


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
