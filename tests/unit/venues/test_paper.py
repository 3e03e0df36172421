"""Paper trading: what an order gets from the book of the instant at which it arrives."""

import asyncio
from collections.abc import Coroutine
from decimal import Decimal
from typing import Any, TypeVar

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb.clock import NS_PER_MS, NS_PER_S, ManualClock
from arb.core.commands import CancelOrder, PlaceOrder, QueryOrder, SnapshotAccount
from arb.core.events import AnyEvent, OrderAccepted, OrderFilled, OrderRejected
from arb.errors import InvariantError
from arb.market.arena import BookState
from arb.market.instrument import FeeIn
from arb.market.numbers import plain
from arb.market.order import Outcome, Role, Side, TimeInForce
from arb.venues.paper import START_BALANCE, PaperGateway
from tests.builders import START_NS, SYMBOL, Bench, an_instrument
from tests.virtual import run_virtual

D = Decimal
WAY_NS = 50 * NS_PER_MS
LATER_NS = START_NS + WAY_NS
Answer = TypeVar("Answer")


def an_order(side: Side = Side.BUY, price: str = "100.1", size: str = "1", **changes: object) -> PlaceOrder:
    """Return an immediate-or-cancel order at Gate that is still wanted when it arrives."""
    order = PlaceOrder(
        cause=0,
        venue="gate",
        symbol=SYMBOL,
        client_order_id="a1",
        role=Role.ENTRY,
        side=side,
        tif=TimeInForce.IOC,
        price=D(price),
        size=D(size),
        expires_ns=START_NS + 60 * NS_PER_S,
    )
    return msgspec.structs.replace(order, **changes)


class Market:
    """A Gate book, and a paper account there that an order reaches after `WAY_NS`."""

    def __init__(self, bids: str = "100x1 99.9x2", asks: str = "100.1x1 100.2x2", **instrument: Any) -> None:
        self.bench = Bench()
        self.bench.quote("gate", bids, asks)
        self.clock = ManualClock(START_NS)
        self.events: list[AnyEvent] = []
        self.venue = PaperGateway(
            "gate",
            [an_instrument(**instrument)],
            lambda: self.bench.books,
            clock=self.clock,
            latency_ns=WAY_NS,
            offset_ns=lambda: 7,
        )

    def run(self, ask: Coroutine[Any, Any, Answer]) -> Answer:
        """Return the answer to a question; what the private stream tells meanwhile is in `events`."""

        async def story() -> Answer:
            stream = asyncio.create_task(self.venue.run_private(self.events.append))
            await asyncio.sleep(0)
            answer = await ask
            await asyncio.sleep(0)
            stream.cancel()
            return answer

        return run_virtual(story(), self.clock)

    def place(self, order: PlaceOrder) -> tuple[OrderAccepted | OrderRejected, list[OrderFilled]]:
        """Let an order arrive; return its answer and its fills."""
        self.events.clear()
        answer = self.run(self.venue.place(order))
        assert isinstance(answer, OrderAccepted | OrderRejected)
        return answer, [event for event in self.events if isinstance(event, OrderFilled)]

    def refusal(self, order: PlaceOrder) -> str:
        """Return the code an order is rejected with."""
        answer, fills = self.place(order)
        assert isinstance(answer, OrderRejected) and not fills
        return answer.code

    def bought(self, order: PlaceOrder) -> list[tuple[str, str]]:
        """Return (price, size) of every fill."""
        return [(plain(told.fill.price), plain(told.fill.size)) for told in self.place(order)[1]]


def test_an_order_that_arrives_after_its_expiry_is_rejected() -> None:
    assert Market().refusal(an_order(expires_ns=LATER_NS - 1)) == "expired"


def test_nothing_is_filled_from_a_book_that_is_not_live() -> None:
    market = Market()
    market.bench.arena.invalidate(0, BookState.GAP, START_NS)
    assert market.refusal(an_order()) == "no_book"


@pytest.mark.parametrize("side", Side)
def test_more_than_the_balance_is_rejected(side: Side) -> None:
    answer, _ = Market().place(an_order(side, size=str(START_BALANCE + 1)))
    assert isinstance(answer, OrderRejected)
    assert (answer.code, answer.short_of_funds) == ("insufficient_balance", True)


