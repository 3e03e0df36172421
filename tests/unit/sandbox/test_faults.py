"""Faults of requests and accounts: what the client sees, what is true nevertheless, and that the fault ends."""

import json
from decimal import Decimal
from typing import Any

import pytest

from arb.clock import NS_PER_MS, NS_PER_S
from arb.sandbox.admin import Admin
from arb.sandbox.faults import KINDS
from arb.sandbox.values import OrderRequest
from arb.sandbox.wire import HttpAnswer
from tests.unit.sandbox.bench import Bench, Stream

ORDERS = ["private", "spot"]
PAIR, SYMBOL = "BTC_USDT", "BTC/USDT"


class Patient:
    """Gate under faults: posts them by the admin and looks at both sides of the wire."""

    def __init__(self, venue: str = "gate") -> None:
        self.bench = Bench(venue)
        self.bench.set_book([("60000", "1"), ("59990", "1")], [("60010", "1"), ("60020", "1")])
        self.admin = Admin(self.bench.world, {})

    def suffer(self, fault: str, **fields: Any) -> dict[str, Any]:
        """Post a fault."""
        return self.admin.post_fault({"venue": self.bench.venue.name, "fault": fault, **fields})

    def hits(self) -> int:
        """Return the hits of the first fault posted."""
        listed = self.admin.handle("GET", "/faults", b"", self.bench.now_ns)[1]
        [row] = [*as_list(listed["active"]), *as_list(listed["ended"])][:1]
        return int(row["hits"])

    def place(self, wait_ns: int = NS_PER_S, **changes: Any) -> HttpAnswer | None:
        """Place an order; return the answer if one came within `wait_ns`."""
        fields = {"currency_pair": PAIR, "side": "buy", "amount": "0.5", "price": "60010", "time_in_force": "ioc"}
        return self.answer(("orders", "POST", {**fields, "text": "t-one", **changes}), wait_ns)

    def answer(self, call: tuple[str, str, Any], wait_ns: int = NS_PER_S) -> HttpAnswer | None:
        """Send a signed call and return its answer if one came in time."""
        bench = self.bench
        token = bench.world.submit(bench.signed(ORDERS, *call), bench.now_ns)
        deadline = bench.now_ns + wait_ns
        found: HttpAnswer | None = None
        while bench.now_ns < deadline:
            bench.advance(5 * NS_PER_MS)
            for reply in bench.taken_replies(token):
                found = reply.answer
        return found

    def ledger(self) -> Any:
        """Return the venue's part of the ledger."""
        return self.admin.handle("GET", "/ledger", b"", self.bench.now_ns)[1][self.bench.venue.name]

    def subscribed(self, channel: str, payload: list[str]) -> Stream:
        """Return a stream subscribed to a public channel, its first frames read."""
        stream = self.bench.open("/ws/v4/")
        stream.send({"time": 1, "channel": channel, "event": "subscribe", "payload": payload})
        return stream

    def touch_book(self, size: str = "2") -> None:
        """Change the best bid."""
        self.bench.set_book([("60000", size), ("59990", "1")], [("60010", "1"), ("60020", "1")])


def as_list(value: object) -> list[Any]:
    """Return a value known to be a list."""
    assert isinstance(value, list)
    return value


def label(answer: HttpAnswer | None) -> str:
    """Return the label of an answer that came."""
    assert answer is not None
    return str(json.loads(answer.body)["label"])


# -- requests ----------------------------------------------------------------------------------------------------------


def test_a_lost_acknowledgement_leaves_an_order_that_was_taken() -> None:
    sick = Patient()
    sick.suffer("lost_ack")
    assert sick.place() is None
    [order] = sick.ledger()["orders"]
    assert (order["client_id"], order["filled"]) == ("t-one", "0.5")
    assert sick.ledger()["requests"][-1] | {"ts_ms": 0} == {
        "ts_ms": 0,
        "over": "rest",
        "kind": "place",
        "client_id": "t-one",
        "http_status": None,
        "applied": True,
    }
    assert sick.place() is not None  # one hit, then it is over


