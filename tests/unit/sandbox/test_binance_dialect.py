"""Binance's orders as the sandbox plays them, in virtual time: codes, states and histories."""

from typing import Any

import pytest

from arb.clock import NS_PER_MS
from arb.sandbox.binance import orders
from arb.sandbox.binance.auth import BinanceRefusal
from arb.sandbox.candles import DAY_NS
from arb.sandbox.wire import HttpRequest
from tests.unit.sandbox.bench import Bench
from tests.unit.sandbox.binance import IOC, answered, ask, binance_bench, place, signed, stamped


@pytest.fixture
def binance() -> Bench:
    return binance_bench()


def refusal(binance: Bench, request: HttpRequest) -> tuple[int, int]:
    status, answer = binance.send(request)
    return status, answer["code"]


# -- orders ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "code", "said"),
    [
        ({"symbol": "NONEUSDT"}, -1121, "Invalid symbol."),
        ({"symbol": None}, -1102, "'symbol'"),
        ({"side": "buy"}, -1117, "side"),
        ({"type": "STOP_LOSS"}, -1116, "orderType"),
        ({"timeInForce": "ioc"}, -1115, "timeInForce"),
        ({"timeInForce": None}, -1102, "'timeInForce'"),
        ({"timeInForce": ""}, -1105, "'timeInForce' was empty"),
        ({"type": "LIMIT_MAKER"}, -1106, "'timeInForce' sent when not required"),
        ({"type": "MARKET", "timeInForce": None}, -1106, "'price' sent when not required"),
        ({"price": None}, -1102, "'price'"),
        ({"quantity": None}, -1102, "'quantity'"),
        ({"quantity": "-1"}, -1100, "'quantity'"),
        ({"quantity": "0.000000001"}, -1111, "'quantity' has too much precision"),
        ({"price": "49000.001"}, -1013, "PRICE_FILTER"),
        ({"price": "0"}, -1013, "Invalid price"),
        ({"quantity": "0.000015"}, -1013, "LOT_SIZE"),
        ({"quantity": "0.00009"}, -1013, "NOTIONAL"),
        ({"price": "70000"}, -1013, "PERCENT_PRICE_BY_SIDE"),
        ({"price": "20000", "side": "SELL"}, -1013, "PERCENT_PRICE_BY_SIDE"),
        ({"quantity": "900"}, -2010, "insufficient balance"),
        ({"newClientOrderId": "a" * 37}, -1100, "'newClientOrderId'"),
        ({"newClientOrderId": "with space"}, -1100, "'newClientOrderId'"),
        ({"selfTradePreventionMode": "NONE"}, -1013, "self-trade prevention mode"),
        ({"newOrderRespType": "full"}, -1130, "'newOrderRespType'"),
        ({"postOnly": "true"}, -1104, "read '10' parameter(s) but was sent '11'"),
        ({"type": "LIMIT_MAKER", "timeInForce": None, "price": "50010"}, -2010, "immediately match and take"),
    ],
)
def test_a_wrong_order_is_refused_with_the_venues_code(
    binance: Bench, changes: dict[str, Any], code: int, said: str
) -> None:
    answer = place(binance, **changes)

    assert answer["code"] == code and said in answer["msg"], answer
    assert binance.exchange.open_orders() == []


def test_a_key_may_be_bound_to_symbols(binance: Bench) -> None:
    object.__setattr__(binance.exchange.holder, "symbols", ("ETH/USDT",))

    assert place(binance)["msg"] == "Symbol not whitelisted for API key."


def test_a_parameter_is_sent_once(binance: Bench) -> None:
    query = stamped(binance, symbol="BTCUSDT") + "&symbol=BTCUSDT"

    assert refusal(binance, signed(binance, "GET", "/api/v3/myTrades", query)) == (400, -1101)


