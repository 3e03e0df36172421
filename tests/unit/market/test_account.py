"""What accounts are called: an odd id is no id, and the names of sandboxes are told from those of real venues."""

from decimal import Decimal

import pytest

from arb.market.account import named_by_key, named_by_venue, plain_id, sandbox_of

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
def test_a_number_or_a_short_word_is_an_id(reported: object, own: str) -> None:
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
