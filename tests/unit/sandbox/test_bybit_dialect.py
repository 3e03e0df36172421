"""Bybit as the sandbox plays it, in virtual time: codes, states, chains and limits that clients rely on."""

import hashlib
import hmac
from typing import Any

import pytest

from arb.clock import NS_PER_MS, NS_PER_S
from arb.sandbox.bybit import reads
from arb.sandbox.candles import DAY_NS, HOUR_NS
from tests.unit.sandbox.bench import Bench, Stream

BIDS = [("50000", "0.5"), ("49990", "2")]
ASKS = [("50010", "0.02"), ("50020", "1")]
SPOT = {"category": "spot", "symbol": "BTCUSDT"}
ORDER = SPOT | {"side": "Buy", "orderType": "Limit", "price": "49000", "qty": "0.01", "isLeverage": 0}


@pytest.fixture
def bybit() -> Bench:
    bench = Bench("bybit")
    bench.set_book(BIDS, ASKS)
    return bench


def private(bybit: Bench, path: str, method: str = "GET", params: Any = None) -> tuple[int, Any]:
    return bybit.ask(["private"], f"v5/{path}", method, params)


def place(bybit: Bench, **changes: Any) -> dict[str, Any]:
    """Place one order and return the whole answer."""
    status, answer = private(bybit, "order/create", "POST", ORDER | changes)
    assert status == 200
    found: dict[str, Any] = answer
    return found


def rows(bybit: Bench, path: str, **params: str) -> list[dict[str, Any]]:
    _, answer = private(bybit, path, params={"category": "spot", **params})
    found: list[dict[str, Any]] = answer["result"]["list"]
    return found


def fetch(bybit: Bench, placed: dict[str, Any]) -> dict[str, Any]:
    [row] = rows(bybit, "order/realtime", orderId=placed["result"]["orderId"])
    return row


# -- identity ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "value", "code"),
    [
        ("x-bapi-timestamp", "", 10001),
        ("x-bapi-timestamp", str(1_800_000_000_000 + 1100), 10002),
        ("x-bapi-timestamp", str(1_800_000_000_000 - 5100), 10002),
        ("x-bapi-recv-window", "1", 10002),  # the way to the venue takes longer than this
        ("x-bapi-api-key", "other", 10003),
        ("x-bapi-sign", "00", 10004),
    ],
)
def test_a_request_without_the_proof_of_identity_is_refused(bybit: Bench, header: str, value: str, code: int) -> None:
    request = bybit.signed(["private"], "v5/order/create", "POST", ORDER)
    request.headers[header] = value

    status, answer = bybit.send(request)

    assert (status, answer["retCode"]) == (200, code)
    assert bybit.exchange.open_orders() == []


@pytest.mark.parametrize("path", ["v5/asset/transfer/inter-transfer", "v5/asset/withdraw/create"])
def test_a_key_that_trades_moves_no_funds(bybit: Bench, path: str) -> None:
    assert bybit.ask(["private"], path, "POST", {"coin": "USDT"})[1]["retCode"] == 10005


def test_a_key_that_only_reads_places_nothing(bybit: Bench) -> None:
    object.__setattr__(bybit.exchange.holder, "rights", ())

    assert place(bybit)["retCode"] == 10005
    assert private(bybit, "user/query-api")[1]["result"]["readOnly"] == 1


# -- orders ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"category": "linear"}, 110007),
        ({"category": "margin"}, 10001),
        ({"symbol": "NONEUSDT"}, 170121),
        ({"symbol": ""}, 10001),
        ({"side": "buy"}, 170130),
        ({"orderType": "limit"}, 170130),
        ({"timeInForce": "ioc"}, 170117),
        ({"isLeverage": 1}, 170131),
        ({"price": "-1"}, 170130),
        ({"price": "49000.001"}, 170134),
        ({"price": ""}, 10001),
        ({"qty": "0.0000015"}, 170137),
        ({"qty": "0.00009"}, 170140),
        ({"qty": "900"}, 170131),
        ({"price": "70000"}, 170193),
        ({"price": "20000", "side": "Sell"}, 170194),
        ({"orderLinkId": "a" * 37}, 170130),
        ({"orderLinkId": "with.dot"}, 170130),
    ],
)
def test_a_wrong_order_is_refused_with_the_venues_code(bybit: Bench, changes: dict[str, Any], code: int) -> None:
    assert place(bybit, **changes)["retCode"] == code
    assert bybit.exchange.open_orders() == []


