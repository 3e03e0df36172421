"""Engines of two hosts that share a database on PostgreSQL and an account: one trades, the other is refused.

A host is a process with a name of its own and no sight of the other's locks: namespaces of its own for mounts and names. That
needs the right to make them, as root in most containers has; skips where it is missing.
"""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from arb.store.journal.guards import shared_directory
from arb.store.ledger.database import journal_path
from tests.integration.support import (
    REPO,
    WELL_ENDED,
    EngineProcess,
    SandboxProcess,
    end_of,
    sandbox_process,
    write_config,
)

IN_NAMESPACES = ["unshare", "--mount", "--uts", "sh", "-c"]
AS_HOST = 'hostname "$1" && mount -t tmpfs -o mode=0700 tmpfs "$2" && shift 2 && exec "$@"'


@pytest.fixture(autouse=True)
def _hosts() -> None:
    shared_directory().mkdir(mode=0o700, parents=True, exist_ok=True)
    able = (
        shutil.which("unshare") is not None
        and not subprocess.run(
            [*IN_NAMESPACES, AS_HOST, "sh", "probe", str(shared_directory()), "true"], capture_output=True, check=False
        ).returncode
    )
    if not able:
        pytest.skip("no namespaces can be made here, so there is one host only")


class Host:
    """A host on which engines run, with a directory of its own."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.folder = folder / name
        self.folder.mkdir()

    def start(self, db_url: str, sandbox: SandboxProcess) -> "subprocess.Popen[str]":
        """Start `arb run` on a sandbox."""
        config = str(write_config(self.folder))
        return subprocess.Popen(
            [
                *(
                    *IN_NAMESPACES,
                    AS_HOST,
                    "sh",
                    self.name,
                    str(shared_directory()),
                    sys.executable,
                    "-m",
                    "arb",
                    "run",
                ),
                *("--json", "--config", config, "--db", db_url, "--sandbox", sandbox.admin),
            ],
            cwd=self.folder,
            env=os.environ | {"PYTHONPATH": str(REPO)},
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    @contextlib.contextmanager
    def engine(self, db_url: str, sandbox: SandboxProcess) -> Iterator[EngineProcess]:
        """Start an engine that is killed with the block if it still runs."""
        process = self.start(db_url, sandbox)
        engine = EngineProcess(self.folder, process)
        engine.journal = journal_path(db_url, self.folder / "var")
        try:
            yield engine
        finally:
            if process.poll() is None:
                process.kill()
                process.communicate()

    def refused(self, db_url: str, sandbox: SandboxProcess) -> str:
        """Start an engine that is refused, and return what it says."""
        ended = end_of(self.start(db_url, sandbox))
        assert (ended.code, ended.out) == (2, ""), ended.err
        return ended.err.strip().splitlines()[-1]


@pytest.mark.thorough
def test_one_of_two_hosts_trades_an_account_through_a_cut_connection_and_kill_9(
    postgres_url: str, tmp_path: Path
) -> None:
    one, other = Host("host-one", tmp_path), Host("host-other", tmp_path)
    with (
        closing(psycopg.connect(postgres_url.replace("+psycopg", ""), autocommit=True)) as admin,
        sandbox_process(tmp_path, seed=5) as sandbox,
    ):
        admin.execute("CREATE SCHEMA other")
        with one.engine(postgres_url, sandbox) as engine:
            engine.until_pairs(1)
            holder = f"process {engine.process.pid} on host-one since 20"
            assert f"already in use by {holder}" in other.refused(postgres_url, sandbox)
            elsewhere = other.refused(f"{postgres_url}&options=-csearch_path%3Dother", sandbox)
            assert "account " in elsewhere and f"already traded by arb {holder}" in elsewhere

            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'arb process%'"
            )
            cut = "SELECT text FROM incidents WHERE kind = 'store' AND text LIKE '%terminating connection%'"
            engine.until(lambda _: bool(admin.execute(cut).fetchall()), "it says that it was cut off")
            engine.until_pairs(engine.status()["pairs"]["opened"] + 1)  # it opens new ones

            engine.process.kill()
            engine.process.communicate()
        admin.execute("UPDATE account_leases SET renewed_ns = renewed_ns + 3600 * 1000000000::bigint")
        assert "host-one" in other.refused(postgres_url, sandbox), "its lease goes on"
        with one.engine(postgres_url, sandbox) as engine:
            engine.trade_on(1, "after a restart, which waits for no lease of the same host to end")
            ended = engine.stop()
            assert (ended.code, ended.summary["halted"]) in WELL_ENDED, ended.err
        assert admin.execute("SELECT count(*) FROM account_leases").fetchone() == (0,)
