"""Gate: `spot.obu` live; the older channel with fetched snapshots from tapes; everything that is not a book."""

import json
import random

import pytest

from arb.market.arena import BookArena, BookState
from arb.market.book import Number
from arb.market.feed import NOTHING, Notice, NoticeKind, ResyncBy
from arb.venues.gate.books import GateFeed
from arb.venues.gate.tape import GateTapeFeed
from tests.unit.venues.books.plain.dialects import (
    GATE,
    NOW_MS,
    NOW_NS,
    Truth,
    gate_change,
    gate_frame,
    gate_whole,
    seats,
)

NOW_S = NOW_MS // 1000


def live() -> tuple[BookArena, GateFeed, Truth]:
    arena = BookArena(1)
    feed = GateFeed(seats("BTC_USDT"), arena)
    truth = Truth(random.Random(3))
    feed.on_frame(NOW_NS, gate_whole(truth))
    return arena, feed, truth


def test_a_second_whole_book_replaces_the_first_at_any_time() -> None:
    arena, feed, _ = live()
    frame = {"s": "ob.BTC_USDT.50", "full": True, "u": 5, "b": [["1", "2"]], "a": [["3", "4"]]}
    feed.on_frame(NOW_NS, gate_frame(frame))
    assert (arena.bids(0), arena.asks(0)) == ([(100, 20_000)], [(300, 40_000)])
    assert arena.sequence[0] == 5


@pytest.mark.parametrize("first", [1000, 1002])
def test_a_change_that_does_not_follow_by_exactly_one_is_a_gap(first: int) -> None:
    arena, feed, _ = live()
    result = feed.on_frame(NOW_NS, gate_change(first - 1, 1010, [["90.00", "1"]], []))
    assert result.resyncs[0].by is ResyncBy.RESUBSCRIBE
    assert arena.state[0] == BookState.GAP


def test_an_empty_change_still_moves_the_sequence() -> None:
    arena, feed, _ = live()
    feed.on_frame(NOW_NS, gate_change(1000, 1004, [], []))
    assert arena.sequence[0] == 1004
    assert arena.usable(0)


def test_an_event_field_is_not_required_of_a_book() -> None:
    arena, feed, _ = live()
    frame = json.loads(gate_change(1000, 1001, [], []))
    del frame["event"]
    feed.on_frame(NOW_NS, json.dumps(frame))
    assert arena.sequence[0] == 1001


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"u": None}, "result.u"),
        ({"u": "1001"}, "result.u"),
        ({"u": 2**63}, "result.u"),
        ({"U": None}, "result.U"),
        ({"b": {"90": "1"}}, "result.b"),
        ({"b": [["90"]]}, "result.b[0]"),
        ({"a": [["90", 1]]}, "result.a[0][1]"),
    ],
)
def test_an_unreadable_field_is_named_with_its_book(change: dict[str, object], field: str) -> None:
    arena, feed, _ = live()
    frame = json.loads(gate_change(1000, 1001, [], []))
    frame["result"].update(change)
    result = feed.on_frame(NOW_NS, json.dumps(frame))
    assert str(result.error).startswith(f"gate: unreadable frame of BTC_USDT: {field}: ")
    assert arena.state[0] == BookState.GAP


@pytest.mark.parametrize("side", ["b", "a"])
def test_a_whole_book_without_one_side_is_refused(side: str) -> None:
    arena, feed, truth = live()
    frame = json.loads(gate_whole(truth))
    del frame["result"][side]
    assert f"result.{side}: missing" in str(feed.on_frame(NOW_NS, json.dumps(frame)).error)
    assert arena.state[0] == BookState.GAP


def test_levels_beyond_the_subscribed_depth_are_forgotten() -> None:
    arena, feed, _ = live()
    many = [[f"{90 - place / 100:.2f}", "1"] for place in range(50)]
    feed.on_frame(NOW_NS, gate_frame({"s": "ob.BTC_USDT.50", "full": True, "u": 7, "b": many, "a": [["99", "1"]]}))
    feed.on_frame(NOW_NS, gate_change(7, 8, [["90.50", "1"]], []))
    feed.on_frame(NOW_NS, gate_change(8, 9, [["90.50", "0"]], []))
    assert arena.bid_count[0] == 49  # the fiftieth fell out, and Gate never speaks of it again


def test_another_stream_of_the_same_pair_is_another_book() -> None:
    arena, feed, _ = live()
    other = gate_frame({"s": "ob.BTC_USDT.400", "full": True, "u": 5, "b": [], "a": []})
    assert feed.on_frame(NOW_NS, other) == NOTHING
    assert arena.sequence[0] == 1000


