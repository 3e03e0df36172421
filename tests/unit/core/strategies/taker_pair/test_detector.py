"""When an edge is taken, and the one reason why it is not."""

from collections.abc import Callable

import msgspec
import pytest

from arb.clock import NS_PER_MS
from arb.core.messages.commands import PlaceOrder
from arb.core.messages.events import (
    BalancesReported,
    ClockMeasured,
    FeedDown,
    HaltAsked,
    InstrumentListed,
    OrderRejected,
    PrivateDown,
    ShutdownAsked,
    StoreStateChanged,
    TimerFired,
)
from arb.core.messages.reasons import Reason
from arb.core.messages.records import OpportunityOutcome, OpportunityRecord
from arb.core.messages.settings import Limits, Timing
from arb.core.state.budget import PlaceRate, RateBudget
from arb.core.strategies.taker_pair.detector import Detector
from arb.market.arena import BookState
from arb.market.instrument import Instrument
from tests.builders import START_NS, Bench, D, a_balance, an_instrument
from tests.unit.core.trades.test_trade import crossed, fill

BIG = Limits(min_net_quote=D(0), min_edge_bps=D(1))


def edge(bench: Bench) -> None:
    """Quote an edge of 1 % and let the engine act."""
    bench.quote("gate", "99.9x5", "100x1")
    bench.quote("okx", "101x1", "101.2x5")
    bench.drain()


def halted(bench: Bench) -> None:
    bench.tell(HaltAsked(reason="lunch"))


def shutting_down(bench: Bench) -> None:
    bench.tell(ShutdownAsked(deadline_ns=bench.now_ns + 10**9))


def private_stream_down(bench: Bench) -> None:
    bench.tell(PrivateDown(venue="okx", cause="reset"))


def paused(bench: Bench) -> None:
    bench.engine.state.pause("gate", 5, bench.now_ns)


def ledger_blocked(bench: Bench) -> None:
    bench.tell(StoreStateChanged(store="ledger", blocked=True, cause="locked"))


def journal_blocked(bench: Bench) -> None:
    bench.tell(StoreStateChanged(store="journal", blocked=True, cause="disk full"))


def clock_unsure(bench: Bench) -> None:
    bench.tell(ClockMeasured(venue="okx", offset_ns=0, error_ns=10**9))


def pushed(venue: str, amounts: dict[str, str]) -> BalancesReported:
    """Return what a stream tells of some assets: enough to refuse by, not to compare with."""
    return msgspec.structs.replace(a_balance(venue, amounts, asked_ns=0), complete=False)


def no_money(bench: Bench) -> None:
    bench.tell(pushed("gate", {"USDT": "0.5", "BTC": "2"}))


def no_inventory(bench: Bench) -> None:
    bench.tell(pushed("okx", {"USDT": "100000", "BTC": "0"}))


@pytest.mark.parametrize(
    ("hinder", "reason"),
    [
        (halted, Reason.HALTED),
        (shutting_down, Reason.HALTED),
        (private_stream_down, Reason.VENUE_HALTED),
        (paused, Reason.VENUE_HALTED),
        (ledger_blocked, Reason.LEDGER_BLOCKED),
        (journal_blocked, Reason.JOURNAL_BLOCKED),
        (clock_unsure, Reason.CLOCK_OFFSET),
        (no_money, Reason.INSUFFICIENT_BALANCE),
        (no_inventory, Reason.INSUFFICIENT_BALANCE),
    ],
)
def test_an_edge_is_refused_with_the_reason_that_stands_against_it(
    hinder: Callable[[Bench], None], reason: Reason
) -> None:
    bench = Bench(limits=BIG)
    hinder(bench)
    edge(bench)
    assert not bench.placed()
    assert bench.not_taken() == {reason: 1}


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (Limits(min_net_quote=D(5), min_edge_bps=D(1)), Reason.NET_BELOW_MINIMUM),
        (Limits(min_net_quote=D(0), min_edge_bps=D(100)), Reason.EDGE_BELOW_THRESHOLD),
        (Limits(min_net_quote=D(0), min_edge_bps=D(1), max_open_pairs=0), Reason.RISK_LIMIT),
        (Limits(min_net_quote=D(0), min_edge_bps=D(1), max_unhedged_quote=D(50)), Reason.RISK_LIMIT),
        (Limits(min_net_quote=D(0), min_edge_bps=D(1), max_capital_per_venue_quote=D(50)), Reason.RISK_LIMIT),
    ],
)
def test_limits_refuse_with_their_own_reason(limits: Limits, reason: Reason) -> None:
    bench = Bench(limits=limits)
    edge(bench)
    assert not bench.placed()
    assert bench.not_taken() == {reason: 1}


@pytest.mark.parametrize("listed", [an_instrument("okx", min_size=D(5)), an_instrument("okx", min_notional=D(5000))])
def test_an_edge_that_no_legal_size_can_take_is_no_opportunity(listed: Instrument) -> None:
    bench = Bench(limits=BIG)
    bench.tell(InstrumentListed(instrument=listed))
    edge(bench)
    bench.end_episodes()
    assert not bench.placed()
    assert bench.engine.state.tally.opportunities == 0


