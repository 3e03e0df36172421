"""An engine under a service manager: its messages to a real socket, as `sd_notify` has them."""

import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.integration.support import DB, arb, engine_of, run_arb, write_config

BEAT_S = 0.5
LIMIT_US = str(int(BEAT_S * 3e6))


class Messages:
    """The manager's end of the socket."""

    def __init__(self, path: Path) -> None:
        self.variables = {"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": LIMIT_US}
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))

    def next_one(self, within_s: float = 120.0) -> str | None:
        """Return the next message, None where none arrives in time."""
        self._socket.settimeout(within_s)
        try:
            return self._socket.recv(10_000).decode()
        except TimeoutError:
            return None

    def until(self, begins: str) -> str:
        while (found := self.next_one()) is not None and not found.startswith(begins):
            pass
        assert found is not None, f"no {begins}"
        return found

    def close(self) -> None:
        self._socket.close()


@contextmanager
def messages(folder: Path) -> Iterator[Messages]:
    found = Messages(folder / "notify")
    try:
        yield found
    finally:
        found.close()


def test_a_manager_reads_that_the_engine_is_ready_lives_and_stops_and_no_sign_of_a_stopped_process(
    tmp_path: Path,
) -> None:
    write_config(tmp_path)
    with messages(tmp_path) as manager:
        run = arb("run", "--json", "--db", f"sqlite:///{DB}", cwd=tmp_path, variables=manager.variables)
        with engine_of(tmp_path, run) as engine:
            assert manager.next_one() == "READY=1"
            engine.until_pairs(1)
            status = manager.until("STATUS=")
            assert "| unhedged " in status and "| net " in status
            manager.until("WATCHDOG=1")
            os.kill(run.pid, signal.SIGSTOP)
            while manager.next_one(0.1) is not None:  # sent before it stopped
                pass
            assert manager.next_one(6 * BEAT_S) is None
            os.kill(run.pid, signal.SIGCONT)
            manager.until("WATCHDOG=1")
            assert engine.stop().code == 0
        assert manager.until("STOPPING=1")


ANALYZE = shutil.which("systemd-analyze")


@pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed")
@pytest.mark.parametrize(("where", "most"), [("--system", 3.0), ("--user", 7.0)])
def test_systemd_reads_the_units_without_a_complaint_and_finds_little_exposed(
    tmp_path: Path, where: str, most: float
) -> None:
    write_config(tmp_path)
    if os.geteuid() == 0:
        os.chown(tmp_path / "config.toml", 4242, 4242)
    units = tmp_path / "units"
    assert run_arb("service", "install", where, "--mode", "paper", "--dir", str(units), cwd=tmp_path).code == 0
    manager, variables = [where] if where == "--user" else [], os.environ | {"XDG_RUNTIME_DIR": str(tmp_path)}
    for unit in sorted(units.iterdir()):
        for arguments in (["verify", *manager], ["security", "--offline=true", "--no-pager"]):
            command = [str(ANALYZE), *arguments, str(unit)]
            asked = subprocess.run(command, capture_output=True, text=True, env=variables, timeout=60, check=False)
            assert (asked.returncode, asked.stderr) == (0, ""), asked.stderr
        exposed = re.search(r"Overall exposure level for .*: ([0-9.]+) ", asked.stdout)
        assert exposed is not None and float(exposed[1]) <= most, asked.stdout