def test_an_answer_only_names_the_order_and_a_link_id_is_taken_once_for_good(bybit: Bench) -> None:
    first = place(bybit, orderLinkId="mine-1")
    private(bybit, "order/cancel", "POST", SPOT | {"orderLinkId": "mine-1"})
    second = place(bybit, orderLinkId="mine-1")

    assert set(first["result"]) == {"orderId", "orderLinkId"}
    assert (first["retCode"], second["retCode"]) == (0, 170141)


def test_without_a_link_id_the_venue_fills_in_a_number(bybit: Bench) -> None:
    result = place(bybit)["result"]

    assert result["orderLinkId"] == str(int(result["orderId"]) + 1)


@pytest.mark.parametrize(
    ("force", "status", "reason"),
    [
        ("PostOnly", "Rejected", "EC_PostOnlyWillTakeLiquidity"),
        ("FOK", "Cancelled", "EC_NoEnoughQtyToFill"),
    ],
)
def test_what_cannot_stand_is_taken_in_and_ends_afterwards(bybit: Bench, force: str, status: str, reason: str) -> None:
    placed = place(bybit, timeInForce=force, price="50010", qty="0.05")

    row = fetch(bybit, placed)
    assert placed["retCode"] == 0
    assert (row["orderStatus"], row["rejectReason"], row["cumExecQty"]) == (status, reason, "0")


@pytest.mark.parametrize(
    ("price", "status", "reason", "filled"),
    [
        ("50005", "Cancelled", "EC_NoImmediateQtyToFill", "0"),
        ("50010", "PartiallyFilledCanceled", "EC_CancelForNoFullFill", "0.02"),
        ("50020", "Filled", "EC_NoError", "0.05"),
    ],
)
def test_an_ioc_ends_by_what_it_got(bybit: Bench, price: str, status: str, reason: str, filled: str) -> None:
    row = fetch(bybit, place(bybit, timeInForce="IOC", price=price, qty="0.05"))

    assert (row["orderStatus"], row["rejectReason"], row["cumExecQty"]) == (status, reason, filled)
    assert (row["feeCurrency"], row["leavesQty"]) == ("BTC" if filled != "0" else "", "0")


def test_a_market_buy_counts_quote_unless_asked_otherwise(bybit: Bench) -> None:
    in_quote = fetch(bybit, place(bybit, orderType="Market", price="", qty="500.2"))
    in_base = fetch(bybit, place(bybit, orderType="Market", price="", qty="0.01", marketUnit="baseCoin"))

    assert (in_quote["cumExecQty"], in_quote["qty"], in_quote["marketUnit"]) == ("0.010001", "500.2", "quoteCoin")
    assert in_quote["orderStatus"] == "PartiallyFilledCanceled"  # a success: the residue buys less than the lot
    assert (in_base["cumExecQty"], in_base["orderStatus"]) == ("0.01", "Filled")


def test_cancelling_what_ended_or_never_was_names_the_reason(bybit: Bench) -> None:
    filled, resting = place(bybit, price="50020"), place(bybit)

    def cancel(order_id: str) -> int:
        return int(private(bybit, "order/cancel", "POST", SPOT | {"orderId": order_id})[1]["retCode"])

    resting_id, filled_id = resting["result"]["orderId"], filled["result"]["orderId"]
    assert [cancel(resting_id), cancel(resting_id), cancel(filled_id), cancel("1")] == [0, 170142, 170139, 170213]


