"""What a build is called: its commit, read without git, and a hash of its code, so that any two builds are told apart."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from arb import __version__
from arb.cli import main
from arb.version import commit_of, version, version_of

PEP_440 = re.compile(r"[0-9.]+\+[a-z0-9]+(\.[a-z0-9]+)*")


def git(folder: Path, *words: str) -> str:
    author = ["-c", "user.name=a", "-c", "user.email=a@b"]
    done = subprocess.run(["git", "-C", str(folder), *author, *words], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a checkout of one commit, of a package and its migrations."""
    if shutil.which("git") is None:
        pytest.skip("no git here to make a checkout with")
    root = tmp_path / "checkout"
    for name in ("arb/__init__.py", "arb/core/books/books.py", "arb/coins.csv", "migrations/env.py", "docs/page.md"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"# {name}\n")
    git(root, "init", "--quiet", "--initial-branch", "release/1")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "one")
    return root


@pytest.mark.parametrize("how", ["a branch", "packed references", "a commit alone", "a linked worktree"])
def test_a_checkout_is_called_by_its_commit(checkout: Path, how: str) -> None:
    head, root = git(checkout, "rev-parse", "HEAD"), checkout
    if how == "packed references":
        git(checkout, "pack-refs", "--all")
        assert not (checkout / ".git/refs/heads/release/1").exists()
    elif how == "a commit alone":
        git(checkout, "checkout", "--quiet", "--detach")
    elif how == "a linked worktree":
        root = checkout.parent / "linked"
        git(checkout, "worktree", "add", "--quiet", "-b", "other", str(root))
    assert commit_of(root) == head
    called = version_of(root / "arb")
    assert called.startswith(f"{__version__}+g{head[:12]}.c") and PEP_440.fullmatch(called)


@pytest.mark.parametrize("name", ["arb/core/books/books.py", "arb/coins.csv", "migrations/env.py", "arb/core/more.py"])
def test_changed_code_is_called_otherwise_and_anything_else_is_not(checkout: Path, name: str) -> None:
    before = version_of(checkout / "arb")
    for other in ("docs/page.md", "arb/core/__pycache__/books.py", "arb/core/books/books.py~"):
        (checkout / other).parent.mkdir(exist_ok=True)
        (checkout / other).write_text("other")
        assert version_of(checkout / "arb") == before
    (checkout / name).write_text("other")
    assert version_of(checkout / "arb") != before
    assert version_of(checkout / "arb").partition(".c")[0] == before.partition(".c")[0]


def test_a_built_package_is_called_as_its_checkout_and_without_git_by_its_code_alone(
    checkout: Path, tmp_path: Path
) -> None:
    called = version_of(checkout / "arb")
    built = tmp_path / "site-packages" / "arb"
    shutil.copytree(checkout / "arb", built)
    shutil.copytree(checkout / "migrations", built / "migrations")
    by_code = f"{__version__}+c{called.partition('.c')[2]}"
    assert version_of(built) == by_code
    (built / "commit.txt").write_text(commit_of(checkout) + "\n")
    assert version_of(built) == called
    shutil.rmtree(checkout / ".git")
    assert version_of(checkout / "arb") == by_code


@pytest.mark.parametrize("head", [b"", b"ref: refs/heads/none", b"ref: ../../secret", b"\xff\0", b"deadbeef"])
def test_a_git_folder_that_says_nothing_names_no_commit(checkout: Path, head: bytes) -> None:
    (checkout / ".git" / "HEAD").write_bytes(head)
    assert commit_of(checkout) == "" and version_of(checkout / "arb").startswith(f"{__version__}+c")


def test_no_code_that_can_be_read_has_the_plain_version(tmp_path: Path) -> None:
    assert version_of(tmp_path / "arb.zip" / "arb") == __version__


def test_the_command_line_says_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"arb {version()}\n" and PEP_440.fullmatch(version())
