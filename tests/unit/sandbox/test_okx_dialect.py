"""OKX as the sandbox plays it, in virtual time: codes, states, chains and limits that clients rely on."""

from typing import Any

import pytest

from arb.clock import NS_PER_MS, NS_PER_S
from tests.unit.sandbox.bench import Bench, Stream

BIDS = [("50000", "0.5"), ("49990", "2")]
ASKS = [("50010", "0.02"), ("50020", "1")]
ORDER = {"instId": "BTC-USDT", "tdMode": "cash", "side": "buy", "ordType": "limit", "px": "49000", "sz": "0.01"}


@pytest.fixture
def okx() -> Bench:
    bench = Bench("okx")
    bench.set_book(BIDS, ASKS)
    return bench


def private(okx: Bench, path: str, method: str = "GET", params: Any = None) -> tuple[int, Any]:
    return okx.ask(["private"], path, method, params)


def place(okx: Bench, **changes: str) -> dict[str, Any]:
    """Place one order and return its item."""
    status, answer = private(okx, "trade/order", "POST", ORDER | {"clOrdId": ""} | changes)
    assert status == 200
    assert answer["code"] == ("0" if answer["data"][0]["sCode"] == "0" else "1")
    item: dict[str, Any] = answer["data"][0]
    return item


def fetch(okx: Bench, order_id: str) -> dict[str, Any]:
    _, answer = private(okx, "trade/order", params={"instId": "BTC-USDT", "ordId": order_id})
    row: dict[str, Any] = answer["data"][0]
    return row


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"instId": "NONE-USDT"}, "51001"),
        ({"instId": "BTC/USDT"}, "51001"),
        ({"instId": ""}, "50014"),
        ({"tdMode": "cross"}, "51010"),
        ({"ordType": "iceberg"}, "51000"),
        ({"side": "hold"}, "51000"),
        ({"px": "-1"}, "51000"),
        ({"px": "49000.01"}, "51000"),
        ({"px": ""}, "50014"),
        ({"sz": "0.00015"}, "51121"),
        ({"sz": "0.00000001"}, "51121"),
        ({"sz": "900"}, "51008"),
        ({"px": "70000"}, "51137"),
        ({"px": "20000", "side": "sell"}, "51138"),
        ({"clOrdId": "a" * 33}, "51000"),
        ({"clOrdId": "with-dash"}, "51000"),
    ],
)
def test_a_wrong_order_is_refused_with_the_venues_code(okx: Bench, changes: dict[str, str], code: str) -> None:
    item = place(okx, **changes)

    assert (item["sCode"], item["ordId"]) == (code, "")
    assert okx.exchange.open_orders() == []


def test_below_the_minimum_size_has_its_own_code(okx: Bench) -> None:
    item = place(okx, instId="DOGE-USDT", px="0.1", sz="1")

    assert item["sCode"] == "51020"


def test_a_client_order_id_may_be_used_again_only_after_its_order_ended(okx: Bench) -> None:
    first = place(okx, clOrdId="mine1")
    second = place(okx, clOrdId="mine1")
    private(okx, "trade/cancel-order", "POST", {"instId": "BTC-USDT", "clOrdId": "mine1"})
    third = place(okx, clOrdId="mine1")

    assert [first["sCode"], second["sCode"], third["sCode"]] == ["0", "51016", "0"]


def test_a_batch_answers_for_each_order_and_says_two_when_divided(okx: Bench) -> None:
    good, bad = ORDER | {"clOrdId": "good1"}, ORDER | {"clOrdId": "bad1", "sz": "900"}

    _, divided = private(okx, "trade/batch-orders", "POST", [good, bad])
    _, failed = private(okx, "trade/batch-orders", "POST", [bad])

    assert (divided["code"], [item["sCode"] for item in divided["data"]]) == ("2", ["0", "51008"])
    assert (failed["code"], failed["data"][0]["clOrdId"]) == ("1", "bad1")