def test_a_batch_answers_for_each_order_in_its_second_list(bybit: Bench) -> None:
    placed = place(bybit)["result"]["orderId"]
    wanted = {"category": "spot", "request": [{"symbol": "BTCUSDT", "orderId": number} for number in (placed, "1")]}

    _, answer = private(bybit, "order/cancel-batch", "POST", wanted)

    assert (answer["retCode"], answer["result"]["list"][0]["orderId"]) == (0, placed)
    assert [reply["code"] for reply in answer["retExtInfo"]["list"]] == [0, 170213]


def test_more_than_twenty_orders_in_a_second_are_too_many_and_the_headers_count_them(bybit: Bench) -> None:
    requests = [
        bybit.signed(["private"], "v5/order/create", "POST", ORDER | {"orderLinkId": f"n{n}"}) for n in range(21)
    ]
    tokens = [bybit.world.submit(request, bybit.now_ns) for request in requests]
    bybit.advance(500 * NS_PER_MS)
    answers = [bybit.answer_of(token) for token in tokens]

    left = sorted(int(answer.headers["X-Bapi-Limit-Status"]) for answer in answers)
    assert left == [0, *range(20)]
    assert {answer.headers["X-Bapi-Limit"] for answer in answers} == {"20"}
    assert sum(b'"retCode":10006' in answer.body for answer in answers) == 1
    assert len(bybit.exchange.open_orders()) == 20


def test_an_address_that_asks_too_often_is_shut_out_with_a_text(bybit: Bench) -> None:
    request = bybit.signed(["public"], "v5/market/time", "GET", {})
    tokens = [bybit.world.submit(request, bybit.now_ns) for _ in range(601)]
    bybit.advance(NS_PER_S)

    [shut_out] = [answer for token in tokens if (answer := bybit.answer_of(token)).status == 403]
    assert shut_out.body == b"403, access too frequent"


# -- histories ---------------------------------------------------------------------------------------------------------


def test_a_restart_empties_the_memory_of_ended_orders_and_the_history_still_shows_them(bybit: Bench) -> None:
    ended, resting = place(bybit, price="50020")["result"]["orderId"], place(bybit)["result"]["orderId"]
    assert [row["orderId"] for row in rows(bybit, "order/realtime", openOnly="1")] == [resting, ended]

    bybit.fault("order_not_found", "query", count=9)

    assert rows(bybit, "order/realtime", orderId=ended) == []
    assert [row["orderId"] for row in rows(bybit, "order/realtime", openOnly="1")] == [resting]
    assert [row["orderId"] for row in rows(bybit, "order/history")] == [ended]


def test_the_history_shows_an_order_without_a_fill_for_a_day_and_others_for_two_years(bybit: Bench) -> None:
    filled, unfilled = place(bybit, price="50020", timeInForce="IOC"), place(bybit, price="49000", timeInForce="IOC")
    ids = [placed["result"]["orderId"] for placed in (unfilled, filled)]
    began_ms = bybit.now_ns // NS_PER_MS - 10_000
    for ns, seen in ((23 * HOUR_NS, ids), (25 * HOUR_NS, ids[1:]), (8 * DAY_NS, ids[1:]), (731 * DAY_NS, [])):
        found = reads.history(bybit.exchange, SPOT | {"startTime": str(began_ms)}, bybit.now_ns + ns)
        assert [row["orderId"] for row in found["list"]] == seen, ns


