"""The user's hand on a running engine: halt, resume, signals, and a second engine that must not be."""

import contextlib
import os
import pty
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from arb.clock import NS_PER_S, SystemClock
from tests.integration import truth
from tests.integration.support import (
    END_S,
    REPO,
    START_S,
    Ended,
    EngineProcess,
    SandboxProcess,
    arb,
    arb_anew,
    embedded_arguments,
    end_of,
    engine_of,
    engine_process,
    run_arb,
    run_arguments,
    sandbox_process,
)

VENUES = ("gate", "okx", "bitget")


def control(command: str, folder: Path, *more: str) -> tuple[int, str]:
    """Run `arb halt` or `arb resume` on the engine whose ledger lies in `folder`; return its code and stderr."""
    ended = run_arb(command, *more, "--json", "--db", f"sqlite:///{folder / 'a.sqlite'}", cwd=folder)
    return ended.code, ended.err


@pytest.mark.thorough
def test_a_halt_stops_opening_within_a_second_survives_a_restart_and_is_lifted_only_with_a_reason(
    tmp_path: Path,
) -> None:
    clock = SystemClock()
    with sandbox_process(tmp_path) as sandbox:
        seen = f"seed {sandbox.seed}"
        with engine_process(tmp_path, sandbox) as engine:
            engine.until_pairs(2)
            assert control("halt", tmp_path, "--reason", "lunch") == (0, "")
            reported_ns = clock.wall_ns()
            engine.until(lambda status: status["halted"] is not None, f"{seen}: it halts")
            idle_while(engine, sandbox, seen)
            ended = engine.stop()
        assert ended.code == 0, f"{seen}: {ended.out}\n{ended.err}"
        opened = truth.rows_of(engine.db, f"SELECT id FROM pair_trades WHERE decided_ns > {reported_ns + NS_PER_S}")
        assert opened == [], seen
        assert truth.differences(engine.db, sandbox.ledger()) == [], seen
        counted = counts(tmp_path, engine.db, ended)
        assert counted["summary"][0]["halted"] > 0 and all(each == counted["SQL"] for each in counted.values()), seen

        with engine_process(tmp_path, sandbox) as engine:
            idle_while(engine, sandbox, seen)
            code, complaint = control("resume", tmp_path)
            assert (code, complaint.count("\n")) == (2, 1)
            assert "--reason" in complaint
            assert engine.status()["halted"] is not None
            assert engine.status()["pairs"]["opened"] == 0, seen

            assert control("resume", tmp_path, "--reason", "lunch is over") == (0, "")
            engine.until(lambda status: status["halted"] is None, f"{seen}: it resumes")
            engine.until_pairs(2)

            second = end_of(arb("run", *run_arguments(tmp_path, sandbox), cwd=tmp_path))
            assert (second.code, second.out, second.err.count("\n")) == (2, "", 1), second.err
            assert "journal" in second.err
            engine.until_pairs(engine.status()["pairs"]["completed"] + 1)
            ended = engine.stop()
        seen += f": {ended.out}\n{ended.err[-3000:]}"
        assert ended.code == 0, seen
        assert truth.differences(engine.db, sandbox.ledger()) == [], seen


def counts(folder: Path, db: Path, ended: Ended) -> dict[str, tuple[dict[str, int], int]]:
    """Return what was not taken, by reason, and how many opportunities there were, wherever a ledger of one run says so."""
    assert ended.summary["dropped_opportunities"] == 0
    ledger = ("--json", "--db", f"sqlite:///{db}")
    status, report = (run_arb(command, *ledger, cwd=folder).summary for command in ("status", "report"))
    reasons: dict[str, int] = {row["reason"]: 0 for row in report["refused"]}
    for row in report["refused"]:
        reasons[row["reason"]] += row["opportunities"]
    rows = truth.rows_of(db, "SELECT reason, COUNT(*) AS n FROM opportunities GROUP BY reason")
    return {
        "SQL": ({row["reason"]: row["n"] for row in rows if row["reason"]}, sum(row["n"] for row in rows)),
        "summary": (ended.summary["not_taken"], ended.summary["opportunities"]),
        "status": (status["not_taken"], sum(status["opportunities"].values())),
        "report": (reasons, sum(report["opportunities"].values())),
    }


def idle_while(engine: EngineProcess, sandbox: SandboxProcess, seen: str) -> None:
    """Wait until no pair is open, and then until markets have offered more than one thing that was not taken."""
    idle = engine.until(lambda status: status["pairs"]["open"] == 0 and status["halted"], f"{seen}: it finishes")
    later = engine.until(
        lambda status: status["opportunities"] > idle["opportunities"] + 3, f"{seen}: there is more to take"
    )
    assert later["pairs"]["opened"] == idle["pairs"]["opened"], seen


