"""Our books and `ccxt.pro`'s from the same bytes: every recorded update, and ten thousand more in that shape."""

import json
import random
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from arb.market.arena import BookArena, BookState
from arb.market.feed import BookSeat, ResyncBy
from arb.market.numbers import exact
from arb.market.scale import Scale
from arb.store.tapes.line import TapeLine
from arb.store.tapes.tape import read_tape
from arb.venues.books.plain.base import WireFeed
from arb.venues.gate.books import GateFeed
from arb.venues.registry import spec_of, tape_feed
from tests.contract.ccxt_books import CcxtReader, Levels, ours
from tests.venue_server.gate_eu import GateEu
from tests.venue_server.server import World
from tests.venue_server.venue import Clock, VenueServer

NEAR, WHOLE = 25, 1000
# file: (venue as ccxt names it, updates and snapshots after which both books were compared)
RECORDED = {
    "gate_spot_20210422": ("gate", 84),
    "gate_futures_20230524": ("gate", 196),
    "okx_20220513_start": ("okx", 57),
    "bitget_perp_20220407_start": ("bitget", 15),
    "okx_20220513": ("okx", 197),
    "okx_20210722_conn1": ("okx", 1504),
    "okx_20210722_conn2": ("okx", 1446),
    "okx_20210722_conn3": ("okx", 1422),
    "bitget_spot_20220407": ("bitget", 220),
    "bitget_perp_20220407": ("bitget", 98),
    "binance_spot_20210417": ("binance", 614),
    "binance_spot_20211012": ("binance", 152),
    "binance_spot_20240808_btc": ("binance", 1654),
}
GENERATED, EACH = 3400, 34
"""Updates a venue, and after how many of them all books are compared whole."""


def symbol_of(line: TapeLine) -> str | None:
    """Return which book a recorded line is about; None for other channels and answers."""
    if line.kind == "http":
        query = parse_qs(urlsplit(line.url).query)
        return next(iter(query.get("currency_pair") or query.get("contract") or query.get("symbol") or []), None)
    frame = json.loads(line.raw)
    if line.venue == "binance":
        return str(frame["data"]["s"]) if "@depth" in frame.get("stream", "") else None
    if line.venue.startswith("gate"):
        book = frame["channel"].endswith(".order_book_update") and frame["event"] == "update"
        return str(frame["result"]["s"]) if book else None
    about_a_book = "data" in frame and str(frame["arg"]["channel"]).startswith("books")
    return str(frame["arg"]["instId"]) if about_a_book else None


def recorded_steps(lines: list[tuple[str, TapeLine]], judge: CcxtReader, feed: WireFeed) -> Iterator[str]:
    """Give each line to both readers and yield its symbol where both have a book.

    ccxt fetches Gate's snapshots itself; here it gets the recorded one, and the frames that came before it afterwards.
    """
    fetching = any(line.kind == "http" for _, line in lines)
    waiting: dict[str, list[str]] | None = defaultdict(list) if fetching else None
    for native, line in lines:
        if line.kind == "http":
            feed.on_http(line.received_ns, line.url, line.raw)
            judge.fetched(native, line.raw, ("p", "s") if line.venue == "gate_futures" else (0, 1))
            for raw in waiting.pop(native, []) if waiting is not None else []:
                judge.frame(raw)
        else:
            feed.on_frame(line.received_ns, line.raw)
            if waiting is not None and judge.levels(native, 1) is None:
                waiting[native].append(line.raw)
                continue
            judge.frame(line.raw)
        yield native


@pytest.mark.thorough
@pytest.mark.parametrize("name", RECORDED)
def test_recorded_books_are_equal_after_every_update(recording: Callable[[str], Path], name: str) -> None:
    venue, expected = RECORDED[name]
    lines = [(native, line) for line in read_tape(recording(name)) if (native := symbol_of(line)) is not None]
    feed, judge = tape_feed(lines[0][1].venue), CcxtReader(venue, {native for native, _ in lines})
    compared = 0
    for native in recorded_steps(lines, judge, feed):
        [slot] = [slot for slot in feed.books() if slot.native_symbol == native]
        expected_levels = judge.levels(native, NEAR)
        assert ours(slot, NEAR) == expected_levels, f"{native} after {compared} comparisons"
        compared += expected_levels is not None
    for slot in feed.books():
        whole, theirs = ours(slot, WHOLE), judge.levels(slot.native_symbol, WHOLE)
        if venue == "binance" and whole is not None and theirs is not None:
            # ccxt shows what lies beyond the end of a cut snapshot, too, where nobody knows what is missing.
            theirs = theirs[0][: len(whole[0])], theirs[1][: len(whole[1])]
            assert min(map(len, whole)) > NEAR
        assert whole == theirs
    assert compared == expected


@pytest.fixture
def world() -> World:
    """Return the venues with twelve books each, eight real symbols and four made-up ones; their clocks stand still."""
    return World(symbols=12, seed=31, rate=0.0, clock=Clock(lambda: 1_777_275_365_213, lambda: 0.0))


