"""The companion's loop: it compares the ledger's alerts and the engine's signs with the messages sent, and sends those due."""

import http.client
import logging
import shutil
import threading
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from arb.clock import NS_PER_S, Clock
from arb.config import Settings
from arb.errors import ArbError, ConfigError
from arb.masking import clean
from arb.store.ledger.bounded import bounded
from arb.store.ledger.queries import LedgerReader
from arb.store.ledger.sums import TodayReader
from arb.view.health import BLOCKED_S, NOTHING_OPENS, Fault, fault_of_alerts, faults_of
from arb.watch import notices
from arb.watch.due import Rules, due_now, message
from arb.watch.engine import EngineSigns
from arb.watch.guard import Guard
from arb.watch.memory import Memory
from arb.watch.metrics import Seen
from arb.watch.notices import Engine, Notice
from arb.watch.receivers import FAILS, Receiver

log = logging.getLogger(__name__)

STEP_S = 0.25
READ_EVERY_NS = NS_PER_S
UNREAD_NS = 10 * NS_PER_S
"""After so long without the ledger of a running engine its alerts count as unseen."""
START_NS, END_NS = 120 * NS_PER_S, 15 * NS_PER_S
"""How long a run may take from its row to its first state, and from its last state to the end in its row."""
FUNDS_S, FUNDS_END_S = 600, 1200
"""Balances used up within the first are an alert, until all last longer than the second."""
BEAT_EVERY_NS = 60 * NS_PER_S
BEAT_TIMEOUT_S = 10.0
TODAY_EVERY_NS = 15 * NS_PER_S


