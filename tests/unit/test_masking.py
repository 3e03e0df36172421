"""Secrets in text: hidden in every form in which a document, a URL, a page or Python may write them."""

import html
import json
import re
from urllib.parse import quote, quote_plus, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb.errors import VenueProtocolError
from arb.market.ids import plain_id
from arb.masking import SECRETS, TEXT_MAX, SecretMask, clean
from arb.venues.transport.http import AnswerLost, AnswerReader, BadAnswer, NeverSent
from arb.venues.transport.network import SocketEnded

KEY = "3f1c95d2-e7b4-4068-a3f1-c95d2e7b4068"
secrets = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), min_size=6, max_size=40)
OTHER = "8d0c2b4e" * 8


def ways_to_write(secret: str) -> dict[str, str]:
    return {
        "as it is": secret,
        "in JSON": json.dumps({"msg": secret}),
        "in JSON, not only ASCII": json.dumps({"msg": secret}, ensure_ascii=False),
        "in JSON with escaped slashes": json.dumps({"msg": secret}).replace("/", "\\/"),
        "in JSON inside JSON": json.dumps({"body": json.dumps({"msg": secret})}),
        "in a URL": f"https://host/path/{quote(secret, safe='')}",
        "in a path": f"https://host/{quote(secret)}",
        "in a form": urlencode({"key": secret}),
        "in a URL, lower case": re.sub(
            "%..", lambda escape: escape.group().lower(), f"https://host/?a={quote_plus(secret)}"
        ),
        "in HTML": f"<b>{html.escape(secret)}</b>",
        "by Python": repr({"key": secret}),
    }


@given(secrets)
def test_a_secret_is_hidden_however_it_is_written(secret: str) -> None:
    mask = SecretMask([secret])
    for way, text in ways_to_write(secret).items():
        bare = ways_to_write("")[way]
        begins = next((n for n, char in enumerate(bare) if char != text[n : n + 1]), len(bare))
        assert "***" in mask.masked(text), way
        assert len(mask.masked(text)) <= len(bare) + 3, f"{way}: {text[begins:]} is not hidden whole"


@pytest.mark.parametrize(
    "signature",
    [
        "7c6e2a4f" * 16,  # Gate: hexadecimal digits of SHA-512
        "7c6e2a4f" * 8,
        "j/u7fT+hWmAaGkVwrbJSYRQWGZ3jAfXYhBTyQjRGEP8=",  # OKX, Bitget: base64 of SHA-256
        json.dumps("j/u7fT+hWmAaGkVwrbJSYRQWGZ3jAfXYhBTyQjRGEP8=").strip('"').replace("/", "\\/"),
        quote("j/u7fT+hWmAaGkVwrbJSYRQWGZ3jAfXYhBTyQjRGEP8=", safe=""),
    ],
)
def test_what_has_the_form_of_a_signature_is_hidden(signature: str) -> None:
    assert SecretMask().masked(f"invalid sign {signature}, expected another") == "invalid sign ***, expected another"


def test_names_of_orders_trades_and_accounts_are_none() -> None:
    for text in ("t-arb1a2b3c4d5e6f7g8h9i0j1k", KEY, "1605176741763000123", "0x" + "ab" * 20):
        assert SecretMask().masked(text) == text


@given(st.integers(0, 1100), st.integers(20, TEXT_MAX))
def test_no_part_of_a_secret_is_left_where_text_is_cut(before: int, length: int) -> None:
    SECRETS.hide([KEY])
    found = clean("x" * before + KEY + "y" * 1100, length)
    assert "3f" not in found and "068" not in found
    assert len(found) <= length + 3


@pytest.mark.thorough
@pytest.mark.parametrize("others", [1, 4, 10, 15, 40])
def test_no_part_of_a_secret_is_drawn_into_sight_by_the_masking_of_others(others: int) -> None:
    """What is masked gets shorter, and what follows comes nearer: also a secret that was cut in two before it was masked."""
    SECRETS.hide([KEY, OTHER])
    for length in range(20, TEXT_MAX + 1):
        found = clean(OTHER * others + KEY + "y" * 2000, length)
        assert "3f" not in found and "068" not in found, f"cut at {length}: {found}"
        assert len(found) <= length + 3


def test_every_door_of_a_venue_masks_what_it_lets_in() -> None:
    SECRETS.hide([KEY])
    for error in (VenueProtocolError("gate", KEY), NeverSent(KEY), AnswerLost(KEY), BadAnswer(KEY), SocketEnded(KEY)):
        assert KEY not in str(error) and KEY not in repr(error)
    for answer in (KEY, f"HTTP/1.1 {KEY}\r\n\r\n", f"HTTP/1.1 200 OK\r\n{KEY}\r\n\r\n"):
        with pytest.raises(BadAnswer) as bad:
            AnswerReader().feed(answer.encode())
        assert KEY[:8] not in str(bad.value)
    SECRETS.hide(["3f1c95d2e7b44068a3f1c95d2e7b4068"])
    assert plain_id("3f1c95d2e7b44068a3f1c95d2e7b4068") is None, "an account is not called by its key"
