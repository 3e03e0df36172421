"""Where parameters go, and the text they become. The commonest faults of the stock client are shown beside ours."""

import json
from typing import Any, NamedTuple
from urllib.parse import unquote

import ccxt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb.venues.gate.client import build, channel_of, encode_query, endpoint_of
from arb.venues.kit.call import Call, RequestError


class Written(NamedTuple):
    """What `build` returns."""

    path: str
    query_signed: str
    query_sent: str
    body: str


def wire(method: str, section: str, template: str, params: dict[str, Any]) -> Written:
    call = Call(scope="", api=("private", section), method=method, path=template, params=params)
    return Written(*build(endpoint_of(method, section, template), call))


def stock(method: str, section: str, template: str, params: Any) -> dict[str, Any]:
    exchange = ccxt.gate({"apiKey": "key", "secret": "secret"})
    return exchange.sign(template, ["private", section], method, params)  # type: ignore[no-any-return]


def test_a_float_is_no_price() -> None:
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


@pytest.mark.parametrize(
    ("section", "template"),
    [
        ("spot", "orders"),
        ("spot", "countdown_cancel_all"),
        ("spot", "cancel_batch_orders"),
    ],
)
def test_other_posts_take_everything_in_the_body(section: str, template: str) -> None:
    request = wire("POST", section, template, {"timeout": 30})
    assert request.query_sent == ""
    assert '"timeout":30' in request.body


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_get_and_delete_never_have_a_body(method: str) -> None:
    request = wire(method, "spot", "orders", {"currency_pair": "BTC_USDT"})
    assert (request.query_sent, request.body) == ("currency_pair=BTC_USDT", "")


def test_a_post_without_parameters_sends_nothing() -> None:
    assert wire("POST", "spot", "countdown_cancel_all", {}).body == ""
    assert stock("POST", "spot", "countdown_cancel_all", {})["body"] == "{}"


EXPIRING = [
    ("POST", "spot", "orders"),
    ("POST", "spot", "batch_orders"),
    ("POST", "spot", "cancel_batch_orders"),
    ("DELETE", "spot", "orders/{order_id}"),
    ("DELETE", "spot", "orders"),
]


@pytest.mark.parametrize(("method", "section", "template"), EXPIRING)
def test_placing_and_cancelling_can_expire(method: str, section: str, template: str) -> None:
    assert endpoint_of(method, section, template).takes_expiry


@pytest.mark.parametrize(
    ("method", "section", "template"),
    [("GET", "spot", "orders"), ("POST", "spot", "countdown_cancel_all"), ("GET", "spot", "orders/{order_id}")],
)
def test_nothing_else_expires(method: str, section: str, template: str) -> None:
    assert not endpoint_of(method, section, template).takes_expiry


@pytest.mark.parametrize(
    ("channel", "places", "expires"),
    [("spot.login", False, False), ("spot.order_place", True, True), ("spot.order_cancel_ids", False, True)],
)
def test_the_order_sockets_channels_do_as_the_requests_they_stand_for(
    channel: str, places: bool, expires: bool
) -> None:
    endpoint = channel_of(channel)
    assert (endpoint.is_signed, endpoint.places, endpoint.takes_expiry) == (True, places, expires)


def test_a_batch_is_a_bare_array() -> None:
    items = ({"id": "1", "currency_pair": "A_B"}, {"id": "2", "currency_pair": "A_B"})
    call = Call(scope="", api=("private", "spot"), method="POST", path="cancel_batch_orders", params={}, items=items)
    *_, body = build(endpoint_of("POST", "spot", "cancel_batch_orders"), call)
    assert json.loads(body) == list(items)
