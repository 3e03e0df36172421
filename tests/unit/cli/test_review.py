"""`arb export --parquet DIR` at the command line."""

from pathlib import Path

import msgspec
import pytest

from arb.cli import main
from arb.cli.review import _progress
from arb.store.migrate import upgrade

Captured = pytest.CaptureFixture[str]
pytest.importorskip("pyarrow")


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    upgrade("sqlite:///ledger.sqlite")
    return "sqlite:///ledger.sqlite"


def test_without_a_directory_nothing_is_exported(ledger: str, capsys: Captured) -> None:
    assert main(["export", "--db", ledger]) == 2
    assert capsys.readouterr().err == "arb: Missing option '--parquet': see `arb export --help`\n"


def test_a_directory_that_cannot_be_used_is_one_line_and_exit_code_2(
    ledger: str, tmp_path: Path, capsys: Captured
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "letters.txt").write_text("mine")
    assert main(["export", "--parquet", "out", "--db", ledger]) == 2
    assert capsys.readouterr() == (
        "",
        "arb: export out: holds letters.txt, which no export put there; choose an empty directory\n",
    )


def test_what_was_written_is_one_json_document_and_stderr_stays_empty(
    ledger: str, tmp_path: Path, capsys: Captured
) -> None:
    assert main(["export", "--parquet", "out", "--db", ledger, "--json"]) == 0
    out, err = capsys.readouterr()
    answer = msgspec.json.decode(out)
    assert err == ""
    assert answer["rows"] == 0 and answer["files"] == len(list((tmp_path / "out").rglob("*.parquet")))
    assert {table["table"] for table in answer["tables"]} >= {"runs", "orders", "fills", "v_pair_trades"}


def test_the_bar_is_drawn_on_stderr_and_only_where_somebody_looks(capsys: Captured) -> None:
    with _progress(shown=False) as nothing:
        assert nothing is None
    with _progress(shown=True) as on_progress:
        assert on_progress is not None
        on_progress("orders", 10, 40)
    assert capsys.readouterr().out == ""
