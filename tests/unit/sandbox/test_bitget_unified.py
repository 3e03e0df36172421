"""Bitget's unified account as the sandbox plays it, in virtual time: codes, pages, records and frames that clients rely on."""

from decimal import Decimal
from typing import Any

import pytest

from arb.clock import NS_PER_MS, NS_PER_S
from tests.unit.sandbox.bench import Bench, Stream
from tests.unit.sandbox.test_bitget_dialect import ASKS, BIDS, login_frame
from tests.unit.sandbox.test_bitget_dialect import private as classic

ORDER = {
    "category": "SPOT",
    "symbol": "BTCUSDT",
    "side": "buy",
    "orderType": "limit",
    "timeInForce": "gtc",
    "price": "49000",
    "qty": "0.01",
}


@pytest.fixture
def bitget() -> Bench:
    bench = Bench("bitget")
    bench.set_book(BIDS, ASKS)
    bench.exchange.account_mode = "unified"
    return bench


def ask(bitget: Bench, path: str, method: str = "GET", params: Any = None) -> tuple[int, Any]:
    return bitget.ask(["private", "uta"], f"v3/{path}", method, params)


def place(bitget: Bench, **changes: str) -> tuple[int, Any]:
    return ask(bitget, "trade/place-order", "POST", ORDER | changes)


def placed(bitget: Bench, **changes: str) -> str:
    """Place an order that must be taken and return its id."""
    status, answer = place(bitget, **changes)
    assert (status, answer["code"]) == (200, "00000"), answer
    order_id: str = answer["data"]["orderId"]
    return order_id


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"category": ""}, "400172"),
        ({"category": "STOCKS"}, "400172"),
        ({"category": "MARGIN"}, "25203"),
        ({"symbol": "NONEUSDT"}, "25100"),
        ({"symbol": ""}, "400172"),
        ({"side": "hold"}, "400172"),
        ({"orderType": "iceberg"}, "400172"),
        ({"timeInForce": "day"}, "400172"),
        ({"price": "-1"}, "400172"),
        ({"price": "49000.001"}, "25244"),
        ({"qty": "0.0000001"}, "25610"),
        ({"qty": "0.00002"}, "25611"),
        ({"qty": "900"}, "25202"),
        ({"price": "70000"}, "25206"),
        ({"price": "20000", "side": "sell"}, "25205"),
        ({"clientOid": "x" * 33}, "400172"),
        ({"clientOid": "a b"}, "400172"),
    ],
)
def test_a_wrong_order_is_refused_with_the_codes_of_v3(bitget: Bench, changes: dict[str, str], code: str) -> None:
    status, answer = place(bitget, **changes)
    assert (status, answer["code"], answer["data"]) == (400, code, None)
    assert bitget.exchange.open_orders() == []


def test_each_kind_of_account_is_refused_in_the_language_of_the_other(bitget: Bench) -> None:
    assert classic(bitget, "v2/spot/account/info")[1]["code"] == "40085"
    assert classic(bitget, "v2/spot/trade/place-order", "POST", {})[1]["code"] == "40085"
    bitget.exchange.account_mode = "classic"
    assert ask(bitget, "account/info")[1]["code"] == "40084"
    assert place(bitget)[1]["code"] == "40084"
    bitget.exchange.account_mode = "unified"
    assert bitget.ask(["public", "spot"], "v2/spot/public/symbols")[0] == 200  # public data need no account
    assert bitget.ask(["public", "uta"], "v3/market/instruments", params={"category": "SPOT"})[0] == 200


def test_an_order_is_taken_however_late_it_comes_since_no_window_is_documented(bitget: Bench) -> None:
    sent_ms = bitget.now_ns // NS_PER_MS - 20_000
    assert placed(bitget, requestTime=str(sent_ms), receiveWindow="1000")


def test_a_client_id_may_be_used_again_once_its_order_has_ended(bitget: Bench) -> None:
    placed(bitget, clientOid="mine-1")
    assert place(bitget, clientOid="mine-1")[1]["code"] == "25212"
    ask(bitget, "trade/cancel-order", "POST", {"clientOid": "mine-1"})
    again = placed(bitget, clientOid="mine-1")
    _, found = ask(bitget, "trade/order-info", params={"clientOid": "mine-1"})
    assert found["data"]["orderId"] == again


