"""Gate v4 as clients meet it over REST: authentication, order calls, errors, limits, expiry, public data."""

import json

import pytest

from arb.clock import NS_PER_MS, NS_PER_S
from arb.sandbox.gate.auth import check_time
from arb.sandbox.wire import HttpRequest
from tests.unit.sandbox.bench import Bench
from tests.unit.sandbox.gate import PAIR, PRIVATE, PUBLIC, gate_bench, gate_order, place


@pytest.fixture
def gate() -> Bench:
    """Return Gate with a still book."""
    return gate_bench()


def with_headers(request: HttpRequest, **changes: str) -> HttpRequest:
    """Return a request with other headers."""
    headers = {**request.headers, **{name.replace("_", "-"): value for name, value in changes.items()}}
    return HttpRequest(request.method, request.path, request.query, headers, request.body)


# -- authentication ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "status", "label"),
    [
        ({"key": ""}, 401, "MISSING_REQUIRED_HEADER"),
        ({"key": "another"}, 401, "INVALID_KEY"),
        ({"sign": "00"}, 401, "INVALID_SIGNATURE"),
        ({"timestamp": "soon"}, 403, "REQUEST_EXPIRED"),
        ({"timestamp": "1700000000"}, 403, "REQUEST_EXPIRED"),
    ],
)
def test_a_request_that_is_not_proved_is_refused(gate: Bench, changes: dict[str, str], status: int, label: str) -> None:
    answered, body = gate.send(with_headers(gate.signed(PRIVATE, "accounts"), **changes))
    assert (answered, body["label"]) == (status, label)


def test_a_changed_body_breaks_the_signature(gate: Bench) -> None:
    signed = gate.signed(PRIVATE, "orders", "POST", gate_order())
    forged = HttpRequest("POST", signed.path, "", signed.headers, signed.body.replace(b"0.5", b"5.0"))
    assert gate.send(forged)[1]["label"] == "INVALID_SIGNATURE"
    assert gate.exchange.orders == {}


