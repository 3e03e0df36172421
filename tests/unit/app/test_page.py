"""`arb report --html FILE`: the page is written whole or not at all, and never in the place of something else."""

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from arb.app.page import check_target, write_page
from arb.cli.root import cli
from arb.errors import ConfigError
from arb.store.ledger.migrate import upgrade

PAGE = "<!doctype html>\n<html></html>\n"


def test_a_page_takes_the_place_of_an_older_one_whole(tmp_path: Path) -> None:
    target = tmp_path / "report.html"
    target.write_text(PAGE + "older")
    assert write_page(target, PAGE) == len(PAGE)
    assert target.read_text() == PAGE
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_what_cannot_be_written_is_said_in_one_line_and_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for bad, why in (
        (tmp_path, "is a directory"),
        (tmp_path / "nowhere" / "report.html", "No such file or directory"),
        (tmp_path / "file" / "report.html", "Not a directory"),
        (Path(os.devnull), "is no ordinary file"),
    ):
        with pytest.raises(ConfigError, match=why) as caught:
            check_target(bad)
        assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_something_that_is_no_page_is_never_overwritten(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.sqlite"
    upgrade(f"sqlite:///{ledger}")
    before = ledger.read_bytes()
    done = CliRunner().invoke(cli, ["report", "--db", f"sqlite:///{ledger}", "--html", str(ledger)])
    assert isinstance(done.exception, ConfigError) or done.exit_code == 2
    assert ledger.read_bytes() == before


def test_the_command_writes_the_page_and_says_where(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="the extra `notebooks` is not installed")
    upgrade(f"sqlite:///{tmp_path / 'a.sqlite'}")
    target = tmp_path / "report.html"
    arguments = ["report", "--json", "--db", f"sqlite:///{tmp_path / 'a.sqlite'}", "--html", str(target)]
    done = CliRunner().invoke(cli, arguments)
    answer = msgspec.json.decode(done.stdout)
    assert (answer["page"], answer["bytes"]) == (str(target), target.stat().st_size)
    assert target.read_text().startswith("<!doctype html>") and "<script" in target.read_text()
    assert CliRunner().invoke(cli, [*arguments, "--static"]).exit_code == 0
    assert "<script" not in target.read_text()


def test_static_without_a_page_is_refused() -> None:
    done = CliRunner().invoke(cli, ["report", "--static"])
    assert done.exit_code == 2 and "belongs to --html FILE" in done.output


def test_without_matplotlib_one_line_names_the_extra(tmp_path: Path, repo_root: Path) -> None:
    upgrade(f"sqlite:///{tmp_path / 'a.sqlite'}")
    script = "import sys; sys.modules['matplotlib'] = None; from arb.cli import main; sys.exit(main())"
    arguments = ["report", "--db", f"sqlite:///{tmp_path / 'a.sqlite'}", "--html", str(tmp_path / "report.html")]
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(repo_root)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "pipx inject arb matplotlib" in done.stderr and done.stderr.count("\n") == 1
    assert not (tmp_path / "report.html").exists()
