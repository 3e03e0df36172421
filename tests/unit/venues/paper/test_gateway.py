"""Paper trading: what an order gets from the book of the instant at which it arrives."""

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from decimal import Decimal
from typing import Any, TypeVar

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb.clock import NS_PER_MS, NS_PER_S, ManualClock
from arb.core.messages.commands import CancelOrder, PlaceOrder, QueryOrder, SnapshotAccount
from arb.core.messages.events import (
    AnyEvent,
    BalancesReported,
    ClockMeasured,
    OrderAccepted,
    OrderFilled,
    OrderRejected,
)
from arb.errors import InvariantError
from arb.market.arena import BookState
from arb.market.fill import FillSource
from arb.market.instrument import FeeIn, Instrument
from arb.market.numbers import plain
from arb.market.order import Outcome, Role, Side, TimeInForce
from arb.venues.kit.base import PlaceAnswer
from arb.venues.paper.account import AccountMemory, Forgetful, PaperAccount
from arb.venues.paper.gateway import PaperGateway
from tests.builders import START_NS, SYMBOL, Bench, an_instrument
from tests.virtual import run_virtual

D = Decimal
START_BALANCE = D(1_000_000)
WAY_NS = 50 * NS_PER_MS
LATER_NS = START_NS + WAY_NS
Answer = TypeVar("Answer")


LOOK = QueryOrder(
    cause=0, venue="gate", symbol=SYMBOL, client_order_id="a1", venue_order_id=None, since_ns=0, attempt=1
)
EVERYTHING = SnapshotAccount(cause=0, venue="gate", symbols=(SYMBOL,), since_ns=0)


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


class Source:
    """A venue's public side: one instrument, a clock 7 ns ahead of ours, `WAY_NS` away."""

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.listed = (instrument.symbol, "ETH/USDT")

    def offset_ns(self) -> int:
        return 7

    async def listing(self, symbols: Sequence[str]) -> tuple[Instrument, ...]:
        return (self.instrument,)

    async def currencies(self, assets: tuple[str, ...]) -> None:
        return None

    async def measure_clock(self) -> ClockMeasured:
        return ClockMeasured(venue="gate", offset_ns=7, error_ns=WAY_NS)

    async def close(self) -> None: ...


class Market:
    """A Gate book, and a paper account there that an order reaches after `WAY_NS`."""

    def __init__(
        self,
        bids: str = "100x1 99.9x2",
        asks: str = "100.1x1 100.2x2",
        *,
        opening: Mapping[str, Decimal] | Decimal | None = None,
        latency_ns: int | None = WAY_NS,
        memory: AccountMemory | None = None,
        fee_price: str | None = None,
        **instrument: Any,
    ) -> None:
        self.bench = Bench()
        self.bench.quote("gate", bids, asks)
        self.clock = ManualClock(START_NS)
        self.events: list[AnyEvent] = []
        self.source = Source(an_instrument(**instrument))
        self.account = PaperAccount("gate-uid-paper1", memory or Forgetful(), START_NS)
        self.venue = PaperGateway(
            self.source,
            self.account,
            "gate",
            lambda: self.bench.books,
            clock=self.clock,
            latency_ns=latency_ns,
            opening={"BTC": START_BALANCE, "USDT": START_BALANCE} if opening is None else opening,
            fee_price=lambda *_: None if fee_price is None else D(fee_price),
        )
        self.run(self.venue.instruments((SYMBOL,)))

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

    def frame(self, asks: str, lag_ns: int = 0) -> None:
        """Let a frame come now that the venue sent `lag_ns` ago."""
        bench, now_ns = self.bench, self.clock.wall_ns()
        bench.quote("gate", "100x1 99.9x2", asks)
        bench.arena.write(0, bench.seq, now_ns - lag_ns, now_ns)
        self.venue.on_frame()

    def meanwhile(self, order: PlaceOrder, *frames: tuple[str, int], lag_ns: int = 0) -> list[tuple[str, str]]:
        """Let frames come so many ns after an order has left; return its fills."""

        async def story() -> PlaceAnswer:
            departure = self.venue.prepare(order)
            assert not isinstance(departure, OrderRejected)
            departure.leave()
            leaving, sent_ns = asyncio.create_task(departure.answer()), self.clock.wall_ns()
            for asks, after_ns in frames:
                await asyncio.sleep((sent_ns + after_ns - self.clock.wall_ns()) / NS_PER_S)
                self.frame(asks, lag_ns)
            return await leaving

        self.events.clear()
        self.run(story())
        return [(plain(e.fill.price), plain(e.fill.size)) for e in self.events if isinstance(e, OrderFilled)]

    def refusal(self, order: PlaceOrder) -> str:
        """Return the code an order is rejected with."""
        answer, fills = self.place(order)
        assert isinstance(answer, OrderRejected) and not fills
        return answer.code

    def bought(self, order: PlaceOrder) -> list[tuple[str, str]]:
        """Return (price, size) of every fill."""
        return [(plain(told.fill.price), plain(told.fill.size)) for told in self.place(order)[1]]