def test_an_expired_order_is_discarded(okx: Bench) -> None:
    request = okx.signed(["private"], "trade/order", "POST", ORDER)
    request.headers["exptime"] = str(okx.now_ns // NS_PER_MS + 1)  # the way to the venue takes longer than this

    _, answer = okx.send(request)

    assert answer["code"] == "50036"
    assert okx.exchange.open_orders() == []


@pytest.mark.parametrize(("kind", "source"), [("fok", "13"), ("post_only", "31")])
def test_what_cannot_stand_is_taken_and_cancelled_at_once(okx: Bench, kind: str, source: str) -> None:
    item = place(okx, ordType=kind, px="50010", sz="0.05")

    row = fetch(okx, item["ordId"])
    assert (item["sCode"], row["state"], row["cancelSource"], row["accFillSz"]) == ("0", "canceled", source, "0")


def test_ioc_ends_canceled_with_what_it_got_and_a_negative_fee(okx: Bench) -> None:
    item = place(okx, ordType="ioc", px="50010", sz="0.05")

    row = fetch(okx, item["ordId"])
    _, rate = private(okx, "account/trade-fee", params={"instType": "SPOT", "instId": "BTC-USDT"})
    assert (row["state"], row["accFillSz"], row["avgPx"]) == ("canceled", "0.02", "50010")
    assert float(rate["data"][0]["taker"]) < 0
    assert float(row["fee"]) == pytest.approx(0.02 * float(rate["data"][0]["taker"]))
    assert row["feeCcy"] == "BTC"


def test_a_market_buy_counts_quote_unless_asked_otherwise(okx: Bench) -> None:
    in_quote = place(okx, ordType="market", px="", sz="500.1")
    in_base = place(okx, ordType="market", px="", sz="0.01", tgtCcy="base_ccy")

    assert fetch(okx, in_quote["ordId"])["accFillSz"] == "0.01"
    assert fetch(okx, in_quote["ordId"])["state"] == "filled"
    assert fetch(okx, in_base["ordId"])["accFillSz"] == "0.01"


def test_cancelling_what_ended_or_never_was_names_the_reason(okx: Bench) -> None:
    filled, cancelled = place(okx, px="50020"), place(okx)

    def cancel(order_id: str) -> str:
        _, answer = private(okx, "trade/cancel-order", "POST", {"instId": "BTC-USDT", "ordId": order_id})
        code: str = answer["data"][0]["sCode"]
        return code

    codes = [cancel(cancelled["ordId"]), cancel(cancelled["ordId"]), cancel(filled["ordId"]), cancel("1")]
    assert codes == ["0", "51401", "51402", "51400"]


def test_an_unknown_order_cannot_be_queried(okx: Bench) -> None:
    status, answer = private(okx, "trade/order", params={"instId": "BTC-USDT", "clOrdId": "nobody"})

    assert (status, answer["code"], answer["data"]) == (200, "51603", [])


def test_more_than_sixty_orders_in_two_seconds_are_too_many(okx: Bench) -> None:
    requests = [okx.signed(["private"], "trade/order", "POST", ORDER | {"clOrdId": f"n{n}"}) for n in range(61)]
    for request in requests[:-1]:
        okx.world.submit(request, okx.now_ns)
    okx.advance(500 * NS_PER_MS)
    status, answer = okx.send(requests[-1])

    assert (status, answer["code"]) == (429, "50011")
    assert len(okx.exchange.open_orders()) == 60


def test_history_pages_by_id_and_fills_by_bill(okx: Bench) -> None:
    ids = [place(okx, px="50020", sz="0.0001")["ordId"] for _ in range(3)]

    _, orders = private(okx, "trade/orders-history", params={"instType": "SPOT", "after": ids[2], "limit": "1"})
    _, all_fills = private(okx, "trade/fills", params={"instType": "SPOT"})
    older = {"instType": "SPOT", "after": all_fills["data"][0]["billId"]}
    _, fills = private(okx, "trade/fills-history", params=older)

    assert [row["ordId"] for row in orders["data"]] == [ids[1]]
    assert [row["ordId"] for row in fills["data"]] == [ids[1], ids[0]]


def test_transfers_move_the_trading_account_and_are_neither_deposits_nor_withdrawals(okx: Bench) -> None:
    """Those move the funding account; what reaches the trading account from there is a bill of type 1."""
    free = okx.exchange.account.balance("USDT").free
    okx.exchange.transfer("USDT", free + 5, okx.now_ns)
    okx.exchange.transfer("USDT", free, okx.now_ns)

    _, deposits = private(okx, "asset/deposit-history", params={"ccy": "USDT"})
    _, withdrawals = private(okx, "asset/withdrawal-history")
    assert (deposits["data"], withdrawals["data"]) == ([], [])
    _, bills = private(okx, "account/bills", params={"ccy": "USDT", "type": "1"})
    assert [(row["balChg"], row["from"], row["to"]) for row in bills["data"]] == [("-5", "18", "6"), ("5", "6", "18")]


def test_the_dead_man_switch_cancels_unless_renewed_or_disarmed(okx: Bench) -> None:
    def arm(seconds: str) -> str:
        return str(private(okx, "trade/cancel-all-after", "POST", {"timeOut": seconds})[1]["code"])

    place(okx, ordType="limit", px="40000")
    assert arm("5") == "51000"
    assert arm("10") == "0"
    okx.advance(9 * NS_PER_S)
    assert arm("10") == "0"
    okx.advance(9 * NS_PER_S)
    assert arm("0") == "0"
    okx.advance(20 * NS_PER_S)
    assert len(okx.exchange.open_orders()) == 1
    assert arm("10") == "0"
    okx.advance(11 * NS_PER_S)
    assert okx.exchange.open_orders() == []


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ("http_429", 429, "50011"),
        ("http_500", 500, "50026"),
        ("http_503_maintenance", 503, "50001"),
        ("reject_balance", 200, "1"),
    ],
)
def test_faults_speak_the_venues_language(okx: Bench, fault: str, status: int, code: str) -> None:
    okx.fault(fault, "place")

    answered, body = private(okx, "trade/order", "POST", ORDER | {"clOrdId": "f1"})

    assert (answered, body["code"]) == (status, code)
    if fault == "reject_balance":
        assert (body["data"][0]["sCode"], body["data"][0]["clOrdId"]) == ("51008", "f1")
    assert okx.venue.records[-1].client_id == "f1"