def test_fees_are_positive_when_charged(bitget: Bench) -> None:
    order_id = placed(bitget, timeInForce="ioc", price="50020", qty="0.05")
    _, order = ask(bitget, "trade/order-info", params={"orderId": order_id})
    _, fills = ask(bitget, "trade/fills", params={"category": "SPOT", "orderId": order_id})
    charged = [Decimal(one["feeDetail"][0]["fee"]) for one in fills["data"]["list"]]
    assert len(charged) == 2 and all(fee > 0 for fee in charged)
    assert [Decimal(one["fee"]) for one in order["data"]["feeDetail"]] == [sum(charged)]
    _, rate = ask(bitget, "account/fee-rate", params={"category": "SPOT", "symbol": "BTCUSDT"})
    assert rate["data"] == {"makerFeeRate": "0.0004", "takerFeeRate": "0.0006"}


def test_a_market_buy_counts_its_quantity_in_quote(bitget: Bench) -> None:
    order_id = placed(bitget, orderType="market", qty="500")
    _, order = ask(bitget, "trade/order-info", params={"orderId": order_id})
    shown = order["data"]
    assert (shown["orderStatus"], shown["amount"], shown["qty"], shown["price"]) == ("filled", "500", "0", "0")
    assert 0 < Decimal(shown["cumExecValue"]) <= 500


def test_lists_go_backwards_by_cursor_and_name_their_category(bitget: Bench) -> None:
    ids = [placed(bitget, price=str(48_000 + n)) for n in range(5)]
    seen: list[str] = []
    params = {"category": "SPOT", "limit": "2"}
    while True:
        _, answer = ask(bitget, "trade/unfilled-orders", params=params)
        rows, cursor = answer["data"]["list"], answer["data"]["cursor"]
        seen += [row["orderId"] for row in rows]
        if len(rows) < 2:
            break
        params = params | {"cursor": cursor}
    assert seen == ids[::-1]
    for category in ("MARGIN", "USDT-FUTURES"):
        _, answer = ask(bitget, "trade/unfilled-orders", params={"category": category})
        assert answer["data"] == {"list": [], "cursor": None}
    assert ask(bitget, "trade/history-orders", params={})[1]["code"] == "400172"


def test_a_span_of_more_than_thirty_days_is_refused(bitget: Bench) -> None:
    span = {"category": "SPOT", "startTime": "0", "endTime": str(31 * 86_400_000)}
    assert ask(bitget, "trade/fills", params=span)[1]["code"] == "00001"


def test_a_batch_is_a_bare_list_whose_orders_answer_for_themselves(bitget: Bench) -> None:
    _, answer = ask(bitget, "trade/place-batch", "POST", [ORDER, ORDER | {"qty": "900"}])
    good, bad = answer["data"]
    assert good["orderId"] and "code" not in good
    assert (bad["orderId"], bad["code"]) == ("", "25202")
    named = {"category": "SPOT", "symbol": "BTCUSDT"}
    wanted = [named | {"orderId": good["orderId"]}, named | {"clientOid": "never"}]
    _, answer = ask(bitget, "trade/cancel-batch", "POST", wanted)
    assert [row.get("code") for row in answer["data"]] == [None, "25204"]
    for odd in ([named] * 21, [], [named, named | {"category": "MARGIN"}]):
        assert ask(bitget, "trade/cancel-batch", "POST", odd)[0] == 400


def test_cancelling_what_ended_or_never_was_finds_no_order(bitget: Bench) -> None:
    ended = placed(bitget, timeInForce="ioc", price="50010")
    for name in ({"orderId": ended}, {"orderId": "1"}, {"clientOid": "never"}):
        assert ask(bitget, "trade/cancel-order", "POST", name)[1]["code"] == "25204"
    assert ask(bitget, "trade/cancel-order", "POST", {"category": "SPOT"})[1]["code"] == "400172"


@pytest.mark.parametrize(("seconds", "code"), [("5", "00000"), ("60", "00000"), ("4", "400172"), ("61", "400172")])
def test_the_dead_man_switch_takes_five_to_sixty_seconds(bitget: Bench, seconds: str, code: str) -> None:
    assert ask(bitget, "trade/countdown-cancel-all", "POST", {"countdown": seconds})[1]["code"] == code


def test_what_rests_is_cancelled_unless_the_switch_is_renewed_in_time(bitget: Bench) -> None:
    placed(bitget)
    for countdown, left in (("5", 1), ("5", 1), ("0", 1), ("5", 0)):
        ask(bitget, "trade/countdown-cancel-all", "POST", {"countdown": countdown})
        bitget.advance((7 if countdown == "0" or not left else 4) * NS_PER_S)
        assert len(bitget.exchange.open_orders()) == left


