"""The page SCHEMA.md names every table, view and column, with its meaning and unit."""

from sqlalchemy import inspect

from arb.store.ledger.database import open_engine
from arb.store.ledger.domains import ExactNumber
from arb.store.ledger.migrate import upgrade
from arb.store.ledger.tables import Base
from arb.store.ledger.views import VIEWS
from tests.support.dictionary import schema_document, view_columns, view_says

UNITS = ("quote", "base", "bps", "fee_currency", "in the asset")


def test_the_page_has_every_column_of_every_table_and_view() -> None:
    sections = dict(part.split("\n", 1) for part in schema_document().split("\n### ")[1:])
    columns = {table.name: [column.name for column in table.columns] for table in Base.metadata.sorted_tables}
    columns |= {view: view_columns(view) for view in VIEWS}
    assert sections.keys() == columns.keys()
    for name, section in sections.items():
        assert [line.split("`")[1] for line in section.splitlines() if line.startswith("| `")] == columns[name]


def test_every_column_of_a_table_says_its_meaning_and_unit() -> None:
    for table in Base.metadata.sorted_tables:
        assert table.comment
        for column in table.columns:
            says = column.comment or ""
            assert len(says) > 5, f"{table}.{column.name}"
            if column.name.endswith("_ns") or column.name == "ns":
                assert "ns" in says.split(), f"{table}.{column.name}"
            if column.name.endswith("_e8"):
                assert "1e-8 of the quote" in says, f"{table}.{column.name}"
            if isinstance(column.type, ExactNumber):
                assert any(unit in says for unit in UNITS), f"{table}.{column.name}: {says}"


def test_every_column_of_a_view_says_its_meaning_and_unit() -> None:
    for view in VIEWS:
        for column in view_columns(view):
            says = view_says(view, column)
            unit = {"_e8": "1e-8 of the quote", "_ns": "ns UTC", "_ms": "ms", "bps": "bps"}.get(column[-3:])
            assert unit is None or unit in says, f"{view}.{column}: {says}"


def test_the_dictionary_has_the_columns_the_database_has(db_url: str) -> None:
    upgrade(db_url)
    engine = open_engine(db_url)
    inspector = inspect(engine)
    for view in VIEWS:
        assert view_columns(view) == [column["name"] for column in inspector.get_columns(view)]
    engine.dispose()
