"""The admin contract: literal field names, plain numbers, and clear refusals."""

import json
from decimal import Decimal
from typing import Any

import pytest

from arb.sandbox.admin import Admin, refusal
from arb.sandbox.faults import KINDS
from tests.unit.sandbox.bench import Bench

ORDER = {
    "currency_pair": "BTC_USDT",
    "side": "buy",
    "amount": "0.5",
    "price": "60010",
    "time_in_force": "ioc",
    "text": "t-one",
}


class Office:
    """An admin over one bench."""

    def __init__(self, venue: str = "gate") -> None:
        self.bench = Bench(venue)
        self.admin = Admin(self.bench.world, {"sandbox_id": "x"})

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Ask the admin."""
        data = b"" if body is None else json.dumps(body).encode()
        return self.admin.handle(method, path, data, self.bench.now_ns)


@pytest.mark.parametrize(
    ("path", "body", "complaint"),
    [
        ("/book", {"venue": "x", "symbol": "BTC/USDT", "bids": [], "asks": []}, "venue: 'x'"),
        ("/book", {"venue": "gate", "symbol": "X/Y", "bids": [], "asks": []}, "symbol: 'X/Y'"),
        ("/book", {"venue": "gate", "symbol": "BTC/USDT", "bids": []}, "asks"),
        ("/book", {"venue": "gate", "symbol": "BTC/USDT", "bids": [["1.05", "1"]], "asks": []}, "tick 0.1"),
        ("/book", {"venue": "gate", "symbol": "BTC/USDT", "bids": [["1", "-1"]], "asks": []}, "above 0"),
        ("/balance", {"venue": "gate", "asset": "BTC", "free": "-1"}, "free"),
        ("/account", {"venue": "gate", "mode": "spot"}, "mode: 'spot'"),
        ("/account", {"venue": "gate", "borrows": True}, "borrows: not to be chosen at gate"),
        ("/account", {"venue": "gate", "sub_account": "yes"}, "sub_account: true or false"),
        ("/account", {"venue": "gate", "rights": "spot"}, "rights: a list of texts"),
        ("/fault", {"venue": "gate", "fault": "plague"}, "fault: 'plague'"),
        ("/fault", {"venue": "gate", "fault": "slow", "on": "moon"}, "on: 'moon'"),
        ("/fault", {"venue": "gate", "fault": "slow", "count": 0}, "count"),
    ],
)
def test_a_bad_request_is_answered_400_with_the_reason(path: str, body: Any, complaint: str) -> None:
    status, answer = Office().ask("POST", path, body)
    assert status == 400
    assert complaint in answer["error"]


def test_what_the_holder_chooses_is_answered_whole_and_stays_when_a_later_choice_is_refused() -> None:
    office = Office()
    status, chosen = office.ask("POST", "/account", {"venue": "gate", "mode": "portfolio", "rights": ["spot:read"]})
    assert (status, chosen["mode"], list(chosen["rights"])) == (200, "portfolio", ["spot:read"])
    assert office.ask("POST", "/account", {"venue": "gate", "mode": "classic", "rights": 5})[0] == 400
    assert office.ask("POST", "/account", {"venue": "gate"})[1] == chosen
    refused = office.bench.ask(["private", "spot"], "orders", "POST", ORDER)
    assert (refused[0], refused[1]["label"]) == (403, "READ_ONLY")


def test_an_unknown_endpoint_is_404_and_a_body_that_is_no_json_400() -> None:
    office = Office()
    assert office.ask("GET", "/nothing")[0] == 404
    assert office.admin.handle("POST", "/book", b"{", office.bench.now_ns)[0] == 400


def test_a_posted_book_replaces_both_sides_exactly() -> None:
    office = Office()
    body = {"venue": "gate", "symbol": "BTC/USDT", "bids": [["60000", "0.5"], [59990.5, 2]], "asks": [["60010", "1"]]}
    assert office.ask("POST", "/book", body)[0] == 200
    view = office.bench.exchange.snapshot("BTC/USDT", 100)
    assert view.bids == [["60000.0", "0.50000"], ["59990.5", "2.00000"]]
    assert view.asks == [["60010.0", "1.00000"]]


def test_the_ledger_tells_orders_fills_transfers_requests_and_balances() -> None:
    office = Office()
    office.bench.set_book([("60000", "1")], [("60010", "1")])
    office.bench.ask(["private", "spot"], "orders", "POST", ORDER)
    office.ask("POST", "/balance", {"venue": "gate", "asset": "USDT", "free": "1000"})
    part = office.ask("GET", "/ledger")[1]["gate"]
    [order], [fill], [transfer] = part["orders"], part["fills"], part["transfers"]
    assert order == {
        "id": order["id"],
        "client_id": "t-one",
        "symbol": "BTC/USDT",
        "side": "buy",
        "price": "60010",
        "size": "0.5",
        "filled": "0.5",
        "status": "closed",
        "fee": "0.00045",
        "fee_currency": "BTC",
        "reject": None,
    }
    assert fill["order_id"] == order["id"]
    assert {k: fill[k] for k in ("price", "size", "fee", "fee_currency", "side", "symbol", "client_id")} == {
        "price": "60010",
        "size": "0.5",
        "fee": "0.00045",
        "fee_currency": "BTC",
        "side": "buy",
        "symbol": "BTC/USDT",
        "client_id": "t-one",
    }
    assert transfer["asset"] == "USDT"
    assert Decimal(transfer["amount"]) == 1000 - (Decimal(part["initial_balances"]["USDT"]) - 30_005)
    assert part["balances"]["USDT"] == {"free": "1000", "locked": "0"}
    assert [(r["kind"], r["client_id"], r["http_status"], r["applied"]) for r in part["requests"]] == [
        ("place", "t-one", 201, True)
    ]


def test_a_refused_order_is_in_the_ledger_as_rejected() -> None:
    office = Office()
    office.bench.ask(["private", "spot"], "orders", "POST", {**ORDER, "amount": "5000", "price": "59000"})
    part = office.ask("GET", "/ledger")[1]["gate"]
    assert [(o["status"], o["filled"]) for o in part["orders"]] == [("rejected", "0")]
    assert part["requests"][0]["applied"] is False


def test_faults_are_listed_with_defaults_and_what_is_left() -> None:
    office = Office()
    first = office.ask("POST", "/fault", {"venue": "gate", "fault": "slow", "count": 3})[1]
    office.ask("POST", "/fault", {"venue": "okx", "fault": "clock_skew"})
    listed = office.ask("GET", "/faults")[1]
    assert set(listed["names"]) == set(KINDS)
    assert listed["names"]["partial_fill"] == "0.5"
    assert listed["active"][0] == {"id": first["id"], "venue": "gate", "fault": "slow", "left": 3, "hits": 0}
    assert listed["active"][1]["left"] is None
    assert office.ask("DELETE", "/faults")[1] == {"deleted": 2}
    assert office.ask("GET", "/faults")[1]["active"] == []


def test_a_posted_dislocation_raises_the_ceiling() -> None:
    office = Office()
    assert office.ask("GET", "/ceiling")[1] == {"ceiling_net": {}}
    body = {"venue": "gate", "symbol": "BTC/USDT", "bids": [["62000", "1"]], "asks": [["62010", "1"]]}
    office.ask("POST", "/book", body)
    assert Decimal(office.ask("GET", "/ceiling")[1]["ceiling_net"]["USDT"]) > 0
    assert office.ask("GET", "/venues")[1] == {"sandbox_id": "x"}


def test_another_key_is_the_same_accounts_and_the_one_before_opens_nothing() -> None:
    office = Office()
    office.admin.first_line["venues"] = {"gate": {"rest": "r", "key": "old", "secret": "old"}}
    assert office.ask("POST", "/key", {"venue": "nowhere"})[0] == 400
    before = office.bench.venue.exchange.profile
    owner = before.user_id
    status, given = office.ask("POST", "/key", {"venue": "gate"})
    after = office.bench.venue.exchange.profile
    assert status == 200
    assert given == {"key": after.key, "secret": after.secret}
    assert office.ask("GET", "/venues")[1]["venues"]["gate"] == {"rest": "r"} | given
    assert (before.key, before.secret) != (after.key, after.secret)
    assert after.user_id == owner
    assert office.ask("POST", "/key", {"venue": "gate"})[1] != given


def test_an_account_becomes_one_of_another_kind_that_its_venue_has_and_its_private_sessions_end() -> None:
    office = Office("bitget")
    private, public = office.bench.open("/v2/ws/private"), office.bench.open("/v2/ws/public")
    for body in ({"mode": "hybrid"}, {"mode": ""}, {"kind": "unified"}):
        assert office.ask("POST", "/account", {"venue": "bitget", **body})[0] == 400
    refused, said = office.ask("POST", "/account", {"venue": "gate", "mode": "unified"})
    assert (refused, "'unified' is none of gate: classic, " in said["error"]) == (400, True)
    assert office.bench.venue.exchange.account_mode == "classic"

    status, chosen = office.ask("POST", "/account", {"venue": "bitget", "mode": "unified"})
    assert (status, chosen["mode"]) == (200, "unified")
    assert office.bench.venue.exchange.account_mode == "unified"
    office.bench.advance(1)
    assert (private.closed, public.closed) == (True, False)


OWN = {"host": "127.0.0.1:8701", "content-type": "application/json"}


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({}, None),
        ({"host": "localhost:8701"}, None),
        ({"host": "[::1]:8701"}, None),
        ({"origin": "http://127.0.0.1:8701"}, None),
        ({"content-type": "application/json; charset=utf-8"}, None),
        ({"host": "evil.example:8701"}, 403),
        ({"host": "127.0.0.1.evil.example"}, 403),
        ({"host": ""}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "http://127.0.0.1:8702"}, 403),
        ({"origin": "https://127.0.0.1:8701"}, 403),
        ({"origin": "null"}, 403),
        ({"content-type": "text/plain"}, 415),
        ({"content-type": "application/x-www-form-urlencoded"}, 415),
        ({"content-type": ""}, 415),
    ],
)
def test_a_page_in_a_browser_is_not_answered(more: dict[str, str], status: int | None) -> None:
    refused = refusal("POST", OWN | more)
    assert (refused and refused[0]) == status
    reading = refusal("GET", {**OWN, **more, "content-type": ""})
    assert (reading and reading[0]) == (status if status == 403 else None), "a question has no body"