@pytest.mark.parametrize(
    ("changes", "usual"),
    [({}, "FULL"), ({"type": "MARKET", "timeInForce": None, "price": None}, "FULL"), (None, "ACK")],
)
def test_an_answer_is_as_long_as_asked_for_or_as_usual_for_its_type(
    binance: Bench, changes: dict[str, Any] | None, usual: str
) -> None:
    changes = {"type": "LIMIT_MAKER", "timeInForce": None} if changes is None else changes
    shapes = {
        kind: set(place(binance, newOrderRespType=kind, **changes)) - {"expiryReason"}
        for kind in ("ACK", "RESULT", "FULL", None)
    }

    assert shapes["ACK"] == {"symbol", "orderId", "orderListId", "clientOrderId", "transactTime"}
    assert shapes["RESULT"] > shapes["ACK"] and shapes["FULL"] == shapes["RESULT"] | {"fills"}
    assert shapes[None] == shapes[usual]


@pytest.mark.parametrize(
    ("force", "price", "status", "reason", "filled"),
    [
        ("IOC", "50005", "EXPIRED", "UNFILLED_IOC_QUANTITY_EXPIRED", "0.00000000"),
        ("IOC", "50010", "EXPIRED", "UNFILLED_IOC_QUANTITY_EXPIRED", "0.02000000"),
        ("IOC", "50020", "FILLED", None, "0.05000000"),
        ("FOK", "50010", "EXPIRED", "UNFILLED_FOK_ORDER_EXPIRED", "0.00000000"),
        ("GTC", "50010", "PARTIALLY_FILLED", None, "0.02000000"),
        ("GTC", "49000", "NEW", None, "0.00000000"),
    ],
)
def test_an_answer_is_the_engines_last_word(
    binance: Bench, force: str, price: str, status: str, reason: str | None, filled: str
) -> None:
    answer = place(binance, timeInForce=force, price=price, quantity="0.05")

    assert (answer["status"], answer["executedQty"], answer.get("expiryReason")) == (status, filled, reason)
    shown = ask(binance, "order", symbol="BTCUSDT", orderId=answer["orderId"])[1]
    assert {name: shown[name] for name in shown.keys() & answer.keys()} == {
        name: answer[name] for name in shown.keys() & answer.keys()
    }


def test_a_full_answer_has_each_fill_with_its_fee_in_what_was_received(binance: Bench) -> None:
    bought, sold = place(binance, **IOC | {"quantity": "0.05"}), place(binance, side="SELL", price="50000")

    assert [(fill["qty"], fill["commission"], fill["commissionAsset"]) for fill in bought["fills"]] == [
        ("0.02000000", "0.00001600", "BTC"),
        ("0.03000000", "0.00002400", "BTC"),
    ]
    assert [(fill["commission"], fill["commissionAsset"]) for fill in sold["fills"]] == [("0.40000000", "USDT")]
    reported = ask(binance, "myTrades", symbol="BTCUSDT", orderId=bought["orderId"])[1]
    assert [(row["id"], row["commission"]) for row in reported] == [
        (fill["tradeId"], fill["commission"]) for fill in bought["fills"]
    ]


def test_fees_in_bnb_are_less_and_fall_back_trade_by_trade_where_it_is_short(binance: Bench) -> None:
    binance.venue.disturbance.pay_fees_in("BNB")
    rates = ask(binance, "account/commission", symbol="BTCUSDT")[1]
    binance.exchange.account.balance("BNB").free = binance.exchange.account.balance("BNB").free * 0 + 1
    binance.exchange.account.balance("BNB").free /= 500  # pays for 0.02 at 50010, and not for 0.03 more

    answer = place(binance, **IOC | {"quantity": "0.05"})

    assert rates["discount"] == {
        "enabledForAccount": True,
        "enabledForSymbol": True,
        "discountAsset": "BNB",
        "discount": "0.25000000",
    }
    assert [fill["commissionAsset"] for fill in answer["fills"]] == ["BNB", "BTC"]
    assert (
        answer["fills"][0]["commission"] == "0.00120024"
    )  # 1000.2 at 0.08 %, three quarters of it, 0.002 BNB for each USDT


