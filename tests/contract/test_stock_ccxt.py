"""Unmodified ccxt as judge: it trades on all venues of the sandbox and reads its own fills back."""

import itertools
import time
from decimal import Decimal
from typing import Any

import ccxt
import pytest

from tests.contract.conftest import Sandbox, StockVenue
from tests.contract.stock_clients import SYMBOL, VENUES, exact, rest_client

BIDS = [["50000", "0.5"], ["49990", "2"]]
ASKS = [["50010", "0.02"], ["50020", "1"]]


not_binance = pytest.mark.parametrize("stock_venue", [venue for venue in VENUES if venue != "binance"], indirect=True)
"""For what Binance's spot, or its client of spot, does not have: batches, amendments and bills."""


@pytest.fixture(params=VENUES)
def stock_venue(request: pytest.FixtureRequest, stock_venues: dict[str, StockVenue]) -> StockVenue:
    """A stock client in front of the same two-level book at every venue, each test anew."""
    stock_venue = stock_venues[request.param]
    stock_venue.sandbox.refill(stock_venue.venue)
    stock_venue.set_book(BIDS, ASKS)
    return stock_venue


def place(stock_venue: StockVenue, kind: str, side: str, size: str, price: str | None = None, **params: Any) -> Any:
    """Place through the unified call; the price of a market buy only turns its size into a cost where that is asked."""
    return stock_venue.client.create_order(SYMBOL, kind, side, float(size), price and float(price), params)


def test_markets_state_the_rules_that_orders_must_obey(stock_venue: StockVenue) -> None:
    market = stock_venue.client.market(SYMBOL)

    assert market["spot"]
    assert market["active"]
    assert 0 < exact(market["precision"]["amount"]) <= Decimal("0.01")
    assert 0 < exact(market["precision"]["price"]) <= 1
    assert {"ETH/USDT", "SOL/USDT", "DOGE/USDT"} <= set(stock_venue.client.markets)


def test_currencies_can_be_deposited_and_withdrawn(stock_venue: StockVenue) -> None:
    currencies = stock_venue.client.fetch_currencies()

    assert {"BTC", "USDT"} <= set(currencies)
    assert currencies["BTC"]["deposit"]
    assert currencies["BTC"]["withdraw"]


def test_the_venue_reports_the_time(stock_venue: StockVenue) -> None:
    client = stock_venue.client
    asked_ms, reported_ms, answered_ms = client.milliseconds(), client.fetch_time(), client.milliseconds()
    assert asked_ms - 1 <= reported_ms <= answered_ms + 1


def test_the_book_is_the_one_that_was_set(stock_venue: StockVenue) -> None:
    book = stock_venue.client.fetch_order_book(SYMBOL)

    assert [[exact(price), exact(size)] for price, size, *_ in book["bids"]] == as_decimals(BIDS)
    assert [[exact(price), exact(size)] for price, size, *_ in book["asks"]] == as_decimals(ASKS)


def test_the_ticker_quotes_the_best_levels(stock_venue: StockVenue) -> None:
    ticker = stock_venue.client.fetch_ticker(SYMBOL)

    assert (exact(ticker["bid"]), exact(ticker["ask"])) == (Decimal(50000), Decimal(50010))


def test_balances_are_those_of_the_ledger(stock_venue: StockVenue) -> None:
    balance = stock_venue.client.fetch_balance()

    held_by_asset = stock_venue.ledger()["balances"]
    held_by_asset.pop("POINT", None)  # Gate keeps points apart from the spot account
    for asset, held in held_by_asset.items():
        assert exact(balance[asset]["free"]) == Decimal(held["free"])
        assert exact(balance[asset]["used"]) == Decimal(held["locked"])


def test_trading_fees_are_what_fills_are_charged(stock_venue: StockVenue) -> None:
    fee = stock_venue.client.fetch_trading_fee(SYMBOL)
    order = place(stock_venue, "limit", "sell", "0.01", "50000", timeInForce="IOC")

    [fill] = stock_venue.fills_of(order["id"])
    charged = Decimal(fill["fee"]) / (Decimal(fill["price"]) * Decimal(fill["size"]))
    assert exact(fee["taker"]) == charged
    assert exact(fee["maker"]) <= exact(fee["taker"])


