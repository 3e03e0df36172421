"""Bitget as the sandbox plays it, in virtual time: codes, states, chains and limits that clients rely on."""

import json
from typing import Any

import pytest

from arb.clock import NS_PER_MS, NS_PER_S
from tests.unit.sandbox.bench import Bench, Stream

BIDS = [("50000", "0.5"), ("49990", "2")]
ASKS = [("50010", "0.02"), ("50020", "1")]
ORDER = {
    "symbol": "BTCUSDT",
    "side": "buy",
    "orderType": "limit",
    "force": "gtc",
    "price": "49000",
    "size": "0.01",
}


@pytest.fixture
def bitget() -> Bench:
    bench = Bench("bitget")
    bench.set_book(BIDS, ASKS)
    return bench


def private(bitget: Bench, path: str, method: str = "GET", params: Any = None) -> tuple[int, Any]:
    return bitget.ask(["private", "spot"], path, method, params)


def place(bitget: Bench, **changes: str) -> tuple[int, Any]:
    return private(bitget, "v2/spot/trade/place-order", "POST", ORDER | changes)


def placed(bitget: Bench, **changes: str) -> str:
    """Place an order that must be taken and return its id."""
    status, answer = place(bitget, **changes)
    assert (status, answer["code"]) == (200, "00000")
    order_id: str = answer["data"]["orderId"]
    return order_id


def fetch(bitget: Bench, order_id: str) -> dict[str, Any]:
    _, answer = private(bitget, "v2/spot/trade/orderInfo", params={"orderId": order_id})
    row: dict[str, Any] = answer["data"][0]
    return row


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"symbol": "NONEUSDT"}, "40034"),
        ({"symbol": ""}, "40019"),
        ({"side": "hold"}, "40017"),
        ({"orderType": "iceberg"}, "40017"),
        ({"force": "day"}, "40017"),
        ({"force": ""}, "40019"),
        ({"price": "-1"}, "40017"),
        ({"price": "49000.001"}, "40808"),
        ({"size": "0.0000001"}, "40808"),
        ({"size": "0.00002"}, "45110"),
        ({"size": "900"}, "43012"),
        ({"price": "70000"}, "50018"),
        ({"price": "20000", "side": "sell"}, "50017"),
        ({"clientOid": "x" * 65}, "40500"),
    ],
)
def test_a_wrong_order_is_refused_with_the_venues_code(bitget: Bench, changes: dict[str, str], code: str) -> None:
    status, answer = place(bitget, **changes)

    # 0.00002 x 49000 is below the minimum notional of 1 USDT
    assert (status, answer["code"], answer["data"]) == (400, code, None)
    assert bitget.exchange.open_orders() == []


def test_too_many_decimals_are_explained(bitget: Bench) -> None:
    _, answer = place(bitget, price="49000.001")

    assert answer["msg"] == "Parameter verification exception price checkBDScale error value=49000.001 checkScale=2"


def test_a_client_id_may_be_used_again_only_after_its_order_ended(bitget: Bench) -> None:
    placed(bitget, clientOid="mine-1")
    _, second = place(bitget, clientOid="mine-1")
    private(bitget, "v2/spot/trade/cancel-order", "POST", {"symbol": "BTCUSDT", "clientOid": "mine-1"})
    third = placed(bitget, clientOid="mine-1")

    assert second["code"] == "43118"
    _, found = private(bitget, "v2/spot/trade/orderInfo", params={"clientOid": "mine-1"})
    assert found["data"][0]["orderId"] == third


@pytest.mark.parametrize(("late_ms", "code"), [(0, "00000"), (700, "00000"), (1001, "40008")])
def test_a_placement_is_refused_once_its_window_has_passed(bitget: Bench, late_ms: int, code: str) -> None:
    sent_ms = bitget.now_ns // NS_PER_MS - late_ms
    _, answer = place(bitget, requestTime=str(sent_ms), receiveWindow="1000")
    assert answer["code"] == code


@pytest.mark.parametrize(
    ("window", "code"),
    [
        ({"receiveWindow": "1000"}, "40019"),
        ({"receiveWindow": "0", "requestTime": "1"}, "40017"),
        ({"receiveWindow": "60001", "requestTime": "1"}, "40017"),
        ({"receiveWindow": "soon", "requestTime": "1"}, "40017"),
        ({"receiveWindow": "1000", "requestTime": "now"}, "40017"),
    ],
)
def test_a_window_that_is_none_is_refused(bitget: Bench, window: dict[str, str], code: str) -> None:
    _, answer = place(bitget, **window)
    assert answer["code"] == code


