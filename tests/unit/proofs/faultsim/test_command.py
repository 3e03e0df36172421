"""`python -m proofs.faultsim`: one seed told in full, an interrupted row taken up, a foreign state refused."""

import json
from pathlib import Path

import pytest

from arb.cli.root import main
from arb.errors import EXIT_OK, EXIT_USAGE
from proofs.faultsim.__main__ import faultsim


def run(*words: str) -> int:
    return main(words, faultsim, "faultsim")


def test_one_seed_tells_what_struck_and_sums_up(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--seed", "5", "--json") == EXIT_OK
    reported = capsys.readouterr()
    summary = json.loads(reported.out)
    assert (summary["first"], summary["seeds"], summary["failures"]) == (5, 1, [])
    assert summary["pairs"] > 0
    assert " s: " in reported.err


def test_a_row_of_seeds_goes_on_from_its_state(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    resume = str(tmp_path / "state.json")
    assert run("--seed", "5", "--json", "--resume", resume) == EXIT_OK
    assert run("--seeds", "2", "--json", "--resume", resume) == EXIT_OK
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert (first["seeds"], second["seeds"], second["first"]) == (1, 2, 5)


def test_the_state_of_another_row_is_refused_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    resume = tmp_path / "state.json"
    resume.write_text("no state", encoding="utf-8")
    assert run("--seed", "5", "--resume", str(resume)) == EXIT_USAGE
    assert "cannot be read" in capsys.readouterr().err
