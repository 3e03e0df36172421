"""`arb halt`, `arb resume` and `arb flatten`: to a running engine by its socket, to the next one by file and journal.

The engine is found by its ledger. Its journal, with socket and halt file beside it, lies where the ledger's URL leads; where
nothing answers there, a ledger on PostgreSQL is asked.
"""

import contextlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from arb.app import journals_of
from arb.clock import Clock, SystemClock
from arb.config import ControlOptions, Settings
from arb.core.commands import Persist
from arb.core.events import ResumeAsked
from arb.core.records import ControlRecord
from arb.errors import CheckFailed, ConfigError
from arb.live.control import ask, remove_halt_file, write_halt_file
from arb.store.guards import running_engines
from arb.store.journal import Journal

LOCK_TRIES = 10
LOCK_TRY_S = 0.1
NO_ANSWER = "not running, or not answering"


class Answer(NamedTuple):
    """What a command of control did; `remedy` says what to do where no engine obeyed, "" where one did."""

    document: dict[str, Any]
    remedy: str = ""

    @property
    def obeyed(self) -> bool:
        """Return whether what was asked is done."""
        return not self.remedy


Command = Callable[[Settings, ControlOptions], Answer]


def halt(settings: Settings, options: ControlOptions) -> Answer:
    """Write the halt file, which every engine on this journal obeys within 200 ms, and ask a running one at once."""
    files = []

    def write(journal: Path) -> None:
        files.append(str(write_halt_file(journal, options.reason)))

    _, answer = _asked(settings, options, "halt", before=write)
    document = {"halt": options.reason, "engine": _obeyed(answer) if answer else NO_ANSWER, "file": files[-1]}
    stays = f"halt file {' and '.join(files)} stays, and an engine on this journal, or the next, obeys it"
    return Answer(document, "" if answer else stays)


def resume(settings: Settings, options: ControlOptions) -> Answer:
    """Remove the halt file and lift the halt: in the running engine, else in the journal for the next one."""
    journal, answer = _asked(settings, options, "resume")
    if answer is not None:
        return Answer({"resume": options.reason, "engine": _obeyed(answer)})
    known = journal.exists()
    if known:
        try:
            _lift(journal, options.reason)
        except ConfigError as error:
            return Answer({"resume": options.reason, "engine": NO_ANSWER}, f"nothing was lifted: {error}")
    if remove_halt_file(journal) or known:
        return Answer({"resume": options.reason, "engine": "not running"})
    return Answer({"resume": options.reason, "engine": NO_ANSWER}, f"no engine ever ran on journal {journal}")


def flatten(settings: Settings, options: ControlOptions) -> Answer:
    """Ask the running engine to flatten: only an engine can trade."""
    journal, answer = _asked(settings, options, "flatten")
    if answer is not None:
        return Answer({"flatten": options.reason, "engine": _obeyed(answer)})
    return Answer(
        {"flatten": options.reason, "engine": NO_ANSWER},
        f"journal {journal}: no engine answers, so nothing can be traded: start one; `arb halt` works without one",
    )


def _asked(
    settings: Settings, options: ControlOptions, do: str, before: Callable[[Path], None] = lambda journal: None
) -> tuple[Path, dict[str, Any] | None]:
    """Ask at every place where the engine's journal may lie until one answers; return the last place asked, and the answer."""
    journal, answer = Path(), None
    for journal in journals_of(settings, options.mode, options.db):
        before(journal)
        answer = ask(journal, {"do": do, "reason": options.reason})
        if answer is not None:
            break
    return journal, answer


def require_obeyed(answer: Answer) -> None:
    """Raise `CheckFailed`, naming the engines that do run, where none obeyed."""
    if not answer.obeyed:
        running = "; ".join(running_engines()) or "none of yours on this machine"
        raise CheckFailed(
            f"no engine obeyed: {answer.remedy}: check --db, --mode and --config (engines running: {running})"
        )


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
        if control is None or (control.halted is None and not control.stopped and not control.late):
            return
        now_ns, seq = clock.wall_ns(), journal.last_seq + 1
        lifted: ControlRecord = msgspec.structs.replace(
            control, halted=None, stopped=(), late=(), consecutive_losses=0, ns=now_ns, text=reason
        )
        journal.append(ResumeAsked(seq=seq, t_ns=now_ns, reason=reason), (Persist(cause=seq, record=lifted),))
        journal.sync()
    finally:
        journal.close()
