"""What a Gate order says of itself, beside what the stock client makes of it."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import ccxt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb.venues.gate.client import Gate
from arb.venues.gate.orders import order_facts

MakeGate = Callable[..., Gate]
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
WORDS_OF_AN_END = [
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


@pytest.mark.parametrize("word", WORDS_OF_AN_END)
def test_every_word_of_an_end_ends_an_order(make_gate: MakeGate, word: str) -> None:
    parsed = make_gate().parse_order(LIMIT | {"finish_as": word})
    assert (parsed["status"], parsed["filled"], parsed["remaining"]) == ("canceled", "0", "0.003")
    assert parsed["fillCheck"] is (word in ("unknown", "a_word_of_tomorrow"))


def test_the_stock_client_lets_such_words_through_as_a_status() -> None:
    assert ccxt.gate().parse_order(LIMIT | {"finish_as": "fok"})["status"] == "fok"


def test_an_ioc_without_any_fill_is_cancelled_with_nothing_filled(make_gate: MakeGate) -> None:
    parsed = make_gate().parse_order(LIMIT | {"avg_deal_price": "0", "filled_amount": "0", "fee": "0"})
    assert (parsed["status"], parsed["filled"], parsed["cost"], parsed["average"]) == ("canceled", "0", "0", None)


def test_cancelled_says_nothing_about_fills(make_gate: MakeGate) -> None:
    part = {"left": "0.001", "filled_total": "60", "filled_amount": "0.002", "avg_deal_price": "30000"}
    parsed = make_gate().parse_order(LIMIT | part)
    assert (parsed["status"], parsed["filled"], parsed["remaining"], parsed["cost"]) == (
        "canceled",
        "0.002",
        "0.001",
        "60",
    )


@pytest.mark.parametrize("ending", [{"status": "closed", "finish_as": "filled"}, {"status": "closed"}])
def test_nothing_left_means_closed(make_gate: MakeGate, ending: dict[str, str]) -> None:
    parsed = make_gate().parse_order(LIMIT | {"left": "0", "filled_total": "90", "finish_as": "ioc"} | ending)
    assert (parsed["status"], parsed["filled"], parsed["average"]) == ("closed", "0.003", "30000")


def test_an_open_order_is_open(make_gate: MakeGate) -> None:
    assert make_gate().parse_order(LIMIT | {"status": "open", "finish_as": "open"})["status"] == "open"


def test_an_open_order_that_names_an_end_is_not_left_open(make_gate: MakeGate) -> None:
    parsed = make_gate().parse_order(LIMIT | {"status": "open", "finish_as": "a_word_of_tomorrow"})
    assert (parsed["status"], parsed["fillCheck"]) == ("canceled", True)


@pytest.mark.parametrize(
    ("event", "finish_as", "left", "status"),
    [
        ("put", "open", "0.003", "open"),
        ("update", "-", "0.002", "open"),
        ("finish", "-", "0.002", "canceled"),
        ("finish", "filled", "0", "closed"),
        ("finish", "ioc", "0.003", "canceled"),
    ],
)
def test_the_streams_events_are_read_too(
    make_gate: MakeGate, event: str, finish_as: str, left: str, status: str
) -> None:
    frame = {key: value for key, value in LIMIT.items() if key != "status"}
    raw = frame | {"event": event, "finish_as": finish_as, "left": left, "filled_total": "0"}
    assert make_gate().parse_order(raw)["status"] == status


def test_an_acknowledgement_without_a_status_claims_none(make_gate: MakeGate) -> None:
    parsed = make_gate().parse_order({"id": "7", "text": "t-arb-1", "currency_pair": "BTC_USDT"})
    assert (parsed["status"], parsed["filled"]) == (None, None)


def test_a_market_buy_costs_what_it_spent_not_what_it_asked(make_gate: MakeGate) -> None:
    raw = MARKET_BUY | {"left": "0.5", "filled_total": "29.5", "avg_deal_price": "29500", "filled_amount": "0.001"}
    parsed = make_gate().parse_order(raw)
    assert (parsed["cost"], parsed["filled"], parsed["average"]) == ("29.5", "0.001", "29500")
    assert (parsed["requestedCost"], parsed["status"]) == ("30", "canceled")
    assert Decimal(parsed["amount"]) == Decimal(parsed["filled"]) + Decimal(parsed["remaining"])
    assert ccxt.gate().parse_order(raw)["cost"] == 30.0


def test_a_market_buy_without_any_fill_cost_nothing(make_gate: MakeGate) -> None:
    parsed = make_gate().parse_order(MARKET_BUY | {"avg_deal_price": "0"})
    assert (parsed["cost"], parsed["filled"], parsed["average"]) == ("0", "0", None)
    assert ccxt.gate().parse_order(MARKET_BUY | {"avg_deal_price": "0"})["filled"] is None


def test_a_market_buy_that_fills_to_the_last_digits_ends_cancelled_with_its_fill(make_gate: MakeGate) -> None:
    raw = MARKET_BUY | {"amount": "100", "left": "0.00000168", "filled_total": "99.99999832", "avg_deal_price": "30000"}
    parsed = make_gate().parse_order(raw | {"finish_as": "filled"})
    assert (parsed["status"], parsed["cost"]) == ("closed", "99.99999832")
    assert Decimal(parsed["filled"]) > Decimal("0.0033333")


def test_a_market_sell_counts_in_base(make_gate: MakeGate) -> None:
    raw = LIMIT | {"type": "market", "side": "sell", "left": "0", "filled_total": "90", "status": "closed"}
    parsed = make_gate().parse_order(raw | {"finish_as": "filled"})
    assert (parsed["amount"], parsed["filled"], parsed["cost"]) == ("0.003", "0.003", "90")


# --- fees -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({"fee": "0.000003", "fee_currency": "BTC"}, [("BTC", "0.000003")]),
        ({"fee": "0", "fee_currency": "BTC", "gt_fee": "0.02"}, [("GT", "0.02")]),
        ({"fee": "0", "fee_currency": "BTC", "gt_fee": "0", "point_fee": "1.1"}, [("GATEPOINT", "1.1")]),
        (
            {"fee": "0.09", "fee_currency": "USDT", "rebated_fee": "0.0" + "1" * 40, "rebated_fee_currency": "BTC"},
            [("USDT", "0.09"), ("BTC", "-0.0" + "1" * 40)],
        ),
        ({"fee": "0", "fee_currency": "BTC", "gt_fee": "0", "point_fee": "0"}, [("BTC", "0")]),
        ({}, []),
    ],
)
def test_every_fee_is_told_in_its_own_currency(
    make_gate: MakeGate, raw: dict[str, str], expected: list[tuple[str, str]]
) -> None:
    parsed = make_gate().parse_order(LIMIT | raw)
    assert [(fee["currency"], fee["cost"]) for fee in parsed["fees"]] == expected
    assert parsed["fee"] == (parsed["fees"][0] if len(expected) == 1 else None)


def test_the_stock_client_knows_no_points_on_an_order() -> None:
    fees = ccxt.gate().parse_order(LIMIT | {"fee": "0", "fee_currency": "BTC", "point_fee": "1.1"})["fees"]
    assert "GATEPOINT" not in [fee["currency"] for fee in fees]


def test_a_trade_keeps_its_numbers_exactly(make_gate: MakeGate) -> None:
    trade = {
        "id": "5",
        "order_id": "7",
        "text": "t-arb-1",
        "create_time_ms": "1619093543708.2642",
        "currency_pair": "BTC_USDT",
        "side": "buy",
        "role": "taker",
        "amount": "0.00300000",
        "price": "30000.10",
        "fee": "0",
        "fee_currency": "BTC",
        "point_fee": "0.12345678901234567890",
        "gt_fee": "0",
    }
    parsed = make_gate().parse_trade(trade)
    assert (parsed["amount"], parsed["price"], parsed["timestamp"]) == ("0.003", "30000.10", 1_619_093_543_708)
    assert parsed["fees"] == [{"currency": "GATEPOINT", "cost": "0.12345678901234567890"}]


# --- batches and contracts ----------------------------------------------------------------------------------------


def test_a_batch_item_refused_by_label_is_rejected(make_gate: MakeGate) -> None:
    raw = {"text": "t-1", "succeeded": False, "label": "BALANCE_NOT_ENOUGH", "message": "x"}
    parsed = make_gate().parse_order(raw)
    assert (parsed["status"], parsed["clientOrderId"], parsed["label"]) == ("rejected", "t-1", "BALANCE_NOT_ENOUGH")


@pytest.mark.parametrize("label", ["SERVER_ERROR", "INTERNAL_SERVER_ERROR", "SERVER_TIMEOUT", "ORDER_EXISTS"])
def test_a_batch_item_that_met_a_servers_fault_is_not_rejected(make_gate: MakeGate, label: str) -> None:
    parsed = make_gate().parse_order({"text": "t-1", "succeeded": False, "label": label})
    assert parsed["status"] is None


@pytest.mark.parametrize(
    ("finish_as", "left", "status"),
    [("filled", 0, "closed"), ("ioc", 3, "canceled"), ("reduce_only", 3, "canceled"), ("_new", 5, "open")],
)
def test_a_contract_order_is_closed_only_when_nothing_is_left(
    make_gate: MakeGate, finish_as: str, left: int, status: str
) -> None:
    raw = {"id": 1, "contract": "BTC_USDT", "size": 5, "left": left, "finish_as": finish_as, "price": "1"}
    raw["status"] = "open" if finish_as == "_new" else "finished"
    assert make_gate().parse_order(raw)["status"] == status


# --- what always holds ---------------------------------------------------------------------------------------------

sizes = st.decimals(min_value="0.0001", max_value=1000, places=4)


@given(amount=sizes, part=st.decimals(0, 1, places=4), word=st.sampled_from(WORDS_OF_AN_END), stated=st.booleans())
def test_filled_and_remaining_always_make_the_amount(amount: Decimal, part: Decimal, word: str, stated: bool) -> None:
    filled = (amount * part).quantize(Decimal("0.0001"))
    raw: dict[str, Any] = LIMIT | {"amount": str(amount), "left": str(amount - filled), "finish_as": word}
    raw |= {"filled_total": str(filled * 30000), **({"filled_amount": str(filled)} if stated else {})}
    facts = order_facts(raw)
    assert facts.filled is not None
    assert facts.remaining is not None
    assert facts.filled + facts.remaining == facts.amount == amount
    assert facts.status == ("closed" if filled == amount else "canceled")
    assert facts.average == (Decimal(30000) if filled else None)


@given(status=st.sampled_from(["open", "closed", "cancelled", "finished"]), word=st.text(min_size=1, max_size=12))
def test_no_word_is_passed_through_as_a_status(status: str, word: str) -> None:
    assert order_facts(LIMIT | {"status": status, "finish_as": word}).status in {"open", "closed", "canceled"}