def test_histories_span_seven_days_at_most(bybit: Bench) -> None:
    now_ms = bybit.now_ns // NS_PER_MS
    span = {"startTime": str(now_ms - 8 * DAY_NS // NS_PER_MS), "endTime": str(now_ms)}

    for path in ("order/history", "execution/list"):
        assert private(bybit, path, params={"category": "spot", **span})[1]["retCode"] == 10001


def test_executions_go_by_pages(bybit: Bench) -> None:
    for _ in range(3):
        place(bybit, price="50020", qty="0.001")
    _, first = private(bybit, "execution/list", params={"category": "spot", "limit": "2"})
    cursor = first["result"]["nextPageCursor"]

    rest = rows(bybit, "execution/list", limit="2", cursor=cursor)
    escaped_twice = {"category": "spot", "cursor": cursor.replace("%", "%25")}

    assert private(bybit, "execution/list", params=escaped_twice)[1]["retCode"] == 10001
    ids = [row["execId"] for row in (*first["result"]["list"], *rest)]
    assert len(ids) == len(set(ids)) == 3
    assert ids == sorted(ids, reverse=True)


def test_transfers_are_deposits_and_withdrawals_and_entries_of_the_log(bybit: Bench) -> None:
    free = bybit.exchange.account.balance("USDT").free
    bybit.exchange.transfer("USDT", free + 5, bybit.now_ns)
    bybit.exchange.transfer("USDT", free + 3, bybit.now_ns)

    log = private(bybit, "account/transaction-log", params={"accountType": "UNIFIED"})[1]["result"]["list"]
    moved = [private(bybit, f"asset/{path}/query-record")[1]["result"]["rows"] for path in ("deposit", "withdraw")]

    assert [(row["type"], row["change"], row["currency"]) for row in log] == [
        ("TRANSFER_OUT", "-2", "USDT"),
        ("TRANSFER_IN", "5", "USDT"),
    ]
    assert [[row["amount"] for row in found] for found in moved] == [["5"], ["2"]]


# -- faults ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [("http_429", 200, 10006), ("http_500", 500, 10016), ("reject_balance", 200, 170131)],
)
def test_faults_speak_the_venues_language(bybit: Bench, fault: str, status: int, code: int) -> None:
    bybit.fault(fault, "place")

    answered, body = private(bybit, "order/create", "POST", ORDER | {"orderLinkId": "f1"})

    assert (answered, body["retCode"]) == (status, code)
    assert bybit.venue.records[-1].client_id == "f1"


def test_a_revoked_key_is_refused_everywhere(bybit: Bench) -> None:
    bybit.fault("key_revoked", "any", count=2)

    _, answer = private(bybit, "account/info")
    [login] = bybit.open("/v5/private").send(login_frame(bybit))

    assert answer["retCode"] == 10003
    assert not login["success"]


# -- streams -----------------------------------------------------------------------------------------------------------


def login_frame(bybit: Bench, **changes: str) -> dict[str, Any]:
    profile, expires = bybit.exchange.profile, str(bybit.now_ns // NS_PER_MS + 1000)
    secret = changes.get("secret", profile.secret)
    seal = hmac.new(secret.encode(), f"GET/realtime{expires}".encode(), hashlib.sha256).hexdigest()
    return {"op": "auth", "args": [profile.key, expires, seal], "req_id": "login"}


def subscribe(*topics: str) -> dict[str, Any]:
    return {"op": "subscribe", "args": list(topics), "req_id": "7"}


@pytest.fixture
def logged_in(bybit: Bench) -> Stream:
    stream = bybit.open("/v5/private")
    [answer] = stream.send(login_frame(bybit))
    assert (answer["success"], answer["op"], answer["req_id"]) == (True, "auth", "login")
    return stream


def test_a_book_starts_with_a_snapshot_and_u_rises_by_one(bybit: Bench) -> None:
    stream = bybit.open("/v5/public/spot")

    acknowledged, snapshot = stream.send(subscribe("orderbook.50.BTCUSDT"))
    frames = [snapshot]
    for size in ("0.1", "0.2"):
        bybit.set_book([("50001", size), ("49990", "2")], ASKS)
        frames += stream.wait()

    assert (acknowledged["success"], acknowledged["req_id"]) == (True, "7")
    assert [frame["type"] for frame in frames] == ["snapshot", "delta", "delta"]
    first, *updates = [frame["data"]["u"] for frame in frames]
    assert updates == [first + 1, first + 2]
    assert snapshot["data"]["b"][0] == ["50000.00", "0.500000"]
    assert frames[1]["data"]["b"] == [["50001.00", "0.100000"], ["50000.00", "0"]]


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        ("gibberish", "error:invalid request"),
        ({"op": "shout", "args": ["x"]}, "error:unknown op,shout"),
        (subscribe(), "error:args is empty"),
        (subscribe(*(f"orderbook.50.N{n}USDT" for n in range(11))), "args size >10"),
        (subscribe("orderbook.50.BTCUSDT", "orderbook.50.NONEUSDT"), "Invalid symbol :[orderbook.50.NONEUSDT]"),
        (subscribe("orderbook.5.BTCUSDT"), "error:handler not found,topic:orderbook.5.BTCUSDT"),
    ],
)
def test_a_wrong_frame_is_refused_as_a_whole_and_the_connection_stays(bybit: Bench, frame: Any, said: str) -> None:
    stream = bybit.open("/v5/public/spot")

    [refusal] = stream.send(frame)

    assert (refusal["success"], refusal["ret_msg"], stream.closed) == (False, said, False)