@pytest.mark.thorough
@pytest.mark.parametrize("venue", ["gate", "okx", "bitget", "bybit"])
def test_generated_books_are_equal(world: World, venue: str) -> None:
    server = world.venues[venue]
    seats = {
        native: BookSeat(row, Scale(channel.book.price_decimals, channel.book.size_decimals))
        for row, (native, channel) in enumerate(server.channels.items())
    }
    feed, judge, rng = (
        spec_of(venue).make_books(seats, BookArena(len(seats))),
        CcxtReader(venue, seats),
        random.Random(5),
    )
    assert isinstance(feed, WireFeed)
    for channel in server.channels.values():
        give(server.snapshot_frame(channel), feed, judge)
    for number in range(1, GENERATED + 1):
        channel = rng.choice(list(server.channels.values()))
        ids = rng.randint(1, server.ids_most)
        give(server.update_frame(channel, channel.advance(1_777_275_365_213, ids)), feed, judge)
        [slot] = [slot for slot in feed.books() if slot.native_symbol == channel.native]
        assert ours(slot, NEAR) == judge.levels(channel.native, NEAR), f"{channel.native} after {number} updates"
        if number % EACH == 0:
            assert ours(slot, WHOLE) == judge.levels(channel.native, WHOLE) == published(server, channel.native)
    assert {slot.state for slot in feed.books()} == {BookState.LIVE}
    assert feed.counts.book_frames == GENERATED + len(seats)


@pytest.mark.thorough
def test_generated_books_of_gates_eu_entity_are_equal() -> None:
    """Books begin with a change, then the snapshot that is fetched; ccxt fetches for itself, here it gets the same bytes."""
    now_ms = 1_777_275_365_213
    server = World(symbols=12, seed=31, rate=0.0, clock=Clock(lambda: now_ms, lambda: 0.0), gate_eu=True).venues["gate"]
    assert isinstance(server, GateEu)
    seats = {
        native: BookSeat(row, Scale(channel.book.price_decimals, channel.book.size_decimals))
        for row, (native, channel) in enumerate(server.channels.items())
    }
    feed, judge, rng = GateFeed(seats, BookArena(len(seats))), CcxtReader("gateeu", seats), random.Random(5)
    feed.choose_channel("order_book_update")
    for native, channel in server.channels.items():
        change = server.update_frame(channel, channel.advance(now_ms, 1))
        result = feed.on_frame(1, change.encode())
        assert [resync.by for resync in result.resyncs] == [ResyncBy.FETCH]
        path = feed.snapshot_path(native)
        assert path == f"/spot/order_book?currency_pair={native}&limit=100&with_id=true"
        body = json.dumps(server.book_of(channel))
        assert feed.on_http(1, path, body).resyncs == ()
        judge.fetched(native, body, (0, 1))
        judge.frame(change)
    for number in range(1, GENERATED + 1):
        channel = rng.choice(list(server.channels.values()))
        give(server.update_frame(channel, channel.advance(now_ms, rng.randint(1, 40))), feed, judge)
        [slot] = [slot for slot in feed.books() if slot.native_symbol == channel.native]
        assert ours(slot, NEAR) == judge.levels(channel.native, NEAR), f"{channel.native} after {number} updates"
        if number % EACH == 0:
            assert ours(slot, WHOLE) == judge.levels(channel.native, WHOLE) == published(server, channel.native)
    assert {slot.state for slot in feed.books()} == {BookState.LIVE}


LIVE_SCALE = Scale(10, 10)


def test_recorded_books_of_2021_are_equal_when_the_live_reader_reads_them(recording: Callable[[str], Path]) -> None:
    path = recording("gate_spot_20210422")
    lines = [(native, line) for line in read_tape(path) if (native := symbol_of(line)) is not None]
    natives = sorted({native for native, _ in lines})
    seats = {native: BookSeat(row, LIVE_SCALE) for row, native in enumerate(natives)}
    feed, judge = GateFeed(seats, BookArena(len(natives))), CcxtReader("gateeu", natives)
    feed.choose_channel("order_book_update")
    compared = 0
    for native in recorded_steps(lines, judge, feed):
        [slot] = [slot for slot in feed.books() if slot.native_symbol == native]
        assert ours(slot, NEAR) == judge.levels(native, NEAR)
        compared += judge.levels(native, NEAR) is not None
    assert compared == RECORDED["gate_spot_20210422"][1]
    assert {slot.state for slot in feed.books()} == {BookState.LIVE}


def give(raw: str, feed: WireFeed, judge: CcxtReader) -> None:
    """Hand the same bytes to both readers; ours must find nothing wrong with them."""
    result = feed.on_frame(1, raw.encode())
    assert result.rows and not result.resyncs and result.error is None
    judge.frame(raw)


def published(server: VenueServer, native: str) -> tuple[Levels, Levels]:
    """Return what the venue itself has published of a book."""
    channel = server.channels[native]
    prices, sizes = channel.book.price_decimals, channel.book.size_decimals
    bids, asks = (
        [(exact(price, prices), exact(size, sizes)) for price, size in side.items()]
        for side in (channel.bids, channel.asks)
    )
    return bids, asks
