"""What a capture is about: names, decimals, and what is left out."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb.core.messages.settings import Timing
from arb.market.order import Side
from arb.market.scale import Scale
from arb.replay.books import TapeBooks
from arb.replay.captured import Contents, symbol_of
from arb.replay.feeds import captured_books
from arb.replay.tapes import merged
from tests.unit.replay.makings import Tape, quiet_market

FEE = Decimal("0.001")


@pytest.mark.parametrize(
    ("venue", "native_symbol", "symbol"),
    [
        ("gate", "BTC_USDT", "BTC/USDT"),
        ("okx", "BTC-USDT", "BTC/USDT"),
        ("binance", "BTCUSDT", "BTC/USDT"),
        ("binance", "VETETH", "VET/ETH"),
        ("binance", "BUSDTRY", "BUSD/TRY"),
        ("bitget", "EOSUSDT_SPBL", "EOS/USDT"),
        ("bybit", "XRPUSDT", "XRP/USDT"),
        ("okx", "BTC-USDT-SWAP", None),
        ("okx", "BTC-USD-210924-42000-P", None),
        ("gate_futures", "BTC_USDT", None),
        ("bybit", "EOSUSD", None),
        ("binance", "USDT", None),
        ("binance", "QWERTY", None),
        ("okx", "-USDT", None),
        ("okx", "BTC:A-USDT", None),
        ("kraken", "BTC/USDT", None),
    ],
)
def test_a_name_becomes_a_symbol_or_says_why_not(venue: str, native_symbol: str, symbol: str | None) -> None:
    found, reason = symbol_of(venue, native_symbol)
    assert found == symbol
    assert bool(reason) == (symbol is None)


def test_what_follows_a_malformed_line_is_not_looked_at(tmp_path: Path) -> None:
    path = quiet_market().write(tmp_path / "t")
    path.write_text(path.read_text() + "{\n")
    assert len(Contents(merged([path])).capture(FEE).instruments) == 2


def test_two_connections_with_the_same_book_are_one_book(tmp_path: Path) -> None:
    paths = [quiet_market().write(tmp_path / name) for name in ("a", "b")]
    found = Contents(merged(paths)).capture(FEE)
    assert [(i.venue, i.symbol) for i in found.instruments] == [("gate", "BTC/USDT"), ("okx", "BTC/USDT")]
    assert {left.reason for left in found.left_out} == {"another book of BTC/USDT at this venue takes precedence"}


def test_a_book_that_shows_no_levels_is_left_out(tmp_path: Path) -> None:
    path = Tape().gate(0.0, [], [], full=True).write(tmp_path / "t")
    found = Contents(merged([path])).capture(FEE)
    assert not found.instruments
    assert [left.reason for left in found.left_out] == ["it shows no levels"]


def test_steps_are_the_finest_decimals_seen_anywhere_on_the_tape(tmp_path: Path) -> None:
    tape = quiet_market().gate(1.0, [("99.85", "0.125")], [])
    found = Contents(merged([tape.write(tmp_path / "t")])).capture(FEE)
    gate, okx = found.instruments
    assert (gate.tick, gate.lot, gate.taker_fee) == (Decimal("0.01"), Decimal("0.001"), FEE)
    assert (okx.tick, okx.lot) == (Decimal("0.1"), Decimal(1))
    assert found.scales == {"BTC/USDT": Scale(4, 5)}


numbers = st.decimals(min_value=Decimal("0.0001"), max_value=Decimal("99999"), places=4)


@given(st.lists(st.tuples(numbers, numbers), min_size=1, max_size=8))
def test_every_level_is_whole_on_the_scale_that_was_found(
    tmp_path_factory: pytest.TempPathFactory, levels: list[tuple[Decimal, Decimal]]
) -> None:
    tape = Tape().gate(0.0, [(f"{price:f}", f"{size:f}") for price, size in levels], [], full=True)
    found = Contents(merged([tape.write(tmp_path_factory.mktemp("tape") / "t")])).capture(FEE)
    (gate,) = found.instruments
    scale = found.scales["BTC/USDT"]
    for price, size in levels:
        assert scale.price_to_int(price) % gate.tick_int(scale) == 0
        assert scale.size_to_int(size) % gate.lot_int(scale) == 0


def test_a_level_that_is_overwritten_in_its_own_frame_is_measured_too(tmp_path: Path) -> None:
    tape = Tape().gate(0.0, [("99.9", "0.125"), ("99.9", "1")], [("100", "1")], full=True)
    found = Contents(merged([tape.write(tmp_path / "t")])).capture(FEE)
    assert found.scales == {"BTC/USDT": Scale(3, 5)}


CAPTURES = [
    "okx_20220513_start",
    "bitget_perp_20220407_start",
    "binance_usdm_20210722_start",
    "binance_spot_20211012",
    "gate_spot_20210422",
    "gate_futures_20230524",
    "okx_20210722_conn1",
    "okx_20220513",
    "bitget_spot_20220407",
    "bitget_perp_20220407",
    "bybit_v5_ob500_20241201_xrp",
    "binance_spot_20210417",
    "binance_usdm_20210417",
]


@pytest.mark.parametrize("name", CAPTURES)
def test_the_engines_books_of_a_capture_are_those_of_the_oracle(recording: Callable[[str], Path], name: str) -> None:
    path = recording(name)
    oracle = TapeBooks()
    capture = Contents(merged([path])).capture(FEE)
    books, feeds = captured_books(capture, Timing())
    for captured in merged([path]):
        oracle.take(captured.line)
        feeds[captured.line.venue].expect(captured)
        result = books.on_frame(captured.line.venue, captured.line.received_ns, captured.line.raw)
        assert result.error is None
    told = oracle.report(books.arena.depth).books
    assert capture.books
    for book in capture.books:
        if book.instrument is None:
            continue
        venue, symbol = book.instrument.venue, book.instrument.symbol
        expected = told[f"{venue}/{book.native_symbol}"]
        assert books.is_live(venue, symbol) == (expected.state == "live")
        for side, levels in ((Side.BUY, expected.asks), (Side.SELL, expected.bids)):
            assert books.levels(venue, symbol, side) == [(Decimal(price), Decimal(size)) for price, size in levels]
