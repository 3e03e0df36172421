"""Binance: a fetched snapshot, two rules of chaining, and best-bid/offer frames as BBO checks. Bybit: restarts."""

import json
import random

import pytest

from arb.market.arena import BookArena, BookState
from arb.market.feed import Notice, NoticeKind, ResyncBy
from arb.venues.binance.books import BinanceFeed
from arb.venues.bybit.books import BybitFeed
from tests.unit.venues.books.plain.dialects import NOW_MS, NOW_NS, Truth, binance_frame, bybit_frame, seats

Levels = list[list[str]]


def feed_of(venue: str = "binance") -> tuple[BookArena, BinanceFeed]:
    arena = BookArena(1)
    return arena, BinanceFeed(seats("BTCUSDT"), arena, venue=venue)


def snapshot(id: int, bids: Levels, asks: Levels) -> str:
    return json.dumps({"lastUpdateId": id, "bids": bids, "asks": asks})


def perpetual(first: int, last: int, previous: int, bids: Levels) -> str:
    frame = json.loads(binance_frame(first, last, bids, []))
    frame["data"]["pu"] = previous
    return json.dumps(frame)


def ticker(id: int, *quote: str) -> str:
    data = dict(zip(("u", "s", "b", "B", "a", "A"), (id, "BTCUSDT", *quote), strict=True))
    return json.dumps({"stream": "btcusdt@bookTicker", "data": data})


def test_the_first_spot_change_overlaps_the_snapshot_and_later_ones_follow_exactly() -> None:
    arena, feed = feed_of()
    feed.on_frame(NOW_NS, binance_frame(95, 99, [["1", "9"]], []))
    feed.on_frame(NOW_NS, binance_frame(100, 104, [["2", "2"]], []))
    feed.on_snapshot("BTCUSDT", NOW_NS, snapshot(101, [["1", "1"]], [["5", "5"]]))
    assert (arena.sequence[0], arena.bids(0)) == (104, [(200, 20_000), (100, 10_000)])
    result = feed.on_frame(NOW_NS, binance_frame(104, 106, [["1", "3"]], []))
    assert result.resyncs[0].by is ResyncBy.FETCH
    assert arena.state[0] == BookState.GAP


def test_perpetual_changes_follow_by_their_previous_id() -> None:
    arena, feed = feed_of("binance_futures")
    feed.on_frame(NOW_NS, perpetual(90, 99, 88, [["9", "9"]]))
    feed.on_frame(NOW_NS, perpetual(100, 110, 99, [["2", "2"]]))
    feed.on_snapshot("BTCUSDT", NOW_NS, snapshot(110, [["1", "1"]], []))
    assert arena.sequence[0] == 110
    feed.on_frame(NOW_NS, perpetual(150, 160, 110, [["3", "3"]]))  # `U` jumps, `pu` does not
    assert (arena.sequence[0], arena.bids(0)[0]) == (160, (300, 30_000))
    assert feed.on_frame(NOW_NS, perpetual(161, 170, 159, [])).resyncs


def test_a_perpetual_change_without_its_previous_id_is_refused() -> None:
    _, feed = feed_of("binance_futures")
    assert "data.pu" in str(feed.on_frame(NOW_NS, binance_frame(1, 2, [], [])).error)


def test_what_a_cut_snapshot_did_not_hold_is_unknown_and_not_shown() -> None:
    arena, feed = feed_of()
    feed.on_http(
        NOW_NS, "https://x/api/v3/depth?symbol=BTCUSDT&limit=2", snapshot(1, [["9", "1"], ["8", "1"]], [["10", "1"]])
    )
    feed.on_frame(NOW_NS, binance_frame(2, 2, [["7", "5"]], [["20", "5"]]))
    assert arena.bids(0) == [(900, 10_000), (800, 10_000)]  # 7 is below the horizon: between 8 and 7 nothing is known
    assert arena.asks(0) == [(1000, 10_000), (2000, 50_000)]  # one ask of two: the side was whole
    result = feed.on_frame(NOW_NS, binance_frame(3, 3, [["9", "0"], ["8", "0"]], []))
    assert "used up" in result.resyncs[0].cause
    assert not arena.usable(0)