def test_the_whole_listing_of_the_venue_is_known_and_not_what_is_traded_alone() -> None:
    assert set(Market().venue.listed) == {SYMBOL, "ETH/USDT"}


def test_an_order_that_arrives_after_its_expiry_is_rejected() -> None:
    assert Market().refusal(an_order(expires_ns=LATER_NS - 1)) == "expired"


def test_nothing_is_filled_from_a_book_that_is_not_live() -> None:
    market = Market()
    market.bench.arena.invalidate(0, BookState.GAP, START_NS)
    assert market.bought(an_order()) == []


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


def test_what_was_taken_stays_missing_though_the_level_shows_more() -> None:
    market = Market()
    assert market.bought(an_order(size="0.4")) == [("100.1", "0.4")]
    assert market.bought(an_order(size="1")) == [("100.1", "0.6")]
    assert market.bought(an_order(size="1")) == []
    market.frame("100.1x0.8")  # others have taken from it: what we took is missing still
    assert market.bought(an_order(size="1")) == []
    market.frame("100.1x1.2")
    assert market.bought(an_order(size="2")) == [("100.1", "0.4")]  # what came since


def test_of_a_level_that_has_shrunk_there_is_what_neither_we_nor_others_took() -> None:
    market = Market(asks="100.1x3")
    market.bought(an_order(size="1"))
    market.frame("100.1x2.5")
    assert market.bought(an_order(size="3")) == [("100.1", "1.5")]


def test_a_level_that_was_gone_and_comes_back_is_new() -> None:
    market = Market()
    market.bought(an_order(size="1"))
    market.frame("100.2x2")
    assert market.bought(an_order(size="1")) == []
    market.frame("100.1x1 100.2x2")
    assert market.bought(an_order(size="1")) == [("100.1", "1")]


