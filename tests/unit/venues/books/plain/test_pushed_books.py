"""OKX and Bitget: chains of ids, checksums where a venue sends them, retired dialects refused live."""

import json
import random
from zlib import crc32

import pytest

from arb.market.arena import BookArena, BookState
from arb.market.feed import NOTHING, Notice, NoticeKind
from arb.venues.bitget.books import BitgetFeed
from arb.venues.books.plain.pushed import PushedFeed
from arb.venues.okx.books import OkxFeed
from tests.unit.venues.books.plain.dialects import BITGET, NOW_MS, NOW_NS, OKX, Dialect, Truth, bitget_frame, okx_frame

both = pytest.mark.parametrize("dialect", [OKX, BITGET], ids=["okx", "bitget"])
BIDS, ASKS = [["90.00", "1"], ["89.50", "2.0"]], [["91.00", "3"]]


def live(dialect: Dialect) -> tuple[BookArena, PushedFeed, Truth]:
    arena = BookArena(1)
    feed = dialect.make(arena)
    assert isinstance(feed, PushedFeed)
    truth = Truth(random.Random(3))
    dialect.send_whole(feed, truth)
    return arena, feed, truth


def signed_crc(text: str) -> int:
    crc = crc32(text.encode())
    return crc - 2**32 if crc >= 2**31 else crc


def test_a_keep_alive_of_okx_keeps_the_book_and_states_no_send_time() -> None:
    arena, feed, _ = live(OKX)
    feed.on_frame(NOW_NS, okx_frame("update", 1000, 1000, [], []))
    assert arena.usable(0)
    assert arena.sequence[0] == 1000
    assert arena.lag_ns(0, 0) is None


def test_a_change_under_the_id_of_its_predecessor_is_refused() -> None:
    arena, feed, _ = live(OKX)
    assert "data[0].seqId" in str(feed.on_frame(NOW_NS, okx_frame("update", 1000, 1000, BIDS, [])).error)
    assert not arena.usable(0)


def test_after_maintenance_the_chain_goes_on_from_a_lower_id() -> None:
    arena, feed, _ = live(OKX)
    feed.on_frame(NOW_NS, okx_frame("update", 1000, 3, [["90.00", "5"]], []))
    feed.on_frame(NOW_NS, okx_frame("update", 3, 5, [], [["91.99", "1"]]))
    assert arena.usable(0)
    assert arena.sequence[0] == 5


def test_a_snapshot_of_a_quiet_okx_book_may_be_old_and_states_no_send_time() -> None:
    arena, feed, _ = live(OKX)
    feed.on_frame(NOW_NS, okx_frame("snapshot", -1, 7, BIDS, ASKS, ts=str(NOW_MS - 12_000)))
    assert arena.usable(0)
    assert arena.lag_ns(0, 0) is None


def test_a_snapshot_of_bitget_states_its_outer_time() -> None:
    arena, feed, _ = live(BITGET)
    feed.on_frame(NOW_NS, bitget_frame("snapshot", 0, 7, BIDS, ASKS, ts=str(NOW_MS - 12_000)))
    assert arena.lag_ns(0, 0) == 0


@both
def test_a_second_subscription_sends_a_second_snapshot_which_replaces_the_book(dialect: Dialect) -> None:
    arena, feed, truth = live(dialect)
    before, after, bids, asks = truth.step()
    feed.on_frame(NOW_NS, dialect.change(before, after, bids, asks))
    dialect.send_whole(feed, truth)
    assert arena.usable(0)
    assert (arena.bids(0), arena.asks(0)) == truth.levels(truth.id)


