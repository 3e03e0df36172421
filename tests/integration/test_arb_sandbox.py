"""`arb sandbox` as a process: one line of JSON, then silence, until it is told to stop."""

import json
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, repo_root: Path) -> Path:
    """Work in an empty folder, with the repository's own code."""
    monkeypatch.setenv("PYTHONPATH", str(repo_root))
    return tmp_path


def _arb(*arguments: str, cwd: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "arb", *arguments]
    return subprocess.Popen(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_the_first_line_names_every_venue_and_sigterm_ends_it_with_0(elsewhere: Path) -> None:
    with _arb("sandbox", "--static", "--seed", "3", cwd=elsewhere) as process:
        assert process.stdout is not None
        line = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGTERM)
        rest, _ = process.communicate(timeout=60)
    assert set(line["venues"]) == {"gate", "okx", "bitget"}
    assert line["admin"].endswith("/admin")
    assert line["sandbox_id"]
    assert rest == ""
    assert process.returncode == 0


def test_venues_are_simulated_by_name_and_unknown_ones_are_refused_in_one_line(elsewhere: Path) -> None:
    with _arb("sandbox", "--static", "--venues", "bybit, gate", cwd=elsewhere) as process:
        assert process.stdout is not None
        line = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert set(line["venues"]) == {"gate", "bybit"}
    assert set(line["venues"]["bybit"]) == {"rest", "ws_public", "ws_private", "key", "secret"}
    for wrong in ("gate", "gate,mtgox", ""):
        with _arb("sandbox", "--venues", wrong, cwd=elsewhere) as process:
            out, err = process.communicate(timeout=60)
        assert (process.returncode, out, err.count("\n")) == (2, "", 1)
        assert "gate, okx, bitget, bybit" in err


def test_a_port_in_use_is_one_line_and_exit_code_2(elsewhere: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with _arb("sandbox", "--port", str(port), cwd=elsewhere) as process:
            out, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert out == ""
    assert err.count("\n") == 1
    assert str(port) in err


def test_a_broken_file_of_faults_is_one_line_and_exit_code_2(elsewhere: Path) -> None:
    (elsewhere / "faults.json").write_text("[{")
    with _arb("sandbox", "--faults", "faults.json", cwd=elsewhere) as process:
        out, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert out == ""
    assert err.count("\n") == 1
    assert "faults.json" in err


@pytest.mark.thorough
def test_many_symbols_are_listed_at_a_venue_and_too_many_are_one_line_and_exit_code_2(elsewhere: Path) -> None:
    with _arb("sandbox", "--static", "--symbols", "60", cwd=elsewhere) as process:
        assert process.stdout is not None
        line = json.loads(process.stdout.readline())
        with urllib.request.urlopen(line["venues"]["gate"]["rest"] + "/spot/currency_pairs", timeout=60) as answer:
            listed = json.load(answer)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert len(listed) == 60
    with _arb("sandbox", "--symbols", "501", cwd=elsewhere) as process:
        out, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert out == ""
    assert "501" in err