def test_pings_are_answered_by_another_op_on_each_address_and_silence_is_cut_off(bybit: Bench) -> None:
    public, private_stream = bybit.open("/v5/public/spot"), bybit.open("/v5/private")

    assert [stream.send({"op": "ping"})[0]["op"] for stream in (public, private_stream)] == ["ping", "pong"]
    public.wait(590 * NS_PER_S)
    assert not public.closed
    public.wait(12 * NS_PER_S)
    assert public.closed


def test_private_topics_want_a_login_first(bybit: Bench) -> None:
    stream = bybit.open("/v5/private")

    assert not stream.send(subscribe("order.spot"))[0]["success"]
    assert not stream.send(login_frame(bybit, secret="other"))[0]["success"]


def test_an_order_is_reported_from_new_to_filled_with_each_execution_once(bybit: Bench, logged_in: Stream) -> None:
    assert [frame["op"] for frame in logged_in.send(subscribe("order.spot", "execution.spot", "wallet"))] == [
        "subscribe"
    ]
    placed = place(bybit, timeInForce="IOC", price="50020", qty="0.05")["result"]
    frames = logged_in.wait()

    pushed = {topic: [frame["data"][0] for frame in frames if frame["topic"] == topic] for topic in TOPICS}
    assert {row["orderId"] for topic in TOPICS[:2] for row in pushed[topic]} == {placed["orderId"]}
    assert [row["orderStatus"] for row in pushed["order.spot"]] == ["New", "PartiallyFilled", "Filled"]
    assert [row["execQty"] for row in pushed["execution.spot"]] == ["0.02", "0.03"]
    assert all(float(row["execFee"]) > 0 and row["feeCurrency"] == "BTC" for row in pushed["execution.spot"])
    held = {account["coin"][0]["coin"]: account["coin"][0]["walletBalance"] for account in pushed["wallet"]}
    balances = bybit.exchange.account.balances
    assert {asset: float(amount) for asset, amount in held.items()} == {
        asset: float(balances[asset].total) for asset in ("BTC", "USDT")
    }


TOPICS = ("order.spot", "execution.spot", "wallet")


def test_trades_tickers_and_candles_are_sent(bybit: Bench) -> None:
    stream = bybit.open("/v5/public/spot")
    stream.send(subscribe("publicTrade.BTCUSDT", "tickers.BTCUSDT", "kline.1.BTCUSDT"))
    place(bybit, timeInForce="IOC", price="50010", qty="0.02")
    frames = {frame["topic"]: frame["data"] for frame in stream.wait() if "topic" in frame}

    [trade] = frames["publicTrade.BTCUSDT"]
    assert (trade["S"], trade["p"], trade["v"]) == ("Buy", "50010", "0.02")
    assert frames["tickers.BTCUSDT"]["lastPrice"] == "50010"
    assert frames["kline.1.BTCUSDT"][0]["close"] == "50010"
