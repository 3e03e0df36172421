"""Gate's `text`: the prefix exactly once, and nothing Gate would refuse."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb.venues.gate.ids import from_text, to_text

LEGAL = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_-."


@pytest.mark.parametrize("bad", ["", "t-", "x" * 29, "t-" + "x" * 29, "a b", "a/b", "größe", "a\n"])
def test_an_id_gate_would_refuse_never_leaves(bad: str) -> None:
    with pytest.raises(ValueError, match="client order id"):
        to_text(bad)


@pytest.mark.parametrize("given_id", ["trade-1", "t", "tt-1", "x" * 28])
def test_an_id_that_merely_begins_with_t_gets_the_prefix(given_id: str) -> None:
    assert to_text(given_id) == "t-" + given_id


def test_thirty_characters_with_the_prefix_are_legal() -> None:
    assert to_text("t-" + "x" * 28) == "t-" + "x" * 28


@pytest.mark.parametrize("source", [None, "apiv4", "web", "app", "t"])
def test_a_source_tag_is_no_client_order_id(source: str | None) -> None:
    assert from_text(source) is None


@given(st.text(LEGAL, min_size=1, max_size=28).filter(lambda text: not text.startswith("t-")))
def test_sending_and_reading_back_give_the_same_id(client_order_id: str) -> None:
    text = to_text(client_order_id)
    assert to_text(text) == text
    assert from_text(text) == client_order_id