def test_requests_carry_a_number_and_one_book_each_since_lists_fail_as_a_whole() -> None:
    feed = GateFeed(seats("BTC_USDT"), BookArena(1), level=400)
    messages = [json.loads(text) for text in feed.subscribe_messages(["BTC_USDT", "ETH_USDT"], NOW_S)]
    assert messages == [
        {"time": NOW_S, "id": 1, "channel": "spot.obu", "event": "subscribe", "payload": ["ob.BTC_USDT.400"]},
        {"time": NOW_S, "id": 2, "channel": "spot.obu", "event": "subscribe", "payload": ["ob.ETH_USDT.400"]},
    ]
    assert json.loads(feed.ping_message(NOW_S)) == {"time": NOW_S, "channel": "spot.ping"}
    assert feed.snapshot_path("BTC_USDT") is None


def test_an_answer_is_ascribed_by_its_number_or_by_its_payload() -> None:
    feed = GateFeed(seats("BTC_USDT"), BookArena(1))
    feed.unsubscribe_messages(["BTC_USDT"], NOW_S)
    answer = {"time": NOW_S, "channel": "spot.obu", "event": "unsubscribe", "result": {"status": "success"}}
    by_number = feed.on_frame(NOW_NS, json.dumps({**answer, "id": 1}))
    by_payload = feed.on_frame(NOW_NS, json.dumps({**answer, "payload": ["ob.BTC_USDT.50"]}))
    assert by_number.notice == by_payload.notice == Notice(NoticeKind.UNSUBSCRIBED, ("BTC_USDT",))


def test_a_refused_subscription_is_reported_in_the_venues_message() -> None:
    arena, feed, _ = live()
    frame = {
        "channel": "spot.obu",
        "event": "subscribe",
        "payload": ["ob.NOPE_USDT.50"],
        "error": {"code": 2, "message": "unknown currency pair NOPE_USDT"},
        "result": {"status": "fail"},
    }
    notice = feed.on_frame(NOW_NS, json.dumps(frame)).notice
    assert notice == Notice(NoticeKind.REFUSED, ("NOPE_USDT",), "2", "unknown currency pair NOPE_USDT")
    assert arena.usable(0)


@pytest.mark.parametrize(
    "frame",
    [
        {"type": "upgrade", "msg": "The connection will soon be closed for a service upgrade. Please reconnect."},
        {"channel": "spot.system", "event": "update", "result": {"type": "upgrade", "msg": "..."}},
        {"channel": "spot.system", "event": "upgrade", "result": {}},
    ],
)
def test_an_upgrade_notice_is_known_in_its_three_shapes(frame: dict[str, object]) -> None:
    _, feed, _ = live()
    notice = feed.on_frame(NOW_NS, json.dumps(frame)).notice
    assert notice is not None
    assert notice.kind is NoticeKind.UPGRADE


def test_a_pong_is_a_sign_of_life_and_other_channels_are_passed_over() -> None:
    arena, feed, _ = live()
    pong = feed.on_frame(NOW_NS, json.dumps({"time": NOW_S, "channel": "spot.pong", "event": "", "result": None}))
    assert pong.notice == Notice(NoticeKind.PONG)
    trade = {"channel": "spot.trades", "event": "update", "result": [{"id": 1}]}
    assert feed.on_frame(NOW_NS, json.dumps(trade)) == NOTHING
    old = {"channel": "spot.order_book_update", "event": "update", "result": {"s": "BTC_USDT", "U": 1, "u": 2}}
    assert feed.on_frame(NOW_NS, json.dumps(old)) == NOTHING
    assert feed.counts.other == 2
    assert arena.usable(0)


def test_the_second_counts_where_a_frame_has_no_milliseconds() -> None:
    arena, feed, _ = live()
    frame = json.loads(gate_change(1000, 1001, [], []))
    del frame["time_ms"]
    feed.on_frame(NOW_NS, json.dumps(frame))
    assert arena.event_ns[0] == NOW_S * 1_000_000_000


# --- tapes: order_book_update and fetched snapshots

URL = "https://api.gateio.ws/api/v4/spot/order_book?currency_pair=BTC_USDT&limit=100&with_id=true"


def update(first: int, last: int, bids: list[list[str]], asks: list[list[str]], **more: object) -> str:
    result = {"t": NOW_MS, "s": "BTC_USDT", "U": first, "u": last, "b": bids, "a": asks, **more}
    frame = {"time": NOW_S, "channel": "spot.order_book_update", "event": "update", "result": result}
    return json.dumps(frame)


def fetched(id: int, bids: list[list[str]], asks: list[list[str]]) -> str:
    return json.dumps({"id": id, "current": NOW_MS, "update": NOW_MS, "bids": bids, "asks": asks})


def tape_state(feed: GateTapeFeed) -> tuple[BookState, int, dict[Number, Number], dict[Number, Number]]:
    (slot,) = feed.books()
    return slot.state, slot.sequence, slot.book.bids.sizes, slot.book.asks.sizes


E40 = 10**40