@both
@pytest.mark.parametrize("drop", ["id", "previous"])
def test_the_retired_dialect_without_ids_is_refused_live(dialect: Dialect, drop: str) -> None:
    arena, feed, truth = live(dialect)
    name = {"okx": {"id": "seqId", "previous": "prevSeqId"}, "bitget": {"id": "seq", "previous": "pseq"}}
    frame = json.loads(dialect.change(*truth.step()))
    field = name[dialect.name][drop]
    frame["data"][0][field] = None
    frame["data"][0]["checksum"] = 12345
    result = feed.on_frame(NOW_NS, json.dumps(frame))
    assert result.resyncs
    if drop == "id":
        assert f"data[0].{field}: missing" in str(result.error)
    assert not arena.usable(0)


@pytest.mark.parametrize("inst_type", ["sp", "mc", ""])
def test_bitget_v1_is_refused_live(inst_type: str) -> None:
    arena, feed, _ = live(BITGET)
    frame = json.loads(bitget_frame("snapshot", 0, 7, BIDS, ASKS))
    frame["arg"]["instType"] = inst_type
    assert "arg.instType" in str(feed.on_frame(NOW_NS, json.dumps(frame)).error)
    assert not arena.usable(0)


def test_spot_and_perpetual_of_one_name_are_not_mixed_on_a_tape() -> None:
    feed = BitgetFeed("bitget", {}, None, tape=True)
    feed.on_frame(0, bitget_frame("snapshot", 0, 7, BIDS, ASKS))
    other = json.loads(bitget_frame("snapshot", 0, 99, [], []))
    other["arg"]["instType"] = "USDT-FUTURES"
    assert feed.on_frame(0, json.dumps(other)) == NOTHING
    (slot,) = feed.books()
    assert slot.sequence == 7


@both
def test_a_checksum_that_is_sent_and_not_zero_must_hold(dialect: Dialect) -> None:
    frame = okx_frame if dialect is OKX else bitget_frame
    arena, feed, _ = live(dialect)
    good = signed_crc("90.00:1:91.00:3:89.50:2.0")
    feed.on_frame(NOW_NS, frame("snapshot", -1 if dialect is OKX else 0, 7, BIDS, ASKS, checksum=good))
    assert arena.usable(0)
    good = signed_crc("90.00:1.50:91.00:3:89.50:2.0")
    feed.on_frame(NOW_NS, frame("update", 7, 8, [["90.00", "1.50"]], [], checksum=good))
    assert arena.usable(0)
    assert feed.counts.checks_held == 2
    result = feed.on_frame(NOW_NS, frame("update", 8, 9, [["90.00", "1.5"]], [], checksum=good))
    assert [resync.cause for resync in result.resyncs] == ["the checksum does not hold"]
    assert not arena.usable(0)
    assert feed.counts.checks_failed == 1


@both
@pytest.mark.parametrize("checksum", [0, None])
def test_a_checksum_of_zero_is_none(dialect: Dialect, checksum: int | None) -> None:
    frame = okx_frame if dialect is OKX else bitget_frame
    arena, feed, _ = live(dialect)
    feed.on_frame(NOW_NS, frame("snapshot", -1 if dialect is OKX else 0, 7, BIDS, ASKS, checksum=checksum))
    assert arena.usable(0)
    assert feed.counts.checks_held == feed.counts.checks_failed == 0


@both
def test_on_a_tape_the_checksum_alone_vouches_for_frames_without_ids(dialect: Dialect) -> None:
    frame = okx_frame if dialect is OKX else bitget_frame
    feed: PushedFeed = (
        OkxFeed("okx", {}, None, tape=True) if dialect is OKX else BitgetFeed("bitget", {}, None, tape=True)
    )
    none = {"seqId": None, "prevSeqId": None} if dialect is OKX else {"seq": None, "pseq": None}
    feed.on_frame(0, frame("snapshot", 0, 0, BIDS, ASKS, checksum=signed_crc("90.00:1:91.00:3:89.50:2.0"), **none))
    (slot,) = feed.books()
    assert (slot.state, slot.sequence) == (BookState.LIVE, -1)
    feed.on_frame(0, frame("update", 0, 0, BIDS, [], checksum=7, **none))
    assert slot.state == BookState.GAP


