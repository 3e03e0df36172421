"""The one judge of an engine's health: of its state and its open alerts, for `arb status --check` and `/healthz`."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from arb.errors import EXIT_CHECK, EXIT_HALTED
from arb.masking import printable
from arb.view.plain import short_amount, stopped

WORDS = {"dead": EXIT_CHECK, "naked": EXIT_HALTED, "halted": EXIT_HALTED, "blocked": EXIT_HALTED, "alerts": EXIT_CHECK}
"""The words for faults, the worst first, and their exit codes."""
NOTHING_OPENS = ("WAITING", "BLOCKED")
"""States that count as `blocked` once they have lasted for `BLOCKED_S`: books and venues pause for moments."""
BLOCKED_S = 3.0


class Fault(NamedTuple):
    """A fault by its word of `WORDS`, and its text."""

    word: str
    text: str


def faults_of(state: Mapping[str, Any], leg_deadline_ms: int) -> Iterator[Fault]:
    """Yield the faults of an engine that answers with this state, the worst first."""
    naked = [row for row in state["unhedged"] if row["age_ms"] > leg_deadline_ms]
    if naked:
        rows = ", ".join(f"{row['size']} {row['asset']} for {row['age_ms'] / 1000:.0f} s" for row in naked)
        worth = short_amount(state["unhedged_notional"])
        yield Fault("naked", f"{worth} unhedged beyond the deadline ({rows}): `arb flatten --reason TEXT`")
    if state["state"] != "ACTIVE":
        word = "blocked" if state["state"] in NOTHING_OPENS else "halted"
        first = next(iter(state["stops"]), None)
        yield Fault(word, "`arb status` names the cause" if first is None else f"{stopped(first)}; {first['ends']}")


def fault_of_alerts(alerts: Sequence[Mapping[str, Any]]) -> Iterator[Fault]:
    if alerts:
        kinds = ", ".join(sorted({str(alert["kind"]) for alert in alerts}))
        yield Fault("alerts", f"{len(alerts)} open ({kinds}): `arb alerts` names the actions")


def health_line(faults: Iterable[Fault]) -> str:
    """Return one line: every fault, or that there is none."""
    found = "; ".join(f"{fault.word}: {printable(fault.text)}" for fault in faults)
    return found or "ok: pairs may open, and no alert is open"
