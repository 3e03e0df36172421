"""Unmodified ccxt as judge of Bitget's unified account: it finds out by itself that it is one, and trades on it.

ccxt turns the sign of a unified account's fees as it does a classic one's, so that what was charged comes out negative.
"""

import asyncio
from collections.abc import Iterator
from decimal import Decimal

import ccxt
import pytest

from tests.contract.conftest import StockVenue, still_sandbox
from tests.contract.stock_clients import SYMBOL, Client, exact, rest_client
from tests.contract.test_stock_ccxt_pro import (
    run_with,
    test_a_filled_order_is_streamed_as_closed,
    test_an_own_order_is_seen_to_open_and_to_end,
    test_own_fills_arrive_as_booked,
    test_the_streamed_balance_ends_at_the_ledgers,
)

__all__ = [
    "test_a_filled_order_is_streamed_as_closed",
    "test_an_own_order_is_seen_to_open_and_to_end",
    "test_own_fills_arrive_as_booked",
    "test_the_streamed_balance_ends_at_the_ledgers",
]
BIDS = [["50000", "0.5"], ["49990", "2"]]
ASKS = [["50010", "0.02"], ["50020", "1"]]


@pytest.fixture(scope="module")
def unified() -> Iterator[StockVenue]:
    """Return a stock client of a unified account, which it is told nothing about."""
    with still_sandbox(seed=14) as sandbox:
        sandbox.admin("POST", "/account", {"venue": "bitget", "mode": "unified"})
        client = rest_client("bitget", sandbox.info)
        client.load_markets()
        yield StockVenue("bitget", client, sandbox)


@pytest.fixture
def stock_venue(unified: StockVenue) -> StockVenue:
    unified.set_book(BIDS, ASKS)
    return unified


def test_the_client_finds_out_what_kind_of_account_it_is_and_reads_its_rules(stock_venue: StockVenue) -> None:
    assert stock_venue.client.options["uta"] is True
    market = stock_venue.client.market(SYMBOL)
    assert (market["precision"]["price"], market["precision"]["amount"]) == (0.01, 0.000001)
    book = stock_venue.client.fetch_order_book(SYMBOL)
    assert [exact(price) for price, *_ in book["bids"]] == [50000, 49990]


def test_a_classic_request_is_refused_with_the_code_that_leads_here(stock_venue: StockVenue) -> None:
    with pytest.raises(ccxt.BaseError, match="40085"):
        stock_venue.client.fetch_balance({"uta": False})


def test_a_limit_order_rests_locks_and_can_be_cancelled(stock_venue: StockVenue) -> None:
    free = exact(stock_venue.client.fetch_balance()["USDT"]["free"])
    order_id = stock_venue.client.create_order(SYMBOL, "limit", "buy", "0.01", "49000", {"clientOid": "mine.1:_-"})[
        "id"
    ]
    shown = stock_venue.client.fetch_order(order_id, SYMBOL)
    assert (shown["status"], shown["clientOrderId"], exact(shown["amount"])) == ("open", "mine.1:_-", Decimal("0.01"))
    assert [one["id"] for one in stock_venue.client.fetch_open_orders(SYMBOL)] == [order_id]
    held = stock_venue.client.fetch_balance()["USDT"]
    assert exact(held["used"]) == free - exact(held["free"]) >= 490

    stock_venue.client.cancel_order(order_id, SYMBOL)
    assert stock_venue.client.fetch_order(order_id, SYMBOL)["status"] == "canceled"
    assert stock_venue.order(order_id)["status"] == "cancelled"
    assert stock_venue.client.fetch_open_orders(SYMBOL) == []


def test_an_order_over_two_levels_reads_back_as_two_fills_with_the_fees_as_booked(stock_venue: StockVenue) -> None:
    params = {"timeInForce": "IOC"}
    order_id = stock_venue.client.create_order(SYMBOL, "limit", "buy", "0.05", "50020", params)["id"]
    shown = stock_venue.client.fetch_order(order_id, SYMBOL)
    trades = [one for one in stock_venue.client.fetch_my_trades(SYMBOL) if one["order"] == order_id]
    booked = stock_venue.fills_of(order_id)

    assert (shown["status"], exact(shown["filled"])) == ("closed", Decimal("0.05"))
    assert len(trades) == len(booked) == 2
    for trade, fill in zip(sorted(trades, key=lambda one: one["id"]), booked, strict=True):
        assert (exact(trade["price"]), exact(trade["amount"])) == (Decimal(fill["price"]), Decimal(fill["size"]))
        assert (-exact(trade["fee"]["cost"]), trade["fee"]["currency"]) == (Decimal(fill["fee"]), fill["fee_currency"])
        assert trade["takerOrMaker"] == "taker"