def test_the_first_sigterm_finishes_open_pairs_and_the_second_leaves_them_to_the_next_start(tmp_path: Path) -> None:
    with sandbox_process(tmp_path) as sandbox:
        seen = f"seed {sandbox.seed}"
        with engine_process(tmp_path, sandbox) as engine:
            engine.until_pairs(1)
            engine.until(lambda status: status["pairs"]["open"] > 0, f"{seen}: a pair is open")
            ended = engine.stop()
        assert (ended.code, ended.summary["pairs"]["open"]) == (0, 0), f"{seen}: {ended.out}\n{ended.err}"
        assert truth.differences(engine.db, sandbox.ledger()) == [], seen

        # Requests that never arrive leave orders unknown for as long as no question is answered, either.
        for venue in VENUES:
            sandbox.fault(venue, "lost_request", count=1000)
        with engine_process(tmp_path, sandbox) as engine:
            engine.until(lambda status: status["pairs"]["open"] > 0, f"{seen}: pairs open")
            for venue in VENUES:
                sandbox.fault(venue, "http_500", on="query", count=1_000_000)
            engine.until(lambda status: status["unknown_orders"] > 0, f"{seen}: a pair hangs")
            engine.process.send_signal(signal.SIGTERM)
            before = engine.status()
            engine.until(lambda status: status["frames"] > before["frames"], f"{seen}: it drains")
            engine.process.send_signal(signal.SIGTERM)
            ended = end_of(engine.process)
        assert ended.code == 4, f"{seen}: {ended.out}\n{ended.err}"
        assert ended.summary["pairs"]["open"] > 0, f"{seen}: {ended.out}"
        assert "pairs left open" in ended.err

        sandbox.no_more_faults()
        with engine_process(tmp_path, sandbox) as engine:
            engine.until(
                lambda status: not status["unknown_orders"] and status["pairs"]["completed"] > 0,
                f"{seen}: it takes up what was left",
            )
            ended = engine.stop()
        seen += f": {ended.out}\n{ended.err[-3000:]}"
        assert ended.code == 0, seen
        assert truth.differences(engine.db, sandbox.ledger()) == [], seen


@pytest.mark.thorough
def test_a_closed_terminal_finishes_open_pairs_like_a_sigterm(tmp_path: Path) -> None:
    with sandbox_process(tmp_path) as sandbox, terminal() as (screen, keyboard):
        seen = f"seed {sandbox.seed}"
        engine = EngineProcess(
            tmp_path, on_terminal("run", *run_arguments(tmp_path, sandbox)[1:], cwd=tmp_path, at=screen)
        )
        try:
            engine.until_pairs(1)
            engine.until(lambda status: status["pairs"]["open"] > 0, f"{seen}: a pair is open")
            os.close(keyboard)
            engine.process.wait(END_S)
        finally:
            engine.process.kill()
        assert engine.process.returncode == 0, seen
        ended = truth.rows_of(engine.db, "SELECT exit_code FROM runs")
        assert [row["exit_code"] for row in ended] == [0], seen
        unfinished = "SELECT id FROM pair_trades WHERE state IN ('opening', 'repairing')"
        assert truth.rows_of(engine.db, unfinished) == [], seen
        assert truth.differences(engine.db, sandbox.ledger()) == [], seen


@contextlib.contextmanager
def terminal() -> Iterator[tuple[int, int]]:
    """Open a terminal: the end of a process, and the user's, which a test may close."""
    keyboard, screen = pty.openpty()
    try:
        yield screen, keyboard
    finally:
        os.close(screen)
        with contextlib.suppress(OSError):
            os.close(keyboard)


def on_terminal(*arguments: str, cwd: Path, at: int) -> subprocess.Popen[str]:
    """Start a command of ours as a shell at a terminal does: all it reads and writes is there, and its end is a SIGHUP."""
    return subprocess.Popen(
        [sys.executable, "-c", LOGIN, *arguments],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(REPO)},
        text=True,
        stdin=at,
        stdout=at,
        stderr=at,
        start_new_session=True,
    )


LOGIN = """
import fcntl, os, signal, sys, termios
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # even where the tests themselves run under nohup
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, "-m", "arb", *sys.argv[1:]])
"""


def test_a_second_signal_ends_a_start_that_waits(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/admin"
        process = arb("run", *embedded_arguments(tmp_path), "--sandbox", address, cwd=tmp_path)
        silent.settimeout(START_S)
        asked, _ = silent.accept()
        with asked:
            process.send_signal(signal.SIGTERM)
            process.send_signal(signal.SIGINT)  # another one, for two of a kind may arrive as one
            ended = end_of(process)
    assert (ended.code, ended.out) == (130, ""), ended.err
    assert "stopped by a second signal" in ended.err.splitlines()[-1]


@pytest.mark.thorough
def test_a_hangup_that_the_user_ignores_stops_nothing(tmp_path: Path) -> None:
    with sandbox_process(tmp_path) as sandbox:
        before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as under `nohup`; what is started anew inherits it
        try:
            process = arb_anew("run", *run_arguments(tmp_path, sandbox), cwd=tmp_path)
        finally:
            signal.signal(signal.SIGHUP, before)
        with engine_of(tmp_path, process) as engine:
            engine.until_pairs(1)
            engine.process.send_signal(signal.SIGHUP)
            engine.until_pairs(engine.status()["pairs"]["completed"] + 2)
            assert engine.status()["state"] in ("ACTIVE", "WAITING")
            assert engine.stop().code == 0


@pytest.mark.thorough
def test_an_embedded_sandbox_that_ends_by_itself_ends_the_run_and_says_so(tmp_path: Path) -> None:
    process = arb("run", *embedded_arguments(tmp_path), cwd=tmp_path)
    engine = EngineProcess(tmp_path, process)
    try:
        engine.until(lambda status: status["frames"] > 0, "frames come")
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        for child in children:
            os.kill(int(child), signal.SIGKILL)
        ended = end_of(process)
    finally:
        process.kill()
    assert ended.code == 4, ended.err
    assert "the embedded sandbox ended by itself" in ended.err
    assert ended.summary["mode"] == "sandbox"
