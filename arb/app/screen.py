"""The live screen, the same program for the run's terminal and for another: where its states come from, what its keys do."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from arb.app import control, journals_of, review, stores
from arb.clock import Clock, SystemClock, utc_text
from arb.config import ControlOptions, ReviewOptions, Settings
from arb.errors import ArbError, require
from arb.live.feed import states_of
from arb.logs import logging_to
from arb.process import user_name
from arb.store.ledger.queries import LedgerReader
from arb.store.ledger.sums import TodayReader
from arb.view.lines import encoded
from arb.view.screen.dialogs import Action, Confirmed
from arb.view.screen.picture import picture
from arb.view.screen.screen import Hands, Screen, Texts
from arb.view.screen.terminal import own_terminal
from arb.view.tty import HeldLog

REASON = "from the screen"
GONE_EVERY_S, LEDGER_EVERY_S = 0.1, 2.0
ONCE_ROWS = 200
"""The greatest length of a picture that is shown once: its reader can scroll."""
RUN = Texts(
    stop="q or Ctrl-C: stop",
    help="stop the run, as Ctrl-C does: open pairs are finished first; Ctrl-C again: at once",
    question="stop the run, as Ctrl-C does: open pairs are finished first; Ctrl-C again stops at once.",
)
WATCH = Texts(
    stop="q or Ctrl-C: close, the engine continues",
    help="close this screen; the engine continues (to stop it: Ctrl-C where it runs)",
    question="close this screen; the engine continues.",
)
NOT_RUNNING, NO_ANSWER = "NOT RUNNING", "NO ANSWER"
"""Shown in place of an engine's state: its latest run has ended in order, or has not (killed, or it hangs)."""


class ScreenControls:
    """The actions of a screen's keys, and the facts besides the engine's state. `stop`: the action of `q`."""

    def __init__(self, settings: Settings, mode: str, db: str | None, clock: Clock, stop: Callable[[], None]) -> None:
        self._settings = settings
        self._options = ControlOptions(mode=mode, db=db, reason=REASON, by=user_name())
        self._url, _ = stores(settings, mode, db)
        self._clock = clock
        self._stop = stop
        self._today: TodayReader | None = None  # both once the ledger is there
        self._ledger: LedgerReader | None = None

    def hands(self) -> Hands:
        return Hands(act=self.act, read=self.read)

    def act(self, confirmed: Confirmed) -> str:
        """Do the confirmed action, the way the command of that name does it; return the result."""
        match confirmed.action:
            case Action.HALT:
                return _said("halt", control.halt(self._settings, self._options))
            case Action.FLATTEN:
                return _said("flatten", control.flatten(self._settings, self._options))
            case Action.ACKNOWLEDGE:
                if LedgerReader(self._url).alert(str(confirmed.alert))["last_incident_id"] != confirmed.seen:
                    return "acknowledge: NOT DONE: it has happened again meanwhile: read its new text"
                options = msgspec.structs.replace(self._options, ident=str(confirmed.alert))
                return _said("acknowledge", control.acknowledge(self._settings, options))
        self._stop()
        return "stopping: open pairs are finished first"

    def read(self) -> dict[str, Any]:
        """Return today's sums of the ledger, and the alerts that are not acknowledged."""
        if self._today is None or self._ledger is None:
            self._today, self._ledger = TodayReader(self._url), LedgerReader(self._url)
        return {"today": self._today.read(self._clock.wall_ns()), "alerts": self._ledger.alerts()}


def _said(what: str, answer: control.Answer) -> str:
    return f"{what}: done" if answer.obeyed else f"{what}: NOT DONE: {answer.remedy}"


def coloured() -> bool:
    """Return whether colours are wanted (https://no-color.org)."""
    return not os.environ.get("NO_COLOR")


def states(settings: Settings, options: ReviewOptions) -> Iterator[dict[str, Any] | None]:
    """Yield the states of the running engine until it has gone or hangs; None: none came for a moment."""
    for journal in [] if options.rows.get("run") else journals_of(settings, options.mode, options.db):
        yield from states_of(journal)