def test_a_book_that_changes_before_the_order_arrives_is_the_one_it_meets_and_a_later_one_is_not() -> None:
    market = Market(asks="100.1x2")
    gone = market.meanwhile(an_order(size="2"), ("100.1x0.5", WAY_NS // 2), ("100.1x2", 3 * WAY_NS // 2))
    assert gone == [("100.1", "0.5")]
    kept = Market(asks="100.1x2").meanwhile(an_order(size="2"), ("100.1x0.5", 3 * WAY_NS // 2))
    assert kept == [("100.1", "2")]


def test_the_venues_time_of_a_frame_counts_and_not_when_it_was_received() -> None:
    market = Market(asks="100.1x2")
    assert market.meanwhile(an_order(size="2"), ("100.1x0.5", 3 * WAY_NS // 2), lag_ns=WAY_NS) == [("100.1", "0.5")]


def test_what_comes_to_a_level_after_the_decision_is_not_taken() -> None:
    market = Market(asks="100.1x1")
    assert market.meanwhile(an_order(size="5"), ("100.0x3 100.1x4", WAY_NS // 2)) == [("100.1", "1")]


def test_an_order_is_executed_though_nobody_waits_for_its_answer_any_more() -> None:
    market = Market()

    async def story() -> None:
        answer = asyncio.create_task(market.venue.place(an_order()))
        await asyncio.sleep(0)
        answer.cancel()
        await market.venue.close()

    run_virtual(story(), market.clock)
    assert market.account.orders["a1"].report.filled == 1


@pytest.mark.parametrize(
    ("rules", "code"),
    [
        ({"lot": D("0.3"), "min_size": D("0.3")}, "off_steps"),
        ({"tick": D("0.2")}, "off_steps"),
        ({"min_size": D("1.5")}, "size"),
        ({"max_size": D("0.5")}, "size"),
        ({"min_notional": D(101)}, "min_notional"),
        ({"price_band": D("0.0001")}, "price_band"),
        ({"tradable": False}, "not_tradable"),
    ],
)
def test_an_order_against_the_listings_rules_is_rejected_as_a_venue_would(rules: dict[str, Any], code: str) -> None:
    market = Market()
    market.venue._instruments[SYMBOL] = msgspec.structs.replace(market.source.instrument, **rules)
    answer, fills = market.place(an_order())
    assert isinstance(answer, OrderRejected) and not fills
    assert (answer.code, answer.off_steps, answer.bars) == (code, code == "off_steps", code == "not_tradable")


def test_the_private_stream_reports_the_balances_that_a_fill_moved() -> None:
    market = Market()
    market.place(an_order())
    (pushed,) = [event for event in market.events if isinstance(event, BalancesReported)]
    assert not pushed.complete
    assert {asset: held.free for asset, held in pushed.balances.items()} == {
        "BTC": START_BALANCE + 1,
        "USDT": START_BALANCE - D("100.1") - D("0.1001"),
    }


def test_without_a_configured_latency_an_order_takes_half_a_round_trip_to_the_public_address() -> None:
    market = Market(latency_ns=None)
    market.run(market.venue.start())
    (told,) = market.place(an_order())[1]
    assert told.fill.event_ns == LATER_NS + 7


def test_why_an_order_got_less_than_it_wanted_is_counted_in_quote() -> None:
    market = Market(asks="100.1x4")
    market.bought(an_order(size="1"))
    market.meanwhile(an_order(size="5", client_order_id="a2"), ("100.1x3.5", WAY_NS // 2))
    price, reached = D("100.1"), market.venue.reached
    assert reached.wanted == 6 * price
    assert (reached.filled, reached.not_shown) == (D("3.5") * price, price)  # 4 of 5 were shown
    assert (reached.gone, reached.taken_before) == (D("0.5") * price, price)
    market.bench.arena.invalidate(0, BookState.GAP, START_NS)
    market.place(an_order(client_order_id="a3"))
    assert (reached.unseen, reached.wanted) == (price, 7 * price)


def test_the_fee_of_a_buy_is_charged_where_the_venue_takes_it_from() -> None:
    for fee_in, fee, currency in ((FeeIn.QUOTE, D("0.1001"), "USDT"), (FeeIn.BASE, D("0.001"), "BTC")):
        (told,) = Market(buy_fee_in=fee_in).place(an_order())[1]
        assert (told.fill.fee, told.fill.fee_currency) == (fee, currency)


@pytest.mark.parametrize(
    ("held", "price", "charged"),
    [
        ("1", "4", [("0.0187687500", "GT"), ("0.03757500", "GT")]),  # 100.1 and 200.4 at 0.075 %, by 4
        ("0.04", "4", [("0.0187687500", "GT"), ("0.002", "BTC")]),  # it runs out between two fills of one order
        ("0", "4", [("0.001", "BTC"), ("0.002", "BTC")]),
        ("1", None, [("0.001", "BTC"), ("0.002", "BTC")]),  # nothing says what it is worth
    ],
)
def test_fees_are_taken_from_an_asset_of_the_venues_own_while_it_lasts(
    held: str, price: str | None, charged: list[tuple[str, str]]
) -> None:
    rules: dict[str, Any] = {"buy_fee_in": FeeIn.BASE, "fee_asset": "GT", "fee_asset_taker": D("0.00075")}
    opening = {"BTC": START_BALANCE, "USDT": START_BALANCE, "GT": D(held)}
    market = Market(opening=opening, fee_price=price, **rules)
    _, fills = market.place(an_order(price="100.2", size="3"))
    assert [(told.fill.fee, told.fill.fee_currency) for told in fills] == [(D(fee), asset) for fee, asset in charged]
    spent = sum((D(fee) for fee, asset in charged if asset == "GT"), D(0))
    (pushed,) = [event for event in market.events if isinstance(event, BalancesReported)]
    assert market.account.balances["GT"] == D(held) - spent
    assert not spent or pushed.balances["GT"].free == D(held) - spent


def test_a_fill_carries_the_venues_clock_and_our_own() -> None:
    (told,) = Market().place(an_order())[1]
    assert (told.fill.event_ns, told.fill.received_ns) == (LATER_NS + 7, LATER_NS + WAY_NS)


def test_a_query_and_a_snapshot_find_an_order_once_it_has_arrived_and_a_cancel_comes_too_late() -> None:
    market, order = Market(), an_order()
    before = market.run(market.venue.query_order(LOOK))
    assert before.complete and before.report is None and not before.fills
    arrives_ns = market.clock.wall_ns() + WAY_NS
    market.place(order)
    after = market.run(market.venue.query_order(LOOK))
    assert after.report is not None and after.report.filled == 1 and len(after.fills) == 1
    snapshot_account = SnapshotAccount(cause=0, venue="gate", symbols=(SYMBOL,), since_ns=arrives_ns)
    told = market.run(market.venue.snapshot_account(snapshot_account))
    assert told.complete and told.transfers_complete
    assert told.orders == (after.report,)
    assert [fill.key for fill in told.fills] == [fill.key for fill in after.fills]
    assert after.fills[0].source is FillSource.QUERY
    assert (
        market.run(
            market.venue.snapshot_account(msgspec.structs.replace(snapshot_account, since_ns=arrives_ns + 1))
        ).orders
        == ()
    )
    cancel = CancelOrder(cause=0, venue="gate", symbol=SYMBOL, client_order_id="a1", venue_order_id=None)
    assert market.run(market.venue.cancel(cancel)).outcome is Outcome.REJECTED


sizes = st.integers(1, 3000).map(lambda n: D(n) / 1000)


@pytest.mark.thorough
@given(st.lists(st.tuples(sizes, sizes), min_size=1, max_size=12))
def test_no_level_gives_more_than_it_showed_first_and_what_came_to_it_since(
    frames: list[tuple[Decimal, Decimal]],
) -> None:
    market = Market(asks=f"100.1x{frames[0][0]}")
    came, before = frames[0][0], frames[0][0]
    filled = D(0)
    for shown, size in frames:
        market.frame(f"100.1x{shown}")
        came += max(D(0), shown - before)
        before = shown
        filled += sum((D(taken) for _, taken in market.bought(an_order(size=str(size)))), D(0))
        assert filled <= came


@pytest.mark.thorough
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