def test_the_first_of_several_reasons_in_the_fixed_order_is_told() -> None:
    bench = Bench(limits=BIG)
    no_money(bench)
    clock_unsure(bench)
    ledger_blocked(bench)
    edge(bench)
    assert bench.not_taken() == {Reason.LEDGER_BLOCKED: 1}


def test_a_gapped_book_is_never_traded_on_until_a_clean_snapshot() -> None:
    bench = Bench(limits=BIG)
    bench.quote("gate", "99.9x5", "100x1")
    bench.quote("okx", "101x1", "101.2x5")
    bench.arena.invalidate(bench.books.rows["okx", "BTC/USDT"], BookState.GAP, bench.now_ns)
    bench.drain()
    assert not bench.placed()
    bench.quote("okx", "101x1", "101.2x5")
    bench.drain()
    assert len(bench.placed()) == 2


def test_a_silent_connection_makes_its_books_stale_but_a_quiet_book_on_a_live_one_is_not() -> None:
    bench = Bench(limits=BIG, timing=Timing(feed_silence_ms=1000))
    bench.quote("okx", "101x1", "101.2x5")
    bench.wait_ms(1500)
    bench.quote("gate", "99.9x5", "100x1")
    bench.drain()
    assert bench.not_taken() == {Reason.STALE_BOOK: 1}
    bench.engine.on_frame("okx", bench.now_ns, b"pong")
    bench.quote("gate", "99.9x5", "100x1")
    bench.drain()
    assert len(bench.placed()) == 2


def lagging(bench: Bench, venue: str, lag_ms: int) -> None:
    """Make the last frame of a venue look as if it had been on its way for long."""
    row = bench.books.rows[venue, "BTC/USDT"]
    bench.arena.event_ns[row] = bench.now_ns - lag_ms * 1_000_000
    bench.books.connections[venue].lag_ns = lag_ms * 1_000_000


@pytest.mark.parametrize(("lag_ms", "reason"), [(1500, Reason.FEED_LAG), (700, Reason.BOOK_SKEW)])
def test_frames_that_were_on_their_way_for_long_are_not_traded_on(lag_ms: int, reason: Reason) -> None:
    bench = Bench(limits=BIG, timing=Timing(max_feed_lag_ms=1000, max_skew_ms=500))
    bench.quote("gate", "99.9x5", "100x1")
    bench.quote("okx", "101x1", "101.2x5")
    lagging(bench, "okx", lag_ms)
    bench.drain()
    assert not bench.placed()
    assert bench.not_taken() == {reason: 1}


def test_our_own_orders_keep_a_book_out_of_use_until_a_frame_newer_than_the_last_fill() -> None:
    bench = Bench(limits=BIG)
    buy, sell = crossed(bench)
    bench.wait_ms(30)
    fill(bench, buy, "1")
    fill(bench, sell, "1")
    bench.drain()
    assert len(bench.placed()) == 2  # the books still show the levels that we took
    bench.wait_ms(30)
    bench.quote("gate", "99.9x5", "100x1")
    bench.drain()
    assert len(bench.placed()) == 2  # okx has not spoken since
    bench.quote("okx", "101x1", "101.2x5")
    bench.drain()
    assert len(bench.placed()) == 4


def test_a_frame_sent_before_our_fill_does_not_free_the_book_though_it_came_after_our_order() -> None:
    bench = Bench(limits=BIG)
    buy, sell = crossed(bench)
    bench.wait_ms(30)
    bench.quote("gate", "99.9x5", "100x1")  # on its way while the venue filled us
    bench.quote("okx", "101x1", "101.2x5")
    bench.wait_ms(1)
    fill(bench, buy, "1")
    fill(bench, sell, "1")
    bench.drain()
    assert len(bench.placed()) == 2


def test_the_rate_budget_refuses_an_entry_instead_of_letting_it_wait() -> None:
    bench = Bench(limits=BIG, balances={"USDT": "100000", "BTC": "100"})
    taken = 0
    for _ in range(30):
        edge(bench)
        legs = bench.placed()[taken:]
        taken = len(bench.placed())
        for leg in legs:
            fill(bench, leg, str(leg.size), f"t{leg.client_order_id}")
        bench.wait_ms(1)
        bench.quote("okx", "99.8x1", "101.2x5")  # the edge is eaten
        bench.drain()
        bench.end_episodes()
    assert taken == 38  # 19 pairs: a leg each of 20 per second and venue, and room for the hedge of the last one
    assert bench.not_taken().get(Reason.RATE_BUDGET, 0) > 0


