"""Real frames of five venues: every book rebuilt without a gap, every checksum and best-bid/offer frame agreeing.

The figures are those the captures' own page states.
"""

import random
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from arb.errors import ConfigError
from arb.market.arena import BookState
from arb.market.book import ExactLevels
from arb.market.numbers import exact
from arb.replay.books import TapeBooks
from arb.store.tapes.tape import read_tape
from arb.venues.registry import tape_feed

# file: (venue, book frames, checks that hold)
FILES = {
    "gate_spot_20210422": ("gate", 84, 0),
    "gate_futures_20230524": ("gate_futures", 196, 2),
    "okx_20220513_start": ("okx", 57, 57),
    "bitget_perp_20220407_start": ("bitget", 15, 15),
    "binance_usdm_20210722_start": ("binance_futures", 71, 3),
    "okx_20220513": ("okx", 197, 197),
    "okx_20210722_conn1": ("okx", 1504, 1504),
    "okx_20210722_conn2": ("okx", 1446, 1446),
    "okx_20210722_conn3": ("okx", 1422, 1422),
    "bitget_spot_20220407": ("bitget", 220, 220),
    "bitget_perp_20220407": ("bitget", 98, 98),
    "bybit_v5_ob500_20241201_xrp": ("bybit", 25, 0),
    "binance_spot_20211012": ("binance", 152, 19),
    "binance_spot_20210417": ("binance", 614, 202),
    "binance_spot_20240808_btc": ("binance", 1656, 278),
    "binance_usdm_20210722": ("binance_futures", 440, 30),
    "binance_usdm_20210417": ("binance_futures", 479, 32),
    "binance_usdm_20240808_btc": ("binance_futures", 3142, 277),
}


def rebuild(path: Path) -> TapeBooks:
    books = TapeBooks()
    for line in read_tape(path):
        books.take(line)
    return books


def test_the_files_hold_as_many_checks_as_their_page_states() -> None:
    held: Counter[str] = Counter()
    for name, (venue, _, checks) in FILES.items():
        held[venue] += 0 if name.endswith("_start") else checks
    assert +held == {"okx": 4569, "bitget": 318, "binance": 499, "binance_futures": 339, "gate_futures": 2}


@pytest.mark.parametrize("name", FILES)
def test_every_book_of_a_file_is_rebuilt_and_every_check_holds(recording: Callable[[str], Path], name: str) -> None:
    venue, book_frames, checks_held = FILES[name]
    feed = rebuild(recording(name)).feeds[venue]
    counts = feed.counts
    assert (counts.book_frames, counts.checks_held) == (book_frames, checks_held)
    assert (counts.checks_failed, counts.gaps, counts.crossed, counts.malformed) == (0, 0, 0, 0)
    assert {slot.state for slot in feed.books()} == {BookState.LIVE}


# symbol: applied frames, final id, best bid, best ask, level counts
GATE_SPOT = {
    "QTUM3S_USDT": (16, 69527041, ("0.22759", "1860.2968"), ("0.228407", "7344.33"), (75, 60)),
    "OMG_USDT": (50, 59231950, ("7.899", "288"), ("7.927", "316.6"), (100, 100)),
    "ZKS_ETH": (11, 11077674, ("0.001005", "88.613"), ("0.001038", "453.60214"), (42, 100)),
    "INK_USDT": (0, 2509482, ("0.0028144", "64918.872"), ("0.0029543", "70737.25"), (48, 100)),
    "BTC_USDC": (0, 13035634, ("54272.19", "0.0589"), ("55070.74", "0.05822"), (46, 43)),
}
GATE_FUTURES = {
    "RDNT_USDT": (61, 203083479, ("0.297", "500"), ("0.2974", "63"), (66, 81)),
    "OMG_USDT": (101, 3132789386, ("0.7703", "42"), ("0.7711", "129"), (68, 100)),
    "FRONT_USDT": (5, 244770089, ("0.1703", "2013"), ("0.1727", "1985"), (26, 22)),
    "SFP_USDT": (7, 489455956, ("0.4071", "981"), ("0.4081", "3527"), (42, 46)),
    "DIA_USDT": (0, 58251407, ("0.285", "1203"), ("0.2891", "2916"), (28, 31)),
}


@pytest.mark.parametrize(
    ("name", "table"), [("gate_spot_20210422", GATE_SPOT), ("gate_futures_20230524", GATE_FUTURES)]
)
def test_gates_books_end_as_the_protocol_reference_says(
    recording: Callable[[str], Path],
    name: str,
    table: dict[str, tuple[int, int, tuple[str, str], tuple[str, str], tuple[int, int]]],
) -> None:
    venue, book_frames, _ = FILES[name]
    feed = rebuild(recording(name)).feeds[venue]
    ends = {}
    for slot in feed.books():
        bids, asks = slot.book.levels(1)
        best = [tuple(exact(int(number), 40) for number in side[0]) for side in (bids, asks)]
        ends[slot.native_symbol] = (slot.sequence, *best, (len(slot.book.bids), len(slot.book.asks)))
    assert ends == {
        symbol: (final, tuple(map(Decimal, bid)), tuple(map(Decimal, ask)), levels)
        for symbol, (_, final, bid, ask, levels) in table.items()
    }
    dropped = book_frames - sum(applied for applied, *_ in table.values())
    assert feed.counts.ignored >= dropped > 0


Shown = dict[tuple[str, int], tuple[ExactLevels, ExactLevels]]


def shown(books: TapeBooks, venue: str) -> Shown:
    feed = books.feeds.get(venue)
    slots = [] if feed is None else [slot for slot in feed.books() if slot.state is BookState.LIVE]
    return {(slot.native_symbol, slot.sequence): slot.book.levels(10) for slot in slots}


@pytest.mark.parametrize(
    "name", ["gate_spot_20210422", "gate_futures_20230524", "binance_spot_20211012", "binance_usdm_20210722"]
)
def test_a_real_stream_with_frames_left_out_never_shows_what_the_whole_one_did_not(
    recording: Callable[[str], Path], name: str
) -> None:
    venue = FILES[name][0]
    lines = list(read_tape(recording(name)))
    books, truth = TapeBooks(), Shown()
    for line in lines:
        books.take(line)
        truth.update(shown(books, venue))
    rng = random.Random(name)
    gaps = 0
    for _ in range(8):
        left_out = {rng.randrange(len(lines)) for _ in range(3)}
        books = TapeBooks()
        for number, line in enumerate(lines):
            if number in left_out and line.kind == "ws":
                continue
            books.take(line)
            for key, levels in shown(books, venue).items():
                assert levels == truth[key]
        gaps += books.feeds[venue].counts.gaps
    assert gaps > 0


@pytest.mark.parametrize("venue", ["kraken", "kucoin", "bybit_v2", "unheard_of"])
def test_other_dialects_are_refused_by_name(venue: str) -> None:
    with pytest.raises(ConfigError, match=f"'{venue}'"):
        tape_feed(venue)
