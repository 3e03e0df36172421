"""Name the packages; all else is in pyproject.toml.

`migrations/` lies at the top of the repository and travels inside the package as `arb.migrations`: a declarative
list of packages could say so only by naming every one of them by hand.
"""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["arb", "arb.*"]), "arb.migrations", "arb.migrations.versions"],
    package_dir={"arb.migrations": "migrations", "arb.migrations.versions": "migrations/versions"},
)
