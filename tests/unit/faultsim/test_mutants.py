"""The mutants are breakable: each text that is to be replaced stands in its file exactly once, and is valid when replaced."""

import ast
import shutil
from pathlib import Path

import pytest

from tests.support.mutants import MUTANTS, REPO, apply


@pytest.mark.parametrize("name", sorted(MUTANTS))
def test_a_mutant_breaks_the_program_as_it_stands(name: str, tmp_path: Path) -> None:
    mutant = MUTANTS[name]
    path = tmp_path / mutant.file
    path.parent.mkdir(parents=True)
    shutil.copy(REPO / mutant.file, path)
    apply(mutant, tmp_path)
    assert path.read_text() != (REPO / mutant.file).read_text()
    ast.parse(path.read_text())