@pytest.mark.parametrize("venue", ["gate", "bitget"])
def test_all_trading_fees_come_at_once_where_the_client_knows_how(
    stock_venues: dict[str, StockVenue], venue: str
) -> None:
    fees = stock_venues[venue].client.fetch_trading_fees()

    assert exact(fees[SYMBOL]["taker"]) == exact(stock_venues[venue].client.fetch_trading_fee(SYMBOL)["taker"])


def test_a_limit_order_rests_locks_and_can_be_cancelled(stock_venue: StockVenue) -> None:
    client = stock_venue.client
    free_before = exact(client.fetch_balance()["USDT"]["free"])

    order = place(stock_venue, "limit", "buy", "0.02", "49000")
    found = client.fetch_order(order["id"], SYMBOL)
    listed = [each["id"] for each in client.fetch_open_orders(SYMBOL)]
    free_while_open = exact(client.fetch_balance()["USDT"]["free"])
    client.cancel_order(order["id"], SYMBOL)
    ended = client.fetch_order(order["id"], SYMBOL)

    assert (found["status"], exact(found["price"]), exact(found["amount"])) == ("open", Decimal(49000), Decimal("0.02"))
    assert exact(found["filled"]) == 0
    assert order["id"] in listed
    assert free_before - free_while_open >= 980  # 0.02 x 49000, plus a fee where the venue takes it from the quote
    assert ended["status"] == "canceled"
    assert order["id"] not in [each["id"] for each in client.fetch_open_orders(SYMBOL)]
    assert exact(client.fetch_balance()["USDT"]["free"]) == free_before
    assert stock_venue.order(order["id"])["status"] == "cancelled"


@not_binance
def test_several_orders_are_cancelled_in_one_batch(stock_venue: StockVenue) -> None:
    orders = [place(stock_venue, "limit", "buy", "0.01", price) for price in ("49000", "48990")]
    before = len(stock_venue.ledger()["requests"])

    stock_venue.client.cancel_orders([order["id"] for order in orders], SYMBOL)

    assert [stock_venue.order(order["id"])["status"] for order in orders] == ["cancelled"] * 2
    assert len({row["ts_ms"] for row in stock_venue.ledger()["requests"][before:]}) == 1  # in one request


def test_open_orders_are_listed_over_all_symbols(stock_venue: StockVenue) -> None:
    order = place(stock_venue, "limit", "sell", "0.01", "60000")

    listed = stock_venue.client.fetch_open_orders()
    stock_venue.client.cancel_order(order["id"], SYMBOL)

    assert order["id"] in [each["id"] for each in listed]


@pytest.mark.parametrize("side", ["buy", "sell"])
def test_a_market_order_fills_at_once_and_its_fills_read_back_as_booked(stock_venue: StockVenue, side: str) -> None:
    order = place(stock_venue, "market", side, "0.02", "50010" if side == "buy" else None)

    found = stock_venue.client.fetch_order(order["id"], SYMBOL)
    assert found["status"] == "closed"
    assert exact(found["filled"]) == Decimal("0.02")
    assert exact(found["average"]) == (Decimal(50010) if side == "buy" else Decimal(50000))
    assert_fills_match(stock_venue, order["id"])


def test_an_order_over_two_levels_reads_back_as_two_fills(stock_venue: StockVenue) -> None:
    order = place(stock_venue, "limit", "buy", "0.05", "50020")

    found = stock_venue.client.fetch_order(order["id"], SYMBOL)
    assert (found["status"], exact(found["filled"])) == ("closed", Decimal("0.05"))
    assert_fills_match(stock_venue, order["id"], count=2)


def test_ioc_beyond_the_depth_keeps_what_it_got_and_cancels_the_rest(stock_venue: StockVenue) -> None:
    order = place(stock_venue, "limit", "buy", "0.05", "50010", timeInForce="IOC")

    found = stock_venue.client.fetch_order(order["id"], SYMBOL)
    # Each client's word for an order that got something.
    word = {"bybit": "closed", "binance": "expired"}.get(stock_venue.venue, "canceled")
    assert (found["status"], exact(found["filled"])) == (word, Decimal("0.02"))
    assert stock_venue.order(order["id"])["status"] == "cancelled"
    assert_fills_match(stock_venue, order["id"], count=1)


def test_fok_beyond_the_depth_fills_nothing(stock_venue: StockVenue) -> None:
    assert_placing_trades_nothing(stock_venue, "0.05", "50010", timeInForce="FOK")


