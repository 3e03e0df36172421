"""The mutants are breakable: each text that is to be replaced stands in its file exactly once, and is valid when replaced."""

import ast
import json
import shutil
from pathlib import Path

import pytest

from proofs import REPO, mutants
from proofs.mutant_table import MUTANTS, Mutant
from proofs.mutants import apply, complaint
from tests.integration import test_planted_live, test_planted_secrets

STALE = Mutant("nobody's rule", "arb/clock.py", "no such text", "")


@pytest.mark.parametrize("name", sorted(MUTANTS))
def test_a_mutant_breaks_the_program_as_it_stands(name: str, tmp_path: Path) -> None:
    mutant = MUTANTS[name]
    path = tmp_path / mutant.file
    path.parent.mkdir(parents=True)
    shutil.copy(REPO / mutant.file, path)
    apply(mutant, tmp_path)
    assert path.read_text() != (REPO / mutant.file).read_text()
    ast.parse(path.read_text())


@pytest.mark.parametrize("maskers", [test_planted_live.MASKERS, test_planted_secrets.MASKERS], ids=["live", "sandbox"])
def test_a_masker_that_a_long_test_takes_out_stands_in_the_program(maskers: dict[str, Mutant]) -> None:
    assert [why for mutant in maskers.values() if (why := complaint(mutant))] == []


@pytest.mark.parametrize("mutant", [STALE, STALE._replace(file="arb/moved.py")], ids=["text", "file"])
def test_a_mutant_that_does_not_fit_fails_the_hunt_even_if_it_was_caught_before(
    mutant: Mutant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    caught = tmp_path / "caught.json"
    caught.write_text(json.dumps({"stale": [1, "found"]}))
    monkeypatch.setattr(mutants, "MUTANTS", {"stale": mutant})
    monkeypatch.setattr("sys.argv", ["mutants", "--resume", str(caught)])
    assert mutants.main() == 3
    assert f"STALE    {complaint(mutant)}" in capsys.readouterr().out