@pytest.mark.parametrize("force", ["IOC", "ioc", "Ioc"])
def test_force_is_read_in_any_letter_case(bitget: Bench, force: str) -> None:
    order_id = placed(bitget, force=force, price="50010", size="0.05")

    row = fetch(bitget, order_id)
    assert (row["status"], row["baseVolume"], row["priceAvg"]) == ("cancelled", "0.02", "50010")


@pytest.mark.parametrize("force", ["fok", "post_only"])
def test_what_cannot_stand_is_taken_and_cancelled_at_once(bitget: Bench, force: str) -> None:
    row = fetch(bitget, placed(bitget, force=force, price="50010", size="0.05"))

    assert (row["status"], row["baseVolume"], row["feeDetail"]) == ("cancelled", "0", "")


def test_a_market_buy_counts_quote_and_ends_filled(bitget: Bench) -> None:
    row = fetch(bitget, placed(bitget, orderType="market", price="", size="500.5"))

    assert (row["status"], row["size"], row["baseVolume"], row["orderType"]) == (
        "filled",
        "500.5",
        "0.010007",
        "market",
    )


def test_the_fee_is_negative_json_inside_a_text(bitget: Bench) -> None:
    row = fetch(bitget, placed(bitget, side="sell", price="50000", force="ioc"))
    _, rate = private(bitget, "v2/common/trade-rate", params={"symbol": "BTCUSDT", "businessType": "spot"})

    charged = json.loads(row["feeDetail"])["USDT"]
    assert charged["feeCoinCode"] == "USDT"
    assert charged["totalFee"] == pytest.approx(-500 * float(rate["data"]["takerFeeRate"]))


def test_cancelling_what_ended_or_never_was_finds_no_order(bitget: Bench) -> None:
    order_id = placed(bitget)

    def cancel(order_id: str) -> str:
        _, answer = private(bitget, "v2/spot/trade/cancel-order", "POST", {"symbol": "BTCUSDT", "orderId": order_id})
        code: str = answer["code"]
        return code

    assert [cancel(order_id), cancel(order_id), cancel("1")] == ["00000", "43001", "43001"]


def test_a_batch_of_cancels_answers_for_each_order_with_one_success(bitget: Bench) -> None:
    order_id, gone = placed(bitget), {"clientOid": "nobodys", "symbol": "BTCUSDT"}
    batch = {"batchMode": "multiple", "orderList": [{"orderId": order_id, "symbol": "BTCUSDT"}, gone]}
    status, answer = private(bitget, "v2/spot/trade/batch-cancel-order", "POST", batch)

    assert (status, answer["code"]) == (200, "00000")
    assert [row["orderId"] for row in answer["data"]["successList"]] == [order_id]
    assert [(row["clientOid"], row["errorCode"]) for row in answer["data"]["failureList"]] == [("nobodys", "43001")]
    assert bitget.exchange.open_orders() == []


def test_a_batch_of_cancels_names_its_orders_and_a_symbol(bitget: Bench) -> None:
    for batch in (
        {"symbol": "BTCUSDT"},
        {"orderList": [{"orderId": "1"}]},
        {"symbol": "BTCUSDT", "orderList": [{}] * 51},
    ):
        status, answer = private(bitget, "v2/spot/trade/batch-cancel-order", "POST", batch)
        assert (status, answer["code"]) in ((400, "40019"), (400, "40017"))


def test_an_unknown_order_is_an_empty_list(bitget: Bench) -> None:
    status, answer = private(bitget, "v2/spot/trade/orderInfo", params={"clientOid": "nobody"})

    assert (status, answer["code"], answer["data"]) == (200, "00000", [])


def test_an_open_order_shows_its_limit_as_average_price(bitget: Bench) -> None:
    placed(bitget)

    _, answer = private(bitget, "v2/spot/trade/unfilled-orders", params={"symbol": "BTCUSDT"})
    assert (answer["data"][0]["priceAvg"], answer["data"][0]["basePrice"]) == ("49000", "0")


def test_more_than_ten_orders_a_second_are_too_many(bitget: Bench) -> None:
    for number in range(10):
        bitget.world.submit(
            bitget.signed(["private", "spot"], "v2/spot/trade/place-order", "POST", ORDER | {"clientOid": str(number)}),
            bitget.now_ns,
        )
    bitget.advance(300 * NS_PER_MS)
    status, answer = place(bitget)

    assert (status, answer["code"]) == (429, "429")
    assert len(bitget.exchange.open_orders()) == 10


