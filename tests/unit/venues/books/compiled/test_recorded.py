"""Recorded books, judged as generated ones are: every frame as it came, and its levels in every dialect of today."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from arb.market.arena import BookArena, BookState
from arb.market.feed import BookSeat
from arb.market.scale import Scale
from arb.store.tapes.line import TapeLine
from arb.store.tapes.tape import read_tape
from arb.venues.binance.books import BinanceFeed
from arb.venues.bitget.books import BitgetFeed
from arb.venues.books.plain.base import WireFeed
from arb.venues.bybit.books import BybitFeed
from arb.venues.gate.books import GateFeed
from arb.venues.okx.books import OkxFeed
from tests.unit.venues.books.compiled.twins import Twins
from tests.unit.venues.books.plain.dialects import (
    Change,
    Dialect,
    binance_frame,
    bitget_frame,
    bybit_frame,
    gate_frame,
    okx_frame,
)

pytest.importorskip("numba", reason="compiled books need numba")
FILES = (
    "gate_spot_20210422", "okx_20220513", "okx_20210722_conn1", "okx_20210722_conn2", "okx_20210722_conn3",
    "bitget_spot_20220407", "bitget_perp_20220407", "bybit_v5_ob500_20241201_xrp", "binance_spot_20211012",
    "binance_spot_20210417", "binance_spot_20240808_btc", "binance_usdm_20210722", "binance_usdm_20210417",
    "binance_usdm_20240808_btc",
)  # fmt: skip
UNKNOWN = (
    "bybit_v2_inverse_20210417", "bybit_v2_linear_20210417", "gate_futures_20230524", "kraken_spot_20210417",
    "kucoin_spot_20210425",
)  # fmt: skip
"""Recordings of dialects that no reader knows."""
FRAMES_MAX = 400
SEAT = BookSeat(0, Scale(10, 8))
NONE: Any = None


def whole_obu(after: int, bids: Change, asks: Change) -> str:
    return gate_frame({"full": True, "s": "ob.BTC_USDT.50", "u": after, "b": bids, "a": asks})


def obu(before: int, after: int, bids: Change, asks: Change) -> str:
    return gate_frame({"s": "ob.BTC_USDT.50", "U": before + 1, "u": after, "b": bids, "a": asks})


Speech = tuple[Dialect, Callable[[int, Change, Change], str]]


def spoken(name: str, symbol: str, make: Callable[[BookArena], WireFeed], change: Callable[..., str]) -> Dialect:
    return Dialect(name, symbol, make, NONE, change)


SPEECHES: dict[str, Speech] = {
    "obu": (spoken("gate", "BTC_USDT", lambda arena: GateFeed({"BTC_USDT": SEAT}, arena), obu), whole_obu),
    "okx": (
        spoken(
            "okx",
            "BTC-USDT",
            lambda arena: OkxFeed("okx", {"BTC-USDT": SEAT}, arena),
            lambda before, after, bids, asks: okx_frame("update", before, after, bids, asks),
        ),
        lambda after, bids, asks: okx_frame("snapshot", -1, after, bids, asks),
    ),
    "bitget": (
        spoken(
            "bitget",
            "BTCUSDT",
            lambda arena: BitgetFeed("bitget", {"BTCUSDT": SEAT}, arena),
            lambda before, after, bids, asks: bitget_frame("update", before, after, bids, asks),
        ),
        lambda after, bids, asks: bitget_frame("snapshot", 0, after, bids, asks),
    ),
    "binance": (
        spoken(
            "binance",
            "BTCUSDT",
            lambda arena: BinanceFeed({"BTCUSDT": SEAT}, arena),
            lambda before, after, bids, asks: binance_frame(before + 1, after, bids, asks),
        ),
        lambda after, bids, asks: json.dumps({"lastUpdateId": after, "bids": bids, "asks": asks}),
    ),
    "bybit": (
        spoken(
            "bybit",
            "BTCUSDT",
            lambda arena: BybitFeed({"BTCUSDT": SEAT}, arena),
            lambda before, after, bids, asks: bybit_frame("delta", after, bids, asks),
        ),
        lambda after, bids, asks: bybit_frame("snapshot", after, bids, asks),
    ),
}


def sides_of(line: TapeLine) -> Iterator[tuple[str, Change, Change]]:
    """Yield what a recorded frame says of levels: of which book, bids and asks."""
    frame = json.loads(line.raw) if line.raw.startswith("{") else {}
    data = frame.get("data", frame.get("result"))
    for book in data if isinstance(data, list) else [data]:
        if not isinstance(book, dict):
            continue
        bids, asks = book.get("bids", book.get("b")), book.get("asks", book.get("a"))
        if isinstance(bids, list) and isinstance(asks, list):
            named = str(book.get("s") or frame.get("arg", {}).get("instId"))
            yield named, [level[:2] for level in bids], [level[:2] for level in asks]


def as_they_came(lines: Iterable[TapeLine]) -> None:
    everybody = [Twins(dialect) for dialect, _ in SPEECHES.values()]
    for line in lines:
        for twins in everybody:
            twins.give(line.raw.encode())


@pytest.mark.parametrize("name", FILES)
def test_recorded_frames_lead_to_the_same_as_they_came(recording: Callable[[str], Path], name: str) -> None:
    as_they_came(islice(read_tape(recording(name)), FRAMES_MAX))


@pytest.mark.thorough
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", [*FILES, *UNKNOWN])
def test_every_recorded_frame_leads_to_the_same_as_it_came(recording: Callable[[str], Path], name: str) -> None:
    as_they_came(read_tape(recording(name)))


@pytest.mark.thorough
@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("speech", SPEECHES)
def test_recorded_levels_give_the_same_books_in_every_dialect(
    recording: Callable[[str], Path], name: str, speech: str
) -> None:
    changes = [change for line in read_tape(recording(name)) for change in sides_of(line)]
    busiest, _ = Counter(symbol for symbol, *_ in changes).most_common(1)[0]
    dialect, whole = SPEECHES[speech]
    twins, at = Twins(dialect), 1000
    for symbol, bids, asks in changes:
        if symbol != busiest:
            continue
        at += 1
        live = twins.plain.arena.state.item(0) == BookState.LIVE
        twins.now_ns += 20_000_000
        url = "" if live or speech != "binance" else "/api/v3/depth?symbol=BTCUSDT&limit=1000"
        twins.give((dialect.change(at - 1, at, bids, asks) if live else whole(at, bids, asks)).encode(), url)
    plain, compiled = twins.levels()
    assert plain == compiled
    assert at > 1000


@pytest.mark.parametrize("name", ["binance_spot_20210417", "binance_spot_20211012", "binance_spot_20240808_btc"])
def test_recorded_books_of_binance_with_snapshot_and_quotes(recording: Callable[[str], Path], name: str) -> None:
    lines = list(read_tape(recording(name)))
    fetched = [line for line in lines if line.kind == "http"]
    for symbol in dict.fromkeys(parse_qs(urlsplit(line.url).query)["symbol"][0] for line in fetched):
        twins = Twins(Dialect("binance", symbol, partial(BinanceFeed, {symbol: SEAT}), NONE, NONE))
        for line in lines:
            if symbol in line.raw or (line in fetched and symbol in line.url):
                twins.now_ns = line.received_ns
                twins.give(line.raw.encode(), line.url if line.kind == "http" else "")
        plain, compiled = twins.levels()
        assert plain == compiled
        if name == "binance_spot_20240808_btc":
            counts = twins.compiled.feed.counts
            trades = sum("@trade" in line.raw for line in lines)
            assert twins.compiled.quiet > 0.95 * (counts.frames - trades)
            assert counts.checks_held > 200
            assert counts.checks_failed == counts.gaps == 0
