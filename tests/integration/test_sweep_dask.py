"""`arb sweep --dask`: the same file to the last byte, whoever does the work and whoever of them dies."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from arb.version import version
from tests.integration.certificates import write_certificate
from tests.integration.support import REPO, arb, wait_while
from tests.integration.test_sweep import stopped_in_its_midst
from tests.unit.replay.sweep.markets import write_day

distributed: Any = pytest.importorskip("distributed", reason="Dask is not installed (the extra dask)")

SETS = ("--set", "limits.min_edge_bps=0,40,80", "--set", "limits.max_notional_quote=150,2000")
LONG_S = 400.0


class DaskCluster:
    """A scheduler and its workers, each a process of this machine."""

    def __init__(self, folder: Path, tls: Sequence[str] = ()) -> None:
        self._folder = folder
        self._tls = tls
        self.workers: list[subprocess.Popen[bytes]] = []
        self._started = 0
        place = folder / "scheduler.json"
        protocol = "tls" if tls else "tcp"
        self._scheduler = self._start(
            "scheduler", "--host", "127.0.0.1", "--port", "0", "--protocol", protocol, "--scheduler-file", str(place)
        )
        wait_while(self._scheduler, lambda: place.exists() and bool(place.read_text().strip()), "its address is known")
        self.address: str = json.loads(place.read_text())["address"]

    def add(self, count: int = 1, code: Path = REPO) -> None:
        """Start workers that import arb from `code`, all at once, and wait until they are known."""
        logs = [self._folder / f"worker{self._started + number}.log" for number in range(1, count + 1)]
        self._started += count
        one = ("--nthreads", "1", "--nworkers", "1", "--no-nanny", "--local-directory", str(self._folder))
        started = [self._start("worker", self.address, *one, log=log, code=code) for log in logs]
        self.workers += started
        for worker, log in zip(started, logs, strict=True):
            wait_while(worker, lambda log=log: b"Registered to" in log.read_bytes(), "it is registered")  # type: ignore[misc]

    def remove(self, *workers: subprocess.Popen[bytes]) -> None:
        """Kill workers, and wait until the scheduler knows of it."""
        log = self._folder / "scheduler.log"
        for worker in workers:
            self.workers.remove(worker)
            worker.kill()
            worker.wait()
        gone = self._started - len(self.workers)
        wait_while(
            self._scheduler, lambda: log.read_bytes().count(b"Remove worker") >= gone, "they are known to be gone"
        )

    @contextlib.contextmanager
    def having(self, code: Path) -> Iterator[None]:
        """Have one more worker, which imports arb from `code`."""
        self.add(code=code)
        try:
            yield
        finally:
            self.remove(self.workers[-1])

    def rest(self) -> None:
        """Wait until no worker has anything left to do."""
        with distributed.Client(self.address, set_as_default=False) as looker:
            wait_while(self._scheduler, lambda: not any(looker.processing().values()), "all is done")

    def of(self, count: int) -> "DaskCluster":
        """Start as many workers as are missing."""
        self.add(max(0, count - len(self.workers)))
        return self

    def _start(self, part: str, *arguments: str, log: Path | None = None, code: Path = REPO) -> subprocess.Popen[bytes]:
        with (log or self._folder / f"{part}.log").open("wb") as out:
            return subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.dask_{part}", *arguments, "--no-dashboard", *self._tls],
                env=os.environ | {"PYTHONPATH": str(code)},
                cwd=self._folder,
                stdout=out,
                stderr=out,
            )

    def end(self) -> None:
        """End all of it at once."""
        for process in (*self.workers, self._scheduler):
            process.kill()
            process.wait()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder for the logs of a cluster."""
    (tmp_path / "cluster").mkdir()
    return tmp_path / "cluster"


@pytest.fixture(scope="module")
def shared_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskCluster]:
    """Yield the cluster that all tests here share; each takes as many workers as it needs."""
    made = DaskCluster(tmp_path_factory.mktemp("cluster"))
    try:
        yield made
    finally:
        made.end()


@pytest.fixture
def cluster(shared_cluster: DaskCluster) -> DaskCluster:
    """Return a cluster of three workers."""
    return shared_cluster.of(3)


@pytest.fixture
def tapes(tmp_path: Path) -> list[str]:
    """Return the names of the tapes of six days in the test's folder."""
    return [write_day(tmp_path, day).name for day in range(6)]