def test_the_unified_account_is_refused_so_that_clients_stay_with_v2(bitget: Bench) -> None:
    status, answer = private(bitget, "v3/account/settings")

    assert (status, answer["code"]) == (400, "40084")


def test_pages_go_backwards_by_id(bitget: Bench) -> None:
    ids = [placed(bitget, price="50020", size="0.001", force="ioc") for _ in range(3)]

    older = {"symbol": "BTCUSDT", "idLessThan": ids[2], "limit": "1"}
    _, orders = private(bitget, "v2/spot/trade/history-orders", params=older)
    _, fills = private(bitget, "v2/spot/trade/fills", params={"symbol": "BTCUSDT", "orderId": ids[0]})

    assert [row["orderId"] for row in orders["data"]] == [ids[1]]
    assert [row["orderId"] for row in fills["data"]] == [ids[0]]


def test_transfers_are_shown_as_deposits_and_withdrawals(bitget: Bench) -> None:
    free = bitget.exchange.account.balance("USDT").free
    bitget.exchange.transfer("USDT", free + 5, bitget.now_ns)
    bitget.exchange.transfer("USDT", free, bitget.now_ns)
    span = {"startTime": "0", "endTime": str(bitget.now_ns // NS_PER_MS)}

    _, deposits = private(bitget, "v2/spot/wallet/deposit-records", params=span)
    _, withdrawals = private(bitget, "v2/spot/wallet/withdrawal-records", params=span | {"coin": "USDT"})
    assert [(row["size"], row["type"]) for row in deposits["data"]] == [("5", "deposit")]
    assert [(row["size"], row["type"]) for row in withdrawals["data"]] == [("5", "withdraw")]


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ("http_429", 429, "429"),
        ("http_500", 500, "40015"),
        ("http_503_maintenance", 503, "40200"),
        ("reject_balance", 400, "43012"),
    ],
)
def test_faults_speak_the_venues_language(bitget: Bench, fault: str, status: int, code: str) -> None:
    bitget.fault(fault, "place")

    answered, body = place(bitget, clientOid="f1")

    assert (answered, body["code"], bitget.venue.records[-1].client_id) == (status, code, "f1")


# -- streams -----------------------------------------------------------------------------------------------------------


def subscribe(channel: str, **arg: str) -> dict[str, Any]:
    return {"op": "subscribe", "args": [{"instType": "SPOT", "channel": channel, **arg}]}


def login_frame(bitget: Bench) -> dict[str, Any]:
    seconds, signer = str(bitget.now_ns // NS_PER_S), bitget.signer
    signature = signer.hmac(
        signer.encode(f"{seconds}GET/user/verify"), signer.encode(signer.secret), "sha256", "base64"
    )
    args = {"apiKey": signer.apiKey, "passphrase": signer.password, "timestamp": seconds, "sign": signature}
    return {"op": "login", "args": [args], "url": "ws://somewhere"}  # stock clients send the address along


@pytest.fixture
def logged_in(bitget: Bench) -> Stream:
    stream = bitget.open("/v2/ws/private")
    assert stream.send(login_frame(bitget)) == [{"event": "login", "code": 0}]
    return stream


def test_a_book_starts_with_a_snapshot_and_its_updates_form_a_chain(bitget: Bench) -> None:
    stream = bitget.open("/v2/ws/public")

    acknowledged, snapshot = stream.send(subscribe("books", instId="BTCUSDT"))
    bitget.set_book([("50001", "0.1"), ("49990", "2")], ASKS)
    [first] = stream.wait()
    bitget.set_book([("50001", "0.2"), ("49990", "2")], ASKS)
    [second] = stream.wait()

    assert acknowledged["event"] == "subscribe"
    assert (snapshot["action"], snapshot["data"][0]["pseq"]) == ("snapshot", 0)
    assert (first["action"], first["data"][0]["pseq"]) == ("update", snapshot["data"][0]["seq"])
    assert second["data"][0]["pseq"] == first["data"][0]["seq"]
    assert first["data"][0]["bids"] == [["50001.00", "0.100000"], ["50000.00", "0"]]
    assert all("checksum" not in frame["data"][0] for frame in (snapshot, first, second))


def test_short_books_trades_and_tickers_are_sent(bitget: Bench) -> None:
    stream = bitget.open("/v2/ws/public")
    for channel in ("books1", "books5", "books15", "trade", "ticker"):
        stream.send(subscribe(channel, instId="BTCUSDT"))
    placed(bitget, force="ioc", price="50010", size="0.02")
    frames = {frame["arg"]["channel"]: frame["data"][0] for frame in stream.wait()}

    assert {frames[name]["asks"][0][0] for name in ("books1", "books5", "books15")} == {"50020.00"}
    assert (frames["trade"]["side"], frames["trade"]["price"], frames["trade"]["size"]) == ("buy", "50010", "0.02")
    assert (frames["ticker"]["askPr"], frames["ticker"]["lastPr"]) == ("50020.00", "50010")


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("gibberish", 30002),
        ({"op": "subscribe", "args": ["books"]}, 30016),
        ({"op": "shout", "args": [{}]}, 30003),
        (subscribe("books", instId="NONEUSDT"), 30001),
        (subscribe("books50", instId="BTCUSDT"), 30001),
        (subscribe("orders", instId="default"), 30001),
    ],
)
def test_a_wrong_frame_is_refused_and_the_connection_stays(bitget: Bench, frame: Any, code: int) -> None:
    stream = bitget.open("/v2/ws/public")

    [refusal] = stream.send(frame)

    assert (refusal["event"], refusal["code"], stream.closed) == ("error", code, False)


