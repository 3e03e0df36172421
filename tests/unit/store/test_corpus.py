"""The frozen corpus: what an earlier version left behind reads as it did then (tests/data/README.md).

What is expected is frozen beside the files. A column, key or table that has come since is no difference.
"""

from pathlib import Path
from typing import Any

import pytest

from arb.store.ledger.migrate import check, current
from arb.store.ledger.rebuild import db_upgrade
from tests import house
from tests.support import corpus
from tests.support.old_files import DATA, unpacked

CASES = sorted(corpus.cases())
JOURNALS = ("abandoned", "half-open", "intents", "reopened")
TAPES = ("bands", "calm", "faults", "feeds", "flattened", "halted", "lost", "paper", "refused", "restart", "usdc")
GONE = ("alembic_version", "untraded_daily")
"""Tables that say other things later: 0019 moved the rows of `untraded_daily`, of which the frozen ledgers have none."""
FOLDER = DATA / corpus.CORPUS


def told(frozen: Any, found: Any) -> str:
    """Return the first differences, one a line."""
    lines = list(corpus.differences(frozen, found))
    return "\n".join([*lines[:40], *([f"... and {len(lines) - 40} more"] if len(lines) > 40 else [])])


def test_every_file_is_read() -> None:
    read = {*CASES, *(f"rebuilt-{name}" for name in JOURNALS)}
    assert {f"journal-{name}" for name in JOURNALS} | {f"tape-{name}" for name in TAPES} <= read
    assert corpus.revisions() == [f"{number:04}" for number in range(1, 19)]
    frozen = {path.name.removesuffix(".json.xz").replace("_", " ") for path in (FOLDER / "expected").iterdir()}
    assert frozen == set(CASES)


@pytest.mark.parametrize("name", CASES)
def test_what_is_read_of_a_frozen_file_is_what_was_read_of_it_then(name: str, tmp_path: Path) -> None:
    differences = told(corpus.expected(name), corpus.read(name, tmp_path))
    assert not differences, f"{name}:\n{differences}"


@pytest.mark.parametrize("name", JOURNALS)
def test_a_frozen_journal_rebuilds_its_frozen_ledger_row_for_row(name: str, tmp_path: Path) -> None:
    frozen = corpus.frozen_rows(name, tmp_path)
    (tmp_path / "now").mkdir()
    differences = told(frozen, corpus.rebuilt_case(name, tmp_path / "now"))
    assert not differences, f"{name}:\n{differences}"
    assert frozen["pair_trades"] and frozen["orders"] and frozen["fills"]


@pytest.mark.parametrize("revision", corpus.revisions())
def test_a_frozen_ledger_of_an_earlier_schema_is_upgraded_with_every_row(revision: str, tmp_path: Path) -> None:
    ledger = corpus.old_ledger(revision, tmp_path)
    url = f"sqlite:///{ledger}"
    assert current(url) == revision
    before = corpus.rows_of(ledger, GONE)
    db_upgrade(url)
    assert check(url) == []
    differences = told(before, corpus.rows_of(ledger, GONE))
    assert not differences, f"ledger {revision}:\n{differences}"
    assert before["pair_trades"] and before["orders"] and before["fills"]


def test_no_frozen_file_names_a_machine(tmp_path: Path) -> None:
    for path in sorted(FOLDER.glob("*.xz")):
        if path.suffixes[-2:] != [".tar", ".xz"]:
            name = path.name.removesuffix(".xz")
            text = unpacked(name, tmp_path, corpus.CORPUS).read_bytes().decode("latin-1")
            assert house.machine_traces(name, text) == []
    for name in CASES:
        assert house.machine_traces(name, str(corpus.expected(name))) == []


@pytest.mark.parametrize(
    ("frozen", "found", "said"),
    [
        ({"a": 1}, {"a": 1, "new": 2}, ""),
        ({"a": {"b": [{"c": 1}]}}, {"a": {"b": [{"c": 2}]}}, "a.b[0].c: frozen 1, now 2"),
        ({"a": 1}, {}, "a: frozen 1, now missing"),
        ({"a": [1, 2]}, {"a": [1]}, "a: frozen 2 rows, now 1"),
        ({"a": 1}, {"a": True}, "a: frozen 1, now true"),
        ({"a": None}, {"a": 0}, "a: frozen null, now 0"),
    ],
)
def test_a_difference_says_where_it_is_and_what_has_come_since_is_none(frozen: Any, found: Any, said: str) -> None:
    assert told(frozen, found) == said