def test_a_revoked_key_is_refused_everywhere(okx: Bench) -> None:
    okx.fault("key_revoked", "any", count=2)

    status, answer = private(okx, "account/balance")
    login = okx.open("/ws/v5/private").send(login_frame(okx))

    assert (status, answer["code"]) == (401, "50119")
    assert login[0]["code"] == "60032"


# -- streams -----------------------------------------------------------------------------------------------------------


def login_frame(okx: Bench) -> dict[str, Any]:
    seconds = str(okx.now_ns // NS_PER_S)
    signature = okx.signer.hmac(
        okx.signer.encode(f"{seconds}GET/users/self/verify"), okx.signer.encode(okx.signer.secret), "sha256", "base64"
    )
    args = {"apiKey": okx.signer.apiKey, "passphrase": okx.signer.password, "timestamp": seconds, "sign": signature}
    return {"op": "login", "args": [args]}


def subscribe(channel: str, **arg: str) -> dict[str, Any]:
    return {"op": "subscribe", "args": [{"channel": channel, **arg}]}


@pytest.fixture
def logged_in(okx: Bench) -> Stream:
    stream = okx.open("/ws/v5/private")
    assert stream.send(login_frame(okx))[0]["event"] == "login"
    return stream


def test_a_book_starts_with_a_snapshot_and_its_updates_form_a_chain(okx: Bench) -> None:
    stream = okx.open("/ws/v5/public")

    acknowledged, snapshot = stream.send(subscribe("books", instId="BTC-USDT"))
    okx.set_book([("50001", "0.1"), ("49990", "2")], ASKS)
    [first] = stream.wait()
    okx.set_book([("50001", "0.2"), ("49990", "2")], ASKS)
    [second] = stream.wait()

    assert acknowledged["event"] == "subscribe"
    assert (snapshot["action"], snapshot["data"][0]["prevSeqId"]) == ("snapshot", -1)
    assert snapshot["data"][0]["bids"][0] == ["50000.0", "0.5000", "0", "1"]
    assert first["data"][0]["prevSeqId"] == snapshot["data"][0]["seqId"]
    assert second["data"][0]["prevSeqId"] == first["data"][0]["seqId"]
    assert [level[:2] for level in first["data"][0]["bids"]] == [["50001.0", "0.1000"], ["50000.0", "0"]]
    assert {frame["data"][0]["checksum"] for frame in (snapshot, first, second)} == {0}


def test_a_repeated_subscription_brings_another_snapshot(okx: Bench) -> None:
    stream = okx.open("/ws/v5/public")
    stream.send(subscribe("books", instId="BTC-USDT"))

    again = stream.send(subscribe("books", instId="BTC-USDT"))

    assert [frame.get("action") for frame in again] == [None, "snapshot"]


def test_a_quiet_book_is_kept_alive_by_an_empty_link_of_the_chain(okx: Bench) -> None:
    stream = okx.open("/ws/v5/public")
    _, snapshot = stream.send(subscribe("books", instId="BTC-USDT"))
    for _ in range(6):
        stream.send("ping")
        frames = stream.wait(10 * NS_PER_S)

    data = frames[-1]["data"][0]
    assert (data["asks"], data["bids"]) == ([], [])
    assert data["prevSeqId"] == data["seqId"] == snapshot["data"][0]["seqId"]


def test_ping_is_answered_and_silence_cut_off(okx: Bench) -> None:
    stream = okx.open("/ws/v5/public")

    assert stream.send("ping") == ["pong"]
    stream.wait(28 * NS_PER_S)
    assert not stream.closed
    stream.wait(3 * NS_PER_S)
    assert stream.closed


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("gibberish", "60012"),
        ({"op": "subscribe", "args": ["books:BTC-USDT"]}, "60012"),
        ({"op": "shout", "args": [{}]}, "60019"),
        (subscribe("books", instId="NONE-USDT"), "60018"),
        (subscribe("orders", instType="SPOT"), "60018"),
    ],
)
def test_a_wrong_frame_is_refused_and_the_connection_stays(okx: Bench, frame: Any, code: str) -> None:
    stream = okx.open("/ws/v5/public")

    [refusal] = stream.send(frame)

    assert (refusal["event"], refusal["code"], stream.closed) == ("error", code, False)