def test_a_client_id_is_refused_while_its_order_is_open_and_a_resend_of_a_filled_one_doubles_it(binance: Bench) -> None:
    first = place(binance, newClientOrderId="mine")
    again = place(binance, newClientOrderId="mine")
    assert (first["status"], again["code"], again["msg"]) == ("NEW", -2010, "Duplicate order sent.")

    taken = [place(binance, **IOC | {"newClientOrderId": "leg"}) for _ in range(2)]

    assert [answer["status"] for answer in taken] == ["FILLED", "FILLED"]
    assert len(ask(binance, "myTrades", symbol="BTCUSDT")[1]) == 2, "the leg was bought twice"


@pytest.mark.parametrize(
    ("mode", "taker", "maker", "filled"),
    [
        ("EXPIRE_MAKER", "FILLED", "EXPIRED_IN_MATCH", "0.03000000"),
        ("EXPIRE_TAKER", "EXPIRED_IN_MATCH", "NEW", "0.02000000"),
        ("EXPIRE_BOTH", "EXPIRED_IN_MATCH", "EXPIRED_IN_MATCH", "0.02000000"),
    ],
)
def test_an_order_does_not_trade_with_one_of_its_own_account(
    binance: Bench, mode: str, taker: str, maker: str, filled: str
) -> None:
    resting = place(binance, side="SELL", price="50015")["orderId"]

    answer = place(binance, **IOC | {"quantity": "0.03", "selfTradePreventionMode": mode})

    assert (answer["status"], answer["executedQty"]) == (taker, filled)
    assert ask(binance, "order", symbol="BTCUSDT", orderId=resting)[1]["status"] == maker
    locked = binance.exchange.account.balance("BTC").locked
    assert (locked == 0) is (maker == "EXPIRED_IN_MATCH")


def test_a_market_order_counts_base_or_quote(binance: Bench) -> None:
    market = {"type": "MARKET", "timeInForce": None, "price": None}
    in_quote = place(binance, **market, quantity=None, quoteOrderQty="1500")
    in_base = place(binance, **market, side="SELL")
    beyond = place(binance, **market, side="SELL", quantity="3")

    assert (in_quote["status"], in_quote["executedQty"]) == ("FILLED", "0.02999000")
    assert in_quote["origQuoteOrderQty"] == "1500.00000000"
    assert (in_base["status"], in_base["executedQty"]) == ("FILLED", "0.01000000")
    assert (beyond["status"], beyond["expiryReason"]) == ("EXPIRED", "INSUFFICIENT_LIQUIDITY")


# -- cancelling and looking up -------------------------------------------------------------------------------------------


def test_a_cancel_answers_with_the_last_state_under_an_id_of_its_own(binance: Bench) -> None:
    placed = place(binance, price="50010", quantity="0.05", newClientOrderId="mine")

    named = {"symbol": "BTCUSDT", "orderId": placed["orderId"]}
    ended = ask(binance, "order", "DELETE", **named, newClientOrderId="ending")[1]
    again = ask(binance, "order", "DELETE", **named)[1]

    assert (ended["status"], ended["executedQty"]) == ("CANCELED", "0.02000000")
    assert (ended["origClientOrderId"], ended["clientOrderId"]) == ("mine", "ending")
    assert again == {"code": -2011, "msg": "Unknown order sent."}


def test_a_cancel_may_be_bound_to_a_state(binance: Bench) -> None:
    named = {"symbol": "BTCUSDT", "orderId": place(binance)["orderId"]}

    def cancel(rule: str) -> Any:
        return ask(binance, "order", "DELETE", **named, cancelRestrictions=rule)[1]

    assert cancel("ONLY_PARTIALLY_FILLED")["msg"] == "Order was not canceled due to cancel restrictions."
    assert cancel("ONLY_OLD")["code"] == -1145
    assert cancel("ONLY_NEW")["status"] == "CANCELED"


