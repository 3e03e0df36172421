"""`arb halt`, `resume`, `flatten` and `alerts ack`: to a running engine by its socket, to the next one by file and
journal.

The engine is found by its ledger. Its journal, with socket and halt file next to it, is where the ledger's URL leads;
where nothing answers there, a ledger on PostgreSQL is asked.
"""

import contextlib
import logging
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from arb.app import journals_of, stores
from arb.clock import Clock, SystemClock, utc_text
from arb.config import ControlOptions, Settings
from arb.core.messages.commands import Persist
from arb.core.messages.events import ResumeAsked
from arb.core.messages.incidents import IncidentKind
from arb.core.messages.settings import Limits
from arb.core.state.blocks import Source
from arb.core.state.control import Control
from arb.errors import ArbError, CheckFailed, ConfigError
from arb.live.control import ask, remove_halt_file, write_halt_file
from arb.market.arena import INT64_MAX
from arb.market.numbers import plain
from arb.process import user_name
from arb.store.journal.guards import running_engines
from arb.store.journal.journal import Journal

log = logging.getLogger(__name__)

LOCK_TRIES = 10
LOCK_TRY_S = 0.1
ASK_S, RELOAD_S = 2.0, 30.0
"""How long an engine may take to answer; reading settings is not its first task."""
NO_ANSWER = "not running, or not answering"


class Answer(NamedTuple):
    """The result of a control command; `remedy` is the user's next step where no engine obeyed, "" where one did."""

    document: dict[str, Any]
    remedy: str = ""

    @property
    def obeyed(self) -> bool:
        return not self.remedy


Command = Callable[[Settings, ControlOptions], Answer]


def halt(settings: Settings, options: ControlOptions) -> Answer:
    """Write the halt file, which every engine on this journal obeys within 200 ms, and ask a running one at once."""
    files = []

    def write(journal: Path) -> None:
        files.append(str(write_halt_file(journal, options.reason)))

    _, answer = _asked(settings, options, "halt", before=write)
    document = {"halt": options.reason, "engine": _obeyed(answer) if answer else NO_ANSWER, "file": files[-1]}
    stays = f"the halt is saved in {' and '.join(files)}, and holds for the next start"
    return Answer(document, "" if answer else stays)


def resume(settings: Settings, options: ControlOptions) -> Answer:
    """Remove the halt file and lift the halt: in the running engine, else in the journal for the next one.

    `halted` in the answer is the cause that still blocks openings: the day's loss, unless `--allow-loss` was given. Where
    no engine runs, `alerts` are those that ended with the halt.
    """
    allowance = {} if options.allow_loss is None else {"allow_loss": plain(options.allow_loss)}
    journal, answer = _asked(settings, options, "resume", allowance)
    document: dict[str, Any] = {"resume": options.reason}
    if answer is not None:
        return Answer(document | {"engine": _obeyed(answer), "halted": answer.get("halted")})
    known, still = journal.exists(), None
    if known:
        try:
            still = _lift(journal, settings.limits, options)
        except ConfigError as error:
            return Answer(document | {"engine": NO_ANSWER}, f"nothing was lifted: {error}")
    if remove_halt_file(journal) or known:
        ended = _end_alerts(journal, stores(settings, options.mode, options.db)[0], options) if known else []
        return Answer(document | {"engine": "not running", "halted": still, "alerts": ended})
    return Answer(document | {"engine": NO_ANSWER}, f"no engine ever ran on journal {journal}")


def reload(settings: Settings, options: ControlOptions) -> Answer:
    """Have the running engine read its settings again; `applied` and `refused` are its answer."""
    journal, answer = _asked(settings, options, "reload", timeout_s=RELOAD_S)
    if answer is None:
        return Answer({"engine": NO_ANSWER}, f"no engine answers on {journal}. The next one reads the settings anyway")
    return Answer({"engine": _obeyed(answer)} | {name: answer[name] for name in ("applied", "refused", "companion")})


def flatten(settings: Settings, options: ControlOptions) -> Answer:
    """Ask the running engine to flatten: only an engine can trade."""
    journal, answer = _asked(settings, options, "flatten")
    if answer is not None:
        return Answer({"flatten": options.reason, "engine": _obeyed(answer)})
    return Answer(
        {"flatten": options.reason, "engine": NO_ANSWER},
        f"no engine answers on {journal}. Start one and retry; `arb halt` works without one",
    )


