"""`arb watch` and `arb notify test`: an engine's companion, the files for its metrics, and one message to each receiver."""

import logging
import random
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from arb.app import found_journal, journals_of, stores
from arb.app.resting import Resting, watch_keys
from arb.clock import Clock, SystemClock, system_random
from arb.config import MetricsSettings, Mode, Settings
from arb.config.keys import KeyPlaces
from arb.config.ledger_url import DEMO
from arb.errors import EXIT_CHECK, EXIT_OK, ConfigError, VenueAuthError
from arb.process import ServiceManager
from arb.store.journal.guards import InstanceLock
from arb.store.ledger.database import mask_url
from arb.watch.companion import Companion
from arb.watch.desk_files import DEFAULT_LISTEN, write_files
from arb.watch.engine import EngineSigns
from arb.watch.guard import Guard
from arb.watch.memory import Memory, memory_path
from arb.watch.notices import Engine
from arb.watch.receivers import receivers_of
from arb.watch.serving import serve

log = logging.getLogger(__name__)


def watch(
    settings: Settings,
    mode: str,
    db: str | None,
    places: KeyPlaces,
    stop: threading.Event,
    begun: Callable[[dict[str, Any]], None],
    manager: ServiceManager,
    again: threading.Event,
    reread: Callable[[], Settings],
) -> None:
    """Run the companion until stopped; `begun` gets its receivers and files. At `again` it re-reads its settings.

    Raises `ConfigError` where no receiver is set, another companion runs on this ledger, or a key to cancel with is unusable.
    """
    clock: Clock = SystemClock()
    url, _ = stores(settings, mode, db)
    receivers = receivers_of(places, system_random())
    path = memory_path(found_journal(settings, mode, db))
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = InstanceLock(path, "companion")
    try:
        memory = Memory(path, clock.wall_ns())
        signs = EngineSigns(lambda: journals_of(settings, mode, db), clock)
        engine = engine_of(settings, mode, db)
        guard = guard_of(settings, places, clock) if settings.watch.cancel and mode == Mode.LIVE else None
        companion = Companion(
            settings, engine, url, signs=signs, receivers=receivers, memory=memory, clock=clock, guard=guard
        )
        if (address := settings.metrics.address()) is not None:
            serve(address, companion.seen, companion.faults)
        begun(
            {
                "ledger": mask_url(url),
                "receivers": [receiver.name for receiver in receivers if not receiver.second],
                "wake_receivers": [receiver.name for receiver in receivers if receiver.second],
                "sent": str(path),
                "metrics": settings.metrics.listen or None,
                "cancels_at": [] if guard is None else list(settings.venues.enabled()),
            }
        )

        def beat() -> None:
            manager.notify("WATCHDOG=1")
            if again.is_set():
                again.clear()
                _reload(companion, reread, manager)

        manager.notify("READY=1")
        companion.run(stop, beat)
        manager.notify("STOPPING=1")
    finally:
        lock.release()


def _reload(companion: Companion, reread: Callable[[], Settings], manager: ServiceManager) -> None:
    """Let `[alerts]` and `[watch]` hold as they are now; settings that cannot be used change nothing."""
    manager.notify("RELOADING=1")
    try:
        companion.take(reread())
    except ConfigError as error:
        log.error("reload: the old settings stay: %s", error)
    else:
        log.info("reload: [alerts] and [watch] were read again")
    manager.notify("READY=1")


def guard_of(settings: Settings, places: KeyPlaces, clock: Clock) -> Guard:
    """Return the guard of a live engine; raises `ConfigError` for a key that is missing or not accepted."""
    resting = Resting(settings, watch_keys(settings, places), clock, system_random())
    try:
        resting.check()
    except VenueAuthError as error:
        raise ConfigError(
            f"[watch] cancel: {error}: give the companion a key that may trade and not withdraw"
        ) from None
    return Guard(resting.cancel)


def write_desk_files(folder: Path, metrics: MetricsSettings) -> dict[str, Any]:
    """Write the files for Prometheus and Grafana; return their places, and the setting that is missing for them, if one is.

    Raises `ConfigError` where one of them exists with another content, or the folder takes none.
    """
    metrics.address()  # refuses a text that is no address
    written = write_files(folder, metrics.listen or DEFAULT_LISTEN)
    missing = {} if metrics.listen else {"set": f'[metrics] listen = "{DEFAULT_LISTEN}"'}
    return {"written": [str(path) for path in written], **missing}


def engine_of(settings: Settings, mode: str, db: str | None) -> Engine:
    """Return the engine as messages name it, and the options by which a command finds the same."""
    demos = settings.venues.are_demos and mode in (Mode.PAPER, Mode.LIVE)
    options = f"--mode {mode}{' --environment demo' * demos}{'' if db is None else f' --db {mask_url(db)}'}"
    return Engine(DEMO if demos and mode == Mode.LIVE else mode, options, settings.run.report_currency)


def send_test(places: KeyPlaces, mode: str) -> tuple[list[dict[str, str]], int]:
    """Send a message to every receiver; return each one's result, and exit code 3 where one failed."""
    rows = []
    for receiver in receivers_of(places, random.Random(0)):
        fault = receiver.deliver(f"arb {mode}: a test", "Alerts of arb arrive here. Nothing needs to be done.")
        to = "wake alerts only" if receiver.second else "alerts"
        rows.append({"receiver": receiver.name, "for": to, "result": f"NOT SENT: {fault}" if fault else "sent"})
    return rows, EXIT_CHECK if any(row["result"] != "sent" for row in rows) else EXIT_OK
