"""The JSON of requests, judged by the standard library's."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb.venues.kit.call import RequestError, body_text, to_json


def test_a_float_is_no_price() -> None:
    with pytest.raises(RequestError, match="float"):
        to_json({"price": 1.2e-07})


def test_nothing_is_written_for_none_and_no_parameters_are_no_body() -> None:
    assert to_json({"a": None, "b": True, "c": [1, None]}) == '{"b":true,"c":[1]}'
    assert body_text({}) == body_text(()) == ""


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
