"""The audit of the locked packages: a weakness fails it, and an index that knows nothing is no good answer."""

import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.audit import UNANSWERED, judged, main

SKIPPED = {"name": "rich", "skip_reason": "Dependency not found on PyPI and could not be audited: rich (14.0)"}
SOUND = {"name": "attrs", "version": "25.1", "vulns": []}
WEAK = {"name": "aiohttp", "version": "3.1", "vulns": [{"id": "PYSEC-1", "fix_versions": ["3.2"], "aliases": []}]}


@pytest.mark.parametrize(
    ("packages", "lines", "failed"),
    [
        ([SKIPPED], [UNANSWERED], False),
        ([], [UNANSWERED], False),
        ([SOUND], ["[arb] audit: 1 packages, 0 known weaknesses"], False),
        (
            [SOUND, WEAK, SKIPPED],
            [
                "[arb] audit: aiohttp 3.1: PYSEC-1, repaired in 3.2",
                "[arb] audit: 2 packages, 1 known weaknesses, 1 unknown to the index",
            ],
            True,
        ),
    ],
)
def test_an_answer_counts_for_the_packages_that_were_audited(
    packages: list[dict[str, Any]], lines: list[str], failed: bool
) -> None:
    assert judged({"dependencies": packages, "fixes": []}) == (lines, failed)


@pytest.mark.parametrize(
    ("ends", "said", "code"),
    [
        ("raise ConnectionError('no route')", UNANSWERED, 0),
        ("raise SystemExit('requirement lacks a hash')", "requirement lacks a hash", 1),
    ],
)
def test_an_index_that_does_not_answer_is_named_and_any_other_end_fails(
    ends: str, said: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pip_audit.py").write_text(f"{ends}\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert main(sys.executable, "any.lock") == code
    assert capsys.readouterr().out == f"{said}\n"
