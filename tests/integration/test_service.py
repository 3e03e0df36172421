"""An engine under a service manager: its messages to a real socket, as `sd_notify` has them."""

import json
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

from tests.integration import truth
from tests.integration.support import DB, arb, end_of, engine_of, run_arb, write_config
from tests.unit.app.test_service import OWNER

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
        os.chown(tmp_path / "config.toml", OWNER.pw_uid, OWNER.pw_gid)
    units = tmp_path / "units"
    shown = run_arb(
        "service", "install", where, "--mode", "paper", "--dir", str(units), "--dry-run", "--json", cwd=tmp_path
    )
    units.mkdir()
    for unit in json.loads(shown.out)["units"]:
        Path(unit["path"]).write_text(unit["text"])
    manager, variables = [where] if where == "--user" else [], os.environ | {"XDG_RUNTIME_DIR": str(tmp_path)}
    for unit in sorted(units.iterdir()):
        for arguments in (["verify", *manager], ["security", "--offline=true", "--no-pager"]):
            command = [str(ANALYZE), *arguments, str(unit)]
            asked = subprocess.run(command, capture_output=True, text=True, env=variables, timeout=60, check=False)
            assert (asked.returncode, asked.stderr) == (0, ""), asked.stderr
        exposed = re.search(r"Overall exposure level for .*: ([0-9.]+) ", asked.stdout)
        assert exposed is not None and float(exposed[1]) <= most, asked.stdout


def test_settings_are_read_again_at_a_command_and_at_a_managers_signal_and_the_tape_repeats_the_run(
    tmp_path: Path,
) -> None:
    config = write_config(tmp_path)
    tape, ledger = tmp_path / "a.tape.jsonl", f"sqlite:///{DB}"
    (tmp_path / "good.toml").write_text("")
    with messages(tmp_path) as manager:
        run = arb("run", "--json", "--db", ledger, "--tape", str(tape), cwd=tmp_path, variables=manager.variables)
        with engine_of(tmp_path, run) as engine:
            engine.until_pairs(1)
            write_config(tmp_path, min_edge_bps="7", max_open_pairs="3", modules='{ "arb.live"="error" }')
            first = run_arb("reload", "--json", "--db", ledger, cwd=tmp_path)
            assert (first.code, json.loads(first.out)["refused"]) == (0, []), first.err
            assert "limits.max_open_pairs 5 -> 3" in json.loads(first.out)["applied"]

            config.write_text("[limits]\nmin_egde_bps = 7\n")
            bad = run_arb("reload", "--db", ledger, "--config", "good.toml", cwd=tmp_path)
            assert (bad.code, bad.out, bad.err.count("\n")) == (2, "", 1)
            assert "the old settings stay" in bad.err and "did you mean 'min_edge_bps'?" in bad.err

            write_config(tmp_path, min_edge_bps="7", max_open_pairs="3", max_skew_ms="499")
            refused = run_arb("reload", "--json", "--db", ledger, cwd=tmp_path)
            assert refused.code == 3
            assert json.loads(refused.out)["refused"] == ["timing.max_skew_ms: needs a restart"]

            write_config(tmp_path, max_open_pairs="4")
            manager.until("RELOADING=1")
            while manager.next_one(0.1) is not None:
                pass
            os.kill(run.pid, signal.SIGHUP)
            assert [manager.until(line) for line in ("RELOADING=1", "READY=1")]
            engine.until_pairs(engine.status()["pairs"]["completed"] + 1)
            assert engine.stop().code == 0
    rows = truth.rows_of(engine.db, "SELECT text FROM incidents WHERE kind = 'settings_changed' ORDER BY ns")
    assert ["min_edge_bps" in row["text"] and "(by " in row["text"] for row in rows] == [True, False, True]
    assert rows[-1]["text"].endswith("(by SIGHUP)")
    again = run_arb("replay", "--json", str(tape), "--db", "sqlite:///again.sqlite", cwd=tmp_path)
    assert again.code == 0, again.err


def test_a_companion_reads_alerts_and_watch_again_at_its_managers_signal(tmp_path: Path) -> None:
    write_config(tmp_path)
    with messages(tmp_path) as manager:
        variables = {**manager.variables, "ARB_ALERT_URLS": "json://127.0.0.1:1/"}
        watch = arb("watch", "--json", "--db", f"sqlite:///{DB}", cwd=tmp_path, variables=variables)
        try:
            assert manager.next_one() == "READY=1"
            for minutes in ("0", "5"):
                write_config(tmp_path, repeat_after_m=minutes)
                os.kill(watch.pid, signal.SIGHUP)
                assert [manager.until(line) for line in ("RELOADING=1", "READY=1")]
            watch.send_signal(signal.SIGTERM)
            ended = end_of(watch)
            assert manager.until("STOPPING=1")
        finally:
            watch.kill()
    assert ended.code == 0
    assert "reload: the old settings stay" in ended.err and "were read again" in ended.err