def test_private_channels_want_a_login_first(okx: Bench) -> None:
    [refusal] = okx.open("/ws/v5/private").send(subscribe("orders", instType="SPOT"))

    assert refusal["code"] == "60011"


def test_an_order_is_reported_from_live_to_filled_with_each_fill_once(okx: Bench, logged_in: Stream) -> None:
    logged_in.send(subscribe("orders", instType="ANY"))
    item = place(okx, ordType="ioc", px="50020", sz="0.05")
    pushes = [frame["data"][0] for frame in logged_in.wait()]

    assert {push["ordId"] for push in pushes} == {item["ordId"]}
    assert [push["state"] for push in pushes] == ["live", "partially_filled", "filled"]
    assert [push["fillSz"] for push in pushes] == ["0", "0.02", "0.03"]
    assert [push["accFillSz"] for push in pushes] == ["0", "0.02", "0.05"]
    assert all(float(push["fillFee"]) < 0 and push["fillFeeCcy"] == "BTC" for push in pushes[1:])
    assert len({push["tradeId"] for push in pushes}) == 3


def test_the_account_begins_with_all_balances_and_follows_changes(okx: Bench, logged_in: Stream) -> None:
    _, first = logged_in.send(subscribe("account"))
    place(okx)
    [held] = logged_in.wait()

    assert {"BTC", "USDT"} <= {detail["ccy"] for detail in first["data"][0]["details"]}
    [detail] = held["data"][0]["details"]
    assert (detail["ccy"], detail["frozenBal"]) == ("USDT", "490")


