"""The official Gate SDK, unmodified, as judge of the Gate side: it trades and reads its own fills back."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import gate_api
import pytest
from gate_api.exceptions import GateApiException

from tests.contract.conftest import Sandbox, StockVenue
from tests.contract.stock_clients import gate_sdk

PAIR = "BTC_USDT"
BIDS = [["50000", "0.5"], ["49990", "2"]]
ASKS = [["50010", "0.02"], ["50020", "1"]]


@pytest.fixture
def gate(stock_venues: dict[str, StockVenue]) -> StockVenue:
    """The sandbox's truth about Gate, in front of a fresh two-level book."""
    gate = stock_venues["gate"]
    gate.set_book(BIDS, ASKS)
    return gate


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[gate_api.ApiClient]:
    """The SDK's client with the sandbox's key."""
    with gate_sdk(sandbox.info) as client:
        yield client


@pytest.fixture
def spot(gate: StockVenue, client: gate_api.ApiClient) -> gate_api.SpotApi:
    """The SDK's spot interface."""
    return gate_api.SpotApi(client)


def order(side: str = "buy", amount: str = "0.01", price: str | None = "49000", **more: Any) -> gate_api.Order:
    """Return an order as the SDK builds it; by default one that rests."""
    kind = {"type": "limit", "time_in_force": "gtc", "price": price} if price else {"type": "market"}
    return gate_api.Order(currency_pair=PAIR, side=side, amount=amount, account="spot", **(kind | more))


def label_of(refused: pytest.ExceptionInfo[GateApiException]) -> str:
    """Return the label that the SDK found in a refusal."""
    return str(refused.value.label)


def test_the_listing_states_rules(spot: gate_api.SpotApi) -> None:
    pair = spot.get_currency_pair(PAIR)

    assert (pair.base, pair.quote, pair.trade_status) == ("BTC", "USDT", "tradable")
    assert PAIR in [each.id for each in spot.list_currency_pairs()]
    assert {"BTC", "USDT"} <= {each.currency for each in spot.list_currencies()}


def test_the_book_comes_with_its_id(spot: gate_api.SpotApi) -> None:
    book = spot.list_order_book(PAIR, limit=100, with_id=True)

    assert book.id > 0
    assert [[Decimal(p), Decimal(s)] for p, s in book.bids] == [[Decimal(p), Decimal(s)] for p, s in BIDS]
    assert [[Decimal(p), Decimal(s)] for p, s in book.asks] == [[Decimal(p), Decimal(s)] for p, s in ASKS]


def test_the_account_is_known(client: gate_api.ApiClient, gate: StockVenue, spot: gate_api.SpotApi) -> None:
    held = gate.ledger()["balances"]
    accounts = {each.currency: each for each in spot.list_spot_accounts()}

    assert gate_api.AccountApi(client).get_account_detail().user_id > 0
    for asset in ("BTC", "USDT"):
        assert Decimal(accounts[asset].available) == Decimal(held[asset]["free"])
        assert Decimal(accounts[asset].locked) == Decimal(held[asset]["locked"])


def test_a_resting_order_is_listed_and_cancelled(spot: gate_api.SpotApi, gate: StockVenue) -> None:
    placed = spot.create_order(order(text="t-sdk0001"))
    listed = [each.id for pair in spot.list_all_open_orders() for each in pair.orders]
    cancelled = spot.cancel_order(placed.id, PAIR)

    assert (placed.status, placed.text) == ("open", "t-sdk0001")
    assert placed.id in listed
    assert (cancelled.status, spot.get_order(placed.id, PAIR).finish_as) == ("cancelled", "cancelled")
    assert gate.order(placed.id)["status"] == "cancelled"


@pytest.mark.parametrize("side", ["buy", "sell"])
def test_a_market_order_fills_and_its_trades_are_those_booked(
    spot: gate_api.SpotApi, gate: StockVenue, side: str
) -> None:
    amount = "500.1" if side == "buy" else "0.01"  # a market buy counts quote
    placed = spot.create_order(order(side, amount, None, time_in_force="ioc"))

    assert (placed.status, Decimal(placed.avg_deal_price)) == ("closed", Decimal("50010" if side == "buy" else "50000"))
    assert_trades_match(spot, gate, placed.id, 1)


def test_an_ioc_order_beyond_the_depth_is_cancelled_with_what_it_got(spot: gate_api.SpotApi, gate: StockVenue) -> None:
    placed = spot.create_order(order(amount="0.05", price="50010", time_in_force="ioc"))

    assert (placed.status, placed.finish_as, placed.left) == ("cancelled", "ioc", "0.03")
    assert Decimal(placed.filled_total) == Decimal("1000.2")
    assert_trades_match(spot, gate, placed.id, 1)


def test_the_fee_rate_is_what_trades_are_charged(spot: gate_api.SpotApi, client: gate_api.ApiClient) -> None:
    rates = gate_api.WalletApi(client).get_trade_fee(currency_pair=PAIR)
    placed = spot.create_order(order("sell", price="50000", time_in_force="ioc"))

    [trade] = spot.list_my_trades(currency_pair=PAIR, order_id=placed.id)
    assert Decimal(trade.fee) == Decimal(rates.taker_fee) * Decimal("0.01") * 50000


@pytest.mark.parametrize(
    ("changes", "label"),
    [
        ({"price": "50010", "time_in_force": "poc"}, "POC_FILL_IMMEDIATELY"),
        ({"price": "50010", "amount": "0.05", "time_in_force": "fok"}, "FOK_NOT_FILL"),
        ({"amount": "90"}, "BALANCE_NOT_ENOUGH"),
        ({"text": "no-prefix"}, "INVALID_PARAM_VALUE"),
    ],
)
def test_a_refusal_carries_the_venues_label(spot: gate_api.SpotApi, changes: dict[str, str], label: str) -> None:
    with pytest.raises(GateApiException) as refused:
        spot.create_order(order(**changes))

    assert label_of(refused) == label


def test_a_wrong_secret_is_an_invalid_signature(sandbox: Sandbox) -> None:
    with gate_sdk(sandbox.info, secret="not the secret") as client, pytest.raises(GateApiException) as refused:
        gate_api.SpotApi(client).list_spot_accounts()

    assert (refused.value.status, label_of(refused)) == (401, "INVALID_SIGNATURE")


def test_an_order_that_never_was_is_not_found(spot: gate_api.SpotApi) -> None:
    with pytest.raises(GateApiException) as refused:
        spot.get_order("123456789", PAIR)

    assert label_of(refused) == "ORDER_NOT_FOUND"


def assert_trades_match(spot: gate_api.SpotApi, gate: StockVenue, order_id: str, count: int) -> None:
    """Compare the trades that the SDK reads of one order with the ledger's fills, field by field."""
    trades = spot.list_my_trades(currency_pair=PAIR, order_id=order_id)
    booked = {fill["trade_id"]: fill for fill in gate.fills_of(order_id)}

    assert len(trades) == len(booked) == count
    for trade in trades:
        fill = booked[trade.id]
        assert (trade.order_id, trade.side, trade.role) == (order_id, fill["side"], "taker")
        assert (Decimal(trade.price), Decimal(trade.amount)) == (Decimal(fill["price"]), Decimal(fill["size"]))
        assert (Decimal(trade.fee), trade.fee_currency) == (Decimal(fill["fee"]), fill["fee_currency"])
