"""Late fills, answers, flattens and a change of policy in any order: base is held once, and no order leads past zero."""

from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import partial
from itertools import count

from hypothesis import given, settings
from hypothesis import strategies as st

from arb.core.messages.commands import PlaceOrder
from arb.core.messages.events import FlattenAsked, TimerFired
from arb.core.messages.settings import Limits
from arb.market.order import Side
from tests.builders import Bench, D
from tests.unit.core.trades.test_flatten import HOLD, refresh
from tests.unit.core.trades.test_netting import CHEAPEST, booked, cash, earned, net, one_leg
from tests.unit.core.trades.test_trade import accept, fill

LEGAL = D("0.0101")
"""More base than is ever left of a pair without an order for it being legal: 1 USDT, at about 100."""


class Desk:
    """Two legs' pairs, dust and flattens under random events, and what the venues have really filled."""

    def __init__(self) -> None:
        self.bench = Bench(policy=HOLD, limits=Limits(min_net_quote=D(0), min_edge_bps=D(1), dust_max_quote=D("1.5")))
        self.names: Iterator[int] = count()
        self.legs = [one_leg(self.bench, "0.4"), one_leg(self.bench, "0.3", long=False)]
        self.unfilled = [60, 70]
        self.held = D("0.1")
        self.answered = len(self.bench.placed())

    @property
    def waiting(self) -> list[PlaceOrder]:
        """Return the orders that no venue has answered."""
        return self.bench.placed()[self.answered :]

    def filled(self, order: PlaceOrder, size: Decimal) -> None:
        self.held += size if order.side is Side.BUY else -size
        self.bench.wait_ms(1)
        fill(self.bench, order, str(size), trade_id=f"f{next(self.names)}")

    def late(self, leg: int, hundredths: int) -> None:
        """Fill more of a leg, unless nothing is left of it."""
        if hundredths <= self.unfilled[leg]:
            self.unfilled[leg] -= hundredths
            self.filled(self.legs[leg], D(hundredths).scaleb(-2))

    def flatten(self) -> None:
        self.bench.tell(FlattenAsked(reason="enough"))

    def cheapest(self) -> None:
        self.bench.engine.state.policy = CHEAPEST

    def wait(self) -> None:
        refresh(self.bench)
        self.bench.wait_ms(300)
        for pair_id in list(self.bench.engine.manager.open):
            self.acts(partial(self.bench.tell, TimerFired(timer=f"pair:{pair_id}")))
        self.acts(partial(self.bench.tell, TimerFired(timer="flatten")))
        self.acts(self.bench.drain)

    def answer(self, tenths: int) -> None:
        """Let a venue end the oldest order, so much of it filled."""
        if orders := self.waiting:
            order = orders[0]
            size = (order.size * tenths / 10).quantize(D("0.001"))
            self.answered += 1
            if size:
                self.filled(order, size)
            accept(self.bench, order, str(size))

    def acts(self, act: Callable[[], object]) -> None:
        """Let the engine act, and judge each order it sends by what is held and what is on its way."""
        before, on_the_way = len(self.bench.placed()), self.coming
        act()
        for order in self.bench.placed()[before:]:
            moved = order.size if order.side is Side.BUY else -order.size
            on_the_way += moved
            assert self.held * moved < 0, f"{order.side} {order.size} with {self.held} held"
            assert abs(on_the_way) <= abs(self.held) + LEGAL, f"{on_the_way} on the way with {self.held} held"

    @property
    def coming(self) -> Decimal:
        return sum((o.size if o.side is Side.BUY else -o.size for o in self.waiting), D(0))


EVENTS = st.one_of(
    st.tuples(st.just("late"), st.integers(0, 1), st.integers(2, 9)),
    st.tuples(st.just("wait"), st.just(0), st.just(0)),
    st.tuples(st.just("wait"), st.just(0), st.just(0)),
    st.tuples(st.just("answer"), st.just(0), st.integers(0, 10)),
    st.tuples(st.sampled_from(["flatten", "cheapest"]), st.just(0), st.just(0)),
)


@settings(max_examples=60, deadline=None)
@given(events=st.lists(EVENTS, max_size=25))
def test_what_pairs_and_residuals_claim_is_what_is_held_and_no_order_moves_it_past_zero(
    events: list[tuple[str, int, int]],
) -> None:
    desk = Desk()
    calm = [("flatten", 0, 0), *[("wait", 0, 0), ("answer", 0, 10)] * 25]
    for name, which, size in [*events, *calm]:
        match name:
            case "late":
                desk.late(which, size)
            case "answer":
                desk.answer(size)
            case "wait":
                desk.wait()
            case "flatten":
                desk.flatten()
            case _:
                desk.cheapest()
        assert net(desk.bench) == desk.held
    assert not desk.bench.engine.manager.open
    assert abs(desk.held) <= LEGAL
    assert abs(earned(desk.bench) - cash(desk.bench) - booked(desk.bench)) <= D("1e-6")
