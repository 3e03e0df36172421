"""`arb tape convert` at the command line: there and back, what it shows, and what it refuses."""

from pathlib import Path

import msgspec
import pytest

from arb.cli import main

Captured = pytest.CaptureFixture[str]
pytest.importorskip("pyarrow")
LINE = '{"t":1.5,"venue":"gate","kind":"ws","raw":"{}"}\n'


@pytest.fixture
def tape(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.jsonl").write_text(LINE * 3)
    return "a.jsonl"


@pytest.mark.parametrize("which", [[], ["--parquet", "--jsonl"]])
def test_what_to_make_has_to_be_said(tape: str, capsys: Captured, which: list[str]) -> None:
    assert main(["tape", "convert", tape, *which]) == 2
    assert capsys.readouterr().err == ("arb: arb tape convert: give either --parquet or --jsonl, the format to make\n")


def test_a_parquet_file_that_is_no_tape_is_one_line(tape: str, tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "x.parquet").write_bytes(b"PAR1")
    for command in (["tape", "convert", "x.parquet", "--jsonl"], ["replay", "x.parquet"], ["books", "x.parquet"]):
        assert main(command) == 2
        out, err = capsys.readouterr()
        assert out == "" and err.startswith("arb: x.parquet: a Parquet file that is cut or damaged: ")
        assert err.count("\n") == 1


def test_a_tape_goes_there_and_back_and_each_file_is_shown(tape: str, tmp_path: Path, capsys: Captured) -> None:
    assert main(["tape", "convert", tape, "--parquet", "--json"]) == 0
    ((there,),) = msgspec.json.decode(capsys.readouterr().out).values()
    assert (there["file"], there["made"], there["lines"], there["torn"]) == ("a.jsonl", "a.parquet", 3, "")
    assert there["text_bytes"] == there["bytes_before"] == len(LINE) * 3
    assert main(["tape", "convert", "a.parquet", "--jsonl", "--out", "back"]) == 0
    assert "back/a.jsonl" in capsys.readouterr().out
    assert (tmp_path / "back" / "a.jsonl").read_text() == LINE * 3
    assert (tmp_path / "back" / "a.jsonl").stat().st_mode & 0o777 == 0o600
