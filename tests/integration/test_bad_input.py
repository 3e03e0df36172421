"""Bad input, as a user meets it: exit 2, one clear line on stderr, nothing on stdout, and nothing recorded is touched."""

import contextlib
import sqlite3
from pathlib import Path

import pytest

from tests.integration.support import REPO, run_arb

GOOD_LINE = '{"t":1,"venue":"gate","kind":"ws","raw":"{}"}\n'


def complaint(*arguments: str, cwd: Path) -> str:
    """Run a command that must refuse, and return its one line."""
    ended = run_arb(*arguments, cwd=cwd)
    assert (ended.code, ended.out) == (2, ""), f"{ended.code} {ended.out} {ended.err}"
    assert ended.err.count("\n") == 1 and ended.err.startswith("arb: "), ended.err
    return ended.err


@pytest.mark.parametrize(
    ("before", "after", "reported"),
    [
        ("min_edge_bps", "min_edge_bp", "did you mean 'min_edge_bps'"),
        ("min_edge_bps = 6", 'min_edge_bps = "6ms"', "basis points"),
        ("query_after_ms = 400", 'query_after_ms = "400 parsecs"', "milliseconds"),
        ('environment = "production"', 'environment = "paper"', "give one of 'production', 'testnet', 'demo'"),
    ],
    ids=["an unknown key", "a wrong unit", "an unknown unit", "an unknown environment"],
)
def test_settings_that_make_no_sense_are_named_with_file_and_line(
    tmp_path: Path, before: str, after: str, reported: str
) -> None:
    text = (REPO / "config.toml").read_text()
    assert f"\n{before}" in text
    line = text[: text.index(f"\n{before}") + 1].count("\n") + 1
    (tmp_path / "config.toml").write_text(text.replace(f"\n{before}", f"\n{after}", 1))
    line_reported = complaint("run", "--json", cwd=tmp_path)
    assert f"config.toml:{line}: " in line_reported
    assert reported in line_reported
    assert not (tmp_path / "var").exists()


def test_real_money_and_play_money_together_are_refused(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('[venues.okx]\nenvironment = "demo"\n')
    assert "[venues] mix real money, gate (production)" in complaint("run", "--json", cwd=tmp_path)
    assert not (tmp_path / "var").exists()


def test_settings_that_are_not_there_are_named(tmp_path: Path) -> None:
    assert "nowhere.toml" in complaint("run", "--config", "nowhere.toml", cwd=tmp_path)


def test_a_database_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    url = f"sqlite:///{tmp_path}/file/a.sqlite"
    assert "file/a.journal.sqlite" in complaint("run", "--json", "--db", url, cwd=tmp_path)
    assert (tmp_path / "file").read_text() == "not a folder"


@pytest.mark.parametrize("name", ["a.sqlite", "a.journal.sqlite"], ids=["as ledger", "as journal"])
def test_another_programs_file_is_refused_and_left_as_it_was(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE recipes (name)")
    before = path.read_bytes()
    reported = complaint("run", "--json", "--db", f"sqlite:///{tmp_path}/a.sqlite", cwd=tmp_path)
    assert f"{name}: another program's SQLite file" in reported
    assert path.read_bytes() == before


def test_a_sandbox_that_does_not_answer_is_named(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/a.sqlite"
    reported = complaint("run", "--json", "--db", url, "--sandbox", "http://127.0.0.1:9/admin", cwd=tmp_path)
    assert "http://127.0.0.1:9/admin" in reported
    assert "arb sandbox" in reported


def test_paper_does_not_go_round_a_proxy_that_is_down(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('[network]\nproxy = "http://127.0.0.1:9"\n')
    reported = complaint("run", "--json", "--mode", "paper", "--for", "1s", cwd=tmp_path)
    assert "proxy 127.0.0.1:9" in reported, reported


def test_a_malformed_tape_line_is_named_by_its_number(tmp_path: Path) -> None:
    (tmp_path / "tape.jsonl").write_text(GOOD_LINE * 2 + '{"t":2,"venue":\n' + GOOD_LINE)
    assert "tape.jsonl:3: malformed tape line" in complaint("books", "tape.jsonl", "--json", cwd=tmp_path)
