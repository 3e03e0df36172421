"""Symbols read into their parts and spelt again: what is no symbol is refused, with the spelling that would do."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb.market.symbol import KNOWN_MAX, Symbol

LETTERS = st.characters(exclude_categories=("C", "Z"), exclude_characters="/:")
ASSETS = st.text(LETTERS, min_size=1, max_size=12)
SETTLED = ASSETS.filter(lambda text: "-" not in text)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "no '/' between base and quote"),
        ("BTCUSDT", "no '/' between base and quote"),
        ("BTC-USDT", "no '/' between base and quote"),
        ("BTC:USDT", "no '/' between base and quote"),
        ("/USDT", "its base is empty"),
        ("BTC/", "its quote is empty"),
        ("BTC/:USDT", "its quote is empty"),
        ("/", "its base is empty"),
        ("BTC/USDT/ETH", "its quote 'USDT/ETH' holds '/'"),
        ("A:B/USDT", "its base 'A:B' holds ':'"),
        ("BTC/USDT:", "its settle is empty"),
        ("BTC/USDT:USDT:USDT", "its settle 'USDT:USDT' holds ':'"),
        ("BTC/USDT:USDT/USDT", "its settle 'USDT/USDT' holds '/'"),
        ("BTC/USDT:USDT-261225", "its settle 'USDT-261225' names a dated product, not an asset"),
        (" BTC/USDT", "its base ' BTC' holds ' '"),
        ("BTC/USDT\n", "its quote 'USDT\\n' holds '\\n'"),
        ("BTC/US\u00a0DT", "its quote 'US\\xa0DT' holds '\\xa0'"),
        ("B\x00C/USDT", "its base 'B\\x00C' holds '\\x00'"),
    ],
)
def test_what_is_no_symbol_is_refused_and_the_text_says_how_to_spell_one(text: str, fault: str) -> None:
    with pytest.raises(ValueError) as refusal:
        Symbol.of(text)
    reported = str(refusal.value)
    assert reported.startswith(f"{text!r} is no symbol: {fault}: write BASE/QUOTE")
    assert '"BTC/USDT"' in reported
    assert '"BTC/USDT:USDT"' in reported


@pytest.mark.parametrize(
    "parts", [("", "USDT"), ("BTC", "USDT:USDT"), ("BTC", "USDT", ""), ("BTC", "US DT"), ("A/B", "C")]
)
def test_no_symbol_is_built_of_parts_that_would_not_read_back(parts: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="is no symbol"):
        Symbol(*parts)


def test_a_refusal_of_endless_text_is_short() -> None:
    for text in ("X" * 100_000, "X" * 100_000 + "/", "BTC/" + "X/" * 100_000):
        with pytest.raises(ValueError) as refusal:
            Symbol.of(text)
        assert len(str(refusal.value)) < 300


def test_a_refusal_is_not_remembered_as_a_symbol() -> None:
    for _ in range(2):
        with pytest.raises(ValueError):
            Symbol.of("BTCUSDT")


def test_a_spot_symbol_has_a_base_a_quote_and_settles_in_neither() -> None:
    symbol = Symbol.of("BTC/USDT")
    assert (symbol.base, symbol.quote, symbol.settle) == ("BTC", "USDT", None)
    assert symbol.base_and_quote == ("BTC", "USDT")
    assert symbol.is_spot


def test_a_swap_is_priced_in_its_quote_and_says_what_it_settles_in() -> None:
    symbol = Symbol.of("BTC/USDT:USDT")
    assert (symbol.base, symbol.quote, symbol.settle) == ("BTC", "USDT", "USDT")
    assert not symbol.is_spot
    assert Symbol.of("BTC/USD:BTC").settle == "BTC"


def test_a_swap_is_not_the_spot_symbol_of_the_same_assets() -> None:
    assert Symbol.of("BTC/USDT:USDT") != Symbol.of("BTC/USDT")
    assert len({Symbol.of("BTC/USDT:USDT"), Symbol.of("BTC/USDT"), Symbol("BTC", "USDT")}) == 2


@pytest.mark.parametrize("text", ["1INCH/USDT", "kBONK/USDC", "币安人生/USDT", "A.B-C_d$/USDT", "USDT/USDT"])
def test_assets_may_be_called_as_venues_call_them(text: str) -> None:
    assert str(Symbol.of(text)) == text


@given(ASSETS, ASSETS, st.none() | SETTLED)
def test_parts_read_back_from_the_text_they_spell(base: str, quote: str, settle: str | None) -> None:
    symbol = Symbol(base, quote, settle)
    assert Symbol.of(str(symbol)) == symbol
    assert str(Symbol.of(str(symbol))) == str(symbol)


@given(ASSETS)
def test_a_linear_swap_is_spelt_as_its_spot_symbol_and_the_quote_again(base: str) -> None:
    assert str(Symbol(base, "USDT", "USDT")) == f"{Symbol(base, 'USDT')}:USDT"


@given(st.text(alphabet="AB/:- \n", max_size=9) | st.text(max_size=9))
def test_any_text_is_read_exactly_or_refused(text: str) -> None:
    try:
        symbol = Symbol.of(text)
    except ValueError:
        return
    assert str(symbol) == text
    assert all(part and "/" not in part and ":" not in part for part in symbol.base_and_quote)


def test_a_symbol_is_a_value_that_nobody_changes() -> None:
    with pytest.raises(AttributeError):
        Symbol.of("BTC/USDT").base = "ETH"  # type: ignore[misc]


def test_a_symbol_is_read_once_and_foreign_ones_do_not_fill_the_memory() -> None:
    assert Symbol.of("BTC/USDT") is Symbol.of("".join(["BTC/", "USDT"]))
    kept = Symbol.of("S0/USDT")
    for number in range(KNOWN_MAX + 1):
        Symbol.of(f"S{number}/USDT")
    assert Symbol.of("S0/USDT") == kept
    assert Symbol.of("S0/USDT") is not kept


def test_a_text_out_of_a_column_gives_plain_texts() -> None:
    column = np.array(["SOL/USDT"])
    assert type(Symbol.of(column[0]).base) is str
    assert msgspec.json.encode(str(Symbol.of(column[0]))) == b'"SOL/USDT"'