def test_private_channels_want_a_login_first(bitget: Bench) -> None:
    [refusal] = bitget.open("/v2/ws/private").send(subscribe("orders", instId="default"))

    assert refusal["code"] == 30004


def test_more_than_ten_frames_a_second_end_the_connection(bitget: Bench) -> None:
    stream = bitget.open("/v2/ws/public")
    for _ in range(11):
        bitget.world.receive(1, "ping", bitget.now_ns)

    assert stream.wait()[-1]["code"] == 30007
    assert stream.closed


def test_two_minutes_without_a_ping_end_the_connection(bitget: Bench) -> None:
    stream = bitget.open("/v2/ws/public")

    stream.wait(100 * NS_PER_S)
    assert stream.send("ping") == ["pong"]
    stream.wait(100 * NS_PER_S)
    assert not stream.closed
    stream.wait(30 * NS_PER_S)
    assert stream.closed


def test_an_order_and_its_fills_are_reported_on_their_two_channels(bitget: Bench, logged_in: Stream) -> None:
    logged_in.send(subscribe("orders", instId="BTCUSDT"))
    logged_in.send(subscribe("fill", instId="default"))
    order_id = placed(bitget, force="ioc", price="50020", size="0.05")
    frames = logged_in.wait()
    orders = [frame["data"][0] for frame in frames if frame["arg"]["channel"] == "orders"]
    fills = [frame["data"][0] for frame in frames if frame["arg"]["channel"] == "fill"]

    assert {row["orderId"] for row in orders + fills} == {order_id}
    assert [row["status"] for row in orders] == ["live", "partially_filled", "filled"]
    assert [row["accBaseVolume"] for row in orders] == ["0", "0.02", "0.05"]
    assert [row["baseVolume"] for row in orders[1:]] == [row["size"] for row in fills] == ["0.02", "0.03"]
    assert [row["tradeId"] for row in orders[1:]] == [row["tradeId"] for row in fills]
    assert all(row["feeDetail"][0]["totalFee"].startswith("-") for row in fills)


def test_the_two_channels_come_each_in_its_order_and_either_may_be_first(bitget: Bench, logged_in: Stream) -> None:
    logged_in.send(subscribe("orders", instId="BTCUSDT"))
    logged_in.send(subscribe("fill", instId="default"))
    firsts = set()
    for number in range(30):
        bitget.set_book([("49990", "1")], [("50000", "0.02"), ("50010", "1")])
        placed(bitget, clientOid=f"mine-{number}", force="ioc", price="50020", size="0.05")
        frames = logged_in.wait()
        firsts.add(frames[0]["arg"]["channel"])
        for channel in ("orders", "fill"):
            trades = [frame["data"][0].get("tradeId", "0") for frame in frames if frame["arg"]["channel"] == channel]
            assert trades == sorted(trades, key=int)
    assert firsts == {"orders", "fill"}


def test_the_account_begins_with_all_balances_and_follows_changes(bitget: Bench, logged_in: Stream) -> None:
    _, first = logged_in.send(subscribe("account", coin="default"))
    placed(bitget)
    [held] = logged_in.wait()

    assert {"BTC", "USDT"} <= {row["coin"] for row in first["data"]}
    assert held["data"][0]["coin"] == "USDT"
    assert float(held["data"][0]["frozen"]) >= 490