def test_orders_that_would_rest_are_not_understood() -> None:
    with pytest.raises(InvariantError):
        Market().place(an_order(tif=TimeInForce.GTC))


def test_a_limit_below_the_best_ask_fills_nothing_and_ends() -> None:
    answer, fills = Market().place(an_order(price="100"))
    assert isinstance(answer, OrderAccepted) and answer.report is not None
    assert not fills
    assert (answer.report.filled, answer.report.is_open) == (D(0), False)


def test_levels_are_taken_best_first_within_the_limit() -> None:
    assert Market().bought(an_order(price="100.2", size="2")) == [("100.1", "1"), ("100.2", "1")]
    assert Market().bought(an_order(price="100.1", size="2")) == [("100.1", "1")]
    sold = Market().bought(an_order(Side.SELL, price="99.9", size="1.5"))
    assert sold == [("100", "1"), ("99.9", "0.5")]


def test_what_was_taken_is_gone_until_the_level_changes() -> None:
    market = Market()
    assert market.bought(an_order(size="0.4")) == [("100.1", "0.4")]
    assert market.bought(an_order(size="1")) == [("100.1", "0.6")]
    assert market.bought(an_order(size="1")) == []
    market.bench.quote("gate", "100x1", "100.1x0.8")
    assert market.bought(an_order(size="1")) == [("100.1", "0.8")]


def test_the_fee_of_a_buy_is_charged_where_the_venue_takes_it_from() -> None:
    for fee_in, fee, currency in ((FeeIn.QUOTE, D("0.1001"), "USDT"), (FeeIn.BASE, D("0.001"), "BTC")):
        (told,) = Market(buy_fee_in=fee_in).place(an_order())[1]
        assert (told.fill.fee, told.fill.fee_currency) == (fee, currency)


def test_a_fill_carries_the_venues_clock_and_our_own() -> None:
    (told,) = Market().place(an_order())[1]
    assert (told.fill.event_ns, told.fill.received_ns) == (LATER_NS + 7, LATER_NS + WAY_NS)


def test_a_query_and_a_snapshot_find_an_order_once_it_has_arrived_and_a_cancel_comes_too_late() -> None:
    market, order = Market(), an_order()
    look = QueryOrder(
        cause=0, venue="gate", symbol=SYMBOL, client_order_id="a1", venue_order_id=None, since_ns=0, attempt=1
    )
    before = market.run(market.venue.query_order(look))
    assert before.complete and before.report is None and not before.fills
    arrives_ns = market.clock.wall_ns() + WAY_NS
    market.place(order)
    after = market.run(market.venue.query_order(look))
    assert after.report is not None and after.report.filled == 1 and len(after.fills) == 1
    snapshot_account = SnapshotAccount(cause=0, venue="gate", symbols=(SYMBOL,), since_ns=arrives_ns)
    told = market.run(market.venue.snapshot_account(snapshot_account))
    assert told.complete and told.transfers_complete
    assert (told.orders, told.fills) == ((after.report,), after.fills)
    assert (
        market.run(
            market.venue.snapshot_account(msgspec.structs.replace(snapshot_account, since_ns=arrives_ns + 1))
        ).orders
        == ()
    )
    cancel = CancelOrder(cause=0, venue="gate", symbol=SYMBOL, client_order_id="a1", venue_order_id=None)
    assert market.run(market.venue.cancel(cancel)).outcome is Outcome.REJECTED


sizes = st.integers(1, 3000).map(lambda n: D(n) / 1000)


@given(st.lists(st.tuples(st.sampled_from(Side), sizes), max_size=12))
def test_nothing_is_made_or_lost_and_no_more_is_filled_than_was_shown(orders: list[tuple[Side, Decimal]]) -> None:
    market = Market()
    base = quote = D(0)
    filled = {Side.BUY: D(0), Side.SELL: D(0)}
    for side, size in orders:
        price = "100.2" if side is Side.BUY else "99.9"
        for told in market.place(an_order(side, price=price, size=str(size)))[1]:
            fill = told.fill
            sign = 1 if side is Side.BUY else -1
            base += sign * fill.size
            quote -= sign * fill.size * fill.price + fill.fee
            filled[side] += fill.size
    balances = market.run(market.venue.balances()).balances
    assert balances["BTC"].free == START_BALANCE + base
    assert balances["USDT"].free == START_BALANCE + quote
    assert max(filled.values()) <= 3
