"""`arb report --html FILE`: the page is written whole or not at all, and never in the place of something else."""

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from arb.app.review import check_target, report_page, write_page
from arb.cli.root import cli
from arb.config import ReviewOptions, Settings
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
    upgrade(f"sqlite:///{tmp_path / 'a.sqlite'}")
    target = tmp_path / "report.html"
    arguments = ["report", "--json", "--db", f"sqlite:///{tmp_path / 'a.sqlite'}", "--html", str(target)]
    done = CliRunner().invoke(cli, arguments)
    answer = msgspec.json.decode(done.stdout)
    assert (answer["page"], answer["bytes"]) == (str(target), target.stat().st_size)
    assert target.read_text().startswith("<!doctype html>") and "<script" in target.read_text()


def test_a_page_needs_no_more_than_what_runs_the_engine(tmp_path: Path, repo_root: Path) -> None:
    upgrade(f"sqlite:///{tmp_path / 'a.sqlite'}")
    others = ("matplotlib", "pandas", "pyarrow", "numba", "IPython")
    script = f"import sys; sys.modules.update(dict.fromkeys({others})); from arb.cli import main; sys.exit(main())"
    arguments = ["report", "--db", f"sqlite:///{tmp_path / 'a.sqlite'}", "--html", str(tmp_path / "report.html")]
    subprocess.run(
        [sys.executable, "-c", script, *arguments],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(repo_root)},
        timeout=60,
        check=True,
    )
    assert (tmp_path / "report.html").read_text().startswith("<!doctype html>")


def test_a_ledger_in_a_file_of_a_name_that_is_no_text_has_a_page_too(tmp_path: Path) -> None:
    name = os.fsdecode(b"a-\xff.sqlite")
    url = f"sqlite:///{tmp_path / name}"
    upgrade(url)
    options = ReviewOptions(mode="sandbox", db=url)
    assert (
        report_page(Settings(), options, tmp_path / "report.html")["bytes"] == (tmp_path / "report.html").stat().st_size
    )
