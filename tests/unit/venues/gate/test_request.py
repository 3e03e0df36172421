"""Where parameters go, and the text they become. The commonest faults of the stock client are shown beside ours."""

import json
from decimal import Decimal
from typing import Any
from urllib.parse import unquote

import ccxt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb.venues.gate.request import RequestError, WireRequest, build, encode_query, plan, to_json


def wire(method: str, section: str, template: str, params: Any, *, public: bool = False) -> WireRequest:
    return build(plan(method, section, template), params, public=public)


def stock(method: str, section: str, template: str, params: Any) -> dict[str, Any]:
    exchange = ccxt.gate({"apiKey": "key", "secret": "secret"})
    return exchange.sign(template, ["private", section], method, params)  # type: ignore[no-any-return]


def test_a_float_is_no_price() -> None:
    with pytest.raises(RequestError, match="float"):
        to_json({"price": 1.2e-07})
    with pytest.raises(RequestError, match="float"):
        encode_query({"price": 0.1})


@pytest.mark.parametrize("value", ["a\nb", "a\rb", "\x00"])
def test_a_control_character_cannot_forge_a_line_of_the_signed_text(value: str) -> None:
    with pytest.raises(RequestError, match="control"):
        encode_query({"name": value})


@pytest.mark.parametrize("value", [None, "", "a/b", "a?b", "龙虾_USDT", "a b"])
def test_a_path_takes_only_characters_that_need_no_escape(value: str | None) -> None:
    with pytest.raises(RequestError, match="order_id"):
        wire("GET", "spot", "orders/{order_id}", {"order_id": value})


def test_a_list_parameter_is_signed_as_it_is_sent() -> None:
    request = wire("GET", "wallet", "fee", {"currency_pairs": ["BTC_USDT", "ETH_USDT"], "limit": 5})
    assert request.query_sent == request.query_signed == "currency_pairs=BTC_USDT,ETH_USDT&limit=5"
    # ccxt sends `ids=a&ids=b` and signs `ids=['a', 'b']`.
    assert stock("GET", "wallet", "fee", {"ids": ["a", "b"]})["url"].endswith("?ids=a&ids=b")


def test_a_comma_stays_literal() -> None:
    assert encode_query({"currencies": "BTC,GT"}) == ("currencies=BTC,GT", "currencies=BTC,GT")


def test_what_needs_an_escape_is_signed_decoded() -> None:
    signed, sent = encode_query({"name": "desk one/a", "big": "Größe"})
    assert signed == "name=desk one/a&big=Größe"
    assert sent == "name=desk%20one%2Fa&big=Gr%C3%B6%C3%9Fe"


def test_booleans_are_lower_case_and_nothing_is_sent_for_none() -> None:
    assert encode_query({"holding": True, "from": None, "all": False})[1] == "holding=true&all=false"
    assert "from=None" in stock("GET", "spot", "my_trades", {"from": None})["url"]
    assert to_json({"a": None, "b": True, "c": [1, None]}) == '{"b":true,"c":[1]}'


@given(
    st.dictionaries(st.text("abcdef_", min_size=1), st.text(st.characters(exclude_categories=["Cs", "Cc"])), max_size=5)
)
def test_the_server_decodes_exactly_what_was_signed(values: dict[str, str]) -> None:
    signed, sent = encode_query(values)
    assert unquote(sent) == signed
    assert sent.isascii()
    assert " " not in sent


def test_order_is_kept() -> None:
    assert encode_query({"limit": 1, "currency_pair": "A_B"})[0] == "limit=1&currency_pair=A_B"


POSTS_WITH_QUERY = [
    ("futures", "{settle}/positions/{contract}/leverage"),
    ("futures", "{settle}/positions/{contract}/set_leverage"),
    ("futures", "{settle}/positions/{contract}/margin"),
    ("futures", "{settle}/positions/{contract}/risk_limit"),
    ("futures", "{settle}/dual_comp/positions/{contract}/leverage"),
    ("futures", "{settle}/dual_comp/positions/{contract}/margin"),
    ("futures", "{settle}/dual_comp/positions/{contract}/risk_limit"),
    ("futures", "{settle}/dual_mode"),
    ("futures", "{settle}/set_position_mode"),
    ("delivery", "{settle}/positions/{contract}/leverage"),
    ("delivery", "{settle}/positions/{contract}/margin"),
    ("delivery", "{settle}/positions/{contract}/risk_limit"),
    ("margin", "auto_repay"),
]


@pytest.mark.parametrize(("section", "template"), POSTS_WITH_QUERY)
def test_some_posts_take_everything_in_the_query_and_send_no_body(section: str, template: str) -> None:
    request = wire("POST", section, template, {"settle": "usdt", "contract": "BTC_USDT", "status": "on"})
    assert request.query_signed.endswith("status=on")
    assert request.body == ""


@pytest.mark.parametrize(("section", "template"), [("futures", "{settle}/set_position_mode"), ("margin", "auto_repay")])
def test_the_stock_client_sends_two_of_them_a_body(section: str, template: str) -> None:
    sent = stock("POST", section, template, {"settle": "usdt", "position_mode": "single"})
    assert "?" not in sent["url"]
    assert sent["body"]


