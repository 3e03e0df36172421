"""Ids: what an order of ours is called, reversibly, and what an account is called."""

import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb.market.ids import (
    MAX_ATTEMPT,
    MAX_PAIR_NUMBER,
    NONCE_BITS,
    ClientOrderId,
    decode,
    named_by_key,
    named_by_venue,
    pair_part,
    plain_id,
    sandbox_of,
)

PARTS = st.builds(
    ClientOrderId,
    nonce=st.integers(0, 2**NONCE_BITS - 1),
    pair_number=st.integers(0, MAX_PAIR_NUMBER),
    leg=st.sampled_from(["buy", "sell", "hedge", "unwind", "dust"]),
    attempt=st.integers(0, MAX_ATTEMPT),
)


@given(PARTS)
def test_an_id_reads_back_as_what_it_was_made_from(parts: ClientOrderId) -> None:
    assert decode(parts.encode()) == parts


@given(PARTS)
def test_an_id_is_legal_on_every_venue(parts: ClientOrderId) -> None:
    assert re.fullmatch(r"[0-9A-Za-z]{1,26}", parts.encode())


@given(PARTS, PARTS)
def test_two_different_orders_never_share_an_id(first: ClientOrderId, second: ClientOrderId) -> None:
    assert (first == second) == (first.encode() == second.encode())


@given(PARTS, PARTS)
def test_orders_share_their_pair_part_exactly_when_they_belong_to_one_pair(
    first: ClientOrderId, second: ClientOrderId
) -> None:
    same = (first.nonce, first.pair_number) == (second.nonce, second.pair_number)
    sibling = ClientOrderId(first.nonce, first.pair_number, "sell", 7)

    assert (pair_part(first.encode()) == pair_part(second.encode())) == same
    assert pair_part(first.encode()) == pair_part(sibling.encode()) is not None


@pytest.mark.parametrize("text", ["", "manual-1", "arb", "arb" + "0" * 17, "arb" + "!" * 18, "xyz" + "0" * 15 + "b00"])
def test_foreign_ids_are_not_ours(text: str) -> None:
    assert decode(text) is None
    assert pair_part(text) is None


def test_a_nonce_beyond_48_bits_is_not_ours() -> None:
    assert decode("arb" + "z" * 9 + "000000" + "b" + "00") is None


@pytest.mark.parametrize(
    "parts",
    [
        ClientOrderId(0, MAX_PAIR_NUMBER + 1, "buy", 0),
        ClientOrderId(0, 0, "buy", MAX_ATTEMPT + 1),
        ClientOrderId(-1, 0, "buy", 0),
        ClientOrderId(0, 0, "entry", 0),
    ],
)
def test_parts_out_of_range_are_refused(parts: ClientOrderId) -> None:
    with pytest.raises(ValueError):
        parts.encode()


FINGERPRINT = "0123456789ab"


@pytest.mark.parametrize(
    "odd",
    [
        None,
        "",
        0,
        "0",
        "000",
        True,
        False,
        -5,
        1.5,
        Decimal(5),
        "a b",
        "a-b",
        "../x",
        "ä",
        "5\n",
        "x" * 41,
        [5],
        {"id": 5},
    ],
)
def test_an_odd_id_is_not_used(odd: object) -> None:
    assert plain_id(odd) is None


@pytest.mark.parametrize(
    ("reported", "own"), [(10406147, "10406147"), ("44705892343619584", "44705892343619584"), ("Ab9", "Ab9")]
)
def test_a_number_or_a_short_text_is_an_id(reported: object, own: str) -> None:
    assert plain_id(reported) == own


@pytest.mark.parametrize("sandbox", ["sb-19a2b-7", "x", "uid-5", FINGERPRINT])
def test_a_sandboxs_accounts_name_their_sandbox(sandbox: str) -> None:
    assert sandbox_of(named_by_key("gate", FINGERPRINT, sandbox)) == sandbox
    assert sandbox_of(named_by_venue("gate", "53", sandbox)) == sandbox


@pytest.mark.parametrize("name", ["gate:test", "gate:paper", "gate", "", "gate-uid-53", f"gate-{FINGERPRINT}"])
def test_any_other_account_is_of_no_sandbox(name: str) -> None:
    assert sandbox_of(name) is None


def test_an_account_is_never_called_alike_by_its_key_and_by_its_venue() -> None:
    assert named_by_key("gate", FINGERPRINT, None) != named_by_venue("gate", FINGERPRINT, None)
