"""Binance's limits and faults, as the sandbox plays them in virtual time."""

from typing import Any

import pytest

from arb.clock import NS_PER_MS, NS_PER_S
from arb.sandbox.binance.limits import BAN_NS, STUBBORN
from arb.sandbox.faults import KINDS, Fault
from arb.sandbox.wire import HttpAnswer
from tests.unit.sandbox.bench import Bench
from tests.unit.sandbox.binance import IOC, ORDER, answered, ask, binance_bench, place, signed, stamped


@pytest.fixture
def binance() -> Bench:
    return binance_bench()


def placed(binance: Bench, **changes: Any) -> HttpAnswer:
    query = stamped(binance, **{**ORDER, **changes})
    return answered(binance, signed(binance, "POST", "/api/v3/order", query))


def used(answer: HttpAnswer) -> int:
    return int(answer.headers["X-MBX-USED-WEIGHT-1M"])


def counted(answer: HttpAnswer) -> tuple[str, str]:
    return answer.headers["X-MBX-ORDER-COUNT-10S"], answer.headers["X-MBX-ORDER-COUNT-1D"]


def weighed(binance: Bench, path: str, **params: Any) -> int:
    """Return what a private request weighs."""
    before = used(answered(binance, signed(binance, "GET", "/api/v3/ping", "")))
    answer = answered(binance, signed(binance, "GET", f"/api/v3/{path}", stamped(binance, **params)))
    assert answer.status == 200, answer.body
    return used(answer) - before


@pytest.mark.parametrize(
    ("path", "params", "weight"),
    [
        ("depth", {"symbol": "BTCUSDT"}, 5),
        ("depth", {"symbol": "BTCUSDT", "limit": 1000}, 50),
        ("depth", {"symbol": "BTCUSDT", "limit": 5000}, 250),
        ("exchangeInfo", {}, 20),
        ("ticker/bookTicker", {}, 4),
        ("openOrders", {"symbol": "BTCUSDT"}, 6),
        ("openOrders", {}, 80),
        ("myTrades", {"symbol": "BTCUSDT"}, 20),
        ("myTrades", {"symbol": "BTCUSDT", "orderId": 1}, 5),
        ("account", {}, 20),
        ("rateLimit/order", {}, 40),
    ],
)
def test_a_request_weighs_what_the_document_says(
    binance: Bench, path: str, params: dict[str, Any], weight: int
) -> None:
    assert weighed(binance, path, **params) == weight


def test_an_order_weighs_nothing_when_it_succeeds_and_one_when_it_fails(binance: Bench) -> None:
    answers = [placed(binance), placed(binance, price="0.001"), placed(binance)]

    assert [(answer.status, used(answer)) for answer in answers] == [(200, 0), (400, 1), (200, 1)]
    assert counted(answers[2]) == ("2", "2"), "a refused order is none"


def test_weight_beyond_the_limit_is_refused_until_the_minute_is_over_and_stubbornness_is_banned(binance: Bench) -> None:
    desk = binance.venue.dialect.desk  # type: ignore[attr-defined]
    desk.limits.weigh(5999, binance.now_ns)

    def ping() -> HttpAnswer:
        return answered(binance, signed(binance, "GET", "/api/v3/ping", ""))

    last, first = ping(), ping()
    left_s = 60 - binance.now_ns // NS_PER_S % 60
    assert (last.status, first.status) == (200, 429)
    assert b"-1003" in first.body and abs(int(first.headers["Retry-After"]) - left_s) <= 1
    refused = [ping() for _ in range(STUBBORN)]
    assert [answer.status for answer in refused] == [429] * (STUBBORN - 1) + [418]
    assert b"IP banned until" in refused[-1].body
    binance.advance(61 * NS_PER_S)
    assert ping().status == 418, "a ban outlasts the minute"
    binance.advance(BAN_NS)
    assert ping().status == 200