def test_an_edge_that_was_traded_leaves_the_room_of_an_entry_to_other_edges_where_symbols_share_a_window() -> None:
    listed = [an_instrument(venue, symbol) for symbol in ("BTC/USDT", "ETH/USDT") for venue in ("gate", "okx")]
    bench = Bench(limits=BIG, instruments=listed, balances={"USDT": "100000", "BTC": "100", "ETH": "100"})
    shared = PlaceRate(4, 1000, per_symbol=False, for_others=2)
    bench.engine.state.budget = RateBudget(dict.fromkeys(bench.venues, (shared,)))
    buy, sell = crossed(bench)
    fill(bench, buy, "1")
    fill(bench, sell, "1")
    bench.wait_ms(1)
    edge(bench)
    assert len(bench.placed()) == 2, "the second pair waits"
    strategy = bench.engine.strategy
    assert isinstance(strategy, Detector)
    assert strategy.refused.next_ns() == START_NS + 1001 * NS_PER_MS, "until an order leaves the window"
    bench.quote("gate", "99.9x5", "100x1", "ETH/USDT")
    bench.quote("okx", "101x1", "101.2x5", "ETH/USDT")
    bench.drain()
    assert [leg.symbol for leg in bench.placed()[2:]] == ["ETH/USDT"] * 2


def test_a_lost_feed_closes_the_episodes_of_its_books() -> None:
    bench = Bench(limits=Limits(min_net_quote=D(5), min_edge_bps=D(1)))
    edge(bench)
    bench.wait_ms(10)
    bench.tell(FeedDown(venue="okx", cause="reset"))
    bench.arena.invalidate(bench.books.rows["okx", "BTC/USDT"], BookState.WAITING, bench.now_ns)
    bench.drain()
    bench.wait_ms(60)
    bench.tell(TimerFired(timer="episodes"))
    closed = bench.engine.take_untraded()
    assert [(row.outcome, row.reason) for row in closed] == [
        (OpportunityOutcome.REFUSED, Reason.NET_BELOW_MINIMUM),
    ]
    assert closed[0].closed_ns - closed[0].opened_ns == 10_000_000


def test_an_episode_bridges_a_gap_shorter_than_its_closing_time() -> None:
    bench = Bench(limits=Limits(min_net_quote=D(5), min_edge_bps=D(1)), timing=Timing(close_after_ms=50))
    edge(bench)
    bench.wait_ms(10)
    bench.quote("okx", "99x1", "101.2x5")
    bench.drain()
    bench.wait_ms(30)
    edge(bench)
    assert not bench.engine.take_untraded()
    bench.end_episodes()
    assert bench.engine.state.tally.opportunities == 1


def test_a_traded_episode_names_its_pair_and_has_no_reason() -> None:
    bench = Bench(limits=BIG)
    edge(bench)
    row = bench.rows(OpportunityRecord)[-1]
    assert isinstance(row, OpportunityRecord)
    assert (row.outcome, row.reason) == (OpportunityOutcome.TRADED, None)


def test_rejections_in_a_row_pause_the_venue() -> None:
    bench = Bench(limits=BIG)
    for _ in range(5):
        edge(bench)
        for leg in bench.placed()[-2:]:
            bench.tell(
                OrderRejected(
                    venue=leg.venue,
                    client_order_id=leg.client_order_id,
                    code="X",
                    message="no",
                    sent_ns=bench.now_ns,
                    acked_ns=bench.now_ns,
                )
            )
        bench.wait_ms(20)
    placed = len(bench.placed())
    bench.end_episodes()
    edge(bench)
    assert len(bench.placed()) == placed
    assert bench.not_taken().get(Reason.VENUE_HALTED, 0) > 0


def test_the_same_frames_and_events_give_the_same_commands() -> None:
    first, second = Bench(limits=BIG), Bench(limits=BIG)
    for bench in (first, second):
        buy, _ = crossed(bench)
        fill(bench, buy, "0.4")
    assert [msgspec.json.encode(c) for c in first.said] == [msgspec.json.encode(c) for c in second.said]
    assert any(isinstance(c, PlaceOrder) for c in first.said)


def test_a_maximum_size_of_either_venue_caps_both_legs() -> None:
    for venue in ("gate", "okx"):
        bench = Bench(limits=BIG)
        bench.tell(InstrumentListed(instrument=an_instrument(venue, max_size=D("0.5"))))
        edge(bench)
        assert [(order.venue, order.size) for order in bench.placed()] == [("gate", D("0.5")), ("okx", D("0.5"))]


def test_a_level_beyond_a_venues_price_band_is_not_taken() -> None:
    bench = Bench(limits=msgspec.structs.replace(BIG, max_slippage_bps=D(100)))
    bench.tell(InstrumentListed(instrument=an_instrument("gate", price_band=D("0.003"))))
    bench.quote("gate", "99.8x5", "100x0.2 100.5x1")
    bench.quote("okx", "102x2", "102.2x5")
    bench.drain()
    # The band ends at 99.9 * 1.003 = 100.1997.
    buy, sell = bench.placed()
    assert (buy.venue, buy.size, buy.price) == ("gate", D("0.2"), D("100.1"))
    assert sell.size <= D("0.2")
