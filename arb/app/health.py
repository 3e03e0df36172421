"""`arb status --check`: whether all is well, for cron and service managers. One line names every fault, the worst first."""

from collections.abc import Callable, Iterator
from typing import Any

from arb.app import journals_of, stores
from arb.config import ReviewOptions, Settings
from arb.errors import EXIT_OK, ArbError
from arb.live.control import ask
from arb.store.ledger.database import mask_url
from arb.store.ledger.queries import LedgerReader
from arb.view.health import BLOCKED_S, NOTHING_OPENS, WORDS, Fault, fault_of_alerts, faults_of, health_line

LOOKS = 4
"""How often the engine is asked within `BLOCKED_S`."""


def check(settings: Settings, options: ReviewOptions, wait: Callable[[float], object]) -> tuple[dict[str, Any], int]:
    """Return the findings and the exit code of the worst: 0, 3 (`dead`, `alerts`) or 4 (`naked`, `halted`, `blocked`)."""
    url, _ = stores(settings, options.mode, options.db)
    faults = list(_faults(settings, options, url, wait))
    document = {"check": faults[0].word if faults else "ok", "faults": [fault.word for fault in faults]}
    document |= {"line": health_line(faults)}
    return document, WORDS[faults[0].word] if faults else EXIT_OK


def _faults(settings: Settings, options: ReviewOptions, url: str, wait: Callable[[float], object]) -> Iterator[Fault]:
    try:
        state = _state(settings, options)
        for _ in range(LOOKS - 1):
            if state is None or state["state"] not in NOTHING_OPENS:
                break
            wait(BLOCKED_S / (LOOKS - 1))
            state = _state(settings, options)
    except ArbError as error:
        yield Fault("dead", f"no engine was found: {error}")
        return
    if state is None:
        yield Fault("dead", f"no engine answers on ledger {mask_url(url)}: start it with `arb run`")
        return
    yield from faults_of(state, settings.timing.leg_deadline_ms)
    try:
        yield from fault_of_alerts(LedgerReader(url).alerts())
    except ArbError as error:
        yield Fault("alerts", f"not known: {error}")


def _state(settings: Settings, options: ReviewOptions) -> dict[str, Any] | None:
    """Return the engine's state; None where none answers, or it has not begun."""
    for journal in journals_of(settings, options.mode, options.db):
        answer = ask(journal, {"do": "status"})
        if answer is not None and "state" in answer:
            return answer
    return None
