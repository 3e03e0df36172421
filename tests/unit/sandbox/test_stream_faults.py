"""Faults of streams: what comes, late, twice, wrong or never, and that the connection is good again afterwards."""

from decimal import Decimal

import pytest

from arb.clock import NS_PER_MS, NS_PER_S
from arb.sandbox.values import OrderRequest
from arb.sandbox.wire import CLOSED
from tests.unit.sandbox.test_faults import ORDERS, PAIR, SYMBOL, Patient


def test_a_gap_is_visible_in_the_ids_and_happens_once() -> None:
    sick = Patient()
    stream = sick.subscribed("spot.obu", [f"ob.{PAIR}.50"])
    sick.suffer("ws_gap")
    sick.touch_book("2")
    assert stream.wait() == []
    sick.touch_book("3")
    sick.bench.advance(NS_PER_S)
    sick.touch_book("4")
    first, second = stream.wait()
    assert second["result"]["U"] == first["result"]["u"] + 1
    assert sick.hits() == 1


def test_a_disconnect_closes_every_connection_at_once() -> None:
    sick = Patient()
    streams = [sick.bench.open("/ws/v4/"), sick.bench.open("/ws/v4/")]
    sick.suffer("ws_disconnect")
    sick.bench.advance(NS_PER_MS)
    assert all(stream.closed for stream in streams)
    assert not sick.bench.open("/ws/v4/").closed


def test_a_stalled_connection_is_silent_and_then_tells_everything() -> None:
    sick = Patient()
    stream = sick.subscribed("spot.obu", [f"ob.{PAIR}.50"])
    sick.suffer("ws_stall", param=3000)
    sick.touch_book("2")
    assert stream.wait(2 * NS_PER_S) == []
    assert stream.send({"time": 1, "channel": "spot.ping"}) == []
    assert [frame["channel"] for frame in stream.wait(NS_PER_S)] == ["spot.obu", "spot.pong"]


def test_a_lagging_frame_comes_late() -> None:
    sick = Patient()
    stream = sick.subscribed("spot.obu", [f"ob.{PAIR}.50"])
    sick.suffer("ws_lag", param=800)
    sick.touch_book("2")
    assert stream.wait(700 * NS_PER_MS) == []
    assert len(stream.wait()) == 1


def test_a_duplicate_comes_twice_and_garbage_comes_before() -> None:
    sick = Patient()
    stream = sick.subscribed("spot.obu", [f"ob.{PAIR}.50"])
    sick.suffer("ws_duplicate")
    sick.touch_book("2")
    first, second = stream.wait()
    assert first == second
    sick.suffer("ws_garbage", param="garbage")
    sick.touch_book("3")
    assert stream.wait()[0] == "garbage"


def test_reordered_frames_swap_places() -> None:
    sick = Patient()
    stream = sick.subscribed("spot.obu", [f"ob.{PAIR}.50"])
    sick.suffer("ws_reorder")
    sick.touch_book("2")
    assert stream.wait() == []
    sick.touch_book("3")
    later, earlier = stream.wait()
    assert later["result"]["U"] > earlier["result"]["u"]


def test_frozen_books_stand_still_while_the_connection_lives_and_go_on_without_a_gap() -> None:
    sick = Patient()
    stream = sick.subscribed("spot.obu", [f"ob.{PAIR}.50"])
    sick.touch_book("2")
    (before,) = stream.wait()
    sick.suffer("book_frozen", seconds=3)
    sick.touch_book("3")
    sick.touch_book("4")
    assert stream.wait(2 * NS_PER_S) == []
    assert [frame["channel"] for frame in stream.send({"time": 1, "channel": "spot.ping"})] == ["spot.pong"]
    (after,) = stream.wait(2 * NS_PER_S)
    assert after["result"]["U"] == before["result"]["u"] + 1


def test_a_busy_feed_is_busy_where_books_are_carried_and_while_it_lasts() -> None:
    sick = Patient()
    books, others = sick.subscribed("spot.obu", [f"ob.{PAIR}.50"]), sick.bench.open("/ws/v4/")

    def busy() -> list[bool]:
        return [sick.bench.world.is_busy(stream.session_id) for stream in (books, others)]

    assert busy() == [False, False]
    sick.suffer("busy_feed", seconds=3)
    assert busy() == [True, False]
    sick.bench.advance(4 * NS_PER_S)
    assert busy() == [False, False]