def test_by_both_ids_the_client_id_must_be_that_of_the_order(binance: Bench) -> None:
    placed = place(binance, newClientOrderId="mine")
    named = {"symbol": "BTCUSDT", "orderId": placed["orderId"]}

    assert ask(binance, "order", **named, origClientOrderId="mine")[0] == 200
    assert ask(binance, "order", **named, origClientOrderId="other")[1]["code"] == -2039
    assert ask(binance, "order", "DELETE", **named, origClientOrderId="other")[1]["code"] == -2011
    assert ask(binance, "order", symbol="ETHUSDT", orderId=placed["orderId"])[1]["code"] == -2013
    assert ask(binance, "order", symbol="BTCUSDT")[1]["code"] == -1102


def test_a_lagging_memory_does_not_know_an_order_yet(binance: Bench) -> None:
    binance.fault("read_lag", "query", count=3)
    answer = place(binance, newClientOrderId="mine")

    by_id = {"symbol": "BTCUSDT", "origClientOrderId": "mine"}
    early = ask(binance, "order", **by_id)[1]
    binance.advance(4000 * NS_PER_MS)

    assert early["code"] == -2013
    assert ask(binance, "order", **by_id)[1]["orderId"] == answer["orderId"]


def test_an_order_that_ended_without_a_fill_is_archived_after_ninety_days(binance: Bench) -> None:
    unfilled, filled = place(binance, timeInForce="IOC")["orderId"], place(binance, **IOC)["orderId"]

    for days, shown in ((89, [unfilled, filled]), (91, [filled])):
        found = orders.all_orders(binance.exchange, {"symbol": "BTCUSDT"}, binance.now_ns + days * DAY_NS)
        assert [row["orderId"] for row in found] == shown
    with pytest.raises(BinanceRefusal) as refused:
        orders.query(binance.exchange, {"symbol": "BTCUSDT", "orderId": unfilled}, binance.now_ns + 91 * DAY_NS)
    assert refused.value.code == "-2026"


def test_histories_are_oldest_first_go_on_from_an_id_and_span_a_day_at_most(binance: Bench) -> None:
    placed = [place(binance, **IOC | {"quantity": "0.001"}) for _ in range(3)]
    ids, trades = [one["orderId"] for one in placed], [one["fills"][0]["tradeId"] for one in placed]

    def reported(path: str, name: str, **params: Any) -> list[int]:
        return [row[name] for row in ask(binance, path, symbol="BTCUSDT", **params)[1]]

    assert reported("allOrders", "orderId") == ids
    assert reported("allOrders", "orderId", limit=2) == ids[1:]
    assert reported("allOrders", "orderId", orderId=ids[1], limit=1) == ids[1:2]
    assert reported("myTrades", "id", fromId=trades[1]) == trades[1:]
    now_ms = binance.now_ns // NS_PER_MS
    for path in ("allOrders", "myTrades"):
        span: dict[str, Any] = {"startTime": now_ms - 86_400_001, "endTime": now_ms}
        assert ask(binance, path, symbol="BTCUSDT", **span)[1]["code"] == -1127
    assert ask(binance, "myTrades", symbol="BTCUSDT", orderId=1, startTime=1)[1]["code"] == -1128


def test_an_account_shows_what_is_free_and_locked(binance: Bench) -> None:
    place(binance)
    binance.exchange.account.balance("NOVA").free *= 0

    rows = {row["asset"]: row for row in ask(binance, "account", omitZeroBalances="true")[1]["balances"]}

    assert (rows["USDT"]["free"], rows["USDT"]["locked"]) == ("399510.00000000", "490.00000000")
    assert "NOVA" not in rows and "NOVA" in str(ask(binance, "account")[1]["balances"])


def test_deposits_and_withdrawals_are_listed(binance: Bench) -> None:
    free = binance.exchange.account.balance("USDT").free
    for amount in (free + 5, free + 3):
        binance.exchange.transfer("USDT", amount, binance.now_ns)

    moved = [ask(binance, f"sapi/capital/{path}")[1] for path in ("deposit/hisrec", "withdraw/history")]

    assert [[(row["amount"], row["coin"], row["status"]) for row in found] for found in moved] == [
        [("5", "USDT", 1)],
        [("2", "USDT", 6)],
    ]
    assert answered(binance, signed(binance, "GET", "/api/v3/nowhere", "")).status == 404
