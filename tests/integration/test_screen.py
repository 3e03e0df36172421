"""The live screen of a real run on a real terminal: keys, and the terminal given back on every way out."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path

import pytest

from arb.live.control import ask
from tests.integration import truth
from tests.integration.support import DB, END_S, REPO, sandbox_process, wait_while, where, write_config
from tests.support.history import a_history, fill_ledger
from tests.support.terminals import TerminalPair

LEFT = b"\x1b[?1049l"
VARIABLES = {"PYTHONPATH": str(REPO), "TERM": "xterm-256color"}


class OnTerminal:
    """A command of ours in a session of its own, on a terminal of its own, as a shell would start it there."""

    def __init__(
        self, pair: TerminalPair, folder: Path, *arguments: str, program: Sequence[str] = ("-m", "arb")
    ) -> None:
        self.pair = pair
        self.before = pair.modes()
        self.seen = b""
        script = (
            "import os, sys, fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0);"
            "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
        )
        ours = pair.ours.fileno()
        self.process = subprocess.Popen(
            [sys.executable, "-c", script, *program, *arguments],
            cwd=folder,
            env={name: value for name, value in os.environ.items() if name != "NO_COLOR"} | VARIABLES,
            stdin=ours,
            stdout=ours,
            stderr=ours,
            start_new_session=True,
        )

    def until(self, wanted: bytes) -> bytes:
        """Return what is drawn until this stands there."""
        found = self.pair.until(wanted)
        self.seen += found
        return found

    def screen(self) -> int:
        """Return the process that draws: the child of the engine."""
        return next(pid for pid in children(self.process.pid) if b"--of-run" in command_of(pid))

    def end(self) -> int:
        """Wait until it has ended, reading what it draws; return its exit code."""
        while self.process.poll() is None:
            self.seen += self.pair.waiting(0.1)
        self.seen += self.pair.waiting()
        return self.process.returncode


def children(pid: int) -> list[int]:
    """Return the processes that a process has started."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def command_of(pid: int) -> bytes:
    """Return a process's command line; of one that has ended nothing."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


@contextlib.contextmanager
def on_terminal(folder: Path, *arguments: str, program: Sequence[str] = ("-m", "arb")) -> Iterator[OnTerminal]:
    """Run a command on a terminal while the block runs."""
    pair = TerminalPair()
    started = OnTerminal(pair, folder, *arguments, program=program)
    try:
        yield started
    finally:
        started.process.kill()
        started.process.wait(END_S)
        pair.close()


@contextlib.contextmanager
def a_run(folder: Path) -> Iterator[OnTerminal]:
    """Run the engine on a terminal until its screen is up and shows a book that is live."""
    with on_terminal(folder, "run", "--for", "10m", "--seed", "7", *where(folder)) as run:
        run.until(b"? help")
        yield run


def given_back(run: OnTerminal) -> bool:
    """Return whether the terminal is as it was before."""
    return run.pair.modes() == run.before and run.seen.count(LEFT) == 1


@pytest.mark.thorough
@pytest.mark.parametrize("name", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_run_in_order_and_gives_the_terminal_back(tmp_path: Path, name: signal.Signals) -> None:
    with a_run(tmp_path) as run:
        run.process.send_signal(name)
        assert run.end() == 0
        assert given_back(run)
        ending = run.seen[run.seen.index(LEFT) :].decode()
        assert "next       arb" in ending, "the eight lines stand on the screen that was there before"


@pytest.mark.thorough
def test_control_c_is_typed_and_a_second_one_waits_for_nothing(tmp_path: Path) -> None:
    with a_run(tmp_path) as run:
        run.pair.type(b"\x03")
        run.pair.type(b"\x03")
        assert run.end() in (0, 4)
        assert given_back(run)


@pytest.mark.thorough
def test_halt_and_stop_by_key(tmp_path: Path) -> None:
    with a_run(tmp_path) as run:
        run.pair.type(b"h")
        run.until(b"y: confirm")
        run.pair.type(b"y")
        run.until(b"! nothing opens: halt: asked")
        run.pair.type(b"q")
        run.until(b"stop the run, as Ctrl-C does")
        run.pair.type(b"y")
        assert run.end() == 0
        assert given_back(run)
    texts = [str(row["text"]) for row in truth.rows_of(tmp_path / DB, "SELECT text FROM incidents WHERE kind = 'halt'")]
    assert any("from the screen" in text for text in texts), texts
    halt_file = tmp_path / "a.journal.halt"
    assert halt_file.read_text() == "from the screen\n", "as after `arb halt`"


@pytest.mark.thorough
def test_an_alert_is_acknowledged_and_an_open_leg_flattened_by_key(tmp_path: Path) -> None:
    write_config(tmp_path, balance_refresh_s="1", drift_grace_ms="2000")
    with sandbox_process(tmp_path) as sandbox:
        with on_terminal(tmp_path, "run", "--for", "10m", "--sandbox", sandbox.admin, *where(tmp_path)) as run:
            run.until(b"? help")
            held = Decimal(sandbox.ledger()["bitget"]["balances"]["ETH"]["free"])
            taken = {"venue": "bitget", "asset": "ETH", "free": str(held - Decimal("0.125")), "hidden": True}
            sandbox.ask("/balance", taken)
            run.until(b"! alert")
            run.pair.type(b"a")
            run.until(b"acknowledge alert")
            run.pair.type(b"y")
            run.until(b"acknowledge: done")
            strikes = sandbox.strike("lost_request", count=1)
            wait_while(run.process, lambda: any(map(sandbox.hits, strikes.values())), "a leg is not answered")
            run.pair.type(b"f")
            run.until(b"y: confirm")
            run.pair.type(b"y")
            run.until(b"! nothing opens: halt: flattened")
            run.pair.type(b"q")
            run.until(b"stop the run, as Ctrl-C does")
            run.pair.type(b"y")
            assert run.end() == 0
        found = truth.differences(tmp_path / DB, sandbox.ledger())
        assert [line for line in found if "('bitget', 'ETH')" not in line] == [], "but for what was taken secretly"
    (alert,) = truth.rows_of(tmp_path / DB, "SELECT acknowledged_by, reason FROM alerts WHERE kind = 'balance_drift'")
    assert alert["reason"] == "from the screen" and alert["acknowledged_by"]
    (row,) = truth.rows_of(tmp_path / DB, "SELECT text FROM incidents WHERE kind = 'flattened'")
    assert str(row["text"]).startswith("flat"), row
    assert truth.rows_of(tmp_path / DB, "SELECT id FROM pair_trades WHERE state IN ('opening', 'repairing')") == []


@pytest.mark.thorough
def test_a_window_that_is_closed_ends_the_run_in_order(tmp_path: Path) -> None:
    with a_run(tmp_path) as run:
        run.pair.hang_up()
        assert run.process.wait(END_S) == 0
    (row,) = truth.rows_of(tmp_path / DB, "SELECT exit_code FROM runs")
    assert row["exit_code"] == 0


@pytest.mark.thorough
def test_the_same_screen_from_another_terminal_and_of_a_run_that_has_ended(tmp_path: Path) -> None:
    with a_run(tmp_path) as run:
        with on_terminal(tmp_path, "status", "--watch", *where(tmp_path)) as watch:
            watch.until(b"arb SANDBOX  ACTIVE")
            watch.until(b"q stop")
            watch.pair.resize(60, 12)
            watch.until(b"\x1b[2J")
            watch.pair.type(b"h")
            watch.until(b"y: confirm")
            watch.pair.type(b"y")
            watch.until(b"HALTED")
            watch.pair.type(b"q")
            watch.until(b"close this screen; the engine continues")
            watch.pair.type(b"y")
            assert watch.end() == 0
            assert given_back(watch)
        run.until(b"! nothing opens: halt: asked")
        run.process.send_signal(signal.SIGTERM)
        assert run.end() == 0
    with on_terminal(tmp_path, "status", *where(tmp_path)) as status:
        assert status.end() == 0
        shown = status.seen.decode()
        assert "arb SANDBOX  NOT RUNNING" in shown and "no engine answers" in shown and LEFT.decode() not in shown


@pytest.mark.thorough
@pytest.mark.parametrize("name", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_watching_and_gives_the_terminal_back(tmp_path: Path, name: signal.Signals) -> None:
    with a_run(tmp_path) as run:
        with on_terminal(tmp_path, "status", "--watch", *where(tmp_path)) as watch:
            watch.until(b"q stop")
            watch.process.send_signal(name)
            assert watch.end() == (130 if name is signal.SIGINT else 0)
            assert given_back(watch)
        run.process.send_signal(signal.SIGTERM)
        assert run.end() == 0


@pytest.mark.thorough
def test_a_killed_screen_leaves_the_run_alive_the_terminal_sane_and_plain_lines(tmp_path: Path) -> None:
    with a_run(tmp_path) as run:
        os.kill(run.screen(), signal.SIGKILL)
        run.until(LEFT)
        run.until(b"the screen has ended")
        run.until(b" net ")
        assert given_back(run)
        run.process.send_signal(signal.SIGTERM)
        assert run.end() == 0
    (row,) = truth.rows_of(tmp_path / DB, "SELECT text FROM incidents WHERE kind = 'view'")
    assert "trading goes on" in str(row["text"])


STAYS = """
import subprocess, sys
subprocess.run([sys.executable, "-m", "arb", *sys.argv[1:]])
sys.stdin.readline()
"""
"""A shell, as far as a terminal knows: it outlives the engine."""


@pytest.mark.thorough
def test_a_killed_engine_leaves_the_terminal_sane_and_one_line(tmp_path: Path) -> None:
    arguments = ("run", "--for", "10m", "--seed", "7", *where(tmp_path))
    with on_terminal(tmp_path, *arguments, program=("-c", STAYS)) as shell:
        shell.until(b"? help")
        (engine,) = children(shell.process.pid)
        os.kill(engine, signal.SIGKILL)
        shell.until(b"the engine's process has died")
        assert given_back(shell)
        shell.pair.type(b"\n")
        assert shell.end() == 0


@pytest.mark.thorough
def test_a_stopped_screen_delays_no_order(tmp_path: Path) -> None:
    with a_run(tmp_path) as run:
        screen, journal = run.screen(), tmp_path / "a.journal.sqlite"
        os.kill(screen, signal.SIGSTOP)
        before = ask(journal, {"do": "status"})
        time.sleep(5)
        after = ask(journal, {"do": "status"})
        assert before is not None and after is not None and after["orders"] > before["orders"]
        of_views = [row["max_us"] for row in after["loop"] if row["cause"] in ("page", "the view")]
        assert of_views and max(of_views) < 1_000_000
        run.process.send_signal(signal.SIGTERM)
        assert run.end() == 0
        assert given_back(run)


LISTS_MODULES = """
import sys
from arb.cli import main
code = main(sys.argv[1:])
open("modules", "w").write("\\n".join(sys.modules))
sys.exit(code)
"""


@pytest.mark.thorough
def test_the_engines_process_draws_nothing(tmp_path: Path) -> None:
    arguments = ("run", "--for", "3s", "--seed", "7", *where(tmp_path))
    with on_terminal(tmp_path, *arguments, program=("-c", LISTS_MODULES)) as run:
        run.until(b"? help")
        assert run.end() == 0
        assert given_back(run)
    modules = (tmp_path / "modules").read_text().splitlines()
    assert "arb.app.run" in modules
    assert [name for name in modules if name.startswith("arb.view.screen")] == []


READ_ONLY = """
mount -t tmpfs tmpfs "$1" && cp "$2" "$1/a.sqlite" && mount -o remount,ro "$1" && ! touch "$1/x" 2> /dev/null || exit 99
shift 2; exec "$@"
"""


def on_a_read_only_medium(tmp_path: Path, *arguments: str) -> list[str]:
    """Return the command line of an `arb` that finds the ledger of `tmp_path` where nobody can write."""
    medium = tmp_path / "medium"
    medium.mkdir()
    shell = ["unshare", "-r", "-m", "sh", "-c", READ_ONLY, "sh", str(medium), str(tmp_path / DB)]
    return [*shell, sys.executable, "-m", "arb", *arguments, "--db", f"sqlite:///{medium / 'a.sqlite'}"]


@pytest.mark.thorough
@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs a mount of its own")
def test_a_ledger_on_a_read_only_medium_is_shown(tmp_path: Path) -> None:
    with a_run(tmp_path) as run:
        run.process.send_signal(signal.SIGTERM)
        assert run.end() == 0
    shown = subprocess.run(
        on_a_read_only_medium(tmp_path, "status"),
        cwd=tmp_path,
        env=os.environ | VARIABLES,
        capture_output=True,
        text=True,
        check=False,
    )
    if shown.returncode in (1, 99) and "arb:" not in shown.stderr:
        pytest.skip(f"this machine lets us mount nothing: {shown.stderr}")
    assert shown.returncode == 0, shown.stderr
    assert "not running" in shown.stdout


@pytest.mark.thorough
@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs a mount of its own")
def test_the_page_of_a_ledger_on_a_read_only_medium_keeps_its_token_in_the_users_state(tmp_path: Path) -> None:
    fill_ledger(f"sqlite:///{tmp_path / DB}", a_history(pairs=3, days=1))
    command = on_a_read_only_medium(tmp_path, "ui", "--port", "0", "--json")
    env = os.environ | VARIABLES | {"XDG_STATE_HOME": str(tmp_path / "state")}
    with subprocess.Popen(
        command, cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as page:
        assert page.stdout is not None and page.stderr is not None
        said = page.stdout.readline()
        page.terminate()
        why = page.stderr.read()
    if not said and "arb:" not in why:
        pytest.skip(f"this machine lets us mount nothing: {why}")
    assert said, why
    token = Path(json.loads(said)["token_file"])
    assert token.is_relative_to(tmp_path / "state" / "arb") and token.stat().st_mode & 0o777 == 0o600