@pytest.mark.parametrize(
    ("section", "template"),
    [
        ("spot", "orders"),
        ("spot", "countdown_cancel_all"),
        ("futures", "{settle}/orders"),
        ("futures", "{settle}/positions/cross_mode"),
        ("wallet", "transfers"),
    ],
)
def test_other_posts_take_everything_in_the_body(section: str, template: str) -> None:
    request = wire("POST", section, template, {"settle": "usdt", "timeout": 30})
    assert request.query_sent == ""
    assert '"timeout":30' in request.body


def test_a_post_with_a_body_may_have_a_query_and_signs_it() -> None:
    request = wire("POST", "spot", "orders", {"text": "t-1", "query": {"a": "b,c"}})
    assert (request.query_signed, request.query_sent, request.body) == ("a=b,c", "a=b,c", '{"text":"t-1"}')


def test_a_patch_says_nothing_twice() -> None:
    params = {"order_id": "12345", "currency_pair": "BTC_USDT", "account": "spot", "price": "30001.5"}
    request = wire("PATCH", "spot", "orders/{order_id}", params)
    assert request == ("/spot/orders/12345", "currency_pair=BTC_USDT&account=spot", request[2], '{"price":"30001.5"}')
    assert request.query_sent == request.query_signed
    twice = stock("PATCH", "spot", "orders/{order_id}", params)
    assert "price=30001.5" in twice["url"]
    assert "price" in twice["body"]


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_get_and_delete_never_have_a_body(method: str) -> None:
    request = wire(method, "spot", "orders", {"currency_pair": "BTC_USDT"})
    assert (request.query_sent, request.body) == ("currency_pair=BTC_USDT", "")


def test_a_post_without_parameters_sends_nothing() -> None:
    assert wire("POST", "spot", "countdown_cancel_all", {}).body == ""
    assert stock("POST", "spot", "countdown_cancel_all", {})["body"] == "{}"


def test_batches_take_the_settlement_from_any_item_and_send_it_in_none() -> None:
    orders = [{"contract": "BTC_USDT", "size": 1}, {"contract": "ETH_USDT", "size": -1, "settle": "usdt"}]
    request = wire("POST", "futures", "{settle}/batch_orders", orders)
    assert request.path == "/futures/usdt/batch_orders"
    assert request.body == '[{"contract":"BTC_USDT","size":1},{"contract":"ETH_USDT","size":-1}]'
    assert "{settle}" in stock("POST", "futures", "{settle}/batch_orders", orders)["url"]


def test_a_batch_of_ids_takes_the_settlement_from_the_item_that_only_carries_it() -> None:
    request = wire("POST", "futures", "{settle}/batch_cancel_orders", [{"settle": "usdt"}, "123", "456"])
    assert (request.path, request.body) == ("/futures/usdt/batch_cancel_orders", '["123","456"]')


def test_a_batch_without_settlement_is_not_sent() -> None:
    with pytest.raises(RequestError, match="settle"):
        wire("POST", "futures", "{settle}/batch_orders", [{"contract": "BTC_USDT"}])


def test_a_batch_that_settles_in_two_currencies_is_not_sent() -> None:
    with pytest.raises(RequestError, match="settle"):
        wire("POST", "futures", "{settle}/batch_orders", [{"settle": "usdt"}, {"settle": "btc"}])


def test_the_body_is_compact_and_escaped_whatever_json_package_is_installed() -> None:
    assert to_json({"name": "Größe 龙虾 🚀", "n": 2**70}) == (
        '{"name":"Gr\\u00f6\\u00dfe \\u9f99\\u867e \\ud83d\\ude80","n":1180591620717411303424}'
    )


json_values = st.recursive(
    st.text(st.characters(exclude_categories=["Cs"])) | st.integers() | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
)
texts = st.text(st.sampled_from('aB1_-."\\\n\x7fé{},:'), max_size=6)


@given(json_values | st.dictionaries(texts, texts, max_size=6))
def test_the_body_is_the_standard_librarys_compact_json(value: Any) -> None:
    assert to_json(value) == json.dumps(value, separators=(",", ":"))


def test_a_decimal_is_plain_text() -> None:
    assert to_json({"amount": Decimal("1E-8"), "price": Decimal("3E+4")}) == '{"amount":"0.00000001","price":"30000"}'
    with pytest.raises(RequestError):
        to_json({"amount": Decimal("NaN")})


EXPIRING = [
    ("POST", "spot", "orders"),
    ("POST", "spot", "batch_orders"),
    ("POST", "spot", "amend_batch_orders"),
    ("POST", "spot", "cancel_batch_orders"),
    ("PATCH", "spot", "orders/{order_id}"),
    ("DELETE", "spot", "orders/{order_id}"),
    ("DELETE", "spot", "orders"),
    ("POST", "futures", "{settle}/orders"),
    ("POST", "futures", "{settle}/batch_orders"),
    ("PUT", "futures", "{settle}/orders/{order_id}"),
    ("DELETE", "futures", "{settle}/orders/{order_id}"),
]


@pytest.mark.parametrize(("method", "section", "template"), EXPIRING)
def test_placing_amending_and_cancelling_can_expire(method: str, section: str, template: str) -> None:
    assert plan(method, section, template).takes_expiry


@pytest.mark.parametrize(
    ("method", "section", "template"),
    [("GET", "spot", "orders"), ("POST", "spot", "countdown_cancel_all"), ("GET", "spot", "orders/{order_id}")],
)
def test_nothing_else_expires(method: str, section: str, template: str) -> None:
    assert not plan(method, section, template).takes_expiry
