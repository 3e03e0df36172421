"""What venues answer of all best quotes and volumes at once, read as they are known to have said it."""

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from arb.errors import VenueProtocolError
from arb.market.listing import Ticker
from arb.venues.kit.public_reader import read_in_parts
from arb.venues.kit.rules.outcome import decode_body
from arb.venues.kit.tickers import TickerForm, read_tickers
from arb.venues.registry import SPECS, spec_of
from tests.support.recorded import answers

D = Decimal


def read(venue: str, body: Any) -> dict[str, Ticker]:
    form = spec_of(venue).tickers
    assert form is not None
    return asyncio.run(read_in_parts(read_tickers(venue, form, body)))


def recorded(repo_root: Path, venue: str, name: str) -> Any:
    [raw] = [each.raw for each in answers(repo_root, venue, "rest") if each.name.endswith(name)]
    return decode_body(raw)


def a_row(form: TickerForm, **changes: Any) -> dict[str, Any]:
    row = {
        form.native: "ABC",
        form.bid: "1.1",
        form.bid_size: "5",
        form.ask: "1.2",
        form.ask_size: "6",
        form.volume: "700",
    }
    return row | {getattr(form, name): value for name, value in changes.items()}


def an_answer(form: TickerForm, *rows: Any) -> Any:
    body: Any = list(rows)
    for member in reversed(form.rows):
        body = {member: body}
    return body


@pytest.mark.parametrize(
    ("venue", "name", "native", "expected"),
    [
        (
            "gate",
            "get-spot-tickers--ok",
            "BTC3L_USDT",
            ("2.4606821", "0", "2.477", "0", "1602221.66468375534639404191"),
        ),
        ("okx", "get-market-ticker--spot-ccxt", "ETH-BTC", ("0.0732", "6.050058", "0.07322", "4.2", "11788.887619")),
        (
            "bitget",
            "get-v2-spot-market-tickers--tickers",
            "ETHUSDT",
            ("3686.94", "1.0046", "3686.98", "1.0015", "873897317.8273"),
        ),
        (
            "bybit",
            "get-v5-market-tickers--spot-spot",
            "BTCUSDT",
            ("20517.96", "2", "20527.77", "1.862172", "243765620.65899866"),
        ),
    ],
)
def test_recorded_answers_are_read(
    repo_root: Path, venue: str, name: str, native: str, expected: tuple[str, ...]
) -> None:
    bid, bid_size, ask, ask_size, volume = map(D, expected)
    ticker = Ticker(bid=bid, bid_size=bid_size, ask=ask, ask_size=ask_size, volume_quote=volume)
    assert read(venue, recorded(repo_root, venue, name))[native] == ticker


def test_a_recorded_row_of_binance_is_read(repo_root: Path) -> None:
    row = recorded(repo_root, "binance", "get-v3-ticker-24hr--gct-recording")
    assert read("binance", [row])["ETHBTC"] == Ticker(
        bid=D("0.04103300"),
        bid_size=D("43.778"),
        ask=D("0.041034"),
        ask_size=D("1.896"),
        volume_quote=D("16980.13811233"),
    )


@pytest.mark.parametrize("venue", [spec.name for spec in SPECS])
def test_a_side_that_nobody_quotes_has_no_price_and_an_odd_row_hides_no_other(venue: str) -> None:
    form = spec_of(venue).tickers
    assert form is not None
    empty = a_row(form, native="EMPTY", bid="", ask="0", volume="")
    odd = [
        a_row(form, native="ODD", bid="many"),
        a_row(form, native=None),
        a_row(form, native="MINUS", ask="-1"),
        "ABC",
    ]
    found = read(venue, an_answer(form, *odd, a_row(form), empty))
    assert found["ABC"].bid == D("1.1") and found.keys() == {"ABC", "EMPTY"}
    assert (found["EMPTY"].bid, found["EMPTY"].ask, found["EMPTY"].volume_quote) == (None, None, D(0))


@pytest.mark.parametrize("venue", [spec.name for spec in SPECS])
def test_an_answer_that_holds_no_list_or_nothing_legible_is_refused_by_name(venue: str) -> None:
    form = spec_of(venue).tickers
    assert form is not None
    with pytest.raises(VenueProtocolError, match=f"{venue}: ticker: not an object but int"):
        read(venue, an_answer(form, 1, 2))
    bodies: list[Any] = [{"label": "X"}, "<html>", None, {"data": None}, {"result": {"list": {}}}]
    for body in bodies:
        with pytest.raises(VenueProtocolError, match=f"{venue}: tickers: "):
            read(venue, body)
