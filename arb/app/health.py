"""`arb status --check`: whether all is well, for cron and service managers. One line names every fault, the worst first."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from arb.app import journals_of, stores
from arb.config import ReviewOptions, Settings
from arb.errors import EXIT_CHECK, EXIT_HALTED, EXIT_OK, ArbError
from arb.live.control import ask
from arb.masking import printable
from arb.store.ledger.database import mask_url
from arb.store.ledger.queries import LedgerReader
from arb.view.plain import short_amount, stopped

LOOKS, BETWEEN_S = 4, 1.0
"""How often the engine is asked before it counts as `blocked`: books and venues pause for moments."""
WORDS = {"dead": EXIT_CHECK, "naked": EXIT_HALTED, "halted": EXIT_HALTED, "blocked": EXIT_HALTED, "alerts": EXIT_CHECK}
"""The words for faults, the worst first, and their exit codes."""
NOTHING_OPENS = ("WAITING", "BLOCKED")


class Fault(NamedTuple):
    """A fault by its word of `WORDS`, and its text."""

    word: str
    text: str


def check(settings: Settings, options: ReviewOptions, wait: Callable[[float], object]) -> tuple[dict[str, Any], int]:
    """Return the findings and the exit code of the worst: 0, 3 (`dead`, `alerts`) or 4 (`naked`, `halted`, `blocked`)."""
    url, _ = stores(settings, options.mode, options.db)
    faults = list(_faults(settings, options, url, wait))
    line = (
        "; ".join(f"{fault.word}: {printable(fault.text)}" for fault in faults)
        or "ok: pairs may open, and no alert is open"
    )
    document = {"check": faults[0].word if faults else "ok", "faults": [fault.word for fault in faults], "line": line}
    return document, WORDS[faults[0].word] if faults else EXIT_OK


def _faults(settings: Settings, options: ReviewOptions, url: str, wait: Callable[[float], object]) -> Iterator[Fault]:
    try:
        state = _state(settings, options)
        for _ in range(LOOKS - 1):
            if state is None or state["state"] not in NOTHING_OPENS:
                break
            wait(BETWEEN_S)
            state = _state(settings, options)
    except ArbError as error:
        yield Fault("dead", f"no engine was found: {error}")
        return
    if state is None:
        yield Fault("dead", f"no engine answers on ledger {mask_url(url)}: start it with `arb run`")
        return
    naked = [row for row in state["unhedged"] if row["age_ms"] > settings.timing.leg_deadline_ms]
    if naked:
        rows = ", ".join(f"{row['size']} {row['asset']} for {row['age_ms'] / 1000:.0f} s" for row in naked)
        worth = short_amount(state["unhedged_notional"])
        yield Fault("naked", f"{worth} unhedged beyond the deadline ({rows}): `arb flatten --reason TEXT`")
    if state["state"] != "ACTIVE":
        first = state["stops"][0]
        word = "blocked" if state["state"] in NOTHING_OPENS else "halted"
        yield Fault(word, f"{stopped(first)}; {first['ends']}")
    try:
        alerts = LedgerReader(url).alerts()
    except ArbError as error:
        yield Fault("alerts", f"not known: {error}")
        return
    if alerts:
        kinds = ", ".join(sorted({str(alert["kind"]) for alert in alerts}))
        yield Fault("alerts", f"{len(alerts)} open ({kinds}): `arb alerts` names the actions")


def _state(settings: Settings, options: ReviewOptions) -> dict[str, Any] | None:
    """Return the engine's state; None where none answers, or it has not begun."""
    for journal in journals_of(settings, options.mode, options.db):
        answer = ask(journal, {"do": "status"})
        if answer is not None and "state" in answer:
            return answer
    return None