@both
@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"action": "delta"}, "action"),
        ({"data": []}, "data"),
        ({"data": {}}, "data"),
        ({"data": [{"bids": []}]}, "data[0]"),
        ({"data": [{"bids": [["1"]], "asks": [], "ts": "1", "seqId": 1, "seq": 1, "pseq": 1}]}, "data[0].bids"),
        ({"data": [{"bids": [], "asks": [], "ts": "soon", "seqId": 1, "seq": 1, "pseq": 1}]}, "data[0].ts"),
        ({"data": [{"bids": [], "asks": [], "ts": "1", "seqId": -7, "seq": -7, "pseq": 1}]}, "data[0].seq"),
    ],
)
def test_an_unreadable_field_is_named_with_its_book(dialect: Dialect, change: dict[str, object], field: str) -> None:
    arena, feed, truth = live(dialect)
    frame = json.loads(dialect.change(*truth.step()))
    result = feed.on_frame(NOW_NS, json.dumps(frame | change))
    assert f"unreadable frame of {dialect.symbol}: {field}" in str(result.error)
    assert result.resyncs[0].native_symbol == dialect.symbol
    assert not arena.usable(0)


@both
def test_requests_have_the_venues_shape(dialect: Dialect) -> None:
    _, feed, _ = live(dialect)
    arg = {"channel": "books", "instId": dialect.symbol}
    if dialect is BITGET:
        arg = {"instType": "SPOT", **arg}
    assert [json.loads(m) for m in feed.subscribe_messages([dialect.symbol], 0)] == [{"op": "subscribe", "args": [arg]}]
    (message,) = feed.unsubscribe_messages([dialect.symbol], 0)
    assert json.loads(message)["op"] == "unsubscribe"
    assert len(feed.subscribe_messages([str(n) for n in range(120)], 0)) == 3
    assert feed.ping_message(0) == "ping"


@both
def test_answers_are_understood_and_change_no_book(dialect: Dialect) -> None:
    arena, feed, _ = live(dialect)
    arg = {"instType": "spot", "channel": "books", "instId": dialect.symbol}

    def notice(frame: object) -> Notice | None:
        raw = frame if isinstance(frame, str) else json.dumps(frame)
        return feed.on_frame(NOW_NS, raw).notice

    assert notice("pong") == Notice(NoticeKind.PONG)
    assert feed.on_frame(NOW_NS, b"pong").notice == Notice(NoticeKind.PONG)
    assert notice({"event": "subscribe", "arg": arg}) == Notice(NoticeKind.SUBSCRIBED, (dialect.symbol,))
    assert notice({"event": "unsubscribe", "arg": arg}) == Notice(NoticeKind.UNSUBSCRIBED, (dialect.symbol,))
    refused = {"event": "error", "code": 30001, "msg": "Channel does not exist"}
    assert notice(refused) == Notice(NoticeKind.REFUSED, (), "30001", "Channel does not exist")
    assert notice({"event": "channel-conn-count", "channel": "books", "connCount": "1"}) is None
    ticker = {"arg": {"channel": "tickers", "instId": dialect.symbol}, "data": [{"last": "1"}]}
    assert feed.on_frame(NOW_NS, json.dumps(ticker)) == NOTHING
    short = {"arg": {**arg, "channel": "books5"}, "action": "snapshot", "data": [{"bids": []}]}
    assert feed.on_frame(NOW_NS, json.dumps(short)) == NOTHING
    assert arena.usable(0)


def test_okx_announces_an_upgrade() -> None:
    _, feed, _ = live(OKX)
    frame = {"event": "notice", "code": "64008", "msg": "The connection will soon be closed for a service upgrade."}
    notice = feed.on_frame(NOW_NS, json.dumps(frame)).notice
    assert notice is not None
    assert notice.kind is NoticeKind.UPGRADE