@pytest.mark.parametrize("early", [True, False])
@pytest.mark.parametrize(("size", "usable"), [("2.00", True), ("2.01", False)])
def test_a_best_bid_and_offer_of_the_books_id_must_agree(early: bool, size: str, usable: bool) -> None:
    arena, feed = feed_of()
    feed.on_snapshot("BTCUSDT", NOW_NS, snapshot(100, [["1", "1"]], [["5", "5"]]))
    bbo_check = ticker(103, "2", size, "5.00", "5")
    if early:
        feed.on_frame(NOW_NS, bbo_check)
    result = feed.on_frame(NOW_NS, binance_frame(101, 103, [["2", "2"]], []))
    if not early:
        result = feed.on_frame(NOW_NS, bbo_check)
    assert arena.usable(0) is usable
    assert (feed.counts.checks_held, feed.counts.checks_failed) == (int(usable), int(not usable))
    assert bool(result.resyncs) is not usable


def test_a_best_bid_and_offer_between_two_changes_proves_nothing() -> None:
    arena, feed = feed_of()
    feed.on_snapshot("BTCUSDT", NOW_NS, snapshot(100, [["1", "1"]], [["5", "5"]]))
    feed.on_frame(NOW_NS, ticker(102, "4", "4", "4.5", "4"))
    feed.on_frame(NOW_NS, binance_frame(101, 103, [["2", "2"]], []))
    assert arena.usable(0)
    assert feed.counts.checks_held == 0


def test_requests_snapshot_address_and_answers_have_the_venues_shape() -> None:
    _, feed = feed_of()
    (message,) = feed.subscribe_messages(["BTCUSDT"], 0)
    params = ["btcusdt@depth@100ms", "btcusdt@bookTicker"]
    assert json.loads(message) == {"method": "SUBSCRIBE", "params": params, "id": 1}
    assert feed.snapshot_path("BTCUSDT") is None, "nothing shows yet that the stream serves this book"
    for venue, path, change in (
        ("binance", "/api/v3/depth?symbol=BTCUSDT&limit=100", binance_frame(101, 101, [], [])),
        ("binance_futures", "/fapi/v1/depth?symbol=BTCUSDT&limit=1000", perpetual(101, 101, 100, [])),
    ):
        waiting = feed_of(venue)[1]
        waiting.on_frame(NOW_NS, change)
        assert (waiting.snapshot_path("BTCUSDT"), waiting.snapshot_share("BTCUSDT")) == (path, 1)
    answer = feed.on_frame(NOW_NS, '{"result":null,"id":1}').notice
    assert answer == Notice(NoticeKind.SUBSCRIBED, ("BTCUSDT",))
    (message,) = feed.unsubscribe_messages(["BTCUSDT"], 0)
    assert json.loads(message) == {"method": "UNSUBSCRIBE", "params": params, "id": -1}
    answer = feed.on_frame(NOW_NS, '{"result":null,"id":-1}').notice
    assert answer == Notice(NoticeKind.UNSUBSCRIBED, ("BTCUSDT",))
    refused = feed.on_frame(NOW_NS, '{"error":{"code":2,"msg":"Invalid request"},"id":9}').notice
    assert refused == Notice(NoticeKind.REFUSED, (), "2", "Invalid request")
    assert json.loads(feed.ping_message(0)) == {"method": "GET_PROPERTY", "params": ["combined"], "id": 0}
    assert feed.on_frame(NOW_NS, '{"result":true,"id":0}').notice == Notice(NoticeKind.PONG)


def test_no_request_of_binances_is_longer_than_the_venue_reads() -> None:
    """Of a message beyond 4096 bytes it reads nothing, and says nothing."""
    symbols = [f"1000000SATSMONEY{number}USDT" for number in range(200)]
    messages = feed_of()[1].subscribe_messages(symbols, 0)
    assert max(len(message) for message in messages) < 4000 and len(messages) < 10
    assert sum(message.count("@depth@100ms") for message in messages) == 200


