"""The PostgreSQL that tests get: real, and a database of its own for each test."""

import pytest
from sqlalchemy import create_engine, text

pytestmark = pytest.mark.no_tables


def _tables(url: str) -> int:
    engine = create_engine(url)
    with engine.begin() as connection:
        found = connection.execute(text("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")).scalar_one()
        connection.execute(text("CREATE TABLE mine (id integer)"))
    engine.dispose()
    return int(found)


def test_a_test_finds_its_database_empty(postgres_url: str) -> None:
    assert _tables(postgres_url) == 0


def test_another_test_does_not_see_what_the_first_one_made(postgres_url: str) -> None:
    assert _tables(postgres_url) == 0