@pytest.mark.parametrize("side", ["buy", "sell"])
def test_a_market_order_fills_at_once(stock_venue: StockVenue, side: str) -> None:
    amount = "500" if side == "buy" else "0.01"  # of a purchase what it spends
    order_id = stock_venue.client.create_order(SYMBOL, "market", side, amount)["id"]
    shown = stock_venue.client.fetch_order(order_id, SYMBOL)
    assert shown["status"] == "closed"
    assert (
        exact(shown["filled"])
        == sum((Decimal(fill["size"]) for fill in stock_venue.fills_of(order_id)), Decimal(0))
        > 0
    )


@pytest.mark.parametrize(("force", "price", "status"), [("FOK", "50010", "canceled"), ("PO", "50010", "canceled")])
def test_what_may_not_fill_as_it_stands_is_cancelled(
    stock_venue: StockVenue, force: str, price: str, status: str
) -> None:
    order_id = stock_venue.client.create_order(SYMBOL, "limit", "buy", "0.5", price, {"timeInForce": force})["id"]
    shown = stock_venue.client.fetch_order(order_id, SYMBOL)
    assert (shown["status"], exact(shown["filled"])) == (status, Decimal(0))


def test_several_orders_are_placed_and_cancelled_in_one_batch_and_stand_in_the_history(stock_venue: StockVenue) -> None:
    wanted = [
        {"symbol": SYMBOL, "type": "limit", "side": "buy", "amount": "0.01", "price": price}
        for price in ("48000", "48001")
    ]
    ids = [one["id"] for one in stock_venue.client.create_orders(wanted)]
    assert {stock_venue.order(one)["status"] for one in ids} == {"open"}
    stock_venue.client.cancel_orders(ids, SYMBOL)
    assert {stock_venue.order(one)["status"] for one in ids} == {"cancelled"}
    ended = {one["id"]: one["status"] for one in stock_venue.client.fetch_canceled_and_closed_orders(SYMBOL)}
    assert {ended[one] for one in ids} == {"canceled"}

    stock_venue.client.create_orders(wanted)
    stock_venue.client.cancel_all_orders(SYMBOL)
    assert stock_venue.client.fetch_open_orders(SYMBOL) == []


def test_fees_are_positive_when_charged(stock_venue: StockVenue) -> None:
    one, every = (
        stock_venue.client.fetch_trading_fee(SYMBOL),
        stock_venue.client.fetch_trading_fees({"productType": "SPOT"}),
    )
    assert exact(one["taker"]) == exact(every[SYMBOL]["taker"]) == Decimal("0.0006")


@pytest.mark.parametrize(
    ("amount", "price", "code"), [("900", "49000", "25202"), ("0.00001", "49000", "25611"), ("1", "90000", "25206")]
)
def test_a_wrong_order_is_refused_with_the_codes_of_the_unified_account(
    stock_venue: StockVenue, amount: str, price: str, code: str
) -> None:
    with pytest.raises(ccxt.ExchangeError, match=code):
        stock_venue.client.create_order(SYMBOL, "limit", "buy", amount, price)


def test_an_order_that_never_was_is_not_found(stock_venue: StockVenue) -> None:
    for ask in (stock_venue.client.fetch_order, stock_venue.client.cancel_order):
        with pytest.raises(ccxt.ExchangeError, match="25204"):
            ask("1", SYMBOL)


def test_every_cent_is_explained_by_fills(stock_venue: StockVenue) -> None:
    ledger, shown = stock_venue.ledger()["balances"], stock_venue.client.fetch_balance()
    for asset in ("USDT", "BTC"):
        assert (exact(shown[asset]["free"]), exact(shown[asset]["used"])) == (
            Decimal(str(float(ledger[asset]["free"]))),
            Decimal(str(float(ledger[asset]["locked"]))),
        )


def test_a_wrong_secret_cannot_log_in(stock_venue: StockVenue) -> None:
    async def scene(client: Client) -> None:
        client.secret = "wrong"
        with pytest.raises(ccxt.BaseError):
            await asyncio.wait_for(client.watch_orders(SYMBOL), 60)

    run_with(stock_venue, scene)