def test_a_name_of_other_letters_can_be_asked_for() -> None:
    """Binance lists some ("If your request contains a symbol name containing non-ASCII characters")."""
    name = "币安人生USDT"
    arena = BookArena(1)
    feed = BinanceFeed(seats(name), arena)
    (message,) = feed.subscribe_messages([name], 0)
    assert json.loads(message)["params"] == ["币安人生usdt@depth@100ms", "币安人生usdt@bookTicker"]
    change = {"e": "depthUpdate", "E": NOW_MS, "s": name, "U": 101, "u": 101, "b": [], "a": []}
    feed.on_frame(NOW_NS, json.dumps({"stream": f"{name.lower()}@depth@100ms", "data": change}, ensure_ascii=False))
    path = feed.snapshot_path(name)
    assert path is not None and path.isascii()
    feed.on_http(NOW_NS, f"https://api.binance.com{path}", snapshot(101, [["1", "1"]], [["2", "1"]]))
    assert arena.usable(0)


def test_an_announced_shutdown_asks_for_another_connection() -> None:
    """Binance, "Server Shutdown", combined streams."""
    notice = feed_of()[1].on_frame(NOW_NS, SHUTDOWN).notice
    assert notice == Notice(NoticeKind.UPGRADE)


SHUTDOWN = '{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1770123456789}}'


def test_a_book_that_has_left_its_snapshot_is_fetched_with_more_levels_the_next_time() -> None:
    _, feed = feed_of()
    for limit, share in ((100, 1), (500, 5), (1000, 10), (1000, 10)):
        feed.on_frame(NOW_NS, binance_frame(101, 101, [], []))
        path = feed.snapshot_path("BTCUSDT")
        assert path == f"/api/v3/depth?symbol=BTCUSDT&limit={limit}" and feed.snapshot_share("BTCUSDT") == share
        bids = [[f"{limit + 1 - n}", "1"] for n in range(limit)]
        feed.on_http(NOW_NS, path, snapshot(101, bids, [["5000", "1"]]))
        assert feed.snapshot_path("BTCUSDT") is None
        gone = [[price, "0"] for price, _ in bids]
        result = feed.on_frame(NOW_NS, binance_frame(102, 102, gone, []))
        assert result.resyncs, "what the snapshot showed is used up"
        feed.on_disconnect(NOW_NS)


# --- Bybit


def bybit() -> tuple[BookArena, BybitFeed, Truth]:
    arena = BookArena(1)
    feed = BybitFeed(seats("BTCUSDT"), arena)
    truth = Truth(random.Random(3))
    feed.on_frame(NOW_NS, bybit_frame("snapshot", truth.id, *truth.sides()))
    return arena, feed, truth


def test_an_id_of_one_means_the_service_restarted_and_the_frame_is_whole() -> None:
    arena, feed, _ = bybit()
    feed.on_frame(NOW_NS, bybit_frame("delta", 1, [["9", "9"]], [["10", "1"]]))
    assert (arena.sequence[0], arena.bids(0), arena.asks(0)) == (1, [(900, 90_000)], [(1000, 10_000)])


def test_a_repeated_id_is_a_gap() -> None:
    arena, feed, truth = bybit()
    assert feed.on_frame(NOW_NS, bybit_frame("delta", truth.id, [], [])).resyncs
    assert not arena.usable(0)


def test_bybits_requests_and_answers() -> None:
    _, feed, _ = bybit()
    (message,) = feed.unsubscribe_messages(["BTCUSDT"], NOW_MS // 1000)
    assert json.loads(message) == {"op": "unsubscribe", "req_id": "1", "args": ["orderbook.50.BTCUSDT"]}
    assert len(feed.subscribe_messages([str(n) for n in range(11)], 0)) == 2
    answer = {"success": True, "ret_msg": "", "conn_id": "x", "req_id": "1", "op": "unsubscribe"}
    assert feed.on_frame(NOW_NS, json.dumps(answer)).notice == Notice(NoticeKind.UNSUBSCRIBED, ("BTCUSDT",))
    for pong in ({"success": True, "ret_msg": "pong", "op": "ping"}, {"op": "pong", "args": ["1"]}):
        assert feed.on_frame(NOW_NS, json.dumps(pong)).notice == Notice(NoticeKind.PONG)
    refused = {"success": False, "ret_msg": "handler not found", "req_id": "2", "op": "subscribe"}
    notice = feed.on_frame(NOW_NS, json.dumps(refused)).notice
    assert notice is not None
    assert (notice.kind, notice.text) == (NoticeKind.REFUSED, "handler not found")
    assert feed.ping_message(0) == '{"op":"ping"}'