def test_fok_within_the_depth_fills_whole(stock_venue: StockVenue) -> None:
    order = place(stock_venue, "limit", "buy", "0.05", "50020", timeInForce="FOK")

    assert stock_venue.client.fetch_order(order["id"], SYMBOL)["status"] == "closed"
    assert_fills_match(stock_venue, order["id"], count=2)


def test_post_only_that_would_take_trades_nothing(stock_venue: StockVenue) -> None:
    assert_placing_trades_nothing(stock_venue, "0.01", "50010", postOnly=True)


def test_post_only_behind_the_best_price_rests_and_pays_the_maker_rate_when_hit(stock_venue: StockVenue) -> None:
    order = place(stock_venue, "limit", "buy", "0.02", "50005", postOnly=True)
    resting = stock_venue.client.fetch_order(order["id"], SYMBOL)

    stock_venue.set_book([["49000", "1"]], [["50005", "0.5"], ["50020", "1"]])  # a seller comes down to our price

    assert resting["status"] == "open"
    assert stock_venue.client.fetch_order(order["id"], SYMBOL)["status"] == "closed"
    [trade] = assert_fills_match(stock_venue, order["id"], count=1)
    assert trade["takerOrMaker"] == "maker"


def test_a_client_order_id_finds_its_order(stock_venue: StockVenue) -> None:
    own = "t-stock0001" if stock_venue.venue == "gate" else "stock0001"
    order = place(stock_venue, "limit", "buy", "0.01", "49000", clientOrderId=own)

    params = {"clientOrderId": own}
    found = stock_venue.client.fetch_order(order["id"] if stock_venue.venue == "gate" else "", SYMBOL, params)
    stock_venue.client.cancel_order(order["id"], SYMBOL)

    assert (found["id"], found["clientOrderId"]) == (order["id"], own)
    assert stock_venue.order(order["id"])["client_id"] == own


def test_an_order_beyond_the_balance_is_refused_for_want_of_funds(stock_venue: StockVenue) -> None:
    with pytest.raises(ccxt.InsufficientFunds):
        place(stock_venue, "limit", "buy", "90", "49000")


def test_an_order_below_the_minimum_is_refused(stock_venue: StockVenue) -> None:
    smallest = stock_venue.client.market("DOGE/USDT")["precision"]["amount"]
    with pytest.raises((ccxt.InvalidOrder, ccxt.BadRequest)):
        stock_venue.client.create_order("DOGE/USDT", "limit", "buy", smallest, 0.1)


def test_cancelling_an_order_that_never_was_is_not_found(stock_venue: StockVenue) -> None:
    with pytest.raises(ccxt.OrderNotFound):
        stock_venue.client.cancel_order("123456789", SYMBOL)


def test_an_unknown_order_cannot_be_fetched(stock_venue: StockVenue) -> None:
    with pytest.raises(ccxt.OrderNotFound):
        stock_venue.client.fetch_order("123456789", SYMBOL)


@pytest.mark.parametrize("venue", VENUES)
def test_a_wrong_secret_is_an_authentication_error(sandbox: Sandbox, venue: str) -> None:
    client = rest_client(venue, sandbox.info)
    client.secret = "not the secret"

    with pytest.raises(ccxt.AuthenticationError):
        client.fetch_balance()


def test_every_cent_is_explained_by_fills_and_transfers(stock_venues: dict[str, StockVenue]) -> None:
    for stock_venue in stock_venues.values():
        ledger = stock_venue.ledger()
        held = {asset: Decimal(amount) for asset, amount in ledger["initial_balances"].items()}
        for transfer in ledger["transfers"]:
            held[transfer["asset"]] = held.get(transfer["asset"], Decimal(0)) + Decimal(transfer["amount"])
        for fill in ledger["fills"]:
            base, quote = fill["symbol"].split("/")
            size = Decimal(fill["size"]) * (1 if fill["side"] == "buy" else -1)
            held[base] += size
            held[quote] -= size * Decimal(fill["price"])
            held[fill["fee_currency"]] -= Decimal(fill["fee"])

        balances = {a: Decimal(b["free"]) + Decimal(b["locked"]) for a, b in ledger["balances"].items()}
        assert {a: v for a, v in balances.items() if v} == {a: v for a, v in held.items() if v}


