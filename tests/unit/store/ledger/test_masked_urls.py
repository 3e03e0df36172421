"""A database URL as it may be shown: whoever wrote the password, wherever it stands, it is not seen."""

from contextlib import suppress
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.exc import OperationalError

from arb.errors import ConfigError
from arb.store.ledger.database import mask_url, parse_url, store_error

PASSWORD = "hunter22-hunter22"
HARD = st.text(st.sampled_from("aZ9@:/?#&=%+ [];.\\'\"é\n"), min_size=1, max_size=12).map(lambda text: f"hun{text}ter")
"""Passwords with every character that a URL may stumble over, raw."""
SHAPES = (
    "postgresql://me:{}@host:5432/arb",
    "postgresql://me:{}@host/arb?host=/run/postgresql&sslmode=require",
    "postgresql+psycopg://host/arb?user=me&password={}",
    "postgresql://me@host/arb?sslpassword={}&connect_timeout=5",
    "postgresql://:{}@/arb",
    "postgresql://me:{}@host:notaport/arb",
    "postgres://me:{}@host/arb",
    "mysql://me:{}@host/arb",
)


@pytest.mark.parametrize("shape", SHAPES)
@given(password=HARD)
def test_no_part_of_a_password_is_shown_however_it_is_written(shape: str, password: str) -> None:
    for written in (password, quote(password, safe="")):
        shown = mask_url(shape.format(written))
        assert "hun" not in shown
        assert "ter" not in shown
        with suppress(ConfigError):
            parse_url(shape.format(written))


@given(password=HARD)
def test_a_refused_url_names_no_part_of_its_password(password: str) -> None:
    for shape in SHAPES:
        try:
            parse_url(shape.format(password))
        except ConfigError as error:
            said = str(error)
            assert "hun" not in said, said
            assert "\n" not in said
        else:
            assert "@" not in (parse_url(shape.format(password)).host or "")


def test_what_is_no_secret_is_shown() -> None:
    assert mask_url(f"postgresql://me:{PASSWORD}@host:5432/arb") == "postgresql://me:***@host:5432/arb"
    assert mask_url("postgresql://me@host/arb") == "postgresql://me@host/arb"
    assert mask_url(f"postgresql://me:{PASSWORD}/arb") == "postgresql://***"  # the host is missing
    shown = mask_url(f"postgresql://me@/arb?host=/run/pg&password={PASSWORD}&sslmode=require")
    assert shown == "postgresql://me@/arb?host=/run/pg&sslmode=require&***"
    for file in ("sqlite:///var/sandbox.sqlite", "sqlite:////home@me/a b.sqlite?timeout=5"):
        assert mask_url(file) == file


def test_what_the_server_answers_shows_no_password_either() -> None:
    url = f"postgresql://me:{PASSWORD}@host/arb?sslpassword=bear-trap"
    answered = OperationalError("SELECT 1", None, Exception(f"bad option {PASSWORD} and bear-trap\nDETAIL"))
    assert str(store_error(url, answered)) == "ledger postgresql://me:***@host/arb?***: bad option *** and ***"