def test_unfilled_orders_are_counted_in_fixed_intervals_and_a_fill_gives_its_order_back(binance: Bench) -> None:
    while binance.now_ns % (10 * NS_PER_S) > NS_PER_S:
        binance.advance(NS_PER_S)
    resting = placed(binance)
    missed, taken = placed(binance, timeInForce="IOC"), placed(binance, **IOC)

    assert [counted(answer) for answer in (resting, missed, taken)] == [("1", "1"), ("2", "2"), ("2", "2")]
    binance.advance(10 * NS_PER_S)
    assert counted(placed(binance)) == ("1", "3")
    binance.set_book([("48000", "1")], [("49000", "0.01"), ("50020", "1")])  # the oldest rests no more: filled as maker
    assert [row["count"] for row in ask(binance, "rateLimit/order")[1]] == [0, 0]


def test_a_cancel_gives_no_order_back(binance: Bench) -> None:
    number = place(binance)["orderId"]
    ask(binance, "order", "DELETE", symbol="BTCUSDT", orderId=number)

    assert ask(binance, "rateLimit/order")[1][1]["count"] == 1


def test_too_many_unfilled_orders_are_refused_until_the_interval_is_over(binance: Bench) -> None:
    desk = binance.venue.dialect.desk  # type: ignore[attr-defined]
    desk.limits.count_orders(100, binance.now_ns)

    refused = placed(binance)

    assert refused.status == 429
    assert refused.body == b'{"code":-1015,"msg":"Too many new orders; current limit is 100 orders per 10 SECOND."}'
    assert 1 <= int(refused.headers["Retry-After"]) <= 10
    binance.advance(10 * NS_PER_S)
    assert placed(binance).status == 200


def test_no_more_than_two_hundred_orders_rest_in_a_symbol(binance: Bench) -> None:
    for number in range(200):
        if number % 90 == 0:
            binance.advance(10 * NS_PER_S)
        small: dict[str, Any] = {**ORDER, "quantity": "0.001"}
        query = stamped(binance, **small)
        binance.world.submit(signed(binance, "POST", "/api/v3/order", query), binance.now_ns)
    binance.advance(NS_PER_S)

    assert len(binance.exchange.open_orders()) == 200
    binance.advance(10 * NS_PER_S)
    assert place(binance)["msg"] == "Filter failure: MAX_NUM_ORDERS"


# -- faults ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ("http_429", 429, -1003),
        ("http_500", 500, -1006),
        ("http_503_maintenance", 503, 1),
        ("reject_balance", 400, -2010),
        ("symbol_refused", 400, -2010),
        ("key_revoked", 401, -2015),
    ],
)
def test_faults_speak_the_venues_language(binance: Bench, fault: str, status: int, code: int) -> None:
    binance.fault(fault, "place", count=2)

    answered_, body = ask(binance, "order", "POST", **ORDER, newClientOrderId="f1")

    assert (answered_, body["code"]) == (status, code)
    assert binance.venue.records[-1].client_id == "f1"


@pytest.mark.parametrize("name", ["slow", "delayed_request"])
def test_after_ten_seconds_the_venue_gives_up_its_engine_which_may_have_placed_the_order(
    binance: Bench, name: str
) -> None:
    late = Fault(1, name, KINDS[name], "place", None, 1, None, 12_000)
    binance.venue.board.add(late)
    asked_ns = binance.now_ns

    status, answer = ask(binance, "order", "POST", **IOC, recvWindow=60_000)

    waited_ns = binance.now_ns - asked_ns
    assert (status, answer["code"]) == (504, -1007)
    assert 10 * NS_PER_S <= waited_ns < 10 * NS_PER_S + 50 * NS_PER_MS
    binance.advance(5 * NS_PER_S)
    assert len(binance.exchange.fills) == 1
    assert binance._replies == {}, "the engine's own answer is not sent any more"


def test_an_error_of_the_server_may_have_placed_the_order(binance: Bench) -> None:
    after = Fault(1, "http_500", KINDS["http_500"], "place", None, 1, None, "after")
    binance.venue.board.add(after)

    status, answer = ask(binance, "order", "POST", **IOC)

    assert (status, answer["code"], len(binance.exchange.fills)) == (500, -1006, 1)
