"""`[engine] warm_up`: "off" means no idle work."""

from pathlib import Path

import pytest

from tests.integration.support import run_arb

pytestmark = pytest.mark.thorough


@pytest.mark.parametrize(("chosen", "works"), [("off", False), ("auto", True)])
def test_the_warm_up_is_declined_by_a_key(tmp_path: Path, chosen: str, works: bool) -> None:
    (tmp_path / "config.toml").write_text(f'[engine]\nwarm_up = "{chosen}"\n', encoding="utf-8")
    ended = run_arb("run", "--for", "1s", "--json", cwd=tmp_path)
    assert ended.code == 0, ended.err
    assert ("idle work" in {row["cause"] for row in ended.summary["loop"]}) is works


def test_another_word_is_refused_with_the_words_that_are_known(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('[engine]\nwarm_up = "always"\n', encoding="utf-8")
    refused = run_arb("run", "--for", "1s", cwd=tmp_path)
    assert refused.code == 2
    assert "'auto', 'on', 'off'" in refused.err
