"""The exchange: what it refuses, what it locks, what it charges, and that no cent is made or lost."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb.sandbox.exchange import SimExchange
from arb.sandbox.registry import SPECS
from arb.sandbox.values import (
    BalanceChanged,
    Event,
    OrderChanged,
    OrderRequest,
    Refusal,
    Refused,
    SimOrder,
)
from arb.sandbox.wire import Scheduler
from tests.unit.sandbox.makings import NOW_NS, SYMBOL, an_exchange, ask_for, quote


def refusal_of(exchange: SimExchange, request: OrderRequest, now_ns: int = NOW_NS) -> Refusal:
    """Place an order that must be refused and return why."""
    with pytest.raises(Refused) as caught:
        exchange.place(request, now_ns)
    return caught.value.kind


@pytest.mark.parametrize(
    ("request_", "kind"),
    [
        (ask_for("buy", "1", "100.05"), Refusal.BAD_PRICE_PRECISION),
        (ask_for("buy", "1.0005", "100"), Refusal.BAD_SIZE_PRECISION),
        (ask_for("buy", "0.001", "100"), Refusal.BELOW_MIN_SIZE),
        (ask_for("buy", "0.01", "100"), Refusal.BELOW_MIN_NOTIONAL),
        (ask_for("buy", "1", "111"), Refusal.PRICE_BAND),
        (ask_for("sell", "1", "89"), Refusal.PRICE_BAND),
        (ask_for("buy", "1000", "101"), Refusal.INSUFFICIENT_BALANCE),
        (ask_for("sell", "10.001", "101"), Refusal.INSUFFICIENT_BALANCE),
        (ask_for("buy", "1", "101", "post_only"), Refusal.POST_ONLY_WOULD_TAKE),
        (ask_for("buy", "3", "101", "fok"), Refusal.FOK_NOT_FILLED),
        (ask_for("buy", "0", "101"), Refusal.BAD_ARGUMENT),
        (ask_for("buy", "1", "0"), Refusal.BAD_ARGUMENT),
        (ask_for("hold", "1", "100"), Refusal.BAD_ARGUMENT),
        (ask_for("buy", "1", "101", "gtx"), Refusal.BAD_ARGUMENT),
    ],
)
def test_a_bad_order_is_refused_kept_as_rejected_and_moves_nothing(request_: OrderRequest, kind: Refusal) -> None:
    exchange = an_exchange()
    quote(exchange, "buy", "99", "2")
    quote(exchange, "sell", "101", "2")
    assert refusal_of(exchange, request_) is kind
    [order] = exchange.orders.values()
    assert (order.status, order.reject) == ("rejected", kind.value)
    assert exchange.order(order.id) is None
    assert all(balance.locked == 0 for balance in exchange.balances().values())
    assert exchange.taken == 0


def test_an_unknown_symbol_is_refused() -> None:
    with pytest.raises(Refused) as caught:
        an_exchange().place(OrderRequest("X/Y", "buy", "limit", "gtc", Decimal(1), Decimal(1)), NOW_NS)
    assert caught.value.kind is Refusal.UNKNOWN_SYMBOL


def test_the_band_binds_only_the_aggressive_side() -> None:
    exchange = an_exchange()
    quote(exchange, "buy", "99", "2")
    quote(exchange, "sell", "101", "2")
    assert exchange.place(ask_for("buy", "1", "10"), NOW_NS).is_open
    assert exchange.place(ask_for("sell", "1", "900"), NOW_NS).is_open


def test_an_order_that_arrives_after_its_expiry_is_not_taken() -> None:
    exchange = an_exchange()
    late = ask_for("buy", "1", "100", expires_ns=NOW_NS - 1)
    assert refusal_of(exchange, late) is Refusal.EXPIRED
    assert exchange.place(ask_for("buy", "1", "100", expires_ns=NOW_NS), NOW_NS).is_open


def test_a_resting_buy_locks_its_limit_and_frees_it_when_cancelled() -> None:
    exchange = an_exchange("base")
    order = exchange.place(ask_for("buy", "2", "100"), NOW_NS)
    assert exchange.balances()["USDT"].locked == 200
    exchange.cancel(order, NOW_NS)
    assert (exchange.balances()["USDT"].free, exchange.balances()["USDT"].locked) == (Decimal(100_000), Decimal(0))


def test_a_buy_filled_in_part_below_its_limit_keeps_only_the_limit_of_the_rest_locked() -> None:
    exchange = an_exchange("base")
    quote(exchange, "sell", "90", "1")
    exchange.place(ask_for("buy", "2", "95"), NOW_NS)
    assert (exchange.balances()["USDT"].free, exchange.balances()["USDT"].locked) == (Decimal(99_815), Decimal(95))


def test_a_buy_whose_fee_is_in_quote_locks_the_fee_too() -> None:
    exchange = an_exchange("quote")
    exchange.place(ask_for("buy", "2", "100"), NOW_NS)
    assert exchange.balances()["USDT"].locked == Decimal("200.4")


def test_a_base_fee_comes_out_of_what_a_buy_receives() -> None:
    exchange = an_exchange("base")
    quote(exchange, "sell", "100", "5")
    order = exchange.place(ask_for("buy", "2", "101"), NOW_NS)
    [fill] = exchange.fills_of_order(order)
    assert (fill.fee, fill.fee_currency, fill.role) == (Decimal("0.004"), "BTC", "taker")
    assert exchange.balances()["BTC"].free == Decimal("11.996")
    assert exchange.balances()["USDT"].free == 99_800


def test_a_quote_fee_is_paid_on_top_of_a_buy_and_out_of_a_sell() -> None:
    exchange = an_exchange("quote")
    quote(exchange, "sell", "100", "5")
    quote(exchange, "buy", "99", "5")
    exchange.place(ask_for("buy", "2", "100", "ioc"), NOW_NS)
    assert exchange.balances()["USDT"].free == Decimal("99799.6")
    exchange.place(ask_for("sell", "2", "99", "ioc"), NOW_NS)
    assert exchange.balances()["USDT"].free == Decimal("99997.204")


def test_points_pay_the_fee_and_leave_base_and_quote_whole() -> None:
    exchange = an_exchange("base")
    exchange.fee_asset = SPECS["gate"].fee_assets[0]
    quote(exchange, "sell", "100", "5")
    order = exchange.place(ask_for("buy", "2", "100"), NOW_NS)
    assert order.fees == {"POINT": Decimal("0.4")}
    assert exchange.balances()["BTC"].free == 12
    assert exchange.balances()["POINT"].free == Decimal("999.6")


def test_a_maker_pays_the_maker_rate_at_its_own_price() -> None:
    exchange = an_exchange("base")
    order = exchange.place(ask_for("sell", "1", "100"), NOW_NS)
    quote(exchange, "buy", "105", "3")
    [fill] = exchange.fills_of_order(order)
    assert (fill.price, fill.role, fill.fee) == (Decimal(100), "maker", Decimal("0.1"))
    assert order.status == "closed"


def test_ioc_keeps_what_it_got_and_ends_cancelled() -> None:
    exchange = an_exchange()
    quote(exchange, "sell", "100", "0.5")
    order = exchange.place(ask_for("buy", "2", "100", "ioc"), NOW_NS)
    assert (order.status, order.reason, order.filled) == ("cancelled", "ioc", Decimal("0.5"))
    assert exchange.balances()["USDT"].locked == 0


def test_a_market_buy_in_quote_spends_at_most_its_amount_and_ends_cancelled_unless_all_is_spent() -> None:
    exchange = an_exchange()
    quote(exchange, "sell", "70", "5")
    request = OrderRequest(SYMBOL, "buy", "market", "ioc", quote_size=Decimal(100))
    order = exchange.place(request, NOW_NS)
    assert (order.filled, order.cost, order.status) == (Decimal("1.428"), Decimal("99.96"), "cancelled")
    whole = exchange.place(OrderRequest(SYMBOL, "buy", "market", "ioc", quote_size=Decimal(70)), NOW_NS)
    assert (whole.filled, whole.status) == (Decimal(1), "closed")


def test_cancelling_what_has_ended_says_how_it_ended() -> None:
    exchange = an_exchange()
    quote(exchange, "sell", "100", "1")
    filled = exchange.place(ask_for("buy", "1", "100"), NOW_NS)
    cancelled = exchange.place(ask_for("buy", "1", "99", "ioc"), NOW_NS)
    for order, kind in ((filled, Refusal.ORDER_CLOSED), (cancelled, Refusal.ORDER_CANCELLED)):
        with pytest.raises(Refused) as caught:
            exchange.cancel(order, NOW_NS)
        assert caught.value.kind is kind


def test_a_fill_after_the_cancel_still_moves_the_money() -> None:
    exchange = an_exchange("base")
    order = exchange.place(ask_for("buy", "2", "100"), NOW_NS)
    exchange.cancel(order, NOW_NS)
    assert exchange.late_fill(order, 500, NOW_NS)
    assert (order.filled, order.status) == (Decimal("0.5"), "cancelled")
    assert exchange.balances()["USDT"].free == 99_950
    assert exchange.balances()["BTC"].free == Decimal("10.4995")


def test_rivals_take_first_and_leave_what_they_are_sent() -> None:
    exchange = an_exchange()
    quote(exchange, "sell", "100", "5")
    exchange.rival = lambda _: 300
    order = exchange.place(ask_for("buy", "2", "100", "ioc"), NOW_NS)
    assert order.filled == Decimal("0.3")


def test_ids_start_at_epoch_microseconds_and_never_repeat() -> None:
    exchange = an_exchange()
    quote(exchange, "sell", "100", "5")
    orders = [exchange.place(ask_for("buy", "0.1", "100"), NOW_NS) for _ in range(5)]
    ids = [order.id for order in orders] + [fill.trade_id for fill in exchange.fills]
    assert len(set(ids)) == len(ids) == 10
    assert min(ids) > NOW_NS // 1000


def test_events_tell_the_story_in_order() -> None:
    exchange, events = an_exchange(), list[Event]()
    quote(exchange, "sell", "100", "0.5")
    exchange.subscribe(events.append)
    order = exchange.place(ask_for("buy", "2", "100"), NOW_NS)
    exchange.cancel(order, NOW_NS)
    story = [e.what if isinstance(e, OrderChanged) else type(e).__name__ for e in events]
    assert [name for name in story if name != "BalanceChanged"] == [
        "put",
        "OrderFilled",
        "update",
        "PublicTrade",
        "finish",
    ]


def test_a_book_posted_crossed_stands_crossed() -> None:
    exchange = an_exchange()
    exchange.replace_book(SYMBOL, [(1010, 5)], [(1000, 7)], NOW_NS)
    view = exchange.snapshot(SYMBOL, 5)
    assert (view.bids, view.asks) == ([["101.0", "0.005"]], [["100.0", "0.007"]])
    exchange.replace_book(SYMBOL, [(990, 5)], [(1000, 7)], NOW_NS)
    view = exchange.snapshot(SYMBOL, 5)
    assert (view.bids, view.asks) == ([["99.0", "0.005"]], [["100.0", "0.007"]])


orders = st.tuples(
    st.sampled_from(["buy", "sell"]),
    st.integers(2, 3_000),
    st.one_of(st.none(), st.integers(900, 1_100)),
    st.sampled_from(["gtc", "ioc", "fok", "post_only"]),
)
quotes = st.tuples(
    st.sampled_from(["background_buy", "background_sell"]), st.integers(0, 4_000), st.integers(905, 1_095)
)
cancels = st.tuples(st.just("cancel"), st.integers(0, 20))


@given(st.sampled_from(["base", "quote"]), st.lists(st.one_of(orders, quotes, cancels), max_size=30), st.booleans())
def test_balances_are_exactly_the_start_plus_fills_and_holds_are_exactly_those_of_open_orders(
    buy_fee_in: str, script: list[tuple[object, ...]], points: bool
) -> None:
    exchange = an_exchange(buy_fee_in, band=Decimal("0.5"))
    exchange.fee_asset = SPECS["gate"].fee_assets[0] if points else None
    placed: list[SimOrder] = []
    for step in script:
        if step[0] == "cancel":
            if placed and (order := placed[int(str(step[1])) % len(placed)]).is_open:
                exchange.cancel(order, NOW_NS)
        elif len(step) == 3:
            side = str(step[0]).removeprefix("background_")
            crossing = exchange.market(SYMBOL).book.opposite(side).best()
            ticks = int(str(step[2]))
            if crossing is None or (ticks < crossing if side == "buy" else ticks > crossing):
                exchange.quote_background(SYMBOL, side, ticks, int(str(step[1])), NOW_NS)
        else:
            own_side, lots, price, tif = step
            size = Decimal(int(str(lots))) * Decimal("0.001")
            limit = None if price is None else str(Decimal(int(str(price))) / 10)
            try:
                placed.append(exchange.place(ask_for(str(own_side), str(size), limit, str(tif)), NOW_NS))
            except Refused:
                continue
    check_books_balance(exchange)


def needed_hold(exchange: SimExchange, order: SimOrder) -> Decimal:
    """Return what the unfilled rest of a resting order must lock: its limit, and a quote fee on top."""
    rest = order.remaining_lots * Decimal("0.001")
    if order.side == "sell":
        return rest
    assert order.price is not None
    fee_in_quote = exchange.profile.buy_fee_in == "quote" and exchange.fee_asset is None
    return rest * order.price * (Decimal("1.002") if fee_in_quote else 1)


def check_books_balance(exchange: SimExchange) -> None:
    """Recompute every balance from the start balances and the fills, every hold from the open orders."""
    expected = dict(exchange.account.initial)
    for fill in exchange.fills:
        sign = 1 if fill.side == "buy" else -1
        expected["BTC"] += sign * fill.size
        expected["USDT"] -= sign * fill.size * fill.price
        expected[fill.fee_currency] -= fill.fee
    held: dict[str, Decimal] = {}
    for order in exchange.open_orders():
        held[order.held_asset] = held.get(order.held_asset, Decimal(0)) + order.held
        assert 0 < order.remaining_lots <= order.lots
        assert order.held == needed_hold(exchange, order)
    for asset, balance in exchange.balances().items():
        assert balance.total == expected[asset]
        assert balance.locked == held.get(asset, 0)
        assert balance.free >= 0


def test_a_venue_that_cuts_its_balances_shows_less_and_keeps_all() -> None:
    exchange = an_exchange()
    exchange.balance_decimals = 2
    shown: list[Event] = []
    exchange.subscribe(shown.append)
    quote(exchange, "sell", "100", "1")
    exchange.place(ask_for("buy", "0.333", "100"), NOW_NS)
    held = exchange.account.balance("BTC").free
    assert held == Decimal("10.332334")
    assert exchange.balances()["BTC"].free == Decimal("10.33")
    assert [event.free for event in shown if isinstance(event, BalanceChanged) and event.asset == "BTC"] == [
        Decimal("10.33")
    ]


def test_in_a_pause_nothing_is_lost_and_all_comes_later() -> None:
    scheduler, ran = Scheduler(NOW_NS), list[int]()
    scheduler.at(NOW_NS + 5, ran.append)
    scheduler.skip_to(NOW_NS + 100)
    scheduler.run_until(NOW_NS + 104)
    assert ran == []
    scheduler.run_until(NOW_NS + 105)
    assert ran == [NOW_NS + 105]
