"""The wheel, installed as people install it: everything that is no code is in it, and it works from an empty directory."""

import json
import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from arb.version import version_of
from tests.support.once import once

pytestmark = pytest.mark.thorough
BUILD = (
    "import setuptools.build_meta as backend, sys; folder = sys.argv[1];"
    "backend.build_wheel(folder); backend.build_sdist(folder)"
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory, repo_root: Path) -> Path:
    """Return the wheel, built from a copy of what the repository holds."""

    def make(folder: Path) -> None:
        source = folder / "source"
        listing = subprocess.run(["git", "ls-files", "-z"], cwd=repo_root, capture_output=True, check=False).stdout
        names = [name for name in listing.decode().split("\0") if name and (repo_root / name).is_file()]
        if not names:
            pytest.skip("no git here: what belongs to the project is unknown")
        for name in names:
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((repo_root / name).read_bytes())
        for words in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message", "all"]):
            author = ["-c", "user.name=a", "-c", "user.email=a@b"]
            subprocess.run(["git", "-C", str(source), *author, *words], check=True, timeout=60)
        subprocess.run(
            [sys.executable, "-c", BUILD, str(folder)], cwd=source, check=True, capture_output=True, timeout=300
        )

    (found,) = once(tmp_path_factory, "wheel", make).glob("*.whl")
    return found


@pytest.fixture(scope="module")
def installed(wheel: Path) -> Path:
    """Return an environment that has the wheel and, of what it needs, this environment's packages."""
    venv = wheel.parent / "venv"
    if not (venv / "ready").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(venv)], check=True, timeout=300)
        (site,) = venv.glob("lib/python*/site-packages")
        pip = [str(venv / "bin/python"), "-m", "pip", "install", "--no-deps", "--no-index", "--quiet"]
        subprocess.run([*pip, str(wheel)], check=True, timeout=300)
        others = [path for path in sys.path if path.endswith("site-packages")]
        (site / "others.pth").write_text("".join(f"{path}\n" for path in others))
        (venv / "ready").touch()
    return venv / "bin" / "arb"


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "ARB_DB_URL")}


def run(arb: Path, folder: Path, *arguments: str) -> str:
    """Run a command in a directory and return its answer."""
    done = subprocess.run(
        [str(arb), *arguments], cwd=folder, env=environment(), capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def packaged(repo_root: Path) -> Iterator[str]:
    """Yield the names, as in a wheel, of files beside the code that are no code."""
    listing = subprocess.run(
        ["git", "ls-files", "arb", "migrations"], cwd=repo_root, capture_output=True, text=True, check=True
    )
    for name in listing.stdout.split():
        yield name if name.startswith("arb/") else f"arb/{name}"


def test_the_wheel_has_every_file_of_the_package_and_no_other_code(wheel: Path, repo_root: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert names == {*packaged(repo_root), "arb/commit.txt"}


def test_wheel_and_archive_are_called_as_the_checkout_they_were_built_in(installed: Path, wheel: Path) -> None:
    checkout = version_of(wheel.parent / "source" / "arb")
    commit = subprocess.run(
        ["git", "-C", str(wheel.parent / "source"), "rev-parse", "HEAD"], capture_output=True, text=True, check=True
    ).stdout.strip()
    assert run(installed, wheel.parent, "--version") == f"arb {checkout}\n" and f"+g{commit[:12]}.c" in checkout
    (archive,) = wheel.parent.glob("*.tar.gz")
    with tarfile.open(archive) as source:
        source.extractall(wheel.parent / "unpacked", filter="data")
    (package,) = wheel.parent.glob("unpacked/*/arb")
    assert version_of(package) == checkout


def test_from_an_empty_directory_it_writes_settings_trades_and_keeps_a_ledger(installed: Path, tmp_path: Path) -> None:
    where = subprocess.run(
        [str(installed.with_name("python")), "-c", "import arb; print(arb.__file__)"],
        cwd=tmp_path, env=environment(), capture_output=True, text=True, check=True, timeout=60,
    ).stdout  # fmt: skip
    assert where.startswith(str(installed.parent.parent)), "the wheel's own code"

    run(installed, tmp_path, "init", "--venues", "gate,okx,bitget", "--symbols", "BTC/USDT,ETH/USDT")
    summary = json.loads(run(installed, tmp_path, "run", "--mode", "sandbox", "--for", "10s", "--seed", "7", "--json"))
    assert summary["opportunities"] > 0 and summary["pairs"]["open"] == 0
    run(installed, tmp_path, "db", "check", "--mode", "sandbox")
    report = json.loads(run(installed, tmp_path, "report", "--mode", "sandbox", "--json"))
    assert len(report["runs"]) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.toml", "var"]


@pytest.mark.parametrize(("shell", "source"), [("bash", "bash_source"), ("zsh", "zsh_source"), ("fish", "fish_source")])
def test_it_completes_commands_and_options_in_a_shell(shell: str, source: str, installed: Path, tmp_path: Path) -> None:
    script = subprocess.run(
        [str(installed)],
        env=environment() | {"_ARB_COMPLETE": source},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
    assert "_ARB_COMPLETE" in script and "arb" in script
    words = {"COMP_WORDS": "arb rep", "COMP_CWORD": "rep" if shell == "fish" else "1"}
    answer = subprocess.run(
        [str(installed)],
        env=environment() | words | {"_ARB_COMPLETE": f"{shell}_complete"},
        capture_output=True, text=True, timeout=60, check=False,
    ).stdout  # fmt: skip
    assert "replay" in answer and "report" in answer