def swept(folder: Path, *arguments: str) -> bytes:
    """Sweep to the end; return the file."""
    process = arb("sweep", *arguments, *SETS, "--json", "--out", "s.jsonl", cwd=folder)
    _, err = process.communicate(timeout=LONG_S)
    assert process.returncode == 0, err
    whole = (folder / "s.jsonl").read_bytes()
    (folder / "s.jsonl").unlink()
    return whole


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return the file that processes of this machine make of the same tapes."""
    folder = tmp_path_factory.mktemp("here")
    return swept(folder, *(write_day(folder, day).name for day in range(6)), "--jobs", "2")


def refused(folder: Path, *arguments: str) -> str:
    """Sweep what cannot be; return the one line that says why."""
    process = arb("sweep", *arguments, *SETS, cwd=folder)
    out, err = process.communicate(timeout=LONG_S)
    assert (process.returncode, out) == (3, ""), err
    (line,) = err.splitlines()
    return line


def another_arb(folder: Path, init: str = "", version: str = "") -> Path:
    """Make an arb of another version, which is no more than that."""
    (folder / "arb" / "store" / "tapes").mkdir(parents=True)
    (folder / "arb" / "__init__.py").write_text(init)
    (folder / "arb" / "version.py").write_text(f"def version(): return {version!r}\n")
    (folder / "arb" / "store" / "__init__.py").touch()
    (folder / "arb" / "store" / "tapes" / "__init__.py").touch()
    (folder / "arb" / "store" / "tapes" / "tape.py").write_text("RULES = 3\n")
    return folder


@pytest.mark.thorough
def test_three_workers_of_which_one_is_killed_make_the_same_file(
    tmp_path: Path, cluster: DaskCluster, tapes: list[str], here: bytes
) -> None:
    assert swept(tmp_path, *tapes, "--dask", cluster.address) == here

    process = stopped_in_its_midst(tmp_path, 36, *tapes, *SETS, "--json", "--dask", cluster.address)
    cluster.workers[1].kill()
    process.send_signal(signal.SIGCONT)
    cluster.remove(cluster.workers[1])
    out, err = process.communicate(timeout=LONG_S)

    assert process.returncode == 0, err
    assert json.loads(out)["runs_made_now"] == 36
    assert (tmp_path / "s.jsonl").read_bytes() == here


@pytest.mark.thorough
def test_a_worker_of_another_version_is_refused_in_one_line(
    tmp_path: Path, cluster: DaskCluster, folder: Path, tapes: list[str]
) -> None:
    with cluster.having(another_arb(folder / "old", version="0.0.7")):
        line = refused(tmp_path, *tapes, "--dask", cluster.address)
    assert f"this is arb {version()} (rules " in line
    assert line.count("has arb 0.0.7 (rules 3)") == 1 and "tcp://127.0.0.1:" in line
    assert not (tmp_path / "var" / "sweep.jsonl").exists()


@pytest.mark.thorough
def test_a_worker_that_has_no_arb_is_refused_in_one_line(
    tmp_path: Path, cluster: DaskCluster, folder: Path, tapes: list[str]
) -> None:
    with cluster.having(another_arb(folder / "none", "raise ImportError('nothing here')\n")):
        line = refused(tmp_path, *tapes, "--dask", cluster.address)
    assert "has no arb that can be asked (nothing here)" in line


@pytest.mark.thorough
def test_a_cluster_without_workers_and_an_address_where_nobody_listens_are_refused(
    tmp_path: Path, folder: Path, tapes: list[str]
) -> None:
    made = DaskCluster(folder)
    try:
        assert "the cluster has no workers" in refused(tmp_path, *tapes, "--dask", made.address)
    finally:
        made.end()
    assert "cannot be reached" in refused(tmp_path, *tapes, "--dask", made.address)


@pytest.mark.thorough
@pytest.mark.parametrize("done", [True, pytest.param(False, marks=pytest.mark.thorough)], ids=["done", "at work"])
def test_a_sweep_whose_workers_are_all_gone_ends_and_goes_on_elsewhere(
    tmp_path: Path, cluster: DaskCluster, tapes: list[str], here: bytes, done: bool
) -> None:
    part = tmp_path / "s.jsonl.part"
    process = stopped_in_its_midst(tmp_path, 36, *tapes, *SETS, "--json", "--dask", cluster.address)
    if done:  # and what was worked out is lost with them, before anybody has fetched it
        cluster.rest()
    cluster.remove(*cluster.workers)
    process.send_signal(signal.SIGCONT)
    _, err = process.communicate(timeout=LONG_S)
    assert process.returncode == 3
    assert "finished rows are kept" in err.splitlines()[-1]

    kept = len(part.read_bytes().splitlines())
    assert 0 < kept < 36
    assert swept(tmp_path, *tapes, "--jobs", "2") == here


@pytest.mark.thorough
def test_over_tls_with_certificates_on_both_sides(tmp_path: Path, folder: Path, tapes: list[str], here: bytes) -> None:
    pem = str(write_certificate(folder / "all.pem", ip_address("127.0.0.1")))
    made = DaskCluster(folder, tls=("--tls-ca-file", pem, "--tls-cert", pem, "--tls-key", pem))
    try:
        made.add()
        assert made.address.startswith("tls://")
        files = ("--dask-ca", pem, "--dask-cert", pem, "--dask-key", pem)
        assert swept(tmp_path, *tapes, "--dask", made.address, *files) == here

        other = str(write_certificate(folder / "other.pem", ip_address("127.0.0.1")))
        files = ("--dask-ca", other, "--dask-cert", other, "--dask-key", other)
        assert "cannot be reached" in refused(tmp_path, *tapes, "--dask", made.address, *files)
    finally:
        made.end()
