"""The licences on the page docs/LICENCES.md: of every locked package that a run may install, and of every file in the package
that others wrote."""

import re
from importlib import metadata
from pathlib import Path

import pytest

LICENCES = re.compile(r"MIT|Apache|BSD|PSF|Python Software Foundation|MPL|Mozilla|LGPL")
SAME = {"Python Software Foundation": "PSF", "Mozilla": "MPL"}
VENDORED = "arb/view/page/static/vendor"


@pytest.fixture(scope="module")
def page(repo_root: Path) -> str:
    return (repo_root / "docs/LICENCES.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def listed(page: str) -> list[tuple[str, str]]:
    """Return each package that the page names, with the licences it is said to be under."""
    rows = re.findall(r"^\| ([A-Z][^|]*) \| ([^|]*) \|$", page, re.MULTILINE)
    entries = [(one, licence) for licence, packages in rows for one in re.split(r", (?![^(]*\))", packages)]
    return [(one.partition(" (")[0], f"{licence} {one.partition(' (')[2]}") for one, licence in entries]


def locked(repo_root: Path) -> set[str]:
    locks = [
        path for path in repo_root.glob("requirements*.lock") if path.stem in ("requirements", "requirements-compiled")
    ]
    assert locks
    return {name for path in locks for name in re.findall(r"^([a-z0-9-]+)==", path.read_text(), re.MULTILINE)}


def families(text: str) -> set[str]:
    return {SAME.get(found, found) for found in LICENCES.findall(text)}


def test_every_package_that_a_run_installs_is_listed_once_and_no_other(
    repo_root: Path, listed: list[tuple[str, str]]
) -> None:
    assert sorted(name for name, _ in listed) == sorted(locked(repo_root))


def test_each_is_listed_under_the_licences_that_it_states(listed: list[tuple[str, str]]) -> None:
    seen = 0
    for name, said in listed:
        try:
            facts = metadata.metadata(name)
        except metadata.PackageNotFoundError:  # of another system or Python
            continue
        (stated, *_) = facts.get_all("License-Expression") or facts.get_all("License") or [""]
        classified = " ".join(text for text in facts.get_all("Classifier") or [] if text.startswith("License"))
        assert families(stated[:80] + classified) == families(said), (name, stated, classified, said)
        seen += 1
    assert seen > 40


def test_every_file_of_others_is_named_with_its_licence_beside_it(repo_root: Path, page: str) -> None:
    folder = repo_root / VENDORED
    files = {path.name for path in folder.iterdir() if "LICENSE" not in path.name}
    assert files and VENDORED in page and all(f"`{name}`" in page for name in files)
    projects = {name.rpartition("-")[0] for name in files}
    assert all((folder / f"{project}-LICENSE.txt").is_file() and project in page for project in projects)
