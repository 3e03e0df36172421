"""The live screen of a run, and the same from another terminal: the source of its states, and the action of its keys."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

import msgspec

from arb.app import control, journals_of, review, stores
from arb.clock import Clock, SystemClock, utc_text
from arb.config import ControlOptions, ReviewOptions, Settings
from arb.errors import ArbError, ConfigError, require
from arb.live.control import ask
from arb.store.ledger.queries import LedgerReader
from arb.store.ledger.today import TodayReader
from arb.view.screen.dialogs import Action, Confirmed
from arb.view.screen.held import HeldLog
from arb.view.screen.lines import encoded
from arb.view.screen.picture import picture
from arb.view.screen.screen import Hands, Screen, Texts
from arb.view.screen.terminal import own_terminal

REASON = "from the screen"
WATCH_EVERY_S, LEDGER_EVERY_S = 0.5, 2.0
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
        self._options = ControlOptions(mode=mode, db=db, reason=REASON, by=control.this_user())
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
                if LedgerReader(self._url).alert(confirmed.alert)["last_incident_id"] != confirmed.seen:
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


def screen_of(controls: ScreenControls, clock: Clock, texts: Texts, held: HeldLog) -> Screen:
    return Screen(own_terminal(), clock, controls.hands(), texts, held, colours=coloured())


def coloured() -> bool:
    """Return whether colours are wanted (https://no-color.org)."""
    return not os.environ.get("NO_COLOR")


def stop_this_process() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def present_or_latest(settings: Settings, options: ReviewOptions, clock: Clock) -> dict[str, Any]:
    """Return the state of the running engine, or the ledger's sums of the latest run, or of the run that is asked for.

    Raises `ConfigError` where there is neither.
    """
    for journal in [] if options.rows.get("run") else journals_of(settings, options.mode, options.db):
        answer = ask(journal, {"do": "state"})
        if answer is not None and "error" in answer:
            raise ConfigError(
                f"the engine answers: {answer['error']}: is it of another version? `arb status --json` asks it"
            )
        if answer is not None:
            return answer
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
    controls = ScreenControls(settings, options.mode, options.db, clock, stop_this_process)
    width = terminal.size()[0]
    rows = picture(state | controls.read(), (width, ONCE_ROWS), "")
    return b"\n".join(encoded(row, terminal.encoding, colours=coloured()) for row in rows).decode(terminal.encoding)


def watch(settings: Settings, options: ReviewOptions) -> None:
    """Show the screen until the user closes it, or a signal ends it."""
    clock, left = SystemClock(), threading.Event()
    state = present_or_latest(settings, options, clock)  # a read error is reported before a screen is up
    controls = ScreenControls(settings, options.mode, options.db, clock, left.set)
    screen = screen_of(controls, clock, WATCH, HeldLog(sys.stderr))
    for name in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, lambda *_: left.set())
    screen.start()
    try:
        while not (left.is_set() or screen.ended.is_set()):
            screen.show(state)
            left.wait(LEDGER_EVERY_S if state["state"] in (NOT_RUNNING, NO_ANSWER) else WATCH_EVERY_S)
            with contextlib.suppress(ArbError):  # the screen shows how old its picture is
                state = present_or_latest(settings, options, clock)
    finally:
        screen.close()
    require(screen.failure is None, f"the screen broke: {screen.failure!r}")