def test_trades_and_short_books_and_tickers_are_sent(okx: Bench) -> None:
    stream = okx.open("/ws/v5/public")
    for channel in ("trades", "books5", "bbo-tbt", "tickers"):
        stream.send(subscribe(channel, instId="BTC-USDT"))
    place(okx, ordType="ioc", px="50010", sz="0.02")
    frames = {frame["arg"]["channel"]: frame["data"][0] for frame in stream.wait()}

    assert (frames["trades"]["side"], frames["trades"]["px"], frames["trades"]["sz"]) == ("buy", "50010", "0.02")
    assert frames["books5"]["asks"][0][0] == "50020.0"
    assert frames["bbo-tbt"]["asks"][0][0] == "50020.0"
    assert (frames["tickers"]["askPx"], frames["tickers"]["last"]) == ("50020.0", "50010")


# -- orders over the socket --------------------------------------------------------------------------------------------


def answered(stream: Stream, message: dict[str, Any]) -> dict[str, Any]:
    """Send an order request over the socket and return the answer under its id."""
    [answer] = [frame for frame in stream.send(message) if frame.get("id") == message["id"]]
    assert isinstance(answer, dict)
    return answer


def numbered(okx: Bench) -> dict[str, Any]:
    """Return the order with its instrument's number instead of its name, as the socket wants it."""
    [rules] = okx.ask(["public"], "public/instruments", params={"instType": "SPOT", "instId": "BTC-USDT"})[1]["data"]
    return {name: value for name, value in ORDER.items() if name != "instId"} | {"instIdCode": rules["instIdCode"]}


def test_the_socket_takes_no_order_that_names_its_instrument(okx: Bench, logged_in: Stream) -> None:
    answer = answered(logged_in, {"id": "7", "op": "order", "args": [ORDER]})

    assert (answer["code"], answer["data"][0]["sCode"]) == ("1", "50014")
    assert "instIdCode" in answer["data"][0]["sMsg"]
    assert okx.exchange.open_orders() == []


def test_orders_over_the_socket_are_answered_under_their_id(okx: Bench, logged_in: Stream) -> None:
    order = numbered(okx)

    placed = answered(logged_in, {"id": "7", "op": "order", "args": [order | {"clOrdId": "ws1"}]})
    twice = answered(logged_in, {"id": "8", "op": "batch-orders", "args": [order | {"clOrdId": "ws1"}, order]})
    target = {"instIdCode": order["instIdCode"], "clOrdId": "ws1"}
    cancelled = answered(logged_in, {"id": "9", "op": "cancel-order", "args": [target]})

    assert (placed["op"], placed["code"], placed["data"][0]["sCode"]) == ("order", "0", "0")
    assert (twice["code"], [item["sCode"] for item in twice["data"]]) == ("2", ["51016", "0"])
    assert (cancelled["code"], cancelled["data"][0]["ordId"]) == ("0", placed["data"][0]["ordId"])
    assert [record.client_id for record in okx.venue.records if record.kind == "cancel"] == ["ws1"]


def test_an_order_over_the_socket_expires_too(okx: Bench, logged_in: Stream) -> None:
    soon = str(okx.now_ns // NS_PER_MS + 1)

    answer = answered(logged_in, {"id": "7", "op": "order", "args": [numbered(okx)], "expTime": soon})

    assert (answer["code"], answer["data"]) == ("50036", [])
    assert okx.exchange.open_orders() == []


def test_orders_over_the_socket_want_a_login_and_suffer_the_same_faults(okx: Bench, logged_in: Stream) -> None:
    [refusal] = okx.open("/ws/v5/private").send({"id": "7", "op": "order", "args": [ORDER]})
    okx.fault("lost_ack", "place")
    silence = logged_in.send({"id": "8", "op": "order", "args": [numbered(okx)]})
    okx.fault("http_429", "place")
    limited = answered(logged_in, {"id": "9", "op": "order", "args": [numbered(okx)]})

    assert refusal["code"] == "60011"
    assert silence == []
    assert limited["code"] == "50011"
    assert len(okx.exchange.open_orders()) == 1