def as_decimals(levels: list[list[str]]) -> list[list[Decimal]]:
    """Return levels as exact numbers."""
    return [[Decimal(price), Decimal(size)] for price, size in levels]


def assert_placing_trades_nothing(stock_venue: StockVenue, size: str, price: str, **params: Any) -> None:
    """Place a buy that Gate, and post-only Binance, refuse, and the others take and end at once: in no case may it fill."""
    fills_before = len(stock_venue.ledger()["fills"])
    if stock_venue.venue == "gate" or (stock_venue.venue == "binance" and "postOnly" in params):
        with pytest.raises(
            ccxt.ExchangeError, match=r"FOK_NOT_FILL|POC_FILL_IMMEDIATELY|would immediately match and take"
        ):
            place(stock_venue, "limit", "buy", size, price, **params)
    else:
        order = place(stock_venue, "limit", "buy", size, price, **params)
        assert stock_venue.client.fetch_order(order["id"], SYMBOL)["status"] in ("canceled", "rejected", "expired")

    assert len(stock_venue.ledger()["fills"]) == fills_before
    assert stock_venue.client.fetch_open_orders(SYMBOL) == []


def assert_fills_match(stock_venue: StockVenue, order_id: str, count: int = 1) -> list[dict[str, Any]]:
    """Compare the fills a stock client reads of one order with the ledger's, field by field; return the former."""
    trades = [t for t in stock_venue.client.fetch_my_trades(SYMBOL) if t["order"] == order_id]
    booked = {fill["trade_id"]: fill for fill in stock_venue.fills_of(order_id)}

    assert len(trades) == len(booked) == count
    for trade in trades:
        fill = booked[trade["id"]]
        assert (trade["symbol"], trade["side"]) == (fill["symbol"], fill["side"])
        assert exact(trade["price"]) == Decimal(fill["price"])
        assert exact(trade["amount"]) == Decimal(fill["size"])
        assert exact(trade["fee"]["cost"]) == Decimal(fill["fee"])
        assert trade["fee"]["currency"] == fill["fee_currency"]
        assert trade["timestamp"] == fill["ts_ms"]
    return trades


@pytest.mark.parametrize(
    ("fault", "errors"),
    [
        ("http_429", (ccxt.RateLimitExceeded, ccxt.DDoSProtection)),
        ("http_503_maintenance", (ccxt.ExchangeNotAvailable,)),
        ("reject_balance", (ccxt.InsufficientFunds,)),
    ],
)
def test_a_fault_before_execution_reaches_the_client_as_the_error_it_knows(
    stock_venue: StockVenue, fault: str, errors: tuple[type[Exception], ...]
) -> None:
    orders_before = len(stock_venue.ledger()["orders"])
    stock_venue.sandbox.admin("POST", "/fault", {"venue": stock_venue.venue, "fault": fault, "on": "place", "count": 1})

    with pytest.raises(errors):
        place(stock_venue, "limit", "buy", "0.01", "49000")
    assert len(stock_venue.ledger()["orders"]) == orders_before


def test_an_answer_that_never_comes_is_a_timeout_although_the_order_was_taken(stock_venue: StockVenue) -> None:
    client, patience_ms = stock_venue.client, stock_venue.client.timeout
    stock_venue.sandbox.admin(
        "POST", "/fault", {"venue": stock_venue.venue, "fault": "lost_ack", "on": "place", "count": 1}
    )
    client.timeout = 1_000
    try:
        with pytest.raises(ccxt.RequestTimeout):
            place(stock_venue, "limit", "buy", "0.01", "49000")
    finally:
        client.timeout = patience_ms

    for _ in range(1200):
        if listed := client.fetch_open_orders(SYMBOL):
            break
        time.sleep(0.05)  # it may be on its way still
    [taken] = listed
    client.cancel_order(taken["id"], SYMBOL)
    placed = [request for request in stock_venue.ledger()["requests"] if request["kind"] == "place"][-1]
    assert (placed["http_status"], placed["applied"]) == (None, True)


