"""Name the packages, and write into what is built which commit it is of; all else is in pyproject.toml.

`migrations/` lies at the top of the repository and travels inside the package as `arb.migrations`: a declarative
list of packages could say so only by naming every one of them by hand.
"""

import sys
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

sys.path.insert(0, ".")  # which a build backend leaves out
from arb.version import COMMIT_FILE, commit_of


def write_commit(folder: str) -> None:
    """Write the commit that is checked out here; an archive that has one already keeps it."""
    if commit := commit_of(Path()):
        (Path(folder) / "arb" / COMMIT_FILE).write_text(f"{commit}\n", encoding="utf-8")


class BuiltPackage(build_py):
    """A package to be put into a wheel; an editable installation is the checkout itself."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            write_commit(self.build_lib)


class Archive(sdist):
    """The source, as an archive."""

    def make_release_tree(self, base_dir: str, files: list[str]) -> None:
        super().make_release_tree(base_dir, files)
        write_commit(base_dir)


setup(
    cmdclass={"build_py": BuiltPackage, "sdist": Archive},
    packages=[*find_packages(include=["arb", "arb.*"]), "arb.migrations", "arb.migrations.versions"],
    package_dir={"arb.migrations": "migrations", "arb.migrations.versions": "migrations/versions"},
)
