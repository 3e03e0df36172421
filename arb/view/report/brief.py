"""What a person may copy out of a report and send on: how long was traded, what was earned, what cost most, what went wrong."""

from typing import Any

from arb.clock import utc_text
from arb.view.report.text import WATERFALL, amount, count, percent, span

Facts = dict[str, Any]
CAUSES = [term for term in WATERFALL if term not in ("expected_net", "realised_net")]
KINDS_SHOWN = 4
LEFT_OPEN = {"opening": "still opening", "repairing": "under repair", "halted": "halted"}
"""States of a pair that somebody should look at."""


def brief(facts: Facts) -> list[str]:
    """Return a few plain sentences about a report, as `summarise` gives it; time is time traded, not time passed."""
    if not facts["runs"]:
        return ["Nothing has run on this ledger yet."]
    finished = facts["finished"]
    quotes = sorted(finished, key=lambda quote: -finished[quote])
    return [
        *([f"{facts['note']}."] if "note" in facts else []),
        _when(facts),
        *(sentence for quote in quotes if finished[quote] for sentence in _earned(facts, quote)),
        *([] if any(finished.values()) else ["No pair trade finished: nothing was earned, nothing lost."]),
        _wrong(facts),
    ]


def _when(facts: Facts) -> str:
    traded = span(1000 * float(facts["run_seconds"]))
    modes = ", ".join(sorted({str(run["mode"]) for run in facts["runs"]}))
    text = f"{traded} of trading in {count(len(facts['runs']), 'run')} ({modes})"
    if facts["from_ns"] is not None:
        text += f" between {utc_text(facts['from_ns'])[:16]} and {utc_text(facts['to_ns'])[:16]} UTC"
    chosen = ", ".join(f"{name} {value}" for name, value in facts["selected"].items() if value is not None)
    return f"{text}; only {chosen}." if chosen else f"{text}."


def _earned(facts: Facts, quote: str) -> list[str]:
    steps = facts["waterfall"][quote]
    net, expected = float(facts["net"][quote]), float(facts["expected"][quote])
    verb = "earned" if net >= 0 else "lost"
    text = f"{count(facts['finished'][quote], 'pair')} {verb} {amount(abs(net), quote)} after all fees"
    if net >= 0 and expected > 0:
        text += f", {percent(net, expected)} of the {amount(expected, quote)} expected at the decisions"
    elif expected > 0:
        text += f", where {amount(expected, quote)} was expected at the decisions"
    worst = min(CAUSES, key=lambda term: steps[term])
    cost = (
        f"What cost most of it: {WATERFALL[worst]}, {amount(-float(steps[worst]), quote)}."
        if steps[worst] < 0
        else "Nothing was lost on the way."
    )
    fees = amount(float(facts["fees_in_quote"][quote]), quote)
    return [f"{text}.", f"{cost} Fees paid, already taken off: {fees}."]


def _wrong(facts: Facts) -> str:
    wrong = [row for row in facts["incidents"] if row["severity"] != "info"]  # which is said of what is well again
    critical = {row["kind"] for row in wrong if row["severity"] == "critical"}
    counts: dict[str, int] = {}
    for row in wrong:
        counts[row["kind"]] = counts.get(row["kind"], 0) + row["incidents"]
    kinds = sorted(counts.items(), key=lambda item: (item[0] not in critical, -item[1]))
    found = [f"{kind} {number:,}{' (critical)' * (kind in critical)}" for kind, number in kinds]
    others = sum(number for _, number in kinds[KINDS_SHOWN:])
    shown = ", ".join(found[:KINDS_SHOWN]) + (f" and {others:,} of other kinds" if others else "")
    parts = [f"{count(sum(counts.values()), 'incident')}: {shown}"] if kinds else []
    states = facts["pairs"]
    parts += [f"{count(states[state], 'pair')} {words}" for state, words in LEFT_OPEN.items() if state in states]
    halted = sum(run["halted"] is not None for run in facts["runs"])
    parts += [f"{count(halted, 'run')} ended halted"] if halted else []
    if facts["repaired_pairs"]:
        parts.append(f"{count(facts['repaired_pairs'], 'pair')} needed a hedge or an unwind")
    return f"What went wrong: {'; '.join(parts)}." if parts else "Nothing went wrong that a person should know of."
