"""What a Gate order says of itself, beside what the stock client makes of it; and our client order id in its `text`."""

from decimal import Decimal
from typing import Any

import ccxt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb.errors import VenueProtocolError
from arb.market.order import OrderReport
from arb.venues.gate.dialect import to_text
from arb.venues.gate.records import from_text, order_report

LIMIT = {
    "id": "7",
    "text": "t-arb-1",
    "currency_pair": "BTC_USDT",
    "type": "limit",
    "side": "buy",
    "account": "spot",
    "time_in_force": "ioc",
    "amount": "0.003",
    "price": "30000",
    "left": "0.003",
    "filled_total": "0",
    "fill_price": "0",
    "status": "cancelled",
    "finish_as": "ioc",
    "create_time_ms": 1_700_000_000_123,
}
MARKET_BUY = LIMIT | {"type": "market", "amount": "30", "price": "0", "left": "30"}
ENDS = [
    "cancelled",
    "liquidate_cancelled",
    "small",
    "depth_not_enough",
    "trader_not_enough",
    "ioc",
    "poc",
    "fok",
    "stp",
    "price_protect_cancelled",
    "unknown",
    "a_word_of_tomorrow",
]


def read(raw: dict[str, Any]) -> OrderReport:
    return order_report("gate", raw)


@pytest.mark.parametrize("word", ENDS)
def test_every_word_of_an_end_ends_an_order(word: str) -> None:
    report = read(LIMIT | {"finish_as": word})
    assert (report.is_open, report.filled, report.finish_reason) == (False, Decimal(0), word)


def test_the_stock_client_lets_such_words_through_as_a_status() -> None:
    assert ccxt.gate().parse_order(LIMIT | {"finish_as": "fok"})["status"] == "fok"


def test_an_ioc_without_any_fill_has_ended_with_nothing_filled() -> None:
    report = read(LIMIT | {"avg_deal_price": "0", "filled_amount": "0", "fee": "0"})
    assert (report.is_open, report.filled, report.avg_price) == (False, Decimal(0), None)


def test_cancelled_says_nothing_about_fills() -> None:
    report = read(LIMIT | {"left": "0.001", "filled_total": "60", "filled_amount": "0.002", "avg_deal_price": "30000"})
    assert (report.is_open, report.filled, report.avg_price) == (False, Decimal("0.002"), Decimal(30000))


@pytest.mark.parametrize("ending", [{"status": "closed", "finish_as": "filled"}, {"status": "closed"}])
def test_nothing_left_means_filled(ending: dict[str, str]) -> None:
    report = read(LIMIT | {"left": "0", "filled_total": "90", "finish_as": "ioc"} | ending)
    assert (report.is_open, report.filled, report.avg_price) == (False, Decimal("0.003"), Decimal(30000))


def test_an_open_order_is_open_unless_it_names_an_end() -> None:
    assert read(LIMIT | {"status": "open", "finish_as": "open"}).is_open
    assert not read(LIMIT | {"status": "open", "finish_as": "a_word_of_tomorrow"}).is_open


@pytest.mark.parametrize(
    ("event", "finish_as", "left", "is_open"),
    [
        ("put", "open", "0.003", True),
        ("update", "-", "0.002", True),
        ("finish", "-", "0.002", False),
        ("finish", "filled", "0", False),
        ("finish", "ioc", "0.003", False),
    ],
)
def test_the_streams_events_are_read_too(event: str, finish_as: str, left: str, is_open: bool) -> None:
    frame = {key: value for key, value in LIMIT.items() if key != "status"}
    report = read(frame | {"event": event, "finish_as": finish_as, "left": left, "filled_total": "0"})
    assert (report.is_open, report.filled) == (is_open, Decimal("0.003") - Decimal(left))


def test_an_order_without_any_word_of_its_state_is_not_taken_for_ended() -> None:
    assert read({key: value for key, value in LIMIT.items() if key not in ("status", "finish_as")}).is_open


def test_a_market_buy_is_filled_in_base_though_its_amount_is_quote() -> None:
    spent = {"left": "0.5", "filled_total": "29.5", "avg_deal_price": "29500"}
    assert read(MARKET_BUY | spent | {"filled_amount": "0.001"}).filled == Decimal("0.001")
    report = read(MARKET_BUY | spent)
    assert (report.filled, report.avg_price, report.is_open) == (Decimal("0.001"), Decimal(29500), False)
    assert read(MARKET_BUY | {"avg_deal_price": "0"}).filled == 0
    assert ccxt.gate().parse_order(MARKET_BUY | {"avg_deal_price": "0"})["filled"] is None


def test_a_market_sell_counts_in_base() -> None:
    raw = LIMIT | {"type": "market", "side": "sell", "left": "0", "filled_total": "90", "status": "closed"}
    assert read(raw | {"finish_as": "filled"}).filled == Decimal("0.003")


@pytest.mark.parametrize("odd", [{"left": None}, {"left": "x"}, {"left": "0.004"}, {"filled_amount": "0.004"}])
def test_an_order_whose_fill_cannot_be_read_or_cannot_be_is_refused(odd: dict[str, Any]) -> None:
    with pytest.raises(VenueProtocolError, match="left"):
        read(LIMIT | odd)


# --- what always holds ---------------------------------------------------------------------------------------------

sizes = st.decimals(min_value="0.0001", max_value=1000, places=4)


@given(amount=sizes, part=st.decimals(0, 1, places=4), word=st.sampled_from(ENDS), stated=st.booleans())
def test_what_was_filled_is_exact_whichever_field_states_it(
    amount: Decimal, part: Decimal, word: str, stated: bool
) -> None:
    filled = (amount * part).quantize(Decimal("0.0001"))
    raw: dict[str, Any] = LIMIT | {"amount": str(amount), "left": str(amount - filled), "finish_as": word}
    raw |= {"filled_total": str(filled * 30000), **({"filled_amount": str(filled)} if stated else {})}
    report = read(raw)
    assert (report.size, report.filled, report.is_open) == (amount, filled, False)
    assert report.avg_price == (Decimal(30000) if filled else None)


# --- our id in `text` ----------------------------------------------------------------------------------------------

LEGAL = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_-."


@pytest.mark.parametrize("bad", ["", "t-", "x" * 29, "t-" + "x" * 29, "a b", "a/b", "größe", "a\n"])
def test_an_id_gate_would_refuse_never_leaves(bad: str) -> None:
    with pytest.raises(ValueError, match="client order id"):
        to_text(bad)


@pytest.mark.parametrize("given_id", ["trade-1", "t", "tt-1", "x" * 28])
def test_an_id_that_merely_begins_with_t_gets_the_prefix(given_id: str) -> None:
    assert to_text(given_id) == "t-" + given_id


def test_thirty_characters_with_the_prefix_are_legal() -> None:
    assert to_text("t-" + "x" * 28) == "t-" + "x" * 28


@pytest.mark.parametrize("source", [None, "apiv4", "web", "app", "t"])
def test_a_source_tag_is_no_client_order_id(source: str | None) -> None:
    assert from_text(source) is None


@given(st.text(LEGAL, min_size=1, max_size=28).filter(lambda text: not text.startswith("t-")))
def test_sending_and_reading_back_give_the_same_id(client_order_id: str) -> None:
    text = to_text(client_order_id)
    assert to_text(text) == text
    assert from_text(text) == client_order_id