def test_every_change_of_a_balance_has_a_record_in_its_category(bitget: Bench) -> None:
    placed(bitget, timeInForce="ioc", price="50010")
    before = bitget.exchange.balances()["USDT"].free
    bitget.exchange.transfer("USDT", before + 5, bitget.now_ns)
    bitget.exchange.transfer("USDT", before, bitget.now_ns)
    found = {}
    for category in ("SPOT", "OTHER", "MARGIN"):
        _, answer = ask(bitget, "account/financial-records", params={"category": category})
        found[category] = [(row["type"], row["coin"], row["amount"]) for row in answer["data"]["list"]]
    assert {kind for kind, _, _ in found["SPOT"]} == {"ORDER_DEALT_IN", "ORDER_DEALT_FROZEN_OUT"}
    assert found["OTHER"] == [("TRANSFER_OUT", "USDT", "5"), ("TRANSFER_IN", "USDT", "5")]
    assert found["MARGIN"] == []


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ("reject_balance", 400, "25202"),
        ("symbol_refused", 400, "25101"),
        ("http_429", 429, "429"),
        ("http_503_maintenance", 503, "40200"),
    ],
)
def test_faults_speak_the_language_of_v3(bitget: Bench, fault: str, status: int, code: str) -> None:
    bitget.fault(fault, "place")
    found, answer = place(bitget)
    assert (found, answer["code"]) == (status, code)
    assert bitget.exchange.open_orders() == []


def test_an_ended_order_that_is_hidden_from_its_name_is_no_order(bitget: Bench) -> None:
    placed(bitget, timeInForce="ioc", clientOid="mine-1")
    bitget.fault("order_not_found", "query", count=2)
    assert ask(bitget, "trade/order-info", params={"clientOid": "mine-1"})[1]["code"] == "25204"


# The private stream.


def topic(name: str, **arg: str) -> dict[str, Any]:
    return {"op": "subscribe", "args": [{"instType": "UTA", "topic": name} | arg]}


@pytest.fixture
def logged_in(bitget: Bench) -> Stream:
    stream = bitget.open("/v3/ws/private")
    assert stream.send(login_frame(bitget)) == [{"event": "login", "code": 0}]
    return stream


def test_a_login_at_the_address_of_the_other_kind_is_refused_and_the_connection_stays(bitget: Bench) -> None:
    for path, mode in (("/v2/ws/private", "unified"), ("/v3/ws/private", "classic")):
        bitget.exchange.account_mode = mode
        stream = bitget.open(path)
        [refused] = stream.send(login_frame(bitget))
        assert (refused["event"], refused["code"]) == ("error", 30005)
        assert not stream.closed


@pytest.mark.parametrize("arg", [{"instType": "uta"}, {"instType": "SPOT"}, {"topic": "orders"}, {"topic": ""}])
def test_a_topic_that_there_is_not_is_refused(logged_in: Stream, arg: dict[str, str]) -> None:
    [refused] = logged_in.send(topic("order", **arg))
    assert (refused["event"], refused["code"]) == ("error", 30001)
    assert refused["msg"].endswith("doesn't exist")


def test_topics_want_a_login_first(bitget: Bench) -> None:
    [refused] = bitget.open("/v3/ws/private").send(topic("order"))
    assert refused["code"] == 30004


def test_an_order_its_fills_and_the_coins_are_pushed_each_on_its_topic(bitget: Bench, logged_in: Stream) -> None:
    for name in ("order", "fill", "position"):
        assert [frame["event"] for frame in logged_in.send(topic(name))] == ["subscribe"]
    confirmed, snapshot = logged_in.send(topic("account"))
    assert (confirmed["event"], snapshot["action"]) == ("subscribe", "snapshot")
    assert {coin["coin"] for coin in snapshot["data"][0]["coin"]} >= {"USDT", "BTC"}

    order_id = placed(bitget, timeInForce="ioc", price="50020", qty="0.05", clientOid="mine-1")
    frames = logged_in.wait()
    rows: dict[str, list[Any]] = {}
    for frame in frames:
        rows.setdefault(frame["arg"]["topic"], []).extend(frame["data"])
    assert {row["category"] for name in ("order", "fill") for row in rows[name]} == {"spot"}
    assert {(row["orderId"], row["clientOid"]) for row in rows["fill"]} == {(order_id, "mine-1")}
    assert len(rows["fill"]) == 2 and all(Decimal(row["feeDetail"][0]["fee"]) > 0 for row in rows["fill"])
    assert (rows["order"][-1]["orderStatus"], rows["order"][-1]["cumExecQty"]) == ("filled", "0.05")
    last = {coin["coin"]: Decimal(coin["available"]) for row in rows["account"] for coin in row["coin"]}
    assert last["BTC"] == bitget.exchange.balances()["BTC"].free
