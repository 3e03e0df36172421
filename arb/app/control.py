"""`arb halt`, `arb resume` and `arb flatten`: to a running engine by its socket, to the next one by file and journal."""

import contextlib
import threading
from pathlib import Path
from typing import Any

import msgspec

from arb.app import stores
from arb.clock import Clock, SystemClock
from arb.config import ControlOptions, Settings
from arb.core.commands import Persist
from arb.core.events import ResumeAsked
from arb.core.records import ControlRecord
from arb.errors import ConfigError
from arb.live.control import ask, remove_halt_file, write_halt_file
from arb.store.journal import Journal

LOCK_TRIES = 10
LOCK_TRY_S = 0.1


def halt(settings: Settings, options: ControlOptions) -> dict[str, Any]:
    """Write the halt file, which every engine on this journal obeys within 200 ms, and ask a running one at once."""
    _, journal = stores(settings, options.mode, options.db)
    path = write_halt_file(journal, options.reason)
    answer = ask(journal, {"do": "halt", "reason": options.reason})
    engine = _obeyed(answer) if answer else "not running, or not answering"
    return {"halt": options.reason, "engine": engine, "file": str(path)}


def resume(settings: Settings, options: ControlOptions) -> dict[str, Any]:
    """Remove the halt file and lift the halt: in the running engine, else in the journal for the next one."""
    _, journal = stores(settings, options.mode, options.db)
    had_file = remove_halt_file(journal)
    answer = ask(journal, {"do": "resume", "reason": options.reason})
    if answer is not None:
        return {"resume": options.reason, "engine": _obeyed(answer)}
    if not journal.exists():
        if had_file:
            return {"resume": options.reason, "engine": "not running"}
        raise ConfigError(
            f"journal {journal}: no engine ever ran here, and there is no halt file: check --db and --mode"
        )
    _lift(journal, options.reason)
    return {"resume": options.reason, "engine": "not running"}


def flatten(settings: Settings, options: ControlOptions) -> dict[str, Any]:
    """Ask the running engine to flatten; raises `ConfigError` when none answers, for only an engine can trade."""
    _, journal = stores(settings, options.mode, options.db)
    answer = ask(journal, {"do": "flatten", "reason": options.reason})
    if answer is None:
        raise ConfigError(
            f"journal {journal}: no engine answers, so nothing can be traded: start one, or check --db and --mode;"
            " `arb halt` works without one"
        )
    return {"flatten": options.reason, "engine": _obeyed(answer)}


def _obeyed(answer: dict[str, Any]) -> str:
    """Return that the engine obeyed; raises `ConfigError` with its own text when it could not."""
    if "error" in answer:
        raise ConfigError(f"the engine answers: {answer['error']}")
    return "told"  # scripts compare it with "not running": a value that stays


def _opened(path: Path, clock: Clock) -> Journal:
    """Open a journal; an engine that was killed while it answered holds its lock for a moment longer."""
    for _ in range(LOCK_TRIES):
        with contextlib.suppress(ConfigError):
            return Journal.open(path, clock)
        threading.Event().wait(LOCK_TRY_S)
    return Journal.open(path, clock)


def _lift(path: Path, reason: str) -> None:
    """Write the resumption into the journal of an engine that does not run (a running one holds the lock)."""
    clock = SystemClock()
    journal = _opened(path, clock)
    try:
        control = journal.restore().control
        if control is None or (control.halted is None and not control.stopped):
            return
        now_ns, seq = clock.wall_ns(), journal.last_seq + 1
        lifted: ControlRecord = msgspec.structs.replace(
            control, halted=None, stopped=(), consecutive_losses=0, ns=now_ns, text=reason
        )
        journal.append(ResumeAsked(seq=seq, t_ns=now_ns, reason=reason), (Persist(cause=seq, record=lifted),))
        journal.sync()
    finally:
        journal.close()