def test_a_lost_request_never_existed() -> None:
    sick = Patient()
    sick.suffer("lost_request")
    assert sick.place() is None
    assert sick.ledger()["orders"] == []
    assert sick.ledger()["requests"][-1]["applied"] is False


def test_a_delayed_request_arrives_after_the_client_gave_up() -> None:
    sick = Patient()
    sick.suffer("delayed_request", param=2000)
    assert sick.place(NS_PER_S) is None
    assert sick.ledger()["orders"] == []
    sick.bench.advance(2 * NS_PER_S)
    assert len(sick.ledger()["orders"]) == 1


def test_slow_executes_at_once_and_answers_late() -> None:
    sick = Patient()
    sick.suffer("slow", param=2000)
    assert sick.place(NS_PER_S) is None
    assert len(sick.ledger()["orders"]) == 1
    sick.bench.advance(2 * NS_PER_S)
    assert sick.hits() == 1


@pytest.mark.parametrize(
    ("fault", "status", "label_"),
    [
        ("http_429", 429, "TOO_MANY_REQUESTS"),
        ("http_503_maintenance", 503, "TOO_BUSY"),
        ("reject_balance", 400, "BALANCE_NOT_ENOUGH"),
    ],
)
def test_a_refusal_in_the_venues_words_takes_nothing(fault: str, status: int, label_: str) -> None:
    sick = Patient()
    sick.suffer(fault)
    answer = sick.place()
    assert answer is not None
    assert (answer.status, label(answer)) == (status, label_)
    assert sick.ledger()["orders"] == []
    assert sick.ledger()["requests"][-1]["http_status"] == status


@pytest.mark.parametrize("fault", ["http_500", "http_502_html"])
@pytest.mark.parametrize(("when", "orders"), [("before", 0), ("after", 1)])
def test_a_server_error_does_not_tell_whether_the_order_was_taken(fault: str, when: str, orders: int) -> None:
    sick = Patient()
    sick.suffer(fault, param=when)
    answer = sick.place()
    assert answer is not None
    assert answer.status == int(fault[5:8])
    assert answer.content_type == ("text/html" if "html" in fault else "application/json")
    assert len(sick.ledger()["orders"]) == orders
    assert sick.ledger()["requests"][-1]["applied"] is (orders == 1)


def test_a_malformed_answer_hides_an_order_that_was_taken() -> None:
    sick = Patient()
    sick.suffer("malformed_json")
    answer = sick.place()
    assert answer is not None
    with pytest.raises(ValueError, match=r"."):
        json.loads(answer.body)
    assert len(sick.ledger()["orders"]) == 1


@pytest.mark.parametrize(("share", "filled"), [("0.5", "0.25"), ("0", "0")])
def test_a_partial_fill_leaves_a_share_of_the_order(share: str, filled: str) -> None:
    sick = Patient()
    sick.suffer("partial_fill", param=share)
    sick.place(price="60020")
    assert sick.ledger()["orders"][0]["filled"] == filled
    assert sick.hits() == 1


def test_a_fault_on_cancels_leaves_placing_alone() -> None:
    sick = Patient()
    sick.suffer("http_429", on="cancel")
    placed = sick.place(price="59000", time_in_force="gtc")
    assert placed is not None
    assert placed.status == 201
    order_id = json.loads(placed.body)["id"]
    assert label(sick.answer((f"orders/{order_id}", "DELETE", {"currency_pair": PAIR}))) == "TOO_MANY_REQUESTS"


def test_a_fault_of_one_symbol_leaves_the_others_alone() -> None:
    sick = Patient()
    sick.suffer("http_429", symbol="ETH/USDT")
    answer = sick.place()
    assert answer is not None
    assert answer.status == 201