@pytest.mark.parametrize("offset_s", [-60, 60])
def test_a_clock_sixty_seconds_off_is_just_accepted(gate: Bench, offset_s: int) -> None:
    check_time(str(gate.now_ns // NS_PER_S + offset_s), gate.now_ns)


def test_milliseconds_are_an_expired_request(gate: Bench) -> None:
    request = with_headers(gate.signed(PRIVATE, "accounts"), timestamp=str(gate.now_ns // NS_PER_MS))
    assert gate.send(request)[1]["label"] == "REQUEST_EXPIRED"


# -- orders ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "label"),
    [
        ({"currency_pair": "NO_PAIR"}, "INVALID_CURRENCY_PAIR"),
        ({"amount": "0.000001"}, "INVALID_PRECISION"),
        ({"price": "59000.01"}, "INVALID_PRECISION"),
        ({"amount": "0.00001"}, "INVALID_PARAM_VALUE"),
        ({"amount": "x"}, "INVALID_PARAM_VALUE"),
        ({"text": "no-prefix"}, "INVALID_PARAM_VALUE"),
        ({"text": "t-" + "x" * 29}, "INVALID_PARAM_VALUE"),
        ({"time_in_force": "gtx"}, "INVALID_PARAM_VALUE"),
        ({"type": "market", "time_in_force": "gtc"}, "INVALID_PARAM_VALUE"),
        ({"amount": "100"}, "BALANCE_NOT_ENOUGH"),
        ({"price": "90000"}, "PRICE_TOO_DEVIATED"),
        ({"price": "60010", "time_in_force": "poc"}, "POC_FILL_IMMEDIATELY"),
        ({"price": "60020", "amount": "3", "time_in_force": "fok"}, "FOK_NOT_FILL"),
    ],
)
def test_a_wrong_order_is_refused_with_the_venues_label(gate: Bench, changes: dict[str, str], label: str) -> None:
    status, body = place(gate, **changes)
    assert (status, body["label"]) == (400, label)


def test_an_order_below_the_minimum_value_says_the_minimum(gate: Bench) -> None:
    _, body = place(gate, amount="0.00002")
    assert body["message"] == "Your order size is too small. The minimum is 3 USDT"


def test_ioc_answers_201_with_what_it_got_and_its_base_fee(gate: Bench) -> None:
    status, body = place(gate, price="60010", amount="2", time_in_force="ioc")
    assert status == 201
    assert (body["status"], body["finish_as"], body["left"], body["filled_amount"]) == ("cancelled", "ioc", "1", "1")
    assert (body["filled_total"], body["avg_deal_price"]) == ("60010", "60010")
    assert (body["fee"], body["fee_currency"]) == ("0.0009", "BTC")


def test_a_market_buy_counts_quote(gate: Bench) -> None:
    _, body = place(gate, type="market", amount="30", time_in_force="ioc", price="0")
    assert body["status"] == "cancelled"  # 30 USDT are no whole number of lots
    assert (body["amount"], body["filled_amount"]) == ("30", "0.00049")
    assert body["left"] == "0.5951"


def test_a_finished_order_is_found_by_id_and_no_longer_by_text(gate: Bench) -> None:
    _, rests = place(gate)
    assert gate.ask(PRIVATE, "orders/t-one", params={"currency_pair": PAIR})[1]["id"] == rests["id"]
    status, cancelled = gate.ask(PRIVATE, f"orders/{rests['id']}", "DELETE", {"currency_pair": PAIR})
    assert (status, cancelled["status"], cancelled["finish_as"]) == (200, "cancelled", "cancelled")
    assert gate.ask(PRIVATE, "orders/t-one", params={"currency_pair": PAIR})[1]["label"] == "CLIENT_ID_NOT_FOUND"
    assert gate.ask(PRIVATE, f"orders/{rests['id']}", params={"currency_pair": PAIR})[1]["status"] == "cancelled"
    again, body = gate.ask(PRIVATE, f"orders/{rests['id']}", "DELETE", {"currency_pair": PAIR})
    assert (again, body["label"]) == (400, "ORDER_CANCELLED")


def test_a_text_used_twice_is_taken_twice_and_the_newer_shadows_the_older(gate: Bench) -> None:
    _, first = place(gate)
    _, second = place(gate)
    assert first["id"] != second["id"]
    assert gate.ask(PRIVATE, "orders/t-one", params={"currency_pair": PAIR})[1]["id"] == second["id"]


def test_history_is_paged_and_filtered(gate: Bench) -> None:
    ids = [place(gate, price="60010", amount="0.1", time_in_force="ioc", text=f"t-{n}")[1]["id"] for n in range(3)]
    listed = gate.ask(PRIVATE, "orders", params={"currency_pair": PAIR, "status": "finished"})[1]
    assert [row["id"] for row in listed] == ids[::-1]
    paged = gate.ask(PRIVATE, "my_trades", params={"currency_pair": PAIR, "limit": "2", "page": "2"})[1]
    assert [row["order_id"] for row in paged] == ids[:1]
    later = str(gate.now_ns // NS_PER_S + 5)
    assert gate.ask(PRIVATE, "my_trades", params={"currency_pair": PAIR, "from": later})[1] == []


def test_open_orders_are_grouped_by_pair(gate: Bench) -> None:
    place(gate)
    [group] = gate.ask(PRIVATE, "open_orders")[1]
    assert (group["currency_pair"], group["total"], len(group["orders"])) == (PAIR, 1, 1)


def test_a_batch_answers_for_each_order(gate: Bench) -> None:
    rows = gate.ask(PRIVATE, "batch_orders", "POST", [gate_order(), gate_order(amount="100", text="t-two")])[1]
    assert [row["succeeded"] for row in rows] == [True, False]
    assert rows[1]["label"] == "BALANCE_NOT_ENOUGH"
    cancelled = gate.ask(
        PRIVATE, "cancel_batch_orders", "POST", [{"currency_pair": PAIR, "id": rows[0]["id"]}, {"id": "7"}]
    )[1]
    assert [row["succeeded"] for row in cancelled] == [True, False]


def test_the_dead_man_switch_cancels_unless_renewed(gate: Bench) -> None:
    place(gate)
    gate.ask(PRIVATE, "countdown_cancel_all", "POST", {"timeout": 5})
    gate.advance(4 * NS_PER_S)
    assert len(gate.exchange.open_orders()) == 1
    gate.ask(PRIVATE, "countdown_cancel_all", "POST", {"timeout": 5})
    gate.advance(4 * NS_PER_S)
    assert len(gate.exchange.open_orders()) == 1
    gate.advance(2 * NS_PER_S)
    assert gate.exchange.open_orders() == []


# -- expiry and limits -------------------------------------------------------------------------------------------------


def test_an_order_that_arrives_after_its_expiry_is_refused_and_not_taken(gate: Bench) -> None:
    request = gate.signed(PRIVATE, "orders", "POST", gate_order())
    late = with_headers(request, x_gate_exptime=str(gate.now_ns // NS_PER_MS))
    status, body = gate.send(late)
    assert (status, body["label"]) == (403, "REQUEST_EXPIRED")
    assert gate.exchange.orders == {}
    timely = with_headers(request, x_gate_exptime=str(gate.now_ns // NS_PER_MS + 1000))
    assert gate.send(timely)[0] == 201


def test_placing_is_metered_per_market_and_cancelling_apart(gate: Bench) -> None:
    requests = [gate.signed(PRIVATE, "orders", "POST", gate_order(amount="0.001", text=f"t-{n}")) for n in range(11)]
    tokens = [gate.world.submit(request, gate.now_ns) for request in requests]
    gate.advance(NS_PER_S // 2)
    answers = [gate.answer_of(token) for token in tokens]
    statuses = sorted(answer.status for answer in answers)
    assert statuses == [201] * 10 + [429]
    [limited] = [answer for answer in answers if answer.status == 429]
    assert json.loads(limited.body)["label"] == "TOO_MANY_REQUESTS"
    assert limited.headers["X-Gate-RateLimit-Requests-Remain"] == "0"
    assert limited.headers["X-Gate-RateLimit-Limit"] == "10"
    assert place(gate, currency_pair="ETH_USDT", price="2900", amount="0.01")[0] == 201
    assert gate.ask(PRIVATE, "orders", "DELETE", {"currency_pair": PAIR})[0] == 200
    gate.advance(NS_PER_S)
    assert place(gate)[0] == 201


def test_a_read_endpoint_has_two_hundred_per_ten_seconds_of_its_own(gate: Bench) -> None:
    path = HttpRequest("GET", "/api/v4/spot/time", "", {}, b"")
    tokens = [gate.world.submit(path, gate.now_ns) for _ in range(201)]
    gate.advance(NS_PER_S)
    assert sorted(gate.answer_of(token).status for token in tokens) == [200] * 200 + [429]
    assert gate.ask(PUBLIC, "currencies")[0] == 200


def test_unknown_paths_and_methods_have_labels(gate: Bench) -> None:
    assert gate.send(HttpRequest("GET", "/api/v4/spot/nothing", "", {}, b""))[1]["label"] == "NOT_FOUND"
    assert gate.send(HttpRequest("PUT", "/api/v4/spot/orders", "", {}, b""))[1]["label"] == "METHOD_NOT_ALLOWED"


# -- public data -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("with_id", ["true", "True"])
def test_a_snapshot_has_an_id_only_when_asked(gate: Bench, with_id: str) -> None:
    plain = gate.ask(PUBLIC, "order_book", params={"currency_pair": PAIR})[1]
    assert "id" not in plain
    book = gate.ask(PUBLIC, "order_book", params={"currency_pair": PAIR, "with_id": with_id, "limit": 1})[1]
    assert (book["bids"], book["asks"]) == ([["60000.0", "1.00000"]], [["60010.0", "1.00000"]])
    assert book["id"] == gate.exchange.market("BTC/USDT").book.update_id


def test_transfers_are_shown_as_deposits_and_withdrawals(gate: Bench) -> None:
    gate.exchange.transfer("BTC", gate.exchange.balances()["BTC"].free + 1, gate.now_ns)
    gate.exchange.transfer("USDT", gate.exchange.balances()["USDT"].free - 5, gate.now_ns)
    [deposit] = gate.ask(["private", "wallet"], "deposits")[1]
    [withdrawal] = gate.ask(["private", "wallet"], "withdrawals")[1]
    assert (deposit["currency"], deposit["amount"], deposit["status"]) == ("BTC", "1", "DONE")
    assert (withdrawal["currency"], withdrawal["amount"]) == ("USDT", "5")


def test_the_key_may_trade_and_not_withdraw(gate: Bench) -> None:
    [key] = gate.ask(["private", "account"], "main_keys")[1]
    assert {perm["name"]: perm["read_only"] for perm in key["perms"]} == {
        "spot": False,
        **dict.fromkeys(("wallet", "account", "unified"), True),
    }