def test_frozen_books_of_one_symbol_leave_the_others_alone() -> None:
    sick = Patient()
    stream = sick.subscribed("spot.obu", [f"ob.{PAIR}.50"])
    sick.suffer("book_frozen", symbol="ETH/USDT", seconds=3)
    sick.touch_book("2")
    assert len(stream.wait()) == 1


@pytest.mark.parametrize(("fault", "count"), [("fill_event_lost", 0), ("duplicate_fill_event", 2)])
def test_a_fill_event_is_lost_or_doubled_while_the_fill_is_one(fault: str, count: int) -> None:
    sick = Patient()
    stream = sick.bench.open("/ws/v4/")
    sick.bench.subscribe_private(stream, "spot.usertrades")
    sick.suffer(fault)
    sick.place(100 * NS_PER_MS)
    assert len(stream.wait()) == count
    assert len(sick.ledger()["fills"]) == 1


@pytest.mark.parametrize("client_id", ["t-arb", ""])
def test_one_trade_is_reported_under_two_ids_where_the_order_has_a_client_id(client_id: str) -> None:
    sick = Patient()
    stream = sick.bench.open("/ws/v4/")
    sick.bench.subscribe_private(stream, "spot.usertrades")
    sick.suffer("contradiction")
    sick.bench.exchange.place(
        OrderRequest(SYMBOL, "buy", "limit", "ioc", Decimal(61_000), Decimal("0.01"), client_id=client_id),
        sick.bench.now_ns,
    )
    fills = [row for frame in stream.wait() for row in frame["result"]]
    assert len({row["id"] for row in fills}) == len(fills) == (2 if client_id else 1)
    assert len({(row["amount"], row["price"], row["create_time_ms"]) for row in fills}) == 1
    assert len(sick.ledger()["fills"]) == 1


def test_more_is_reported_filled_than_was_ordered() -> None:
    sick = Patient()
    stream = sick.bench.open("/ws/v4/")
    sick.bench.subscribe_private(stream, "spot.orders")
    sick.suffer("contradiction", param="filled")
    sick.place(100 * NS_PER_MS)
    left = [Decimal(row["left"]) for frame in stream.wait() for row in frame["result"]]
    assert min(left) < 0
    assert left[-1] == 0


def test_a_venue_that_is_down_closes_every_connection_and_takes_nothing_until_it_is_back() -> None:
    sick = Patient()
    stream = sick.bench.open("/ws/v4/")
    sick.suffer("venue_down", seconds=2)
    assert sick.place(100 * NS_PER_MS) is CLOSED
    assert stream.closed
    assert sick.bench.world.open_session("/ws/v4/", sick.bench.now_ns) is None
    assert sick.hits() == 3
    assert (sick.ledger()["orders"], [row["applied"] for row in sick.ledger()["requests"]]) == ([], [False])
    sick.bench.advance(2 * NS_PER_S)
    answer = sick.place()
    assert answer is not None and answer.status < 300
    assert sick.bench.world.open_session("/ws/v4/", sick.bench.now_ns) is not None


def test_an_order_that_was_taken_before_the_venue_went_down_is_not_answered() -> None:
    sick = Patient()
    sick.admin.post_fault({"venue": "gate", "fault": "slow", "param": 500})
    bench = sick.bench
    fields = {"currency_pair": PAIR, "side": "buy", "amount": "0.5", "price": "60010", "time_in_force": "ioc"}
    token = bench.world.submit(bench.signed(ORDERS, "orders", "POST", {**fields, "text": "t-one"}), bench.now_ns)
    bench.advance(300 * NS_PER_MS)
    sick.suffer("venue_down")
    bench.advance(NS_PER_S)
    assert [reply.answer for reply in bench.taken_replies(token)] == [CLOSED]
    assert len(sick.ledger()["fills"]) == 1