def test_booked_transfers_are_deposits_and_withdrawals(stock_venue: StockVenue) -> None:
    free = Decimal(stock_venue.ledger()["balances"]["SOL"]["free"])
    for amount in (free + 5, free + 3):
        body = {"venue": stock_venue.venue, "asset": "SOL", "free": str(amount)}
        stock_venue.sandbox.admin("POST", "/balance", body)

    deposits, withdrawals = stock_venue.client.fetch_deposits("SOL"), stock_venue.client.fetch_withdrawals("SOL")
    if (
        stock_venue.venue == "okx"
    ):  # its deposits reach the funding account; the trading account has transfers, in its bills
        assert (deposits, withdrawals) == ([], [])
        bills = stock_venue.client.private_get_account_bills({"ccy": "SOL"})["data"]
        assert [(bill["type"], exact(bill["balChg"])) for bill in bills] == [("1", Decimal(-2)), ("1", Decimal(5))]
        return
    assert [(each["currency"], exact(each["amount"])) for each in deposits] == [("SOL", Decimal(5))]
    assert [(each["currency"], exact(each["amount"])) for each in withdrawals] == [("SOL", Decimal(2))]


def test_ended_orders_are_in_the_history(stock_venue: StockVenue) -> None:
    filled = place(stock_venue, "limit", "buy", "0.01", "50010")
    resting = place(stock_venue, "limit", "buy", "0.01", "49000")
    stock_venue.client.cancel_order(resting["id"], SYMBOL)

    closed = {each["id"]: each["status"] for each in stock_venue.client.fetch_closed_orders(SYMBOL)}
    assert closed[filled["id"]] == "closed"
    assert resting["id"] not in {order_id for order_id, status in closed.items() if status == "closed"}


def test_candles_show_the_trades(stock_venue: StockVenue) -> None:
    place(stock_venue, "market", "buy", "0.02", "50010")

    candles = stock_venue.client.fetch_ohlcv(SYMBOL, "1m", limit=10)
    days = stock_venue.client.fetch_ohlcv(SYMBOL, "1d", limit=3)

    assert [later[0] - earlier[0] for earlier, later in itertools.pairwise(candles)] == [60_000] * 9
    assert exact(days[-1][4]) == 50_010
    assert sum(exact(candle[5]) for candle in candles) >= Decimal("0.02")


@not_binance
def test_the_ledger_of_bills_explains_each_balance(stock_venue: StockVenue) -> None:
    place(stock_venue, "market", "sell", "0.02")

    for asset in ("BTC", "USDT"):
        entries = stock_venue.client.fetch_ledger(asset, limit=100)
        held = stock_venue.ledger()["balances"][asset]
        latest = [exact(entry["after"]) for entry in entries if entry["timestamp"] == entries[-1]["timestamp"]]
        assert Decimal(held["free"]) + Decimal(held["locked"]) in latest  # the client sorts by time alone
        assert len({entry["id"] for entry in entries}) == len(entries)


@not_binance
def test_an_order_is_amended(stock_venue: StockVenue) -> None:
    order = place(stock_venue, "limit", "buy", "0.02", "49000")

    edited = stock_venue.client.edit_order(order["id"], SYMBOL, "limit", "buy", 0.03, 48900)

    [found] = stock_venue.client.fetch_open_orders(SYMBOL)
    stock_venue.client.cancel_order(found["id"], SYMBOL)
    assert found["id"] == edited["id"]
    assert (exact(found["price"]), exact(found["amount"])) == (Decimal(48900), Decimal("0.03"))


@not_binance
def test_several_orders_are_placed_in_one_batch(stock_venue: StockVenue) -> None:
    wanted: list[dict[str, Any]] = [
        {"symbol": SYMBOL, "type": "limit", "side": "buy", "amount": 0.01, "price": price, "params": {}}
        for price in (48900, 48800)
    ]

    placed = stock_venue.client.create_orders(wanted)
    listed = {each["id"] for each in stock_venue.client.fetch_open_orders(SYMBOL)}
    stock_venue.client.cancel_orders([each["id"] for each in placed], SYMBOL)

    assert {each["id"] for each in placed} == listed
    assert len(listed) == 2


@pytest.mark.parametrize("venue", ["gate", "bitget", "bybit", "binance"])
def test_all_orders_of_a_symbol_are_cancelled_where_the_client_knows_how(
    stock_venues: dict[str, StockVenue], venue: str
) -> None:
    stock_venue = stock_venues[venue]
    for price in ("48900", "48800"):
        place(stock_venue, "limit", "buy", "0.01", price)

    stock_venue.client.cancel_all_orders(SYMBOL)

    assert stock_venue.client.fetch_open_orders(SYMBOL) == []