def test_kept_changes_join_the_snapshot_where_they_overlap_its_end() -> None:
    feed = GateTapeFeed()
    feed.on_frame(0, update(90, 98, [["9", "1"]], []))  # wholly inside: dropped
    feed.on_frame(0, update(99, 101, [["8", "2"]], []))  # U <= base + 1 <= u
    feed.on_frame(0, update(102, 102, [], [["11", "0"]]))
    feed.on_http(0, URL, fetched(100, [["7", "7"]], [["11", "1"], ["12", "1"]]))
    assert tape_state(feed) == (BookState.LIVE, 102, {7 * E40: 7 * E40, 8 * E40: 2 * E40}, {12 * E40: E40})


def test_a_change_that_begins_right_after_the_snapshot_is_valid() -> None:
    feed = GateTapeFeed()
    feed.on_frame(0, update(101, 103, [["8", "2"]], []))
    feed.on_http(0, URL, fetched(100, [], []))
    assert tape_state(feed)[:2] == (BookState.LIVE, 103)


def test_a_snapshot_older_than_the_changes_kept_asks_for_another_and_keeps_them() -> None:
    feed = GateTapeFeed()
    feed.on_frame(0, update(105, 106, [["8", "2"]], []))
    result = feed.on_http(0, URL, fetched(100, [["1", "1"]], []))
    assert result.resyncs[0].by is ResyncBy.FETCH
    assert tape_state(feed)[0] == BookState.GAP
    feed.on_http(0, URL, fetched(104, [["2", "2"]], []))
    assert tape_state(feed)[:3] == (BookState.LIVE, 106, {2 * E40: 2 * E40, 8 * E40: 2 * E40})


def test_a_gap_among_the_kept_changes_is_not_applied_over() -> None:
    feed = GateTapeFeed()
    feed.on_frame(0, update(101, 101, [], []))
    feed.on_frame(0, update(103, 103, [], []))
    assert feed.on_http(0, URL, fetched(100, [], [])).resyncs
    feed.on_http(0, URL, fetched(102, [], []))
    assert tape_state(feed)[:2] == (BookState.LIVE, 103)


def test_a_live_book_ignores_what_it_contains_takes_overlaps_and_loses_itself_on_a_gap() -> None:
    feed = GateTapeFeed()
    feed.on_http(0, URL, fetched(100, [["1", "1"]], []))
    feed.on_frame(0, update(95, 100, [["1", "9"]], []))
    assert tape_state(feed)[2] == {E40: E40}
    feed.on_frame(0, update(98, 105, [["1", "9"]], []))
    assert tape_state(feed)[1:3] == (105, {E40: 9 * E40})
    assert feed.on_frame(0, update(107, 107, [], [])).resyncs
    assert tape_state(feed)[:3] == (BookState.GAP, -1, {})
    feed.on_http(0, URL, fetched(106, [], []))
    assert tape_state(feed)[:2] == (BookState.LIVE, 107)


def test_a_whole_book_in_the_stream_needs_no_fetching() -> None:
    feed = GateTapeFeed()
    feed.on_frame(0, update(1, 50, [["1", "1"]], [["2", "2"]], full=True))
    assert tape_state(feed) == (BookState.LIVE, 50, {E40: E40}, {2 * E40: 2 * E40})


@pytest.mark.parametrize("size", ["17", "17.0", '"17"', "1.7e1"])
def test_contracts_of_a_perpetual_are_numbers_or_text_and_stay_contracts(size: str) -> None:
    feed = GateTapeFeed("gate_futures")
    raw = f'{{"bids":[{{"s":{size},"p":"0.5"}}],"asks":[],"id":7,"current":1684930166.384,"update":1.5}}'
    feed.on_http(0, "https://x/api/v4/futures/usdt/order_book?contract=A_USDT&with_id=true", raw)
    (slot,) = feed.books()
    assert slot.book.bids.sizes == {5 * 10**39: 17 * E40}


def test_a_ticker_of_the_same_id_bears_bbo_check() -> None:
    feed = GateTapeFeed()
    ticker = {"t": NOW_MS, "u": 101, "s": "BTC_USDT", "b": "8", "B": "2", "a": "9", "A": "1"}
    wrong = {**ticker, "u": 102, "A": "3"}
    for result in (ticker, wrong):
        feed.on_frame(0, json.dumps({"channel": "spot.book_ticker", "event": "update", "result": result}))
    feed.on_http(0, URL, fetched(100, [], [["9", "1"]]))
    feed.on_frame(0, update(101, 101, [["8", "2"]], []))
    assert (feed.counts.checks_held, feed.counts.checks_failed) == (1, 0)
    feed.on_frame(0, update(102, 102, [], []))
    assert (feed.counts.checks_held, feed.counts.checks_failed) == (1, 1)


def test_the_dialect_of_the_shared_suite_is_the_live_one() -> None:
    assert isinstance(GATE.make(BookArena(1)), GateFeed)