def present_or_latest(settings: Settings, options: ReviewOptions, clock: Clock) -> dict[str, Any]:
    """Return the state of the running engine, or the ledger's sums of the latest run, or of the run that is asked for.

    Raises `ConfigError` where there is neither.
    """
    present = next((state for state in states(settings, options) if state is not None), None)
    return present or latest(settings, options, clock)


def latest(settings: Settings, options: ReviewOptions, clock: Clock) -> dict[str, Any]:
    """Return a state from what the ledger has of a run."""
    return _of_ledger(review.status(settings, options), clock.wall_ns())


def _of_ledger(known: dict[str, Any], now_ns: int) -> dict[str, Any]:
    ended = (
        f"ended at {utc_text(known['ended_ns'])} UTC"
        if known.get("ended_ns")
        else "has not ended in order: its engine was killed, or hangs"
    )
    remarks = [f"no engine answers: this is run {known['run_id']} as its ledger has it; it {ended}"]
    if known.get("halt_file"):
        remarks.append(f"halt file: {known['halt_file']}: the next run begins halted, until `arb resume --reason TEXT`")
    counted, orders = known["pairs"], known["orders"]
    return {
        "about": {"mark": "", "mode": known["mode"], "environment": "", "ledger": known["db"], "started_ns": None},
        "now_ns": now_ns,
        "state": NOT_RUNNING if known.get("ended_ns") else NO_ANSWER,
        "halted": None,
        "remarks": remarks + [f"it halted: {known['halted']}"] * bool(known["halted"]),
        "prices_apart": [],
        "wallets_closed": [],
        "pairs": {"opened": sum(counted.values())} | counted,
        "orders": sum(orders.values()),
        "fills": known["fills"],
        "incidents": known["incidents"],
        "opportunities": sum(known["opportunities"].values()),
        "not_taken": dict(sorted(known["not_taken"].items(), key=lambda item: -item[1])),
        "net": known["net"],
        "unproved": {"pairs": 0, "net": known["unproved_net"]},
    }


def draw_once(settings: Settings, options: ReviewOptions) -> str:
    """Return the screen as text as long as it needs, for the terminal that stdout is."""
    clock, terminal = SystemClock(), own_terminal()
    state = present_or_latest(settings, options, clock)
    controls = ScreenControls(settings, options.mode, options.db, clock, lambda: None)
    width = terminal.size()[0]
    rows = picture(state | controls.read(), (width, ONCE_ROWS), "")
    return b"\n".join(encoded(row, terminal.encoding, colours=coloured()) for row in rows).decode(terminal.encoding)


def watch(settings: Settings, options: ReviewOptions, of_run: int | None = None) -> None:
    """Show the screen until the user leaves it, a signal ends it, or the process that it belongs to (`of_run`) has ended.

    Raises `CheckFailed` when that process ended without ending this one, or the screen broke.
    """
    clock, left, held = SystemClock(), threading.Event(), HeldLog(sys.stderr)

    def orphaned() -> bool:
        return of_run is not None and os.getppid() != of_run

    def stop() -> None:
        if of_run is None:
            left.set()
        elif not orphaned():
            os.kill(of_run, signal.SIGINT)

    # What cannot be read is said before a screen is up.
    first = present_or_latest(settings, options, clock) if of_run is None else None
    controls = ScreenControls(settings, options.mode, options.db, clock, stop)
    texts = WATCH if of_run is None else RUN
    screen = Screen(own_terminal(), clock, controls.hands(), texts, colours=coloured())
    for name in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, lambda *_: left.set())

    def over() -> bool:
        return left.is_set() or screen.ended.is_set() or orphaned()

    with logging_to(held, level="warning"):
        held.hold()
        if first is not None:
            screen.show(first)
        screen.start()
        try:
            while not over():
                for state in states(settings, options):
                    if state is not None:
                        screen.show(state)
                    if over():
                        break
                else:
                    if of_run is None:
                        with contextlib.suppress(ArbError):  # the screen says how old its picture is
                            screen.show(latest(settings, options, clock))
                    left.wait(GONE_EVERY_S if of_run else LEDGER_EVERY_S)
        finally:
            screen.close()
            held.release()
    require(not orphaned(), "the engine's process has died: the next `arb run` finishes what is open")
    require(screen.failure is None, f"the screen broke: {screen.failure!r}")