class Companion:
    """`url`: the ledger, which it only reads. One `step` reads, sends and returns; time is the clock's."""

    def __init__(
        self,
        settings: Settings,
        engine: Engine,
        url: str,
        *,
        signs: EngineSigns,
        receivers: Sequence[Receiver],
        memory: Memory,
        clock: Clock,
        guard: Guard | None = None,
    ) -> None:
        self._guard = guard
        self._settings, self._engine, self._url = settings, engine, url
        self._signs, self._receivers, self._memory, self._clock = signs, receivers, memory, clock
        self._rules = Rules.of(settings.alerts)
        self._reader: LedgerReader | None = None
        self._rows: list[dict[str, Any]] = []
        self._run: dict[str, Any] | None = None
        self._today: Mapping[str, Any] = {}
        self._disk_free_bytes: int | None = None
        self._read_ns = self._asked_ns = self._beat_ns = self._today_ns = self._opened_ns = 0
        self._trouble = ""
        self._lasting: Mapping[str, Mapping[str, int]] = {}
        self._since: dict[str, int] = {}
        self._found: list[Notice] = []
        self._logged: dict[str, str] = {}

    def run(self, stop: threading.Event, beat: Callable[[], object]) -> None:
        """Step until stopped, with a beat each second. A bug in one step is logged and ends nothing: a missing message is
        better than no companion.
        """
        threading.Thread(target=self._signs.run, args=(stop,), daemon=True).start()
        beaten_ns = 0
        while not stop.wait(STEP_S):
            try:
                self.step()
            except Exception as error:  # a bug in one step must not end the companion
                self._log("companion", f"{type(error).__name__}: {error}")
            if self._clock.monotonic_ns() - beaten_ns >= NS_PER_S:
                beaten_ns = self._clock.monotonic_ns()
                beat()

    def take(self, settings: Settings) -> None:
        """Let `[alerts]` and `[watch]` hold as they are in these settings, but for `cancel`, which needs keys."""
        watch = msgspec.structs.replace(settings.watch, cancel=self._settings.watch.cancel)
        self._settings = msgspec.structs.replace(self._settings, alerts=settings.alerts, watch=watch)
        self._rules = Rules.of(settings.alerts)

    def step(self) -> None:
        now_ns = self._clock.wall_ns()
        if self._signs.whole_state.get("state") not in NOTHING_OPENS:
            self._opened_ns = now_ns
        if now_ns - self._asked_ns >= READ_EVERY_NS:
            self._asked_ns = now_ns
            self._read(now_ns)
            self._found = list(self._notices(now_ns))
            keys = {each.key for each in self._found}
            self._since = {key: since_ns for key, since_ns in self._since.items() if key in keys}
        for receiver in self._receivers:
            self._serve(receiver, [each for each in self._found if each.except_to != receiver.name], now_ns)
        if self._settings.watch.heartbeat_url and now_ns - self._beat_ns >= BEAT_EVERY_NS and self._is_well():
            self._beat_ns = now_ns
            threading.Thread(target=self._beat, daemon=True).start()

    def _read(self, now_ns: int) -> None:
        """Read the alerts that are open, or ended lately, the latest run, and how much space is free."""
        trouble = ""
        try:
            self._disk_free_bytes = shutil.disk_usage(self._memory.path.parent).free
        except OSError:
            self._disk_free_bytes = None
        try:
            with bounded():
                reader = self._reader = self._reader or LedgerReader(self._url)
                self._rows = reader.alerts_since(self._memory.begun_ns(now_ns))
                run_id = reader.last_run_id()
                self._run = None if run_id is None else reader.run(run_id)
                if self._settings.metrics.listen and now_ns - self._today_ns >= TODAY_EVERY_NS:
                    self._today, self._today_ns = TodayReader(self._url).read(now_ns)["quotes"], now_ns
            self._read_ns = now_ns
        except ArbError as error:
            self._reader, trouble = None, str(error)
        self._log("ledger", trouble if trouble == self._trouble else "")  # a ledger that is being made is none
        self._trouble = trouble
        mode = "" if self._signs.state is None else self._signs.state.about.mode
        other = f"it is of mode {mode}: choose its ledger by --mode or --db"
        self._log("engine", self._signs.trouble or (other if mode not in ("", self._engine.mode) else ""))

    def _notices(self, now_ns: int) -> Iterator[Notice]:
        state, at_stake = self._signs.state, notices.money(self._signs.state, self._engine.quote)
        for row in self._rows:
            yield notices.of_alert(row, at_stake)
        silent = self._is_silent(now_ns)
        if self._guard is not None:
            self._guard.step(now_ns, silent=silent)
            yield from self._guard.notices(at_stake)
        if silent:
            yield notices.of_silence(state, self._signs.silent_s, at_stake, self._begin("engine", now_ns))
        elif self._trouble and self._is_running() and now_ns - self._read_ns >= UNREAD_NS:
            yield notices.of_ledger(self._trouble, at_stake, self._begin("ledger", now_ns))
        if lasting := self._short_funds(silent=silent):
            yield notices.of_funds(lasting, at_stake, self._begin("funds", now_ns))
        for receiver in self._receivers:
            if receiver.failures >= FAILS:
                since_ns = self._begin(f"receiver {receiver.name}", now_ns)
                yield notices.of_receiver(receiver.name, receiver.trouble, at_stake, since_ns)

    def _short_funds(self, *, silent: bool) -> dict[str, dict[str, int]]:
        """Return the balances that are used up soon; once some are, the others that follow them, too.

        The latest forecast holds while the engine is silent, and until a new one knows its pace.
        """
        if self._is_running():
            self._lasting = self._signs.whole_state.get("lasting", self._lasting)
        elif not silent:
            self._lasting = {}
        soon_s = FUNDS_END_S if "funds" in self._since else FUNDS_S
        found = {venue: {asset: s for asset, s in of.items() if s < soon_s} for venue, of in self._lasting.items()}
        return {venue: assets for venue, assets in found.items() if assets}

    def _begin(self, key: str, now_ns: int) -> int:
        return self._since.setdefault(key, now_ns)

    def _is_running(self) -> bool:
        return self._signs.has_answered and self._signs.silent_s < self._settings.watch.hung_after_s

    def _is_silent(self, now_ns: int) -> bool:
        """Return whether an engine that has not ended in order gives no sign."""
        if self._signs.silent_s < self._settings.watch.hung_after_s:
            return False
        if self._signs.has_socket:
            return True
        if self._run is None or self._run["ended_ns"] is not None or now_ns - self._run["started_ns"] < START_NS:
            return False
        return self._signs.silent_s * NS_PER_S >= END_NS

    def _is_well(self) -> bool:
        return self._is_running() and not self._trouble and not any(each.failures for each in self._receivers)

    def _serve(self, receiver: Receiver, found: list[Notice], now_ns: int) -> None:
        for delivered in receiver.delivered(now_ns):
            try:
                self._memory.add(receiver.id, delivered.sent(now_ns))
            except ConfigError as error:  # a restart may repeat the message
                self._log("memory", str(error))
        self._log(f"receiver {receiver.name}", receiver.trouble)
        if not receiver.is_free(now_ns):
            return
        sent, lately = self._memory.sent(receiver.id), receiver.lately(now_ns)
        due = list(due_now(found, sent, self._rules, now_ns, second=receiver.second, gone=bool(self._read_ns)))
        if (next_one := message(due, sent, now_ns, lately, self._engine)) is not None:
            receiver.post(next_one, now_ns)
        elif not due:
            self._memory.forget(receiver.id, {each.key for each in found})

    def seen(self) -> Seen:
        """Return the present knowledge for metrics, without a question to engine or ledger."""
        return Seen(
            silent_s=self._signs.silent_s,
            state=self._signs.whole_state if self._is_running() else {},
            is_ledger_read=bool(self._read_ns) and not self._trouble,
            alerts=[row for row in self._rows if row["acknowledged_ns"] is None],
            today=self._today,
            run=self._run,
            disk_free_bytes=self._disk_free_bytes,
            receivers={each.name: (each.taken, each.failures) for each in self._receivers},
        )

    def faults(self) -> list[Fault]:
        """Return the engine's faults by the latest state and the latest read of the ledger, the worst first."""
        if not self._is_running():
            return [Fault("dead", f"the engine has given no sign for {self._signs.silent_s:.0f} s")]
        try:
            found = list(faults_of(self._signs.whole_state, self._settings.timing.leg_deadline_ms))
        except (KeyError, TypeError) as error:
            return [Fault("dead", f"the engine's state cannot be read ({error}): run one version of arb")]
        if self._clock.wall_ns() - self._opened_ns < BLOCKED_S * NS_PER_S:
            found = [fault for fault in found if fault.word != "blocked"]
        if self._trouble:
            return [*found, Fault("alerts", f"not known: {self._trouble}")]
        return [*found, *fault_of_alerts([row for row in self._rows if row["acknowledged_ns"] is None])]

    def _beat(self) -> None:
        """Request the heartbeat's address."""
        trouble = ""
        try:
            with urllib.request.urlopen(self._settings.watch.heartbeat_url, timeout=BEAT_TIMEOUT_S):
                pass
        except (OSError, ValueError, http.client.HTTPException) as error:
            trouble = f"heartbeat_url does not answer: {error}: check the address and the network"
        self._log("heartbeat", trouble)

    def _log(self, about: str, trouble: str) -> None:
        """Log a trouble once, and once that it is over."""
        before, self._logged[about] = self._logged.get(about, ""), clean(trouble, 300)
        if trouble and self._logged[about] != before:
            log.warning("%s: %s", about, self._logged[about])
        elif before and not trouble:
            log.info("%s: works again", about)