def acknowledge(settings: Settings, options: ControlOptions) -> Answer:
    """Acknowledge an alert as the ledger shows it now: in the running engine, else in the journal and the ledger.

    Raises `ConfigError` when there is no such alert, or it is acknowledged already.
    """
    from arb.store.ledger.queries import LedgerReader  # late: a halt waits for no database

    url, _ = stores(settings, options.mode, options.db)
    alert = LedgerReader(url).alert(options.ident)
    if alert["acknowledged_ns"] is not None:
        at, by = utc_text(alert["acknowledged_ns"]), alert["acknowledged_by"]
        raise ConfigError(f"alert {alert['id']}: acknowledged before, by {by} at {at}: {alert['reason']}")
    of_alert = {"alert": alert["id"], "seen": alert["last_incident_id"], "by": options.by}
    journal, answer = _asked(settings, options, "acknowledge", of_alert)
    document = {"acknowledged": str(alert["id"]), "kind": alert["kind"], "count": alert["count"]}
    document |= {"reason": options.reason}
    if answer is not None:
        return Answer(document | {"engine": _obeyed(answer)})
    if not journal.exists():
        return Answer(document | {"engine": NO_ANSWER}, f"nothing was acknowledged: journal {journal} is not here")
    try:
        _take_note(journal, url, alert["id"], alert["last_incident_id"], options)
    except ConfigError as error:
        return Answer(document | {"engine": NO_ANSWER}, f"nothing was acknowledged: {error}")
    return Answer(document | {"engine": "not running"})


def _asked(
    settings: Settings,
    options: ControlOptions,
    do: str,
    more: Mapping[str, Any] | None = None,
    before: Callable[[Path], None] = lambda journal: None,
    timeout_s: float = ASK_S,
) -> tuple[Path, dict[str, Any] | None]:
    """Ask at every possible place of the engine's journal until one answers; return the last place, and the answer."""
    journal, answer = Path(), None
    for journal in journals_of(settings, options.mode, options.db):
        before(journal)
        answer = ask(journal, {"do": do, "reason": options.reason} | dict(more or {}), timeout_s)
        if answer is not None:
            break
    return journal, answer


def require_obeyed(answer: Answer) -> None:
    """Raise `CheckFailed`, naming the engines that do run, where none obeyed."""
    if not answer.obeyed:
        running = "; ".join(running_engines()) or "none of yours on this machine"
        raise CheckFailed(
            f"no engine obeyed: {answer.remedy}. Another ledger? Give --db, --mode or --config (engines running: {running})"
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


def _take_note(path: Path, url: str, alert_id: int, seen_id: int, options: ControlOptions) -> None:
    """Write an acknowledgement into the journal of an engine that does not run, and bring the ledger up to it."""
    from arb.store.ledger import alerts
    from arb.store.ledger.ledger import InlineLedger

    with contextlib.closing(_opened(path, SystemClock())) as journal:
        alerts.acknowledge(journal, SystemClock(), alert_id, seen_id, options.by, options.reason)
        InlineLedger(url, journal).close()


def _end_alerts(path: Path, url: str, options: ControlOptions) -> list[str]:
    """Acknowledge the alerts that a resumption ends, as a running engine does; without a ledger they wait for a person."""
    from arb.store.ledger import alerts
    from arb.store.ledger.ledger import InlineLedger
    from arb.store.ledger.queries import LedgerReader

    kinds = alerts.ended_by(IncidentKind.RESUMED)
    try:
        reader, journal = LedgerReader(url), _opened(path, SystemClock())
        with contextlib.closing(journal):
            InlineLedger(url, journal).close()  # up to the last entry its engine journalled
            ended = [alert for alert in reader.alerts(limit=INT64_MAX) if alert["kind"] in kinds]
            for alert in ended:
                alerts.acknowledge(journal, SystemClock(), alert["id"], alert["seen_id"], user_name(), options.reason)
            InlineLedger(url, journal).close()
    except ArbError as error:
        log.warning("alerts stay as they are: %s", error)
        return []
    return [str(alert["id"]) for alert in ended]


def _lift(path: Path, limits: Limits, options: ControlOptions) -> str | None:
    """Write the resumption into the journal of an engine that does not run (a running one holds the lock).

    Returns the cause that still blocks openings.
    """
    clock, control = SystemClock(), Control(limits)
    with contextlib.closing(_opened(path, clock)) as journal:
        record = journal.restore().control
        if record is not None:
            control.restore(record)
        # The host's clock has not been compared with the venues'.
        now_ns, seq = max(clock.wall_ns(), journal.last_ns()), journal.last_seq + 1
        if control.halted or control.blocks.of(Source.DRIFT) or control.late or options.allow_loss is not None:
            control.resume(now_ns, options.allow_loss)
            event = ResumeAsked(
                seq=seq, t_ns=now_ns, reason=options.reason, by=user_name(), allow_loss=options.allow_loss
            )
            journal.append(event, (Persist(cause=seq, record=control.record(now_ns, options.reason)),))
            journal.sync()
        return control.halted_at(now_ns)