def test_a_fault_lasts_as_many_seconds_as_it_was_given() -> None:
    sick = Patient()
    sick.suffer("http_429", seconds=2)
    assert [label(sick.place(NS_PER_S // 2)) for _ in range(3)] == ["TOO_MANY_REQUESTS"] * 3
    sick.bench.advance(NS_PER_S)
    answer = sick.place()
    assert answer is not None
    assert answer.status == 201


# -- the state of the venue --------------------------------------------------------------------------------------------


def test_a_fill_comes_after_the_cancel_was_acknowledged() -> None:
    sick = Patient()
    placed = sick.place(price="59000", time_in_force="gtc")
    assert placed is not None
    sick.suffer("late_fill", count=1)
    order_id = json.loads(placed.body)["id"]
    cancelled = sick.answer((f"orders/{order_id}", "DELETE", {"currency_pair": PAIR}), 100 * NS_PER_MS)
    assert cancelled is not None
    assert json.loads(cancelled.body)["filled_amount"] == "0"
    sick.bench.advance(NS_PER_S)
    assert sick.ledger()["orders"][0]["filled"] == "0.25"


def test_fills_and_finished_orders_become_visible_late() -> None:
    sick = Patient()
    sick.suffer("history_lag", param=3000)
    sick.place(NS_PER_S)
    query = ("my_trades", "GET", {"currency_pair": PAIR})
    before = sick.answer(query)
    assert before is not None
    assert json.loads(before.body) == []
    sick.bench.advance(2 * NS_PER_S)
    after = sick.answer(query)
    assert after is not None
    assert len(json.loads(after.body)) == 1


def test_a_manual_order_changes_the_balances_without_a_client_id() -> None:
    sick = Patient()
    sick.suffer("foreign_order")
    [order] = sick.ledger()["orders"]
    assert order["client_id"] == ""
    assert Decimal(order["filled"]) * 60_010 <= 200
    assert Decimal(order["filled"]) > 0
    assert sick.hits() == 1


def test_a_skewed_clock_is_shown_by_the_venue_and_ends_with_the_fault() -> None:
    sick = Patient()
    sick.suffer("clock_skew", param=90_000)
    assert label(sick.place()) == "REQUEST_EXPIRED"
    sick.admin.handle("DELETE", "/faults", b"", sick.bench.now_ns)
    answer = sick.place()
    assert answer is not None
    assert answer.status == 201


def test_balances_change_late_in_queries() -> None:
    sick = Patient()
    sick.suffer("balance_lag", param=3000)
    sick.place()
    shown = sick.bench.exchange.balances()["BTC"].free
    assert shown == sick.bench.exchange.account.initial["BTC"]
    sick.bench.advance(3 * NS_PER_S)
    assert sick.bench.exchange.balances()["BTC"].free == sick.bench.exchange.account.balance("BTC").free


def test_fees_in_points_leave_the_base_whole_and_only_gate_has_them() -> None:
    sick = Patient()
    assert sick.suffer("fee_in_points")["applied"] is True
    answer = sick.place()
    assert answer is not None
    body = json.loads(answer.body)
    assert (body["fee"], Decimal(body["point_fee"])) == ("0", Decimal("0.5") * 60_010 * Decimal("0.0009"))
    assert sick.ledger()["fills"][0]["fee_currency"] == "POINT"
    assert Patient("okx").suffer("fee_in_points") == {"id": None, "applied": False}


def test_fees_in_gt_cost_three_quarters_and_are_taken_while_there_is_enough() -> None:
    sick = Patient()
    sick.admin.handle("POST", "/balance", b'{"venue":"gate","asset":"GT","free":"6"}', sick.bench.now_ns)
    assert sick.suffer("fee_in_points", param="GT")["applied"] is True
    rates = sick.bench.ask(["private", "wallet"], "fee")[1]
    assert (rates["debit_fee"], rates["gt_discount"], rates["taker_fee"], rates["gt_taker_fee"]) == (
        1,
        True,
        "0.0009",
        "0.000675",
    )
    first, second = (json.loads(answer.body) for _ in range(2) if (answer := sick.place(text=f"t-{_}")) is not None)
    in_gt = Decimal("0.5") * 60_010 * Decimal("0.000675") / 4
    assert (first["fee"], first["point_fee"], Decimal(first["gt_fee"])) == ("0", "0", in_gt)
    assert (Decimal(second["fee"]), second["gt_fee"]) == (Decimal("0.5") * Decimal("0.0009"), "0")
    assert sick.ledger()["balances"]["GT"]["free"] == str((6 - in_gt).normalize())


def test_an_account_pays_as_before_when_a_fault_in_its_fees_has_ended() -> None:
    sick = Patient()
    sick.bench.venue.disturbance.pay_fees_in("GT")
    sick.suffer("fee_in_points", seconds=1)
    sick.bench.advance(2 * NS_PER_S)
    sick.place()
    assert sick.ledger()["fills"][0]["fee_currency"] == "GT"


def test_a_venue_takes_no_asset_that_is_not_its_own() -> None:
    for venue, asset in (("gate", "BGB"), ("bitget", "GT"), ("okx", "OKB")):
        assert Patient(venue).suffer("fee_in_points", param=asset)["applied"] is False
    assert Patient("bitget").suffer("fee_in_points", param="BGB")["applied"] is True


def test_a_fee_tier_times_ten_is_shown_and_charged() -> None:
    sick = Patient()
    sick.suffer("fee_tier_change", param="10")
    sick.place()
    assert Decimal(sick.ledger()["fills"][0]["fee"]) == Decimal("0.5") * Decimal("0.009")
    rates = sick.bench.ask(["private", "wallet"], "fee")[1]
    assert rates["taker_fee"] == "0.009"
    assert sick.hits() >= 1


def test_a_raised_minimum_refuses_what_was_legal_and_is_restored() -> None:
    sick = Patient()
    sick.suffer("min_size_change", param="1000000")
    assert label(sick.place()) == "INVALID_PARAM_VALUE"
    sick.admin.handle("DELETE", "/faults", b"", sick.bench.now_ns)
    answer = sick.place()
    assert answer is not None
    assert answer.status == 201


def test_a_revoked_key_is_refused_everywhere_but_in_public() -> None:
    sick = Patient()
    sick.suffer("key_revoked")
    assert label(sick.place()) == "INVALID_KEY"
    assert sick.bench.ask(["public", "spot"], "time")[0] == 200


def test_a_crossed_book_is_seen_crossed_and_mends() -> None:
    sick = Patient()
    stream = sick.subscribed("spot.obu", [f"ob.{PAIR}.50"])
    sick.suffer("crossed_book", symbol=SYMBOL, param=500)
    crossed, repaired = stream.wait()
    assert Decimal(crossed["result"]["b"][0][0]) > 60_010
    assert repaired["result"]["b"] == [[crossed["result"]["b"][0][0], "0"]]


# -- the table ---------------------------------------------------------------------------------------------------------


def test_every_fault_can_be_posted_to_every_venue_or_says_that_it_cannot() -> None:
    for venue in ("gate", "okx", "bitget"):
        sick = Patient(venue)
        sick.bench.exchange.place(
            OrderRequest(SYMBOL, "buy", "limit", "gtc", Decimal(59_000), Decimal("0.1")), sick.bench.now_ns
        )
        for name in KINDS:
            assert sick.suffer(name)["applied"] is (name != "fee_in_points" or venue == "gate")
        sick.bench.advance(NS_PER_S)
        assert sick.admin.handle("DELETE", "/faults", b"", sick.bench.now_ns)[0] == 200
        assert sick.bench.venue.board.active == []
        assert sick.bench.venue.skew_ns == 0
