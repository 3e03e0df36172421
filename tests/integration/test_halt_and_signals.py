"""The user's hand on a running engine: halt, resume, signals, and a second engine that must not be."""

import os
import signal
from pathlib import Path

from arb.clock import NS_PER_S, SystemClock
from tests.integration import truth
from tests.integration.support import (
    EngineProcess,
    SandboxProcess,
    arb,
    embedded_arguments,
    end_of,
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

        # Requests that never arrive leave orders unknown for seconds.
        for venue in VENUES:
            sandbox.fault(venue, "lost_request", count=1000)
        with engine_process(tmp_path, sandbox) as engine:
            engine.until(lambda status: status["pairs"]["open"] > 0, f"{seen}: a pair hangs")
            engine.process.send_signal(signal.SIGTERM)
            before = engine.status()
            engine.until(lambda status: status["frames"] > before["frames"], f"{seen}: it drains")
            engine.process.send_signal(signal.SIGTERM)
            ended = end_of(engine.process, 20)
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
